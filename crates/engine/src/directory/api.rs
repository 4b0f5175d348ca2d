//! What goes into a [`Directory`](super::Directory) and what comes out.

use nearcast_content::NodeKey;

use crate::limits::{MAX_HOLDINGS, MAX_SESSIONS};
use crate::place::{Nearness, Place};
use crate::time::{Span, Time};
use crate::wire::directory::{Holding, RefusedReason};
use crate::wire::{Serves, SwarmId, Ways};

/// A session of a node with this supernode, numbered by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What a directory takes upon itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Sessions at once, at most [`MAX_SESSIONS`].
    pub sessions: usize,
    /// Holdings remembered at once, at most [`MAX_HOLDINGS`].
    pub holdings: usize,
    /// Lookups a second beyond which askers are told to ask less often; at twice as many they are told to
    /// come back later.
    pub lookups_per_second: u32,
}

impl Default for Settings {
    /// A lookup costs tens of microseconds with its messages, so 5,000 a second keep half a core busy.
    fn default() -> Self {
        Self { sessions: MAX_SESSIONS, holdings: MAX_HOLDINGS, lookups_per_second: 5_000 }
    }
}

/// What may happen to a directory. Keys are proven by the shell before they come in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The moment of the last `Output::Timeout` has come.
    Timeout,
    /// A node proved its key.
    Opened {
        /// The session.
        session: SessionId,
        /// The proven key.
        node: NodeKey,
        /// Where it is.
        place: Place,
        /// Whether it serves others.
        serves: Serves,
        /// In which ways it is connected to: it is told of those it can meet alone.
        ways: Ways,
    },
    /// A session's connection ended.
    Closed {
        /// The session.
        session: SessionId,
    },
    /// A node said something that only renews its lease.
    Renewed {
        /// The session.
        session: SessionId,
    },
    /// A node told what it holds.
    Announced {
        /// The session.
        session: SessionId,
        /// Added or changed.
        added: Vec<Holding>,
        /// Left.
        removed: Vec<SwarmId>,
    },
    /// A node asks for holders.
    Lookup {
        /// The session.
        session: SessionId,
        /// Returns with the answer.
        query: u32,
        /// The title.
        swarm: SwarmId,
        /// Renditions of interest; zero for any.
        renditions: u16,
    },
    /// A node asks to reach another.
    Signal {
        /// From.
        session: SessionId,
        /// To.
        to: NodeKey,
    },
}

/// What a directory wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Nothing more until an input, or until this moment.
    Timeout(Time),
    /// A session that opened has its place from here on.
    Admitted {
        /// Which.
        session: SessionId,
        /// Silence longer than this ends it.
        lease: Span,
    },
    /// There is no room for a session that opened: tell it to come back later and end its connection. Those
    /// who were here before stay.
    TurnedAway {
        /// Which.
        session: SessionId,
        /// After how long.
        after: Span,
    },
    /// Answer a lookup.
    Answer {
        /// To whom.
        session: SessionId,
        /// From the lookup.
        query: u32,
        /// Nearest first. The shell adds observed addresses.
        holders: Vec<Found>,
        /// When to ask again at the earliest.
        again: Span,
    },
    /// Hand the signal that came last to this session.
    Deliver {
        /// From whom.
        from: NodeKey,
        /// To which session.
        to: SessionId,
    },
    /// Tell a session to come back later; it stays open.
    RetryAfter {
        /// Whom.
        session: SessionId,
        /// After how long.
        after: Span,
    },
    /// End a session.
    Close {
        /// Which.
        session: SessionId,
        /// Why.
        reason: RefusedReason,
    },
    /// A lease ran out; the shell closes the connection.
    Expired {
        /// Which.
        session: SessionId,
    },
}

/// One holder in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// Its session here.
    pub session: SessionId,
    /// Its key.
    pub node: NodeKey,
    /// How near it is to the asker.
    pub nearness: Nearness,
    /// What it holds.
    pub holding: Holding,
    /// In which ways it is connected to.
    pub ways: Ways,
}

/// What a directory has at present, and what it did since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open sessions.
    pub sessions: usize,
    /// Titles of which somebody holds something.
    pub titles: usize,
    /// Holdings remembered, over all sessions.
    pub holdings: usize,
    /// Lookups answered.
    pub answers: u64,
    /// Holders looked at for those answers: the work they cost.
    pub examined: u64,
    /// Requests answered with "come back later".
    pub deferred: u64,
    /// Newcomers for whom there was no room.
    pub turned_away: u64,
    /// Leases that ran out.
    pub expired: u64,
    /// Sessions ended for breaking the rules.
    pub misbehaved: u64,
    /// Signals handed on.
    pub signals: u64,
    /// Holdings that were not remembered because the memory set aside for them is used up.
    pub overflowed: u64,
}

/// An input that makes no sense: a mistake of the shell, never of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The session is not open: it never was, or an output ended it.
    #[error("session {0:?} is not open")]
    UnknownSession(SessionId),
    /// The number of a session was used before.
    #[error("the number of session {0:?} is taken")]
    TakenSession(SessionId),
    /// Time went backwards.
    #[error("time went back from {0:?} to {1:?}")]
    TimeWentBack(Time, Time),
}
