//! One rule a test.

use std::collections::BTreeSet;

use super::*;
use crate::limits::{ANNOUNCE_BURST, LOOKUP_BURST, MAX_HOLDERS_PER_PLACE, SIGNAL_BURST};

fn desk() -> Desk {
    Desk::new(Settings::default())
}

#[test]
fn the_near_come_first_and_fill_most_of_a_full_answer() {
    let mut desk = desk();
    for n in 0..2_000 {
        desk.join(n, place(n), vec![holding(1)]);
    }
    // Its neighbours are 3 of the same prefix, 28 more of the same operator, the rest of the country.
    let found = desk.ask(100, 1);
    let near = |nearness| found.iter().filter(|f| f.nearness == nearness).count();
    assert_eq!((near(Nearness::Neighbourhood), found.len()), (3, MAX_ANSWER));
    assert_eq!(near(Nearness::Isp), 28);
    assert!(found.iter().all(|f| f.session != SessionId(100)));
}

#[test]
fn parts_that_the_near_lack_are_taken_from_farther_away() {
    let mut desk = desk();
    let first_half = Holding { coverage: u64::from(u32::MAX), ..holding(1) };
    for n in 0..32 {
        desk.join(n, place(n), vec![first_half]);
    }
    desk.join(900, place(900), vec![holding(1)]);
    let found = desk.ask(0, 1);
    assert_eq!(found.last().map(|f| f.session), Some(SessionId(900)), "the only one with the second half");
}

#[test]
fn holders_of_the_wanted_rendition_come_before_others() {
    let mut desk = desk();
    for n in 0..40 {
        desk.join(n, place(n), vec![Holding { renditions: if n < 32 { 1 } else { 2 }, ..holding(1) }]);
    }
    let found = desk.ask_for(0, 1, 2);
    assert_eq!(found.iter().filter(|f| f.holding.renditions == 2).count(), 8, "all that fit are told");
    assert_eq!(found.len(), MAX_ANSWER, "the others fill the answer");
    assert!(found.is_sorted_by_key(|f| f.nearness));
}

#[test]
fn equals_share_the_load() {
    let mut desk = desk();
    let askers = 2_000;
    for n in 0..320 {
        desk.join(n, Place { prefix: n / 20 + 1, ..Place::default() }, vec![holding(1)]);
    }
    let mut times_told = [0_u32; 320];
    for n in 1_000..1_000 + askers {
        desk.join(n, Place::default(), vec![]);
        for found in desk.ask(n, 1) {
            times_told[usize::try_from(found.session.0).expect("small")] += 1;
        }
        desk.now += Span::from_millis(1);
    }
    // 200 each on average.
    assert!(times_told.iter().all(|times| (100..350).contains(times)), "{times_told:?}");
}

#[test]
fn asking_again_and_again_lists_no_more_holders() {
    let mut desk = desk();
    for n in 0..1_000 {
        desk.join(n, place(n * 300), vec![holding(1)]);
    }
    let mut seen = BTreeSet::new();
    for _ in 0..LOOKUP_BURST {
        seen.extend(desk.ask(0, 1).into_iter().map(|f| f.session));
        desk.now += Span::from_millis(100);
    }
    assert!(seen.len() <= 2 * MAX_ANSWER, "{} of 1000 in 6 seconds", seen.len());
    desk.now += DRAW_SPAN;
    assert!(desk.ask(0, 1).into_iter().any(|f| !seen.contains(&f.session)), "later there are others");
}

#[test]
fn a_crowded_place_lists_a_changing_sample() {
    let mut desk = desk();
    let crowd = Place { prefix: 5, ..Place::default() };
    let many = 4 * MAX_HOLDERS_PER_PLACE as u64;
    for n in 0..many {
        desk.join(n, crowd, vec![holding(1)]);
    }
    let listed = |desk: &Desk| {
        let roster = desk.directory.titles.rosters(swarm(1), Ways::QUIC).next().expect("held");
        let slots = (0..).map_while(|rank| roster.nth(rank));
        slots.filter_map(|holder| Some(desk.directory.sessions.get(holder.slot)?.id)).collect::<BTreeSet<_>>()
    };
    let before = listed(&desk);
    assert_eq!(before.len(), MAX_HOLDERS_PER_PLACE);
    for n in 0..many {
        desk.tell(Input::Renewed { session: SessionId(n) });
    }
    let after = listed(&desk);
    assert_eq!(after.len(), MAX_HOLDERS_PER_PLACE);
    assert!(after.difference(&before).count() > MAX_HOLDERS_PER_PLACE / 4);

    // All listed ones leave: those who waited fill the gap as soon as they speak.
    for session in &after {
        desk.tell(Input::Closed { session: *session });
    }
    assert_eq!(listed(&desk).len(), 0);
    for n in (0..many).filter(|n| !after.contains(&SessionId(*n))) {
        desk.tell(Input::Renewed { session: SessionId(n) });
    }
    assert_eq!(listed(&desk).len(), MAX_HOLDERS_PER_PLACE);
}

