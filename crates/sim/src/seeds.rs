//! Many seeds on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::invariants::Violation;
use crate::outcome::Outcome;
use crate::world::Until;
use crate::{Policy, Scenario, simulate};

/// Runs the world that `scenario` makes of each of `seeds` with each of `policies`, as many worlds at once as there are `threads`, and calls `done` after
/// each. The results are in the order of seeds, then of policies, whatever ran first.
pub fn run_seeds(
    scenario: &(dyn Fn(u64) -> Scenario + Sync),
    seeds: &[u64],
    policies: &[Policy],
    threads: usize,
    done: &(dyn Fn() + Sync),
) -> Vec<Result<Outcome, Box<Violation>>> {
    let worlds: Vec<(u64, Policy)> =
        seeds.iter().flat_map(|seed| policies.iter().map(|policy| (*seed, *policy))).collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, worlds.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((seed, policy)) = worlds.get(index) else { return };
                    let result = simulate(&scenario(*seed), *seed, *policy, Until::default());
                    // A thread that panicked has nothing half-written here.
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, result));
                    done();
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
