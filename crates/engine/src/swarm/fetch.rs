//! The part of the router that asks for runs: what is wanted, cut into runs, each put to the pick rule.

use nearcast_content::{BLOCK_SIZE, BlockRange, BlockSet, FlatMap};

use super::Swarm;
use super::api::*;
use super::crowd::Around;
use super::demand::{Demand, ahead, demands, following};
use super::objects::{ObjectIx, Track, TrackPart};
use super::peers::{Ahead, Peer};
use super::pick::{Choice, Crowd, Question};
use super::runs::{Asked, Late, Run};
use crate::limits::*;
use crate::random::rank;
use crate::time::{Span, Time};
use crate::wire::SwarmId;

/// Runs that peers hold, and as many that none does, put to the pick rule in one go; what is left comes up when one of
/// them ends.
const MAX_PICKS: usize = 128;
/// Runs that what a play needs to start is divided into, when it is long enough.
const START_RUNS: u32 = 3;
/// Blocks of the heads fetched ahead of likely plays: 256 KiB, some seconds of music.
const HEAD_BLOCKS: u32 = 16;
/// Renditions whose heads are fetched ahead: three titles, or two of sound beside pictures.
const MAX_HEADS: usize = 4;
/// A listener who has stayed with a title for this long will stay for a while: a quarter of all plays are skipped
/// within 5 s (Lamere 2014). Before that the origin is not asked for the head of the next one.
const HEAD_PATIENCE: Span = Span::from_secs(10);
/// The next title is fetched from this long before the end of what plays: what Spotify took (FACTS.md).
const NEXT_LEAD: Span = Span::from_secs(30);
/// A listener who has not gone on to it by then has stopped.
const NEXT_PATIENCE: Span = Span::from_secs(5);
/// An object that the origin does not have, or not as published, is asked for again after this: sites are mended.
pub(super) const GONE_WAIT: Span = Span::from_secs(30);
/// Blocks of a short run: 64 KiB.
const PIECE: u32 = 4;
/// How long a run of a fast peer takes: with fewer of them in flight than [`MAX_RUNS_PER_PEER`] its queue never
/// empties, and what is asked for can still change twenty times a second.
const SWIFT_RUN: Span = Span::from_millis(50);

/// What is due later than this waits while enough is under way: a third of all plays are skipped within 30 s.
const LATER: Span = Span::from_secs(5);
/// What comes in over the line within this is enough under way.
const ENOUGH_UNDER_WAY: Span = Span::from_millis(500);

/// Media ahead of a playhead that is fetched however small the cache is.
const LEAST_WINDOW: Span = Span::from_secs(4);
/// How long what a plan left over is as good as a plan made anew, when only bytes came since.
const CUT_LASTS: Span = Span::from_millis(20);

/// How much of a plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Every source is considered.
    Whole,
    /// Peers that have become free are.
    Refill,
}

/// A run to put to the pick rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) object: ObjectIx,
    pub(super) blocks: BlockRange,
    /// Where a run of a source that brings all of it in a moment ends.
    reach: u32,
    /// Where the gap ends that the run begins: a fast peer is asked for more of it at once.
    gap_end: u32,
    pub(super) due: Time,
    /// When its first byte plays.
    pub(super) plays: Time,
    pub(super) starting: bool,
    /// It is of the first 64 KiB of a start.
    pub(super) opens: bool,
    /// Where the run of an origin that brings it ends, when a play waits for it to start.
    pub(super) settle_end: u32,
    /// It belongs to a play that has not started.
    of_start: bool,
    pub(super) reading: bool,
    /// How much media lies between the block that its player waits for and the run, where it waits.
    pub(super) beyond: Option<Span>,
    /// Its player says how fast it plays.
    pub(super) tells: bool,
    /// Its player takes segments whole: how far it reads ahead is its own affair.
    pub(super) whole: bool,
    /// When a player that waits for the run's first byte has waited long enough for others to bring it.
    patience_ends: Time,
    /// When its play began; what belongs to no play has always been wanted.
    pub(super) begun: Option<Time>,
    pub(super) hedge: bool,
    pub(super) peers_only: bool,
    /// How far those who play it fetch; all of it, when it belongs to no play.
    pub(super) ahead: Ahead,
    pub(super) swarm: SwarmId,
    /// Holders among connected peers: rarer goes first outside the stretch that is fetched in order.
    holders: usize,
}

