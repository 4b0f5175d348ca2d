//! Other tabs: calling and being called, the first words, messages and runs both ways.

use nearcast_content::{BlockRange, NodeKey};
use nearcast_engine::directory::client::{Input as ClientInput, InputError};
use nearcast_engine::limits::MAX_SIGNAL;
use nearcast_engine::swarm::{
    Fault, Input, Over, Path, PathReport, PeerId, RequestId, Side, UPLINK_TICK, UploadId,
};
use nearcast_engine::wire::introduce::{Channel, Introducing, Introduction, Step};
use nearcast_engine::wire::{Caller, ChannelSignal, Frame, PeerMessage, decode, encode};

use super::Tab;
use super::carry::link_of;
use crate::effect::{Effect, LinkId};
use crate::limits::{MAX_CANDIDATES, MAX_QUEUED};
use crate::links::{Link, Stage};
use crate::sdp::fingerprint;
use crate::uploads::Next;

impl Tab {
    /// Calls a node: its tab is signalled with.
    pub(super) fn call(&mut self, node: NodeKey) {
        let session = self.chance.number();
        match self.links.open(self.now, node, session, Side::Dialed) {
            Some(link) => self.effects.push_back(Effect::Call(link)),
            None => self.input(Input::ConnectFailed { node }),
        }
    }

    /// The browser made its description of a link.
    pub fn described(&mut self, micros: u64, id: LinkId, description: &str) {
        self.at(micros);
        let Some(link) = self.links.all.get_mut(&id) else { return };
        link.ours = fingerprint(description);
        let (node, session, side) = (link.node, link.session, link.side);
        let candidates = std::mem::take(&mut link.candidates);
        let description = description.to_owned();
        let signal = match side {
            Side::Dialed => ChannelSignal::Offer { session, description },
            Side::Accepted => ChannelSignal::Answer { session, description },
        };
        self.signal(id, node, &signal);
        for (candidate, section) in candidates {
            self.candidate_found(id, candidate, section);
        }
        self.settle();
    }

    /// The browser found a place where a link may be reached.
    pub fn candidate(&mut self, micros: u64, id: LinkId, candidate: &str, section: &str) {
        self.at(micros);
        self.candidate_found(id, candidate.to_owned(), section.to_owned());
        self.settle();
    }

    fn candidate_found(&mut self, id: LinkId, candidate: String, section: String) {
        let Some(link) = self.links.all.get_mut(&id) else { return };
        if link.ours.is_none() {
            // The other side can make nothing of it before it has the description.
            if link.candidates.len() < MAX_CANDIDATES {
                link.candidates.push((candidate, section));
            }
            return;
        }
        let by = match link.side {
            Side::Dialed => Caller::Calls,
            Side::Accepted => Caller::Called,
        };
        let (node, session) = (link.node, link.session);
        self.signal(id, node, &ChannelSignal::Candidate { session, by, candidate, section });
    }

    /// Sends a signal; without a supernode there is no link.
    fn signal(&mut self, id: LinkId, to: NodeKey, signal: &ChannelSignal) {
        let payload = encode_signal(signal);
        let sent = match payload {
            Some(payload) => self.client.handle_input(self.now, ClientInput::Signal { to, payload }),
            None => Err(InputError::Down),
        };
        if sent.is_err() {
            self.fail_link(id);
        }
    }

    /// Another tab signals.
    pub(super) fn signalled(&mut self, from: NodeKey, payload: &[u8]) {
        let Ok(signal) = decode::<ChannelSignal>(payload) else {
            return self.note(format!("{from} signals what is no signal"));
        };
        match signal {
            ChannelSignal::Offer { session, description } => self.called(from, session, description),
            ChannelSignal::Answer { session, description } => {
                let Some((id, link)) = self.links.of(from, session, Side::Dialed) else { return };
                if link.theirs.is_some() {
                    return;
                }
                link.theirs = fingerprint(&description);
                match link.theirs {
                    Some(_) => self.effects.push_back(Effect::Accepted { link: id, description }),
                    None => self.fail_link(id),
                }
            }
            ChannelSignal::Candidate { session, by, candidate, section } => {
                let side = match by {
                    Caller::Calls => Side::Accepted,
                    Caller::Called => Side::Dialed,
                };
                let Some((link, _)) = self.links.of(from, session, side) else { return };
                self.effects.push_back(Effect::Candidate { link, candidate, section });
            }
            ChannelSignal::Decline { session } => {
                if let Some((id, _)) = self.links.of(from, session, Side::Dialed) {
                    self.fail_link(id);
                }
            }
        }
    }

