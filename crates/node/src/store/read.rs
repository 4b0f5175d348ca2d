//! Handing blocks out: every byte is hashed again on its way.

use std::panic;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use nearcast_content::tree::{Need, Parts, RunDecoder, Tree, check_block};
use nearcast_content::{BlockRange, ObjectId, ObjectSize};

use super::files::Files;
use super::{Shared, Store, StoreError, lock};

/// A run of held blocks as it travels to a peer, in pieces of one block with the parents before it.
///
/// Between two pieces nothing is locked; a block that is evicted meanwhile ends the run with
/// [`StoreError::NotHeld`].
#[derive(Debug)]
pub struct RunReader {
    store: Store,
    object: ObjectId,
    blocks: BlockRange,
    decoder: RunDecoder,
    failed: bool,
}

/// What reading came to.
enum Outcome<T> {
    Good(T),
    /// These blocks do not hash, or cannot be read.
    Bad(BlockRange),
}

impl Store {
    /// Reads a held block into `buf`, which takes its length.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`], [`StoreError::Damaged`] when the disk gives back something else than was
    /// written (the block is no longer held then), [`StoreError::Io`], [`StoreError::Closed`].
    pub fn read_block(&self, object: ObjectId, block: u32, buf: &mut Vec<u8>) -> Result<(), StoreError> {
        self.shared.insist(object, || {
            let good = self.shared.try_read(object, block, buf)?;
            Ok(if good { Outcome::Good(()) } else { Outcome::Bad(one(block)) })
        })
    }

    /// As [`Self::read_block`], but answers [`Cached::MustWait`] instead of waiting: for the disk, for a lock that is taken,
    /// or to find out about damage.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`], [`StoreError::Io`], [`StoreError::Closed`].
    pub fn read_block_cached(
        &self,
        object: ObjectId,
        block: u32,
        buf: &mut Vec<u8>,
    ) -> Result<Cached, StoreError> {
        let shared = &*self.shared;
        let Ok(_gate) = shared.gate(object).try_read() else { return Ok(Cached::MustWait) };
        let size = shared.held_size(object, one(block))?;
        let Some(files) = lock(&shared.handles).get(object) else { return Ok(Cached::MustWait) };
        let place = size.bytes_of(one(block));
        buf.resize(Tree::new(size).block_len(block), 0);
        let good = files.read_cached(place.start, buf)
            && check_block(object, size, block, &files.cached_parents(), buf).is_ok();
        Ok(if good { Cached::Read } else { Cached::MustWait })
    }

    /// Reads a held block from an async task: on the spot when it is in memory, else from a blocking thread.
    ///
    /// # Errors
    /// As [`Self::read_block`].
    pub async fn fetch(&self, object: ObjectId, block: u32) -> Result<Bytes, StoreError> {
        let mut buf = Vec::new();
        if self.read_block_cached(object, block, &mut buf)? == Cached::Read {
            return Ok(buf.into());
        }
        let store = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            store.read_block(object, block, &mut buf)?;
            Ok(Bytes::from(buf))
        });
        match read.await {
            Ok(read) => read,
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            // The runtime is going down, and the store with it.
            Err(_) => Err(StoreError::Closed),
        }
    }

    /// Reads a run for a peer. Blocks past the end of the object are left out, as the peer expects.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] when not all of it is held.
    pub fn encode_run(&self, object: ObjectId, blocks: BlockRange) -> Result<RunReader, StoreError> {
        let known = self.holding(object).ok_or(StoreError::NotHeld { object, blocks })?;
        let blocks = blocks.intersect(known.size.all());
        self.shared.held_size(object, blocks)?;
        let decoder = RunDecoder::new(object, known.size, blocks);
        Ok(RunReader { store: self.clone(), object, blocks, decoder, failed: false })
    }
}

/// What a read that does not wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    /// The block was read.
    Read,
    /// It must be read by waiting.
    MustWait,
}

impl RunReader {
    /// The blocks of the run.
    pub fn blocks(&self) -> BlockRange {
        self.blocks
    }

