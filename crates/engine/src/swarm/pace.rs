//! How fast a player plays that does not say so.
//!
//! A player's buffer has an end: once that is full it takes what follows as it plays, and no faster. So of one that could
//! have had more and took nothing for a while, the moments at which it went on lie as far apart as the media between them
//! plays. Of a player that takes whatever there is nothing can be seen.

use std::collections::VecDeque;

use crate::time::{Span, Time};
use crate::units::{PlaybackRate, mul_div};

/// A player that took nothing for this long although there was something did not want it.
const REST: Span = Span::from_millis(100);
/// Moments closer together than this are one.
const APART: Span = Span::from_millis(500);
/// What lies further back says nothing about how fast it plays now.
const MEMORY: Span = Span::from_secs(30);
/// Two stretches are compared that last at least this each: a buffer that is being filled shows in one of them alone.
const STRETCH: Span = Span::from_secs(4);
/// In hundredths: less than this is taken for no difference, and more for a buffer that is being filled.
const LEAST: u64 = 115;
const MOST: u64 = 400;

/// A moment at which a player went on by itself.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: Time,
    /// Title time up to which it had been handed media.
    delivered: Span,
    /// Title time that it showed then, by the clock.
    shown: Span,
}

/// What was seen of one player.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Since when there is more for it that it does not take; none while it waits.
    rests: Option<Time>,
    points: VecDeque<Point>,
}

impl Pace {
    /// The player has taken something, or ended a read, and there is `more` for it or there is not.
    pub(super) fn took(&mut self, now: Time, more: bool) {
        self.rests = more.then_some(now);
    }

    /// The player goes on, which had been handed media up to `delivered` and by its clock shows `shown`. Answers at which
    /// rate it plays, when that can be told, and what it shows at that rate.
    pub(super) fn goes_on(
        &mut self,
        now: Time,
        delivered: Span,
        shown: Span,
    ) -> Option<(PlaybackRate, Span)> {
        let rested = self.rests.take().is_some_and(|since| now.since(since) >= REST);
        if !rested || self.points.back().is_some_and(|last| now.since(last.at) < APART) {
            return None;
        }
        while self.points.front().is_some_and(|first| now.since(first.at) > MEMORY) {
            self.points.pop_front();
        }
        let first = self.points.front().copied();
        let rate = self.rate(now, delivered);
        // It shows as much more as it took: what it has ahead is the same each time that it goes on.
        let shows = |first: Point| first.shown + delivered.less(first.delivered);
        let fast = rate.filter(|rate| *rate != PlaybackRate::NORMAL);
        let found = rate.map(|rate| (rate, fast.and(first).map_or(shown, shows)));
        self.points.push_back(Point { at: now, delivered, shown: found.map_or(shown, |(_, shows)| shows) });
        found
    }

    /// The lower rate of two stretches, the later of which ends here.
    fn rate(&self, now: Time, delivered: Span) -> Option<PlaybackRate> {
        let first = self.points.front()?;
        let half = now.since(first.at).over(2);
        let middle = self.points.iter().rfind(|point| now.since(point.at) >= half)?;
        let percent = |from: &Point, at: Time, to: Span| {
            let span = at.since(from.at);
            let percent = mul_div(to.less(from.delivered).micros(), 100, span.micros())?;
            (span >= STRETCH).then_some(percent)
        };
        let earlier = percent(first, middle.at, middle.delivered)?;
        let percent = earlier.min(percent(middle, now, delivered)?);
        if percent < LEAST {
            return Some(PlaybackRate::NORMAL);
        }
        u16::try_from(percent).ok().filter(|_| percent <= MOST).map(PlaybackRate::from_percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A player that keeps `buffer` of media ahead of what it shows, in pieces of `piece`, and plays at a rate.
    fn seen(percent: u16, buffer: Span, piece: Span, lasts: Span) -> Vec<(Time, PlaybackRate, Span)> {
        let rate = PlaybackRate::from_percent(percent);
        let (mut pace, mut delivered, mut found) = (Pace::default(), Span::ZERO, Vec::new());
        for millis in 0..lasts.millis() {
            let now = Time::ZERO + Span::from_millis(millis);
            let shown = rate.plays(Span::from_millis(millis));
            while delivered + piece <= shown + buffer {
                let by_its_clock = Span::from_millis(millis);
                found.extend(
                    pace.goes_on(now, delivered, by_its_clock).map(|(rate, shows)| (now, rate, shows)),
                );
                delivered += piece;
                pace.took(now, true);
            }
        }
        found
    }

    #[test]
    fn a_player_whose_buffer_is_full_takes_as_much_as_it_plays() {
        for (percent, piece) in [(150, 4_000), (200, 4_000), (200, 700), (125, 250)] {
            let (buffer, lasts) = (Span::from_secs(30), Span::from_secs(60));
            let found = seen(percent, buffer, Span::from_millis(piece), lasts);
            let (first, ..) = *found.first().expect("it is seen");
            assert!(first <= Time::ZERO + Span::from_secs(20), "{percent}: {first:?}");
            for (at, rate, shows) in found {
                let close = [percent - 8, percent + 8].map(PlaybackRate::from_percent);
                assert!(close[0] <= rate && rate <= close[1], "{percent} in {piece}: {rate:?} at {at:?}");
                let true_one = PlaybackRate::from_percent(percent).plays(at.since(Time::ZERO));
                // What it showed before that was seen remains unknown.
                assert!(true_one.less(shows) <= Span::from_secs(25), "{percent}: {shows:?} at {at:?}");
            }
        }
    }

    #[test]
    fn a_player_that_plays_as_it_should_is_taken_for_no_other() {
        for piece in [250, 700, 4_000, 10_000] {
            let found = seen(100, Span::from_secs(30), Span::from_millis(piece), Span::from_secs(120));
            let usual = |(at, rate, shows): &(Time, PlaybackRate, Span)| {
                *rate == PlaybackRate::NORMAL && *shows == at.since(Time::ZERO)
            };
            assert!(found.iter().all(usual), "{piece}: {found:?}");
        }
    }

    #[test]
    fn a_player_that_waits_for_what_comes_tells_nothing() {
        let mut pace = Pace::default();
        for seconds in 0..60 {
            let now = Time::ZERO + Span::from_secs(seconds);
            let delivered = Span::from_secs(2 * seconds);
            assert_eq!(pace.goes_on(now, delivered, Span::from_secs(seconds)), None);
            pace.took(now, false);
        }
    }
}
