//! Links and what runs over them: chunks of a run through an uplink, over a distance, into a downlink.
//!
//! A *pipe* is one direction of an access link, of a node's own network, or of the origin. Chunks leave a
//! sending pipe one after another, taking turns between connections and, within one, between runs. They
//! enter a receiving pipe as they come (cut-through), where what comes faster than the rate queues up.
//! Each connection has a congestion window: it starts at ten packets (RFC 6928), grows by what is
//! acknowledged, shrinks when the queue at the receiver passes [`QUEUE_BOUND`], as a dropped packet would
//! tell it. There is no loss. A run costs about 35 to 50 events per MB, twice that over slow uplinks.
//!
//! That a chunk has left is no event of its own where nobody needs to hear of it at that moment: one that took next to
//! nothing is taken as gone when it begins, and one that others follow from the same connection is found gone when it
//! reaches the other side, as long as what follows it cannot have got that far by then.

use std::collections::VecDeque;

use nearcast_content::{BLOCK_SIZE, BlockRange, ObjectSize};
use nearcast_engine::{Rate, Span, Time};

use crate::arena::{Arena, Key};
use crate::catalogue::len_of;

/// First window: ten packets of 1,460 bytes, rounded to a block.
const FIRST_WINDOW: u64 = BLOCK_SIZE;
/// Largest window: the stream window of the native node.
const MAX_WINDOW: u64 = 2 * 1024 * 1024;
/// Queue at a receiver that makes a sender slow down: home routers buffer 100 to 250 ms.
const QUEUE_BOUND: Span = Span::from_millis(150);
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

/// How a connection behaves after it was idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Quic,
}

#[derive(Debug)]
struct Pipe {
    rate: Rate,
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
    /// When its last bit has left.
    at: Time,
    /// Whether an event tells so.
    told: bool,
}

