//! What is held, what is on its way, and where fresh bytes came from.

use std::collections::BTreeMap;

use nearcast_content::{BlockRange, BlockSet, ByteRange, FlatMap, FlatSet, ObjectId, ObjectSize};

use super::api::{Part, Rendition, RenditionId, Source};
use crate::limits::{MAX_PARTS, MAX_RENDITIONS};
use crate::time::{Span, Time};
use crate::units::mul_div;
use crate::wire::SwarmId;

/// Index of an object in [`Objects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectIx(pub(super) u32);

/// One object known here.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) id: ObjectId,
    pub(super) size: ObjectSize,
    pub(super) held: BlockSet,
    /// Blocks in runs under way that are expected in time.
    pub(super) coming: BlockSet,
    /// Blocks that came in this life and were neither played nor served, by source: a handful of sets.
    fresh: Vec<(Source, BlockSet)>,
    /// Rank of last use.
    pub(super) last_used: u64,
    /// Renditions kept on purpose that contain it.
    pub(super) pins: u32,
    /// The origin does not serve it, or serves other bytes: it is not asked before this.
    pub(super) gone_until: Time,
    /// A title it belongs to, once described.
    home: Option<TrackIx>,
    /// How many parts of described renditions it is.
    parts: u32,
}

/// Index of a rendition in [`Objects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TrackIx(u32);

impl Object {
    /// Blocks to ask for: neither held nor on their way.
    pub(super) fn missing(&self, within: BlockRange) -> Vec<BlockRange> {
        let mut missing = Vec::new();
        for gap in self.held.missing(within) {
            missing.extend(self.coming.missing(gap));
        }
        missing
    }

    /// Whether any of `within` is neither held nor on its way.
    pub(super) fn misses(&self, within: BlockRange) -> bool {
        self.held.missing(within).any(|gap| self.coming.missing(gap).next().is_some())
    }

    /// How many blocks are neither held nor on their way.
    pub(super) fn open_blocks(&self) -> u64 {
        let open = |gap| self.coming.missing(gap).map(|rest| u64::from(rest.len())).sum::<u64>();
        self.held.missing(self.size.all()).map(open).sum()
    }

    /// Bytes held.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held.ranges().iter().map(|r| self.size.bytes_of(*r).len()).sum()
    }

    /// Whether every block is held.
    pub(super) fn complete(&self) -> bool {
        self.held.contains_all(self.size.all())
    }

    /// Takes the fresh marks off `blocks` and says how many bytes of each source were marked.
    pub(super) fn take_fresh(&mut self, blocks: BlockRange) -> Vec<(Source, u64)> {
        let mut taken = Vec::new();
        for (source, marked) in &mut self.fresh {
            let bytes: u64 = marked.present(blocks).map(|hit| self.size.bytes_of(hit).len()).sum();
            if bytes > 0 {
                marked.remove(blocks);
                taken.push((*source, bytes));
            }
        }
        taken
    }

    /// Says where the fresh bytes among `bytes` came from, and takes the marks off the blocks that end there:
    /// players take steps that end within blocks.
    pub(super) fn take_handed(&mut self, bytes: ByteRange) -> Vec<(Source, u64)> {
        let covering = self.size.covering(bytes);
        let within = |blocks: BlockRange| {
            let of = self.size.bytes_of(blocks);
            of.end.min(bytes.end).saturating_sub(of.start.max(bytes.start))
        };
        let marked = |set: &BlockSet| set.present(covering).map(within).sum::<u64>();
        let hits = self.fresh.iter().map(|(source, set)| (*source, marked(set)));
        let shares = hits.filter(|(_, bytes)| *bytes > 0).collect();
        let unfinished = u32::from(self.size.bytes_of(covering).end > bytes.end);
        self.take_fresh(BlockRange::new(covering.start, covering.end.saturating_sub(unfinished)));
        shares
    }

    fn mark_fresh(&mut self, blocks: BlockRange, source: Source) {
        match self.fresh.iter_mut().find(|(of, _)| *of == source) {
            Some((_, marked)) => {
                marked.insert(blocks);
            }
            None => self.fresh.push((source, blocks.into())),
        }
    }
}

