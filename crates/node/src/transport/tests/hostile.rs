//! Peers that break the rules, played by a bare QUIC endpoint.

use bytes::Bytes;
use iroh::endpoint::{Connection, QuicTransportConfig, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, TransportAddr};
use nearcast_content::{BlockRange, BlockSet, ObjectId};
use nearcast_engine::wire::{Have, RunHeader, encode, encode_framed};

use super::*;

/// Connects to `node` with a peer that can do anything. Keep the endpoint: the connection ends with it.
async fn intruder(node: &Node) -> (Endpoint, Connection) {
    // Small windows of its own, so that what it does not read soon holds the other end back.
    let config =
        QuicTransportConfig::builder().stream_receive_window(4096u32.into()).receive_window(8192u32.into());
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .transport_config(config.build())
        .clear_ip_transports()
        .bind_addr(LOOPBACK)
        .expect("an address")
        .bind()
        .await
        .expect("bind to loopback");
    let id = EndpointId::from_bytes(&node.key().0).expect("a key");
    let address = EndpointAddr::from_parts(id, node.addresses().into_iter().map(TransportAddr::Ip));
    let conn = endpoint.connect(address, super::quic::ALPN).await.expect("connect");
    (endpoint, conn)
}

async fn malformed(node: &mut Node) -> PeerId {
    node.until(|event| if let TransportEvent::Malformed { peer } = event { Some(*peer) } else { None }).await
}

#[tokio::test]
async fn bytes_that_are_no_message_are_named_and_nothing_after_them_is_believed() {
    let mut a = Node::start(1).await;
    let truncated = {
        let mut bytes = encode(&hello());
        bytes.pop();
        let length = u16::try_from(bytes.len()).expect("short").to_be_bytes();
        [length.as_slice(), &bytes].concat()
    };
    let trailing = {
        let mut bytes = encode(&PeerMessage::Goodbye);
        bytes.push(0);
        let length = u16::try_from(bytes.len()).expect("short").to_be_bytes();
        [length.as_slice(), &bytes].concat()
    };
    let unknown = [0, 4, 0x82, 0x18, 200, 0x80];
    for bad in [&[0, 0][..], &[0xff, 0xff, 1], &[0, 1, 0xff], &truncated, &trailing, &unknown] {
        let (_endpoint, conn) = intruder(&a).await;
        let (peer, _) = a.connected().await;
        let (mut send, _recv) = conn.open_bi().await.expect("the control stream");
        send.write_all(bad).await.expect("written");
        send.write_all(&encode_framed(&PeerMessage::Goodbye)).await.expect("written");
        assert_eq!(malformed(&mut a).await, peer, "{bad:02x?}");
        a.transport.disconnect(peer);
        assert_eq!(a.disconnected().await, peer);
    }
}

#[tokio::test]
async fn headers_that_are_none_are_named_and_the_connection_goes_on() {
    let mut a = Node::start(1).await;
    let (_endpoint, conn) = intruder(&a).await;
    let (peer, _) = a.connected().await;
    let (mut send, _recv) = conn.open_bi().await.expect("the control stream");
    for bad in [&[0, 0][..], &[0x40, 0], &[0, 1, 0xff], &[0, 9, 0x81]] {
        let mut run = conn.open_uni().await.expect("a run stream");
        run.write_all(bad).await.expect("written");
        run.finish().expect("finished");
        assert_eq!(malformed(&mut a).await, peer, "{bad:02x?}");
    }
    send.write_all(&encode_framed(&hello())).await.expect("written");
    assert_eq!(a.message().await, (peer, hello()));
}

#[tokio::test]
async fn a_header_with_fields_of_a_later_version_is_taken() {
    let mut a = Node::start(1).await;
    let (_endpoint, conn) = intruder(&a).await;
    a.connected().await;
    let mut run = conn.open_uni().await.expect("a run stream");
    let longer = [0x82, 0x05, 0x63, b'n', b'e', b'w'];
    run.write_all(&[&[0, 6][..], &longer, b"payload"].concat()).await.expect("written");
    let mut run = a.run().await;
    let mut buf = [0; 7];
    run.stream.read_exact(&mut buf).await.expect("bytes");
    assert_eq!((run.request, &buf), (5, b"payload"));
}

