//! What happened when, in equal steps of the evening.

use nearcast_engine::{Rate, Span, Time};

use crate::outcome::Step;

/// Steps that an evening is cut into, about.
const STEPS: u64 = 300;
/// Longest step: providers are billed by five minutes and plan by the minute.
const LONGEST: Span = Span::from_secs(60);

/// The steps so far.
#[derive(Debug)]
pub(crate) struct Series {
    step: Span,
    steps: Vec<Step>,
}

impl Series {
    /// Nothing yet of a world of this length.
    pub(crate) fn new(length: Span) -> Self {
        let step = Span::from_secs(length.over(STEPS).millis().div_ceil(1_000));
        Self { step: step.max(Span::from_secs(1)).min(LONGEST), steps: Vec::new() }
    }

    /// The step that `now` is in.
    pub(crate) fn at(&mut self, now: Time) -> &mut Step {
        let at = usize::try_from(now.micros() / self.step.micros()).unwrap_or(usize::MAX);
        while self.steps.len() <= at {
            let at_s = self.steps.len() as u64 * self.step.micros() / 1_000_000;
            self.steps.push(Step { at_s, ..Step::default() });
        }
        &mut self.steps[at]
    }

    /// Length of a step.
    pub(crate) fn step(&self) -> Span {
        self.step
    }

    /// The highest rate of the origin over a step, in bits a second.
    pub(crate) fn peak_origin_rate(&self) -> u64 {
        let most = self.steps.iter().map(|step| step.origin_sent).max().unwrap_or(0);
        Rate::mean(most, self.step).bytes_per_sec().saturating_mul(8)
    }

    /// All of them.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_equal_and_the_peak_is_a_rate() {
        let mut series = Series::new(Span::from_secs(3_000));
        assert_eq!(series.step(), Span::from_secs(10));
        series.at(Time::from_micros(25_000_000)).origin_sent = 10_000_000;
        series.at(Time::from_micros(29_999_999)).plays += 1;
        let steps = series.steps();
        assert_eq!(steps.iter().map(|step| step.at_s).collect::<Vec<_>>(), [0, 10, 20]);
        assert_eq!((steps[2].plays, series.peak_origin_rate()), (1, 8_000_000));
        assert_eq!(Series::new(Span::from_secs(5 * 3_600)).step(), LONGEST);
        assert_eq!(Series::new(Span::from_secs(1)).step(), Span::from_secs(1));
    }
}
