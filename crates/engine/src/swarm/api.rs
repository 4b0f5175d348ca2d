//! What goes into a [`Swarm`](super::Swarm) and what comes out.

use nearcast_content::{BlockRange, BlockSet, ByteRange, NodeKey, ObjectId, ObjectSize};

use crate::place::Nearness;
use crate::time::{Span, Time};
use crate::units::{PlaybackRate, Rate};
use crate::wire::{PeerMessage, RefuseReason, Serves, SwarmId};

pub use super::caps::{Caps, Handed, Hours, Leaf, Month, Pause, Rest, Sharing, WallClock};
pub use super::uplink::UPLINK_TICK;

/// A connection to a peer, numbered by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// A run on its way to us, numbered by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// A run on its way from us to a peer, numbered by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub u64);

/// One listener's play of a title, numbered by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayId(pub u64);

/// One range a player reads, numbered by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId(pub u64);

/// How a player takes what it reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Taking {
    /// As it comes. It may be unable to do anything else as long as it waits: ffmpeg cannot seek.
    #[default]
    Stream,
    /// Once all of it is there: nothing of it is shown before. It can be given up at any moment. So are the segments
    /// of players in browsers.
    Whole,
}

/// A described rendition, numbered by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionId(pub u32);

/// One rendition of a title: its objects along the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rendition {
    /// The shell's number for it.
    pub id: RenditionId,
    /// The title's swarm.
    pub swarm: SwarmId,
    /// Which bit stands for it in announces, below 16.
    pub bit: u8,
    /// Its adaptation set (ISO/IEC 23009-1): a player chooses among the renditions of a title that have the same one.
    /// Pictures and sound in files of their own are two.
    pub set: u8,
    /// Its objects in the order of play, 1 to [`MAX_PARTS`](crate::limits::MAX_PARTS). A rendition in a single
    /// file has one part.
    pub parts: Vec<Part>,
}

/// One object of a rendition and how long it plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The object.
    pub object: ObjectId,
    /// Its size.
    pub size: ObjectSize,
    /// How long it plays.
    pub length: Span,
}

/// What the store held when the node started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// The object.
    pub object: ObjectId,
    /// Its size.
    pub size: ObjectSize,
    /// The blocks held.
    pub blocks: BlockSet,
    /// Rank of last use, larger is later; only the order counts.
    pub last_used: u64,
}

/// How a connection reaches its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// Straight, through NATs if need be. Delivery runs here.
    Direct,
    /// Through a relay, which carries signalling and no delivery.
    Relayed,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// We did.
    Dialed,
    /// The peer did.
    Accepted,
}

/// Why a run did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The connection or stream ended.
    Lost,
    /// The origin or peer answered with an error that may pass.
    Unavailable,
    /// The origin will not serve this object: absent, forbidden, not the bytes that were published.
    Gone,
    /// Bytes that do not hash to the object's root. The worst there is.
    Corrupt,
    /// Our store could not take the bytes.
    NoRoom,
}

/// What the operator or user set, in force from the moment it comes in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Whether this node serves others.
    pub serves: Serves,
    /// Ceiling on delivery to peers, none for no ceiling. LAN peers are exempt.
    pub upload_limit: Option<Rate>,
    /// Bytes the cache may hold.
    pub cache_budget: u64,
    /// Whether the origin may be asked. Off for a hold-out of the other kind: tests of peers alone.
    pub origin: OriginUse,
    /// Whether peers may be asked and served.
    pub peers: PeerUse,
    /// What the node runs in. It never changes.
    pub runs_in: RunsIn,
}

/// What a node runs in, for counts: nothing is decided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunsIn {
    /// A program of its own.
    Program,
    /// A page in a browser.
    Page,
}

/// Whether the origin may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OriginUse {
    /// As the fallback it is.
    Fallback,
    /// Never: offline on purpose.
    Never,
}

/// Whether peers take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerUse {
    /// Yes.
    Share,
    /// Neither up nor down: the hold-out.
    HoldOut,
}

