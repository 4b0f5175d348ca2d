//! Blocks for which the disk has no room: kept in memory, so that players go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use nearcast_content::{BLOCK_SIZE, BlockRange, ObjectId, Verified};

/// Blocks kept at most: 24 MiB, ten seconds of a film of 20 Mbit/s, which is what the engine fetches ahead while there
/// is no room.
const MOST: usize = 1_536;

/// The blocks, the oldest given up first.
#[derive(Default)]
pub(super) struct Cushion(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    blocks: BTreeMap<(ObjectId, u32), Bytes>,
    order: VecDeque<(ObjectId, u32)>,
}

impl std::fmt::Debug for Cushion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cushion").field("blocks", &self.inner().blocks.len()).finish()
    }
}

impl Cushion {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps verified blocks in a row, with their bytes. Answers the blocks that had to go for them.
    pub(super) fn keep(
        &self,
        object: ObjectId,
        blocks: Verified<BlockRange>,
        bytes: &[u8],
    ) -> Vec<(ObjectId, BlockRange)> {
        let inner = &mut *self.inner();
        let size = usize::try_from(BLOCK_SIZE).unwrap_or(usize::MAX);
        for (block, bytes) in blocks.into_inner().iter().zip(bytes.chunks(size)) {
            if inner.blocks.insert((object, block), Bytes::copy_from_slice(bytes)).is_none() {
                inner.order.push_back((object, block));
            }
        }
        let surplus = inner.order.len().saturating_sub(MOST);
        let gone: Vec<(ObjectId, u32)> = inner.order.drain(..surplus).collect();
        for block in &gone {
            inner.blocks.remove(block);
        }
        gone.into_iter().map(|(object, block)| (object, BlockRange::new(block, block + 1))).collect()
    }

    /// A kept block.
    pub(super) fn get(&self, object: ObjectId, block: u32) -> Option<Bytes> {
        self.inner().blocks.get(&(object, block)).cloned()
    }
}
