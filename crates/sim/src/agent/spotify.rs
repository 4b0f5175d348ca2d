//! Spotify's desktop client of 2010, from Kreitz and Niemelä, "Spotify – large scale, low latency, P2P
//! music-on-demand streaming", IEEE P2P 2010.
//!
//! - The first 15 s of a track come from the server over a connection that is open; peers are searched
//!   meanwhile, and asked for all the rest as fast as they send. From then on the server is asked for what plays
//!   within 15 s, and only when less than 3 s are at hand; uploads pause while that is so.
//! - Of the next track, when it is known, peers are asked from 30 s before the end of the one that plays, the
//!   server from 10 s before it.
//! - Peers are ranked by what they owe over how fast they are. What comes late is asked for elsewhere.
//! - Only complete tracks are offered; four uploads at once; 50 neighbours.
//! - The tracker knows the 20 latest holders of a track and tells 10 that are there ([`TRACKER`]). What was cached on
//!   earlier evenings it does not know: neighbours, and the neighbours of neighbours, are asked for that.

use std::collections::{BTreeMap, VecDeque};

use nearcast_content::{BlockRange, BlockSet, ByteRange, ObjectId};
use nearcast_engine::swarm::{
    Fault, Input, InputError, Note, Output, Part, Parting, PeerUse, PlayId, ReadId, Reason, RenditionId,
    RequestId, Taking, Why,
};
use nearcast_engine::wire::{PeerMessage, Serves, SwarmId};
use nearcast_engine::{Span, Time, Verdict};

use super::asking::{Asked, Asking, Playing, Titles, Whose};
use super::neighbours::{Neighbours, News};
use super::shelf::Shelf;
use super::{Agent, Birth, Bounds, SimVerdict};
use crate::world::TrackerSpec;

/// The tracker of this client.
pub(super) const TRACKER: TrackerSpec =
    TrackerSpec { remembers: 20, tells: 10, again: Span::from_secs(60), overlay: true };

/// What the server is asked for ahead of the playhead at most.
const SERVER_AHEAD: Span = Span::from_secs(15);
/// Below this much at hand, the server helps.
const EMERGENCY: Span = Span::from_secs(3);
/// Before the end of a track, peers are asked for the next one.
const PREFETCH_FROM_PEERS: Span = Span::from_secs(30);
/// Before the end of a track, the server is asked for the next one.
const PREFETCH_FROM_SERVER: Span = Span::from_secs(10);
/// Neighbours above which no new ones are made.
const NEIGHBOURS: usize = 50;
/// Blocks of a run asked of a peer. The client asked for 16 KiB at a time; a few of them make one run here.
const PEER_RUN: u32 = 4;
/// Runs asked of one peer at once.
const RUNS_PER_PEER: u32 = 4;
/// A run that is this late is asked for elsewhere.
const LATE: Span = Span::from_secs(3);
/// After an error the server is asked again.
const RETRY: Span = Span::from_secs(1);

/// One client.
#[derive(Debug)]
pub(super) struct Spotify {
    now: Time,
    shares: bool,
    titles: Titles,
    shelf: Shelf,
    neighbours: Neighbours,
    asking: Asking,
    playing: Option<Playing>,
    next: Option<RenditionId>,
    /// When holders of a title were asked for.
    searched: BTreeMap<SwarmId, Time>,
    retry_at: Time,
    outputs: VecDeque<Output>,
}

impl Spotify {
    pub(super) fn new(birth: Birth) -> Self {
        let shares = birth.settings.peers == PeerUse::Share;
        let serves = if shares { birth.settings.serves } else { Serves::Nobody };
        Self {
            now: Time::ZERO,
            shares,
            titles: Titles::default(),
            shelf: Shelf::new(birth.settings.cache_budget),
            neighbours: Neighbours::new(birth.provider, serves, birth.settings.upload_limit),
            asking: Asking::default(),
            playing: None,
            next: None,
            searched: BTreeMap::new(),
            retry_at: Time::ZERO,
            outputs: VecDeque::new(),
        }
    }

