//! What goes into a [`Directory`](super::Directory) and what comes out.

use nearcast_content::NodeKey;

use crate::place::{Nearness, Place};
use crate::time::{Span, Time};
use crate::wire::directory::{Holding, RefusedReason};
use crate::wire::{Serves, SwarmId};

/// A session of a node with this supernode, numbered by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

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
}
