//! How a player chooses among the renditions of a title: as hls.js 1.6 does unless it is told otherwise.
//!
//! Two means of the rates at which segments came, of which one forgets sooner; the lower counts. Something better is
//! taken when 70 % of it would do and the segment comes before what is buffered has been played, what is played now is
//! kept while 95 % do. Not modelled: a segment that is given up half way for one of a lower rendition.

use std::collections::VecDeque;

use nearcast_engine::{Rate, Span, Time};

use crate::fixed;

/// What hls.js takes a line for that it has not measured.
const UNKNOWN: Rate = Rate::from_bits_per_sec(500_000);
/// Half of what was measured is forgotten after as long of measuring.
const FAST: Span = Span::from_secs(3);
const SLOW: Span = Span::from_secs(9);
/// From a request to its first byte, which is no time that bytes took.
const FIRST_BYTE: Span = Span::from_millis(100);
/// No segment is measured to take less.
const SHORTEST: Span = Span::from_millis(50);
/// Percent of the estimate that a rendition may need that is better than the one played.
const UP: u64 = 70;
/// And one that is not.
const KEPT: u64 = 95;
/// How long a player would rather stand still than take something worse.
const PATIENCE: Span = Span::from_secs(4);

/// One player's choice.
#[derive(Debug)]
pub(crate) struct Choice {
    fast: Mean,
    slow: Mean,
    /// What the player was told to take its line for.
    told: Option<Rate>,
    /// The title of each rendition that was taken, from where in the media on: the last is taken now.
    taken: VecDeque<(Span, u32)>,
    asked_at: Time,
}

impl Choice {
    pub(crate) fn new(title: u32) -> Self {
        Self {
            fast: Mean::new(FAST),
            slow: Mean::new(SLOW),
            told: None,
            taken: VecDeque::from([(Span::ZERO, title)]),
            asked_at: Time::ZERO,
        }
    }

    /// For what rate the agent says that the player should take its line; None when it says nothing any more.
    pub(crate) fn told(&mut self, line: Option<Rate>) {
        self.told = line;
    }

    /// A segment is asked for.
    pub(crate) fn asks(&mut self, now: Time) {
        self.asked_at = now;
    }

    /// All of it came.
    pub(crate) fn came(&mut self, now: Time, bytes: u64) {
        let took = match self.told {
            Some(line) => line.span_for(bytes),
            None => now.since(self.asked_at).less(FIRST_BYTE),
        };
        let took = took.max(SHORTEST);
        let rate = Rate::mean(bytes, took).bytes_per_sec();
        self.fast.add(rate, took);
        self.slow.add(rate, took);
    }

    /// From `at` of the media on, another rendition is taken.
    pub(crate) fn turns(&mut self, at: Span, title: u32) {
        self.taken.push_back((at, title));
    }

    /// The player jumped: what is taken now is taken from anywhere on.
    pub(crate) fn jumps(&mut self) {
        let now = self.taken.pop_back().map(|(_, title)| (Span::ZERO, title));
        self.taken = now.into_iter().collect();
    }

    /// What of media from `from` to `to` is of which title's rendition; what lies before is forgotten.
    pub(crate) fn plays(&mut self, from: Span, to: Span) -> Vec<(Span, u32)> {
        while self.taken.get(1).is_some_and(|(begins, _)| *begins <= from) {
            self.taken.pop_front();
        }
        let ends = self.taken.iter().skip(1).map(|(begins, _)| *begins).chain([Span::from_micros(u64::MAX)]);
        let played = self.taken.iter().zip(ends).map(|((begins, title), ends)| {
            let (begins, ends) = ((*begins).max(from), ends.min(to));
            (ends.less(begins), *title)
        });
        played.filter(|(span, _)| *span > Span::ZERO).collect()
    }

    /// Which of `rates` comes next, that has the best first: the one at `current` is played, with so much ahead, in
    /// segments of `segment`.
    pub(crate) fn next(&self, rates: &[Rate], current: usize, ahead: Span, segment: Span) -> usize {
        let Some(line) = self.line() else {
            // Where even the worst needs more, the first that is listed is taken, which is the best.
            return rates.iter().position(|rate| *rate <= UNKNOWN).unwrap_or(0);
        };
        let within = |patience: Span| {
            rates.iter().enumerate().position(|(place, rate)| {
                let percents = if place < current { UP } else { KEPT };
                let line = fixed::scale(line.bytes_per_sec(), percents, 100).max(1);
                let takes = Rate::from_bytes_per_sec(line).span_for(rate.bytes_in(segment)) + FIRST_BYTE;
                rate.bytes_per_sec() < line && takes < patience
            })
        };
        let without_a_stall = if ahead > Span::ZERO { within(ahead) } else { None };
        let next = without_a_stall.or_else(|| within(ahead + segment.min(PATIENCE)));
        next.unwrap_or(rates.len().saturating_sub(1))
    }

