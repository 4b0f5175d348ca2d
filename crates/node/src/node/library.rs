//! A node's titles as players see them: what there is, which file is what, and reads of verified bytes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use nearcast_content::catalogue::Entry;
use nearcast_content::{Catalogue, ContentType, DocumentError, ObjectRef, ObjectSize, Policy, TitleId};
use nearcast_engine::Rate;
use nearcast_engine::swarm::{
    Footprint, Handed, Input, PlayId, ReadId, RenditionId, Settings, Sharing, Stored, Taking,
};
use nearcast_engine::wire::SwarmId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

mod kept;
mod next;
mod status;

use super::board::Board;
use super::caps::OwnCaps;
use super::counts::Counts;
use super::drive::{Glimpse, NodeInput, SupernodeState, Told};
use super::playlist::localize;
use super::reads::Reading;
use super::shelf::{Memory, Shelf, SiteError};
use super::state::State;
use super::titles::{File, Title, name_of};
use crate::gateway::{
    BodyStream, Document, Library, LookupError, Media, ReadError, ReadRequest, Resolved, TitleAbout,
    TitleSummary,
};
use crate::origin::Trouble;
use crate::store::Store;

pub use kept::{Kept, TitleError};

/// Name under which every title has the file that players open first.
const ENTRY: &str = "play";
/// When a player that found neither origin nor peers is told to try again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The titles of one provider at this node. Clones are the same library.
#[derive(Clone, Debug)]
pub struct NodeLibrary(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shelf: Arc<Shelf>,
    store: Store,
    board: Arc<Board>,
    counts: Arc<Counts>,
    household: Household,
    next: next::Next,
    tell: mpsc::Sender<Told>,
    /// How long a player waits for the next bytes before it is told that nothing comes.
    patience: Duration,
    shown: RwLock<Shown>,
    /// Whether the catalogue was looked at yet.
    looked: watch::Sender<bool>,
    titles: RwLock<BTreeMap<TitleId, Arc<Title>>>,
    /// One title is opened at a time: players ask for several files of a title at once.
    opening: tokio::sync::Mutex<()>,
    renditions: AtomicU32,
    reads: AtomicU64,
}

/// What the user of this node set, and where it is remembered.
#[derive(Clone, Debug)]
pub(super) struct Household {
    pub(super) caps: Arc<OwnCaps>,
    pub(super) state: Arc<State>,
    pub(super) upload_limit: Option<Rate>,
    pub(super) cache_budget: u64,
}

impl Household {
    pub(super) fn new(caps: &Arc<OwnCaps>, state: &Arc<State>, settings: &Settings) -> Self {
        Self {
            caps: Arc::clone(caps),
            state: Arc::clone(state),
            upload_limit: settings.upload_limit,
            cache_budget: settings.cache_budget,
        }
    }
}

/// What the catalogue said last.
#[derive(Debug, Default)]
struct Shown {
    entries: Vec<Entry>,
    withdrawn: Vec<TitleId>,
    provider: String,
}

/// How a node is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeStatus {
    /// Whether others can be found.
    pub supernode: SupernodeState,
    /// Connected peers.
    pub peers: usize,
    /// Of those, peers in the own network.
    pub near: usize,
    /// Whether this node hands on, and why not; none while it stops.
    pub sharing: Option<Sharing>,
    /// What it handed on in this calendar month.
    pub handed: Option<Handed>,
    /// Bytes in the cache.
    pub held_bytes: u64,
    /// Bytes handed to players from the cache.
    pub from_cache: u64,
    /// Bytes handed to players that peers had sent.
    pub from_peers: u64,
    /// Bytes handed to players that the origin had sent.
    pub from_origin: u64,
    /// Bytes sent to peers.
    pub sent: u64,
    /// Plays that started.
    pub plays: u64,
    /// Stalls.
    pub stalls: u64,
    /// Entries that the engine remembers, list by list.
    pub footprint: Footprint,
}

