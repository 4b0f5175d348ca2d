//! Checking a whole cache while no node uses it: every held block is hashed, up to its object's root.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearcast_content::tree::{OriginCheck, OriginNeed, PAIR_LEN, Parents, Tree, check_block};
use nearcast_content::{BlockRange, BlockSet, ObjectId, ObjectSize};

use super::StoreError;
use super::disk::{Disk as _, OsDisk};
use super::files::paths;
use super::records::{Record, Records};

/// Blocks that are checked in one go; after a bad one each of them is looked at alone.
const RUN: u32 = 64;

/// What came of checking a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheReport {
    /// Objects with at least one block.
    pub objects: usize,
    /// Bytes of held blocks.
    pub bytes: u64,
    /// Objects with blocks that are not what they should be.
    pub faults: Vec<CacheFault>,
}

/// An object that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheFault {
    /// The object.
    pub object: ObjectId,
    /// Its file.
    pub path: PathBuf,
    /// The held blocks that do not hash.
    pub bad: BlockSet,
    /// Whether hashes beside it are damaged, without which some blocks cannot be proven to others.
    pub unproven: bool,
}

/// Told how far checking is.
pub trait CheckProgress {
    /// So many bytes are to be checked.
    fn planned(&self, bytes: u64);
    /// So many more are checked.
    fn bytes(&self, count: u64);
}

/// The cache that lies in `dir`, or in a node's folder at `dir`; nothing when there is none.
pub fn cache_in(dir: &Path) -> Option<PathBuf> {
    let candidates = [dir.to_owned(), dir.join("cache")];
    candidates.into_iter().find(|dir| dir.join("store.redb").is_file())
}

/// Checks the cache in `dir`, one that [`cache_in`] found. Nothing of it is changed: a node that reads a bad block
/// fetches it again by itself.
///
/// # Errors
/// [`StoreError::Locked`] while a node uses it, and those of opening it.
pub fn check_cache(dir: &Path, progress: &dyn CheckProgress) -> Result<CacheReport, StoreError> {
    let disk = OsDisk;
    let lock = dir.join("lock");
    let held = disk.lock(&lock).map_err(StoreError::io("lock", &lock))?;
    let _held = held.ok_or_else(|| StoreError::Locked { dir: dir.to_owned() })?;
    let (_records, known) = Records::open(Arc::new(disk), dir)?;
    let bytes_of = |r: &Record| r.blocks.ranges().iter().map(|b| r.size.bytes_of(*b).len()).sum::<u64>();
    let bytes = known.iter().map(|(_, record)| bytes_of(record)).sum();
    progress.planned(bytes);
    let mut report = CacheReport { objects: known.len(), bytes, faults: Vec::new() };
    for (object, record) in &known {
        let (path, outboard) = paths(dir, *object);
        let (bad, unproven) = check(*object, record, &path, &outboard);
        if !bad.is_empty() || unproven {
            report.faults.push(CacheFault { object: *object, path, bad, unproven });
        }
        progress.bytes(bytes_of(record));
    }
    Ok(report)
}

/// The held blocks of an object that do not hash, and whether parents do not.
fn check(object: ObjectId, record: &Record, path: &Path, outboard: &Path) -> (BlockSet, bool) {
    let Ok(file) = File::open(path) else { return (record.blocks.clone(), false) };
    // An object of one block needs none.
    let object = Opened { object, size: record.size, file, parents: OutboardFile(File::open(outboard).ok()) };
    let (mut bad, mut unproven) = (BlockSet::default(), false);
    for range in record.blocks.ranges() {
        let mut at = range.start;
        while at < range.end {
            let run = BlockRange::new(at, range.end.min(at + RUN));
            if object.prove(run) != Proof::Good {
                for block in run.iter() {
                    let alone = BlockRange::new(block, block + 1);
                    let proof = object.prove(alone);
                    unproven |= proof == Proof::BadParent;
                    let hashes = proof == Proof::Good || proof == Proof::BadParent && object.hashes(block);
                    if !hashes {
                        bad.insert(alone);
                    }
                }
            }
            at = run.end;
        }
    }
    (bad, unproven)
}

/// What came of proving a run up to the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Good,
    BadBlock,
    BadParent,
}

/// The files of an object.
struct Opened {
    object: ObjectId,
    size: ObjectSize,
    file: File,
    parents: OutboardFile,
}

impl Opened {
    fn prove(&self, run: BlockRange) -> Proof {
        let mut check = OriginCheck::new(self.object, self.size, run, &self.parents);
        loop {
            match check.next() {
                Ok(None) => return Proof::Good,
                Ok(Some(OriginNeed::Write(_))) => {}
                Ok(Some(OriginNeed::Block { block, len })) => {
                    let good = self.read(block, len).is_some_and(|bytes| check.feed(&bytes).is_ok());
                    if !good {
                        return Proof::BadBlock;
                    }
                }
                Err(_) => return Proof::BadParent,
            }
        }
    }

    /// Whether a block hashes to what stands right above it, as when a player reads it.
    fn hashes(&self, block: u32) -> bool {
        let len = Tree::new(self.size).block_len(block);
        let bytes = self.read(block, len);
        bytes.is_some_and(|bytes| check_block(self.object, self.size, block, &self.parents, &bytes).is_ok())
    }

    fn read(&self, block: u32, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, Tree::new(self.size).block_start(block)).ok().map(|()| bytes)
    }
}

struct OutboardFile(Option<File>);

impl Parents for OutboardFile {
    fn parent(&self, offset: u64) -> Option<[u8; PAIR_LEN]> {
        let mut pair = [0; PAIR_LEN];
        self.0.as_ref()?.read_exact_at(&mut pair, offset).ok().map(|()| pair)
    }
}
