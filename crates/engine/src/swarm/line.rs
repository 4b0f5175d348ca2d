//! What comes in over the household's line, whoever sends it: how much, and so how long what is under way takes.

use crate::time::{Span, Time};
use crate::units::Rate;

/// What comes within this is one sample.
const SAMPLE: Span = Span::from_millis(250);
/// After a pause that long nothing is learned from it.
const PAUSE: Span = Span::from_secs(1);
/// Each sample that is slower takes a part in so many off the fastest.
const FORGETS: u64 = 1024;

/// The line, as far as it was seen.
#[derive(Debug, Default)]
pub(super) struct Line {
    since: Option<Time>,
    bytes: u64,
    /// The most that came lately.
    best: Rate,
}

impl Line {
    /// Bytes came, from whomever.
    pub(super) fn came(&mut self, now: Time, bytes: u64) {
        let Some(since) = self.since.filter(|since| now.since(*since) <= PAUSE) else {
            (self.since, self.bytes) = (Some(now), 0);
            return;
        };
        self.bytes += bytes;
        let span = now.since(since);
        if span >= SAMPLE {
            let (sample, best) = (Rate::mean(self.bytes, span).bytes_per_sec(), self.best.bytes_per_sec());
            self.best = Rate::from_bytes_per_sec(sample.max(best - best / FORGETS));
            (self.since, self.bytes) = (Some(now), 0);
        }
    }

    /// The most that it has brought lately; none before anything was learned of it.
    pub(super) fn most(&self) -> Option<Rate> {
        Some(self.best).filter(|best| best.bytes_per_sec() > 0)
    }

    /// Whether it is known to bring `bytes` within `span`.
    pub(super) fn brings(&self, bytes: u64, span: Span) -> bool {
        self.best.bytes_in(span) >= bytes
    }

    /// Whether `bytes` under way keep it busy for `span`; never before anything was learned of it.
    pub(super) fn busy_for(&self, bytes: u64, span: Span) -> bool {
        let best = self.best.bytes_per_sec();
        best > 0 && bytes >= self.best.bytes_in(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::from_millis(millis)
    }

    /// 10,000 bytes every `every` milliseconds for a while from `from` on.
    fn flow(line: &mut Line, from: u64, every: u64) {
        (0..100).for_each(|n| line.came(at(from + n * every), 10_000));
    }

    #[test]
    fn the_line_is_known_by_the_most_that_came() {
        let mut line = Line::default();
        assert!(!line.busy_for(u64::MAX, Span::ZERO), "nothing is known of it");
        assert_eq!(line.most(), None);
        flow(&mut line, 0, 10);
        flow(&mut line, 2_000, 100);
        assert!(
            line.brings(450_000, Span::from_millis(500)) && !line.brings(550_000, Span::from_millis(500))
        );
        let most = line.most().expect("it was seen").bytes_per_sec();
        assert!((900_000..1_100_000).contains(&most), "{most}");
        assert!(line.busy_for(510_000, Span::from_millis(500)));
        assert!(!line.busy_for(400_000, Span::from_millis(500)));
    }

    #[test]
    fn a_pause_teaches_nothing() {
        let mut line = Line::default();
        (0..10).for_each(|n| line.came(at(n * 1_500), 1_000_000));
        assert!(!line.brings(1, Span::from_secs(1)));
    }
}
