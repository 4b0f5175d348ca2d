//! A disk in memory that can lose power, fill up and fail to sync.
//!
//! Writes, new lengths and holes reach "the platter" when the file is synced, names when their directory
//! is. When power is lost, each that is still pending happened or not, as a seed says; writes may be torn.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use redb::{Database, DatabaseError};

use super::super::disk::{DirLock, Disk, DiskFile, Opened};
use super::super::lock;
use super::Random;

const PAGE: u64 = 4096;
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Pending {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Punch(u64, u64),
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    pages: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Node {
    live: Content,
    platter: Content,
    pending: Vec<Pending>,
}

#[derive(Debug, Default)]
struct World {
    live: BTreeMap<PathBuf, Arc<Mutex<Node>>>,
    platter: BTreeMap<PathBuf, Arc<Mutex<Node>>>,
    locked: bool,
    /// Changes so far.
    changes: u64,
    /// At this change the power goes.
    cut_at: Option<u64>,
    capacity: Option<u64>,
    failing_syncs: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk(Arc<Mutex<World>>);

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    node: Arc<Mutex<Node>>,
}

#[derive(Debug)]
struct Locked(MemoryDisk);

impl DirLock for Locked {}

impl Drop for Locked {
    fn drop(&mut self) {
        lock(&self.0.0).locked = false;
    }
}

fn index(n: u64) -> usize {
    usize::try_from(n).expect("small")
}

impl Content {
    fn apply(&mut self, change: &Pending) {
        match change {
            Pending::Write(offset, bytes) => {
                let end = index(*offset) + bytes.len();
                if self.bytes.len() < end {
                    self.bytes.resize(end, 0);
                }
                self.bytes[index(*offset)..end].copy_from_slice(bytes);
                self.pages.extend(pages(*offset, bytes.len()));
            }
            Pending::SetLen(len) => {
                self.bytes.resize(index(*len), 0);
                self.pages.retain(|page| page * PAGE < *len);
            }
            Pending::Punch(offset, len) => {
                let end = (index(*offset) + index(*len)).min(self.bytes.len());
                if let Some(hole) = self.bytes.get_mut(index(*offset)..end) {
                    hole.fill(0);
                }
                self.pages.retain(|page| page * PAGE < *offset || (page + 1) * PAGE > offset + len);
            }
        }
    }
}

fn pages(offset: u64, len: usize) -> impl Iterator<Item = u64> {
    offset / PAGE..(offset + len as u64).div_ceil(PAGE)
}

impl MemoryDisk {
    /// Loses power at the `n`th change from here.
    pub(super) fn cut_after(&self, n: u64) {
        let world = &mut *lock(&self.0);
        world.cut_at = Some(world.changes + n);
    }

    pub(super) fn is_off(&self) -> bool {
        let world = lock(&self.0);
        world.cut_at.is_some_and(|at| world.changes >= at)
    }

    pub(super) fn limit(&self, capacity: Option<u64>) {
        lock(&self.0).capacity = capacity;
    }

    pub(super) fn fail_syncs(&self, n: u32) {
        lock(&self.0).failing_syncs = n;
    }

    pub(super) fn used(&self) -> u64 {
        lock(&self.0).used()
    }

    /// The disk as it is found when power is back.
    pub(super) fn after_power_cut(&self, random: &mut Random) -> Self {
        let world = lock(&self.0);
        let mut names = world.platter.clone();
        for (path, node) in &world.live {
            if !names.contains_key(path) && random.below(2) == 0 {
                names.insert(path.clone(), node.clone());
            }
        }
        names.retain(|path, _| world.live.contains_key(path) || random.below(2) == 0);
        let found = names.into_iter().map(|(path, node)| {
            let node = lock(&node);
            let mut content = node.platter.clone();
            for change in &node.pending {
                if let Some(change) = survives(change, random) {
                    content.apply(&change);
                }
            }
            let node = Node { live: content.clone(), platter: content, pending: Vec::new() };
            (path, Arc::new(Mutex::new(node)))
        });
        let live: BTreeMap<_, _> = found.collect();
        Self(Arc::new(Mutex::new(World { platter: live.clone(), live, ..World::default() })))
    }
}

/// What of a pending change reached the platter.
fn survives(change: &Pending, random: &mut Random) -> Option<Pending> {
    match (random.below(8), change) {
        (0..4, _) => None,
        (4, Pending::Write(offset, bytes)) => {
            let sectors = random.index(bytes.len().div_ceil(SECTOR) + 1);
            Some(Pending::Write(*offset, bytes[..bytes.len().min(sectors * SECTOR)].to_vec()))
        }
        _ => Some(change.clone()),
    }
}

impl World {
    fn used(&self) -> u64 {
        self.live.values().map(|node| lock(node).live.pages.len() as u64 * PAGE).sum()
    }

    /// Counts a change, and refuses it when power is gone.
    fn change(&mut self) -> io::Result<()> {
        if self.cut_at.is_some_and(|at| self.changes >= at) {
            return Err(io::Error::other("the power is off"));
        }
        self.changes += 1;
        Ok(())
    }
}

impl MemoryFile {
    fn change(&self, change: Pending) -> io::Result<()> {
        let world = &mut *lock(&self.disk.0);
        world.change()?;
        if let (Some(capacity), Pending::Write(offset, bytes)) = (world.capacity, &change) {
            let more = {
                let node = lock(&self.node);
                pages(*offset, bytes.len()).filter(|page| !node.live.pages.contains(page)).count() as u64
            };
            if more > 0 && world.used() + more * PAGE > capacity {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let node = &mut *lock(&self.node);
        node.live.apply(&change);
        node.pending.push(change);
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let node = lock(&self.node);
        let end = index(offset) + buf.len();
        let bytes = node.live.bytes.get(index(offset)..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn read_cached_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Pending::Write(offset, bytes.to_vec()))
    }

    fn sync(&self) -> io::Result<()> {
        let world = &mut *lock(&self.disk.0);
        world.change()?;
        let node = &mut *lock(&self.node);
        let pending = std::mem::take(&mut node.pending);
        if world.failing_syncs > 0 {
            // As Linux does: the pages are dropped and the next sync knows nothing of them.
            world.failing_syncs -= 1;
            return Err(io::Error::other("the platter refuses"));
        }
        pending.iter().for_each(|change| node.platter.apply(change));
        Ok(())
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.change(Pending::Punch(offset, len))
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(lock(&self.node).live.pages.len() as u64 * PAGE)
    }
}

impl redb::StorageBackend for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.node).live.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Pending::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_at(data, offset)
    }
}

