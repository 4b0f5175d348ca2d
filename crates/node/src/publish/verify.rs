//! Checking a whole site as a suspicious reader would: every signature, every page, every block.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use nearcast_content::catalogue::{Entry, Page};
use nearcast_content::index::{IndexPage, IndexRoot};
use nearcast_content::jws;
use nearcast_content::manifest::Layout;
use nearcast_content::tree::{self, Corrupt, OriginCheck, OriginNeed};
use nearcast_content::{
    BlockRange, BlockSet, Catalogue, ContentType, Document, DocumentError, DocumentKind, Manifest, ObjectId,
    ObjectRef, ObjectSize, Policy, ProviderKey, TitleId, Trust, UnixTime, site,
};

use super::{Progress, parallel};

/// Something that is wrong with a site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, as the site's root sees it.
    pub path: String,
    /// What is wrong with it, to be read after the path.
    pub what: String,
}

/// What came of checking a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteReport {
    /// Who signed it, if its catalogue can be read.
    pub provider: Option<ProviderKey>,
    /// Titles listed.
    pub titles: usize,
    /// Objects checked.
    pub objects: usize,
    /// Bytes checked.
    pub bytes: u64,
    /// Objects on other servers, of which the outboards were checked.
    pub elsewhere: usize,
    /// Everything that is wrong, in the order of paths.
    pub faults: Vec<Fault>,
}

/// Most bad blocks that one fault lists.
const MAX_LISTED: usize = 32;

/// Checks the site in the folder `site`. With a `key`, it must be signed by that one.
pub fn verify_site(
    site: &Path,
    key: Option<ProviderKey>,
    now: UnixTime,
    progress: &dyn Progress,
) -> SiteReport {
    let (objects, elsewhere) = (BTreeMap::new(), BTreeMap::new());
    let mut check = Check { root: site, now, report: SiteReport::default(), objects, elsewhere };
    check.documents(key);
    let Check { mut report, objects, elsewhere, .. } = check;
    report.elsewhere = elsewhere.len();
    report.faults.extend(elsewhere.iter().filter_map(|(path, object)| check_outboard(site, path, object)));
    let objects: Vec<(String, (ObjectRef, String))> = objects.into_iter().collect();
    report.objects = objects.len();
    report.bytes = objects.iter().map(|(_, (object, _))| object.size.bytes()).sum();
    progress.planned(report.titles, report.bytes);
    let checked = parallel::for_each(parallel::cores(), &objects, |(path, (object, outboard))| {
        let faults = check_object(site, path, outboard, object.id, object.size);
        progress.bytes(object.size.bytes());
        Ok::<_, std::convert::Infallible>(faults)
    });
    report.faults.extend(checked.into_iter().flatten().flatten());
    report.faults.sort();
    report
}

struct Check<'a> {
    root: &'a Path,
    now: UnixTime,
    report: SiteReport,
    /// Objects by their file, with the file of their outboard.
    objects: BTreeMap<String, (ObjectRef, String)>,
    /// Objects on other servers by the file of their outboard.
    elsewhere: BTreeMap<String, ObjectRef>,
}

