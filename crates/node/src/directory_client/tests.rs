//! Clients and a supernode over loopback.

use std::net::Ipv4Addr;
use std::time::Duration;

use nearcast_engine::Nearness;
use tokio::time::timeout;

use super::*;
use crate::supernode::testing::{PATIENCE, PROVIDER, Running, key, swarm};
use crate::supernode::{SupernodeConfig, credential_required};

fn config(supernode: SocketAddr, n: u32) -> DirectoryClientConfig {
    DirectoryClientConfig {
        supernode: format!("ws://{supernode}").parse().expect("loopback is let in"),
        provider: PROVIDER,
        key: key(n),
        presence: Presence {
            serves: Serves::Others,
            port: 4_000 + u16::try_from(n).expect("small"),
            local: vec![],
            ways: Ways::QUIC,
        },
        credential: None,
        source: None,
        tls: tls_config().expect("ring goes with TLS 1.3"),
    }
}

struct Node {
    client: DirectoryClient,
    events: mpsc::Receiver<Event>,
}

impl Node {
    fn start(config: DirectoryClientConfig) -> Self {
        let (client, events) = DirectoryClient::spawn(config).expect("random bytes");
        Self { client, events }
    }

    /// Node `n`, connected from an address of this machine.
    async fn up(supernode: &Running, n: u32, source: [u8; 4]) -> Self {
        let source = Some(Ipv4Addr::from(source).into());
        let mut node = Self::start(DirectoryClientConfig { source, ..config(supernode.address, n) });
        let event = node.event().await;
        assert!(matches!(&event, Event::Up { observed, .. } if *observed == source), "{event:?}");
        node
    }

