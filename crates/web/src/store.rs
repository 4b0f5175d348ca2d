//! What a tab holds: verified blocks, and the parents that prove them to others.
//!
//! What came lies in memory. Where the browser keeps things for the tab, it is written there in runs (`kept`), and
//! memory has of those what was used last; the rest is loaded when somebody reads it.

use std::collections::BTreeMap;
use std::rc::Rc;

use nearcast_content::tree::{Decoded, PAIR_LEN, RunPlan, Step};
use nearcast_content::{
    BLOCK_SIZE, BlockRange, BlockSet, ByteRange, FlatMap, FlatSet, ObjectId, ObjectSize, TitleId, Verified,
};
use nearcast_engine::{Span, Time};

use crate::kept::{Entry, decode};
use crate::limits::MAX_ENTRY;

/// Blocks that make no full entry wait this long for more.
const SETTLED: Span = Span::from_secs(3);

/// What is held of one object.
#[derive(Debug)]
struct Held {
    size: ObjectSize,
    blocks: FlatMap<u32, Rc<[u8]>>,
    /// As many as there are blocks, and never fewer: a film's would be much to move.
    parents: BTreeMap<u64, [u8; PAIR_LEN]>,
    /// Runs in the browser's storage, by their first block. No two share a block.
    runs: FlatMap<u32, Run>,
    /// Blocks that are in memory alone.
    loose: BlockSet,
    /// When the last of them came.
    changed: Time,
}

/// A run in the browser's storage, or on its way there.
#[derive(Debug)]
struct Run {
    title: TitleId,
    end: u32,
    /// Blocks of it that the engine holds: the others go with the last of these.
    left: BlockSet,
    /// It lies there; until then memory must have it.
    written: bool,
    loading: bool,
    /// When it was used last, as a rank; zero when memory has nothing of it.
    used: u64,
}

/// The store. The engine says what goes.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// May be tens of thousands, in any order.
    objects: BTreeMap<ObjectId, Held>,
    /// Objects with loose blocks.
    loose: FlatSet<ObjectId>,
    /// Written runs that are in memory, by their last use.
    resident: FlatMap<u64, (ObjectId, u32)>,
    uses: u64,
    /// Bytes in memory, and in the browser's storage.
    memory: u64,
    kept: u64,
}

/// A block that is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absent(pub(crate) u32);

/// What an entry that is gone or damaged takes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) entry: Entry,
    pub(crate) blocks: Vec<BlockRange>,
}

impl Held {
    fn new(size: ObjectSize) -> Self {
        let (blocks, parents, runs) = Default::default();
        Self { size, blocks, parents, runs, loose: BlockSet::EMPTY, changed: Time::ZERO }
    }

    /// The run with this block, by its first.
    fn run_of(&self, block: u32) -> Option<u32> {
        let (start, run) = self.runs.range(..=block).next_back()?;
        (run.end > block).then_some(*start)
    }

    fn entry(&self, object: ObjectId, start: u32, run: &Run) -> Entry {
        Entry { title: run.title.clone(), object, size: self.size, blocks: BlockRange::new(start, run.end) }
    }

    fn lacks(&self, blocks: &BlockSet) -> Vec<BlockRange> {
        let each = blocks.ranges().iter().flat_map(|range| range.iter());
        let gone: BlockSet =
            each.filter(|b| !self.blocks.contains_key(b)).map(|b| BlockRange::new(b, b + 1)).collect();
        gone.ranges().to_vec()
    }

    /// Drops blocks from memory; answers how many bytes that were.
    fn drop_blocks(&mut self, blocks: impl Iterator<Item = u32>) -> u64 {
        blocks.filter_map(|block| self.blocks.remove(&block)).map(|bytes| bytes.len() as u64).sum()
    }

    /// Appends one step of a run's encoding.
    fn encode(&self, step: Step, into: &mut Vec<u8>) -> Option<()> {
        match step {
            Step::Parent(offset) => into.extend(self.parents.get(&offset)?),
            Step::Block(block) => into.extend_from_slice(self.blocks.get(&block)?),
        }
        Some(())
    }
}

