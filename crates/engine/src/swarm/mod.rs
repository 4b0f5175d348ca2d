//! The peer's side of delivery: what to fetch, from whom, by when, whom to serve, what to keep, whom to connect.
//!
//! Small machines own their state, one file each; this router joins them by values. `fetch.rs` holds the part
//! of the router that asks for runs, `peering.rs` the part that talks with peers, `keeping.rs` what is told to
//! the directory and what is evicted.

mod advice;
mod again;
mod api;
mod arrivals;
mod asleep;
mod caps;
mod connect;
mod crowd;
mod demand;
mod fetch;
mod haves;
mod hold_out;
mod keeping;
mod known;
mod line;
mod memory;
mod meter;
mod objects;
mod offers;
mod origin;
mod outreach;
mod pace;
mod peering;
mod peers;
mod pick;
mod plays;
mod rules;
mod runs;
mod serve;
mod stay;
mod tally;
mod tuning;
mod uplink;

use std::collections::VecDeque;

use nearcast_content::{FlatMap, FlatSet, NodeKey, ProviderKey};

use self::advice::Lately;
use self::caps::Allowance;
use self::connect::Connects;
use self::fetch::Pick;
use self::haves::News;
use self::hold_out::HoldOut;
use self::keeping::Announced;
use self::line::Line;
use self::objects::{Described, ObjectIx, Objects};
use self::origin::Origin;
use self::peers::Peers;
use self::pick::{NearFirst, PickRule};
use self::plays::{Moved, Plays, Read};
use self::runs::Runs;
use self::serve::Serving;
use self::uplink::Uplink;
use crate::limits::SPARE_TITLES;
use crate::random::Random;
use crate::time::{Span, Time};
use crate::units::{PlaybackRate, Rate};
use crate::verdict::Verdict;
use crate::wire::{PeerMessage, SwarmId};

pub use api::*;
pub use memory::Footprint;
pub use tally::Tallies;
pub use tuning::Tuning;

/// Blocks remembered as handed over early; a handful at most is ever on its way between two tasks.
const MAX_EARLY: usize = 256;
/// Bytes handed to players that move the window of what to fetch far enough to plan anew: one run.
const REPLAN_BYTES: u64 = 256 * 1024;
/// Plans that only follow from bytes that came are this far apart. On a fast network runs end thousands of times
/// a second, and each source has enough queued to wait for this long.
const PLAN_SPACING: Span = Span::from_millis(1);

/// One node's part in the swarms of one provider.
///
/// Drive it as the [crate] says. It is idle, and holds no timer, when nothing plays and nobody asks.
#[derive(Debug)]
pub struct Swarm {
    me: NodeKey,
    provider: ProviderKey,
    settings: Settings,
    tuning: Tuning,
    rule: Box<dyn PickRule + Send>,
    random: Random,
    now: Time,
    outputs: VecDeque<Output>,
    /// Something happened that may change what to do: looked at once outputs are drained.
    stirred: bool,
    wake: (Time, Reason),
    /// Runs are to be planned anew. Most arrivals change nothing about what to ask of whom, and planning is
    /// the dearest thing the engine does.
    replan: bool,
    /// Runs are to be planned anew once the last plan is [`PLAN_SPACING`] old: bytes came.
    replan_soon: bool,
    planned: Time,
    /// Runs that the last whole plan did not ask for, in its order, and when it was made.
    left_over: Vec<Pick>,
    cut_at: Time,
    /// When the plan that stands wants to be looked at.
    plan_wake: (Time, Reason),
    /// Blocks handed to players before the engine heard of their arrival: readers see the store first.
    early: Vec<(PlayId, ObjectIx, u32)>,
    /// Bytes handed to players since the last plan.
    handed: u64,
    objects: Objects,
    plays: Plays,
    runs: Runs,
    line: Line,
    peers: Peers,
    origin: Origin,
    serving: Serving,
    connects: Connects,
    upcoming: Vec<RenditionId>,
    hold_out: HoldOut,
    keeps: FlatSet<RenditionId>,
    /// Objects that are not evicted, beside those of what is kept.
    pinned: FlatSet<ObjectIx>,
    announced: FlatMap<SwarmId, Announced>,
    /// Titles whose holdings may have changed since they were announced.
    unannounced: FlatSet<SwarmId>,
    announce_from: Time,
    news: News,
    allowance: Allowance,
    uplink: Uplink,
    /// The pace that the shell was told.
    pace: Option<Rate>,
    /// Who brought what came lately.
    lately: Lately,
    /// What each play was advised.
    advised: FlatMap<PlayId, Advice>,
    /// Which rung each play was last told to leave, and when.
    left: FlatMap<PlayId, (Rate, Time)>,
    /// Whether this node hands on, as peers were told.
    sharing: Sharing,
    directory_up: bool,
    /// Objects that peers are asked to tell about.
    interests: FlatSet<ObjectIx>,
    /// All of them were asked so.
    interests_told: bool,
    /// Objects that the last plan was about: what is to play soon is not evicted.
    planned_for: FlatSet<ObjectIx>,
    /// The store took no bytes: nothing ahead of need is fetched before this.
    no_room_until: Time,
    /// With so many titles those that nobody came back to are forgotten.
    forget_at: usize,
    /// Bytes that the cache may hold until then.
    shrunk_budget: u64,
}

