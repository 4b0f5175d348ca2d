//! The tab: one router that joins the engine, the verifier, the store and the links by values.

mod carry;
mod fetching;
mod given;
mod keep;
mod peers;
mod site;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use nearcast_content::keys::{DeliveryKey, DeviceSecret};
use nearcast_content::{
    BlockRange, ByteRange, Catalogue, Document as _, DocumentError, FlatMap, Link, LinkError, NodeKey,
    ObjectId, Policy, ProviderKey, TitleId, Trust, UnixTime, Verified, WebUrl,
};
use nearcast_engine::channels::Channels;
use nearcast_engine::directory::client::{Client, Input as ClientInput};
use nearcast_engine::swarm::{
    Input, OriginUse, PeerUse, PlayId, RenditionId, RequestId, RunsIn, Settings, Sharing, Source, Taking,
    Tallies, UPLINK_TICK,
};
use nearcast_engine::wire::{Serves, Ways};
use nearcast_engine::{Nearness, PlaybackRate, Rate, Span, Swarm, Time};

use crate::effect::Effect;
use crate::fetches::Fetches;
use crate::incoming::Arriving;
use crate::limits::MAX_DOCUMENT;
use crate::origin::{OriginRun, Outboards};
use crate::pacer::Pacer;
use crate::reads::{Of, ReadNumber, Reads, Taken};
use crate::store::Store;
use crate::title::{File, Opening, Place, Title};
use crate::uploads::Uploads;

use given::Givens;
pub use given::Giving;
use keep::Keeper;
pub use keep::{Keeping, Stowed};

/// An input with real bytes behind its verdicts.
pub(crate) type TabInput = Input<Verified<BlockRange>>;

/// What a tab starts from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Address of the site's folder; with `#nearcast=KEY` behind it, of the site of this provider and no other.
    pub site: String,
    /// Address of the supernode, `ws` or `wss`.
    pub supernode: String,
    /// The device's secret, kept by the browser: 32 bytes that it drew once.
    pub secret: [u8; 32],
    /// 32 fresh bytes from the browser's entropy: numbers and nonces that nobody can guess follow from them.
    pub entropy: [u8; 32],
    /// Bytes of media that are held in memory.
    pub budget: u64,
    /// Whether what is played is handed on.
    pub serves: Serves,
    /// Seconds since 1970.
    pub unix: u64,
}

/// Why a tab does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The page lies where no site can be.
    #[error("this address cannot have a site: {0}")]
    Address(#[from] LinkError),
    /// The catalogue is refused.
    #[error(transparent)]
    Catalogue(#[from] DocumentError),
}

/// How a tab is doing. Bytes are counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Handed to the player that were held already.
    pub cache: u64,
    /// Handed to the player that peers in the own network had sent.
    pub lan: u64,
    /// Handed to the player that other peers had sent.
    pub peers: u64,
    /// Handed to the player that the origin had sent.
    pub origin: u64,
    /// Sent to peers.
    pub sent: u64,
    /// Connected peers.
    pub connected: u64,
    /// Bytes held.
    pub held: u64,
    /// Of these, bytes in the browser's storage.
    pub kept: u64,
    /// Whether what plays is kept there.
    pub keeping: Keeping,
    /// Whether the supernode can be asked.
    pub supernode: bool,
    /// Whether it hands on, and to whom: 0 to nobody, 1 in the own network, 2 to others.
    pub sharing: u8,
}

/// A browser tab's part in the swarms of one provider.
#[derive(Debug)]
pub struct Tab {
    now: Time,
    /// Seconds since 1970 at `Time::ZERO`.
    unix: u64,
    site: WebUrl,
    supernode: String,
    provider: ProviderKey,
    key: DeliveryKey,
    own: Settings,
    policy: Option<Policy>,
    chance: Chance,
    swarm: Swarm,
    client: Client,
    swarm_wake: Time,
    client_wake: Time,
    store: Store,
    /// Bytes that memory may hold.
    memory: u64,
    keeper: Keeper,
    givens: Givens,
    withdrawn: Vec<TitleId>,
    documents: FlatMap<ObjectId, Rc<[u8]>>,
    fetches: Fetches,
    outboards: Outboards,
    runs: FlatMap<RequestId, OriginRun>,
    opening: FlatMap<TitleId, Opening>,
    titles: FlatMap<TitleId, Title>,
    /// By absolute address.
    files: BTreeMap<String, File>,
    /// Like the files tens of thousands where segments are files.
    places: BTreeMap<ObjectId, Place>,
    renditions: u32,
    reads: Reads,
    links: Channels,
    arriving: Arriving,
    uploads: Uploads,
    pacer: Pacer,
    /// When the paths of those who are served are reported next.
    report_at: Option<Time>,
    stun_port: Option<u16>,
    tallies: Tallies,
    figures: Figures,
    effects: VecDeque<Effect>,
}

