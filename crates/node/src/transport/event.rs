//! What a transport reports, and why a command could not be carried out.

use std::net::SocketAddr;

use nearcast_content::NodeKey;
use nearcast_engine::swarm::{Path, PeerId, Side};
use nearcast_engine::wire::PeerMessage;
use nearcast_engine::{Nearness, Span};

use super::run::IncomingRun;

/// Something that happened on a connection.
///
/// For each peer: one `Connected`, then anything, then one `Disconnected`, after which nothing follows.
#[derive(Debug)]
pub enum TransportEvent {
    /// A connection stands and both ends proved their keys.
    Connected {
        /// Its number, never used twice.
        peer: PeerId,
        /// The other end's proven key.
        node: NodeKey,
        /// Who opened it.
        side: Side,
        /// How it reaches the peer.
        path: Path,
        /// Round-trip time so far.
        rtt: Span,
        /// [`Nearness::Lan`] when the peer was reached on a network that this machine is attached to.
        nearness: Option<Nearness>,
    },
    /// A connect that was asked for came to nothing.
    ConnectFailed {
        /// To whom.
        node: NodeKey,
    },
    /// The path changed, or its round-trip time by more than a fifth (at most once a second).
    PathChanged {
        /// The connection.
        peer: PeerId,
        /// How it reaches the peer.
        path: Path,
        /// Round-trip time.
        rtt: Span,
    },
    /// The connection ended, whoever ended it.
    Disconnected {
        /// The connection.
        peer: PeerId,
    },
    /// A message arrived on the control stream.
    Message {
        /// From whom.
        peer: PeerId,
        /// The message.
        message: PeerMessage,
    },
    /// Bytes that are no message arrived. The rest of that stream is not read.
    Malformed {
        /// From whom.
        peer: PeerId,
    },
    /// A run starts to arrive. Whether it was asked for is for the receiver to know.
    Run(IncomingRun),
    /// Hand this to another node through the supernode: it arranges a data channel.
    Signal {
        /// For whom.
        to: NodeKey,
        /// What.
        payload: Vec<u8>,
    },
    /// The transport is closed; nothing follows.
    Closed,
}

/// Why a transport could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken or not ours.
    #[error("cannot listen on UDP {address}: {cause}; choose another port, or 0 for any")]
    Address {
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: String,
    },
    /// No certificate could be made for data channels.
    #[error("no certificate for data channels: {0}")]
    Certificate(String),
    /// No free port was found that IPv4 and IPv6 can share.
    #[error("no free UDP port that IPv4 and IPv6 can share; choose a port yourself")]
    NoPort,
}

/// Why something could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection is gone, or never was.
    #[error("peer {} is not connected", .0.0)]
    Gone(PeerId),
    /// The peer does not read what it is sent. Its connection has been closed.
    #[error("peer {} does not read its messages and was disconnected", .0.0)]
    Overflow(PeerId),
}
