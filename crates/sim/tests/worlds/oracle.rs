//! What nobody can do better is not done better by anybody.

use nearcast_sim::{Outcome, Policy, Scenario, Until, simulate_with_bound};

/// The policies that can be run.
const REAL: [Policy; 5] =
    [Policy::Nearcast, Policy::IspBlind, Policy::Spotify2010, Policy::P2pMediaLoader, Policy::OriginOnly];

/// Random worlds that each is held against its bound in.
const WORLDS: u64 = 80;

fn run(scenario: &Scenario, seed: u64, policy: Policy) -> Outcome {
    let result = simulate_with_bound(scenario, seed, policy, Until::default());
    result.unwrap_or_else(|violation| panic!("{violation}"))
}

/// What an outcome does better than its bound says is possible.
fn better(outcome: &Outcome) -> Option<String> {
    let bound = outcome.bound.as_ref().expect("asked for");
    let foresees = bound.origin_sent_foreseeing <= bound.origin_sent;
    let holds = foresees && bound.origin_sent <= outcome.origin_sent && bound.sooner == 0;
    (!holds).then(|| {
        let (policy, seed, sent) = (&outcome.policy, outcome.seed, outcome.origin_sent);
        let Outcome { scenario, .. } = outcome;
        format!("{scenario} {seed} {policy}: {sent} bytes of the origin, {bound:?}")
    })
}

#[test]
fn nobody_does_better_in_random_worlds() {
    let (mut found, mut bounded) = (Vec::new(), 0);
    for seed in 1_000..1_000 + WORLDS {
        for policy in REAL {
            let outcome = run(&Scenario::random(seed), seed, policy);
            bounded += outcome.bound.as_ref().map_or(0, |bound| bound.origin_sent);
            found.extend(better(&outcome));
        }
    }
    assert!(found.is_empty(), "{} do better:\n{}", found.len(), found.join("\n"));
    assert!(bounded > 0, "a bound of nothing is met by anybody");
}

#[test]
fn nobody_does_better_in_an_evening_of_2010() {
    let scenario = Scenario::shipped("spotify-2010").and_then(|s| s.with_listeners(60)).expect("shipped");
    for policy in [Policy::Nearcast, Policy::Spotify2010, Policy::OriginOnly] {
        let outcome = run(&scenario, 5, policy);
        assert_eq!(better(&outcome), None);
        let bound = outcome.bound.as_ref().expect("asked for");
        assert!(bound.network_startup_ms.cold.p50 > 100, "{bound:?}");
        assert!(bound.origin_sent_foreseeing > 0, "{bound:?}");
    }
}

/// The oracles' own evening, in which nobody waits, is no other than that of agents but for the waiting.
#[test]
fn an_oracle_s_evening_is_that_of_the_others_without_the_waiting() {
    for name in ["small", "campus"] {
        let scenario = Scenario::shipped(name).and_then(|s| s.with_listeners(12)).expect("shipped");
        let [foresees, told, ours] =
            [Policy::Oracle, Policy::OracleTold, Policy::Nearcast].map(|policy| run(&scenario, 2, policy));
        assert_eq!((foresees.plays.asked, foresees.bytes.sum()), (told.plays.asked, told.bytes.sum()));
        assert_eq!((foresees.stalls.count, foresees.plays.never_started), (0, 0));
        assert!(foresees.bound.is_none(), "it is the bound");
        assert!(foresees.offload >= told.offload && told.offload >= ours.offload, "{name}");
        let near = |a: u64, b: u64| a.abs_diff(b) * 100 <= a * 2;
        assert!(near(told.bytes.sum(), ours.bytes.sum()), "{name}: {:?} {:?}", told.bytes, ours.bytes);
        assert_eq!(told.network_startup_ms.all.count, told.plays.asked);
        assert!(told.network_startup_ms.cold.p50 <= ours.network_startup_ms.cold.p50, "{name}");
    }
}
