//! The world: nodes with their agents, the network between them, an origin, a supernode, and time.
//!
//! One event after another, ordered by time and by the order of scheduling; everything that is random comes
//! from the seed. The world carries out what agents decide and decides nothing about delivery itself: which
//! run, from whom, in which order, what is kept and evicted is in the agents alone.

mod choosing;
mod connections;
mod effects;
mod gap;
mod nodes;
mod oracle;
mod outcome;
mod overlay;
mod plays;
mod presence;
mod sleep;
mod supernode;
mod tracker;
mod transfers;
mod uplinks;
mod watching;

use std::collections::BTreeMap;
use std::rc::Rc;

use nearcast_content::{NodeKey, ProviderKey};
use nearcast_engine::directory::SessionId;
use nearcast_engine::swarm::{Input, Output, RequestId, UploadId};
use nearcast_engine::wire::{PeerMessage, SwarmId};
use nearcast_engine::{Nearness, Span, Time, directory};

use self::connections::Connection;
use self::gap::Gaps;
use self::presence::Presence;
use self::supernode::Supernode;
pub use self::tracker::TrackerSpec;
use crate::agent::{Bounds, Maker, SimVerdict};
use crate::arena::{Arena, Key};
use crate::catalogue::{Catalogue, ObjectIx};
use crate::explain::Explain;
use crate::invariants::{Broken, MAX_OUTPUTS, Violation};
use crate::network::{ChunkKey, Network, PipeIx, RunKey, Wire};
use crate::node::{Node, Pipes, Ring, Who};
use crate::oracle::{Foresight, Record};
use crate::outcome::{Census, Memory, Outcome};
use crate::plan::{Audience, Household};
use crate::queue::{Queue, Ticket};
use crate::random::{Random, Stream};
use crate::scenario::{FaultKind, Link, Scenario};
use crate::series::Series;
use crate::trace::{Side, Trace};

/// Something that happens. Millions wait and move: what is large and rare is in a place of its own.
#[derive(Debug)]
enum Event {
    /// A node comes online, for the first time or again.
    Arrives(u32),
    /// A node goes as its plan says.
    Departs(Who),
    /// An agent wants to be woken.
    Wakes(Who, u64),
    /// A player has something to do.
    Player(Who, u64),
    /// The next play begins.
    NextPlay(Who),
    /// Something moves on the wires.
    Wire(Wire),
    /// Messages that were sent together reach a node.
    Messages(Who, Key, Vec<Letter>),
    /// A connect has come to its end.
    Dialed(Who, u32),
    /// A node learns that a connection is gone.
    HungUp(Who, Key),
    /// A run was cut off by its sender.
    Reset(Who, Key, RequestId),
    /// A request reaches the origin.
    OriginAsked(Who, RequestId),
    /// A request comes to nothing.
    OriginFailed(Who, RequestId),
    /// A node looks at the paths of those whom it serves.
    Reports(Who),
    /// A sender learns that its run is not wanted any more.
    RunStops(RunKey),
    /// A node's words reach the supernode.
    ToSupernode(Box<directory::Input>),
    /// The supernode's words reach a node.
    FromSupernode(Who, Box<directory::Output>),
    /// Holders that a search through neighbours found answer.
    Searched(Who, SwarmId, Vec<NodeKey>),
    /// The supernode wants to be woken.
    SupernodeWakes(u64),
    /// A node renews its lease.
    Renews(Who, SessionId),
    /// A node notices that the supernode is there, or gone.
    SupernodeSeen(Who, Seen),
    /// A fault of the scenario begins.
    FaultBegins(usize),
    /// It ends.
    FaultEnds(usize),
    /// A machine that slept wakes up.
    WakesUp(Who),
    /// Expensive checks.
    Watch,
}

impl Event {
    /// Where it counts.
    fn counted_in<'c>(&self, census: &'c mut Census) -> &'c mut u64 {
        match self {
            Self::Wire(_) => &mut census.wires,
            Self::Messages(..) => &mut census.messages,
            Self::Wakes(..) => &mut census.wakes,
            Self::Reports(_) => &mut census.reports,
            Self::Player(..) | Self::NextPlay(_) => &mut census.players,
            Self::Dialed(..)
            | Self::HungUp(..)
            | Self::Reset(..)
            | Self::OriginAsked(..)
            | Self::OriginFailed(..)
            | Self::RunStops(_) => &mut census.requests,
            Self::ToSupernode(_)
            | Self::FromSupernode(..)
            | Self::Searched(..)
            | Self::SupernodeWakes(_)
            | Self::Renews(..)
            | Self::SupernodeSeen(..) => &mut census.supernode,
            Self::Arrives(_)
            | Self::Departs(_)
            | Self::FaultBegins(_)
            | Self::FaultEnds(_)
            | Self::WakesUp(_)
            | Self::Watch => &mut census.others,
        }
    }
}

