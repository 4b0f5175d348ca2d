//! What a publisher remembers between runs: which input became which title, and what need not be read again.
//!
//! While a run goes on, a journal beside the ledger takes one line before and one after each file that is put
//! into the site, so that a killed run's files are known to the next, to be used or cleared away.
//!
//! It only saves work and keeps title ids stable: a site without its ledger is published again in full, and
//! comes out the same.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use nearcast_content::{ObjectId, TitleId, WebUrl};
use serde::{Deserialize, Serialize};

use super::PublishError;
use super::site_dir::{SiteDir, Stamp};
use super::web::Found;

const FILE: &str = "ledger.json";
const JOURNAL: &str = "journal.jsonl";

/// The publisher's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    #[serde(default)]
    v: u64,
    /// Inputs by their path, with the hash they had.
    #[serde(default)]
    sources: BTreeMap<String, Source>,
    /// Files on other servers, with what their servers said of them when they were hashed.
    #[serde(default)]
    elsewhere: BTreeMap<String, Elsewhere>,
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Elsewhere {
    found: Found,
    id: ObjectId,
}

/// Where a title came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TitleRecord {
    pub(super) input: String,
    /// The package that its files are links to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) package: Option<String>,
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
        let mut ledger = ledger.filter(|l| l.v == 1).unwrap_or(Self { v: 1, ..Self::default() });
        let journal = std::fs::read_to_string(site.record(JOURNAL)).unwrap_or_default();
        // The last line may be torn.
        journal
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .for_each(|line| ledger.replay(line));
        ledger
    }

    fn replay(&mut self, line: Line) {
        match line {
            Line::Begun { path } if self.written.contains_key(&path) => {}
            // Whether the file is there or not: no catalogue needs it yet.
            Line::Begun { path } => drop(self.unused.insert(path, 0)),
            Line::Done { path, written, input } => {
                self.unused.remove(&path);
                self.written.insert(path, written);
                self.sources.extend(input);
            }
            Line::Read { input } => self.sources.extend([input]),
            Line::Elsewhere { url, elsewhere } => drop(self.elsewhere.insert(url, elsewhere)),
        }
    }

    /// Writes the ledger in one step; the journal is in it and goes.
    pub(super) fn save(&self, site: &SiteDir) -> Result<(), PublishError> {
        let (path, staged) = (site.record(FILE), site.record("ledger.json.incoming"));
        let write = || {
            std::fs::write(&staged, serde_json::to_vec(self)?)?;
            std::fs::rename(&staged, &path)?;
            match std::fs::remove_file(site.record(JOURNAL)) {
                Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why),
                Ok(()) | Err(_) => Ok(()),
            }
        };
        write().map_err(|why| PublishError::Site { path: path.clone(), why })
    }

    /// The hash of an input that has not changed since it was read.
    pub(super) fn hash_of(&self, input: &Path, stamp: Stamp) -> Option<ObjectId> {
        let known = self.sources.get(input.to_str()?)?;
        (known.size == stamp.size && known.mtime_ns == stamp.mtime_ns).then_some(known.id)
    }

    /// The hash of a file elsewhere of which its server says that it has not changed since it was read.
    pub(super) fn elsewhere(&self, url: &WebUrl, found: &Found) -> Option<ObjectId> {
        let known = self.elsewhere.get(url.as_str())?;
        (known.found == *found && found.can_tell_changes()).then_some(known.id)
    }

    /// A file of the site that holds `id` and is as it was when it was written.
    pub(super) fn copy_of(&self, site: &SiteDir, title: &TitleId, id: ObjectId) -> Option<String> {
        let folder = nearcast_content::site::media_folder(title);
        let files = self.written.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder));
        let mut same = files.filter(|(_, written)| written.id == id);
        same.find(|(path, written)| site.is_intact(path, written.stamp())).map(|(path, _)| path.clone())
    }
}

/// A line of the journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    /// A file is about to be put here.
    Begun { path: String },
    /// It is there, and may be known to come from an input.
    Done { path: String, written: Written, input: Option<(String, Source)> },
    /// An input was hashed.
    Read { input: (String, Source) },
    /// A file elsewhere was hashed.
    Elsewhere { url: String, elsewhere: Elsewhere },
}

/// The ledger while it is being added to.
#[derive(Debug)]
pub(super) struct OpenLedger {
    pub(super) ledger: Ledger,
    journal: File,
}

impl OpenLedger {
    pub(super) fn new(ledger: Ledger, site: &SiteDir) -> Result<Self, PublishError> {
        let path = site.record(JOURNAL);
        let journal = File::options().create(true).append(true).open(&path);
        Ok(Self { ledger, journal: journal.map_err(|why| PublishError::Site { path, why })? })
    }

    /// Notes that a file is about to be put at `path`.
    pub(super) fn begin(&mut self, site: &SiteDir, path: &str) -> Result<(), PublishError> {
        self.note(site, Line::Begun { path: path.to_owned() })
    }

    /// Notes that the file at `path` is there, and the input it came from. An input whose path is not
    /// Unicode is read again every time.
    pub(super) fn done(
        &mut self,
        site: &SiteDir,
        path: &str,
        written: Written,
        input: Option<&(std::path::PathBuf, Stamp)>,
    ) -> Result<(), PublishError> {
        let input = input.and_then(|(input, stamp)| {
            let source = Source { size: stamp.size, mtime_ns: stamp.mtime_ns, id: written.id };
            Some((input.to_str()?.to_owned(), source))
        });
        let known = self.ledger.written.get(path) == Some(&written)
            && input.as_ref().is_none_or(|(input, source)| self.ledger.sources.get(input) == Some(source));
        if known { Ok(()) } else { self.note(site, Line::Done { path: path.to_owned(), written, input }) }
    }

    /// Notes the hash of an input. One whose path is not Unicode is read again every time.
    pub(super) fn read(
        &mut self,
        site: &SiteDir,
        path: &Path,
        stamp: Stamp,
        id: ObjectId,
    ) -> Result<(), PublishError> {
        let Some(path) = path.to_str() else { return Ok(()) };
        let source = Source { size: stamp.size, mtime_ns: stamp.mtime_ns, id };
        self.note(site, Line::Read { input: (path.to_owned(), source) })
    }

    /// Notes the hash of a file elsewhere.
    pub(super) fn elsewhere(
        &mut self,
        site: &SiteDir,
        url: &WebUrl,
        found: &Found,
        id: ObjectId,
    ) -> Result<(), PublishError> {
        let elsewhere = Elsewhere { found: found.clone(), id };
        if self.ledger.elsewhere.get(url.as_str()) == Some(&elsewhere) {
            return Ok(());
        }
        self.note(site, Line::Elsewhere { url: url.as_str().to_owned(), elsewhere })
    }

    fn note(&mut self, site: &SiteDir, line: Line) -> Result<(), PublishError> {
        let write = |journal: &mut File, line: &Line| {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            journal.write_all(&text)
        };
        write(&mut self.journal, &line)
            .map_err(|why| PublishError::Site { path: site.record(JOURNAL), why })?;
        self.ledger.replay(line);
        Ok(())
    }
}