impl Pick {
    /// Whether a play waits for it to start.
    pub(super) fn starts(&self) -> bool {
        self.starting
    }
}

/// The beginning of a run, at most `longest` blocks.
pub(super) fn first_of(blocks: BlockRange, longest: u32) -> BlockRange {
    BlockRange::new(blocks.start, blocks.end.min(blocks.start.saturating_add(longest)))
}

impl Swarm {
    pub(super) fn decide_fetches(&mut self) {
        self.mark_late();
        let wanted = self.wanted();
        self.planned_for = wanted.iter().map(|demand| demand.object).collect();
        self.cancel_unwanted(&wanted);
        let titles = self.titles_of(&wanted);
        let changed = self.connects.want(self.now, &titles);
        self.unannounced.extend(changed);
        // Announced before it is looked up: of two that come at once, the later one finds the earlier.
        self.announce();
        // Before the runs are placed: who is being connected to may bring what nobody else would.
        self.decide_connects();
        self.tell_interests(&wanted);
        self.place_all(&wanted);
        self.tell_stuck(&wanted);
        self.wake_for_next();
        if let Some(until) = self.origin.rests_until(self.now) {
            self.wake_at(until, Reason::OriginRetry);
        }
        if let Some(until) = self.peers.rest_ends(self.now) {
            self.wake_at(until, Reason::Choke);
        }
    }

    /// Cuts what is wanted into runs and puts them to the pick rule, as long as anybody may be asked.
    fn place_all(&mut self, wanted: &[Demand]) {
        self.left_over.clear();
        let open =
            |demand: &Demand| self.objects.get(demand.object).misses(demand.size().covering(demand.bytes));
        if !wanted.iter().any(open) {
            return;
        }
        if !self.origin_ready() && !self.any_free() {
            // What waits comes up when one of the runs under way ends.
            return;
        }
        let mut around = FlatMap::new();
        let mut picks = self.cut(wanted, &mut around);
        self.order(&mut picks);
        self.cut_at = self.now;
        self.place_each(picks, around, Round::Whole);
    }

    /// Asks peers that have become free for what the last plan left over. False when that is too long ago, or nothing
    /// is left.
    pub(super) fn refill(&mut self) -> bool {
        if self.left_over.is_empty() || self.cut_at + CUT_LASTS <= self.now {
            return false;
        }
        let picks = std::mem::take(&mut self.left_over);
        self.place_each(picks, FlatMap::new(), Round::Refill);
        true
    }

    fn place_each(&mut self, picks: Vec<Pick>, mut around: FlatMap<ObjectIx, Around>, round: Round) {
        // What nobody holds comes first where the rarest does, and must not keep peers idle that hold the rest.
        let (mut held, mut unheld) = (0, 0);
        let mut may_ask = round == Round::Whole || self.any_free();
        for pick in picks {
            let tried = if pick.holders > 0 { &mut held } else { &mut unheld };
            let enough = *tried >= MAX_PICKS || self.runs.len() >= MAX_RUNS;
            *tried += 1;
            if enough || !may_ask {
                self.left_over.push(pick);
                continue;
            }
            let Some(pick) = self.still_open(pick) else { continue };
            let before = self.runs.len();
            let here = around.entry(pick.object).or_insert_with(|| self.around(pick.object));
            if let Some(peer) = self.place(pick, here)
                && !self.takes_more(peer)
            {
                around.values_mut().for_each(|around| around.free.retain(|id| *id != peer));
                may_ask = round == Round::Whole || self.any_free();
            }
            if self.runs.len() == before {
                self.left_over.push(pick);
            }
        }
    }

