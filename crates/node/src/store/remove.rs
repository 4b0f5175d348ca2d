//! Giving blocks up: evicted ones, and damaged ones.
//!
//! The record is committed without the blocks first, then their room is given back, so that a crash in
//! between wastes room (which the next opening finds) and never leaves a claim without bytes.

use std::path::PathBuf;
use std::sync::PoisonError;

use nearcast_content::{BlockRange, ObjectId, ObjectSize};

use super::files::paths;
use super::{Change, Shared, State, Store, StoreError, limits, lock};

/// What is left of an object after blocks were struck from its record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Something,
}

impl Store {
    /// Evicts blocks of an object and gives their room back; with the last block the files go too. Answers
    /// how many bytes were given up.
    ///
    /// # Errors
    /// [`StoreError::Metadata`], [`StoreError::Full`] or [`StoreError::Io`]. The blocks are no longer held
    /// either way; room that could not be given back is found when the store is opened again.
    pub fn remove(&self, object: ObjectId, blocks: BlockRange) -> Result<u64, StoreError> {
        let shared = &*self.shared;
        let _gate = shared.gate(object).write().unwrap_or_else(PoisonError::into_inner);
        let Some((size, gone, left)) = shared.unclaim(object, &[blocks])? else { return Ok(0) };
        match left {
            Left::Nothing => shared.delete_files(object)?,
            Left::Something => {
                let files = shared.files(object)?;
                gone.iter().try_for_each(|range| files.punch(size.bytes_of(*range)))?;
            }
        }
        shared.restore_reserve();
        Ok(gone.iter().map(|range| size.bytes_of(*range).len()).sum())
    }

    /// Checks every held block against its root, and strikes those that are damaged. Takes as long as
    /// reading the whole store; other calls go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Metadata`] or [`StoreError::Closed`]; damage is no error here.
    pub fn verify_all(&self) -> Result<Vec<(ObjectId, BlockRange)>, StoreError> {
        let mut damaged = Vec::new();
        for held in self.holdings() {
            for range in held.blocks.ranges() {
                let mut at = range.start;
                while at < range.end {
                    let part = BlockRange::new(at, range.end.min(at.saturating_add(limits::VERIFY_BLOCKS)));
                    let bad = self.shared.recheck_all(held.object, part)?;
                    damaged.extend(bad.into_iter().map(|bad| (held.object, bad)));
                    at = part.end;
                }
            }
        }
        Ok(damaged)
    }
}

impl Shared {
    /// Checks those of `blocks` that are still held.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the damaged blocks, which are no longer held then.
    pub(super) fn recheck(&self, object: ObjectId, blocks: BlockRange) -> Result<(), StoreError> {
        let bad = self.recheck_all(object, blocks)?;
        match (bad.first(), bad.last()) {
            (Some(first), Some(last)) => {
                Err(StoreError::Damaged { object, blocks: BlockRange::new(first.start, last.end) })
            }
            _ => Ok(()),
        }
    }

    fn recheck_all(&self, object: ObjectId, blocks: BlockRange) -> Result<Vec<BlockRange>, StoreError> {
        let _gate = self.gate(object).write().unwrap_or_else(PoisonError::into_inner);
        let (size, held) = {
            let state = lock(&self.state);
            if state.closed {
                return Err(StoreError::Closed);
            }
            let Some(entry) = state.objects.get(&object) else { return Ok(Vec::new()) };
            (entry.record.size, entry.held.present(blocks).collect::<Vec<_>>())
        };
        let mut bad = Vec::new();
        for range in held {
            bad.extend(self.bad_blocks(object, size, range)?);
        }
        if !bad.is_empty() {
            tracing::warn!(%object, blocks = ?bad, "cache: damaged on disk, given up");
            self.unclaim(object, &bad)?;
        }
        Ok(bad)
    }