    /// What the player takes its line for, once it has measured.
    fn line(&self) -> Option<Rate> {
        Some(Rate::from_bytes_per_sec(self.fast.value()?.min(self.slow.value()?)))
    }
}

/// A mean that forgets, of rates that lasted.
#[derive(Debug)]
struct Mean {
    half_life: Span,
    /// Not yet divided by how much of all was measured.
    sum: u64,
    lasted: Span,
}

impl Mean {
    fn new(half_life: Span) -> Self {
        Self { half_life, sum: 0, lasted: Span::ZERO }
    }

    /// Half to the power of so many half-lives, as Q32.
    fn left(&self, after: Span) -> u64 {
        let halves = (u128::from(after.micros()) << 32) / u128::from(self.half_life.micros());
        fixed::exp2(i64::try_from(halves).map_or(i64::MIN, |halves| -halves))
    }

    fn add(&mut self, rate: u64, lasts: Span) {
        let left = self.left(lasts);
        let part = |of: u64, share: u64| fixed::scale(of, share, fixed::ONE);
        self.sum = part(self.sum, left).saturating_add(part(rate, fixed::ONE - left));
        self.lasted += lasts;
    }

    fn value(&self) -> Option<u64> {
        let known = fixed::ONE - self.left(self.lasted);
        (known > 0).then(|| fixed::scale(self.sum, fixed::ONE, known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Span = Span::from_secs(4);

    fn kbit(rate: u64) -> Rate {
        Rate::from_bits_per_sec(rate * 1_000)
    }

    fn rates() -> [Rate; 3] {
        [kbit(2_150), kbit(1_000), kbit(450)]
    }

    /// What is chosen after segments of the rendition at `current` came at `line`.
    fn after(line: Rate, current: usize, ahead: u64) -> usize {
        let mut choice = Choice::new(0);
        let bytes = rates()[current].bytes_in(SEGMENT);
        for _ in 0..5 {
            choice.asks(Time::ZERO);
            choice.came(Time::ZERO + FIRST_BYTE + line.span_for(bytes), bytes);
        }
        choice.next(&rates(), current, Span::from_secs(ahead), SEGMENT)
    }

    #[test]
    fn a_better_one_needs_more_room_than_the_one_played() {
        assert_eq!([2_000, 2_400, 3_200].map(|line| after(kbit(line), 0, 20)), [1, 0, 0]);
        assert_eq!([1_400, 2_400, 3_200].map(|line| after(kbit(line), 1, 20)), [1, 1, 0]);
        assert_eq!(after(kbit(100), 1, 20), 2, "too slow for any");
        assert_eq!(after(kbit(3_200), 1, 2), 1, "what is buffered would not last");
    }

    #[test]
    fn what_was_not_measured_is_half_a_megabit() {
        let choice = Choice::new(0);
        assert_eq!(choice.next(&rates(), 0, Span::ZERO, SEGMENT), 2);
        assert_eq!(choice.next(&rates()[..2], 1, Span::ZERO, SEGMENT), 0, "none fits: the first of the list");
    }

    #[test]
    fn who_is_told_measures_nothing() {
        let mut choice = Choice::new(0);
        choice.told(Some(kbit(1_200)));
        choice.asks(Time::ZERO);
        choice.came(Time::ZERO + Span::from_millis(10), 500_000);
        assert_eq!(choice.next(&rates(), 2, Span::from_secs(20), SEGMENT), 2);
        choice.told(Some(kbit(2_000)));
        (0..3).for_each(|_| choice.came(Time::ZERO, 500_000));
        assert_eq!(choice.next(&rates(), 2, Span::from_secs(20), SEGMENT), 1);
    }

    #[test]
    fn what_is_played_is_what_was_taken_there() {
        let s = Span::from_secs;
        let mut choice = Choice::new(7);
        choice.turns(s(8), 5);
        choice.turns(s(12), 6);
        assert_eq!(choice.plays(s(4), s(10)), [(s(4), 7), (s(2), 5)]);
        assert_eq!(choice.plays(s(10), s(20)), [(s(2), 5), (s(8), 6)]);
        choice.jumps();
        assert_eq!(choice.plays(s(2), s(3)), [(s(1), 6)]);
    }
}
