//! The supernode's sums over its nodes' reports: what a provider sees of its audience.

use std::collections::BTreeMap;

use super::SessionId;
use crate::limits::{REPORT_SLACK, REPORT_SPACING};
use crate::time::Time;
use crate::wire::{PlayReport, Ways};

/// Sums of all reports, and when each session reported last. Sums do not grow with nodes or time.
#[derive(Debug, Default)]
pub struct Audience {
    programs: PlayReport,
    pages: PlayReport,
    reports: u64,
    last: BTreeMap<SessionId, Time>,
}

/// A session reported too often, or what no node can have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a report came too soon, or claims what no node can have seen")]
pub struct Implausible;

impl Audience {
    /// Takes a report of a session, whose node can be met in these ways.
    ///
    /// # Errors
    /// When it breaks the rules; then nothing of it counts.
    pub fn take(
        &mut self,
        now: Time,
        session: SessionId,
        ways: Ways,
        report: &PlayReport,
    ) -> Result<(), Implausible> {
        let earliest =
            self.last.get(&session).map_or(Time::ZERO, |last| *last + REPORT_SPACING.less(REPORT_SLACK));
        if now < earliest || !report.is_plausible() {
            return Err(Implausible);
        }
        self.last.insert(session, now);
        // Pages have no QUIC.
        if ways.meet(Ways::QUIC) { &mut self.programs } else { &mut self.pages }.add(report);
        self.reports += 1;
        Ok(())
    }

    /// A session ended.
    pub fn ended(&mut self, session: SessionId) {
        self.last.remove(&session);
    }

    /// What the players of programs got so far.
    pub fn programs(&self) -> &PlayReport {
        &self.programs
    }

    /// What the players of pages in browsers got so far.
    pub fn pages(&self) -> &PlayReport {
        &self.pages
    }

    /// How many reports the sums are from.
    pub fn reports(&self) -> u64 {
        self.reports
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
        assert_eq!(audience.take(at(1), SessionId(1), Ways::QUIC, &report), Ok(()));
        assert_eq!(audience.take(at(2), SessionId(2), Ways::DATA_CHANNELS, &report), Ok(()));
        assert_eq!(audience.take(at(10), SessionId(1), Ways::QUIC, &report), Err(Implausible), "too soon");
        let lie = PlayReport {
            shared: crate::wire::PlaySums { plays: 7, ..report.shared.clone() },
            ..report.clone()
        };
        assert_eq!(audience.take(at(60), SessionId(2), Ways::DATA_CHANNELS, &lie), Err(Implausible));
        audience.ended(SessionId(1));
        let both = Ways(Ways::QUIC.0 | Ways::DATA_CHANNELS.0);
        assert_eq!(
            audience.take(at(11), SessionId(1), both, &report),
            Ok(()),
            "another session of that number"
        );
        let (programs, pages) = (audience.programs(), audience.pages());
        assert_eq!((programs.shared.plays, programs.held_out.plays), (2, 2));
        assert_eq!((pages.shared.plays, pages.held_out.plays, audience.reports()), (1, 1, 3));
    }
}