/// What may happen to a swarm. `V` is the shell's [`Verdict`](crate::Verdict).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input<V> {
    /// The moment of the last `Output::Timeout` has come.
    Timeout,
    /// Settings are in force from here on.
    Settings(Settings),
    /// Caps are in force from here on.
    Caps(Caps),
    /// What the clock on the wall shows. Again when it was set, and now and then, since it drifts.
    Clock(WallClock),
    /// What an earlier life of this node handed on in a month.
    Handed(Handed),
    /// The store's holding, once per object, before anything else about that object.
    Stored(Stored),
    /// A rendition exists. Again with the same id is ignored.
    Describe(Rendition),
    /// A title that was described is about to be played: it is not forgotten before that.
    Use {
        /// The title.
        swarm: SwarmId,
    },

    /// A player asked for bytes of a part. Deadlines follow from the play's clock: the first read of a play, or
    /// one that does not continue where another of its reads is, is a start or a seek and due at once.
    Read {
        /// Number of the read.
        read: ReadId,
        /// Which play it belongs to; the first read of a play opens it.
        play: PlayId,
        /// The rendition.
        rendition: RenditionId,
        /// Index of the part.
        part: u32,
        /// Bytes of the part's object.
        bytes: ByteRange,
        /// How the player takes them.
        taking: Taking,
        /// How fast the player plays from here on, if it says so.
        rate: Option<PlaybackRate>,
    },
    /// A player shows bytes that it had from elsewhere, before there was an engine to read them of: the play has
    /// begun, and goes on behind them. Of a play that is known already it says nothing new.
    Showed {
        /// Which play.
        play: PlayId,
        /// The rendition.
        rendition: RenditionId,
        /// Index of the part.
        part: u32,
        /// Bytes of the part's object.
        bytes: ByteRange,
        /// How long the start took from asking for the first of them.
        after: Span,
        /// How long ago that came to its end.
        ago: Span,
    },
    /// Bytes of a read up to here were handed to the player.
    Progress {
        /// The read.
        read: ReadId,
        /// Byte position in the part's object.
        to: u64,
    },
    /// The read ended: served, or the player hung up.
    Closed {
        /// The read.
        read: ReadId,
    },
    /// The play ended.
    Stopped {
        /// The play.
        play: PlayId,
    },
    /// What is likely to play next, likeliest first.
    Upcoming(Vec<RenditionId>),
    /// The provider took a title back: nothing of it is kept, served or fetched from here on.
    Withdrawn {
        /// The title.
        swarm: SwarmId,
    },
    /// Fetch all of this rendition in no hurry, and do not evict it.
    Keep(RenditionId),
    /// Takes a keep back.
    Unkeep(RenditionId),
    /// Does not evict this object, which the store holds: a playlist or picture of a title that is kept.
    Pin(ObjectId),
    /// Takes a pin back.
    Unpin(ObjectId),
    /// Drops these objects from the cache, but those that a player reads.
    Discard(Vec<ObjectId>),
    /// Drops everything from the cache that is neither kept nor read.
    DiscardAll,
    /// So many plays in a thousand go without peers, to compare with.
    HoldOut {
        /// Days since 1970: on another day it is other plays.
        day: u32,
        /// How many, 0 to 1000.
        permille: u16,
    },

    /// Blocks of a run were verified and written. May come many times in one run.
    Arrived {
        /// The run.
        request: RequestId,
        /// Proof for some of its blocks.
        verdict: V,
    },
    /// A run ended well: all its blocks have arrived.
    Finished {
        /// The run.
        request: RequestId,
    },
    /// A run ended before its end.
    Failed {
        /// The run.
        request: RequestId,
        /// Why.
        fault: Fault,
    },
    /// A block the engine believed held is not: damage was found on reading.
    Damaged {
        /// The object.
        object: ObjectId,
        /// The blocks that are gone.
        blocks: BlockRange,
    },
    /// The disk has no room: what comes is kept in memory, for players alone and not for long.
    NoRoom,

    /// Nodes that hold something of a title, from a supernode or another source. Nearest first.
    Found {
        /// The title.
        swarm: SwarmId,
        /// The holders.
        holders: Vec<Candidate>,
        /// Not to be asked again before this long.
        again: Span,
    },
    /// Nodes that were connected in earlier lives, and may be here still.
    Acquainted(Vec<(NodeKey, Nearness)>),
    /// The directory can be asked from here on.
    DirectoryUp,
    /// The directory cannot be asked; known peers and origin carry on.
    DirectoryDown,
    /// A connection stands and both sides proved their keys. HELLO has not been said yet.
    Connected {
        /// The connection.
        peer: PeerId,
        /// Its proven key.
        node: NodeKey,
        /// Who opened it: decides which of two connections between the same nodes stays.
        side: Side,
        /// How it reaches the peer.
        path: Path,
        /// Round-trip time so far.
        rtt: Span,
        /// How near the shell sees it from the path itself, if it can.
        nearness: Option<Nearness>,
    },
    /// A connection's path changed.
    PathChanged {
        /// The connection.
        peer: PeerId,
        /// How it reaches the peer.
        path: Path,
        /// Round-trip time.
        rtt: Span,
    },
    /// A connect that was asked for came to nothing.
    ConnectFailed {
        /// To whom.
        node: NodeKey,
    },
    /// A connection ended.
    Disconnected {
        /// The connection.
        peer: PeerId,
    },
    /// A message arrived on a control stream.
    Message {
        /// From whom.
        peer: PeerId,
        /// The message.
        message: PeerMessage,
    },
    /// Bytes that are no message arrived on a control stream, or a run that was never asked for.
    Malformed {
        /// From whom.
        peer: PeerId,
    },
    /// Bytes of an upload went out.
    Sent {
        /// The upload.
        upload: UploadId,
        /// How many since the last report.
        bytes: u64,
    },
    /// An upload ended: all sent, or it failed. Damage is told apart by [`Input::Damaged`].
    SentAll {
        /// The upload.
        upload: UploadId,
    },
    /// What the paths of [`watched`](crate::Swarm::watched) peers did since the last report.
    Uplink(Vec<PathReport>),
    /// A node has misbehaved in an earlier life of this process.
    Struck {
        /// Who.
        node: NodeKey,
        /// How often.
        strikes: u32,
    },
}

