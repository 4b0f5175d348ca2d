//! Taking verified blocks in.

use std::time::Instant;

use nearcast_content::tree::{Decoded, Hasher, OriginCheck, OriginNeed, PAIR_LEN};
use nearcast_content::{BlockRange, ObjectId, ObjectSize, Verified};

use super::read::waiting;
use super::{Change, Entry, Shared, Store, StoreError, limits, lock};

/// How much was written and is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// Not too much.
    Small,
    /// So much that the disk does not keep up: whoever writes is to wait for it.
    Large,
}

/// Takes the pieces of one run in the order in which a decoder gives them.
#[derive(Debug)]
pub struct RunWriter {
    store: Store,
    object: ObjectId,
    size: ObjectSize,
    /// Parents since the last block, with their offsets in the outboard.
    parents: Vec<(u64, [u8; PAIR_LEN])>,
}

impl RunWriter {
    /// Takes a checked piece; for a block, `bytes` are what was fed to the decoder for it. The block is held on
    /// return.
    ///
    /// # Errors
    /// As [`Store::write`]. The writer can go on after [`StoreError::Full`], with a gap.
    pub fn put(&mut self, piece: Decoded, bytes: &[u8]) -> Result<(), StoreError> {
        match piece {
            // A tree has at most 26 levels, so this stays short whatever the sender does.
            Decoded::Parent { offset, pair } => self.parents.push((offset, pair)),
            Decoded::Block(blocks) => {
                self.store.write(self.object, self.size, &self.parents, blocks, bytes)?;
                self.parents.clear();
            }
        }
        Ok(())
    }
}

impl Store {
    /// A writer for one run of an object.
    pub fn writer(&self, object: ObjectId, size: ObjectSize) -> RunWriter {
        RunWriter { store: self.clone(), object, size, parents: Vec::new() }
    }

    /// Writes verified blocks and the parents that came before them. They are held on return, and durable
    /// after the next flush. When too much waits for that, it is waited for.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the disk is full, [`StoreError::OtherSize`] and [`StoreError::BadLength`] when
    /// the arguments do not fit each other, [`StoreError::Io`], [`StoreError::Closed`]. Nothing is held then.
    pub fn write(
        &self,
        object: ObjectId,
        size: ObjectSize,
        parents: &[(u64, [u8; PAIR_LEN])],
        blocks: Verified<BlockRange>,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        match self.write_batch(object, size, parents, blocks, bytes)? {
            Backlog::Large => self.flush(),
            Backlog::Small => Ok(()),
        }
    }

    /// As [`Self::write`], for async tasks: after [`Backlog::Large`], [`Self::caught_up`] is to be waited for.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_batch(
        &self,
        object: ObjectId,
        size: ObjectSize,
        parents: &[(u64, [u8; PAIR_LEN])],
        blocks: Verified<BlockRange>,
        bytes: &[u8],
    ) -> Result<Backlog, StoreError> {
        let blocks = blocks.into_inner();
        let place = size.bytes_of(blocks);
        if place.is_empty() || place.len() != bytes.len() as u64 || blocks.end > size.blocks() {
            return Err(StoreError::BadLength { object, blocks, len: bytes.len() });
        }
        let shared = &*self.shared;
        let _gate = shared.gate(object).read().unwrap_or_else(|e| e.into_inner());
        shared.check_size(object, size)?;
        let files = shared.files(object)?;
        for (offset, pairs) in neighbours(parents) {
            files.write_parents(offset, &pairs)?;
        }
        files.write(place.start, bytes)?;
        let unsynced = shared.note_written(object, size, blocks, Change::Bytes(files), bytes.len() as u64);
        Ok(if unsynced >= limits::MAX_UNSYNCED { Backlog::Large } else { Backlog::Small })
    }

    /// Waits, on a thread for that, until what was written is durable.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub async fn caught_up(&self) -> Result<(), StoreError> {
        let store = self.clone();
        waiting(move || store.flush()).await
    }

    /// Writes a small document whole: a playlist, cover art, an index page.
    ///
    /// # Errors
    /// [`StoreError::OtherObject`] when the bytes are not `object`, else as [`Self::write`].
    pub fn write_whole(&self, object: ObjectId, bytes: &[u8]) -> Result<(), StoreError> {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        let (found, outboard) = hasher.finish();
        let size = ObjectSize::new(bytes.len() as u64).filter(|_| found == object);
        let size = size.ok_or(StoreError::OtherObject { object })?;
        let (mut writer, mut rest) = (self.writer(object, size), bytes);
        let mut check = OriginCheck::new(object, size, size.all(), &outboard[..]);
        let lie = |_| StoreError::OtherObject { object };
        while let Some(next) = check.next().map_err(lie)? {
            match next {
                OriginNeed::Write(parent) => writer.put(parent, &[])?,
                OriginNeed::Block { len, .. } => {
                    let (block, tail) = rest.split_at(len);
                    writer.put(check.feed(block).map_err(lie)?, block)?;
                    rest = tail;
                }
            }
        }
        Ok(())
    }
}

impl Shared {
    fn check_size(&self, object: ObjectId, size: ObjectSize) -> Result<(), StoreError> {
        let state = lock(&self.state);
        if state.closed {
            return Err(StoreError::Closed);
        }
        match state.objects.get(&object).map(|entry| entry.record.size) {
            Some(known) if known != size => {
                Err(StoreError::OtherSize { object, known: known.bytes(), given: size.bytes() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Claims blocks that were written, in memory. Answers how many bytes wait for a flush.
    fn note_written(
        &self,
        object: ObjectId,
        size: ObjectSize,
        blocks: BlockRange,
        change: Change,
        bytes: u64,
    ) -> u64 {
        let state = &mut *lock(&self.state);
        if !state.objects.contains_key(&object) {
            state.last_rank += 1;
            state.objects.insert(object, Entry::new(size, state.last_rank));
        }
        if let Some(entry) = state.objects.get_mut(&object) {
            entry.held.insert(blocks);
        }
        if let Some(given_up) = state.given_up.get_mut(&object) {
            given_up.remove(blocks);
        }
        state.changed.insert(object, change);
        state.unsynced_bytes += bytes;
        // A thread that sleeps must hear of the first byte too: its age is what ends the next sleep.
        let first = state.written_at.is_none();
        state.written_at.get_or_insert_with(Instant::now);
        if first || state.flush_is_due() {
            self.wake.notify_one();
        }
        state.unsynced_bytes
    }
}

/// Joins parents that lie side by side, so that a path costs one or two writes.
fn neighbours(parents: &[(u64, [u8; PAIR_LEN])]) -> Vec<(u64, Vec<u8>)> {
    let mut joined: Vec<(u64, Vec<u8>)> = Vec::new();
    for (offset, pair) in parents {
        match joined.last_mut() {
            Some((start, pairs)) if *start + pairs.len() as u64 == *offset => pairs.extend_from_slice(pair),
            Some(_) | None => joined.push((*offset, pair.to_vec())),
        }
    }
    joined
}
