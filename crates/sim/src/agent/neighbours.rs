//! What the baselines share: connections to others, what those hold, what is asked of them and served to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nearcast_content::{BlockSet, NodeKey, ObjectId, ProviderKey};
use nearcast_engine::limits::{MAX_UPLOAD_QUEUE_PER_PEER, MAX_UPLOADS};
use nearcast_engine::swarm::{Output, Over, PeerId, UploadId};
use nearcast_engine::wire::{Have, Hello, PeerMessage, RefuseReason, Serves, Versions, Want};
use nearcast_engine::{Rate, Span, Time};

use super::shelf::Shelf;

/// A node that could not be reached, or was lost, is tried again after this.
const REST: Span = Span::from_secs(60);
/// Rate expected of a peer that has delivered nothing so far: a 2010 uplink shared by two.
const PRIOR: u64 = 30_000;

/// One connection.
#[derive(Debug)]
pub(super) struct Neighbour {
    node: NodeKey,
    greeted: bool,
    serves: bool,
    haves: BTreeMap<ObjectId, BlockSet>,
    /// What it says is on its way to it from the server.
    coming: BTreeMap<ObjectId, BlockSet>,
    /// Objects it wants to hear about.
    interests: BTreeSet<ObjectId>,
    /// Bytes asked of it that have not come.
    pub(super) owed: u64,
    /// Runs asked of it that have not ended.
    pub(super) runs: u32,
    /// What it delivers in a second, a mean.
    rate: u64,
    /// What the latest run brought in a second; zero before it delivered anything.
    pub(super) latest: u64,
    /// Gets nothing to do before this.
    pub(super) rests_until: Time,
}

/// All connections, and what is served over them.
#[derive(Debug)]
pub(super) struct Neighbours {
    provider: ProviderKey,
    serves: Serves,
    pub(super) peers: BTreeMap<PeerId, Neighbour>,
    tried: BTreeMap<NodeKey, Time>,
    queue: VecDeque<(PeerId, Want)>,
    uploads: BTreeMap<UploadId, (PeerId, u32)>,
    last_upload: u64,
    /// Ceiling on what is sent.
    limit: Option<Rate>,
    /// When the ceiling allows the next upload.
    allowed_from: Time,
}

impl Neighbours {
    pub(super) fn new(provider: ProviderKey, serves: Serves, limit: Option<Rate>) -> Self {
        Self {
            limit,
            allowed_from: Time::ZERO,
            provider,
            serves,
            peers: BTreeMap::new(),
            tried: BTreeMap::new(),
            queue: VecDeque::new(),
            uploads: BTreeMap::new(),
            last_upload: 0,
        }
    }

    pub(super) fn set_serves(&mut self, serves: Serves, limit: Option<Rate>) {
        (self.serves, self.limit) = (serves, limit);
    }

    /// When the ceiling lets go of what is queued, if it holds something back.
    pub(super) fn wakes(&self, now: Time) -> Option<Time> {
        let held_back = !self.queue.is_empty() && self.uploads.len() < MAX_UPLOADS;
        Some(self.allowed_from).filter(|from| held_back && *from > now)
    }

    pub(super) fn connected(&mut self, peer: PeerId, node: NodeKey, outputs: &mut VecDeque<Output>) {
        let neighbour = Neighbour {
            node,
            greeted: false,
            serves: false,
            haves: BTreeMap::new(),
            coming: BTreeMap::new(),
            interests: BTreeSet::new(),
            owed: 0,
            runs: 0,
            rate: PRIOR,
            latest: 0,
            rests_until: Time::ZERO,
        };
        self.peers.insert(peer, neighbour);
        let (versions, features, provider) = (Versions::OURS, 0, self.provider);
        let hello = Hello { versions, features, provider, serves: self.serves, credential: None };
        outputs.push_back(Output::Send { peer, message: PeerMessage::Hello(hello) });
    }

    /// Connects to nodes that are neither connected nor were tried just before, `room` of them at most.
    pub(super) fn connect(
        &mut self,
        now: Time,
        nodes: impl Iterator<Item = NodeKey>,
        room: usize,
        outputs: &mut VecDeque<Output>,
    ) {
        let mut left = room;
        for node in nodes {
            let known = self.peers.values().any(|peer| peer.node == node);
            let rests = self.tried.get(&node).is_some_and(|at| *at + REST > now);
            if left == 0 || known || rests {
                continue;
            }
            left -= 1;
            self.tried.insert(node, now);
            outputs.push_back(Output::Connect { node });
        }
    }