/// What a path did within a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathReport {
    /// The connection.
    pub peer: PeerId,
    /// The shortest round trip of a packet that was acknowledged in it; none when none was.
    pub rtt: Option<Span>,
    /// How long a packet took one way in it, by two clocks that need not agree: only changes mean anything. None when
    /// none was stamped, or the peer does not answer stamps.
    pub one_way: Option<Span>,
    /// Bytes that were acknowledged in it.
    pub acked: u64,
}

/// A node that may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Its key.
    pub node: NodeKey,
    /// How near it is.
    pub nearness: Nearness,
    /// Renditions of which it holds something, one bit each.
    pub renditions: u16,
    /// Which of 64 equal parts of the title it holds.
    pub coverage: u64,
}

/// For what rate a player with a choice of renditions should take its line: it chooses the best one that is here or can
/// be brought by it, and no better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Advice {
    /// What it should measure.
    pub line: Rate,
    /// Where it measures by itself, bytes are handed over no faster than this; none for as fast as they come.
    pub pace: Option<Rate>,
}

/// What a swarm wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Nothing more until an input, or until this moment. The reason is for the log.
    Timeout(Time, Reason),
    /// Fetch these blocks from the origin and verify them.
    AskOrigin {
        /// Returns with arrivals and the end.
        request: RequestId,
        /// The object.
        object: ObjectId,
        /// Its size.
        size: ObjectSize,
        /// The blocks.
        blocks: BlockRange,
    },
    /// Send a want to a peer and expect its run; like [`Output::Send`], but the shell notes what comes.
    AskPeer {
        /// Returns with arrivals and the end; also the request number on the wire.
        request: RequestId,
        /// Whom.
        peer: PeerId,
        /// The object.
        object: ObjectId,
        /// Its size.
        size: ObjectSize,
        /// The blocks.
        blocks: BlockRange,
        /// For the want message.
        due_millis: u32,
    },
    /// A run is no longer wanted. No input about it is expected, and those under way are ignored. A peer is
    /// sent a cancel.
    Cancel {
        /// The run.
        request: RequestId,
    },
    /// Send a message on a control stream.
    Send {
        /// To whom.
        peer: PeerId,
        /// The message.
        message: PeerMessage,
    },
    /// Read a run from the store and send it.
    Serve {
        /// Returns with the reports.
        upload: UploadId,
        /// To whom.
        peer: PeerId,
        /// The peer's number for it.
        request: u32,
        /// The object.
        object: ObjectId,
        /// Its size.
        size: ObjectSize,
        /// The blocks.
        blocks: BlockRange,
        /// When the peer needs it: of runs to one peer the one that is due first goes first, however much of the others
        /// waits in a connection already.
        due: Time,
        /// Whether the pace holds for it.
        over: Over,
    },
    /// Stop sending a run.
    StopServing {
        /// The upload.
        upload: UploadId,
    },
    /// Connect to a node.
    Connect {
        /// Whom.
        node: NodeKey,
    },
    /// Close a connection.
    Disconnect {
        /// Which.
        peer: PeerId,
        /// Why.
        why: Parting,
    },
    /// Remember across restarts that a node handed out bad bytes.
    Strike {
        /// Who.
        node: NodeKey,
        /// How often in all.
        strikes: u32,
    },
    /// Send no faster than this in all to peers outside of the own network; none for as fast as it goes.
    Pace(Option<Rate>),
    /// For what rate the player of a play should take its line; none for what it measures, and bytes as fast as they come.
    Advise {
        /// The play.
        play: PlayId,
        /// What it should.
        advice: Option<Advice>,
    },
    /// Remember across restarts what was handed on in a month.
    Remember(Handed),
    /// Ask the directory for holders of a title.
    Lookup {
        /// The title.
        swarm: SwarmId,
        /// Renditions of interest.
        renditions: u16,
    },
    /// Tell the directory what is held of a title; nothing held means it is left.
    Announce {
        /// The title.
        swarm: SwarmId,
        /// Renditions of which something is held.
        renditions: u16,
        /// Which of 64 equal parts.
        coverage: u64,
    },
    /// A title was not used for long and nothing of it is held: it is to be described again before it is played or
    /// kept.
    Forgot {
        /// The title.
        swarm: SwarmId,
    },
    /// Remove blocks from the store.
    Evict {
        /// The object.
        object: ObjectId,
        /// The blocks.
        blocks: BlockRange,
    },
    /// Something worth a log line or a count.
    Note(Note),
}

