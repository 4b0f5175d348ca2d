//! The loop that drives the engine: what happens goes in, what it wants done is carried out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nearcast_content::{BlockRange, NodeKey, ObjectId, Verified};
use nearcast_engine::limits::MAX_ADDRESSES;
use nearcast_engine::swarm::{
    Candidate, Fault, Footprint, Handed, Input, Note, Output, Path, PeerId, RequestId, Sharing, Swarm,
    Tallies, UPLINK_TICK, UploadId,
};
use nearcast_engine::wire::directory::Holding;
use nearcast_engine::wire::{PeerMessage, SwarmId, Want, Ways};
use nearcast_engine::{Nearness, Span, Time};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::board::Board;
use super::counts::Counts;
use super::pacer::Pacer;
use super::remembered::Met;
use super::state::State;
use super::{runs, uploads};
use crate::directory_client::{DirectoryClient, Event as DirectoryEvent, FoundHolder};
use crate::origin::OriginClient;
use crate::store::Store;
use crate::transport::{IncomingRun, RelayChoice, RelayUrl, Transport, TransportEvent};

/// An input with real bytes behind its verdicts.
pub(super) type NodeInput = Input<Verified<BlockRange>>;

/// What other tasks tell the loop.
#[derive(Debug)]
pub(super) enum Told {
    /// Something for the engine as it is.
    Input(NodeInput),
    /// A question about the engine's state.
    Ask(oneshot::Sender<Glimpse>),
    /// End the loop.
    Stop,
}

/// What the engine says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Glimpse {
    pub(super) peers: usize,
    pub(super) held_bytes: u64,
    pub(super) supernode: SupernodeState,
    /// Of the peers, those in the own network.
    pub(super) near: usize,
    /// Whether this node hands on, and why not.
    pub(super) sharing: Option<Sharing>,
    /// What it handed on this month.
    pub(super) handed: Option<Handed>,
    /// How much it remembers.
    pub(super) footprint: Footprint,
}

/// Whether a node has a session with its supernode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SupernodeState {
    /// It does not answer, or did not yet: others are not found.
    #[default]
    Away,
    /// It finds others.
    Connected,
}

/// Queue to the loop: every task that reports waits when it is full, so nothing grows.
pub(super) const QUEUE: usize = 1_024;

/// Between two reports of paths.
const UPLINK: Duration = Duration::from_micros(UPLINK_TICK.micros());

/// Addresses remembered for nodes that the directory named.
const MAX_ADDRESS_BOOK: usize = 4_096;

/// Everything the loop needs.
pub(super) struct Parts {
    pub(super) swarm: Swarm,
    pub(super) store: Store,
    pub(super) origin: OriginClient,
    pub(super) transport: Transport,
    pub(super) directory: DirectoryClient,
    pub(super) board: Arc<Board>,
    pub(super) counts: Arc<Counts>,
    pub(super) state: Arc<State>,
    pub(super) pacer: Arc<Pacer>,
    pub(super) tell: mpsc::Sender<Told>,
}

/// A run that was asked of a peer and has not begun to come.
#[derive(Debug)]
struct Awaited {
    peer: PeerId,
    target: runs::Target,
}

/// The loop.
pub(super) struct Drive {
    parts: Parts,
    epoch: Instant,
    awaited: BTreeMap<RequestId, Awaited>,
    fetching: BTreeMap<RequestId, AbortHandle>,
    serving: BTreeMap<UploadId, AbortHandle>,
    /// When paths are reported next.
    report_at: Option<Instant>,
    /// Nodes at the other ends.
    nodes: BTreeMap<PeerId, (NodeKey, Nearness)>,
    addresses: BTreeMap<NodeKey, Address>,
    relay: Option<RelayUrl>,
    supernode: SupernodeState,
    tallies: Tallies,
}

/// Where a node can be reached.
#[derive(Debug)]
struct Address {
    direct: Vec<SocketAddr>,
    ways: Ways,
    seen: u64,
    /// It was reached, and that is remembered.
    met: bool,
}

impl Address {
    fn new(direct: Vec<SocketAddr>, ways: Ways) -> Self {
        Self { direct, ways, seen: 0, met: false }
    }
}

