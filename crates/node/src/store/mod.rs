//! The disk cache: verified blocks of objects, kept across restarts, never claimed before they are durable.
//!
//! One directory holds `store.redb` (a record per object: size, held blocks, rank of last use, pinned),
//! and per object two sparse files, `objects/ab/ID.dat` with its bytes at their places and
//! `objects/ab/ID.obo` with its paged outboard. A lock file keeps a second process out.
//!
//! **Held and durable.** A written block is held at once: it may be read and served. It is durable after
//! the next flush, which syncs both files and only then commits the record. A crash therefore loses the
//! blocks since the last flush and never leaves a claim without bytes. Removal goes the other way round:
//! the record is committed without the blocks before their room is given back.
//!
//! **Damage.** Every block is hashed again on the way out, against the parents stored beside it. What does
//! not match is struck from the record and reported as [`StoreError::Damaged`], to be fetched again.
//!
//! **Blocking.** Everything here blocks. On an async loop use [`Store::fetch`], which reads what is in
//! memory on the spot (about 10 µs a block) and takes a thread only for what must come from the disk. Writing
//! goes to the page cache, about 10 µs a block; when the disk cannot follow, [`Store::caught_up`] waits on a
//! thread for that. Flushing has a thread of its own.
//!
//! Which blocks to evict is not decided here but by the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use nearcast_content::{BlockRange, BlockSet, ObjectId, ObjectSize};
use tokio::sync::Notify;

mod check;
mod disk;
mod error;
mod files;
mod flush;
mod limits;
mod open;
mod read;
mod records;
mod remove;
#[cfg(test)]
pub(crate) mod tests;
mod write;

pub use check::{CacheFault, CacheReport, CheckProgress, cache_in, check_cache};
pub use error::StoreError;
pub use open::default_budget;
pub(crate) use read::{BATCH, LONG_BATCH};
pub use read::{Cached, RunReader};
pub use write::{Backlog, RunWriter};

use disk::{DirLock, Disk};
use files::{Files, Handles};
use records::{Record, Records};

/// What the store has of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The object.
    pub object: ObjectId,
    /// Its size.
    pub size: ObjectSize,
    /// The held blocks.
    pub blocks: BlockSet,
    /// Rank of last use, larger is later; only the order counts.
    pub last_used: u64,
    /// Whether the user asked to keep it.
    pub pinned: bool,
    /// When its first block came, in seconds since 1970.
    pub created: u64,
}

/// Whether an object may be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It stays until the user says otherwise.
    Pinned,
    /// It goes when room is needed.
    Evictable,
}

/// How much the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Objects with at least one block.
    pub objects: u64,
    /// Bytes of held blocks. Parents and metadata add about 0.5 %.
    pub bytes: u64,
    /// Of those, bytes of pinned objects.
    pub pinned: u64,
}

/// The disk cache. Clones share it; the last one to go flushes and stops the flushing thread.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// Ends the thread when the last clone goes.
    flusher: Arc<Flusher>,
}

/// What callers and the flushing thread share.
///
/// Locks are taken in this order: a gate, `commit`, `state`, `handles`.
#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    records: Records,
    state: Mutex<State>,
    /// Wakes the flushing thread.
    wake: Condvar,
    /// Rings when blocks were given up.
    gave_up: Notify,
    /// One flush or removal at a time, so that a record never goes back in time.
    commit: Mutex<()>,
    /// Reading and writing share an object's gate; giving room back takes it alone.
    gates: Vec<RwLock<()>>,
    handles: Mutex<Handles>,
    lock: Mutex<Option<Box<dyn DirLock>>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<ObjectId, Entry>,
    /// Objects whose record is older than what is in memory.
    changed: BTreeMap<ObjectId, Change>,
    /// Directories with names that are not durable.
    unsynced_dirs: BTreeSet<PathBuf>,
    unsynced_bytes: u64,
    /// When the first of the unsynced blocks came.
    written_at: Option<Instant>,
    /// When the first change without bytes came.
    touched_at: Option<Instant>,
    last_rank: u64,
    /// When the last flush failed: the next one waits a while.
    failed_at: Option<Instant>,
    /// Blocks that could not be synced and are held no longer, which nobody was told of yet.
    given_up: BTreeMap<ObjectId, BlockSet>,
    /// The room put aside for evicting on a full disk was used.
    reserve_spent: bool,
    /// The flushing thread is to end.
    stopping: bool,
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    /// Held blocks; `record.blocks` are those of them that are durable.
    held: BlockSet,
}

/// What must happen before a record can be committed.
#[derive(Clone, Debug)]
enum Change {
    /// Sync these files.
    Bytes(Arc<Files>),
    /// Nothing: only rank or pin changed, or the bytes were synced by a flush that failed later.
    Record,
}