    fn called(&mut self, from: NodeKey, session: u64, description: String) {
        if from == self.key.node() || self.links.of(from, session, Side::Accepted).is_some() {
            return;
        }
        let theirs = fingerprint(&description);
        let room = theirs.and_then(|_| self.links.open(self.now, from, session, Side::Accepted));
        let Some(id) = room else {
            if let Some(payload) = encode_signal(&ChannelSignal::Decline { session }) {
                self.client_input(ClientInput::Signal { to: from, payload });
            }
            return;
        };
        if let Some(link) = self.links.all.get_mut(&id) {
            link.theirs = theirs;
        }
        self.effects.push_back(Effect::AnswerCall { link: id, description });
    }

    /// A link's channel stands.
    pub fn channel_opened(&mut self, micros: u64, id: LinkId) {
        self.at(micros);
        let nonce = self.chance.nonce();
        let Some(link) = self.links.all.get_mut(&id) else { return };
        let (Some(ours), Some(theirs), Stage::Arranging) = (link.ours, link.theirs, &link.stage) else {
            self.fail_link(id);
            return self.settle();
        };
        let channel = Channel { side: link.side, provider: self.provider, other: link.node, ours, theirs };
        let (words, greeting) = Introducing::begin(channel, &self.key, nonce);
        link.stage = Stage::Introducing { words: Box::new(words), since: self.now };
        self.frame(id, &Frame::Introduction(greeting));
        self.settle();
    }

    /// A link ended, or could not be made.
    pub fn channel_closed(&mut self, micros: u64, id: LinkId) {
        self.at(micros);
        self.fail_link(id);
        self.settle();
    }

    /// So many bytes wait in a link's channel.
    pub fn waiting(&mut self, micros: u64, id: LinkId, bytes: u64) {
        self.at(micros);
        if let Some(link) = self.links.all.get_mut(&id) {
            link.waits(bytes);
        }
        if !self.uploads.under_way.is_empty() {
            self.settle();
        }
    }

    /// A packet came over a link's channel.
    pub fn packet(&mut self, micros: u64, id: LinkId, packet: &[u8]) {
        self.at(micros);
        let proven = match self.links.all.get(&id) {
            Some(link) => matches!(link.stage, Stage::Proven),
            None => return,
        };
        let fine = match Frame::read(packet) {
            Ok(Frame::Introduction(word)) => self.introduced(id, word),
            Ok(_) if !proven => false,
            Ok(Frame::Control(message)) => {
                self.message(id, message);
                true
            }
            Ok(Frame::Piece { request, bytes }) => {
                self.piece(id, RequestId(request), bytes);
                true
            }
            Ok(Frame::End { request } | Frame::GivenUp { request }) => {
                // A run that is complete has ended by itself.
                self.incoming_ended(id, RequestId(request), Fault::Unavailable);
                true
            }
            Ok(Frame::Ping(number)) => {
                self.frame(id, &Frame::Pong(number));
                true
            }
            Ok(Frame::Pong(number)) => {
                self.pong(id, number);
                true
            }
            Err(error) => {
                self.note(format!("link {}: {error}", id.0));
                false
            }
        };
        match (fine, proven) {
            (true, _) => {}
            (false, true) => self.input(Input::Malformed { peer: peer_of(id) }),
            (false, false) => self.fail_link(id),
        }
        self.settle();
    }