/// A rendition with its parts resolved.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) swarm: SwarmId,
    pub(super) bit: u8,
    pub(super) set: u8,
    pub(super) parts: Vec<TrackPart>,
}

/// One object of a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackPart {
    pub(super) object: ObjectIx,
    pub(super) size: ObjectSize,
    /// When it starts in the title.
    pub(super) start: Span,
    pub(super) length: Span,
}

impl TrackPart {
    /// When byte `at` of the part plays, in title time. Bytes are taken as evenly spread over the part.
    pub(super) fn media_at(&self, at: u64) -> Span {
        let into = mul_div(self.length.micros(), at.min(self.size.bytes()), self.size.bytes()).unwrap_or(0);
        self.start + Span::from_micros(into)
    }

    /// How many bytes of the part play in `span`.
    pub(super) fn bytes_in(&self, span: Span) -> u64 {
        mul_div(self.size.bytes(), span.micros(), self.length.micros()).unwrap_or(u64::MAX)
    }
}

impl Track {
    pub(super) fn length(&self) -> Span {
        self.parts.last().map_or(Span::ZERO, |p| p.start + p.length)
    }
}

/// All objects and renditions known here.
#[derive(Debug, Default)]
pub(super) struct Objects {
    list: Vec<Object>,
    /// May be tens of thousands, in any order.
    by_id: BTreeMap<ObjectId, ObjectIx>,
    /// Places in the list of objects that were forgotten.
    free: Vec<ObjectIx>,
    /// Where each rendition is: they are looked up with nearly every input, and large entries are found in none of the
    /// processor's caches.
    tracks: FlatMap<RenditionId, TrackIx>,
    track_list: Vec<Track>,
    /// Places in the list of renditions that were withdrawn.
    free_tracks: Vec<TrackIx>,
    by_swarm: FlatMap<SwarmId, Titled>,
    held_bytes: u64,
    uses: u64,
    title_uses: u64,
}

/// A title that was described.
#[derive(Debug, Default)]
struct Titled {
    renditions: Vec<RenditionId>,
    /// Rank of its last use: described, or read.
    last_used: u64,
}

impl Objects {
    pub(super) fn get(&self, ix: ObjectIx) -> &Object {
        &self.list[ix.0 as usize]
    }

    pub(super) fn get_mut(&mut self, ix: ObjectIx) -> &mut Object {
        &mut self.list[ix.0 as usize]
    }

    pub(super) fn find(&self, id: &ObjectId) -> Option<ObjectIx> {
        self.by_id.get(id).copied()
    }

    /// All objects, in an order that does not depend on when they became known.
    pub(super) fn indices(&self) -> impl Iterator<Item = ObjectIx> {
        self.by_id.values().copied()
    }

    pub(super) fn track(&self, id: RenditionId) -> Option<&Track> {
        Some(&self.track_list[self.tracks.get(&id)?.0 as usize])
    }

    /// A rendition of the title that an object belongs to, once that is described.
    pub(super) fn home_of(&self, object: ObjectIx) -> Option<&Track> {
        Some(&self.track_list[self.get(object).home?.0 as usize])
    }

    /// The renditions of a title.
    pub(super) fn tracks_of(&self, swarm: SwarmId) -> impl Iterator<Item = &Track> {
        let of = self.by_swarm.get(&swarm).map(|titled| titled.renditions.as_slice()).unwrap_or_default();
        of.iter().filter_map(|id| self.track(*id))
    }

    /// What a player may choose instead of a rendition, itself among it.
    pub(super) fn ladder_of<'a>(&'a self, track: &'a Track) -> impl Iterator<Item = &'a Track> {
        self.tracks_of(track.swarm).filter(|other| other.set == track.set)
    }

