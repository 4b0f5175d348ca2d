//! The check itself: walks from the root down to the blocks of a run, and lets nothing past that does not hash.

use super::PAIR_LEN;
use super::hash::{hash_block, is_top, merge};
use super::shape::{Node, Tree, split};
use crate::ids::ObjectId;
use crate::ranges::BlockRange;
use crate::units::ObjectSize;
use crate::verified::Verified;

/// What did not hash to what its parent, or the object's id, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The parent at this offset of the paged outboard.
    #[error("the hashes at outboard offset {offset} do not match the object")]
    Parent {
        /// Offset in the paged outboard.
        offset: u64,
    },
    /// This block.
    #[error("block {block} does not match the object")]
    Block {
        /// Number of the block.
        block: u32,
    },
    /// The outboard given for the check does not reach to this parent.
    #[error("the outboard has no hashes at offset {offset}; fetch its head and the page of the blocks")]
    Absent {
        /// Offset in the paged outboard.
        offset: u64,
    },
    /// A document that was checked whole.
    #[error("the bytes are not those of object {object}")]
    Whole {
        /// The object they were said to be.
        object: ObjectId,
    },
    /// More was given after the last block of the run.
    #[error("bytes after the end of the run")]
    Surplus,
}

/// What a [`RunDecoder`] must be fed next, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A parent: 64 bytes, found at this offset of the paged outboard.
    Parent {
        /// Offset in the paged outboard.
        offset: u64,
    },
    /// A block.
    Block {
        /// Number of the block.
        block: u32,
        /// Its bytes: 16 KiB, less for the last one of the object.
        len: usize,
    },
}

impl Need {
    /// How many bytes to feed.
    #[expect(clippy::len_without_is_empty, reason = "nothing is never needed")]
    pub fn len(self) -> usize {
        match self {
            Self::Parent { .. } => PAIR_LEN,
            Self::Block { len, .. } => len,
        }
    }
}

/// A piece that was checked, to be written as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A parent belongs at this offset of the paged outboard.
    Parent {
        /// Offset in the paged outboard.
        offset: u64,
        /// Left and right hash.
        pair: [u8; PAIR_LEN],
    },
    /// The bytes just fed are these blocks (one block).
    Block(Verified<BlockRange>),
}

/// The walk that all checks share. Holds one hash per tree level at most.
#[derive(Clone, Debug)]
struct Walk {
    tree: Tree,
    blocks: BlockRange,
    /// Subtrees still to visit with the hash each must have, the next on top.
    stack: Vec<(BlockRange, [u8; 32])>,
    failed: Option<Corrupt>,
}

impl Walk {
    fn new(object: ObjectId, tree: Tree, blocks: BlockRange) -> Self {
        let blocks = blocks.intersect(tree.blocks());
        let stack = if blocks.is_empty() { Vec::new() } else { vec![(tree.blocks(), object.0)] };
        Self { tree, blocks, stack, failed: None }
    }

