//! Connected peers: what they hold, how fast they are, what they owe, how they behaved.

use nearcast_content::{BLOCK_SIZE, BlockRange, BlockSet, FlatMap, FlatSet, NodeKey, ObjectId};

use super::api::{Candidate, Misbehaviour, Over, Path, PeerId, RunsIn, Side};
use super::meter::Pipe;
use super::objects::ObjectIx;
use super::pick::Promise;
use crate::limits::{HAVE_INTERVAL, MAX_INTERESTS, MAX_RUN_BLOCKS, MAX_RUNS_PER_PEER, MAX_STRUCK};
use crate::place::Nearness;
use crate::time::{Span, Time};
use crate::units::Rate;
use crate::wire::Serves;

/// Have messages to one peer in four intervals, at most.
const HAVES_A_SECOND: usize = 4;
/// Who is interested for less than this need not have fetched anything yet.
const NEW_HERE: Span = Span::from_secs(10);
/// Blocks that a peer is asked for first, to find out how fast it is: 64 KiB.
const PROBE_BLOCKS: u32 = 4;
/// A run of a slow peer takes no longer than this: what is asked for can change, and others can help.
const SLOW_RUN: Span = Span::from_secs(1);
/// Runs under way that keep a peer busy: one comes while the next is asked for.
const KEPT_BUSY: usize = 2;
/// Work for this long, the way there and back with it, is enough for a peer that has [`KEPT_BUSY`] runs to do.
const ENOUGH_ASKED: Span = Span::from_millis(200);
/// How long a node takes to answer a message.
const THINKING: Span = Span::from_millis(4);
/// A peer that never delivers is tried again every 40 s at least: lines come back.
const MAX_SNUB_DOUBLINGS: u32 = 4;

/// So often a peer of which nothing was asked may have become twice as fast: what was learned of it in a bad moment is not
/// held against it for good, and one that is slow is not taken for a fast one.
const MOST_DOUBLINGS: u64 = 3;

/// Stretches of a title ahead of a playhead, in blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// Fetched in order, by everybody who plays.
    pub(super) soon: u32,
    /// Fetched at all.
    pub(super) window: u32,
}

/// One connected peer.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) node: NodeKey,
    pub(super) side: Side,
    pub(super) path: Path,
    /// Whether its packets cross the household's line.
    pub(super) over: Over,
    pub(super) rtt: Span,
    /// From asking it for something until that begins to come, where it was silent before: a mean of its answers.
    answer: Span,
    pub(super) nearness: Nearness,
    /// Whether it said HELLO, and whether it serves.
    pub(super) hello: Option<Serves>,
    /// As its HELLO says.
    pub(super) runs_in: RunsIn,
    pub(super) pipe: Pipe,
    /// Takes no wants before this.
    pub(super) choked_until: Time,
    /// How often in a row it kept us waiting for a run, without delivering one in between.
    snubs: u32,
    /// Gets nothing to do before this, since it kept us waiting.
    pub(super) snubbed_until: Time,
    /// Objects we told it we are interested in, with what it said of each.
    pub(super) heard: FlatMap<ObjectIx, Heard>,
    /// Objects it is interested in, with what of ours it does not know yet.
    pub(super) interests: FlatMap<ObjectIx, Untold>,
    /// Objects it is interested in that we have not heard of so far.
    pub(super) unknown: FlatSet<ObjectId>,
    /// When the last haves went to it.
    pub(super) have_sent: [Time; HAVES_A_SECOND],
    /// When it connected.
    pub(super) since: Time,
    /// When it last gave us something or took something from us.
    pub(super) useful: Time,
}

/// What is known of what a peer has of an object that we are interested in.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// When it was told so.
    pub(super) asked: Time,
    /// What it has said since; none before it answered.
    pub(super) said: Option<Said>,
}

/// What a peer said of an object.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// What it holds.
    pub(super) held: BlockSet,
    /// What it brings in from the origin.
    pub(super) coming: BlockSet,
    /// Since when the newest of that.
    pub(super) since: Time,
}

impl Said {
    /// Where what it holds and brings in ends.
    fn furthest(&self) -> u32 {
        let end = |set: &BlockSet| set.ranges().last().map_or(0, |range| range.end);
        end(&self.held).max(end(&self.coming))
    }
}