#[derive(Debug)]
struct Channel {
    up: PipeIx,
    down: PipeIx,
    delay: Span,
    transport: Transport,
    window: u64,
    grows: Growth,
    /// The window has shrunk, and what was under way then does not shrink it again.
    calm_until: Time,
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
            due: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Adds a pipe.
    pub(crate) fn pipe(&mut self, rate: Rate) -> PipeIx {
        let ix = u32::try_from(self.pipes.len()).unwrap_or(u32::MAX);
        self.pipes.push(Pipe {
            rate,
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

    /// Opens a connection from `up` to `down`, `delay` apart.
    pub(crate) fn open(&mut self, up: PipeIx, down: PipeIx, delay: Span, transport: Transport) -> ChannelKey {
        ChannelKey(self.channels.insert(Channel {
            up,
            down,
            delay,
            transport,
            window: FIRST_WINDOW,
            grows: Growth::Fast,
            calm_until: Time::ZERO,
            in_flight: 0,
            acks: VecDeque::new(),
            runs: VecDeque::new(),
            ready: false,
            waking: false,
            last_used: Time::ZERO,
        }))
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
        if open.transport == Transport::Tcp && open.in_flight == 0 && now.since(open.last_used) > TCP_IDLE {
            open.window = FIRST_WINDOW;
            open.grows = Growth::Fast;
        }
        let up = open.up;
        open.runs.push_back(run);
        self.catch_up(now, up);
        self.consider(now, channel);
        Some(run)
    }

    /// Stops sending a run; chunks that have left arrive. Answers what it carried, if it was not all sent.
    pub(crate) fn stop(&mut self, now: Time, run: RunKey) -> Option<P> {
        let channel = self.runs.get(run.0)?.channel;
        if let Some(up) = self.channels.get(channel.0).map(|channel| channel.up) {
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
        let rates = (self.pipes[channel.up.0 as usize].rate, self.pipes[channel.down.0 as usize].rate);
        if !channel.has_room(rates) {
            if let Some((at, _)) = channel.acks.front().filter(|_| !channel.waking) {
                self.due.push((*at, Wire::Wake(key)));
                channel.waking = true;
            }
            return None;
        }
        channel.ready = true;
        let up = channel.up;
        self.pipes[up.0 as usize].ready.push_back(key);
        Some(up)
    }

    /// Lets the next chunk out of a pipe that is free.
    fn start(&mut self, now: Time, pipe: PipeIx) {
        while self.pipes[pipe.0 as usize].leaving.is_none() {
            let begins = self.pipes[pipe.0 as usize].free_at.max(now);
            let Some(key) = self.pipes[pipe.0 as usize].ready.pop_front() else { return };
            let shared = !self.pipes[pipe.0 as usize].ready.is_empty();
            let Some(channel) = self.channels.get_mut(key.0) else { continue };
            let rate = |pipe: PipeIx| self.pipes[pipe.0 as usize].rate;
            // Long chunks would queue up before a receiver that is slower than its sender.
            let most = match rate(channel.up) <= rate(channel.down) {
                true if !shared && channel.runs.len() == 1 => CHUNK_TIME_ALONE,
                true => CHUNK_TIME_SHARED,
                false => CHUNK_TIME,
            };
            channel.ready = false;
            let Some(run_key) = channel.runs.pop_front() else { continue };
            let Some(run) = self.runs.get_mut(run_key.0) else { continue };
            let rates = (self.pipes[channel.up.0 as usize].rate, self.pipes[channel.down.0 as usize].rate);
            let blocks = channel.chunk_of(run.left, run.sent, most, rates);
            run.sent += blocks.len();
            let bytes = len_of(run.size, blocks);
            run.left = BlockRange::new(blocks.end, run.left.end);
            let (last, parcel) = (run.left.is_empty(), run.parcel.clone());
            channel.in_flight += bytes;
            channel.last_used = now;
            let (delay, channel_key) = (channel.delay, key);
            if last {
                self.runs.remove(run_key.0);
            } else {
                channel.runs.push_back(run_key);
            }
            let takes = rates.0.span_for(bytes);
            let leaves = begins + takes;
            let at_once = leaves <= now + AT_ONCE;
            let alone = !shared && channel.runs.len() == usize::from(!last);
            // What follows is at least a block, or the end of the run.
            let follows = alone && !last && rates.0.span_for(BLOCK_SIZE) >= delay && takes >= delay;
            let (run, first_byte) = (run_key, begins + delay);
            let (channel, up, left) = (channel_key, pipe, false);
            let chunk = Chunk { run, channel, up, first_byte, left, blocks, bytes, last, parcel };
            let key = ChunkKey(self.chunks.insert(chunk));
            self.due.push((leaves + delay, Wire::Reached(key)));
            if at_once {
                self.pipes[pipe.0 as usize].free_at = leaves;
                self.tell_gone(leaves, key);
                self.line_up(now, channel);
            } else {
                self.pipes[pipe.0 as usize].leaving =
                    Some(Leaving { chunk: key, at: leaves, told: !follows });
                if !follows {
                    self.due.push((leaves, Wire::Left(pipe)));
                }
            }
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
        let pipe = &mut self.pipes[channel.down.0 as usize];
        pipe.through = pipe.through.max(chunk.first_byte) + pipe.rate.span_for(chunk.bytes);
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
        if let Some(channel) = self.channels.get_mut(chunk.channel.0) {
            let queued = now
                .since(chunk.first_byte)
                .less(self.pipes[channel.up.0 as usize].rate.span_for(chunk.bytes));
            let rate = self.pipes[channel.down.0 as usize].rate;
            channel.acknowledge(now, chunk.bytes, queued.less(rate.span_for(chunk.bytes)));
            self.consider(now, chunk.channel);
        }
        Some(chunk)
    }

    /// A connection may go on.
    pub(crate) fn wake(&mut self, now: Time, channel: ChannelKey) {
        if let Some(open) = self.channels.get_mut(channel.0) {
            open.waking = false;
            let up = open.up;
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
                Growth::Fast => bytes,
                Growth::Slow => BLOCK_SIZE * bytes / self.window.max(1),
            };
            self.window = self.window.min(MAX_WINDOW);
        }
    }

    fn acknowledge(&mut self, now: Time, bytes: u64, queued: Span) {
        // One loss is answered once, however many packets of the same flight are lost.
        if queued > QUEUE_BOUND && now >= self.calm_until {
            self.calm_until = now + self.delay.times(2) + queued;
            self.grows = Growth::Slow;
            self.window = (self.window * 7 / 10).max(FIRST_WINDOW);
        }
        self.acks.push_back((now + self.delay, bytes));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Queue;

    /// A network with its own clock.
    struct Bench {
        network: Network<u32>,
        queue: Queue<Wire>,
        now: Time,
        events: u32,
    }

    impl Bench {
        fn new() -> Self {
            Self { network: Network::new(), queue: Queue::new(), now: Time::ZERO, events: 0 }
        }

        fn pipe(&mut self, mbit: u64) -> PipeIx {
            self.network.pipe(Rate::from_bits_per_sec(mbit * 1_000_000))
        }

        fn send(&mut self, channel: ChannelKey, bytes: u64, name: u32) {
            let size = ObjectSize::new(bytes).expect("a size");
            self.network.send(self.now, channel, (size, size.all()), name).expect("open");
        }

        /// Runs until all is through; when each run ended.
        fn run(&mut self) -> Vec<(u32, Time)> {
            let mut ends = Vec::new();
            loop {
                for (at, wire) in std::mem::take(&mut self.network.due) {
                    self.queue.push(at.max(self.now), wire);
                }
                let Some((at, wire)) = self.queue.pop(Time::NEVER) else { return ends };
                self.now = at;
                self.events += 1;
                let arrived = match wire {
                    Wire::Left(pipe) => {
                        self.network.left(at, pipe);
                        None
                    }
                    Wire::Reached(chunk) => self.network.reached(at, chunk),
                    Wire::Through(chunk) => self.network.through(at, chunk),
                    Wire::Wake(channel) => {
                        self.network.wake(at, channel);
                        None
                    }
                };
                ends.extend(arrived.filter(|chunk| chunk.last).map(|chunk| (chunk.parcel, at)));
            }
        }
    }

    const MB: u64 = 1_000_000;

    #[test]
    fn a_long_run_fills_the_slower_link_and_costs_few_events() {
        for (up, down) in [(10, 100), (100, 10)] {
            let mut bench = Bench::new();
            let (up, down) = (bench.pipe(up), bench.pipe(down));
            let channel = bench.network.open(up, down, Span::from_millis(20), Transport::Quic);
            bench.send(channel, 10 * MB, 1);
            let took = bench.run()[0].1.since(Time::ZERO).millis();
            assert!((8_000..8_600).contains(&took), "10 MB at 10 Mb/s take 8 s and a start, not {took} ms");
            assert!(bench.events < 10 * 100, "{} events", bench.events);
        }
    }

    #[test]
    fn a_fresh_connection_starts_slowly() {
        let mut bench = Bench::new();
        let (up, down) = (bench.pipe(1_000), bench.pipe(1_000));
        let channel = bench.network.open(up, down, Span::from_millis(50), Transport::Tcp);
        bench.send(channel, 240 * 1024, 1);
        let cold = bench.run()[0].1.since(Time::ZERO).millis();
        // 16 + 32 + 64 + 128 KiB are four flights, 100 ms apart.
        assert!((350..370).contains(&cold), "{cold}");
        // All of it is acknowledged, and the connection was not idle for long.
        bench.now += Span::from_millis(200);
        let at = bench.now;
        bench.send(channel, 240 * 1024, 2);
        let warm = bench.run()[0].1.since(at).millis();
        assert!(warm < 60, "{warm}");
    }

    #[test]
    fn senders_and_receivers_are_shared_evenly() {
        // Two receivers behind one sender.
        let mut bench = Bench::new();
        let (up, a, b) = (bench.pipe(8), bench.pipe(100), bench.pipe(100));
        for (name, down) in [(1, a), (2, b)] {
            let channel = bench.network.open(up, down, Span::from_millis(10), Transport::Quic);
            bench.send(channel, 2 * MB, name);
        }
        for (name, end) in bench.run() {
            let took = end.since(Time::ZERO).millis();
            assert!((3_700..4_300).contains(&took), "run {name}: {took} ms");
        }
        // Two senders to one receiver, one of them slow: the fast one takes the rest.
        let mut bench = Bench::new();
        let (slow, fast, down) = (bench.pipe(2), bench.pipe(50), bench.pipe(10));
        for (name, up, bytes) in [(1, slow, MB), (2, fast, 4 * MB)] {
            let channel = bench.network.open(up, down, Span::from_millis(10), Transport::Quic);
            bench.send(channel, bytes, name);
        }
        for (name, end) in bench.run() {
            let took = end.since(Time::ZERO).millis();
            // The slow one comes in long chunks, and the fast one fills the gaps between them.
            assert!((3_500..5_000).contains(&took), "run {name}: {took} ms");
        }
    }

    #[test]
    fn a_stopped_run_makes_room() {
        let mut bench = Bench::new();
        let (up, down) = (bench.pipe(8), bench.pipe(100));
        let channel = bench.network.open(up, down, Span::from_millis(10), Transport::Quic);
        let size = ObjectSize::new(50 * MB).expect("a size");
        let long = bench.network.send(Time::ZERO, channel, (size, size.all()), 1).expect("open");
        bench.send(channel, MB, 2);
        assert_eq!(bench.network.stop(Time::ZERO, long), Some(1));
        let ends = bench.run();
        assert_eq!(ends.len(), 1);
        assert!(ends[0].1.since(Time::ZERO) < Span::from_millis(1_300));
        assert_eq!(bench.network.flying().count(), 0);
    }
}
