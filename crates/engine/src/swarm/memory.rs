//! What the engine remembers: how many entries each of its lists has, and titles that it forgets.
//!
//! A node may run for months, and its listener plays what he never plays again. Titles of which nothing is held, and
//! that nobody plays, keeps or expects, are forgotten but for the latest; the shell describes one again before it is
//! played again.

use nearcast_content::FlatSet;

use super::Swarm;
use super::api::*;
use super::objects::ObjectIx;
use crate::limits::{MAX_RENDITIONS, SPARE_TITLES};
use crate::wire::SwarmId;

/// Entries in the lists of one engine: what its memory grows with. Each is bounded, most of them by
/// [`limits`](crate::limits); blocks held are ranges, and few for each object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Titles described and not forgotten.
    pub titles: usize,
    /// Their renditions.
    pub renditions: usize,
    /// Parts of these.
    pub parts: usize,
    /// Objects known, of titles or beside them.
    pub objects: usize,
    /// Ranges of blocks held, on their way, and not used yet.
    pub ranges: usize,
    /// Plays and reads that go on.
    pub plays: usize,
    /// Runs on their way here, and those that the last plan left over.
    pub runs: usize,
    /// Runs that peers want or are sent.
    pub serving: usize,
    /// Connected peers.
    pub peers: usize,
    /// What they hold, bring in, are interested in and were told, by object.
    pub talk: usize,
    /// Nodes known, and those among them who hold a title of interest.
    pub known: usize,
    /// Nodes that misbehaved.
    pub struck: usize,
    /// Titles of interest, announced, and to be announced.
    pub told: usize,
    /// Paths whose queues are watched, and what was seen of them.
    pub paths: usize,
    /// Everything else: what is kept, pinned, upcoming, planned, advised, counted, and waits for the shell.
    pub others: usize,
}

impl Footprint {
    /// Each count with its name.
    pub fn counts(&self) -> [(&'static str, usize); 15] {
        [
            ("titles", self.titles),
            ("renditions", self.renditions),
            ("parts", self.parts),
            ("objects", self.objects),
            ("ranges", self.ranges),
            ("plays", self.plays),
            ("runs", self.runs),
            ("serving", self.serving),
            ("peers", self.peers),
            ("talk", self.talk),
            ("known", self.known),
            ("struck", self.struck),
            ("told", self.told),
            ("paths", self.paths),
            ("others", self.others),
        ]
    }

    /// All entries.
    pub fn total(&self) -> usize {
        self.counts().iter().map(|(_, count)| count).sum()
    }

    /// Count by count the larger of both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            titles: self.titles.max(other.titles),
            renditions: self.renditions.max(other.renditions),
            parts: self.parts.max(other.parts),
            objects: self.objects.max(other.objects),
            ranges: self.ranges.max(other.ranges),
            plays: self.plays.max(other.plays),
            runs: self.runs.max(other.runs),
            serving: self.serving.max(other.serving),
            peers: self.peers.max(other.peers),
            talk: self.talk.max(other.talk),
            known: self.known.max(other.known),
            struck: self.struck.max(other.struck),
            told: self.told.max(other.told),
            paths: self.paths.max(other.paths),
            others: self.others.max(other.others),
        }
    }
}

impl Swarm {
    /// How much the engine remembers at this moment. It walks over everything: for whoever asks how the node is
    /// doing, not once an input.
    pub fn footprint(&self) -> Footprint {
        let objects = &self.objects;
        let talk = |(_, peer): (PeerId, &super::peers::Peer)| {
            let said = peer.heard.values().filter(|heard| heard.said.is_some()).count();
            peer.heard.len() + 2 * said + peer.interests.len() + peer.unknown.len()
        };
        Footprint {
            titles: objects.title_count(),
            renditions: objects.rendition_count(),
            parts: objects.part_count(),
            objects: objects.object_count(),
            ranges: objects.range_count(),
            plays: self.plays.len() + self.plays.reads().count(),
            runs: self.runs.len() + self.left_over.len(),
            serving: self.serving.len(),
            peers: self.peers.len(),
            talk: self.peers.iter().map(talk).sum(),
            known: self.connects.len(),
            struck: self.peers.struck_count(),
            told: self.connects.title_count() + self.announced.len() + self.unannounced.len(),
            paths: self.uplink.len(),
            others: self.keeps.len()
                + self.pinned.len()
                + self.upcoming.len()
                + self.planned_for.len()
                + self.interests.len()
                + self.advised.len()
                + self.left.len()
                + self.early.len()
                + self.outputs.len()
                + self.news.len()
                + self.allowance.len(),
        }
    }

    /// Makes room for one more rendition, and forgets titles that nobody came back to.
    pub(super) fn forget_titles(&mut self) {
        let full = self.objects.rendition_count() >= MAX_RENDITIONS;
        if !full && self.objects.title_count() < self.forget_at {
            return;
        }
        let mut titles = self.objects.idle_titles(&self.in_use());
        let empty = |(_, held): &&(SwarmId, Option<u64>)| held.is_none();
        let stale = titles.iter().filter(empty).count().saturating_sub(SPARE_TITLES);
        for (swarm, _) in titles.iter().filter(empty).take(stale).copied().collect::<Vec<_>>() {
            self.forget_title(swarm);
        }
        titles.sort_by_key(|(_, held)| *held);
        for (swarm, _) in titles {
            if self.objects.rendition_count() < MAX_RENDITIONS {
                break;
            }
            self.forget_title(swarm);
        }
        self.forget_orphans();
        self.forget_at = self.objects.title_count() + SPARE_TITLES;
    }

    fn forget_title(&mut self, swarm: SwarmId) {
        if self.objects.tracks_of(swarm).next().is_none() {
            return;
        }
        self.drop_title(swarm);
        self.put(Output::Forgot { swarm });
    }

    /// Renditions that are played, kept or expected.
    fn in_use(&self) -> FlatSet<RenditionId> {
        let played = self.plays.renditions();
        played.chain(self.upcoming.iter().copied()).chain(self.keeps.iter().copied()).collect()
    }

    /// Forgets objects that nothing refers to. Peers that are interested in one wait until it is known again.
    fn forget_orphans(&mut self) {
        let mut used: FlatSet<ObjectIx> = self.runs.iter().map(|(_, run)| run.object).collect();
        used.extend(self.serving.objects());
        used.extend(self.plays.reads().map(|(_, read)| read.on.object));
        used.extend(self.early.iter().map(|(_, object, _)| *object));
        used.extend(self.pinned.iter().chain(&self.interests).chain(&self.planned_for).copied());
        used.extend(self.peers.iter().flat_map(|(_, peer)| peer.heard.keys().copied()));
        for ix in self.objects.orphans() {
            if !used.contains(&ix) {
                self.peers.forget_object(ix, self.objects.get(ix).id);
                self.runs.forget_object(ix);
                self.objects.forget_object(ix);
            }
        }
        self.left_over.retain(|pick| used.contains(&pick.object));
        self.replan = true;
    }
}
