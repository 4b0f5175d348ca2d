//! What a simulated node keeps: which blocks, where each came from, whether it was of use, and the bytes.
//!
//! An object that is complete, played and of use is all cache, and costs no more than its line in a map: in a
//! large world most of what is kept is of this kind.

use std::collections::BTreeMap;
use std::rc::Rc;

use nearcast_content::{BlockRange, BlockSet, ObjectSize};
use nearcast_engine::Nearness;
use nearcast_engine::swarm::Source;

use crate::catalogue::{ObjectIx, len_of};

/// A node's cache.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Few: what is played at this moment, and what was left halfway. They are looked at first.
    objects: BTreeMap<ObjectIx, Kept>,
    /// Objects that are all cache, by their rank of last use.
    whole: BTreeMap<ObjectIx, u32>,
    bytes: u64,
    uses: u32,
}

/// What is kept of one object.
#[derive(Debug)]
struct Kept {
    size: ObjectSize,
    blocks: BlockSet,
    /// Where runs of blocks came from, by their first block.
    sources: BTreeMap<u32, (u32, Source)>,
    /// Blocks that were played or served.
    of_use: BlockSet,
    /// Blocks that were played to their end, or were here when the node started: cache from then on.
    played: BlockSet,
    content: BTreeMap<u32, Rc<[u8]>>,
    last_used: u32,
}

/// Bytes by where they came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BySource {
    pub(crate) cache: u64,
    pub(crate) lan: u64,
    /// The same operator, neighbourhood included.
    pub(crate) isp: u64,
    pub(crate) other: u64,
    pub(crate) origin: u64,
}

impl BySource {
    /// Adds bytes.
    pub(crate) fn add(&mut self, source: Source, bytes: u64) {
        *match source {
            Source::Cache => &mut self.cache,
            Source::Peer(Nearness::Lan, _) => &mut self.lan,
            Source::Peer(Nearness::Neighbourhood | Nearness::Isp, _) => &mut self.isp,
            Source::Peer(Nearness::Country | Nearness::Far, _) => &mut self.other,
            Source::Origin => &mut self.origin,
        } += bytes;
    }

    /// Adds another count.
    pub(crate) fn add_all(&mut self, other: Self) {
        self.cache += other.cache;
        self.lan += other.lan;
        self.isp += other.isp;
        self.other += other.other;
        self.origin += other.origin;
    }

    /// From peers, however near.
    pub(crate) fn peers(&self) -> u64 {
        self.lan + self.isp + self.other
    }

    /// All of it.
    pub(crate) fn sum(&self) -> u64 {
        self.cache + self.peers() + self.origin
    }
}

impl Store {
    /// Bytes kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether anything of an object is kept.
    pub(crate) fn has(&self, object: ObjectIx) -> bool {
        self.objects.contains_key(&object) || self.whole.contains_key(&object)
    }

    /// The end of the blocks kept in a row from `block` of an object of `size` on.
    pub(crate) fn held_until(&self, object: ObjectIx, size: ObjectSize, block: u32) -> u32 {
        match self.objects.get(&object) {
            Some(kept) => kept.blocks.run_at(block).end,
            None if self.whole.contains_key(&object) => size.all().end.max(block),
            None => block,
        }
    }

    /// Whether all of `blocks` are kept.
    pub(crate) fn holds(&self, object: ObjectIx, blocks: BlockRange) -> bool {
        blocks.is_empty()
            || match self.objects.get(&object) {
                Some(kept) => kept.blocks.contains_all(blocks),
                None => self.whole.contains_key(&object),
            }
    }

    /// The blocks kept of an object that is not whole, for showing.
    pub(crate) fn partly(&self, object: ObjectIx) -> Option<&BlockSet> {
        self.objects.get(&object).map(|kept| &kept.blocks)
    }

