//! The part of the router that keeps: what the directory is told, what is evicted, what stays on purpose.

use nearcast_content::{BlockRange, FlatSet, ObjectId};

use super::Swarm;
use super::api::*;
use super::fetch::first_of;
use super::objects::{ObjectIx, Objects};
use crate::limits::{MAX_ANNOUNCE, MAX_TITLES_PER_SESSION};
use crate::time::Span;
use crate::units::mul_div;
use crate::wire::{RefuseReason, SwarmId};

/// Changes of holdings are told together at most this often. Who came to a title is told of at once; how much of it he has
/// since only says who is named before whom.
const ANNOUNCE_INTERVAL: Span = Span::from_secs(5);
/// A store without room is filled ahead of need again after this.
const NO_ROOM_WAIT: Span = Span::from_secs(10);
/// What the cache gives back when the disk is full, beside what was held: others need the disk more than a cache.
const GIVEN_BACK: u64 = 64 * 1024 * 1024;
/// Media behind the playhead that stays when a single film fills the cache: a short seek back.
const BEHIND: Span = Span::from_secs(30);
/// Blocks of what lies behind a playhead that go at once: 256 KiB.
const EVICTED_AT_ONCE: u32 = 16;

/// What the directory was told about a title. Who came for it and holds nothing so far has no coverage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    renditions: u16,
    coverage: u64,
}

impl Announced {
    /// Nothing that is ever told: whatever is so differs from it.
    const UNCERTAIN: Self = Self { renditions: 0, coverage: u64::MAX };
}

impl Swarm {
    pub(super) fn keep(&mut self, rendition: RenditionId) -> Result<(), InputError> {
        let track = self.objects.track(rendition).ok_or(InputError::UnknownPart(rendition, 0))?;
        if self.keeps.insert(rendition) {
            let parts: Vec<ObjectIx> = track.parts.iter().map(|p| p.object).collect();
            for ix in parts {
                self.objects.get_mut(ix).pins += 1;
            }
        }
        Ok(())
    }

    pub(super) fn unkeep(&mut self, rendition: RenditionId) {
        if !self.keeps.remove(&rendition) {
            return;
        }
        let parts: Vec<ObjectIx> = self
            .objects
            .track(rendition)
            .map(|t| t.parts.iter().map(|p| p.object).collect())
            .unwrap_or_default();
        for ix in parts {
            let object = self.objects.get_mut(ix);
            object.pins = object.pins.saturating_sub(1);
        }
    }

    pub(super) fn pin(&mut self, object: &ObjectId) {
        if let Some(ix) = self.objects.find(object)
            && self.pinned.insert(ix)
        {
            self.objects.get_mut(ix).pins += 1;
        }
    }

    pub(super) fn unpin(&mut self, object: &ObjectId) {
        if let Some(ix) = self.objects.find(object)
            && self.pinned.remove(&ix)
        {
            let object = self.objects.get_mut(ix);
            object.pins = object.pins.saturating_sub(1);
        }
    }

    /// Drops objects that no player reads.
    pub(super) fn discard(&mut self, objects: &[ObjectId]) {
        let known: Vec<ObjectIx> = objects.iter().filter_map(|id| self.objects.find(id)).collect();
        for ix in known {
            if self.plays.reads().all(|(_, read)| read.on.object != ix) {
                self.drop_object(ix);
            }
        }
    }

    /// Drops everything that is neither kept nor read.
    pub(super) fn discard_all(&mut self) {
        let read: FlatSet<ObjectIx> = self.plays.reads().map(|(_, read)| read.on.object).collect();
        let idle = |ix: &ObjectIx| {
            let object = self.objects.get(*ix);
            !object.held.is_empty() && object.pins == 0 && !read.contains(ix)
        };
        let all: Vec<ObjectIx> = self.objects.indices().filter(idle).collect();
        for ix in all {
            self.drop_object(ix);
        }
    }

