//! A plain agent that shares: the simplest thing that keeps the contract, to test the world by itself.
//!
//! It asks the first peer that holds the next block, else the origin, one run at a time, and serves whoever
//! asks. It can be told to break a rule.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nearcast_content::{BlockRange, BlockSet, ByteRange, NodeKey, ObjectId, ObjectSize, ProviderKey};
use nearcast_engine::swarm::{
    Input, InputError, Output, Over, Part, PeerId, PlayId, ReadId, Reason, Rendition, RenditionId, RequestId,
    Settings, UploadId,
};
use nearcast_engine::wire::{Have, Hello, PeerMessage, RefuseReason, Serves, SwarmId, Versions, Want};
use nearcast_engine::{Span, Time, Verdict};
use nearcast_sim::agent::{Agent, Birth, Bounds, SimVerdict};

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    Nothing,
    /// Wants whatever it likes, and serves whatever is wanted, held or not.
    ServesAnything,
    /// Tells peers that it holds all of everything.
    PromisesAnything,
    /// Serves although sharing is off.
    ServesAlthoughOff,
    /// Never asks again for what failed or was lost.
    GivesUp,
    /// Sends without looking at the ceiling.
    IgnoresCeiling,
    /// Wants to be woken at once, for ever.
    Spins,
    /// Does nothing at all for the player.
    IgnoresPlayer,
}

pub(crate) struct Plain {
    breaks: Break,
    settings: Settings,
    provider: ProviderKey,
    now: Time,
    parts: BTreeMap<RenditionId, (SwarmId, Vec<Part>)>,
    held: BTreeMap<ObjectId, (ObjectSize, BlockSet)>,
    peers: BTreeMap<PeerId, BTreeMap<ObjectId, BlockSet>>,
    interested: BTreeMap<PeerId, BTreeMap<ObjectId, Time>>,
    reads: BTreeMap<ReadId, (PlayId, ObjectId, ByteRange)>,
    asked: BTreeMap<RequestId, (Option<PeerId>, ObjectId, BlockRange)>,
    uploads: BTreeMap<UploadId, (PeerId, u32)>,
    waiting: VecDeque<(PeerId, Want)>,
    tried: BTreeSet<NodeKey>,
    last: u32,
    retry_at: Time,
    tell_at: Time,
    allowed_at: Time,
    outputs: VecDeque<Output>,
}

