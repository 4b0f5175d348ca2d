//! The pace at which runs go out: what the engine decided for all of them together.

use nearcast_engine::{Rate, Span, Time};

/// After a silence so much may go out at once. A page's timers come this late.
const BURST: Span = Span::from_millis(8);

/// Holds runs to the pace.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    rate: Option<Rate>,
    /// Bytes that went out and that the pace has not caught up with by `since`.
    owed: u64,
    since: Time,
}

impl Pacer {
    /// Another pace holds from `now` on; none for as fast as it goes.
    pub(crate) fn set(&mut self, now: Time, rate: Option<Rate>) {
        self.wait(now);
        self.rate = rate;
    }

    /// How long until the next bytes may go out.
    pub(crate) fn wait(&mut self, now: Time) -> Span {
        let Some(rate) = self.rate else {
            (self.owed, self.since) = (0, now);
            return Span::ZERO;
        };
        let paid = rate.bytes_in(now.since(self.since));
        // Time in which not one byte is paid for must not get lost.
        if paid > 0 {
            self.owed = self.owed.saturating_sub(paid);
            self.since = now;
        }
        rate.span_for(self.owed).less(BURST)
    }

    /// Bytes went out.
    pub(crate) fn went(&mut self, bytes: u64) {
        self.owed = self.owed.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_holds_over_time() {
        let mut pacer = Pacer::default();
        let mut now = Time::ZERO + Span::from_secs(1);
        assert_eq!(pacer.wait(now), Span::ZERO);
        pacer.set(now, Some(Rate::from_bytes_per_sec(1_000_000)));
        let begun = now;
        for _ in 0..100 {
            now = now + pacer.wait(now);
            pacer.went(16_384);
        }
        let took = now.since(begun).millis();
        assert!((1_600..1_660).contains(&took), "{took} ms for 1.6 s of bytes");
    }
}
