//! The folder that is published into: every file appears there whole, by a rename, or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use nearcast_content::{ObjectId, ObjectSize, site};

use super::PublishError;

/// Where files lie until they are whole. Inside the site, because a rename must not cross file systems.
const INCOMING: &str = ".nearcast-incoming";

/// A site's folder, held by one publisher at a time.
#[derive(Debug)]
pub(super) struct SiteDir {
    root: PathBuf,
    incoming: PathBuf,
    next: AtomicU64,
    /// Beside the site, so that it is not uploaded with it.
    records: PathBuf,
    _lock: File,
}

/// A file's size and time of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) mtime_ns: u64,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        let age = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { size: found.len(), mtime_ns: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX) })
    }
}

impl SiteDir {
    /// Opens or makes the folder, takes its lock, and clears away what a killed publisher left.
    pub(super) fn open(root: &Path) -> Result<Self, PublishError> {
        let fail = |path: &Path, why| PublishError::Site { path: path.to_owned(), why };
        fs::create_dir_all(root).map_err(|e| fail(root, e))?;
        let root = root.canonicalize().map_err(|e| fail(root, e))?;
        let name = root.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let records = match root.parent() {
            Some(parent) => parent.join(format!(".{name}.nearcast")),
            None => root.join(".nearcast"),
        };
        fs::create_dir_all(&records).map_err(|e| fail(&records, e))?;
        let path = records.join("lock");
        let lock = File::create(&path).map_err(|e| fail(&path, e))?;
        if lock.try_lock().is_err() {
            return Err(PublishError::Busy { site: root });
        }
        let incoming = root.join(INCOMING);
        match fs::remove_dir_all(&incoming) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail(&incoming, e)),
            Ok(()) | Err(_) => {}
        }
        fs::create_dir_all(&incoming).map_err(|e| fail(&incoming, e))?;
        Ok(Self { root, incoming, next: AtomicU64::new(0), records, _lock: lock })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A file of the publisher's own records, beside the site.
    pub(super) fn record(&self, name: &str) -> PathBuf {
        self.records.join(name)
    }

    /// The file at `path` of the site.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A name for a file in the making.
    pub(super) fn incoming(&self) -> PathBuf {
        self.incoming.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// The bytes at `path`, or nothing when there is no such file.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, PublishError> {
        match fs::read(self.at(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(self.fail(path, why)),
        }
    }

    /// Puts `bytes` at `path`, durably; does nothing when they are there already.
    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
        if self.read(path)?.is_some_and(|there| there == bytes) {
            return Ok(());
        }
        let staged = self.incoming();
        let write = || {
            let mut file = File::create(&staged)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|why| self.fail(path, why))?;
        self.move_in(&staged, path)
    }

    /// Puts a file that was made under [`Self::incoming`] at `path`.
    pub(super) fn move_in(&self, staged: &Path, path: &str) -> Result<(), PublishError> {
        #[cfg(test)]
        super::tests::step();
        let place = self.at(path);
        let write = || {
            fs::create_dir_all(place.parent().unwrap_or(&self.root))?;
            fs::rename(staged, &place)
        };
        write().map_err(|why| self.fail(path, why))
    }

    /// Puts what is at `from` of the site at `to` too, without storing it twice where links are possible.
    pub(super) fn duplicate(&self, from: &str, to: &str) -> Result<(), PublishError> {
        let staged = self.incoming();
        let (source, fail) = (self.at(from), |why| self.fail(to, why));
        fs::hard_link(&source, &staged).or_else(|_| fs::copy(&source, &staged).map(drop)).map_err(fail)?;
        self.move_in(&staged, to)
    }

    /// Removes the file at `path` and folders that it leaves empty.
    pub(super) fn remove(&self, path: &str) -> Result<(), PublishError> {
        #[cfg(test)]
        super::tests::step();
        let place = self.at(path);
        match fs::remove_file(&place) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(self.fail(path, why)),
            Ok(()) | Err(_) => {}
        }
        let mut folder = place.parent();
        // Removing a folder fails when it is not empty, which is where this ends.
        while let Some(empty) = folder.filter(|f| *f != self.root && fs::remove_dir(f).is_ok()) {
            folder = empty.parent();
        }
        Ok(())
    }

    /// Whether an object lies at `path` with this stamp, and its outboard beside it at full length.
    pub(super) fn is_intact(&self, path: &str, stamp: Stamp) -> bool {
        let Some(size) = ObjectSize::new(stamp.size) else { return false };
        let outboard = Stamp::of(&self.at(&outboard_beside(path))).map(|s| s.size).ok();
        let want = (u64::from(size.blocks()) - 1) * 64;
        Stamp::of(&self.at(path)).is_ok_and(|s| s == stamp)
            && (!site::has_outboard(size) || outboard == Some(want))
    }

    /// Whether the outboard of an object that lies elsewhere is there at full length.
    pub(super) fn has_outboard_of(&self, id: ObjectId, size: ObjectSize) -> bool {
        let there = Stamp::of(&self.at(&site::object_outboard_path(id))).map(|s| s.size).ok();
        !site::has_outboard(size) || there == Some((u64::from(size.blocks()) - 1) * 64)
    }

    pub(super) fn fail(&self, path: &str, why: io::Error) -> PublishError {
        PublishError::Site { path: self.at(path), why }
    }
}

impl Drop for SiteDir {
    fn drop(&mut self) {
        // Left behind on failure, it is cleared by the next publisher.
        fs::remove_dir_all(&self.incoming).ok();
    }
}

/// Where the outboard of the media file at `path` lies.
pub(super) fn outboard_beside(path: &str) -> String {
    format!("{path}.{}", site::OUTBOARD)
}

/// The id of an object that is in memory.
pub(super) fn id_of(bytes: &[u8]) -> ObjectId {
    let mut hasher = nearcast_content::tree::Hasher::new();
    hasher.update(bytes);
    hasher.finish().0
}
