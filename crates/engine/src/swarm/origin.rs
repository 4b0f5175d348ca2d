//! The origin as a source: how fast it is, what it owes, when it may be asked again after a failure.

use nearcast_content::BLOCK_SIZE;

use super::meter::Pipe;
use super::tuning::Tuning;
use crate::limits::{MAX_ORIGIN_RUN_BLOCKS, MAX_ORIGIN_RUNS};
use crate::time::{Span, Time};

/// First wait after a failure; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Span = Span::from_millis(500);
/// Longest wait between two tries: what hls.js waits at most. A longer one would leave a player standing still
/// after the origin came back, which plain delivery would not.
const LONGEST_WAIT: Span = Span::from_secs(8);

/// It is expected to be silent for no longer than this by what it did not answer; by its answers, for as long as they
/// took.
const LONGEST_SILENCE: Span = Span::from_secs(1);

/// Each answer that is slower takes a part in so many off the quickest.
const QUICKEST_FORGETS: u64 = 16;

/// The provider's servers as one source.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) pipe: Pipe,
    /// Time from asking to the first byte, a mean of its answers.
    delay: Span,
    /// Time to the first byte of its quickest answers.
    quickest: Span,
    /// How long it is expected to be silent because it is; over with its next answer.
    doubt: Span,
    failures: u32,
    /// When the last try failed.
    failed: Time,
    rest_until: Time,
}

impl Origin {
    pub(super) fn new(tuning: &Tuning) -> Self {
        Self {
            pipe: Pipe::new(tuning.origin_prior),
            delay: tuning.origin_delay,
            quickest: Span::ZERO,
            doubt: Span::ZERO,
            failures: 0,
            failed: Time::ZERO,
            rest_until: Time::ZERO,
        }
    }

    /// How long it takes until something that is asked for begins to come.
    pub(super) fn delay(&self) -> Span {
        self.delay.max(self.doubt)
    }

    /// How long `bytes` more would take.
    pub(super) fn expected(&self, bytes: u64) -> Span {
        self.pipe.expected(bytes, self.delay())
    }

    /// How long `bytes` take that come next, without what it owes.
    pub(super) fn anew(&self, bytes: u64) -> Span {
        self.delay() + self.pipe.rate().span_for(bytes)
    }

    /// Blocks of a run that comes within `span` once it is its turn: between a quarter and all of the longest.
    pub(super) fn blocks_in(&self, span: Span) -> u32 {
        let blocks = self.pipe.rate().bytes_in(span) / BLOCK_SIZE;
        u32::try_from(blocks).unwrap_or(u32::MAX).clamp(MAX_ORIGIN_RUN_BLOCKS / 4, MAX_ORIGIN_RUN_BLOCKS)
    }

    /// A run was asked for. Answers how long it should take.
    pub(super) fn asked(&mut self, now: Time, bytes: u64) -> Span {
        self.pipe.asked(now, bytes, self.delay())
    }

    /// Whether a run may be asked at `now`, as far as the origin itself goes. After a failure one run finds out
    /// whether it is back: `asked_since` answers whether one was asked after a moment and is under way.
    pub(super) fn ready(&self, now: Time, asked_since: impl FnOnce(Time) -> bool) -> bool {
        let tried = self.failing() && asked_since(self.failed);
        self.pipe.runs() < MAX_ORIGIN_RUNS && self.rest_until <= now && !tried
    }

    /// When it may be tried again, if it rests.
    pub(super) fn rests_until(&self, now: Time) -> Option<Time> {
        (self.rest_until > now).then_some(self.rest_until)
    }

    /// Whether the one run that it owes is here by the time that another would begin to come.
    pub(super) fn ends(&self) -> bool {
        self.pipe.runs() == 1 && self.pipe.ends_within(self.delay())
    }

    /// Whether the last tries failed.
    pub(super) fn failing(&self) -> bool {
        self.failures > 0
    }

    /// The first bytes of a run came `after` it was asked.
    pub(super) fn answered(&mut self, after: Span) {
        self.failures = 0;
        self.doubt = Span::ZERO;
        self.delay = (self.delay.times(3) + after).over(4);
        // It goes up slowly: paths change.
        let usual = self.quickest + self.quickest.over(QUICKEST_FORGETS);
        self.quickest = if self.quickest == Span::ZERO { after } else { after.min(usual) };
    }

    /// How long it takes to answer while it has little to do; nothing before it ever did.
    pub(super) fn quickest(&self) -> Span {
        self.quickest
    }

    /// Nothing of a run came in `waited`, when it was late or others had brought all of it: that may go on for as long
    /// again.
    pub(super) fn silent(&mut self, waited: Span) {
        if waited > self.delay {
            self.doubt = self.doubt.max(waited.times(2).min(LONGEST_SILENCE));
        }
    }

    /// A run failed. `jitter` below 1,000 spreads the crowd's next try over half the wait.
    pub(super) fn failed(&mut self, now: Time, jitter: u64) {
        // Runs asked together fail together: they count once.
        if self.rest_until > now {
            return;
        }
        let wait = FIRST_WAIT.times(1 << self.failures.min(6)).min(LONGEST_WAIT);
        self.failures += 1;
        self.failed = now;
        self.rest_until = now + wait.over(2) + Span::from_micros(wait.micros() / 2_000 * jitter.min(1_000));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_alone_makes_it_no_slower_than_a_second_and_until_it_answers() {
        let mut origin = Origin::new(&Tuning::default());
        origin.silent(Span::from_millis(50));
        assert_eq!(origin.delay(), Tuning::default().origin_delay, "no longer than usual");
        origin.silent(Span::from_millis(130));
        assert_eq!(origin.delay(), Span::from_millis(260));
        origin.silent(Span::from_secs(33));
        assert_eq!(origin.delay(), Span::from_secs(1));
        origin.answered(Tuning::default().origin_delay);
        assert_eq!(origin.delay(), Tuning::default().origin_delay);
    }

    #[test]
    fn its_quickest_answers_say_how_long_it_takes_while_it_has_little_to_do() {
        let mut origin = Origin::new(&Tuning::default());
        assert_eq!(origin.quickest(), Span::ZERO);
        for millis in [160, 900, 160, 900] {
            origin.answered(Span::from_millis(millis));
        }
        assert_eq!(origin.quickest(), Span::from_millis(170));
        (0..40).for_each(|_| origin.answered(Span::from_millis(300)));
        assert_eq!(origin.quickest(), Span::from_millis(300), "the path has changed");
    }

    #[test]
    fn waits_grow_and_end_with_an_answer() {
        let mut origin = Origin::new(&Tuning::default());
        let mut now = Time::ZERO;
        let mut last = Span::ZERO;
        for _ in 0..10 {
            origin.failed(now, 1_000);
            let wait = origin.rests_until(now).expect("rests").since(now);
            assert!(wait >= last && wait <= LONGEST_WAIT);
            (now, last) = (now + wait, wait);
        }
        assert_eq!(last, LONGEST_WAIT);
        assert!(
            origin.ready(now, |failed| now.since(failed) < LONGEST_WAIT),
            "what was asked before it failed"
        );
        assert!(!origin.ready(now, |failed| now.since(failed) >= LONGEST_WAIT), "one finds out");
        origin.answered(Span::from_millis(10));
        origin.failed(now, 0);
        assert_eq!(origin.rests_until(now), Some(now + FIRST_WAIT.over(2)));
    }
}
