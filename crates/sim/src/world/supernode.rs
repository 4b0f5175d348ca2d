//! The supernode: the real directory machine, and the sessions of nodes with it.

use std::collections::BTreeMap;

use nearcast_content::NodeKey;
use nearcast_engine::directory::{self, Directory, SessionId};
use nearcast_engine::limits::LEASE;
use nearcast_engine::swarm::{Candidate, Input};
use nearcast_engine::wire::directory::Holding;
use nearcast_engine::wire::{SwarmId, Ways};
use nearcast_engine::{Nearness, Place, Span, Time};

use super::tracker::Tracker;
use super::{Event, Rendezvous, Seen, World};
use crate::invariants::Broken;
use crate::node::{Ring, Timer, Who};
use crate::scenario::FaultKind;
use crate::trace::Side;

/// Stands for the supernode where a node's number is expected.
const SUPERNODE: u32 = u32::MAX;

/// The supernode.
#[derive(Debug)]
pub(super) struct Supernode {
    machine: Machine,
    rendezvous: Rendezvous,
    seed: u64,
    sessions: BTreeMap<SessionId, Who>,
    queries: BTreeMap<(SessionId, u32), SwarmId>,
    last_session: u64,
    timer: Timer,
    /// What the node that speaks at this moment has said so far.
    added: Vec<Holding>,
    removed: Vec<SwarmId>,
}

/// What answers lookups.
#[derive(Debug)]
enum Machine {
    Directory(Box<Directory>),
    Tracker(Tracker),
}

impl Machine {
    fn handle_input(&mut self, now: Time, input: directory::Input) -> Result<(), String> {
        match self {
            Self::Directory(machine) => machine.handle_input(now, input).map_err(|why| why.to_string()),
            Self::Tracker(machine) => {
                machine.handle_input(input);
                Ok(())
            }
        }
    }

    fn poll_output(&mut self) -> directory::Output {
        match self {
            Self::Directory(machine) => machine.poll_output(),
            Self::Tracker(machine) => machine.poll_output(),
        }
    }
}

impl Supernode {
    pub(super) fn new(seed: u64, rendezvous: Rendezvous) -> Self {
        let machine = match rendezvous {
            Rendezvous::Directory | Rendezvous::BlindDirectory => {
                Machine::Directory(Box::new(Directory::new(seed, directory::Settings::default())))
            }
            Rendezvous::Tracker(spec) => Machine::Tracker(Tracker::new(spec)),
        };
        Self {
            machine,
            rendezvous,
            seed,
            sessions: BTreeMap::new(),
            queries: BTreeMap::new(),
            last_session: 0,
            timer: Timer::default(),
            added: Vec::new(),
            removed: Vec::new(),
        }
    }
}

impl Supernode {
    /// How nodes find each other.
    pub(super) fn rendezvous(&self) -> Rendezvous {
        self.rendezvous
    }
}

