//! What must hold whatever happens, and how a violation is told.

use std::collections::BTreeMap;

use nearcast_content::{BlockRange, BlockSet, FlatMap, ObjectId};
use nearcast_engine::limits::{
    HAVE_INTERVAL, MAX_ORIGIN_RUN_BLOCKS, MAX_ORIGIN_RUNS, MAX_PEERS, MAX_RUN_BLOCKS, MAX_RUNS,
    MAX_RUNS_PER_PEER, MAX_UPLOADS,
};
use nearcast_engine::swarm::PeerId;
use nearcast_engine::{Rate, Span, Time};

use crate::catalogue::ObjectIx;

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A node handed on what it has not verified.
    #[error("it hands on blocks {0:?} of an object of which it holds only {1}")]
    ServesUnverified(BlockRange, String),
    /// A node promised what it has not verified.
    #[error("it tells a peer that it holds blocks {0:?}, and does not")]
    PromisesUnverified(BlockRange),
    /// The verifier let a block past that was never published.
    #[error("block {0} was verified, but is not what was published")]
    BadBlockKept(u32),
    /// A player got what was never published.
    #[error("a player was handed block {0}, which is not what was published")]
    BadBlockPlayed(u32),
    /// A node that does not serve sends to peers.
    #[error("it serves a peer, but sharing is off")]
    ServesAlthoughOff,
    /// More was sent to peers than the ceiling allows.
    #[error("it sent {sent} bytes in {over:?}, the ceiling allows {allowed}")]
    CeilingPassed {
        /// Bytes sent beyond the LAN.
        sent: u64,
        /// Since when the ceiling was exhausted.
        over: Span,
        /// Bytes allowed in that time, with the burst.
        allowed: u64,
    },
    /// A bound of the engine's limits is passed.
    #[error("{what}: {is}, at most {bound} allowed")]
    Bound {
        /// What is bounded.
        what: &'static str,
        /// How many there are.
        is: u64,
        /// How many there may be.
        bound: u64,
    },
    /// The cache holds more than its budget and what is in use.
    #[error("its cache holds {0} bytes, the budget is {1}")]
    BudgetPassed(u64, u64),
    /// A player waits and gets nothing although bytes can be had.
    #[error(
        "its player was given nothing for {0:?} at {1:?} of the title, and nothing was asked for that would help"
    )]
    StandsStill(Span, Span),
    /// A run asked of a node that went was not asked again.
    #[error("blocks {0:?} that were asked of a departed node were not asked elsewhere in {1:?}")]
    NotAskedAgain(BlockRange, Span),
    /// Bytes appeared or vanished.
    #[error("{sent} bytes were sent, {accounted} are accounted for")]
    BytesLost {
        /// By uplinks.
        sent: u64,
        /// Received, dropped or on the way.
        accounted: u64,
    },
    /// An agent refused an input, which is a mistake of the shell or of the agent.
    #[error("the agent refuses an input: {0}")]
    InputRefused(String),
    /// An agent goes on without end.
    #[error("the agent has put out {0} things without a pause")]
    Endless(u32),
    /// An agent wants to be woken again and again without time passing.
    #[error("the agent was woken {0} times in one moment")]
    Spins(u32),
    /// The agent's own count of bytes handed to players is not the world's.
    #[error("the agent says players got {noted} bytes, they got {handed}")]
    NotesDiffer {
        /// Sum of its notes.
        noted: u64,
        /// What was handed over.
        handed: u64,
    },
    /// A message does not survive the wire codec.
    #[error("a message is not the same after encoding and decoding: {0}")]
    CodecDiffers(String),
}

/// A violation, with what is needed to see it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "seed {seed}, event {event}, at {at:?}{}: {broken}\n  replay with: nearcast sim --scenario {scenario} --seed {seed} --policy {policy} --until {event}{}",
    node.map_or_else(String::new, |n| format!(", listener {n}")),
    node.map_or_else(String::new, |n| format!(" --trace {n}"))
)]
pub struct Violation {
    /// What broke.
    pub broken: Broken,
    /// The world's seed.
    pub seed: u64,
    /// How many events had happened.
    pub event: u64,
    /// When.
    pub at: Time,
    /// At which node, if at one.
    pub node: Option<u32>,
    /// The scenario's name.
    pub scenario: String,
    /// The agents' name.
    pub policy: String,
    /// Decisions of the listener asked about until then, one a line.
    pub explained: Vec<String>,
}

