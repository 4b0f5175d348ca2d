//! Who comes when, plays what, and how it goes: the demo's programme, drawn from one seed.
//!
//! It is an evening in small. There is one feature, which everybody came for: the first video, or without one the
//! first title. Listeners arrive over the first quarter of the time and take a second or two to choose. About half
//! of them first put on the album that lies beside it and skip its first track after a few seconds, as a third of
//! all plays are skipped before half a minute (FACTS §3 of the design). Then they play the feature from its
//! beginning and stay with it; whoever comes to its end goes on with the catalogue. One of them seeks ahead and one
//! goes back to the beginning. One listener leaves after two thirds of the time, and one is killed after five
//! sixths.
//!
//! So everyone shares an interest and is at another place of it, as in a real audience: whoever is ahead has
//! what the others need next. Nothing tells the nodes of this; they find each other through the provider's
//! directory as any node does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Shortest and longest time to choose the first title.
const CHOOSING: (Duration, Duration) = (Duration::from_millis(800), Duration::from_millis(2_000));
/// Most plays of a listener. At the shortest title this is more than an hour of skipping.
const MAX_PLAYS: usize = 64;

/// A title as far as the plan needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Show {
    /// What people read.
    pub(crate) name: String,
    /// Where its playlist or file is below a gateway's address, slashes between parts, nothing escaped.
    pub(crate) path: String,
    pub(crate) length: Duration,
    pub(crate) sort: Sort,
}

/// To be heard or to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sort {
    Audio,
    Video,
}

/// What one listener does. Moments count from the start of the demo, but for those inside a play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) joins: Duration,
    /// Time between its node being up and the first play: nobody presses play that very moment.
    pub(crate) chooses: Duration,
    pub(crate) plays: Vec<Play>,
    pub(crate) exit: Exit,
}

/// One play of one title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Play {
    /// Index of the title.
    pub(crate) show: usize,
    /// Seeks: when after the request, and to where.
    pub(crate) seeks: Vec<(Duration, Duration)>,
    /// When after the request the listener has enough of it; none plays it to its end.
    pub(crate) skip_after: Option<Duration>,
}

/// How a listener goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Stays to the end.
    Stays,
    /// Says goodbye.
    Leaves(Duration),
    /// Its process is killed.
    Killed(Duration),
}

/// The programme of `listeners` for the time that `lasts`. Without titles there is none.
pub(crate) fn draw(listeners: usize, lasts: Duration, shows: &[Show], seed: u64) -> Vec<Part> {
    let Some(feature) = feature(shows) else { return Vec::new() };
    let mut random = Random(seed);
    let samples: Vec<usize> = (0..shows.len()).filter(|n| *n != feature).collect();
    (0..listeners)
        .map(|n| {
            let joins = arrival(n, listeners, lasts, &mut random);
            let chooses = random.between(CHOOSING.0, CHOOSING.1);
            let mut plays = sampling(n, lasts, &samples, &mut random);
            plays.push(main_play(n, feature, shows, lasts, &mut random));
            carry_on(&mut plays, feature, shows, lasts);
            Part { joins, chooses, plays, exit: exit(n, listeners, lasts) }
        })
        .collect()
}

fn feature(shows: &[Show]) -> Option<usize> {
    let video = shows.iter().position(|show| show.sort == Sort::Video);
    video.or_else(|| (!shows.is_empty()).then_some(0))
}

/// Evenly over the first quarter, each up to half a step late.
fn arrival(n: usize, listeners: usize, lasts: Duration, random: &mut Random) -> Duration {
    let Some(gaps) = listeners.checked_sub(1).and_then(|gaps| u32::try_from(gaps).ok()).filter(|g| *g > 0)
    else {
        return Duration::ZERO;
    };
    let step = lasts / 4 / gaps;
    let late = random.between(Duration::ZERO, step / 2);
    let n = u32::try_from(n).unwrap_or(gaps);
    if n == 0 { Duration::ZERO } else { step * n + late - step / 2 }
}

/// For about half of them, a track that is skipped. The second to come has one always, so that every demo of two
/// shows it.
fn sampling(n: usize, lasts: Duration, samples: &[usize], random: &mut Random) -> Vec<Play> {
    let inclined = random.below(2) == 0 || n == 1;
    let skip_after = Some(random.between(lasts / 16, lasts / 8));
    let show = samples.first().filter(|_| inclined && n > 0);
    show.map(|show| Play { show: *show, seeks: Vec::new(), skip_after }).into_iter().collect()
}