/// What an interested peer has not been told.
#[derive(Clone, Debug, Default)]
pub(super) struct Untold {
    pub(super) added: BlockSet,
    pub(super) removed: BlockSet,
    /// The first have goes out even when nothing is held.
    pub(super) first: bool,
    /// What it was last told that we bring in from the origin.
    pub(super) coming: BlockSet,
    /// Since when it is interested.
    pub(super) since: Time,
}

impl Peer {
    /// Whether runs may be asked of it at `now`.
    pub(super) fn serves_now(&self, now: Time) -> bool {
        self.delivers() && self.choked_until.max(self.snubbed_until) <= now
    }

    /// Whether it hands anything on, and could to us: who does not share, or is reached through a relay alone, may hold
    /// all of a title and is no help.
    fn delivers(&self) -> bool {
        self.hello == Some(Serves::Others) && self.path == Path::Direct
    }

    /// Whether it is being found out how fast it is.
    pub(super) fn probed(&self) -> bool {
        !self.pipe.measured() && self.pipe.runs() > 0
    }

    /// Whether one more run may be asked of it, where `in_time` says how many are under way and not late. After it kept us
    /// waiting, one at a time finds out whether it delivers again; and before it delivered anything, how fast it is.
    /// What is asked of one while it has enough to do may be brought sooner by another.
    pub(super) fn takes_more(&self, in_time: impl FnOnce() -> usize) -> bool {
        let probed = self.pipe.measured() || self.pipe.runs() == 0;
        // Of one that takes long to turn to a run it is no less that keeps it busy.
        let busy = self.pipe.runs() >= KEPT_BUSY && self.pipe.expected(0, self.rtt) >= ENOUGH_ASKED;
        probed && !busy && self.pipe.runs() < MAX_RUNS_PER_PEER && (self.snubs == 0 || in_time() == 0)
    }

    /// It kept us waiting: it gets nothing to do until it had time to come to, each time longer.
    fn snub(&mut self, now: Time, silence: Span) {
        // Runs that were asked together are late together: they count once.
        if self.snubbed_until <= now {
            self.snubbed_until = now + silence.times(2 << self.snubs.min(MAX_SNUB_DOUBLINGS));
            self.snubs = self.snubs.saturating_add(1);
        }
    }

    /// Whether it has shown how fast it is, or is about to, and has not kept us waiting since.
    pub(super) fn is_at_work(&self) -> bool {
        self.snubs == 0 && (self.pipe.measured() || self.pipe.runs() > 0)
    }

    /// It delivered a run to its end.
    pub(super) fn delivered(&mut self) {
        (self.snubs, self.snubbed_until) = (0, Time::ZERO);
    }

    /// What it said of an object that it was asked about, once it answered.
    pub(super) fn said(&self, object: ObjectIx) -> Option<&Said> {
        self.heard.get(&object)?.said.as_ref()
    }

    /// What it holds of an object, once it said so.
    pub(super) fn held(&self, object: ObjectIx) -> Option<&BlockSet> {
        self.said(object).map(|said| &said.held)
    }

    /// Which blocks of `range`, from its start on, it holds.
    pub(super) fn run_of(&self, object: ObjectIx, range: BlockRange) -> BlockRange {
        self.held(object).map_or(BlockRange::new(range.start, range.start), |held| {
            held.run_at(range.start).intersect(range)
        })
    }

    /// Until when it may still say that it holds something of an object: it was asked less than `patience` ago and
    /// has not answered, or has not even said HELLO. None when nothing is to be expected of it.
    pub(super) fn silent_until(&self, now: Time, object: ObjectIx, patience: Span) -> Option<Time> {
        let (asked, answered) = match self.hello {
            None => (self.since, false),
            Some(Serves::Nobody) => return None,
            Some(Serves::Others) => {
                let heard = self.heard.get(&object)?;
                (heard.asked, heard.said.is_some())
            }
        };
        let until = asked + patience;
        (self.path == Path::Direct && !answered && now < until).then_some(until)
    }

