//! A player that knows the origin and its own cache, and no peers: what the provider has without Nearcast.
//!
//! As a browser does, it asks for each range the player reads in one request, keeps what it got, and throws
//! out the object used longest ago when its cache is full.

use std::collections::{BTreeMap, VecDeque};

use nearcast_content::{BlockRange, BlockSet, ByteRange, ObjectId, ObjectSize};
use nearcast_engine::swarm::{
    Fault, Input, InputError, Note, Output, Part, PlayId, ReadId, Reason, Rendition, RenditionId, RequestId,
    Settings, Why,
};
use nearcast_engine::{Span, Time, Verdict};

use super::{Agent, Bounds, SimVerdict};

/// How long after a failed request the next one follows: what hls.js waits first.
const RETRY: Span = Span::from_secs(1);
/// Longest request, so that a film read in one range keeps being read as the player takes it.
const MAX_REQUEST_BLOCKS: u32 = 64;

/// A plain player's cache and requests.
#[derive(Debug)]
pub struct OriginOnly {
    now: Time,
    budget: u64,
    renditions: BTreeMap<RenditionId, Vec<Part>>,
    objects: BTreeMap<ObjectId, Held>,
    reads: BTreeMap<ReadId, Reading>,
    asked: BTreeMap<RequestId, (ObjectId, BlockRange)>,
    next_request: u32,
    uses: u64,
    retry_at: Option<Time>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Held {
    size: ObjectSize,
    blocks: BlockSet,
    used: u64,
}

#[derive(Debug)]
struct Reading {
    play: PlayId,
    object: ObjectId,
    size: ObjectSize,
    bytes: ByteRange,
    /// Bytes up to here were handed on.
    done: u64,
}

/// How far ahead of what the player took a request may run.
const AHEAD_BYTES: u64 = 512 * 1024;
/// With this much ahead nothing is asked, so that requests are few and long.
const ENOUGH_BYTES: u64 = 256 * 1024;

impl OriginOnly {
    /// A player with the cache budget of `settings`.
    pub fn new(settings: Settings) -> Self {
        Self {
            now: Time::ZERO,
            budget: settings.cache_budget,
            renditions: BTreeMap::new(),
            objects: BTreeMap::new(),
            reads: BTreeMap::new(),
            asked: BTreeMap::new(),
            next_request: 0,
            uses: 0,
            retry_at: None,
            outputs: VecDeque::new(),
        }
    }

    fn describe(&mut self, rendition: Rendition) {
        self.renditions.entry(rendition.id).or_insert(rendition.parts);
    }

    fn read(
        &mut self,
        read: ReadId,
        play: PlayId,
        (rendition, part): (RenditionId, u32),
        bytes: ByteRange,
    ) -> Result<(), InputError> {
        let parts = self.renditions.get(&rendition).ok_or(InputError::UnknownPart(rendition, part))?;
        let part = parts.get(part as usize).ok_or(InputError::UnknownPart(rendition, part))?;
        let (object, size) = (part.object, part.size);
        self.uses += 1;
        let used = self.uses;
        self.objects.entry(object).or_insert_with(|| Held { size, blocks: BlockSet::EMPTY, used }).used =
            used;
        self.reads.insert(read, Reading { play, object, size, bytes, done: bytes.start });
        Ok(())
    }

    /// Asks for what the reads miss next, one request per read at a time.
    fn ask(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        for reading in self.reads.values() {
            let Some(held) = self.objects.get(&reading.object) else { continue };
            let until = reading.bytes.end.min(reading.done.saturating_add(AHEAD_BYTES));
            let wanted = reading.size.covering(ByteRange::new(reading.done, until));
            let Some(gap) = held.blocks.missing(wanted).next() else { continue };
            let ahead = reading.size.bytes_of(BlockRange::new(wanted.start, gap.start)).len();
            if ahead >= ENOUGH_BYTES {
                continue;
            }
            let busy = self
                .asked
                .values()
                .any(|(object, blocks)| *object == reading.object && !blocks.intersect(wanted).is_empty());
            if busy {
                continue;
            }
            let blocks = BlockRange::new(gap.start, gap.end.min(gap.start + MAX_REQUEST_BLOCKS));
            let request = RequestId(self.next_request);
            self.next_request += 1;
            self.asked.insert(request, (reading.object, blocks));
            let (object, size, now) = (reading.object, reading.size, self.now);
            let why = if reading.done == reading.bytes.start { Why::Start } else { Why::Deadline };
            self.outputs.push_back(Output::Note(Note::Asked {
                request,
                peer: None,
                object,
                blocks,
                due: now,
                expected: now,
                why,
            }));
            self.outputs.push_back(Output::AskOrigin { request, object, size, blocks });
        }
    }

