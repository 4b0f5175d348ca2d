//! One link, and how far it is.

use nearcast_content::NodeKey;

use crate::swarm::Side;
use crate::time::{Span, Time};
use crate::wire::introduce::{Fingerprint, Introducing};

/// How far a link is.
#[derive(Debug)]
pub(super) enum Stage {
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

#[derive(Debug)]
pub(super) struct Link {
    pub(super) node: NodeKey,
    /// The session's number, chosen by who called.
    pub(super) session: u64,
    pub(super) side: Side,
    pub(super) stage: Stage,
    pub(super) ours: Option<Fingerprint>,
    pub(super) theirs: Option<Fingerprint>,
    /// Own candidates that wait until the description went out.
    pub(super) candidates: Vec<(String, String)>,
    /// Candidates that the other side told.
    pub(super) told: usize,
    /// It must be proven by then.
    pub(super) deadline: Time,
    /// Bytes that wait in the channel, as last told, and what was sent since.
    pub(super) waiting: u64,
    /// Bytes of packets that left the channel since the last report.
    pub(super) left: u64,
    /// The ping that is under way.
    pub(super) ping: Option<(u32, Time)>,
    /// The shortest round trip since the last report.
    pub(super) rtt: Option<Span>,
}

impl Link {
    pub(super) fn new(node: NodeKey, session: u64, side: Side, deadline: Time) -> Self {
        Self {
            node,
            session,
            side,
            stage: Stage::Arranging,
            ours: None,
            theirs: None,
            candidates: Vec::new(),
            told: 0,
            deadline,
            waiting: 0,
            left: 0,
            ping: None,
            rtt: None,
        }
    }

    pub(super) fn is_proven(&self) -> bool {
        matches!(self.stage, Stage::Proven)
    }

    pub(super) fn waits(&mut self, bytes: u64) {
        self.left = self.left.saturating_add(self.waiting.saturating_sub(bytes));
        self.waiting = bytes;
    }

    pub(super) fn pong(&mut self, now: Time, number: u32) {
        if let Some((_, sent)) = self.ping.take_if(|(asked, _)| *asked == number) {
            let rtt = now.since(sent);
            self.rtt = Some(self.rtt.map_or(rtt, |shortest| shortest.min(rtt)));
        }
    }
}
