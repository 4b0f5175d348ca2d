//! The uplink controller: one rate for everything that goes up to peers outside of the own network, so low that
//! what waits in the household's own line stays short, and so high that nothing of the line is left unused.
//!
//! In the spirit of LEDBAT (RFC 6817): what a packet takes on its way beyond the shortest time seen is the queue it met.
//! Where the other side answers stamps the way there is looked at, and not only the round trip: in a crowd everybody's
//! line is full, and so everybody's acknowledgements are late. All paths share the first hop, so the *least* queue
//! among them is that of the own line; a longer one on a single path is somebody else's. LEDBAT steers a window per
//! connection, which divides the line by the number of connections. Here one rate is steered for all, and relative to
//! what was delivered: while the line is full, that is its capacity, whatever the rate, so that the queue approaches its
//! target without swinging.

use nearcast_content::{FlatMap, FlatSet};

use super::api::{PathReport, PeerId};
use crate::time::{Span, Time};
use crate::units::{Rate, mul_div};

/// How often a shell reports its paths while it sends. Longer than the round trips of an access line.
pub const UPLINK_TICK: Span = Span::from_millis(100);

/// Queue that is aimed at. Calls and games notice 50 ms; RFC 6817 allows up to 100. Half of what this project
/// promises at the 95th percentile, since the target is swung around.
const TARGET: Span = Span::from_millis(10);
/// The rate gains this much (in 1024ths) a tick at no queue. What it gained shows in the queue a round trip and a
/// tick later, two tenths of a second in all: at 2 % a tick the queue has grown by 8 ms by then. Faster, and it
/// swings around its target.
const GAIN: u64 = 20;
/// It loses this much of what was delivered for each target that the queue is above its target.
const LOSS: u64 = 64;
/// What the rate may lose at once, in 1024ths: a half, as TCP does.
const WORST_LOSS: u64 = 512;
/// What the rate is at first of what the line carried when it was found full, in 1024ths: lines are found full where a
/// crowd begins, which has no use for a half of them.
const FIRST_RATE: u64 = 896;
/// Well below what the line carried when it was last full, the rate grows by three eighths a tick.
const FAST_GROWTH: u64 = 384;
/// Ticks without a queue before it does.
const CALM_TICKS: u32 = 3;
/// Without a queue for long the line may have become a faster one.
const BRISK_GROWTH: u64 = 64;
const LONG_CALM_TICKS: u32 = 25;
/// What the line carried when it was full fades by this much (in 1024ths) each time that it shows full at less: it
/// may have become a slower one, or others may use it.
const FADE: u64 = 2;
/// It never yields altogether: a trickle finds out when the line is free again.
const FLOOR: Rate = Rate::from_bits_per_sec(200_000);
/// Ticks over which delivery is averaged.
const MEAN_TICKS: usize = 3;
/// Shortest round trips are remembered for ten of these: routes change, clocks of others do not matter here.
const BASE_EPOCH: Span = Span::from_secs(60);
const BASE_EPOCHS: usize = 10;
/// Ways to a peer are remembered for two: two clocks of computers part by a few milliseconds in that time.
const ONE_WAY_EPOCHS: usize = 2;
/// A peer that has answered stamps does so again within this, or its round trips are looked at alone.
const ANSWERS: Span = Span::from_secs(2);
/// So often the line is left half empty for [`DRAIN`]: whoever fills it for long would take his own queue for the
/// length of the path (as LEDBAT++ does, draft-irtf-iccrg-ledbat-plus-plus).
const DRAIN_EVERY: Span = Span::from_secs(30);
const DRAIN: Span = Span::from_millis(300);
/// Without a report for this long nothing was sent: what was delivered before says nothing about the line's rate.
const PAUSE: Span = Span::from_millis(300);
/// Without a report for this long, what was learned about the line's present use is stale.
const STALE: Span = Span::from_secs(10);
/// Messages and stamps alone are less than this within a tick.
const IDLE_BYTES: u64 = 1_024;
/// Paths remembered.
const MAX_PATHS: usize = 2 * crate::limits::MAX_PEERS;

/// The shortest times of a path, by minute.
#[derive(Clone, Debug, Default)]
struct Base {
    epochs: Vec<Span>,
    since: Time,
}

