//! How often is too often: allowances per session, and what the whole directory can answer.

use crate::random::Random;
use crate::time::{Span, Time};
use crate::units::mul_div;

/// Lets one thing pass each `interval`, and `burst` of them at once after a silence: the generic cell rate
/// algorithm (ITU-T I.371), which needs one moment of memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    interval: Span,
    burst: u32,
    /// When everything that passed will have been paid for.
    paid: Time,
}

impl Allowance {
    pub(super) fn new(interval: Span, burst: u32) -> Self {
        Self { interval, burst, paid: Time::ZERO }
    }

    /// Lets one pass, or says after how long one will.
    pub(super) fn take(&mut self, now: Time) -> Result<(), Span> {
        let paid = self.paid.max(now) + self.interval;
        let excess = paid.since(now).less(self.interval.times(u64::from(self.burst)));
        if excess > Span::ZERO {
            return Err(excess);
        }
        self.paid = paid;
        Ok(())
    }
}

/// Longest that load may stretch the time until the next lookup, as a factor in quarters.
const MOST_STRETCH: u64 = 8 * 4;
/// Until an asker who got few, some or a full answer may ask again: those who miss holders gain by asking.
const AGAIN: [Span; 3] = [Span::from_secs(5), Span::from_secs(15), Span::from_secs(30)];
/// Newcomers without a place come back after this long and up to twice as much more, so that they do not
/// come back together.
const TURN_AWAY: Span = Span::from_secs(10);
/// Askers come back after this long when the directory is overloaded, more with the load.
const DEFER: Span = Span::from_secs(1);

/// Lookups of the whole directory, counted in windows of a second.
#[derive(Debug)]
pub(super) struct Load {
    bound: u64,
    window: Time,
    counted: u64,
    before: u64,
}

impl Load {
    pub(super) fn new(lookups_per_second: u32) -> Self {
        Self { bound: u64::from(lookups_per_second.max(1)), window: Time::ZERO, counted: 0, before: 0 }
    }

    /// Counts a lookup and says whether it can be answered; if not, after how long to ask again.
    pub(super) fn admit(&mut self, now: Time, random: &mut Random) -> Result<(), Span> {
        self.roll(now);
        if self.quarters(now) >= 2 * 4 {
            return Err(jittered(DEFER.times(self.quarters(now)).over(4), random));
        }
        self.counted += 1;
        Ok(())
    }

    /// When to ask again, after an answer with `found` of at most `most` holders.
    pub(super) fn again(&self, now: Time, found: usize, most: usize, random: &mut Random) -> Span {
        let base = match found {
            full if full >= most => AGAIN[2],
            some if some * 4 >= most => AGAIN[1],
            _ => AGAIN[0],
        };
        let stretch = self.quarters(now).clamp(4, MOST_STRETCH);
        jittered(base.times(stretch).over(4), random)
    }

    /// When a newcomer for whom there is no room comes back.
    pub(super) fn turn_away(random: &mut Random) -> Span {
        TURN_AWAY + Span::from_micros(random.below(2 * TURN_AWAY.micros()))
    }

    fn roll(&mut self, now: Time) {
        let second = Span::from_secs(1);
        let gone = now.since(self.window);
        if gone >= second {
            self.before = if gone < second.times(2) { self.counted } else { 0 };
            self.counted = 0;
            self.window = Time::from_micros(now.micros() - now.micros() % second.micros());
        }
    }

    /// Lookups over the last second in quarters of the bound: the window before counts as far as it still
    /// reaches into that second.
    fn quarters(&self, now: Time) -> u64 {
        let left = Span::from_secs(1).less(now.since(self.window)).micros();
        let rate = self.counted + mul_div(self.before, left, 1_000_000).unwrap_or(0);
        rate * 4 / self.bound
    }
}

/// `span` and up to a quarter more.
fn jittered(span: Span, random: &mut Random) -> Span {
    span + Span::from_micros(random.below(span.micros() / 4 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::from_millis(millis)
    }

    #[test]
    fn an_allowance_passes_a_burst_then_one_each_interval() {
        let mut allowance = Allowance::new(Span::from_millis(100), 5);
        let passed = (0..20).filter(|_| allowance.take(at(1_000)).is_ok()).count();
        assert_eq!(passed, 5);
        assert_eq!(allowance.take(at(1_000)), Err(Span::from_millis(100)));
        assert_eq!(allowance.take(at(1_099)), Err(Span::from_millis(1)));
        assert_eq!(allowance.take(at(1_100)), Ok(()));
        let steady = (1..=100).filter(|i| allowance.take(at(1_100 + i * 50)).is_ok()).count();
        assert_eq!(steady, 50);
    }

    #[test]
    fn load_stretches_then_defers_then_recovers() {
        let mut random = Random::seeded(1);
        let mut load = Load::new(100);
        let calm = load.again(at(5_000), 32, 32, &mut random);
        assert!(calm >= AGAIN[2] && calm <= AGAIN[2] + AGAIN[2].over(4));
        let admitted = (0..500).filter(|_| load.admit(at(5_000), &mut random).is_ok()).count();
        assert_eq!(admitted, 200, "twice the bound and no more");
        assert!(load.again(at(5_000), 32, 32, &mut random) >= AGAIN[2].times(2));
        let deferred = load.admit(at(5_100), &mut random).expect_err("still overloaded");
        assert!(deferred >= DEFER.times(2));
        assert!(load.admit(at(8_000), &mut random).is_ok());
        assert!(load.again(at(8_000), 32, 32, &mut random) <= AGAIN[2] + AGAIN[2].over(4));
    }

    #[test]
    fn who_found_little_may_ask_sooner() {
        let mut random = Random::seeded(1);
        let load = Load::new(100);
        let spans = [0, 7, 8, 31, 32].map(|found| load.again(at(0), found, 32, &mut random));
        assert!(spans[1] < spans[2] && spans[0] < spans[3] && spans[3] < spans[4], "{spans:?}");
    }

    #[test]
    fn newcomers_without_a_place_spread_out() {
        let mut random = Random::seeded(3);
        let mut spans: Vec<_> = (0..100).map(|_| Load::turn_away(&mut random)).collect();
        spans.sort();
        assert!(spans[0] >= TURN_AWAY && spans[99] <= TURN_AWAY.times(3));
        assert!(spans[75].less(spans[25]) > Span::from_secs(5));
    }
}
