//! Tests of the tree against official vectors, two reference implementations and random damage.

mod oracle;
mod runs;
mod vectors;

use super::run::RunPlan;
use super::shape::Tree;
use super::{Hasher, Parents, Step};
use crate::ids::ObjectId;
use crate::ranges::BlockRange;

/// Bytes that repeat neither per block nor per chunk.
fn bytes(len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len);
    blake3::Hasher::new().update(b"tree tests").finalize_xof().fill({
        out.resize(len, 0);
        &mut out
    });
    out
}

fn hash_with(tree: Tree, bytes: &[u8]) -> (ObjectId, Vec<u8>) {
    let mut hasher = Hasher::with_constants(tree);
    hasher.update(bytes);
    hasher.finish()
}

/// What a sender makes of a plan, as pieces.
fn pieces(tree: Tree, outboard: &[u8], bytes: &[u8], blocks: BlockRange) -> Vec<Vec<u8>> {
    RunPlan::of(tree, blocks)
        .map(|step| match step {
            Step::Parent(offset) => outboard.parent(offset).expect("in the outboard").to_vec(),
            Step::Block(block) => block_of(tree, bytes, block).to_vec(),
        })
        .collect()
}

fn block_of(tree: Tree, bytes: &[u8], block: u32) -> &[u8] {
    let start = usize::try_from(tree.block_start(block)).expect("in memory");
    &bytes[start..start + tree.block_len(block)]
}
