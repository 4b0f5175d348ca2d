//! The metadata: one record per object in an embedded database, committed only after the bytes are durable.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nearcast_content::{BlockRange, BlockSet, ObjectId, ObjectSize};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::disk::Disk;
use super::{StoreError, limits, lock};

/// Format of the records and of the files beside them.
pub(super) const FORMAT: u32 = 1;

const FORMATS: TableDefinition<'_, &str, u32> = TableDefinition::new("format");
const OBJECTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("objects");

/// What is known of an object across restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) size: ObjectSize,
    /// Blocks whose bytes and parents are durable.
    pub(super) blocks: BlockSet,
    /// Rank of last use, larger is later.
    pub(super) last_used: u64,
    pub(super) pinned: bool,
    /// When the first block came, in seconds since 1970.
    pub(super) created: u64,
}

/// A record as it lies in the database.
#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
struct Stored {
    #[n(0)]
    size: u64,
    /// Start and end of each range.
    #[n(1)]
    ranges: Vec<(u32, u32)>,
    #[n(2)]
    last_used: u64,
    #[n(3)]
    pinned: bool,
    #[n(4)]
    created: u64,
}

impl Record {
    fn to_bytes(&self) -> Vec<u8> {
        let stored = Stored {
            size: self.size.bytes(),
            ranges: self.blocks.ranges().iter().map(|r| (r.start, r.end)).collect(),
            last_used: self.last_used,
            pinned: self.pinned,
            created: self.created,
        };
        minicbor::to_vec(stored).expect("writing to memory cannot fail")
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let stored: Stored = minicbor::decode(bytes).map_err(|e| e.to_string())?;
        let size = ObjectSize::new(stored.size).ok_or("impossible size")?;
        let mut blocks = BlockSet::default();
        for (start, end) in stored.ranges {
            if start >= end || end > size.blocks() {
                return Err(format!("impossible blocks {start}..{end}"));
            }
            blocks.insert(BlockRange::new(start, end));
        }
        let Stored { last_used, pinned, created, .. } = stored;
        Ok(Self { size, blocks, last_used, pinned, created })
    }
}

/// The open database.
#[derive(Debug)]
pub(super) struct Records {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    /// Nothing after a failed commit, until the next one opens it again: a database that met an I/O error
    /// refuses to go on.
    database: Mutex<Option<Database>>,
}

impl Records {
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
    ) -> Result<(Self, Vec<(ObjectId, Record)>), StoreError> {
        let path = dir.join("store.redb");
        let database = open_database(&*disk, &path)?;
        check_format(&database, &path, dir)?;
        let records = read_all(&database, &path)?;
        Ok((Self { path, disk, database: Mutex::new(Some(database)) }, records))
    }

    /// Puts records, or deletes those without one, in one transaction that is durable on return.
    pub(super) fn commit(&self, changes: &[(ObjectId, Option<Record>)]) -> Result<(), StoreError> {
        let mut slot = lock(&self.database);
        let database = match slot.take() {
            Some(database) => database,
            None => open_database(&*self.disk, &self.path)?,
        };
        put(&database, changes).map_err(StoreError::metadata(&self.path))?;
        *slot = Some(database);
        Ok(())
    }

    pub(super) fn close(&self) {
        lock(&self.database).take();
    }
}

/// Opens the database. One that is not there is made under another name first: a process that dies while
/// making it would leave a file that is no database.
fn open_database(disk: &dyn Disk, path: &Path) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(limits::DATABASE_CACHE);
    if !disk.exists(path).map_err(StoreError::io("look for", path))? {
        let fresh = path.with_extension("new");
        disk.remove(&fresh).map_err(StoreError::io("remove", &fresh))?;
        let database = disk.database(&fresh, &builder).map_err(StoreError::metadata(&fresh))?;
        database.close().map_err(StoreError::metadata(&fresh))?;
        disk.rename(&fresh, path).map_err(StoreError::io("rename", &fresh))?;
    }
    disk.database(path, &builder).map_err(StoreError::metadata(path))
}

fn check_format(database: &Database, path: &Path, dir: &Path) -> Result<(), StoreError> {
    let found = format_or_write(database).map_err(StoreError::metadata(path))?;
    if found == FORMAT {
        Ok(())
    } else {
        Err(StoreError::Format { dir: dir.to_owned(), found, known: FORMAT })
    }
}

/// The format written in the database; an empty one gets ours, one with records and without a format is 0.
fn format_or_write(database: &Database) -> Result<u32, redb::Error> {
    let transaction = database.begin_write()?;
    let found = {
        let mut formats = transaction.open_table(FORMATS)?;
        let known = formats.get("format")?.map(|v| v.value());
        match known {
            Some(format) => format,
            None if transaction.open_table(OBJECTS)?.is_empty()? => {
                formats.insert("format", FORMAT)?;
                FORMAT
            }
            None => 0,
        }
    };
    transaction.commit()?;
    Ok(found)
}

fn read_all(database: &Database, path: &Path) -> Result<Vec<(ObjectId, Record)>, StoreError> {
    let read = || -> Result<Vec<(ObjectId, Vec<u8>)>, redb::Error> {
        let table = match database.begin_read()?.open_table(OBJECTS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let rows = table.iter()?.map(|row| {
            let (key, value) = row?;
            Ok((ObjectId(*key.value()), value.value().to_vec()))
        });
        rows.collect()
    };
    let rows = read().map_err(StoreError::metadata(path))?;
    rows.into_iter()
        .map(|(object, bytes)| match Record::from_bytes(&bytes) {
            Ok(record) => Ok((object, record)),
            Err(why) => Err(StoreError::BadRecord { path: path.to_owned(), object, why }),
        })
        .collect()
}

fn put(database: &Database, changes: &[(ObjectId, Option<Record>)]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(OBJECTS)?;
        for (object, record) in changes {
            match record {
                Some(record) => table.insert(&object.0, &record.to_bytes()[..])?,
                None => table.remove(&object.0)?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}
