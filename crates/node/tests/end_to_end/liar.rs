//! A node that promises and cheats, driven by hand on the real transport.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use nearcast_content::keys::DeviceSecret;
use nearcast_content::tree::{self, RunPlan, Step};
use nearcast_content::{BLOCK_SIZE, BlockSet, NodeKey, ObjectId, ObjectSize, ProviderKey};
use nearcast_engine::swarm::PeerId;
use nearcast_engine::wire::directory::Holding;
use nearcast_engine::wire::{Have, Hello, PeerMessage, Serves, Versions, Want};
use nearcast_node::directory_client::{DirectoryClient, DirectoryClientConfig, Presence, tls_config};
use nearcast_node::transport::{RunSender, Transport, TransportConfig, TransportEvent};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::bench::{SONG, Site, Supernode, swarm_of, until};

/// How it answers a want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// With bytes of which one is another.
    Lies,
    /// Not at all.
    IsSilent,
    /// With half of the run, and then nothing, without an end.
    Stalls,
}

/// What others see of it, and what it counts.
#[derive(Debug, Default)]
struct Seen {
    wants: AtomicUsize,
    connections: AtomicUsize,
    parted: AtomicUsize,
}

/// A hostile node. It announces the whole song and offers it to whoever connects.
#[derive(Debug)]
pub(crate) struct Liar {
    transport: Transport,
    seen: Arc<Seen>,
    _directory: DirectoryClient,
    tasks: [JoinHandle<()>; 2],
}

impl Liar {
    /// Starts one and waits until the supernode knows what it claims to hold.
    pub(crate) async fn start(seed: u8, manner: Manner, site: &Site, supernode: &Supernode) -> Self {
        let key = DeviceSecret::new([seed; 32]).delivery_key(site.provider());
        let bind = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let (transport, events) =
            Transport::bind(TransportConfig::new(key.expose(), bind)).await.expect("binds");
        let (directory, mut told) = DirectoryClient::spawn(DirectoryClientConfig {
            supernode: supernode.url().parse().expect("an address"),
            provider: site.provider(),
            key,
            presence: Presence {
                serves: Serves::Others,
                port: transport.node_addr().port().expect("a port"),
                local: Vec::new(),
                ways: transport.ways(),
            },
            credential: None,
            source: None,
            tls: tls_config().expect("trust"),
        })
        .expect("starts");
        let swarm = swarm_of(site.provider(), SONG);
        directory.hold(Holding { swarm, renditions: 1, coverage: u64::MAX }).await.expect("runs");
        let seen = Arc::new(Seen::default());
        let act = Act::new(manner, site, transport.clone(), Arc::clone(&seen));
        let tasks = [
            tokio::spawn(act.play(events)),
            tokio::spawn(async move { while told.recv().await.is_some() {} }),
        ];
        supernode.titles(1).await;
        Self { transport, seen, _directory: directory, tasks }
    }

    /// Wants that came so far.
    pub(crate) fn wants(&self) -> usize {
        self.seen.wants.load(Ordering::Relaxed)
    }

    /// Connections that stood so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// Waits until all others have parted from it.
    pub(crate) async fn alone(&self) {
        let open = || self.connections().saturating_sub(self.seen.parted.load(Ordering::Relaxed));
        until("a hostile node is left alone", async || open() == 0).await;
    }

