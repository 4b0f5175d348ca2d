//! The decisions of one listener, in plain words.

use std::collections::BTreeMap;

use nearcast_content::{BlockRange, ObjectId};
use nearcast_engine::swarm::{Fault, Input, Note, Output, RequestId, Source, Why};
use nearcast_engine::{Nearness, Rate, Time};

use crate::agent::SimVerdict;
use crate::show::words;

/// Collects what one listener's agent decides.
#[derive(Debug)]
pub(crate) struct Explain {
    node: u32,
    lines: Vec<String>,
    /// Runs on their way, so that their end and a second source can be told from what was expected.
    runs: BTreeMap<RequestId, Run>,
}

/// A run that was asked for.
#[derive(Clone, Debug)]
struct Run {
    whom: String,
    object: ObjectId,
    blocks: BlockRange,
    asked: Time,
    due: Time,
    expected: Time,
}

/// Lines kept at most: a few hours of one listener.
const MAX_LINES: usize = 200_000;

impl Explain {
    /// Explains `node`.
    pub(crate) fn new(node: u32) -> Self {
        Self { node, lines: Vec::new(), runs: BTreeMap::new() }
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
            Input::Failed { request, fault } => self.failed(now, *request, *fault),
            Input::Finished { request } => self.finished(now, *request),
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
            | Input::Use { .. }
            | Input::Progress { .. }
            | Input::Closed { .. }
            | Input::Showed { .. }
            | Input::Upcoming(_)
            | Input::Keep(_)
            | Input::Unkeep(_)
            | Input::Caps(_)
            | Input::Clock(_)
            | Input::Handed(_)
            | Input::Pin(_)
            | Input::Unpin(_)
            | Input::Discard(_)
            | Input::DiscardAll
            | Input::Acquainted(_)
            | Input::Uplink(_)
            | Input::HoldOut { .. }
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
            Output::Note(Note::Asked { request, peer, object, blocks, due, expected, why }) => {
                let whom = peer.map_or_else(|| "the origin".to_owned(), |peer| format!("peer {}", peer.0));
                let (object, blocks) = (*object, *blocks);
                let run = Run { whom, object, blocks, asked: now, due: *due, expected: *expected };
                self.asked(now, *request, run, *why)
            }
            Output::Note(note) => note_words(note),
            Output::Cancel { request } => self.cancelled(now, *request),
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
            Output::Forgot { .. } => "forgets a title".to_owned(),
            Output::Advise { play, advice } => match advice {
                Some(advice) => format!("play {}: the line is to be taken for {}", play.0, rate(advice.line)),
                None => format!("play {}: the line is to be measured", play.0),
            },
            Output::Timeout(..)
            | Output::AskOrigin { .. }
            | Output::AskPeer { .. }
            | Output::Send { .. }
            | Output::Announce { .. }
            | Output::Remember(_)
            | Output::Pace(_) => return,
        };
        self.say(now, &words);
    }
}

impl Explain {
    fn asked(&mut self, now: Time, request: RequestId, run: Run, why: Why) -> String {
        let mut words = format!(
            "run {}, blocks {} to {}, asked of {} at {}: deadline {}, expected {}; {}",
            request.0,
            run.blocks.start,
            run.blocks.end.saturating_sub(1),
            run.whom,
            when(now),
            when(run.due),
            when(run.expected),
            why_words(why)
        );
        if let Some((first, slow)) = self.hedged(&run).filter(|_| why == Why::Hedge) {
            words = format!(
                "run {} hedged at {} because it was expected at {} from {} and is due {}: {words}",
                first.0,
                when(now),
                when(slow.expected),
                slow.whom,
                when(slow.due)
            );
        }
        self.runs.insert(request, run);
        words
    }

    /// The run under way for the same blocks.
    fn hedged(&self, run: &Run) -> Option<(RequestId, &Run)> {
        let overlaps = |other: &Run| {
            other.object == run.object
                && other.blocks.start < run.blocks.end
                && run.blocks.start < other.blocks.end
        };
        self.runs.iter().find(|(_, other)| overlaps(other)).map(|(request, other)| (*request, other))
    }

    fn finished(&mut self, now: Time, request: RequestId) -> String {
        let Some(run) = self.runs.remove(&request) else { return format!("run {} is complete", request.0) };
        let took = now.since(run.asked).millis();
        let late = now.since(run.expected).millis();
        let early = run.expected.since(now).millis();
        let against = if late > 0 { format!("{late} ms later") } else { format!("{early} ms sooner") };
        let due = match (run.due == Time::NEVER, now > run.due) {
            (true, _) => "no deadline".to_owned(),
            (false, true) => format!("{} ms after its deadline", now.since(run.due).millis()),
            (false, false) => format!("{} ms before its deadline", run.due.since(now).millis()),
        };
        format!(
            "run {} is complete from {} after {took} ms, {against} than expected, {due}",
            request.0, run.whom
        )
    }

