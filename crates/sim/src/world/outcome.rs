//! Adding up what came of a world.

use std::collections::BTreeMap;

use nearcast_engine::{Rate, Span};

use super::World;
use crate::catalogue::Catalogue;
use crate::fixed;
use crate::node::{Node, NodeCounts};
use crate::outcome::{
    BadPlay, HoldOut, OriginRequests, Outcome, PlayCounts, Popularity, Quantiles, Stalls, Startup, Waste,
    Worst, ratio,
};
use crate::plan::Listener;
use crate::player::{Cached, PlayEnd, PlayReport};
use crate::store::BySource;

impl World<'_> {
    /// Closes what is open and adds up.
    pub(super) fn outcome(mut self) -> Outcome {
        let now = self.now;
        for node in &mut self.nodes {
            if let Some(mut player) = node.player.take() {
                node.plays.push(player.close(now - node.sleep.player, PlayEnd::Open));
            }
            node.plays.extend(node.keeps.take());
        }
        let bound = self.consult();
        let (share, held_out): (Vec<_>, Vec<_>) =
            self.nodes.iter().zip(&self.audience.listeners).partition(|(_, l)| !l.holds_out());
        let plays: Vec<&PlayReport> = share.iter().flat_map(|(node, _)| &node.plays).collect();
        let all: Vec<&PlayReport> = self.nodes.iter().flat_map(|node| &node.plays).collect();
        let handed = handed(&plays);
        let mut fetched = BySource::default();
        share.iter().for_each(|(node, _)| fetched.add_all(node.counts.fetched));
        let mut noted = BySource::default();
        self.nodes.iter().for_each(|node| noted.add_all(node.counts.noted));
        let count = |of: fn(&NodeCounts) -> u64| self.nodes.iter().map(|node| of(&node.counts)).sum();
        let origin_sent = share.iter().map(|(node, _)| node.counts.origin_sent).sum();
        let network_startup_ms = startup(&plays);
        let client_start_ms = self.scenario.player.client_start.millis();
        let played = played(&self.catalogue, &plays);
        Outcome {
            simulated: true,
            scenario: self.scenario.name.clone(),
            policy: self.policy.clone(),
            seed: self.seed,
            trace: format!("{:016x}", self.trace.value()),
            listeners: u32::try_from(self.nodes.len()).unwrap_or(u32::MAX),
            events: self.events,
            census: self.census,
            simulated_ms: now.micros() / 1_000,
            plays: play_counts(&all),
            bytes: handed.into(),
            noted: noted.into(),
            fetched: fetched.into(),
            origin_sent,
            copies: ratio(origin_sent, self.played_once(&plays)),
            offload: 1.0 - ratio(origin_sent, handed.sum()),
            cross_isp_share: ratio(fetched.other + fetched.origin, fetched.sum()),
            near_share: ratio(fetched.lan + fetched.isp, fetched.peers()),
            near_share_of_crowds: near_share(plays.iter().filter(|play| play.holders >= 2)),
            hold_out: hold_out(&held_out),
            client_start_ms,
            startup_ms: network_startup_ms.all.later(client_start_ms),
            network_startup_ms,
            all_taken_ms: Quantiles::of(plays.iter().filter_map(|p| Some(p.all_after?.millis())).collect()),
            stalls: stalls(&plays, count(|c| c.noted_stalls)),
            played_ms: played.0.millis(),
            played_bitrate: Rate::mean(played.1, played.0).bytes_per_sec().saturating_mul(8),
            rendition_changes: plays.iter().map(|play| u64::from(play.turns)).sum(),
            waste: self.waste(&fetched),
            uploaded: count(|c| c.uploaded),
            uplink_queue_ms: Quantiles::of_counts(&self.uplink_queues),
            upload_per_listener: Quantiles::of(self.nodes.iter().map(|node| node.counts.uploaded).collect()),
            origin_requests: self.origin_requests(&plays),
            peak_origin_rate: self.series.peak_origin_rate(),
            step_ms: self.series.step().millis(),
            series: self.series.steps(),
            popularity: popularity(&self.catalogue, &plays),
            worst: worst(&self.nodes),
            control_messages: count(|c| c.control_messages),
            corrupt_bytes: count(|c| c.corrupt),
            moved_bytes: self.moved.through,
            bound,
            memory: std::mem::take(&mut self.memory),
            explained: self.explain.take().map_or_else(Vec::new, crate::explain::Explain::into_lines),
        }
    }

    /// Bytes of the titles that somebody began to play.
    fn played_once(&self, plays: &[&PlayReport]) -> u64 {
        let mut begun: BTreeMap<u32, Vec<&PlayReport>> = BTreeMap::new();
        plays.iter().for_each(|play| begun.entry(play.title).or_default().push(play));
        let bytes = begun.into_iter().map(|(title, plays)| {
            let of = self.catalogue.title(title);
            // Of several renditions, as much as the plays had in the mean.
            let (span, bytes) = played(&self.catalogue, &plays);
            let all = Rate::mean(bytes, span).bytes_in(of.length).min(of.bytes);
            if self.catalogue.has_choice() && all > 0 { all } else { of.bytes }
        });
        bytes.sum()
    }

    fn waste(&self, fetched: &BySource) -> Waste {
        let mut waste = BySource::default();
        let mut late = BySource::default();
        for node in &self.nodes {
            waste.add_all(node.store.waste());
            waste.add_all(node.counts.wasted);
            late.add_all(node.counts.late);
        }
        waste.add_all(late);
        Waste {
            origin: waste.origin,
            peers: waste.peers(),
            lan: waste.lan,
            isp: waste.isp,
            other: waste.other,
            origin_share: ratio(waste.origin, fetched.origin + late.origin),
            peer_share: ratio(waste.peers(), fetched.peers() + late.peers()),
        }
    }

    fn origin_requests(&self, plays: &[&PlayReport]) -> OriginRequests {
        let asked = self.origin_asked.iter().map(|n| u64::from(*n));
        let count = asked.clone().sum();
        let top = asked.take((self.origin_asked.len() * 21).div_ceil(100)).sum();
        let fetching = plays.iter().filter(|play| play.bytes.sum() > play.bytes.cache).count() as u64;
        OriginRequests {
            count,
            mean_bytes: self.origin_asked_bytes.checked_div(count).unwrap_or(0),
            top_share: ratio(top, count),
            per_play: ratio(count, fetching),
        }
    }
}