/// What a run that goes out goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// The household's line, which the pace is for.
    Line,
    /// The own network.
    Lan,
}

/// Why the engine wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing is due.
    Idle,
    /// Bytes came, and more may be asked for.
    Plan,
    /// A run looks late.
    LateRun,
    /// A block comes near its deadline.
    Deadline,
    /// Haves wait to be sent.
    Haves,
    /// The upload ceiling lets go.
    UploadLimit,
    /// A lookup may be repeated.
    Lookup,
    /// A connect may be tried again.
    Connect,
    /// The origin may be tried again.
    OriginRetry,
    /// A playhead reaches what was delivered.
    Stall,
    /// A choke by a peer ends.
    Choke,
    /// Holdings wait to be announced.
    Announce,
    /// Hours, a month or a pause end.
    Caps,
    /// A title comes to its end, and the next one is to be here by then.
    Upcoming,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parting {
    /// Too many connections; this one helps least.
    Surplus,
    /// No version in common, or another provider.
    Incompatible,
    /// Another connection to the same node stays.
    Duplicate,
    /// It broke the rules.
    Misbehaved(Misbehaviour),
    /// It misbehaved before and is banned.
    Banned,
    /// Sharing was switched off.
    SharingOff,
}

/// What a peer did wrong, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Misbehaviour {
    /// Sent bytes that do not hash to the object's root.
    CorruptBlock,
    /// Sent what is no message, or a run nobody asked for.
    Malformed,
    /// Spoke before HELLO, or said it twice.
    OutOfOrder,
    /// Asked for an empty, oversized or impossible run.
    BadWant,
    /// Asked for haves of too many objects.
    TooManyInterests,
    /// Sent haves for blocks an object cannot have, or faster than allowed for long.
    BadHave,
    /// Used the number of a request twice.
    DuplicateRequest,
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Held before they were asked for.
    Cache,
    /// From a peer this near, that runs in this.
    Peer(Nearness, RunsIn),
    /// From the provider's servers.
    Origin,
}