#[test]
fn who_asks_too_often_waits_and_stays() {
    let mut desk = desk();
    desk.join(1, place(1), vec![holding(1)]);
    desk.join(2, place(2), vec![]);
    let session = SessionId(2);
    let lookup = Input::Lookup { session, query: 1, swarm: swarm(1), renditions: 0 };
    for _ in 0..LOOKUP_BURST {
        assert!(matches!(desk.tell(lookup.clone()).as_slice(), [Output::Answer { .. }]));
    }
    let deferred = desk.tell(lookup.clone());
    let [Output::RetryAfter { session: told, after }] = deferred.as_slice() else {
        panic!("not deferred: {deferred:?}")
    };
    assert_eq!((*told, desk.directory.counts().sessions), (session, 2));
    desk.wait(*after);
    assert_eq!(desk.ask(2, 1).len(), 1);
}

#[test]
fn a_rush_of_lookups_is_deferred_and_nobody_is_sent_away() {
    let mut desk = Desk::new(Settings { lookups_per_second: 50, ..Settings::default() });
    for n in 0..300 {
        desk.join(n, place(n), vec![holding(1)]);
    }
    let answers = (0..300).map(|n| {
        desk.tell(Input::Lookup { session: SessionId(n), query: 1, swarm: swarm(1), renditions: 0 })
    });
    let answered = answers.filter(|outputs| matches!(outputs.as_slice(), [Output::Answer { .. }])).count();
    let counts = desk.directory.counts();
    assert_eq!((answered, counts.deferred, counts.sessions), (100, 200, 300));
}

#[test]
fn a_full_directory_keeps_those_inside() {
    let mut desk = Desk::new(Settings { sessions: 3, ..Settings::default() });
    for n in 0..3 {
        desk.join(n, place(n), vec![holding(1)]);
    }
    let open = |n: u64, session: u64| Input::Opened {
        session: SessionId(session),
        node: node(n),
        place: place(n),
        serves: Serves::Others,
        ways: Ways::QUIC,
    };
    assert!(matches!(desk.tell(open(9, 9)).as_slice(), [Output::TurnedAway { session: SessionId(9), .. }]));
    assert_eq!(desk.ask(0, 1).len(), 2);
    // A node that comes back in a new connection takes its own place.
    let outputs = desk.tell(open(1, 10));
    assert_eq!(outputs[0], Output::Close { session: SessionId(1), reason: RefusedReason::Replaced });
    assert_eq!(outputs[1], Output::Admitted { session: SessionId(10), lease: LEASE });
    assert_eq!(desk.ask(0, 1).len(), 1, "it has not said yet what it holds");
}

#[test]
fn who_cannot_meet_is_not_told_of_each_other() {
    let mut desk = desk();
    let both = Ways(Ways::QUIC.0 | Ways::DATA_CHANNELS.0);
    // Programs in a crowd, and among them two tabs and one node that has both ways.
    for n in 0..200 {
        desk.join(n, place(1), vec![holding(1)]);
    }
    for n in [200, 201] {
        desk.join_by(Ways::DATA_CHANNELS, n, place(1), vec![holding(1)]);
    }
    desk.join_by(both, 202, place(1), vec![holding(1)]);
    let told =
        |desk: &mut Desk, n| desk.ask(n, 1).iter().map(|found| (found.node, found.ways)).collect::<Vec<_>>();
    let mut tab = told(&mut desk, 200);
    tab.sort_unstable_by_key(|(_, ways)| *ways);
    assert_eq!(tab, [(node(201), Ways::DATA_CHANNELS), (node(202), both)]);
    assert!(told(&mut desk, 0).iter().all(|(_, ways)| ways.meet(Ways::QUIC)));
    let all = told(&mut desk, 202);
    assert_eq!(all.len(), MAX_ANSWER);
    desk.tell(Input::Closed { session: SessionId(202) });
    assert_eq!(told(&mut desk, 200), [(node(201), Ways::DATA_CHANNELS)]);
    assert_eq!(desk.directory.counts().titles, 1);
}