impl World<'_> {
    pub(super) fn supernode_delay(&self, node: u32) -> Span {
        self.nodes[node as usize].pipes.delay + self.scenario.directory.delay
    }

    /// A node opens a session after `wait`, and learns of it a round trip later.
    pub(super) fn reach_supernode(&mut self, who: Who, wait: Span) {
        let delay = self.supernode_delay(who.node);
        self.see_supernode(who, self.now + wait + delay.times(2), Seen::There);
    }

    /// A node sees that the supernode is there, or gone.
    pub(super) fn supernode_seen(&mut self, who: Who, seen: Seen) {
        if self.node(who).is_none() {
            return;
        }
        match seen {
            Seen::There if self.fails(FaultKind::DirectoryDown) => {}
            // It woke up while the supernode was coming back, and sees it twice.
            Seen::There if self.node(who).is_some_and(|node| node.session.is_some()) => {}
            Seen::There => {
                self.supernode.last_session += 1;
                let session = SessionId(self.supernode.last_session);
                let audience = self.audience.clone();
                let plan = &audience.listeners[who.node as usize];
                self.supernode.sessions.insert(session, who);
                if let Some(node) = self.node(who) {
                    node.session = Some(session);
                }
                let blind = self.supernode.rendezvous == Rendezvous::BlindDirectory;
                let place = if blind { Place::default() } else { plan.place };
                let (node, serves) = (plan.node, plan.settings.serves);
                self.supernode_hears(directory::Input::Opened {
                    session,
                    node,
                    place,
                    serves,
                    ways: Ways::QUIC,
                });
            }
            Seen::Gone => {
                if let Some(node) = self.node(who) {
                    node.session = None;
                }
                self.tell(who, Input::DirectoryDown);
            }
        }
    }

    /// A node says something to the supernode.
    pub(super) fn say(&mut self, who: Who, input: impl FnOnce(SessionId) -> directory::Input) {
        let now = self.now;
        let Some(node) = self.node(who) else { return };
        let Some(session) = node.session else { return };
        node.spoke = now;
        let at = now + self.supernode_delay(who.node);
        self.queue.push(at, Event::ToSupernode(Box::new(input(session))));
    }

    /// A node asks for holders of a title.
    pub(super) fn look_up(&mut self, who: Who, swarm: SwarmId, renditions: u16) {
        let Some(node) = self.node(who) else { return };
        node.query += 1;
        let query = node.query;
        let Some(session) = node.session else { return };
        self.supernode.queries.insert((session, query), swarm);
        self.search_overlay(who, swarm);
        self.say(who, |session| directory::Input::Lookup { session, query, swarm, renditions });
    }

    /// A node tells what it holds of a title. What it tells in one go is sent in one message.
    pub(super) fn announce(&mut self, who: Who, swarm: SwarmId, renditions: u16, coverage: u64) {
        let coverage = if self.offers_all(who) { u64::MAX } else { coverage };
        match renditions {
            0 => self.supernode.removed.push(swarm),
            _ => self.supernode.added.push(Holding { swarm, renditions, coverage }),
        }
    }

    pub(super) fn send_announces(&mut self, who: Who) {
        if self.supernode.added.is_empty() && self.supernode.removed.is_empty() {
            return;
        }
        let added = std::mem::take(&mut self.supernode.added);
        let removed = std::mem::take(&mut self.supernode.removed);
        self.say(who, |session| directory::Input::Announced { session, added, removed });
    }

    /// Words reach the supernode.
    pub(super) fn supernode_hears(&mut self, input: directory::Input) {
        if self.fails(FaultKind::DirectoryDown) {
            return;
        }
        if let Some(session) = session_of(&input) {
            if !self.supernode.sessions.contains_key(&session) {
                return;
            }
            if matches!(input, directory::Input::Closed { .. }) {
                self.forget_session(session);
            }
        }
        self.trace.note(self.now, SUPERNODE, Side::DirectoryIn, &input);
        if let Err(why) = self.supernode.machine.handle_input(self.now, input) {
            return self.broke(None, Broken::InputRefused(why));
        }
        self.drain_supernode();
    }

    pub(super) fn supernode_wakes(&mut self, round: u64) {
        match self.supernode.timer.rings(self.now, round) {
            Ring::Stale => {}
            Ring::Later(at, round) => self.queue.push(at, Event::SupernodeWakes(round)),
            Ring::Due => self.supernode_hears(directory::Input::Timeout),
        }
    }

    fn drain_supernode(&mut self) {
        loop {
            let output = self.supernode.machine.poll_output();
            self.trace.note(self.now, SUPERNODE, Side::DirectoryOut, &output);
            let ends = matches!(
                output,
                directory::Output::TurnedAway { .. }
                    | directory::Output::Close { .. }
                    | directory::Output::Expired { .. }
            );
            let session = match &output {
                directory::Output::Timeout(at) => {
                    if let Some(round) = self.supernode.timer.set(*at) {
                        self.queue.push((*at).max(self.now), Event::SupernodeWakes(round));
                    }
                    return;
                }
                directory::Output::Deliver { .. } => continue,
                directory::Output::Admitted { session, .. }
                | directory::Output::TurnedAway { session, .. }
                | directory::Output::Answer { session, .. }
                | directory::Output::RetryAfter { session, .. }
                | directory::Output::Close { session, .. }
                | directory::Output::Expired { session } => *session,
            };
            // What a node says before it hears of the end goes nowhere.
            let sessions = &mut self.supernode.sessions;
            let who = if ends { sessions.remove(&session) } else { sessions.get(&session).copied() };
            if let Some(who) = who {
                let at = self.now + self.supernode_delay(who.node);
                self.queue.push(at, Event::FromSupernode(who, Box::new(output)));
            }
        }
    }

    /// The supernode's words reach a node.
    pub(super) fn supernode_says(&mut self, who: Who, output: directory::Output) {
        match output {
            directory::Output::Admitted { session, lease } => {
                let now = self.now;
                if let Some(node) = self.node(who).filter(|node| node.session == Some(session)) {
                    node.spoke = now;
                    self.queue.push(now + lease.over(3), Event::Renews(who, session));
                    self.tell(who, Input::DirectoryUp);
                }
            }
            directory::Output::Answer { session, query, holders, again } => {
                let Some(swarm) = self.supernode.queries.remove(&(session, query)) else { return };
                let apart = self.scenario.places.own_isp_only;
                let holders = holders
                    .iter()
                    .filter(|found| !apart || self.of_one_isp(who.node, &found.node))
                    .map(|found| Candidate {
                        node: found.node,
                        nearness: found.nearness,
                        renditions: found.holding.renditions,
                        coverage: found.holding.coverage,
                    })
                    .collect();
                self.tell(who, Input::Found { swarm, holders, again });
            }
            directory::Output::TurnedAway { session, after } => {
                self.leave_session(who, session);
                self.tell(who, Input::DirectoryDown);
                self.reach_supernode(who, after);
            }
            directory::Output::Close { session, .. } | directory::Output::Expired { session } => {
                self.leave_session(who, session);
                self.tell(who, Input::DirectoryDown);
                self.reach_supernode(who, Span::from_secs(1));
            }
            directory::Output::RetryAfter { session, after } => self.come_back_later(who, session, after),
            directory::Output::Deliver { .. } | directory::Output::Timeout(_) => {}
        }
    }

    /// Whether a node and another, named by its key, are of one operator.
    fn of_one_isp(&self, node: u32, other: &NodeKey) -> bool {
        let place = |node: u32| self.audience.listeners[node as usize].place;
        self.by_key.get(other).is_some_and(|other| place(node).nearness(place(*other)) <= Nearness::Isp)
    }

    /// A node renews its lease if it has said nothing for a third of it, since every word does: what it says has come.
    pub(super) fn renews(&mut self, who: Who, session: SessionId) {
        let now = self.now;
        let Some(node) = self.node(who).filter(|node| node.session == Some(session)) else { return };
        let due = node.spoke + LEASE.over(3);
        if due > now {
            return self.queue.push(due, Event::Renews(who, session));
        }
        node.spoke = now;
        self.supernode_hears(directory::Input::Renewed { session });
        self.queue.push(now + LEASE.over(3), Event::Renews(who, session));
    }

    /// The supernode is busy: what was asked is to be asked again later.
    fn come_back_later(&mut self, who: Who, session: SessionId, after: Span) {
        let asked = self.supernode.queries.range((session, 0)..=(session, u32::MAX));
        let asked: Vec<((SessionId, u32), SwarmId)> = asked.map(|(key, swarm)| (*key, *swarm)).collect();
        for (key, swarm) in asked {
            self.supernode.queries.remove(&key);
            self.tell(who, Input::Found { swarm, holders: Vec::new(), again: after });
        }
    }

    fn forget_session(&mut self, session: SessionId) {
        if let Some(who) = self.supernode.sessions.remove(&session) {
            self.leave_session(who, session);
        }
    }

    /// A node has no session any more, and what it asked in it is not answered.
    fn leave_session(&mut self, who: Who, session: SessionId) {
        let stale: Vec<(SessionId, u32)> =
            self.supernode.queries.range((session, 0)..=(session, u32::MAX)).map(|(key, _)| *key).collect();
        for key in stale {
            self.supernode.queries.remove(&key);
        }
        if let Some(node) = self.node(who).filter(|node| node.session == Some(session)) {
            node.session = None;
        }
    }

    /// The supernode is gone, with all it knew.
    pub(super) fn supernode_falls(&mut self) {
        let sessions = std::mem::take(&mut self.supernode.sessions);
        let seed = self.supernode.seed.wrapping_add(1);
        let (last_session, rendezvous) = (self.supernode.last_session, self.supernode.rendezvous);
        self.supernode = Supernode { last_session, ..Supernode::new(seed, rendezvous) };
        for who in sessions.into_values() {
            let at = self.now + self.supernode_delay(who.node);
            self.see_supernode(who, at, Seen::Gone);
        }
    }
}

fn session_of(input: &directory::Input) -> Option<SessionId> {
    match input {
        directory::Input::Timeout | directory::Input::Opened { .. } => None,
        directory::Input::Closed { session }
        | directory::Input::Renewed { session }
        | directory::Input::Announced { session, .. }
        | directory::Input::Lookup { session, .. }
        | directory::Input::Signal { session, .. } => Some(*session),
    }
}