    /// Whether there are peers of whom runs may be asked.
    fn any_free(&self) -> bool {
        self.peers.iter().any(|(id, peer)| self.is_free(id, peer))
    }

    fn takes_more(&self, id: PeerId) -> bool {
        self.peers.get(id).is_some_and(|peer| self.is_free(id, peer))
    }

    /// Whether runs may be asked of a peer.
    pub(super) fn is_free(&self, id: PeerId, peer: &Peer) -> bool {
        self.settings.peers != PeerUse::HoldOut
            && peer.serves_now(self.now)
            && peer.takes_more(|| self.runs.in_time(Asked::Peer(id)))
    }

    /// What is left to ask for of a run, after those placed before it in the same plan took more than their own.
    fn still_open(&self, pick: Pick) -> Option<Pick> {
        let blocks = self.objects.get(pick.object).missing(pick.blocks).first().copied()?;
        Some(Pick { blocks, ..pick })
    }

    /// Runs that look late keep running, and their blocks may be asked for elsewhere.
    fn mark_late(&mut self) {
        let Late { late, silent, next } = self.runs.late(self.now, self.tuning.silence, self.tuning.margin);
        for id in late {
            let Some(run) = self.runs.get(id).cloned() else { continue };
            self.news.of_all();
            self.give_back(run.object, &run.left);
            let now = self.now;
            match run.asked {
                // What it brings now is less than was thought.
                Asked::Origin if run.first.is_some() => self.origin.pipe.overdue(now),
                Asked::Origin => {
                    self.origin.pipe.overdue(now);
                    self.origin.silent(now.since(run.since));
                }
                Asked::Peer(peer) => {
                    if let Some(peer) = self.peers.get_mut(peer) {
                        peer.overdue(now, run.since, run.first.is_some());
                    }
                }
            }
        }
        // Bytes that come later than was thought are no reason to leave a peer.
        for id in silent {
            if let Some(Asked::Peer(peer)) = self.runs.get(id).map(|run| run.asked) {
                self.peers.snub(peer, self.now, self.tuning.silence);
            }
        }
        self.wake_at(next, Reason::LateRun);
        let (raced, next) = self.runs.mark_raced(self.now, self.start_silence());
        for id in raced {
            let Some(run) = self.runs.get(id).cloned() else { continue };
            self.give_back(run.object, &run.left);
        }
        self.wake_at(next, Reason::LateRun);
    }

    /// How long the origin is silent where a play waits to start until peers may race it: one that has little to do has
    /// answered by then, and what both bring shares the line.
    fn start_silence(&self) -> Span {
        let silence = self.tuning.start_silence;
        let raced = u64::from(START_RACE_BLOCKS) * BLOCK_SIZE;
        if self.line.brings(raced, silence) { silence } else { silence.max(self.origin.quickest()) }
    }

    /// Blocks that are not on their way any more, unless another healthy run brings them.
    pub(super) fn give_back(&mut self, object: ObjectIx, left: &BlockSet) {
        for range in left.ranges() {
            self.objects.get_mut(object).coming.remove(*range);
        }
        let others: Vec<BlockRange> = self
            .runs
            .iter()
            .filter(|(_, run)| run.object == object && !run.open())
            .flat_map(|(_, run)| run.left.ranges().to_vec())
            .collect();
        for range in others {
            self.objects.get_mut(object).coming.insert(range);
        }
    }

