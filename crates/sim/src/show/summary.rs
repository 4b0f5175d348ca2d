//! The figures of one policy over all seeds.

use serde::Serialize;

use crate::outcome::{Bytes, Outcome, Popularity, Quantiles, Startup, ratio};

/// The policy that all others are held against: what a provider has today.
pub const BASELINE: &str = "origin-only";

/// What is no policy but what none can do better, and what that is in a sentence.
pub(super) const BOUNDS: [(&str, &str); 2] = [
    (
        "oracle",
        "oracle is a bound, not something anybody can run: it knows every click of the evening and who holds what, \
         fetches what will be played from the moment a node is there, and uplinks bring any rate; nobody stores a title \
         that it does not play, and predicted plays alone begin at once.",
    ),
    (
        "oracle-told",
        "oracle-told is the same bound without the future: it knows who holds what, and of clicks what agents are told, \
         a title when it is asked for or announced as the next.",
    ),
];

/// Figures of one policy. Counts and bytes handed to players are sums over the seeds; quantiles are those of the seed in the
/// middle, each by itself.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The agents' name.
    pub policy: String,
    /// Always true.
    pub simulated: bool,
    /// Whether it is no policy that can be run, but what none can do better.
    pub bound: bool,
    /// Worlds that these figures are from.
    pub seeds: u32,
    /// Plays that were asked for.
    pub plays: u64,
    /// Plays that never started.
    pub never_started: u64,
    /// Bytes handed to players, by source.
    pub share: Share,
    /// The same as counts.
    pub bytes: Bytes,
    /// 1 − origin bytes over bytes handed to players.
    pub offload: f64,
    /// Origin bytes over the size of what was played of each title at least once, in the seed in the middle.
    pub copies: f64,
    /// Body bytes the origin sent in one world, on average over the seeds.
    pub origin_sent: u64,
    /// The highest rate of the origin in any of them, in bits a second.
    pub peak_origin_rate: u64,
    /// Start-up with the fixed client part, in milliseconds.
    pub startup_ms: Quantiles,
    /// The network part of it, which is what policies differ in.
    pub network_startup_ms: Startup,
    /// From the request to the last byte of the title, of plays that came to it, in milliseconds.
    pub all_taken_ms: Quantiles,
    /// Share of started plays with a stall.
    pub stutter_share: f64,
    /// Stalls in all.
    pub stalls: u64,
    /// Time stood still in all, in milliseconds.
    pub stall_ms: u64,
    /// Time stood still in each started play, in milliseconds.
    pub stall_per_play_ms: Quantiles,
    /// Mean rate of the media played, in bits a second.
    pub played_bitrate: u64,
    /// How often players took another rendition.
    pub rendition_changes: u64,
    /// Bytes that were of no use, as shares of what came from there.
    pub waste: WasteShare,
    /// Bytes each listener sent to peers.
    pub upload_per_listener: Quantiles,
    /// Share of fetched bytes that crossed the border of an operator.
    pub cross_isp_share: f64,
    /// Share of the peers' bytes from the same household or operator.
    pub near_share: f64,
    /// Titles by popularity in ten groups that draw a tenth of the plays each, the most popular first: sums over the
    /// seeds, and means over the plays.
    pub popularity: Vec<Popularity>,
    /// The lowest and the highest of the seeds.
    pub range: Ranges,
}

/// Shares of the bytes handed to players.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// From the provider's servers.
    pub origin: f64,
    /// From peers, wherever they are: the sum of the next three.
    pub peers: f64,
    /// From the own cache.
    pub cache: f64,
    /// From peers in the household.
    pub lan: f64,
    /// From peers of the same operator.
    pub isp: f64,
    /// From other peers.
    pub other: f64,
}

/// Bytes of no use over the bytes that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct WasteShare {
    /// From the origin.
    pub origin: f64,
    /// From peers.
    pub peers: f64,
}

/// The lowest and the highest of some worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Range {
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

/// Ranges of the figures that a decision hangs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ranges {
    /// See [`Summary::offload`].
    pub offload: Range,
    /// Bytes of one world.
    pub origin_sent: Range,
    /// Bits a second.
    pub peak_origin_rate: Range,
    /// Share of plays.
    pub stutter_share: Range,
    /// Median network start-up of all plays, in milliseconds.
    pub network_startup_p50_ms: Range,
}

/// What the offload comes to when one assumption is another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Driver {
    /// What is assumed instead.
    pub assumed: String,
    /// The offload then.
    pub offload: f64,
    /// What the origin sends then, in bytes.
    pub origin_sent: u64,
    /// Its peak then, in bits a second.
    pub peak_origin_rate: u64,
}

/// One summary a policy, in the order in which policies appear.
pub fn summaries(outcomes: &[Outcome]) -> Vec<Summary> {
    let mut names: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !names.contains(&outcome.policy.as_str()) {
            names.push(&outcome.policy);
        }
    }
    let of = |name: &str| outcomes.iter().filter(|o| o.policy == name).collect::<Vec<_>>();
    names.into_iter().map(|name| summary(name, &of(name))).collect()
}

