//! What came of a world, as numbers and as a table.

use std::collections::BTreeMap;

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
    /// The same by what happened: what a world costs.
    pub census: Census,
    /// Simulated time in milliseconds.
    pub simulated_ms: u64,
    /// Plays by how they ended, the hold-out's among them.
    pub plays: PlayCounts,
    /// Bytes handed to players by where they had come from, as the world counts. The hold-out's are left out.
    pub bytes: Bytes,
    /// The same by the agents' own notes, the hold-out's among them.
    pub noted: Bytes,
    /// Verified bytes that came over the network, by sender; the hold-out's are left out. None from the cache.
    pub fetched: Bytes,
    /// Body bytes the origin sent, aborted ones included; the hold-out's are left out.
    pub origin_sent: u64,
    /// The same over the size of all that was played of each title at least once.
    pub copies: f64,
    /// 1 − origin bytes over bytes handed to players, both without the hold-out's.
    pub offload: f64,
    /// Share of the fetched bytes that crossed the border of an operator; those of the origin do.
    pub cross_isp_share: f64,
    /// Share of the bytes from peers that came from the same household or operator.
    pub near_share: f64,
    /// The same of plays at whose begin two or more nodes of the operator had something of the title.
    pub near_share_of_crowds: f64,
    /// Listeners that take no part in sharing, to compare with.
    pub hold_out: HoldOut,
    /// The fixed client part of every start-up, in milliseconds: the same for every policy.
    pub client_start_ms: u64,
    /// Start-up of all plays with the fixed client part, in milliseconds.
    pub startup_ms: Quantiles,
    /// Network part of the start-up, in milliseconds.
    pub network_startup_ms: Startup,
    /// From the request to the last byte of the title, of plays that came to it, in milliseconds.
    pub all_taken_ms: Quantiles,
    /// Stalls.
    pub stalls: Stalls,
    /// Media played, in milliseconds.
    pub played_ms: u64,
    /// Mean rate of the media played, in bits a second.
    pub played_bitrate: u64,
    /// How often a player took another rendition than before.
    pub rendition_changes: u64,
    /// Bytes that came and were of no use.
    pub waste: Waste,
    /// Bytes sent to peers.
    pub uploaded: u64,
    /// How long a packet had to wait before the uplink of a home that served peers, in milliseconds, looked at every
    /// 100 ms as long as it did.
    pub uplink_queue_ms: Quantiles,
    /// Bytes each listener sent to peers.
    pub upload_per_listener: Quantiles,
    /// Requests to the origin.
    pub origin_requests: OriginRequests,
    /// The highest rate of the origin over one step of the series, in bits a second.
    pub peak_origin_rate: u64,
    /// Length of a step of the series, in milliseconds.
    pub step_ms: u64,
    /// The evening in equal steps.
    pub series: Vec<Step>,
    /// Titles by popularity in ten groups that draw a tenth of the plays each, the most popular first. The
    /// hold-out's plays are left out.
    pub popularity: Vec<Popularity>,
    /// Plays that went worst, to be explained with their listener's decisions.
    pub worst: Worst,
    /// Messages between peers.
    pub control_messages: u64,
    /// Bad bytes that came, and were thrown away.
    pub corrupt_bytes: u64,
    /// Megabytes that moved over links, for events per megabyte.
    pub moved_bytes: u64,
    /// What nobody could have done better in the same evening, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// What agents remembered, by the hour; of baselines nothing is counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<Memory>,
    /// Decisions of the listener asked about, one a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub explained: Vec<String>,
}

/// What nobody could have done better, with the same plays at the same moments and the same nodes online.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Bound {
    /// Bytes that the origin has to send at least to others than the hold-out, of titles when agents are told of them.
    pub origin_sent: u64,
    /// The same with every click foreseen.
    pub origin_sent_foreseeing: u64,
    /// The network part of the start-ups at best, in milliseconds: of the plays that began.
    pub network_startup_ms: Startup,
    /// Plays that began sooner than that. There are none, or the bound is wrong.
    pub sooner: u64,
    /// Why bytes that players got from the origin came from there.
    pub gap: Gap,
}

