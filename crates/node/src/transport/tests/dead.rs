//! Peers that vanish without a word.

use std::sync::mpsc as blocking;
use std::time::Instant;

use bytes::Bytes;
use nearcast_content::{BlockRange, ObjectId};
use nearcast_engine::wire::Want;

use super::*;

/// A peer on a runtime of its own that can be torn down at once: its sockets close, nothing is said.
struct Victim {
    key: NodeKey,
    addresses: Vec<SocketAddr>,
    kill: blocking::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Victim {
    /// A peer that says hello and sends the beginning of every run it is asked for.
    fn start() -> Self {
        let (kill, killed) = blocking::channel();
        let (ready, started) = blocking::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let node = runtime.block_on(Node::start(66));
            ready.send((node.key(), node.addresses())).expect("the test waits");
            runtime.spawn(begin_runs(node));
            killed.recv().expect("the test ends it");
            // Tasks are dropped where they stand.
            runtime.shutdown_background();
        });
        let (key, addresses) = started.recv().expect("a peer");
        Self { key, addresses, kill, thread }
    }

    fn kill(self) {
        self.kill.send(()).expect("it lives");
        self.thread.join().expect("it ends well");
    }
}

async fn begin_runs(mut node: Node) {
    let mut begun = Vec::new();
    while let Some(event) = node.events.recv().await {
        if let TransportEvent::Connected { peer, .. } = event {
            node.transport.send(peer, hello()).expect("connected");
        } else if let TransportEvent::Message { peer, message: PeerMessage::Want(want) } = event {
            let mut sender = node.transport.send_run(peer, want.request).await.expect("connected");
            sender.send(Bytes::from_static(b"begun")).await.expect("sent");
            begun.push(sender);
        }
    }
}

fn want(request: u32) -> PeerMessage {
    PeerMessage::Want(Want {
        request,
        object: ObjectId([1; 32]),
        blocks: BlockRange::new(0, 16),
        due_millis: 1000,
    })
}

#[tokio::test]
async fn a_peer_killed_in_the_middle_of_a_run_is_noticed_within_five_seconds() {
    let victim = Victim::start();
    let mut a = Node::start(1).await;
    a.transport.connect(victim.key, victim.addresses.clone(), None);
    let (peer, _) = a.connected().await;
    a.transport.send(peer, hello()).expect("connected");
    a.message().await;
    a.transport.send(peer, want(1)).expect("connected");
    let mut run = a.run().await;
    let mut buf = [0; 5];
    run.stream.read_exact(&mut buf).await.expect("the beginning");

    tokio::task::spawn_blocking(|| victim.kill()).await.expect("killed");
    let killed = Instant::now();
    assert_eq!(run.stream.read_exact(&mut buf).await, Err(RunReadError::Lost));
    assert_eq!(a.disconnected().await, peer);
    let noticed = killed.elapsed();
    assert!(noticed > Duration::from_millis(900), "it said something while dying: {noticed:?}");
    assert!(noticed < Duration::from_secs(6), "five seconds, and one for a slow machine: {noticed:?}");
}

#[tokio::test]
async fn a_peer_killed_while_nothing_is_expected_of_it_is_noticed_within_thirty_seconds() {
    let victim = Victim::start();
    let mut a = Node::start(1).await;
    a.transport.connect(victim.key, victim.addresses.clone(), None);
    let (peer, _) = a.connected().await;
    a.transport.send(peer, hello()).expect("connected");
    a.message().await;
    tokio::task::spawn_blocking(|| victim.kill()).await.expect("killed");
    let killed = Instant::now();
    let gone = timeout(Duration::from_secs(30), async {
        loop {
            if let Some(TransportEvent::Disconnected { peer }) = a.events.recv().await {
                return peer;
            }
        }
    });
    assert_eq!(gone.await.expect("in time"), peer);
    assert!(killed.elapsed() > Duration::from_secs(6), "nobody looked closely: {:?}", killed.elapsed());
}

#[tokio::test]
async fn a_peer_that_is_silent_but_alive_is_left_alone() {
    let ((mut a, to_b), (mut b, _)) = pair().await;
    a.transport.send(to_b, want(1)).expect("connected");
    b.message().await;
    // Nothing is said for longer than a dead peer lasts.
    let quiet = timeout(Duration::from_secs(7), async {
        loop {
            let event = a.event().await;
            if !matches!(event, TransportEvent::PathChanged { .. }) {
                return event;
            }
        }
    })
    .await;
    assert!(quiet.is_err(), "unexpected: {quiet:?}");
    a.transport.send(to_b, PeerMessage::Cancel { request: 1 }).expect("still connected");
    assert_eq!(b.message().await.1, PeerMessage::Cancel { request: 1 });
}