    /// When it should have said whether it holds something of an object: a round trip after it was asked, and a
    /// moment to think. None when it was not asked or has said so, or has delivered nothing ever.
    pub(super) fn answers_by(&self, now: Time, object: ObjectIx) -> Option<Time> {
        let heard = self.heard.get(&object)?;
        let silent = heard.said.is_none() && self.serves_now(now) && self.pipe.measured();
        silent.then(|| heard.asked + self.rtt.times(2) + THINKING)
    }

    /// Since when it says that it brings `block` in from the origin, if it does.
    pub(super) fn brings(&self, object: ObjectIx, block: u32) -> Option<Time> {
        self.said(object).filter(|said| said.coming.contains(block)).map(|said| said.since)
    }

    /// Whether it is about to fetch `block` too, as far as can be told from what it holds and brings in: who plays
    /// fetches `soon` blocks ahead of the furthest, and while it is new, up to `window`.
    pub(super) fn reaches(&self, now: Time, object: ObjectIx, block: u32, ahead: Ahead) -> bool {
        let Some(interest) = self.interests.get(&object) else { return false };
        let furthest = self.said(object).map_or(0, Said::furthest);
        let is_new = now < interest.since + NEW_HERE;
        block < furthest.saturating_add(if is_new { ahead.window } else { ahead.soon })
    }

    /// Blocks of a run that it is asked for at most: a probe before it delivered anything, afterwards what it
    /// brings within [`SLOW_RUN`], up to `usual`.
    pub(super) fn longest_run(&self, usual: u32) -> u32 {
        if !self.pipe.measured() {
            return PROBE_BLOCKS.min(usual);
        }
        let blocks = u32::try_from(self.pipe.bytes_in(SLOW_RUN) / BLOCK_SIZE).unwrap_or(u32::MAX);
        blocks.clamp(1, usual.max(1))
    }

    /// From when on it may be told what is new. What is urgent need not keep the distance of an interval, as long
    /// as no more than four go out in four intervals.
    pub(super) fn have_from(&self, urgent: bool) -> Time {
        let (first, last) = (self.have_sent[0], self.have_sent[HAVES_A_SECOND - 1]);
        let after = |sent: Time, span| if sent == Time::ZERO { Time::ZERO } else { sent + span };
        let bound = after(first, HAVE_INTERVAL.times(4));
        if urgent { bound } else { bound.max(after(last, HAVE_INTERVAL)) }
    }

    /// Notes that haves went to it.
    pub(super) fn told_haves(&mut self, now: Time) {
        self.have_sent.rotate_left(1);
        self.have_sent[HAVES_A_SECOND - 1] = now;
    }

    /// Whether it holds `block` and can be relied on to hand it over.
    pub(super) fn reliably_holds(&self, object: ObjectIx, block: u32) -> bool {
        self.delivers() && self.snubs == 0 && self.held(object).is_some_and(|held| held.contains(block))
    }

    /// How long `bytes` more would take.
    pub(super) fn expected(&self, now: Time, bytes: u64) -> Span {
        let takes = self.pipe.expected(bytes, Span::ZERO);
        self.delay(now) + takes.over(1 << self.doublings(now))
    }

    /// How often it may have become twice as fast, and as quick to answer, since it was last asked for something.
    fn doublings(&self, now: Time) -> u64 {
        self.pipe.doublings(now).min(MOST_DOUBLINGS)
    }

    /// How fast it brings one long run after the other.
    pub(super) fn sustains(&self) -> Rate {
        let bytes = u64::from(MAX_RUN_BLOCKS) * BLOCK_SIZE;
        Rate::mean(bytes, self.answer.max(self.rtt) + self.pipe.rate().span_for(bytes))
    }

    /// How long it takes until something that is asked of it begins to come: the way there and back, and what a machine
    /// that has much to do takes to turn to it.
    pub(super) fn delay(&self, now: Time) -> Span {
        self.answer.over(1 << self.doublings(now)).max(self.rtt)
    }

    /// A run was asked of it. Answers how long it should take.
    pub(super) fn asked(&mut self, now: Time, bytes: u64) -> Span {
        let takes = self.expected(now, bytes);
        self.answer = self.delay(now);
        self.pipe.asked(now, bytes, self.answer);
        takes
    }