    /// Everything that should be fetched: for reads, for what follows them, for keeps, ahead of likely plays.
    fn wanted(&self) -> Vec<Demand> {
        let no_room = self.no_room_until > self.now;
        // What has only memory to go to is not fetched long before it plays.
        let window = if no_room { self.tuning.in_order } else { self.tuning.window };
        let (mut wanted, within) = self.ahead_of_plays(window);
        if no_room {
            return wanted;
        }
        if within == window {
            wanted.extend(self.next_title());
            wanted.extend(self.heads());
        }
        let tracks = self.keeps.iter().filter_map(|r| self.objects.track(*r));
        let open = tracks.flat_map(|t| &t.parts).filter(|part| !self.objects.get(part.object).complete());
        // A kept rendition of a thousand segments is worked on a few at a time.
        wanted.extend(open.take(MAX_INTERESTS / 2).map(|part| ahead(part, part.size.bytes())));
        wanted
    }

    /// The heads of likely next titles. Peers are asked for them as soon as nothing starts; the origin for that of
    /// the likeliest, once the listener has stayed with what plays.
    fn heads(&self) -> Vec<Demand> {
        let starting = self.plays.reads().any(|(_, read)| self.plays.starting(read.play));
        if starting && !self.origin.failing() {
            return Vec::new();
        }
        let stays = self.heads_from().is_none_or(|from| from <= self.now);
        let tracks: Vec<&Track> =
            self.upcoming.iter().take(MAX_HEADS).filter_map(|r| self.objects.track(*r)).collect();
        let likeliest = tracks.first().map(|track| track.swarm);
        let head = |track: &&Track| {
            let part = track.parts.first()?;
            let end = part.size.bytes().min(u64::from(HEAD_BLOCKS) * BLOCK_SIZE);
            let peers_only = !stays || Some(track.swarm) != likeliest;
            Some(Demand { peers_only, ..ahead(part, end) })
        };
        tracks.iter().filter_map(head).collect()
    }

    /// From when on the origin may be asked for the head of the next title; none when nothing plays.
    fn heads_from(&self) -> Option<Time> {
        Some(self.plays.playing_since()? + HEAD_PATIENCE)
    }

    /// What plays want ahead of their playheads, and within how much media: less than `window` where the cache is so
    /// small that what comes would push out what came.
    fn ahead_of_plays(&self, window: Span) -> (Vec<Demand>, Span) {
        let mut within = window;
        loop {
            let wanted = demands(&self.plays, |read| self.window_of(read, within), |r| self.objects.track(r));
            let bytes: u64 = wanted.iter().map(|demand| demand.bytes.len()).sum();
            if bytes <= self.budget() / 2 || within <= LEAST_WINDOW {
                return (wanted, within);
            }
            within = within.over(2);
        }
    }

    /// The beginning of the likeliest next title, from [`NEXT_LEAD`] before the end of what plays.
    fn next_title(&self) -> Vec<Demand> {
        let Some(end) = self.plays.followed_from() else { return Vec::new() };
        let lead = end.begins().since(self.now);
        let late = self.now.since(end.begins());
        let next = self.upcoming.first().and_then(|r| self.objects.track(*r));
        let Some(next) = next.filter(|_| lead <= NEXT_LEAD && late <= NEXT_PATIENCE) else {
            return Vec::new();
        };
        let window = self.tuning.window.less(lead);
        let renditions = self.upcoming.iter().filter_map(|r| self.objects.track(*r));
        let of_next = renditions.filter(|track| track.swarm == next.swarm);
        of_next.flat_map(|track| following(track, end, window)).collect()
    }

    /// Wakes the engine when the next title, or its head, is to be fetched.
    fn wake_for_next(&mut self) {
        if self.upcoming.is_empty() {
            return;
        }
        if let Some(from) = self.heads_from().filter(|from| *from > self.now) {
            self.wake_at(from, Reason::Upcoming);
        }
        if let Some(end) = self.plays.followed_from() {
            let from = end.begins() - NEXT_LEAD;
            let at = if from > self.now { from } else { end.begins() + NEXT_PATIENCE };
            if at > self.now {
                self.wake_at(at, Reason::Upcoming);
            }
        }
    }

