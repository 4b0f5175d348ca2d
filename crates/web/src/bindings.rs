//! The tab for JavaScript: the same methods, with numbers, texts and bytes alone.
//!
//! Times are milliseconds of `performance.now()`. An [`Act`] is an [`Effect`] laid out flat: which fields count
//! follows from its kind, and `web/src/tab/acts.ts` says so on the other side.

use nearcast_engine::PlaybackRate;
use nearcast_engine::swarm::Taking;
use nearcast_engine::wire::Serves;
use wasm_bindgen::prelude::*;

use crate::{
    Answer, Effect, FetchId, GivenId, Giving, KeepId, Keeping, LinkId, ReadNumber, Setup, Stowed, Tab, Taken,
};

/// One thing to do.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug, Default)]
pub struct Act {
    /// Which effect, numbered in their order.
    pub kind: u8,
    /// Number of the request, link or read.
    pub id: u32,
    /// First byte to ask for, or how many were checked.
    pub start: f64,
    /// Where the bytes to ask for end, zero for all; or whether they were good.
    pub end: f64,
    /// Address, description, candidate, title, key or words.
    pub text: String,
    /// Media section, or what is wrong with a title.
    pub more: String,
    /// A packet, or an entry.
    pub bytes: Vec<u8>,
}

impl Act {
    fn new(kind: u8) -> Self {
        Self { kind, ..Self::default() }
    }

    fn of(effect: Effect) -> Self {
        match effect {
            Effect::Fetch { id: FetchId(id), url, range } => {
                let (start, end) = range.map_or((0, 0), |range| (range.start, range.end));
                Self { id, text: url, start: float(start), end: float(end), ..Self::new(0) }
            }
            Effect::StopFetch(FetchId(id)) => Self { id, ..Self::new(1) },
            Effect::Socket(text) => Self { text, ..Self::new(2) },
            Effect::Tell(bytes) => Self { bytes, ..Self::new(3) },
            Effect::EndSocket => Self::new(4),
            Effect::Call(LinkId(id)) => Self { id, ..Self::new(5) },
            Effect::AnswerCall { link: LinkId(id), description: text } => Self { id, text, ..Self::new(6) },
            Effect::Accepted { link: LinkId(id), description: text } => Self { id, text, ..Self::new(7) },
            Effect::Candidate { link: LinkId(id), candidate: text, section: more } => {
                Self { id, text, more, ..Self::new(8) }
            }
            Effect::Packet { link: LinkId(id), bytes } => Self { id, bytes, ..Self::new(9) },
            Effect::HangUp(LinkId(id)) => Self { id, ..Self::new(10) },
            Effect::Title { title, trouble } => {
                Self { text: title.to_string(), more: trouble.unwrap_or_default(), ..Self::new(11) }
            }
            Effect::Ready(ReadNumber(id)) => Self { id, ..Self::new(12) },
            Effect::Note(text) => Self { text, ..Self::new(13) },
            Effect::Keep { id: KeepId(id), key: text, bytes } => Self { id, text, bytes, ..Self::new(14) },
            Effect::Load { id: KeepId(id), key: text } => Self { id, text, ..Self::new(15) },
            Effect::Forget(text) => Self { text, ..Self::new(16) },
            Effect::Given { id: GivenId(id), checked, good } => {
                Self { id, start: float(checked), end: float(u64::from(good)), ..Self::new(17) }
            }
        }
    }
}

/// A browser tab's part in the swarms of one provider.
#[wasm_bindgen(js_name = Tab)]
#[derive(Debug)]
pub struct JsTab {
    tab: Tab,
    begun: f64,
}

#[wasm_bindgen(js_class = Tab)]
impl JsTab {
    /// Opens a tab. `entropy` is 64 bytes: the device's secret, and 32 fresh ones.
    ///
    /// # Errors
    /// When the catalogue is refused, with the reason for people.
    #[wasm_bindgen(constructor)]
    #[expect(clippy::too_many_arguments, reason = "JavaScript sees one flat call; the page has one caller")]
    pub fn new(
        now: f64,
        unix: f64,
        site: String,
        supernode: String,
        entropy: &[u8],
        budget: f64,
        shares: bool,
        catalogue: &[u8],
    ) -> Result<JsTab, JsError> {
        let halves = entropy.split_first_chunk::<32>().and_then(|(a, b)| Some((*a, *b.first_chunk::<32>()?)));
        let Some((secret, entropy)) = halves else { return Err(JsError::new("64 random bytes are needed")) };
        let (budget, unix, serves) = (whole(budget), whole(unix), serves(shares));
        let setup = Setup { site, supernode, secret, entropy, budget, serves, unix };
        let tab = Tab::open(setup, catalogue).map_err(|error| JsError::new(&error.to_string()))?;
        Ok(Self { tab, begun: now })
    }

