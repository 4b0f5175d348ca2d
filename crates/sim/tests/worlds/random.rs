//! Hundreds of small worlds drawn at random hold their invariants.

use nearcast_sim::{Policy, Scenario, Until, Violation, simulate};

/// The worlds tried: enough to meet odd combinations, few enough for every run of the tests.
const WORLDS: u64 = 300;

fn hold(policy: Policy, seeds: std::ops::Range<u64>) {
    let broken: Vec<Box<Violation>> = seeds
        .filter_map(|seed| simulate(&Scenario::random(seed), seed, policy, Until::default()).err())
        .collect();
    let told: Vec<String> = broken.iter().take(5).map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{} worlds break an invariant:\n{}", broken.len(), told.join("\n"));
}

#[test]
fn random_worlds_hold_with_the_engine() {
    hold(Policy::Nearcast, 0..WORLDS);
}

#[test]
fn random_worlds_hold_with_origin_only() {
    hold(Policy::OriginOnly, 0..WORLDS / 3);
}
