//! Wire format v1: what peers say to each other, and what a node and a supernode say to each other.
//!
//! Messages are CBOR (RFC 8949) arrays in which fields are appended, never moved: a reader skips what it does
//! not know. Over a stream each message follows its length as two bytes, big endian; over a WebSocket a message is
//! one packet, over a data channel one [`Frame`]. No message is longer than [`MAX_MESSAGE`](crate::limits::MAX_MESSAGE).

mod channel;
mod description;
pub mod directory;
mod frame;
pub mod introduce;
pub mod peer;
mod ranges;
pub mod report;
mod signal;
mod stamp;
mod ways;

pub use channel::Frame;
pub use directory::{ClientMessage, ServerMessage};
pub use frame::{Frames, WireError, decode, encode, encode_framed};
pub use introduce::Introduction;
pub use peer::{Have, Hello, PeerMessage, RefuseReason, RunHeader, Serves, Want};
pub use report::{PeerBytes, PlayReport, PlaySums, RefusedPeers};
pub use signal::{Caller, ChannelSignal};
pub use stamp::Stamp;
pub use ways::Ways;

use minicbor::{Decode, Encode};
use nearcast_content::{ProviderKey, TitleId};

/// Oldest and newest version of the wire format that a node speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Versions {
    /// Oldest version spoken.
    #[n(0)]
    pub oldest: u16,
    /// Newest version spoken.
    #[n(1)]
    pub newest: u16,
}

impl Versions {
    /// What this code speaks.
    pub const OURS: Self = Self { oldest: 1, newest: 1 };

    /// The newest version both sides speak, if any.
    pub fn common(self, other: Self) -> Option<u16> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

/// Name of a swarm: the listeners of one title. 16 bytes of BLAKE3 over provider key and title id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SwarmId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl SwarmId {
    /// The swarm of `title` of `provider`.
    pub fn of(provider: ProviderKey, title: &TitleId) -> Self {
        Self(title.swarm_of(provider))
    }
}

impl std::fmt::Debug for SwarmId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SwarmId({:02x}{:02x}{:02x}{:02x})", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}