    fn read(&mut self, read: ReadId, play: PlayId, part: Part, bytes: ByteRange) {
        self.shelf.touch(part.object, part.size);
        let goes_on = self.playing.as_ref().is_some_and(|p| p.play == play && p.part.object == part.object);
        if !goes_on {
            self.playing = Some(Playing::new(play, part, bytes));
            self.drop_all_but(part.object);
        }
        // It knew of no segments: its player shows what comes as it comes.
        let playing = self.playing.as_mut();
        if let Some(first) = playing.and_then(|playing| playing.read(read, bytes, Taking::Stream)) {
            self.cancel(self.asking.left_by_jump(first));
        }
        if !self.shelf.complete(&part.object) {
            self.search(part.object);
        }
    }

    /// Looks for peers that have an object, once in a while.
    fn search(&mut self, object: ObjectId) {
        let Some(swarm) = self.titles.home(&object).filter(|_| self.shares) else { return };
        let lately = self.searched.get(&swarm).is_some_and(|at| *at + TRACKER.again > self.now);
        if lately {
            return;
        }
        self.searched.insert(swarm, self.now);
        self.outputs.push_back(Output::Lookup { swarm, renditions: 0 });
        self.neighbours.ask_about(object, &mut self.outputs);
    }

    fn stopped(&mut self, play: PlayId) {
        if self.playing.take_if(|playing| playing.play == play).is_some() {
            let next = self.next.and_then(|next| self.titles.head(next));
            self.drop_all_but(next.map_or(ObjectId([0; 32]), |part| part.object));
        }
    }

    /// What is on its way for other tracks is not wanted any more.
    fn drop_all_but(&mut self, object: ObjectId) {
        self.cancel(self.asking.which(|run| run.object != object));
    }

    fn cancel(&mut self, runs: Vec<RequestId>) {
        for request in runs {
            self.end_run(request);
            self.outputs.push_back(Output::Cancel { request });
        }
    }

    fn end_run(&mut self, request: RequestId) -> Option<Asked> {
        let run = self.asking.runs.remove(&request)?;
        if let Some(peer) = run.peer {
            self.neighbours.run_ended(peer, run.bytes, run.came, self.now.since(run.since));
        }
        Some(run)
    }

    fn arrived(&mut self, request: RequestId, blocks: BlockRange) {
        let Some(run) = self.asking.runs.get(&request) else { return };
        let Some(size) = self.shelf.size(&run.object) else { return };
        let Some(object) = self.asking.arrived(self.now, request, size.bytes_of(blocks).len()) else {
            return;
        };
        let before = self.shelf.complete(&object);
        self.shelf.arrived(object, blocks);
        if self.shelf.complete(&object) && !before {
            self.announce(object);
            let news = News { added: size.all().into(), ..News::default() };
            self.neighbours.spread(object, news, &mut self.outputs);
        }
        self.evict();
    }

    /// The tracker is told of a complete track.
    fn announce(&mut self, object: ObjectId) {
        let Some(swarm) = self.titles.home(&object).filter(|_| self.shares) else { return };
        let complete = self.shelf.complete(&object);
        let (renditions, coverage) = if complete { (1, u64::MAX) } else { (0, 0) };
        self.outputs.push_back(Output::Announce { swarm, renditions, coverage });
    }

    fn announce_all(&mut self) {
        for object in self.titles.all() {
            if self.shelf.complete(&object) {
                self.announce(object);
            }
        }
    }

    fn evict(&mut self) {
        if !self.shelf.is_full() {
            return;
        }
        let playing = self.playing.as_ref().map(|playing| playing.part.object);
        let asked: Vec<ObjectId> = self.asking.runs.values().map(|run| run.object).collect();
        let busy = |id: &ObjectId| Some(*id) == playing || asked.contains(id);
        for object in self.shelf.evict(&mut self.outputs, busy) {
            self.announce(object);
            let removed = self.titles.size(&object).map_or(BlockSet::EMPTY, |size| size.all().into());
            self.neighbours.spread(object, News { removed, ..News::default() }, &mut self.outputs);
        }
    }

