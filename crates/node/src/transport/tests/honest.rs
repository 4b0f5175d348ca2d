//! Connecting, speaking and parting.

use nearcast_engine::Nearness;
use nearcast_engine::swarm::{Path, Side};

use super::*;

#[tokio::test]
async fn both_ends_learn_who_the_other_is_and_how_near() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    a.dial(&b);
    for (here, there, dialed) in [(&mut a, b.key(), Side::Dialed), (&mut b, a_key(), Side::Accepted)] {
        let event = here.event().await;
        let TransportEvent::Connected { node, side, path, nearness, .. } = event else {
            panic!("unexpected: {event:?}");
        };
        assert_eq!((node, side), (there, dialed));
        assert_eq!((path, nearness), (Path::Direct, Some(Nearness::Lan)));
    }
}

fn a_key() -> NodeKey {
    NodeKey(*iroh::SecretKey::from_bytes(&[1; 32]).public().as_bytes())
}

#[tokio::test]
async fn two_that_dial_each_other_get_two_connections_with_numbers_of_their_own() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    a.dial(&b);
    b.dial(&a);
    let (first, _) = a.connected().await;
    let (second, _) = a.connected().await;
    assert_ne!(first, second);
    b.connected().await;
    b.connected().await;
    a.transport.disconnect(first);
    assert_eq!(a.disconnected().await, first);
    b.disconnected().await;
    a.dial(&b);
    let (third, _) = a.connected().await;
    assert!(third > second, "numbers are never used twice");
}

#[tokio::test]
async fn messages_arrive_in_order_in_both_directions() {
    let ((mut a, to_b), (mut b, to_a)) = pair().await;
    for request in 0..100 {
        a.transport.send(to_b, PeerMessage::Cancel { request }).expect("connected");
        b.transport.send(to_a, PeerMessage::Choke { millis: request }).expect("connected");
    }
    for request in 0..100 {
        assert_eq!(b.message().await.1, PeerMessage::Cancel { request });
        assert_eq!(a.message().await.1, PeerMessage::Choke { millis: request });
    }
}

#[tokio::test]
async fn the_last_words_before_parting_arrive() {
    let ((mut a, to_b), (mut b, to_a)) = pair().await;
    a.transport.send(to_b, PeerMessage::Goodbye).expect("connected");
    a.transport.disconnect(to_b);
    assert_eq!(a.transport.send(to_b, PeerMessage::Goodbye), Err(SendError::Gone(to_b)));
    assert_eq!(b.message().await, (to_a, PeerMessage::Goodbye));
    assert_eq!(b.disconnected().await, to_a);
    assert_eq!(a.disconnected().await, to_b);
}

#[tokio::test]
async fn a_connection_can_end_before_a_word_was_said() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    a.dial(&b);
    let (to_b, _) = a.connected().await;
    let (to_a, _) = b.connected().await;
    b.transport.disconnect(to_a);
    assert_eq!(b.disconnected().await, to_a);
    assert_eq!(a.disconnected().await, to_b);
}

#[tokio::test]
async fn connects_that_cannot_work_fail_by_name() {
    let (mut a, b) = (Node::start(1).await, Node::start(2).await);
    let stranger = NodeKey(*iroh::SecretKey::from_bytes(&[3; 32]).public().as_bytes());
    // No address at all, the address of somebody else, ourselves, and what is no key.
    let no_key = NodeKey([2; 32]);
    for (node, addresses) in
        [(b.key(), vec![]), (stranger, b.addresses()), (a.key(), a.addresses()), (no_key, b.addresses())]
    {
        a.transport.connect(node, addresses, None);
        let event = a.event().await;
        assert!(
            matches!(event, TransportEvent::ConnectFailed { node: failed } if failed == node),
            "{event:?}"
        );
    }
}

#[tokio::test]
async fn more_connections_than_allowed_are_refused() {
    let config = TransportConfig { max_connections: 1, ..TransportConfig::new([2; 32], LOOPBACK) };
    let (mut a, mut b, mut c) = (Node::start(1).await, Node::with(config).await, Node::start(3).await);
    a.dial(&b);
    a.connected().await;
    b.connected().await;
    c.dial(&b);
    assert!(matches!(c.event().await, TransportEvent::ConnectFailed { node } if node == b.key()));
    a.transport.close().await;
    b.disconnected().await;
    c.dial(&b);
    assert_eq!(b.connected().await.1, c.key());
}

#[tokio::test]
async fn closing_ends_every_connection_and_then_the_events() {
    let ((mut a, to_b), (mut b, to_a)) = pair().await;
    a.transport.close().await;
    assert_eq!(a.disconnected().await, to_b);
    assert!(matches!(a.event().await, TransportEvent::Closed));
    assert_eq!(b.disconnected().await, to_a);
    a.dial(&b);
    assert_eq!(a.transport.send(to_b, hello()), Err(SendError::Gone(to_b)));
    let more = timeout(Duration::from_secs(1), a.events.recv()).await;
    assert!(more.is_err(), "nothing follows: {more:?}");
}

#[tokio::test]
async fn an_unspecified_address_takes_one_port_for_both_families() {
    let config = TransportConfig::new([1; 32], "0.0.0.0:0".parse().expect("an address"));
    let node = Node::with(config).await;
    let address = node.transport.node_addr();
    let port = address.port().expect("a port");
    assert!(port != 0 && address.bound.iter().all(|bound| bound.port() == port), "{address:?}");
    assert!(address.local.iter().all(|local| local.port() == port && !local.ip().is_unspecified()));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let node = Node::start(1).await;
    let taken = node.addresses()[0];
    let error = Transport::bind(TransportConfig::new([2; 32], taken)).await.expect_err("taken");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}
