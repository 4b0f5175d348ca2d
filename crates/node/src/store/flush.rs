//! Making written blocks durable: sync the files, then commit the records.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use nearcast_content::{BlockRange, BlockSet, ObjectId};

use super::files::{Files, objects_dir};
use super::records::Record;
use super::{Change, Flusher, Shared, State, Store, StoreError, limits, lock};

/// One flush: what was held when it began.
struct Batch {
    /// An object without a record is to be deleted.
    objects: Vec<(ObjectId, Option<Record>, Change)>,
    dirs: BTreeSet<PathBuf>,
}

impl Store {
    /// Makes every block written so far durable.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`] or [`StoreError::Metadata`]. When bytes could not be synced,
    /// the blocks concerned are no longer held: what the disk did with them is unknown.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.shared.flush()
    }

    /// Waits until blocks that were held are held no longer, since they could not be made durable. Each is told of
    /// once, to one of those who wait.
    pub async fn given_up(&self) -> Vec<(ObjectId, BlockRange)> {
        loop {
            let given_up = std::mem::take(&mut lock(&self.shared.state).given_up);
            let ranges = |(object, blocks): (ObjectId, BlockSet)| {
                blocks.ranges().iter().map(|range| (object, *range)).collect::<Vec<_>>()
            };
            let given_up: Vec<_> = given_up.into_iter().flat_map(ranges).collect();
            if !given_up.is_empty() {
                return given_up;
            }
            self.shared.gave_up.notified().await;
        }
    }

    /// Flushes, stops the flushing thread and lets the directory go. Every later call on any clone answers
    /// [`StoreError::Closed`].
    ///
    /// # Errors
    /// As [`Self::flush`]; the store is closed all the same.
    pub fn close(&self) -> Result<(), StoreError> {
        self.flusher.stop();
        let flushed = self.shared.flush();
        let _commit = lock(&self.shared.commit);
        lock(&self.shared.state).closed = true;
        lock(&self.shared.handles).forget_all();
        self.shared.records.close();
        lock(&self.shared.lock).take();
        flushed
    }
}

impl State {
    /// Whether enough waits for the flushing thread not to wait longer.
    pub(super) fn flush_is_due(&self) -> bool {
        self.unsynced_bytes >= limits::FLUSH_BYTES || self.changed.len() >= limits::MAX_UNSYNCED_OBJECTS
    }

    /// How long the flushing thread may sleep; nothing when there is nothing to do.
    fn patience(&self) -> Option<Duration> {
        let left = |since: Option<Instant>, limit: Duration| since.map(|t| limit.saturating_sub(t.elapsed()));
        let pause = left(self.failed_at, limits::FLUSH_AFTER).unwrap_or_default();
        let written = left(self.written_at, limits::FLUSH_AFTER);
        let touched = left(self.touched_at, limits::TOUCH_AFTER);
        let soonest = written.into_iter().chain(touched).min();
        let due = self.written_at.is_some() && self.flush_is_due();
        let wait = if due { Some(Duration::ZERO) } else { soonest };
        wait.map(|wait| wait.max(pause))
    }

    /// Holds no more of an object than is durable, and remembers what that is less.
    fn give_up_unsynced(&mut self, object: ObjectId) {
        let Some(entry) = self.objects.get_mut(&object) else { return };
        let durable = entry.record.blocks.clone();
        let held = std::mem::replace(&mut entry.held, durable.clone());
        if durable.is_empty() {
            self.objects.remove(&object);
        }
        let lost = self.given_up.entry(object).or_default();
        held.ranges().iter().flat_map(|range| durable.missing(*range)).for_each(|range| {
            lost.insert(range);
        });
    }

    fn take_batch(&mut self) -> Batch {
        self.unsynced_bytes = 0;
        self.written_at = None;
        self.touched_at = None;
        let changed = std::mem::take(&mut self.changed);
        let objects = changed.into_iter().map(|(object, change)| {
            let entry = self.objects.get(&object);
            let record = entry.map(|e| Record { blocks: e.held.clone(), ..e.record.clone() });
            (object, record, change)
        });
        Batch { objects: objects.collect(), dirs: std::mem::take(&mut self.unsynced_dirs) }
    }
}

