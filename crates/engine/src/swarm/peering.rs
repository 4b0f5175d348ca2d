//! The part of the router that talks with peers: HELLO, interests and haves, wants served, misbehaviour.

use nearcast_content::{BlockRange, BlockSet, FeatureSet, NodeKey, ObjectId};

use super::Swarm;
use super::api::*;
use super::caps::off_the_line;
use super::connect::SETTLE;
use super::demand::Demand;
use super::fetch::Pick;
use super::haves::beyond;
use super::objects::ObjectIx;
use super::peers::{Heard, Said};
use super::runs::Asked;
use super::serve::Wanted;
use crate::limits::*;
use crate::place::Nearness;
use crate::time::{Span, Time};
use crate::wire::{Have, Hello, PeerMessage, RefuseReason, Serves, Versions, Want};

impl Swarm {
    pub(super) fn settings(&mut self, settings: Settings) {
        self.serving.set_limit(settings.upload_limit);
        let before = std::mem::replace(&mut self.settings, settings);
        if self.settings.peers != before.peers {
            self.stop_serving(|_| true);
            let all = self.peers.iter().map(|(id, _)| id).collect();
            self.part_all(all);
        }
    }

    /// Begins or ends to hand on as caps, hours and settings come and go, and notes when that changes next.
    pub(super) fn follow_caps(&mut self) {
        let sharing = self.allowance.sharing(self.now, &self.settings);
        self.wake_at(self.allowance.next_change(self.now), Reason::Caps);
        let before = std::mem::replace(&mut self.sharing, sharing);
        let changes = |over| before.serves(over) != sharing.serves(over);
        if !changes(Over::Lan) && !changes(Over::Line) {
            return;
        }
        self.news.of_all();
        self.stop_serving(|w| sharing.serves(w.over) == Serves::Nobody);
        // What was said in HELLO is no longer so: connections are made anew.
        let told = self.peers.iter().filter(|(_, peer)| changes(peer.over)).map(|(id, _)| id).collect();
        self.part_all(told);
    }

    /// What paths did. Those in the own network meet no queue of the line. It comes ten times a second from whoever
    /// serves, and changes nothing but the pace.
    pub(super) fn uplink_reported(&mut self, mut reports: Vec<PathReport>) {
        reports.retain(|r| self.peers.get(r.peer).is_some_and(|p| p.over == Over::Line));
        self.uplink.report(self.now, &reports, self.serving.promised());
        self.set_pace();
    }

    /// Tells the shell how fast to send: what the line has room for, and no more than the ceiling.
    pub(super) fn set_pace(&mut self) {
        let ceiling = self.settings.upload_limit.map(off_the_line);
        let pace = self.uplink.rate(self.now).into_iter().chain(ceiling).min();
        if pace != self.pace {
            self.pace = pace;
            self.put(Output::Pace(pace));
        }
    }

    fn stop_serving(&mut self, which: impl Fn(&Wanted) -> bool) {
        for (upload, wanted) in self.serving.drop_where(which) {
            if let Some(upload) = upload {
                self.put(Output::StopServing { upload });
            }
            self.refuse(wanted.peer, wanted.request, RefuseReason::NotServing);
        }
    }

    fn part_all(&mut self, peers: Vec<PeerId>) {
        for id in peers {
            self.part(id, Parting::SharingOff);
        }
        self.reannounce_all();
        self.replan = true;
    }