impl Swarm {
    /// A swarm of the node with key `me`, of `provider`. All its chances come from `seed`.
    pub fn new(seed: u64, me: NodeKey, provider: ProviderKey, settings: Settings) -> Self {
        Self::with_tuning(seed, me, provider, settings, Tuning::default())
    }

    /// The same with other constants than those that ship.
    pub fn with_tuning(
        seed: u64,
        me: NodeKey,
        provider: ProviderKey,
        settings: Settings,
        tuning: Tuning,
    ) -> Self {
        let mut serving = Serving::default();
        serving.set_limit(settings.upload_limit);
        let allowance = Allowance::default();
        Self {
            sharing: allowance.sharing(Time::ZERO, &settings),
            allowance,
            uplink: Uplink::default(),
            pace: None,
            lately: Lately::default(),
            advised: FlatMap::new(),
            left: FlatMap::new(),
            me,
            provider,
            settings,
            rule: Box::new(NearFirst),
            random: Random::seeded(seed),
            now: Time::ZERO,
            outputs: VecDeque::new(),
            stirred: true,
            wake: (Time::NEVER, Reason::Idle),
            replan: true,
            replan_soon: false,
            planned: Time::ZERO,
            left_over: Vec::new(),
            cut_at: Time::ZERO,
            plan_wake: (Time::NEVER, Reason::Idle),
            early: Vec::new(),
            handed: 0,
            objects: Objects::default(),
            plays: Plays::default(),
            runs: Runs::default(),
            line: Line::default(),
            peers: Peers::new(tuning.peer_prior),
            origin: Origin::new(&tuning),
            tuning,
            serving,
            connects: Connects::new(me),
            upcoming: Vec::new(),
            hold_out: HoldOut::default(),
            keeps: FlatSet::new(),
            pinned: FlatSet::new(),
            announced: FlatMap::new(),
            unannounced: FlatSet::new(),
            announce_from: Time::ZERO,
            news: News::default(),
            directory_up: false,
            interests: FlatSet::new(),
            interests_told: true,
            planned_for: FlatSet::new(),
            no_room_until: Time::ZERO,
            forget_at: SPARE_TITLES,
            shrunk_budget: u64::MAX,
        }
    }

