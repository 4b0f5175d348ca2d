//! What goes into a [`Client`](super::Client) and what comes out.

use nearcast_content::NodeKey;

use crate::time::{Span, Time};
use crate::wire::directory::{Holder, Holding, RefusedReason};
use crate::wire::{ClientMessage, PlayReport, ServerMessage, SwarmId};

/// What may happen to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The moment of the last `Output::Timeout` has come.
    Timeout,
    /// The connection asked for stands.
    Connected,
    /// The connection asked for could not be made, or ended, or carried what is no message.
    Lost {
        /// How long the other side asked to stay away, if it said so while refusing the connection.
        retry_after: Option<Span>,
    },
    /// A message arrived.
    Received(ServerMessage),
    /// This node holds something of a title, or something else of it than before.
    Hold(Holding),
    /// This node holds nothing of a title any more.
    Drop(SwarmId),
    /// Find holders of a title.
    Lookup {
        /// The title.
        swarm: SwarmId,
        /// Renditions of interest; zero for any.
        renditions: u16,
    },
    /// What players of this node got since the last such input: sent when the supernode takes it.
    Report(PlayReport),
    /// Hand this to another node.
    Signal {
        /// For whom.
        to: NodeKey,
        /// At most [`MAX_SIGNAL`](crate::limits::MAX_SIGNAL) bytes.
        payload: Vec<u8>,
    },
}

/// What a client wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nothing more until an input, or until this moment.
    Timeout(Time),
    /// Connect to the supernode; answered by [`Input::Connected`] or [`Input::Lost`].
    Connect,
    /// End the connection, or the attempt; not answered.
    Disconnect,
    /// Send a hello that signs this nonce.
    Prove {
        /// From the supernode.
        nonce: [u8; 32],
    },
    /// Send this.
    Send(ClientMessage),
    /// The supernode accepted this node.
    Up {
        /// This node's address as seen from there.
        observed: String,
        /// The relay beside it.
        relay: Option<String>,
        /// UDP port at its address on which it answers STUN.
        stun_port: Option<u16>,
    },
    /// The supernode cannot be asked until it is up again. Lookups are kept.
    Down,
    /// Answer to a lookup.
    Found {
        /// The title.
        swarm: SwarmId,
        /// Nearest first.
        holders: Vec<Holder>,
        /// Not to be asked again before this long.
        again: Span,
    },
    /// From another node.
    Signal {
        /// From whom.
        from: NodeKey,
        /// As it was sent.
        payload: Vec<u8>,
    },
    /// The provider's policy has a new sequence.
    PolicyChanged {
        /// Of the policy.
        sequence: u64,
    },
    /// The supernode does not want this node; it is tried again, seldom.
    Refused(RefusedReason),
}

/// An input that makes no sense: a mistake of the shell, never of a supernode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// A bound of `limits` is reached.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// A signal that no supernode would carry.
    #[error("a signal of {0} bytes is too long")]
    SignalTooLong(usize),
    /// The supernode cannot be reached, and signals do not keep.
    #[error("the supernode is not connected, the signal was not sent")]
    Down,
    /// The connection was not asked for.
    #[error("{0} without a connection")]
    NoConnection(&'static str),
    /// Time went backwards.
    #[error("time went back from {0:?} to {1:?}")]
    TimeWentBack(Time, Time),
}
