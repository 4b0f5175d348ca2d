//! The world around tabs.

use std::collections::{BTreeMap, VecDeque};

use nearcast_content::catalogue::Catalogue;
use nearcast_content::manifest::{
    About, Kind, Layout, Manifest, MediaKind, Protection, Rendition, Role, Timeline,
};
use nearcast_content::tree::Hasher;
use nearcast_content::{
    ContentType, Document as _, FeatureSet, ObjectRef, ObjectSize, SigningKey, TitleId, UnixTime, Validity,
};
use nearcast_engine::directory::{Directory, Input, Output, SessionId, Settings};
use nearcast_engine::swarm::Taking;
use nearcast_engine::wire::directory::{Holder, hello_text};
use nearcast_engine::wire::{
    ClientMessage, Frame, PlayReport, ServerMessage, Serves, Versions, decode, encode,
};
use nearcast_engine::{Place, Time};

use crate::{Answer, Effect, FetchId, Giving, KeepId, LinkId, ReadNumber, Setup, Stowed, Tab, Taken};

pub(super) const SITE: &str = "http://127.0.0.1:8400/";
const NOW: UnixTime = UnixTime(1_800_000_000);
/// A millisecond of the world.
const STEP: u64 = 1_000;

/// What the origin has, by address.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Bytes of media that it sent.
    pub(super) sent: u64,
    pub(super) away: bool,
}

pub(super) fn title() -> TitleId {
    "song".parse().expect("a title")
}

fn parsed<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect(text)
}

/// A site with one song of `media`.
pub(super) fn site(media: &[u8]) -> Origin {
    let key = SigningKey::from_secret(&[7; 32]);
    let validity = Validity { sequence: 1, issued: NOW, expires: NOW.plus(86_400) };
    let mut hasher = Hasher::new();
    hasher.update(media);
    let (id, outboard) = hasher.finish();
    let object = ObjectRef {
        id,
        size: ObjectSize::new(media.len() as u64).expect("in range"),
        content_type: ContentType::Mp3,
        source: Some(parsed("song.mp3")),
    };
    let about = About {
        name: parsed("A song"),
        artist: None,
        album: None,
        track: None,
        disc: None,
        year: None,
        media: MediaKind::Music,
    };
    let rendition = Rendition {
        id: parsed("audio"),
        role: Role::Audio,
        codecs: None,
        bandwidth: 160_000,
        average_bandwidth: None,
        resolution: None,
        frame_rate_milli: None,
        language: None,
        layout: Layout::Single { object, init: None, playlist: None },
    };
    let manifest = Manifest {
        title: title(),
        validity,
        about,
        kind: Kind::Vod,
        protection: Protection::None,
        renditions: vec![rendition],
        documents: vec![],
        timeline: Timeline { duration_ms: 60_000, segment_ms: None },
    };
    let catalogue = Catalogue {
        validity,
        provider: parsed("A label"),
        pages: vec![],
        withdrawn: vec![],
        policy_floor: None,
    };
    let mut origin = Origin::default();
    let mut put = |path: &str, bytes: Vec<u8>| drop(origin.files.insert(format!("{SITE}{path}"), bytes));
    put("nearcast/catalogue.jws", catalogue.sign(&key).expect("good").into_bytes());
    put("nearcast/titles/song.jws", manifest.sign(&key).expect("good").into_bytes());
    put("media/song/song.mp3", media.to_vec());
    put("media/song/song.mp3.obo", outboard);
    origin
}

/// A later catalogue, in which the song is withdrawn.
pub(super) fn catalogue_without() -> Vec<u8> {
    let validity = Validity { sequence: 2, issued: NOW, expires: NOW.plus(86_400) };
    let provider = parsed("A label");
    let catalogue =
        Catalogue { validity, provider, pages: vec![], withdrawn: vec![title()], policy_floor: None };
    catalogue.sign(&SigningKey::from_secret(&[7; 32])).expect("good").into_bytes()
}