    pub(super) fn connected(
        &mut self,
        id: PeerId,
        node: NodeKey,
        side: Side,
        path: Path,
        rtt: Span,
        nearness: Option<Nearness>,
    ) {
        self.connects.connected(self.now, &node, nearness.unwrap_or(Nearness::Far));
        if !self.peers.welcome(&node) {
            return self.turn_away(id, Parting::Banned);
        }
        if self.settings.peers == PeerUse::HoldOut {
            return self.put(Output::Disconnect { peer: id, why: Parting::SharingOff });
        }
        if let Some(other) = self.peers.connected_to(&node) {
            // Both sides keep the connection that the smaller key opened; of two alike the later one, since the
            // earlier may be a ghost of a peer that restarted.
            let ours = if self.me < node { Side::Dialed } else { Side::Accepted };
            let kept = self.peers.get(other).map(|p| p.side);
            if side != ours && kept == Some(ours) {
                return self.put(Output::Disconnect { peer: id, why: Parting::Duplicate });
            }
            self.part(other, Parting::Duplicate);
        }
        if self.peers.len() >= MAX_PEERS && !self.make_room() {
            return self.put(Output::Disconnect { peer: id, why: Parting::Surplus });
        }
        // What the directory calls the same household may be a street behind one address: the path itself tells.
        let over = if nearness == Some(Nearness::Lan) { Over::Lan } else { Over::Line };
        let far = self.connects.nearness(&node).unwrap_or(Nearness::Far);
        let nearness = nearness.map_or(far, |n| n.min(far));
        self.peers.add(id, node, side, path, over, rtt, nearness, self.now);
        let hello = Hello {
            versions: Versions::OURS,
            features: features(self.settings.runs_in).0,
            provider: self.provider,
            serves: self.sharing.serves(over),
            credential: None,
        };
        self.put(Output::Send { peer: id, message: PeerMessage::Hello(hello) });
    }

    /// Parts with the peer that helped least lately, if none of its work is under way and it is idle for long.
    fn make_room(&mut self) -> bool {
        let idle =
            |p: &super::peers::Peer| p.pipe.runs() == 0 && self.now.since(p.useful) > Span::from_secs(30);
        let least = self.peers.iter().filter(|(_, p)| idle(p)).min_by_key(|(id, p)| (p.useful, *id));
        let Some((id, _)) = least else { return false };
        self.part(id, Parting::Surplus);
        true
    }

