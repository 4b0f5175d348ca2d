//! Pipes, connections and runs on a bench with a clock of its own.

use super::*;
use crate::queue::Queue;

/// A network with its own clock.
struct Bench {
    network: Network<u32>,
    queue: Queue<Wire>,
    now: Time,
    events: u32,
    /// Bytes that were told to have left.
    gone: u64,
}

impl Bench {
    fn new() -> Self {
        Self { network: Network::new(), queue: Queue::new(), now: Time::ZERO, events: 0, gone: 0 }
    }

    fn pipe(&mut self, mbit: u64) -> PipeIx {
        self.network.pipe(Rate::from_bits_per_sec(mbit * 1_000_000), Span::from_millis(150))
    }

    fn open(&mut self, up: PipeIx, down: PipeIx, delay: u64, transport: Transport) -> ChannelKey {
        let back = self.pipe(1_000);
        let (delay, pacer) = (Span::from_millis(delay), Some(Pacer(up.0)));
        self.network.open(Route { up, down, back, delay, transport, pacer })
    }

    fn left(&self, channel: ChannelKey) -> u64 {
        self.network.has_left(self.now, channel).expect("open")
    }

    fn send(&mut self, channel: ChannelKey, bytes: u64, name: u32) {
        let size = ObjectSize::new(bytes).expect("a size");
        self.network.send(self.now, channel, (size, size.all()), name).expect("open");
    }

    /// Runs until all is through; when each run ended.
    fn run(&mut self) -> Vec<(u32, Time)> {
        self.run_until(Time::NEVER)
    }

    fn run_until(&mut self, until: Time) -> Vec<(u32, Time)> {
        let mut ends = Vec::new();
        loop {
            for (at, wire) in std::mem::take(&mut self.network.due) {
                self.queue.push(at.max(self.now), wire);
            }
            let Some((at, wire)) = self.queue.pop(until) else {
                self.now = if until == Time::NEVER { self.now } else { until };
                return ends;
            };
            self.now = at;
            self.events += 1;
            let arrived = match wire {
                Wire::Left(pipe) => {
                    self.gone += self.network.left(at, pipe).map_or(0, |chunk| chunk.bytes);
                    None
                }
                Wire::Reached(chunk) => self.network.reached(at, chunk),
                Wire::Through(chunk) => self.network.through(at, chunk),
                Wire::Wake(channel) => {
                    self.network.wake(at, channel);
                    None
                }
            };
            self.gone += self.network.gone.drain(..).map(|(_, chunk)| chunk.bytes).sum::<u64>();
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
        let channel = bench.open(up, down, 20, Transport::Quic);
        bench.send(channel, 10 * MB, 1);
        let took = bench.run()[0].1.since(Time::ZERO).millis();
        assert!((8_500..9_100).contains(&took), "10 MB and headers at 10 Mb/s and a start: {took} ms");
        assert!(bench.events < 10 * 100, "{} events", bench.events);
    }
}

#[test]
fn a_fresh_connection_starts_slowly() {
    let mut bench = Bench::new();
    let (up, down) = (bench.pipe(1_000), bench.pipe(1_000));
    let channel = bench.open(up, down, 50, Transport::Tcp);
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
        let channel = bench.open(up, down, 10, Transport::Quic);
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
        let channel = bench.open(up, down, 10, Transport::Quic);
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
    let channel = bench.open(up, down, 10, Transport::Quic);
    let size = ObjectSize::new(50 * MB).expect("a size");
    let long = bench.network.send(Time::ZERO, channel, (size, size.all()), 1).expect("open");
    bench.send(channel, MB, 2);
    assert_eq!(bench.network.stop(Time::ZERO, long), Some(1));
    let ends = bench.run();
    assert_eq!(ends.len(), 1);
    assert!(ends[0].1.since(Time::ZERO) < Span::from_millis(1_300));
    assert_eq!(bench.network.flying().count(), 0);
}

#[test]
fn a_sender_fills_its_line_and_waits_before_it_unless_it_is_held_to_less() {
    let mut bench = Bench::new();
    let (up, down) = (bench.pipe(8), bench.pipe(100));
    let channel = bench.open(up, down, 10, Transport::Quic);
    bench.send(channel, 2 * MB, 1);
    bench.run_until(Time::ZERO + Span::from_secs(1));
    assert_eq!(bench.network.waits_before(bench.now, up), Span::from_millis(150), "what the line buffers");
    let way = Way { up, down, delay: Span::from_millis(10) };
    assert_eq!(bench.network.one_way(bench.now, way), Span::from_millis(160));
    let before = bench.left(channel);
    bench.run_until(bench.now + Span::from_millis(100));
    let left = bench.left(channel) - before;
    assert!((93_000..95_000).contains(&left), "{left} bytes and their headers in 100 ms of 8 Mbit/s");
    bench.network.set_pace(Pacer(up.0), Some(Rate::from_bytes_per_sec(500_000)));
    bench.run_until(bench.now + Span::from_secs(1));
    assert_eq!(bench.network.waits_before(bench.now, up), Span::ZERO);
    let before = bench.left(channel);
    bench.run_until(bench.now + Span::from_millis(500));
    let left = bench.left(channel) - before;
    assert!((248_000..252_000).contains(&left), "{left} bytes in half a second of the pace");
}

#[test]
fn acknowledgements_wait_behind_what_the_receiver_sends_itself() {
    let took = |busy: bool| {
        let mut bench = Bench::new();
        let (server, home_up, home_down, far) =
            (bench.pipe(100), bench.pipe(2), bench.pipe(50), bench.pipe(50));
        let delay = Span::from_millis(10);
        let (transport, pacer) = (Transport::Quic, None);
        let route = Route { up: server, down: home_down, back: home_up, delay, transport, pacer };
        let download = bench.network.open(route);
        let upload = bench.open(home_up, far, 10, Transport::Quic);
        if busy {
            bench.send(upload, MB, 1);
            bench.run_until(Time::ZERO + Span::from_secs(1));
        }
        let begun = bench.now;
        bench.send(download, 240 * 1024, 2);
        let ends = bench.run();
        ends.iter().find(|(name, _)| *name == 2).map(|(_, end)| end.since(begun).millis()).expect("came")
    };
    let (idle, busy) = (took(false), took(true));
    // Four flights, of which three wait for the acknowledgement of the one before.
    assert!((busy - idle).abs_diff(3 * 150) < 60, "{busy} ms instead of {idle}");
}

#[test]
fn next_to_each_other_what_has_left_is_told_before_it_arrives() {
    let mut bench = Bench::new();
    let (up, down) = (bench.pipe(8), bench.pipe(100));
    let channel = bench.open(up, down, 0, Transport::Quic);
    bench.send(channel, MB, 1);
    bench.run();
    assert_eq!(bench.gone, MB);
}
