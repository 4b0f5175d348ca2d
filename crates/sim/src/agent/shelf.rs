//! What the baselines share: a cache that throws out what was used longest ago.

use std::collections::{BTreeMap, VecDeque};

use nearcast_content::{BlockRange, BlockSet, ObjectId, ObjectSize};
use nearcast_engine::swarm::{Output, Stored};

/// The objects a node keeps.
#[derive(Debug)]
pub(super) struct Shelf {
    budget: u64,
    bytes: u64,
    uses: u64,
    objects: BTreeMap<ObjectId, Held>,
}

#[derive(Debug)]
struct Held {
    size: ObjectSize,
    blocks: BlockSet,
    used: u64,
}

impl Shelf {
    pub(super) fn new(budget: u64) -> Self {
        Self { budget, bytes: 0, uses: 0, objects: BTreeMap::new() }
    }

    pub(super) fn set_budget(&mut self, budget: u64) {
        self.budget = budget;
    }

    /// Whether something must go.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > self.budget
    }

    /// What was here when the node started.
    pub(super) fn stored(&mut self, stored: Stored) {
        self.uses = self.uses.max(stored.last_used);
        let held = Held { size: stored.size, blocks: BlockSet::EMPTY, used: stored.last_used };
        self.objects.insert(stored.object, held);
        stored.blocks.ranges().iter().for_each(|range| self.arrived(stored.object, *range));
    }

    /// An object is used.
    pub(super) fn touch(&mut self, object: ObjectId, size: ObjectSize) {
        self.uses += 1;
        let used = self.uses;
        self.objects.entry(object).or_insert(Held { size, blocks: BlockSet::EMPTY, used }).used = used;
    }

    /// An object is about to be filled; one that is known keeps its rank.
    pub(super) fn touch_if_new(&mut self, object: ObjectId, size: ObjectSize) {
        if !self.objects.contains_key(&object) {
            self.touch(object, size);
        }
    }

    /// Verified blocks came.
    pub(super) fn arrived(&mut self, object: ObjectId, blocks: BlockRange) {
        let Some(held) = self.objects.get_mut(&object) else { return };
        let gaps: Vec<BlockRange> = held.blocks.missing(blocks).collect();
        for gap in gaps {
            self.bytes += held.size.bytes_of(gap).len();
            held.blocks.insert(gap);
        }
    }

    /// Blocks are gone.
    pub(super) fn lost(&mut self, object: ObjectId, blocks: BlockRange) {
        let Some(held) = self.objects.get_mut(&object) else { return };
        let there: Vec<BlockRange> = held.blocks.present(blocks).collect();
        for range in there {
            self.bytes -= held.size.bytes_of(range).len();
            held.blocks.remove(range);
        }
    }

    /// What is held of an object.
    pub(super) fn blocks(&self, object: &ObjectId) -> Option<&BlockSet> {
        self.objects.get(object).map(|held| &held.blocks)
    }

    pub(super) fn size(&self, object: &ObjectId) -> Option<ObjectSize> {
        self.objects.get(object).map(|held| held.size)
    }

    pub(super) fn holds(&self, object: &ObjectId, blocks: BlockRange) -> bool {
        self.blocks(object).is_some_and(|held| held.contains_all(blocks))
    }

    pub(super) fn complete(&self, object: &ObjectId) -> bool {
        self.objects.get(object).is_some_and(|held| held.blocks.contains_all(held.size.all()))
    }

    /// What of `blocks` is not held.
    pub(super) fn missing(&self, object: &ObjectId, blocks: BlockRange) -> Vec<BlockRange> {
        self.blocks(object).map_or_else(|| vec![blocks], |held| held.missing(blocks).collect())
    }

    /// The end of what is held in a row from `block` on.
    pub(super) fn held_until(&self, object: &ObjectId, block: u32) -> u32 {
        self.blocks(object).map_or(block, |held| held.run_at(block).end)
    }

    /// Throws whole objects out until the rest fits. Those that are `busy` stay. Answers what went.
    pub(super) fn evict(
        &mut self,
        outputs: &mut VecDeque<Output>,
        busy: impl Fn(&ObjectId) -> bool,
    ) -> Vec<ObjectId> {
        let mut gone = Vec::new();
        while self.bytes > self.budget {
            let idle = self.objects.iter().filter(|(id, held)| !held.blocks.is_empty() && !busy(id));
            let Some(object) = idle.min_by_key(|(_, held)| held.used).map(|(id, _)| *id) else { return gone };
            let Some(held) = self.objects.remove(&object) else { return gone };
            for blocks in held.blocks.ranges() {
                self.bytes -= held.size.bytes_of(*blocks).len();
                outputs.push_back(Output::Evict { object, blocks: *blocks });
            }
            gone.push(object);
        }
        gone
    }
}