/// A message on its way: in small worlds as the bytes of the wire.
#[derive(Debug)]
enum Letter {
    Plain(PeerMessage),
    Bytes(Vec<u8>),
}

/// What a node sees of the supernode.
#[derive(Clone, Copy, Debug)]
enum Seen {
    There,
    Gone,
}

/// What a run carries.
#[derive(Clone, Debug)]
struct Parcel {
    from: Sender,
    to: Who,
    request: RequestId,
    object: ObjectIx,
    first: u32,
    load: Rc<Load>,
}

/// Who sends a run.
#[derive(Clone, Copy, Debug)]
enum Sender {
    Origin,
    Peer { who: Who, upload: UploadId, connection: Key, near: Nearness },
}

/// What is in a run, from its first block on.
#[derive(Debug)]
struct Load {
    /// A block that is not what was published.
    bad: Option<u32>,
    /// In small worlds, the bytes of each block.
    content: Vec<Rc<[u8]>>,
}

/// Bytes that moved, to see that none appear or vanish.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    sent: u64,
    through: u64,
}

/// Called with simulated time that has passed since the last call.
pub type Passing<'m> = dyn Fn(Span) + 'm;

/// Events between two such calls: some milliseconds.
const TELLS_EVERY: u64 = 1 << 14;

/// How nodes of a world find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendezvous {
    /// The production directory, which knows who is near whom.
    Directory,
    /// The production directory without knowledge of places.
    BlindDirectory,
    /// A tracker as baselines had it.
    Tracker(TrackerSpec),
}

/// How far a world is run, and whom it explains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Until {
    /// Stop after this many events.
    pub event: Option<u64>,
    /// Explain the decisions of this listener.
    pub explain: Option<u32>,
}

/// A simulated world.
pub struct World<'m> {
    scenario: Rc<Scenario>,
    seed: u64,
    policy: String,
    maker: &'m Maker<'m>,
    now: Time,
    events: u64,
    census: Census,
    end: Time,
    queue: Queue<Event>,
    catalogue: Rc<Catalogue>,
    audience: Rc<Audience>,
    by_key: BTreeMap<NodeKey, u32>,
    provider: ProviderKey,
    nodes: Vec<Node>,
    network: Network<Parcel>,
    connections: Arena<Connection>,
    /// What the node that decides at this moment has said so far, by connection.
    outbox: Vec<(Key, Vec<Letter>)>,
    origin_up: PipeIx,
    /// Requests that reached the origin, by title.
    origin_asked: Vec<u32>,
    origin_asked_bytes: u64,
    presence: Presence,
    series: Series,
    /// How often packets had to wait for so many milliseconds before the uplink of a node that served peers.
    uplink_queues: Vec<u64>,
    /// Since when the origin serves, when it does.
    origin_back_at: Time,
    supernode: Supernode,
    chance: Random,
    /// Which connections to the origin are stuck.
    stuck: Random,
    faults: Vec<FaultKind>,
    /// The most that any agent remembered, by the hour.
    memory: Vec<Memory>,
    /// What waits for a machine that sleeps.
    missed: Vec<(Who, Event)>,
    moved: Moved,
    trace: Trace,
    explain: Option<Explain>,
    /// What an oracle knows, when players are to wait for nothing.
    oracle: Option<Foresight>,
    /// The evening as it went, where somebody asks what could have been.
    record: Option<Record>,
    /// Why the origin was asked, there.
    gaps: Option<Gaps>,
    /// Told how much time has passed, and up to when it was told.
    passing: Option<(&'m Passing<'m>, Time)>,
    /// A shell that forgot to verify, to see it caught.
    #[cfg(test)]
    blind: bool,
    violation: Option<Box<Violation>>,
}

