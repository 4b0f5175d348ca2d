//! What nodes send fills their homes' uplinks, and they hold themselves back.

use nearcast_sim::{Outcome, Policy, Scenario, Until, simulate};

const CROWD: &str = "
    length = '1min'
    [listeners]
    count = 6
    arrive-over = '5s'
    evenly = true
    early = '1s'
    [[links]]
    down = '50mbit'
    up = '4mbit'
    delay = '4ms'
    [places]
    isps = 1
    same-household-percent = 0
    [nat]
    fail-percent = 0
    [catalogue]
    titles = 1
    length = '30s'
    spread-percent = 0
    rate = '2mbit'
    [plays]
    each = 1
    skip-percent = 0
    seek-percent = 0
    pause-percent = 0
    ";

fn run(text: &str) -> Outcome {
    let scenario = Scenario::parse(text).expect("a scenario");
    simulate(&scenario, 1, Policy::Nearcast, Until::default())
        .unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn the_engine_keeps_the_queue_before_a_line_short() {
    let outcome = run(CROWD);
    let queue = &outcome.uplink_queue_ms;
    assert!(outcome.uploaded > 10_000_000 && queue.count > 100, "{} bytes, {queue:?}", outcome.uploaded);
    assert!(queue.max > 50, "a line is found full before it is held back: {queue:?}");
    assert!(queue.p90 < 30, "{queue:?}");
}

#[test]
fn what_is_kept_comes_whole_and_as_fast_as_lines_allow() {
    let outcome = run(&CROWD.replace("each = 1", "each = 1\n    keep = true"));
    assert_eq!((outcome.plays.played, outcome.all_taken_ms.count), (6, 6));
    assert_eq!(outcome.fetched.sum(), 6 * 7_500_000);
    // A second behind each other; playing takes 30 s.
    assert!(outcome.all_taken_ms.max < 25_000, "{:?}", outcome.all_taken_ms);
}

/// A viewer handed on 64 KiB, paused for 130 ms and was 11 ms into the next run when it looked at its line: it took 10
/// Mbit/s for one, and the four behind it stood still (traced in seed 7; 25 and 41 stand still without the rule alone).
#[test]
fn a_home_that_pauses_between_two_runs_is_not_taken_for_a_slow_line() {
    let text = include_str!("../../../../lab/scenarios/film-night.toml");
    let scenario = Scenario::parse(text).expect("a scenario");
    for seed in [7, 25, 41] {
        let outcome = simulate(&scenario, seed, Policy::Nearcast, Until::default())
            .unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(outcome.stalls.count, 0, "{:?}", outcome.worst.stalls);
    }
}

/// Eight who keep 64 MiB at once, with 80 Mbit/s of uplinks: 48 s for seven copies and no more from the origin.
#[test]
fn a_crowd_that_keeps_begins_at_once_and_ends_together() {
    let text = include_str!("../../../../lab/scenarios/flash-crowd.toml");
    let outcome = run(&text.replace("length = \"33554432us\"", "length = \"134217728us\""));
    assert_eq!((outcome.all_taken_ms.count, outcome.fetched.sum()), (8, 8 * 67_108_864));
    assert!(outcome.all_taken_ms.max < 52_000, "{:?}", outcome.all_taken_ms);
    assert!(outcome.copies < 1.25, "{}", outcome.copies);
}
