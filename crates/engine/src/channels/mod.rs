//! Links to other nodes by data channels of WebRTC: arranged by signals through a supernode, introduced, then in use.
//! A shell has the connections; whether to take a call, who may speak, and when it is too late is decided here.
//!
//! What happens comes in through the methods, and what is to be done comes out of [`poll`](Channels::poll), which is
//! drained after each of them. Frames are put together and read here; the payload in them is not looked at.

mod api;
mod link;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use nearcast_content::keys::DeliveryKey;
use nearcast_content::{FlatMap, NodeKey, ProviderKey};

use self::link::{Link, Stage};
use crate::limits::{
    CHANNEL_PATIENCE, MAX_CANDIDATES, MAX_LINKS, MAX_LINKS_TO_NODE, MAX_SIGNAL, MAX_TAKEN_CALLS,
};
use crate::swarm::Side;
use crate::time::{Span, Time};
use crate::wire::introduce::{Channel, Fingerprint, Introducing, Introduction, Step};
use crate::wire::{Caller, ChannelSignal, Frame, WireError, decode, encode};

pub use api::{Ending, Heard, LinkId, Output};

/// All links of one node by data channels.
#[derive(Debug)]
pub struct Channels {
    key: DeliveryKey,
    provider: ProviderKey,
    links: FlatMap<LinkId, Link>,
    last: u32,
    outputs: VecDeque<Output>,
}

impl Channels {
    /// No links yet. Both ends of each will prove their keys for `provider`.
    pub fn new(key: DeliveryKey, provider: ProviderKey) -> Self {
        Self { key, provider, links: FlatMap::new(), last: 0, outputs: VecDeque::new() }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`timeout`](Self::timeout) is due.
    pub fn wake(&self) -> Time {
        let making = self.links.values().filter(|link| !link.is_proven());
        making.map(|link| link.deadline).min().unwrap_or(Time::NEVER)
    }

    /// Gives up links that were not proven in time.
    pub fn timeout(&mut self, now: Time) {
        let late = self.links.iter().filter(|(_, link)| !link.is_proven() && link.deadline <= now);
        let late: Vec<LinkId> = late.map(|(id, _)| *id).collect();
        for id in late {
            self.fail(id, Ending::Overdue);
        }
    }

    /// Calls a node. `session` is drawn from the shell's entropy.
    pub fn call(&mut self, now: Time, node: NodeKey, session: u64) {
        match self.open(now, node, session, Side::Dialed) {
            Some(link) => self.outputs.push_back(Output::Call(link)),
            None => self.outputs.push_back(Output::ConnectFailed { node }),
        }
    }

    /// A new link; none when there are too many.
    fn open(&mut self, now: Time, node: NodeKey, session: u64, side: Side) -> Option<LinkId> {
        let of_node = self.links.values().filter(|link| link.node == node).count();
        let taken =
            self.links.values().filter(|link| link.side == Side::Accepted && !link.is_proven()).count();
        let full = self.links.len() >= MAX_LINKS
            || of_node >= MAX_LINKS_TO_NODE
            || (side == Side::Accepted && taken >= MAX_TAKEN_CALLS);
        if full || node == self.key.node() {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        let id = LinkId(self.last);
        self.links.insert(id, Link::new(node, session, side, now + CHANNEL_PATIENCE));
        Some(id)
    }

    /// The connection's own description was made.
    pub fn described(&mut self, id: LinkId, description: &str) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.ours = Fingerprint::in_description(description);
        let (session, description) = (link.session, description.to_owned());
        let signal = match link.side {
            Side::Dialed => ChannelSignal::Offer { session, description },
            Side::Accepted => ChannelSignal::Answer { session, description },
        };
        let candidates = std::mem::take(&mut link.candidates);
        if link.ours.is_none() {
            return self.fail(id, Ending::Description);
        }
        self.signal(id, &signal);
        for (candidate, section) in candidates {
            self.candidate(id, candidate, section);
        }
    }

    /// A place was found where a link may be reached from the other side.
    pub fn candidate(&mut self, id: LinkId, candidate: String, section: String) {
        let Some(link) = self.links.get_mut(&id) else { return };
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
        let session = link.session;
        self.signal(id, &ChannelSignal::Candidate { session, by, candidate, section });
    }

