//! p2p-media-loader as it comes: segments over HTTP and among browsers, from its documentation and defaults.
//!
//! - What plays within 15 s comes over HTTP, two segments at once (`highDemandTimeWindow`,
//!   `simultaneousHttpDownloads`); a peer's download is left to go on.
//! - What plays later comes from peers, three segments at once, from any peer that has all of the segment
//!   (`simultaneousP2PDownloads`, `p2pDownloadTimeWindow` of 6,000 s).
//! - Segments that no connected peer has are fetched over HTTP with a chance of one over the number
//!   of peers, so that not everybody does (`httpDownloadTimeWindow` of 3,000 s).
//! - A peer that sends nothing for 2 s is given up (`p2pNotReceivingBytesTimeoutMs`).
//! - Segments live in memory: a tab that was closed has forgotten them. The next title is not prefetched.
//! - A WebSocket tracker tells of others in the swarm, wherever they are.

use std::collections::{BTreeSet, VecDeque};

use nearcast_content::{BlockRange, BlockSet, ByteRange, ObjectId};
use nearcast_engine::limits::MAX_RUN_BLOCKS;
use nearcast_engine::swarm::{
    Fault, Input, InputError, Note, Output, Part, Parting, PeerId, PeerUse, PlayId, ReadId, Reason,
    RequestId, Why,
};
use nearcast_engine::wire::{PeerMessage, Serves};
use nearcast_engine::{Span, Time, Verdict};

use super::asking::{Asked, Asking, Playing, Titles, Whose};
use super::neighbours::Neighbours;
use super::shelf::Shelf;
use super::{Agent, Birth, Bounds, SimVerdict};
use crate::random::Random;
use crate::world::TrackerSpec;

/// A tracker of WebRTC offers: about the size of its answers and the time between them.
pub(super) const TRACKER: TrackerSpec =
    TrackerSpec { remembers: 1_000, tells: 10, again: Span::from_secs(60), overlay: false };

/// A segment's media: what hls.js is mostly given.
const SEGMENT: Span = Span::from_secs(6);
const HIGH_DEMAND: Span = Span::from_secs(15);
const HTTP_WINDOW: Span = Span::from_secs(3_000);
const SIMULTANEOUS_HTTP: usize = 2;
const SIMULTANEOUS_P2P: usize = 3;
const P2P_SILENCE: Span = Span::from_secs(2);
/// How often a segment that no peer has is thought about.
const RANDOM_HTTP: Span = Span::from_secs(1);
const HTTP_RETRY: Span = Span::from_secs(1);
const NEIGHBOURS: usize = 50;

/// One tab.
#[derive(Debug)]
pub(super) struct Loader {
    now: Time,
    shares: bool,
    random: Random,
    titles: Titles,
    shelf: Shelf,
    neighbours: Neighbours,
    asking: Asking,
    playing: Option<Playing>,
    next_search: Time,
    next_random: Time,
    retry_at: Time,
    /// Segments that others were told of, by object and first block.
    told: BTreeSet<(ObjectId, u32)>,
    outputs: VecDeque<Output>,
}

