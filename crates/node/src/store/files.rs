//! The two files of an object, and the bounded set of those kept open.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearcast_content::tree::{PAIR_LEN, Parents};
use nearcast_content::{ByteRange, ObjectId};

use super::disk::{Disk, DiskFile, Opened};
use super::{StoreError, limits};

/// Bytes and paged outboard of an object, both sparse.
#[derive(Debug)]
pub(super) struct Files {
    data: Arc<dyn DiskFile>,
    outboard: Arc<dyn DiskFile>,
    data_path: PathBuf,
    outboard_path: PathBuf,
}

/// Paths of an object's bytes and outboard.
pub(super) fn paths(dir: &Path, object: ObjectId) -> (PathBuf, PathBuf) {
    let name = object.to_string();
    // 256 directories keep each short.
    let stem = objects_dir(dir).join(&name[..2]).join(name);
    (stem.with_extension("dat"), stem.with_extension("obo"))
}

pub(super) fn objects_dir(dir: &Path) -> PathBuf {
    dir.join("objects")
}

/// The object that a file of the store belongs to, by its name.
pub(super) fn object_of(path: &Path) -> Option<ObjectId> {
    let ours = matches!(path.extension()?.to_str()?, "dat" | "obo");
    path.file_stem()?.to_str()?.parse().ok().filter(|_| ours)
}

impl Files {
    /// Opens both files; also tells the directory in which a name was made.
    pub(super) fn open(
        disk: &dyn Disk,
        dir: &Path,
        object: ObjectId,
    ) -> Result<(Self, Option<PathBuf>), StoreError> {
        let (data_path, outboard_path) = paths(dir, object);
        let open = |path: &Path| disk.open(path).map_err(StoreError::io("open", path));
        let (data, data_made) = open(&data_path)?;
        let (outboard, outboard_made) = open(&outboard_path)?;
        let made = [data_made, outboard_made].contains(&Opened::Made);
        let made = data_path.parent().filter(|_| made).map(Path::to_owned);
        Ok((Self { data, outboard, data_path, outboard_path }, made))
    }

    /// Reads bytes of the object. False when the disk cannot give them: the file is too short or a sector bad.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<bool, StoreError> {
        readable(self.data.read_at(buf, offset)).map_err(StoreError::io("read", &self.data_path))
    }

    /// Reads a parent; nothing when the disk cannot give it.
    pub(super) fn read_parent(&self, offset: u64) -> Result<Option<[u8; PAIR_LEN]>, StoreError> {
        let mut pair = [0; PAIR_LEN];
        let read = readable(self.outboard.read_at(&mut pair, offset));
        Ok(read.map_err(StoreError::io("read", &self.outboard_path))?.then_some(pair))
    }

    /// Reads bytes of the object if they are in memory.
    pub(super) fn read_cached(&self, offset: u64, buf: &mut [u8]) -> bool {
        self.data.read_cached_at(buf, offset).is_ok()
    }

    /// Parents as far as they are in memory.
    pub(super) fn cached_parents(&self) -> impl Parents {
        CachedParents(&*self.outboard)
    }

    /// Writes bytes of the object.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.data.write_at(bytes, offset).map_err(StoreError::io("write", &self.data_path))
    }

    /// Writes neighbouring parents.
    pub(super) fn write_parents(&self, offset: u64, pairs: &[u8]) -> Result<(), StoreError> {
        self.outboard.write_at(pairs, offset).map_err(StoreError::io("write", &self.outboard_path))
    }

    /// Makes both durable, the parents first: without them the bytes are worth nothing.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.outboard.sync().map_err(StoreError::io("sync", &self.outboard_path))?;
        self.data.sync().map_err(StoreError::io("sync", &self.data_path))
    }

    /// Gives the room of some bytes back.
    pub(super) fn punch(&self, bytes: ByteRange) -> Result<(), StoreError> {
        self.data.punch(bytes.start, bytes.len()).map_err(StoreError::io("free room in", &self.data_path))
    }

    /// Bytes that the object takes on disk, without its outboard.
    pub(super) fn allocated(&self) -> Result<u64, StoreError> {
        self.data.allocated().map_err(StoreError::io("measure", &self.data_path))
    }
}

struct CachedParents<'a>(&'a dyn DiskFile);

impl Parents for CachedParents<'_> {
    fn parent(&self, offset: u64) -> Option<[u8; PAIR_LEN]> {
        let mut pair = [0; PAIR_LEN];
        self.0.read_cached_at(&mut pair, offset).ok().map(|()| pair)
    }
}

/// Tells bytes that are lost (false) from a system that cannot read right now (an error).
fn readable(read: io::Result<()>) -> io::Result<bool> {
    /// A sector that cannot be read.
    const EIO: i32 = 5;
    match read {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) if error.raw_os_error() == Some(EIO) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Files kept open for the next access, the least recently used given up first.
#[derive(Debug, Default)]
pub(super) struct Handles {
    open: BTreeMap<ObjectId, (u64, Arc<Files>)>,
    clock: u64,
}

impl Handles {
    pub(super) fn get(&mut self, object: ObjectId) -> Option<Arc<Files>> {
        self.clock += 1;
        let (used, files) = self.open.get_mut(&object)?;
        *used = self.clock;
        Some(files.clone())
    }

    /// Keeps `files` open, unless another thread was first: then those are the ones to use.
    pub(super) fn put(&mut self, object: ObjectId, files: Arc<Files>) -> Arc<Files> {
        if let Some(first) = self.get(object) {
            return first;
        }
        if self.open.len() >= limits::OPEN_OBJECTS {
            let oldest = self.open.iter().min_by_key(|(_, (used, _))| *used).map(|(object, _)| *object);
            oldest.and_then(|object| self.open.remove(&object));
        }
        self.open.insert(object, (self.clock, files.clone()));
        files
    }

    pub(super) fn forget(&mut self, object: ObjectId) {
        self.open.remove(&object);
    }

    pub(super) fn forget_all(&mut self) {
        self.open.clear();
    }
}
