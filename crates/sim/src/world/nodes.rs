//! Nodes come, go and come back; faults of the scenario begin and end.

use std::collections::BTreeSet;

use nearcast_engine::swarm::{Fault, Input, Stored};
use nearcast_engine::{Rate, Span, Time, directory};

use super::{Event, Seen, World};
use crate::agent::Birth;
use crate::network::Pacer;
use crate::node::Who;
use crate::plan::Departure;
use crate::player::{PlayEnd, PlayReport};
use crate::random::{Random, Stream};
use crate::scenario::FaultKind;

impl World<'_> {
    /// A node starts: its agent is told of its cache and of whom it should not trust, then of the world.
    pub(super) fn arrives(&mut self, index: u32) {
        let audience = self.audience.clone();
        let plan = &audience.listeners[index as usize];
        let seed = Random::stream(self.seed, Stream::Engine, index.into()).next_u64();
        let node = &mut self.nodes[index as usize];
        node.life += 1;
        let who = Who { node: index, life: node.life };
        let birth = Birth {
            seed: seed.wrapping_add(node.life.into()),
            node: plan.node,
            provider: self.provider,
            settings: plan.settings.clone(),
        };
        node.agent = Some((self.maker)(birth));
        if node.life == 1 {
            for title in plan.history.iter().map(|title| self.catalogue.title(*title)) {
                for part in (0..).take(title.rendition.parts.len()) {
                    let object = title.object_of(part);
                    node.store.put_whole(object, self.catalogue.object(object).size);
                    self.catalogue.published_to(object, &mut node.store);
                }
            }
        }
        node.store.note_restart();
        let now = self.now;
        if let Some(record) = &mut self.record {
            record.came(index, now);
        }
        let strikes = node.strikes.clone();
        self.note_presence_of_all(index, true);
        self.remember(who);
        for (node, strikes) in strikes {
            self.hand(who, Input::Struck { node, strikes });
        }
        self.drain(who);
        self.warm_origin(who);
        if !self.fails(FaultKind::DirectoryDown) {
            self.reach_supernode(who, Span::ZERO);
        }
        if let Some((_, stays)) = plan.visits.get(who.life as usize - 1) {
            self.queue.push(self.now + *stays, Event::Departs(who));
        } else if let Some((_, after)) = plan.goes.filter(|_| who.life == 1 || self.scenario.churn.again) {
            self.queue.push(self.now + after, Event::Departs(who));
        }
        self.queue.push(self.now, Event::NextPlay(who));
    }

    /// An agent is told of what its node keeps, and of the titles that this belongs to.
    fn remember(&mut self, who: Who) {
        let catalogue = self.catalogue.clone();
        let Some(node) = self.node(who) else { return };
        let told = node.store.all().map(|(ix, blocks, last_used)| {
            let (object, size) = (catalogue.object(ix).id, catalogue.object(ix).size);
            let blocks = blocks.map_or_else(|| size.all().into(), Clone::clone);
            Stored { object, size, blocks, last_used }
        });
        let stored: Vec<Stored> = told.collect();
        let titles: BTreeSet<u32> = node.store.all().map(|(ix, ..)| catalogue.title_of(ix)).collect();
        for stored in stored {
            self.hand(who, Input::Stored(stored));
        }
        for title in titles {
            self.describe_to(who, title);
        }
    }

    /// A node goes: its play ends, its connections close at once or fall silent.
    pub(super) fn departs(&mut self, who: Who) {
        let audience = self.audience.clone();
        let plan = &audience.listeners[who.node as usize];
        let how = plan.goes.map_or(Departure::Leaves, |(how, _)| how);
        let churn = self.scenario.churn.clone();
        let now = self.now;
        let Some(node) = self.node(who) else { return };
        let rests = node.player.is_none() && node.keeps.is_none();
        let has_played_all = rests && node.next_play >= plan.plays.len();
        let comes_again = has_played_all && plan.lingers.is_some();
        let comes_back = churn.back_after > Span::ZERO && !comes_again;
        let by_its_clock = now - node.sleep.player;
        if let Some(mut player) = node.player.take() {
            node.plays.push(player.close(by_its_clock, PlayEnd::Departed));
        }
        if let Some(keeps) = node.keeps.take() {
            node.plays.push(PlayReport { end: PlayEnd::Departed, ..keeps });
        }
        let (peers, session, origin) = (node.peers.clone(), node.session, std::mem::take(&mut node.origin));
        let calls = [node.timer.call, node.player_timer.call];
        let slept = node.sleep.until.is_some();
        node.go_away();
        if let Some(record) = &mut self.record {
            record.went(who.node, now);
        }
        self.network.set_pace(Pacer(who.node), None);
        calls.into_iter().flatten().for_each(|call| self.queue.cancel(call));
        if !slept {
            self.note_presence_of_all(who.node, false);
        }
        for peer in peers {
            let silent = match how {
                Departure::Leaves => Span::ZERO,
                Departure::Killed => churn.noticed_after,
            };
            self.cut_connection(who, peer, silent);
        }
        for line in origin {
            self.network.close(line.channel);
        }
        if let Some(session) = session {
            let delay = self.supernode_delay(who.node);
            // A supernode sees the end of the transport soon enough even when nothing was said.
            let closed = directory::Input::Closed { session };
            let silent = if how == Departure::Killed { churn.noticed_after } else { Span::ZERO };
            self.queue.push(now + delay + silent, Event::ToSupernode(Box::new(closed)));
        }
        if !plan.visits.is_empty() {
            return;
        }
        if comes_back {
            self.queue.push(now + churn.back_after, Event::Arrives(who.node));
        } else {
            self.nodes[who.node as usize].go_for_good();
        }
    }

    pub(super) fn fault_begins(&mut self, index: usize) {
        let kind = self.scenario.faults[index].what;
        self.faults.push(kind);
        match kind {
            FaultKind::OriginDown => self.cut_origin(),
            FaultKind::OriginSlow => self.set_origin_rate(10),
            FaultKind::OriginCorrupt => {}
            FaultKind::DirectoryDown => self.supernode_falls(),
            FaultKind::Suspend => self.fall_asleep(index),
        }
    }

    pub(super) fn fault_ends(&mut self, index: usize) {
        let kind = self.scenario.faults[index].what;
        if let Some(at) = self.faults.iter().position(|other| *other == kind) {
            self.faults.swap_remove(at);
        }
        if self.fails(kind) {
            return;
        }
        match kind {
            FaultKind::OriginDown => self.watch_origin_back(),
            FaultKind::OriginCorrupt | FaultKind::Suspend => {}
            FaultKind::OriginSlow => self.set_origin_rate(1),
            FaultKind::DirectoryDown => self.supernode_returns(),
        }
    }

    fn set_origin_rate(&mut self, over: u64) {
        let rate = self.scenario.origin.up.bytes_per_sec() / over;
        self.network.set_rate(self.origin_up, Rate::from_bytes_per_sec(rate.max(1)));
    }

    /// What is under way from the origin breaks off.
    fn cut_origin(&mut self) {
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            if node.origin.is_empty() {
                continue;
            }
            node.origin.drain(..).for_each(|line| self.network.close(line.channel));
            let who = Who { node: u32::try_from(index).unwrap_or(u32::MAX), life: node.life };
            let broken: Vec<_> = node
                .coming
                .iter()
                .filter(|(_, coming)| coming.peer.is_none() && coming.run.is_some())
                .map(|(request, _)| *request)
                .collect();
            let at = self.now + self.origin_delay(who.node);
            for request in broken {
                self.queue.push(at, Event::OriginFailed(who, request));
            }
        }
    }

    /// A request to the origin came to nothing.
    pub(super) fn origin_failed(&mut self, who: Who, request: nearcast_engine::swarm::RequestId) {
        let Some(node) = self.node(who) else { return };
        let Some(coming) = node.coming.remove(&request) else { return };
        self.hang_up_on_origin(who, request);
        let fault = if coming.run.is_some() { Fault::Lost } else { Fault::Unavailable };
        self.tell(who, Input::Failed { request, fault });
    }

    /// Everyone is within reach again after the supernode was down, at moments of their own.
    pub(super) fn supernode_returns(&mut self) {
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            if node.agent.is_none() {
                continue;
            }
            let who = Who { node: u32::try_from(index).unwrap_or(u32::MAX), life: node.life };
            let jitter =
                Random::stream(self.seed, Stream::Reconnect, u64::from(who.node) ^ self.now.micros());
            let wait = Span::from_micros(jitter.clone().between(500_000, 3_000_000));
            self.reach_supernode(who, wait);
        }
    }

    pub(super) fn see_supernode(&mut self, who: Who, at: Time, seen: Seen) {
        self.queue.push(at, Event::SupernodeSeen(who, seen));
    }
}
