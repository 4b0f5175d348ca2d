//! When to try again after a connection failed: exponential with full jitter, so that a crowd that lost its
//! supernode does not come back in step (Brooker, "Exponential Backoff And Jitter", 2015).

use crate::limits::{RECONNECT_FIRST, RECONNECT_MOST};
use crate::random::Random;
use crate::time::Span;

/// Delays of one connection's attempts.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait before the next attempt; counts a failure.
    pub(super) fn next(&mut self, random: &mut Random) -> Span {
        let ceiling = Self::ceiling(self.failures);
        self.failures = self.failures.saturating_add(1);
        Span::from_micros(random.below(ceiling.micros() + 1))
    }

    /// How long to wait when the other side said for how long: never less, and not in step with others who
    /// were told the same.
    pub(super) fn told(&mut self, after: Span, random: &mut Random) -> Span {
        self.failures = self.failures.saturating_add(1);
        let after = after.min(RECONNECT_MOST.times(10));
        after + Span::from_micros(random.below(after.over(4).micros() + 1))
    }

    /// From here on the delays are the longest: the other side refused for a reason that does not pass soon.
    pub(super) fn refused(&mut self) {
        self.failures = 32;
    }

    /// A connection held: the next failure is the first.
    pub(super) fn held(&mut self) {
        self.failures = 0;
    }

    fn ceiling(failures: u32) -> Span {
        RECONNECT_FIRST.times(1 << failures.min(32)).min(RECONNECT_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_most() {
        let ceilings: Vec<u64> = (0..9).map(|n| Backoff::ceiling(n).millis()).collect();
        assert_eq!(ceilings, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(Backoff::ceiling(u32::MAX), RECONNECT_MOST);
    }

    #[test]
    fn delays_spread_over_all_of_the_span() {
        let mut random = Random::seeded(5);
        let mut delays: Vec<Span> = (0..1_000)
            .map(|_| {
                let mut backoff = Backoff { failures: 3 };
                backoff.next(&mut random)
            })
            .collect();
        delays.sort();
        assert!(delays[999] <= Span::from_secs(4));
        for (quarter, delay) in [(1, delays[250]), (2, delays[500]), (3, delays[750])] {
            let expected = Span::from_secs(quarter);
            assert!(delay.less(expected).max(expected.less(delay)) < Span::from_millis(200), "{delay:?}");
        }
    }

    #[test]
    fn a_word_of_the_supernode_is_obeyed_and_never_forever() {
        let mut random = Random::seeded(5);
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            let delay = backoff.told(Span::from_secs(8), &mut random);
            assert!(delay >= Span::from_secs(8) && delay <= Span::from_secs(10));
        }
        assert!(backoff.told(Span::FOREVER, &mut random) <= RECONNECT_MOST.times(13));
    }

    #[test]
    fn a_refusal_waits_long_and_a_held_connection_starts_over() {
        let mut random = Random::seeded(5);
        let mut backoff = Backoff::default();
        backoff.refused();
        let longest = (0..50).map(|_| backoff.next(&mut random)).max();
        assert!(longest > Some(Span::from_secs(50)));
        backoff.held();
        assert!(backoff.next(&mut random) <= RECONNECT_FIRST);
    }
}