#[test]
fn silence_ends_a_lease_and_any_word_renews_it() {
    let mut desk = desk();
    desk.join(1, place(1), vec![holding(1)]);
    desk.join(2, place(2), vec![]);
    assert_eq!(desk.wait(LEASE.less(Span::from_micros(1))), []);
    // In the very moment the leases end, one of them speaks.
    desk.now += Span::from_micros(1);
    assert_eq!(
        desk.tell(Input::Renewed { session: SessionId(2) }),
        [Output::Expired { session: SessionId(1) }]
    );
    assert_eq!(desk.ask(2, 1), []);
    assert_eq!(desk.wait(LEASE), [Output::Expired { session: SessionId(2) }]);
    assert_eq!(desk.directory.counts().expired, 2);
}

#[test]
fn rules_of_announcing_are_kept_or_the_session_ends() {
    let close = |n| Output::Close { session: SessionId(n), reason: RefusedReason::Misbehaved };
    let mut desk = desk();
    let announce = |n, added| Input::Announced { session: SessionId(n), added, removed: vec![] };

    desk.join(1, place(1), vec![]);
    let too_long = (0..=MAX_ANNOUNCE as u64).map(holding).collect();
    assert_eq!(desk.tell(announce(1, too_long)), [close(1)]);

    desk.join(2, place(2), vec![]);
    for batch in 0..MAX_TITLES_PER_SESSION / MAX_ANNOUNCE {
        let from = (batch * MAX_ANNOUNCE) as u64;
        assert_eq!(desk.tell(announce(2, (from..from + MAX_ANNOUNCE as u64).map(holding).collect())), []);
    }
    assert_eq!(desk.tell(announce(2, vec![holding(1_000_000)])), [close(2)]);

    desk.join(3, place(3), vec![]);
    for _ in 1..ANNOUNCE_BURST {
        assert_eq!(desk.tell(announce(3, vec![holding(1)])), []);
    }
    assert_eq!(desk.tell(announce(3, vec![holding(1)])), [close(3)]);
    assert_eq!(desk.directory.counts(), Counts { misbehaved: 3, ..Counts::default() });
}

#[test]
fn memory_for_holdings_runs_out_fairly() {
    let mut desk = Desk::new(Settings { sessions: 10, holdings: 100, ..Settings::default() });
    desk.join(1, place(1), (0..150).map(holding).collect());
    desk.join(2, place(2), (0..150).map(holding).collect());
    let counts = desk.directory.counts();
    assert_eq!((counts.holdings, counts.overflowed), (110, 190), "the second has its tenth at least");
    desk.tell(Input::Closed { session: SessionId(1) });
    assert_eq!(desk.directory.counts().holdings, 10);
}

#[test]
fn signals_reach_who_is_here_and_are_bounded() {
    let mut desk = desk();
    desk.join(1, place(1), vec![]);
    desk.join(2, place(2), vec![]);
    let signal = |to| Input::Signal { session: SessionId(1), to };
    assert_eq!(desk.tell(signal(node(2))), [Output::Deliver { from: node(1), to: SessionId(2) }]);
    assert_eq!(desk.tell(signal(node(1))), [], "not to oneself");
    assert_eq!(desk.tell(signal(node(3))), [], "not to who is away");
    for _ in 3..SIGNAL_BURST {
        assert_eq!(desk.tell(signal(node(2))).len(), 1);
    }
    assert!(matches!(
        desk.tell(signal(node(2))).as_slice(),
        [Output::RetryAfter { session: SessionId(1), .. }]
    ));
}

#[test]
fn mistakes_of_the_shell_are_named() {
    let mut desk = desk();
    desk.join(1, place(1), vec![]);
    let open = Input::Opened {
        session: SessionId(1),
        node: node(2),
        place: place(2),
        serves: Serves::Others,
        ways: Ways::QUIC,
    };
    let now = desk.now;
    assert_eq!(desk.directory.handle_input(now, open), Err(InputError::TakenSession(SessionId(1))));
    let unknown = desk.directory.handle_input(now, Input::Renewed { session: SessionId(5) });
    assert_eq!(unknown, Err(InputError::UnknownSession(SessionId(5))));
    let past = now - Span::from_secs(1);
    assert_eq!(desk.directory.handle_input(past, Input::Timeout), Err(InputError::TimeWentBack(now, past)));
}
