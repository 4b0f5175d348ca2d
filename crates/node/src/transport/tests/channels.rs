//! Data channels: two nodes, arranged by hand.

use bytes::Bytes;
use nearcast_content::keys::{DeliveryKey, DeviceSecret};
use nearcast_content::{BlockRange, ObjectId};
use nearcast_engine::Nearness;
use nearcast_engine::swarm::{Path, Side};
use nearcast_engine::wire::{ChannelSignal, Want, decode, encode};

use super::*;

const PROVIDER: ProviderKey = ProviderKey([9; 32]);

fn key(seed: u8) -> DeliveryKey {
    DeviceSecret::new([seed; 32]).delivery_key(PROVIDER)
}

async fn node(seed: u8) -> Node {
    let key = key(seed);
    let channels = Some(ChannelsConfig { provider: PROVIDER, key: key.clone() });
    Node::with(TransportConfig { channels, ..TransportConfig::new(key.expose(), LOOPBACK) }).await
}

/// What became of a call at one end.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    Connected(PeerId),
    Failed,
}

/// Calls, and carries signals as `change` leaves them, until `a` knows what became of it; then, if it stands, until `b`
/// does.
async fn call(
    a: &mut Node,
    b: &mut Node,
    mut change: impl FnMut(ChannelSignal) -> Option<ChannelSignal>,
) -> (Met, Option<PeerId>) {
    a.transport.call(b.key());
    let (mut met, mut of_b) = (None, None);
    loop {
        match (met.take(), of_b) {
            (Some(Met::Failed), None) => return (Met::Failed, None),
            (Some(met), Some(of_b)) => return (met, Some(of_b)),
            (still, _) => met = still,
        }
        let (event, by_a) = tokio::select! {
            event = a.event() => (event, true),
            event = b.event() => (event, false),
        };
        if let TransportEvent::Signal { payload, .. } = event {
            let signal = decode::<ChannelSignal>(&payload).expect("a signal");
            let Some(signal) = change(signal) else { continue };
            let (from, to) = if by_a { (&*a, &*b) } else { (&*b, &*a) };
            to.transport.signalled(from.key(), encode(&signal));
        } else if let TransportEvent::Connected { peer, side, path, nearness, node, .. } = event {
            assert_eq!((path, nearness), (Path::Direct, Some(Nearness::Lan)));
            if by_a {
                assert_eq!((side, node), (Side::Dialed, b.key()));
                met = Some(Met::Connected(peer));
            } else {
                assert_eq!((side, node), (Side::Accepted, a.key()));
                of_b = Some(peer);
            }
        } else {
            assert!(by_a && matches!(event, TransportEvent::ConnectFailed { .. }), "unexpected: {event:?}");
            met = Some(Met::Failed);
        }
    }
}

/// Two nodes with a data channel, each with its number for the other.
async fn pair_by_channel() -> ((Node, PeerId), (Node, PeerId)) {
    let (mut a, mut b) = (node(1).await, node(2).await);
    let (Met::Connected(to_b), Some(to_a)) = call(&mut a, &mut b, Some).await else {
        panic!("not connected")
    };
    ((a, to_b), (b, to_a))
}

fn want(request: u32, blocks: u32) -> PeerMessage {
    let object = ObjectId([3; 32]);
    PeerMessage::Want(Want { request, object, blocks: BlockRange::new(0, blocks), due_millis: 100 })
}