    /// The oldest connections above `most` that do nothing, and have nothing of what is wanted.
    pub(super) fn surplus(&self, most: usize, wanted: &[ObjectId]) -> Vec<PeerId> {
        let busy = |id: &PeerId, peer: &Neighbour| {
            let serves = self.uploads.values().any(|(other, _)| other == id);
            let holds = |object| peer.haves.get(object).is_some_and(|held| !held.is_empty());
            serves || peer.runs > 0 || wanted.iter().any(holds)
        };
        let idle = self.peers.iter().filter(|(id, peer)| !busy(id, peer)).map(|(id, _)| *id);
        idle.take(self.peers.len().saturating_sub(most)).collect()
    }

    /// A connection ended.
    pub(super) fn disconnected(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.queue.retain(|(other, _)| *other != peer);
        self.uploads.retain(|_, (other, _)| *other != peer);
    }

    /// A peer said who it is. True when it may be asked for things.
    pub(super) fn greeted(&mut self, peer: PeerId, hello: &Hello) -> bool {
        let Some(neighbour) = self.peers.get_mut(&peer) else { return false };
        (neighbour.greeted, neighbour.serves) = (true, hello.serves == Serves::Others);
        neighbour.serves
    }

    /// Asks a peer, or all, to tell about an object.
    pub(super) fn ask_about(&self, object: ObjectId, outputs: &mut VecDeque<Output>) {
        for (peer, neighbour) in &self.peers {
            if neighbour.greeted && neighbour.serves && !neighbour.haves.contains_key(&object) {
                let message = PeerMessage::Interest { object };
                outputs.push_back(Output::Send { peer: *peer, message });
            }
        }
    }

    /// A peer told what it holds.
    pub(super) fn told(&mut self, peer: PeerId, have: &Have) {
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        let held = neighbour.haves.entry(have.object).or_default();
        have.added.ranges().iter().for_each(|range| {
            held.insert(*range);
        });
        have.removed.ranges().iter().for_each(|range| {
            held.remove(*range);
        });
        neighbour.coming.insert(have.object, have.coming.clone());
    }

    /// A peer wants to hear about an object: it is told of it.
    pub(super) fn interested(
        &mut self,
        peer: PeerId,
        object: ObjectId,
        news: News,
        outputs: &mut VecDeque<Output>,
    ) {
        if let Some(neighbour) = self.peers.get_mut(&peer) {
            neighbour.interests.insert(object);
        }
        let news = if self.serves == Serves::Others { news } else { News::default() };
        tell(peer, object, news, outputs);
    }

    /// Everyone who wants to hear about an object is told of blocks that came or went.
    pub(super) fn spread(&self, object: ObjectId, news: News, outputs: &mut VecDeque<Output>) {
        if self.serves == Serves::Others {
            let interested = self.peers.iter().filter(|(_, peer)| peer.interests.contains(&object));
            interested.for_each(|(peer, _)| tell(*peer, object, news.clone(), outputs));
        }
    }

    /// Whether a peer that serves holds `block` of an object, or said that it comes to it.
    pub(super) fn bring(&self, object: &ObjectId, block: u32) -> bool {
        let has = |blocks: &BTreeMap<ObjectId, BlockSet>| {
            blocks.get(object).is_some_and(|blocks| blocks.contains(block))
        };
        self.peers.values().any(|peer| peer.serves && (has(&peer.haves) || has(&peer.coming)))
    }

    /// Peers that hold `block` of an object and are not resting, with how long more `bytes` of each would take.
    pub(super) fn holders(&self, now: Time, object: &ObjectId, block: u32, bytes: u64) -> Vec<(u64, PeerId)> {
        let holds = |peer: &Neighbour| {
            let has = peer.haves.get(object).is_some_and(|held| held.contains(block));
            has && peer.serves && peer.rests_until <= now
        };
        let micros = |peer: &Neighbour| (peer.owed + bytes).saturating_mul(1_000_000) / peer.rate.max(1);
        self.peers.iter().filter(|(_, peer)| holds(peer)).map(|(id, peer)| (micros(peer), *id)).collect()
    }

