//! How long packets take one way, told by datagrams beside the streams of a connection.
//!
//! A round trip tells of both lines: whoever sends to somebody whose own line is full sees the queue of that one. So
//! a sender stamps a datagram now and then, and the receiver says when it came. The two clocks have nothing to do
//! with each other; only changes of the difference mean anything (RFC 6817, section 2.2). Datagrams that are no stamp
//! are skipped.

use minicbor::{Decode, Encode};

/// A datagram between two nodes. Times are microseconds of a clock of the sender's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Stamp {
    /// Sent at this moment.
    #[n(0)]
    Sent {
        /// By the sender's clock.
        #[n(0)]
        at: u64,
    },
    /// Answers a stamp.
    #[n(1)]
    Came {
        /// What it said.
        #[n(0)]
        sent: u64,
        /// When it came, by the receiver's clock.
        #[n(1)]
        at: u64,
    },
}

impl Stamp {
    /// Longest of them in bytes: senders reject what is longer unread.
    pub const MAX_BYTES: usize = 32;
}
