//! What came of a world, as numbers and as a table.

use serde::Serialize;

use crate::store::BySource;

/// What came of one world. Everything in it is simulated.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Always true: no figure here was measured on real machines.
    pub simulated: bool,
    /// The scenario's name.
    pub scenario: String,
    /// The agents' name.
    pub policy: String,
    /// The world's seed.
    pub seed: u64,
    /// Hash over every input and output of every node, in hexadecimal.
    pub trace: String,
    /// Nodes.
    pub listeners: u32,
    /// Events that happened.
    pub events: u64,
    /// Simulated time in milliseconds.
    pub simulated_ms: u64,
    /// Plays by how they ended.
    pub plays: PlayCounts,
    /// Bytes handed to players by where they had come from, as the world counts.
    pub bytes: Bytes,
    /// The same by the agents' own notes.
    pub noted: Bytes,
    /// Body bytes the origin sent, aborted ones included.
    pub origin_sent: u64,
    /// The same over the size of all that was played of each title at least once.
    pub copies: f64,
    /// 1 − origin bytes over bytes handed to players.
    pub offload: f64,
    /// Network part of the start-up, in milliseconds.
    pub network_startup_ms: Startup,
    /// Stalls.
    pub stalls: Stalls,
    /// Bytes that came and were of no use.
    pub waste: Waste,
    /// Bytes sent to peers.
    pub uploaded: u64,
    /// Messages between peers.
    pub control_messages: u64,
    /// Bad bytes that came, and were thrown away.
    pub corrupt_bytes: u64,
    /// Megabytes that moved over links, for events per megabyte.
    pub moved_bytes: u64,
    /// Decisions of the listener asked about, one a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub explained: Vec<String>,
}

/// Plays by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlayCounts {
    /// All that were asked for.
    pub asked: u64,
    /// To the end.
    pub played: u64,
    /// Skipped by the listener.
    pub skipped: u64,
    /// Cut short because their node went.
    pub departed: u64,
    /// Still going when the world ended.
    pub open: u64,
    /// Among all, those that never started.
    pub never_started: u64,
}

/// Bytes by source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Held before it was asked for, or played again.
    pub cache: u64,
    /// From the same household.
    pub lan: u64,
    /// From the same operator.
    pub isp: u64,
    /// From elsewhere.
    pub other: u64,
    /// From the origin.
    pub origin: u64,
}

/// Start-up times of three kinds of plays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Startup {
    /// All plays.
    pub all: Quantiles,
    /// Nothing or not all of the title in the cache.
    pub uncached: Quantiles,
    /// Nothing in the cache, and not known before.
    pub cold: Quantiles,
}

/// Quantiles of some times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// How many there are.
    pub count: u64,
    /// Half are below.
    pub p50: u64,
    /// Three quarters are below.
    pub p75: u64,
    /// Nine in ten are below.
    pub p90: u64,
    /// Ninety-nine in a hundred are below.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

/// Times the playhead stood still for more than 250 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stalls {
    /// How often, over all plays.
    pub count: u64,
    /// For how long in all, in milliseconds.
    pub total_ms: u64,
    /// Share of started plays with at least one.
    pub stutter_share: f64,
    /// The same count by the agents' own notes.
    pub noted: u64,
}

/// Bytes that came and were of no use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waste {
    /// From the origin: never played nor served, or came twice.
    pub origin: u64,
    /// From peers: never played nor served, or came twice.
    pub peers: u64,
}

impl Quantiles {
    /// The quantiles of `times`.
    pub(crate) fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
            times.get(rank).copied().unwrap_or(0)
        };
        Self {
            count: times.len() as u64,
            p50: at(50),
            p75: at(75),
            p90: at(90),
            p99: at(99),
            max: times.last().copied().unwrap_or(0),
        }
    }
}

impl From<BySource> for Bytes {
    fn from(by: BySource) -> Self {
        Self { cache: by.cache, lan: by.lan, isp: by.isp, other: by.other, origin: by.origin }
    }
}

impl Bytes {
    /// All of them.
    pub fn sum(&self) -> u64 {
        self.cache + self.lan + self.isp + self.other + self.origin
    }
}

/// `part / whole` for showing; zero when there is nothing.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits, decides nothing")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let all = Quantiles::of((1..=200).rev().collect());
        assert_eq!((all.p50, all.p75, all.p90, all.p99, all.max), (100, 150, 180, 198, 200));
        let one = Quantiles::of(vec![7]);
        assert_eq!((one.count, one.p50, one.p99), (1, 7, 7));
        assert_eq!(Quantiles::of(Vec::new()), Quantiles::default());
    }
}
