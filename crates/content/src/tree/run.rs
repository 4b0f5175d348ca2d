//! What travels for a run of blocks: parents and blocks in pre-order, from the root.

use super::PAIR_LEN;
use super::shape::{Node, Tree, split};
use crate::ranges::BlockRange;
use crate::units::ObjectSize;

/// One piece of an encoded run, in the order of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The 64 bytes at this offset of the paged outboard.
    Parent(u64),
    /// The bytes of this block.
    Block(u32),
}

/// The pieces of a run for the sender: every parent from the root to its blocks, interleaved with them in
/// pre-order. Blocks past the end of the object are left out; an empty run has no pieces.
#[derive(Clone, Debug)]
pub struct RunPlan {
    tree: Tree,
    blocks: BlockRange,
    /// Spans still to visit, the next on top: one per tree level at most.
    stack: Vec<BlockRange>,
}

impl RunPlan {
    /// The pieces of `blocks` of an object of `size`.
    pub fn new(size: ObjectSize, blocks: BlockRange) -> Self {
        Self::of(Tree::new(size), blocks)
    }

    pub(super) fn of(tree: Tree, blocks: BlockRange) -> Self {
        let blocks = blocks.intersect(tree.blocks());
        let stack = if blocks.is_empty() { Vec::new() } else { vec![tree.blocks()] };
        Self { tree, blocks, stack }
    }
}

impl Iterator for RunPlan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let span = self.stack.pop()?;
        if span.len() == 1 {
            return Some(Step::Block(span.start));
        }
        let (left, right) = split(span);
        let wanted = |s: &BlockRange| !s.intersect(self.blocks).is_empty();
        self.stack.extend([right, left].into_iter().filter(wanted));
        Some(Step::Parent(self.tree.node_offset(Node(span))))
    }
}

/// Length of the encoded run in bytes, without walking it.
pub fn run_len(size: ObjectSize, blocks: BlockRange) -> u64 {
    let tree = Tree::new(size);
    run_len_of(tree, blocks)
}

pub(super) fn run_len_of(tree: Tree, blocks: BlockRange) -> u64 {
    let blocks = blocks.intersect(tree.blocks());
    if blocks.is_empty() {
        return 0;
    }
    let end = tree.block_start(blocks.end).min(tree.bytes());
    end - tree.block_start(blocks.start) + PAIR_LEN as u64 * parents(tree.blocks(), blocks)
}

/// Parents of the subtree over `span` that have a block of `blocks` under them.
fn parents(span: BlockRange, blocks: BlockRange) -> u64 {
    let shared = span.intersect(blocks);
    if shared.is_empty() {
        0
    } else if shared == span {
        u64::from(span.len() - 1)
    } else {
        let (left, right) = split(span);
        1 + parents(left, blocks) + parents(right, blocks)
    }
}
