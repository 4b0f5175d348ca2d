//! The provider's documents: fetched, checked, remembered; the remembered ones serve when the site is away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use nearcast_content::catalogue::{Entry, Page};
use nearcast_content::index::{IndexPage, IndexRoot, SegmentRef};
use nearcast_content::manifest::Layout;
use nearcast_content::site::{self, PlaceError};
use nearcast_content::{
    Accepted, ByteRange, Catalogue, ContentType, Document, DocumentError, FormatError, Link, Manifest,
    ObjectId, ObjectRef, Policy, ProviderKey, Standing, Succession, TitleId, Trust, UnixTime, WebUrl, limits,
};

use tokio::time::timeout;

use super::state::{State, StateError};
use crate::origin::{ObjectSource, OriginClient, OriginError, Trouble, Waiting};
use crate::store::{BATCH, Store, StoreError};

/// Longest document that is fetched whole: playlists of a day, large covers.
const MAX_DOCUMENT: usize = 8 * 1024 * 1024;

/// How long a site may take over a document of which a copy is remembered: nobody waits for one that is away.
const ANSWER: Duration = Duration::from_secs(3);

fn silent(url: &reqwest::Url) -> OriginError {
    OriginError { url: Box::new(url.clone()), trouble: Trouble::Timeout(Waiting::Total) }
}

/// Why something of a site cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The site does not answer, and nothing is remembered of it.
    #[error("{source}. Nothing of it is remembered from before")]
    Unreachable {
        /// The site.
        site: String,
        /// Why.
        source: OriginError,
    },
    /// A page, playlist or picture cannot be fetched.
    #[error(transparent)]
    Origin(OriginError),
    /// A document is refused.
    #[error("{site}{path}: {source}")]
    Refused {
        /// The site.
        site: String,
        /// Which document.
        path: String,
        /// Why, and what to do.
        source: DocumentError,
    },
    /// A page or index is not what its hash or count promised.
    #[error("{site}{path}: {source}")]
    Format {
        /// The site.
        site: String,
        /// Which one.
        path: String,
        /// Why.
        source: FormatError,
    },
    /// A document lies where it must not be fetched from.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A document is larger than any that is fetched whole.
    #[error("the document {0} has {1} bytes; at most {MAX_DOCUMENT} are fetched")]
    TooLarge(ObjectId, u64),
    /// The node's memory failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The cache failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address that no client takes.
    #[error("{0} is not an address")]
    Address(String),
    /// The title was withdrawn by its provider.
    #[error("the title {0} was withdrawn by its provider")]
    Withdrawn(TitleId),
}

/// Whether a remembered document does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// The site is asked, and memory serves when it is away.
    Refresh,
    /// Memory alone, without a word to the site.
    Only,
}

/// What became of a first look at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// The key was known.
    Known,
    /// The key was seen for the first time and pinned.
    FirstUse,
    /// The provider changed its key, and the old one vouches for it.
    Succeeded {
        /// The old key.
        from: ProviderKey,
    },
}

/// One provider's documents.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) site: WebUrl,
    pub(super) key: ProviderKey,
    pub(super) pinned: Pinned,
    /// Whether the site answered last time.
    answers: AtomicBool,
    origin: OriginClient,
    state: Arc<State>,
}

fn unix_now() -> UnixTime {
    UnixTime(crate::wall::unix_seconds())
}

impl Shelf {
    /// Looks at a site for the first time in this life: settles which key is its provider's.
    pub(super) async fn open(
        link: &Link,
        origin: OriginClient,
        state: Arc<State>,
    ) -> Result<Self, SiteError> {
        let site = link.site.clone();
        let known = link.provider.or(state.pin(site.as_str())?);
        let mut shelf = Self::of(site, known.unwrap_or(ProviderKey([0; 32])), origin, state);
        let accepted: Accepted<Catalogue> = shelf.signed(site::CATALOGUE, known, Memory::Refresh).await?;
        shelf.key = accepted.signer;
        shelf.pinned = match accepted.standing {
            Standing::Pinned => Pinned::Known,
            Standing::FirstUse => Pinned::FirstUse,
            Standing::Succeeded { from } => Pinned::Succeeded { from },
        };
        shelf.state.set_pin(shelf.site.as_str(), shelf.key)?;
        Ok(shelf)
    }

    fn of(site: WebUrl, key: ProviderKey, origin: OriginClient, state: Arc<State>) -> Self {
        Self { site, key, pinned: Pinned::Known, answers: AtomicBool::new(true), origin, state }
    }