/// A tab and what its page would hold.
#[derive(Debug)]
struct Page {
    tab: Tab,
    session: Option<SessionId>,
    nonce: [u8; 32],
    /// Reads that may be taken from.
    ready: Vec<ReadNumber>,
    opened: Vec<(TitleId, Option<String>)>,
    notes: Vec<String>,
    /// What became of bytes that were given.
    given: Vec<(u64, bool)>,
    /// The other end of each link, by link.
    ends: BTreeMap<LinkId, (usize, LinkId)>,
    gone: bool,
}

/// Everything.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: u64,
    pub(super) origin: Origin,
    pages: Vec<Page>,
    directory: Directory,
    sessions: u64,
    supernode_away: bool,
    /// The signal that the directory is asked about.
    signal: Vec<u8>,
    /// Calls that nobody took yet, in their order.
    calls: VecDeque<(usize, LinkId)>,
    /// What is on its way, in order.
    queue: VecDeque<(usize, Event)>,
    /// Changes packets on their way between tabs.
    pub(super) tamper: fn(&mut Vec<u8>),
    /// What the browser keeps, in the order in which it was kept.
    pub(super) storage: Vec<(String, Vec<u8>)>,
    /// Bytes that it has room for.
    pub(super) room: usize,
    /// The fingerprint that somebody in the middle shows instead of the true one.
    pub(super) in_the_middle: Option<u8>,
    /// What tabs told the supernode of their plays.
    pub(super) reports: Vec<PlayReport>,
}

/// Something that reaches a tab.
#[derive(Debug)]
enum Event {
    Fetched(FetchId, Option<Vec<u8>>, bool),
    Told(ServerMessage),
    Packet(LinkId, Vec<u8>),
    Opened(LinkId),
    Closed(LinkId),
    Kept(KeepId, Stowed),
    Loaded(KeepId, Option<Vec<u8>>),
}

fn description(fingerprint: u8) -> String {
    format!("v=0\r\na=fingerprint:sha-256 {}\r\n", vec![format!("{fingerprint:02X}"); 32].join(":"))
}