    fn micros(&self, now: f64) -> u64 {
        whole((now - self.begun) * 1_000.0)
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Act> {
        self.tab.poll().map(Act::of)
    }

    /// When `timeout` is due.
    pub fn wake(&mut self) -> f64 {
        float(self.tab.wake()) / 1_000.0 + self.begun
    }

    /// The moment of `wake` has come.
    pub fn timeout(&mut self, now: f64) {
        self.tab.timeout(self.micros(now));
    }

    /// A web server began to answer; status 0 is no answer.
    pub fn answered(&mut self, now: f64, id: u32, status: u16) {
        let answer = if status == 0 { Answer::Nothing } else { Answer::Status(status) };
        self.tab.answered(self.micros(now), FetchId(id), answer);
    }

    /// Bytes of an answer came.
    pub fn chunk(&mut self, now: f64, id: u32, bytes: &[u8]) {
        self.tab.chunk(self.micros(now), FetchId(id), bytes);
    }

    /// An answer came to its end.
    pub fn ended(&mut self, now: f64, id: u32) {
        self.tab.ended(self.micros(now), FetchId(id));
    }

    /// A request came to nothing.
    pub fn failed(&mut self, now: f64, id: u32) {
        self.tab.failed(self.micros(now), FetchId(id));
    }

    /// The connection to the supernode stands.
    pub fn socket_opened(&mut self, now: f64) {
        self.tab.socket_opened(self.micros(now));
    }

    /// The connection to the supernode ended, or could not be made.
    pub fn socket_lost(&mut self, now: f64) {
        self.tab.socket_lost(self.micros(now));
    }

    /// The supernode sent a packet.
    pub fn told(&mut self, now: f64, packet: &[u8]) {
        self.tab.told(self.micros(now), packet);
    }

    /// The browser made its description of a link.
    pub fn described(&mut self, now: f64, link: u32, description: &str) {
        self.tab.described(self.micros(now), LinkId(link), description);
    }

    /// The browser found a place where a link may be reached.
    pub fn candidate(&mut self, now: f64, link: u32, candidate: &str, section: &str) {
        self.tab.candidate(self.micros(now), LinkId(link), candidate, section);
    }

    /// A link's channel stands.
    pub fn channel_opened(&mut self, now: f64, link: u32) {
        self.tab.channel_opened(self.micros(now), LinkId(link));
    }

    /// A link ended, or could not be made.
    pub fn channel_closed(&mut self, now: f64, link: u32) {
        self.tab.channel_closed(self.micros(now), LinkId(link));
    }

    /// So many bytes wait in a link's channel.
    pub fn waiting(&mut self, now: f64, link: u32, bytes: f64) {
        self.tab.waiting(self.micros(now), LinkId(link), whole(bytes));
    }

    /// A packet came over a link's channel.
    pub fn packet(&mut self, now: f64, link: u32, packet: &[u8]) {
        self.tab.packet(self.micros(now), LinkId(link), packet);
    }

    /// The catalogue was read anew.
    pub fn catalogue(&mut self, now: f64, bytes: &[u8]) {
        self.tab.catalogue(self.micros(now), bytes);
    }

    /// Opens a title.
    pub fn open_title(&mut self, now: f64, title: &str) {
        if let Ok(title) = title.parse() {
            self.tab.open_title(self.micros(now), &title);
        }
    }

    /// A player that plays at a `rate` (1 is normal), if that is known, reads bytes of a file, and shows nothing of them
    /// before all are there when it takes them `whole_only`. Nothing when this is no file of an open title.
    #[expect(clippy::too_many_arguments, reason = "JavaScript gets numbers and texts alone")]
    pub fn read(
        &mut self,
        now: f64,
        play: u32,
        url: &str,
        start: f64,
        end: f64,
        whole_only: bool,
        rate: Option<f64>,
    ) -> Option<u32> {
        let taking = if whole_only { Taking::Whole } else { Taking::Stream };
        let percent = |rate: f64| u16::try_from(whole(rate * 100.0)).unwrap_or(u16::MAX);
        let rate = rate.map(|rate| PlaybackRate::from_percent(percent(rate)));
        let bytes = (whole(start), whole(end));
        self.tab.read(self.micros(now), play, url, bytes, (taking, rate)).map(|read| read.0)
    }

    /// A player shows bytes of a file that the page had from a web server. Its start took `after` milliseconds, and
    /// came to its end `ago` milliseconds back.
    #[expect(clippy::too_many_arguments, reason = "JavaScript gets numbers and texts alone")]
    pub fn showed(&mut self, now: f64, play: u32, url: &str, start: f64, end: f64, after: f64, ago: f64) {
        let bytes = (whole(start), whole(end));
        self.tab.showed(self.micros(now), play, url, bytes, whole(after * 1e3), whole(ago * 1e3));
    }

    /// Addresses of the files of an open title.
    pub fn files_of(&self, title: &str) -> Vec<String> {
        title.parse().map(|title| self.tab.files_of(&title)).unwrap_or_default()
    }

    /// How long a file is; nothing when it is no file of an open title.
    pub fn size_of(&self, url: &str) -> Option<f64> {
        self.tab.size_of(url).map(float)
    }

    /// What a player is told that a file is.
    pub fn type_of(&self, url: &str) -> Option<String> {
        self.tab.type_of(url).map(str::to_owned)
    }

    /// The next bytes of a read; empty at its end, nothing when it has to wait.
    ///
    /// # Errors
    /// When nobody delivers it.
    pub fn take(&mut self, now: f64, read: u32) -> Result<Option<Vec<u8>>, JsError> {
        match self.tab.take(self.micros(now), ReadNumber(read)) {
            Taken::Bytes(bytes) => Ok(Some(bytes)),
            Taken::End => Ok(Some(Vec::new())),
            Taken::Nothing => Ok(None),
            Taken::Failed => Err(JsError::new("nobody delivers it")),
        }
    }

    /// Bytes a second for which the player of a play should take its line; nothing for what it measures.
    pub fn line(&self, play: u32) -> Option<f64> {
        self.tab.line(play).map(|rate| float(rate.bytes_per_sec()))
    }

    /// A read ended.
    pub fn close(&mut self, now: f64, read: u32) {
        self.tab.close(self.micros(now), ReadNumber(read));
    }

    /// A play ended.
    pub fn stopped(&mut self, now: f64, play: u32) {
        self.tab.stopped(self.micros(now), play);
    }

    /// What is likely to play next, likeliest first.
    pub fn upcoming(&mut self, now: f64, titles: Vec<String>) {
        let titles: Vec<_> = titles.iter().filter_map(|title| title.parse().ok()).collect();
        self.tab.upcoming(self.micros(now), &titles);
    }

    /// Whether what is played is handed on.
    pub fn share(&mut self, now: f64, shares: bool) {
        self.tab.share(self.micros(now), serves(shares));
    }

    /// Bytes that the page fetched by itself; `played` when the player has them already. Nothing when nothing can be
    /// said of them.
    pub fn give(&mut self, now: f64, url: &str, start: f64, bytes: &[u8], played: bool) -> Option<u32> {
        let giving = if played { Giving::Played } else { Giving::Waited };
        self.tab.give(self.micros(now), url, whole(start), bytes, giving).map(|given| given.0)
    }

    /// The browser keeps up to `budget` bytes from here on; `keys` names what it has.
    pub fn keeps(&mut self, now: f64, keys: Vec<String>, budget: f64) {
        self.tab.keeps(self.micros(now), &keys, whole(budget));
    }

    /// An entry was kept, or refused.
    pub fn kept(&mut self, now: f64, id: u32, done: bool) {
        let stowed = if done { Stowed::Done } else { Stowed::Refused };
        self.tab.kept(self.micros(now), KeepId(id), stowed);
    }

    /// An entry was read; nothing when it is gone.
    pub fn loaded(&mut self, now: f64, id: u32, bytes: Option<Vec<u8>>) {
        self.tab.loaded(self.micros(now), KeepId(id), bytes.as_deref());
    }

    /// Nothing is to be kept of what does not play.
    pub fn clear(&mut self, now: f64) {
        self.tab.clear(self.micros(now));
    }

    /// The STUN server beside the supernode.
    pub fn stun(&self) -> Option<String> {
        self.tab.stun()
    }

    /// Bytes from the cache, the own network, other peers, the origin; bytes sent; peers; bytes held; whether the
    /// supernode can be asked; to whom is handed on; bytes in the browser's storage, and whether it keeps what plays.
    pub fn figures(&self) -> Vec<f64> {
        let f = self.tab.figures();
        let counts = [f.cache, f.lan, f.peers, f.origin, f.sent, f.connected, f.held];
        let keeping = match f.keeping {
            Keeping::No => 0,
            Keeping::Yes => 1,
            Keeping::Full => 2,
        };
        let states = [u64::from(f.supernode), u64::from(f.sharing), f.kept, keeping];
        counts.into_iter().chain(states).map(float).collect()
    }
}

fn serves(shares: bool) -> Serves {
    if shares { Serves::Others } else { Serves::Nobody }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "JavaScript's numbers are exact up to 2^53, and a file has 2^40 bytes"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates: less than nothing is nothing"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
