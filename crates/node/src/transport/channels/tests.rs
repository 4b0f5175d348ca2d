//! Peers that keep to no protocol, driven by hand over a real connection.

use std::time::Instant;

use nearcast_content::keys::DeviceSecret;
use nearcast_content::{BlockRange, ObjectId};
use nearcast_engine::Time;
use nearcast_engine::channels::{Heard, Output};
use nearcast_engine::limits::{MAX_FRAME, MAX_PIECE};
use nearcast_engine::wire::{Frame, Want};

use super::connection::{Connection, Datagram, Happened, section};
use super::*;
use crate::transport::TransportConfig;
use crate::transport::tests::{LOOPBACK, Node};

const PROVIDER: ProviderKey = ProviderKey([9; 32]);

fn key(seed: u8) -> DeliveryKey {
    DeviceSecret::new([seed; 32]).delivery_key(PROVIDER)
}

async fn node() -> Node {
    let key = key(1);
    let channels = Some(ChannelsConfig { provider: PROVIDER, key: key.clone() });
    Node::with(TransportConfig { channels, ..TransportConfig::new(key.expose(), LOOPBACK) }).await
}

/// How a puppet behaves before its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Proper,
    /// Its channel stands, and it says nothing.
    Silent,
    /// It says this first.
    Says(&'static [u8]),
}

/// The other end of a node's channel.
struct Puppet {
    links: Links,
    node: NodeKey,
    origin: Origin,
    sockets: Sockets,
    connection: Option<Connection>,
    start: Start,
}

impl Puppet {
    async fn new(start: Start) -> Self {
        let sockets = Sockets::bind(LOOPBACK).await.expect("binds");
        let cert = crypto::certificate().expect("a certificate");
        let origin = Origin { crypto: Arc::new(crypto::provider()), cert, bases: sockets.bound() };
        let key = key(2);
        let node = key.node();
        Self { links: Links::new(key, PROVIDER), node, origin, sockets, connection: None, start }
    }

    /// Lets a node call, until there is an event of it that `pick` wants.
    async fn until<T>(&mut self, node: &mut Node, mut pick: impl FnMut(TransportEvent) -> Option<T>) -> T {
        loop {
            self.carry(node);
            let wake = self.connection.as_ref().map_or_else(Instant::now, |connection| connection.wake);
            let waits = self.connection.is_some();
            tokio::select! {
                event = node.event() => if let TransportEvent::Signal { to, payload } = event {
                    assert_eq!(to, self.node);
                    self.links.signalled(Time::ZERO, node.key(), &payload).expect("a signal");
                } else if let Some(found) = pick(event) {
                    return found;
                },
                (source, packet) = self.sockets.receive() => {
                    if let Some(connection) = &mut self.connection {
                        connection.received(Instant::now(), source, &packet).expect("a good packet");
                    }
                }
                () = tokio::time::sleep_until(wake.into()), if waits => {
                    if let Some(connection) = &mut self.connection {
                        connection.elapsed(Instant::now()).expect("it lives");
                    }
                }
            }
        }
    }

    fn carry(&mut self, node: &Node) {
        loop {
            self.drive();
            let Some(output) = self.links.poll() else { return };
            match output {
                Output::Answer { link, description } => {
                    let answer = Connection::answer(&self.origin, Instant::now(), &description);
                    let (connection, answer) = answer.expect("an offer");
                    self.connection = Some(connection);
                    self.links.described(link, &answer);
                    let candidate =
                        str0m::Candidate::host(self.sockets.bound()[0], "udp").expect("an address");
                    self.links.candidate(link, candidate.to_sdp_string(), section(&answer).to_owned());
                }
                Output::Signal { payload, .. } => node.transport.signalled(self.node, payload),
                Output::Candidate { candidate, .. } => {
                    self.connection.as_mut().expect("a connection").reach(&candidate);
                }
                Output::Packet { bytes, .. } => self.send(bytes),
                Output::Connected { .. } => {}
                Output::Call(_)
                | Output::Accepted { .. }
                | Output::ConnectFailed { .. }
                | Output::Disconnected(_)
                | Output::HangUp { .. } => panic!("unexpected: {output:?}"),
            }
        }
    }