    /// Forgets a title. Answers its renditions and the objects that no other title has described.
    pub(super) fn withdraw(&mut self, swarm: SwarmId) -> (Vec<RenditionId>, Vec<ObjectIx>) {
        let renditions = self.by_swarm.remove(&swarm).unwrap_or_default().renditions;
        let mut left = FlatSet::new();
        let tracks: Vec<TrackIx> = renditions.iter().filter_map(|r| self.tracks.remove(r)).collect();
        let parts_of = |ix: &TrackIx| std::mem::take(&mut self.track_list[ix.0 as usize].parts);
        let parts: Vec<TrackPart> = tracks.iter().flat_map(parts_of).collect();
        self.free_tracks.extend(&tracks);
        for part in parts {
            let object = self.get_mut(part.object);
            object.parts = object.parts.saturating_sub(1);
            if object.home.is_some_and(|home| tracks.contains(&home)) {
                object.home = None;
            }
            if object.home.is_none() {
                left.insert(part.object);
            }
        }
        let (shared, alone): (Vec<_>, Vec<_>) = left.iter().partition(|ix| self.get(**ix).parts > 0);
        self.rehome(&shared.into_iter().copied().collect());
        let alone: Vec<ObjectIx> = alone.into_iter().copied().collect();
        for ix in &alone {
            self.get_mut(*ix).pins = 0;
        }
        (renditions, alone)
    }

    /// Objects whose title is gone belong to another that has them too.
    fn rehome(&mut self, objects: &FlatSet<ObjectIx>) {
        if objects.is_empty() {
            return;
        }
        for ix in self.tracks.values() {
            let parts = self.track_list[ix.0 as usize].parts.iter();
            for part in parts.filter(|part| objects.contains(&part.object)) {
                self.list[part.object.0 as usize].home.get_or_insert(*ix);
            }
        }
    }

    /// A title is used: it is remembered longer than those that were used before.
    pub(super) fn use_title(&mut self, swarm: SwarmId) {
        if let Some(titled) = self.by_swarm.get_mut(&swarm) {
            self.title_uses += 1;
            titled.last_used = self.title_uses;
        }
    }

    /// How many titles are described.
    pub(super) fn title_count(&self) -> usize {
        self.by_swarm.len()
    }

    /// How many renditions are described.
    pub(super) fn rendition_count(&self) -> usize {
        self.tracks.len()
    }

    /// How many objects are known.
    pub(super) fn object_count(&self) -> usize {
        self.by_id.len()
    }

    /// How many parts the renditions have.
    pub(super) fn part_count(&self) -> usize {
        self.track_list.iter().map(|track| track.parts.len()).sum()
    }

    /// Ranges of blocks that are held, on their way or fresh, over all objects.
    pub(super) fn range_count(&self) -> usize {
        let of = |o: &Object| {
            let fresh = o.fresh.iter().map(|(_, set)| set.ranges().len()).sum::<usize>();
            o.held.ranges().len() + o.coming.ranges().len() + fresh
        };
        self.indices().map(|ix| of(self.get(ix))).sum()
    }

    /// Titles none of whose renditions is `busy` and none of whose objects is pinned, the least recently used first,
    /// each with the rank of the last use of what is held of it, if anything is.
    pub(super) fn idle_titles(&self, busy: &FlatSet<RenditionId>) -> Vec<(SwarmId, Option<u64>)> {
        let idle = |titled: &Titled| titled.renditions.iter().all(|rendition| !busy.contains(rendition));
        let titles = self.by_swarm.iter().filter(|(_, titled)| idle(titled));
        let mut titles: Vec<_> = titles.map(|(swarm, titled)| (titled.last_used, *swarm)).collect();
        titles.sort_unstable();
        let objects =
            |swarm| self.tracks_of(swarm).flat_map(|track| &track.parts).map(|part| self.get(part.object));
        let free = titles.into_iter().filter(|(_, swarm)| objects(*swarm).all(|object| object.pins == 0));
        let held = |swarm| objects(swarm).filter(|object| !object.held.is_empty());
        free.map(|(_, swarm)| (swarm, held(swarm).map(|object| object.last_used).max())).collect()
    }

    /// Objects that no rendition has and of which nothing is held, on its way, or pinned.
    pub(super) fn orphans(&self) -> Vec<ObjectIx> {
        let idle = |o: &Object| o.parts == 0 && o.held.is_empty() && o.coming.is_empty() && o.pins == 0;
        self.by_id.values().copied().filter(|ix| idle(self.get(*ix))).collect()
    }

    /// Forgets an object that nothing refers to any more; its place is taken by the next.
    pub(super) fn forget_object(&mut self, ix: ObjectIx) {
        let id = self.get(ix).id;
        self.by_id.remove(&id);
        self.free.push(ix);
    }

