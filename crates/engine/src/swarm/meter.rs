//! How fast a source delivers, learned from what arrives while it is busy.

use crate::time::{Span, Time};
use crate::units::Rate;

/// Bytes after which a sample is taken even when little time has passed.
const SAMPLE_BYTES: u64 = 256 * 1024;
/// Time after which a sample is taken even when few bytes have come.
const SAMPLE_SPAN: Span = Span::from_millis(200);
/// Bytes that come within less than this of the first of them may have come at once.
const LEAST_SPAN: Span = Span::from_millis(50);

/// Rate of one source: an exponential mean over samples of a quarter second or so, weight one quarter.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    rate: Rate,
    measured: bool,
    bytes: u64,
    since: Time,
    /// When the first of the bytes were expected.
    expected: Time,
    /// When something last came.
    last: Time,
    /// Bytes that came with its answer and are not among the others.
    first: u64,
}

impl Meter {
    pub(super) fn new(prior: Rate) -> Self {
        Self {
            rate: prior,
            measured: false,
            bytes: 0,
            since: Time::NEVER,
            expected: Time::NEVER,
            last: Time::ZERO,
            first: 0,
        }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Whether the rate was learned and not only expected.
    pub(super) fn measured(&self) -> bool {
        self.measured
    }

    /// Work was asked of an idle source; the first byte cannot come before `first`.
    pub(super) fn busy(&mut self, first: Time) {
        self.bytes = 0;
        self.since = first;
        self.expected = first;
        self.first = 0;
    }

    /// The source, until then idle, begins to deliver. How long it took to say nothing is not what it delivers at.
    pub(super) fn begins(&mut self, now: Time) {
        if self.bytes == 0 && self.since == self.expected {
            self.since = self.since.max(now);
        }
    }

    /// After a silence the first `bytes` of a run come, `expected` by then. They took as long as it takes to answer, and so
    /// did the silence: neither is its rate.
    pub(super) fn answers(&mut self, now: Time, bytes: u64, expected: Time) {
        let began = self.since.max(self.last);
        self.since = (self.since + now.since(began)).min(now);
        (self.expected, self.first, self.last) = (expected, bytes, now);
    }

    /// Bytes came.
    pub(super) fn arrived(&mut self, now: Time, bytes: u64) {
        self.last = now;
        self.bytes += bytes;
        let span = now.since(self.since);
        if span >= SAMPLE_SPAN || (self.bytes >= SAMPLE_BYTES && span > Span::ZERO) {
            self.sample(now, span);
        }
    }

    /// The source has nothing left to do: what came so far is a sample too.
    pub(super) fn idle(&mut self, now: Time) {
        let mut span = now.since(self.since);
        if span < LEAST_SPAN || self.bytes == 0 {
            span = now.since(self.expected);
            self.bytes += self.first;
        }
        if self.bytes > 0 && span > Span::ZERO {
            self.sample(now, span);
        }
        self.since = Time::NEVER;
    }

    /// What was expected by now did not come: what did is a sample, if it says that the source is slower. Of one that
    /// never sent anything that says nothing about its rate.
    pub(super) fn overdue(&mut self, now: Time) {
        let span = now.since(self.since);
        let known = self.measured || self.bytes + self.first > 0;
        if known && span >= SAMPLE_SPAN.over(2) && Rate::mean(self.bytes, span) < self.rate {
            self.sample(now, span);
        }
    }

    /// Nobody looked for `missed`: it does not count.
    fn slept(&mut self, missed: Span) {
        self.since += missed;
        self.expected += missed;
    }

    fn sample(&mut self, now: Time, span: Span) {
        let sample = Rate::mean(self.bytes, span).bytes_per_sec();
        let old = self.rate.bytes_per_sec();
        let rate =
            if self.measured { (old / 4).saturating_mul(3).saturating_add(sample / 4) } else { sample };
        // A rate of zero would make every expectation infinite and the source never be tried again.
        self.rate = Rate::from_bytes_per_sec(rate.max(1_000));
        self.measured = true;
        (self.bytes, self.first) = (0, 0);
        self.since = now;
        self.expected = now;
    }
}

/// A source of which nothing was asked for that long may have become twice as fast, or never was as slow as it was
/// measured to be in a bad moment.
const DOUBLES: Span = Span::from_secs(10);
/// So often, and no more.
const MOST_DOUBLINGS: u64 = 6;

/// A peer of which nothing comes for this long has something else to do. What is shorter a line and a queue take as well, and
/// how they fare is in the rate.
const SILENT: Span = Span::from_millis(250);

/// What a source owes, how fast it is, and so when more would be here.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    meter: Meter,
    owed: u64,
    runs: usize,
    /// Since when it owes nothing.
    rests: Time,
}

impl Pipe {
    pub(super) fn new(prior: Rate) -> Self {
        Self { meter: Meter::new(prior), owed: 0, runs: 0, rests: Time::ZERO }
    }

    /// How fast it is, or expected to be.
    pub(super) fn rate(&self) -> Rate {
        self.meter.rate()
    }

    /// How fast it may be by now: nobody finds out what a source has become of which nothing is asked. One of which nothing
    /// was ever learned is as fast as it is expected to be.
    pub(super) fn hoped(&self, now: Time) -> Rate {
        let doublings = self.doublings(now).min(MOST_DOUBLINGS);
        Rate::from_bytes_per_sec(self.rate().bytes_per_sec().saturating_mul(1 << doublings))
    }

    /// How many times as long as [`DOUBLES`] nothing was asked of a source of which something was learned.
    pub(super) fn doublings(&self, now: Time) -> u64 {
        let rested = if self.runs == 0 && self.measured() { now.since(self.rests) } else { Span::ZERO };
        rested.micros() / DOUBLES.micros()
    }