    pub(super) fn path_changed(&mut self, id: PeerId, path: Path, rtt: Span) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        (peer.path, peer.rtt) = (path, rtt);
        if path == Path::Relayed {
            // Delivery does not run over relays: what was asked on the direct path is asked elsewhere.
            self.end_runs_of(Asked::Peer(id));
        }
    }

    /// Closes a connection for a reason of ours.
    fn part(&mut self, id: PeerId, why: Parting) {
        self.put(Output::Disconnect { peer: id, why });
        self.disconnected(id);
    }

    pub(super) fn disconnected(&mut self, id: PeerId) {
        self.replan = true;
        self.end_runs_of(Asked::Peer(id));
        for (upload, _) in self.serving.drop_where(|w| w.peer == id) {
            if let Some(upload) = upload {
                self.put(Output::StopServing { upload });
            }
        }
        self.uplink.forget(id);
        if let Some(peer) = self.peers.remove(id) {
            self.connects.failed(self.now, &peer.node);
        }
    }

    /// A peer broke the rules. Bad bytes also count against it in later lives.
    pub(super) fn misbehaved(&mut self, id: PeerId, how: Misbehaviour) {
        let Some(peer) = self.peers.get(id) else { return };
        let node = peer.node;
        if how == Misbehaviour::CorruptBlock {
            let strikes = self.peers.strike(node);
            self.put(Output::Strike { node, strikes });
        } else {
            self.peers.drop_for_now(node);
        }
        self.turn_away(id, Parting::Misbehaved(how));
        self.disconnected(id);
    }

    /// Closes a connection for what the peer did or is, and says so.
    fn turn_away(&mut self, peer: PeerId, why: Parting) {
        self.put(Output::Disconnect { peer, why });
        self.note(Note::TurnedAway { peer, why });
    }

    pub(super) fn message(&mut self, id: PeerId, message: PeerMessage) {
        let Some(peer) = self.peers.get(id) else { return };
        let greeted = peer.hello.is_some();
        if greeted == matches!(message, PeerMessage::Hello(_)) {
            return self.misbehaved(id, Misbehaviour::OutOfOrder);
        }
        match message {
            PeerMessage::Hello(hello) => self.greeted(id, &hello),
            PeerMessage::Interest { object } => self.interest(id, object),
            PeerMessage::NoInterest { object } => {
                let ix = self.objects.find(&object);
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.unknown.remove(&object);
                    ix.map(|ix| peer.interests.remove(&ix));
                }
                self.crowd_changed(ix);
            }
            PeerMessage::Have(have) => self.have(id, &have),
            PeerMessage::Want(want) => self.want(id, &want),
            PeerMessage::Cancel { request } => {
                if let Some(upload) = self.serving.cancel(id, request) {
                    self.put(Output::StopServing { upload });
                }
            }
            PeerMessage::Refuse { request, reason } => self.refused(id, request, reason),
            PeerMessage::Choke { millis } => {
                self.peers.choke(id, self.now + Span::from_millis(millis.into()));
            }
            PeerMessage::Goodbye => self.part(id, Parting::Surplus),
        }
    }

    fn greeted(&mut self, id: PeerId, hello: &Hello) {
        let alike = hello.versions.common(Versions::OURS).is_some() && hello.provider == self.provider;
        if !alike {
            self.turn_away(id, Parting::Incompatible);
            return self.disconnected(id);
        }
        if let Some(peer) = self.peers.get_mut(id) {
            peer.hello = Some(hello.serves);
            peer.runs_in = runs_in(FeatureSet(hello.features));
            self.interests_told = false;
        }
    }

    /// Somebody came to an object or left it: that matters where we want it too.
    fn crowd_changed(&mut self, object: Option<ObjectIx>) {
        self.replan |= object.is_some_and(|ix| self.interests.contains(&ix));
    }

    fn interest(&mut self, id: PeerId, object: ObjectId) {
        self.crowd_changed(self.objects.find(&object));
        let asked = match self.objects.find(&object) {
            Some(ix) => self.tell_all(id, ix, true),
            None => self.peers.interested_in_unknown(id, object).map(|()| self.tell_nothing(id, object)),
        };
        if let Err(how) = asked {
            self.misbehaved(id, how);
        }
    }

    /// Tells a peer that nothing is held of an object, so that it need not wait to find out.
    fn tell_nothing(&mut self, peer: PeerId, object: ObjectId) {
        let have = Have { object, added: BlockSet::EMPTY, removed: BlockSet::EMPTY, coming: BlockSet::EMPTY };
        self.put(Output::Send { peer, message: PeerMessage::Have(have) });
    }

    /// Begins to tell a peer what is held of an object, with all of it first: at once where it has just asked.
    fn tell_all(&mut self, id: PeerId, ix: ObjectIx, first: bool) -> Result<(), Misbehaviour> {
        let over = self.peers.get(id).map_or(Over::Line, |peer| peer.over);
        let serves = self.sharing.serves(over) == Serves::Others && !self.is_held_out(ix);
        let held = if serves { self.objects.get(ix).held.clone() } else { BlockSet::EMPTY };
        self.news.of(id);
        self.peers.interested(id, ix, &held, first, self.now)
    }

    /// An object became known here: peers that had asked about it, and were told that nothing is held, are told.
    pub(super) fn object_known(&mut self, object: &ObjectId) {
        let Some(ix) = self.objects.find(object) else { return };
        for id in self.peers.known(object) {
            if let Err(how) = self.tell_all(id, ix, false) {
                self.misbehaved(id, how);
            }
        }
    }

    fn have(&mut self, id: PeerId, have: &Have) {
        let Some(ix) = self.objects.find(&have.object) else { return };
        let all = self.objects.get(ix).size.all();
        let outside = |set: &BlockSet| set.ranges().last().is_some_and(|r| r.end > all.end);
        if outside(&have.added) || outside(&have.removed) || outside(&have.coming) {
            return self.misbehaved(id, Misbehaviour::BadHave);
        }
        let Some(peer) = self.peers.get_mut(id) else { return };
        let awaited = peer.silent_until(self.now, ix, SETTLE);
        // Told without being asked, or after the interest was taken back: nothing to keep.
        let Some(heard) = peer.heard.get_mut(&ix) else { return };
        let nothing = || Said { held: BlockSet::EMPTY, coming: BlockSet::EMPTY, since: self.now };
        let said = heard.said.get_or_insert_with(nothing);
        let silent = said.coming.is_empty() && says_nothing(have);
        for range in have.added.ranges() {
            said.held.insert(*range);
        }
        for range in have.removed.ranges() {
            said.held.remove(*range);
        }
        if beyond(&have.coming, &said.coming).next().is_some() {
            said.since = self.now;
        }
        said.coming.clone_from(&have.coming);
        self.replan |= !silent || self.awaits_no_more(ix, awaited);
    }

    /// Whether a peer that turned out to hold nothing of an object changes what to do: a start waits for somebody's
    /// answer, or nobody else is to be waited for as long as it was. Most of those who are asked hold nothing.
    fn awaits_no_more(&self, object: ObjectIx, awaited: Option<Time>) -> bool {
        let starts = self.left_over.iter().any(Pick::starts);
        let others = self.peers.iter().filter_map(|(_, peer)| peer.silent_until(self.now, object, SETTLE));
        awaited.is_some() && (starts || others.max() < awaited)
    }

    fn want(&mut self, id: PeerId, want: &Want) {
        let Some(peer) = self.peers.get(id) else { return };
        let (over, path) = (peer.over, peer.path);
        if want.blocks.is_empty() || want.blocks.len() > MAX_RUN_BLOCKS {
            return self.misbehaved(id, Misbehaviour::BadWant);
        }
        if self.serving.knows(id, want.request) {
            return self.misbehaved(id, Misbehaviour::DuplicateRequest);
        }
        if self.sharing.serves(over) == Serves::Nobody || path == Path::Relayed {
            return self.refuse(id, want.request, RefuseReason::NotServing);
        }
        let held =
            self.objects.find(&want.object).filter(|ix| self.objects.get(*ix).held.contains_all(want.blocks));
        let held = held.filter(|ix| !self.is_held_out(*ix));
        let Some(object) = held else { return self.refuse(id, want.request, RefuseReason::NotHeld) };
        let bytes = self.objects.get(object).size.bytes_of(want.blocks).len();
        let due = self.now + Span::from_millis(want.due_millis.into());
        let (request, blocks) = (want.request, want.blocks);
        let wanted = Wanted { peer: id, request, object, blocks, bytes, due, over };
        if let Err(reason) = self.serving.want(wanted) {
            self.refuse(id, want.request, reason);
        }
    }

    pub(super) fn refuse(&mut self, peer: PeerId, request: u32, reason: RefuseReason) {
        self.put(Output::Send { peer, message: PeerMessage::Refuse { request, reason } });
        self.note(Note::Refused { peer, reason });
    }

    /// A peer will not send what we asked for.
    fn refused(&mut self, id: PeerId, request: u32, reason: RefuseReason) {
        let ours = |run: &&super::runs::Run| run.asked == Asked::Peer(id);
        let Some(run) = self.runs.get(RequestId(request)).filter(ours) else { return };
        let (object, blocks) = (run.object, run.blocks);
        self.put(Output::Cancel { request: RequestId(request) });
        self.failed(RequestId(request), Fault::Unavailable);
        let Some(peer) = self.peers.get_mut(id) else { return };
        match reason {
            RefuseReason::NotHeld | RefuseReason::Damaged => {
                if let Some(said) = peer.heard.get_mut(&object).and_then(|heard| heard.said.as_mut()) {
                    said.held.remove(blocks);
                }
            }
            RefuseReason::NotServing => peer.hello = Some(Serves::Nobody),
            RefuseReason::Busy => {}
        }
    }

    /// Tells peers which objects we want to hear about, and which no longer.
    pub(super) fn tell_interests(&mut self, wanted: &[Demand]) {
        let alternatives = self.plays.reads().flat_map(|(_, read)| self.alternatives(read));
        let open = |ix: &ObjectIx| !self.objects.get(*ix).complete() && !self.is_held_out(*ix);
        let objects = wanted.iter().map(|demand| demand.object).chain(alternatives);
        let interests = objects.filter(open).take(MAX_INTERESTS).collect();
        let before = std::mem::replace(&mut self.interests, interests);
        if std::mem::replace(&mut self.interests_told, true) && before == self.interests {
            return;
        }
        let mut messages = Vec::new();
        let (interests, objects, now) = (&self.interests, &self.objects, self.now);
        for (id, peer) in self.peers.iter_mut().filter(|(_, p)| p.hello.is_some()) {
            let gone: Vec<ObjectIx> =
                peer.heard.keys().filter(|ix| !interests.contains(ix)).copied().collect();
            for ix in gone {
                peer.heard.remove(&ix);
                messages.push((id, PeerMessage::NoInterest { object: objects.get(ix).id }));
            }
            for ix in interests {
                if !peer.heard.contains_key(ix) {
                    peer.heard.insert(*ix, Heard { asked: now, said: None });
                    messages.push((id, PeerMessage::Interest { object: objects.get(*ix).id }));
                }
            }
        }
        for (peer, message) in messages {
            self.put(Output::Send { peer, message });
        }
    }

    pub(super) fn start_uploads(&mut self) {
        while let Some(upload) = self.serving.dawdler(self.now) {
            self.put(Output::StopServing { upload });
            self.next_upload();
        }
        while self.next_upload() {}
        self.wake_at(self.serving.wake(self.now), Reason::UploadLimit);
        self.wake_at(self.serving.patience_ends(self.now), Reason::UploadLimit);
    }

    /// Starts the next run that a peer waits for, if there is a place for it.
    fn next_upload(&mut self) -> bool {
        let Some(wanted) = self.serving.next(self.now) else { return false };
        let Wanted { peer, request, blocks, due, over, .. } = wanted;
        let promised = self.serving.promised();
        if over == Over::Line && !self.allowance.fits(self.now, wanted.bytes, promised) {
            self.refuse(peer, request, RefuseReason::Busy);
            // When this was the last of the month, everybody is told.
            self.stirred = true;
            return true;
        }
        let object = self.objects.get(wanted.object);
        if !object.held.contains_all(blocks) {
            self.refuse(peer, request, RefuseReason::NotHeld);
            return true;
        }
        let (id, size) = (object.id, object.size);
        let upload = self.serving.start(self.now, wanted);
        if over == Over::Line {
            self.uplink.serves(peer);
        }
        self.put(Output::Serve { upload, peer, request, object: id, size, blocks, due, over });
        true
    }

    pub(super) fn sent(&mut self, upload: UploadId, bytes: u64) {
        self.serving.sent(upload, bytes);
        let Some(wanted) = self.serving.get(upload).copied() else { return };
        if wanted.over == Over::Line {
            self.uplink.sent(bytes);
            if let Some(handed) = self.allowance.sent(self.now, bytes) {
                self.put(Output::Remember(handed));
                // The month may be used up.
                self.stirred = true;
            }
        }
        self.objects.touch(wanted.object);
        if let Some(peer) = self.peers.get_mut(wanted.peer) {
            peer.useful = self.now;
        }
    }

    /// Damage was found: the blocks are fetched again, and nobody is promised them.
    pub(super) fn damaged(&mut self, object: &ObjectId, blocks: BlockRange) {
        let Some(ix) = self.objects.find(object) else { return };
        self.forget(ix, blocks);
        for (upload, wanted) in
            self.serving.drop_where(|w| w.object == ix && !w.blocks.intersect(blocks).is_empty())
        {
            if let Some(upload) = upload {
                self.put(Output::StopServing { upload });
            }
            self.refuse(wanted.peer, wanted.request, RefuseReason::Damaged);
        }
    }
}

/// Whether a have tells of nothing at all.
fn says_nothing(have: &Have) -> bool {
    have.added.is_empty() && have.removed.is_empty() && have.coming.is_empty()
}

/// What a HELLO says of what its node runs in.
fn features(runs_in: RunsIn) -> FeatureSet {
    match runs_in {
        RunsIn::Program => FeatureSet::NONE,
        RunsIn::Page => FeatureSet::PAGE,
    }
}

fn runs_in(features: FeatureSet) -> RunsIn {
    if features.has(FeatureSet::PAGE) { RunsIn::Page } else { RunsIn::Program }
}