    fn read_piece(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.failed || self.decoder.needs().is_none() {
            return Ok(None);
        }
        let (shared, object, blocks) = (self.store.shared.clone(), self.object, self.blocks);
        let (piece, decoder) = shared.insist(object, || {
            let mut decoder = self.decoder.clone();
            let _gate = shared.gate(object).read().unwrap_or_else(PoisonError::into_inner);
            let next = decoder.next_span().intersect(blocks).start;
            let size = shared.held_size(object, one(next))?;
            let files = shared.files(object)?;
            Ok(match read_piece(&files, size, &mut decoder)? {
                Outcome::Good(piece) => Outcome::Good((piece, decoder)),
                Outcome::Bad(span) => Outcome::Bad(span.intersect(blocks)),
            })
        })?;
        self.decoder = decoder;
        Ok(Some(piece))
    }
}

impl Iterator for RunReader {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.read_piece();
        self.failed |= piece.is_err();
        piece.transpose()
    }
}

/// Reads what `decoder` needs up to and with the next block. The decoder is what a receiver runs, so
/// nothing leaves that would make us look like a liar.
fn read_piece(
    files: &Files,
    size: ObjectSize,
    decoder: &mut RunDecoder,
) -> Result<Outcome<Vec<u8>>, StoreError> {
    let mut piece = Vec::new();
    while let Some(need) = decoder.needs() {
        let (span, at) = (decoder.next_span(), piece.len());
        let read = read_need(files, size, need, &mut piece)?;
        if !read || decoder.feed(&piece[at..]).is_err() {
            return Ok(Outcome::Bad(span));
        }
        if matches!(need, Need::Block { .. }) {
            break;
        }
    }
    Ok(Outcome::Good(piece))
}

/// Appends what is needed to `out`; false when the disk cannot give it.
fn read_need(files: &Files, size: ObjectSize, need: Need, out: &mut Vec<u8>) -> Result<bool, StoreError> {
    match need {
        Need::Parent { offset } => {
            let pair = files.read_parent(offset)?;
            out.extend(pair.iter().flatten());
            Ok(pair.is_some())
        }
        Need::Block { block, len } => {
            let at = out.len();
            out.resize(at + len, 0);
            files.read(size.bytes_of(one(block)).start, &mut out[at..])
        }
    }
}

impl Shared {
    /// Whether the block was read and hashes.
    fn try_read(&self, object: ObjectId, block: u32, buf: &mut Vec<u8>) -> Result<bool, StoreError> {
        let _gate = self.gate(object).read().unwrap_or_else(PoisonError::into_inner);
        let size = self.held_size(object, one(block))?;
        let files = self.files(object)?;
        let tree = Tree::new(size);
        buf.resize(tree.block_len(block), 0);
        if !files.read(tree.block_start(block), buf)? {
            return Ok(false);
        }
        let mut parents = Parts::new();
        if let Some(offset) = tree.parent_of(block).map(|node| tree.node_offset(node)) {
            let Some(pair) = files.read_parent(offset)? else { return Ok(false) };
            parents = parents.with(offset, pair);
        }
        Ok(check_block(object, size, block, &parents, buf).is_ok())
    }

    /// Reads; when it comes out bad, finds out what is damaged and strikes it. A second try covers the case
    /// that somebody else has struck and replaced the block in the meantime.
    fn insist<T>(
        &self,
        object: ObjectId,
        mut read: impl FnMut() -> Result<Outcome<T>, StoreError>,
    ) -> Result<T, StoreError> {
        match read()? {
            Outcome::Good(good) => return Ok(good),
            Outcome::Bad(blocks) => self.recheck(object, blocks)?,
        }
        match read()? {
            Outcome::Good(good) => Ok(good),
            Outcome::Bad(blocks) => Err(self.strike(object, blocks)),
        }
    }

    /// The blocks of a held range that do not hash from the root, or cannot be read.
    pub(super) fn bad_blocks(
        &self,
        object: ObjectId,
        size: ObjectSize,
        range: BlockRange,
    ) -> Result<Vec<BlockRange>, StoreError> {
        let files: Arc<Files> = self.files(object)?;
        let (mut bad, mut rest) = (Vec::new(), range);
        while !rest.is_empty() {
            let mut decoder = RunDecoder::new(object, size, rest);
            let mut end = rest.end;
            while decoder.needs().is_some() {
                if let Outcome::Bad(span) = read_piece(&files, size, &mut decoder)? {
                    let span = span.intersect(rest);
                    end = span.end;
                    bad.push(span);
                    break;
                }
            }
            rest = BlockRange::new(end, rest.end);
        }
        Ok(bad)
    }
}

fn one(block: u32) -> BlockRange {
    BlockRange::new(block, block.saturating_add(1))
}