/// Share of the bytes from peers that came from the same household or operator.
fn near_share<'p>(plays: impl Iterator<Item = &'p &'p PlayReport>) -> f64 {
    let mut sum = BySource::default();
    plays.for_each(|play| sum.add_all(play.bytes));
    ratio(sum.lan + sum.isp, sum.peers())
}

fn handed(plays: &[&PlayReport]) -> BySource {
    let mut handed = BySource::default();
    plays.iter().for_each(|play| handed.add_all(play.bytes));
    handed
}

/// Media played, and its bytes.
fn played(catalogue: &Catalogue, plays: &[&PlayReport]) -> (Span, u64) {
    let of = |play: &PlayReport| match catalogue.has_choice() {
        true => play.played_of.iter().map(|(title, span)| catalogue.title(*title).bytes_at(*span)).sum(),
        false => catalogue.title(play.title).bytes_at(play.played),
    };
    plays.iter().fold((Span::ZERO, 0), |(span, bytes), play| (span + play.played, bytes + of(play)))
}

/// How many of the worst plays are told.
const WORST: usize = 20;

fn worst(nodes: &[Node]) -> Worst {
    let mut starts = Vec::new();
    let mut stalls = Vec::new();
    for (node, listener) in nodes.iter().zip(0..) {
        for (report, play) in node.plays.iter().zip(0..) {
            let started_ms = report.started_after.map_or(0, Span::millis);
            let (at_ms, stalled_ms) = (report.asked_at.micros() / 1_000, report.stalled_for.millis());
            let told = BadPlay { listener, play, at_ms, started_ms, stalled_ms };
            if started_ms > 0 && !report.known_before {
                starts.push(told);
            }
            if stalled_ms > 0 {
                stalls.push(told);
            }
        }
    }
    starts.sort_by_key(|play| std::cmp::Reverse(play.started_ms));
    stalls.sort_by_key(|play| std::cmp::Reverse(play.stalled_ms));
    starts.truncate(WORST);
    stalls.truncate(WORST);
    Worst { starts, stalls }
}

