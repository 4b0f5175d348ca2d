//! p2p-media-loader 2.3 as it comes: segments over HTTP and among browsers, from its documentation, its defaults and what
//! its `HybridLoader` does with them.
//!
//! - What plays within 15 s is in high demand (`highDemandTimeWindow`) and comes over HTTP, two segments at once
//!   (`simultaneousHttpDownloads`): what a peer had begun to bring of it is taken over, and of later ones the last makes room.
//!   Where that is not to be had it comes from a peer.
//! - What plays later comes from peers, three segments at once (`simultaneousP2PDownloads`, `p2pDownloadTimeWindow` of
//!   6,000 s), each of another one that has all of the segment, drawn by how fast each was.
//! - Segments that no connected peer has, or says it loads over HTTP, are fetched over HTTP at random, so that among those
//!   who are connected two come in each round (`httpDownloadTimeWindow` of 3,000 s). Rounds come more rarely the more are
//!   connected, and none while nobody is.
//! - A peer that sends nothing for 2 s is given up (`p2pNotReceivingBytesTimeoutMs`).
//! - Segments live in memory: a tab that was closed has forgotten them. The next title is not prefetched.
//! - A WebSocket tracker tells of others in the swarm, wherever they are.

use std::collections::{BTreeSet, VecDeque};

use nearcast_content::{BlockRange, BlockSet, ByteRange, ObjectId};
use nearcast_engine::limits::MAX_RUN_BLOCKS;
use nearcast_engine::swarm::{
    Fault, Input, InputError, Note, Output, Part, Parting, PeerId, PeerUse, PlayId, ReadId, Reason,
    RequestId, Taking, Why,
};
use nearcast_engine::wire::{PeerMessage, Serves};
use nearcast_engine::{Span, Time, Verdict};