    /// A seek, skip or stop ends the runs that nothing wants any more, at once.
    fn cancel_unwanted(&mut self, wanted: &[Demand]) {
        let mut blocks: FlatMap<ObjectIx, BlockSet> = FlatMap::new();
        for demand in wanted {
            blocks.entry(demand.object).or_default().insert(demand.size().covering(demand.bytes));
        }
        let useless = |run: &Run| {
            let wanted = blocks.get(&run.object);
            run.left.ranges().iter().all(|r| wanted.is_none_or(|w| w.present(*r).next().is_none()))
        };
        let ended: Vec<RequestId> = self
            .runs
            .iter()
            .filter(|(_, run)| !run.left.is_empty() && useless(run))
            .map(|(id, _)| id)
            .collect();
        ended.into_iter().for_each(|id| self.break_off(id));
    }

    /// Titles of which something is to be fetched. Nobody is looked for to bring what is all here.
    fn titles_of(&self, wanted: &[Demand]) -> FlatMap<SwarmId, u16> {
        let mut titles = FlatMap::new();
        for demand in wanted {
            let open = |part: &TrackPart| !self.objects.get(part.object).complete();
            // From the end on: what plays is fetched from its beginning.
            let open = |track: &&Track| open(&demand.part) || track.parts.iter().rev().any(open);
            if let Some(track) = self.objects.home_of(demand.object).filter(open) {
                *titles.entry(track.swarm).or_insert(0) |= 1 << track.bit;
            }
        }
        if self.settings.peers == PeerUse::HoldOut {
            titles.clear();
        }
        titles.retain(|swarm, _| !self.holds_out(*swarm));
        titles
    }

    /// Cuts what is missing into runs that end at share boundaries, the first ones of a start shorter.
    fn cut(&self, wanted: &[Demand], around: &mut FlatMap<ObjectIx, Around>) -> Vec<Pick> {
        let mut picks: Vec<Pick> = Vec::new();
        let mut seen: FlatMap<ObjectIx, BlockSet> = FlatMap::new();
        for demand in wanted {
            let Some(swarm) = self.objects.home_of(demand.object).map(|t| t.swarm) else { continue };
            let object = self.objects.get(demand.object);
            if object.complete() {
                continue;
            }
            let covering = demand.size().covering(demand.bytes);
            let gaps = object.missing(covering);
            if gaps.is_empty() {
                continue;
            }
            let around = around.entry(demand.object).or_insert_with(|| self.around(demand.object));
            let cut = seen.entry(demand.object).or_default();
            let ahead = self.ahead(demand);
            let waits = object.held.present(first_of(covering, 1)).next().is_none();
            let open = self.runs.open_of(demand.object);
            for gap in gaps {
                for fresh in cut.missing(gap).collect::<Vec<_>>() {
                    let mut rest = fresh;
                    while !rest.is_empty() && picks.len() < 4 * MAX_PICKS {
                        // What an open run owes is apart from the rest: whoever owes it may be asked for that.
                        let hedge = open.contains(rest.start);
                        let alike = match hedge {
                            true => open.present(rest).next(),
                            false => open.missing(rest).next(),
                        };
                        let alike = alike.unwrap_or(rest);
                        let (run, reach, due) = self.first_run(demand, covering.start, alike);
                        rest = BlockRange::new(run.end, rest.end);
                        picks.push(Pick {
                            object: demand.object,
                            blocks: run,
                            reach,
                            gap_end: alike.end,
                            due,
                            plays: demand.due(&self.plays, run.start),
                            starting: demand.start().contains(run.start),
                            opens: demand.starting && run.start < covering.start + START_RACE_BLOCKS + 1,
                            // What the player may want beyond a start comes in the same request.
                            settle_end: match reach == demand.start().end {
                                true => demand.settling().end.max(reach),
                                false => reach,
                            },
                            of_start: demand.starting,
                            reading: demand.reader.is_some()
                                && run.start < covering.start + 2 * self.tuning.share_blocks,
                            beyond: demand.beyond(run.start).filter(|_| waits),
                            tells: demand.tells,
                            whole: demand.whole.is_some(),
                            patience_ends: match demand.reader {
                                Some(since) if run.start == covering.start => since + self.patience(demand),
                                Some(_) | None => Time::NEVER,
                            },
                            begun: demand.play.map_or(Some(Time::ZERO), |play| self.plays.begun(play)),
                            hedge,
                            peers_only: demand.peers_only,
                            ahead,
                            swarm,
                            holders: self.reliable_holders(around, demand.object, run.start),
                        });
                    }
                    cut.insert(fresh);
                }
            }
        }
        picks
    }