fn main_play(n: usize, show: usize, shows: &[Show], lasts: Duration, random: &mut Random) -> Play {
    let length = shows.get(show).map_or(Duration::ZERO, |show| show.length);
    let when = random.between(lasts / 5, lasts / 4);
    let seeks = match n {
        0 => vec![(when, (when + Duration::from_secs(12)).min(length * 3 / 4))],
        3 => vec![(when, Duration::ZERO)],
        _ => Vec::new(),
    };
    Play { show, seeks, skip_after: None }
}

/// Enough of the catalogue behind the feature to fill the time.
fn carry_on(plays: &mut Vec<Play>, feature: usize, shows: &[Show], lasts: Duration) {
    let mut filled = Duration::ZERO;
    let mut next = feature;
    while plays.len() < MAX_PLAYS {
        filled += shows.get(next).map_or(Duration::ZERO, |show| show.length);
        if filled >= lasts {
            break;
        }
        next = (next + 1) % shows.len();
        plays.push(Play { show: next, seeks: Vec::new(), skip_after: None });
    }
}

/// The third to come leaves, the second is killed: both hold much by then that others count on.
fn exit(n: usize, listeners: usize, lasts: Duration) -> Exit {
    match n {
        2 if listeners >= 3 => Exit::Leaves(lasts * 2 / 3),
        1 if listeners >= 2 => Exit::Killed(lasts * 5 / 6),
        _ => Exit::Stays,
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let low = millis(low);
        Duration::from_millis(low + self.below(millis(high).saturating_sub(low).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn show(name: &str, length: u64, sort: Sort) -> Show {
        Show { name: name.to_owned(), path: format!("t/{name}/f"), length: secs(length), sort }
    }

    fn evening() -> Vec<Show> {
        vec![
            show("one", 49, Sort::Audio),
            show("two", 51, Sort::Audio),
            show("three", 50, Sort::Audio),
            show("film", 88, Sort::Video),
        ]
    }

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        let plan = |seed| draw(8, secs(52), &evening(), seed);
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn all_come_in_the_first_quarter_one_after_the_other() {
        for seed in 0..200 {
            for listeners in 1..20 {
                let plan = draw(listeners, secs(52), &evening(), seed);
                assert_eq!(plan.len(), listeners);
                assert_eq!(plan[0].joins, secs(0));
                assert!(plan.windows(2).all(|w| w[0].joins <= w[1].joins), "in order, seed {seed}");
                assert!(plan.iter().all(|part| part.joins <= secs(52) / 4), "seed {seed}");
            }
        }
    }

    #[test]
    fn everyone_comes_to_the_feature_and_has_something_to_play_to_the_end() {
        for seed in 0..200 {
            let shows = evening();
            for part in draw(8, secs(200), &shows, seed) {
                assert!(part.plays.iter().any(|play| play.show == 3), "seed {seed}");
                let lengths =
                    part.plays.iter().filter(|p| p.skip_after.is_none()).map(|p| shows[p.show].length);
                assert!(lengths.sum::<Duration>() >= secs(200), "seed {seed}");
            }
        }
    }

    #[test]
    fn skips_seeks_a_departure_and_a_kill_are_in_it() {
        for (listeners, lasts) in [(3, secs(20)), (8, secs(52)), (30, secs(600))] {
            let plan = draw(listeners, lasts, &evening(), 1);
            let plays = || plan.iter().flat_map(|part| &part.plays);
            assert!(plays().any(|play| play.skip_after.is_some()), "{listeners} listeners skip");
            assert!(plays().any(|play| !play.seeks.is_empty()), "{listeners} listeners seek");
            assert_eq!(plan.iter().filter(|part| matches!(part.exit, Exit::Leaves(_))).count(), 1);
            assert_eq!(plan.iter().filter(|part| matches!(part.exit, Exit::Killed(_))).count(), 1);
        }
        assert!(draw(1, secs(20), &evening(), 1).iter().all(|part| part.exit == Exit::Stays));
    }

    #[test]
    fn any_catalogue_will_do() {
        assert!(draw(8, secs(52), &[], 1).is_empty());
        let one = draw(8, secs(52), &evening()[..1], 1);
        assert!(one.iter().all(|part| part.plays.iter().all(|play| play.show == 0)));
        let nothing_to_hear = vec![show("empty", 0, Sort::Audio)];
        assert!(draw(2, secs(52), &nothing_to_hear, 1).iter().all(|part| part.plays.len() <= MAX_PLAYS));
        let many: Vec<_> = (0..500).map(|n| show(&n.to_string(), 180, Sort::Audio)).collect();
        assert!(draw(8, secs(52), &many, 1).iter().all(|part| part.plays.iter().all(|p| p.show <= 1)));
    }
}