/// Outputs without a pause at most: a thousand peers told about a hundred objects each.
pub(crate) const MAX_OUTPUTS: u32 = 100_000;
/// Wakes in one moment at most.
const MAX_WAKES: u32 = 100;
/// A player may wait this long without being given anything and without anything being asked for it.
pub(crate) const PATIENCE: Span = Span::from_secs(10);
/// Blocks near the playhead that were asked of a departed node are asked again within this.
pub(crate) const ASK_AGAIN: Span = Span::from_secs(5);
/// An origin that failed again and again is tried again after 8 s at most, and answers within a second.
pub(crate) const ORIGIN_RESTS: Span = Span::from_secs(9);
/// What the upload ceiling may be overdrawn by: a second, and a run.
const BURST: Span = Span::from_secs(1);
const BURST_BYTES: u64 = (MAX_RUN_BLOCKS as u64) * nearcast_content::BLOCK_SIZE;

/// The last moments at which a peer was told of holdings, the latest last.
#[derive(Clone, Copy, Debug, Default)]
struct Told([Option<Time>; 5]);

/// What is watched at one node.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Uploads beyond the LAN, as a bucket that leaks at the ceiling's rate.
    bucket: u64,
    bucket_at: Time,
    bucket_since: Time,
    bucket_sent: u64,
    woken_at: Time,
    wakes: u32,
    /// When haves went to each peer.
    haves: FlatMap<PeerId, Told>,
    /// Blocks near a playhead that were asked of nodes that went, and by when they must be asked again.
    pub(crate) lost: Vec<(ObjectIx, BlockRange, Time)>,
    /// Interests of peers, and when they were answered.
    asked_about: BTreeMap<(PeerId, ObjectId), Option<Time>>,
    /// When the agent last said that it cannot help a player.
    pub(crate) stuck_at: Option<Time>,
}

impl Watch {
    /// A playhead is elsewhere, or a play begins: what was lost long ago may lie close to it only now.
    pub(crate) fn jumped(&mut self, now: Time) {
        for (_, _, by) in &mut self.lost {
            *by = now + ASK_AGAIN;
        }
    }

    /// Blocks that were held are thrown out: they were not lost any more.
    pub(crate) fn evicted(&mut self, object: ObjectIx, blocks: BlockRange) {
        let out = BlockSet::from(blocks);
        for (of, lost, by) in std::mem::take(&mut self.lost) {
            let rest = if of == object { out.missing(lost).collect() } else { vec![lost] };
            self.lost.extend(rest.into_iter().map(|rest| (of, rest, by)));
        }
    }

    /// Bytes went out to a peer beyond the LAN under a ceiling.
    pub(crate) fn sent(&mut self, now: Time, bytes: u64, ceiling: Rate) -> Result<(), Broken> {
        let leaked = ceiling.bytes_in(now.since(self.bucket_at));
        self.bucket_at = now;
        if leaked >= self.bucket {
            (self.bucket, self.bucket_since, self.bucket_sent) = (0, now, 0);
        } else {
            self.bucket -= leaked;
        }
        self.bucket += bytes;
        self.bucket_sent += bytes;
        let allowed = ceiling.bytes_in(BURST) + BURST_BYTES;
        if self.bucket <= allowed {
            return Ok(());
        }
        let over = now.since(self.bucket_since);
        let allowed = allowed + ceiling.bytes_in(over);
        Err(Broken::CeilingPassed { sent: self.bucket_sent, over, allowed })
    }