impl Base {
    fn take(&mut self, now: Time, took: Span, epochs: usize) -> Span {
        if self.epochs.is_empty() || now.since(self.since) >= BASE_EPOCH {
            self.epochs.push(took);
            self.since = now;
            if self.epochs.len() > epochs {
                self.epochs.remove(0);
            }
        }
        if let Some(last) = self.epochs.last_mut() {
            *last = (*last).min(took);
        }
        self.epochs.iter().copied().min().unwrap_or(took)
    }
}

/// What is known of one path.
#[derive(Clone, Debug, Default)]
struct Way {
    there_and_back: Base,
    there: Base,
    /// When the peer last answered a stamp, if it ever did.
    answered: Option<Time>,
}

/// After this long without an answer two clocks have parted.
const PARTED: Span = Span::from_secs(120);

impl Way {
    /// The queue that the path tells of, and its shortest round trip.
    fn queue(&mut self, now: Time, report: &PathReport) -> Option<(Span, Span)> {
        if self.answered.is_some_and(|at| now.since(at) > PARTED) {
            self.there = Base::default();
        }
        let there = report.one_way.map(|took| took.less(self.there.take(now, took, ONE_WAY_EPOCHS)));
        if there.is_some() {
            self.answered = Some(now);
        }
        let rtt = report.rtt?;
        let base = self.there_and_back.take(now, rtt, BASE_EPOCHS);
        let both = rtt.less(base);
        match there {
            // A round trip holds the way there; and two clocks may part.
            Some(there) => Some((there.min(both), base)),
            // Its answer is under way: nothing is known that would be worth more.
            None if self.answered.is_some_and(|at| now.since(at) < ANSWERS) => None,
            None => Some((both, base)),
        }
    }
}

/// The controller.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    /// None until the line was first found full: nothing is known to hold back for.
    rate: Option<Rate>,
    ways: FlatMap<PeerId, Way>,
    /// Peers to whom something was served since the last report, or still left by it: a run is over for a shell when
    /// its connection has taken all of it, which may be long before the line has.
    watched: FlatSet<PeerId>,
    /// Bytes delivered and how long that took, of the last ticks.
    delivered: Vec<(u64, Span)>,
    last: Option<Time>,
    /// Bytes that went out and were not acknowledged yet.
    owed: u64,
    /// Of these, what went out before there was a rate: until it is acknowledged nothing shows what the rate does.
    backlog: u64,
    /// Whether the line had something to carry at the last report.
    busy: bool,
    calm: u32,
    /// What the line carried when it was full.
    full: Rate,
    /// The rate was lowered: what it brings shows after this.
    settles: Time,
    drained: Time,
}

impl Uplink {
    /// How many paths are known, watched, and how many moments of the line remembered.
    pub(super) fn len(&self) -> usize {
        let bases = |way: &Way| way.there_and_back.epochs.len() + way.there.epochs.len();
        self.ways.values().map(bases).sum::<usize>() + self.watched.len() + self.delivered.len()
    }

    /// The rate in force at `now`; none for as fast as it goes.
    pub(super) fn rate(&self, now: Time) -> Option<Rate> {
        let rate = self.rate?;
        let draining = now.since(self.drained) < DRAIN && self.drained != Time::ZERO;
        Some(if draining { share(rate, 512).max(FLOOR) } else { rate })
    }