    /// The first `bytes` of a run came that it was asked for at `asked`, of which it was thought to begin `delay` later. Those
    /// for which it took its time tell how long it takes to answer, and not how fast it is.
    pub(super) fn begins(&mut self, now: Time, bytes: u64, asked: Time, delay: Span) {
        if self.pipe.silent(now, asked) {
            self.answer = (self.answer.times(3) + now.since(asked)).over(4);
            self.pipe.answers(now, bytes, asked + delay);
        } else {
            self.pipe.came(now, bytes);
        }
    }

    /// A run asked of it at `asked` is later than was expected; `begun` when some of it came.
    pub(super) fn overdue(&mut self, now: Time, asked: Time, begun: bool) {
        if !begun && self.pipe.silent(now, asked) {
            self.answer = self.answer.max(now.since(asked));
        } else {
            self.pipe.overdue(now);
        }
    }
}

/// A node that misbehaved.
#[derive(Clone, Copy, Debug, Default)]
struct Struck {
    /// How often it handed out bad bytes.
    strikes: u32,
    /// Dropped for this life.
    dropped: bool,
    /// The later, the higher.
    rank: u64,
}

/// All connected peers, and the strikes of those that were.
#[derive(Debug)]
pub(super) struct Peers {
    /// Each in a place of its own: what is looked for among large entries is found in none of the processor's caches.
    peers: FlatMap<PeerId, Box<Peer>>,
    by_node: FlatMap<NodeKey, PeerId>,
    struck: FlatMap<NodeKey, Struck>,
    /// Those that were struck, or are, counted up.
    strikes: u64,
    /// Those that choke or are snubbed, or were lately: who rests is asked in every plan, and few do.
    resting: Vec<PeerId>,
    prior: Rate,
}

impl Peers {
    pub(super) fn new(prior: Rate) -> Self {
        Self {
            peers: FlatMap::new(),
            by_node: FlatMap::new(),
            struck: FlatMap::new(),
            strikes: 0,
            resting: Vec::new(),
            prior,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(&id).map(Box::as_mut)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        self.peers.iter().map(|(id, peer)| (*id, peer.as_ref()))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (PeerId, &mut Peer)> {
        self.peers.iter_mut().map(|(id, peer)| (*id, peer.as_mut()))
    }

    pub(super) fn connected_to(&self, node: &NodeKey) -> Option<PeerId> {
        self.by_node.get(node).copied()
    }

    /// The directory says how near nodes are; who was called by one of them did not know.
    pub(super) fn found(&mut self, holders: &[Candidate]) {
        for candidate in holders {
            if let Some(peer) = self.by_node.get(&candidate.node).and_then(|id| self.peers.get_mut(id)) {
                peer.nearness = peer.nearness.min(candidate.nearness);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a peer is what it is made of")]
    pub(super) fn add(
        &mut self,
        id: PeerId,
        node: NodeKey,
        side: Side,
        path: Path,
        over: Over,
        rtt: Span,
        nearness: Nearness,
        now: Time,
    ) {
        self.by_node.insert(node, id);
        self.peers.insert(
            id,
            Box::new(Peer {
                node,
                side,
                path,
                over,
                rtt,
                answer: rtt,
                nearness,
                hello: None,
                runs_in: RunsIn::Program,
                pipe: Pipe::new(self.prior),
                choked_until: Time::ZERO,
                snubs: 0,
                snubbed_until: Time::ZERO,
                heard: FlatMap::new(),
                since: now,
                interests: FlatMap::new(),
                unknown: FlatSet::new(),
                have_sent: [Time::ZERO; HAVES_A_SECOND],
                useful: now,
            }),
        );
    }

    pub(super) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        let peer = self.peers.remove(&id)?;
        if self.by_node.get(&peer.node) == Some(&id) {
            self.by_node.remove(&peer.node);
        }
        self.resting.retain(|rests| *rests != id);
        Some(*peer)
    }

    /// A peer takes no wants before `until`.
    pub(super) fn choke(&mut self, id: PeerId, until: Time) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.choked_until = until;
            self.rests(id);
        }
    }

    /// A peer kept us waiting: it gets nothing to do for a while.
    pub(super) fn snub(&mut self, id: PeerId, now: Time, silence: Span) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.snub(now, silence);
            self.rests(id);
        }
    }