    /// Everything kept, with its rank of last use; of whole objects no blocks are told.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ObjectIx, Option<&BlockSet>, u64)> {
        let parts = self.objects.iter().map(|(ix, kept)| (*ix, Some(&kept.blocks), kept.last_used.into()));
        parts.chain(self.whole.iter().map(|(ix, last_used)| (*ix, None, (*last_used).into())))
    }

    /// Puts a whole object in the cache, as of an earlier evening.
    pub(crate) fn put_whole(&mut self, object: ObjectIx, size: ObjectSize) {
        self.uses += 1;
        if self.whole.insert(object, self.uses).is_none() {
            self.bytes += size.bytes();
        }
    }

    /// Keeps verified blocks. Blocks that were there keep their source.
    pub(crate) fn keep(&mut self, object: ObjectIx, size: ObjectSize, blocks: BlockRange, source: Source) {
        if !self.objects.contains_key(&object) && self.whole.contains_key(&object) {
            return;
        }
        let kept = self.objects.entry(object).or_insert_with(|| Kept {
            size,
            blocks: BlockSet::EMPTY,
            sources: BTreeMap::new(),
            of_use: BlockSet::EMPTY,
            played: BlockSet::EMPTY,
            content: BTreeMap::new(),
            last_used: 0,
        });
        let gaps: Vec<BlockRange> = kept.blocks.missing(blocks).collect();
        for gap in gaps {
            kept.blocks.insert(gap);
            kept.note_source(gap, source);
            self.bytes += len_of(size, gap);
        }
    }

    /// Keeps the bytes of a block.
    pub(crate) fn keep_content(&mut self, object: ObjectIx, block: u32, bytes: Rc<[u8]>) {
        if let Some(kept) = self.objects.get_mut(&object) {
            kept.content.insert(block, bytes);
        }
    }

    /// Keeps the bytes of a whole object.
    pub(crate) fn keep_whole_content(&mut self, object: ObjectIx, size: ObjectSize, blocks: &[Rc<[u8]>]) {
        self.unfold(object, size);
        if let Some(kept) = self.objects.get_mut(&object) {
            kept.content = (0..).zip(blocks.iter().cloned()).collect();
        }
    }

    /// The bytes of a block.
    pub(crate) fn content(&self, object: ObjectIx, block: u32) -> Option<&Rc<[u8]>> {
        self.objects.get(&object)?.content.get(&block)
    }

    /// Notes that blocks were played or served. Playing also counts as a use of the object.
    pub(crate) fn note_use(&mut self, object: ObjectIx, blocks: BlockRange) {
        self.uses += 1;
        if let Some(kept) = self.objects.get_mut(&object) {
            kept.of_use.insert(blocks);
            kept.last_used = self.uses;
        } else if let Some(last_used) = self.whole.get_mut(&object) {
            *last_used = self.uses;
        }
    }

    /// Notes that `blocks` were played, the last `unfinished` of them not to its end.
    pub(crate) fn note_play(&mut self, object: ObjectIx, blocks: BlockRange, unfinished: u32) {
        self.note_use(object, blocks);
        if let Some(kept) = self.objects.get_mut(&object) {
            kept.played.insert(BlockRange::new(blocks.start, blocks.end.saturating_sub(unfinished)));
            self.fold(object);
        }
    }

    /// An object that has become all cache costs less from here on.
    fn fold(&mut self, object: ObjectIx) {
        let all_cache = |kept: &Kept| {
            let all = kept.size.all();
            let sets = [&kept.blocks, &kept.played, &kept.of_use];
            kept.content.is_empty() && sets.iter().all(|set| set.contains_all(all))
        };
        if self.objects.get(&object).is_some_and(all_cache)
            && let Some(kept) = self.objects.remove(&object)
        {
            self.whole.insert(object, kept.last_used);
        }
    }

    /// The other way round, to take something out of it.
    fn unfold(&mut self, object: ObjectIx, size: ObjectSize) {
        if let Some(last_used) = self.whole.remove(&object) {
            let all = BlockSet::from(size.all());
            let (of_use, played) = (all.clone(), all.clone());
            let (sources, content) = (BTreeMap::new(), BTreeMap::new());
            let kept = Kept { size, blocks: all, sources, of_use, played, content, last_used };
            self.objects.insert(object, kept);
        }
    }

    /// The node starts anew: all that is here is cache.
    pub(crate) fn note_restart(&mut self) {
        for kept in self.objects.values_mut() {
            kept.played = kept.blocks.clone();
        }
        let objects: Vec<ObjectIx> = self.objects.keys().copied().collect();
        objects.into_iter().for_each(|object| self.fold(object));
    }

    /// Where the bytes of `blocks` come from when they are played: from the cache when they were played before.
    pub(crate) fn play_sources(&self, object: ObjectIx, blocks: BlockRange) -> Vec<(BlockRange, Source)> {
        let Some(kept) = self.objects.get(&object) else {
            let whole = self.whole.contains_key(&object);
            return if whole { vec![(blocks, Source::Cache)] } else { Vec::new() };
        };
        let mut sources: Vec<_> = kept.played.present(blocks).map(|range| (range, Source::Cache)).collect();
        for range in kept.played.missing(blocks) {
            sources.extend(kept.sources_of(range));
        }
        sources
    }

    /// Where the bytes of `blocks` came from.
    #[cfg(test)]
    pub(crate) fn sources(&self, object: ObjectIx, blocks: BlockRange) -> Vec<(BlockRange, Source)> {
        self.objects.get(&object).map_or_else(Vec::new, |kept| kept.sources_of(blocks))
    }

    /// Removes blocks. Says what of it was never of use.
    pub(crate) fn evict(&mut self, object: ObjectIx, size: ObjectSize, blocks: BlockRange) -> BySource {
        self.unfold(object, size);
        let Some(kept) = self.objects.get_mut(&object) else { return BySource::default() };
        let gone: Vec<BlockRange> = kept.blocks.present(blocks).collect();
        let mut waste = BySource::default();
        for range in gone {
            waste.add_all(kept.useless(range));
            kept.forget(range);
            self.bytes -= len_of(kept.size, range);
        }
        if kept.blocks.is_empty() {
            self.objects.remove(&object);
        }
        waste
    }

    /// What of all that is kept was never of use.
    pub(crate) fn waste(&self) -> BySource {
        let mut waste = BySource::default();
        for kept in self.objects.values() {
            waste.add_all(kept.useless(kept.size.all()));
        }
        waste
    }
}