    /// How long a player waits in a read for what others are to bring.
    fn patience(&self, demand: &Demand) -> Span {
        if demand.whole.is_some() { self.tuning.patience_whole } else { self.tuning.patience }
    }

    /// How far others who play what is wanted fetch.
    fn ahead(&self, demand: &Demand) -> Ahead {
        let blocks = |span| u32::try_from(demand.part.bytes_in(span) / BLOCK_SIZE).unwrap_or(u32::MAX);
        match demand.play {
            Some(_) => Ahead { soon: blocks(self.tuning.in_order), window: blocks(self.tuning.window) },
            None => Ahead { soon: u32::MAX, window: u32::MAX },
        }
    }

    /// The run at the start of `rest`, how far a fast source may go beyond it, and when it is due.
    fn first_run(&self, demand: &Demand, first: u32, rest: BlockRange) -> (BlockRange, u32, Time) {
        let unit = self.tuning.share_blocks.max(1);
        let boundary = (rest.start / unit + 1).saturating_mul(unit);
        let mut end = rest.end.min(boundary).min(rest.start.saturating_add(self.tuning.run_blocks));
        let start = demand.start();
        if start.contains(rest.start) {
            // In parallel: each connection begins slowly (RFC 5681).
            let longest = start.len().div_ceil(START_RUNS).max(START_RACE_BLOCKS);
            end = end.min(start.end).min(rest.start.saturating_add(longest));
        }
        let settling = demand.settling();
        let due = match demand.reader {
            Some(since) if settling.contains(rest.start) => {
                end = end.min(settling.end);
                since
            }
            Some(_) | None => demand.due(&self.plays, rest.start),
        };
        // A player that reads here expects bytes within a time that grows with how far ahead it reads.
        let due = match demand.reader {
            Some(since) if rest.start < first + 2 * unit => due.min(since + due.since(since).over(2)),
            Some(_) | None => due,
        };
        let short = due <= self.now + self.tuning.soon;
        let piece = if short { first_of(BlockRange::new(rest.start, end), PIECE).end } else { end };
        (BlockRange::new(rest.start, piece), end, due)
    }

    /// In order of play where it is urgent, rarest first behind that, in an order of our own among equals.
    fn order(&self, picks: &mut [Pick]) {
        let urgent = self.now + self.tuning.in_order;
        picks.sort_by_cached_key(|p| {
            let spread = rank(&self.me.0, rank(&self.objects.get(p.object).id.0, u64::from(p.blocks.start)));
            if p.starting || p.due <= urgent {
                (0, p.due, 0, 0)
            } else {
                (1, if p.due == Time::NEVER { Time::NEVER } else { Time::ZERO }, p.holders, spread)
            }
        });
    }