    fn rests(&mut self, id: PeerId) {
        if !self.resting.contains(&id) {
            self.resting.push(id);
        }
    }

    /// When the next of those that choke or are snubbed no longer is.
    pub(super) fn rest_ends(&mut self, now: Time) -> Option<Time> {
        let peers = &self.peers;
        let rests = |id: &PeerId| {
            let peer = peers.get(id);
            peer.into_iter().flat_map(|peer| [peer.choked_until, peer.snubbed_until]).filter(|at| *at > now)
        };
        self.resting.retain(|id| rests(id).next().is_some());
        self.resting.iter().flat_map(rests).min()
    }

    /// Whether this node may be connected to at all.
    pub(super) fn welcome(&self, node: &NodeKey) -> bool {
        self.struck.get(node).is_none_or(|struck| !struck.dropped && struck.strikes < 2)
    }

    /// A node handed out bad bytes: dropped for this life at once, banned from the second time on.
    pub(super) fn strike(&mut self, node: NodeKey) -> u32 {
        let struck = self.mark(node);
        struck.dropped = true;
        struck.strikes = struck.strikes.saturating_add(1);
        struck.strikes
    }

    /// A node had misbehaved in an earlier life.
    pub(super) fn struck(&mut self, node: NodeKey, strikes: u32) {
        self.mark(node).strikes = strikes;
    }

    /// A connection's node is not welcome for the rest of this life.
    pub(super) fn drop_for_now(&mut self, node: NodeKey) {
        self.mark(node).dropped = true;
    }

    /// The entry of a node that misbehaves. Beyond [`MAX_STRUCK`] the one with the fewest strikes, and of these the
    /// oldest, is forgiven.
    fn mark(&mut self, node: NodeKey) -> &mut Struck {
        if self.struck.len() >= MAX_STRUCK && !self.struck.contains_key(&node) {
            let least = self.struck.iter().min_by_key(|(_, s)| (s.strikes, s.rank)).map(|(node, _)| *node);
            least.map(|node| self.struck.remove(&node));
        }
        self.strikes += 1;
        let rank = self.strikes;
        let struck = self.struck.entry(node).or_default();
        struck.rank = rank;
        struck
    }

    /// How many nodes are remembered that misbehaved.
    pub(super) fn struck_count(&self) -> usize {
        self.struck.len()
    }

    /// Forgets an object: who is interested in it is told again when it is known again.
    pub(super) fn forget_object(&mut self, ix: ObjectIx, object: ObjectId) {
        for peer in self.peers.values_mut() {
            peer.heard.remove(&ix);
            if peer.interests.remove(&ix).is_some() && peer.unknown.len() < MAX_INTERESTS {
                peer.unknown.insert(object);
            }
        }
    }

    /// Notes for every interested peer that `blocks` are held. Answers who they are.
    pub(super) fn note_added(&mut self, object: ObjectIx, blocks: BlockRange) -> Vec<PeerId> {
        let mut interested = Vec::new();
        for (id, peer) in &mut self.peers {
            if let Some(untold) = peer.interests.get_mut(&object) {
                interested.push(*id);
                untold.removed.remove(blocks);
                // Whoever holds a block need not hear that we do, but still hears of the rest.
                match peer.heard.get(&object).and_then(|heard| heard.said.as_ref()).map(|said| &said.held) {
                    Some(held) => held.missing(blocks).for_each(|gap| {
                        untold.added.insert(gap);
                    }),
                    None => {
                        untold.added.insert(blocks);
                    }
                }
            }
        }
        interested
    }

    /// Tells every interested peer that `blocks` are no longer held.
    pub(super) fn note_removed(&mut self, object: ObjectIx, blocks: BlockRange) {
        for peer in self.peers.values_mut() {
            if let Some(untold) = peer.interests.get_mut(&object) {
                untold.added.remove(blocks);
                untold.removed.insert(blocks);
            }
        }
    }

