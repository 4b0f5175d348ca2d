//! Links and what runs over them: chunks of a run through an uplink, over a distance, into a downlink.
//!
//! A *pipe* is one direction of an access link, of a node's own network, or of the origin. Chunks leave a
//! sending pipe one after another, taking turns between connections and, within one, between runs. They
//! enter a receiving pipe as they come (cut-through), where what comes faster than the rate queues up.
//! Each connection has a congestion window: it starts at ten packets (RFC 6928), grows by what is
//! acknowledged, shrinks when the queue at the receiver passes what the pipe buffers, as a dropped packet
//! would tell it. There is no loss. A run costs about 35 to 50 events per MB, twice that over slow uplinks.
//!
//! Links carry packets: their rates are with headers, bytes of runs are without. What waits before a sending pipe is
//! reckoned ([`backlog`]): words and acknowledgements wait there, and senders learn of it.
//!
//! That a chunk has left is no event of its own where nobody needs to hear of it at that moment: one that took next to
//! nothing is taken as gone when it begins, and one that others follow from the same connection is found gone when it
//! reaches the other side, as long as what follows it cannot have got that far by then.

mod backlog;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use nearcast_content::{BLOCK_SIZE, BlockRange, FlatSet, ObjectSize};
use nearcast_engine::{Rate, Span, Time};

use self::backlog::{Backlog, Line};
use crate::arena::{Arena, Key};
use crate::catalogue::len_of;

/// First window: ten packets of 1,460 bytes, rounded to a block.
const FIRST_WINDOW: u64 = BLOCK_SIZE;
/// Largest window: the stream window of the native node.
const MAX_WINDOW: u64 = 2 * 1024 * 1024;
/// How long the first chunk of a run should take on the slower of its links: a start waits for it.
const CHUNK_TIME: Span = Span::from_millis(50);
/// How long a chunk may take while others wait for the same uplink: short enough to interleave fairly.
const CHUNK_TIME_SHARED: Span = Span::from_millis(100);
/// How long a chunk may take when nobody else wants the uplink: longer ones wait so long for each other at a receiver
/// that a slow sender gets less than its share.
const CHUNK_TIME_ALONE: Span = Span::from_millis(150);
/// What leaves within this is taken as gone at once: queues that short are not seen.
const AT_ONCE: Span = Span::from_millis(2);
/// Largest chunk, in blocks.
const MAX_CHUNK_BLOCKS: u64 = 16;
/// An idle TCP connection starts slowly again (RFC 5681, section 4.1), QUIC as iroh runs it does not.
const TCP_IDLE: Span = Span::from_secs(1);

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PipeIx(pub(crate) u32);

/// A connection that may send: one direction of a transport connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChannelKey(pub(crate) Key);

/// A run being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunKey(pub(crate) Key);

/// A chunk on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChunkKey(pub(crate) Key);

/// Whoever holds what it sends to a pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pacer(pub(crate) u32);

/// How a connection behaves after it was idle, and what its packets' headers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Quic,
}

impl Transport {
    /// What is left of a link's rate for bytes of runs. Of an Ethernet frame of 1,514 bytes TCP with timestamps leaves
    /// 1,448. QUIC's packets of 1,200 to 1,450 bytes spend 42 below UDP, about 30 on header, seal and frame; verified
    /// runs have 64 bytes of hashes for each block.
    pub(crate) fn carried(self, rate: Rate) -> Rate {
        let permille = match self {
            Self::Tcp => 956,
            Self::Quic => 940,
        };
        Rate::from_bytes_per_sec((rate.bytes_per_sec().saturating_mul(permille) / 1_000).max(1))
    }
}

/// The way that what is sent takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) up: PipeIx,
    pub(crate) down: PipeIx,
    /// What acknowledgements leave through.
    pub(crate) back: PipeIx,
    /// One way, without queues.
    pub(crate) delay: Span,
    pub(crate) transport: Transport,
    /// Whose pace holds for it; none for as fast as it goes.
    pub(crate) pacer: Option<Pacer>,
}

impl Route {
    pub(crate) fn way(&self) -> Way {
        Way { up: self.up, down: self.down, delay: self.delay }
    }
}

/// What a packet goes through from one end to the other: all that it takes to say for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    up: PipeIx,
    down: PipeIx,
    delay: Span,
}

