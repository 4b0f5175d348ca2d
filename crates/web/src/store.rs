//! What a tab holds, in memory: verified blocks and the parents that prove them to others.

use std::collections::BTreeMap;
use std::rc::Rc;

use nearcast_content::tree::{PAIR_LEN, RunPlan, Step};
use nearcast_content::{BLOCK_SIZE, BlockRange, ByteRange, ObjectId, ObjectSize, Verified};

/// What is held of one object.
#[derive(Debug, Default)]
struct Held {
    blocks: BTreeMap<u32, Rc<[u8]>>,
    parents: BTreeMap<u64, [u8; PAIR_LEN]>,
}

/// The store. The engine says what goes.
#[derive(Debug, Default)]
pub(crate) struct Store {
    objects: BTreeMap<ObjectId, Held>,
}

/// A block that is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absent(pub(crate) u32);

impl Store {
    /// Keeps a parent that hashed.
    pub(crate) fn put_parent(&mut self, object: ObjectId, offset: u64, pair: [u8; PAIR_LEN]) {
        self.objects.entry(object).or_default().parents.insert(offset, pair);
    }

    /// Keeps a block that hashed.
    pub(crate) fn put_block(&mut self, object: ObjectId, block: &Verified<BlockRange>, bytes: &[u8]) {
        self.objects.entry(object).or_default().blocks.insert(block.get().start, bytes.into());
    }

    /// Drops blocks, and all of an object with the last of them.
    pub(crate) fn remove(&mut self, object: ObjectId, blocks: BlockRange) {
        let Some(held) = self.objects.get_mut(&object) else { return };
        blocks.iter().for_each(|block| drop(held.blocks.remove(&block)));
        if held.blocks.is_empty() {
            self.objects.remove(&object);
        }
    }

    /// Bytes from `bytes.start` on that are held in a row, at most `most` and to the end of `bytes`. Empty when the
    /// first is not held.
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

    /// Whether the block with this byte is held.
    pub(crate) fn holds(&self, object: ObjectId, at: u64) -> bool {
        let block = u32::try_from(at / BLOCK_SIZE).ok();
        self.objects.get(&object).zip(block).is_some_and(|(held, block)| held.blocks.contains_key(&block))
    }

    /// Appends one step of a run's encoding.
    pub(crate) fn encode(&self, object: ObjectId, step: Step, into: &mut Vec<u8>) -> Result<(), Absent> {
        let held = self.objects.get(&object).ok_or(Absent(0))?;
        match step {
            Step::Parent(offset) => into.extend(held.parents.get(&offset).ok_or(Absent(0))?),
            Step::Block(block) => into.extend_from_slice(held.blocks.get(&block).ok_or(Absent(block))?),
        }
        Ok(())
    }

    /// The steps of a run.
    pub(crate) fn plan(size: ObjectSize, blocks: BlockRange) -> RunPlan {
        RunPlan::new(size, blocks)
    }
}