impl Store {
    fn held(&mut self, object: ObjectId, size: ObjectSize) -> &mut Held {
        self.objects.entry(object).or_insert_with(|| Held::new(size))
    }

    /// Takes a piece that was checked.
    pub(crate) fn put(
        &mut self,
        now: Time,
        (object, size): (ObjectId, ObjectSize),
        piece: &Decoded,
        bytes: &[u8],
    ) {
        match piece {
            Decoded::Parent { offset, pair } => drop(self.held(object, size).parents.insert(*offset, *pair)),
            Decoded::Block(verdict) => self.put_block(now, (object, size), verdict, bytes),
        }
    }

    fn put_block(
        &mut self,
        now: Time,
        (object, size): (ObjectId, ObjectSize),
        block: &Verified<BlockRange>,
        bytes: &[u8],
    ) {
        let held = self.held(object, size);
        let block = *block.get();
        let news = held.blocks.insert(block.start, bytes.into()).is_none();
        match held.run_of(block.start).and_then(|start| held.runs.get_mut(&start)) {
            // Evicted there, and fetched again.
            Some(run) => {
                run.left.insert(block);
            }
            None => {
                held.loose.insert(block);
                held.changed = now;
                self.loose.insert(object);
            }
        }
        if news {
            self.memory += bytes.len() as u64;
        }
        self.touch(object, block.start);
    }

    /// The browser has this from an earlier visit. False when it has it twice.
    pub(crate) fn found(&mut self, entry: &Entry) -> bool {
        let Entry { title, object, size, blocks } = entry.clone();
        let held = self.held(object, size);
        let twice = held.size != size
            || held.run_of(blocks.start).is_some()
            || held.runs.range(blocks.start..blocks.end).next().is_some();
        if twice {
            return false;
        }
        held.loose.remove(blocks);
        let run = Run { title, end: blocks.end, left: blocks.into(), written: true, loading: false, used: 0 };
        held.runs.insert(blocks.start, run);
        self.kept += size.bytes_of(blocks).len();
        true
    }

    /// Drops blocks, and all of an object with the last of them. Answers with the entries that go.
    pub(crate) fn remove(&mut self, object: ObjectId, blocks: BlockRange) -> Vec<Entry> {
        let Some(held) = self.objects.get_mut(&object) else { return Vec::new() };
        self.memory -= held.drop_blocks(blocks.iter());
        held.loose.remove(blocks);
        let first = held.run_of(blocks.start).unwrap_or(blocks.start);
        let mut empty = Vec::new();
        for (start, run) in held.runs.range_mut(first..blocks.end.max(first)) {
            run.left.remove(blocks);
            if run.left.is_empty() {
                empty.push(*start);
            }
        }
        let gone = empty.into_iter().filter_map(|start| self.remove_run(object, start)).collect();
        self.tidy(object);
        gone
    }

    fn remove_run(&mut self, object: ObjectId, start: u32) -> Option<Entry> {
        let held = self.objects.get_mut(&object)?;
        let run = held.runs.remove(&start)?;
        self.resident.remove(&run.used);
        let entry = held.entry(object, start, &run);
        self.kept -= entry.bytes();
        Some(entry)
    }

    fn tidy(&mut self, object: ObjectId) {
        let Some(held) = self.objects.get(&object) else { return };
        if held.loose.is_empty() {
            self.loose.remove(&object);
        }
        if held.blocks.is_empty() && held.runs.is_empty() {
            self.objects.remove(&object);
        }
    }

    /// The title under which an object is kept.
    pub(crate) fn title_of(&self, object: ObjectId) -> Option<TitleId> {
        self.objects.get(&object)?.runs.values().next().map(|run| run.title.clone())
    }

    /// Objects that the browser keeps of a title.
    pub(crate) fn objects_of(&self, title: &TitleId) -> Vec<ObjectId> {
        let of = |held: &Held| held.runs.values().any(|run| run.title == *title);
        self.objects.iter().filter(|(_, held)| of(held)).map(|(object, _)| *object).collect()
    }