impl Plain {
    pub(crate) fn new(birth: Birth, breaks: Break) -> Self {
        Self {
            breaks,
            settings: birth.settings,
            provider: birth.provider,
            now: Time::ZERO,
            parts: BTreeMap::new(),
            held: BTreeMap::new(),
            peers: BTreeMap::new(),
            interested: BTreeMap::new(),
            reads: BTreeMap::new(),
            asked: BTreeMap::new(),
            uploads: BTreeMap::new(),
            waiting: VecDeque::new(),
            tried: BTreeSet::new(),
            last: 0,
            retry_at: Time::ZERO,
            tell_at: Time::NEVER,
            allowed_at: Time::ZERO,
            outputs: VecDeque::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the plain agent leaves most inputs alone")]
    fn input(&mut self, input: Input<SimVerdict>) {
        match input {
            Input::Describe(rendition) => self.describe(rendition),
            Input::Stored(stored) => {
                self.held.insert(stored.object, (stored.size, stored.blocks));
            }
            Input::Read { .. } if self.breaks == Break::IgnoresPlayer => {}
            Input::Read { read, play, rendition, part, bytes, .. } => {
                self.read(read, (play, rendition, part), bytes);
            }
            Input::Closed { read } => {
                self.reads.remove(&read);
            }
            Input::Stopped { play } => self.reads.retain(|_, (of, ..)| *of != play),
            Input::Arrived { request, verdict } => {
                let object = self.asked.get(&request).map(|(_, object, _)| *object);
                if let Some((_, held)) = object.and_then(|object| self.held.get_mut(&object)) {
                    held.insert(verdict.blocks());
                    self.tell_at = self.tell_at.min(self.now + Span::from_millis(300));
                }
            }
            Input::Finished { request } => {
                self.asked.remove(&request);
            }
            Input::Failed { request, .. } if self.breaks != Break::GivesUp => self.failed(request),
            Input::Found { holders, .. } => {
                for holder in holders.iter().take(8) {
                    if self.tried.insert(holder.node) {
                        self.outputs.push_back(Output::Connect { node: holder.node });
                    }
                }
            }
            Input::Connected { peer, .. } => self.connected(peer),
            Input::Disconnected { peer } => self.disconnected(peer),
            Input::Message { peer, message } => self.message(peer, message),
            Input::SentAll { upload } => {
                self.uploads.remove(&upload);
            }
            _ => {}
        }
    }

    fn describe(&mut self, rendition: Rendition) {
        for part in &rendition.parts {
            let object = part.object;
            self.held.entry(object).or_insert((part.size, BlockSet::EMPTY));
            for peer in self.peers.keys() {
                self.outputs
                    .push_back(Output::Send { peer: *peer, message: PeerMessage::Interest { object } });
            }
        }
        self.parts.insert(rendition.id, (rendition.swarm, rendition.parts));
    }

    fn connected(&mut self, peer: PeerId) {
        self.peers.insert(peer, BTreeMap::new());
        let hello = Hello {
            versions: Versions::OURS,
            features: 0,
            provider: self.provider,
            serves: Serves::Others,
            credential: None,
        };
        self.outputs.push_back(Output::Send { peer, message: PeerMessage::Hello(hello) });
    }

    fn disconnected(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.interested.remove(&peer);
        self.waiting.retain(|(other, _)| *other != peer);
        self.uploads.retain(|_, (other, _)| *other != peer);
        let lost: Vec<_> =
            self.asked.iter().filter(|(_, of)| of.0 == Some(peer)).map(|(id, _)| *id).collect();
        if self.breaks != Break::GivesUp {
            lost.into_iter().for_each(|request| self.failed(request));
        }
    }

    fn message(&mut self, peer: PeerId, message: PeerMessage) {
        match message {
            PeerMessage::Hello(_) => {
                for object in self.held.keys().copied() {
                    self.outputs.push_back(Output::Send { peer, message: PeerMessage::Interest { object } });
                }
            }
            PeerMessage::Interest { object } => {
                self.interested.entry(peer).or_default().insert(object, self.now);
                self.tell(peer, object);
            }
            PeerMessage::Have(have) => {
                let set = self.peers.entry(peer).or_default().entry(have.object).or_default();
                have.added.ranges().iter().for_each(|range| {
                    set.insert(*range);
                });
                have.removed.ranges().iter().for_each(|range| {
                    set.remove(*range);
                });
            }
            PeerMessage::Want(want) => self.waiting.push_back((peer, want)),
            PeerMessage::Cancel { request } => {
                self.waiting.retain(|(other, want)| (*other, want.request) != (peer, request));
                let upload = self.uploads.iter().find(|(_, of)| **of == (peer, request)).map(|(id, _)| *id);
                if let Some(upload) = upload {
                    self.uploads.remove(&upload);
                    self.outputs.push_back(Output::StopServing { upload });
                }
            }
            PeerMessage::Refuse { request, .. } => self.failed(RequestId(request)),
            PeerMessage::NoInterest { .. } | PeerMessage::Choke { .. } | PeerMessage::Goodbye => {}
        }
    }

    fn failed(&mut self, request: RequestId) {
        let Some((peer, object, blocks)) = self.asked.remove(&request) else { return };
        match peer {
            None => self.retry_at = self.now + Span::from_secs(1),
            Some(peer) => {
                self.outputs.push_back(Output::Cancel { request });
                if let Some(set) = self.peers.get_mut(&peer).and_then(|sets| sets.get_mut(&object)) {
                    set.remove(blocks);
                }
            }
        }
    }

    fn tell(&mut self, peer: PeerId, object: ObjectId) {
        let Some((size, held)) = self.held.get(&object) else { return };
        let added = match self.breaks {
            Break::PromisesAnything => size.all().into(),
            Break::Nothing
            | Break::ServesAnything
            | Break::ServesAlthoughOff
            | Break::GivesUp
            | Break::IgnoresCeiling
            | Break::Spins
            | Break::IgnoresPlayer => held.clone(),
        };
        let have = Have { object, added, removed: BlockSet::EMPTY, coming: BlockSet::EMPTY };
        self.outputs.push_back(Output::Send { peer, message: PeerMessage::Have(have) });
    }

    fn tell_everyone(&mut self) {
        if self.tell_at > self.now {
            return;
        }
        self.tell_at = Time::NEVER;
        let interests: Vec<_> = self
            .interested
            .iter()
            .flat_map(|(peer, objects)| objects.keys().map(move |object| (*peer, *object)))
            .collect();
        for (peer, object) in interests {
            self.tell(peer, object);
        }
    }

    fn serve(&mut self) {
        while self.uploads.len() < 4 {
            let limit = self.settings.upload_limit.filter(|_| self.breaks != Break::IgnoresCeiling);
            if limit.is_some() && self.allowed_at > self.now {
                return;
            }
            let Some((peer, want)) = self.waiting.pop_front() else { return };
            let off = self.settings.serves == Serves::Nobody && self.breaks != Break::ServesAlthoughOff;
            let known =
                self.held.get(&want.object).map(|(size, held)| (*size, held.contains_all(want.blocks)));
            let Some((size, has)) = known.filter(|_| !off) else {
                self.refuse(peer, &want);
                continue;
            };
            if !has && self.breaks != Break::ServesAnything {
                self.refuse(peer, &want);
                continue;
            }
            if let Some(limit) = limit {
                self.allowed_at = self.now + limit.span_for(size.bytes_of(want.blocks).len());
            }
            self.last += 1;
            let (upload, request) = (UploadId(self.last.into()), want.request);
            self.uploads.insert(upload, (peer, request));
            let (object, blocks) = (want.object, want.blocks);
            self.outputs.push_back(Output::Serve {
                upload,
                peer,
                request,
                object,
                size,
                blocks,
                due: Time::NEVER,
                over: Over::Line,
            });
        }
    }

    fn refuse(&mut self, peer: PeerId, want: &Want) {
        let refusal = PeerMessage::Refuse { request: want.request, reason: RefuseReason::NotHeld };
        self.outputs.push_back(Output::Send { peer, message: refusal });
    }

    fn ask(&mut self) {
        let reads: Vec<_> = self.reads.values().copied().collect();
        for (_, object, bytes) in reads {
            let Some((size, held)) = self.held.get(&object) else { continue };
            let size = *size;
            let Some(gap) = held.missing(size.covering(bytes)).next() else { continue };
            if self.asked.values().any(|(_, other, _)| *other == object) {
                continue;
            }
            let blocks = BlockRange::new(gap.start, gap.end.min(gap.start + 8));
            let careless = self.breaks == Break::ServesAnything;
            let holds = |sets: &BTreeMap<ObjectId, BlockSet>| {
                careless || sets.get(&object).is_some_and(|set| set.contains_all(blocks))
            };
            let peer = self.peers.iter().find(|(_, sets)| holds(sets)).map(|(peer, _)| *peer);
            if peer.is_none() && self.retry_at > self.now {
                continue;
            }
            self.last += 1;
            let request = RequestId(self.last);
            self.asked.insert(request, (peer, object, blocks));
            self.outputs.push_back(match peer {
                Some(peer) => Output::AskPeer { request, peer, object, size, blocks, due_millis: 0 },
                None => Output::AskOrigin { request, object, size, blocks },
            });
        }
    }

    fn read(&mut self, read: ReadId, of: (PlayId, RenditionId, u32), bytes: ByteRange) {
        let (play, rendition, part) = of;
        let Some((swarm, parts)) = self.parts.get(&rendition) else { return };
        let (swarm, object) = (*swarm, parts[part as usize].object);
        self.reads.insert(read, (play, object, bytes));
        self.outputs.push_back(Output::Lookup { swarm, renditions: 1 });
        self.outputs.push_back(Output::Announce { swarm, renditions: 1, coverage: u64::MAX });
    }
}

impl Agent for Plain {
    fn handle_input(&mut self, now: Time, input: Input<SimVerdict>) -> Result<(), InputError> {
        self.now = now;
        self.input(input);
        self.tell_everyone();
        self.ask();
        self.serve();
        Ok(())
    }

    fn poll_output(&mut self) -> Output {
        let mut at = self.tell_at;
        if self.retry_at > self.now {
            at = at.min(self.retry_at);
        }
        if self.allowed_at > self.now && !self.waiting.is_empty() {
            at = at.min(self.allowed_at);
        }
        if self.breaks == Break::Spins {
            at = self.now;
        }
        self.outputs.pop_front().unwrap_or(Output::Timeout(at, Reason::Idle))
    }

    fn bounds(&self) -> Bounds {
        Bounds::Engine
    }
}
