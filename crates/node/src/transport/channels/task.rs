//! The task that owns all data channels: what came by UDP, by order or with time goes in, and what it leads to goes
//! out.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nearcast_content::NodeKey;
use nearcast_engine::channels::{Channels as Links, Heard, LinkId, Output};
use nearcast_engine::swarm::{Path, PeerId, Side};
use nearcast_engine::wire::{Frame, PeerMessage};
use nearcast_engine::{Span, Time};
use str0m::Candidate;
use tokio::sync::{Semaphore, mpsc};

use super::connection::{Broken, Connection, Datagram, Happened, Origin, section};
use super::reflection::Reflection;
use super::run::{Asked, Receiving, Took};
use super::sockets::Sockets;
use super::{Grip, Grips, MAX_QUEUED, Order, Shared, held};
use crate::transport::event::TransportEvent;
use crate::transport::meter::Meter;
use crate::transport::run::{IncomingRun, RunStream};

/// Packets taken off the sockets before orders are looked at again.
const AT_ONCE: usize = 64;
/// Addresses whose connection is remembered; those of others are looked for anew.
const MAX_SOURCES: usize = 1_024;
/// The timer is set again at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// A link that stands.
#[derive(Debug)]
struct Standing {
    peer: PeerId,
    meter: Arc<Meter>,
    room: Arc<Semaphore>,
    /// Bytes of pieces in the channel, for which room is given back when they have arrived.
    pieces: u64,
    asked: BTreeMap<u32, Asked>,
}

#[derive(Debug)]
struct Line {
    connection: Connection,
    /// Which media section its candidates are of.
    section: String,
    standing: Option<Standing>,
}

pub(super) struct Task {
    links: Links,
    sockets: Sockets,
    origin: Origin,
    shared: Shared,
    orders: mpsc::Sender<Order>,
    grips: Grips,
    epoch: Instant,
    lines: BTreeMap<LinkId, Line>,
    reflection: Reflection,
    /// Whose packets came from where.
    sources: BTreeMap<SocketAddr, LinkId>,
    datagrams: Vec<Datagram>,
    /// What happened on connections and was not looked at.
    happened: VecDeque<(LinkId, Result<Happened, Broken>)>,
    /// Told when there is room for them.
    events: Vec<TransportEvent>,
}