    /// Bytes that lie in memory.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// Bytes that lie in the browser's storage, or are on their way there.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    /// Blocks that are to be written, as an entry and its bytes. `home` names the title of an object; what has none
    /// stays in memory.
    pub(crate) fn due(
        &mut self,
        now: Time,
        home: impl Fn(ObjectId) -> Option<TitleId>,
    ) -> Option<(Entry, Vec<u8>)> {
        for object in self.loose.clone() {
            let Some(title) = home(object) else { continue };
            let Some(held) = self.objects.get_mut(&object) else { continue };
            let settled = held.changed + SETTLED <= now;
            let cut =
                |range: &BlockRange| range.intersect(BlockRange::new(range.start, range.start + MAX_ENTRY));
            let mut runs = held.loose.ranges().iter().map(cut);
            let ripe = |run: &BlockRange| settled || run.len() == MAX_ENTRY || *run == held.size.all();
            let Some(blocks) = runs.find(ripe) else { continue };
            held.loose.remove(blocks);
            let mut bytes = Vec::new();
            let whole = RunPlan::new(held.size, blocks).try_for_each(|step| held.encode(step, &mut bytes));
            let entry = Entry { title: title.clone(), object, size: held.size, blocks };
            if whole.is_some() {
                self.kept += entry.bytes();
                let left = blocks.into();
                let run = Run { title, end: blocks.end, left, written: false, loading: false, used: 0 };
                held.runs.insert(blocks.start, run);
            }
            self.tidy(object);
            if whole.is_some() {
                return Some((entry, bytes));
            }
        }
        None
    }

    /// When [`due`](Self::due) has more, unless more comes.
    pub(crate) fn due_at(&self) -> Time {
        let changed =
            self.loose.iter().filter_map(|object| self.objects.get(object)).map(|held| held.changed);
        changed.min().map_or(Time::NEVER, |changed| changed + SETTLED)
    }

    /// A run lies in the storage.
    pub(crate) fn written(&mut self, object: ObjectId, start: u32) {
        if let Some(run) = self.objects.get_mut(&object).and_then(|held| held.runs.get_mut(&start)) {
            run.written = true;
            self.touch(object, start);
        }
    }

    /// A run could not be written: memory alone has it.
    pub(crate) fn not_written(&mut self, now: Time, object: ObjectId, start: u32) {
        let Some(held) = self.objects.get_mut(&object) else { return };
        let Some(run) = held.runs.remove(&start) else { return };
        self.kept -= held.size.bytes_of(BlockRange::new(start, run.end)).len();
        for range in run.left.ranges() {
            held.loose.insert(*range);
        }
        held.changed = now;
        self.loose.insert(object);
    }

    /// The run with this block is in use.
    pub(crate) fn touch(&mut self, object: ObjectId, block: u32) {
        let Some(held) = self.objects.get_mut(&object) else { return };
        let Some(start) = held.run_of(block) else { return };
        let there = held.blocks.contains_key(&block);
        let Some(run) = held.runs.get_mut(&start).filter(|run| run.written && there) else { return };
        self.uses += 1;
        self.resident.remove(&run.used);
        run.used = self.uses;
        self.resident.insert(self.uses, (object, start));
    }

    /// Drops what was used longest ago from memory, of what lies in the storage, down to `most` bytes.
    pub(crate) fn trim(&mut self, most: u64) {
        while self.memory > most {
            let Some((_, (object, start))) = self.resident.pop_first() else { return };
            let Some(held) = self.objects.get_mut(&object) else { continue };
            let Some(run) = held.runs.get_mut(&start) else { continue };
            run.used = 0;
            let blocks = BlockRange::new(start, run.end);
            self.memory -= held.drop_blocks(blocks.iter());
        }
    }