use super::asking::{Asked, Asking, Playing, Titles, Whose};
use super::neighbours::{Neighbours, News};
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
/// How long it takes peers to hear what others have: the least between two rounds of segments at random, and for each who
/// is connected up to as much longer.
const PEER_UPDATE_LATENCY: Span = Span::from_secs(1);
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

    fn read(&mut self, read: ReadId, play: PlayId, part: Part, bytes: ByteRange, taking: Taking) {
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
        if let Some(first) = self.playing.as_mut().and_then(|playing| playing.read(read, bytes, taking)) {
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
        let urgent = playing.blocks_to(playhead + playing.rate.plays(HIGH_DEMAND));
        let mut segments = Self::segments(playing, part.size.all().end);
        segments.retain(|segment| !self.shelf.holds(&part.object, *segment));
        for segment in segments {
            let coming = self.coming(&part, segment);
            if segment.start < urgent.end {
                self.ask_urgent(&part, segment, coming);
            } else if self.count(Whose::Peers) >= SIMULTANEOUS_P2P {
                return;
            } else if coming.is_none() {
                self.ask_peer(&part, segment);
            }
        }
    }

    /// Asks the server for a segment in high demand, or where that is not to be had, a peer.
    fn ask_urgent(&mut self, part: &Part, segment: BlockRange, coming: Option<(RequestId, Whose)>) {
        if coming.is_some_and(|(_, from)| from == Whose::Origin) {
            return;
        }
        let may = self.retry_at <= self.now;
        if may && self.has_room(part, segment, Whose::Origin) {
            if let Some((request, _)) = coming {
                self.drop_run(request);
            }
            self.ask_http(part, segment, Why::Deadline);
        } else if coming.is_none() && self.bring(part, segment) && self.has_room(part, segment, Whose::Peers)
        {
            self.ask_peer(part, segment);
        }
    }

    /// The segments from what the player needs next to block `end`.
    fn segments(playing: &Playing, end: u32) -> Vec<BlockRange> {
        let first = (playing.next_block() < end).then(|| Self::segment(playing, playing.next_block()));
        let next = |last: &BlockRange| (last.end < end).then(|| Self::segment(playing, last.end));
        std::iter::successors(first, next).collect()
    }

    /// The run that brings a segment, and from whom.
    fn coming(&self, part: &Part, segment: BlockRange) -> Option<(RequestId, Whose)> {
        let of = |run: &Asked| run.object == part.object && !run.blocks.intersect(segment).is_empty();
        let (request, run) = self.asking.runs.iter().find(|(_, run)| of(run))?;
        Some((*request, if run.peer.is_none() { Whose::Origin } else { Whose::Peers }))
    }

    /// Whether one more may be asked for. For a segment in high demand of those behind it the last is given up.
    fn has_room(&mut self, part: &Part, segment: BlockRange, whose: Whose) -> bool {
        let most = if whose == Whose::Origin { SIMULTANEOUS_HTTP } else { SIMULTANEOUS_P2P };
        if self.count(whose) < most {
            return true;
        }
        let behind =
            |run: &Asked| whose.has(run) && run.object == part.object && run.blocks.start >= segment.end;
        let runs = self.asking.which(behind).into_iter();
        let starts = |request: &RequestId| self.asking.runs.get(request).map(|run| run.blocks.start);
        let Some(last) = runs.max_by_key(starts) else { return false };
        self.drop_run(last);
        true
    }

    fn count(&self, whose: Whose) -> usize {
        self.asking.runs.values().filter(|run| whose.has(run)).count()
    }

    /// Whether a peer has a segment that could be asked for it now.
    fn bring(&self, part: &Part, segment: BlockRange) -> bool {
        !self.neighbours.idle_holders(self.now, &part.object, segment.start).is_empty()
    }

    fn ask_http(&mut self, part: &Part, segment: BlockRange, why: Why) {
        let Some(gap) = self.shelf.missing(&part.object, segment).first().copied() else { return };
        let of = (part.object, part.size);
        let asked = self.asking.ask(self.now, None, of, gap, (Span::from_secs(1), why));
        self.outputs.extend(asked);
        self.announce(part.object, News::default());
    }

    fn ask_peer(&mut self, part: &Part, segment: BlockRange) {
        let Some(gap) = self.shelf.missing(&part.object, segment).first().copied() else { return };
        let holders = self.neighbours.idle_holders(self.now, &part.object, segment.start);
        let Some(peer) = self.draw(&holders) else { return };
        let bytes = part.size.bytes_of(gap).len();
        let of = (part.object, part.size);
        let takes = (Span::from_secs(1), Why::Near);
        let asked = self.asking.ask(self.now, Some(peer), of, gap, takes);
        self.outputs.extend(asked);
        if let Some(peer) = self.neighbours.peers.get_mut(&peer) {
            peer.owed += bytes;
            peer.runs += 1;
        }
    }

    /// One of those who have a segment, by how fast each was; all who were not seen to be fast together at most as often as
    /// those who were.
    fn draw(&mut self, holders: &[(u64, PeerId)]) -> Option<PeerId> {
        let base = holders.iter().map(|(rate, _)| *rate).max()?.div_ceil(10);
        let slow = holders.iter().filter(|(rate, _)| *rate <= base).count() as u64;
        let fast: u64 = holders.iter().map(|(rate, _)| *rate).filter(|rate| *rate > base).sum();
        let base = if fast > 0 && slow > 0 { base.min(fast / slow) } else { base };
        let weight = |rate: u64| rate.max(base).max(1);
        let mut left = self.random.below(holders.iter().map(|(rate, _)| weight(*rate)).sum());
        let drawn = holders.iter().find(|(rate, _)| {
            let here = left < weight(*rate);
            left = left.saturating_sub(weight(*rate));
            here
        });
        drawn.map(|(_, peer)| *peer)
    }

    /// Every so often segments that nobody connected has or loads are fetched over HTTP, so that somebody has them.
    fn fetch_at_random(&mut self) {
        if self.next_random > self.now {
            return;
        }
        let peers = self.neighbours.peers.len() as u64;
        let longer = self.random.below(PEER_UPDATE_LATENCY.times(peers).micros());
        self.next_random = self.now + PEER_UPDATE_LATENCY + Span::from_micros(longer);
        let Some(playing) = self.playing.as_ref().filter(|_| peers > 0 && self.retry_at <= self.now) else {
            return;
        };
        let part = playing.part;
        let window = playing.blocks_to(playing.playhead(self.now) + playing.rate.plays(HTTP_WINDOW));
        let mut segments = Self::segments(playing, window.end.min(part.size.all().end));
        segments.retain(|segment| {
            let held = self.shelf.holds(&part.object, *segment);
            let brought = self.neighbours.bring(&part.object, segment.start);
            !held && !brought && self.coming(&part, *segment).is_none()
        });
        let everybody = peers + 1;
        segments.truncate(SIMULTANEOUS_HTTP * usize::try_from(everybody).unwrap_or(usize::MAX));
        // Two among all who are connected, if there are so many.
        let mut chance = segments.len() as u64;
        while chance > 0 && self.count(Whose::Origin) < SIMULTANEOUS_HTTP {
            let any = usize::try_from(self.random.below(segments.len() as u64)).unwrap_or(0);
            let segment = segments.swap_remove(any);
            if self.random.below(everybody) < chance {
                self.ask_http(&part, segment, Why::OurShare);
            }
            chance = chance.saturating_sub(everybody);
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
                peer.latest = 0;
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
        } else if run.came < run.bytes {
            self.announce(run.object, News::default());
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
            self.announce(object, News { added: segment.into(), ..News::default() });
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
            self.announce(object, News { removed: size.all().into(), ..News::default() });
        }
    }

    /// Others are told what came or went, and what comes over HTTP.
    fn announce(&mut self, object: ObjectId, news: News) {
        let coming = self.coming_over_http(&object);
        self.neighbours.spread(object, News { coming, ..news }, &mut self.outputs);
    }

    /// The segments of an object that come over HTTP.
    fn coming_over_http(&self, object: &ObjectId) -> BlockSet {
        let Some(playing) = self.playing.as_ref().filter(|playing| playing.part.object == *object) else {
            return BlockSet::EMPTY;
        };
        let runs = self.asking.runs.values().filter(|run| run.object == *object && run.peer.is_none());
        let segments = runs.map(|run| Self::segment(playing, run.blocks.start));
        segments.filter(|segment| !self.shelf.holds(object, *segment)).collect()
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
                let (added, coming) = (self.whole_segments(&object), self.coming_over_http(&object));
                let news = News { added, coming, ..News::default() };
                self.neighbours.interested(peer, object, news, &mut self.outputs);
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
            at = at.min(self.next_random).min(self.now + PEER_UPDATE_LATENCY);
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
            Input::Read { read, play, rendition, part, bytes, rate, taking, .. } => {
                let part = self.titles.part(rendition, part)?;
                self.read(read, play, part, bytes, taking);
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
