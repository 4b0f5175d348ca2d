//! What waits before a line: how long a packet takes that comes to it now.
//!
//! Chunks leave a line in turns, one at a time. A real sender puts its whole window on the line, where the window
//! waits in the household's router, and with it everything else that goes the same way: words to peers,
//! acknowledgements, the bytes of others. Here that queue is reckoned and not made of chunks. It is as long as the
//! windows behind the chunk that leaves, at most what the router buffers. Whoever is held to a pace below the line's
//! rate has none, and one above it fills it by the difference.

use nearcast_engine::{Rate, Span, Time};

/// The queue before a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backlog {
    /// How much waited at `as_of`.
    bytes: u64,
    as_of: Time,
    /// When the chunk that leaves is gone.
    until: Time,
    /// How fast bytes come to the line as long as one leaves; none for as fast as windows allow.
    comes: Option<Rate>,
    /// What windows have room for behind the chunk that leaves.
    behind: u64,
}

impl Backlog {
    /// A chunk begins to leave at `begins`, and others would follow.
    pub(super) fn begin(&mut self, begins: Time, line: Line, until: Time, comes: Option<Rate>, behind: u64) {
        let bytes = self.bytes(begins, line);
        *self = Self { bytes, as_of: begins, until, comes, behind };
    }

    /// How long a packet waits that comes at `now`.
    pub(super) fn waits(&self, now: Time, line: Line) -> Span {
        line.rate.span_for(self.bytes(now, line))
    }

    fn bytes(&self, now: Time, line: Line) -> u64 {
        let busy = now.min(self.until).max(self.as_of);
        let span = busy.since(self.as_of);
        let came = match self.comes {
            None => u64::MAX,
            Some(pace) => (self.bytes + pace.bytes_in(span)).saturating_sub(line.rate.bytes_in(span)),
        };
        let here = self.behind + line.rate.bytes_in(self.until.since(busy));
        let most = line.rate.bytes_in(line.buffer).min(here);
        came.min(most).saturating_sub(line.rate.bytes_in(now.since(busy)))
    }
}

/// What a line carries, without packets' headers, and for how long it buffers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) rate: Rate,
    pub(super) buffer: Span,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Span = Span::from_millis;

    fn line() -> Line {
        Line { rate: Rate::from_bytes_per_sec(1_000_000), buffer: MS(100) }
    }

    fn at(millis: u64) -> Time {
        Time::ZERO + MS(millis)
    }

    #[test]
    fn windows_fill_the_buffer_and_what_is_left_of_a_run_less() {
        let mut queue = Backlog::default();
        queue.begin(at(0), line(), at(50), None, 500_000);
        assert_eq!(queue.waits(at(10), line()), MS(100));
        queue.begin(at(50), line(), at(100), None, 10_000);
        assert_eq!(queue.waits(at(60), line()), MS(50), "40 ms of the chunk and 10 ms behind it");
        queue.begin(at(100), line(), at(150), None, 0);
        assert_eq!(queue.waits(at(140), line()), MS(10));
        assert_eq!(queue.waits(at(151), line()), Span::ZERO);
    }

    #[test]
    fn a_pace_below_the_line_empties_it_and_one_above_fills_it_slowly() {
        let mut queue = Backlog::default();
        let pace = |percent: u64| Some(Rate::from_bytes_per_sec(10_000 * percent));
        queue.begin(at(0), line(), at(100), pace(110), 500_000);
        assert_eq!(queue.waits(at(50), line()), MS(5));
        queue.begin(at(100), line(), at(200), pace(95), 500_000);
        assert_eq!(queue.waits(at(100), line()), MS(10));
        assert_eq!(queue.waits(at(180), line()), MS(6));
        queue.begin(at(200), line(), at(2_200), pace(200), 500_000);
        assert_eq!(queue.waits(at(2_000), line()), MS(100), "no longer than the buffer");
        assert_eq!(queue.waits(at(2_230), line()), MS(70), "it empties when nothing comes");
    }
}
