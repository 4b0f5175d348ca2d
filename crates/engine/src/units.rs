//! Rates, and the time that bytes take at them, in whole numbers.

use std::fmt;

use crate::time::Span;

/// Bytes per second.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// Nothing moves.
    pub const ZERO: Self = Self(0);

    /// `bytes` in each second.
    pub const fn from_bytes_per_sec(bytes: u64) -> Self {
        Self(bytes)
    }

    /// `bits` in each second, rounded down to whole bytes.
    pub const fn from_bits_per_sec(bits: u64) -> Self {
        Self(bits / 8)
    }

    /// The mean rate at which `bytes` moved in `span`; zero for an empty span.
    pub fn mean(bytes: u64, span: Span) -> Self {
        Self(mul_div(bytes, 1_000_000, span.micros()).unwrap_or(0))
    }

    /// In bytes per second.
    pub const fn bytes_per_sec(self) -> u64 {
        self.0
    }

    /// How long `bytes` take; [`Span::FOREVER`] at rate zero.
    pub fn span_for(self, bytes: u64) -> Span {
        mul_div(bytes, 1_000_000, self.0).map_or(Span::FOREVER, Span::from_micros)
    }

    /// How many bytes move in `span`.
    pub fn bytes_in(self, span: Span) -> u64 {
        mul_div(self.0, span.micros(), 1_000_000).unwrap_or(0)
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}B/s", self.0)
    }
}

/// How fast a player plays, in hundredths of the pace at which media was made: `playbackRate` of the HTML standard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaybackRate(u16);

impl PlaybackRate {
    /// As it was made.
    pub const NORMAL: Self = Self(100);
    /// Slower than this nobody plays anything: browsers go no lower.
    const SLOWEST: u16 = 6;
    /// Nor faster than this.
    const FASTEST: u16 = 1_600;

    /// So many hundredths, within what browsers play: 6 to 1,600.
    pub fn from_percent(percent: u16) -> Self {
        Self(percent.clamp(Self::SLOWEST, Self::FASTEST))
    }

    /// How long it takes to play `media`; [`Span::FOREVER`] for that.
    pub fn lasts(self, media: Span) -> Span {
        self.scaled(media, 100, self.0)
    }

    /// How much media plays within `span`; [`Span::FOREVER`] for that.
    pub fn plays(self, span: Span) -> Span {
        self.scaled(span, self.0, 100)
    }

    fn scaled(self, span: Span, times: u16, over: u16) -> Span {
        if self == Self::NORMAL || span == Span::FOREVER {
            return span;
        }
        mul_div(span.micros(), times.into(), over.into()).map_or(Span::FOREVER, Span::from_micros)
    }
}

impl Default for PlaybackRate {
    fn default() -> Self {
        Self::NORMAL
    }
}

impl fmt::Debug for PlaybackRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}x", self.0 / 100, self.0 % 100)
    }
}

/// `a * b / c` without overflow on the way, at most `u64::MAX`; nothing when `c` is zero.
pub(crate) fn mul_div(a: u64, b: u64, c: u64) -> Option<u64> {
    // A division of 128 bits takes ten times as long, and hardly ever is one needed.
    if let Some(product) = a.checked_mul(b) {
        return product.checked_div(c);
    }
    let wide = (u128::from(a) * u128::from(b)).checked_div(u128::from(c))?;
    Some(u64::try_from(wide).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_time_convert_both_ways() {
        let rate = Rate::from_bits_per_sec(20_000_000);
        assert_eq!(rate.span_for(2_500_000), Span::from_secs(1));
        assert_eq!(rate.bytes_in(Span::from_millis(100)), 250_000);
        assert_eq!(Rate::mean(500, Span::from_millis(500)).bytes_per_sec(), 1000);
        assert_eq!(Rate::ZERO.span_for(1), Span::FOREVER);
        assert_eq!(Rate::mean(1, Span::ZERO), Rate::ZERO);
        assert_eq!(Rate::from_bytes_per_sec(1).span_for(u64::MAX), Span::FOREVER);
    }

    #[test]
    fn media_lasts_half_as_long_at_twice_the_rate() {
        let twice = PlaybackRate::from_percent(200);
        assert_eq!(twice.lasts(Span::from_secs(4)), Span::from_secs(2));
        assert_eq!(twice.plays(Span::from_secs(2)), Span::from_secs(4));
        assert_eq!(PlaybackRate::NORMAL.lasts(Span::from_secs(4)), Span::from_secs(4));
        assert_eq!(twice.lasts(Span::FOREVER), Span::FOREVER);
        let [slowest, fastest] = [0, u16::MAX].map(PlaybackRate::from_percent);
        assert_eq!(slowest.lasts(Span::from_millis(6)), Span::from_millis(100), "a player that stands still");
        assert_eq!(fastest.plays(Span::from_secs(1)), Span::from_secs(16));
    }
}