    /// Takes all of an object out of the store; nobody is served it any more.
    fn drop_object(&mut self, ix: ObjectIx) {
        self.evict_blocks(ix, self.objects.get(ix).size.all());
        for (upload, wanted) in self.serving.drop_where(|w| w.object == ix) {
            if let Some(upload) = upload {
                self.put(Output::StopServing { upload });
            }
            self.refuse(wanted.peer, wanted.request, RefuseReason::NotHeld);
        }
    }

    /// A title was withdrawn: it is neither played nor served any more.
    pub(super) fn withdrawn(&mut self, swarm: SwarmId) {
        self.drop_title(swarm);
    }

    /// Forgets a title: its runs end, its blocks go, nobody is served them.
    pub(super) fn drop_title(&mut self, swarm: SwarmId) {
        let (renditions, objects) = self.objects.withdraw(swarm);
        for rendition in renditions {
            self.keeps.remove(&rendition);
            self.plays.end_rendition(rendition);
        }
        for ix in objects {
            self.drop_object(ix);
        }
        self.unannounced.insert(swarm);
    }

    pub(super) fn directory_came_up(&mut self) {
        self.directory_up = true;
        self.connects.directory_up();
        self.reannounce_all();
    }

    /// The next announce tells everything, and what is no longer so.
    pub(super) fn reannounce_all(&mut self) {
        for told in self.announced.values_mut() {
            *told = Announced::UNCERTAIN;
        }
        self.unannounced = self.objects.swarms();
        self.unannounced.extend(self.announced.keys().copied());
        self.announce_from = self.now;
    }

    /// Holdings of an object changed: its title is announced anew.
    pub(super) fn holding_changed(&mut self, ix: ObjectIx) {
        if let Some(track) = self.objects.home_of(ix) {
            self.unannounced.insert(track.swarm);
        }
    }

    pub(super) fn announce(&mut self) {
        if !self.directory_up || self.unannounced.is_empty() {
            return;
        }
        let turn = self.announce_from <= self.now;
        // Whoever comes to a title is told of at once: a crowd must find itself before it asks the origin.
        let fresh = |swarm: &&SwarmId| turn || !self.announced.contains_key(swarm);
        let due: Vec<SwarmId> = self.unannounced.iter().filter(fresh).take(MAX_ANNOUNCE).copied().collect();
        if due.is_empty() {
            return self.wake_at(self.announce_from, Reason::Announce);
        }
        for swarm in due {
            self.unannounced.remove(&swarm);
            self.announce_one(swarm);
        }
        if turn {
            self.announce_from = self.now + ANNOUNCE_INTERVAL;
        }
        if !self.unannounced.is_empty() {
            self.wake_at(self.announce_from, Reason::Announce);
        }
    }

    fn announce_one(&mut self, swarm: SwarmId) {
        let mut held = Announced::default();
        if self.sharing.any() && !self.holds_out(swarm) {
            held = holding(&self.objects, swarm);
            held.renditions |= self.connects.wanted(swarm);
        }
        let told = self.announced.get(&swarm).copied().unwrap_or_default();
        if held == told || (told == Announced::default() && self.announced.len() >= MAX_TITLES_PER_SESSION) {
            return;
        }
        if held == Announced::default() {
            self.announced.remove(&swarm);
        } else {
            self.announced.insert(swarm, held);
        }
        self.put(Output::Announce { swarm, renditions: held.renditions, coverage: held.coverage });
    }

    /// The disk is full: the cache gives way, and only what is about to play is fetched for a while.
    pub(super) fn no_room(&mut self) {
        if self.no_room_until <= self.now {
            self.shrunk_budget = self.objects.held_bytes().saturating_sub(GIVEN_BACK);
        }
        self.no_room_until = self.now + NO_ROOM_WAIT;
    }

    /// Bytes that the cache may hold at this moment.
    pub(super) fn budget(&self) -> u64 {
        let full = self.no_room_until > self.now;
        if full { self.settings.cache_budget.min(self.shrunk_budget) } else { self.settings.cache_budget }
    }

