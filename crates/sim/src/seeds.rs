//! Many seeds on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nearcast_engine::Span;

use crate::invariants::Violation;
use crate::outcome::Outcome;
use crate::world::{Until, World};
use crate::{Policy, Scenario};

/// Runs the world that `scenario` makes of each of `seeds` with each of `policies`, as many worlds at once as
/// there are `threads`. `passing` is called with simulated time that has passed in any of them. The results are in
/// the order of seeds, then of policies, whatever ran first.
pub fn run_seeds(
    scenario: &(dyn Fn(u64) -> Scenario + Sync),
    seeds: &[u64],
    policies: &[Policy],
    threads: usize,
    passing: &(dyn Fn(Span) + Sync),
) -> Vec<Result<Outcome, Box<Violation>>> {
    run_worlds(&|seed| (scenario(seed), seed), seeds, policies, threads, passing)
}

/// As [`run_seeds`], where each number makes a scenario and a seed of its own.
pub fn run_worlds(
    draw: &(dyn Fn(u64) -> (Scenario, u64) + Sync),
    seeds: &[u64],
    policies: &[Policy],
    threads: usize,
    passing: &(dyn Fn(Span) + Sync),
) -> Vec<Result<Outcome, Box<Violation>>> {
    let worlds: Vec<(u64, Policy)> =
        seeds.iter().flat_map(|seed| policies.iter().map(|policy| (*seed, *policy))).collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let run = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((seed, policy)) = worlds.get(index) else { return };
            let make = |birth| policy.make(birth);
            let (scenario, seed) = draw(*seed);
            let world = World::new(&scenario, seed, policy.name(), &make).under(*policy);
            let result = world.telling(passing).run(Until::default());
            // A thread that panicked has nothing half-written here.
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.clamp(1, worlds.len().max(1)) {
            scope.spawn(run);
        }
        // The thread that asks takes part: it alone is given huge pages, where there are any.
        run();
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