#[derive(Debug)]
struct Flusher {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while a lock was held cannot leave claims without bytes: they are made after the writes.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// What the store holds of every object.
    pub fn holdings(&self) -> Vec<Holding> {
        lock(&self.shared.state).objects.iter().map(|(object, entry)| entry.holding(*object)).collect()
    }

    /// What the store holds of one object.
    pub fn holding(&self, object: ObjectId) -> Option<Holding> {
        lock(&self.shared.state).objects.get(&object).map(|entry| entry.holding(object))
    }

    /// How much the store holds.
    pub fn usage(&self) -> Usage {
        let state = lock(&self.shared.state);
        state.objects.values().fold(Usage::default(), |sum, entry| {
            let bytes = entry.bytes();
            let pinned = if entry.record.pinned { bytes } else { 0 };
            Usage { objects: sum.objects + 1, bytes: sum.bytes + bytes, pinned: sum.pinned + pinned }
        })
    }

    /// The directory of the store.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Notes that an object is in use: it becomes the last one to be evicted. Nothing when none of it is held.
    pub fn touch(&self, object: ObjectId) {
        let state = &mut *lock(&self.shared.state);
        if let Some(entry) = state.objects.get_mut(&object) {
            state.last_rank += 1;
            entry.record.last_used = state.last_rank;
            state.changed.entry(object).or_insert(Change::Record);
            if state.touched_at.is_none() {
                state.touched_at = Some(Instant::now());
                self.shared.wake.notify_one();
            }
        }
    }

    /// Keeps an object until told otherwise, or lets it go. Durable on return.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] when no block of it is held yet, or what flushing answers.
    pub fn pin(&self, object: ObjectId, keep: Keep) -> Result<(), StoreError> {
        {
            let state = &mut *lock(&self.shared.state);
            let nothing = StoreError::NotHeld { object, blocks: BlockRange::new(0, 0) };
            let entry = state.objects.get_mut(&object).ok_or(nothing)?;
            entry.record.pinned = keep == Keep::Pinned;
            state.changed.entry(object).or_insert(Change::Record);
        }
        self.flush()
    }
}

impl Entry {
    fn new(size: ObjectSize, last_used: u64) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let created = now.map_or(0, |since| since.as_secs());
        let record = Record { size, blocks: BlockSet::EMPTY, last_used, pinned: false, created };
        Self { record, held: BlockSet::EMPTY }
    }

    fn holding(&self, object: ObjectId) -> Holding {
        let Record { size, last_used, pinned, created, .. } = self.record;
        Holding { object, size, blocks: self.held.clone(), last_used, pinned, created }
    }

    fn bytes(&self) -> u64 {
        self.held.ranges().iter().map(|r| self.record.size.bytes_of(*r).len()).sum()
    }
}

impl Shared {
    fn gate(&self, object: ObjectId) -> &RwLock<()> {
        &self.gates[usize::from(object.0[0]) % self.gates.len()]
    }

    /// The size of an object of which `blocks` are held.
    fn held_size(&self, object: ObjectId, blocks: BlockRange) -> Result<ObjectSize, StoreError> {
        let state = lock(&self.state);
        if state.closed {
            return Err(StoreError::Closed);
        }
        let entry = state.objects.get(&object).filter(|e| !blocks.is_empty() && e.held.contains_all(blocks));
        entry.map(|e| e.record.size).ok_or(StoreError::NotHeld { object, blocks })
    }

    /// The first of `blocks`, which must be held, and those held behind it, `most` in all.
    fn held_run(&self, object: ObjectId, blocks: BlockRange, most: u32) -> Result<BlockRange, StoreError> {
        let state = lock(&self.state);
        if state.closed {
            return Err(StoreError::Closed);
        }
        let held = state.objects.get(&object).map(|entry| entry.held.run_at(blocks.start));
        let held = held.ok_or(StoreError::NotHeld { object, blocks })?;
        let batch = BlockRange::new(blocks.start, blocks.start.saturating_add(most));
        let run = held.intersect(blocks).intersect(batch);
        if run.is_empty() { Err(StoreError::NotHeld { object, blocks }) } else { Ok(run) }
    }

    /// The open files of an object, made if absent.
    fn files(&self, object: ObjectId) -> Result<Arc<Files>, StoreError> {
        if let Some(files) = lock(&self.handles).get(object) {
            return Ok(files);
        }
        let (files, made) = Files::open(&*self.disk, &self.dir, object)?;
        if let Some(dir) = made {
            lock(&self.state).unsynced_dirs.insert(dir);
        }
        Ok(lock(&self.handles).put(object, Arc::new(files)))
    }
}

fn gates() -> Vec<RwLock<()>> {
    (0..limits::GATES).map(|_| RwLock::new(())).collect()
}
