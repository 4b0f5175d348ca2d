//! Handing blocks out: every byte is hashed again on its way.

use std::panic;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use nearcast_content::tree::{Need, PAIR_LEN, Parents, Parts, RunDecoder, Tree, check_block};
use nearcast_content::{BLOCK_SIZE, BlockRange, ObjectId, ObjectSize};

use super::files::Files;
use super::{Shared, Store, StoreError, lock};

/// Blocks that are read at once: enough that what each call costs does not count, few enough that the bytes stay in
/// the processor's cache from one step to the next and a read from memory holds up its thread for 50 µs or so.
pub(crate) const BATCH: u32 = 4;
/// Blocks that are read at once for a player that takes all there is: what it costs to hand a batch on, from task to task and
/// into the kernel, is as much as to read and hash 64 KiB.
pub(crate) const LONG_BATCH: u32 = 16;

/// A run of held blocks as it travels to a peer, in pieces of whole blocks with the parents before them. As an
/// iterator it gives pieces of one block.
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

    /// Reads held blocks into `buf`, which takes their length, but answers [`Cached::MustWait`] instead of waiting: for the
    /// disk, for a lock that is taken, or to find out about damage.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`], [`StoreError::Io`], [`StoreError::Closed`].
    pub fn read_cached(
        &self,
        object: ObjectId,
        blocks: BlockRange,
        buf: &mut Vec<u8>,
    ) -> Result<Cached, StoreError> {
        let shared = &*self.shared;
        let Ok(_gate) = shared.gate(object).try_read() else { return Ok(Cached::MustWait) };
        let size = shared.held_size(object, blocks)?;
        let Some(files) = lock(&shared.handles).get(object) else { return Ok(Cached::MustWait) };
        let place = size.bytes_of(blocks);
        buf.resize(usize::try_from(place.len()).unwrap_or(usize::MAX), 0);
        let good = files.read_cached(place.start, buf) && all_hash(object, size, blocks, &files, buf);
        Ok(if good { Cached::Read } else { Cached::MustWait })
    }

    /// Reads the first of `blocks` from an async task, and those behind it as far as they are held, `most` at once: on the
    /// spot when they are in memory, else from a blocking thread.
    ///
    /// # Errors
    /// As [`Self::read_block`].
    pub async fn fetch(&self, object: ObjectId, blocks: BlockRange, most: u32) -> Result<Bytes, StoreError> {
        let blocks = self.shared.held_run(object, blocks, most)?;
        let mut buf = Vec::new();
        if self.read_cached(object, blocks, &mut buf)? == Cached::Read {
            return Ok(buf.into());
        }
        let store = self.clone();
        waiting(move || {
            buf.clear();
            let mut one = Vec::new();
            for block in blocks.iter() {
                match store.read_block(object, block, &mut one) {
                    Ok(()) => buf.extend_from_slice(&one),
                    Err(error) if buf.is_empty() => return Err(error),
                    // The next call finds out.
                    Err(_) => break,
                }
            }
            Ok(buf.into())
        })
        .await
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

/// Runs what may wait for the disk on a thread for that.
pub(super) async fn waiting<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read,
        Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
        // The runtime is going down, and the store with it.
        Err(_) => Err(StoreError::Closed),
    }
}

