//! The same seed makes the same world, to the last input; another seed another one.

use nearcast_engine::Span;
use nearcast_engine::swarm::Tuning;
use nearcast_sim::agent::{Agent, Nearcast};
use nearcast_sim::{Outcome, Policy, Scenario, Until, World, simulate};

use crate::plain::{Break, Plain};

fn small(seed: u64, policy: Policy) -> Outcome {
    let scenario = Scenario::shipped("small").expect("shipped");
    simulate(&scenario, seed, policy, Until::default()).unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    for policy in Policy::ALL {
        let (first, again, other) = (small(3, policy), small(3, policy), small(4, policy));
        assert_eq!((&first.trace, first.events), (&again.trace, again.events), "{}", policy.name());
        assert_ne!(first.trace, other.trace, "{}", policy.name());
    }
}

/// The world has no rule of its own about what to fetch: every constant of the engine's shows.
#[test]
fn changing_one_constant_of_the_pick_rule_changes_the_trace() {
    let scenario = Scenario::shipped("small").expect("shipped");
    let trace = |tuning: &Tuning| {
        let make = |birth| Box::new(Nearcast::with_tuning(birth, tuning.clone())) as Box<dyn Agent>;
        let outcome = World::new(&scenario, 3, "nearcast", &make).run(Until::default());
        outcome.unwrap_or_else(|violation| panic!("{violation}")).trace
    };
    let shipped = Tuning::default();
    let same = trace(&shipped);
    assert_eq!(same, small(3, Policy::Nearcast).trace);
    let changed = [
        Tuning { margin: shipped.margin + Span::from_millis(100), ..shipped.clone() },
        Tuning { queue: shipped.queue.over(2), ..shipped.clone() },
        Tuning { run_blocks: shipped.run_blocks / 2, ..shipped.clone() },
    ];
    for tuning in &changed {
        assert_ne!(same, trace(tuning), "{tuning:?}");
    }
}

#[test]
fn a_world_stops_where_it_is_told_and_explains_a_listener() {
    let scenario = Scenario::shipped("small").expect("shipped");
    let until = Until { event: Some(2_000), explain: Some(0) };
    let outcome = simulate(&scenario, 3, Policy::OriginOnly, until).expect("holds");
    assert_eq!(outcome.events, 2_000);
    assert!(
        outcome.explained.iter().any(|line| line.contains("asked of the origin")),
        "{:?}",
        outcome.explained
    );
}

#[test]
fn the_engine_counts_its_bytes_as_the_world_does() {
    for seed in 1..5 {
        let outcome = small(seed, Policy::Nearcast);
        let (ours, said) = (outcome.bytes, outcome.noted);
        let near = |a: u64, b: u64| a.abs_diff(b) * 100 <= ours.sum();
        assert_eq!(ours.sum(), said.sum(), "seed {seed}");
        assert!(
            near(ours.cache, said.cache) && near(ours.origin, said.origin),
            "seed {seed}: {ours:?} {said:?}"
        );
        assert_eq!(outcome.stalls.count, outcome.stalls.noted, "seed {seed}");
    }
}

#[test]
fn paired_worlds_have_the_same_clicks() {
    let plays = |policy| small(3, policy).plays.asked;
    assert_eq!(plays(Policy::Nearcast), plays(Policy::OriginOnly));
}

#[test]
fn bytes_or_drawn_verdicts_make_no_difference_to_plays() {
    let text = "length = '2min'\nbytes = true\n[listeners]\ncount = 6\n[adversaries]\npercent = 20";
    let run = |text: &str| {
        let scenario = Scenario::parse(text).expect("a scenario");
        let world = World::new(&scenario, 5, "plain", &|birth| Box::new(Plain::new(birth, Break::Nothing)));
        world.run(Until::default()).unwrap_or_else(|violation| panic!("{violation}"))
    };
    let (real, drawn) = (run(text), run(&text.replace("bytes = true", "")));
    assert_eq!(real.plays, drawn.plays);
    assert_eq!(real.bytes.sum(), drawn.bytes.sum());
    assert!(real.corrupt_bytes > 0, "the adversary sent bad bytes, and the verifier saw them");
}