    fn drive(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let (mut datagrams, mut happened): (Vec<Datagram>, Vec<Happened>) = (Vec::new(), Vec::new());
        // It ends when the node has had enough of it.
        if connection.drive(&mut datagrams, &mut happened).is_err() {
            self.connection = None;
        }
        for datagram in datagrams {
            self.sockets.send(&datagram);
        }
        for what in happened {
            match (what, self.start) {
                (Happened::Opened, Start::Proper) => self.links.opened(Time::ZERO, LinkId(1), [2; 32]),
                (Happened::Opened, Start::Silent) => {}
                (Happened::Opened, Start::Says(packet)) => self.send(packet.to_vec()),
                (Happened::Packet(packet), Start::Proper) => {
                    let heard = self.links.packet(Time::ZERO, LinkId(1), &packet);
                    assert!(matches!(heard, Heard::Nothing | Heard::Message(_)), "{heard:?}");
                }
                (Happened::Packet(_), Start::Silent | Start::Says(_)) => {}
            }
        }
    }

    fn send(&mut self, packet: Vec<u8>) {
        self.connection.as_mut().expect("a connection").send(packet).expect("room");
    }
}

/// A node that called a puppet, and their channel stands.
async fn met() -> (Node, PeerId, Puppet) {
    let (mut node, mut puppet) = (node().await, Puppet::new(Start::Proper).await);
    node.transport.call(puppet.node);
    let connected = |event| {
        let TransportEvent::Connected { peer, .. } = event else { panic!("unexpected: {event:?}") };
        Some(peer)
    };
    let peer = puppet.until(&mut node, connected).await;
    (node, peer, puppet)
}

async fn fails(start: Start) {
    let (mut node, mut puppet) = (node().await, Puppet::new(start).await);
    node.transport.call(puppet.node);
    let failed = |event| {
        let TransportEvent::ConnectFailed { node } = event else { panic!("unexpected: {event:?}") };
        Some(node)
    };
    assert_eq!(puppet.until(&mut node, failed).await, puppet.node);
}

#[tokio::test]
async fn who_never_introduces_itself_is_given_up() {
    fails(Start::Silent).await;
}

#[tokio::test]
async fn who_speaks_before_its_proof_is_not_heard() {
    fails(Start::Says(&[3, 0, 0, 0, 1])).await;
}

#[tokio::test]
async fn a_packet_that_is_too_long_is_malformed() {
    let (mut node, peer, mut puppet) = met().await;
    puppet.send(vec![1; MAX_FRAME + 1]);
    let malformed = |event| {
        let TransportEvent::Malformed { peer } = event else { panic!("unexpected: {event:?}") };
        Some(peer)
    };
    assert_eq!(puppet.until(&mut node, malformed).await, peer);
}

#[tokio::test]
async fn a_run_is_no_longer_than_what_was_asked_for() {
    let (mut node, peer, mut puppet) = met().await;
    let (object, blocks) = (ObjectId([3; 32]), BlockRange::new(0, 1));
    let want = Want { request: 7, object, blocks, due_millis: 0 };
    node.transport.send(peer, PeerMessage::Want(want)).expect("connected");
    let piece = |request| Frame::Piece { request, bytes: &[0; MAX_PIECE] }.to_packet();
    // Of what was never asked for nothing is kept, nor told.
    puppet.send(piece(8));
    for _ in 0..3 {
        puppet.send(piece(7));
    }
    let mut run = None;
    let told = |event| {
        if let TransportEvent::Run(begun) = event {
            assert_eq!((begun.peer, begun.request), (peer, 7));
            run = Some(begun);
            return None;
        }
        let TransportEvent::Malformed { peer } = event else { panic!("unexpected: {event:?}") };
        Some(peer)
    };
    assert_eq!(puppet.until(&mut node, told).await, peer);
    assert!(run.is_some());
}
