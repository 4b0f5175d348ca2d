//! The few things the store asks of a file system, so that tests can put one underneath that loses power.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError};

/// Whether opening a file made it; a made file is durable only after its directory was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// It was there.
    Existing,
    /// It was made, possibly with its directory.
    Made,
}

/// A taken lock, let go when dropped.
pub(super) trait DirLock: fmt::Debug + Send {}

impl DirLock for File {}

/// A file system.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Makes a directory and those above it, readable by the user alone.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the lock file; nothing when another process has it. Held as long as the answer lives.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DirLock>>>;
    /// Opens a file for reading and writing, made if absent.
    fn open(&self, path: &Path) -> io::Result<(Arc<dyn DiskFile>, Opened)>;
    /// Removes a file; an absent one is no error.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Whether there is a file of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Gives a file another name of the same directory, at once or not at all.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes names made or removed in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// All files in the directories of `path`.
    fn files_below(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Opens the metadata database, made if absent.
    fn database(&self, path: &Path, builder: &redb::Builder) -> Result<Database, DatabaseError>;
}

/// An open file, read and written at positions.
pub(super) trait DiskFile: fmt::Debug + Send + Sync {
    /// Fills `buf` from `offset`, or fails with `UnexpectedEof`.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// As `read_at`, but fails with `WouldBlock` when the bytes are not in memory.
    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written durable.
    fn sync(&self) -> io::Result<()>;
    /// Gives the room of `len` bytes at `offset` back; they read as zeros. The length of the file stays.
    fn punch(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Bytes that the file takes on disk.
    fn allocated(&self) -> io::Result<u64>;
}

/// The operating system's file system.
#[derive(Debug)]
pub(super) struct OsDisk;

impl Disk for OsDisk {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        // What somebody listens to is nobody else's business.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DirLock>>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn open(&self, path: &Path) -> io::Result<(Arc<dyn DiskFile>, Opened)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match options.open(path) {
            Ok(file) => return Ok((Arc::new(OsFile(file)), Opened::Existing)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if let Some(dir) = path.parent() {
            self.make_dir(dir)?;
        }
        let file = options.create(true).truncate(false).open(path)?;
        Ok((Arc::new(OsFile(file)), Opened::Made))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn files_below(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for dir in fs::read_dir(path)? {
            let dir = dir?;
            if dir.file_type()?.is_dir() {
                for file in fs::read_dir(dir.path())? {
                    files.push(file?.path());
                }
            }
        }
        Ok(files)
    }

    fn database(&self, path: &Path, builder: &redb::Builder) -> Result<Database, DatabaseError> {
        builder.create(path)
    }
}

#[derive(Debug)]
struct OsFile(File);

impl DiskFile for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    #[cfg(target_os = "linux")]
    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        use rustix::io::{ReadWriteFlags, preadv2};
        let want = buf.len();
        let slices = &mut [io::IoSliceMut::new(buf)];
        match preadv2(&self.0, slices, offset, ReadWriteFlags::NOWAIT) {
            Ok(got) if got == want => Ok(()),
            // Part in memory, end of file, or a file system that cannot tell: the waiting read finds out.
            Ok(_) | Err(rustix::io::Errno::OPNOTSUPP) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn read_cached_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    #[cfg(target_os = "linux")]
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(&self.0, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len) {
            // A file system without holes gives the room back when the whole object goes.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn punch(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.blocks() * 512)
    }
}
