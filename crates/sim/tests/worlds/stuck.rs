//! Connections to the origin that lose packets again and again, beside others that do well.

use nearcast_sim::{Policy, Scenario, Until, simulate};

/// A viewer alone stood still fifteen times for twelve seconds in all, waiting for what a stuck connection brought.
#[test]
fn what_a_stuck_connection_owes_comes_over_another_one() {
    let text = include_str!("../../../../lab/scenarios/film-night.toml");
    let text = text.replace("count = 8", "count = 1");
    let text = text.replace("[origin]", "[origin]\nown-connections = true\nstuck-percent = 10");
    let scenario = Scenario::parse(&text).expect("a scenario");
    for seed in 1..=8 {
        let outcome = simulate(&scenario, seed, Policy::Nearcast, Until::default())
            .unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(outcome.stalls.count, 0, "seed {seed}: {:?}", outcome.worst.stalls);
        assert!(outcome.copies < 1.01, "seed {seed}: what is asked for again comes once: {}", outcome.copies);
    }
}
