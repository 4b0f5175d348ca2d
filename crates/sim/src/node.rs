//! One simulated node: an agent, and the state of the shell around it.

use std::rc::Rc;

use nearcast_content::tree::{OriginCheck, PAIR_LEN, Parents, RunDecoder};
use nearcast_content::{BlockRange, FlatMap, FlatSet, NodeKey, ObjectSize};
use nearcast_engine::directory::SessionId;
use nearcast_engine::swarm::{PeerId, RenditionId, RequestId, UploadId};
use nearcast_engine::{Span, Time};

use crate::agent::Agent;
use crate::catalogue::ObjectIx;
use crate::invariants::Watch;
use crate::network::{ChannelKey, PipeIx, RunKey};
use crate::player::{PlayReport, Player};
use crate::queue::Ticket;
use crate::store::{BySource, Store};

/// A node in one of its lives: what is addressed to an earlier life is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) node: u32,
    pub(crate) life: u32,
}

/// A node.
pub(crate) struct Node {
    /// None while it is away.
    pub(crate) agent: Option<Box<dyn Agent>>,
    pub(crate) life: u32,
    pub(crate) sleep: Sleep,
    pub(crate) timer: Timer,
    pub(crate) store: Store,
    pub(crate) pipes: Pipes,
    pub(crate) origin: Vec<OriginLine>,
    /// Runs on their way here.
    pub(crate) coming: FlatMap<RequestId, Coming>,
    /// Runs on their way from here.
    pub(crate) going: FlatMap<UploadId, (PeerId, RunKey)>,
    /// Peers that are served, or were a moment ago, and how much had left to each when that was last looked at.
    pub(crate) served: FlatMap<PeerId, Served>,
    pub(crate) peers: FlatSet<PeerId>,
    pub(crate) session: Option<SessionId>,
    /// When it last said something in it.
    pub(crate) spoke: Time,
    pub(crate) query: u32,
    pub(crate) described: FlatSet<RenditionId>,
    pub(crate) strikes: FlatMap<NodeKey, u32>,
    pub(crate) player: Option<Player>,
    /// The title that is being kept, when titles are kept and not played.
    pub(crate) keeps: Option<PlayReport>,
    pub(crate) player_timer: Timer,
    /// Which of its plays is next.
    pub(crate) next_play: usize,
    pub(crate) next_read: u64,
    pub(crate) plays: Vec<PlayReport>,
    pub(crate) counts: NodeCounts,
    pub(crate) watch: Watch,
    /// Something was added to what is under way, and its bounds are to be looked at.
    pub(crate) grew: bool,
}

/// The links a node sends and receives over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipes {
    pub(crate) up: PipeIx,
    pub(crate) down: PipeIx,
    pub(crate) lan_up: PipeIx,
    pub(crate) lan_down: PipeIx,
    /// One way to the operator's network.
    pub(crate) delay: Span,
}

/// How a node's machine sleeps, and slept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sleep {
    /// Until when, while it does.
    pub(crate) until: Option<Time>,
    /// When it last woke up.
    pub(crate) woke: Time,
    /// How far the clock of its player is behind the world's: sound and pictures stand still.
    pub(crate) player: Span,
    /// How far the clock of its program is behind.
    pub(crate) program: Span,
}

/// A wake-up call. Putting it off costs nothing until the call that is scheduled comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    at: Time,
    scheduled: Option<Time>,
    round: u64,
    /// The call that is scheduled.
    pub(crate) call: Option<Ticket>,
}

/// What a wake-up call turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    /// It was taken back.
    Stale,
    /// It was put off: schedule it again.
    Later(Time, u64),
    /// It is time.
    Due,
}

/// A kept-alive connection to the origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OriginLine {
    pub(crate) channel: ChannelKey,
    pub(crate) last_used: Time,
    /// What it was asked for and has not sent yet, where each request has a connection to itself.
    pub(crate) busy: Option<RequestId>,
}

/// The path to a peer that is served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) channel: ChannelKey,
    /// Bytes that had left when it was last looked at.
    pub(crate) left: u64,
}

/// A run on its way to a node.
#[derive(Debug)]
pub(crate) struct Coming {
    /// None for the origin.
    pub(crate) peer: Option<PeerId>,
    pub(crate) object: ObjectIx,
    pub(crate) size: ObjectSize,
    pub(crate) blocks: BlockRange,
    pub(crate) next: u32,
    /// The transfer, once it runs.
    pub(crate) run: Option<RunKey>,
    /// In small worlds, the real verifier.
    pub(crate) check: Option<Box<Check>>,
}

/// The verifier of a run.
#[derive(Debug)]
pub(crate) enum Check {
    Peer(RunDecoder),
    Origin(OriginCheck<Outboard>),
}

/// A published outboard.
#[derive(Clone, Debug)]
pub(crate) struct Outboard(pub(crate) Rc<[u8]>);

