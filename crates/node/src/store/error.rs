//! What can go wrong with the store, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use nearcast_content::{BlockRange, ObjectId};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("the cache {dir} is in use by another node; stop it, or give this one a directory of its own")]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The metadata was written by a version with another format.
    #[error(
        "the cache {dir} has metadata format {found}, this version knows {known}; update nearcast, or delete the \
         directory to start with an empty cache"
    )]
    Format {
        /// The directory.
        dir: PathBuf,
        /// What was found; 0 when nothing says.
        found: u32,
        /// What this version writes.
        known: u32,
    },
    /// The metadata cannot be read or written.
    #[error("the metadata {path} cannot be used: {source}; if it stays so, delete the cache directory")]
    Metadata {
        /// The database file.
        path: PathBuf,
        /// What the database says.
        source: Box<redb::Error>,
    },
    /// A record of the metadata makes no sense.
    #[error("the metadata {path} has a bad record of object {object}: {why}; delete the cache directory")]
    BadRecord {
        /// The database file.
        path: PathBuf,
        /// Whose record it is.
        object: ObjectId,
        /// What is wrong with it.
        why: String,
    },
    /// The disk, or the quota on it, is full.
    #[error("no room left on the disk of {path}; free some, or lower the cache budget")]
    Full {
        /// What could not be written.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Blocks were asked for that are not held.
    #[error("blocks {blocks:?} of object {object} are not held")]
    NotHeld {
        /// The object.
        object: ObjectId,
        /// The blocks that were asked for.
        blocks: BlockRange,
    },
    /// The disk gave back other bytes than were written. The blocks are no longer held and can be fetched again.
    #[error("blocks {blocks:?} of object {object} were damaged on disk; they are fetched again when needed")]
    Damaged {
        /// The object.
        object: ObjectId,
        /// The blocks that are lost.
        blocks: BlockRange,
    },
    /// Somebody says the object has another size than what is stored of it.
    #[error("object {object} is stored with {known} bytes, not {given}; one of its manifests is wrong")]
    OtherSize {
        /// The object.
        object: ObjectId,
        /// The size on record.
        known: u64,
        /// The size given.
        given: u64,
    },
    /// The bytes given do not have the length of their blocks.
    #[error("{len} bytes cannot be blocks {blocks:?} of object {object}")]
    BadLength {
        /// The object.
        object: ObjectId,
        /// The blocks they were said to be.
        blocks: BlockRange,
        /// How many bytes were given.
        len: usize,
    },
    /// The bytes given are not the object.
    #[error("the bytes given are not object {object}")]
    OtherObject {
        /// The object they were said to be.
        object: ObjectId,
    },
    /// The store was closed.
    #[error("the cache is closed")]
    Closed,
}

impl StoreError {
    /// Turns an error of the operating system into what the caller can act on.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let path = path.to_owned();
            if is_full(&source) { Self::Full { path } } else { Self::Io { action, path, source } }
        }
    }

    /// Turns an error of the database into what the caller can act on.
    pub(super) fn metadata<E: Into<redb::Error>>(path: &Path) -> impl FnOnce(E) -> Self {
        move |source| {
            let (path, source) = (path.to_owned(), source.into());
            if let redb::Error::Io(error) = &source
                && is_full(error)
            {
                return Self::Full { path };
            }
            Self::Metadata { path, source: Box::new(source) }
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
