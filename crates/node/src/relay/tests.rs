//! The relay with real endpoints: peers that see each other only through it, and callers turned away.

use std::time::Duration;

use nearcast_engine::swarm::{Path, PeerId};
use nearcast_engine::wire::PeerMessage;
use tokio::time::timeout;

use super::*;
use crate::transport::{Transport, TransportConfig, TransportEvent};

const PATIENCE: Duration = Duration::from_secs(20);
const LOOPBACK: &str = "127.0.0.1:0";

fn loopback() -> SocketAddr {
    LOOPBACK.parse().expect("an address")
}

/// Lets in who shows `token`.
fn known(token: &'static str) -> Doorkeeper {
    Arc::new(move |caller| match caller.token.as_deref() == Some(token) {
        true => Admission::Welcome,
        false => Admission::Refused,
    })
}

struct Node {
    transport: Transport,
    events: tokio::sync::mpsc::Receiver<TransportEvent>,
    path: Option<Path>,
}

impl Node {
    async fn start(seed: u8, relay: RelayChoice) -> Self {
        let config = TransportConfig { relay: Some(relay), ..TransportConfig::new([seed; 32], loopback()) };
        let (transport, events) = Transport::bind(config).await.expect("bind to loopback");
        Self { transport, events, path: None }
    }

    async fn ready(&self) {
        timeout(PATIENCE, self.transport.relay_ready()).await.expect("the relay in time");
    }

    async fn event(&mut self) -> TransportEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a live transport")
    }

    async fn connected(&mut self) -> (PeerId, Path) {
        let event = self.event().await;
        let TransportEvent::Connected { peer, path, .. } = event else { panic!("unexpected: {event:?}") };
        (peer, path)
    }

    /// The next message. Changes of the path before it are noted.
    async fn message(&mut self) -> PeerMessage {
        loop {
            let event = self.event().await;
            if let TransportEvent::Message { message, .. } = event {
                return message;
            }
            self.note(&event);
        }
    }

    async fn direct(&mut self) {
        while self.path != Some(Path::Direct) {
            let event = self.event().await;
            self.note(&event);
        }
    }

    fn note(&mut self, event: &TransportEvent) {
        let TransportEvent::PathChanged { path, .. } = event else { panic!("unexpected: {event:?}") };
        self.path = Some(*path);
    }
}

/// Two nodes that know nothing of each other but their keys and the relay.
async fn talk_through(relay: RelayChoice) {
    let (mut a, mut b) = (Node::start(1, relay.clone()).await, Node::start(2, relay.clone()).await);
    a.ready().await;
    b.ready().await;
    a.transport.connect(b.transport.node(), Vec::new(), Some(relay.url));
    let (to_b, a_path) = a.connected().await;
    let (to_a, b_path) = b.connected().await;
    assert_eq!((a_path, b_path), (Path::Relayed, Path::Relayed));
    a.transport.send(to_b, PeerMessage::Choke { millis: 7 }).expect("connected");
    assert_eq!(b.message().await, PeerMessage::Choke { millis: 7 });
    b.transport.send(to_a, PeerMessage::Cancel { request: 8 }).expect("connected");
    assert_eq!(a.message().await, PeerMessage::Cancel { request: 8 });
    // On loopback there is a direct way, and it is found without being asked for.
    a.direct().await;
    b.direct().await;
}

#[tokio::test]
async fn nodes_that_know_only_the_relay_talk_through_it() {
    let relay = Relay::spawn(RelayConfig::new(loopback(), known("open"))).await.expect("a relay");
    talk_through(RelayChoice { token: Some("open".into()), ..relay.choice() }).await;
    relay.shutdown().await;
}

#[tokio::test]
async fn a_relay_serves_https_with_a_given_certificate() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into(), "localhost".into()])
        .expect("a certificate");
    let tls = RelayTls {
        https: loopback(),
        discovery: Some(loopback()),
        chain: vec![made.cert.der().clone()],
        key: PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()),
    };
    let config = RelayConfig { tls: Some(tls), ..RelayConfig::new(loopback(), known("open")) };
    let relay = Relay::spawn(config).await.expect("a relay");
    assert!(relay.url().as_str().starts_with("https://"), "{}", relay.url());
    let choice = relay.choice();
    assert!(choice.discovery_port.is_some());
    let roots = vec![made.cert.der().to_vec()];
    talk_through(RelayChoice { token: Some("open".into()), roots, ..choice }).await;
}

#[tokio::test]
async fn strangers_are_not_let_in() {
    let relay = Relay::spawn(RelayConfig::new(loopback(), known("open"))).await.expect("a relay");
    let welcome = Node::start(1, RelayChoice { token: Some("open".into()), ..relay.choice() }).await;
    welcome.ready().await;
    for token in [None, Some("wrong".into())] {
        let stranger = Node::start(2, RelayChoice { token, ..relay.choice() }).await;
        // Ten times what a welcome one needs.
        assert!(timeout(Duration::from_secs(3), stranger.transport.relay_ready()).await.is_err());
    }
}

#[tokio::test]
async fn a_full_relay_takes_the_next_when_one_has_left() {
    let config = RelayConfig { max_clients: 1, ..RelayConfig::new(loopback(), known("open")) };
    let relay = Relay::spawn(config).await.expect("a relay");
    let choice = RelayChoice { token: Some("open".into()), ..relay.choice() };
    let first = Node::start(1, choice.clone()).await;
    first.ready().await;
    let second = Node::start(2, choice).await;
    assert!(timeout(Duration::from_secs(2), second.transport.relay_ready()).await.is_err());
    first.transport.close().await;
    second.ready().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let relay = Relay::spawn(RelayConfig::new(loopback(), known("open"))).await.expect("a relay");
    let port = relay.url().port().expect("a port");
    let taken = SocketAddr::new(loopback().ip(), port);
    let error = Relay::spawn(RelayConfig::new(taken, known("open"))).await.expect_err("taken");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}
