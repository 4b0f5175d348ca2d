//! What a publisher remembers between runs: which input became which title, and what need not be read again.
//!
//! It only saves work and keeps title ids stable: a site without its ledger is published again in full, and
//! comes out the same.

use std::collections::BTreeMap;
use std::path::Path;

use nearcast_content::{ObjectId, TitleId};
use serde::{Deserialize, Serialize};

use super::PublishError;
use super::site_dir::{SiteDir, Stamp};

const FILE: &str = "ledger.json";

/// The publisher's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    #[serde(default)]
    v: u64,
    /// Inputs by their path, with the hash they had.
    #[serde(default)]
    sources: BTreeMap<String, Source>,
    /// Titles with the input each came from.
    #[serde(default)]
    pub(super) titles: BTreeMap<TitleId, TitleRecord>,
    /// Files that were put into the site.
    #[serde(default)]
    pub(super) written: BTreeMap<String, Written>,
    /// Files of the site that nothing needs, with the sequence of the first catalogue that did not.
    #[serde(default)]
    pub(super) unused: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    size: u64,
    mtime_ns: u64,
    id: ObjectId,
}

/// Where a title came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TitleRecord {
    pub(super) input: String,
}

/// A file in the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) id: ObjectId,
    size: u64,
    mtime_ns: u64,
}

impl Written {
    pub(super) fn new(id: ObjectId, stamp: Stamp) -> Self {
        Self { id, size: stamp.size, mtime_ns: stamp.mtime_ns }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { size: self.size, mtime_ns: self.mtime_ns }
    }
}

impl Ledger {
    /// Reads the ledger. One that cannot be understood is begun anew: it only costs time.
    pub(super) fn load(site: &SiteDir) -> Self {
        let read = std::fs::read(site.record(FILE)).ok();
        let ledger = read.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        ledger.filter(|l| l.v == 1).unwrap_or(Self { v: 1, ..Self::default() })
    }

    /// Writes the ledger in one step.
    pub(super) fn save(&self, site: &SiteDir) -> Result<(), PublishError> {
        let (path, staged) = (site.record(FILE), site.record("ledger.json.incoming"));
        let write = || {
            std::fs::write(&staged, serde_json::to_vec(self)?)?;
            std::fs::rename(&staged, &path)
        };
        write().map_err(|why| PublishError::Site { path: path.clone(), why })
    }

    /// The hash of an input that has not changed since it was read.
    pub(super) fn hash_of(&self, input: &Path, stamp: Stamp) -> Option<ObjectId> {
        let known = self.sources.get(input.to_str()?)?;
        (known.size == stamp.size && known.mtime_ns == stamp.mtime_ns).then_some(known.id)
    }

    /// Remembers the hash of an input. A path that is not Unicode is read again every time.
    pub(super) fn remember(&mut self, input: &Path, stamp: Stamp, id: ObjectId) {
        if let Some(path) = input.to_str() {
            let source = Source { size: stamp.size, mtime_ns: stamp.mtime_ns, id };
            self.sources.insert(path.to_owned(), source);
        }
    }

    /// A file of the site that holds `id` and is as it was when it was written.
    pub(super) fn copy_of(&self, site: &SiteDir, title: &TitleId, id: ObjectId) -> Option<String> {
        let folder = nearcast_content::site::media_folder(title);
        let files = self.written.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder));
        let mut same = files.filter(|(_, written)| written.id == id);
        same.find(|(path, written)| site.is_intact(path, written.stamp())).map(|(path, _)| path.clone())
    }
}
