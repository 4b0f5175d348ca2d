//! The clock on the wall: the one place where it is read, but for the offset of local time.
//!
//! It may be set at any moment, forward or back, and a device without a battery begins in 1970. So nothing is timed by
//! it; it dates documents, months, hours and files. ARCHITECTURE.md, "Clocks", says what a jump does to each.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that runs ahead of or behind another by more than this was set, or the machine slept.
const SET: Duration = Duration::from_secs(3_600);

/// What it shows.
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Seconds since 1970; zero for a clock that shows less.
pub(crate) fn unix_seconds() -> u64 {
    now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Notices that the clock was set since it was last looked at, or went on while the machine slept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    unix: u64,
    steady: Instant,
}

impl Watched {
    /// Watches from this moment on.
    pub(crate) fn new(unix: u64, steady: Instant) -> Self {
        Self { unix, steady }
    }

    /// Whether the clock, which shows `unix` at `steady`, was set by more than an hour.
    pub(crate) fn was_set(&mut self, unix: u64, steady: Instant) -> bool {
        let passed = steady.saturating_duration_since(self.steady).as_secs();
        let expected = self.unix.saturating_add(passed);
        *self = Self { unix, steady };
        unix.abs_diff(expected) > SET.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_either_way_is_noticed_once_and_one_that_runs_is_not() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut watched = Watched::new(0, start);
        assert!(!watched.was_set(30, start + 30 * second));
        // The time came from the network after all.
        assert!(watched.was_set(1_800_000_000, start + 60 * second));
        assert!(!watched.was_set(1_800_000_030, start + 90 * second));
        // An hour's correction at most, as when summer time is mistaken for a change of the clock.
        assert!(!watched.was_set(1_800_003_660, start + 120 * second));
        assert!(watched.was_set(1_700_000_000, start + 150 * second), "set back");
        assert!(!watched.was_set(1_700_000_030, start + 180 * second));
    }
}
