//! Whether this node reaches anybody outside of its own network: from behind some routers nobody can, or hardly anybody,
//! and each try costs the supernode signals, and a start the wait for who may bring it.

use crate::time::{Span, Time};

/// Strangers that could not be reached before it is the own line's doing. Where two of three pairs cannot connect that is
/// wrong about one node in a thousand, which then finds out later.
const ENOUGH: u32 = 16;
/// First wait between strangers from then on; doubles with each that is tried, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Span = Span::from_secs(15);
/// Longest wait between strangers: who is behind such a router still reaches those behind none.
const LONGEST_PAUSE: Span = Span::from_secs(300);

/// What is known of that, since the session with the directory began.
#[derive(Clone, Debug, Default)]
pub(super) struct Outreach {
    /// Somebody was reached, or reached us.
    reached: bool,
    /// Nodes that could not be reached at the first try.
    missed: u32,
    /// How many were tried one at a time since.
    tried: u32,
    /// No stranger is tried before this.
    from: Time,
}

impl Outreach {
    /// From when on strangers may be tried.
    pub(super) fn from(&self) -> Time {
        self.from
    }

    /// Nobody was ever reached, out of enough that were tried.
    fn is_shut(&self) -> bool {
        !self.reached && self.missed >= ENOUGH
    }

    /// A node outside of the own network is connected. Says whether that changes who may be tried.
    pub(super) fn reached(&mut self) -> bool {
        self.reached = true;
        std::mem::take(&mut self.from) > Time::ZERO
    }

    /// A stranger could not be reached, which had been tried in vain so often `before`. Says whether that changes who may
    /// be tried.
    pub(super) fn missed(&mut self, now: Time, before: u32) -> bool {
        self.missed = self.missed.saturating_add(u32::from(before == 0));
        if !self.is_shut() {
            return false;
        }
        self.from = now + FIRST_PAUSE.times(1 << self.tried.min(8)).min(LONGEST_PAUSE);
        true
    }

    /// From when on the next may be tried, where one is that comes to its end before `end`.
    pub(super) fn after_one(&self, end: Time) -> Time {
        if self.is_shut() { end } else { self.from }
    }

    /// One is tried by itself, which comes to its end before `end`.
    pub(super) fn tries_one(&mut self, end: Time) {
        self.tried = self.tried.saturating_add(1);
        self.from = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_000_000);

    #[test]
    fn who_reaches_nobody_tries_one_at_a_time_and_ever_more_rarely() {
        let mut outreach = Outreach::default();
        let end = NOW + Span::from_secs(15);
        for _ in 1..ENOUGH {
            assert!(!outreach.missed(NOW, 0));
            assert!(!outreach.missed(NOW, 1), "the same one again says nothing new");
        }
        assert_eq!((outreach.from(), outreach.after_one(end)), (Time::ZERO, Time::ZERO));
        let pauses = [15, 30, 60, 120, 240, 300, 300].map(Span::from_secs);
        for pause in pauses {
            assert!(outreach.missed(NOW, 0));
            assert_eq!((outreach.from(), outreach.after_one(end)), (NOW + pause, end));
            assert!(outreach.missed(NOW, 0) && outreach.from() == NOW + pause, "they were tried together");
            outreach.tries_one(end);
            assert_eq!(outreach.from(), end);
        }
        assert!(outreach.reached() && !outreach.reached());
        assert_eq!((outreach.from(), outreach.after_one(end)), (Time::ZERO, Time::ZERO));
    }

    #[test]
    fn who_reached_somebody_does_not_blame_its_line() {
        let mut outreach = Outreach::default();
        outreach.reached();
        for _ in 0..3 * ENOUGH {
            assert!(!outreach.missed(NOW, 0));
        }
        assert_eq!(outreach.from(), Time::ZERO);
    }
}
