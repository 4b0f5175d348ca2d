//! Connections between nodes: who can reach whom, what messages take, how the end of one is noticed.

use nearcast_content::{BlockSet, NodeKey, ObjectId};
use nearcast_engine::swarm::{Input, Path, PeerId, Side};
use nearcast_engine::wire::{PeerMessage, decode, encode};
use nearcast_engine::{Nearness, Span, Time};

use super::{Event, Letter, World};
use crate::arena::Key;
use crate::invariants::Broken;
use crate::network::{ChannelKey, Network, Pacer, Route, Transport, Way};
use crate::node::Who;
use crate::plan::Honesty;
use crate::queue::Ticket;
use crate::reach::Reach;
use crate::scenario::Harm;

/// A connection between two nodes. `channels[i]` sends from `ends[i]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) ends: [Who; 2],
    pub(super) channels: [ChannelKey; 2],
    /// Where each of them leads, beside what asks: every message does. None when they are closed.
    ways: Option<[Way; 2]>,
    pub(super) delay: Span,
    pub(super) near: Nearness,
    /// Whether that end still has it.
    pub(super) open: [bool; 2],
    /// The last messages that end sent, and when they arrive.
    pub(super) said: [Option<(Time, Ticket)>; 2],
}

impl Connection {
    /// Index of `who` among the ends.
    pub(super) fn end_of(&self, who: Who) -> Option<usize> {
        self.ends.iter().position(|end| *end == who)
    }

    /// How long a packet takes from one end to the other at this moment; nothing where it gets nowhere.
    pub(super) fn one_way<P: Clone>(&self, network: &Network<P>, now: Time, from: usize) -> Span {
        self.ways.map_or(Span::ZERO, |ways| network.one_way(now, ways[from]))
    }
}

/// The number under which both shells know a connection.
pub(super) fn peer_of(connection: Key) -> PeerId {
    PeerId(connection.number())
}

fn key_of(peer: PeerId) -> Key {
    Key::from_number(peer.0)
}

