//! Peers: what their links want done and heard, and runs both ways.

use nearcast_content::{BlockRange, NodeKey};
use nearcast_engine::channels::{Ending, Heard, LinkId, Output};
use nearcast_engine::directory::client::Input as ClientInput;
use nearcast_engine::swarm::{
    Fault, Input, Over, Path, PathReport, PeerId, RequestId, UPLINK_TICK, UploadId,
};
use nearcast_engine::wire::{Frame, PeerMessage};

use super::Tab;
use super::carry::link_of;
use crate::effect::Effect;
use crate::limits::MAX_QUEUED;
use crate::uploads::Next;

impl Tab {
    /// Calls a node: it is signalled with.
    pub(super) fn call(&mut self, node: NodeKey) {
        let session = self.chance.number();
        self.links.call(self.now, node, session);
    }

    /// The browser made its description of a link.
    pub fn described(&mut self, micros: u64, id: LinkId, description: &str) {
        self.at(micros);
        self.links.described(id, description);
        self.settle();
    }

    /// The browser found a place where a link may be reached.
    pub fn candidate(&mut self, micros: u64, id: LinkId, candidate: &str, section: &str) {
        self.at(micros);
        self.links.candidate(id, candidate.to_owned(), section.to_owned());
        self.settle();
    }

    /// Another node signals.
    pub(super) fn signalled(&mut self, from: NodeKey, payload: &[u8]) {
        if let Err(error) = self.links.signalled(self.now, from, payload) {
            self.note(format!("{from} signals what is no signal: {error}"));
        }
    }

    /// A link's channel stands.
    pub fn channel_opened(&mut self, micros: u64, id: LinkId) {
        self.at(micros);
        let nonce = self.chance.nonce();
        self.links.opened(self.now, id, nonce);
        self.settle();
    }

    /// A link ended, or could not be made.
    pub fn channel_closed(&mut self, micros: u64, id: LinkId) {
        self.at(micros);
        self.links.closed(id);
        self.settle();
    }

    /// So many bytes wait in a link's channel.
    pub fn waiting(&mut self, micros: u64, id: LinkId, bytes: u64) {
        self.at(micros);
        self.links.waits(id, bytes);
        if !self.uploads.under_way.is_empty() {
            self.settle();
        }
    }

    /// A packet came over a link's channel.
    pub fn packet(&mut self, micros: u64, id: LinkId, packet: &[u8]) {
        self.at(micros);
        match self.links.packet(self.now, id, packet) {
            Heard::Nothing => {}
            Heard::Message(message) => self.message(id, message),
            Heard::Piece { request, bytes } => self.piece(id, RequestId(request), bytes),
            Heard::Over { request } => {
                // A run that is complete has ended by itself.
                if self.arriving.take(id, RequestId(request)).is_some() {
                    self.run_failed(RequestId(request), Fault::Unavailable);
                }
            }
            Heard::Malformed(error) => {
                self.note(format!("link {}: {error}", id.0));
                self.input(Input::Malformed { peer: peer_of(id) });
            }
        }
        self.settle();
    }

    pub(super) fn carry_for_links(&mut self, output: Output) {
        match output {
            Output::Signal { link, to, payload } => {
                let sent = self.client.handle_input(self.now, ClientInput::Signal { to, payload });
                // Without a supernode there is no link.
                if let (Err(_), Some(link)) = (sent, link) {
                    self.links.closed(link);
                }
            }
            Output::Call(link) => self.effects.push_back(Effect::Call(link)),
            Output::Answer { link, description } => {
                self.effects.push_back(Effect::AnswerCall { link, description });
            }
            Output::Accepted { link, description } => {
                self.effects.push_back(Effect::Accepted { link, description });
            }
            Output::Candidate { link, candidate, section } => {
                self.effects.push_back(Effect::Candidate { link, candidate, section });
            }
            Output::Packet { link, bytes } => self.effects.push_back(Effect::Packet { link, bytes }),
            Output::Connected { link, node, side, rtt } => {
                let (peer, path, nearness) = (peer_of(link), Path::Direct, None);
                self.input(Input::Connected { peer, node, side, path, rtt, nearness });
            }
            Output::ConnectFailed { node } => self.input(Input::ConnectFailed { node }),
            Output::Disconnected(link) => self.input(Input::Disconnected { peer: peer_of(link) }),
            Output::HangUp { link, why } => self.hang_up(link, &why),
        }
    }

    fn hang_up(&mut self, link: LinkId, why: &Ending) {
        if !matches!(why, Ending::Left) {
            self.note(format!("link {}: {why}", link.0));
        }
        self.arriving.forget(link);
        self.effects.push_back(Effect::HangUp(link));
    }

    fn message(&mut self, id: LinkId, message: PeerMessage) {
        if let PeerMessage::Refuse { request, .. } = &message {
            self.arriving.take(id, RequestId(*request));
        }
        self.input(Input::Message { peer: peer_of(id), message });
    }

    /// Bytes of a run came. Those of one that was cancelled, or never asked for, are dropped.
    fn piece(&mut self, id: LinkId, request: RequestId, bytes: &[u8]) {
        let Some(mut run) = self.arriving.take(id, request) else { return };
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
                self.arriving.0.insert(request, run);
            }
        }
    }

    /// A run is not wanted any more, wherever it comes from.
    pub(super) fn cancel(&mut self, request: RequestId) {
        self.cancel_origin(request);
        if let Some(run) = self.arriving.0.remove(&request) {
            self.say(run.link, PeerMessage::Cancel { request: request.0 });
        }
    }

    /// Says something on a link's control stream.
    pub(super) fn say(&mut self, id: LinkId, message: PeerMessage) {
        self.frame(id, &Frame::Control(message));
    }

    /// Sends a frame.
    pub(super) fn frame(&mut self, id: LinkId, frame: &Frame<'_>) {
        self.links.send(id, frame);
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
        let room = self.links.waiting(run.link).is_none_or(|waiting| waiting < MAX_QUEUED);
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

    /// Tells the engine what the paths did that it watches, and pings them.
    pub(super) fn report_paths(&mut self) {
        let mut reports = Vec::new();
        for peer in self.swarm.watched() {
            let id = link_of(peer);
            if let Some((rtt, acked)) = self.links.path(id) {
                reports.push(PathReport { peer, rtt, one_way: None, acked });
            }
            let number = u32::try_from(self.chance.number() & 0xffff_ffff).unwrap_or(0);
            self.links.ping(self.now, id, number);
        }
        self.input(Input::Uplink(reports));
        self.report_at = (!self.swarm.watched().is_empty()).then_some(self.now + UPLINK_TICK);
    }
}

pub(super) fn peer_of(id: LinkId) -> PeerId {
    debug_assert_eq!(link_of(PeerId(u64::from(id.0))), id);
    PeerId(u64::from(id.0))
}
