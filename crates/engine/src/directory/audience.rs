//! The supernode's sums over its nodes' reports: what a provider sees of its audience.

use std::collections::BTreeMap;

use super::SessionId;
use crate::limits::{REPORT_SLACK, REPORT_SPACING};
use crate::time::Time;
use crate::wire::PlayReport;

/// Sums of all reports, and when each session reported last. Sums do not grow with nodes or time.
#[derive(Debug, Default)]
pub struct Audience {
    sums: PlayReport,
    reports: u64,
    last: BTreeMap<SessionId, Time>,
}

/// A session reported too often, or what no node can have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a report came too soon, or claims what no node can have seen")]
pub struct Implausible;

impl Audience {
    /// Takes a report of a session.
    ///
    /// # Errors
    /// When it breaks the rules; then nothing of it counts.
    pub fn take(&mut self, now: Time, session: SessionId, report: &PlayReport) -> Result<(), Implausible> {
        let earliest =
            self.last.get(&session).map_or(Time::ZERO, |last| *last + REPORT_SPACING.less(REPORT_SLACK));
        if now < earliest || !report.is_plausible() {
            return Err(Implausible);
        }
        self.last.insert(session, now);
        self.sums.add(report);
        self.reports += 1;
        Ok(())
    }

    /// A session ended.
    pub fn ended(&mut self, session: SessionId) {
        self.last.remove(&session);
    }

    /// The sums so far, and how many reports they are from.
    pub fn sums(&self) -> (&PlayReport, u64) {
        (&self.sums, self.reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    #[test]
    fn reports_add_up_and_those_against_the_rules_do_not_count() {
        let mut audience = Audience::default();
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let mut report = PlayReport::default();
        report.shared.started(Span::from_millis(80));
        report.held_out.started(Span::from_millis(90));
        assert_eq!(audience.take(at(1), SessionId(1), &report), Ok(()));
        assert_eq!(audience.take(at(2), SessionId(2), &report), Ok(()));
        assert_eq!(audience.take(at(10), SessionId(1), &report), Err(Implausible), "too soon");
        let lie = PlayReport {
            shared: crate::wire::PlaySums { plays: 7, ..report.shared.clone() },
            ..report.clone()
        };
        assert_eq!(audience.take(at(60), SessionId(2), &lie), Err(Implausible));
        audience.ended(SessionId(1));
        assert_eq!(audience.take(at(11), SessionId(1), &report), Ok(()), "another session of that number");
        let (sums, reports) = audience.sums();
        assert_eq!((sums.shared.plays, sums.held_out.plays, reports), (3, 3, 3));
    }
}
