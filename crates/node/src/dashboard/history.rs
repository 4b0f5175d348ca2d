//! What was counted over the last day, in bounded memory.

use std::collections::VecDeque;

use nearcast_engine::wire::{PlayReport, PlaySums};
use serde::Serialize;

/// Samples kept as they come: an hour of one each five seconds.
const FINE: usize = 720;
/// Samples kept by the minute before that: a day.
const COARSE: usize = 1_440;
const MINUTE: u64 = 60;

/// What was counted at one moment. Bytes and requests count up from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sample {
    /// Seconds since 1970.
    pub(super) at: u64,
    /// Body bytes of media that the origin sent.
    pub(super) media: u64,
    /// All bytes that it sent.
    pub(super) sent: u64,
    /// Nodes with a session at the supernode.
    pub(super) listeners: u64,
    /// Open connections of the origin.
    pub(super) connections: u64,
    /// Requests that it answered.
    pub(super) requests: u64,
    /// What players got.
    pub(super) got: Got,
}

/// Bytes that players got, by where they came from, as the audience reported them since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Got {
    /// Kept from earlier.
    cache: u64,
    /// From the same household.
    lan: u64,
    /// From peers of the same operator.
    isp: u64,
    /// From other peers.
    other: u64,
    /// From the origin.
    origin: u64,
}

impl Got {
    /// Of all players, those of held-out plays among them.
    pub(super) fn of(report: &PlayReport) -> Self {
        let all = |bytes: fn(&PlaySums) -> u64| bytes(&report.shared).saturating_add(bytes(&report.held_out));
        Self {
            cache: all(|sums| sums.cache_bytes),
            lan: all(|sums| sums.lan_bytes),
            isp: all(|sums| sums.isp_bytes),
            other: all(|sums| sums.other_bytes),
            origin: all(|sums| sums.origin_bytes),
        }
    }
}

/// A day of samples: every one of the last hour, one a minute before.
#[derive(Debug, Default)]
pub(super) struct History {
    coarse: VecDeque<Sample>,
    fine: VecDeque<Sample>,
}

impl History {
    /// Adds the newest sample.
    pub(super) fn add(&mut self, sample: Sample) {
        self.fine.push_back(sample);
        let Some(old) = (self.fine.len() > FINE).then(|| self.fine.pop_front()).flatten() else { return };
        if self.coarse.back().is_none_or(|last| last.at / MINUTE != old.at / MINUTE) {
            self.coarse.push_back(old);
        }
        if self.coarse.len() > COARSE {
            self.coarse.pop_front();
        }
    }

    /// All samples, oldest first.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.coarse.iter().chain(&self.fine).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_players_got_is_that_of_all_plays() {
        let sums = |n: u64| PlaySums {
            cache_bytes: n,
            lan_bytes: 2 * n,
            isp_bytes: 3 * n,
            other_bytes: 4 * n,
            origin_bytes: 5 * n,
            ..PlaySums::default()
        };
        let report = PlayReport { shared: sums(10), held_out: sums(1), refused: None };
        assert_eq!(Got::of(&report), Got { cache: 11, lan: 22, isp: 33, other: 44, origin: 55 });
    }

    #[test]
    fn a_day_is_kept_and_no_more() {
        let mut history = History::default();
        for n in 0..2 * 24 * 720 {
            history.add(Sample { at: n * 5, media: n, ..Sample::default() });
        }
        let samples = history.samples();
        assert_eq!(samples.len(), FINE + COARSE);
        assert!(samples.is_sorted_by(|a, b| a.at < b.at));
        let (first, last) = (samples[0].at, samples[samples.len() - 1].at);
        assert!((24 * 3600..=26 * 3600).contains(&(last - first)), "{}", last - first);
        assert!(samples.windows(2).all(|w| w[1].at - w[0].at <= 60));
    }
}
