//! Between a node and a supernode: announce, look up, signal.
//!
//! The connection starts with [`ServerMessage::Challenge`]; the node answers with a [`ClientMessage::Hello`]
//! that signs the nonce, and every announce afterwards counts for the key proven there.

use minicbor::{Decode, Encode};
use nearcast_content::{NodeKey, ProviderKey};

use super::peer::Serves;
use super::report::PlayReport;
use super::{SwarmId, Versions, Ways};
use crate::place::Nearness;

/// From a node to a supernode.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ClientMessage {
    /// First message, proves the sender's key.
    #[n(0)]
    Hello(#[n(0)] ClientHello),
    /// What the sender holds: the first one of a session is complete, later ones are changes.
    #[n(1)]
    Announce {
        /// Holdings added or changed, at most [`MAX_ANNOUNCE`](crate::limits::MAX_ANNOUNCE).
        #[n(0)]
        added: Vec<Holding>,
        /// Swarms left.
        #[n(1)]
        removed: Vec<SwarmId>,
    },
    /// Asks for holders of a title.
    #[n(2)]
    Lookup {
        /// Returns with the answer.
        #[n(0)]
        query: u32,
        /// The title.
        #[n(1)]
        swarm: SwarmId,
        /// Renditions of interest, one bit each.
        #[n(2)]
        renditions: u16,
    },
    /// Hands `payload` to another node of the same provider that is connected here.
    #[n(3)]
    Signal {
        /// For whom.
        #[n(0)]
        to: NodeKey,
        /// Opaque to the supernode, at most [`MAX_SIGNAL`](crate::limits::MAX_SIGNAL) bytes.
        #[cbor(n(1), with = "minicbor::bytes")]
        payload: Vec<u8>,
    },
    /// Keeps the lease when nothing else was sent.
    #[n(4)]
    Renew,
    /// What players got since the last report, at most one in [`REPORT_SPACING`](crate::limits::REPORT_SPACING).
    /// Only to a supernode that welcomed with [`REPORTS`](nearcast_content::FeatureSet::REPORTS): others end
    /// the session.
    #[n(5)]
    Report(#[n(0)] PlayReport),
}

/// First message of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ClientHello {
    /// Versions of this format that the sender speaks.
    #[n(0)]
    pub versions: Versions,
    /// Optional features, one bit each; unknown bits are ignored.
    #[n(1)]
    pub features: u64,
    /// Whose titles this session is about.
    #[n(2)]
    pub provider: ProviderKey,
    /// The sender's delivery key.
    #[n(3)]
    pub node: NodeKey,
    /// Ed25519 signature by that key over [`hello_text`].
    #[cbor(n(4), with = "minicbor::bytes")]
    pub signature: Vec<u8>,
    /// Whether the sender serves others; who does not is never handed out as a holder.
    #[n(5)]
    pub serves: Serves,
    /// UDP port on which the sender takes connections, zero for none. The address is the one observed.
    #[n(6)]
    pub port: u16,
    /// Addresses on the sender's own network, handed out only to nodes behind the same observed address.
    #[n(7)]
    pub local: Vec<String>,
    /// A credential from the provider, bound to the sender's key: a JWT.
    #[n(8)]
    pub credential: Option<String>,
    /// In which ways the sender is connected to, and connects.
    #[n(9)]
    pub ways: Ways,
}

/// What a node signs to prove its key to a supernode: a label, the nonce and the provider.
pub fn hello_text(nonce: &[u8; 32], provider: &ProviderKey) -> Vec<u8> {
    [b"nearcast supernode hello v1\0".as_slice(), nonce, &provider.0].concat()
}

/// What a node holds of one title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Holding {
    /// The title.
    #[n(0)]
    pub swarm: SwarmId,
    /// Renditions of which something is held, one bit each.
    #[n(1)]
    pub renditions: u16,
    /// Which parts of the title's length are held, coarsely: bit i stands for the i-th of 64 equal parts.
    #[n(2)]
    pub coverage: u64,
}

/// From a supernode to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ServerMessage {
    /// First message: sign this.
    #[n(0)]
    Challenge {
        /// Fresh random bytes.
        #[cbor(n(0), with = "minicbor::bytes")]
        nonce: [u8; 32],
        /// Versions of this format that the supernode speaks.
        #[n(1)]
        versions: Versions,
    },
    /// The hello was accepted.
    #[n(1)]
    Welcome {
        /// Optional features, one bit each.
        #[n(0)]
        features: u64,
        /// The lease in milliseconds: silence longer than this ends the session.
        #[n(1)]
        lease_millis: u32,
        /// The sender's address as seen from here.
        #[n(2)]
        observed: String,
        /// Relay for signalling beside this supernode, if it runs one.
        #[n(3)]
        relay: Option<String>,
        /// UDP port at this supernode's address on which it answers STUN; none if it does not.
        #[n(4)]
        stun_port: Option<u16>,
    },
    /// Answer to a lookup: a sample of the holders, nearest first.
    #[n(2)]
    Holders {
        /// From the lookup.
        #[n(0)]
        query: u32,
        /// At most [`MAX_ANSWER`](crate::limits::MAX_ANSWER).
        #[n(1)]
        holders: Vec<Holder>,
        /// When to ask again at the earliest, in milliseconds.
        #[n(2)]
        again_millis: u32,
    },
    /// From another node.
    #[n(3)]
    Signal {
        /// From whom; the supernode vouches for the key.
        #[n(0)]
        from: NodeKey,
        /// Opaque to the supernode.
        #[cbor(n(1), with = "minicbor::bytes")]
        payload: Vec<u8>,
    },
    /// Too much load: come back after this long. Nothing that was agreed is lost.
    #[n(4)]
    RetryAfter {
        /// In milliseconds.
        #[n(0)]
        millis: u32,
    },
    /// The session ends.
    #[n(5)]
    Refused {
        /// Why, for the log.
        #[n(0)]
        reason: RefusedReason,
    },
    /// The provider's policy has a new sequence: fetch it.
    #[n(6)]
    PolicyChanged {
        /// Sequence of the policy.
        #[n(0)]
        sequence: u64,
    },
}

/// A node that holds something of a title.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Holder {
    /// Its key.
    #[n(0)]
    pub node: NodeKey,
    /// How near it is to the asker.
    #[n(1)]
    pub nearness: Nearness,
    /// Renditions of which it holds something.
    #[n(2)]
    pub renditions: u16,
    /// Which of 64 equal parts of the title it holds.
    #[n(3)]
    pub coverage: u64,
    /// Where it was observed, as socket addresses, at most [`MAX_ADDRESSES`](crate::limits::MAX_ADDRESSES).
    #[n(4)]
    pub addresses: Vec<String>,
    /// In which ways it is connected to.
    #[n(5)]
    pub ways: Ways,
}

/// Why a supernode ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RefusedReason {
    /// No version in common.
    #[n(0)]
    Version,
    /// The signature does not prove the key.
    #[n(1)]
    Proof,
    /// This supernode does not serve that provider.
    #[n(2)]
    Provider,
    /// The credential is missing, expired or not for this key.
    #[n(3)]
    Credential,
    /// A message broke the rules.
    #[n(4)]
    Misbehaved,
    /// The same key opened another session.
    #[n(5)]
    Replaced,
}