impl MemoryDisk {
    fn file(&self, path: &Path) -> io::Result<(MemoryFile, Opened)> {
        let world = &mut *lock(&self.0);
        let opened = if world.live.contains_key(path) { Opened::Existing } else { Opened::Made };
        if opened == Opened::Made {
            world.change()?;
        }
        let node = world.live.entry(path.to_owned()).or_default().clone();
        Ok((MemoryFile { disk: self.clone(), node }, opened))
    }
}

impl Disk for MemoryDisk {
    fn make_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn DirLock>>> {
        let was = std::mem::replace(&mut lock(&self.0).locked, true);
        Ok((!was).then(|| Box::new(Locked(self.clone())) as Box<dyn DirLock>))
    }

    fn open(&self, path: &Path) -> io::Result<(Arc<dyn DiskFile>, Opened)> {
        let (file, opened) = self.file(path)?;
        Ok((Arc::new(file), opened))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let world = &mut *lock(&self.0);
        world.change()?;
        world.live.remove(path);
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(lock(&self.0).live.contains_key(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let world = &mut *lock(&self.0);
        world.change()?;
        let node = world.live.remove(from).ok_or(io::ErrorKind::NotFound)?;
        world.live.insert(to.to_owned(), node);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let world = &mut *lock(&self.0);
        world.change()?;
        world.platter.retain(|path, _| path.parent() != Some(dir));
        let named = world.live.iter().filter(|(path, _)| path.parent() == Some(dir));
        world.platter.extend(named.map(|(path, node)| (path.clone(), node.clone())).collect::<Vec<_>>());
        Ok(())
    }

    fn files_below(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(lock(&self.0).live.keys().filter(|path| path.starts_with(dir)).cloned().collect())
    }

    fn database(&self, path: &Path, builder: &redb::Builder) -> Result<Database, DatabaseError> {
        let (file, _) = self.file(path).map_err(redb::StorageError::from)?;
        builder.create_with_backend(file)
    }
}