    /// Brings the cache under its budget: whole objects nobody uses, least recently used first, then what lies
    /// behind the playheads.
    pub(super) fn evict(&mut self) {
        if self.objects.held_bytes() <= self.budget() {
            return;
        }
        let active = self.active();
        let mut idle: Vec<(u64, ObjectIx)> = self
            .objects
            .indices()
            .filter(|ix| !active.contains(ix))
            .map(|ix| (ix, self.objects.get(ix)))
            .filter(|(_, o)| !o.held.is_empty() && o.pins == 0)
            .map(|(ix, o)| (o.last_used, ix))
            .collect();
        idle.sort_unstable();
        for (_, ix) in idle {
            if self.objects.held_bytes() <= self.budget() {
                return;
            }
            self.evict_blocks(ix, self.objects.get(ix).size.all());
        }
        self.evict_behind();
    }

    /// Objects that a read, what follows it, or a likely next play is about, whether they came already or not.
    fn active(&self) -> FlatSet<ObjectIx> {
        self.planned_for.iter().copied().chain(self.plays.reads().map(|(_, read)| read.on.object)).collect()
    }

    /// What lies furthest behind a playhead goes first, and no more than has to: others may follow.
    fn evict_behind(&mut self) {
        let behind: Vec<(ObjectIx, BlockRange)> = self
            .plays
            .reads()
            .map(|(_, read)| {
                let end = read.at.saturating_sub(read.on.bytes_in(BEHIND));
                (read.on.object, read.on.size.covering(nearcast_content::ByteRange::new(0, end)))
            })
            .collect();
        for (ix, blocks) in behind {
            let others = self.plays.reads().filter(|(_, r)| r.on.object == ix).count();
            if others != 1 || self.objects.get(ix).pins > 0 {
                continue;
            }
            while self.objects.held_bytes() > self.budget() {
                let first = self.objects.get(ix).held.present(blocks).next();
                let Some(first) = first else { break };
                self.evict_blocks(ix, first_of(first, EVICTED_AT_ONCE));
            }
        }
    }

    fn evict_blocks(&mut self, ix: ObjectIx, blocks: BlockRange) {
        let object = self.objects.get(ix).id;
        let held: Vec<BlockRange> = self.objects.get(ix).held.present(blocks).collect();
        for range in held {
            self.forget(ix, range);
            self.put(Output::Evict { object, blocks: range });
        }
    }

    /// Blocks are no longer held: nobody is promised them, and what was never used is counted as waste.
    pub(super) fn forget(&mut self, ix: ObjectIx, blocks: BlockRange) {
        for (source, bytes) in self.objects.drop_blocks(ix, blocks) {
            self.note(Note::Wasted { source, bytes });
        }
        self.peers.note_removed(ix, blocks);
        self.news.of_all();
        self.holding_changed(ix);
    }
}

/// What is held of a title: a bit per rendition, and a bit per 64th of the length of the one held most.
fn holding(objects: &Objects, swarm: SwarmId) -> Announced {
    let mut renditions = 0;
    let mut best = 0u64;
    for track in objects.tracks_of(swarm) {
        let length = track.length().micros().max(1);
        let mut coverage = 0u64;
        for part in &track.parts {
            let object = objects.get(part.object);
            for range in object.held.ranges() {
                let bytes = part.size.bytes_of(*range);
                let first = mul_div(part.media_at(bytes.start).micros(), 64, length).unwrap_or(0).min(63);
                let last =
                    mul_div(part.media_at(bytes.end).micros().saturating_sub(1), 64, length).unwrap_or(0);
                for bit in first..=last.min(63) {
                    coverage |= 1 << bit;
                }
            }
        }
        if coverage != 0 {
            renditions |= 1 << track.bit;
        }
        if coverage.count_ones() > best.count_ones() {
            best = coverage;
        }
    }
    Announced { renditions, coverage: best }
}
