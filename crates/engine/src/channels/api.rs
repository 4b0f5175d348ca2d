//! What the links by data channels want of a shell, and what they heard.

use nearcast_content::NodeKey;

use crate::swarm::Side;
use crate::time::Span;
use crate::wire::introduce::Stranger;
use crate::wire::{PeerMessage, WireError};

/// A link, numbered here, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// One thing to do. Those of one link are done in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Hand this to another node through the supernode. Who cannot says [`closed`](super::Channels::closed) of the
    /// link, if it is about one.
    Signal {
        /// What it is about; none for a refusal of what is no link.
        link: Option<LinkId>,
        /// For whom.
        to: NodeKey,
        /// What.
        payload: Vec<u8>,
    },
    /// Make a connection with a data channel, and an offer of it: answered by
    /// [`described`](super::Channels::described), then by [`candidate`](super::Channels::candidate)s.
    Call(LinkId),
    /// Make a connection from this offer, and an answer to it: answered in the same way.
    Answer {
        /// The link.
        link: LinkId,
        /// The offer.
        description: String,
    },
    /// The other side's answer.
    Accepted {
        /// The link.
        link: LinkId,
        /// The answer.
        description: String,
    },
    /// A place where the other side may be reached.
    Candidate {
        /// The link.
        link: LinkId,
        /// The candidate attribute.
        candidate: String,
        /// The media section it is of.
        section: String,
    },
    /// Send a packet over a link's channel.
    Packet {
        /// The link.
        link: LinkId,
        /// The packet.
        bytes: Vec<u8>,
    },
    /// A link stands, and its other end proved its key.
    Connected {
        /// The link.
        link: LinkId,
        /// Who is there.
        node: NodeKey,
        /// Who called.
        side: Side,
        /// A round trip, at most: of the proof.
        rtt: Span,
    },
    /// A call came to nothing.
    ConnectFailed {
        /// To whom.
        node: NodeKey,
    },
    /// A link that stood has ended.
    Disconnected(LinkId),
    /// Close the connection, if there is one, and forget it.
    HangUp {
        /// The link.
        link: LinkId,
        /// Why.
        why: Ending,
    },
}

/// Why a link ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// This side wanted it.
    #[error("left")]
    Left,
    /// The connection ended or could not be made.
    #[error("the connection ended or could not be made")]
    Closed,
    /// It was not proven in time.
    #[error("not proven in time")]
    Overdue,
    /// The other side does not take the call.
    #[error("the call is not taken")]
    Declined,
    /// A description without a fingerprint that can be signed, or one that no supernode carries.
    #[error("the session description is of no use")]
    Description,
    /// The other end is not who it must be.
    #[error(transparent)]
    Stranger(#[from] Stranger),
    /// Before its proof the other end said what cannot be read, or something else.
    #[error("no word of an introduction came first")]
    Unintroduced,
}

/// What a packet said, for the swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Nothing that concerns it.
    Nothing,
    /// A message.
    Message(PeerMessage),
    /// Bytes of a run.
    Piece {
        /// Number of the want.
        request: u32,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// No more of a run comes, whether all of it came or not.
    Over {
        /// Number of the want.
        request: u32,
    },
    /// A proven peer said what cannot be read.
    Malformed(WireError),
}
