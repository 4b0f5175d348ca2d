//! Runs on their way: asked of the origin or served by a peer, cut into chunks, verified on arrival.

use std::rc::Rc;

use nearcast_content::BlockRange;
use nearcast_content::tree::{Decoded, Need, OriginCheck, OriginNeed, RunDecoder};
use nearcast_engine::swarm::{Fault, Input, PeerId, PeerUse, RequestId, Source, UploadId};
use nearcast_engine::wire::Serves;
use nearcast_engine::{Nearness, Span, Time};

use super::effects::source_of;
use super::{Event, Load, Parcel, Sender, World};
use crate::agent::SimVerdict;
use crate::arena::Key;
use crate::catalogue::{Content, ObjectIx, len_of};
use crate::invariants::Broken;
use crate::network::{Chunk, PipeIx, Route, Transport};
use crate::node::{Check, Coming, OriginLine, Outboard, Pipes, Who};
use crate::plan::Honesty;
use crate::scenario::{FaultKind, Harm, OriginSpec};

/// How long each block takes of a connection that is stuck.
const STUCK: Span = Span::from_millis(100);

impl World<'_> {
    pub(super) fn origin_delay(&self, node: u32) -> Span {
        self.nodes[node as usize].pipes.delay + self.scenario.origin.delay
    }

    /// A client that is logged in has a connection to the provider before it needs one.
    pub(super) fn warm_origin(&mut self, who: Who) {
        let (now, delay, origin_up) = (self.now, self.origin_delay(who.node), self.origin_up);
        let warm = self.scenario.origin.warm && !self.fails(FaultKind::OriginDown);
        let Some(node) = self.node(who).filter(|_| warm) else { return };
        let route = from_origin(origin_up, node.pipes, delay);
        let channel = self.network.open(route);
        if let Some(node) = self.node(who) {
            node.origin = vec![OriginLine { channel, last_used: now, busy: None }];
        }
    }

    /// A request goes to the origin, over a kept-alive connection or a new one.
    pub(super) fn ask_origin(&mut self, who: Who, request: RequestId) {
        let (now, delay) = (self.now, self.origin_delay(who.node));
        let OriginSpec { keep_alive, own_connections: own, .. } = self.scenario.origin;
        let origin_up = self.origin_up;
        let Some(node) = self.node(who) else { return };
        let old = |line: &mut OriginLine| line.busy.is_none() && now.since(line.last_used) > keep_alive;
        let old: Vec<_> = node.origin.extract_if(.., old).collect();
        let kept =
            node.origin.iter_mut().filter(|line| line.busy.is_none()).max_by_key(|line| line.last_used);
        let busy = own.then_some(request);
        let kept = kept.map(|line| {
            (line.last_used, line.busy) = (now, busy);
            line.channel
        });
        let pipes = node.pipes;
        let there = self.network.waits_before(now, pipes.up) + delay;
        let back = self.network.waits_before(now, origin_up) + delay;
        // TCP and TLS 1.3 take a round trip each before a request can be sent.
        let handshake = if kept.is_some() { Span::ZERO } else { (there + back).times(2) };
        if kept.is_none() {
            let channel = self.network.open(from_origin(origin_up, pipes, delay));
            if self.stuck.percent(self.scenario.origin.stuck_percent) {
                self.network.get_stuck(channel, STUCK);
            }
            if let Some(node) = self.node(who) {
                node.origin.push(OriginLine { channel, last_used: now, busy });
            }
        }
        old.into_iter().for_each(|line| self.network.close(line.channel));
        let at = now + handshake + there + self.scenario.origin.request;
        self.queue.push(at, Event::OriginAsked(who, request));
    }

    /// Ends the connection that a request has to itself.
    pub(super) fn hang_up_on_origin(&mut self, who: Who, request: RequestId) {
        let Some(node) = self.node(who) else { return };
        let ended: Vec<_> = node.origin.extract_if(.., |line| line.busy == Some(request)).collect();
        ended.into_iter().for_each(|line| self.network.close(line.channel));
    }

    /// A request has reached the origin.
    pub(super) fn origin_asked(&mut self, who: Who, request: RequestId) {
        let now = self.now;
        if self.fails(FaultKind::OriginDown) {
            let at = now + self.origin_delay(who.node);
            return self.queue.push(at, Event::OriginFailed(who, request));
        }
        let own = self.scenario.origin.own_connections;
        let corrupt = self.fails(FaultKind::OriginCorrupt);
        let catalogue = self.catalogue.clone();
        let Some(node) = self.node(who) else { return };
        let Some((object, size, blocks)) = node.coming.get(&request).map(|c| (c.object, c.size, c.blocks))
        else {
            return;
        };
        let Some(channel) = node.origin_line(request, own).map(|line| line.channel) else {
            return self.queue.push(now, Event::OriginFailed(who, request));
        };
        self.origin_asked[catalogue.title_of(object) as usize] += 1;
        self.origin_asked_bytes += len_of(size, blocks);
        let bad = corrupt.then(|| self.pick_block(blocks));
        let content = self.published(object, blocks);
        let load = Rc::new(self.spoil(Load { bad, content }, blocks));
        let parcel = Parcel { from: Sender::Origin, to: who, request, object, first: blocks.start, load };
        let run = self.network.send(now, channel, (size, blocks), parcel);
        if let Some(node) = self.node(who) {
            if let Some(line) = node.origin_line(request, own) {
                line.last_used = now;
            }
            if let Some(coming) = node.coming.get_mut(&request) {
                coming.run = run;
            }
        }
    }

    /// A node sends a run to a peer.
    pub(super) fn serve(
        &mut self,
        who: Who,
        upload: UploadId,
        (peer, request): (PeerId, RequestId),
        (object, blocks): (ObjectIx, BlockRange),
    ) {
        let plan = &self.audience.clone().listeners[who.node as usize];
        if plan.settings.serves == Serves::Nobody || plan.settings.peers == PeerUse::HoldOut {
            return self.broke(Some(who.node), Broken::ServesAlthoughOff);
        }
        let size = self.catalogue.object(object).size;
        let harm = match plan.honesty {
            Honesty::Honest => None,
            Honesty::Adversary(harm) => Some(harm),
        };
        let spoils =
            harm == Some(Harm::Corrupt) && self.chance.percent(self.scenario.adversaries.corrupt_percent);
        let bad = spoils.then(|| self.pick_block(blocks));
        let Some(node) = self.node(who) else { return };
        if !node.store.holds(object, blocks) {
            let held =
                node.store.partly(object).map_or_else(|| "nothing".to_owned(), |held| format!("{held:?}"));
            return self.broke(Some(who.node), Broken::ServesUnverified(blocks, held));
        }
        if matches!(harm, Some(Harm::Stall | Harm::OfferAll)) {
            // Its agent takes the run for sent, so that it goes on to take more.
            return self.tell(who, Input::SentAll { upload });
        }
        node.store.note_use(object, blocks);
        let content = blocks.iter().filter_map(|block| node.store.content(object, block).cloned()).collect();
        let line = self.connection(who, peer);
        let Some((key, connection, end)) = line else { return };
        let load = Rc::new(self.spoil(Load { bad, content }, blocks));
        let from = Sender::Peer { who, upload, connection: key, near: connection.near };
        let parcel =
            Parcel { from, to: connection.ends[1 - end], request, object, first: blocks.start, load };
        let run = self.network.send(self.now, connection.channels[end], (size, blocks), parcel);
        if let Some((run, node)) = run.zip(self.node(who)) {
            node.going.insert(upload, (peer, run));
            node.grew = true;
            self.serves(who, peer, connection.channels[end]);
        }
    }

    fn pick_block(&mut self, blocks: BlockRange) -> u32 {
        let at = self.chance.below(blocks.len().into());
        blocks.start + u32::try_from(at).unwrap_or(0)
    }

    /// The published bytes of blocks, in a world that has them.
    fn published(&self, object: ObjectIx, blocks: BlockRange) -> Vec<Rc<[u8]>> {
        let Some(content) = &self.catalogue.object(object).content else { return Vec::new() };
        blocks.iter().filter_map(|block| content.blocks.get(block as usize).cloned()).collect()
    }

    /// Changes a bit in the block that is to be bad.
    fn spoil(&mut self, mut load: Load, blocks: BlockRange) -> Load {
        let Some(bad) = load.bad else { return load };
        let bit = self.chance.next_u64();
        if let Some(bytes) = load.content.get_mut((bad - blocks.start) as usize) {
            let mut copy = bytes.to_vec();
            let len = copy.len().max(1) as u64;
            let at = usize::try_from(bit % len).unwrap_or(0);
            if let Some(byte) = copy.get_mut(at) {
                *byte ^= 1 << (bit >> 60 & 7);
            }
            *bytes = copy.into();
        }
        load
    }

    /// The real verifier for a run, in a world with bytes.
    pub(super) fn verifier(&self, coming: &Coming) -> Option<Box<Check>> {
        let object = self.catalogue.object(coming.object);
        let content = object.content.as_ref()?;
        Some(Box::new(match coming.peer {
            Some(_) => Check::Peer(RunDecoder::new(object.id, object.size, coming.blocks)),
            None => {
                let outboard = Outboard(content.outboard.clone());
                Check::Origin(OriginCheck::new(object.id, object.size, coming.blocks, outboard))
            }
        }))
    }

    /// A chunk leaves its sender.
    pub(super) fn chunk_left(&mut self, pipe: PipeIx) {
        if let Some(chunk) = self.network.left(self.now, pipe) {
            self.chunk_has_left(self.now, &chunk);
        }
    }

    /// A chunk left its sender at `at`.
    pub(super) fn chunk_has_left(&mut self, at: Time, chunk: &Chunk<Parcel>) {
        self.moved.sent += chunk.bytes;
        let Sender::Peer { who, upload, near, .. } = chunk.parcel.from else {
            self.nodes[chunk.parcel.to.node as usize].counts.origin_sent += chunk.bytes;
            self.series.at(at).origin_sent += chunk.bytes;
            return;
        };
        let (now, ceiling) = (at, self.audience.listeners[who.node as usize].settings.upload_limit);
        self.nodes[who.node as usize].counts.uploaded += chunk.bytes;
        let Some(node) = self.node(who) else { return };
        if let Some(ceiling) = ceiling.filter(|_| near != Nearness::Lan)
            && let Err(broken) = node.watch.sent(now, chunk.bytes, ceiling)
        {
            return self.broke(Some(who.node), broken);
        }
        if !node.going.contains_key(&upload) {
            return;
        }
        if chunk.last {
            node.going.remove(&upload);
        }
        self.tell(who, Input::Sent { upload, bytes: chunk.bytes });
        if chunk.last {
            self.tell(who, Input::SentAll { upload });
        }
    }

    /// A chunk is with its receiver: verified and kept, or dropped.
    pub(super) fn chunk_through(&mut self, chunk: Chunk<Parcel>) {
        self.moved.through += chunk.bytes;
        let Parcel { from, to, request, object, .. } = chunk.parcel;
        let (source, now, own) = (source_of(from), self.now, self.scenario.origin.own_connections);
        let asleep = self.is_asleep(to.node);
        let Some(node) = self.node(to) else { return };
        if asleep {
            return node.counts.late.add(source, chunk.bytes);
        }
        let ours = node.coming.get(&request).is_some_and(|coming| {
            coming.object == object && coming.blocks.contains(chunk.blocks.start) && comes_from(coming, from)
        });
        if !ours {
            node.counts.late.add(source, chunk.bytes);
            return;
        }
        if matches!(from, Sender::Origin)
            && let Some(line) = node.origin_line(request, own)
        {
            line.last_used = now;
            line.busy = line.busy.filter(|_| !chunk.last);
        }
        let Some(coming) = self.node(to).and_then(|node| node.coming.get_mut(&request)) else { return };
        coming.next = chunk.blocks.end;
        let mut check = coming.check.take();
        let (good, end) = self.verify(object, check.as_deref_mut(), &chunk);
        let finished = chunk.last && end.is_none();
        if let Some(coming) = self.node(to).and_then(|node| node.coming.get_mut(&request)) {
            coming.check = check;
        }
        for verdict in good {
            if !self.keep(to, object, &verdict, source, &chunk) {
                return;
            }
            self.tell(to, Input::Arrived { request, verdict });
            // An agent that hears of one block may not want the others any more: they are not kept.
            if self.node(to).is_none_or(|node| !node.coming.contains_key(&request)) {
                return self.tend_reader(to);
            }
        }
        if let Some(node) = self.node(to)
            && (finished || end.is_some())
        {
            node.coming.remove(&request);
        }
        if let Some(fault) = end {
            if let Some(node) = self.node(to) {
                node.counts.corrupt += chunk.bytes;
            }
            self.tell(to, Input::Failed { request, fault });
            self.end_bad_run(to, from, &chunk);
        } else if finished {
            self.tell(to, Input::Finished { request });
        }
        self.tend_reader(to);
    }

    fn tend_reader(&mut self, who: Who) {
        self.tend_player(who);
        self.tend_keep(who);
    }

    /// The receiver of a bad run breaks it off.
    fn end_bad_run(&mut self, to: Who, from: Sender, chunk: &Chunk<Parcel>) {
        let delay = match from {
            Sender::Origin => {
                self.hang_up_on_origin(to, chunk.parcel.request);
                self.origin_delay(to.node)
            }
            Sender::Peer { connection, .. } => {
                self.connections.get(connection).map_or(Span::ZERO, |connection| connection.delay)
            }
        };
        self.queue.push(self.now + delay, Event::RunStops(chunk.run));
    }

    /// What of a chunk is good, and the fault that ends its run if it is not all good.
    fn verify(
        &self,
        object: ObjectIx,
        check: Option<&mut Check>,
        chunk: &Chunk<Parcel>,
    ) -> (Vec<SimVerdict>, Option<Fault>) {
        let load = &chunk.parcel.load;
        #[cfg(test)]
        if self.blind {
            return (vec![SimVerdict::Drawn(chunk.blocks)], None);
        }
        let Some(check) = check else {
            let bad = load.bad.filter(|bad| chunk.blocks.contains(*bad));
            let good = BlockRange::new(chunk.blocks.start, bad.unwrap_or(chunk.blocks.end));
            let verdicts = if good.is_empty() { Vec::new() } else { vec![SimVerdict::Drawn(good)] };
            return (verdicts, bad.map(|_| Fault::Corrupt));
        };
        let Some(content) = &self.catalogue.object(object).content else { return (Vec::new(), None) };
        let mut good = Vec::new();
        loop {
            match check.step(chunk, content) {
                Ok(Some(verdict)) => good.push(verdict),
                Ok(None) => return (good, None),
                Err(()) => return (good, Some(Fault::Corrupt)),
            }
        }
    }

    /// Writes verified blocks. In a world with bytes, what the verifier let past is compared with what was
    /// published.
    fn keep(
        &mut self,
        who: Who,
        object: ObjectIx,
        verdict: &SimVerdict,
        source: Source,
        chunk: &Chunk<Parcel>,
    ) -> bool {
        let blocks = nearcast_engine::Verdict::blocks(verdict);
        let catalogue = self.catalogue.clone();
        let size = catalogue.object(object).size;
        let Some(node) = self.node(who) else { return false };
        let bytes = node.store.bytes();
        let begins = !node.store.has(object);
        node.store.keep(object, size, blocks, source);
        node.counts.fetched.add(source, node.store.bytes() - bytes);
        node.counts.late.add(source, len_of(size, blocks) - (node.store.bytes() - bytes));
        if begins {
            self.note_presence(who.node, object, true);
        }
        let Some(content) = &catalogue.object(object).content else { return true };
        for block in blocks.iter() {
            let Some(bytes) = chunk.parcel.load.content.get((block - chunk.parcel.first) as usize) else {
                continue;
            };
            if content.blocks.get(block as usize) != Some(bytes) {
                self.broke(Some(who.node), Broken::BadBlockKept(block));
                return false;
            }
            if let Some(node) = self.node(who) {
                node.store.keep_content(object, block, bytes.clone());
            }
        }
        true
    }

    /// A sender cut a run off.
    pub(super) fn reset(&mut self, who: Who, connection: Key, request: RequestId) {
        let peer = super::connections::peer_of(connection);
        let Some(node) = self.node(who) else { return };
        if node.coming.get(&request).is_some_and(|coming| coming.peer == Some(peer)) {
            node.coming.remove(&request);
            self.tell(who, Input::Failed { request, fault: Fault::Lost });
        }
    }

    /// Runs that a departed peer owed, as far as they lie close to the playhead, and by when they must be asked
    /// of somebody else.
    pub(super) fn lost_with(&mut self, who: Who, peer: PeerId) -> Vec<(ObjectIx, BlockRange, Time)> {
        let by = self.now + crate::invariants::ASK_AGAIN;
        let Some(node) = self.node(who) else { return Vec::new() };
        let lost = node.coming.values().filter(|coming| coming.peer == Some(peer));
        lost.map(|coming| (coming.object, BlockRange::new(coming.next, coming.blocks.end), by)).collect()
    }
}