    /// A connection ended.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.ways.remove(&peer);
        self.watched.remove(&peer);
    }

    /// A run goes out to a peer over the line.
    pub(super) fn serves(&mut self, peer: PeerId) {
        self.watched.insert(peer);
    }

    /// Bytes of a run went out over the line.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.owed = self.owed.saturating_add(bytes);
    }

    /// Whose paths are of interest although no run to them is under way.
    pub(super) fn watched(&self) -> &FlatSet<PeerId> {
        &self.watched
    }

    /// What the paths did since the last report; of the runs under way `promised` bytes are still to go out.
    pub(super) fn report(&mut self, now: Time, reports: &[PathReport], promised: u64) {
        let reports = &reports[..reports.len().min(MAX_PATHS)];
        self.watched = reports.iter().filter(|r| r.acked > IDLE_BYTES).map(|r| r.peer).collect();
        let span = self.last.map_or(Span::ZERO, |last| now.since(last));
        self.last = Some(now);
        if span > PAUSE {
            self.delivered.clear();
            self.calm = 0;
        }
        if span > STALE {
            // Whoever used the line then may be gone: half of it does little harm if he is not.
            self.rate = self.rate.map(|rate| rate.max(share(self.full, 512)));
        }
        let mut queue = None::<Span>;
        let mut longest = Span::ZERO;
        for report in reports {
            let way = self.ways.entry(report.peer).or_default();
            let Some((waits, base)) = way.queue(now, report) else { continue };
            longest = longest.max(base);
            queue = Some(queue.map_or(waits, |least| least.min(waits)));
        }
        while self.ways.len() > MAX_PATHS {
            self.ways.pop_first();
        }
        let acked = reports.iter().fold(0u64, |sum, report| sum.saturating_add(report.acked));
        let left = |bytes: u64| if span > PAUSE { 0 } else { bytes.saturating_sub(acked) };
        (self.owed, self.backlog) = (left(self.owed), left(self.backlog));
        let was_busy = std::mem::replace(&mut self.busy, promised.saturating_add(self.owed) > IDLE_BYTES);
        // The first report of a burst covers an unknown time. Spread over a tick, what the first 10 ms of a run brought
        // would be a tenth of what the line carries.
        if span == Span::ZERO || span > PAUSE || !was_busy {
            return;
        }
        self.delivered.push((acked, span));
        if self.delivered.len() > MEAN_TICKS {
            self.delivered.remove(0);
        }
        if let Some(queue) = queue {
            self.steer(now, queue, longest);
        }
    }

    fn delivering(&self) -> Rate {
        let (bytes, micros) =
            self.delivered.iter().fold((0, 0), |(b, s), (bytes, span)| (b + bytes, s + span.micros()));
        Rate::mean(bytes, Span::from_micros(micros))
    }

    fn steer(&mut self, now: Time, queue: Span, rtt: Span) {
        let delivering = self.delivering();
        self.calm = if queue < TARGET.over(4) { self.calm.saturating_add(1) } else { 0 };
        let Some(rate) = self.rate else {
            if queue > TARGET && delivering > FLOOR {
                self.full = delivering;
                self.lower(now, rtt + queue, share(delivering, FIRST_RATE));
                // Until here nothing held back what connections were handed, and they send it at their own pace.
                self.backlog = self.owed;
                // What has just been found is how long the path is without a queue.
                self.drained = now - DRAIN;
            }
            return;
        };
        if queue > TARGET {
            if self.settles <= now && self.backlog == 0 {
                let excess = mul_div(queue.less(TARGET).micros(), LOSS, TARGET.micros()).unwrap_or(u64::MAX);
                let from = rate.min(delivering.max(FLOOR));
                self.full = from.max(share(self.full, 1024 - FADE));
                self.lower(now, rtt + queue, share(from, 1024 - excess.min(WORST_LOSS)));
            }
            return;
        }
        // Whoever has little to send learns nothing about the line, and must not run the rate up.
        if delivering < share(rate, 800) {
            return;
        }
        let gain = if self.calm >= CALM_TICKS && rate < share(self.full, 768) {
            FAST_GROWTH
        } else if self.calm >= LONG_CALM_TICKS {
            BRISK_GROWTH
        } else {
            mul_div(TARGET.less(queue).micros(), GAIN, TARGET.micros()).unwrap_or(0)
        };
        self.rate = Some(share(rate, 1024 + gain).max(FLOOR));
        if now.since(self.drained) >= DRAIN_EVERY {
            self.drained = now;
        }
    }

    /// Lowers the rate while packets take so long there and back.
    fn lower(&mut self, now: Time, rtt: Span, to: Rate) {
        self.rate = Some(to.max(FLOOR));
        self.settles = now + rtt;
        self.calm = 0;
    }
}