/// Why a source was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// It starts a play: whoever is expected first.
    Start,
    /// The origin races a peer for the first blocks.
    StartRace,
    /// The nearest that makes the deadline.
    Near,
    /// No near one makes the deadline, this one does.
    Fastest,
    /// Nobody connected holds it, and it falls to us to bring it in.
    OurShare,
    /// The deadline is close, and no peer is expected to make it.
    Deadline,
    /// Its player waited long enough for others to bring it: as little as lets it go on reading.
    Patience,
    /// An earlier run looks late.
    Hedge,
    /// Fetched ahead of a likely play.
    Prefetch,
}

/// Something worth a log line or a count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// A run was asked for.
    Asked {
        /// The run.
        request: RequestId,
        /// Of whom; none for the origin.
        peer: Option<PeerId>,
        /// The object.
        object: ObjectId,
        /// The blocks.
        blocks: BlockRange,
        /// When its first block is due.
        due: Time,
        /// When it is expected.
        expected: Time,
        /// Why this source.
        why: Why,
    },
    /// A play had enough to start.
    Started {
        /// The play.
        play: PlayId,
        /// From the request to enough verified bytes.
        after: Span,
    },
    /// A playhead stood still and moves again.
    Stalled {
        /// The play.
        play: PlayId,
        /// For how long.
        lasted: Span,
    },
    /// A play that begins is held out: it goes without peers.
    HeldOut {
        /// The play.
        play: PlayId,
    },
    /// A play ended.
    Ended {
        /// The play.
        play: PlayId,
        /// Media handed to its player.
        media: Span,
    },
    /// Bytes were handed to a player.
    Delivered {
        /// The play.
        play: PlayId,
        /// Where they had come from.
        source: Source,
        /// How many.
        bytes: u64,
        /// Media that the player was handed in this play by then.
        media: Span,
    },
    /// Blocks were dropped that nobody had played or been served.
    Wasted {
        /// Where they had come from.
        source: Source,
        /// How many bytes.
        bytes: u64,
    },
    /// The engine would have nothing to do with a peer, for what it did or is.
    TurnedAway {
        /// The peer.
        peer: PeerId,
        /// Why.
        why: Parting,
    },
    /// A peer's want was refused.
    Refused {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: RefuseReason,
    },
    /// A read cannot be served from anywhere at present.
    Stuck {
        /// The read.
        read: ReadId,
    },
}

/// An input that makes no sense: a mistake of the shell, never of a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// A rendition without parts, with too many, or with a bit above 15.
    #[error("rendition {0:?} is not well formed")]
    BadRendition(RenditionId),
    /// The rendition was never described, or the part does not exist.
    #[error("no such rendition or part: {0:?}, part {1}")]
    UnknownPart(RenditionId, u32),
    /// A bound of `limits` is reached.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// The read, play or connection is not open, or its number is taken.
    #[error("{0} is not open, or its number is taken")]
    UnknownNumber(&'static str),
    /// Time went backwards.
    #[error("time went back from {0:?} to {1:?}")]
    TimeWentBack(Time, Time),
}