    /// Takes what happened at `now`. An error is a mistake of the shell and changes nothing; what peers send
    /// wrong is never an error here.
    pub fn handle_input<V: Verdict>(&mut self, now: Time, input: Input<V>) -> Result<(), InputError> {
        if now < self.now {
            return Err(InputError::TimeWentBack(self.now, now));
        }
        self.note_sleep(now);
        self.now = now;
        // What went out and how paths did changes nothing about what to do: those who are told stir when it does.
        self.stirred |= !matches!(input, Input::Sent { .. } | Input::Uplink(_));
        self.replan |= !judges_the_plan(&input);
        match input {
            Input::Timeout => {}
            Input::Settings(settings) => self.settings(settings),
            Input::Caps(caps) => self.allowance.set(caps),
            Input::Clock(wall) => self.allowance.clock(now, wall),
            Input::Handed(handed) => self.allowance.remembered(now, handed),
            Input::Stored(stored) => self.stored(&stored),
            Input::Describe(rendition) => self.describe(&rendition)?,
            Input::Use { swarm } => self.objects.use_title(swarm),
            Input::Read { read, play, rendition, part, bytes, taking, rate } => {
                self.read(read, play, (rendition, part), bytes, (taking, rate))?
            }
            Input::Progress { read, to } => self.progress(read, to),
            Input::Closed { read } => self.closed(read),
            Input::Showed { play, rendition, part, bytes, after, ago } => {
                self.showed(play, (rendition, part), bytes, after, ago)?;
            }
            Input::Stopped { play } => self.stopped(play),
            Input::Upcoming(renditions) => self.upcoming = renditions,
            Input::Withdrawn { swarm } => self.withdrawn(swarm),
            Input::Keep(rendition) => self.keep(rendition)?,
            Input::Unkeep(rendition) => self.unkeep(rendition),
            Input::Pin(object) => self.pin(&object),
            Input::Unpin(object) => self.unpin(&object),
            Input::Discard(objects) => self.discard(&objects),
            Input::DiscardAll => self.discard_all(),
            Input::HoldOut { day, permille } => self.hold_out(day, permille),
            Input::Arrived { request, verdict } => self.arrived(request, verdict.blocks()),
            Input::Finished { request } => self.finished(request),
            Input::Failed { request, fault } => self.failed(request, fault),
            Input::Damaged { object, blocks } => self.damaged(&object, blocks),
            Input::NoRoom => self.no_room(),
            Input::Found { swarm, holders, again } => self.found(swarm, &holders, again),
            Input::Acquainted(nodes) => self.connects.acquainted(now, &nodes),
            Input::DirectoryUp => self.directory_came_up(),
            Input::DirectoryDown => {
                self.directory_up = false;
                self.connects.directory_down();
            }
            Input::Connected { peer, node, side, path, rtt, nearness } => {
                self.connected(peer, node, side, path, rtt, nearness);
            }
            Input::PathChanged { peer, path, rtt } => self.path_changed(peer, path, rtt),
            Input::ConnectFailed { node } => {
                self.connects.failed(now, &node);
                self.replan |= self.connects.any_new(now);
            }
            Input::Disconnected { peer } => self.disconnected(peer),
            Input::Message { peer, message } => self.message(peer, message),
            Input::Malformed { peer } => self.misbehaved(peer, Misbehaviour::Malformed),
            Input::Sent { upload, bytes } => self.sent(upload, bytes),
            Input::SentAll { upload } => self.serving.finish(upload),
            Input::Uplink(reports) => self.uplink_reported(reports),
            Input::Struck { node, strikes } => {
                self.peers.struck(node, strikes);
                self.connects.unsettle(&node);
            }
        }
        Ok(())
    }

    fn found(&mut self, swarm: SwarmId, holders: &[Candidate], again: Span) {
        self.connects.found(self.now, swarm, holders, again);
        self.peers.found(holders);
    }

    /// The next thing to do. `Output::Timeout` means: nothing until an input or that moment.
    pub fn poll_output(&mut self) -> Output {
        if self.outputs.is_empty() && self.stirred {
            self.stirred = false;
            self.wake = (Time::NEVER, Reason::Idle);
            self.decide();
        }
        self.outputs.pop_front().unwrap_or(Output::Timeout(self.wake.0, self.wake.1))
    }

    /// Bytes held in the store, as the engine counts them.
    pub fn held_bytes(&self) -> u64 {
        self.objects.held_bytes()
    }

    /// Connected peers.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// The peers whose paths the next [`Input::Uplink`] tells of. While there are any, it is due every [`UPLINK_TICK`],
    /// the first time that long after an [`Output::Serve`].
    pub fn watched(&self) -> FlatSet<PeerId> {
        self.uplink.watched().iter().copied().chain(self.serving.on_line()).collect()
    }

    /// Whether a peer is one of the [`watched`](Self::watched).
    pub fn watches(&self, peer: PeerId) -> bool {
        self.uplink.watched().contains(&peer) || self.serving.on_line().any(|served| served == peer)
    }

    /// Whether this node hands on, and why not.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// What was handed on in the month that runs; none while the time is not known.
    pub fn handed(&self) -> Option<Handed> {
        self.allowance.handed(self.now)
    }

    /// Connected peers in the own network.
    pub fn near_count(&self) -> usize {
        self.peers.iter().filter(|(_, peer)| peer.over == Over::Lan).count()
    }

    /// Whether every block of an object is held.
    pub fn holds_all(&self, object: &nearcast_content::ObjectId) -> bool {
        self.objects.find(object).is_some_and(|ix| self.objects.get(ix).complete())
    }

    fn decide(&mut self) {
        self.follow_caps();
        self.set_pace();
        self.watch_playheads();
        self.plan();
        self.send_haves();
        self.start_uploads();
        self.announce();
        self.evict();
    }

    /// Plans the runs anew when something about them changed or the plan's own moment has come.
    fn plan(&mut self) {
        let spaced = self.planned + PLAN_SPACING;
        let anew = self.replan || self.plan_wake.0 <= self.now;
        if anew || (self.replan_soon && spaced <= self.now) {
            (self.replan, self.replan_soon, self.planned) = (false, false, self.now);
            let others = std::mem::replace(&mut self.wake, self.plan_wake);
            if anew || !self.refill() {
                self.wake = (Time::NEVER, Reason::Idle);
                self.handed = 0;
                self.decide_fetches();
                self.give_advice();
            }
            self.plan_wake = self.wake;
            self.wake_at(others.0, others.1);
            // The window has moved, and only a whole plan follows it.
            self.replan_soon = self.handed >= REPLAN_BYTES;
        } else {
            self.wake_at(self.plan_wake.0, self.plan_wake.1);
            self.decide_connects();
        }
        if self.replan_soon {
            self.wake_at(self.planned + PLAN_SPACING, Reason::Plan);
        }
    }

    fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn note(&mut self, note: Note) {
        self.put(Output::Note(note));
    }

    fn wake_at(&mut self, at: Time, reason: Reason) {
        if at < self.wake.0 {
            // A moment that has passed would wake the shell for ever: what it stood for was just decided.
            self.wake = (at.max(self.now + Span::from_millis(1)), reason);
        }
    }

    fn stored(&mut self, stored: &Stored) {
        let ix = self.objects.stored(stored.object, stored.size, &stored.blocks, stored.last_used);
        self.holding_changed(ix);
    }

    fn describe(&mut self, rendition: &Rendition) -> Result<(), InputError> {
        self.forget_titles();
        match self.objects.describe(rendition) {
            Described::Added => {
                self.unannounced.insert(rendition.swarm);
                for part in &rendition.parts {
                    self.object_known(&part.object);
                }
                Ok(())
            }
            Described::Known => Ok(()),
            Described::Bad => Err(InputError::BadRendition(rendition.id)),
            Described::TooMany => Err(InputError::TooMany("renditions")),
        }
    }

    fn read(
        &mut self,
        id: ReadId,
        play: PlayId,
        (rendition, part): (RenditionId, u32),
        bytes: nearcast_content::ByteRange,
        (taking, rate): (Taking, Option<PlaybackRate>),
    ) -> Result<(), InputError> {
        let track = self.objects.track(rendition);
        let found = track.and_then(|t| Some((*t.parts.get(part as usize)?, t.length())));
        let (on, length) = found.ok_or(InputError::UnknownPart(rendition, part))?;
        let bytes = nearcast_content::ByteRange::new(bytes.start, bytes.end.min(on.size.bytes()));
        let (object, at, since) = (on.object, bytes.start, self.now);
        let (stuck, aside) = (false, false);
        let read = Read { play, rendition, part, on, length, bytes, taking, rate, at, since, stuck, aside };
        let known = self.plays.knows(play);
        self.plays.open(self.now, id, read)?;
        if !known && self.is_held_out(object) {
            self.note(Note::HeldOut { play });
        }
        self.objects.touch(object);
        if let Some(swarm) = self.objects.track(rendition).map(|track| track.swarm) {
            self.objects.use_title(swarm);
        }
        Ok(())
    }

    fn showed(
        &mut self,
        play: PlayId,
        (rendition, part): (RenditionId, u32),
        bytes: nearcast_content::ByteRange,
        after: Span,
        ago: Span,
    ) -> Result<(), InputError> {
        let track = self.objects.track(rendition);
        let found = track.and_then(|t| Some((*t.parts.get(part as usize)?, t.length())));
        let (on, length) = found.ok_or(InputError::UnknownPart(rendition, part))?;
        let end = bytes.end.min(on.size.bytes());
        let bytes = nearcast_content::ByteRange::new(bytes.start.min(end), end);
        let (at, since, taking) = (bytes.end, self.now, Taking::Whole);
        let rate = None;
        let (stuck, aside) = (false, false);
        let read = Read { play, rendition, part, on, length, bytes, taking, rate, at, since, stuck, aside };
        if self.plays.showed(self.now, self.now - ago, read)? {
            self.note(Note::Started { play, after });
            if self.is_held_out(on.object) {
                self.note(Note::HeldOut { play });
            }
        }
        Ok(())
    }

    fn progress(&mut self, id: ReadId, to: u64) {
        let Some(read) = self.plays.read(id) else { return };
        let (play, object, on) = (read.play, read.on.object, read.on);
        let Some((handed, moved)) = self.plays.progress(self.now, id, to) else { return };
        self.count_delivered(play, object, handed);
        self.handed += handed.len();
        let next = on.size.covering(nearcast_content::ByteRange::new(handed.end, handed.end + 1));
        let has_all = handed.end >= self.plays.read(id).map_or(0, |read| read.bytes.end);
        self.plays.took(self.now, id, has_all || self.objects.get(object).held.contains_all(next));
        // What was not worth asking for ahead of him is, once he waits for it.
        let waits = !has_all && self.objects.get(object).misses(next);
        self.replan |= moved.is_some() || waits;
        self.replan_soon |= self.handed >= REPLAN_BYTES;
        match moved {
            Some(Moved::Started(after)) => self.note(Note::Started { play, after }),
            Some(Moved::Stalled(lasted)) => self.note(Note::Stalled { play, lasted }),
            None => {}
        }
    }