    fn failed(&mut self, now: Time, request: RequestId, fault: Fault) -> String {
        let from = self.runs.remove(&request).map_or_else(String::new, |run| {
            format!(" of {} after {} ms", run.whom, now.since(run.asked).millis())
        });
        format!("run {}{from} failed: {}", request.0, fault_words(fault))
    }

    fn cancelled(&mut self, now: Time, request: RequestId) -> String {
        let from = self.runs.remove(&request).map_or_else(String::new, |run| {
            format!(" of {} after {} ms", run.whom, now.since(run.asked).millis())
        });
        format!("run {}{from} is cancelled: it is not needed any more", request.0)
    }
}

fn seconds(at: Time) -> String {
    format!("{}.{:03}", at.micros() / 1_000_000, at.micros() / 1_000 % 1_000)
}

fn when(at: Time) -> String {
    if at == Time::NEVER { "none".to_owned() } else { format!("{} s", seconds(at)) }
}

fn note_words(note: &Note) -> String {
    match note {
        Note::Asked { request, .. } => format!("run {} asked", request.0),
        Note::Started { play, after } => {
            format!("play {} has enough to start after {} ms", play.0, after.millis())
        }
        Note::Stalled { play, lasted } => format!("play {} stood still for {} ms", play.0, lasted.millis()),
        Note::Delivered { play, source, bytes, .. } => {
            format!("play {}: {bytes} bytes handed over, from {}", play.0, source_words(*source))
        }
        Note::Wasted { source, bytes } => {
            format!("{bytes} bytes from {} were of no use", source_words(*source))
        }
        Note::TurnedAway { peer, why } => format!("turns peer {} away: {why:?}", peer.0),
        Note::Refused { peer, reason } => format!("refuses peer {}: {reason:?}", peer.0),
        Note::HeldOut { play } => format!("play {} is held out: it goes without peers", play.0),
        Note::Ended { play, media } => format!("play {} ended after {} ms of media", play.0, media.millis()),
        Note::Stuck { read } => format!("read {} cannot be served from anywhere at present", read.0),
    }
}

fn rate(of: Rate) -> String {
    words::rate(of.bytes_per_sec().saturating_mul(8))
}

fn source_words(source: Source) -> &'static str {
    match source {
        Source::Cache => "the cache",
        Source::Peer(Nearness::Lan, _) => "the local network",
        Source::Peer(Nearness::Neighbourhood | Nearness::Isp, _) => "a peer of the same operator",
        Source::Peer(Nearness::Country | Nearness::Far, _) => "a peer elsewhere",
        Source::Origin => "the origin",
    }
}

fn why_words(why: Why) -> &'static str {
    match why {
        Why::Start => "it starts a play: whoever is expected first",
        Why::StartRace => "the origin races a peer for the first blocks",
        Why::Patience => "its player waited long enough for others to bring it",
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

#[cfg(test)]
mod tests {
    use nearcast_engine::swarm::PeerId;

    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    fn asked(request: u32, peer: Option<u64>, expected: u64, why: Why) -> Output {
        let (object, blocks) = (ObjectId([1; 32]), BlockRange::new(3, 6));
        let (request, peer) = (RequestId(request), peer.map(PeerId));
        Output::Note(Note::Asked {
            request,
            peer,
            object,
            blocks,
            due: at(5_000),
            expected: at(expected),
            why,
        })
    }

    #[test]
    fn a_run_is_told_from_the_asking_to_its_end() {
        let mut explain = Explain::new(7);
        explain.output(at(3_200), 7, &asked(17, Some(4), 3_900, Why::Near));
        explain.output(at(4_400), 7, &asked(18, None, 4_600, Why::Hedge));
        explain.output(at(4_400), 8, &asked(1, None, 4_600, Why::Near));
        explain.input(at(4_700), 7, &Input::Finished { request: RequestId(18) });
        explain.output(at(4_700), 7, &Output::Cancel { request: RequestId(17) });
        let lines = explain.into_lines();
        let words: Vec<&str> =
            lines.iter().filter_map(|line| line.split_once(" s  ")).map(|(_, w)| w).collect();
        assert_eq!(
            words,
            [
                "run 17, blocks 3 to 5, asked of peer 4 at 3.200 s: deadline 5.000 s, expected 3.900 s; the nearest that \
             makes the deadline",
                "run 17 hedged at 4.400 s because it was expected at 3.900 s from peer 4 and is due 5.000 s: run 18, \
             blocks 3 to 5, asked of the origin at 4.400 s: deadline 5.000 s, expected 4.600 s; an earlier run looks \
             late",
                "run 18 is complete from the origin after 300 ms, 100 ms later than expected, 300 ms before its deadline",
                "run 17 of peer 4 after 1500 ms is cancelled: it is not needed any more",
            ]
        );
    }
}