impl Kept {
    /// Blocks of a run mostly follow one another, so a new one usually lengthens the one before it.
    fn note_source(&mut self, blocks: BlockRange, source: Source) {
        if let Some((_, (end, before))) = self.sources.range_mut(..blocks.start).next_back()
            && *end == blocks.start
            && *before == source
        {
            *end = blocks.end;
            return;
        }
        self.sources.insert(blocks.start, (blocks.end, source));
    }

    fn sources_of(&self, blocks: BlockRange) -> Vec<(BlockRange, Source)> {
        let first = self.sources.range(..=blocks.start).next_back().map_or(blocks.start, |(start, _)| *start);
        self.sources
            .range(first..blocks.end.max(first))
            .map(|(start, (end, source))| (BlockRange::new(*start, *end).intersect(blocks), *source))
            .filter(|(range, _)| !range.is_empty())
            .collect()
    }

    fn useless(&self, blocks: BlockRange) -> BySource {
        let mut waste = BySource::default();
        for held in self.blocks.present(blocks) {
            for range in self.of_use.missing(held) {
                for (part, source) in self.sources_of(range) {
                    waste.add(source, len_of(self.size, part));
                }
            }
        }
        waste
    }

    fn forget(&mut self, range: BlockRange) {
        self.blocks.remove(range);
        self.of_use.remove(range);
        self.played.remove(range);
        let cut = self.sources_of(range);
        for (part, _) in cut {
            self.cut_source(part);
        }
        let gone: Vec<u32> = self.content.range(range.start..range.end).map(|(block, _)| *block).collect();
        for block in gone {
            self.content.remove(&block);
        }
    }

    /// Takes `part`, which lies within one entry, out of it.
    fn cut_source(&mut self, part: BlockRange) {
        let Some((start, (end, source))) = self.sources.range(..=part.start).next_back() else { return };
        let (start, end, source) = (*start, *end, *source);
        self.sources.remove(&start);
        if start < part.start {
            self.sources.insert(start, (part.start, source));
        }
        if part.end < end {
            self.sources.insert(part.end, (end, source));
        }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_engine::swarm::RunsIn;

    use super::*;

    const OBJECT: ObjectIx = ObjectIx(0);
    const LAN: Source = Source::Peer(Nearness::Lan, RunsIn::Program);

    #[test]
    fn a_whole_object_is_cache_and_can_be_taken_apart() {
        let block = nearcast_content::BLOCK_SIZE;
        let size = ObjectSize::new(10 * block).expect("a size");
        let mut store = Store::default();
        store.keep(OBJECT, size, size.all(), LAN);
        store.note_play(OBJECT, BlockRange::new(0, 9), 0);
        assert!(store.partly(OBJECT).is_some(), "its end was not played");
        store.note_play(OBJECT, BlockRange::new(9, 10), 0);
        assert!(store.partly(OBJECT).is_none() && store.has(OBJECT));
        store.put_whole(ObjectIx(1), size);
        assert_eq!((store.bytes(), store.all().count()), (20 * block, 2));
        assert_eq!(store.held_until(OBJECT, size, 3), 10);
        assert_eq!(store.play_sources(OBJECT, size.all()), [(size.all(), Source::Cache)]);
        store.evict(OBJECT, size, BlockRange::new(0, 4));
        assert!(!store.holds(OBJECT, size.all()) && store.holds(OBJECT, BlockRange::new(4, 10)));
        assert_eq!((store.bytes(), store.waste()), (16 * block, BySource::default()));
    }

    #[test]
    fn sources_waste_and_bytes_follow_what_is_kept() {
        let block = nearcast_content::BLOCK_SIZE;
        let size = ObjectSize::new(100 * block).expect("a size");
        let mut store = Store::default();
        store.keep(OBJECT, size, BlockRange::new(0, 4), Source::Origin);
        store.keep(OBJECT, size, BlockRange::new(4, 8), LAN);
        store.keep(OBJECT, size, BlockRange::new(2, 10), Source::Origin);
        assert_eq!(store.bytes(), 10 * block);
        let from = store.sources(OBJECT, BlockRange::new(3, 9));
        let ranges = [(3, 4, Source::Origin), (4, 8, LAN), (8, 9, Source::Origin)];
        assert_eq!(from, ranges.map(|(start, end, source)| (BlockRange::new(start, end), source)));

        store.note_use(OBJECT, BlockRange::new(0, 6));
        let waste = store.evict(OBJECT, size, BlockRange::new(5, 7));
        assert_eq!((waste.lan, waste.origin), (block, 0));
        assert!(!store.holds(OBJECT, BlockRange::new(4, 6)) && store.holds(OBJECT, BlockRange::new(7, 10)));
        assert_eq!(store.bytes(), 8 * block);
        assert_eq!((store.waste().lan, store.waste().origin), (block, 2 * block));
        store.evict(OBJECT, size, size.all());
        assert_eq!((store.bytes(), store.all().count()), (0, 0));
    }
}
