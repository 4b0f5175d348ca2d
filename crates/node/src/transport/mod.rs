//! Connections between nodes: QUIC by key between native ones, direct where the networks allow it, through a relay
//! where not; data channels with browsers (`channels`). It carries; it decides nothing.
//!
//! One [`Transport`] stands for one identity, the delivery key for one provider. A connection has one control
//! stream, opened by the dialer, with framed [`PeerMessage`]s both ways, and one stream in one direction for
//! each run: a framed [`RunHeader`](nearcast_engine::wire::RunHeader), then the encoded run. Each connection is
//! a task of its own that owns its streams; what happens on it leaves through one bounded channel, and a
//! receiver that is busy holds back the peers, not the memory.

mod channels;
mod control;
mod dial;
mod event;
mod link;
mod meter;
mod nearby;
mod path;
mod quic;
mod run;
mod stamps;
#[cfg(test)]
mod tests;
mod vigil;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use iroh::Endpoint;
use nearcast_content::NodeKey;
use nearcast_engine::limits::MAX_PEERS;
use nearcast_engine::swarm::{PathReport, PeerId};
use nearcast_engine::wire::{PeerMessage, Ways, encode_framed};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

pub use channels::ChannelsConfig;
pub use event::{BindError, SendError, TransportEvent};
pub use iroh::RelayUrl;
pub use run::{IncomingRun, RunReadError, RunSendError, RunSender, RunStream};

use channels::Channels;
use link::Grip;
use nearby::Networks;
use stamps::Stamps;

/// Events that may wait for their receiver, over all connections.
const EVENTS: usize = 1024;

/// How a transport starts.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Secret of the delivery key: an Ed25519 seed.
    pub secret: [u8; 32],
    /// UDP address to listen on. Port 0 takes a free one; an unspecified IPv4 address takes IPv6 on the same
    /// port with it, where there is IPv6.
    pub bind: SocketAddr,
    /// Relay to be reached through, if any.
    pub relay: Option<RelayChoice>,
    /// Where the numbers of connections come from; shared by all transports of a node.
    pub numbers: PeerNumbers,
    /// Connections at most, those that are being opened included. Others are refused.
    pub max_connections: usize,
    /// Takes and makes connections with browsers too, if set.
    pub channels: Option<ChannelsConfig>,
}

impl TransportConfig {
    /// Listens on `bind` under `secret`, without a relay.
    pub fn new(secret: [u8; 32], bind: SocketAddr) -> Self {
        // The engine keeps at most MAX_PEERS and lets go of the least useful: it must see them to choose.
        Self {
            secret,
            bind,
            relay: None,
            numbers: PeerNumbers::default(),
            max_connections: 2 * MAX_PEERS,
            channels: None,
        }
    }
}

/// A relay, and how to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayChoice {
    /// Where it is.
    pub url: RelayUrl,
    /// What it wants to be shown, if anything.
    pub token: Option<String>,
    /// UDP port on which it tells callers the address they are seen from, if it does.
    pub discovery_port: Option<u16>,
    /// Certificates (DER) that vouch for it beside the public authorities, for relays with a private one.
    pub roots: Vec<Vec<u8>>,
}

impl RelayChoice {
    /// The relay at `url`, which lets everybody in and has a public certificate or none.
    pub fn new(url: RelayUrl) -> Self {
        Self { url, token: None, discovery_port: None, roots: Vec::new() }
    }
}

/// Hands out [`PeerId`]s, none twice. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct PeerNumbers(Arc<AtomicU64>);

impl PeerNumbers {
    fn next(&self) -> PeerId {
        PeerId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Where a transport can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// The sockets it listens on.
    pub bound: Vec<SocketAddr>,
    /// Where others on our own networks reach it.
    pub local: Vec<SocketAddr>,
}

impl NodeAddress {
    /// The UDP port to announce: that of IPv4, which IPv6 shares where possible.
    pub fn port(&self) -> Option<u16> {
        self.bound.iter().find(|bound| bound.is_ipv4()).or(self.bound.first()).map(SocketAddr::port)
    }
}

/// The connections of one identity. Clones are the same transport.
#[derive(Clone, Debug)]
pub struct Transport(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    channels: Option<Channels>,
    events: mpsc::Sender<TransportEvent>,
    /// Held for a look-up per message or run, never while waiting, never for payload.
    links: Mutex<BTreeMap<PeerId, Grip>>,
    numbers: PeerNumbers,
    max_connections: usize,
    networks: watch::Receiver<Networks>,
    tasks: TaskTracker,
}

impl Transport {
    /// Starts to listen. What happens comes out of the receiver, which must be drained.
    pub async fn bind(config: TransportConfig) -> Result<(Self, mpsc::Receiver<TransportEvent>), BindError> {
        let endpoint = dial::endpoint(&config).await?;
        let (events, receiver) = mpsc::channel(EVENTS);
        let (found, networks) = watch::channel(Networks::look().await);
        let shared = channels::Shared {
            events: events.clone(),
            numbers: config.numbers.clone(),
            networks: networks.clone(),
        };
        let channels = match config.channels {
            Some(channels) => Some(Channels::start(channels, config.bind, shared).await?),
            None => None,
        };
        let shared = Arc::new(Shared {
            endpoint,
            channels,
            events,
            links: Mutex::default(),
            numbers: config.numbers,
            max_connections: config.max_connections,
            networks,
            tasks: TaskTracker::new(),
        });
        tokio::spawn(dial::accept(Arc::clone(&shared)));
        tokio::spawn(dial::follow_networks(shared.endpoint.clone(), found));
        Ok((Self(shared), receiver))
    }

    /// The key under which this transport is known.
    pub fn node(&self) -> NodeKey {
        NodeKey(*self.0.endpoint.id().as_bytes())
    }