    async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("something happens").expect("the task runs")
    }

    /// Waits for what `wanted` picks, past other events.
    async fn wait_for<T>(&mut self, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.event().await) {
                return found;
            }
        }
    }

    async fn hold(&self, title: u8) {
        let holding = Holding { swarm: swarm(title), renditions: 1, coverage: u64::MAX };
        self.client.hold(holding).await.expect("the task runs");
    }

    async fn find(&mut self, title: u8) -> Vec<FoundHolder> {
        self.client.lookup(swarm(title), 0).await.expect("the task runs");
        self.wait_for(|event| {
            let Event::Found { swarm: found, holders, .. } = event else { return None };
            (found == swarm(title)).then_some(holders)
        })
        .await
    }

    /// Asks until the holders are these, in any order.
    async fn find_just(&mut self, title: u8, nodes: &[u32]) -> Vec<FoundHolder> {
        let mut wanted: Vec<NodeKey> = nodes.iter().map(|n| key(*n).node()).collect();
        wanted.sort();
        let found = timeout(PATIENCE, async {
            loop {
                let holders = self.find(title).await;
                let mut found: Vec<NodeKey> = holders.iter().map(|holder| holder.node).collect();
                found.sort();
                if found == wanted {
                    return holders;
                }
                // The directory is asked four times a second at most.
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("never just {nodes:?}"))
    }
}

#[tokio::test]
async fn nodes_find_each_other_the_near_first() {
    let supernode = Running::plain().await;
    let mut asker = Node::up(&supernode, 1, [127, 0, 0, 1]).await;
    let far = Node::up(&supernode, 2, [127, 9, 0, 1]).await;
    let neighbour = Node::up(&supernode, 3, [127, 0, 0, 9]).await;
    let mut same = Node::up(&supernode, 4, [127, 0, 0, 1]).await;
    for node in [&asker, &far, &neighbour, &same] {
        node.hold(1).await;
    }
    let found = asker.find_just(1, &[2, 3, 4]).await;
    let told: Vec<_> =
        found.iter().map(|holder| (holder.node, holder.nearness, holder.addresses.clone())).collect();
    let at = |ip: [u8; 4], port| vec![SocketAddr::new(Ipv4Addr::from(ip).into(), port)];
    assert_eq!(
        told,
        [
            (key(4).node(), Nearness::Lan, at([127, 0, 0, 1], 4_004)),
            (key(3).node(), Nearness::Neighbourhood, at([127, 0, 0, 9], 4_003)),
            (key(2).node(), Nearness::Far, at([127, 9, 0, 1], 4_002)),
        ]
    );
    assert!(found.iter().all(|holder| holder.coverage == u64::MAX && holder.renditions == 1));
    same.find_just(1, &[1, 2, 3]).await;
}

#[tokio::test]
async fn who_leaves_or_drops_a_title_is_found_no_more() {
    let supernode = Running::plain().await;
    let mut asker = Node::up(&supernode, 1, [127, 0, 0, 1]).await;
    let leaver = Node::up(&supernode, 2, [127, 0, 0, 1]).await;
    let dropper = Node::up(&supernode, 3, [127, 0, 0, 1]).await;
    leaver.hold(1).await;
    dropper.hold(1).await;
    asker.find_just(1, &[2, 3]).await;
    drop(leaver);
    dropper.client.drop_title(swarm(1)).await.expect("the task runs");
    asker.find_just(1, &[]).await;
    supernode.sessions(2).await;
}

#[tokio::test]
async fn after_a_restart_of_the_supernode_nodes_come_back_by_themselves() {
    let supernode = Running::plain().await;
    let address = supernode.address;
    let mut asker = Node::up(&supernode, 1, [127, 0, 0, 1]).await;
    let mut holder = Node::up(&supernode, 2, [127, 0, 0, 1]).await;
    holder.hold(1).await;
    asker.find_just(1, &[2]).await;

    supernode.stop().await;
    assert_eq!(asker.event().await, Event::Down);
    assert_eq!(holder.event().await, Event::Down);
    // Asked while nobody is there to answer.
    asker.client.lookup(swarm(2), 0).await.expect("the task runs");
    let supernode = Running::start_at(SupernodeConfig::new(vec![PROVIDER]), address).await;
    for node in [&mut asker, &mut holder] {
        node.wait_for(|event| matches!(event, Event::Up { .. }).then_some(())).await;
    }
    let answered = asker.wait_for(|event| {
        let Event::Found { swarm, .. } = event else { return None };
        Some(swarm)
    });
    assert_eq!(answered.await, swarm(2));
    asker.find_just(1, &[2]).await;
    supernode.sessions(2).await;
}

#[tokio::test]
async fn signals_pass_between_two_nodes() {
    let supernode = Running::plain().await;
    let caller = Node::up(&supernode, 1, [127, 0, 0, 1]).await;
    let mut called = Node::up(&supernode, 2, [127, 0, 0, 1]).await;
    caller.client.signal(key(2).node(), vec![1, 2, 3]).await.expect("the task runs");
    assert_eq!(called.event().await, Event::Signal { from: key(1).node(), payload: vec![1, 2, 3] });
}

#[tokio::test]
async fn a_changed_policy_reaches_who_is_there_and_who_comes() {
    let supernode = Running::plain().await;
    let mut there = Node::up(&supernode, 1, [127, 0, 0, 1]).await;
    supernode.handle.policy_changed(PROVIDER, 8).await;
    assert_eq!(there.event().await, Event::PolicyChanged { sequence: 8 });
    let mut later = Node::up(&supernode, 2, [127, 0, 0, 1]).await;
    assert_eq!(later.event().await, Event::PolicyChanged { sequence: 8 });
}

#[tokio::test]
async fn the_relay_and_the_stun_server_are_told() {
    let relay = Some("https://relay.example.org/".to_owned());
    let config_of = SupernodeConfig {
        relay: relay.clone(),
        stun_port: Some(3_478),
        ..SupernodeConfig::new(vec![PROVIDER])
    };
    let supernode = Running::start(config_of).await;
    let mut node = Node::start(config(supernode.address, 1));
    let stun = Some("127.0.0.1:3478".to_owned());
    let up = Event::Up { observed: Some(Ipv4Addr::LOCALHOST.into()), relay, stun };
    assert_eq!(node.event().await, up);
}

#[tokio::test]
async fn a_node_that_stops_serving_says_so_and_is_found_no_more() {
    let supernode = Running::plain().await;
    let mut asker = Node::up(&supernode, 1, [127, 0, 0, 1]).await;
    let mut holder = Node::up(&supernode, 2, [127, 0, 0, 1]).await;
    holder.hold(1).await;
    asker.find_just(1, &[2]).await;
    let leaf = Presence { serves: Serves::Nobody, port: 0, local: vec![], ways: Ways::QUIC };
    holder.client.present(leaf).await.expect("the task runs");
    assert_eq!(holder.event().await, Event::Down);
    assert!(matches!(holder.event().await, Event::Up { .. }));
    asker.find_just(1, &[]).await;
    supernode.sessions(2).await;
}

#[tokio::test]
async fn a_node_without_credential_is_told_that_it_is_refused() {
    let strict =
        SupernodeConfig { credentials: credential_required(), ..SupernodeConfig::new(vec![PROVIDER]) };
    let supernode = Running::start(strict).await;
    let mut node = Node::start(config(supernode.address, 1));
    assert_eq!(node.event().await, Event::Refused(RefusedReason::Credential));
    let too_long =
        DirectoryClientConfig { credential: Some("x".repeat(5_000)), ..config(supernode.address, 1) };
    assert_eq!(DirectoryClient::spawn(too_long).err(), Some(ClientError::CredentialTooLong(5_000)));
}

#[tokio::test]
async fn addresses_of_the_own_network_are_told_to_nodes_in_it() {
    let supernode = Running::plain().await;
    let mut asker = Node::up(&supernode, 1, [127, 0, 0, 1]).await;
    let local =
        vec!["127.0.0.1:5000".parse().expect("an address"), "192.0.2.9:5000".parse().expect("an address")];
    let presence = Presence { serves: Serves::Others, port: 5_000, local, ways: Ways::QUIC };
    let mut holder = Node::start(DirectoryClientConfig { presence, ..config(supernode.address, 2) });
    holder.wait_for(|event| matches!(event, Event::Up { .. }).then_some(())).await;
    holder.hold(1).await;
    let found = asker.find_just(1, &[2]).await;
    assert_eq!(
        found[0].addresses,
        ["127.0.0.1:5000".parse().expect("an address")],
        "public ones are not believed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_nodes_connect_and_find_holders() {
    const NODES: u32 = 2_000;
    let supernode = Running::plain().await;
    let begun = Instant::now();
    let mut nodes = Vec::new();
    for n in 0..NODES {
        let [.., high, low] = n.to_be_bytes();
        let source = Some(Ipv4Addr::new(127, 1, high, low.max(1)).into());
        let presence = Presence { serves: Serves::Others, port: 4_433, local: vec![], ways: Ways::QUIC };
        let node = Node::start(DirectoryClientConfig { source, presence, ..config(supernode.address, n) });
        nodes.push(node);
    }
    for node in &mut nodes {
        node.hold(1).await;
    }
    supernode.sessions(NODES as usize).await;
    println!("{NODES} sessions after {:?}", begun.elapsed());
    for node in &mut nodes {
        let found = node.find(1).await;
        assert!(found.len() >= 24 && found.is_sorted_by_key(|holder| holder.nearness));
    }
    println!("{NODES} lookups answered after {:?}", begun.elapsed());
    let status = supernode.handle.status().await;
    assert_eq!(
        (status.sessions, status.turned_away, status.expired, status.misbehaved),
        (NODES as usize, 0, 0, 0)
    );
}