impl Parents for Outboard {
    fn parent(&self, offset: u64) -> Option<[u8; PAIR_LEN]> {
        self.0.parent(offset)
    }
}

/// What the world counts at a node by itself, and what the agent says.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeCounts {
    /// Verified bytes that came.
    pub(crate) fetched: BySource,
    /// Bytes that came and were not wanted any more.
    pub(crate) late: BySource,
    /// Bytes that came and were bad.
    pub(crate) corrupt: u64,
    pub(crate) uploaded: u64,
    /// Body bytes that the origin sent here.
    pub(crate) origin_sent: u64,
    /// Never played nor served, thrown out.
    pub(crate) wasted: BySource,
    /// Handed to players, by the agent's own notes.
    pub(crate) noted: BySource,
    pub(crate) noted_stalls: u64,
    pub(crate) control_messages: u64,
    pub(crate) control_bytes: u64,
    pub(crate) strikes: u64,
}

impl Node {
    /// A node that has not arrived.
    pub(crate) fn new(pipes: Pipes) -> Self {
        Self {
            agent: None,
            life: 0,
            sleep: Sleep::default(),
            timer: Timer::default(),
            store: Store::default(),
            pipes,
            origin: Vec::new(),
            coming: FlatMap::new(),
            going: FlatMap::new(),
            served: FlatMap::new(),
            peers: FlatSet::new(),
            session: None,
            spoke: Time::ZERO,
            query: 0,
            described: FlatSet::new(),
            strikes: FlatMap::new(),
            player: None,
            keeps: None,
            player_timer: Timer::default(),
            next_play: 0,
            next_read: 0,
            plays: Vec::new(),
            counts: NodeCounts::default(),
            watch: Watch::default(),
            grew: false,
        }
    }

    /// Forgets a connection: what was to come over it, and who was at its end.
    pub(crate) fn forget_peer(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.coming.retain(|_, coming| coming.peer != Some(peer));
        self.watch.forget(peer);
    }

    /// The connection over which the origin answers a request: its own, or the one that all share.
    pub(crate) fn origin_line(&mut self, request: RequestId, own: bool) -> Option<&mut OriginLine> {
        self.origin.iter_mut().find(|line| line.busy == own.then_some(request))
    }

    /// Forgets everything that does not survive a restart.
    pub(crate) fn go_away(&mut self) {
        self.agent = None;
        self.sleep = Sleep::default();
        self.timer.clear();
        self.origin = Vec::new();
        self.coming = FlatMap::new();
        self.going = FlatMap::new();
        self.served = FlatMap::new();
        self.peers = FlatSet::new();
        self.session = None;
        self.described = FlatSet::new();
        self.player_timer.clear();
        self.watch = Watch::default();
    }

    /// It does not come back: what it kept is added up and forgotten.
    pub(crate) fn go_for_good(&mut self) {
        let waste = std::mem::take(&mut self.store).waste();
        self.counts.wasted.add_all(waste);
        self.described = FlatSet::new();
    }
}

impl Timer {
    /// Sets the moment. Answers the round to schedule, if the call that is scheduled comes too late for it.
    pub(crate) fn set(&mut self, at: Time) -> Option<u64> {
        self.at = at;
        if self.scheduled.is_some_and(|scheduled| scheduled <= at) || at == Time::NEVER {
            return None;
        }
        self.scheduled = Some(at);
        self.round += 1;
        Some(self.round)
    }

    /// The call of `round` comes at `now`.
    pub(crate) fn rings(&mut self, now: Time, round: u64) -> Ring {
        if self.scheduled.is_none() || self.round != round {
            return Ring::Stale;
        }
        self.scheduled = None;
        if self.at <= now {
            self.at = Time::NEVER;
            return Ring::Due;
        }
        let at = self.at;
        self.set(at).map_or(Ring::Stale, |round| Ring::Later(at, round))
    }

    /// Takes every call back.
    pub(crate) fn clear(&mut self) {
        (self.at, self.scheduled) = (Time::NEVER, None);
        self.round += 1;
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self { at: Time::NEVER, scheduled: None, round: 0, call: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_is_put_off_costs_one_call_and_rings_once() {
        let at = Time::from_micros;
        let mut timer = Timer::default();
        let first = timer.set(at(10)).expect("to be scheduled");
        assert_eq!(timer.set(at(30)), None);
        let Ring::Later(when, second) = timer.rings(at(10), first) else { panic!("put off") };
        assert_eq!((when, timer.rings(at(10), first)), (at(30), Ring::Stale));
        let third = timer.set(at(20)).expect("earlier than what is scheduled");
        assert_eq!(timer.rings(at(20), third), Ring::Due);
        assert_eq!(timer.rings(at(30), second), Ring::Stale);
        assert_eq!(timer.set(Time::NEVER), None);
    }
}