/// Numbers that follow from the browser's entropy.
#[derive(Debug)]
struct Chance {
    entropy: [u8; 32],
    drawn: u64,
}

impl Chance {
    fn nonce(&mut self) -> [u8; 32] {
        self.drawn += 1;
        *blake3::keyed_hash(&self.entropy, &self.drawn.to_le_bytes()).as_bytes()
    }

    fn number(&mut self) -> u64 {
        let nonce = self.nonce();
        nonce.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl Tab {
    /// A tab on the site whose catalogue is in `catalogue`. Whoever signed that is its provider, unless the site's
    /// address names another: the page itself comes from the same place, or trusts it.
    ///
    /// # Errors
    /// When the catalogue is refused.
    pub fn open(setup: Setup, catalogue: &[u8]) -> Result<Self, OpenError> {
        let Link { site, provider, .. } = setup.site.parse()?;
        let trust = provider.map_or_else(Trust::first_use, Trust::pinned);
        let accepted = Catalogue::open(catalogue, &trust, UnixTime(setup.unix))?;
        let provider = accepted.signer;
        let key = DeviceSecret::new(setup.secret).delivery_key(provider);
        let own = Settings {
            serves: setup.serves,
            upload_limit: None,
            cache_budget: setup.budget,
            origin: OriginUse::Fallback,
            peers: PeerUse::Share,
            runs_in: RunsIn::Page,
        };
        let mut chance = Chance { entropy: setup.entropy, drawn: 0 };
        let swarm = Swarm::new(chance.number(), key.node(), provider, own.clone());
        let client = Client::new(chance.number(), Ways::DATA_CHANNELS);
        let links = Channels::new(key.clone(), provider);
        let mut tab = Self {
            now: Time::ZERO,
            unix: setup.unix,
            site,
            supernode: setup.supernode,
            provider,
            key,
            own,
            policy: None,
            chance,
            swarm,
            client,
            swarm_wake: Time::ZERO,
            client_wake: Time::ZERO,
            store: Store::default(),
            memory: setup.budget,
            keeper: Keeper::default(),
            givens: Givens::default(),
            withdrawn: Vec::new(),
            documents: FlatMap::new(),
            fetches: Fetches::default(),
            outboards: Outboards::default(),
            runs: FlatMap::new(),
            opening: FlatMap::new(),
            titles: FlatMap::new(),
            files: BTreeMap::new(),
            places: BTreeMap::new(),
            renditions: 0,
            reads: Reads::default(),
            links,
            arriving: Arriving::default(),
            uploads: Uploads::default(),
            pacer: Pacer::default(),
            report_at: None,
            stun_port: None,
            tallies: Tallies::default(),
            figures: Figures::default(),
            effects: VecDeque::new(),
        };
        tab.learn(&accepted.document);
        tab.client_input(ClientInput::Timeout);
        tab.settle();
        Ok(tab)
    }

    /// The next thing to do; nothing until something happens, or until [`wake`](Self::wake).
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`timeout`](Self::timeout) is due, in microseconds of the clock that the methods are told.
    pub fn wake(&mut self) -> u64 {
        let wait = self.pacer.wait(self.now);
        let paced = if self.uploads.under_way.is_empty() || wait.micros() == 0 {
            Time::NEVER
        } else {
            self.now + wait
        };
        let others = [self.swarm_wake, self.client_wake, self.links.wake(), paced];
        let report = self.report_at.unwrap_or(Time::NEVER).min(self.keep_wake());
        others.into_iter().fold(report, Time::min).micros()
    }

    /// The moment of [`wake`](Self::wake) has come.
    pub fn timeout(&mut self, micros: u64) {
        self.at(micros);
        if self.swarm_wake <= self.now {
            self.input(Input::Timeout);
        }
        if self.client_wake <= self.now {
            self.client_input(ClientInput::Timeout);
        }
        self.links.timeout(self.now);
        self.reopen();
        if self.report_at.is_some_and(|at| at <= self.now) {
            self.report_paths();
        }
        self.settle();
    }

    /// A player that plays at a rate, if that is known, reads bytes of the file at an absolute address, as part of a play
    /// that it numbers. None when this is no file of an open title: the page plays it unverified. `end` may lie past the
    /// file's end.
    pub fn read(
        &mut self,
        micros: u64,
        play: u32,
        url: &str,
        (start, end): (u64, u64),
        (taking, rate): (Taking, Option<PlaybackRate>),
    ) -> Option<ReadNumber> {
        self.at(micros);
        let number = match self.files.get(url)?.clone() {
            File::Media { rendition, part, object } => {
                let bytes = ByteRange::new(start, end.min(object.size.bytes()).max(start));
                let play = PlayId(u64::from(play));
                let number = self.reads.open(Of::Media { object: object.id }, bytes);
                let read = number.id();
                let read: TabInput = Input::Read { read, play, rendition, part, bytes, taking, rate };
                if let Err(error) = self.swarm.handle_input(self.now, read) {
                    self.note(format!("a read is refused: {error}"));
                    self.reads.close(number);
                    return None;
                }
                self.plays_object(object.id);
                number
            }
            File::Document(object) if object.size.bytes() <= MAX_DOCUMENT => {
                let bytes = ByteRange::new(start, end.min(object.size.bytes()).max(start));
                let held = self.documents.get(&object.id).map(Rc::clone);
                let missing = held.is_none();
                let number = self.reads.open(Of::Document { object: object.id, bytes: held }, bytes);
                if missing {
                    self.fetch_document(&object, url.to_owned());
                }
                number
            }
            File::Document(_) => return None,
        };
        self.settle();
        Some(number)
    }

    /// Absolute addresses of the files of a title; none of one that is not open.
    pub fn files_of(&self, title: &TitleId) -> Vec<String> {
        self.titles.get(title).map(|title| title.files.keys().cloned().collect()).unwrap_or_default()
    }

    /// How long the file at an address is; none when it is no file of an open title.
    pub fn size_of(&self, url: &str) -> Option<u64> {
        match self.files.get(url)? {
            File::Media { object, .. } | File::Document(object) => Some(object.size.bytes()),
        }
    }

    /// What a player is told that the file at an address is.
    pub fn type_of(&self, url: &str) -> Option<&'static str> {
        match self.files.get(url)? {
            File::Media { object, .. } | File::Document(object) => Some(object.content_type.as_str()),
        }
    }