fn all_hash(object: ObjectId, size: ObjectSize, blocks: BlockRange, files: &Files, bytes: &[u8]) -> bool {
    let (tree, parents) = (Tree::new(size), files.cached_parents());
    let mut rest = bytes;
    blocks.iter().all(|block| {
        let Some((bytes, behind)) = rest.split_at_checked(tree.block_len(block)) else { return false };
        rest = behind;
        check_block(object, size, block, &parents, bytes).is_ok()
    })
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

    /// The next few blocks for an async task: on the spot when they are in memory, else from a blocking
    /// thread. Nothing at the end.
    ///
    /// # Errors
    /// As [`Store::read_block`].
    pub async fn next_batch(mut self) -> Result<Option<(Vec<u8>, Self)>, StoreError> {
        if self.failed || self.decoder.needs().is_none() {
            return Ok(None);
        }
        if let Some(piece) = self.read_cached()? {
            return Ok(Some((piece, self)));
        }
        waiting(move || Ok(self.read_pieces(BATCH)?.map(|piece| (piece, self)))).await
    }

    /// The next pieces if they are in memory and undamaged.
    fn read_cached(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let (shared, object) = (&*self.store.shared, self.object);
        let Ok(_gate) = shared.gate(object).try_read() else { return Ok(None) };
        let next = self.decoder.next_span().intersect(self.blocks).start;
        let size = shared.held_size(object, one(next))?;
        let Some(files) = lock(&shared.handles).get(object) else { return Ok(None) };
        let mut decoder = self.decoder.clone();
        let read = read_pieces(&Memory(&files), size, &mut decoder, BATCH)?;
        let Outcome::Good(piece) = read else { return Ok(None) };
        self.decoder = decoder;
        Ok(Some(piece))
    }

    fn read_pieces(&mut self, most: u32) -> Result<Option<Vec<u8>>, StoreError> {
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
            Ok(match read_pieces(&*files, size, &mut decoder, most)? {
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
        let piece = self.read_pieces(1);
        self.failed |= piece.is_err();
        piece.transpose()
    }
}

/// Where the pieces of a run are read from.
trait Pieces {
    /// Fills `buf` with bytes of the object; false when they cannot be had.
    fn bytes(&self, offset: u64, buf: &mut [u8]) -> Result<bool, StoreError>;
    /// A parent; nothing when it cannot be had.
    fn parent(&self, offset: u64) -> Result<Option<[u8; PAIR_LEN]>, StoreError>;
}

impl Pieces for Files {
    fn bytes(&self, offset: u64, buf: &mut [u8]) -> Result<bool, StoreError> {
        self.read(offset, buf)
    }

    fn parent(&self, offset: u64) -> Result<Option<[u8; PAIR_LEN]>, StoreError> {
        self.read_parent(offset)
    }
}

/// What of the files is in memory.
struct Memory<'a>(&'a Files);

impl Pieces for Memory<'_> {
    fn bytes(&self, offset: u64, buf: &mut [u8]) -> Result<bool, StoreError> {
        Ok(self.0.read_cached(offset, buf))
    }

    fn parent(&self, offset: u64) -> Result<Option<[u8; PAIR_LEN]>, StoreError> {
        Ok(self.0.cached_parents().parent(offset))
    }
}

/// Reads what `decoder` needs up to and with the `most` next blocks. The decoder is what a receiver runs, so
/// nothing leaves that would make us look like a liar.
fn read_pieces(
    files: &impl Pieces,
    size: ObjectSize,
    decoder: &mut RunDecoder,
    most: u32,
) -> Result<Outcome<Vec<u8>>, StoreError> {
    // Most runs need a few parents for each block.
    let room = u64::from(most) * (BLOCK_SIZE + 4 * PAIR_LEN as u64);
    let (mut pieces, mut blocks) = (Vec::with_capacity(usize::try_from(room).unwrap_or(0)), 0);
    while let Some(need) = decoder.needs().filter(|_| blocks < most) {
        let (span, at) = (decoder.next_span(), pieces.len());
        let read = read_need(files, size, need, &mut pieces)?;
        if !read || decoder.feed(&pieces[at..]).is_err() {
            return Ok(Outcome::Bad(span));
        }
        blocks += u32::from(matches!(need, Need::Block { .. }));
    }
    Ok(Outcome::Good(pieces))
}

/// Appends what is needed to `out`; false when it cannot be had.
fn read_need(
    files: &impl Pieces,
    size: ObjectSize,
    need: Need,
    out: &mut Vec<u8>,
) -> Result<bool, StoreError> {
    match need {
        Need::Parent { offset } => {
            let pair = files.parent(offset)?;
            out.extend(pair.iter().flatten());
            Ok(pair.is_some())
        }
        Need::Block { block, len } => {
            let at = out.len();
            out.resize(at + len, 0);
            files.bytes(size.bytes_of(one(block)).start, &mut out[at..])
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
                if let Outcome::Bad(span) = read_pieces(&*files, size, &mut decoder, 1)? {
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