    /// Whether all it owes comes within `span`.
    pub(super) fn ends_within(&self, span: Span) -> bool {
        self.owed <= self.bytes_in(span)
    }

    /// Runs it owes.
    pub(super) fn runs(&self) -> usize {
        self.runs
    }

    /// Whether its rate was learned.
    pub(super) fn measured(&self) -> bool {
        self.meter.measured()
    }

    /// How long until `bytes` more would be here, when the first byte takes `delay`.
    pub(super) fn expected(&self, bytes: u64, delay: Span) -> Span {
        delay + self.meter.rate().span_for(self.owed + bytes)
    }

    /// How many bytes come within `span` at the rate that was learned; none before it was.
    pub(super) fn bytes_in(&self, span: Span) -> u64 {
        if self.measured() { self.meter.rate().bytes_in(span) } else { 0 }
    }

    /// A run was asked for. Answers how long it should take.
    pub(super) fn asked(&mut self, now: Time, bytes: u64, delay: Span) -> Span {
        let takes = self.expected(bytes, delay);
        if self.runs == 0 {
            self.meter.busy(now + delay);
        }
        self.owed += bytes;
        self.runs += 1;
        takes
    }

    /// Nobody looked for `missed`.
    pub(super) fn slept(&mut self, missed: Span) {
        self.meter.slept(missed);
    }

    /// Whether nothing came of it for [`SILENT`], at least since `asked`.
    pub(super) fn silent(&self, now: Time, asked: Time) -> bool {
        now.since(self.meter.last.max(asked)) >= SILENT
    }

    /// A run is later than was expected.
    pub(super) fn overdue(&mut self, now: Time) {
        self.meter.overdue(now);
    }

    /// The first bytes of a run came: of a source that takes its time to answer, and then delivers.
    pub(super) fn begins(&mut self, now: Time) {
        self.meter.begins(now);
    }

    /// After a silence the first `bytes` of a run come, `expected` by then.
    pub(super) fn answers(&mut self, now: Time, bytes: u64, expected: Time) {
        self.owed = self.owed.saturating_sub(bytes);
        self.meter.answers(now, bytes, expected);
    }

    /// Bytes of a run came.
    pub(super) fn came(&mut self, now: Time, bytes: u64) {
        self.owed = self.owed.saturating_sub(bytes);
        self.meter.arrived(now, bytes);
    }

    /// A run ended with `left` bytes of it not come.
    pub(super) fn ended(&mut self, now: Time, left: u64) {
        self.owed = self.owed.saturating_sub(left);
        self.runs = self.runs.saturating_sub(1);
        if self.runs == 0 {
            self.owed = 0;
            self.rests = now;
            self.meter.idle(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_what_arrives() {
        let mut meter = Meter::new(Rate::from_bytes_per_sec(1));
        let mut now = Time::ZERO;
        meter.busy(now);
        for _ in 0..100 {
            now += Span::from_millis(100);
            meter.arrived(now, 100_000);
        }
        let rate = meter.rate().bytes_per_sec();
        assert!((950_000..=1_050_000).contains(&rate), "{rate}");
        meter.idle(now);
        now += Span::from_secs(60);
        meter.busy(now);
        now += Span::from_millis(300);
        meter.arrived(now, 300_000);
        assert!((900_000..=1_100_000).contains(&meter.rate().bytes_per_sec()), "idle time does not count");
    }

    #[test]
    fn how_long_a_source_takes_to_answer_is_not_its_rate() {
        let rate_of = |answers: bool| {
            let mut meter = Meter::new(Rate::from_bytes_per_sec(1));
            let mut now = Time::ZERO;
            meter.busy(now);
            now += Span::from_millis(400);
            if answers {
                meter.begins(now);
            }
            for _ in 0..5 {
                meter.arrived(now, 50_000);
                now += Span::from_millis(50);
            }
            meter.idle(now);
            meter.rate().bytes_per_sec()
        };
        assert!((950_000..=1_250_000).contains(&rate_of(true)), "{}", rate_of(true));
        assert!(rate_of(false) < 500_000, "{}", rate_of(false));
    }

    #[test]
    fn bytes_that_come_at_once_are_measured_by_when_they_were_expected() {
        let mut meter = Meter::new(Rate::from_bytes_per_sec(1));
        let asked = Time::ZERO;
        meter.busy(asked);
        let now = asked + Span::from_millis(100);
        meter.begins(now);
        meter.arrived(now, 16_384);
        meter.idle(now);
        assert_eq!(meter.rate().bytes_per_sec(), 163_840);
    }

    #[test]
    fn a_source_that_rests_may_have_become_faster() {
        let mut pipe = Pipe::new(Rate::from_bytes_per_sec(1));
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let hoped = |pipe: &Pipe, secs| pipe.hoped(at(secs)).bytes_per_sec();
        assert_eq!(hoped(&pipe, 10_000), 1, "nothing was learned of it");
        pipe.asked(at(0), 1_000_000, Span::ZERO);
        pipe.came(at(10), 1_000_000);
        assert_eq!(hoped(&pipe, 100), 100_000, "it is at work, and would show it");
        pipe.ended(at(10), 0);
        let later = [19, 20, 31, 10_000].map(|secs| hoped(&pipe, secs));
        assert_eq!(later, [100_000, 200_000, 400_000, 6_400_000]);
        pipe.asked(at(10_000), 1, Span::ZERO);
        assert_eq!(hoped(&pipe, 10_000), 100_000);
    }
}