    fn message(&mut self, peer: nearcast_engine::swarm::PeerId, message: PeerMessage) {
        match message {
            PeerMessage::Hello(hello) => {
                if self.neighbours.greeted(peer, &hello) {
                    let wanted: Vec<ObjectId> = self.wanted().map(|part| part.object).collect();
                    for object in wanted {
                        let message = PeerMessage::Interest { object };
                        self.outputs.push_back(Output::Send { peer, message });
                    }
                }
            }
            PeerMessage::Interest { object } => {
                let complete = self.shelf.complete(&object);
                let held = self.shelf.blocks(&object).filter(|_| complete).cloned().unwrap_or_default();
                let news = News { added: held, ..News::default() };
                self.neighbours.interested(peer, object, news, &mut self.outputs);
            }
            PeerMessage::Have(have) => self.neighbours.told(peer, &have),
            PeerMessage::Want(want) => self.neighbours.wanted(peer, want, &self.shelf, &mut self.outputs),
            PeerMessage::Cancel { request } => self.neighbours.cancelled(peer, request, &mut self.outputs),
            PeerMessage::Refuse { request, reason } => {
                let request = RequestId(request);
                if let Some(run) = self.end_run(request) {
                    self.outputs.push_back(Output::Cancel { request });
                    self.neighbours.refused(self.now, peer, &run.object, reason);
                }
            }
            PeerMessage::NoInterest { .. } | PeerMessage::Choke { .. } | PeerMessage::Goodbye => {}
        }
    }