impl<'m> World<'m> {
    /// The world of `scenario` and `seed`, with agents of `maker`, called `policy` in messages.
    pub fn new(scenario: &Scenario, seed: u64, policy: &str, maker: &'m Maker<'m>) -> Self {
        let scenario = Rc::new(scenario.clone());
        let catalogue = Rc::new(Catalogue::draw(&scenario, seed));
        let audience = Rc::new(Audience::draw(&scenario, &catalogue, seed));
        let by_key = audience.listeners.iter().zip(0..).map(|(l, ix)| (l.node, ix)).collect();
        let mut network = Network::new();
        let origin_up = network.pipe(scenario.origin.up, scenario.origin.queue);
        let nodes = draw_nodes(&scenario, &audience, &mut network);
        let mut chance = Random::stream(seed, Stream::Adversary, 0);
        let mut world = Self {
            end: Time::ZERO + scenario.length,
            seed,
            policy: policy.to_owned(),
            maker,
            now: Time::ZERO,
            events: 0,
            census: Census::default(),
            queue: Queue::new(),
            audience,
            by_key,
            provider: ProviderKey(chance.bytes32()),
            nodes,
            network,
            connections: Arena::new(),
            outbox: Vec::new(),
            origin_up,
            origin_asked: vec![0; catalogue.titles.len()],
            origin_asked_bytes: 0,
            presence: Presence::default(),
            series: Series::new(scenario.length),
            uplink_queues: Vec::new(),
            origin_back_at: Time::ZERO,
            supernode: Supernode::new(seed, Rendezvous::Directory),
            chance,
            stuck: Random::stream(seed, Stream::Connections, 0),
            faults: Vec::new(),
            memory: Vec::new(),
            missed: Vec::new(),
            moved: Moved::default(),
            trace: Trace::default(),
            explain: None,
            oracle: None,
            record: None,
            gaps: None,
            passing: None,
            #[cfg(test)]
            blind: false,
            violation: None,
            catalogue,
            scenario,
        };
        world.schedule_plan();
        world
    }

    /// The same world, which tells `passing` of simulated time that passes: for showing how far it is.
    #[must_use]
    pub fn telling(mut self, passing: &'m Passing<'m>) -> Self {
        self.passing = Some((passing, Time::ZERO));
        self
    }

    /// The same world with another way for nodes to find each other.
    #[must_use]
    pub fn with_rendezvous(mut self, rendezvous: Rendezvous) -> Self {
        self.supernode = Supernode::new(self.seed, rendezvous);
        self
    }

    /// Runs the world to its end.
    ///
    /// # Errors
    /// With the first invariant that is broken.
    pub fn run(mut self, until: Until) -> Result<Outcome, Box<Violation>> {
        self.explain = until.explain.map(Explain::new);
        while self.violation.is_none() && until.event.is_none_or(|last| self.events < last) {
            let Some((at, event)) = self.queue.pop(self.end) else { break };
            self.now = at;
            self.events += 1;
            *event.counted_in(&mut self.census) += 1;
            self.happens(event);
            self.schedule_wires();
            if self.events.is_multiple_of(TELLS_EVERY) {
                self.tell_passing(self.now);
            }
        }
        self.tell_passing(self.end);
        if self.violation.is_none() {
            self.watch_everything();
            self.watch_notes();
        }
        match self.violation.take() {
            Some(violation) => Err(violation),
            None => Ok(self.outcome()),
        }
    }

    fn tell_passing(&mut self, now: Time) {
        if let Some((tell, before)) = &mut self.passing {
            tell(now.since(*before));
            *before = now;
        }
    }

    fn schedule_plan(&mut self) {
        for (listener, ix) in self.audience.clone().listeners.iter().zip(0..) {
            match listener.visits.as_slice() {
                [] => self.queue.push(Time::ZERO + listener.arrives, Event::Arrives(ix)),
                visits => {
                    visits
                        .iter()
                        .for_each(|(from, _)| self.queue.push(Time::ZERO + *from, Event::Arrives(ix)));
                }
            }
        }
        for (index, fault) in self.scenario.clone().faults.iter().enumerate() {
            self.queue.push(Time::ZERO + fault.at, Event::FaultBegins(index));
            self.queue.push(Time::ZERO + fault.at + fault.lasts, Event::FaultEnds(index));
        }
        self.queue.push(Time::ZERO + watching::EVERY, Event::Watch);
    }

    fn schedule_wires(&mut self) {
        loop {
            for (at, wire) in self.network.due.drain(..) {
                self.queue.push(at.max(self.now), Event::Wire(wire));
            }
            if self.network.gone.is_empty() {
                return;
            }
            for (at, chunk) in std::mem::take(&mut self.network.gone) {
                self.chunk_has_left(at, &chunk);
            }
        }
    }