    /// All titles described.
    pub(super) fn swarms(&self) -> FlatSet<SwarmId> {
        self.by_swarm.keys().copied().collect()
    }

    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The object with this id, made known if it was not.
    pub(super) fn intern(&mut self, id: ObjectId, size: ObjectSize) -> ObjectIx {
        if let Some(ix) = self.by_id.get(&id) {
            return *ix;
        }
        let object = Object {
            id,
            size,
            held: BlockSet::EMPTY,
            coming: BlockSet::EMPTY,
            fresh: Vec::new(),
            last_used: 0,
            pins: 0,
            gone_until: Time::ZERO,
            home: None,
            parts: 0,
        };
        let ix = match self.free.pop() {
            Some(ix) => {
                *self.get_mut(ix) = object;
                ix
            }
            None => {
                self.list.push(object);
                ObjectIx(u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX))
            }
        };
        self.by_id.insert(id, ix);
        ix
    }

    /// Adds a rendition; the same id again is left as it was. False when it is not well formed or one too many.
    pub(super) fn describe(&mut self, rendition: &Rendition) -> Described {
        if self.tracks.contains_key(&rendition.id) {
            self.use_title(rendition.swarm);
            return Described::Known;
        }
        let count = rendition.parts.len();
        if count == 0 || count > MAX_PARTS || rendition.bit > 15 {
            return Described::Bad;
        }
        if self.tracks.len() >= MAX_RENDITIONS {
            return Described::TooMany;
        }
        let next = u32::try_from(self.track_list.len()).unwrap_or(u32::MAX);
        let ix = self.free_tracks.pop().unwrap_or(TrackIx(next));
        let mut start = Span::ZERO;
        let mut parts = Vec::with_capacity(count);
        for part in &rendition.parts {
            let object = self.resolve(part, ix);
            let length = Span::from_micros(part.length.micros().max(1));
            parts.push(TrackPart { object, size: self.get(object).size, start, length });
            start += length;
        }
        self.by_swarm.entry(rendition.swarm).or_default().renditions.push(rendition.id);
        let track = Track { swarm: rendition.swarm, bit: rendition.bit, set: rendition.set, parts };
        match self.track_list.get_mut(ix.0 as usize) {
            Some(place) => *place = track,
            None => self.track_list.push(track),
        }
        self.tracks.insert(rendition.id, ix);
        self.use_title(rendition.swarm);
        Described::Added
    }

    fn resolve(&mut self, part: &Part, home: TrackIx) -> ObjectIx {
        let ix = self.intern(part.object, part.size);
        let object = self.get_mut(ix);
        object.home.get_or_insert(home);
        object.parts += 1;
        ix
    }

    /// Marks what the store already holds.
    pub(super) fn stored(
        &mut self,
        id: ObjectId,
        size: ObjectSize,
        blocks: &BlockSet,
        last_used: u64,
    ) -> ObjectIx {
        let ix = self.intern(id, size);
        self.uses = self.uses.max(last_used);
        let object = self.get_mut(ix);
        let before = object.held_bytes();
        for range in blocks.present(size.all()) {
            object.held.insert(range);
        }
        object.last_used = object.last_used.max(last_used);
        let added = object.held_bytes() - before;
        self.held_bytes += added;
        ix
    }

    /// Marks verified blocks. Returns those that are news, as ranges.
    pub(super) fn arrived(&mut self, ix: ObjectIx, blocks: BlockRange, source: Source) -> Vec<BlockRange> {
        let object = self.get_mut(ix);
        let news: Vec<BlockRange> = object.held.missing(blocks).collect();
        let mut bytes = 0;
        for range in &news {
            object.held.insert(*range);
            object.mark_fresh(*range, source);
            bytes += object.size.bytes_of(*range).len();
        }
        object.coming.remove(blocks);
        self.held_bytes += bytes;
        news
    }

    /// Forgets blocks that are no longer in the store. Returns what was fresh among them.
    pub(super) fn drop_blocks(&mut self, ix: ObjectIx, blocks: BlockRange) -> Vec<(Source, u64)> {
        let object = self.get_mut(ix);
        let mut bytes = 0;
        for range in object.held.present(blocks).collect::<Vec<_>>() {
            bytes += object.size.bytes_of(range).len();
            object.held.remove(range);
        }
        let wasted = object.take_fresh(blocks);
        self.held_bytes -= bytes;
        wasted
    }

    /// Notes that an object was played or served.
    pub(super) fn touch(&mut self, ix: ObjectIx) {
        // The newest keeps its rank, so that a long play does not run the counter up.
        if self.get(ix).last_used != self.uses || self.uses == 0 {
            self.uses += 1;
            self.get_mut(ix).last_used = self.uses;
        }
    }
}