/// `rate` times `of` 1024ths.
fn share(rate: Rate, of: u64) -> Rate {
    Rate::from_bytes_per_sec(mul_div(rate.bytes_per_sec(), of, 1024).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;
    /// One way of the line alone, to and fro.
    const BASE: Span = Span::from_millis(40);

    /// Who else sends over the line.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Foreground {
        Nobody,
        /// A TCP that halves (by three tenths) when the line drops and grows by a packet a round trip.
        Tcp,
    }

    /// A line of a fixed rate with a queue of `room`, in steps of a millisecond, shared by the controller's paced
    /// uploads and a foreground flow.
    struct Line {
        rate: Rate,
        room: u64,
        queued: u64,
        uplink: Uplink,
        now: Time,
        /// Bytes of ours on their way, by the moment at which they are acknowledged.
        flying: Vec<(Time, u64, Span)>,
        window: u64,
        tcp_flying: Vec<(Time, u64)>,
        cut_until: Time,
        ours: u64,
        theirs: u64,
        queues: Vec<u64>,
    }

    impl Line {
        fn new(mbit: u64, room: Span) -> Self {
            let rate = Rate::from_bits_per_sec(mbit * 1_000_000);
            Self {
                rate,
                room: rate.bytes_in(room),
                queued: 0,
                uplink: Uplink::default(),
                now: Time::from_micros(1_000_000),
                flying: Vec::new(),
                window: 30_000,
                tcp_flying: Vec::new(),
                cut_until: Time::ZERO,
                ours: 0,
                theirs: 0,
                queues: Vec::new(),
            }
        }

        fn delay(&self) -> Span {
            self.rate.span_for(self.queued)
        }

        /// Puts bytes on the line. Answers when they are acknowledged; none when the queue is full.
        fn enqueue(&mut self, bytes: u64) -> Option<Time> {
            if self.queued + bytes > self.room {
                return None;
            }
            self.queued += bytes;
            Some(self.now + self.delay() + BASE)
        }

        fn tcp(&mut self) {
            let done: u64 = self.tcp_flying.iter().filter(|(at, _)| *at <= self.now).map(|(_, b)| b).sum();
            self.tcp_flying.retain(|(at, _)| *at > self.now);
            self.theirs += done;
            self.window += done * 1_448 / self.window.max(1);
            let mut flying: u64 = self.tcp_flying.iter().map(|(_, b)| b).sum();
            while flying + 1_448 <= self.window {
                match self.enqueue(1_448) {
                    Some(at) => self.tcp_flying.push((at, 1_448)),
                    None => {
                        if self.cut_until <= self.now {
                            self.window = (self.window * 7 / 10).max(3_000);
                            self.cut_until = self.now + BASE + self.delay();
                        }
                        break;
                    }
                }
                flying += 1_448;
            }
        }

        /// Sends for a while, `cap` being all that the uploads could use (their own congestion control).
        fn run(&mut self, span: Span, foreground: Foreground, cap: Rate) {
            let end = self.now + span;
            let (mut budget, mut tick) = (0, self.now);
            let (mut acked, mut least) = (0u64, None::<Span>);
            self.queues.clear();
            (self.ours, self.theirs) = (0, 0);
            while self.now < end {
                self.now += Span::from_micros(MS);
                self.queued = self.queued.saturating_sub(self.rate.bytes_in(Span::from_micros(MS)));
                if foreground == Foreground::Tcp {
                    self.tcp();
                }
                let rate = self.uplink.rate(self.now).unwrap_or(cap).min(cap);
                budget = (budget + rate.bytes_in(Span::from_micros(MS))).min(40_000);
                while budget >= 1_448 {
                    budget -= 1_448;
                    let waits = self.delay();
                    if let Some(at) = self.enqueue(1_448) {
                        self.flying.push((at, 1_448, waits + BASE));
                    }
                }
                for (_, bytes, rtt) in self.flying.iter().filter(|(at, ..)| *at <= self.now) {
                    acked += bytes;
                    least = Some(least.map_or(*rtt, |l| l.min(*rtt)));
                }
                self.flying.retain(|(at, ..)| *at > self.now);
                if self.now.since(tick) >= UPLINK_TICK {
                    tick = self.now;
                    let report = PathReport { peer: PeerId(1), rtt: least.take(), one_way: None, acked };
                    self.ours += std::mem::take(&mut acked);
                    self.uplink.report(self.now, &[report], PLENTY);
                }
                self.queues.push(self.delay().millis());
            }
        }

        fn queue_p95(&mut self) -> u64 {
            self.queues.sort_unstable();
            self.queues[self.queues.len() * 95 / 100]
        }

        fn percent_of_line(&self, bytes: u64, span: Span) -> u64 {
            bytes * 100 / self.rate.bytes_in(span)
        }
    }

    const FAST: Rate = Rate::from_bits_per_sec(1_000_000_000);
    /// More than the line carries until the next report.
    const PLENTY: u64 = 100_000_000;

    #[test]
    fn alone_the_line_is_full_and_its_queue_short() {
        for (mbit, room) in [(5, 400), (50, 100), (50, 40), (300, 60)] {
            let mut line = Line::new(mbit, Span::from_millis(room));
            line.run(Span::from_secs(5), Foreground::Nobody, FAST);
            let span = Span::from_secs(60);
            line.run(span, Foreground::Nobody, FAST);
            let (used, queue) = (line.percent_of_line(line.ours, span), line.queue_p95());
            assert!(used >= 93, "{used} % of {mbit} Mbit/s");
            assert!(queue <= 26, "a queue of {queue} ms at {mbit} Mbit/s");
        }
    }

    #[test]
    fn beside_a_foreground_upload_the_line_is_left_to_it_and_taken_again_afterwards() {
        for room in [40, 100] {
            let mut line = Line::new(50, Span::from_millis(room));
            let span = Span::from_secs(60);
            line.run(Span::from_secs(10), Foreground::Nobody, FAST);
            line.run(Span::from_secs(10), Foreground::Tcp, FAST);
            line.run(span, Foreground::Tcp, FAST);
            let beside = line.theirs;
            let mut alone = Line::new(50, Span::from_millis(room));
            alone.run(Span::from_secs(20), Foreground::Tcp, FLOOR);
            alone.run(span, Foreground::Tcp, FLOOR);
            let kept = beside * 100 / alone.theirs;
            assert!(kept >= 85, "{kept} % of its rate alone, with room for {room} ms");
            line.run(Span::from_secs(8), Foreground::Nobody, FAST);
            line.run(Span::from_secs(10), Foreground::Nobody, FAST);
            let used = line.percent_of_line(line.ours, Span::from_secs(10));
            assert!(used >= 90, "{used} % of the line after the other left");
        }
    }

    #[test]
    fn a_line_that_was_never_full_is_not_held_back() {
        let mut line = Line::new(50, Span::from_millis(100));
        line.run(Span::from_secs(30), Foreground::Nobody, Rate::from_bits_per_sec(20_000_000));
        assert_eq!(line.uplink.rate(line.now), None);
    }

    #[test]
    fn what_was_sent_between_two_pauses_is_not_spread_over_them() {
        let mut line = Line::new(10, Span::from_millis(100));
        line.run(Span::from_secs(10), Foreground::Nobody, FAST);
        for _ in 0..5 {
            // Longer than a tick, shorter than what makes all that was learned stale.
            line.now += Span::from_secs(5);
            line.queued = 0;
            let span = Span::from_secs(1);
            line.run(span, Foreground::Nobody, FAST);
            let used = line.percent_of_line(line.ours, span);
            assert!(used >= 75, "{used} % of the line in the second after a pause");
        }
    }

    /// The rate after a report of a run that began 10 ms ago, on a line of 10 Mbit/s with a queue of 60 ms, and after
    /// another 100 ms. At the report before them so much was still to go out, and so much was not acknowledged.
    fn after_a_pause(promised: u64, unanswered: u64) -> [Option<Rate>; 2] {
        let mut uplink = Uplink::default();
        let mut now = Time::from_micros(1_000_000);
        let mut report = |uplink: &mut Uplink, rtt, acked, promised| {
            let rtt = Some(Span::from_millis(rtt));
            uplink.report(now, &[PathReport { peer: PeerId(1), rtt, one_way: None, acked }], promised);
            now += UPLINK_TICK;
            uplink.rate(now)
        };
        uplink.sent(64 * 1024 + unanswered);
        report(&mut uplink, 2, 64 * 1024, promised);
        [12_500, 125_000].map(|acked| report(&mut uplink, 62, acked, PLENTY))
    }

    #[test]
    fn a_run_that_has_just_begun_does_not_say_what_the_line_carries() {
        let most = Rate::from_bytes_per_sec(1_250_000 / 8 * 7);
        assert_eq!(after_a_pause(0, 0), [None, Some(most)]);
        let slow = share(Rate::from_bytes_per_sec(125_000), FIRST_RATE);
        assert_eq!(after_a_pause(64 * 1024, 0)[0], Some(slow), "it was under way all the time");
        assert_eq!(after_a_pause(0, 64 * 1024)[0], Some(slow), "so was what was handed over before");
    }

    #[test]
    fn what_was_handed_over_before_the_line_was_found_full_lowers_the_rate_once() {
        let mut uplink = Uplink::default();
        let mut now = Time::from_micros(1_000_000);
        uplink.sent(900_000);
        let mut rates = Vec::new();
        for _ in 0..10 {
            let report = PathReport {
                peer: PeerId(1),
                rtt: Some(Span::from_millis(90)),
                one_way: None,
                acked: 125_000,
            };
            let first = PathReport { rtt: Some(Span::from_millis(2)), ..report };
            uplink.report(now, &[if rates.is_empty() { first } else { report }], PLENTY);
            now += UPLINK_TICK;
            rates.push(uplink.rate(now));
        }
        let first = share(Rate::from_bytes_per_sec(1_250_000), FIRST_RATE);
        // Of 650 kB that wait when the line is found full the last are acknowledged six reports later.
        assert!(rates[1..7].iter().all(|rate| *rate == Some(first)), "{rates:?}");
        assert!(rates[7] < Some(first), "from there on the queue is of what goes out at the rate: {rates:?}");
    }

    #[test]
    fn a_queue_on_one_path_alone_is_not_the_lines() {
        let mut uplink = Uplink::default();
        let mut now = Time::from_micros(1_000_000);
        for n in 0..100 {
            let crowded = if n < 5 { 30 } else { 130 };
            let report = |peer, rtt| PathReport {
                peer: PeerId(peer),
                rtt: Some(Span::from_millis(rtt)),
                one_way: None,
                acked: 300_000,
            };
            uplink.report(now, &[report(1, crowded), report(2, 20)], PLENTY);
            now += UPLINK_TICK;
        }
        assert_eq!(uplink.rate(now), None);
    }

    /// The rate after ten seconds in which every acknowledgement is late, and so are packets there, by so much.
    fn beside_late_acknowledgements(there: u64, answers: bool) -> Option<Rate> {
        let mut uplink = Uplink::default();
        let mut now = Time::from_micros(1_000_000);
        for n in 0..100 {
            let (back, there) = if n < 5 { (0, 0) } else { (90, there) };
            let report = PathReport {
                peer: PeerId(1),
                rtt: Some(Span::from_millis(30 + back)),
                // By a clock of its own; and not in every tick.
                one_way: (answers && n % 3 != 1).then_some(Span::from_millis(7_000_000 + there)),
                acked: 100_000,
            };
            uplink.report(now, &[report], PLENTY);
            now += UPLINK_TICK;
        }
        uplink.rate(now)
    }

    #[test]
    fn acknowledgements_that_wait_in_the_lines_of_others_are_no_queue_of_ours() {
        assert_eq!(beside_late_acknowledgements(0, true), None, "the way there is free");
        assert!(beside_late_acknowledgements(60, true).is_some(), "it is not");
        assert!(beside_late_acknowledgements(0, false).is_some(), "nothing is known of the way there");
    }

    #[test]
    fn bases_of_routes_that_grew_longer_are_forgotten_in_ten_minutes() {
        let mut base = Base::default();
        let mut now = Time::from_micros(1);
        assert_eq!(base.take(now, Span::from_millis(20), BASE_EPOCHS), Span::from_millis(20));
        for _ in 0..9 {
            now += BASE_EPOCH;
            assert_eq!(base.take(now, Span::from_millis(50), BASE_EPOCHS), Span::from_millis(20));
        }
        now += BASE_EPOCH;
        assert_eq!(base.take(now, Span::from_millis(50), BASE_EPOCHS), Span::from_millis(50));
    }
}