    /// What can be taken of a read.
    pub fn take(&mut self, micros: u64, number: ReadNumber) -> Taken {
        self.at(micros);
        let (taken, to) = self.reads.take(number, &self.store);
        self.load_ahead(number);
        if let Some(to) = to {
            self.input(Input::Progress { read: number.id(), to });
            self.settle();
        }
        taken
    }

    /// For what rate the player of a play should take its line, where it has a choice of renditions.
    pub fn line(&self, play: u32) -> Option<Rate> {
        self.reads.line(PlayId(u64::from(play)))
    }

    /// A read ended: served, or the player hung up.
    pub fn close(&mut self, micros: u64, number: ReadNumber) {
        self.at(micros);
        if let Some(read) = self.reads.close(number)
            && matches!(read.of, Of::Media { .. })
        {
            self.input(Input::Closed { read: number.id() });
            self.settle();
        }
    }

    /// A play ended.
    pub fn stopped(&mut self, micros: u64, play: u32) {
        self.at(micros);
        let play = PlayId(u64::from(play));
        self.reads.advise(play, None);
        self.input(Input::Stopped { play });
        self.settle();
    }

    /// A player shows bytes of the file at an absolute address that the page had from a web server, before there was a
    /// tab to read them of. Its start took `after` microseconds, and came to its end `ago` microseconds back.
    pub fn showed(
        &mut self,
        micros: u64,
        play: u32,
        url: &str,
        (start, end): (u64, u64),
        after: u64,
        ago: u64,
    ) {
        self.at(micros);
        let Some(File::Media { rendition, part, .. }) = self.files.get(url).cloned() else { return };
        let play = PlayId(u64::from(play));
        let bytes = ByteRange::new(start.min(end), end);
        let (after, ago) = (Span::from_micros(after), Span::from_micros(ago));
        self.input(Input::Showed { play, rendition, part, bytes, after, ago });
        self.settle();
    }

