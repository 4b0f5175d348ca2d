//! Players that show nothing of a segment before all of it is there.

use nearcast_sim::{Outcome, Policy, Scenario, Until, simulate};

const PAGES: &str = include_str!("../../../../lab/scenarios/browser.toml");

fn run(policy: Policy, seed: u64) -> Outcome {
    let scenario =
        Scenario::parse(&PAGES.replace("length = \"120s\"", "length = \"40s\"")).expect("a scenario");
    simulate(&scenario, seed, policy, Until::default()).unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn a_segment_is_fetched_whole_for_a_start_and_once_from_the_origin() {
    let alone = run(Policy::OriginOnly, 1);
    assert!(alone.stalls.count > 10, "an origin of 5 Mbit/s is not enough for four");
    let worlds: Vec<Outcome> = (1..=24).map(|seed| run(Policy::Nearcast, seed)).collect();
    for ours in &worlds {
        assert_eq!((ours.plays.played, ours.stalls.count), (4, 0), "seed {}", ours.seed);
        // The origin alone takes 1.7 s for 4 s of the film: a start below half a second showed half a segment.
        assert!(ours.network_startup_ms.all.p50 > 500, "seed {}", ours.seed);
        assert!(ours.copies < 1.15, "seed {}: {} copies", ours.seed, ours.copies);
    }
    // An engine that takes the first 64 KiB for the start, and hurries no more after that, needs 1.1 s.
    let mean = worlds.iter().map(|ours| ours.network_startup_ms.all.p50).sum::<u64>() / 24;
    let of_origin = alone.network_startup_ms.all.p50;
    assert!(4 * mean < of_origin, "{mean} ms against {of_origin}");
}