    /// Forgets a peer.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.haves.remove(&peer);
        self.asked_about.retain(|(other, _), _| *other != peer);
    }

    /// A peer wants to hear of an object. The answer goes out at once and is no change of holdings.
    pub(crate) fn asked_about(&mut self, peer: PeerId, object: ObjectId) {
        self.asked_about.insert((peer, object), None);
    }

    /// Whether what a peer is told of an object answers its interest. One that was taken back and told again is answered
    /// twice.
    pub(crate) fn answers(&mut self, now: Time, peer: PeerId, object: ObjectId) -> bool {
        let Some(answered) = self.asked_about.get_mut(&(peer, object)) else { return false };
        *answered.get_or_insert(now) == now
    }

    /// The agent was woken.
    pub(crate) fn woken(&mut self, now: Time) -> Result<(), Broken> {
        if self.woken_at != now {
            (self.woken_at, self.wakes) = (now, 0);
        }
        self.wakes += 1;
        if self.wakes > MAX_WAKES { Err(Broken::Spins(self.wakes)) } else { Ok(()) }
    }

    /// A change of holdings went to a peer: the fifth in four intervals is one too many.
    pub(crate) fn told(&mut self, now: Time, peer: PeerId) -> Result<(), Broken> {
        let Told(moments) = self.haves.entry(peer).or_default();
        if moments[4] == Some(now) {
            return Ok(());
        }
        let first = moments[0];
        moments.rotate_left(1);
        moments[4] = Some(now);
        if first.is_none_or(|first| now.since(first) >= HAVE_INTERVAL.times(4)) {
            Ok(())
        } else {
            Err(bound("moments in a second at which a peer is told of holdings", 6, 5))
        }
    }
}

/// What an agent has under way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnderWay {
    pub(crate) runs: usize,
    pub(crate) origin_runs: usize,
    pub(crate) most_at_one_peer: usize,
    pub(crate) uploads: usize,
    pub(crate) peers: usize,
}

/// Whether the engine's bounds hold.
pub(crate) fn check_bounds(under_way: UnderWay) -> Result<(), Broken> {
    let rows = [
        ("runs on the way", under_way.runs, MAX_RUNS),
        ("runs asked of the origin", under_way.origin_runs, MAX_ORIGIN_RUNS),
        ("runs asked of one peer", under_way.most_at_one_peer, MAX_RUNS_PER_PEER),
        ("uploads at once", under_way.uploads, MAX_UPLOADS),
        ("connections", under_way.peers, MAX_PEERS),
    ];
    match rows.into_iter().find(|(_, is, limit)| is > limit) {
        Some((what, is, limit)) => Err(bound(what, is as u64, limit as u64)),
        None => Ok(()),
    }
}

/// Whether a run is as long as it may be.
pub(crate) fn check_run(blocks: BlockRange, peer: Option<PeerId>) -> Result<(), Broken> {
    let limit = if peer.is_some() { MAX_RUN_BLOCKS } else { MAX_ORIGIN_RUN_BLOCKS };
    match blocks.len() {
        0 => Err(bound("blocks of an empty run", 0, limit.into())),
        len if len > limit => Err(bound("blocks of a run", len.into(), limit.into())),
        _ => Ok(()),
    }
}

fn bound(what: &'static str, is: u64, bound: u64) -> Broken {
    Broken::Bound { what, is, bound }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thrown_out_was_not_lost() {
        let (object, by) = (ObjectIx(1), Time::ZERO);
        let mut watch = Watch { lost: vec![(object, BlockRange::new(10, 20), by)], ..Watch::default() };
        watch.evicted(ObjectIx(2), BlockRange::new(0, 30));
        assert_eq!(watch.lost.len(), 1, "another object");
        watch.evicted(object, BlockRange::new(12, 15));
        let rest = [BlockRange::new(10, 12), BlockRange::new(15, 20)];
        assert_eq!(watch.lost, rest.map(|rest| (object, rest, by)));
    }

    #[test]
    fn an_interest_told_twice_in_a_moment_is_answered_twice_and_no_more_later() {
        let (mut watch, peer, object) = (Watch::default(), PeerId(1), ObjectId([1; 32]));
        let later = Time::ZERO + HAVE_INTERVAL;
        assert!(!watch.answers(Time::ZERO, peer, object), "nobody asked");
        watch.asked_about(peer, object);
        assert!(watch.answers(Time::ZERO, peer, object) && watch.answers(Time::ZERO, peer, object));
        assert!(!watch.answers(later, peer, object));
    }

    #[test]
    fn a_peer_is_told_of_holdings_at_five_moments_in_four_intervals_at_most() {
        let mut watch = Watch::default();
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        for millis in [0, 0, 10, 20, 30, 40, 40] {
            assert_eq!(watch.told(at(millis), PeerId(1)), Ok(()));
        }
        assert_eq!(watch.told(at(50), PeerId(2)), Ok(()), "another peer");
        let later = Time::ZERO + HAVE_INTERVAL.times(4);
        assert_eq!(watch.told(later, PeerId(1)), Ok(()), "the first is four intervals ago");
        assert!(watch.told(later + Span::from_millis(1), PeerId(1)).is_err(), "the second is not");
    }
}
