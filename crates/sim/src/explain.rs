//! The decisions of one listener, in plain words.

use nearcast_engine::swarm::{Fault, Input, Note, Output, Source, Why};
use nearcast_engine::{Nearness, Time};

use crate::agent::SimVerdict;

/// Collects what one listener's agent decides.
#[derive(Debug)]
pub(crate) struct Explain {
    node: u32,
    lines: Vec<String>,
}

/// Lines kept at most: a few hours of one listener.
const MAX_LINES: usize = 200_000;

impl Explain {
    /// Explains `node`.
    pub(crate) fn new(node: u32) -> Self {
        Self { node, lines: Vec::new() }
    }

    /// The lines so far.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }

    fn say(&mut self, now: Time, words: &str) {
        if self.lines.len() < MAX_LINES {
            self.lines.push(format!("{:>9} s  {words}", seconds(now)));
        }
    }

    /// The world saw something that the agent need not know of.
    pub(crate) fn world(&mut self, now: Time, node: u32, words: &dyn Fn() -> String) {
        if node == self.node {
            self.say(now, &format!("world: {}", words()));
        }
    }

    /// Something happened to an agent.
    pub(crate) fn input(&mut self, now: Time, node: u32, input: &Input<SimVerdict>) {
        if node != self.node {
            return;
        }
        let words = match input {
            Input::Read { read, play, part, bytes, .. } => {
                format!("player asks: read {} of play {}, part {part}, bytes {bytes:?}", read.0, play.0)
            }
            Input::Stopped { play } => format!("play {} ended", play.0),
            Input::Failed { request, fault } => format!("run {} failed: {}", request.0, fault_words(*fault)),
            Input::Finished { request } => format!("run {} is complete", request.0),
            Input::Found { holders, .. } => format!("the directory names {} holders", holders.len()),
            Input::DirectoryUp => "the directory is there".to_owned(),
            Input::DirectoryDown => "the directory is gone".to_owned(),
            Input::Connected { peer, path, rtt, .. } => {
                format!("connected to peer {} ({path:?}, round trip {} ms)", peer.0, rtt.millis())
            }
            Input::ConnectFailed { node } => format!("no way to node {node:?}"),
            Input::Disconnected { peer } => format!("peer {} is gone", peer.0),
            Input::NoRoom => "the disk is full".to_owned(),
            Input::Timeout
            | Input::Settings(_)
            | Input::Stored(_)
            | Input::Describe(_)
            | Input::Progress { .. }
            | Input::Closed { .. }
            | Input::Upcoming(_)
            | Input::Keep(_)
            | Input::Unkeep(_)
            | Input::Arrived { .. }
            | Input::Damaged { .. }
            | Input::PathChanged { .. }
            | Input::Message { .. }
            | Input::Malformed { .. }
            | Input::Sent { .. }
            | Input::SentAll { .. }
            | Input::Withdrawn { .. }
            | Input::Struck { .. } => return,
        };
        self.say(now, &words);
    }

    /// An agent decided something.
    pub(crate) fn output(&mut self, now: Time, node: u32, output: &Output) {
        if node != self.node {
            return;
        }
        let words = match output {
            Output::Note(note) => note_words(now, note),
            Output::Cancel { request } => format!("run {} is cancelled", request.0),
            Output::Serve { upload, peer, blocks, .. } => {
                format!("serves blocks {blocks:?} to peer {} (upload {})", peer.0, upload.0)
            }
            Output::StopServing { upload } => format!("stops upload {}", upload.0),
            Output::Connect { node } => format!("connects to node {node:?}"),
            Output::Disconnect { peer, why } => format!("parts with peer {}: {why:?}", peer.0),
            Output::Strike { node, strikes } => {
                format!("node {node:?} sent bad bytes, for the {strikes}. time")
            }
            Output::Lookup { .. } => "asks the directory for holders".to_owned(),
            Output::Evict { blocks, .. } => format!("throws out blocks {blocks:?}"),
            Output::Timeout(..)
            | Output::AskOrigin { .. }
            | Output::AskPeer { .. }
            | Output::Send { .. }
            | Output::Announce { .. } => return,
        };
        self.say(now, &words);
    }
}

fn seconds(at: Time) -> String {
    format!("{}.{:03}", at.micros() / 1_000_000, at.micros() / 1_000 % 1_000)
}

fn when(at: Time) -> String {
    if at == Time::NEVER { "at no set time".to_owned() } else { format!("at {} s", seconds(at)) }
}

fn note_words(now: Time, note: &Note) -> String {
    match note {
        Note::Asked { request, peer, blocks, due, expected, why, .. } => {
            let whom = peer.map_or_else(|| "the origin".to_owned(), |peer| format!("peer {}", peer.0));
            let takes = expected.since(now).millis();
            let (run, due, why) = (request.0, when(*due), why_words(*why));
            format!("run {run}, blocks {blocks:?}, asked of {whom}: due {due}, expected in {takes} ms; {why}")
        }
        Note::Started { play, after } => {
            format!("play {} has enough to start after {} ms", play.0, after.millis())
        }
        Note::Stalled { play, lasted } => format!("play {} stood still for {} ms", play.0, lasted.millis()),
        Note::Delivered { play, source, bytes } => {
            format!("play {}: {bytes} bytes handed over, from {}", play.0, source_words(*source))
        }
        Note::Wasted { source, bytes } => {
            format!("{bytes} bytes from {} were of no use", source_words(*source))
        }
        Note::Refused { peer, reason } => format!("refuses peer {}: {reason:?}", peer.0),
        Note::Stuck { read } => format!("read {} cannot be served from anywhere at present", read.0),
    }
}

fn source_words(source: Source) -> &'static str {
    match source {
        Source::Cache => "the cache",
        Source::Peer(Nearness::Lan) => "the local network",
        Source::Peer(Nearness::Neighbourhood | Nearness::Isp) => "a peer of the same operator",
        Source::Peer(Nearness::Country | Nearness::Far) => "a peer elsewhere",
        Source::Origin => "the origin",
    }
}

fn why_words(why: Why) -> &'static str {
    match why {
        Why::Start => "it starts a play: whoever is expected first",
        Why::StartRace => "the origin races a peer for the first blocks",
        Why::Near => "the nearest that makes the deadline",
        Why::Fastest => "no near one makes the deadline, this one does",
        Why::OurShare => "nobody connected holds it, and it falls to us",
        Why::Deadline => "the deadline is close and no peer is expected to make it",
        Why::Hedge => "an earlier run looks late",
        Why::Prefetch => "ahead of a likely play",
    }
}

fn fault_words(fault: Fault) -> &'static str {
    match fault {
        Fault::Lost => "the connection or stream ended",
        Fault::Unavailable => "an error that may pass",
        Fault::Gone => "the origin does not serve it",
        Fault::Corrupt => "the bytes do not match the object",
        Fault::NoRoom => "the store took nothing",
    }
}