#[derive(Debug)]
struct Pipe {
    rate: Rate,
    /// How long what goes through it waits at most.
    buffer: Span,
    backlog: Backlog,
    /// Senders with something to send and room in their window, in turn.
    ready: VecDeque<ChannelKey>,
    /// The chunk that is leaving.
    leaving: Option<Leaving>,
    /// When all that was taken as gone at once has left.
    free_at: Time,
    /// As a receiver: when all that has come in is through.
    through: Time,
}

#[derive(Clone, Copy, Debug)]
struct Leaving {
    chunk: ChunkKey,
    channel: ChannelKey,
    /// How fast it leaves.
    rate: Rate,
    /// When its last bit has left.
    at: Time,
    /// Whether an event tells so.
    told: bool,
}

#[derive(Debug)]
struct Channel {
    route: Route,
    window: u64,
    /// Bytes that began to leave over all its life.
    begun: u64,
    grows: Growth,
    /// The window has shrunk, and what was under way then does not shrink it again.
    calm_until: Time,
    /// How much later than it came each of its bytes is acknowledged, where packets are lost again and again.
    loses: Option<Span>,
    in_flight: u64,
    acks: VecDeque<(Time, u64)>,
    runs: VecDeque<RunKey>,
    ready: bool,
    /// Whether a wake is scheduled.
    waking: bool,
    last_used: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    /// By what is acknowledged.
    Fast,
    /// By a chunk a round trip.
    Slow,
}

#[derive(Debug)]
struct Run<P> {
    channel: ChannelKey,
    size: ObjectSize,
    left: BlockRange,
    /// Blocks that have left.
    sent: u32,
    parcel: P,
}

/// Part of a run on its way.
#[derive(Clone, Debug)]
pub(crate) struct Chunk<P> {
    pub(crate) run: RunKey,
    channel: ChannelKey,
    up: PipeIx,
    first_byte: Time,
    /// How long it takes to leave.
    takes: Span,
    left: bool,
    pub(crate) blocks: BlockRange,
    pub(crate) bytes: u64,
    /// Whether the run ends with it.
    pub(crate) last: bool,
    /// What the sender said about the run.
    pub(crate) parcel: P,
}

/// What the network needs to be told, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    /// The last bit of a chunk has left.
    Left(PipeIx),
    /// The last bit of a chunk reaches the receiver's link.
    Reached(ChunkKey),
    /// A chunk is through the receiver's link.
    Through(ChunkKey),
    /// A connection may have room in its window again.
    Wake(ChannelKey),
}

/// All links. `P` is what a run carries for its sender and receiver.
#[derive(Debug)]
pub(crate) struct Network<P> {
    pipes: Vec<Pipe>,
    channels: Arena<Channel>,
    runs: Arena<Run<P>>,
    chunks: Arena<Chunk<P>>,
    /// By the number of the pacer.
    paces: Vec<Option<Rate>>,
    /// What to schedule.
    pub(crate) due: Vec<(Time, Wire)>,
    /// Chunks that have left and were not told of, and when each left.
    pub(crate) gone: Vec<(Time, Chunk<P>)>,
}

