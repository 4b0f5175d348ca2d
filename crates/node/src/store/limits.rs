//! Bounds of the store, each with its reason.

use std::time::Duration;

/// Written bytes after which a flush starts: large enough that the two syncs and the commit are paid once
/// for hundreds of blocks, small enough that a sync takes a fraction of a second on a slow disk.
pub(super) const FLUSH_BYTES: u64 = 16 * 1024 * 1024;
/// Age of a written block at which a flush starts. A crash loses this much of a cache, which is fetched again.
pub(super) const FLUSH_AFTER: Duration = Duration::from_secs(5);
/// Age of a changed rank of use at which it is committed. Losing it makes eviction slightly worse, while a
/// commit wakes a disk that may sleep.
pub(super) const TOUCH_AFTER: Duration = Duration::from_secs(60);
/// Written bytes at which a writer must wait for a flush itself: bounds what the page cache holds for us. A disk
/// of 100 MB/s takes under three seconds for it, and a burst from a fast network fits in whole.
pub(super) const MAX_UNSYNCED: u64 = 256 * 1024 * 1024;
/// Objects with unsynced bytes at which a flush starts: each keeps two files open until then.
pub(super) const MAX_UNSYNCED_OBJECTS: usize = 64;
/// Objects whose two files stay open for the next read. With those above, well under the usual limit of
/// 1,024 descriptors.
pub(super) const OPEN_OBJECTS: usize = 128;
/// Memory of the metadata database for its own cache: 10,000 objects take about 2 MiB.
pub(super) const DATABASE_CACHE: usize = 8 * 1024 * 1024;
/// Blocks checked at a time by a full verification, so that writers of the object need not wait long.
pub(super) const VERIFY_BLOCKS: u32 = 64;
/// Locks that keep removal apart from reading and writing; objects share them by their first byte.
pub(super) const GATES: usize = 256;
/// Allocated bytes beyond the held ones that are left alone when the store is opened: the file system's own
/// rounding and its extent tree.
pub(super) const SLACK: u64 = 256 * 1024;
/// Room put aside for the commit of an eviction on a full disk. A commit writes a handful of pages of 4 KiB.
pub(super) const RESERVE: u64 = 1024 * 1024;