impl Drive {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            epoch: Instant::now(),
            awaited: BTreeMap::new(),
            fetching: BTreeMap::new(),
            serving: BTreeMap::new(),
            report_at: None,
            nodes: BTreeMap::new(),
            addresses: BTreeMap::new(),
            relay: None,
            supernode: SupernodeState::Away,
            tallies: Tallies::default(),
        }
    }

    /// Runs until told to stop.
    pub(super) async fn run(
        mut self,
        mut told: mpsc::Receiver<Told>,
        mut transport: mpsc::Receiver<TransportEvent>,
        mut directory: mpsc::Receiver<DirectoryEvent>,
    ) {
        loop {
            let wake = self.carry_out().await;
            let sleep = tokio::time::sleep_until(self.instant(wake).into());
            let report = self.report_at.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = sleep, if wake != Time::NEVER => self.input(Input::Timeout),
                () = tokio::time::sleep_until(report.into()), if self.report_at.is_some() => self.report(),
                Some(event) = transport.recv() => self.transport_event(event).await,
                Some(event) = directory.recv() => self.directory_event(event),
                message = told.recv() => match message {
                    Some(Told::Input(input)) => self.told(input),
                    Some(Told::Ask(answer)) => {
                        // Whoever asked may have gone away: then nobody is missing an answer.
                        let _ = answer.send(self.glimpse());
                    }
                    Some(Told::Stop) | None => break,
                },
            }
        }
        for task in self.fetching.values().chain(self.serving.values()) {
            task.abort();
        }
        if let Some(handed) = self.parts.swarm.handed() {
            self.remember(handed);
        }
    }

    fn glimpse(&self) -> Glimpse {
        let swarm = &self.parts.swarm;
        Glimpse {
            peers: swarm.peer_count(),
            held_bytes: swarm.held_bytes(),
            supernode: self.supernode,
            near: swarm.near_count(),
            sharing: Some(swarm.sharing()),
            handed: swarm.handed(),
            footprint: swarm.footprint(),
        }
    }

    /// Tells the engine what the paths did that it watches.
    fn report(&mut self) {
        let reports = self.parts.transport.reports(self.parts.swarm.watched());
        tracing::debug!(?reports, "paths");
        self.input(Input::Uplink(reports));
        self.report_at = (!self.parts.swarm.watched().is_empty()).then(|| Instant::now() + UPLINK);
    }

    fn remember(&self, handed: Handed) {
        if let Err(error) = self.parts.state.set_handed(handed) {
            tracing::warn!(%error, "what was handed on was not remembered");
        }
    }

    fn serve(&mut self, run: uploads::Upload) {
        let task = uploads::send(run, &self.parts);
        self.serving.insert(run.upload, task);
        self.report_at.get_or_insert_with(|| Instant::now() + UPLINK);
    }

    fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn instant(&self, time: Time) -> Instant {
        // An hour stands for never: the loop wakes, finds nothing, and sleeps again.
        let ahead = time.since(self.now()).micros().min(3_600_000_000);
        Instant::now() + std::time::Duration::from_micros(ahead)
    }

    fn input(&mut self, input: NodeInput) {
        if let Err(error) = self.parts.swarm.handle_input(self.now(), input) {
            tracing::error!(%error, "the engine refused an input");
        }
    }

    fn told(&mut self, input: NodeInput) {
        if let Input::Finished { request } | Input::Failed { request, .. } = &input {
            self.fetching.remove(request);
        }
        if matches!(input, Input::Failed { fault: Fault::Corrupt, .. }) {
            self.parts.counts.rejected_blocks.inc();
        }
        if let Input::Closed { read } = &input {
            self.parts.board.ended(*read);
        }
        if let Input::Stopped { play } = &input {
            self.parts.board.advise(*play, None);
        }
        if let Input::SentAll { upload } = &input {
            self.serving.remove(upload);
        }
        self.input(input);
    }

    /// Does what the engine wants, and says when it wants to be woken.
    async fn carry_out(&mut self) -> Time {
        loop {
            let output = self.parts.swarm.poll_output();
            if let Output::Timeout(at, reason) = output {
                tracing::trace!(?at, ?reason, "sleeping");
                let (swarm, counts) = (&self.parts.swarm, &self.parts.counts);
                counts.peers.set(i64::try_from(swarm.peer_count()).unwrap_or(i64::MAX));
                counts.held.set(swarm.held_bytes());
                return at;
            }
            self.carry(output).await;
        }
    }

    async fn carry(&mut self, output: Output) {
        match output {
            Output::Timeout(..) => {}
            Output::AskOrigin { request, object, size, blocks } => {
                self.fetch_origin(request, runs::Target { object, size, blocks });
            }
            Output::AskPeer { request, peer, object, size, blocks, due_millis } => {
                self.awaited.insert(request, Awaited { peer, target: runs::Target { object, size, blocks } });
                let want = Want { request: request.0, object, blocks, due_millis };
                self.send(peer, PeerMessage::Want(want));
            }
            Output::Cancel { request } => self.cancel(request),
            Output::Send { peer, message } => self.send(peer, message),
            Output::Serve { upload, peer, request, object, size: _, blocks, due, over } => {
                self.serve(uploads::Upload { upload, peer, request, object, blocks, due, over });
            }
            Output::Pace(rate) => {
                tracing::debug!(?rate, "pace");
                self.parts.pacer.set(rate);
            }
            Output::Remember(handed) => self.remember(handed),
            Output::Advise { play, advice } => {
                tracing::debug!(play = play.0, ?advice, "advice");
                self.parts.board.advise(play, advice);
            }
            Output::StopServing { upload } => {
                if let Some(task) = self.serving.remove(&upload) {
                    task.abort();
                }
            }
            Output::Connect { node } => self.connect(node),
            Output::Disconnect { peer, why } => {
                tracing::debug!(peer = peer.0, ?why, "closing a connection");
                self.parts.transport.disconnect(peer);
            }
            Output::Strike { node, strikes } => {
                tracing::warn!(%node, strikes, "a peer handed out bad bytes and was dropped");
                self.parts.counts.strikes.inc();
                self.parts.state.strike(node, strikes);
            }
            Output::Lookup { swarm, renditions } => {
                // The client takes commands at once, and ends only with the runtime.
                let _ = self.parts.directory.lookup(swarm, renditions).await;
            }
            Output::Announce { swarm, renditions: 0, .. } => {
                let _ = self.parts.directory.drop_title(swarm).await;
            }
            Output::Announce { swarm, renditions, coverage } => {
                let _ = self.parts.directory.hold(Holding { swarm, renditions, coverage }).await;
            }
            Output::Forgot { swarm } => self.parts.board.forgot(swarm),
            Output::Evict { object, blocks } => self.evict(object, blocks),
            Output::Note(note) => {
                tracing::debug!(?note, "engine");
                self.parts.counts.note(&note);
                if let Some(report) = self.tallies.note(&note) {
                    // The client takes commands at once, and ends only with the runtime.
                    let _ = self.parts.directory.report(report).await;
                }
                if let Note::Stuck { read } = note {
                    self.parts.board.stuck(read);
                }
            }
        }
    }

    fn send(&self, peer: PeerId, message: PeerMessage) {
        // A connection that is gone reports its end by itself.
        if let Err(error) = self.parts.transport.send(peer, message) {
            tracing::debug!(%error, "a message was not sent");
        }
    }

    fn fetch_origin(&mut self, request: RequestId, target: runs::Target) {
        let Some(source) = self.parts.board.source(target.object) else {
            tracing::error!(object = %target.object, "no origin is known for an object");
            return self.input(Input::Failed { request, fault: Fault::Gone });
        };
        let task = runs::from_origin(request, target, source, &self.parts);
        self.fetching.insert(request, task);
    }

    fn cancel(&mut self, request: RequestId) {
        if let Some(task) = self.fetching.remove(&request) {
            task.abort();
        }
        if let Some(awaited) = self.awaited.remove(&request) {
            self.send(awaited.peer, PeerMessage::Cancel { request: request.0 });
        }
    }

    fn connect(&self, node: NodeKey) {
        let address = self.addresses.get(&node);
        if address.is_some_and(|address| !address.ways.meet(Ways::QUIC)) {
            return self.parts.transport.call(node);
        }
        let direct = address.map(|a| a.direct.clone()).unwrap_or_default();
        self.parts.transport.connect(node, direct, self.relay.clone());
    }

    fn evict(&self, object: ObjectId, blocks: BlockRange) {
        let store = self.parts.store.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.remove(object, blocks) {
                tracing::warn!(%error, "eviction failed");
            }
        });
    }

    async fn transport_event(&mut self, event: TransportEvent) {
        match event {
            TransportEvent::Connected { peer, node, side, path, rtt, nearness } => {
                tracing::debug!(peer = peer.0, %node, ?path, "connected");
                self.nodes.insert(peer, (node, nearness.unwrap_or(Nearness::Far)));
                self.acquaint(peer, path);
                self.input(Input::Connected { peer, node, side, path, rtt, nearness });
            }
            TransportEvent::ConnectFailed { node } => self.input(Input::ConnectFailed { node }),
            TransportEvent::PathChanged { peer, path, rtt } => {
                self.acquaint(peer, path);
                self.input(Input::PathChanged { peer, path, rtt });
            }
            TransportEvent::Disconnected { peer } => {
                self.nodes.remove(&peer);
                self.input(Input::Disconnected { peer });
            }
            TransportEvent::Message { peer, message } => self.input(Input::Message { peer, message }),
            TransportEvent::Malformed { peer } => self.input(Input::Malformed { peer }),
            TransportEvent::Run(run) => self.run_comes(run),
            TransportEvent::Signal { to, payload } => {
                // The client takes commands at once, and ends only with the runtime.
                let _ = self.parts.directory.signal(to, payload).await;
            }
            TransportEvent::Closed => tracing::debug!("the transport is closed"),
        }
    }

    /// Remembers where a node was reached, for the day on which nobody tells.
    fn acquaint(&mut self, peer: PeerId, path: Path) {
        let Some((node, nearness)) = self.nodes.get(&peer).copied().filter(|_| path == Path::Direct) else {
            return;
        };
        let Some(address) = self.parts.transport.address_of(peer) else { return };
        let known = self.addresses.entry(node).or_insert_with(|| Address::new(Vec::new(), Ways::QUIC));
        let news = known.direct.first() != Some(&address);
        known.direct.retain(|other| *other != address);
        known.direct.insert(0, address);
        known.direct.truncate(MAX_ADDRESSES);
        if news || !known.met {
            known.met = true;
            let met = Met { node, nearness, addresses: known.direct.clone() };
            self.parts.state.met(&met, super::caps::wall_clock().unix);
        }
    }

    /// Learns where nodes were reached in earlier lives.
    pub(super) fn with_met(mut self, met: Vec<Met>) -> Self {
        for Met { node, addresses, .. } in met {
            self.addresses.insert(node, Address { met: true, ..Address::new(addresses, Ways::QUIC) });
        }
        self
    }

    /// A run begins to come. One that crossed our cancel, or was never asked for, is stopped and costs nothing.
    fn run_comes(&mut self, run: IncomingRun) {
        let request = RequestId(run.request);
        let ours = self.awaited.get(&request).is_some_and(|a| a.peer == run.peer);
        let Some(awaited) = self.awaited.remove(&request).filter(|_| ours) else {
            return run.stream.stop();
        };
        let task = runs::from_peer(request, awaited.target, run.stream, &self.parts);
        self.fetching.insert(request, task);
    }

    fn directory_event(&mut self, event: DirectoryEvent) {
        match event {
            DirectoryEvent::Up { relay, stun, .. } => {
                self.parts.transport.use_stun(stun);
                self.relay = relay.and_then(|r| r.parse().ok());
                if let Some(url) = &self.relay {
                    let (transport, choice) = (self.parts.transport.clone(), RelayChoice::new(url.clone()));
                    tokio::spawn(async move { transport.use_relay(&choice).await });
                }
                self.supernode = SupernodeState::Connected;
                self.input(Input::DirectoryUp);
            }
            DirectoryEvent::Down => {
                self.supernode = SupernodeState::Away;
                self.input(Input::DirectoryDown);
            }
            DirectoryEvent::Found { swarm, holders, again } => self.found(swarm, holders, again),
            DirectoryEvent::PolicyChanged { sequence } => {
                tracing::debug!(sequence, "the provider's policy changed");
                self.parts.state.policy_changed(sequence);
            }
            DirectoryEvent::Signal { from, payload } => self.parts.transport.signalled(from, payload),
            DirectoryEvent::Refused(reason) => tracing::warn!(?reason, "the supernode refuses this node"),
        }
    }

    fn found(&mut self, swarm: SwarmId, holders: Vec<FoundHolder>, again: Span) {
        let candidates = holders
            .iter()
            .map(|h| Candidate {
                node: h.node,
                nearness: h.nearness,
                renditions: h.renditions,
                coverage: h.coverage,
            })
            .collect();
        let seen = self.now().micros();
        for holder in holders {
            let address = Address { seen, ..Address::new(holder.addresses, holder.ways) };
            self.addresses.insert(holder.node, address);
        }
        while self.addresses.len() > MAX_ADDRESS_BOOK {
            let oldest = self.addresses.iter().min_by_key(|(_, a)| a.seen).map(|(node, _)| *node);
            oldest.and_then(|node| self.addresses.remove(&node));
        }
        self.input(Input::Found { swarm, holders: candidates, again });
    }
}