    fn signal(&mut self, id: LinkId, signal: &ChannelSignal) {
        let Some(to) = self.links.get(&id).map(|link| link.node) else { return };
        match payload(signal) {
            Some(payload) => self.outputs.push_back(Output::Signal { link: Some(id), to, payload }),
            None => self.fail(id, Ending::Description),
        }
    }

    /// Another node signals.
    ///
    /// # Errors
    /// When it is no signal.
    pub fn signalled(&mut self, now: Time, from: NodeKey, payload: &[u8]) -> Result<(), WireError> {
        match decode::<ChannelSignal>(payload)? {
            ChannelSignal::Offer { session, description } => self.called(now, from, session, description),
            ChannelSignal::Answer { session, description } => self.answered(from, session, description),
            ChannelSignal::Candidate { session, by, candidate, section } => {
                let side = match by {
                    Caller::Calls => Side::Accepted,
                    Caller::Called => Side::Dialed,
                };
                let Some((link, known)) = self.of(from, session, side) else { return Ok(()) };
                if known.told < MAX_CANDIDATES {
                    known.told += 1;
                    self.outputs.push_back(Output::Candidate { link, candidate, section });
                }
            }
            ChannelSignal::Decline { session } => {
                if let Some((id, _)) = self.of(from, session, Side::Dialed) {
                    self.fail(id, Ending::Declined);
                }
            }
        }
        Ok(())
    }

    /// The link in the making that a signal is about. One that stands needs no more of them.
    fn of(&mut self, node: NodeKey, session: u64, side: Side) -> Option<(LinkId, &mut Link)> {
        let found = self
            .links
            .iter_mut()
            .find(|(_, link)| link.node == node && link.session == session && link.side == side);
        found.filter(|(_, link)| !link.is_proven()).map(|(id, link)| (*id, link))
    }

    fn called(&mut self, now: Time, from: NodeKey, session: u64, description: String) {
        let again = |link: &Link| link.node == from && link.session == session && link.side == Side::Accepted;
        if from == self.key.node() || self.links.values().any(again) {
            return;
        }
        let theirs = Fingerprint::in_description(&description);
        let room = theirs.and_then(|_| self.open(now, from, session, Side::Accepted));
        let Some(id) = room else {
            return self.decline(from, session);
        };
        if let Some(link) = self.links.get_mut(&id) {
            link.theirs = theirs;
        }
        self.outputs.push_back(Output::Answer { link: id, description });
    }

    fn decline(&mut self, to: NodeKey, session: u64) {
        if let Some(payload) = payload(&ChannelSignal::Decline { session }) {
            self.outputs.push_back(Output::Signal { link: None, to, payload });
        }
    }

    fn answered(&mut self, from: NodeKey, session: u64, description: String) {
        let Some((id, link)) = self.of(from, session, Side::Dialed) else { return };
        if link.theirs.is_some() {
            return;
        }
        link.theirs = Fingerprint::in_description(&description);
        match link.theirs {
            Some(_) => self.outputs.push_back(Output::Accepted { link: id, description }),
            None => self.fail(id, Ending::Description),
        }
    }

    /// A link's channel stands. `nonce` is fresh, from the shell's entropy.
    pub fn opened(&mut self, now: Time, id: LinkId, nonce: [u8; 32]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let (Some(ours), Some(theirs), Stage::Arranging) = (link.ours, link.theirs, &link.stage) else {
            return self.fail(id, Ending::Closed);
        };
        let channel = Channel { side: link.side, provider: self.provider, other: link.node, ours, theirs };
        let (words, greeting) = Introducing::begin(channel, &self.key, nonce);
        link.stage = Stage::Introducing { words: Box::new(words), since: now };
        self.send(id, &Frame::Introduction(greeting));
    }

    /// A link's connection ended, or could not be made.
    pub fn closed(&mut self, id: LinkId) {
        self.fail(id, Ending::Closed);
    }

    /// Ends a link. Nothing more is told of it.
    pub fn leave(&mut self, id: LinkId) {
        if self.links.remove(&id).is_some() {
            self.outputs.push_back(Output::HangUp { link: id, why: Ending::Left });
        }
    }