    /// Whether the site answered when it was last asked.
    pub(super) fn answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }

    /// A signed document, fresh from the site when that answers with a good one, else the remembered one.
    async fn signed<D: Document>(
        &self,
        path: &str,
        pin: Option<ProviderKey>,
        memory: Memory,
    ) -> Result<Accepted<D>, SiteError> {
        let site = self.site.as_str();
        let remembered = self.state.document(site, path)?;
        let last_seen = pin.map(|key| self.state.last_seen(key, path)).transpose()?.flatten();
        let refused = |source| SiteError::Refused { site: site.to_owned(), path: path.to_owned(), source };
        if let (Memory::Only, Some(bytes)) = (memory, &remembered) {
            return self.accept(bytes, pin, last_seen).await.map_err(refused);
        }
        let url = url_of(&site::url_of(&self.site, path))?;
        let fetching = self.origin.fetch_document(&url, D::KIND.limit(), None);
        let fetched = match &remembered {
            None => fetching.await,
            Some(_) => timeout(ANSWER, fetching).await.unwrap_or_else(|_| Err(silent(&url))),
        };
        self.answers.store(fetched.is_ok(), Ordering::Relaxed);
        let error = match fetched {
            Ok(bytes) => match self.accept::<D>(&bytes, pin, last_seen).await {
                Ok(accepted) => {
                    let sequence = accepted.document.validity().sequence;
                    self.state.remember(site, path, &bytes, Some((accepted.signer, sequence)))?;
                    return Ok(accepted);
                }
                // Another key is for the user to decide about: the remembered copy must not hide it.
                Err(error @ DocumentError::ProviderKeyChanged { .. }) => return Err(refused(error)),
                Err(error) => refused(error),
            },
            Err(source) => SiteError::Unreachable { site: site.to_owned(), source },
        };
        let Some(bytes) = remembered else { return Err(error) };
        tracing::warn!(%error, "using the remembered copy");
        self.accept(&bytes, pin, last_seen).await.map_err(refused)
    }

    async fn accept<D: Document>(
        &self,
        bytes: &[u8],
        pin: Option<ProviderKey>,
        last_seen: Option<u64>,
    ) -> Result<Accepted<D>, DocumentError> {
        let trust = pin.map_or_else(Trust::first_use, Trust::pinned).last_seen(last_seen);
        match D::open(bytes, &trust, unix_now()) {
            Err(DocumentError::ProviderKeyChanged { .. }) => {
                let successions = self.successions().await;
                D::open(bytes, &trust.with_successions(&successions), unix_now())
            }
            result => result,
        }
    }

    /// Statements by which the key changed; none when there are none or they cannot be read.
    async fn successions(&self) -> Vec<Succession> {
        let limit = limits::SUCCESSIONS * limits::SUCCESSION_BYTES;
        let Ok(url) = url_of(&site::url_of(&self.site, site::SUCCESSION)) else { return Vec::new() };
        let fetched = self.origin.fetch_document(&url, limit, None).await;
        fetched.ok().and_then(|bytes| Succession::open_all(&bytes).ok()).unwrap_or_default()
    }

    /// The list of titles.
    pub(super) async fn catalogue(&self) -> Result<(Catalogue, Vec<Entry>), SiteError> {
        let head: Accepted<Catalogue> = self.signed(site::CATALOGUE, Some(self.key), Memory::Refresh).await?;
        let mut entries = Vec::new();
        for page in &head.document.pages {
            let path = site::page_path(page.id);
            let bytes = self.page(&path, page.id).await?;
            let page = Page::open(&bytes, page).map_err(|source| self.format(&path, source))?;
            entries.extend(page.entries);
        }
        Ok((head.document, entries))
    }

    /// A page of the catalogue: immutable, so a remembered one needs no fetch.
    async fn page(&self, path: &str, id: ObjectId) -> Result<Bytes, SiteError> {
        if let Some(bytes) = self.state.document(self.site.as_str(), path)? {
            return Ok(bytes.into());
        }
        let url = url_of(&site::url_of(&self.site, path))?;
        let fetched = self.origin.fetch_document(&url, limits::PAGE_BYTES, Some(id)).await;
        let bytes = fetched.map_err(SiteError::Origin)?;
        self.state.remember(self.site.as_str(), path, &bytes, None)?;
        Ok(bytes)
    }

    /// The provider's rules; none when it publishes none.
    pub(super) async fn policy(&self, catalogue: &Catalogue) -> Result<Option<Policy>, SiteError> {
        let Some(floor) = catalogue.policy_floor else { return Ok(None) };
        let accepted: Accepted<Policy> = self.signed(site::POLICY, Some(self.key), Memory::Refresh).await?;
        let sequence = accepted.document.validity.sequence;
        if sequence < floor {
            tracing::warn!(sequence, floor, "the policy is older than the catalogue asks for");
        }
        Ok(Some(accepted.document))
    }

    /// A title's manifest, and the segments of its renditions that have a file a segment.
    pub(super) async fn title(
        &self,
        id: &TitleId,
        store: &Store,
        memory: Memory,
    ) -> Result<(Manifest, BTreeMap<usize, Vec<SegmentRef>>), SiteError> {
        let manifest: Accepted<Manifest> =
            self.signed(&site::manifest_path(id), Some(self.key), memory).await?;
        let manifest = manifest.document;
        if manifest.title != *id {
            let source = DocumentError::OtherTitle { asked: id.clone(), found: manifest.title };
            let path = site::manifest_path(id);
            return Err(SiteError::Refused { site: self.site.to_string(), path, source });
        }
        let mut segments = BTreeMap::new();
        for (number, rendition) in manifest.renditions.iter().enumerate() {
            if let Layout::Segments { index, count, .. } = &rendition.layout {
                segments.insert(number, self.segments(id, index, *count, store).await?);
            }
        }
        Ok((manifest, segments))
    }

    async fn segments(
        &self,
        title: &TitleId,
        index: &ObjectRef,
        count: u32,
        store: &Store,
    ) -> Result<Vec<SegmentRef>, SiteError> {
        let path = index.id.to_string();
        let root = self.whole(title, index, store).await?;
        let root = IndexRoot::open(&root, index.id, count).map_err(|source| self.format(&path, source))?;
        let mut segments = Vec::new();
        for page in &root.pages {
            let object =
                ObjectRef { id: page.id, size: page.size, content_type: ContentType::Json, source: None };
            let bytes = self.whole(title, &object, store).await?;
            let page = IndexPage::open(&bytes, page).map_err(|source| self.format(&path, source))?;
            segments.extend(page.segments);
        }
        Ok(segments)
    }

    /// A small object, whole and verified: from the cache, else from the site, which is then cached.
    pub(super) async fn whole(
        &self,
        title: &TitleId,
        object: &ObjectRef,
        store: &Store,
    ) -> Result<Bytes, SiteError> {
        let size = object.size.bytes();
        let length = usize::try_from(size).ok().filter(|n| *n <= MAX_DOCUMENT);
        let length = length.ok_or(SiteError::TooLarge(object.id, size))?;
        if let Some(bytes) = cached(object, store).await? {
            return Ok(bytes);
        }
        let url = url_of(&site::object_url(&self.site, title, object)?)?;
        let fetched = self.origin.fetch_document(&url, length, Some(object.id)).await;
        let bytes = fetched.map_err(SiteError::Origin)?;
        let (store, id, copy) = (store.clone(), object.id, bytes.clone());
        let written = tokio::task::spawn_blocking(move || store.write_whole(id, &copy)).await;
        if let Ok(Err(error)) = written {
            // It plays all the same; it is only not kept.
            tracing::warn!(%error, "a document was not cached");
        }
        Ok(bytes)
    }

    /// Titles whose manifests are remembered.
    pub(super) fn remembered_titles(&self) -> Result<Vec<TitleId>, SiteError> {
        let paths = self.state.paths(self.site.as_str())?;
        let title = |path: &String| path.strip_prefix("nearcast/titles/")?.strip_suffix(".jws")?.parse().ok();
        Ok(paths.iter().filter_map(title).collect())
    }

    /// Where an object and its outboard lie.
    pub(super) fn source(&self, title: &TitleId, object: &ObjectRef) -> Result<ObjectSource, SiteError> {
        let url = url_of(&site::object_url(&self.site, title, object)?)?;
        let outboard = url_of(&site::outboard_url(&self.site, title, object))?;
        Ok(ObjectSource { object: object.id, size: object.size, url, outboard, held: None })
    }

    fn format(&self, path: &str, source: FormatError) -> SiteError {
        SiteError::Format { site: self.site.to_string(), path: path.to_owned(), source }
    }
}

/// A cached object, if all of it is held and whole.
async fn cached(object: &ObjectRef, store: &Store) -> Result<Option<Bytes>, SiteError> {
    let held = store.holding(object.id).is_some_and(|h| h.blocks.contains_all(object.size.all()));
    if !held {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(object.size.bytes()).unwrap_or(0));
    while (bytes.len() as u64) < object.size.bytes() {
        let rest = ByteRange::new(bytes.len() as u64, object.size.bytes());
        match store.fetch(object.id, object.size.covering(rest), BATCH).await {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(StoreError::Damaged { .. } | StoreError::NotHeld { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    store.touch(object.id);
    Ok(Some(bytes.into()))
}

/// An address as the origin client takes it.
fn url_of(text: &str) -> Result<reqwest::Url, SiteError> {
    text.parse().map_err(|_| SiteError::Address(text.to_owned()))
}