impl World {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            now: STEP,
            origin,
            pages: Vec::new(),
            directory: Directory::new(1, Settings::default()),
            sessions: 0,
            supernode_away: false,
            signal: Vec::new(),
            calls: VecDeque::new(),
            queue: VecDeque::new(),
            tamper: |_| {},
            storage: Vec::new(),
            room: usize::MAX,
            in_the_middle: None,
            reports: Vec::new(),
        }
    }

    /// A tab opens the page.
    pub(super) fn enter(&mut self, serves: Serves) -> usize {
        let n = self.pages.len();
        let byte = u8::try_from(n).expect("few") + 1;
        let setup = Setup {
            site: SITE.to_owned(),
            supernode: "ws://127.0.0.1:8400/nearcast/v1/directory".to_owned(),
            secret: [byte; 32],
            entropy: [byte + 100; 32],
            budget: 64 << 20,
            serves,
            unix: NOW.0,
        };
        let catalogue = &self.origin.files[&format!("{SITE}nearcast/catalogue.jws")];
        let tab = Tab::open(setup, catalogue).expect("a good catalogue");
        self.pages.push(Page {
            tab,
            session: None,
            nonce: [byte; 32],
            ready: Vec::new(),
            opened: Vec::new(),
            notes: Vec::new(),
            given: Vec::new(),
            ends: BTreeMap::new(),
            gone: false,
        });
        n
    }

    pub(super) fn tab(&mut self, n: usize) -> &mut Tab {
        &mut self.pages[n].tab
    }

    /// What is wrong with the title that was to be opened.
    pub(super) fn trouble(&self, n: usize) -> Option<&str> {
        self.pages[n].opened.first()?.1.as_deref()
    }

    /// Gives a tab bytes of the song that its page had fetched; says how many were checked, and whether all were good.
    pub(super) fn give(&mut self, n: usize, start: u64, bytes: &[u8], giving: Giving) -> Option<(u64, bool)> {
        let (now, before) = (self.now, self.pages[n].given.len());
        self.pages[n].tab.give(now, &format!("{SITE}media/song/song.mp3"), start, bytes, giving)?;
        self.until(|world| world.pages[n].given.len() > before);
        self.pages[n].given.last().copied()
    }

    pub(super) fn notes(&self, n: usize) -> &[String] {
        &self.pages[n].notes
    }

    /// A tab is closed without a word.
    pub(super) fn kill(&mut self, n: usize) {
        self.pages[n].gone = true;
        let ends: Vec<_> = self.pages[n].ends.values().copied().collect();
        for (other, link) in ends {
            self.queue.push_back((other, Event::Closed(link)));
        }
        if let Some(session) = self.pages[n].session.take() {
            self.direct(Input::Closed { session });
        }
    }

    /// The browser keeps things for this tab from here on, and for no other.
    pub(super) fn keeps(&mut self, n: usize, budget: u64) {
        let keys: Vec<String> = self.storage.iter().map(|(key, _)| key.clone()).collect();
        let now = self.now;
        self.pages[n].tab.keeps(now, &keys, budget);
    }

    /// Bytes that the browser keeps.
    pub(super) fn stored(&self) -> usize {
        self.storage.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    pub(super) fn supernode_goes(&mut self) {
        self.supernode_away = true;
        let now = self.now;
        for page in &mut self.pages {
            page.session = None;
            page.tab.socket_lost(now);
        }
    }

    /// Opens the title and waits until it is.
    pub(super) fn open(&mut self, n: usize) {
        let now = self.now;
        self.pages[n].tab.open_title(now, &title());
        self.until(|world| !world.pages[n].opened.is_empty());
        assert_eq!(self.pages[n].opened, [(title(), None)]);
    }

    /// Plays `start..end` of the song to its end, or to where nobody delivers it.
    pub(super) fn play(&mut self, n: usize, start: u64, end: u64) -> Option<Vec<u8>> {
        let url = format!("{SITE}media/song/song.mp3");
        let now = self.now;
        let read =
            self.pages[n].tab.read(now, 1, &url, (start, end), (Taking::Stream, None)).expect("a file");
        let mut heard = Vec::new();
        loop {
            let now = self.now;
            match self.pages[n].tab.take(now, read) {
                Taken::Bytes(bytes) => heard.extend(bytes),
                Taken::End => break,
                Taken::Failed => return None,
                Taken::Nothing => self.until(|world| world.pages[n].ready.contains(&read)),
            }
            self.pages[n].ready.retain(|other| *other != read);
        }
        let now = self.now;
        self.pages[n].tab.close(now, read);
        Some(heard)
    }

    /// Lets time pass until something is so.
    pub(super) fn until(&mut self, so: impl Fn(&Self) -> bool) {
        let limit = self.now + 120_000_000;
        loop {
            self.settle();
            if so(self) {
                return;
            }
            assert!(
                self.now < limit,
                "waited for two minutes: {:?}",
                self.pages.iter().map(|p| &p.notes).collect::<Vec<_>>()
            );
            self.step();
        }
    }

    pub(super) fn pass(&mut self, millis: u64) {
        let until = self.now + millis * 1_000;
        while self.now < until {
            self.settle();
            self.step();
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        let now = self.now;
        for page in self.pages.iter_mut().filter(|page| !page.gone) {
            if page.tab.wake() <= now {
                page.tab.timeout(now);
            }
        }
        self.direct(Input::Timeout);
    }

    /// Does what all tabs want, and delivers what is on its way.
    fn settle(&mut self) {
        loop {
            for n in 0..self.pages.len() {
                while let Some(effect) = self.pages[n].tab.poll() {
                    if !self.pages[n].gone {
                        self.carry(n, effect);
                    }
                }
            }
            let Some((n, event)) = self.queue.pop_front() else { return };
            if !self.pages[n].gone {
                self.deliver(n, event);
            }
        }
    }

    fn deliver(&mut self, n: usize, event: Event) {
        let now = self.now;
        let tab = &mut self.pages[n].tab;
        match event {
            Event::Fetched(id, Some(bytes), ranged) => {
                tab.answered(now, id, Answer::Status(if ranged { 206 } else { 200 }));
                bytes.chunks(10_000).for_each(|chunk| tab.chunk(now, id, chunk));
                tab.ended(now, id);
            }
            Event::Fetched(id, None, _) => tab.answered(now, id, Answer::Status(503)),
            Event::Told(message) => tab.told(now, &encode(&message)),
            Event::Packet(link, bytes) => tab.packet(now, link, &bytes),
            Event::Opened(link) => tab.channel_opened(now, link),
            Event::Closed(link) => tab.channel_closed(now, link),
            Event::Kept(id, stowed) => tab.kept(now, id, stowed),
            Event::Loaded(id, bytes) => tab.loaded(now, id, bytes.as_deref()),
        }
    }

    fn carry(&mut self, n: usize, effect: Effect) {
        let now = self.now;
        match effect {
            Effect::Fetch { id, url, range } => {
                let bytes = self.origin.files.get(&url).filter(|_| !self.origin.away).map(|file| {
                    let at = |n: u64| usize::try_from(n).expect("small");
                    range.map_or(file.clone(), |range| file[at(range.start)..at(range.end)].to_vec())
                });
                if url.ends_with(".mp3") {
                    self.origin.sent += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                }
                self.queue.push_back((n, Event::Fetched(id, bytes, range.is_some())));
            }
            Effect::StopFetch(id) => self.queue.retain(|(to, event)| {
                !(*to == n && matches!(event, Event::Fetched(other, ..) if *other == id))
            }),
            Effect::Socket(_) if self.supernode_away => self.pages[n].tab.socket_lost(now),
            Effect::Socket(_) => {
                self.pages[n].tab.socket_opened(now);
                let nonce = self.pages[n].nonce;
                let challenge = ServerMessage::Challenge { nonce, versions: Versions::OURS };
                self.queue.push_back((n, Event::Told(challenge)));
            }
            Effect::Tell(bytes) => self.hear(n, decode(&bytes).expect("a message")),
            Effect::EndSocket => {
                if let Some(session) = self.pages[n].session.take() {
                    self.direct(Input::Closed { session });
                }
            }
            Effect::Call(link) | Effect::AnswerCall { link, .. } => {
                let own = u8::try_from(n).expect("few") + 1;
                self.pages[n].tab.described(now, link, &description(own));
                if let Effect::Call(_) = effect {
                    self.calls.push_back((n, link));
                } else if let Some(caller) = self.calls.pop_front() {
                    // Signals keep their order: the oldest call is the one that is answered.
                    self.pages[n].ends.insert(link, caller);
                    self.pages[caller.0].ends.insert(caller.1, (n, link));
                }
            }
            Effect::Accepted { link, .. } => {
                let (other, end) = self.pages[n].ends[&link];
                self.queue.push_back((n, Event::Opened(link)));
                self.queue.push_back((other, Event::Opened(end)));
            }
            Effect::Candidate { .. } => {}
            Effect::Packet { link, mut bytes } => {
                if matches!(Frame::read(&bytes), Ok(Frame::Piece { .. })) {
                    (self.tamper)(&mut bytes);
                }
                if let Some((other, end)) = self.pages[n].ends.get(&link).copied() {
                    self.queue.push_back((other, Event::Packet(end, bytes)));
                }
                self.pages[n].tab.waiting(now, link, 0);
            }
            Effect::HangUp(link) => {
                if let Some((other, end)) = self.pages[n].ends.remove(&link) {
                    self.pages[other].ends.remove(&end);
                    self.queue.push_back((other, Event::Closed(end)));
                }
                self.calls.retain(|call| *call != (n, link));
            }
            Effect::Title { title, trouble } => self.pages[n].opened.push((title, trouble)),
            Effect::Ready(read) => self.pages[n].ready.push(read),
            Effect::Note(note) => self.pages[n].notes.push(note),
            stow @ (Effect::Keep { .. } | Effect::Load { .. } | Effect::Forget(_)) => self.stow(n, stow),
            Effect::Given { checked, good, .. } => self.pages[n].given.push((checked, good)),
        }
    }

    /// Does what the browser's storage is to do.
    fn stow(&mut self, n: usize, effect: Effect) {
        if let Effect::Keep { id, key, bytes } = effect {
            let full = self.stored() + bytes.len() > self.room;
            if !full {
                self.storage.retain(|(other, _)| *other != key);
                self.storage.push((key, bytes));
            }
            let stowed = if full { Stowed::Refused } else { Stowed::Done };
            self.queue.push_back((n, Event::Kept(id, stowed)));
        } else if let Effect::Load { id, key } = effect {
            let found = self.storage.iter().find(|(other, _)| *other == key);
            let bytes = found.map(|(_, bytes)| bytes.clone());
            self.queue.push_back((n, Event::Loaded(id, bytes)));
        } else if let Effect::Forget(key) = effect {
            self.storage.retain(|(other, _)| *other != key);
        }
    }

    /// A tab says something to the supernode.
    fn hear(&mut self, n: usize, message: ClientMessage) {
        if let ClientMessage::Hello(hello) = message {
            let signature = nearcast_content::keys::Signature(hello.signature.try_into().expect("64 bytes"));
            assert!(hello.node.verifies(&hello_text(&self.pages[n].nonce, &hello.provider), &signature));
            self.sessions += 1;
            let session = SessionId(self.sessions);
            self.pages[n].session = Some(session);
            let (node, serves, ways) = (hello.node, hello.serves, hello.ways);
            return self.direct(Input::Opened { session, node, place: Place::default(), serves, ways });
        }
        let Some(session) = self.pages[n].session else { return };
        match message {
            ClientMessage::Announce { added, removed } => {
                self.direct(Input::Announced { session, added, removed });
            }
            ClientMessage::Lookup { query, swarm, renditions } => {
                self.direct(Input::Lookup { session, query, swarm, renditions });
            }
            ClientMessage::Signal { to, mut payload } => {
                if let Some(shown) = self.in_the_middle {
                    let own = u8::try_from(n).expect("few") + 1;
                    replace(&mut payload, &description(own), &description(shown));
                }
                self.signal = payload;
                self.direct(Input::Signal { session, to });
            }
            ClientMessage::Report(report) => {
                self.reports.push(report);
                self.direct(Input::Renewed { session });
            }
            ClientMessage::Hello(_) | ClientMessage::Renew => self.direct(Input::Renewed { session }),
        }
    }

    fn direct(&mut self, input: Input) {
        let now = Time::from_micros(self.now);
        self.directory.handle_input(now, input).expect("the world makes no mistakes");
        loop {
            let (session, message) = match self.directory.poll_output() {
                Output::Timeout(_) => return,
                Output::Admitted { session, lease } => {
                    let lease_millis = u32::try_from(lease.millis()).expect("short");
                    let observed = "127.0.0.1".to_owned();
                    let welcome = ServerMessage::Welcome {
                        features: FeatureSet::REPORTS.0,
                        lease_millis,
                        observed,
                        relay: None,
                        stun_port: Some(1),
                    };
                    (session, welcome)
                }
                Output::Answer { session, query, holders, again } => {
                    let holder = |found: &nearcast_engine::directory::Found| Holder {
                        node: found.node,
                        nearness: found.nearness,
                        renditions: found.holding.renditions,
                        coverage: found.holding.coverage,
                        addresses: vec![],
                        ways: found.ways,
                    };
                    let holders = holders.iter().map(holder).collect();
                    let again_millis = u32::try_from(again.millis()).expect("short");
                    (session, ServerMessage::Holders { query, holders, again_millis })
                }
                Output::Deliver { from, to } => {
                    (to, ServerMessage::Signal { from, payload: std::mem::take(&mut self.signal) })
                }
                other @ (Output::TurnedAway { .. }
                | Output::RetryAfter { .. }
                | Output::Close { .. }
                | Output::Expired { .. }) => panic!("the supernode says {other:?}"),
            };
            if let Some(n) = self.pages.iter().position(|page| page.session == Some(session)) {
                self.queue.push_back((n, Event::Told(message)));
            }
        }
    }
}

/// Replaces one text by another of the same length.
fn replace(bytes: &mut [u8], from: &str, to: &str) {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}