/// A run that is asked for and sent.
async fn deliver(
    (holder, to_asker): (&mut Node, PeerId),
    (asker, to_holder): (&mut Node, PeerId),
    bytes: &Bytes,
) {
    asker.transport.send(to_holder, want(7, 64)).expect("connected");
    assert_eq!(holder.message().await, (to_asker, want(7, 64)));
    let send = async {
        let mut sender = holder.transport.send_run(to_asker, 7).await.expect("connected");
        sender.send(bytes.clone()).await.expect("sent");
        sender.finish().expect("sent");
    };
    let receive = async {
        let mut run = asker.run().await;
        assert_eq!((run.peer, run.request), (to_holder, 7));
        let mut read = vec![0; bytes.len()];
        run.stream.read_exact(&mut read).await.expect("the whole run");
        run.stream.complete();
        assert_eq!(read, **bytes);
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn messages_and_runs_go_both_ways() {
    let ((mut a, to_b), (mut b, to_a)) = pair_by_channel().await;
    a.transport.send(to_b, hello()).expect("connected");
    b.transport.send(to_a, hello()).expect("connected");
    assert_eq!(a.message().await, (to_b, hello()));
    assert_eq!(b.message().await, (to_a, hello()));
    let bytes: Bytes = (0..=250_u8).cycle().step_by(7).take(1_000_001).collect();
    deliver((&mut a, to_b), (&mut b, to_a), &bytes).await;
    deliver((&mut b, to_a), (&mut a, to_b), &bytes).await;
}

#[tokio::test]
async fn paths_of_channels_tell_round_trips_and_what_arrived() {
    let ((mut a, to_b), (mut b, to_a)) = pair_by_channel().await;
    a.transport.reports([to_b]);
    let bytes = Bytes::from(vec![5; 300_000]);
    deliver((&mut a, to_b), (&mut b, to_a), &bytes).await;
    a.transport.send(to_b, hello()).expect("connected");
    assert_eq!(b.message().await, (to_a, hello()));
    // What was acknowledged with it has been counted when the answer to it is there.
    b.transport.send(to_a, hello()).expect("connected");
    assert_eq!(a.message().await, (to_b, hello()));
    let [report] = &a.transport.reports([to_b])[..] else { panic!("one report") };
    assert!(report.acked >= 300_000, "{report:?}");
    assert!(report.rtt.is_some_and(|rtt| rtt < nearcast_engine::Span::from_secs(5)), "{report:?}");
}

#[tokio::test]
async fn an_end_is_told_and_what_hangs_on_it_ends() {
    let ((mut a, to_b), (mut b, to_a)) = pair_by_channel().await;
    b.transport.send(to_a, want(1, 4)).expect("connected");
    assert_eq!(a.message().await, (to_b, want(1, 4)));
    let mut sender = a.transport.send_run(to_b, 1).await.expect("connected");
    sender.send(Bytes::from_static(b"some")).await.expect("sent");
    let mut run = b.run().await;
    a.transport.disconnect(to_b);
    assert_eq!(a.disconnected().await, to_b);
    assert_eq!(b.disconnected().await, to_a);
    assert_eq!(sender.send(Bytes::from_static(b"more")).await, Err(RunSendError::Lost));
    assert_eq!(run.stream.wait_for(5).await, Err(RunReadError::Short));
    assert_eq!(a.transport.send(to_b, hello()), Err(SendError::Gone(to_b)));
}

#[tokio::test]
async fn a_run_given_up_or_cancelled_is_told_to_the_other_side() {
    let ((mut a, to_b), (mut b, to_a)) = pair_by_channel().await;
    b.transport.send(to_a, want(1, 4)).expect("connected");
    assert_eq!(a.message().await, (to_b, want(1, 4)));
    let mut sender = a.transport.send_run(to_b, 1).await.expect("connected");
    sender.send(Bytes::from_static(b"some")).await.expect("sent");
    let mut run = b.run().await;
    sender.reset();
    assert_eq!(run.stream.wait_for(5).await, Err(RunReadError::Short));

    b.transport.send(to_a, want(2, 4)).expect("connected");
    assert_eq!(a.message().await, (to_b, want(2, 4)));
    let mut sender = a.transport.send_run(to_b, 2).await.expect("connected");
    sender.send(Bytes::from_static(b"some")).await.expect("sent");
    b.run().await.stream.stop();
    assert_eq!(a.message().await, (to_b, PeerMessage::Cancel { request: 2 }));
}

#[tokio::test]
async fn somebody_in_the_middle_is_found_out() {
    let (mut a, mut b, middle) = (node(1).await, node(2).await, node(3).await);
    // What the middle says of itself, as an answer to a call.
    let print = |description: &str| {
        let line =
            description.lines().find(|line| line.starts_with("a=fingerprint:")).expect("a fingerprint");
        line.to_owned()
    };
    middle.transport.call(a.key());
    let mut theirs = None;
    let mut middle = middle;
    while theirs.is_none() {
        if let TransportEvent::Signal { payload, .. } = middle.event().await
            && let Ok(ChannelSignal::Offer { description, .. }) = decode(&payload)
        {
            theirs = Some(print(&description));
        }
    }
    let theirs = theirs.expect("an offer");
    let met = call(&mut a, &mut b, |signal| {
        let ChannelSignal::Answer { session, description } = signal else { return Some(signal) };
        let description = description.replace(&print(&description), &theirs);
        Some(ChannelSignal::Answer { session, description })
    });
    assert_eq!(met.await, (Met::Failed, None));
}

#[tokio::test]
async fn a_call_that_nobody_answers_fails_in_time() {
    let (mut a, mut b) = (node(1).await, node(2).await);
    assert_eq!(call(&mut a, &mut b, |_| None).await, (Met::Failed, None));
}

#[tokio::test]
async fn a_description_with_media_is_not_taken() {
    let (mut a, mut b) = (node(1).await, node(2).await);
    let met = call(&mut a, &mut b, |signal| {
        assert!(!matches!(signal, ChannelSignal::Answer { .. }), "it is taken");
        let ChannelSignal::Offer { session, description } = signal else { return Some(signal) };
        let media = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:audio\r\n";
        Some(ChannelSignal::Offer { session, description: format!("{description}{media}") })
    });
    assert_eq!(met.await, (Met::Failed, None));
}
