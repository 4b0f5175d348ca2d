//! What a tab wants its page to do.

use nearcast_content::{ByteRange, TitleId};
use nearcast_engine::channels::LinkId;

use crate::reads::ReadNumber;

/// A request to a web server, numbered by the tab, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchId(pub u32);

/// Bytes that the page gave, numbered by the tab, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GivenId(pub u32);

/// A piece of work of the browser's storage, numbered by the tab, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeepId(pub u32);

/// One thing to do. Those of one link are done in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask a web server; answered by `answered`, `chunk`, `ended` or `failed`.
    Fetch {
        /// Returns with what comes.
        id: FetchId,
        /// Absolute address.
        url: String,
        /// Bytes to ask for; none for all.
        range: Option<ByteRange>,
    },
    /// What is still to come of a request is not wanted.
    StopFetch(FetchId),
    /// Connect to the supernode at this address; the connection before is let go.
    Socket(String),
    /// Send to the supernode.
    Tell(Vec<u8>),
    /// Let the connection to the supernode go.
    EndSocket,
    /// Make a connection with a data channel, and an offer of it: answered by `described`, then `candidate`s.
    Call(LinkId),
    /// Make a connection from this offer, and an answer to it: answered by `described`, then `candidate`s.
    AnswerCall {
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
    /// Send a packet over a link's channel, then tell how much waits in it (`waiting`).
    Packet {
        /// The link.
        link: LinkId,
        /// The packet.
        bytes: Vec<u8>,
    },
    /// Close a link, and forget it.
    HangUp(LinkId),
    /// A title that was to be opened is open, or cannot be and why.
    Title {
        /// The title.
        title: TitleId,
        /// What is wrong; none when it is open.
        trouble: Option<String>,
    },
    /// Something can be taken of a read that gave nothing.
    Ready(ReadNumber),
    /// Worth a line for developers.
    Note(String),
    /// Keep an entry in the browser's storage; answered by `kept`. What is kept and forgotten is so in this order.
    Keep {
        /// Returns with what came of it.
        id: KeepId,
        /// Names it among the entries of this site.
        key: String,
        /// What it holds.
        bytes: Vec<u8>,
    },
    /// Read an entry; answered by `loaded`.
    Load {
        /// Returns with its bytes.
        id: KeepId,
        /// Its name.
        key: String,
    },
    /// Forget an entry.
    Forget(String),
    /// Bytes that were given have been looked at.
    Given {
        /// Which.
        id: GivenId,
        /// How many are those that were published; they are held. The rest is in blocks that were not given whole, or
        /// their proof cannot be had.
        checked: u64,
        /// False when some are not what was published.
        good: bool,
    },
}