    /// What is likely to play next, likeliest first; titles that are not open are left out.
    pub fn upcoming(&mut self, micros: u64, titles: &[TitleId]) {
        self.at(micros);
        let first = |title: &TitleId| Some(self.titles.get(title)?.renditions.first()?.id);
        let upcoming = titles.iter().filter_map(first).collect();
        self.input(Input::Upcoming(upcoming));
        self.settle();
    }

    /// Whether what is played is handed on, from here on.
    pub fn share(&mut self, micros: u64, serves: Serves) {
        self.at(micros);
        if self.own.serves == serves {
            return;
        }
        self.own.serves = serves;
        self.settings_changed();
        // A session says once whether its node serves.
        self.effects.push_back(Effect::EndSocket);
        self.client_input(ClientInput::Lost { retry_after: None });
        self.settle();
    }

    /// How the tab is doing.
    pub fn figures(&self) -> Figures {
        let sharing = match self.swarm.sharing() {
            Sharing::Off(_) => 0,
            Sharing::LanOnly(_) => 1,
            Sharing::On => 2,
        };
        Figures {
            connected: self.swarm.peer_count() as u64,
            held: self.swarm.held_bytes(),
            kept: self.store.kept(),
            keeping: self.keeper.keeping(),
            supernode: self.client.is_up(),
            sharing,
            ..self.figures
        }
    }

    /// This tab's key for its provider.
    pub fn node(&self) -> NodeKey {
        self.key.node()
    }

    /// The STUN server beside the supernode, as browsers name it.
    pub fn stun(&self) -> Option<String> {
        let port = self.stun_port?;
        let (_, rest) = self.supernode.split_once("://")?;
        let host = rest.split('/').next()?;
        let bare = match host.rsplit_once(':') {
            // The colons of a bare IPv6 address lie within brackets.
            Some((bare, port)) if !port.contains(']') => bare,
            Some(_) | None => host,
        };
        Some(format!("stun:{bare}:{port}"))
    }

    fn at(&mut self, micros: u64) {
        self.now = self.now.max(Time::from_micros(micros));
    }

    fn unix_now(&self) -> UnixTime {
        UnixTime(self.unix + self.now.micros() / 1_000_000)
    }

    fn note(&mut self, text: String) {
        self.effects.push_back(Effect::Note(text));
    }

    fn input(&mut self, input: TabInput) {
        if let Err(error) = self.swarm.handle_input(self.now, input) {
            self.note(format!("the engine refused an input: {error}"));
        }
    }

    fn client_input(&mut self, input: ClientInput) {
        if let Err(error) = self.client.handle_input(self.now, input) {
            self.note(format!("not handed to the supernode: {error}"));
        }
    }

    fn count(&mut self, source: Source, bytes: u64) {
        *match source {
            Source::Cache => &mut self.figures.cache,
            Source::Peer(Nearness::Lan, _) => &mut self.figures.lan,
            Source::Peer(..) => &mut self.figures.peers,
            Source::Origin => &mut self.figures.origin,
        } += bytes;
    }

    fn next_rendition(&mut self) -> RenditionId {
        self.renditions += 1;
        RenditionId(self.renditions)
    }

    /// Does all that follows from what happened.
    fn settle(&mut self) {
        self.carry_out();
        self.pump();
        self.keep_due();
        for number in self.reads.ready(&self.store) {
            self.effects.push_back(Effect::Ready(number));
        }
    }

    fn report_soon(&mut self) {
        self.report_at.get_or_insert(self.now + UPLINK_TICK);
    }
}