    /// Takes a word before all others; false when the link is to be closed.
    fn introduced(&mut self, id: LinkId, word: Introduction) -> bool {
        let Some(link) = self.links.all.get_mut(&id) else { return true };
        let Stage::Introducing { words, since } = &mut link.stage else { return false };
        match words.take(word, &self.key) {
            Ok(Step::Say(word)) => self.frame(id, &Frame::Introduction(word)),
            Ok(Step::Proven) => {
                let rtt = self.now.since(*since);
                let (node, side) = (link.node, link.side);
                link.stage = Stage::Proven;
                let (peer, path, nearness) = (peer_of(id), Path::Direct, None);
                self.input(Input::Connected { peer, node, side, path, rtt, nearness });
            }
            Err(stranger) => {
                self.note(format!("link {}: {stranger}", id.0));
                return false;
            }
        }
        true
    }

    fn message(&mut self, id: LinkId, message: PeerMessage) {
        if let PeerMessage::Refuse { request, .. } = &message
            && let Some(link) = self.links.all.get_mut(&id)
        {
            link.incoming.remove(&RequestId(*request));
        }
        self.input(Input::Message { peer: peer_of(id), message });
    }

    /// Bytes of a run came. Those of one that was cancelled, or never asked for, are dropped.
    fn piece(&mut self, id: LinkId, request: RequestId, bytes: &[u8]) {
        let Some(link) = self.links.all.get_mut(&id) else { return };
        let Some(mut run) = link.incoming.remove(&request) else { return };
        run.rest.extend_from_slice(bytes);
        let (target, mut at) = (run.target, 0);
        let outcome = loop {
            let Some(need) = run.decoder.needs() else { break Some(Ok(())) };
            let Some(piece) = run.rest.get(at..at + need.len()) else { break None };
            let Ok(decoded) = run.decoder.feed(piece) else { break Some(Err(Fault::Corrupt)) };
            if let Some(verdict) = self.hold(&target, decoded, piece) {
                self.input(Input::Arrived { request, verdict });
            }
            at += need.len();
        };
        match outcome {
            Some(result) => self.say_run_ended(request, result),
            None => {
                run.rest.drain(..at);
                if let Some(link) = self.links.all.get_mut(&id) {
                    link.incoming.insert(request, run);
                }
            }
        }
    }

    fn incoming_ended(&mut self, id: LinkId, request: RequestId, fault: Fault) {
        let run = self.links.all.get_mut(&id).and_then(|link| link.incoming.remove(&request));
        if run.is_some() {
            self.run_failed(request, fault);
        }
    }

    /// A run is not wanted any more, wherever it comes from.
    pub(super) fn cancel(&mut self, request: RequestId) {
        self.cancel_origin(request);
        let asked =
            self.links.all.iter_mut().find_map(|(id, link)| link.incoming.remove(&request).map(|_| *id));
        if let Some(id) = asked {
            self.say(id, PeerMessage::Cancel { request: request.0 });
        }
    }

    /// Says something on a link's control stream.
    pub(super) fn say(&mut self, id: LinkId, message: PeerMessage) {
        self.frame(id, &Frame::Control(message));
    }

    /// Sends a frame; over a link that is gone it is lost, and the link's end is told by itself.
    pub(super) fn frame(&mut self, id: LinkId, frame: &Frame<'_>) {
        let Some(link) = self.links.all.get_mut(&id) else { return };
        let bytes = frame.to_packet();
        link.waiting += bytes.len() as u64;
        self.effects.push_back(Effect::Packet { link: id, bytes });
    }

    /// A link ends, and whoever counts on it is told.
    fn fail_link(&mut self, id: LinkId) {
        let Some(link) = self.drop_link(id) else { return };
        match (link.stage, link.side) {
            (Stage::Proven, _) => self.input(Input::Disconnected { peer: peer_of(id) }),
            (Stage::Arranging | Stage::Introducing { .. }, Side::Dialed) => {
                self.input(Input::ConnectFailed { node: link.node });
            }
            // Nobody here asked for it.
            (Stage::Arranging | Stage::Introducing { .. }, Side::Accepted) => {}
        }
    }

    pub(super) fn drop_link(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.all.remove(&id)?;
        self.effects.push_back(Effect::HangUp(id));
        Some(link)
    }

    pub(super) fn give_up_overdue(&mut self) {
        for id in self.links.overdue(self.now) {
            self.fail_link(id);
        }
    }