/// What became of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Described {
    Added,
    Known,
    Bad,
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Nearness;
    use crate::swarm::api::RunsIn;

    fn size(blocks: u64) -> ObjectSize {
        ObjectSize::new(blocks * nearcast_content::BLOCK_SIZE).expect("in range")
    }

    #[test]
    fn arrivals_count_once_and_keep_their_source_until_taken() {
        let mut objects = Objects::default();
        let ix = objects.intern(ObjectId([1; 32]), size(10));
        assert_eq!(objects.arrived(ix, BlockRange::new(0, 4), Source::Origin), [BlockRange::new(0, 4)]);
        objects.get_mut(ix).coming.insert(BlockRange::new(5, 8));
        let object = objects.get(ix);
        assert_eq!(object.missing(size(10).all()), [BlockRange::new(4, 5), BlockRange::new(8, 10)]);
        assert_eq!(object.open_blocks(), 3);
        assert!(object.misses(BlockRange::new(7, 9)) && object.misses(BlockRange::new(2, 6)));
        assert!(!object.misses(BlockRange::new(0, 4)) && !object.misses(BlockRange::new(5, 8)));
        let peer = Source::Peer(Nearness::Isp, RunsIn::Program);
        assert_eq!(objects.arrived(ix, BlockRange::new(2, 6), peer), [BlockRange::new(4, 6)]);
        assert_eq!(objects.held_bytes(), size(6).bytes());
        let taken = objects.get_mut(ix).take_fresh(BlockRange::new(3, 5));
        assert_eq!(taken, [(Source::Origin, size(1).bytes()), (peer, size(1).bytes())]);
        assert_eq!(objects.get_mut(ix).take_fresh(BlockRange::new(3, 5)), []);
        let wasted = objects.drop_blocks(ix, BlockRange::new(0, 10));
        assert_eq!(wasted, [(Source::Origin, size(3).bytes()), (peer, size(1).bytes())]);
        assert_eq!(objects.held_bytes(), 0);
    }

    #[test]
    fn steps_that_end_within_blocks_count_each_byte_for_its_source() {
        let mut objects = Objects::default();
        let ix = objects.intern(ObjectId([1; 32]), size(4));
        objects.arrived(ix, BlockRange::new(0, 4), Source::Origin);
        let mut counted = 0;
        for step in 0..10 {
            let bytes = ByteRange::new(step * 6_000, (step + 1) * 6_000);
            for (source, bytes) in objects.get_mut(ix).take_handed(bytes) {
                assert_eq!(source, Source::Origin);
                counted += bytes;
            }
        }
        assert_eq!(counted, 60_000);
        assert_eq!(
            objects.get_mut(ix).take_handed(ByteRange::new(0, 40_000)),
            [],
            "played again, it is cache"
        );
    }

    #[test]
    fn bytes_map_to_media_time_across_parts() {
        let mut objects = Objects::default();
        let part =
            |n, secs| Part { object: ObjectId([n; 32]), size: size(10), length: Span::from_secs(secs) };
        let rendition = Rendition {
            id: RenditionId(1),
            swarm: SwarmId([0; 16]),
            bit: 0,
            set: 0,
            parts: vec![part(1, 4), part(2, 6)],
        };
        assert_eq!(objects.describe(&rendition), Described::Added);
        let track = objects.track(RenditionId(1)).expect("described");
        assert_eq!(track.parts[1].media_at(size(5).bytes()), Span::from_secs(7));
        assert_eq!(track.parts[1].bytes_in(Span::from_secs(3)), size(5).bytes());
        assert_eq!(track.length(), Span::from_secs(10));
    }
}