    /// The track that plays, and the next one while it is prefetched.
    fn wanted(&self) -> impl Iterator<Item = Part> + '_ {
        let next = self.next.filter(|_| self.left() <= PREFETCH_FROM_PEERS);
        let next = next.and_then(|next| self.titles.head(next));
        self.playing.iter().map(|playing| playing.part).chain(next)
    }

    /// Media that is left to play of the track at hand.
    fn left(&self) -> Span {
        let left = |playing: &Playing| playing.part.length.less(playing.playhead(self.now));
        self.playing.as_ref().map_or(Span::ZERO, left)
    }

    /// Media at hand ahead of the playhead, and whether that is all there is.
    fn at_hand(&self, playing: &Playing) -> (Span, bool) {
        let next = playing.next_block();
        let until = self.shelf.held_until(&playing.part.object, next);
        let end = playing.part.size.all().end;
        let bytes = u64::from(until) * nearcast_content::BLOCK_SIZE;
        let bytes = if until >= end { playing.part.size.bytes() } else { bytes.max(playing.at) };
        (playing.media(bytes).less(playing.playhead(self.now)), until >= end)
    }

    /// Asks whoever should be asked.
    fn ask(&mut self) {
        self.ask_again_what_is_late();
        let Some(playing) = &self.playing else { return };
        let (part, playhead, plays) = (playing.part, playing.playhead(self.now), playing.plays());
        let (at_hand, all) = self.at_hand(playing);
        let emergency = !all && at_hand < EMERGENCY;
        if emergency {
            let ahead = playing.blocks_to(playhead + SERVER_AHEAD);
            self.cancel(self.asking.aside(&part.object, ahead));
            let why = if plays { Why::Deadline } else { Why::Start };
            self.ask_server(part, ahead, why);
        }
        let rest = self.playing.as_ref().map(|playing| BlockRange::new(playing.next_block(), u32::MAX));
        if let Some(rest) = rest.filter(|_| !all) {
            self.ask_peers(part, rest.intersect(part.size.all()));
        }
        self.prefetch();
        if !(emergency && plays) {
            self.neighbours.serve(self.now, &self.shelf, &mut self.outputs);
        }
    }

    fn prefetch(&mut self) {
        let left = self.left();
        let Some(part) = self.next.and_then(|next| self.titles.head(next)) else { return };
        if left > PREFETCH_FROM_PEERS || self.shelf.complete(&part.object) {
            return;
        }
        self.shelf.touch_if_new(part.object, part.size);
        self.search(part.object);
        self.ask_peers(part, part.size.all());
        if left <= PREFETCH_FROM_SERVER {
            let head = Playing::new(PlayId(0), part, ByteRange::new(0, 1));
            self.ask_server(part, head.blocks_to(SERVER_AHEAD), Why::Prefetch);
        }
    }

    /// One request at a time for the first gap in `blocks`.
    fn ask_server(&mut self, part: Part, blocks: BlockRange, why: Why) {
        let object = part.object;
        let busy = !self.asking.coming(&object, Whose::Origin).is_empty();
        if busy || self.retry_at > self.now {
            return;
        }
        let Some(gap) = self.shelf.missing(&object, blocks).first().copied() else { return };
        let takes = (Span::from_secs(1), why);
        let asked = self.asking.ask(self.now, None, (object, part.size), gap, takes);
        self.outputs.extend(asked);
    }

    fn ask_peers(&mut self, part: Part, blocks: BlockRange) {
        let object = part.object;
        let coming = self.asking.coming(&object, Whose::Anywhere);
        let gaps = self.shelf.missing(&object, blocks);
        let open: Vec<BlockRange> =
            gaps.iter().flat_map(|gap| coming.missing(*gap).collect::<Vec<_>>()).collect();
        for mut gap in open {
            while !gap.is_empty() {
                let run = BlockRange::new(gap.start, gap.end.min(gap.start + PEER_RUN));
                gap = BlockRange::new(run.end, gap.end);
                let bytes = part.size.bytes_of(run).len();
                let free = self.neighbours.holders(self.now, &object, run.start, bytes);
                let free = free.into_iter().filter(|(_, id)| {
                    self.neighbours.peers.get(id).is_some_and(|peer| peer.runs < RUNS_PER_PEER)
                });
                let Some((micros, peer)) = free.min() else { return };
                let takes = Span::from_micros(micros);
                let asked =
                    self.asking.ask(self.now, Some(peer), (object, part.size), run, (takes, Why::Fastest));
                self.outputs.extend(asked);
                if let Some(peer) = self.neighbours.peers.get_mut(&peer) {
                    peer.owed += bytes;
                    peer.runs += 1;
                }
            }
        }
    }

    /// Makes room among the neighbours for those who have what is wanted.
    fn prune(&mut self) {
        let wanted: Vec<ObjectId> = self.wanted().map(|part| part.object).collect();
        for peer in self.neighbours.surplus(NEIGHBOURS - TRACKER.tells, &wanted) {
            self.neighbours.disconnected(peer);
            self.outputs.push_back(Output::Disconnect { peer, why: Parting::Surplus });
        }
    }

    fn ask_again_what_is_late(&mut self) {
        let now = self.now;
        let late = |run: &Asked| run.peer.is_some() && late_at(run) <= now;
        for request in self.asking.which(late) {
            let Some(run) = self.end_run(request) else { continue };
            self.outputs.push_back(Output::Cancel { request });
            if let Some(peer) = run.peer.and_then(|peer| self.neighbours.peers.get_mut(&peer)) {
                peer.rests_until = now + LATE;
            }
        }
    }

    fn failed(&mut self, request: RequestId, fault: Fault) {
        let Some(run) = self.end_run(request) else { return };
        match run.peer {
            None => {
                self.retry_at = self.now + RETRY;
                if matches!(fault, Fault::Gone | Fault::Unavailable) {
                    let reads = self.playing.iter().flat_map(Playing::reads);
                    let stuck: Vec<Output> = reads.map(|read| Output::Note(Note::Stuck { read })).collect();
                    self.outputs.extend(stuck);
                }
            }
            Some(peer) if fault == Fault::Corrupt => {
                self.neighbours.disconnected(peer);
                self.drop_runs_of(peer);
                self.outputs.push_back(Output::Disconnect { peer, why: Parting::Surplus });
            }
            Some(peer) => {
                if let Some(peer) = self.neighbours.peers.get_mut(&peer) {
                    peer.rests_until = self.now + LATE;
                }
            }
        }
    }

    fn drop_runs_of(&mut self, peer: nearcast_engine::swarm::PeerId) {
        for request in self.asking.which(|run| run.peer == Some(peer)) {
            self.asking.runs.remove(&request);
            self.outputs.push_back(Output::Cancel { request });
        }
    }

    /// When something changes by itself.
    fn wake(&self) -> Time {
        let mut at = self.asking.runs.values().filter(|run| run.peer.is_some()).map(late_at).min();
        let mut sooner = |moment: Time| {
            if moment > self.now {
                at = Some(at.map_or(moment, |at| at.min(moment)));
            }
        };
        sooner(self.retry_at);
        if let Some(playing) = self.playing.as_ref().filter(|playing| playing.plays()) {
            let (at_hand, all) = self.at_hand(playing);
            let mut falls_below = |what: Span, bound: Span| {
                if what > bound {
                    sooner(self.now + playing.rate.lasts(what.less(bound)) + Span::from_millis(1));
                }
            };
            if !all {
                falls_below(at_hand, EMERGENCY);
            }
            if self.next.is_some() {
                falls_below(self.left(), PREFETCH_FROM_PEERS);
                falls_below(self.left(), PREFETCH_FROM_SERVER);
            }
        }
        if let Some(moment) = self.neighbours.wakes(self.now) {
            sooner(moment);
        }
        at.unwrap_or(Time::NEVER)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the client of 2010 knows nothing of the rest")]
    fn take(&mut self, input: Input<SimVerdict>) -> Result<(), InputError> {
        match input {
            Input::Settings(settings) => {
                self.shelf.set_budget(settings.cache_budget);
                self.neighbours.set_serves(settings.serves, settings.upload_limit);
            }
            Input::Stored(stored) => self.shelf.stored(stored),
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
            Input::Upcoming(next) => self.next = next.first().copied(),
            Input::Arrived { request, verdict } => self.arrived(request, verdict.blocks()),
            Input::Finished { request } => {
                self.end_run(request);
            }
            Input::Failed { request, fault } => self.failed(request, fault),
            Input::Damaged { object, blocks } => self.shelf.lost(object, blocks),
            Input::DirectoryUp => self.announce_all(),
            Input::Found { holders, .. } => {
                self.prune();
                let room = NEIGHBOURS.saturating_sub(self.neighbours.peers.len());
                let nodes = holders.iter().map(|holder| holder.node);
                self.neighbours.connect(self.now, nodes, room, &mut self.outputs);
            }
            Input::Connected { peer, node, .. } => {
                self.neighbours.connected(peer, node, &mut self.outputs);
            }
            Input::Disconnected { peer } => {
                self.drop_runs_of(peer);
                self.neighbours.disconnected(peer);
            }
            Input::Message { peer, message } => self.message(peer, message),
            Input::SentAll { upload } => self.neighbours.sent_all(upload),
            _ => {}
        }
        Ok(())
    }
}

/// When a run asked of a peer counts as late.
fn late_at(run: &Asked) -> Time {
    run.expected.max(run.heard) + LATE
}

impl Agent for Spotify {
    fn handle_input(&mut self, now: Time, input: Input<SimVerdict>) -> Result<(), InputError> {
        self.now = now;
        self.take(input)?;
        self.ask();
        Ok(())
    }

    fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.wake(), Reason::Deadline))
    }

    fn bounds(&self) -> Bounds {
        Bounds::Own
    }
}