/// Bytes of the origin that were handed to players, the hold-out's left out: those that had to be, and what the player
/// was at when the others were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Nobody could have had them in time.
    pub bound: u64,
    /// It waited for its start.
    pub start: Why,
    /// It played the title.
    pub play: Why,
    /// It played another title before.
    pub before: Why,
}

/// Bytes by what was closest to a block from a peer when it was asked of the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Why {
    /// It was on its way from a peer.
    pub raced: u64,
    /// A connected peer had it and sent nothing to anybody.
    pub idle: u64,
    /// A connected peer had it and was sending something.
    pub busy: u64,
    /// A connect to somebody who had it was under way.
    pub connecting: u64,
    /// Somebody who had it was known, could be reached, and was not connected.
    pub unconnected: u64,
    /// Somebody who had it was there, could be reached, and was never heard of.
    pub untold: u64,
    /// Listeners of the title were there and could be reached, and none had this block.
    pub not_had: u64,
    /// Nobody who had ever heard of the title was there and could be reached: only earlier or later.
    pub nobody: u64,
}

/// What agents remembered at one moment, in entries of lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Hours since the world began.
    pub hour: u64,
    /// All entries of the agent that had most.
    pub largest: u64,
    /// The most that any agent had, list by list.
    pub entries: BTreeMap<&'static str, u64>,
}

/// Events by what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Census {
    /// Bytes moved over links.
    pub wires: u64,
    /// Messages between peers came; those that were sent together count once.
    pub messages: u64,
    /// Agents were woken, or their timer was put off.
    pub wakes: u64,
    /// Nodes that serve looked at their paths.
    pub reports: u64,
    /// Players took bytes, and listeners did something.
    pub players: u64,
    /// Requests to the origin and of runs, connects and their ends.
    pub requests: u64,
    /// Words to and from the supernode.
    pub supernode: u64,
    /// The rest: arrivals, departures, faults, checks.
    pub others: u64,
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
    /// Among all, those that were known when the play before them began.
    pub predicted: u64,
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

/// Start-up times of four kinds of plays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Startup {
    /// All plays.
    pub all: Quantiles,
    /// Nothing or not all of the title in the cache.
    pub uncached: Quantiles,
    /// Nothing in the cache, and not known before.
    pub cold: Quantiles,
    /// Not known before, cached or not.
    pub unpredicted: Quantiles,
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
    /// Nineteen in twenty are below.
    pub p95: u64,
    /// Ninety-nine in a hundred are below.
    pub p99: u64,
    /// The largest.
    pub max: u64,
    /// Sum over count.
    pub mean: u64,
}

/// Times the playhead stood still for more than 250 ms.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stalls {
    /// How often, over all plays.
    pub count: u64,
    /// For how long in all, in milliseconds.
    pub total_ms: u64,
    /// Share of started plays with at least one.
    pub stutter_share: f64,
    /// The same of plays that were not known before.
    pub unpredicted_share: f64,
    /// Time stood still in each started play, in milliseconds.
    pub per_play_ms: Quantiles,
    /// The same count by the agents' own notes.
    pub noted: u64,
}

/// Bytes that came and were of no use: never played nor served, or came twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Waste {
    /// From the origin.
    pub origin: u64,
    /// From peers.
    pub peers: u64,
    /// Of the peers' bytes, those of the same household.
    pub lan: u64,
    /// Of the peers' bytes, those of the same operator.
    pub isp: u64,
    /// Of the peers' bytes, those from elsewhere.
    pub other: u64,
    /// Of all that came from the origin.
    pub origin_share: f64,
    /// Of all that came from peers.
    pub peer_share: f64,
}

/// Requests to the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OriginRequests {
    /// How many.
    pub count: u64,
    /// Bytes asked for in each, on average.
    pub mean_bytes: u64,
    /// Share of them that is about the most popular 21 % of titles (a figure that Spotify published).
    pub top_share: f64,
    /// Requests of a play that fetched something, on average.
    pub per_play: f64,
}