    fn failed(&mut self, request: RequestId, fault: Fault) {
        self.asked.remove(&request);
        self.retry_at = Some(self.now + RETRY);
        if matches!(fault, Fault::Gone | Fault::Unavailable) {
            let stuck = self.reads.keys().map(|read| Output::Note(Note::Stuck { read: *read }));
            self.outputs.extend(stuck);
        }
    }

    /// Drops runs that no open read wants any more.
    fn drop_unwanted(&mut self) {
        let reads = &self.reads;
        let wanted = |(object, blocks): &(ObjectId, BlockRange)| {
            reads
                .values()
                .any(|r| r.object == *object && !r.size.covering(r.bytes).intersect(*blocks).is_empty())
        };
        let gone: Vec<RequestId> =
            self.asked.iter().filter(|(_, run)| !wanted(run)).map(|(request, _)| *request).collect();
        for request in gone {
            self.asked.remove(&request);
            self.outputs.push_back(Output::Cancel { request });
        }
    }

    fn evict(&mut self) {
        let bytes =
            |held: &Held| -> u64 { held.blocks.ranges().iter().map(|r| held.size.bytes_of(*r).len()).sum() };
        let mut total: u64 = self.objects.values().map(bytes).sum();
        while total > self.budget {
            let reads = &self.reads;
            let idle = self
                .objects
                .iter()
                .filter(|(id, held)| !held.blocks.is_empty() && !reads.values().any(|r| r.object == **id))
                .min_by_key(|(_, held)| held.used)
                .map(|(id, _)| *id);
            let Some(object) = idle else { return };
            let Some(held) = self.objects.remove(&object) else { return };
            total -= bytes(&held);
            let evicted = held.blocks.ranges().iter().map(|blocks| Output::Evict { object, blocks: *blocks });
            self.outputs.extend(evicted);
        }
    }
}

impl OriginOnly {
    fn arrived(&mut self, request: RequestId, blocks: BlockRange) {
        let known = self.asked.get(&request).and_then(|(object, _)| self.objects.get_mut(object));
        if let Some(held) = known {
            held.blocks.insert(blocks);
        }
        self.evict();
    }
}

impl Agent for OriginOnly {
    fn handle_input(&mut self, now: Time, input: Input<SimVerdict>) -> Result<(), InputError> {
        self.now = now;
        match input {
            Input::Timeout => self.retry_at = self.retry_at.filter(|at| *at > now),
            Input::Settings(settings) => self.budget = settings.cache_budget,
            Input::Stored(s) => {
                self.objects.insert(s.object, Held { size: s.size, blocks: s.blocks, used: s.last_used });
                self.uses = self.uses.max(s.last_used);
            }
            Input::Describe(rendition) => self.describe(rendition),
            Input::Read { read, play, rendition, part, bytes, .. } => {
                self.read(read, play, (rendition, part), bytes)?;
            }
            Input::Progress { read, to } => {
                self.reads.get_mut(&read).ok_or(InputError::UnknownNumber("read"))?.done = to;
            }
            Input::Closed { read } => {
                self.reads.remove(&read);
                self.drop_unwanted();
            }
            Input::Stopped { play } => {
                self.reads.retain(|_, reading| reading.play != play);
                self.drop_unwanted();
            }
            Input::Arrived { request, verdict } => self.arrived(request, verdict.blocks()),
            Input::Finished { request } => {
                self.asked.remove(&request);
            }
            Input::Failed { request, fault } => self.failed(request, fault),
            Input::Damaged { object, blocks } => {
                if let Some(held) = self.objects.get_mut(&object) {
                    held.blocks.remove(blocks);
                }
            }
            Input::NoRoom
            | Input::Upcoming(_)
            | Input::Showed { .. }
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
            | Input::Found { .. }
            | Input::DirectoryUp
            | Input::DirectoryDown
            | Input::Connected { .. }
            | Input::PathChanged { .. }
            | Input::ConnectFailed { .. }
            | Input::Disconnected { .. }
            | Input::Message { .. }
            | Input::Malformed { .. }
            | Input::Sent { .. }
            | Input::SentAll { .. }
            | Input::Withdrawn { .. }
            | Input::Use { .. }
            | Input::Struck { .. } => {}
        }
        self.ask();
        Ok(())
    }

    fn poll_output(&mut self) -> Output {
        let (wake, reason) = match self.retry_at {
            Some(at) => (at, Reason::OriginRetry),
            None => (Time::NEVER, Reason::Idle),
        };
        self.outputs.pop_front().unwrap_or(Output::Timeout(wake, reason))
    }

    fn bounds(&self) -> Bounds {
        Bounds::Own
    }
}
