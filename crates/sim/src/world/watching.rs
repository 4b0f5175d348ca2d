//! Looking after the invariants: the cheap ones after every input of a node, the others every so often.

use nearcast_content::{BlockRange, ByteRange, FlatMap};
use nearcast_engine::swarm::{Footprint, PeerId};
use nearcast_engine::{Span, Time};

use super::World;
use crate::catalogue::ObjectIx;
use crate::invariants::{ASK_AGAIN, Broken, ORIGIN_RESTS, PATIENCE, UnderWay, check_bounds};
use crate::node::{Coming, Node, Who};
use crate::outcome::Memory;
use crate::scenario::FaultKind;

/// How often the expensive checks run.
pub(super) const EVERY: Span = Span::from_secs(1);
/// How often memory is measured.
const HOUR: Span = Span::from_secs(3_600);
/// Larger worlds look at every node less often.
const LARGE: usize = 1_000;
/// What is asked again at once lies this close to the playhead.
const NEAR_PLAYHEAD: Span = Span::from_secs(4);
/// What a cache may hold above its budget: what a play has ahead and behind while it runs.
const IN_USE: Span = Span::from_secs(120);

impl World<'_> {
    /// After every input: bounds of what is under way, and of the cache.
    pub(super) fn watch_node(&mut self, who: Who) {
        let bounded = self.is_engine(who);
        let rate = self.scenario.catalogue.rate;
        let budget = self.scenario.listeners.cache;
        let foresees = self.oracle.is_some();
        let Some(node) = self.node(who) else { return };
        let in_use = rate.bytes_in(IN_USE) + 4 * 1024 * 1024;
        // What cannot be done better never evicts.
        if !foresees && node.store.bytes() > budget + in_use {
            let broken = Broken::BudgetPassed(node.store.bytes(), budget);
            return self.broke(Some(who.node), broken);
        }
        if std::mem::take(&mut node.grew)
            && bounded
            && let Err(broken) = check_bounds(under_way(node))
        {
            self.broke(Some(who.node), broken);
        }
    }

    /// The expensive checks.
    pub(super) fn watch_everything(&mut self) {
        let large = self.nodes.len() > LARGE;
        if large && !(self.now.micros() / EVERY.micros()).is_multiple_of(10) {
            return;
        }
        self.watch_bytes();
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            if node.agent.is_none() || node.sleep.until.is_some() || self.violation.is_some() {
                continue;
            }
            let who = Who { node: u32::try_from(index).unwrap_or(u32::MAX), life: node.life };
            self.watch_player(who);
            self.watch_lost(who);
        }
    }

    /// Every hour: the most entries that any agent has, list by list.
    pub(super) fn measure_memory(&mut self) {
        if !self.now.micros().is_multiple_of(HOUR.micros()) {
            return;
        }
        let footprints = self.nodes.iter().filter_map(|node| Some(node.agent.as_ref()?.footprint()));
        let most = footprints.clone().fold(Footprint::default(), Footprint::max);
        let largest = footprints.map(|footprint| footprint.total() as u64).max().unwrap_or(0);
        let entries = most.counts().map(|(name, count)| (name, count as u64));
        self.memory.push(Memory {
            hour: self.now.micros() / HOUR.micros(),
            largest,
            entries: entries.into(),
        });
    }

    /// What was sent has arrived or is on its way.
    fn watch_bytes(&mut self) {
        let flying: u64 = self.network.flying().map(|chunk| chunk.bytes).sum();
        let accounted = self.moved.through + flying;
        if accounted != self.moved.sent {
            self.broke(None, Broken::BytesLost { sent: self.moved.sent, accounted });
        }
    }

    /// What agents say their players got is what they got. Agents that keep no count are left out.
    pub(super) fn watch_notes(&mut self) {
        for (index, node) in (0..).zip(&self.nodes) {
            let noted = node.counts.noted.sum();
            let open = node.player.iter().map(|player| &player.report);
            let handed: u64 = node.plays.iter().chain(open).map(|play| play.bytes.sum()).sum();
            if noted > 0 && noted != handed {
                return self.broke(Some(index), Broken::NotesDiffer { noted, handed });
            }
        }
    }

    /// A player that waits and is given nothing has something on its way, unless nothing can be had or the agent said
    /// so. What trickles in counts: the agent may just then have begun to wait for a peer's promise.
    fn watch_player(&mut self, who: Who) {
        let (now, catalogue) = (self.now, self.catalogue.clone());
        let origin_lately = self.origin_usable_since(who).is_some_and(|since| now.since(since) > PATIENCE);
        let Some(node) = self.node(who) else { return };
        let Some(player) = &node.player else { return };
        let since = player.starves_since().map(|since| since + node.sleep.player);
        let Some(since) = since.filter(|since| now.since(*since) > PATIENCE) else { return };
        let said_so = node.watch.stuck_at.is_some_and(|at| at >= since);
        if said_so || !origin_lately {
            return;
        }
        let title = catalogue.title(player.title);
        let (part, bytes) = title.locate(player.taken().min(title.bytes - 1), title.bytes);
        let object = title.object_of(part);
        let block = catalogue.object(object).size.covering(ByteRange::new(bytes.start, bytes.start + 1));
        if !comes(node, object, block) {
            let (waited, at) = (now.since(since), player.position());
            self.broke(Some(who.node), Broken::StandsStill(waited, at));
        }
    }

    /// Blocks near a playhead that a departed node owed are asked of somebody else.
    fn watch_lost(&mut self, who: Who) {
        let ours = self.is_engine(who);
        let (now, catalogue) = (self.now, self.catalogue.clone());
        let usable = self.origin_usable_since(who).is_some_and(|since| now.since(since) > ORIGIN_RESTS);
        let Some(node) = self.node(who) else { return };
        let lost = std::mem::take(&mut node.watch.lost);
        let (due, later): (Vec<_>, Vec<_>) = lost.into_iter().partition(|(.., by)| *by <= now);
        node.watch.lost = later;
        let Some(player) = node.player.as_ref().filter(|_| usable) else { return };
        let title = catalogue.title(player.title);
        // What plays next may have been taken in another rendition.
        let from = title.bytes_at(player.position()).max(player.taken()).min(title.bytes - 1);
        let until = title.bytes_at(player.position() + NEAR_PLAYHEAD);
        if from >= until {
            return;
        }
        let (part, bytes) = title.locate(from, until);
        let object = title.object_of(part);
        let near = catalogue.object(object).size.covering(bytes);
        let owed = due.iter().filter(|(lost, ..)| *lost == object);
        let forgotten = owed
            .flat_map(|(_, blocks, _)| blocks.intersect(near).iter())
            .map(|block| BlockRange::new(block, block + 1))
            .find(|block| !node.store.holds(object, *block) && !comes(node, object, *block));
        // Who has stopped reading needs nothing more.
        let Some(blocks) = forgotten.filter(|_| player.read.is_some()) else { return };
        // The origin may be at what comes before it. The clients we compare with ask it for one thing after the other.
        let before = |run: &Coming| !ours || run.blocks.start < blocks.start;
        if node.coming.values().any(|run| run.peer.is_none() && run.object == object && before(run)) {
            let by = now + ASK_AGAIN;
            node.watch.lost.extend(due.into_iter().map(|(object, blocks, _)| (object, blocks, by)));
            return;
        }
        self.broke(Some(who.node), Broken::NotAskedAgain(blocks, ASK_AGAIN));
    }

    /// Since when the origin would have served a node that was awake, if it does. After it served bad bytes nobody has to
    /// trust it.
    fn origin_usable_since(&self, who: Who) -> Option<Time> {
        let corrupts = self.scenario.faults.iter().any(|fault| fault.what == FaultKind::OriginCorrupt);
        let usable = !corrupts && !self.fails(FaultKind::OriginDown);
        usable.then_some(self.origin_back_at.max(self.nodes[who.node as usize].sleep.woke))
    }

    pub(super) fn watch_origin_back(&mut self) {
        self.origin_back_at = self.now;
    }
}

fn comes(node: &Node, object: ObjectIx, block: BlockRange) -> bool {
    node.coming.values().any(|coming| {
        coming.object == object && BlockRange::new(coming.next, coming.blocks.end).contains(block.start)
    })
}

fn under_way(node: &Node) -> UnderWay {
    let mut at_peers: FlatMap<PeerId, usize> = FlatMap::new();
    let mut origin_runs = 0;
    for coming in node.coming.values() {
        match coming.peer {
            Some(peer) => *at_peers.entry(peer).or_default() += 1,
            None => origin_runs += 1,
        }
    }
    UnderWay {
        runs: node.coming.len(),
        origin_runs,
        most_at_one_peer: at_peers.values().copied().max().unwrap_or(0),
        uploads: node.going.len(),
        peers: node.peers.len(),
    }
}
