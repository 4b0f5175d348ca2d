//! One connection: a single task that carries its control stream, its runs and its watch until it ends.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use iroh::endpoint::{self, Connection, VarInt};
use nearcast_content::NodeKey;
use nearcast_engine::Span;
use nearcast_engine::swarm::{Path, PeerId, Side};
use nearcast_engine::wire::PeerMessage;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::event::{SendError, TransportEvent};
use super::path::{Reported, Route, route};
use super::run::{self, IncomingRun, Opened, RunStream};
use super::stamps::{IDLE_EVERY, Stamps};
use super::vigil::{Expected, Finding, LOOK_IDLE, LOOK_WATCHFUL, Vigil};
use super::{Shared, control};

/// Connections to one node at once: both may dial at the same moment, and a dead one may not be noticed yet.
const MAX_LINKS_PER_NODE: usize = 3;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// We ended it.
    Left,
    /// The peer ended it.
    PeerLeft,
    /// It broke.
    Lost,
    /// The peer did not say what it had to say in time.
    Silent,
    /// The peer stopped answering while a run was expected of it.
    Dead,
}

impl Ending {
    fn code(self) -> VarInt {
        VarInt::from_u32(match self {
            Self::Left | Self::PeerLeft | Self::Lost => 0,
            Self::Silent => 2,
            Self::Dead => 3,
        })
    }
}

/// Code of a connection whose peer does not read.
const OVERFLOW: VarInt = VarInt::from_u32(1);
/// Code of a connection beside too many others to the same node.
const TOO_MANY: VarInt = VarInt::from_u32(4);

/// The outside's grip on a connection. Dropped, the connection says what it still has to say and ends.
#[derive(Debug)]
pub(super) struct Grip {
    pub(super) node: NodeKey,
    pub(super) conn: Connection,
    pub(super) stamps: Stamps,
    queue: mpsc::Sender<Bytes>,
    expected: Expected,
    leaving: CancellationToken,
}

impl Grip {
    /// Queues a message and its bytes.
    pub(super) fn send(&self, peer: PeerId, message: &PeerMessage, bytes: Bytes) -> Result<(), SendError> {
        match self.queue.try_send(bytes) {
            Ok(()) => {
                self.expected.sent(message);
                Ok(())
            }
            Err(TrySendError::Closed(_)) => Err(SendError::Gone(peer)),
            Err(TrySendError::Full(_)) => {
                self.conn.close(OVERFLOW, b"messages are not read");
                Err(SendError::Overflow(peer))
            }
        }
    }
}

impl Drop for Grip {
    fn drop(&mut self) {
        self.leaving.cancel();
    }
}

/// Reports what happens on a connection, as long as somebody outside holds on to it.
pub(super) struct Reporter {
    pub(super) peer: PeerId,
    events: mpsc::Sender<TransportEvent>,
    leaving: CancellationToken,
}

impl Reporter {
    /// Waits while the receiver of events is busy, which holds the peer back through its windows.
    pub(super) async fn event(&self, event: TransportEvent) {
        if !self.leaving.is_cancelled() {
            // Nobody receives when the node shuts down.
            let _ = self.events.send(event).await;
        }
    }
}

