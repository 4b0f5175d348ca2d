//! Hashing an object: its root, and the outboard that is published beside it.

use std::io;

use blake3::hazmat::{self, HasherExt, Mode};

use super::check::Corrupt;
use super::shape::Tree;
use crate::ids::ObjectId;
use crate::ranges::BlockRange;
use crate::units::ObjectSize;
use crate::verified::Verified;

/// A chaining value: the hash of a subtree that is not the whole object.
pub(super) type Cv = [u8; 32];

/// Hash of the subtree over two children; a root is finalised differently so that no subtree of one
/// object can pass for another object.
pub(super) fn merge(left: &Cv, right: &Cv, top: bool) -> Cv {
    if top {
        *hazmat::merge_subtrees_root(left, right, Mode::Hash).as_bytes()
    } else {
        hazmat::merge_subtrees_non_root(left, right, Mode::Hash)
    }
}

/// Hash of one block that starts at `start` in its object; `top` when it is the whole object.
pub(super) fn hash_block(start: u64, bytes: &[u8], top: bool) -> Cv {
    if top {
        *blake3::hash(bytes).as_bytes()
    } else {
        blake3::Hasher::new().set_input_offset(start).update(bytes).finalize_non_root()
    }
}

/// Appends the parents over `leaves` to `out` in pre-order and returns the hash of their subtree.
fn merge_all(leaves: &[Cv], top: bool, out: &mut Vec<u8>) -> Cv {
    if let [one] = leaves {
        return *one;
    }
    let at = out.len();
    out.extend_from_slice(&[0; super::PAIR_LEN]);
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (left, right) = (merge_all(left, false, out), merge_all(right, false, out));
    out[at..at + 32].copy_from_slice(&left);
    out[at + 32..at + 64].copy_from_slice(&right);
    merge(&left, &right, top)
}

/// Hashes an object from slices of any length, in order, without knowing its size beforehand.
///
/// Beside the outboard it is building it holds 8 KiB of hashes of the page it is in, and 32 bytes for
/// every 4 MiB hashed. Slices of whole blocks are hashed at full speed.
#[derive(Clone, Debug)]
pub struct Hasher {
    /// Only its constants count; the size is the number of bytes so far.
    tree: Tree,
    bytes: u64,
    block: blake3::Hasher,
    /// Finished blocks of the current page.
    leaves: Vec<Cv>,
    /// Finished pages.
    page_roots: Vec<Cv>,
    pages: Vec<u8>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::with_constants(Tree::new(ObjectSize::new(1).expect("1 is a size")))
    }

    pub(super) fn with_constants(tree: Tree) -> Self {
        Self {
            tree,
            bytes: 0,
            block: blake3::Hasher::new(),
            leaves: Vec::new(),
            page_roots: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next bytes of the object.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // A full block or page is closed only when more follows: if nothing does, it may be the root.
            let room = self.tree.block_len_max() - self.block.count();
            if room == 0 {
                self.close_block();
                // Not `reset`: in blake3 1.8 that leaves the input offset behind.
                self.block = blake3::Hasher::new();
                self.block.set_input_offset(self.bytes);
                continue;
            }
            let take = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            self.block.update(&bytes[..take]);
            self.bytes += take as u64;
            bytes = &bytes[take..];
        }
    }

    fn close_block(&mut self) {
        if self.leaves.len() as u64 == u64::from(self.tree.page_blocks_max()) {
            self.page_roots.push(merge_all(&self.leaves, false, &mut self.pages));
            self.leaves.clear();
        }
        self.leaves.push(self.block.finalize_non_root());
    }

    /// The object's id and its paged outboard.
    pub fn finish(mut self) -> (ObjectId, Vec<u8>) {
        if self.bytes <= self.tree.block_len_max() {
            return (ObjectId(*self.block.finalize().as_bytes()), Vec::new());
        }
        self.close_block();
        let one_page = self.page_roots.is_empty();
        let last = merge_all(&self.leaves, one_page, &mut self.pages);
        if one_page {
            return (ObjectId(last), self.pages);
        }
        self.page_roots.push(last);
        let mut outboard =
            Vec::with_capacity((self.page_roots.len() - 1) * super::PAIR_LEN + self.pages.len());
        let root = merge_all(&self.page_roots, true, &mut outboard);
        outboard.append(&mut self.pages);
        (ObjectId(root), outboard)
    }
}

/// Hashes an object of `size` from `reader`: its id and the paged outboard to publish beside it.
///
/// # Errors
/// What the reader answers; `UnexpectedEof` when it ends before `size`, `InvalidData` when it goes on,
/// both signs that a file is changing while it is read.
pub fn hash(mut reader: impl io::Read, size: ObjectSize) -> io::Result<(ObjectId, Vec<u8>)> {
    /// Sixteen blocks: enough that the reads do not show beside the hashing.
    const BUFFER: usize = 256 * 1024;
    let mut buffer = vec![0; BUFFER];
    let mut hasher = Hasher::new();
    loop {
        let left = size.bytes() - hasher.bytes();
        if left == 0 {
            break;
        }
        let want = usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER));
        reader.read_exact(&mut buffer[..want])?;
        hasher.update(&buffer[..want]);
    }
    if reader.read(&mut buffer[..1])? != 0 {
        let why = format!("more than the expected {} bytes", size.bytes());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(hasher.finish())
}

/// Checks a document that is in memory as a whole: a playlist, cover art, an index page.
///
/// # Errors
/// [`Corrupt::Whole`] when `bytes` are not the object, or no object can have their length.
pub fn verify_whole(object: ObjectId, bytes: &[u8]) -> Result<Verified<&[u8]>, Corrupt> {
    let size = ObjectSize::new(bytes.len() as u64);
    if size.is_some() && blake3::hash(bytes).as_bytes() == &object.0 {
        Ok(Verified::new(bytes))
    } else {
        Err(Corrupt::Whole { object })
    }
}

/// Whether `span` is all of `tree`, so that its hash is the object's id.
pub(super) fn is_top(tree: Tree, span: BlockRange) -> bool {
    span == tree.blocks()
}