impl World<'_> {
    pub(super) fn reach(&self) -> Reach<'_> {
        Reach::new(&self.scenario, &self.audience, self.seed)
    }

    fn delay_between(&self, a: u32, b: u32) -> (Nearness, Span) {
        self.reach().delay(a, b)
    }

    /// Whether two nodes can get a direct path.
    fn reachable(&self, a: u32, b: u32) -> bool {
        self.reach().connects(a, b)
    }

    /// A node wants to connect: a signal through the supernode and a handshake, or giving up.
    pub(super) fn connect(&mut self, who: Who, node: NodeKey) {
        self.gap_dials(who, node);
        let other = self.by_key.get(&node).copied().filter(|other| *other != who.node);
        let there = other.filter(|other| self.answers(*other) && self.reachable(who.node, *other));
        let Some(other) = there else {
            let at = self.now + self.scenario.nat.give_up;
            // Numbers past the last listener stand for whoever cannot be reached.
            return self.queue.push(at, Event::Dialed(who, other.unwrap_or(u32::MAX)));
        };
        let signal = self.supernode_delay(who.node) + self.supernode_delay(other);
        let handshake = self.delay_between(who.node, other).1.times(3);
        self.queue.push(self.now + signal + handshake, Event::Dialed(who, other));
    }

    /// A connect has come to its end, well or not.
    pub(super) fn dialed(&mut self, who: Who, other: u32) {
        self.gap_dialed(who, other);
        let Some(target) = self.nodes.get(other as usize) else { return };
        let there = Who { node: other, life: target.life };
        let works = self.answers(other) && self.reachable(who.node, other);
        if self.node(who).is_none() {
            return;
        }
        if !works {
            let node = self.audience.listeners[other as usize].node;
            return self.tell(who, Input::ConnectFailed { node });
        }
        let (near, delay) = self.delay_between(who.node, other);
        let (here, far) = (self.nodes[who.node as usize].pipes, self.nodes[other as usize].pipes);
        let ends = [who, there];
        let routes = match near {
            Nearness::Lan => {
                let [here, far] = [here, far].map(|p| (p.lan_up, p.lan_down));
                [(here, far, None), (far, here, None)]
            }
            Nearness::Neighbourhood | Nearness::Isp | Nearness::Country | Nearness::Far => {
                let [here, far] = [here, far].map(|p| (p.up, p.down));
                [(here, far, Some(Pacer(who.node))), (far, here, Some(Pacer(other)))]
            }
        };
        let routes = routes.map(|((up, _), (back, down), pacer)| Route {
            up,
            down,
            back,
            delay,
            transport: Transport::Quic,
            pacer,
        });
        let (channels, ways) = (routes.map(|route| self.network.open(route)), Some(routes.map(|r| r.way())));
        let connection = Connection { ends, channels, ways, delay, near, open: [true; 2], said: [None; 2] };
        let key = self.connections.insert(connection);
        for end in ends {
            if let Some(node) = self.node(end) {
                node.peers.insert(peer_of(key));
                node.grew = true;
            }
        }
        // The side that is called sees it half a round trip later; its words arrive after those of the caller.
        for (end, side) in [(0, Side::Dialed), (1, Side::Accepted)] {
            let node = self.audience.listeners[ends[1 - end].node as usize].node;
            let nearness = (near == Nearness::Lan).then_some(near);
            let (peer, path, rtt) = (peer_of(key), Path::Direct, delay.times(2));
            if self.connections.get(key).is_some_and(|c| c.open[end]) {
                self.tell(ends[end], Input::Connected { peer, node, side, path, rtt, nearness });
            }
        }
    }

    /// Sends a message over a connection, together with what else is said over it in the same breath.
    pub(super) fn send(&mut self, who: Who, peer: PeerId, mut message: PeerMessage) {
        let Some(connection) = self.connections.get(key_of(peer)).copied() else { return };
        if connection.end_of(who).is_none_or(|end| !connection.open[end]) {
            return;
        }
        self.check_message(who, peer, &message);
        self.exaggerate(who, &mut message);
        let real = self.scenario.bytes;
        let letter = if real { Letter::Bytes(encode(&message)) } else { Letter::Plain(message) };
        if let Some(node) = self.node(who) {
            node.counts.control_messages += 1;
            if let Letter::Bytes(bytes) = &letter {
                node.counts.control_bytes += bytes.len() as u64;
            }
        }
        let key = key_of(peer);
        match self.outbox.iter_mut().find(|(other, _)| *other == key) {
            Some((_, letters)) => letters.push(letter),
            None => self.outbox.push((key, vec![letter])),
        }
    }

    /// What a node has said goes out, with what it said over the same connection in this very moment.
    pub(super) fn send_letters(&mut self, who: Who) {
        if self.outbox.is_empty() {
            return;
        }
        let mut outbox = std::mem::take(&mut self.outbox);
        for (key, letters) in outbox.drain(..) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            let Some(end) = connection.end_of(who) else { continue };
            let to = connection.ends[1 - end];
            // What is said waits behind what is sent, and arrives in order.
            let takes = connection.one_way(&self.network, self.now, end);
            let last = connection.said[end].filter(|(arrives, _)| *arrives >= self.now + takes);
            let at = last.map_or(self.now + takes, |(arrives, _)| arrives);
            match last.and_then(|(_, ticket)| self.queue.get_mut(ticket)) {
                Some(Event::Messages(_, _, before)) => before.extend(letters),
                Some(_) | None => {
                    let ticket = self.queue.push_named(at, Event::Messages(to, key, letters));
                    connection.said[end] = Some((at, ticket));
                }
            }
        }
        self.outbox = outbox;
    }

    pub(super) fn letters_arrive(&mut self, who: Who, key: Key, letters: Vec<Letter>) {
        let open = |c: &super::Connection| c.end_of(who).is_some_and(|end| c.open[end]);
        if !self.connections.get(key).is_some_and(open) {
            return;
        }
        for letter in letters {
            self.open_letter(who, key, letter);
        }
        self.drain(who);
    }

    fn open_letter(&mut self, who: Who, key: Key, letter: Letter) {
        let message = match letter {
            Letter::Plain(message) => message,
            Letter::Bytes(bytes) => match decode::<PeerMessage>(&bytes) {
                Ok(message) => message,
                Err(why) => return self.broke(Some(who.node), Broken::CodecDiffers(why.to_string())),
            },
        };
        let peer = peer_of(key);
        match &message {
            PeerMessage::Interest { object } => self.note_interest(who, peer, *object),
            // It has no intention to answer.
            PeerMessage::Want(_) if self.offers_all(who) => return,
            PeerMessage::Hello(_)
            | PeerMessage::NoInterest { .. }
            | PeerMessage::Have(_)
            | PeerMessage::Want(_)
            | PeerMessage::Cancel { .. }
            | PeerMessage::Refuse { .. }
            | PeerMessage::Choke { .. }
            | PeerMessage::Goodbye => {}
        }
        self.hand(who, Input::Message { peer, message });
    }

    /// Whether a node is one of those who say that they hold everything.
    pub(super) fn offers_all(&self, who: Who) -> bool {
        self.audience.listeners[who.node as usize].honesty == Honesty::Adversary(Harm::OfferAll)
    }

    /// What such a node says of its holdings.
    fn exaggerate(&self, who: Who, message: &mut PeerMessage) {
        if let PeerMessage::Have(have) = message
            && self.offers_all(who)
            && let Some(object) = self.catalogue.find(have.object)
        {
            have.added = self.catalogue.object(object).size.all().into();
            have.removed = BlockSet::EMPTY;
        }
    }

    fn note_interest(&mut self, who: Who, peer: PeerId, object: ObjectId) {
        if let Some(node) = self.node(who) {
            node.watch.asked_about(peer, object);
        }
    }

    /// A node closes a connection; the other side learns of it, after what was said before.
    pub(super) fn disconnect(&mut self, who: Who, peer: PeerId) {
        self.send_letters(who);
        if let Some(node) = self.node(who) {
            node.forget_peer(peer);
        }
        self.cut_connection(who, peer, Span::ZERO);
    }

    /// Ends a connection at the side of `who`; the other side notices after `silent` and the way there.
    pub(super) fn cut_connection(&mut self, who: Who, peer: PeerId, silent: Span) {
        let key = key_of(peer);
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(end) = connection.end_of(who) else { return };
        if !std::mem::replace(&mut connection.open[end], false) {
            return;
        }
        let connection = *connection;
        self.close_channels(key);
        if connection.open[1 - end] {
            let at = self.now + connection.delay + silent;
            self.queue.push(at, Event::HungUp(connection.ends[1 - end], key));
        } else {
            self.connections.remove(key);
        }
    }

    /// Nothing more goes over a connection, whatever its ends know of that.
    pub(super) fn close_channels(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.ways = None;
        connection.channels.into_iter().for_each(|channel| self.network.close(channel));
    }

    /// A node notices that a connection is gone.
    pub(super) fn hung_up(&mut self, who: Who, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(end) = connection.end_of(who) else { return };
        if !std::mem::replace(&mut connection.open[end], false) {
            return;
        }
        // A machine that sleeps has not noticed yet.
        if !connection.open[1 - end] {
            self.connections.remove(key);
        }
        let peer = peer_of(key);
        let lost = self.lost_with(who, peer);
        if let Some(node) = self.node(who) {
            node.forget_peer(peer);
            node.watch.lost.extend(lost);
        }
        self.tell(who, Input::Disconnected { peer });
    }

    /// The connection of a node under a number, with its end.
    pub(super) fn connection(&self, who: Who, peer: PeerId) -> Option<(Key, Connection, usize)> {
        let key = key_of(peer);
        let connection = self.connections.get(key)?;
        let end = connection.end_of(who)?;
        connection.open[end].then_some((key, *connection, end))
    }
}