#[tokio::test]
async fn a_peer_opens_no_more_streams_than_runs_are_asked_of_it() {
    let mut a = Node::start(1).await;
    let (_endpoint, conn) = intruder(&a).await;
    a.connected().await;
    let mut runs = Vec::new();
    let header = encode_framed(&RunHeader { request: 1 });
    while let Ok(run) = timeout(Duration::from_secs(1), conn.open_uni()).await {
        let mut run = run.expect("connected");
        run.write_all(&header).await.expect("written");
        runs.push((run, a.run().await));
        assert!(runs.len() <= 8, "no limit in sight");
    }
    assert_eq!(runs.len(), 8);
    let _control = conn.open_bi().await.expect("the control stream");
    let second = timeout(Duration::from_secs(1), conn.open_bi()).await;
    assert!(second.is_err(), "one stream in both directions is enough");
}

#[tokio::test]
async fn a_peer_that_never_speaks_is_let_go() {
    let mut a = Node::start(1).await;
    let (_endpoint, conn) = intruder(&a).await;
    let (peer, _) = a.connected().await;
    // Half a message, and a run that does not say what it is.
    let (mut send, _recv) = conn.open_bi().await.expect("the control stream");
    send.write_all(&[0]).await.expect("written");
    let mut run = conn.open_uni().await.expect("a run stream");
    run.write_all(&[0]).await.expect("written");
    assert_eq!(a.disconnected().await, peer);
}

#[tokio::test]
async fn a_run_stream_without_a_header_is_stopped() {
    let mut a = Node::start(1).await;
    let (_endpoint, conn) = intruder(&a).await;
    let (peer, _) = a.connected().await;
    let (mut send, _recv) = conn.open_bi().await.expect("the control stream");
    send.write_all(&encode_framed(&hello())).await.expect("written");
    a.message().await;
    let mut run = conn.open_uni().await.expect("a run stream");
    run.write_all(&[0]).await.expect("written");
    timeout(PATIENCE, run.stopped()).await.expect("in time").expect("connected").expect("a stop");
    a.transport.disconnect(peer);
    a.disconnected().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_disconnected_and_nothing_grows() {
    let mut a = Node::start(1).await;
    let (_endpoint, conn) = intruder(&a).await;
    let (peer, _) = a.connected().await;
    let (mut send, _unread) = conn.open_bi().await.expect("the control stream");
    send.write_all(&encode_framed(&hello())).await.expect("written");
    a.message().await;
    let have = PeerMessage::Have(Have {
        object: ObjectId([1; 32]),
        added: (0..400).map(|n| BlockRange::new(n * 100_000, n * 100_000 + 70_000)).collect(),
        removed: BlockSet::default(),
        coming: BlockSet::default(),
    });
    let mut queued = 0;
    let refused = loop {
        match a.transport.send(peer, have.clone()) {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
        assert!(queued < 2000, "no limit in sight");
    };
    assert_eq!(refused, SendError::Overflow(peer));
    assert_eq!(a.disconnected().await, peer);
    conn.closed().await;
}

#[tokio::test]
async fn a_peer_that_takes_no_bytes_of_a_run_does_not_hold_it_forever() {
    let mut a = Node::start(1).await;
    let (_endpoint, conn) = intruder(&a).await;
    let (peer, _) = a.connected().await;
    let (mut send, _recv) = conn.open_bi().await.expect("the control stream");
    send.write_all(&encode_framed(&hello())).await.expect("written");
    a.message().await;
    let mut sender = a.transport.send_run(peer, 1).await.expect("connected");
    let stalled = async {
        loop {
            if let Err(error) = sender.send(Bytes::from(vec![7; 64 * 1024])).await {
                return error;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, stalled).await.expect("in time"), RunSendError::Stalled);
}

#[tokio::test]
async fn one_node_cannot_take_all_the_places() {
    let mut a = Node::start(1).await;
    let (endpoint, first) = intruder(&a).await;
    let address = EndpointAddr::from_parts(
        EndpointId::from_bytes(&a.key().0).expect("a key"),
        a.addresses().into_iter().map(TransportAddr::Ip),
    );
    let mut more = vec![first];
    a.connected().await;
    for _ in 0..2 {
        more.push(endpoint.connect(address.clone(), super::quic::ALPN).await.expect("connect"));
        a.connected().await;
    }
    let surplus = endpoint.connect(address, super::quic::ALPN).await.expect("a handshake");
    timeout(PATIENCE, surplus.closed()).await.expect("in time");
}
