//! Shape of an object's tree: which parents exist and where each lies in the paged outboard.

use crate::ranges::{BlockRange, ByteRange};
use crate::units::ObjectSize;

/// Bytes of a parent: the hash of its left child, then of its right child.
pub const PAIR_LEN: usize = 64;

const PAIR: u64 = PAIR_LEN as u64;

/// Blocks under one page of the outboard: 256, so that a page is 255 parents = 16,320 bytes and covers 4 MiB.
pub const PAGE_BLOCKS: u32 = 1 << PAGE_LOG;

const PAGE_LOG: u8 = 8;

/// Blocks of 2^4 chunks of 1 KiB.
const CHUNK_LOG: u8 = 4;

/// The tree over one object's blocks, and the layout of its published outboard.
///
/// The outboard is a head followed by pages. A page holds the parents of an aligned subtree of
/// [`PAGE_BLOCKS`] blocks in pre-order; the head holds the parents above the pages, in pre-order too. An
/// object within one page has an empty head; an object of one block has an empty outboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    bytes: u64,
    chunk_log: u8,
    page_log: u8,
}

/// A parent, named by the two or more blocks that it spans. Made by [`Tree`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node(pub(super) BlockRange);

impl Node {
    /// The blocks under this parent.
    pub fn blocks(self) -> BlockRange {
        self.0
    }
}

impl Tree {
    /// The tree of an object of `size`.
    pub fn new(size: ObjectSize) -> Self {
        Self { bytes: size.bytes(), chunk_log: CHUNK_LOG, page_log: PAGE_LOG }
    }

    /// A tree with other constants: official vectors have blocks of one chunk, and small pages make
    /// many-paged trees cheap to test. Zero bytes are one empty block.
    #[cfg(test)]
    pub(super) fn with_constants(bytes: u64, chunk_log: u8, page_log: u8) -> Self {
        Self { bytes, chunk_log, page_log }
    }

    /// Bytes of the object.
    pub fn bytes(self) -> u64 {
        self.bytes
    }

    /// All blocks of the object.
    pub fn blocks(self) -> BlockRange {
        BlockRange::new(0, count(self.bytes.div_ceil(self.block_len_max()).max(1)))
    }

    /// Bytes of `block`: a full block, less for the last one, nothing past the end.
    pub fn block_len(self, block: u32) -> usize {
        let len = self.bytes.saturating_sub(self.block_start(block)).min(self.block_len_max());
        usize::try_from(len).expect("a block is at most 16 KiB")
    }

    /// Where `block` starts in the object.
    pub fn block_start(self, block: u32) -> u64 {
        u64::from(block) << (10 + self.chunk_log)
    }

    pub(super) fn block_len_max(self) -> u64 {
        1024 << self.chunk_log
    }

    /// The parent at the top; none when the object is a single block.
    pub fn root(self) -> Option<Node> {
        Some(Node(self.blocks())).filter(|n| n.0.len() > 1)
    }

    /// The parent right above `block`; none when the object is a single block or ends before it.
    pub fn parent_of(self, block: u32) -> Option<Node> {
        let mut node = self.root().filter(|root| root.0.contains(block))?;
        loop {
            let (left, right) = split(node.0);
            let child = if left.contains(block) { left } else { right };
            if child.len() == 1 {
                return Some(node);
            }
            node = Node(child);
        }
    }

    /// Length of the whole outboard in bytes: 64 for every block but one.
    pub fn outboard_len(self) -> u64 {
        PAIR * u64::from(self.blocks().len() - 1)
    }

    /// Where the head lies in the outboard; empty when there is one page.
    pub fn head(self) -> ByteRange {
        ByteRange::new(0, PAIR * u64::from(self.page_count() - 1))
    }

    /// How many pages the outboard has. The only page of an object of one block is empty.
    pub fn page_count(self) -> u32 {
        self.blocks().len().div_ceil(self.page_blocks_max())
    }

    /// Where page `n` lies in the outboard; empty past the last page.
    pub fn page(self, n: u32) -> ByteRange {
        let start = self.head().end + PAIR * u64::from(n) * u64::from(self.page_blocks_max() - 1);
        ByteRange::new(start, start + PAIR * u64::from(self.page_blocks(n).len().saturating_sub(1)))
    }

    /// The page whose subtree `block` is in.
    pub fn page_of(self, block: u32) -> u32 {
        block >> self.page_log
    }

    /// The blocks under page `n`; empty past the last page.
    pub fn page_blocks(self, n: u32) -> BlockRange {
        let all = self.blocks();
        let start = u64::from(n) << self.page_log;
        let end = start + u64::from(self.page_blocks_max());
        let cut = |at: u64| u32::try_from(at).unwrap_or(all.end).min(all.end);
        BlockRange::new(cut(start), cut(end))
    }

    pub(super) fn page_blocks_max(self) -> u32 {
        1 << self.page_log
    }