fn hold_out(nodes: &[(&Node, &Listener)]) -> HoldOut {
    let plays: Vec<&PlayReport> = nodes.iter().flat_map(|(node, _)| &node.plays).collect();
    HoldOut {
        listeners: u32::try_from(nodes.len()).unwrap_or(u32::MAX),
        plays: plays.len() as u64,
        bytes: handed(&plays).into(),
        origin_sent: nodes.iter().map(|(node, _)| node.counts.origin_sent).sum(),
        network_startup_ms: startup(&plays).all,
        stutter_share: stalls(&plays, 0).stutter_share,
    }
}

fn popularity(catalogue: &Catalogue, plays: &[&PlayReport]) -> Vec<Popularity> {
    let groups = catalogue.popularity_groups();
    let mut told: Vec<Popularity> =
        groups.iter().map(|titles| Popularity { titles: *titles, ..Popularity::default() }).collect();
    let mut ends = Vec::new();
    groups.iter().fold(0, |sum, titles| {
        ends.push(sum + titles);
        sum + titles
    });
    let mut holders = vec![0_u64; told.len()];
    for play in plays {
        let group = ends.partition_point(|end| *end <= catalogue.rank(play.title)).min(told.len() - 1);
        told[group].plays += 1;
        told[group].bytes.add(play.bytes);
        holders[group] += u64::from(play.holders);
    }
    for (group, holders) in told.iter_mut().zip(holders) {
        group.holders = ratio(holders, group.plays);
        group.saved = 1.0 - ratio(group.bytes.origin, group.bytes.sum());
        group.can_save = can_save(holders, group.plays);
    }
    told
}

/// 1 − (1 − e⁻ᶜ) / c for c holders at a play, in whole numbers until the last step.
fn can_save(holders: u64, plays: u64) -> f64 {
    let c = u128::from(holders) * u128::from(fixed::ONE) / u128::from(plays.max(1));
    if c == 0 {
        return 0.0;
    }
    let c = u64::try_from(c).unwrap_or(u64::MAX);
    let rest = fixed::ONE.saturating_sub(fixed::exp_minus(c));
    1.0 - ratio(rest, c)
}

fn play_counts(plays: &[&PlayReport]) -> PlayCounts {
    let mut counts = PlayCounts::default();
    for play in plays {
        counts.asked += 1;
        counts.never_started += u64::from(play.started_after.is_none());
        counts.predicted += u64::from(play.known_before);
        *match play.end {
            PlayEnd::Open => &mut counts.open,
            PlayEnd::Played => &mut counts.played,
            PlayEnd::Skipped => &mut counts.skipped,
            PlayEnd::Departed => &mut counts.departed,
        } += 1;
    }
    counts
}

pub(super) fn startup(plays: &[&PlayReport]) -> Startup {
    let of = |which: fn(&PlayReport) -> bool| {
        let times = plays.iter().filter(|play| which(play)).filter_map(|play| play.started_after);
        Quantiles::of(times.map(|span| span.millis()).collect())
    };
    Startup {
        all: of(|_| true),
        uncached: of(|play| play.cached != Cached::Everything),
        cold: of(|play| play.cached == Cached::Nothing && !play.known_before),
        unpredicted: of(|play| !play.known_before),
    }
}

fn stalls(plays: &[&PlayReport], noted: u64) -> Stalls {
    let started: Vec<&&PlayReport> = plays.iter().filter(|play| play.started_after.is_some()).collect();
    let share = |which: fn(&PlayReport) -> bool| {
        let of = started.iter().filter(|play| which(play));
        let stuttered = of.clone().filter(|play| play.stalls > 0).count() as u64;
        ratio(stuttered, of.count() as u64)
    };
    Stalls {
        count: plays.iter().map(|play| u64::from(play.stalls)).sum(),
        total_ms: plays.iter().map(|play| play.stalled_for.millis()).sum(),
        stutter_share: share(|_| true),
        unpredicted_share: share(|play| !play.known_before),
        per_play_ms: Quantiles::of(started.iter().map(|play| play.stalled_for.millis()).collect()),
        noted,
    }
}
