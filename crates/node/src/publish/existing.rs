//! What a site holds from earlier runs, read back and checked before anything is added to it.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_content::catalogue::{Entry, Page};
use nearcast_content::index::{IndexPage, IndexRoot};
use nearcast_content::manifest::{DocumentRole, Layout};
use nearcast_content::{
    Catalogue, ContentType, Document, DocumentError, FormatError, Manifest, ObjectId, ObjectRef, Policy,
    ProviderKey, TitleId, site,
};

use super::PublishError;
use super::site_dir::{SiteDir, id_of};

/// A title as it is published.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) manifest: Manifest,
    /// BLAKE3 of the signed manifest.
    pub(super) hash: ObjectId,
    /// Files of the site that the title needs, with the object each holds; its outboards are implied.
    pub(super) files: BTreeMap<String, ObjectId>,
}

/// What a site holds.
#[derive(Debug, Default)]
pub(super) struct Existing {
    pub(super) catalogue: Option<Catalogue>,
    pub(super) policy: Option<Policy>,
    pub(super) titles: BTreeMap<TitleId, Published>,
}

impl Existing {
    /// Reads the site that `own` publishes.
    pub(super) fn load(dir: &SiteDir, own: ProviderKey) -> Result<Self, PublishError> {
        let catalogue: Option<Catalogue> = document(dir, site::CATALOGUE, own)?;
        let policy = document(dir, site::POLICY, own)?;
        let mut titles = BTreeMap::new();
        for page in catalogue.iter().flat_map(|c| &c.pages) {
            let path = site::page_path(page.id);
            let bytes = dir.read(&path)?.ok_or_else(|| missing(dir, &path))?;
            let page = Page::open(&bytes, page).map_err(|why| damaged(dir, &path, why))?;
            for entry in page.entries {
                let published = published(dir, &entry.title, own)?;
                titles.insert(entry.title, published);
            }
        }
        Ok(Self { catalogue, policy, titles })
    }

    /// Every file that a published title needs, with the object it holds.
    pub(super) fn referenced(&self) -> BTreeMap<String, ObjectId> {
        self.titles.values().flat_map(|t| t.files.clone()).collect()
    }

    pub(super) fn withdrawn(&self) -> BTreeSet<TitleId> {
        self.catalogue.iter().flat_map(|c| c.withdrawn.iter().cloned()).collect()
    }
}

fn document<T: Document>(dir: &SiteDir, path: &str, own: ProviderKey) -> Result<Option<T>, PublishError> {
    let Some(bytes) = dir.read(path)? else { return Ok(None) };
    match T::reopen(&bytes, own) {
        Ok(document) => Ok(Some(document)),
        Err(DocumentError::ProviderKeyChanged { pinned, found, .. }) => {
            Err(PublishError::OtherProvider { site: dir.root().to_owned(), ours: pinned, theirs: found })
        }
        Err(why) => Err(PublishError::Unreadable { path: dir.at(path), why: why.to_string() }),
    }
}

fn missing(dir: &SiteDir, path: &str) -> PublishError {
    PublishError::Unreadable { path: dir.at(path), why: "the file is missing".to_owned() }
}

fn damaged(dir: &SiteDir, path: &str, why: FormatError) -> PublishError {
    PublishError::Unreadable { path: dir.at(path), why: why.to_string() }
}

fn published(dir: &SiteDir, title: &TitleId, own: ProviderKey) -> Result<Published, PublishError> {
    let path = site::manifest_path(title);
    let manifest = document(dir, &path, own)?.ok_or_else(|| missing(dir, &path))?;
    let hash = id_of(&dir.read(&path)?.ok_or_else(|| missing(dir, &path))?);
    let files = files_of(dir, &manifest)?;
    Ok(Published { manifest, hash, files })
}

/// The files that a manifest needs, those of its indices too.
pub(super) fn files_of(
    dir: &SiteDir,
    manifest: &Manifest,
) -> Result<BTreeMap<String, ObjectId>, PublishError> {
    let mut files = BTreeMap::new();
    let mut add = |object: &ObjectRef| {
        match site::file_of(&manifest.title, object) {
            Some(path) => drop(files.insert(path, object.id)),
            // Of what lies elsewhere the site has the outboard.
            None if site::has_outboard(object.size) => {
                files.insert(site::outboard_file_of(&manifest.title, object), object.id);
            }
            None => {}
        }
    };
    manifest.objects().for_each(&mut add);
    for rendition in &manifest.renditions {
        if let Layout::Segments { index, count, content_type, .. } = &rendition.layout {
            for object in index_objects(dir, index.id, *count, *content_type)? {
                add(&object);
            }
        }
    }
    Ok(files)
}

/// The pages of an index and the segments on them.
fn index_objects(
    dir: &SiteDir,
    index: ObjectId,
    count: u32,
    content_type: ContentType,
) -> Result<Vec<ObjectRef>, PublishError> {
    let path = site::object_path(index, ContentType::Json);
    let bytes = dir.read(&path)?.ok_or_else(|| missing(dir, &path))?;
    let root = IndexRoot::open(&bytes, index, count).map_err(|why| damaged(dir, &path, why))?;
    let mut objects = Vec::new();
    for entry in &root.pages {
        let path = site::object_path(entry.id, ContentType::Json);
        let bytes = dir.read(&path)?.ok_or_else(|| missing(dir, &path))?;
        let page = IndexPage::open(&bytes, entry).map_err(|why| damaged(dir, &path, why))?;
        let own = ObjectRef { id: entry.id, size: entry.size, content_type: ContentType::Json, source: None };
        objects.push(own);
        objects.extend(page.segments.iter().map(|s| s.object(content_type)));
    }
    Ok(objects)
}

/// What the catalogue shows of a manifest whose signed text has this hash.
pub(super) fn entry(manifest: &Manifest, hash: ObjectId) -> Entry {
    let about = &manifest.about;
    Entry {
        title: manifest.title.clone(),
        manifest: hash,
        sequence: manifest.validity.sequence,
        name: about.name.clone(),
        artist: about.artist.clone(),
        album: about.album.clone(),
        track: about.track,
        disc: about.disc,
        duration_ms: manifest.timeline.duration_ms,
        art: manifest.document(&DocumentRole::Art).map(|d| d.object.clone()),
        media: about.media,
    }
}
