//! Every bound of the engine and of the wire, with its reason.

use crate::time::Span;

/// Longest message on a control stream, data channel or WebSocket: fits the smallest data channel limit in
/// the field (16 KiB) and two length bytes.
pub const MAX_MESSAGE: usize = 16 * 1024;
/// Longest frame on a data channel: a message with its kind. Browsers take packets of 64 KiB and more, so that
/// [`MAX_MESSAGE`] stays the bound of what is read.
pub const MAX_FRAME: usize = MAX_MESSAGE + 1;
/// Longest piece of a run in one frame: fills it, behind kind and number.
pub const MAX_PIECE: usize = MAX_MESSAGE - 4;
/// Ranges of blocks in one have message: a message stays below 8 KiB with the longest numbers. A holder with
/// more gaps offers the first ones.
pub const MAX_RANGES_IN_MESSAGE: usize = 512;
/// Longest run: 1 MiB. Longer ones make cancelling coarse and block a server's queue.
pub const MAX_RUN_BLOCKS: u32 = 64;
/// Longest signal between two nodes: an SDP with candidates is 2–6 KiB.
pub const MAX_SIGNAL: usize = 12 * 1024;
/// Holdings in one announce: 40 bytes each.
pub const MAX_ANNOUNCE: usize = 256;
/// Holders in one answer: about 150 bytes each with addresses.
pub const MAX_ANSWER: usize = 32;
/// Addresses handed out for one holder.
pub const MAX_ADDRESSES: usize = 6;

/// Holders that a supernode remembers for one title and place; more are sampled, since nobody connects to
/// more than a few.
pub const MAX_HOLDERS_PER_PLACE: usize = 64;
/// Titles one session may announce. A cache of 10 GB holds about 2,500 tracks.
pub const MAX_TITLES_PER_SESSION: usize = 4_096;
/// Sessions of one supernode. Skype's hosted supernodes carried 4,100 each; a page of memory per session
/// leaves room for ten times that.
pub const MAX_SESSIONS: usize = 40_000;
/// Holdings that a supernode remembers over all sessions: a hundred for each, about 100 bytes each, so that
/// a few large caches have room while memory stays below half a gigabyte.
pub const MAX_HOLDINGS: usize = 4_000_000;
/// How long a session lives without a word from its node.
pub const LEASE: Span = Span::from_secs(90);

/// Lookups of one session: four a second, and a screenful of titles at once after a silence.
pub const LOOKUP_INTERVAL: Span = Span::from_millis(250);
/// Lookups of one session at once after a silence.
pub const LOOKUP_BURST: u32 = 64;
/// Announces of one session: twice what a node allows itself.
pub const ANNOUNCE_INTERVAL: Span = Span::from_millis(500);
/// Announces of one session at once after a silence: a full cache takes 16.
pub const ANNOUNCE_BURST: u32 = 64;
/// Signals of one session: a connection takes two to ten.
pub const SIGNAL_INTERVAL: Span = Span::from_millis(100);
/// Signals of one session at once after a silence: connecting to a dozen peers.
pub const SIGNAL_BURST: u32 = 128;
/// Holdings of one session that are offered again to a crowded place each time the session speaks, so that
/// the sample of its holders changes and gaps in it close.
pub const OFFERS_PER_MESSAGE: usize = 8;
/// Holders drawn from each class of nearness before the best of them are chosen for an answer.
pub const DRAWS_PER_CLASS: usize = 48;

/// Longest wait before the first attempt to reach a lost supernode again; doubles with each failure.
pub const RECONNECT_FIRST: Span = Span::from_millis(500);
/// Longest wait between attempts to reach a supernode.
pub const RECONNECT_MOST: Span = Span::from_secs(60);
/// A session this long counts as held: the next failure is a first one.
pub const SESSION_HELD: Span = Span::from_secs(30);
/// How long a supernode may take to be connected, and then to say welcome.
pub const HANDSHAKE_PATIENCE: Span = Span::from_secs(10);
/// How long a supernode may take to answer a lookup before the session counts as dead.
pub const ANSWER_PATIENCE: Span = Span::from_secs(15);
/// Between two announces of a node: changes in between are told together.
pub const ANNOUNCE_SPACING: Span = Span::from_secs(1);
/// Lookups of a node without an answer: what one session may ask at once.
pub const MAX_LOOKUPS: usize = LOOKUP_BURST as usize;