/// The way of what the origin sends.
fn from_origin(up: PipeIx, pipes: Pipes, delay: Span) -> Route {
    Route { up, down: pipes.down, back: pipes.up, delay, transport: Transport::Tcp, pacer: None }
}

fn comes_from(coming: &Coming, sender: Sender) -> bool {
    match sender {
        Sender::Origin => coming.peer.is_none(),
        Sender::Peer { connection, .. } => coming.peer == Some(super::connections::peer_of(connection)),
    }
}

impl Check {
    /// Feeds the verifier from a chunk. Answers the next blocks it lets past; nothing at the end of the chunk.
    fn step(&mut self, chunk: &Chunk<Parcel>, content: &Content) -> Result<Option<SimVerdict>, ()> {
        let bytes_of = |block: u32| {
            let at = block.checked_sub(chunk.parcel.first)? as usize;
            chunk.blocks.contains(block).then(|| chunk.parcel.load.content.get(at)).flatten()
        };
        loop {
            let fed = match self {
                Self::Peer(decoder) => match decoder.needs() {
                    None => return Ok(None),
                    Some(Need::Parent { offset }) => {
                        let at = usize::try_from(offset).map_err(|_| ())?;
                        decoder.feed(content.outboard.get(at..).and_then(|o| o.get(..64)).ok_or(())?)
                    }
                    Some(Need::Block { block, .. }) => match bytes_of(block) {
                        Some(bytes) => decoder.feed(bytes),
                        None => return Ok(None),
                    },
                },
                Self::Origin(check) => match check.next().map_err(|_| ())? {
                    None => return Ok(None),
                    Some(OriginNeed::Write(_)) => continue,
                    Some(OriginNeed::Block { block, .. }) => match bytes_of(block) {
                        Some(bytes) => check.feed(bytes),
                        None => return Ok(None),
                    },
                },
            };
            match fed.map_err(|_| ())? {
                Decoded::Block(verified) => return Ok(Some(SimVerdict::Checked(verified))),
                Decoded::Parent { .. } => {}
            }
        }
    }
}