impl Loader {
    pub(super) fn new(birth: Birth) -> Self {
        let shares = birth.settings.peers == PeerUse::Share;
        let serves = if shares { birth.settings.serves } else { Serves::Nobody };
        Self {
            now: Time::ZERO,
            shares,
            random: Random::from_seed(birth.seed),
            titles: Titles::default(),
            shelf: Shelf::new(birth.settings.cache_budget),
            neighbours: Neighbours::new(birth.provider, serves, birth.settings.upload_limit),
            asking: Asking::default(),
            playing: None,
            next_search: Time::ZERO,
            next_random: Time::ZERO,
            retry_at: Time::ZERO,
            told: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    fn read(&mut self, read: ReadId, play: PlayId, part: Part, bytes: ByteRange) {
        self.shelf.touch(part.object, part.size);
        let goes_on = self.playing.as_ref().is_some_and(|p| p.play == play && p.part.object == part.object);
        if !goes_on {
            self.playing = Some(Playing::new(play, part, bytes));
            self.next_search = self.now;
            for request in self.asking.which(|run| run.object != part.object) {
                self.drop_run(request);
            }
            self.neighbours.ask_about(part.object, &mut self.outputs);
        }
        if let Some(first) = self.playing.as_mut().and_then(|playing| playing.read(read, bytes)) {
            for request in self.asking.left_by_jump(first) {
                self.drop_run(request);
            }
        }
    }

    /// The segment that has `block`: some blocks of equal media, no more than one message can ask for.
    fn segment(playing: &Playing, block: u32) -> BlockRange {
        let all = playing.part.size.all();
        let bytes = playing.bytes_in(SEGMENT.min(playing.part.length)).max(1);
        let len = u32::try_from(bytes.div_ceil(nearcast_content::BLOCK_SIZE)).unwrap_or(MAX_RUN_BLOCKS);
        let len = len.clamp(1, MAX_RUN_BLOCKS);
        let start = block / len * len;
        BlockRange::new(start, (start + len).min(all.end))
    }

    /// Asks for segments in the order of play, each of whom its time window says.
    fn ask(&mut self) {
        self.give_up_silent_peers();
        let Some(playing) = &self.playing else { return };
        let (part, playhead) = (playing.part, playing.playhead(self.now));
        let all = part.size.all();
        let mut at = playing.next_block();
        let mut segments = Vec::new();
        while at < all.end {
            let segment = Self::segment(playing, at);
            let media = playing.media(u64::from(segment.start) * nearcast_content::BLOCK_SIZE);
            segments.push((segment, media.less(playhead)));
            at = segment.end;
        }
        let (http, p2p) = (self.count(Whose::Origin), self.asking.runs.len() - self.count(Whose::Origin));
        let (mut http, mut p2p) = (http, p2p);
        for (segment, ahead) in segments {
            if http >= SIMULTANEOUS_HTTP && p2p >= SIMULTANEOUS_P2P {
                break;
            }
            let Some(gap) = self.open(&part, segment) else { continue };
            let urgent = ahead <= HIGH_DEMAND && self.retry_at <= self.now;
            if urgent && http >= SIMULTANEOUS_HTTP && self.drop_last_http_after(&part, segment) {
                http -= 1;
            }
            if urgent && http < SIMULTANEOUS_HTTP {
                http += 1;
                self.ask_http(&part, gap, Why::Deadline);
            } else if p2p < SIMULTANEOUS_P2P && self.ask_peer(&part, gap) {
                p2p += 1;
            }
        }
    }

    /// Makes room for a segment that is in high demand: of those behind it that come over HTTP the last is given up.
    fn drop_last_http_after(&mut self, part: &Part, segment: BlockRange) -> bool {
        let behind =
            |run: &Asked| run.peer.is_none() && run.object == part.object && run.blocks.start >= segment.end;
        let runs = self.asking.which(behind).into_iter();
        let starts = |request: &RequestId| self.asking.runs.get(request).map(|run| run.blocks.start);
        let Some(last) = runs.max_by_key(starts) else { return false };
        self.drop_run(last);
        true
    }

    fn count(&self, from: Whose) -> usize {
        self.asking.runs.values().filter(|run| from == Whose::Anywhere || run.peer.is_none()).count()
    }

    /// What of a segment is neither here nor on its way: one piece, since segments come whole.
    fn open(&self, part: &Part, segment: BlockRange) -> Option<BlockRange> {
        let coming = self.asking.coming(&part.object, Whose::Anywhere);
        let gap = self.shelf.missing(&part.object, segment).first().copied()?;
        coming.missing(gap).next()
    }

    fn ask_http(&mut self, part: &Part, blocks: BlockRange, why: Why) {
        let of = (part.object, part.size);
        let asked = self.asking.ask(self.now, None, of, blocks, (Span::from_secs(1), why));
        self.outputs.extend(asked);
    }

    fn ask_peer(&mut self, part: &Part, blocks: BlockRange) -> bool {
        let bytes = part.size.bytes_of(blocks).len();
        let holders = self.neighbours.holders(self.now, &part.object, blocks.start, bytes);
        let any = usize::try_from(self.random.below(holders.len() as u64)).unwrap_or(0);
        let Some((micros, peer)) = holders.get(any).copied() else { return false };
        let of = (part.object, part.size);
        let takes = (Span::from_micros(micros), Why::Near);
        let asked = self.asking.ask(self.now, Some(peer), of, blocks, takes);
        self.outputs.extend(asked);
        if let Some(peer) = self.neighbours.peers.get_mut(&peer) {
            peer.owed += bytes;
            peer.runs += 1;
        }
        true
    }

    /// Every so often a segment that nobody connected has is fetched over HTTP, so that somebody has it.
    fn fetch_at_random(&mut self) {
        if self.next_random > self.now || self.count(Whose::Origin) >= SIMULTANEOUS_HTTP {
            return;
        }
        self.next_random = self.now + RANDOM_HTTP;
        let peers = self.neighbours.peers.len() as u64 + 1;
        let Some(playing) = self.playing.as_ref().filter(|_| self.retry_at <= self.now) else { return };
        let part = playing.part;
        let window = playing.blocks_to(playing.playhead(self.now) + HTTP_WINDOW).intersect(part.size.all());
        let mut at = window.start;
        while at < window.end {
            let segment = Self::segment(playing, at);
            at = segment.end;
            let held = !self.neighbours.holders(self.now, &part.object, segment.start, 0).is_empty();
            let open = self.open(&part, segment).filter(|_| !held);
            if let Some(gap) = open
                && self.random.below(peers) == 0
            {
                return self.ask_http(&part, gap, Why::OurShare);
            }
        }
    }

    fn give_up_silent_peers(&mut self) {
        let now = self.now;
        let silent = |run: &Asked| run.peer.is_some() && run.heard + P2P_SILENCE <= now;
        for request in self.asking.which(silent) {
            let peer = self.asking.runs.get(&request).and_then(|run| run.peer);
            self.drop_run(request);
            if let Some(peer) = peer.and_then(|peer| self.neighbours.peers.get_mut(&peer)) {
                peer.rests_until = now + P2P_SILENCE.times(5);
            }
        }
    }

    fn stopped(&mut self, play: PlayId) {
        if self.playing.take_if(|playing| playing.play == play).is_some() {
            for request in self.asking.which(|_| true) {
                self.drop_run(request);
            }
        }
    }

    fn end_run(&mut self, request: RequestId) -> Option<Asked> {
        let run = self.asking.runs.remove(&request)?;
        if let Some(peer) = run.peer {
            self.neighbours.run_ended(peer, run.bytes, run.came, self.now.since(run.since));
        }
        Some(run)
    }

    fn drop_run(&mut self, request: RequestId) {
        if self.end_run(request).is_some() {
            self.outputs.push_back(Output::Cancel { request });
        }
    }

    fn arrived(&mut self, request: RequestId, blocks: BlockRange) {
        let Some(run) = self.asking.runs.get(&request) else { return };
        let (object, first) = (run.object, run.blocks.start);
        let Some(size) = self.shelf.size(&object) else { return };
        self.asking.arrived(self.now, request, size.bytes_of(blocks).len());
        self.shelf.arrived(object, blocks);
        let of_play = self.playing.as_ref().filter(|playing| playing.part.object == object);
        if let Some(segment) = of_play.map(|playing| Self::segment(playing, first))
            && self.shelf.holds(&object, segment)
            && self.told.insert((object, segment.start))
        {
            self.neighbours.spread(object, (segment.into(), BlockSet::EMPTY), &mut self.outputs);
        }
        if self.shelf.is_full() {
            let playing = self.playing.as_ref().map(|playing| playing.part.object);
            for gone in self.shelf.evict(&mut self.outputs, |id| Some(*id) == playing) {
                self.forget(gone);
            }
        }
    }

    fn forget(&mut self, object: ObjectId) {
        self.told.retain(|(other, _)| *other != object);
        if let Some(size) = self.titles.size(&object) {
            self.neighbours.spread(object, (BlockSet::EMPTY, size.all().into()), &mut self.outputs);
        }
    }

    /// What is complete in segments of an object.
    fn whole_segments(&self, object: &ObjectId) -> BlockSet {
        let size = self.shelf.size(object);
        let told = self.told.range((*object, 0)..=(*object, u32::MAX));
        let blocks = told.filter_map(|(_, start)| {
            let end = self.shelf.held_until(object, *start);
            let end = end.min(size?.all().end);
            (end > *start).then(|| BlockRange::new(*start, end))
        });
        blocks.collect()
    }

    fn search(&mut self) {
        if self.next_search > self.now || !self.shares {
            return;
        }
        let Some(object) = self.playing.as_ref().map(|playing| playing.part.object) else { return };
        let Some(swarm) = self.titles.home(&object) else { return };
        self.next_search = self.now + TRACKER.again;
        self.outputs.push_back(Output::Announce { swarm, renditions: 1, coverage: u64::MAX });
        self.outputs.push_back(Output::Lookup { swarm, renditions: 0 });
    }

    fn message(&mut self, peer: PeerId, message: PeerMessage) {
        match message {
            PeerMessage::Hello(hello) => {
                let greeted = self.neighbours.greeted(peer, &hello);
                if let Some(playing) = self.playing.as_ref().filter(|_| greeted) {
                    let message = PeerMessage::Interest { object: playing.part.object };
                    self.outputs.push_back(Output::Send { peer, message });
                }
            }
            PeerMessage::Interest { object } => {
                let held = self.whole_segments(&object);
                self.neighbours.interested(peer, object, held, &mut self.outputs);
            }
            PeerMessage::Have(have) => self.neighbours.told(peer, &have),
            PeerMessage::Want(want) => self.neighbours.wanted(peer, want, &self.shelf, &mut self.outputs),
            PeerMessage::Cancel { request } => self.neighbours.cancelled(peer, request, &mut self.outputs),
            PeerMessage::Refuse { request, reason } => {
                let object = self.asking.runs.get(&RequestId(request)).map(|run| run.object);
                self.drop_run(RequestId(request));
                if let Some(object) = object {
                    self.neighbours.refused(self.now, peer, &object, reason);
                }
            }
            PeerMessage::NoInterest { .. } | PeerMessage::Choke { .. } | PeerMessage::Goodbye => {}
        }
    }

    fn failed(&mut self, request: RequestId, fault: Fault) {
        let Some(run) = self.end_run(request) else { return };
        let Some(peer) = run.peer else {
            self.retry_at = self.now + HTTP_RETRY;
            let reads = self.playing.iter().flat_map(Playing::reads);
            let stuck: Vec<Output> = reads.map(|read| Output::Note(Note::Stuck { read })).collect();
            self.outputs.extend(stuck.into_iter().filter(|_| fault != Fault::Lost));
            return;
        };
        if fault == Fault::Corrupt {
            self.lost_peer(peer);
            self.outputs.push_back(Output::Disconnect { peer, why: Parting::Surplus });
        } else if let Some(peer) = self.neighbours.peers.get_mut(&peer) {
            peer.rests_until = self.now + P2P_SILENCE;
        }
    }

    fn lost_peer(&mut self, peer: PeerId) {
        for request in self.asking.which(|run| run.peer == Some(peer)) {
            self.drop_run(request);
        }
        self.neighbours.disconnected(peer);
    }

    fn wake(&self) -> Time {
        let silent = self.asking.runs.values().filter(|run| run.peer.is_some());
        let mut at = silent.map(|run| run.heard + P2P_SILENCE).min().unwrap_or(Time::NEVER);
        at = at.min(self.neighbours.wakes(self.now).unwrap_or(Time::NEVER));
        let Some(playing) = &self.playing else { return at };
        if !self.shelf.complete(&playing.part.object) {
            // Segments come into the high demand window as the playhead moves.
            let soon = self.now + RANDOM_HTTP;
            at = at.min(self.next_random.max(soon)).min(soon);
        }
        at.max(self.now + Span::from_millis(1))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the loader knows nothing of the rest")]
    fn take(&mut self, input: Input<SimVerdict>) -> Result<(), InputError> {
        match input {
            Input::Settings(settings) => {
                self.shelf.set_budget(settings.cache_budget);
                self.neighbours.set_serves(settings.serves, settings.upload_limit);
            }
            Input::Stored(stored) => {
                let object = stored.object;
                let blocks = stored.blocks.ranges().iter();
                self.outputs.extend(blocks.map(|blocks| Output::Evict { object, blocks: *blocks }));
            }
            Input::Describe(rendition) => self.titles.describe(rendition),
            Input::Read { read, play, rendition, part, bytes, rate, .. } => {
                let part = self.titles.part(rendition, part)?;
                self.read(read, play, part, bytes);
                if let (Some(rate), Some(playing)) = (rate, &mut self.playing) {
                    playing.rate = rate;
                }
            }
            Input::Progress { read, to } => {
                if let Some(playing) = &mut self.playing {
                    playing.progress(self.now, read, to);
                }
            }
            Input::Closed { read } => {
                if let Some(playing) = &mut self.playing {
                    playing.closed(read);
                }
            }
            Input::Stopped { play } => self.stopped(play),
            Input::Arrived { request, verdict } => self.arrived(request, verdict.blocks()),
            Input::Finished { request } => {
                self.end_run(request);
            }
            Input::Failed { request, fault } => self.failed(request, fault),
            Input::Damaged { object, blocks } => self.shelf.lost(object, blocks),
            Input::DirectoryUp => self.next_search = self.now,
            Input::Found { holders, .. } => {
                let room = NEIGHBOURS.saturating_sub(self.neighbours.peers.len());
                let nodes = holders.iter().map(|holder| holder.node);
                self.neighbours.connect(self.now, nodes, room, &mut self.outputs);
            }
            Input::Connected { peer, node, .. } => {
                self.neighbours.connected(peer, node, &mut self.outputs);
            }
            Input::Disconnected { peer } => self.lost_peer(peer),
            Input::Message { peer, message } => self.message(peer, message),
            Input::SentAll { upload } => self.neighbours.sent_all(upload),
            _ => {}
        }
        Ok(())
    }
}

impl Agent for Loader {
    fn handle_input(&mut self, now: Time, input: Input<SimVerdict>) -> Result<(), InputError> {
        self.now = now;
        self.take(input)?;
        self.search();
        self.ask();
        self.fetch_at_random();
        self.neighbours.serve(self.now, &self.shelf, &mut self.outputs);
        Ok(())
    }

    fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.wake(), Reason::Deadline))
    }

    fn bounds(&self) -> Bounds {
        Bounds::Own
    }
}