    /// A peer asks to be told about an object, of which `held` is held. The `first` answer goes out even when that is
    /// nothing.
    pub(super) fn interested(
        &mut self,
        id: PeerId,
        object: ObjectIx,
        held: &BlockSet,
        first: bool,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        if peer.interests.len() >= MAX_INTERESTS && !peer.interests.contains_key(&object) {
            return Err(Misbehaviour::TooManyInterests);
        }
        let untold = Untold { added: held.clone(), first, since: now, ..Untold::default() };
        peer.interests.insert(object, untold);
        Ok(())
    }

    /// A peer asks to be told about an object that is not known here: it is remembered until it is.
    pub(super) fn interested_in_unknown(&mut self, id: PeerId, object: ObjectId) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        if peer.unknown.len() >= MAX_INTERESTS && !peer.unknown.contains(&object) {
            return Err(Misbehaviour::TooManyInterests);
        }
        peer.unknown.insert(object);
        Ok(())
    }

    /// An object became known. Answers the peers that had asked about it.
    pub(super) fn known(&mut self, object: &ObjectId) -> Vec<PeerId> {
        self.peers.iter_mut().filter_map(|(id, peer)| peer.unknown.remove(object).then_some(*id)).collect()
    }

    /// The first of the warm peers that are still to say whether they hold something of an object: when its answer
    /// should be here, and how long `bytes` of it would take.
    pub(super) fn promise(&self, now: Time, object: ObjectIx, bytes: u64) -> Option<Promise> {
        let promises = self.peers.values().filter_map(|peer| {
            let by = peer.answers_by(now, object).filter(|by| *by > now)?;
            Some(Promise { by, takes: peer.expected(now, bytes) })
        });
        promises.min_by_key(|promise| (promise.by + promise.takes, promise.by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_moment_is_not_held_against_a_peer_for_good() {
        let mut peers = Peers::new(Rate::from_bytes_per_sec(1_000_000));
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        let (side, over, rtt) = (Side::Accepted, Over::Line, Span::from_millis(10));
        peers.add(PeerId(1), NodeKey([1; 32]), side, Path::Direct, over, rtt, Nearness::Far, Time::ZERO);
        let peer = peers.get_mut(PeerId(1)).expect("it is here");
        // Five times it turns to a run after 4 s, and then sends 800 kB/s.
        for run in 0..5 {
            let asked = at(10_000 * run);
            peer.asked(asked, 32_000);
            peer.begins(asked + Span::from_secs(4), 16_000, asked, peer.delay(asked));
            peer.pipe.came(asked + Span::from_millis(4_200), 160_000);
            peer.pipe.ended(asked + Span::from_millis(4_200), 0);
        }
        let rate = peer.pipe.rate().bytes_per_sec();
        assert!((700_000..900_000).contains(&rate), "how long it takes to answer is not its rate: {rate}");
        let delays = [0, 20, 100].map(|later| peer.delay(at(44_200 + later * 1_000)).millis());
        assert!(delays[0] > 1_500, "{delays:?}");
        assert_eq!(delays.map(|delay| delays[0] / delay), [1, 4, 8], "{delays:?}");
        peer.asked(at(60_000), 32_000);
        peer.asked(at(60_000), 32_000);
        assert!(peer.takes_more(|| 2), "two short runs do not keep busy who takes a second to turn to them");
    }

    #[test]
    fn who_rests_is_known_as_long_as_it_is_here_and_no_longer() {
        let mut peers = Peers::new(Rate::from_bytes_per_sec(1_000_000));
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        for n in 1..=100u8 {
            let (id, node) = (PeerId(n.into()), NodeKey([n; 32]));
            let (side, over) = (Side::Accepted, Over::Line);
            peers.add(id, node, side, Path::Direct, over, Span::ZERO, Nearness::Far, Time::ZERO);
            peers.choke(id, at(1_000 * u64::from(n)));
            if n > 2 {
                peers.remove(id);
            }
        }
        assert_eq!(peers.resting, [PeerId(1), PeerId(2)], "nobody asks how many came and went");
        assert_eq!(
            [0, 1_000, 2_000].map(|now| peers.rest_ends(at(now))),
            [Some(at(1_000)), Some(at(2_000)), None]
        );
        assert!(peers.resting.is_empty());
    }
}
