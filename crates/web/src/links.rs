//! Data channels to other tabs: arranged by signals, introduced, then in use.

use std::collections::BTreeMap;

use nearcast_content::NodeKey;
use nearcast_content::tree::RunDecoder;
use nearcast_engine::swarm::{RequestId, Side};
use nearcast_engine::wire::introduce::{Fingerprint, Introducing};
use nearcast_engine::{Span, Time};

use crate::effect::LinkId;
use crate::limits::{CONNECT_PATIENCE, MAX_LINKS};
use crate::origin::Target;

/// How far a link is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Signals go back and forth.
    Arranging,
    /// The channel stands, and its ends prove their keys.
    Introducing {
        words: Box<Introducing>,
        /// When the first word was said: the proof that answers it takes a round trip at least.
        since: Time,
    },
    /// In use.
    Proven,
}

/// A run that comes from a peer.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) target: Target,
    pub(crate) decoder: RunDecoder,
    /// Bytes that came and are not enough for the next piece.
    pub(crate) rest: Vec<u8>,
}

impl Incoming {
    pub(crate) fn new(target: Target) -> Self {
        let decoder = RunDecoder::new(target.object, target.size, target.blocks);
        Self { target, decoder, rest: Vec::new() }
    }
}

/// One link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) node: NodeKey,
    /// The session's number, chosen by who called.
    pub(crate) session: u64,
    pub(crate) side: Side,
    pub(crate) stage: Stage,
    pub(crate) ours: Option<Fingerprint>,
    pub(crate) theirs: Option<Fingerprint>,
    /// Own candidates that wait until the description went out.
    pub(crate) candidates: Vec<(String, String)>,
    /// It must be proven by then.
    deadline: Time,
    /// Bytes that wait in the channel, as last told, and what was sent since.
    pub(crate) waiting: u64,
    /// Bytes of packets that left the channel since the last report.
    pub(crate) left: u64,
    pub(crate) incoming: BTreeMap<RequestId, Incoming>,
    /// The ping that is under way.
    pub(crate) ping: Option<(u32, Time)>,
    /// The shortest round trip since the last report.
    pub(crate) rtt: Option<Span>,
}

impl Link {
    /// Bytes wait in the channel.
    pub(crate) fn waits(&mut self, bytes: u64) {
        self.left = self.left.saturating_add(self.waiting.saturating_sub(bytes));
        self.waiting = bytes;
    }
}

/// All links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) all: BTreeMap<LinkId, Link>,
    last: u32,
}

impl Links {
    /// A new link; none when there are too many.
    pub(crate) fn open(&mut self, now: Time, node: NodeKey, session: u64, side: Side) -> Option<LinkId> {
        if self.all.len() >= MAX_LINKS {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        let link = Link {
            node,
            session,
            side,
            stage: Stage::Arranging,
            ours: None,
            theirs: None,
            candidates: Vec::new(),
            deadline: now + CONNECT_PATIENCE,
            waiting: 0,
            left: 0,
            incoming: BTreeMap::new(),
            ping: None,
            rtt: None,
        };
        self.all.insert(LinkId(self.last), link);
        Some(LinkId(self.last))
    }

    /// The link that a signal is about.
    pub(crate) fn of(&mut self, node: NodeKey, session: u64, side: Side) -> Option<(LinkId, &mut Link)> {
        let found = self
            .all
            .iter_mut()
            .find(|(_, link)| link.node == node && link.session == session && link.side == side);
        found.map(|(id, link)| (*id, link))
    }

    /// Links that were not proven in time.
    pub(crate) fn overdue(&self, now: Time) -> Vec<LinkId> {
        let late = self.all.iter().filter(|(_, link)| link.in_the_making() && link.deadline <= now);
        late.map(|(id, _)| *id).collect()
    }

    /// When the next one is overdue.
    pub(crate) fn wake(&self) -> Time {
        let making = self.all.values().filter(|link| link.in_the_making());
        making.map(|link| link.deadline).min().unwrap_or(Time::NEVER)
    }
}

impl Link {
    fn in_the_making(&self) -> bool {
        !matches!(self.stage, Stage::Proven)
    }
}