    /// Peers that hold `block` of an object, do not rest and were asked for nothing else, with what each last brought in a
    /// second.
    pub(super) fn idle_holders(&self, now: Time, object: &ObjectId, block: u32) -> Vec<(u64, PeerId)> {
        let holders = self.holders(now, object, block, 0).into_iter();
        let idle = holders.filter_map(|(_, id)| self.peers.get(&id).map(|peer| (id, peer)));
        idle.filter(|(_, peer)| peer.runs == 0).map(|(id, peer)| (peer.latest, id)).collect()
    }

    /// A run that was asked of a peer ended after `took`, `came` of its `bytes` having come.
    pub(super) fn run_ended(&mut self, peer: PeerId, bytes: u64, came: u64, took: Span) {
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        neighbour.owed = neighbour.owed.saturating_sub(bytes);
        neighbour.runs = neighbour.runs.saturating_sub(1);
        if came > 0 && took > Span::ZERO {
            let sample = came.saturating_mul(1_000_000) / took.micros();
            neighbour.rate = (neighbour.rate * 3 + sample) / 4;
            neighbour.latest = sample;
        }
    }

    /// A peer will not send what it was asked for: it does not hold it after all, or is busy.
    pub(super) fn refused(&mut self, now: Time, peer: PeerId, object: &ObjectId, reason: RefuseReason) {
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        neighbour.rests_until = now + Span::from_secs(2);
        if reason != RefuseReason::Busy {
            neighbour.haves.remove(object);
        }
    }

    /// A peer wants a run.
    pub(super) fn wanted(&mut self, peer: PeerId, want: Want, shelf: &Shelf, outputs: &mut VecDeque<Output>) {
        let by_peer = self.queue.iter().filter(|(other, _)| *other == peer).count();
        let reason = if self.serves == Serves::Nobody {
            RefuseReason::NotServing
        } else if !shelf.holds(&want.object, want.blocks) {
            RefuseReason::NotHeld
        } else if by_peer >= MAX_UPLOAD_QUEUE_PER_PEER {
            RefuseReason::Busy
        } else {
            return self.queue.push_back((peer, want));
        };
        let message = PeerMessage::Refuse { request: want.request, reason };
        outputs.push_back(Output::Send { peer, message });
    }

    /// A peer takes a want back.
    pub(super) fn cancelled(&mut self, peer: PeerId, request: u32, outputs: &mut VecDeque<Output>) {
        self.queue.retain(|(other, want)| (*other, want.request) != (peer, request));
        let upload = self.uploads.iter().find(|(_, of)| **of == (peer, request)).map(|(id, _)| *id);
        if let Some(upload) = upload {
            self.uploads.remove(&upload);
            outputs.push_back(Output::StopServing { upload });
        }
    }

    pub(super) fn sent_all(&mut self, upload: UploadId) {
        self.uploads.remove(&upload);
    }

    /// Starts what is queued, to four at once and under the ceiling.
    pub(super) fn serve(&mut self, now: Time, shelf: &Shelf, outputs: &mut VecDeque<Output>) {
        while self.uploads.len() < MAX_UPLOADS && self.allowed_from <= now {
            let Some((peer, want)) = self.queue.pop_front() else { return };
            let Want { request, object, blocks, .. } = want;
            let Some(size) = shelf.size(&object).filter(|_| shelf.holds(&object, blocks)) else {
                let message = PeerMessage::Refuse { request, reason: RefuseReason::NotHeld };
                outputs.push_back(Output::Send { peer, message });
                continue;
            };
            if let Some(limit) = self.limit {
                let takes = limit.span_for(size.bytes_of(blocks).len());
                self.allowed_from = self.allowed_from.max(now) + takes;
            }
            self.last_upload += 1;
            let upload = UploadId(self.last_upload);
            self.uploads.insert(upload, (peer, request));
            let over = Over::Line;
            outputs.push_back(Output::Serve {
                upload,
                peer,
                request,
                object,
                size,
                blocks,
                due: Time::NEVER,
                over,
            });
        }
    }
}

/// What a node says of an object: blocks that it holds now, or no longer, and all that come to it from the server.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    pub(super) added: BlockSet,
    pub(super) removed: BlockSet,
    pub(super) coming: BlockSet,
}

fn tell(peer: PeerId, object: ObjectId, news: News, outputs: &mut VecDeque<Output>) {
    let News { added, removed, coming } = news;
    let message = PeerMessage::Have(Have { object, added, removed, coming });
    outputs.push_back(Output::Send { peer, message });
}