/// How long a data channel may take from the call to the proof: gathering, signals both ways, and the handshakes.
pub const CHANNEL_PATIENCE: Span = Span::from_secs(15);
/// Links by data channels at once, those that are being made included: the swarm keeps at most [`MAX_PEERS`] and must
/// see others to choose.
pub const MAX_LINKS: usize = MAX_PEERS + 16;
/// Of those, to one node: both may call at the same moment, and a dead one may not be noticed yet.
pub const MAX_LINKS_TO_NODE: usize = 3;
/// Of those, calls that were taken and are not proven: strangers' calls that come to nothing leave room for others.
pub const MAX_TAKEN_CALLS: usize = 32;
/// Candidates of one side of a link: a browser gathers a few per network interface.
pub const MAX_CANDIDATES: usize = 32;

/// Connected peers at most: Spotify kept 60.
pub const MAX_PEERS: usize = 60;
/// Peers a node connects to by itself; the rest is left to those who call.
pub const WANTED_PEERS: usize = 12;
/// Known peers a node connects to by itself while no directory says who holds what: enough that one of them has
/// what a household's friends listen to, few enough not to bother everybody met.
pub const WANTED_FRIENDS: usize = 8;
/// Known peers remembered.
pub const MAX_KNOWN_PEERS: usize = 1_000;
/// Objects whose haves one peer may ask for.
pub const MAX_INTERESTS: usize = 64;
/// Have messages to one peer: at most one in this time (4 a second).
pub const HAVE_INTERVAL: Span = Span::from_millis(250);
/// Runs asked of one peer at once. Two keep the pipe full, the others absorb a spread of sizes.
pub const MAX_RUNS_PER_PEER: usize = 4;
/// Runs asked of the origin at once: more connections would crowd out other listeners.
pub const MAX_ORIGIN_RUNS: usize = 3;
/// Runs on the way in total.
pub const MAX_RUNS: usize = 64;
/// Longest run asked of the origin: 256 KiB, so that a change of mind wastes little.
pub const MAX_ORIGIN_RUN_BLOCKS: u32 = 16;
/// What a start may cost the origin before it is known whether peers will do: 64 KiB.
pub const START_RACE_BLOCKS: u32 = 4;

/// Runs that peers may have queued here; beyond it the answer is "busy".
pub const MAX_UPLOAD_QUEUE: usize = 64;
/// Of those, by one peer.
pub const MAX_UPLOAD_QUEUE_PER_PEER: usize = 8;
/// Runs being sent at once: Spotify's four, so that each makes visible progress.
pub const MAX_UPLOADS: usize = 4;

/// Plays at once: a household at one gateway.
pub const MAX_PLAYS: usize = 32;
/// Reads of one play at once. Players open two or three ranges beside each other.
pub const MAX_READS: usize = 64;
/// Renditions described at once. The title that was used longest ago makes room for one more, with what is held of it.
pub const MAX_RENDITIONS: usize = 4_096;
/// Titles remembered that nobody plays, keeps or expects and of which nothing is held: the songs of an evening that
/// were skipped at once, for who goes back to one. They are gone through when there are as many more.
pub const SPARE_TITLES: usize = 64;
/// Nodes remembered that misbehaved: those of an attacker that draws keys push out one another, and what two of them
/// sent cost a run each.
pub const MAX_STRUCK: usize = 4_096;
/// Parts of a rendition: 12 h of 4 s segments.
pub const MAX_PARTS: usize = 10_800;

/// Between two reports of a node about its plays: a provider looks at minutes, and 10,000 nodes make 500 messages a
/// second.
pub const REPORT_SPACING: Span = Span::from_secs(20);
/// A report may come sooner than that by so much: clocks and queues.
pub const REPORT_SLACK: Span = Span::from_secs(5);
/// Plays, and stalls, in one report: a household's players, many times over.
pub const MAX_REPORT_PLAYS: u64 = 1_000;
/// Refused peers of each kind in one report: four times as many as a node has at once.
pub const MAX_REPORT_PEERS: u64 = 1_000;
/// Bytes in one report: what ended since the last one may have played for a day.
pub const MAX_REPORT_BYTES: u64 = 1 << 40;
/// Milliseconds of media, or of standing still, in one report: a week.
pub const MAX_REPORT_MILLIS: u64 = 7 * 24 * 3_600_000;