    fn happens(&mut self, event: Event) {
        let Some(event) = self.unless_asleep(event) else { return };
        match event {
            Event::Arrives(node) => self.arrives(node),
            Event::Departs(who) => self.departs(who),
            Event::Wakes(who, round) => self.wakes(who, round),
            Event::Player(who, round) => self.player_wakes(who, round),
            Event::NextPlay(who) => self.next_play(who),
            Event::Wire(wire) => self.wire(wire),
            Event::Messages(who, connection, letters) => self.letters_arrive(who, connection, letters),
            Event::Dialed(who, node) => self.dialed(who, node),
            Event::HungUp(who, connection) => self.hung_up(who, connection),
            Event::Reset(who, connection, request) => self.reset(who, connection, request),
            Event::OriginAsked(who, request) => self.origin_asked(who, request),
            Event::OriginFailed(who, request) => self.origin_failed(who, request),
            Event::Reports(who) => self.report_paths(who),
            Event::RunStops(run) => {
                self.network.stop(self.now, run);
            }
            Event::ToSupernode(input) => self.supernode_hears(*input),
            Event::FromSupernode(who, output) => self.supernode_says(who, *output),
            Event::Searched(who, swarm, found) => self.searched(who, swarm, &found),
            Event::SupernodeWakes(round) => self.supernode_wakes(round),
            Event::Renews(who, session) => self.renews(who, session),
            Event::SupernodeSeen(who, seen) => self.supernode_seen(who, seen),
            Event::FaultBegins(index) => self.fault_begins(index),
            Event::FaultEnds(index) => self.fault_ends(index),
            Event::WakesUp(who) => self.wakes_up(who),
            Event::Watch => {
                self.watch_everything();
                self.measure_memory();
                self.queue.push(self.now + watching::EVERY, Event::Watch);
            }
        }
    }

    fn wire(&mut self, wire: Wire) {
        match wire {
            Wire::Left(pipe) => self.chunk_left(pipe),
            Wire::Reached(chunk) => {
                if let Some(chunk) = self.network.reached(self.now, chunk) {
                    self.chunk_through(chunk);
                }
            }
            Wire::Through(chunk) => self.chunk_came_through(chunk),
            Wire::Wake(channel) => self.network.wake(self.now, channel),
        }
    }

    fn chunk_came_through(&mut self, chunk: ChunkKey) {
        if let Some(chunk) = self.network.through(self.now, chunk) {
            self.chunk_through(chunk);
        }
    }

    fn node(&mut self, who: Who) -> Option<&mut Node> {
        let node = self.nodes.get_mut(who.node as usize)?;
        (node.life == who.life && node.agent.is_some()).then_some(node)
    }

    /// Hands an input to a node's agent and carries out what it wants.
    fn tell(&mut self, who: Who, input: Input<SimVerdict>) {
        self.hand(who, input);
        self.drain(who);
    }

    /// Hands an input to a node's agent.
    fn hand(&mut self, who: Who, input: Input<SimVerdict>) {
        let now = self.now;
        if self.node(who).is_none() || self.is_asleep(who.node) || self.violation.is_some() {
            return;
        }
        self.trace.note(now, who.node, Side::AgentIn, &input);
        if let Some(explain) = &mut self.explain {
            explain.input(now, who.node, &input);
        }
        self.gap_hears(who, &input);
        let Some(node) = self.node(who) else { return };
        let by_its_clock = now - node.sleep.program;
        let Some(agent) = node.agent.as_mut() else { return };
        if let Err(why) = agent.handle_input(by_its_clock, input) {
            self.broke(Some(who.node), Broken::InputRefused(why.to_string()));
        }
    }

    /// Carries out what a node's agent wants, until it wants nothing more.
    fn drain(&mut self, who: Who) {
        let now = self.now;
        if self.violation.is_some() || self.is_asleep(who.node) {
            return;
        }
        for count in 0.. {
            let Some(agent) = self.node(who).and_then(|node| node.agent.as_mut()) else { return };
            let output = agent.poll_output();
            self.trace.note(now, who.node, Side::AgentOut, &output);
            if let Output::Timeout(at, _) = output {
                let behind = self.node(who).map_or(Span::ZERO, |node| node.sleep.program);
                self.set_timer(who, at + behind);
                break;
            }
            if let Some(explain) = &mut self.explain {
                explain.output(now, who.node, &output);
            }
            self.carry_out(who, output);
            if self.violation.is_some() {
                return;
            }
            if count >= MAX_OUTPUTS {
                return self.broke(Some(who.node), Broken::Endless(count));
            }
        }
        self.send_letters(who);
        self.send_announces(who);
        self.watch_node(who);
    }