    /// Gives up blocks that read badly although checking them found nothing.
    pub(super) fn strike(&self, object: ObjectId, blocks: BlockRange) -> StoreError {
        let _gate = self.gate(object).write().unwrap_or_else(PoisonError::into_inner);
        tracing::warn!(%object, ?blocks, "cache: reads differ from each other, given up");
        match self.unclaim(object, &[blocks]) {
            Ok(_) => StoreError::Damaged { object, blocks },
            Err(error) => error,
        }
    }

    /// Strikes blocks from the record, durably. The caller holds the object's gate alone. Answers which of
    /// them were held, nothing when none.
    fn unclaim(
        &self,
        object: ObjectId,
        blocks: &[BlockRange],
    ) -> Result<Option<(ObjectSize, Vec<BlockRange>, Left)>, StoreError> {
        let _commit = lock(&self.commit);
        let (record, gone, left) = {
            let state = &mut *lock(&self.state);
            if state.closed {
                return Err(StoreError::Closed);
            }
            let Some(taken) = state.take_claims(object, blocks) else { return Ok(None) };
            taken
        };
        let size = record.size;
        let change = [(object, record.if_any())];
        let mut committed = self.records.commit(&change);
        if matches!(committed, Err(StoreError::Full { .. })) {
            // Room is needed to say that there is room: that is what the reserve is for.
            self.spend_reserve()?;
            committed = self.records.commit(&change);
        }
        if let Err(error) = committed {
            let state = &mut *lock(&self.state);
            state.changed.entry(object).or_insert(Change::Record);
            return Err(error);
        }
        Ok(Some((size, gone, left)))
    }

    fn delete_files(&self, object: ObjectId) -> Result<(), StoreError> {
        lock(&self.handles).forget(object);
        let (data, outboard) = paths(&self.dir, object);
        let remove = |path: PathBuf| self.disk.remove(&path).map_err(StoreError::io("remove", &path));
        remove(data).and(remove(outboard))
    }

    fn reserve_path(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    fn spend_reserve(&self) -> Result<(), StoreError> {
        let path = self.reserve_path();
        lock(&self.state).reserve_spent = true;
        self.disk.remove(&path).map_err(StoreError::io("remove", &path))
    }

    /// Puts room aside again after an eviction made some.
    fn restore_reserve(&self) {
        if !lock(&self.state).reserve_spent {
            return;
        }
        match self.keep_reserve() {
            Ok(()) => lock(&self.state).reserve_spent = false,
            Err(error) => tracing::debug!(%error, "cache: no room to put aside yet"),
        }
    }

    /// Puts a little room aside, so that eviction works on a full disk.
    pub(super) fn keep_reserve(&self) -> Result<(), StoreError> {
        let path = self.reserve_path();
        let put = || {
            let (file, _) = self.disk.open(&path)?;
            if file.allocated()? < limits::RESERVE {
                // Not zeros: a compressing file system would keep no room for those.
                let mut noise = vec![0; usize::try_from(limits::RESERVE).expect("1 MiB")];
                getrandom::fill(&mut noise)?;
                file.write_at(&noise, 0)?;
                file.sync()?;
            }
            Ok(())
        };
        put().map_err(StoreError::io("write", &path))
    }
}

impl State {
    /// Takes those of `blocks` that are held out of an object's record.
    fn take_claims(
        &mut self,
        object: ObjectId,
        blocks: &[BlockRange],
    ) -> Option<(super::records::Record, Vec<BlockRange>, Left)> {
        let entry = self.objects.get_mut(&object)?;
        let gone: Vec<_> = blocks.iter().flat_map(|range| entry.held.present(*range)).collect();
        if gone.is_empty() {
            return None;
        }
        for range in &gone {
            entry.held.remove(*range);
            entry.record.blocks.remove(*range);
        }
        let record = entry.record.clone();
        if !entry.held.is_empty() {
            return Some((record, gone, Left::Something));
        }
        self.objects.remove(&object);
        self.changed.remove(&object);
        Some((record, gone, Left::Nothing))
    }
}
