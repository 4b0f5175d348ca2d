//! Between peers: HELLO, have, want, choke, cancel, and the header of a run.

use minicbor::{Decode, Encode};
use nearcast_content::{BlockRange, BlockSet, ObjectId, ProviderKey};

use super::{Versions, ranges};

/// A message on the control stream of a connection between two peers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum PeerMessage {
    /// First message of each side.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// Asks to be told, from here on, what the other holds of an object.
    #[n(1)]
    Interest {
        /// The object.
        #[n(0)]
        object: ObjectId,
    },
    /// Takes an interest back.
    #[n(2)]
    NoInterest {
        /// The object.
        #[n(0)]
        object: ObjectId,
    },
    /// What the sender holds of an object, whole or as a change.
    #[n(3)]
    Have(#[n(0)] Have),
    /// Asks for a run of blocks; answered by a run stream, [`PeerMessage::Refuse`] or silence.
    #[n(4)]
    Want(#[n(0)] Want),
    /// The sender no longer wants a run it asked for.
    #[n(5)]
    Cancel {
        /// Which run, by the number in its [`Want`].
        #[n(0)]
        request: u32,
    },
    /// The sender will not send this run.
    #[n(6)]
    Refuse {
        /// Which run, by the number in its [`Want`].
        #[n(0)]
        request: u32,
        /// Why.
        #[n(1)]
        reason: RefuseReason,
    },
    /// The sender takes no more wants for this long.
    #[n(7)]
    Choke {
        /// In milliseconds; zero ends the choke.
        #[n(0)]
        millis: u32,
    },
    /// The sender goes away on purpose.
    #[n(8)]
    Goodbye,
}

/// First message of each side of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Hello {
    /// Versions of this format that the sender speaks.
    #[n(0)]
    pub versions: Versions,
    /// Optional features, one bit each; unknown bits are ignored.
    #[n(1)]
    pub features: u64,
    /// For which provider this connection delivers.
    #[n(2)]
    pub provider: ProviderKey,
    /// Whether the sender serves others; a leaf does not.
    #[n(3)]
    pub serves: Serves,
    /// A credential from the provider, bound to the sender's key: a JWT.
    #[n(4)]
    pub credential: Option<String>,
}

/// Whether a node hands on what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Serves {
    /// It takes and never gives: sharing is off, metered or on battery.
    #[n(0)]
    Nobody,
    /// It serves others.
    #[n(1)]
    Others,
}

/// What the sender holds of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Have {
    /// The object.
    #[n(0)]
    pub object: ObjectId,
    /// Blocks held: all of them in the first message after an interest, later only those that are added.
    #[cbor(n(1), with = "ranges::set")]
    pub added: BlockSet,
    /// Blocks no longer held.
    #[cbor(n(2), with = "ranges::set")]
    pub removed: BlockSet,
    /// Blocks that the sender has asked of the origin and will hold soon: all of them, each time. Others need not
    /// ask the origin for them too.
    #[cbor(n(3), with = "ranges::later", skip_if = "BlockSet::is_empty")]
    pub coming: BlockSet,
}

/// Asks for a run of blocks of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Want {
    /// Number of the request, chosen by the asker, unique within the connection.
    #[n(0)]
    pub request: u32,
    /// The object.
    #[n(1)]
    pub object: ObjectId,
    /// The blocks, 1 to [`MAX_RUN_BLOCKS`](crate::limits::MAX_RUN_BLOCKS).
    #[cbor(n(2), with = "ranges::one")]
    pub blocks: BlockRange,
    /// In how many milliseconds the player needs the run; orders the server's queue.
    #[n(3)]
    pub due_millis: u32,
}

/// Why a run is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RefuseReason {
    /// Not all of it is held.
    #[n(0)]
    NotHeld,
    /// The queue is full.
    #[n(1)]
    Busy,
    /// Sharing is off.
    #[n(2)]
    NotServing,
    /// Reading the copy failed.
    #[n(3)]
    Damaged,
}

/// First message on a run stream; the encoded run follows it without any framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct RunHeader {
    /// Number of the [`Want`] this answers.
    #[n(0)]
    pub request: u32,
}
