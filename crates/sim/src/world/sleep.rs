//! Machines that sleep: what was to happen to them waits or is lost, others find them silent, and when they wake up
//! their connections are dead.

use nearcast_engine::swarm::RequestId;
use nearcast_engine::{Span, Time, directory};

use super::{Event, Seen, World};
use crate::node::Who;
use crate::random::{Random, Stream};
use crate::scenario::SleepClock;

/// How long a program takes that just woke up to find out that a connection is dead: its first words are answered by a
/// reset, or by nobody.
const FOUND_DEAD: Span = Span::from_secs(2);

impl World<'_> {
    /// Machines fall asleep for as long as a fault lasts.
    pub(super) fn fall_asleep(&mut self, fault: usize) {
        let spec = self.scenario.faults[fault];
        let fault = u64::try_from(fault).unwrap_or(0);
        for index in (0..self.nodes.len()).filter_map(|index| u32::try_from(index).ok()) {
            let node = &self.nodes[index as usize];
            let drawn = Random::stream(self.seed, Stream::Sleep, (fault + 1) << 32 | u64::from(index));
            if node.agent.is_none() || node.sleep.until.is_some() || !drawn.clone().percent(spec.percent) {
                continue;
            }
            let who = Who { node: index, life: node.life };
            self.sleeps(who, spec.lasts, spec.clock);
        }
    }

    fn sleeps(&mut self, who: Who, lasts: Span, clock: SleepClock) {
        let (now, silent) = (self.now, self.scenario.churn.noticed_after);
        let wakes = now + lasts;
        self.note_presence_of_all(who.node, false);
        let Some(node) = self.node(who) else { return };
        node.sleep.until = Some(wakes);
        node.sleep.player += lasts;
        if clock == SleepClock::StandsStill {
            node.sleep.program += lasts;
        }
        let (peers, session, origin) = (node.peers.clone(), node.session, std::mem::take(&mut node.origin));
        for peer in peers {
            let Some((key, connection, end)) = self.connection(who, peer) else { continue };
            self.close_channels(key);
            if connection.open[1 - end] {
                let other = connection.ends[1 - end];
                self.queue.push(now + connection.delay + silent, Event::HungUp(other, key));
            }
            self.queue.push(wakes + FOUND_DEAD, Event::HungUp(who, key));
        }
        for line in origin {
            self.network.close(line.channel);
        }
        if let Some(session) = session {
            let closed = directory::Input::Closed { session };
            self.queue.push(now + silent, Event::ToSupernode(Box::new(closed)));
        }
        self.queue.push(wakes, Event::WakesUp(who));
    }

    /// A machine wakes up: what waited for it happens, and it finds out what is dead.
    pub(super) fn wakes_up(&mut self, who: Who) {
        let now = self.now;
        let (missed, others) = std::mem::take(&mut self.missed).into_iter().partition(|(of, _)| *of == who);
        self.missed = others;
        let Some(node) = self.node(who) else { return };
        (node.sleep.until, node.sleep.woke) = (None, now);
        let asked =
            node.coming.iter().filter(|(_, coming)| coming.peer.is_none()).map(|(request, _)| *request);
        let asked: Vec<RequestId> = asked.collect();
        self.note_presence_of_all(who.node, true);
        for (_, event) in missed {
            if let Event::Wakes(who, round) = event {
                self.schedule_wake(who, now, round);
            } else if let Event::Player(who, round) = event {
                self.schedule_player(who, now, round);
            } else {
                self.queue.push(now, event);
            }
        }
        for request in asked {
            self.queue.push(now + FOUND_DEAD, Event::OriginFailed(who, request));
        }
        self.see_supernode(who, now + FOUND_DEAD, Seen::Gone);
        self.reach_supernode(who, FOUND_DEAD + Span::from_secs(1));
    }

    /// What happens, unless it does to a machine that sleeps: then it waits, or it is lost.
    pub(super) fn unless_asleep(&mut self, event: Event) -> Option<Event> {
        let who = match &event {
            Event::Wakes(who, _)
            | Event::Player(who, _)
            | Event::NextPlay(who)
            | Event::Dialed(who, _)
            | Event::HungUp(who, _)
            | Event::OriginFailed(who, _)
            | Event::Reports(who)
            | Event::Messages(who, ..)
            | Event::Reset(who, ..)
            | Event::OriginAsked(who, _)
            | Event::FromSupernode(who, _)
            | Event::Searched(who, ..)
            | Event::SupernodeSeen(who, _)
            | Event::Renews(who, _) => *who,
            // A battery runs empty.
            Event::Departs(_)
            | Event::Arrives(_)
            | Event::Wire(_)
            | Event::RunStops(_)
            | Event::ToSupernode(_)
            | Event::SupernodeWakes(_)
            | Event::FaultBegins(_)
            | Event::FaultEnds(_)
            | Event::WakesUp(_)
            | Event::Watch => return Some(event),
        };
        if !self.is_asleep(who.node) {
            return Some(event);
        }
        let waits = matches!(
            event,
            Event::Wakes(..)
                | Event::Player(..)
                | Event::NextPlay(_)
                | Event::Dialed(..)
                | Event::HungUp(..)
                | Event::OriginFailed(..)
                | Event::Reports(_)
        );
        if waits {
            self.missed.push((who, event));
        }
        None
    }

    /// Whether a node's machine sleeps.
    pub(super) fn is_asleep(&self, node: u32) -> bool {
        self.nodes.get(node as usize).is_some_and(|node| node.sleep.until.is_some())
    }

    /// Whether a node is there and takes calls.
    pub(super) fn answers(&self, node: u32) -> bool {
        let node = self.nodes.get(node as usize);
        node.is_some_and(|node| node.agent.is_some() && node.sleep.until.is_none())
    }

    /// The moment by the clock of a node's player.
    pub(super) fn player_time(&self, who: Who) -> Time {
        let behind = self.nodes.get(who.node as usize).map_or(Span::ZERO, |node| node.sleep.player);
        self.now - behind
    }
}