    /// Where this transport can be reached right now.
    pub fn node_addr(&self) -> NodeAddress {
        let bound = self.0.endpoint.bound_sockets();
        let local = self.0.networks.borrow().reachable(&bound);
        NodeAddress { bound, local }
    }

    /// Whether the relay can be used; waits until it can. Never ends without a relay.
    pub async fn relay_ready(&self) {
        self.0.endpoint.online().await;
    }

    /// Can be reached through this relay too, from here on.
    pub async fn use_relay(&self, relay: &RelayChoice) {
        self.0.endpoint.insert_relay(relay.url.clone(), Arc::new(dial::relay_config(relay))).await;
    }

    /// Connects to a node at these addresses, or through a relay. Ends in [`TransportEvent::Connected`] or
    /// [`TransportEvent::ConnectFailed`].
    pub fn connect(&self, node: NodeKey, addresses: Vec<SocketAddr>, relay: Option<RelayUrl>) {
        let shared = Arc::clone(&self.0);
        self.0.tasks.spawn(dial::dial(shared, node, addresses, relay));
    }

    /// In which ways this transport connects.
    pub fn ways(&self) -> Ways {
        let channels = self.0.channels.as_ref().map_or(0, |_| Ways::DATA_CHANNELS.0);
        Ways(Ways::QUIC.0 | channels)
    }

    /// Connects to a node by a data channel. Ends in [`TransportEvent::Connected`] or
    /// [`TransportEvent::ConnectFailed`].
    pub fn call(&self, node: NodeKey) {
        match &self.0.channels {
            Some(channels) => channels.call(node),
            // Without channels nobody is told that there are any, and calls are of those who were told of us.
            None => self.connect(node, Vec::new(), None),
        }
    }

    /// Asks the STUN server at this host and port from where data channels are seen, when one is made; none to ask
    /// nobody.
    pub fn use_stun(&self, server: Option<String>) {
        if let Some(channels) = &self.0.channels {
            channels.use_stun(server);
        }
    }

    /// Another node signals, to arrange a data channel.
    pub fn signalled(&self, from: NodeKey, payload: Vec<u8>) {
        if let Some(channels) = &self.0.channels {
            channels.signalled(from, payload);
        }
    }

    /// The data channels, if this peer is at the other end of one.
    fn channels_of(&self, peer: PeerId) -> Option<&Channels> {
        self.0.channels.as_ref().filter(|channels| channels.has(peer))
    }

    /// Where a peer is reached over QUIC on a direct path.
    pub fn address_of(&self, peer: PeerId) -> Option<SocketAddr> {
        let conn = self.0.links().get(&peer).map(|grip| grip.conn.clone())?;
        path::address(&conn)
    }

    /// What the paths of these peers did since they were last asked about. Each is sent a stamp, whose answer is in the
    /// next report.
    pub fn reports(&self, peers: impl IntoIterator<Item = PeerId>) -> Vec<PathReport> {
        let links = self.0.links();
        let report = |peer| {
            if let Some(report) = self.0.channels.as_ref().and_then(|channels| channels.report(peer)) {
                return Some(report);
            }
            let grip = links.get(&peer)?;
            let (rtt, acked) = meter::take(&grip.conn)?;
            Stamps::send(&grip.conn);
            Some(PathReport { peer, rtt, one_way: grip.stamps.take(), acked })
        };
        peers.into_iter().filter_map(report).collect()
    }

    /// Ends a connection. Messages sent before still go out. Nothing new is reported of it but
    /// [`TransportEvent::Disconnected`].
    pub fn disconnect(&self, peer: PeerId) {
        if let Some(channels) = self.channels_of(peer) {
            return channels.disconnect(peer);
        }
        self.0.deregister(peer);
    }

    /// Queues a message. A peer that has let too many pile up is disconnected.
    ///
    /// # Panics
    /// When the message is longer than the wire allows, see [`encode_framed`].
    pub fn send(&self, peer: PeerId, message: PeerMessage) -> Result<(), SendError> {
        if let Some(channels) = self.channels_of(peer) {
            return channels.send(peer, message);
        }
        let bytes = Bytes::from(encode_framed(&message));
        self.0.links().get(&peer).ok_or(SendError::Gone(peer))?.send(peer, &message, bytes)
    }

    /// Starts to send the run that answers the peer's request of this number.
    pub async fn send_run(&self, peer: PeerId, request: u32) -> Result<RunSender, RunSendError> {
        if let Some(channels) = self.channels_of(peer) {
            return Ok(RunSender::over(channels.sending(peer, request)?));
        }
        let conn = self.0.links().get(&peer).map(|grip| grip.conn.clone());
        RunSender::open(&conn.ok_or(RunSendError::Lost)?, request).await
    }

    /// Ends all connections and stops listening. The last event is [`TransportEvent::Closed`]. A transport that
    /// is merely dropped goes on.
    pub async fn close(&self) {
        if let Some(channels) = &self.0.channels {
            channels.close().await;
        }
        self.0.endpoint.close().await;
    }
}

impl Shared {
    fn links(&self) -> std::sync::MutexGuard<'_, BTreeMap<PeerId, Grip>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a connection; none when there are `limit` to its node already.
    fn register(&self, grip: Grip, limit: usize) -> Option<PeerId> {
        let mut links = self.links();
        if links.values().filter(|other| other.node == grip.node).count() >= limit {
            return None;
        }
        let peer = self.numbers.next();
        links.insert(peer, grip);
        Some(peer)
    }

    fn deregister(&self, peer: PeerId) {
        // Dropped outside of the lock: a grip ends its connection when it goes.
        let grip = self.links().remove(&peer);
        drop(grip);
    }
}