    fn set_timer(&mut self, who: Who, at: Time) {
        let Some(node) = self.node(who) else { return };
        if let Some(round) = node.timer.set(at) {
            self.schedule_wake(who, at, round);
        }
    }

    fn schedule_wake(&mut self, who: Who, at: Time, round: u64) {
        let before = self.node(who).and_then(|node| node.timer.call);
        let call = self.reschedule(before, at, Event::Wakes(who, round));
        if let Some(node) = self.node(who) {
            node.timer.call = Some(call);
        }
    }

    /// Schedules a call in the place of one that is not needed any more.
    fn reschedule(&mut self, before: Option<Ticket>, at: Time, event: Event) -> Ticket {
        if let Some(before) = before {
            self.queue.cancel(before);
        }
        self.queue.push_named(at.max(self.now), event)
    }

    fn wakes(&mut self, who: Who, round: u64) {
        let now = self.now;
        let Some(node) = self.node(who) else { return };
        match node.timer.rings(now, round) {
            Ring::Stale => return,
            Ring::Later(at, round) => return self.schedule_wake(who, at, round),
            Ring::Due => {}
        }
        let Some(node) = self.node(who) else { return };
        if let Err(broken) = node.watch.woken(now) {
            return self.broke(Some(who.node), broken);
        }
        self.tell(who, Input::Timeout);
    }

    /// Whether a listener's agent is the engine, whichever rules it picks by.
    fn is_engine(&mut self, who: Who) -> bool {
        self.node(who).and_then(|n| n.agent.as_ref()).is_some_and(|agent| agent.bounds() == Bounds::Engine)
    }

    fn broke(&mut self, node: Option<u32>, broken: Broken) {
        if self.violation.is_some() {
            return;
        }
        self.violation = Some(Box::new(Violation {
            broken,
            seed: self.seed,
            event: self.events,
            at: self.now,
            node,
            scenario: format!("{}{}", self.scenario.name, self.scenario.arguments),
            policy: self.policy.clone(),
            explained: self.explain.take().map_or_else(Vec::new, Explain::into_lines),
        }));
    }

    fn fails(&self, kind: FaultKind) -> bool {
        self.faults.contains(&kind)
    }
}

/// Nodes with their links: a household shares its access link, and each node has its own local one.
fn draw_nodes(scenario: &Scenario, audience: &Audience, network: &mut Network<Parcel>) -> Vec<Node> {
    let homes: Vec<(PipeIx, PipeIx)> = audience
        .households
        .iter()
        .map(|Household { link }| (network.pipe(link.up, link.queue), network.pipe(link.down, link.queue)))
        .collect();
    let lan = scenario.places.lan;
    audience
        .listeners
        .iter()
        .map(|listener| {
            let (up, down) = homes[listener.household as usize];
            let Link { delay, queue, .. } = audience.households[listener.household as usize].link;
            let (lan_up, lan_down) = (network.pipe(lan, queue), network.pipe(lan, queue));
            Node::new(Pipes { up, down, lan_up, lan_down, delay })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_event_and_its_number_are_one_line_of_a_processors_cache() {
        assert!(size_of::<(u64, Option<Event>)>() <= 64, "{}", size_of::<(u64, Option<Event>)>());
    }

    #[test]
    fn a_shell_that_skips_the_verifier_is_caught_in_a_world_with_bytes() {
        let text =
            "bytes = true\nlength = '2min'\n[[faults]]\nwhat = 'origin-corrupt'\nat = '0s'\nlasts = '2min'";
        let scenario = Scenario::parse(text).expect("a scenario");
        let make = |birth| Policy::OriginOnly.make(birth);
        let mut world = World::new(&scenario, 1, "origin-only", &make);
        world.blind = true;
        let caught = world.run(Until::default()).expect_err("bad blocks are kept");
        assert!(matches!(caught.broken, Broken::BadBlockKept(_)), "{caught}");
        let honest = World::new(&scenario, 1, "origin-only", &make).run(Until::default());
        let outcome = honest.unwrap_or_else(|violation| panic!("{violation}"));
        assert!(outcome.corrupt_bytes > 0 && outcome.plays.played == 0);
    }
}