impl Task {
    pub(super) fn new(
        links: Links,
        sockets: Sockets,
        origin: Origin,
        shared: Shared,
        orders: mpsc::Sender<Order>,
        grips: Grips,
    ) -> Self {
        Self {
            links,
            sockets,
            origin,
            shared,
            orders,
            grips,
            epoch: Instant::now(),
            lines: BTreeMap::new(),
            reflection: Reflection::default(),
            sources: BTreeMap::new(),
            datagrams: Vec::new(),
            happened: VecDeque::new(),
            events: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        loop {
            let sleep = tokio::time::sleep_until(self.wake().into());
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(Order::Close) | None => return self.close(),
                    Some(order) => self.obey(order),
                },
                (source, packet) = self.sockets.receive() => self.received(source, &packet),
                () = sleep => self.elapsed(),
            }
            for _ in 0..AT_ONCE {
                self.carry();
                let Some((source, packet)) = self.sockets.come() else { break };
                self.received(source, &packet);
            }
            for event in std::mem::take(&mut self.events) {
                // While the receiver is busy nothing is taken off the sockets. Nobody receives when the node stops.
                let _ = self.shared.events.send(event).await;
            }
        }
    }

    fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn wake(&self) -> Instant {
        let latest = Instant::now() + LONGEST_SLEEP;
        let links =
            self.epoch.checked_add(Duration::from_micros(self.links.wake().micros())).unwrap_or(latest);
        self.lines.values().map(|line| line.connection.wake).fold(links.min(latest), Instant::min)
    }

    fn elapsed(&mut self) {
        self.links.timeout(self.now());
        let now = Instant::now();
        let due = self.lines.iter().filter(|(_, line)| line.connection.wake <= now).map(|(id, _)| *id);
        for id in due.collect::<Vec<_>>() {
            self.with(id, |connection| connection.elapsed(now));
        }
    }

    fn received(&mut self, source: SocketAddr, packet: &[u8]) {
        if let Some(seen) = self.reflection.told(source, packet) {
            for link in self.lines.keys().copied().collect::<Vec<_>>() {
                self.offer_reflected(link, seen);
            }
            return;
        }
        let now = Instant::now();
        let accepts = |line: &Line| line.connection.accepts(now, source, packet);
        let known = self.sources.get(&source).copied();
        let known = known.filter(|id| self.lines.get(id).is_some_and(accepts));
        let Some(id) = known.or_else(|| self.lines.iter().find(|(_, line)| accepts(line)).map(|(id, _)| *id))
        else {
            return;
        };
        if known.is_none() {
            if self.sources.len() >= MAX_SOURCES {
                self.sources.clear();
            }
            self.sources.insert(source, id);
        }
        self.with(id, |connection| connection.received(now, source, packet));
    }

    /// Does something to a connection, and sends what follows from it. What happened on it is looked at in `carry`.
    fn with(&mut self, id: LinkId, step: impl FnOnce(&mut Connection) -> Result<(), Broken>) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let mut happened = Vec::new();
        let result = step(&mut line.connection)
            .and_then(|()| line.connection.drive(&mut self.datagrams, &mut happened));
        for datagram in self.datagrams.drain(..) {
            self.sockets.send(&datagram);
        }
        let waiting = line.connection.waiting();
        if let Some(standing) = &mut line.standing {
            let arrived = standing.pieces.saturating_sub(waiting);
            standing.pieces -= arrived;
            standing.room.add_permits(usize::try_from(arrived).unwrap_or(0));
        }
        self.links.waits(id, waiting);
        self.measure(id);
        self.happened.extend(happened.into_iter().map(|what| (id, Ok(what))));
        self.happened.extend(result.err().map(|broken| (id, Err(broken))));
    }

    fn measure(&mut self, id: LinkId) {
        let standing = self.lines.get(&id).and_then(|line| line.standing.as_ref());
        if let (Some(standing), Some((rtt, acked))) = (standing, self.links.path(id)) {
            standing.meter.add(rtt, acked);
        }
    }

    fn looked_at(&mut self, id: LinkId, happened: Result<Happened, Broken>) {
        match happened {
            Ok(Happened::Opened) => match nonce() {
                Ok(nonce) => self.links.opened(self.now(), id, nonce),
                Err(_) => self.links.closed(id),
            },
            Ok(Happened::Packet(packet)) => {
                let heard = self.links.packet(self.now(), id, &packet);
                self.heard(id, heard);
                self.measure(id);
            }
            Err(error) => {
                tracing::debug!(link = id.0, %error, "a data channel broke");
                self.links.closed(id);
            }
        }
    }

    fn heard(&mut self, id: LinkId, heard: Heard<'_>) {
        let Some(standing) = self.lines.get_mut(&id).and_then(|line| line.standing.as_mut()) else { return };
        let peer = standing.peer;
        match heard {
            Heard::Nothing => {}
            Heard::Message(message) => {
                if let PeerMessage::Refuse { request, .. } = &message {
                    standing.asked.remove(request);
                }
                self.events.push(TransportEvent::Message { peer, message });
            }
            Heard::Piece { request, bytes } => {
                // Of a run that was never asked for, or not wanted any more, nothing is kept.
                match standing.asked.get_mut(&request).map(|asked| asked.take(bytes)) {
                    None | Some(Took::More) => {}
                    Some(Took::First(pieces)) => {
                        let orders = self.orders.clone();
                        let stream = Receiving { link: id, request, orders, pieces, ended: false };
                        let stream = RunStream::of_channel(stream);
                        self.events.push(TransportEvent::Run(IncomingRun { peer, request, stream }));
                    }
                    Some(Took::TooMuch) => {
                        standing.asked.remove(&request);
                        self.events.push(TransportEvent::Malformed { peer });
                    }
                }
            }
            Heard::Over { request } => {
                standing.asked.remove(&request);
            }
            Heard::Malformed(error) => {
                tracing::debug!(peer = peer.0, %error, "a malformed packet on a data channel");
                self.events.push(TransportEvent::Malformed { peer });
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Call(node) => match session() {
                Ok(session) => self.links.call(self.now(), node, session),
                Err(_) => self.events.push(TransportEvent::ConnectFailed { node }),
            },
            Order::Signalled { from, payload } => {
                if let Err(error) = self.links.signalled(self.now(), from, &payload) {
                    tracing::debug!(%from, %error, "a signal that is none");
                }
            }
            Order::Say { link, message } => self.say(link, message),
            Order::Piece { link, request, bytes } => {
                let standing = self.lines.get_mut(&link).and_then(|line| line.standing.as_mut());
                if let Some(standing) = standing {
                    standing.pieces += bytes.len() as u64;
                    self.links.send(link, &Frame::Piece { request, bytes: &bytes });
                }
            }
            Order::End { link, request } => self.links.send(link, &Frame::End { request }),
            Order::GiveUp { link, request } => self.links.send(link, &Frame::GivenUp { request }),
            Order::Cancel { link, request } => {
                let standing = self.lines.get_mut(&link).and_then(|line| line.standing.as_mut());
                if standing.is_some_and(|standing| standing.asked.remove(&request).is_some()) {
                    self.links.send(link, &Frame::Control(PeerMessage::Cancel { request }));
                }
            }
            Order::Ping(link) => {
                // Any number that the other side cannot know from the ping before.
                if let Ok(number) = getrandom::u32() {
                    self.links.ping(self.now(), link, number);
                }
            }
            Order::Stun(servers) => self.reflection = Reflection::at(&servers),
            Order::Leave(link) => {
                let standing = self.lines.get_mut(&link).and_then(|line| line.standing.take());
                self.links.leave(link);
                self.ended(standing);
            }
            Order::Close => {}
        }
    }

    fn say(&mut self, link: LinkId, message: PeerMessage) {
        let standing = self.lines.get_mut(&link).and_then(|line| line.standing.as_mut());
        if let Some(standing) = standing {
            match &message {
                PeerMessage::Want(want) => {
                    standing.asked.insert(want.request, Asked::new(want));
                }
                PeerMessage::Cancel { request } => {
                    standing.asked.remove(request);
                }
                PeerMessage::Hello(_)
                | PeerMessage::Interest { .. }
                | PeerMessage::NoInterest { .. }
                | PeerMessage::Have(_)
                | PeerMessage::Refuse { .. }
                | PeerMessage::Choke { .. }
                | PeerMessage::Goodbye => {}
            }
        }
        self.links.send(link, &Frame::Control(message));
    }

    /// Does what the links want, and then looks at what happened, until there is neither.
    fn carry(&mut self) {
        loop {
            if let Some(output) = self.links.poll() {
                self.carry_out(output);
            } else if let Some((id, happened)) = self.happened.pop_front() {
                self.looked_at(id, happened);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Signal { to, payload, .. } => self.events.push(TransportEvent::Signal { to, payload }),
            Output::Call(link) => {
                let made = Connection::call(&self.origin, Instant::now());
                self.made(link, made);
            }
            Output::Answer { link, description } => {
                let made = Connection::answer(&self.origin, Instant::now(), &description);
                self.made(link, made);
            }
            Output::Accepted { link, description } => {
                self.with(link, |connection| connection.accepted(&description));
            }
            Output::Candidate { link, candidate, .. } => self.with(link, |connection| {
                connection.reach(&candidate);
                Ok(())
            }),
            Output::Packet { link, bytes } => self.with(link, |connection| connection.send(bytes)),
            Output::Connected { link, node, side, rtt } => self.connected(link, node, side, rtt),
            Output::ConnectFailed { node } => self.events.push(TransportEvent::ConnectFailed { node }),
            // Told when it is hung up.
            Output::Disconnected(_) => {}
            Output::HangUp { link, why } => {
                tracing::debug!(link = link.0, %why, "a data channel ended");
                self.hang_up(link);
            }
        }
    }

    fn made(&mut self, link: LinkId, made: Result<(Connection, String), Broken>) {
        let (connection, description) = match made {
            Ok(made) => made,
            Err(error) => {
                tracing::debug!(link = link.0, %error, "no data channel");
                return self.links.closed(link);
            }
        };
        let section = section(&description).to_owned();
        self.lines.insert(link, Line { connection, section: section.clone(), standing: None });
        self.links.described(link, &description);
        for address in self.shared.networks.borrow().offered(&self.sockets.bound()) {
            // An address that cannot be a candidate is one place less.
            if let Ok(candidate) = Candidate::host(address, "udp") {
                self.links.candidate(link, candidate.to_sdp_string(), section.clone());
            }
        }
        for seen in self.reflection.seen().collect::<Vec<_>>() {
            self.offer_reflected(link, seen);
        }
        for question in self.reflection.ask() {
            self.sockets.send(&question);
        }
        self.with(link, |connection| connection.elapsed(Instant::now()));
    }

    fn offer_reflected(&mut self, link: LinkId, seen: SocketAddr) {
        let Some(Line { standing: None, section, .. }) = self.lines.get(&link) else { return };
        let base = self.origin.bases.iter().find(|base| base.is_ipv4() == seen.is_ipv4());
        let own = self.shared.networks.borrow().offered(&self.sockets.bound()).contains(&seen);
        if let (Some(base), false) = (base, own)
            && let Ok(candidate) = Candidate::server_reflexive(seen, *base, "udp")
        {
            self.links.candidate(link, candidate.to_sdp_string(), section.clone());
        }
    }

    fn connected(&mut self, link: LinkId, node: NodeKey, side: Side, rtt: Span) {
        let Some(line) = self.lines.get_mut(&link) else { return };
        let (peer, remote) = (self.shared.numbers.next(), line.connection.remote);
        let (meter, room) = (Arc::new(Meter::default()), Arc::new(Semaphore::new(MAX_QUEUED)));
        let grip = Grip { link, meter: Arc::clone(&meter), room: Arc::clone(&room) };
        held(&self.grips).insert(peer, grip);
        line.standing = Some(Standing { peer, meter, room, pieces: 0, asked: BTreeMap::new() });
        let nearness = remote.and_then(|remote| self.shared.networks.borrow().nearness(remote.ip()));
        tracing::debug!(peer = peer.0, %node, ?rtt, "connected by a data channel");
        let path = Path::Direct;
        self.events.push(TransportEvent::Connected { peer, node, side, path, rtt, nearness });
    }

    fn hang_up(&mut self, link: LinkId) {
        self.sources.retain(|_, id| *id != link);
        let Some(line) = self.lines.remove(&link) else { return };
        for datagram in line.connection.close() {
            self.sockets.send(&datagram);
        }
        self.ended(line.standing);
    }

    fn ended(&mut self, standing: Option<Standing>) {
        let Some(Standing { peer, room, .. }) = standing else { return };
        room.close();
        held(&self.grips).remove(&peer);
        self.events.push(TransportEvent::Disconnected { peer });
    }

    fn close(mut self) {
        for link in self.lines.keys().copied().collect::<Vec<_>>() {
            self.hang_up(link);
        }
    }
}

fn nonce() -> Result<[u8; 32], getrandom::Error> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)?;
    Ok(nonce)
}

fn session() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}