impl Shared {
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let _commit = lock(&self.commit);
        let batch = {
            let state = &mut *lock(&self.state);
            if state.closed {
                return Err(StoreError::Closed);
            }
            state.take_batch()
        };
        let flushed = self.make_durable(batch);
        lock(&self.state).failed_at = flushed.as_ref().err().map(|_| Instant::now());
        if flushed.is_err() {
            // Whoever flushed, it is for the flushing thread to try again.
            self.wake.notify_one();
        }
        flushed
    }

    fn make_durable(&self, batch: Batch) -> Result<(), StoreError> {
        if let Err(error) = self.sync(&batch) {
            self.forget_unsynced(batch);
            return Err(error);
        }
        if batch.objects.is_empty() {
            return Ok(());
        }
        let claims = |record: &Option<Record>| record.as_ref().and_then(Record::if_any);
        let records: Vec<_> = batch.objects.iter().map(|(id, record, _)| (*id, claims(record))).collect();
        if let Err(error) = self.records.commit(&records) {
            self.commit_again_later(batch);
            return Err(error);
        }
        let state = &mut *lock(&self.state);
        for (object, record, _) in batch.objects {
            if let Some((entry, record)) = state.objects.get_mut(&object).zip(record) {
                // Removal waits for `commit`, so none of these has gone in the meantime.
                entry.record.blocks = record.blocks;
            }
        }
        Ok(())
    }

    fn sync(&self, batch: &Batch) -> Result<(), StoreError> {
        let files = batch.objects.iter().filter_map(|(_, _, change)| change.files());
        files.into_iter().try_for_each(|files| files.sync())?;
        let sync_dir = |dir: &PathBuf| self.disk.sync_dir(dir).map_err(StoreError::io("sync", dir));
        batch.dirs.iter().try_for_each(sync_dir)?;
        if batch.dirs.is_empty() { Ok(()) } else { sync_dir(&objects_dir(&self.dir)) }
    }

    /// After a failed sync the system may have dropped pages and forgotten that it did: a second sync would
    /// succeed without them. So what was not durable before is given up.
    fn forget_unsynced(&self, batch: Batch) {
        {
            let state = &mut *lock(&self.state);
            for (object, _, change) in batch.objects {
                if let Change::Bytes(_) = &change {
                    state.give_up_unsynced(object);
                }
                state.changed.entry(object).or_insert(Change::Record);
            }
            state.unsynced_dirs.extend(batch.dirs);
            state.touched_at.get_or_insert_with(Instant::now);
        }
        self.gave_up.notify_one();
    }

    /// The bytes are durable; only the records are not.
    fn commit_again_later(&self, batch: Batch) {
        let state = &mut *lock(&self.state);
        for (object, ..) in batch.objects {
            state.changed.entry(object).or_insert(Change::Record);
        }
        state.written_at.get_or_insert_with(Instant::now);
    }
}

impl Change {
    fn files(&self) -> Option<&Arc<Files>> {
        match self {
            Self::Bytes(files) => Some(files),
            Self::Record => None,
        }
    }
}

impl Record {
    /// The record, or nothing when it claims nothing.
    pub(super) fn if_any(&self) -> Option<Self> {
        Some(self.clone()).filter(|record| !record.blocks.is_empty())
    }
}

impl Flusher {
    /// The flushing thread: sleeps until something is due.
    pub(super) fn run(shared: &Shared) {
        let mut state = lock(&shared.state);
        while !state.stopping {
            match state.patience() {
                Some(Duration::ZERO) => {
                    drop(state);
                    if let Err(error) = shared.flush() {
                        tracing::warn!(%error, "cache: could not make blocks durable");
                    }
                    state = lock(&shared.state);
                }
                Some(left) => {
                    let woken = shared.wake.wait_timeout(state, left);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Ends the thread, if there is one.
    pub(super) fn stop(&self) {
        lock(&self.shared.state).stopping = true;
        self.shared.wake.notify_all();
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("cache: the flushing thread panicked");
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.stop();
        match self.shared.flush() {
            Ok(()) | Err(StoreError::Closed) => {}
            Err(error) => tracing::warn!(%error, "cache: the last blocks were not made durable"),
        }
    }
}
