//! Adding up what came of a world.

use super::World;
use crate::node::NodeCounts;
use crate::outcome::{Outcome, PlayCounts, Quantiles, Stalls, Startup, Waste, ratio};
use crate::player::{Cached, PlayEnd, PlayReport};
use crate::store::BySource;

impl World<'_> {
    /// Closes what is open and adds up.
    pub(super) fn outcome(mut self) -> Outcome {
        let now = self.now;
        for node in &mut self.nodes {
            if let Some(mut player) = node.player.take() {
                node.plays.push(player.close(now, PlayEnd::Open));
            }
        }
        let plays: Vec<&PlayReport> = self.nodes.iter().flat_map(|node| &node.plays).collect();
        let mut handed = BySource::default();
        plays.iter().for_each(|play| handed.add_all(play.bytes));
        let mut noted = BySource::default();
        self.nodes.iter().for_each(|node| noted.add_all(node.counts.noted));
        let count = |of: fn(&NodeCounts) -> u64| self.nodes.iter().map(|node| of(&node.counts)).sum();
        let played = self.played_once();
        Outcome {
            simulated: true,
            scenario: self.scenario.name.clone(),
            policy: self.policy.clone(),
            seed: self.seed,
            trace: format!("{:016x}", self.trace.value()),
            listeners: u32::try_from(self.nodes.len()).unwrap_or(u32::MAX),
            events: self.events,
            simulated_ms: now.micros() / 1_000,
            plays: play_counts(&plays),
            bytes: handed.into(),
            noted: noted.into(),
            origin_sent: self.origin_sent,
            copies: ratio(self.origin_sent, played),
            offload: 1.0 - ratio(self.origin_sent, handed.sum()),
            network_startup_ms: startup(&plays),
            stalls: stalls(&plays, count(|c| c.noted_stalls)),
            waste: self.waste(),
            uploaded: count(|c| c.uploaded),
            control_messages: count(|c| c.control_messages),
            corrupt_bytes: count(|c| c.corrupt),
            moved_bytes: self.moved.through,
            explained: self.explain.take().map_or_else(Vec::new, crate::explain::Explain::into_lines),
        }
    }

    /// Bytes of the titles that somebody began to play.
    fn played_once(&self) -> u64 {
        let mut titles = vec![false; self.catalogue.titles.len()];
        for (listener, node) in self.audience.listeners.iter().zip(&self.nodes) {
            for play in listener.plays.iter().take(node.next_play) {
                titles[play.title as usize] = true;
            }
        }
        self.catalogue
            .titles
            .iter()
            .zip(titles)
            .filter(|(_, begun)| *begun)
            .map(|(title, _)| title.bytes)
            .sum()
    }

    fn waste(&self) -> Waste {
        let mut waste = BySource::default();
        for node in &self.nodes {
            waste.add_all(node.store.waste());
            waste.add_all(node.counts.wasted);
            waste.add_all(node.counts.late);
        }
        Waste { origin: waste.origin, peers: waste.peers() }
    }
}

fn play_counts(plays: &[&PlayReport]) -> PlayCounts {
    let mut counts = PlayCounts::default();
    for play in plays {
        counts.asked += 1;
        counts.never_started += u64::from(play.started_after.is_none());
        *match play.end {
            PlayEnd::Open => &mut counts.open,
            PlayEnd::Played => &mut counts.played,
            PlayEnd::Skipped => &mut counts.skipped,
            PlayEnd::Departed => &mut counts.departed,
        } += 1;
    }
    counts
}

fn startup(plays: &[&PlayReport]) -> Startup {
    let of = |which: fn(&PlayReport) -> bool| {
        let times = plays.iter().filter(|play| which(play)).filter_map(|play| play.started_after);
        Quantiles::of(times.map(|span| span.millis()).collect())
    };
    Startup {
        all: of(|_| true),
        uncached: of(|play| play.cached != Cached::Everything),
        cold: of(|play| play.cached == Cached::Nothing && !play.known_before),
    }
}

fn stalls(plays: &[&PlayReport], noted: u64) -> Stalls {
    let started = plays.iter().filter(|play| play.started_after.is_some()).count() as u64;
    let stuttered = plays.iter().filter(|play| play.stalls > 0).count() as u64;
    Stalls {
        count: plays.iter().map(|play| u64::from(play.stalls)).sum(),
        total_ms: plays.iter().map(|play| play.stalled_for.millis()).sum(),
        stutter_share: ratio(stuttered, started),
        noted,
    }
}