    /// Puts one run to the pick rule and does what it says. Answers the peer that was asked.
    fn place(&mut self, pick: Pick, around: &Around) -> Option<PeerId> {
        if self.gives_way(&pick) {
            return None;
        }
        let offers = self.offers(&pick, around);
        let size = self.objects.get(pick.object).size;
        let bytes = size.bytes_of(pick.blocks).len();
        let crowd = self.crowd(around, &pick);
        let of_origin = self.run_of_origin(&pick, crowd, around);
        let ahead = self.ahead_of_new(around, &pick);
        let origin = self.origin_offer(&pick, (crowd, ahead), bytes, size.bytes_of(of_origin).len());
        let question = Question {
            now: self.now,
            due: pick.due,
            plays: pick.plays,
            starting: pick.starting,
            reading: pick.reading,
            beyond: pick.beyond,
            patience_ends: pick.patience_ends,
            begun: pick.begun,
            hedge: pick.hedge,
            odds: if crowd == Crowd::OursToBring { self.odds(&pick) } else { 0 },
            many_ahead: ahead >= self.tuning.many,
            crowd,
            busy: if offers.is_empty() { self.busy(&pick, bytes, around) } else { None },
            idle_origin_too: pick.due == Time::NEVER && self.at_an_end(&pick, crowd, around, of_origin),
            offers: &offers,
            promise: self.promise(&pick, bytes),
            origin,
        };
        match self.rule.choose(&self.tuning, &question) {
            Choice::Peer(peer, why) => {
                let blocks = self.run_of_peer(peer, &pick);
                if !blocks.is_empty() {
                    self.ask(Asked::Peer(peer), pick, blocks, why);
                    self.race(&pick, peer, why);
                }
                return Some(peer);
            }
            Choice::Origin(Why::Patience) => {
                let blocks = self.blocks_to_go_on(&pick);
                self.ask(Asked::Origin, pick, first_of(of_origin, blocks), Why::Patience)
            }
            Choice::Origin(why) => match self.stuck_at_origin(&pick) {
                Some((stuck, rest)) => {
                    self.break_off(stuck);
                    self.ask(Asked::Origin, pick, rest, why);
                }
                None => self.ask(Asked::Origin, pick, of_origin, why),
            },
            Choice::Wait(until) => self.wake_at(until, Reason::Deadline),
        }
        None
    }

    /// Whether a run waits for what is under way and would share the line with it: a start, or, when it is due much
    /// later, what is due at once, and as much as keeps the line busy.
    fn gives_way(&self, pick: &Pick) -> bool {
        if pick.due > self.now + LATER && self.line_is_busy() {
            return true;
        }
        let soon = self.now + self.tuning.urgent;
        let urgent = !pick.of_start && pick.due <= soon;
        let far = pick.due > self.now + self.tuning.in_order;
        !pick.starting && !urgent && (self.runs.start_under_way() || far && self.runs.under_way_by(soon))
    }

    /// Whether enough is under way: whatever a listener jumps to waits behind it. Where nothing plays nobody jumps.
    fn line_is_busy(&self) -> bool {
        self.plays.reads().next().is_some() && self.line.busy_for(self.runs.owed(), ENOUGH_UNDER_WAY)
    }

    /// What a peer is asked for of a run: what it holds, and more of the gap when it is so fast that the usual
    /// length would mean thousands of runs a second.
    fn run_of_peer(&self, id: PeerId, pick: &Pick) -> BlockRange {
        let start = pick.blocks.start;
        let Some(peer) = self.peers.get(id) else { return BlockRange::new(start, start) };
        let swift = u32::try_from(peer.pipe.bytes_in(SWIFT_RUN) / BLOCK_SIZE).unwrap_or(u32::MAX);
        if pick.hedge || pick.starting || swift < 2 * self.tuning.run_blocks {
            return peer.run_of(pick.object, first_of(self.within_reach(pick), self.longest_of(peer, pick)));
        }
        let end = start.saturating_add(swift.min(MAX_RUN_BLOCKS)).min(pick.gap_end).max(pick.blocks.end);
        let gap = self.objects.get(pick.object).missing(BlockRange::new(start, end)).first().copied();
        peer.run_of(pick.object, gap.unwrap_or(pick.blocks))
    }