    /// Connects to a node by itself.
    pub(crate) fn dial(&self, node: NodeKey, addresses: Vec<SocketAddr>) {
        self.transport.connect(node, addresses, None);
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What it knows and does.
struct Act {
    manner: Manner,
    provider: ProviderKey,
    song: Vec<u8>,
    object: ObjectId,
    size: ObjectSize,
    outboard: Vec<u8>,
    transport: Transport,
    seen: Arc<Seen>,
    /// Runs that are begun and never ended.
    hanging: Vec<RunSender>,
    open: BTreeSet<PeerId>,
}

impl Act {
    fn new(manner: Manner, site: &Site, transport: Transport, seen: Arc<Seen>) -> Self {
        let song = site.song.clone();
        let size = ObjectSize::new(song.len() as u64).expect("in range");
        let (object, outboard) = tree::hash(song.as_slice(), size).expect("in memory");
        let (provider, hanging, open) = (site.provider(), Vec::new(), BTreeSet::new());
        Self { manner, provider, song, object, size, outboard, transport, seen, hanging, open }
    }

    async fn play(mut self, mut events: mpsc::Receiver<TransportEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                TransportEvent::Connected { peer, .. } => {
                    self.open.insert(peer);
                    self.seen.connections.fetch_add(1, Ordering::Relaxed);
                    self.send(peer, PeerMessage::Hello(self.hello()));
                }
                TransportEvent::Disconnected { peer } => {
                    self.open.remove(&peer);
                    self.seen.parted.fetch_add(1, Ordering::Relaxed);
                }
                TransportEvent::Message { peer, message } => self.answer(peer, message).await,
                TransportEvent::ConnectFailed { .. }
                | TransportEvent::PathChanged { .. }
                | TransportEvent::Malformed { .. }
                | TransportEvent::Run(_)
                | TransportEvent::Signal { .. }
                | TransportEvent::Closed => {}
            }
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            versions: Versions::OURS,
            features: 0,
            provider: self.provider,
            serves: Serves::Others,
            credential: None,
        }
    }

    fn send(&self, peer: PeerId, message: PeerMessage) {
        // Whoever has hung up is told nothing.
        let _ = self.transport.send(peer, message);
    }

    async fn answer(&mut self, peer: PeerId, message: PeerMessage) {
        match message {
            PeerMessage::Interest { object } if object == self.object => {
                let added: BlockSet = [self.size.all()].into_iter().collect();
                self.send(
                    peer,
                    PeerMessage::Have(Have {
                        object,
                        added,
                        removed: BlockSet::EMPTY,
                        coming: BlockSet::EMPTY,
                    }),
                );
            }
            PeerMessage::Want(want) => {
                self.seen.wants.fetch_add(1, Ordering::Relaxed);
                // A victim that hangs up in the middle is what this is about.
                let _ = self.cheat(peer, &want).await;
            }
            PeerMessage::Hello(_)
            | PeerMessage::Interest { .. }
            | PeerMessage::NoInterest { .. }
            | PeerMessage::Have(_)
            | PeerMessage::Cancel { .. }
            | PeerMessage::Refuse { .. }
            | PeerMessage::Choke { .. }
            | PeerMessage::Goodbye => {}
        }
    }

    async fn cheat(
        &mut self,
        peer: PeerId,
        want: &Want,
    ) -> Result<(), nearcast_node::transport::RunSendError> {
        if self.manner == Manner::IsSilent {
            return Ok(());
        }
        let pieces: Vec<Bytes> = RunPlan::new(self.size, want.blocks).map(|step| self.piece(step)).collect();
        let mut sender = self.transport.send_run(peer, want.request).await?;
        let sent = if self.manner == Manner::Stalls { pieces.len() / 2 } else { pieces.len() };
        for (number, piece) in pieces[..sent].iter().enumerate() {
            let last = number + 1 == pieces.len();
            sender.send(if last { flipped(piece) } else { piece.clone() }).await?;
        }
        if self.manner == Manner::Stalls {
            self.hanging.push(sender);
            return Ok(());
        }
        sender.finish()
    }

    fn piece(&self, step: Step) -> Bytes {
        let at = |n: u64| usize::try_from(n).expect("small");
        match step {
            Step::Parent(offset) => {
                Bytes::copy_from_slice(&self.outboard[at(offset)..at(offset) + tree::PAIR_LEN])
            }
            Step::Block(block) => {
                let start = at(u64::from(block) * BLOCK_SIZE);
                let end = self.song.len().min(start + at(BLOCK_SIZE));
                Bytes::copy_from_slice(&self.song[start..end])
            }
        }
    }
}

/// The same bytes but for one bit in the middle.
fn flipped(piece: &Bytes) -> Bytes {
    let mut bytes = piece.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.into()
}