impl NodeLibrary {
    pub(super) fn new(
        shelf: Arc<Shelf>,
        store: Store,
        board: Arc<Board>,
        counts: Arc<Counts>,
        household: Household,
        tell: mpsc::Sender<Told>,
        patience: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            shelf,
            store,
            board,
            counts,
            household,
            next: next::Next::default(),
            tell,
            patience,
            shown: RwLock::default(),
            looked: watch::Sender::new(false),
            titles: RwLock::default(),
            opening: tokio::sync::Mutex::default(),
            renditions: AtomicU32::new(0),
            reads: AtomicU64::new(0),
        }))
    }

    fn summary(&self, entry: &Entry) -> TitleSummary {
        let text = |t: &Option<nearcast_content::Text>| t.as_ref().map(|t| t.as_str().to_owned());
        let opened = self.opened(&entry.title);
        let file = opened.as_ref().and_then(|t| t.entry()).unwrap_or(ENTRY).to_owned();
        TitleSummary {
            id: entry.title.clone(),
            name: entry.name.as_str().to_owned(),
            artist: text(&entry.artist),
            album: text(&entry.album),
            track: entry.track,
            disc: entry.disc,
            art: entry.art.as_ref().map(name_of),
            duration_ms: entry.duration_ms,
            kind: entry.media,
            file,
            whole: opened.as_ref().and_then(|t| t.whole()).map(str::to_owned),
            cached_permille: opened.map_or(0, |t| self.cached(&t)),
        }
    }

    /// The provider's name.
    pub fn provider_name(&self) -> String {
        self.0.shown.read().unwrap_or_else(PoisonError::into_inner).provider.clone()
    }

    /// Thousandths held of the rendition held most.
    fn cached(&self, title: &Title) -> u16 {
        let share = |parts: &[nearcast_engine::swarm::Part]| {
            let bytes: u64 = parts.iter().map(|p| p.size.bytes()).sum();
            let held: u64 = parts.iter().map(|p| self.held_of(p.object, p.size)).sum();
            u16::try_from(held.saturating_mul(1000) / bytes.max(1)).unwrap_or(1000)
        };
        title.renditions.iter().map(|r| share(&r.parts)).max().unwrap_or(0)
    }

    fn held_of(&self, object: nearcast_content::ObjectId, size: ObjectSize) -> u64 {
        let held = self.0.store.holding(object).map(|h| h.blocks).unwrap_or_default();
        held.ranges().iter().map(|r| size.bytes_of(*r).len()).sum()
    }

    async fn find(&self, title: &TitleId, file: &str) -> Result<Resolved, LookupError> {
        // A site that did not answer just before will not answer for this one either.
        let memory = if self.0.shelf.answers() { Memory::Refresh } else { Memory::Only };
        let opened = self.open_title(title, memory).await?;
        let name = if file == ENTRY { opened.entry().unwrap_or_default() } else { file };
        match opened.files.get(name).ok_or(LookupError::Absent)? {
            File::Media { rendition, part, object } => Ok(Resolved::Media(Media {
                rendition: *rendition,
                part: *part,
                object: object.id,
                size: object.size,
                content_type: object.content_type,
            })),
            File::Document(object) => {
                let whole = self.0.shelf.whole(title, object, &self.0.store).await;
                let bytes = whole.map_err(lookup_error)?;
                self.document_kept(object).await;
                let (content_type, etag) = (object.content_type, object.id.to_string());
                let of_playlist = content_type == ContentType::Hls;
                let bytes = if of_playlist { localize(&bytes, &opened.elsewhere) } else { bytes };
                Ok(Resolved::Document(Document { content_type, bytes, etag }))
            }
        }
    }

    /// A document came into the cache: it counts against the budget like everything else.
    async fn document_kept(&self, object: &ObjectRef) {
        if let Some(held) = self.0.store.holding(object.id) {
            let (object, size, blocks, last_used) = (held.object, held.size, held.blocks, held.last_used);
            self.say(Input::Stored(Stored { object, size, blocks, last_used })).await;
        }
    }

    fn opened(&self, title: &TitleId) -> Option<Arc<Title>> {
        self.close_forgotten();
        self.0.titles.read().unwrap_or_else(PoisonError::into_inner).get(title).cloned()
    }

    /// Closes the titles that the engine has forgotten, so that it is told of them again. One that is asked for in the
    /// moment before is refused, and opened anew when its player asks again.
    fn close_forgotten(&self) {
        let forgotten = self.0.board.take_forgotten();
        if !forgotten.is_empty() {
            let remembered =
                |title: &Arc<Title>| title.renditions.iter().all(|r| !forgotten.contains(&r.swarm));
            self.0
                .titles
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|_, title| remembered(title));
        }
    }

    /// Opens a title: reads its manifest, tells the engine of its renditions and the board where they lie.
    pub(super) async fn open_title(&self, id: &TitleId, memory: Memory) -> Result<Arc<Title>, LookupError> {
        if self.is_withdrawn(id) {
            return Err(LookupError::Withdrawn);
        }
        if let Some(title) = self.opened(id) {
            if let Some(rendition) = title.renditions.first() {
                self.say(Input::Use { swarm: rendition.swarm }).await;
            }
            return Ok(title);
        }
        let _one = self.0.opening.lock().await;
        if let Some(title) = self.opened(id) {
            return Ok(title);
        }
        let (shelf, store) = (&self.0.shelf, &self.0.store);
        let (manifest, segments) = shelf.title(id, store, memory).await.map_err(lookup_error)?;
        let number = || RenditionId(self.0.renditions.fetch_add(1, Ordering::Relaxed));
        let title = Arc::new(Title::new(shelf.key, manifest, &segments, number));
        for file in title.files.values() {
            if let File::Media { object, .. } = file {
                self.0.board.place(shelf.source(id, object).map_err(lookup_error)?);
            }
        }
        for rendition in &title.renditions {
            self.say(Input::Describe(rendition.clone())).await;
        }
        self.0.titles.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Arc::clone(&title));
        Ok(title)
    }

    fn is_withdrawn(&self, title: &TitleId) -> bool {
        let shown = self.0.shown.read().unwrap_or_else(PoisonError::into_inner);
        shown.withdrawn.binary_search(title).is_ok()
    }

    async fn read(&self, request: ReadRequest) -> Result<Reading, ReadError> {
        let ReadRequest { play, media, bytes, rate } = request;
        let read = ReadId(self.0.reads.fetch_add(1, Ordering::Relaxed));
        let (object, rendition, part) = (media.object, media.rendition, media.part);
        self.0.store.touch(object);
        let taking = Taking::Stream;
        let input = Input::Read { read, play, rendition, part, bytes, taking, rate };
        self.0.tell.send(Told::Input(input)).await.map_err(|_| ReadError::Stopping)?;
        let (store, board) = (self.0.store.clone(), Arc::clone(&self.0.board));
        let (patience, tell) = (self.0.patience, self.0.tell.clone());
        let (began, handed, in_a_row) = (Instant::now(), 0, 0);
        Ok(Reading { read, play, object, bytes, store, board, patience, tell, began, handed, in_a_row })
    }

    /// How the node is doing.
    pub async fn state(&self) -> NodeStatus {
        let (answer, asked) = oneshot::channel();
        // A loop that has ended answers nothing, and the engine's numbers stay zero.
        let _ = self.0.tell.send(Told::Ask(answer)).await;
        let glimpse: Glimpse = asked.await.unwrap_or_default();
        let counts = &self.0.counts;
        let (from_cache, from_peers, from_origin) = counts.delivered();
        let (stalls, plays) = counts.stalls_of_plays();
        NodeStatus {
            supernode: glimpse.supernode,
            peers: glimpse.peers,
            near: glimpse.near,
            sharing: glimpse.sharing,
            handed: glimpse.handed,
            held_bytes: glimpse.held_bytes,
            from_cache,
            from_peers,
            from_origin,
            sent: counts.sent.get(),
            plays,
            stalls,
            footprint: glimpse.footprint,
        }
    }

    /// Reads the catalogue again. Titles that were withdrawn since are neither played nor served any more.
    pub(super) async fn refresh(&self) -> Result<Option<Policy>, SiteError> {
        let policy = self.look().await;
        self.0.looked.send_replace(true);
        policy
    }

    async fn look(&self) -> Result<Option<Policy>, SiteError> {
        let (catalogue, entries): (Catalogue, Vec<Entry>) = self.0.shelf.catalogue().await?;
        let changed = self.changed(&entries);
        for title in &changed {
            // What is kept of it is other bytes from here on.
            self.release(title).await;
        }
        self.forget_kept(&catalogue.withdrawn);
        for title in catalogue.withdrawn.iter().chain(&changed) {
            let swarm = SwarmId::of(self.0.shelf.key, title);
            let was_open =
                self.0.titles.write().unwrap_or_else(PoisonError::into_inner).remove(title).is_some();
            if was_open && catalogue.is_withdrawn(title) {
                self.say(Input::Withdrawn { swarm }).await;
            }
        }
        let policy = self.0.shelf.policy(&catalogue).await?;
        let provider = catalogue.provider.as_str().to_owned();
        let shown = Shown { entries, withdrawn: catalogue.withdrawn, provider };
        *self.0.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
        self.make_ready();
        if !changed.is_empty() {
            self.keep_remembered(Memory::Refresh).await;
        }
        Ok(policy)
    }

    /// Open titles that were published anew since.
    fn changed(&self, entries: &[Entry]) -> Vec<TitleId> {
        let titles = self.0.titles.read().unwrap_or_else(PoisonError::into_inner);
        let newer =
            |e: &&Entry| titles.get(&e.title).is_some_and(|t| t.manifest.validity.sequence < e.sequence);
        entries.iter().filter(newer).map(|e| e.title.clone()).collect()
    }

    /// Opens the titles whose manifests are remembered, so that what is cached of them is served again.
    pub(super) async fn reopen_remembered(&self) -> Result<(), SiteError> {
        for title in self.0.shelf.remembered_titles()? {
            if let Err(error) = self.open_title(&title, Memory::Only).await {
                tracing::debug!(%title, %error, "a remembered title was not reopened");
            }
        }
        Ok(())
    }

    pub(super) async fn say(&self, input: NodeInput) {
        // Without the loop the node is stopping, and there is nobody to tell.
        let _ = self.0.tell.send(Told::Input(input)).await;
    }
}