    fn needs(&self) -> Option<Need> {
        let (span, _) = self.stack.last()?;
        Some(if span.len() == 1 {
            Need::Block { block: span.start, len: self.tree.block_len(span.start) }
        } else {
            Need::Parent { offset: self.tree.node_offset(Node(*span)) }
        })
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<Decoded, Corrupt> {
        if let Some(why) = self.failed {
            return Err(why);
        }
        let Some((need, (span, hash))) = self.needs().zip(self.stack.pop()) else {
            return Err(self.fail(Corrupt::Surplus));
        };
        match need {
            Need::Parent { offset } => {
                let pair = bytes.try_into().map_err(|_| self.fail(Corrupt::Parent { offset }))?;
                self.parent(span, hash, &pair).ok_or_else(|| self.fail(Corrupt::Parent { offset }))?;
                Ok(Decoded::Parent { offset, pair })
            }
            Need::Block { block, len } => {
                let top = is_top(self.tree, span);
                if bytes.len() != len || hash_block(self.tree.block_start(block), bytes, top) != hash {
                    return Err(self.fail(Corrupt::Block { block }));
                }
                Ok(Decoded::Block(Verified::new(span)))
            }
        }
    }

    /// Takes the pair of `span` if it hashes to `hash`, and goes on to those children that lead to blocks.
    fn parent(&mut self, span: BlockRange, hash: [u8; 32], pair: &[u8; PAIR_LEN]) -> Option<()> {
        let (left_hash, rest) = pair.split_first_chunk::<32>()?;
        let right_hash = rest.first_chunk::<32>()?;
        if merge(left_hash, right_hash, is_top(self.tree, span)) != hash {
            return None;
        }
        let (left, right) = split(span);
        for (child, hash) in [(right, right_hash), (left, left_hash)] {
            if !child.intersect(self.blocks).is_empty() {
                self.stack.push((child, *hash));
            }
        }
        Some(())
    }

    /// After a failure nothing is needed and nothing comes out.
    fn fail(&mut self, why: Corrupt) -> Corrupt {
        self.stack.clear();
        *self.failed.get_or_insert(why)
    }

    fn is_complete(&self) -> bool {
        self.stack.is_empty() && self.failed.is_none()
    }
}

/// Checks an encoded run as it arrives from a peer.
///
/// Feed exactly the bytes that [`needs`](Self::needs) asks for until it asks for nothing; every piece that
/// hashes comes back as [`Decoded`], in the order it must be written. The first piece that does not ends
/// the run: the pieces before it stay good, nothing comes after.
#[derive(Clone, Debug)]
pub struct RunDecoder(Walk);

impl RunDecoder {
    /// A decoder for `blocks` of `object`. Blocks past the end of the object are left out, as the sender does.
    pub fn new(object: ObjectId, size: ObjectSize, blocks: BlockRange) -> Self {
        Self::of(object, Tree::new(size), blocks)
    }

    pub(super) fn of(object: ObjectId, tree: Tree, blocks: BlockRange) -> Self {
        Self(Walk::new(object, tree, blocks))
    }

    /// What to feed next; nothing when the run is complete or has failed.
    pub fn needs(&self) -> Option<Need> {
        self.0.needs()
    }

    /// The blocks of the object that the next piece proves: those under a parent, or the block itself.
    pub fn next_span(&self) -> BlockRange {
        self.0.stack.last().map_or(BlockRange::new(0, 0), |(span, _)| *span)
    }

    /// Takes the bytes of the piece that was needed.
    ///
    /// # Errors
    /// [`Corrupt::Parent`] or [`Corrupt::Block`] when they do not hash or have another length, and again
    /// on every later call; [`Corrupt::Surplus`] when nothing was needed.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Decoded, Corrupt> {
        self.0.feed(bytes)
    }

    /// Whether every piece of the run was fed and hashed.
    pub fn is_complete(&self) -> bool {
        self.0.is_complete()
    }
}

/// Random access to the pairs of a paged outboard.
pub trait Parents {
    /// The pair at `offset`; nothing when it is not at hand.
    fn parent(&self, offset: u64) -> Option<[u8; PAIR_LEN]>;
}

/// A whole outboard in memory.
impl Parents for [u8] {
    fn parent(&self, offset: u64) -> Option<[u8; PAIR_LEN]> {
        self.get(usize::try_from(offset).ok()?..)?.first_chunk().copied()
    }
}

impl<P: Parents + ?Sized> Parents for &P {
    fn parent(&self, offset: u64) -> Option<[u8; PAIR_LEN]> {
        (**self).parent(offset)
    }
}

/// Fetched parts of an outboard: the head, and the pages of the blocks to check.
#[derive(Clone, Debug, Default)]
pub struct Parts<B> {
    parts: Vec<(u64, B)>,
}

impl<B: AsRef<[u8]>> Parts<B> {
    /// No parts.
    pub fn new() -> Self {
        Self { parts: Vec::new() }
    }

    /// Adds the bytes that start at `offset` of the outboard. Parts are not expected to overlap.
    #[must_use]
    pub fn with(mut self, offset: u64, bytes: B) -> Self {
        self.parts.push((offset, bytes));
        self
    }
}

