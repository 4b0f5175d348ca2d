//! Tests of the store on real directories and on a disk that loses power.

mod crash;
mod damage;
mod full;
mod kill;
mod memory;
mod plain;

use std::path::Path;
use std::sync::Arc;

use nearcast_content::tree::{Need, Parents, RunDecoder, Tree, hash};
use nearcast_content::{BlockRange, ObjectId, ObjectSize};

use super::open::Flushing;
use super::{RunWriter, Store, StoreError};

/// A store whose next sync fails, and an object of which it holds two blocks that are not durable.
pub(crate) fn about_to_fail() -> (Store, ObjectId) {
    let disk = memory::MemoryDisk::default();
    let opened = Store::open_on(Arc::new(disk.clone()), Path::new("/cache"), Flushing::Caller);
    let (store, _) = opened.expect("opens");
    let sample = Sample::new(1, 100_000);
    sample.put(&store, range(0, 2)).expect("room");
    disk.fail_syncs(1);
    (store, sample.id)
}

/// An object with its outboard, the same for the same seed and length.
struct Sample {
    id: ObjectId,
    size: ObjectSize,
    bytes: Vec<u8>,
    outboard: Vec<u8>,
}

impl Sample {
    fn new(seed: u64, len: u64) -> Self {
        let size = ObjectSize::new(len).expect("a size");
        let mut bytes = vec![0; usize::try_from(len).expect("small")];
        let mut random = Random(seed ^ 0x5eed);
        for eight in bytes.chunks_mut(8) {
            eight.copy_from_slice(&random.next().to_le_bytes()[..eight.len()]);
        }
        let (id, outboard) = hash(&bytes[..], size).expect("in memory");
        Self { id, size, bytes, outboard }
    }

    fn block(&self, block: u32) -> &[u8] {
        let tree = Tree::new(self.size);
        let start = usize::try_from(tree.block_start(block)).expect("small");
        &self.bytes[start..start + tree.block_len(block)]
    }

    /// Sends a run through a decoder into the store, as a peer's bytes come.
    fn put(&self, store: &Store, blocks: BlockRange) -> Result<(), StoreError> {
        let mut writer: RunWriter = store.writer(self.id, self.size);
        let mut decoder = RunDecoder::new(self.id, self.size, blocks);
        while let Some(need) = decoder.needs() {
            let pair;
            let piece = match need {
                Need::Parent { offset } => {
                    pair = self.outboard[..].parent(offset).expect("in the outboard");
                    &pair[..]
                }
                Need::Block { block, .. } => self.block(block),
            };
            let decoded = decoder.feed(piece).expect("undamaged");
            writer.put(decoded, piece)?;
        }
        Ok(())
    }

    /// Reads every block of the range and compares.
    fn check(&self, store: &Store, blocks: BlockRange) {
        let mut buf = Vec::new();
        for block in blocks.iter() {
            store.read_block(self.id, block, &mut buf).expect("held");
            assert_eq!(buf, self.block(block), "block {block}");
        }
    }

    /// Reads a run as for a peer, and decodes it as the peer does.
    fn serve(&self, store: &Store, blocks: BlockRange) -> Result<(), StoreError> {
        let mut decoder = RunDecoder::new(self.id, self.size, blocks);
        for piece in store.encode_run(self.id, blocks)? {
            let piece = piece?;
            let mut rest = &piece[..];
            while let Some(need) = decoder.needs().filter(|_| !rest.is_empty()) {
                let (now, later) = rest.split_at(need.len());
                decoder.feed(now).expect("a peer would call us a liar");
                rest = later;
            }
        }
        assert!(decoder.is_complete());
        Ok(())
    }
}

fn range(start: u32, end: u32) -> BlockRange {
    BlockRange::new(start, end)
}

/// SplitMix64: enough for tests, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("below a usize")
    }

    fn block(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).expect("below a u32")
    }

    fn range(&mut self, within: BlockRange, longest: u32) -> BlockRange {
        let start = within.start + self.block(within.len());
        range(start, within.end.min(start + 1 + self.block(longest)))
    }
}
