//! The directory at full size. Bounds are on counts of work; times are only printed.

use super::*;
use crate::limits::{DRAWS_PER_CLASS, MAX_SESSIONS};
use crate::random::Random;

const TITLES_PER_SESSION: u64 = 20;
const TITLES: u64 = 10_000;

/// A title by popularity: half of the draws fall on the first hundredth.
fn popular(random: &mut Random) -> u64 {
    let range = if random.below(2) == 0 { TITLES / 100 } else { TITLES };
    random.below(range)
}

#[test]
fn forty_thousand_sessions_fit_and_a_lookup_looks_at_few() {
    let mut desk = Desk::new(Settings { lookups_per_second: 1_000_000, ..Settings::default() });
    let mut random = Random::seeded(9);
    let sessions = MAX_SESSIONS as u64;
    for n in 0..sessions {
        let titles: Vec<Holding> = (0..TITLES_PER_SESSION).map(|_| holding(popular(&mut random))).collect();
        desk.join(n, place(n), titles);
    }
    let counts = desk.directory.counts();
    assert_eq!(counts.sessions, MAX_SESSIONS);
    assert!(counts.holdings > 700_000, "{}", counts.holdings);

    let lookups = 20_000;
    for i in 0..lookups {
        desk.ask(i % sessions, i % TITLES);
    }
    let examined = desk.directory.counts().examined;
    assert!(examined <= lookups * 5 * DRAWS_PER_CLASS as u64, "five classes of nearness, a few of each");

    for n in 0..sessions {
        desk.tell(Input::Closed { session: SessionId(n) });
    }
    assert_eq!(desk.directory.counts().holdings, 0);
    assert_eq!(desk.directory.counts().titles, 0);
}

#[test]
fn one_title_that_everyone_holds_costs_no_more() {
    let mut desk = Desk::new(Settings { lookups_per_second: 1_000_000, ..Settings::default() });
    let mut random = Random::seeded(3);
    let sessions = MAX_SESSIONS as u64;
    for n in 0..sessions {
        // Most come through a few crowded addresses, the rest from everywhere.
        let at = if random.below(3) == 0 { n } else { random.below(20) };
        desk.join(n, place(at), vec![holding(1)]);
    }
    let lookups = 2_000;
    let mut told = std::collections::BTreeSet::new();
    for i in 0..lookups {
        let found = desk.ask(i * 17 % sessions, 1);
        assert_eq!(found.len(), MAX_ANSWER);
        told.extend(found.into_iter().map(|f| f.session));
    }
    assert!(desk.directory.counts().examined <= lookups * 5 * DRAWS_PER_CLASS as u64);
    assert!(told.len() > 2_000, "{} holders share the load", told.len());
}