    /// Sends what the pace and the channels let go.
    pub(super) fn pump(&mut self) {
        while !self.uploads.under_way.is_empty() {
            let open: Vec<UploadId> = self.uploads.in_turn();
            let Some(upload) = open.into_iter().find(|upload| self.may_send(*upload)) else { return };
            self.send_piece(upload);
            self.carry_out();
        }
    }

    fn may_send(&mut self, upload: UploadId) -> bool {
        let Some(run) = self.uploads.under_way.get(&upload) else { return false };
        let room = self.links.all.get(&run.link).is_none_or(|link| link.waiting < MAX_QUEUED);
        room && !run.waits && (run.over == Over::Lan || self.pacer.wait(self.now).micros() == 0)
    }

    fn send_piece(&mut self, upload: UploadId) {
        self.uploads.sent(upload);
        let Some(run) = self.uploads.under_way.get_mut(&upload) else { return };
        let (link, request, object, over) = (run.link, run.request, run.object, run.over);
        match run.next(&self.store) {
            Ok(Next::Piece(bytes)) => {
                self.frame(link, &Frame::Piece { request, bytes: &bytes });
                let bytes = bytes.len() as u64;
                if over == Over::Line {
                    self.pacer.went(bytes);
                }
                self.figures.sent += bytes;
                self.input(Input::Sent { upload, bytes });
            }
            Ok(Next::End) => {
                self.uploads.under_way.remove(&upload);
                self.frame(link, &Frame::End { request });
                self.input(Input::SentAll { upload });
            }
            Err(absent) if self.fetch_kept(object, absent.0) => {
                if let Some(run) = self.uploads.under_way.get_mut(&upload) {
                    run.waits = true;
                }
            }
            Err(absent) => {
                self.uploads.under_way.remove(&upload);
                self.frame(link, &Frame::GivenUp { request });
                let blocks = BlockRange::new(absent.0, absent.0 + 1);
                self.input(Input::Damaged { object, blocks });
                self.input(Input::SentAll { upload });
            }
        }
    }

    fn pong(&mut self, id: LinkId, number: u32) {
        let now = self.now;
        let Some(link) = self.links.all.get_mut(&id) else { return };
        if let Some((_, sent)) = link.ping.take_if(|(asked, _)| *asked == number) {
            let rtt = now.since(sent);
            link.rtt = Some(link.rtt.map_or(rtt, |shortest| shortest.min(rtt)));
        }
    }

    /// Tells the engine what the paths of those who are served did, and pings them.
    pub(super) fn report_paths(&mut self) {
        let mut reports = Vec::new();
        let served: Vec<LinkId> = self.links.all.keys().copied().filter(|id| self.serves_link(*id)).collect();
        for id in &served {
            let Some(link) = self.links.all.get_mut(id) else { continue };
            let (rtt, acked) = (link.rtt.take(), std::mem::take(&mut link.left));
            reports.push(PathReport { peer: peer_of(*id), rtt, one_way: None, acked });
        }
        for id in &served {
            let number = u32::try_from(self.chance.number() & 0xffff_ffff).unwrap_or(0);
            let now = self.now;
            let Some(link) = self.links.all.get_mut(id) else { continue };
            if link.ping.is_none() {
                link.ping = Some((number, now));
                self.frame(*id, &Frame::Ping(number));
            }
        }
        self.report_at = (!served.is_empty()).then_some(self.now + UPLINK_TICK);
        self.input(Input::Uplink(reports));
    }
}

/// The signal, unless no supernode would carry it.
fn encode_signal(signal: &ChannelSignal) -> Option<Vec<u8>> {
    let texts = match signal {
        ChannelSignal::Offer { description, .. } | ChannelSignal::Answer { description, .. } => {
            description.len()
        }
        ChannelSignal::Candidate { candidate, section, .. } => candidate.len() + section.len(),
        ChannelSignal::Decline { .. } => 0,
    };
    // Numbers and lengths around the texts take less than this.
    (texts + 64 <= MAX_SIGNAL).then(|| encode(signal))
}

pub(super) fn peer_of(id: LinkId) -> PeerId {
    debug_assert_eq!(link_of(PeerId(u64::from(id.0))), id);
    PeerId(u64::from(id.0))
}