/// Listeners that take no part in sharing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HoldOut {
    /// How many.
    pub listeners: u32,
    /// Their plays.
    pub plays: u64,
    /// Bytes handed to their players.
    pub bytes: Bytes,
    /// Body bytes the origin sent them.
    pub origin_sent: u64,
    /// Network part of their start-ups, in milliseconds.
    pub network_startup_ms: Quantiles,
    /// Share of their started plays with a stall.
    pub stutter_share: f64,
}

/// What happened in one step of the evening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Where it begins, in seconds.
    pub at_s: u64,
    /// Bytes handed to players.
    pub bytes: Bytes,
    /// Body bytes the origin sent.
    pub origin_sent: u64,
    /// Plays asked for.
    pub plays: u64,
}

/// Plays that went worst, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Worst {
    /// By their start, of those that nobody knew of before.
    pub starts: Vec<BadPlay>,
    /// By how long they stood still.
    pub stalls: Vec<BadPlay>,
}

/// One play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BadPlay {
    /// Whose.
    pub listener: u32,
    /// Which of the listener's plays, from 0 on.
    pub play: u32,
    /// When it was asked for, in milliseconds.
    pub at_ms: u64,
    /// Network part of its start, in milliseconds; zero when it never started.
    pub started_ms: u64,
    /// For how long it stood still, in milliseconds.
    pub stalled_ms: u64,
}

/// Titles of similar popularity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Popularity {
    /// How many titles.
    pub titles: u32,
    /// Plays of them.
    pub plays: u64,
    /// Bytes handed to players.
    pub bytes: Bytes,
    /// Other nodes of the player's operator that were there and had something of the title when a play began,
    /// on average over the plays.
    pub holders: f64,
    /// Share of the handed bytes that did not come from the origin.
    pub saved: f64,
    /// What a crowd of so many holders can save at most when each fetches as it plays: 1 − (1 − e⁻ᶜ) / c.
    pub can_save: f64,
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
            p95: at(95),
            p99: at(99),
            max: times.last().copied().unwrap_or(0),
            mean: times.iter().sum::<u64>() / (times.len() as u64).max(1),
        }
    }
}

impl Quantiles {
    /// The quantiles of times, of which `counts` says how often each occurred.
    pub(crate) fn of_counts(counts: &[u64]) -> Self {
        let count: u64 = counts.iter().sum();
        let at = |percent: u64| {
            let rank = (count * percent).div_ceil(100).max(1);
            let mut sum = 0;
            let reaches = |of: &u64| {
                sum += of;
                sum >= rank
            };
            counts.iter().position(reaches).unwrap_or(0) as u64
        };
        let sum: u64 = counts.iter().zip(0..).map(|(of, time)| of * time).sum();
        let [p50, p75, p90, p95, p99, max] = [50, 75, 90, 95, 99, 100].map(at);
        Self { count, p50, p75, p90, p95, p99, max, mean: sum / count.max(1) }
    }

    /// The same, each later by `millis`.
    pub(crate) fn later(&self, millis: u64) -> Self {
        if self.count == 0 {
            return self.clone();
        }
        Self {
            count: self.count,
            p50: self.p50 + millis,
            p75: self.p75 + millis,
            p90: self.p90 + millis,
            p95: self.p95 + millis,
            p99: self.p99 + millis,
            max: self.max + millis,
            mean: self.mean + millis,
        }
    }
}

impl From<BySource> for Bytes {
    fn from(by: BySource) -> Self {
        Self { cache: by.cache, lan: by.lan, isp: by.isp, other: by.other, origin: by.origin }
    }
}

impl Bytes {
    /// Adds another count.
    pub(crate) fn add(&mut self, by: BySource) {
        self.cache += by.cache;
        self.lan += by.lan;
        self.isp += by.isp;
        self.other += by.other;
        self.origin += by.origin;
    }

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
        let mut counts = [0; 201];
        counts[1..].fill(1);
        assert_eq!(Quantiles::of_counts(&counts), all);
        assert_eq!(Quantiles::of_counts(&[0; 5]), Quantiles::default());
    }
}