    /// The entry to load for a block that memory lacks; none when it is not kept, or comes already.
    pub(crate) fn load(&mut self, object: ObjectId, block: u32) -> Option<Entry> {
        let held = self.objects.get_mut(&object).filter(|held| !held.blocks.contains_key(&block))?;
        let start = held.run_of(block)?;
        let run = held.runs.get_mut(&start)?;
        if !run.written || run.loading || !run.left.contains(block) {
            return None;
        }
        run.loading = true;
        let run = held.runs.get(&start)?;
        Some(held.entry(object, start, run))
    }

    /// Whether a block is being loaded.
    pub(crate) fn loads(&self, object: ObjectId, block: u32) -> bool {
        let run = self.objects.get(&object).and_then(|held| held.runs.get(&held.run_of(block)?));
        run.is_some_and(|run| run.loading)
    }

    /// An entry was read. What does not prove itself is lost.
    pub(crate) fn loaded(&mut self, object: ObjectId, start: u32, bytes: Option<&[u8]>) -> Result<(), Lost> {
        let Some(held) = self.objects.get_mut(&object) else { return Ok(()) };
        let Some(run) = held.runs.get_mut(&start) else { return Ok(()) };
        run.loading = false;
        let (blocks, left) = (BlockRange::new(start, run.end), run.left.clone());
        let Some(pieces) = bytes.and_then(|bytes| decode(object, held.size, blocks, bytes)) else {
            let lost = held.lacks(&left);
            for range in left.ranges() {
                held.loose.insert(*range);
            }
            for range in &lost {
                held.loose.remove(*range);
            }
            let Some(entry) = self.remove_run(object, start) else { return Ok(()) };
            self.loose.insert(object);
            self.tidy(object);
            return Err(Lost { entry, blocks: lost });
        };
        for (piece, bytes) in pieces {
            match piece {
                Decoded::Parent { offset, pair } => drop(held.parents.insert(offset, pair)),
                Decoded::Block(block) if left.contains(block.get().start) => {
                    if held.blocks.insert(block.get().start, bytes.into()).is_none() {
                        self.memory += bytes.len() as u64;
                    }
                }
                Decoded::Block(_) => {}
            }
        }
        left.ranges().first().iter().for_each(|range| self.touch(object, range.start));
        Ok(())
    }

    /// Bytes from `bytes.start` on that are in memory in a row, at most `most` and to the end of `bytes`. Empty when
    /// the first is not.
    pub(crate) fn read(&self, object: ObjectId, bytes: ByteRange, most: u64) -> Vec<u8> {
        let end = bytes.end.min(bytes.start.saturating_add(most));
        let mut read = Vec::new();
        let mut at = bytes.start;
        let held = self.objects.get(&object);
        while at < end {
            let block = u32::try_from(at / BLOCK_SIZE).ok();
            let Some(piece) = held.zip(block).and_then(|(held, block)| held.blocks.get(&block)) else {
                break;
            };
            let from = usize::try_from(at % BLOCK_SIZE).unwrap_or(usize::MAX);
            let most = usize::try_from(end - at).unwrap_or(usize::MAX);
            let piece = piece.get(from..piece.len().min(from.saturating_add(most))).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            read.extend_from_slice(piece);
            at += piece.len() as u64;
        }
        read
    }

    /// Whether the block with this byte is in memory.
    pub(crate) fn holds(&self, object: ObjectId, at: u64) -> bool {
        let block = u32::try_from(at / BLOCK_SIZE).ok();
        self.objects.get(&object).zip(block).is_some_and(|(held, block)| held.blocks.contains_key(&block))
    }

    /// Appends one step of a run's encoding; false when it is not in memory.
    pub(crate) fn encode(&self, object: ObjectId, step: Step, into: &mut Vec<u8>) -> bool {
        self.objects.get(&object).and_then(|held| held.encode(step, into)).is_some()
    }

    /// The steps of a run.
    pub(crate) fn plan(size: ObjectSize, blocks: BlockRange) -> RunPlan {
        RunPlan::new(size, blocks)
    }
}
