//! What two nodes send each other through a supernode to arrange a data channel.
//!
//! Session descriptions and candidates are made and read by the shells (RFC 8866, RFC 8839); a supernode sees
//! neither. Nothing said here is believed: the channel's own [introduction](super::introduce) proves who is there.

use minicbor::{Decode, Encode};

/// One message. The session is a number chosen by the one who calls, so that late candidates of an earlier attempt
/// are told apart, and that two nodes that call each other at once have two sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ChannelSignal {
    /// A call.
    #[n(0)]
    Offer {
        /// The session.
        #[n(0)]
        session: u64,
        /// Session description, at most [`MAX_SIGNAL`](crate::limits::MAX_SIGNAL) with all else.
        #[n(1)]
        description: String,
    },
    /// Takes a call.
    #[n(1)]
    Answer {
        /// The session.
        #[n(0)]
        session: u64,
        /// Session description.
        #[n(1)]
        description: String,
    },
    /// A place where the sender may be reached.
    #[n(2)]
    Candidate {
        /// The session.
        #[n(0)]
        session: u64,
        /// Who says so: the one who called, or who was called.
        #[n(1)]
        by: Caller,
        /// The candidate attribute.
        #[n(2)]
        candidate: String,
        /// Which media section it is of.
        #[n(3)]
        section: String,
    },
    /// The call is not taken: no room.
    #[n(3)]
    Decline {
        /// The session.
        #[n(0)]
        session: u64,
    },
}

/// Which end of a call speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Caller {
    /// The one who called.
    #[n(0)]
    Calls,
    /// The one who was called.
    #[n(1)]
    Called,
}