impl Library for NodeLibrary {
    /// Waits for the first look at the catalogue: a node that has just begun does not know yet what there is.
    async fn titles(&self) -> Vec<TitleSummary> {
        // The sender is in our hands, so that waiting ends with the condition alone.
        let _ = self.0.looked.subscribe().wait_for(|looked| *looked).await;
        let entries = self.0.shown.read().unwrap_or_else(PoisonError::into_inner).entries.clone();
        entries.iter().map(|entry| self.summary(entry)).collect()
    }

    async fn about(&self, title: &TitleId) -> Result<TitleAbout, LookupError> {
        let opened = self.open_title(title, Memory::Refresh).await?;
        Ok(TitleAbout {
            id: title.clone(),
            file: opened.entry().map(str::to_owned),
            whole: opened.whole().map(str::to_owned),
            year: opened.manifest.about.year,
            documents: opened.listed(),
        })
    }

    fn upcoming(&self, titles: Vec<TitleId>) {
        self.set_queue(titles);
    }

    async fn resolve(&self, title: &TitleId, file: &str) -> Result<Resolved, LookupError> {
        self.find(title, file).await
    }

    /// Waits for the first bytes, so that a player hears of trouble before it is promised anything.
    async fn open(&self, request: ReadRequest) -> Result<BodyStream, ReadError> {
        let (play, rendition) = (request.play, request.media.rendition);
        let mut reading = self.read(request).await?;
        let first = reading.next().await?;
        self.look_ahead(play, rendition);
        let rest = stream::try_unfold(reading, async |mut reading| {
            Ok(reading.next().await?.map(|bytes| (bytes, reading)))
        });
        Ok(Box::pin(stream::iter(first.map(Ok)).chain(rest)))
    }

    fn line(&self, play: PlayId) -> Option<Rate> {
        self.0.board.advice(play).map(|advice| advice.line)
    }

    fn stopped(&self, play: PlayId) {
        let library = self.clone();
        tokio::spawn(async move { library.say(Input::Stopped { play }).await });
    }

    async fn status(&self) -> serde_json::Value {
        self.told_status().await
    }
}

/// What a player is told of trouble with a site.
fn lookup_error(error: SiteError) -> LookupError {
    let missing = matches!(&error, SiteError::Unreachable { source, .. } if matches!(source.trouble, Trouble::Absent { .. }));
    let other = matches!(&error, SiteError::Refused { source: DocumentError::OtherTitle { .. }, .. });
    if missing || other {
        return LookupError::Absent;
    }
    LookupError::Unavailable { why: error.to_string(), retry_after: RETRY_AFTER }
}