    /// A link ends, and whoever counts on it is told.
    fn fail(&mut self, id: LinkId, why: Ending) {
        let Some(link) = self.links.remove(&id) else { return };
        self.outputs.push_back(Output::HangUp { link: id, why });
        if link.side == Side::Accepted && link.ours.is_none() {
            self.decline(link.node, link.session);
        }
        match (link.stage, link.side) {
            (Stage::Proven, _) => self.outputs.push_back(Output::Disconnected(id)),
            (Stage::Arranging | Stage::Introducing { .. }, Side::Dialed) => {
                self.outputs.push_back(Output::ConnectFailed { node: link.node });
            }
            // Nobody here asked for it.
            (Stage::Arranging | Stage::Introducing { .. }, Side::Accepted) => {}
        }
    }

    /// A packet came over a link's channel.
    pub fn packet<'a>(&mut self, now: Time, id: LinkId, packet: &'a [u8]) -> Heard<'a> {
        let Some(link) = self.links.get_mut(&id) else { return Heard::Nothing };
        let frame = Frame::read(packet);
        if !link.is_proven() {
            match frame {
                Ok(Frame::Introduction(word)) => self.introduced(now, id, word),
                Ok(_) | Err(_) => self.fail(id, Ending::Unintroduced),
            }
            return Heard::Nothing;
        }
        match frame {
            Ok(Frame::Control(message)) => return Heard::Message(message),
            Ok(Frame::Piece { request, bytes }) => return Heard::Piece { request, bytes },
            Ok(Frame::End { request } | Frame::GivenUp { request }) => return Heard::Over { request },
            Ok(Frame::Ping(number)) => self.send(id, &Frame::Pong(number)),
            Ok(Frame::Pong(number)) => link.pong(now, number),
            Ok(Frame::Introduction(_)) => {
                return Heard::Malformed(WireError::Malformed("a second introduction".to_owned()));
            }
            Err(error) => return Heard::Malformed(error),
        }
        Heard::Nothing
    }

    /// Takes a word before all others.
    fn introduced(&mut self, now: Time, id: LinkId, word: Introduction) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Stage::Introducing { words, since } = &mut link.stage else {
            return self.fail(id, Ending::Unintroduced);
        };
        match words.take(word, &self.key) {
            Ok(Step::Say(word)) => self.send(id, &Frame::Introduction(word)),
            Ok(Step::Proven) => {
                let (node, side, rtt) = (link.node, link.side, now.since(*since));
                link.stage = Stage::Proven;
                self.outputs.push_back(Output::Connected { link: id, node, side, rtt });
            }
            Err(stranger) => self.fail(id, stranger.into()),
        }
    }

    /// Sends a frame. Over a link that is gone it is lost, and the link's end is told by itself.
    pub fn send(&mut self, id: LinkId, frame: &Frame<'_>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let bytes = frame.to_packet();
        link.waiting += bytes.len() as u64;
        self.outputs.push_back(Output::Packet { link: id, bytes });
    }

    /// So many bytes wait in a link's channel.
    pub fn waits(&mut self, id: LinkId, bytes: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            link.waits(bytes);
        }
    }

    /// How many bytes wait in a link's channel; none when the link is gone.
    pub fn waiting(&self, id: LinkId) -> Option<u64> {
        self.links.get(&id).map(|link| link.waiting)
    }

    /// What the path of a link did since this was last asked: its shortest round trip, and bytes that left the channel.
    pub fn path(&mut self, id: LinkId) -> Option<(Option<Span>, u64)> {
        let link = self.links.get_mut(&id).filter(|link| link.is_proven())?;
        Some((link.rtt.take(), std::mem::take(&mut link.left)))
    }

    /// Measures the round trip of a link, unless that is under way. `number` is one that the other end cannot guess.
    pub fn ping(&mut self, now: Time, id: LinkId, number: u32) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.is_proven()) else { return };
        if link.ping.is_none() {
            link.ping = Some((number, now));
            self.send(id, &Frame::Ping(number));
        }
    }
}

/// The signal, unless no supernode would carry it.
fn payload(signal: &ChannelSignal) -> Option<Vec<u8>> {
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
