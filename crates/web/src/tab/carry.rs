//! What the engine wants done, carried out.

use nearcast_content::TitleId;
use nearcast_engine::channels::LinkId;
use nearcast_engine::directory::client::{Input as ClientInput, Output as ClientOutput};
use nearcast_engine::swarm::{Candidate, Fault, Input, Note, Output, PeerId};
use nearcast_engine::wire::directory::{ClientHello, Holder, Holding, hello_text};
use nearcast_engine::wire::{
    ClientMessage, Frame, PeerMessage, ServerMessage, Versions, Want, Ways, decode, encode,
};

use super::Tab;
use crate::effect::Effect;
use crate::incoming::Incoming;
use crate::origin::Target;
use crate::reads::ReadNumber;
use crate::uploads::Upload;

impl Tab {
    /// The connection to the supernode stands.
    pub fn socket_opened(&mut self, micros: u64) {
        self.at(micros);
        self.client_input(ClientInput::Connected);
        self.settle();
    }

    /// The connection to the supernode could not be made, or ended.
    pub fn socket_lost(&mut self, micros: u64) {
        self.at(micros);
        self.client_input(ClientInput::Lost { retry_after: None });
        self.settle();
    }

    /// The supernode sent a packet.
    pub fn told(&mut self, micros: u64, packet: &[u8]) {
        self.at(micros);
        match decode::<ServerMessage>(packet) {
            Ok(message) => self.client_input(ClientInput::Received(message)),
            Err(error) => {
                self.note(format!("the supernode sent no message: {error}"));
                self.effects.push_back(Effect::EndSocket);
                self.client_input(ClientInput::Lost { retry_after: None });
            }
        }
        self.settle();
    }

    /// Drains the machines. Each may give the others something to do.
    pub(super) fn carry_out(&mut self) {
        loop {
            let output = self.swarm.poll_output();
            if let Output::Timeout(at, _) = output {
                self.swarm_wake = at;
            } else {
                self.carry(output);
                continue;
            }
            if let Some(output) = self.links.poll() {
                self.carry_for_links(output);
                continue;
            }
            let output = self.client.poll_output();
            if let ClientOutput::Timeout(at) = output {
                self.client_wake = at;
                return;
            }
            self.carry_for_client(output);
        }
    }

    fn carry(&mut self, output: Output) {
        match output {
            Output::Timeout(..) => {}
            Output::AskOrigin { request, object, size, blocks } => {
                self.ask_origin(request, Target { object, size, blocks });
            }
            Output::AskPeer { request, peer, object, size, blocks, due_millis } => {
                let link = link_of(peer);
                if self.links.waiting(link).is_some() {
                    self.arriving.0.insert(request, Incoming::new(link, Target { object, size, blocks }));
                }
                let want = Want { request: request.0, object, blocks, due_millis };
                self.say(link, PeerMessage::Want(want));
            }
            Output::Cancel { request } => self.cancel(request),
            Output::Send { peer, message } => self.say(link_of(peer), message),
            Output::Serve { upload, peer, request, object, size, blocks, due: _, over } => {
                let run = Upload::new(link_of(peer), request, (object, size, blocks), over);
                self.uploads.under_way.insert(upload, run);
                self.report_soon();
            }
            Output::StopServing { upload } => {
                if let Some(run) = self.uploads.under_way.remove(&upload) {
                    self.frame(run.link, &Frame::GivenUp { request: run.request });
                }
            }
            Output::Connect { node } => self.call(node),
            Output::Disconnect { peer, why } => {
                self.note(format!("closing link {}: {why:?}", peer.0));
                self.links.leave(link_of(peer));
            }
            Output::Strike { node, strikes } => self.note(format!("{node} handed out bad bytes: {strikes}")),
            Output::Pace(rate) => self.pacer.set(self.now, rate),
            Output::Advise { play, advice } => self.reads.advise(play, advice),
            // A tab keeps no count over months: it has no monthly cap.
            Output::Remember(_) => {}
            Output::Lookup { swarm, renditions } => {
                self.client_input(ClientInput::Lookup { swarm, renditions });
            }
            Output::Announce { swarm, renditions: 0, .. } => self.client_input(ClientInput::Drop(swarm)),
            Output::Announce { swarm, renditions, coverage } => {
                self.client_input(ClientInput::Hold(Holding { swarm, renditions, coverage }));
            }
            Output::Forgot { swarm } => self.close_title(swarm),
            Output::Evict { object, blocks } => self.evict(object, blocks),
            Output::Note(note) => self.noted(&note),
        }
    }

