//! Opening the store: the lock, the records, and what an unclean end left behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use nearcast_content::ObjectId;
use tokio::sync::Notify;

use super::disk::{Disk, OsDisk};
use super::files::{Handles, object_of, objects_dir};
use super::records::Records;
use super::{Entry, Flusher, Holding, Shared, State, Store, StoreError, gates, limits, lock};

/// Who flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushing {
    /// A thread of the store.
    Thread,
    /// The caller alone, so that a test decides when.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests that replay by seed"))]
    Caller,
}

/// What a cache in `dir` may take when the user says nothing: 10 % of the free disk, 50 MB to 10 GB, the same
/// as Spotify's client. What the cache holds already counts as free.
///
/// # Errors
/// [`StoreError::Io`] when the file system cannot tell.
pub fn default_budget(dir: &Path, held: u64) -> Result<u64, StoreError> {
    let mut existing = dir;
    while let Some(parent) = existing.parent().filter(|_| !existing.exists()) {
        existing = parent;
    }
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let free = fs4::available_space(existing).map_err(StoreError::io("measure the disk of", dir))?;
    Ok((free.saturating_add(held) / 10).clamp(50_000_000, 10_000_000_000))
}

impl Store {
    /// Opens the store in `dir`, made if absent, and answers what it holds.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it, [`StoreError::Format`] when another version wrote
    /// it, [`StoreError::Metadata`] or [`StoreError::BadRecord`] when it is broken, [`StoreError::Full`],
    /// [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<(Self, Vec<Holding>), StoreError> {
        Self::open_on(Arc::new(OsDisk), dir, Flushing::Thread)
    }

    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        flushing: Flushing,
    ) -> Result<(Self, Vec<Holding>), StoreError> {
        let objects = objects_dir(dir);
        disk.make_dir(&objects).map_err(StoreError::io("make", &objects))?;
        let lock_path = dir.join("lock");
        let held = disk.lock(&lock_path).map_err(StoreError::io("lock", &lock_path))?;
        let held = held.ok_or_else(|| StoreError::Locked { dir: dir.to_owned() })?;
        let (records, known) = Records::open(disk.clone(), dir)?;
        disk.sync_dir(dir).map_err(StoreError::io("sync", dir))?;
        let mut state = State::default();
        for (object, record) in known {
            state.last_rank = state.last_rank.max(record.last_used);
            state.objects.insert(object, Entry { held: record.blocks.clone(), record });
        }
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            disk,
            records,
            state: Mutex::new(state),
            wake: Condvar::new(),
            gave_up: Notify::new(),
            commit: Mutex::new(()),
            gates: gates(),
            handles: Mutex::new(Handles::default()),
            lock: Mutex::new(Some(held)),
        });
        shared.tidy()?;
        let thread = match flushing {
            Flushing::Thread => Some(spawn(shared.clone())?),
            Flushing::Caller => None,
        };
        let flusher = Arc::new(Flusher { shared: shared.clone(), thread: Mutex::new(thread) });
        let store = Self { shared, flusher };
        let holdings = store.holdings();
        Ok((store, holdings))
    }
}

fn spawn(shared: Arc<Shared>) -> Result<thread::JoinHandle<()>, StoreError> {
    let dir = shared.dir.clone();
    let thread = thread::Builder::new().name("cache-flush".to_owned());
    thread.spawn(move || Flusher::run(&shared)).map_err(StoreError::io("start the flushing thread of", &dir))
}

impl Shared {
    /// Gives back room that no record claims: files of forgotten objects, and blocks whose removal or commit
    /// did not finish.
    fn tidy(&self) -> Result<(), StoreError> {
        let objects = objects_dir(&self.dir);
        let files = self.disk.files_below(&objects).map_err(StoreError::io("list", &objects))?;
        let mut present = BTreeSet::new();
        for path in files {
            // A file that is not named like ours is not ours to remove.
            let Some(object) = object_of(&path) else { continue };
            if lock(&self.state).objects.contains_key(&object) {
                present.insert(object);
            } else {
                self.disk.remove(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        present.into_iter().try_for_each(|object| self.trim(object))?;
        match self.keep_reserve() {
            // A full disk is no reason not to play what is there.
            Ok(()) | Err(StoreError::Full { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Punches the missing blocks of an object that takes clearly more room than its held blocks.
    fn trim(&self, object: ObjectId) -> Result<(), StoreError> {
        let (size, missing, bytes) = {
            let state = lock(&self.state);
            let Some(entry) = state.objects.get(&object) else { return Ok(()) };
            let missing: Vec<_> = entry.held.missing(entry.record.size.all()).collect();
            (entry.record.size, missing, entry.bytes())
        };
        if missing.is_empty() {
            return Ok(());
        }
        let files = self.files(object)?;
        if files.allocated()? > bytes + limits::SLACK {
            for range in missing {
                files.punch(size.bytes_of(range))?;
            }
        }
        Ok(())
    }
}
