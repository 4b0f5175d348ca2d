//! Carrying out what an agent wants done.

use nearcast_engine::swarm::{Note, Output, PeerId, RequestId, RunsIn, Source, UploadId};
use nearcast_engine::wire::{PeerMessage, Want};

use super::{Event, World};
use crate::invariants::{Broken, check_run};
use crate::network::Pacer;
use crate::node::{Coming, Who};

impl World<'_> {
    /// Does one thing that the agent of `who` wants done.
    pub(super) fn carry_out(&mut self, who: Who, output: Output) {
        match output {
            // Simulated nodes have no caps by the month.
            Output::Timeout(..) | Output::Remember(_) => {}
            Output::Advise { play, advice } => self.take_advice(who, play, advice),
            Output::Pace(pace) => self.network.set_pace(Pacer(who.node), pace),
            Output::AskOrigin { request, object, size, blocks } => {
                if let Some(object) = self.catalogue.find(object) {
                    let coming = Coming {
                        peer: None,
                        object,
                        size,
                        blocks,
                        next: blocks.start,
                        run: None,
                        check: None,
                    };
                    self.gap_asks(who, request, object, blocks);
                    self.expect(who, request, coming);
                    self.ask_origin(who, request);
                }
            }
            Output::AskPeer { request, peer, object: id, size, blocks, due_millis } => {
                if let Some(object) = self.catalogue.find(id) {
                    let peer_number = Some(peer);
                    let next = blocks.start;
                    let coming =
                        Coming { peer: peer_number, object, size, blocks, next, run: None, check: None };
                    self.expect(who, request, coming);
                    let want = Want { request: request.0, object: id, blocks, due_millis };
                    self.send(who, peer, PeerMessage::Want(want));
                }
            }
            Output::Cancel { request } => self.cancel(who, request),
            Output::Send { peer, message } => self.send(who, peer, message),
            Output::Serve { upload, peer, request, object, size: _, blocks, due: _, over: _ } => {
                if let Some(object) = self.catalogue.find(object) {
                    self.serve(who, upload, (peer, RequestId(request)), (object, blocks));
                }
            }
            Output::StopServing { upload } => self.stop_serving(who, upload),
            Output::Connect { node } => self.connect(who, node),
            Output::Disconnect { peer, why: _ } => self.disconnect(who, peer),
            Output::Strike { node, strikes } => {
                if let Some(here) = self.node(who) {
                    here.strikes.insert(node, strikes);
                    here.counts.strikes += 1;
                }
            }
            Output::Lookup { swarm, renditions } => self.look_up(who, swarm, renditions),
            Output::Announce { swarm, renditions, coverage } => {
                self.announce(who, swarm, renditions, coverage)
            }
            Output::Forgot { swarm } => self.forget_title(who, swarm),
            Output::Evict { object, blocks } => {
                let object = self.catalogue.find(object);
                let size = object.map(|object| self.catalogue.object(object).size);
                if let Some(((object, size), node)) = object.zip(size).zip(self.node(who)) {
                    let there = node.store.has(object);
                    let waste = node.store.evict(object, size, blocks);
                    node.counts.wasted.add_all(waste);
                    node.watch.evicted(object, blocks);
                    if there && !node.store.has(object) {
                        self.note_presence(who.node, object, false);
                    }
                }
            }
            Output::Note(note) => self.take_note(who, &note),
        }
    }

    fn expect(&mut self, who: Who, request: RequestId, mut coming: Coming) {
        if self.is_engine(who)
            && let Err(broken) = check_run(coming.blocks, coming.peer)
        {
            return self.broke(Some(who.node), broken);
        }
        coming.check = self.verifier(&coming);
        if let Some(node) = self.node(who) {
            node.coming.insert(request, coming);
            node.grew = true;
        }
    }

    fn cancel(&mut self, who: Who, request: RequestId) {
        let Some(coming) = self.node(who).and_then(|node| node.coming.remove(&request)) else { return };
        match coming.peer {
            Some(peer) => self.send(who, peer, PeerMessage::Cancel { request: request.0 }),
            None if self.scenario.origin.own_connections => self.hang_up_on_origin(who, request),
            None => {
                if let Some(run) = coming.run {
                    let at = self.now + self.origin_delay(who.node);
                    self.queue.push(at, Event::RunStops(run));
                }
            }
        }
    }

    fn stop_serving(&mut self, who: Who, upload: UploadId) {
        let Some((_, run)) = self.node(who).and_then(|node| node.going.remove(&upload)) else { return };
        let parcel = self.network.stop(self.now, run);
        if let Some(parcel) = parcel
            && let super::Sender::Peer { connection, .. } = parcel.from
            && let Some(line) = self.connections.get(connection)
        {
            let at = self.now + line.delay;
            self.queue.push(at, Event::Reset(parcel.to, connection, parcel.request));
        }
    }

    fn take_note(&mut self, who: Who, note: &Note) {
        let now = self.now;
        let Some(node) = self.node(who) else { return };
        match note {
            Note::Delivered { source, bytes, .. } => node.counts.noted.add(*source, *bytes),
            Note::Stalled { .. } => node.counts.noted_stalls += 1,
            Note::Stuck { .. } => node.watch.stuck_at = Some(now),
            Note::HeldOut { .. }
            | Note::Ended { .. }
            | Note::Asked { .. }
            | Note::Started { .. }
            | Note::Wasted { .. }
            | Note::TurnedAway { .. }
            | Note::Refused { .. } => {}
        }
    }

    /// What may be said to a peer: only what is so.
    pub(super) fn check_message(&mut self, who: Who, peer: PeerId, message: &PeerMessage) {
        let PeerMessage::Have(have) = message else { return };
        let now = self.now;
        let bounded = self.is_engine(who);
        let Some(object) = self.catalogue.find(have.object) else { return };
        let Some(node) = self.node(who) else { return };
        let missing = have.added.ranges().iter().find(|range| !node.store.holds(object, **range)).copied();
        let first = node.watch.answers(now, peer, have.object);
        let told = if first || !bounded { Ok(()) } else { node.watch.told(now, peer) };
        if let Some(blocks) = missing {
            return self.broke(Some(who.node), Broken::PromisesUnverified(blocks));
        }
        if let Err(broken) = told {
            self.broke(Some(who.node), broken);
        }
    }
}

/// The source of a run, for counting.
pub(super) fn source_of(sender: super::Sender) -> Source {
    match sender {
        super::Sender::Origin => Source::Origin,
        super::Sender::Peer { near, .. } => Source::Peer(near, RunsIn::Program),
    }
}