/// Carries a connection from its handshake to its end. False when it is one too many to the same node.
pub(super) async fn carry(shared: &Arc<Shared>, conn: Connection) -> bool {
    let node = NodeKey(*conn.remote_id().as_bytes());
    let (queue, waiting) = mpsc::channel(control::QUEUE);
    let leaving = CancellationToken::new();
    let expected = Expected::default();
    let stamps = Stamps::default();
    let grip = Grip {
        node,
        queue,
        conn: conn.clone(),
        stamps: stamps.clone(),
        expected: expected.clone(),
        leaving: leaving.clone(),
    };
    let Some(peer) = shared.register(grip, MAX_LINKS_PER_NODE) else {
        conn.close(TOO_MANY, b"too many connections");
        return false;
    };
    let report = Reporter { peer, events: shared.events.clone(), leaving: leaving.clone() };

    let start = route(&conn).unwrap_or(Route { path: Path::Relayed, rtt: Span::ZERO, address: None });
    let nearness = start.address.and_then(|address| shared.networks.borrow().nearness(address));
    tracing::debug!(peer = peer.0, %node, path = ?start.path, rtt = ?start.rtt, "connected");
    let side = match conn.side() {
        endpoint::Side::Client => Side::Dialed,
        endpoint::Side::Server => Side::Accepted,
    };
    let Route { path, rtt, .. } = start;
    report.event(TransportEvent::Connected { peer, node, side, path, rtt, nearness }).await;

    let control = async {
        match control::stream(&conn, &leaving).await {
            Ok((send, recv)) => tokio::select! {
                ending = control::write(send, waiting) => ending,
                ending = control::read(recv, &report, &expected) => ending,
            },
            Err(ending) => ending,
        }
    };
    let ending = tokio::select! {
        ending = control => ending,
        ending = runs(&conn, &report, &expected) => ending,
        ending = watch(&conn, &report, &expected, Reported::new(start)) => ending,
        ending = datagrams(&conn, &stamps) => ending,
    };
    tracing::debug!(peer = peer.0, ?ending, "disconnected");
    conn.close(ending.code(), b"");
    shared.deregister(peer);
    // Nobody receives when the node shuts down.
    let _ = shared.events.send(TransportEvent::Disconnected { peer }).await;
    true
}

/// Takes in run streams. Those that do not say what they are occupy nothing but a place each, and not for long.
async fn runs(conn: &Connection, report: &Reporter, expected: &Expected) -> Ending {
    let mut opening = FuturesUnordered::new();
    loop {
        tokio::select! {
            stream = conn.accept_uni() => match stream {
                Ok(stream) => opening.push(run::open(stream)),
                // The control stream ends as well, and may have something left to read.
                Err(_) => std::future::pending().await,
            },
            Some(opened) = opening.next() => match opened {
                Opened::Run(request, stream) => {
                    let stream = RunStream::new(stream, expected.arriving(request));
                    report.event(TransportEvent::Run(IncomingRun { peer: report.peer, request, stream })).await;
                }
                Opened::Malformed => {
                    tracing::debug!(peer = report.peer.0, "malformed header of a run");
                    report.event(TransportEvent::Malformed { peer: report.peer }).await;
                }
                Opened::Nothing => tracing::debug!(peer = report.peer.0, "run stream without a header"),
            },
        }
    }
}

/// Takes in datagrams: stamps, and probes that are there to be acknowledged.
async fn datagrams(conn: &Connection, stamps: &Stamps) -> Ending {
    let mut idle = tokio::time::interval(IDLE_EVERY);
    // Who was stopped for an hour has one to send, not sixty.
    idle.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            datagram = conn.read_datagram() => match datagram {
                Ok(datagram) => stamps.came(conn, &datagram),
                // The control stream ends as well, and may have something left to read.
                Err(_) => std::future::pending().await,
            },
            // The first one at once.
            _ = idle.tick() => Stamps::send(conn),
        }
    }
}

/// Watches the path and the peer's life.
async fn watch(conn: &Connection, report: &Reporter, expected: &Expected, mut reported: Reported) -> Ending {
    let mut vigil = Vigil::new(Instant::now());
    let mut changes = conn.paths_stream();
    let mut reported_at = Instant::now();
    loop {
        let pause = if expected.any() { LOOK_WATCHFUL } else { LOOK_IDLE };
        tokio::select! {
            Some(_) = changes.next() => {}
            () = tokio::time::sleep(pause) => {
                match vigil.look(Instant::now(), conn.stats().udp_rx.datagrams, expected.any()) {
                    Finding::Well => {}
                    // An error says that the connection is gone, which the control stream notices.
                    Finding::Probe => drop(conn.send_datagram(Bytes::from_static(b"?"))),
                    Finding::Dead => return Ending::Dead,
                }
            }
        }
        let Some(route) = route(conn) else { continue };
        let moved = reported.moved(route);
        if (moved || reported_at.elapsed() >= LOOK_IDLE) && reported.differs(route) {
            reported_at = Instant::now();
            let Route { path, rtt, .. } = route;
            report.event(TransportEvent::PathChanged { peer: report.peer, path, rtt }).await;
        }
    }
}