    fn noted(&mut self, note: &Note) {
        for note in self.by_source(note) {
            self.count_note(&note);
        }
    }

    fn count_note(&mut self, note: &Note) {
        if let Some(report) = self.tallies.note(note) {
            self.client_input(ClientInput::Report(report));
        }
        match note {
            Note::Delivered { source, bytes, .. } => self.count(*source, *bytes),
            Note::Stuck { read } => {
                if let Some(number) = ReadNumber::of(*read) {
                    self.reads.fail(number);
                    self.effects.push_back(Effect::Ready(number));
                }
            }
            Note::Asked { .. }
            | Note::Started { .. }
            | Note::Stalled { .. }
            | Note::HeldOut { .. }
            | Note::Ended { .. }
            | Note::Wasted { .. }
            | Note::TurnedAway { .. }
            | Note::Refused { .. } => {}
        }
    }

    fn carry_for_client(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Timeout(_) => {}
            ClientOutput::Connect => self.effects.push_back(Effect::Socket(self.supernode.clone())),
            ClientOutput::Disconnect => self.effects.push_back(Effect::EndSocket),
            ClientOutput::Prove { nonce } => {
                let hello = self.hello(&nonce);
                self.tell(&ClientMessage::Hello(hello));
            }
            ClientOutput::Send(message) => self.tell(&message),
            ClientOutput::Up { stun_port, .. } => {
                self.stun_port = stun_port;
                self.reopen_soon();
                self.input(Input::DirectoryUp);
            }
            ClientOutput::Down => self.input(Input::DirectoryDown),
            ClientOutput::Found { swarm, holders, again } => {
                let holders = holders.iter().map(candidate).collect();
                self.input(Input::Found { swarm, holders, again });
            }
            ClientOutput::Signal { from, payload } => self.signalled(from, &payload),
            ClientOutput::PolicyChanged { .. } => self.fetch_policy(),
            ClientOutput::Refused(reason) => self.note(format!("the supernode refuses this tab: {reason:?}")),
        }
    }

    fn tell(&mut self, message: &ClientMessage) {
        self.effects.push_back(Effect::Tell(encode(message)));
    }

    fn hello(&self, nonce: &[u8; 32]) -> ClientHello {
        ClientHello {
            versions: Versions::OURS,
            features: nearcast_content::FeatureSet::OURS.0,
            provider: self.provider,
            node: self.key.node(),
            signature: self.key.sign(&hello_text(nonce, &self.provider)).0.to_vec(),
            serves: self.own.serves,
            port: 0,
            local: Vec::new(),
            credential: None,
            ways: Ways::DATA_CHANNELS,
        }
    }

    /// Says what is wrong with a title that was to be opened, or that it is open.
    pub(super) fn title_is(&mut self, title: TitleId, trouble: Option<String>) {
        self.effects.push_back(Effect::Title { title, trouble });
    }

    pub(super) fn run_failed(&mut self, request: nearcast_engine::swarm::RequestId, fault: Fault) {
        self.input(Input::Failed { request, fault });
    }
}

pub(super) fn link_of(peer: PeerId) -> LinkId {
    // Peers are numbered by their links.
    LinkId(u32::try_from(peer.0).unwrap_or(u32::MAX))
}

fn candidate(holder: &Holder) -> Candidate {
    Candidate {
        node: holder.node,
        nearness: holder.nearness,
        renditions: holder.renditions,
        coverage: holder.coverage,
    }
}