impl<B: AsRef<[u8]>> Parents for Parts<B> {
    fn parent(&self, offset: u64) -> Option<[u8; PAIR_LEN]> {
        self.parts.iter().find_map(|(start, bytes)| bytes.as_ref().parent(offset.checked_sub(*start)?))
    }
}

/// Checks a block against the one parent above it, which must have been checked before it was stored.
///
/// This is enough to find damage done by a disk; it proves nothing about bytes from elsewhere, so it makes
/// no [`Verified`].
///
/// # Errors
/// [`Corrupt::Block`] when the block does not hash or has another length, [`Corrupt::Absent`] when
/// `parents` has no pair for it.
pub fn check_block(
    object: ObjectId,
    size: ObjectSize,
    block: u32,
    parents: &impl Parents,
    bytes: &[u8],
) -> Result<(), Corrupt> {
    let tree = Tree::new(size);
    let expected = match tree.parent_of(block) {
        None => object.0,
        Some(node) => {
            let offset = tree.node_offset(node);
            let pair = parents.parent(offset).ok_or(Corrupt::Absent { offset })?;
            let (left, right) = pair.split_at(PAIR_LEN / 2);
            let side = if split(node.0).0.contains(block) { left } else { right };
            side.try_into().expect("half a pair is a hash")
        }
    };
    let top = tree.root().is_none();
    let fits = bytes.len() == tree.block_len(block) && !bytes.is_empty();
    if fits && hash_block(tree.block_start(block), bytes, top) == expected {
        Ok(())
    } else {
        Err(Corrupt::Block { block })
    }
}

/// What an [`OriginCheck`] asks for or gives next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginNeed {
    /// Nothing to feed: this parent was taken from the outboard and hashes; write it.
    Write(Decoded),
    /// Feed this block.
    Block {
        /// Number of the block.
        block: u32,
        /// Its bytes.
        len: usize,
    },
}

/// Checks plain bytes of an origin against the head and page of the outboard fetched beside them.
///
/// The walk is that of [`RunDecoder`], only that parents come from `P`: call [`next`](Self::next), write
/// what it gives, [`feed`](Self::feed) the block it asks for, until it gives nothing.
#[derive(Clone, Debug)]
pub struct OriginCheck<P> {
    walk: Walk,
    parents: P,
}

impl<P: Parents> OriginCheck<P> {
    /// A check of `blocks` of `object`, with `parents` read at the offsets of the paged outboard.
    pub fn new(object: ObjectId, size: ObjectSize, blocks: BlockRange, parents: P) -> Self {
        Self { walk: Walk::new(object, Tree::new(size), blocks), parents }
    }

    /// The next parent to write or block to feed; nothing when the run is complete.
    ///
    /// # Errors
    /// [`Corrupt::Parent`] when the outboard does not belong to the object, [`Corrupt::Absent`] when it
    /// does not reach.
    #[expect(clippy::should_implement_trait, reason = "it can fail, and lends control to `feed` in between")]
    pub fn next(&mut self) -> Result<Option<OriginNeed>, Corrupt> {
        if let Some(why) = self.walk.failed {
            return Err(why);
        }
        match self.walk.needs() {
            None => Ok(None),
            Some(Need::Block { block, len }) => Ok(Some(OriginNeed::Block { block, len })),
            Some(Need::Parent { offset }) => {
                let pair = self.parents.parent(offset);
                let pair = pair.ok_or_else(|| self.walk.fail(Corrupt::Absent { offset }))?;
                self.walk.feed(&pair).map(|parent| Some(OriginNeed::Write(parent)))
            }
        }
    }

    /// Takes the bytes of the block that was asked for.
    ///
    /// # Errors
    /// [`Corrupt::Block`] when they do not hash or have another length, and again on every later call;
    /// [`Corrupt::Surplus`] when no block was asked for.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Decoded, Corrupt> {
        match self.walk.needs() {
            Some(Need::Parent { .. }) => Err(self.walk.fail(Corrupt::Surplus)),
            Some(Need::Block { .. }) | None => self.walk.feed(bytes),
        }
    }

    /// Whether every block of the run was fed and hashed.
    pub fn is_complete(&self) -> bool {
        self.walk.is_complete()
    }
}