impl Check<'_> {
    fn fault(&mut self, path: &str, what: impl ToString) {
        self.report.faults.push(Fault { path: path.to_owned(), what: what.to_string() });
    }

    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        match fs::read(self.root.join(path)) {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                self.fault(path, format!("cannot be read: {why}"));
                None
            }
        }
    }

    /// Opens a document; one that is only out of date is a fault and is read all the same.
    fn open<T: Document>(
        &mut self,
        path: &str,
        bytes: &[u8],
        key: ProviderKey,
        seen: Option<u64>,
    ) -> Option<T> {
        match T::open(bytes, &Trust::pinned(key).last_seen(seen), self.now) {
            Ok(accepted) => Some(accepted.document),
            Err(why) => {
                self.fault(path, &why);
                let dated =
                    matches!(why, DocumentError::Expired { .. } | DocumentError::FromTheFuture { .. });
                if dated { T::reopen(bytes, key).ok() } else { None }
            }
        }
    }

    fn documents(&mut self, key: Option<ProviderKey>) {
        let Some(bytes) = self.read(site::CATALOGUE) else { return };
        let key = match key.map_or_else(|| jws::signer_of(&bytes, DocumentKind::Catalogue), Ok) {
            Ok(key) => key,
            Err(why) => return self.fault(site::CATALOGUE, why),
        };
        self.report.provider = Some(key);
        let Some(catalogue) = self.open::<Catalogue>(site::CATALOGUE, &bytes, key, None) else { return };
        if catalogue.policy_floor.is_some()
            && let Some(bytes) = self.read(site::POLICY)
        {
            self.open::<Policy>(site::POLICY, &bytes, key, catalogue.policy_floor);
        }
        for entry in &catalogue.pages {
            let path = site::page_path(entry.id);
            let Some(bytes) = self.read(&path) else { continue };
            match Page::open(&bytes, entry) {
                Ok(page) => page.entries.iter().for_each(|entry| self.title(entry, key)),
                Err(why) => self.fault(&path, why),
            }
        }
    }

    fn title(&mut self, entry: &Entry, key: ProviderKey) {
        self.report.titles += 1;
        let path = site::manifest_path(&entry.title);
        let Some(bytes) = self.read(&path) else { return };
        let seen = Some(entry.sequence);
        let Some(manifest) = self.open::<Manifest>(&path, &bytes, key, seen) else { return };
        if manifest.title != entry.title {
            return self.fault(&path, format!("is the manifest of {}", manifest.title));
        }
        // A higher sequence was published after the catalogue, by a run that did not come to its end.
        if manifest.validity.sequence == entry.sequence && blake3_of(&bytes) != entry.manifest {
            self.fault(&path, "is not the one that the catalogue names");
        }
        manifest.objects().for_each(|object| self.object(&entry.title, object));
        entry.art.iter().for_each(|art| self.object(&entry.title, art));
        for rendition in &manifest.renditions {
            if let Layout::Segments { index, count, content_type, .. } = &rendition.layout {
                self.index(&entry.title, index, *count, *content_type);
            }
        }
    }

    fn object(&mut self, title: &TitleId, object: &ObjectRef) {
        let outboard = site::outboard_file_of(title, object);
        match site::file_of(title, object) {
            Some(path) => drop(self.objects.insert(path, (object.clone(), outboard))),
            None => drop(self.elsewhere.insert(outboard, object.clone())),
        }
    }

    fn index(&mut self, title: &TitleId, index: &ObjectRef, count: u32, content_type: ContentType) {
        let path = site::object_path(index.id, ContentType::Json);
        let Some(bytes) = self.read(&path) else { return };
        let root = match IndexRoot::open(&bytes, index.id, count) {
            Ok(root) => root,
            Err(why) => return self.fault(&path, why),
        };
        for entry in &root.pages {
            let path = site::object_path(entry.id, ContentType::Json);
            let Some(bytes) = self.read(&path) else { continue };
            match IndexPage::open(&bytes, entry) {
                Ok(page) => {
                    page.segments.iter().for_each(|s| self.object(title, &s.object(content_type)));
                    let id = entry.id;
                    let page =
                        ObjectRef { id, size: entry.size, content_type: ContentType::Json, source: None };
                    self.object(title, &page);
                }
                Err(why) => self.fault(&path, why),
            }
        }
    }
}

fn blake3_of(bytes: &[u8]) -> ObjectId {
    super::site_dir::id_of(bytes)
}

