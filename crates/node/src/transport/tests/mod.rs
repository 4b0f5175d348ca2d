//! The transport over loopback: what honest peers do, what dead and hostile ones do.

mod bulk;
mod channels;
mod dead;
mod honest;
mod hostile;
mod runs;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use nearcast_content::{NodeKey, ProviderKey};
use nearcast_engine::swarm::PeerId;
use nearcast_engine::wire::{Hello, PeerMessage, Serves, Versions};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

/// Longer than any deadline of the transport: what has not happened by then does not happen.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A transport and what happens on it.
pub(super) struct Node {
    pub(super) transport: Transport,
    pub(super) events: mpsc::Receiver<TransportEvent>,
}

impl Node {
    /// A node on a free port of loopback; `seed` makes its key.
    pub(super) async fn start(seed: u8) -> Self {
        Self::with(TransportConfig::new([seed; 32], LOOPBACK)).await
    }

    pub(super) async fn with(config: TransportConfig) -> Self {
        let (transport, events) = Transport::bind(config).await.expect("bind to loopback");
        Self { transport, events }
    }

    pub(super) fn key(&self) -> NodeKey {
        self.transport.node()
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.transport.node_addr().bound
    }

    pub(super) fn dial(&self, other: &Self) {
        self.transport.connect(other.key(), other.addresses(), None);
    }

    pub(super) async fn event(&mut self) -> TransportEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a live transport")
    }

    /// The first event for which `pick` has an answer; round-trip times and late signals come and go in between,
    /// anything else is a failure.
    pub(super) async fn until<T>(&mut self, mut pick: impl FnMut(&TransportEvent) -> Option<T>) -> T {
        loop {
            let event = self.event().await;
            if let Some(found) = pick(&event) {
                return found;
            }
            assert!(passes(&event), "unexpected: {event:?}");
        }
    }

    pub(super) async fn connected(&mut self) -> (PeerId, NodeKey) {
        self.until(|event| {
            if let TransportEvent::Connected { peer, node, .. } = event { Some((*peer, *node)) } else { None }
        })
        .await
    }

    pub(super) async fn disconnected(&mut self) -> PeerId {
        self.until(|event| if let TransportEvent::Disconnected { peer } = event { Some(*peer) } else { None })
            .await
    }

    pub(super) async fn message(&mut self) -> (PeerId, PeerMessage) {
        self.until(|event| {
            if let TransportEvent::Message { peer, message } = event {
                Some((*peer, message.clone()))
            } else {
                None
            }
        })
        .await
    }

    pub(super) async fn run(&mut self) -> IncomingRun {
        loop {
            let event = self.event().await;
            if let TransportEvent::Run(run) = event {
                return run;
            }
            assert!(passes(&event), "unexpected: {event:?}");
        }
    }
}

fn passes(event: &TransportEvent) -> bool {
    matches!(event, TransportEvent::PathChanged { .. } | TransportEvent::Signal { .. })
}

/// Two nodes with one connection that both have spoken on; each with its number for the other.
pub(super) async fn pair() -> ((Node, PeerId), (Node, PeerId)) {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    a.dial(&b);
    let (to_b, _) = a.connected().await;
    let (to_a, _) = b.connected().await;
    a.transport.send(to_b, hello()).expect("connected");
    b.transport.send(to_a, hello()).expect("connected");
    assert_eq!(a.message().await, (to_b, hello()));
    assert_eq!(b.message().await, (to_a, hello()));
    ((a, to_b), (b, to_a))
}

pub(super) fn hello() -> PeerMessage {
    PeerMessage::Hello(Hello {
        versions: Versions::OURS,
        features: 0,
        provider: ProviderKey([9; 32]),
        serves: Serves::Others,
        credential: None,
    })
}