fn summary(policy: &str, worlds: &[&Outcome]) -> Summary {
    let sum = |of: fn(&Outcome) -> u64| worlds.iter().map(|world| of(world)).sum::<u64>();
    let quantiles = |of: fn(&Outcome) -> &Quantiles| middle(worlds.iter().map(|world| of(world)));
    let bytes = worlds.iter().fold(Bytes::default(), |all, world| add(all, world.bytes));
    let (origin_sent, handed) = (sum(|w| w.origin_sent), bytes.sum());
    let stuttered: f64 = worlds.iter().map(|w| w.stalls.stutter_share * to_float(started(w))).sum();
    Summary {
        policy: policy.to_owned(),
        simulated: true,
        bound: BOUNDS.iter().any(|(name, _)| *name == policy),
        seeds: u32::try_from(worlds.len()).unwrap_or(u32::MAX),
        plays: sum(|w| w.plays.asked),
        never_started: sum(|w| w.plays.never_started),
        share: share(bytes),
        bytes,
        offload: 1.0 - ratio(origin_sent, handed),
        copies: median(worlds.iter().map(|w| w.copies)),
        origin_sent: origin_sent / (worlds.len() as u64).max(1),
        peak_origin_rate: worlds.iter().map(|w| w.peak_origin_rate).max().unwrap_or(0),
        startup_ms: quantiles(|w| &w.startup_ms),
        network_startup_ms: Startup {
            all: quantiles(|w| &w.network_startup_ms.all),
            uncached: quantiles(|w| &w.network_startup_ms.uncached),
            cold: quantiles(|w| &w.network_startup_ms.cold),
            unpredicted: quantiles(|w| &w.network_startup_ms.unpredicted),
        },
        all_taken_ms: quantiles(|w| &w.all_taken_ms),
        stutter_share: stuttered / to_float(worlds.iter().map(|w| started(w)).sum()).max(1.0),
        stalls: sum(|w| w.stalls.count),
        stall_ms: sum(|w| w.stalls.total_ms),
        stall_per_play_ms: quantiles(|w| &w.stalls.per_play_ms),
        played_bitrate: median_of(worlds.iter().map(|w| w.played_bitrate)),
        rendition_changes: sum(|w| w.rendition_changes),
        waste: WasteShare {
            origin: median(worlds.iter().map(|w| w.waste.origin_share)),
            peers: median(worlds.iter().map(|w| w.waste.peer_share)),
        },
        upload_per_listener: quantiles(|w| &w.upload_per_listener),
        cross_isp_share: median(worlds.iter().map(|w| w.cross_isp_share)),
        near_share: median(worlds.iter().map(|w| w.near_share)),
        popularity: popularity(worlds),
        range: Ranges {
            offload: range(worlds, |w| w.offload),
            origin_sent: range(worlds, |w| to_float(w.origin_sent)),
            peak_origin_rate: range(worlds, |w| to_float(w.peak_origin_rate)),
            stutter_share: range(worlds, |w| w.stalls.stutter_share),
            network_startup_p50_ms: range(worlds, |w| to_float(w.network_startup_ms.all.p50)),
        },
    }
}

/// The groups of all worlds, which have the same titles in each.
fn popularity(worlds: &[&Outcome]) -> Vec<Popularity> {
    let groups = worlds.first().map_or(0, |world| world.popularity.len());
    let of = |group: usize| worlds.iter().filter_map(move |world| world.popularity.get(group));
    let all = (0..groups).map(|group| {
        let plays = of(group).map(|g| g.plays).sum();
        let mean = |value: fn(&Popularity) -> f64| {
            of(group).map(|g| value(g) * to_float(g.plays)).sum::<f64>() / to_float(plays).max(1.0)
        };
        let bytes = of(group).fold(Bytes::default(), |all, g| add(all, g.bytes));
        let titles = of(group).next().map_or(0, |g| g.titles);
        let (holders, can_save) = (mean(|g| g.holders), mean(|g| g.can_save));
        Popularity { titles, plays, bytes, holders, saved: 1.0 - ratio(bytes.origin, bytes.sum()), can_save }
    });
    all.collect()
}

fn started(world: &Outcome) -> u64 {
    world.plays.asked - world.plays.never_started.min(world.plays.asked)
}

fn share(bytes: Bytes) -> Share {
    let of = |part| ratio(part, bytes.sum());
    Share {
        origin: of(bytes.origin),
        peers: of(bytes.lan + bytes.isp + bytes.other),
        cache: of(bytes.cache),
        lan: of(bytes.lan),
        isp: of(bytes.isp),
        other: of(bytes.other),
    }
}

fn add(a: Bytes, b: Bytes) -> Bytes {
    Bytes {
        cache: a.cache + b.cache,
        lan: a.lan + b.lan,
        isp: a.isp + b.isp,
        other: a.other + b.other,
        origin: a.origin + b.origin,
    }
}

/// Each quantile is that of the world in the middle; the count is of all.
fn middle<'q>(of: impl Iterator<Item = &'q Quantiles>) -> Quantiles {
    let all: Vec<&Quantiles> = of.collect();
    let at = |field: fn(&Quantiles) -> u64| median_of(all.iter().filter(|q| q.count > 0).map(|q| field(q)));
    Quantiles {
        count: all.iter().map(|q| q.count).sum(),
        p50: at(|q| q.p50),
        p75: at(|q| q.p75),
        p90: at(|q| q.p90),
        p95: at(|q| q.p95),
        p99: at(|q| q.p99),
        max: at(|q| q.max),
        mean: at(|q| q.mean),
    }
}

fn median_of(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

fn range(worlds: &[&Outcome], of: fn(&Outcome) -> f64) -> Range {
    let values = worlds.iter().map(|world| of(world));
    let (low, high) =
        (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
    if low <= high { Range { low, high } } else { Range::default() }
}

/// For showing.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits, decides nothing")]
pub(super) fn to_float(whole: u64) -> f64 {
    whole as f64
}