    /// The pages needed to check `blocks`, beside the head.
    pub fn pages_of(self, blocks: BlockRange) -> impl Iterator<Item = u32> + use<> {
        let blocks = blocks.intersect(self.blocks());
        let end = if blocks.is_empty() { 0 } else { self.page_of(blocks.end - 1) + 1 };
        self.page_of(blocks.start)..end
    }

    /// Where the pair of `node` starts in the outboard.
    pub fn node_offset(self, node: Node) -> u64 {
        let span = node.0;
        if span.len() <= self.page_blocks_max() {
            let page = self.page_of(span.start);
            return self.page(page).start + PAIR * pre_order_index(self.page_blocks(page), span);
        }
        let pages = BlockRange::new(self.page_of(span.start), span.end.div_ceil(self.page_blocks_max()));
        PAIR * pre_order_index(BlockRange::new(0, self.page_count()), pages)
    }
}

/// Block counts fit because an object has at most 2^40 bytes, so at most 2^30 blocks of one chunk.
fn count(n: u64) -> u32 {
    u32::try_from(n).expect("an object has at most 2^30 blocks")
}

/// Splits a span of two or more leaves as BLAKE3 does: the left part is the largest power of two that
/// leaves something for the right.
pub(super) fn split(span: BlockRange) -> (BlockRange, BlockRange) {
    debug_assert!(span.len() > 1, "a leaf has no children");
    let mid = span.start + span.len().next_power_of_two() / 2;
    (BlockRange::new(span.start, mid), BlockRange::new(mid, span.end))
}

/// How many parents of the tree over `all` come before the parent of `span` in pre-order.
fn pre_order_index(all: BlockRange, span: BlockRange) -> u64 {
    let (mut at, mut index) = (all, 0);
    while at != span && at.len() > 1 {
        let (left, right) = split(at);
        if span.start < left.end {
            (at, index) = (left, index + 1);
        } else {
            // The left subtree of k leaves has k-1 parents, and `at` is one more.
            (at, index) = (right, index + u64::from(left.len()));
        }
    }
    debug_assert_eq!(at, span, "not a parent of this tree");
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BLOCK_SIZE, MAX_OBJECT_SIZE};

    fn tree(bytes: u64) -> Tree {
        Tree::new(ObjectSize::new(bytes).expect("in range"))
    }

    #[test]
    fn small_objects_have_no_head() {
        let one = tree(BLOCK_SIZE);
        assert_eq!((one.outboard_len(), one.page_count(), one.root()), (0, 1, None));
        assert!(one.head().is_empty() && one.page(0).is_empty());
        let page = tree(BLOCK_SIZE * 256);
        assert!(page.head().is_empty());
        assert_eq!(page.page(0), ByteRange::new(0, 16_320));
        assert!(page.page(1).is_empty() && page.page_blocks(1).is_empty());
    }

    #[test]
    fn a_block_more_than_a_page_makes_a_head() {
        let tree = tree(BLOCK_SIZE * 256 + 1);
        assert_eq!(tree.head(), ByteRange::new(0, 64));
        assert_eq!(tree.page(0), ByteRange::new(64, 64 + 16_320));
        assert_eq!((tree.page(1).len(), tree.page_blocks(1)), (0, BlockRange::new(256, 257)));
        assert_eq!(tree.outboard_len(), 64 + 16_320);
    }

    #[test]
    fn the_largest_object_fits() {
        let tree = tree(MAX_OBJECT_SIZE);
        assert_eq!((tree.page_count(), tree.head().len()), (1 << 18, 64 * ((1 << 18) - 1)));
        assert_eq!(tree.page((1 << 18) - 1).end, tree.outboard_len());
        let last = tree.blocks().end - 1;
        assert_eq!(tree.node_offset(Node(BlockRange::new(last - 1, last + 1))), tree.outboard_len() - 64);
        assert_eq!(tree.block_len(last), 16_384);
        assert_eq!(tree.block_len(last + 1), 0);
    }

    #[test]
    fn offsets_follow_pre_order_within_head_and_pages() {
        for blocks in 1..=70u64 {
            let tree = Tree::with_constants(blocks * 1024, 0, 2);
            let (mut head, mut pages) = (Vec::new(), vec![Vec::new(); tree.page_count() as usize]);
            let mut stack: Vec<BlockRange> = tree.root().into_iter().map(Node::blocks).collect();
            while let Some(span) = stack.pop() {
                let offset = tree.node_offset(Node(span));
                if span.len() > 4 { &mut head } else { &mut pages[tree.page_of(span.start) as usize] }
                    .push(offset);
                let (left, right) = split(span);
                stack.extend([right, left].into_iter().filter(|s| s.len() > 1));
            }
            let want = |r: ByteRange| (r.start..r.end).step_by(64).collect::<Vec<_>>();
            assert_eq!(head, want(tree.head()), "{blocks} blocks");
            for (n, page) in (0..).zip(pages) {
                assert_eq!(page, want(tree.page(n)), "{blocks} blocks, page {n}");
            }
        }
    }
}