impl<P: Clone> Network<P> {
    pub(crate) fn new() -> Self {
        Self {
            pipes: Vec::new(),
            channels: Arena::new(),
            runs: Arena::new(),
            chunks: Arena::new(),
            paces: Vec::new(),
            due: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Adds a pipe in which nothing waits longer than `buffer`.
    pub(crate) fn pipe(&mut self, rate: Rate, buffer: Span) -> PipeIx {
        let ix = u32::try_from(self.pipes.len()).unwrap_or(u32::MAX);
        self.pipes.push(Pipe {
            rate,
            buffer,
            backlog: Backlog::default(),
            ready: VecDeque::new(),
            leaving: None,
            free_at: Time::ZERO,
            through: Time::ZERO,
        });
        PipeIx(ix)
    }

    /// Changes the rate of a pipe for the chunks that start from here on.
    pub(crate) fn set_rate(&mut self, pipe: PipeIx, rate: Rate) {
        self.pipes[pipe.0 as usize].rate = rate;
    }

    /// Sets the pace of what starts to leave from here on; none for as fast as it goes.
    pub(crate) fn set_pace(&mut self, pacer: Pacer, pace: Option<Rate>) {
        let at = pacer.0 as usize;
        if self.paces.len() <= at {
            self.paces.resize(at + 1, None);
        }
        self.paces[at] = pace;
    }

    /// Opens a connection.
    pub(crate) fn open(&mut self, route: Route) -> ChannelKey {
        ChannelKey(self.channels.insert(Channel {
            route,
            window: FIRST_WINDOW,
            begun: 0,
            grows: Growth::Fast,
            calm_until: Time::ZERO,
            loses: None,
            in_flight: 0,
            acks: VecDeque::new(),
            runs: VecDeque::new(),
            ready: false,
            waking: false,
            last_used: Time::ZERO,
        }))
    }

    /// Has a connection lose packets again and again: it has the smallest window for good, and each flight of it is
    /// acknowledged `after` it came.
    pub(crate) fn get_stuck(&mut self, channel: ChannelKey, after: Span) {
        if let Some(channel) = self.channels.get_mut(channel.0) {
            channel.loses = Some(after);
        }
    }

    /// Closes a connection. What has left arrives; the rest of its runs is forgotten.
    pub(crate) fn close(&mut self, channel: ChannelKey) {
        let Some(channel) = self.channels.remove(channel.0) else { return };
        for run in channel.runs {
            self.runs.remove(run.0);
        }
    }

    /// Starts sending a run.
    pub(crate) fn send(
        &mut self,
        now: Time,
        channel: ChannelKey,
        (size, blocks): (ObjectSize, BlockRange),
        parcel: P,
    ) -> Option<RunKey> {
        let run = RunKey(self.runs.insert(Run { channel, size, left: blocks, sent: 0, parcel }));
        let Some(open) = self.channels.get_mut(channel.0) else {
            self.runs.remove(run.0);
            return None;
        };
        if open.route.transport == Transport::Tcp
            && open.in_flight == 0
            && now.since(open.last_used) > TCP_IDLE
        {
            open.window = FIRST_WINDOW;
            open.grows = Growth::Fast;
        }
        let up = open.route.up;
        open.runs.push_back(run);
        self.catch_up(now, up);
        self.consider(now, channel);
        Some(run)
    }

    /// Stops sending a run; chunks that have left arrive. Answers what it carried, if it was not all sent.
    pub(crate) fn stop(&mut self, now: Time, run: RunKey) -> Option<P> {
        let channel = self.runs.get(run.0)?.channel;
        if let Some(up) = self.channels.get(channel.0).map(|channel| channel.route.up) {
            self.catch_up(now, up);
        }
        let gone = self.runs.remove(run.0)?;
        if let Some(channel) = self.channels.get_mut(gone.channel.0) {
            channel.runs.retain(|other| *other != run);
        }
        Some(gone.parcel)
    }

    /// Every chunk that has left its sender and is not through.
    pub(crate) fn flying(&self) -> impl Iterator<Item = &Chunk<P>> {
        self.chunks.iter().map(|(_, chunk)| chunk).filter(|chunk| chunk.left)
    }

    /// Lets a connection go on when it has something to send and room to send it.
    fn consider(&mut self, now: Time, key: ChannelKey) {
        if let Some(up) = self.line_up(now, key) {
            self.start(now, up);
        }
    }

    /// Puts a connection in line. Answers before which pipe.
    fn line_up(&mut self, now: Time, key: ChannelKey) -> Option<PipeIx> {
        let channel = self.channels.get_mut(key.0)?;
        channel.settle(now);
        if channel.ready || channel.runs.is_empty() {
            return None;
        }
        let Route { up, down, .. } = channel.route;
        let rates = (self.pipes[up.0 as usize].rate, self.pipes[down.0 as usize].rate);
        if !channel.has_room(rates) {
            if let Some((at, _)) = channel.acks.front().filter(|_| !channel.waking) {
                self.due.push((*at, Wire::Wake(key)));
                channel.waking = true;
            }
            return None;
        }
        channel.ready = true;
        self.pipes[up.0 as usize].ready.push_back(key);
        Some(up)
    }

    /// How fast the bytes of a connection leave a pipe: what the pipe carries, and no faster than those who send
    /// through it are held to.
    fn leaves_at(&self, pipe: PipeIx, key: ChannelKey) -> (Rate, Option<Rate>) {
        let Pipe { rate, ready, .. } = &self.pipes[pipe.0 as usize];
        let Some(channel) = self.channels.get(key.0) else { return (*rate, None) };
        let carried = channel.route.transport.carried(*rate);
        let pace = |pacer: Option<Pacer>| self.paces.get(pacer?.0 as usize).copied().flatten();
        let Some(own) = pace(channel.route.pacer) else { return (carried, None) };
        let sends = |key: &ChannelKey| Some(self.channels.get(key.0)?.route.pacer);
        let others = || ready.iter().filter_map(sends).filter(|pacer| *pacer != channel.route.pacer);
        let together = match others().next() {
            None => Some(own.bytes_per_sec()),
            Some(_) => {
                let senders: FlatSet<Option<Pacer>> = others().chain([channel.route.pacer]).collect();
                senders.iter().map(|pacer| pace(*pacer).map(Rate::bytes_per_sec)).sum()
            }
        };
        let together = together.map(|bytes| Rate::from_bytes_per_sec(bytes.max(1)));
        (together.map_or(carried, |pace| pace.min(carried)), together)
    }

    /// What the windows of those who wait before a pipe have room for, and that of a connection whose chunk leaves:
    /// as much as matters.
    fn behind(&self, pipe: PipeIx, key: ChannelKey, most: u64) -> u64 {
        let mut behind = 0;
        for key in [&key].into_iter().chain(&self.pipes[pipe.0 as usize].ready) {
            let Some(channel) = self.channels.get(key.0) else { continue };
            let left = |run: &RunKey| self.runs.get(run.0).map_or(0, |run| len_of(run.size, run.left));
            let left: u64 = channel.runs.iter().map(left).sum();
            behind += channel.window.saturating_sub(channel.in_flight).min(left);
            if behind >= most {
                break;
            }
        }
        behind
    }

    fn line(&self, pipe: PipeIx, transport: Transport) -> Line {
        let Pipe { rate, buffer, .. } = &self.pipes[pipe.0 as usize];
        Line { rate: transport.carried(*rate), buffer: *buffer }
    }

    /// How long a packet waits before a pipe that it leaves through.
    pub(crate) fn waits_before(&self, now: Time, pipe: PipeIx) -> Span {
        self.pipes[pipe.0 as usize].backlog.waits(now, self.line(pipe, Transport::Quic))
    }

    /// How long a packet takes one way at this moment, queues and all.
    pub(crate) fn one_way(&self, now: Time, Way { up, down, delay }: Way) -> Span {
        let there = self.pipes[down.0 as usize].through.since(now + delay);
        self.waits_before(now, up) + delay + there
    }

    /// Bytes of a connection that have left so far; none when it is closed.
    pub(crate) fn has_left(&self, now: Time, key: ChannelKey) -> Option<u64> {
        let channel = self.channels.get(key.0)?;
        let leaving = self.pipes[channel.route.up.0 as usize].leaving.filter(|l| l.channel == key);
        let bytes = |l: &Leaving| self.chunks.get(l.chunk.0).map_or(0, |chunk| chunk.bytes);
        Some(channel.begun - leaving.map_or(0, |l| l.rate.bytes_in(l.at.since(now)).min(bytes(&l))))
    }

    /// Cuts the next chunk of a connection, to begin to leave at `begins` and at `rate`, and says whether another one
    /// follows that nobody else waits for.
    fn cut(&mut self, (now, begins): (Time, Time), key: ChannelKey, rate: Rate) -> Option<(Chunk<P>, bool)> {
        let channel = self.channels.get_mut(key.0)?;
        let Route { up, down, delay, .. } = channel.route;
        let shared = !self.pipes[up.0 as usize].ready.is_empty();
        // Long chunks would queue up before a receiver that is slower than its sender.
        let rates = (rate, self.pipes[down.0 as usize].rate);
        let most = match self.pipes[up.0 as usize].rate <= rates.1 {
            true if !shared && channel.runs.len() == 1 => CHUNK_TIME_ALONE,
            true => CHUNK_TIME_SHARED,
            false => CHUNK_TIME,
        };
        channel.ready = false;
        let run_key = channel.runs.pop_front()?;
        let run = self.runs.get_mut(run_key.0)?;
        let blocks = channel.chunk_of(run.left, run.sent, most, rates);
        run.sent += blocks.len();
        let bytes = len_of(run.size, blocks);
        run.left = BlockRange::new(blocks.end, run.left.end);
        let (last, parcel) = (run.left.is_empty(), run.parcel.clone());
        channel.in_flight += bytes;
        channel.begun += bytes;
        channel.last_used = now;
        if last {
            self.runs.remove(run_key.0);
        } else {
            channel.runs.push_back(run_key);
        }
        let takes = rate.span_for(bytes);
        let alone = !shared && channel.runs.len() == usize::from(!last);
        // What follows is at least a block, or the end of the run.
        let far = delay > Span::ZERO && rate.span_for(BLOCK_SIZE) >= delay && takes >= delay;
        let (channel, first_byte, run, left) = (key, begins + delay, run_key, false);
        let chunk = Chunk { run, channel, up, first_byte, takes, left, blocks, bytes, last, parcel };
        Some((chunk, alone && !last && far))
    }

    /// Lets the next chunk out of a pipe that is free.
    fn start(&mut self, now: Time, pipe: PipeIx) {
        while self.pipes[pipe.0 as usize].leaving.is_none() {
            let begins = self.pipes[pipe.0 as usize].free_at.max(now);
            let Some(key) = self.pipes[pipe.0 as usize].ready.pop_front() else { return };
            let (rate, pace) = self.leaves_at(pipe, key);
            let Some((chunk, follows)) = self.cut((now, begins), key, rate) else { continue };
            let Some(Route { delay, transport, .. }) = self.channels.get(key.0).map(|c| c.route) else {
                continue;
            };
            let leaves = begins + chunk.takes;
            let line = self.line(pipe, transport);
            let behind = self.behind(pipe, key, line.rate.bytes_in(line.buffer));
            self.pipes[pipe.0 as usize].backlog.begin(begins, line, leaves, pace, behind);
            let chunk = ChunkKey(self.chunks.insert(chunk));
            if leaves <= now + AT_ONCE {
                self.pipes[pipe.0 as usize].free_at = leaves;
                self.tell_gone(leaves, chunk);
                self.line_up(now, key);
            } else {
                let leaving = Leaving { chunk, channel: key, rate, at: leaves, told: !follows };
                self.pipes[pipe.0 as usize].leaving = Some(leaving);
                if !follows {
                    self.due.push((leaves, Wire::Left(pipe)));
                }
            }
            // After it has left, also where that is the same moment.
            self.due.push((leaves + delay, Wire::Reached(chunk)));
        }
        let Pipe { ready, leaving, .. } = &mut self.pipes[pipe.0 as usize];
        // Who waits in line begins the moment it is free.
        if let Some(leaving) = leaving.as_mut().filter(|leaving| !leaving.told && !ready.is_empty()) {
            leaving.told = true;
            self.due.push((leaving.at, Wire::Left(pipe)));
        }
    }

    fn tell_gone(&mut self, at: Time, key: ChunkKey) {
        if let Some(chunk) = self.chunks.get_mut(key.0) {
            chunk.left = true;
            self.gone.push((at, chunk.clone()));
        }
    }

    /// Lets go of a chunk that has left without an event, and of those that began since.
    fn catch_up(&mut self, now: Time, pipe: PipeIx) {
        while let Some(leaving) = self.pipes[pipe.0 as usize].leaving.filter(|l| !l.told && l.at <= now) {
            self.pipes[pipe.0 as usize].leaving = None;
            self.tell_gone(leaving.at, leaving.chunk);
            if let Some(channel) = self.chunks.get(leaving.chunk.0).map(|chunk| chunk.channel) {
                self.consider(leaving.at, channel);
            }
            self.start(leaving.at, pipe);
        }
    }

    /// The chunk in a pipe has left. Says what it was.
    pub(crate) fn left(&mut self, now: Time, pipe: PipeIx) -> Option<Chunk<P>> {
        let leaving = self.pipes[pipe.0 as usize].leaving.take_if(|leaving| leaving.told)?;
        let chunk = self.chunks.get_mut(leaving.chunk.0).map(|chunk| {
            chunk.left = true;
            chunk.clone()
        });
        if let Some(chunk) = &chunk {
            self.consider(now, chunk.channel);
        }
        self.start(now, pipe);
        chunk
    }

    /// A chunk reached the receiver's link. Says it when it is through at once.
    pub(crate) fn reached(&mut self, now: Time, key: ChunkKey) -> Option<Chunk<P>> {
        let up = self.chunks.get(key.0)?.up;
        self.catch_up(now, up);
        let chunk = self.chunks.get(key.0)?;
        let Some(channel) = self.channels.get(chunk.channel.0) else { return self.through(now, key) };
        let pipe = &mut self.pipes[channel.route.down.0 as usize];
        let rate = channel.route.transport.carried(pipe.rate);
        pipe.through = pipe.through.max(chunk.first_byte) + rate.span_for(chunk.bytes);
        let through = pipe.through;
        if through > now {
            self.due.push((through, Wire::Through(key)));
            return None;
        }
        self.through(now, key)
    }

    /// A chunk is through: the receiver has it, and the sender learns of it.
    pub(crate) fn through(&mut self, now: Time, key: ChunkKey) -> Option<Chunk<P>> {
        let chunk = self.chunks.remove(key.0)?;
        self.catch_up(now, chunk.up);
        if let Some(route) = self.channels.get(chunk.channel.0).map(|channel| channel.route) {
            let down = &self.pipes[route.down.0 as usize];
            let takes = route.transport.carried(down.rate).span_for(chunk.bytes);
            let queued = now.since(chunk.first_byte).less(chunk.takes).less(takes);
            let (full, back) = (queued > down.buffer, self.waits_before(now, route.back));
            if let Some(channel) = self.channels.get_mut(chunk.channel.0) {
                channel.acknowledge(now, chunk.bytes, back, full.then_some(queued));
            }
            self.consider(now, chunk.channel);
        }
        Some(chunk)
    }

    /// A connection may go on.
    pub(crate) fn wake(&mut self, now: Time, channel: ChannelKey) {
        if let Some(open) = self.channels.get_mut(channel.0) {
            open.waking = false;
            let up = open.route.up;
            self.catch_up(now, up);
        }
        self.consider(now, channel);
    }
}

impl Channel {
    /// Counts what is known to have arrived.
    fn settle(&mut self, now: Time) {
        while let Some((at, bytes)) = self.acks.front().copied() {
            if at > now {
                return;
            }
            self.acks.pop_front();
            self.in_flight -= bytes;
            self.window += match self.grows {
                _ if self.loses.is_some() => 0,
                Growth::Fast => bytes,
                Growth::Slow => BLOCK_SIZE * bytes / self.window.max(1),
            };
            self.window = self.window.min(MAX_WINDOW);
        }
    }

    /// What came is acknowledged, after what waits on the way back. `full` says how long it had waited itself, when
    /// that was so long that packets were lost.
    fn acknowledge(&mut self, now: Time, bytes: u64, back: Span, full: Option<Span>) {
        // One loss is answered once, however many packets of the same flight are lost.
        if let Some(queued) = full.filter(|_| now >= self.calm_until) {
            self.calm_until = now + self.route.delay.times(2) + queued;
            self.grows = Growth::Slow;
            self.window = (self.window * 7 / 10).max(FIRST_WINDOW);
        }
        let late = self.loses.unwrap_or(Span::ZERO);
        let comes =
            self.acks.back().map_or(Time::ZERO, |(at, _)| *at).max(now + self.route.delay + back + late);
        self.acks.push_back((comes, bytes));
    }

    /// How much a chunk should be: what takes [`CHUNK_TIME`] on the slower link.
    fn chunk_bytes((up, down): (Rate, Rate)) -> u64 {
        up.min(down).bytes_in(CHUNK_TIME).clamp(BLOCK_SIZE, MAX_CHUNK_BLOCKS * BLOCK_SIZE)
    }

    /// Whether the window has room for a chunk worth sending: crumbs would cost events and gain nothing.
    fn has_room(&self, rates: (Rate, Rate)) -> bool {
        let worth = Self::chunk_bytes(rates).min(self.window / 2).max(1);
        self.in_flight + worth <= self.window
    }

    /// The next chunk of `left`, within the window: short at the start of a run, then twice as long each time, up
    /// to what takes `most` on the slower link.
    fn chunk_of(&self, left: BlockRange, sent: u32, most: Span, rates: (Rate, Rate)) -> BlockRange {
        let first = Self::chunk_bytes(rates) / BLOCK_SIZE;
        let by_time = rates.0.min(rates.1).bytes_in(most) / BLOCK_SIZE;
        let grown = by_time.min(MAX_CHUNK_BLOCKS).min(u64::from(sent) + 1);
        let by_window = self.window.saturating_sub(self.in_flight) / BLOCK_SIZE;
        let blocks = first.max(grown).min(by_window).max(1);
        let blocks = u32::try_from(blocks).unwrap_or(1);
        BlockRange::new(left.start, left.end.min(left.start + blocks))
    }
}
