//! Reports of what players got: gathered while the supernode is away, sent seldom, to one that takes them.

use nearcast_content::FeatureSet;

use crate::limits::REPORT_SPACING;
use crate::time::Time;
use crate::wire::PlayReport;

/// What is to be reported.
#[derive(Debug, Default)]
pub(super) struct Reports {
    waiting: PlayReport,
    next: Time,
    taken: bool,
}

impl Reports {
    /// More has happened. What would be more than one report may hold is left out: sums of weeks offline would be
    /// refused whole.
    pub(super) fn add(&mut self, report: &PlayReport) {
        let mut sum = self.waiting.clone();
        sum.add(report);
        if sum.is_plausible() {
            self.waiting = sum;
        }
    }

    /// A session begins with a supernode that can do this. The first report waits its turn too, so that a node that
    /// reconnects is not one that reports too often.
    pub(super) fn welcomed(&mut self, now: Time, features: FeatureSet) {
        self.taken = features.has(FeatureSet::REPORTS);
        self.next = self.next.max(now);
    }

    /// The report to send, if one is due.
    pub(super) fn due(&mut self, now: Time) -> Option<PlayReport> {
        if now < self.wake() {
            return None;
        }
        self.next = now + REPORT_SPACING;
        Some(std::mem::take(&mut self.waiting))
    }

    pub(super) fn wake(&self) -> Time {
        if self.taken && !self.waiting.is_empty() { self.next } else { Time::NEVER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn report(bytes: u64) -> PlayReport {
        let mut report = PlayReport::default();
        report.shared.origin_bytes = bytes;
        report
    }

    #[test]
    fn reports_are_gathered_and_go_out_seldom_to_who_takes_them() {
        let mut reports = Reports::default();
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        reports.add(&report(1));
        reports.welcomed(at(1), FeatureSet::NONE);
        assert_eq!(reports.due(at(1)), None, "an older supernode would end the session");
        reports.welcomed(at(2), FeatureSet::REPORTS);
        reports.add(&report(2));
        assert_eq!(reports.due(at(2)), Some(report(3)));
        reports.add(&report(4));
        assert_eq!((reports.due(at(3)), reports.wake()), (None, at(2) + REPORT_SPACING));
        assert_eq!(reports.due(at(2) + REPORT_SPACING), Some(report(4)));
        assert_eq!(reports.wake(), Time::NEVER);
    }
}