    /// What is missing from the start of a run on, as far as one source may be asked for it.
    pub(super) fn within_reach(&self, pick: &Pick) -> BlockRange {
        self.missing_to(pick, pick.reach)
    }

    pub(super) fn missing_to(&self, pick: &Pick, end: u32) -> BlockRange {
        if pick.hedge || pick.blocks.end == end {
            return pick.blocks;
        }
        let reach = BlockRange::new(pick.blocks.start, end);
        self.objects.get(pick.object).missing(reach).first().copied().unwrap_or(pick.blocks)
    }

    /// How many blocks of a run a peer is asked for at most: where it is due soon, what it brings in a moment, so that
    /// all who hold it bring it at the same time.
    pub(super) fn longest_of(&self, peer: &Peer, pick: &Pick) -> u32 {
        let usual = peer.longest_run(self.tuning.run_blocks);
        if pick.due > self.now + self.tuning.soon {
            return usual;
        }
        let moment = u32::try_from(peer.pipe.bytes_in(self.tuning.moment.max(peer.rtt)) / BLOCK_SIZE)
            .unwrap_or(u32::MAX);
        usual.min(moment.max(PIECE))
    }

    /// A start asked of a peer that has proved nothing yet is raced by the origin for its first 64 KiB.
    fn race(&mut self, pick: &Pick, peer: PeerId, why: Why) {
        let proven = self.peers.get(peer).is_some_and(|p| p.pipe.measured());
        let bytes = self.objects.get(pick.object).size.bytes_of(pick.blocks).len();
        let origin = self.origin_offer(pick, (Crowd::Held, 0), bytes, bytes).is_some_and(|o| o.ready);
        if why == Why::Start && !proven && origin && !pick.hedge {
            self.ask(Asked::Origin, *pick, first_of(pick.blocks, START_RACE_BLOCKS), Why::StartRace);
        }
    }

    fn ask(&mut self, asked: Asked, pick: Pick, blocks: BlockRange, why: Why) {
        let object = self.objects.get_mut(pick.object);
        let (id, size) = (object.id, object.size);
        let bytes = size.bytes_of(blocks).len();
        object.coming.insert(blocks);
        let mut left = BlockSet::default();
        for gap in object.held.missing(blocks) {
            left.insert(gap);
        }
        let probes = match asked {
            Asked::Origin => false,
            Asked::Peer(peer) => self.peers.get(peer).is_some_and(|p| !p.pipe.measured()),
        };
        let now = self.now;
        let (delay, takes) = match asked {
            Asked::Origin => (self.origin.delay(), self.origin.asked(now, bytes)),
            Asked::Peer(peer) => match self.peers.get_mut(peer) {
                Some(peer) => (peer.delay(now), peer.asked(now, bytes)),
                None => (Span::ZERO, Span::ZERO),
            },
        };
        let expected = self.now + takes;
        let run = Run {
            asked,
            object: pick.object,
            blocks,
            left,
            due: pick.due,
            expected,
            came: 0,
            first: None,
            delay,
            heard: self.now,
            since: self.now,
            late: false,
            silent: false,
            raced: false,
            starting: pick.starting,
            probes,
        };
        self.wake_at(run.raced_from(self.start_silence()).unwrap_or(Time::NEVER), Reason::LateRun);
        let request = self.runs.add(run);
        let peer = match asked {
            Asked::Origin => {
                self.news.of_all();
                self.put(Output::AskOrigin { request, object: id, size, blocks });
                None
            }
            Asked::Peer(peer) => {
                let due = pick.due.since(self.now).millis();
                let due_millis = u32::try_from(due).unwrap_or(u32::MAX);
                self.put(Output::AskPeer { request, peer, object: id, size, blocks, due_millis });
                Some(peer)
            }
        };
        self.wake_at(expected + self.tuning.silence, Reason::LateRun);
        self.note(Note::Asked { request, peer, object: id, blocks, due: pick.due, expected, why });
    }
}