    /// Splits handed bytes by where they came from: fresh blocks once by their source, the rest is cache.
    fn count_delivered(&mut self, play: PlayId, object: ObjectIx, handed: nearcast_content::ByteRange) {
        if handed.is_empty() {
            return;
        }
        let state = self.objects.get_mut(object);
        let mut left = handed.len();
        // Fresh bytes count for their source as they are handed over; the rest of the step is cache.
        let first = state.size.covering(handed);
        let mut shares = Vec::new();
        for block in
            state.held.missing(first).flat_map(nearcast_content::BlockRange::iter).collect::<Vec<_>>()
        {
            let of = state.size.bytes_of(nearcast_content::BlockRange::new(block, block + 1));
            let bytes = of.end.min(handed.end).saturating_sub(of.start.max(handed.start));
            left -= bytes.min(left);
            // Steps end within blocks: a block is early once.
            if self.early.len() < MAX_EARLY && !self.early.contains(&(play, object, block)) {
                self.early.push((play, object, block));
            }
        }
        for (source, bytes) in state.take_handed(handed) {
            let bytes = bytes.min(left);
            left -= bytes;
            shares.push((source, bytes));
        }
        shares.push((Source::Cache, left));
        let media = self.plays.handed(play);
        for (source, bytes) in shares.into_iter().filter(|(_, bytes)| *bytes > 0) {
            self.note(Note::Delivered { play, source, bytes, media });
        }
    }

    /// Blocks that a player had before the engine heard of them count for their source now.
    fn count_early(&mut self, object: ObjectIx, blocks: nearcast_content::BlockRange) {
        let (known, early) = std::mem::take(&mut self.early)
            .into_iter()
            .partition(|(_, o, b)| *o == object && blocks.contains(*b));
        self.early = early;
        for (play, _, block) in known {
            let block = nearcast_content::BlockRange::new(block, block + 1);
            let media = self.plays.handed(play);
            for (source, bytes) in self.objects.get_mut(object).take_fresh(block) {
                self.note(Note::Delivered { play, source, bytes, media });
            }
        }
    }

    fn closed(&mut self, id: ReadId) {
        if let Some(read) = self.plays.close(id) {
            self.objects.touch(read.on.object);
        }
    }

    fn stopped(&mut self, play: PlayId) {
        if let Some(media) = self.plays.stop(play) {
            self.note(Note::Ended { play, media });
        }
        self.advised.remove(&play);
        self.left.remove(&play);
    }

    fn watch_playheads(&mut self) {
        let objects = &self.objects;
        let next = self.plays.watch(self.now, |read| {
            let object = objects.get(read.on.object);
            let at = object.size.covering(nearcast_content::ByteRange::new(read.at, read.at + 1));
            !object.held.contains_all(at)
        });
        self.wake_at(next, Reason::Stall);
    }
}

/// Whether an input says for itself if the plan of runs still stands. After any other it is made anew.
fn judges_the_plan<V>(input: &Input<V>) -> bool {
    matches!(
        input,
        Input::Timeout
            | Input::Arrived { .. }
            | Input::Finished { .. }
            | Input::Progress { .. }
            | Input::Sent { .. }
            | Input::SentAll { .. }
            | Input::Clock(_)
            | Input::Use { .. }
            | Input::Connected { .. }
            | Input::ConnectFailed { .. }
            | Input::Uplink(_)
            | Input::Message {
                message: PeerMessage::Want(_)
                    | PeerMessage::Cancel { .. }
                    | PeerMessage::Have(_)
                    | PeerMessage::Interest { .. }
                    | PeerMessage::NoInterest { .. },
                ..
            }
    )
}

impl Swarm {
    fn decide_connects(&mut self) {
        let (lookups, next) = self.connects.lookups(self.now);
        for (swarm, renditions) in lookups {
            self.put(Output::Lookup { swarm, renditions });
        }
        self.wake_at(next, Reason::Lookup);
        let room = crate::limits::MAX_PEERS.saturating_sub(self.peers.len());
        let peers = &self.peers;
        let connected = |node: &NodeKey| peers.connected_to(node).is_some();
        let (nodes, next) = self.connects.connects(self.now, room, connected, |node| peers.welcome(node));
        for node in nodes {
            self.put(Output::Connect { node });
        }
        self.wake_at(next, Reason::Connect);
    }
}