/// Checks one file and its outboard.
fn check_object(root: &Path, path: &str, outboard: &str, id: ObjectId, size: ObjectSize) -> Vec<Fault> {
    let fault = |path: &str, what: String| Fault { path: path.to_owned(), what };
    let tree_bytes = if site::has_outboard(size) {
        match fs::read(root.join(outboard)) {
            Ok(bytes) => Ok(bytes),
            Err(why) => Err(fault(outboard, format!("cannot be read: {why}"))),
        }
    } else {
        Ok(Vec::new())
    };
    let file = root.join(path);
    let hashed = fs::metadata(&file).and_then(|found| {
        if found.len() != size.bytes() {
            let what = format!("it has {} bytes instead of {}", found.len(), size.bytes());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        tree::hash(fs::File::open(&file)?, size)
    });
    match (hashed, tree_bytes) {
        (Err(why), _) => vec![fault(path, format!("cannot be checked: {why}"))],
        (Ok((found, _)), Err(missing)) if found == id => vec![missing],
        (Ok((found, wanted)), Ok(there)) if found == id => {
            let damaged = || fault(outboard, "does not match the file it belongs to".to_owned());
            (wanted != there).then(damaged).into_iter().collect()
        }
        (Ok(_), Err(missing)) => vec![missing, fault(path, "is damaged".to_owned())],
        (Ok(_), Ok(there)) => match bad_blocks(&file, id, size, &there) {
            Ok(bad) => vec![fault(path, describe(&bad))],
            Err(why) => vec![fault(path, format!("is damaged, and its outboard too: {why}"))],
        },
    }
}

/// Checks the outboard of an object that lies on another server: that its hashes lead to the object's id.
fn check_outboard(root: &Path, path: &str, object: &ObjectRef) -> Option<Fault> {
    if !site::has_outboard(object.size) {
        return None;
    }
    let fault = |what: String| Some(Fault { path: path.to_owned(), what });
    let outboard = match fs::read(root.join(path)) {
        Ok(bytes) => bytes,
        Err(why) => return fault(format!("cannot be read: {why}")),
    };
    // The way to one block after the other; what lies below the last parent is on the other server.
    for block in object.size.all().iter().step_by(2) {
        let mut check =
            OriginCheck::new(object.id, object.size, BlockRange::new(block, block + 1), outboard.as_slice());
        loop {
            match check.next() {
                Ok(Some(OriginNeed::Write(_))) => {}
                Ok(_) => break,
                Err(why) => return fault(format!("does not lead to the object: {why}")),
            }
        }
    }
    None
}

/// Which blocks are bad, to be read after a path.
pub fn describe(bad: &BlockSet) -> String {
    let shown = bad.ranges().iter().take(MAX_LISTED);
    let list: Vec<String> = shown
        .map(|r| match r.len() {
            1 => r.start.to_string(),
            _ => format!("{}-{}", r.start, r.end - 1),
        })
        .collect();
    let more = if bad.ranges().len() > MAX_LISTED { " and more" } else { "" };
    format!("is damaged in {} of its blocks of 16 KiB: {}{more}", bad.count(), list.join(", "))
}

/// The blocks of `file` that do not hash; an error when the outboard itself does not.
fn bad_blocks(file: &Path, id: ObjectId, size: ObjectSize, outboard: &[u8]) -> Result<BlockSet, String> {
    let mut reader = fs::File::open(file).map_err(|why| why.to_string())?;
    let mut bad = BlockSet::default();
    let mut at = 0;
    while at < size.blocks() {
        let rest = BlockRange::new(at, size.blocks());
        let mut check = OriginCheck::new(id, size, rest, outboard);
        at = size.blocks();
        while let Some(need) = check.next().map_err(|why| why.to_string())? {
            let OriginNeed::Block { block, len } = need else { continue };
            let bytes = read_block(&mut reader, block, len).map_err(|why| why.to_string())?;
            match check.feed(&bytes) {
                Ok(_) => {}
                Err(Corrupt::Block { block }) => {
                    bad.insert(BlockRange::new(block, block + 1));
                    at = block + 1;
                    break;
                }
                Err(why) => return Err(why.to_string()),
            }
        }
    }
    Ok(bad)
}

fn read_block(file: &mut fs::File, block: u32, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    file.seek(SeekFrom::Start(u64::from(block) * nearcast_content::BLOCK_SIZE))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
