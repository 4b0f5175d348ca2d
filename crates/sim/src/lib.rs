//! A simulated world that drives the Nearcast engine, unchanged, from one seed.
//!
//! Nodes here are the production [`Swarm`](nearcast_engine::Swarm) and
//! [`Directory`](nearcast_engine::directory::Directory) with a simulated shell: links, households, operators,
//! an origin, players, listeners who skip and seek, nodes that drop off, nodes that lie. Everything random is
//! drawn from the seed and nothing is computed with platform floating point, so a world repeats itself on any
//! machine, and its trace hash proves it.
//!
//! The world contains no decision about delivery: which run of whom, in which order, what is kept. Those are
//! in [`agent`]s, of which the engine is one and baselines are others; worlds with the same scenario and seed
//! are paired, and differ in their agents alone. After every event invariants are checked, and a violation
//! names the command that shows it again.
//!
//! ```
//! use nearcast_sim::{Policy, Scenario, Until, simulate};
//!
//! let scenario = Scenario::parse("[listeners]\ncount = 2")?;
//! let outcome = simulate(&scenario, 7, Policy::OriginOnly, Until::default())?;
//! assert!(outcome.plays.played > 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod access_log;
pub mod agent;
mod arena;
mod catalogue;
mod choice;
mod explain;
mod fixed;
mod invariants;
mod network;
mod node;
mod oracle;
mod outcome;
mod plan;
mod player;
mod queue;
mod random;
mod reach;
mod scenario;
mod seeds;
mod series;
pub mod show;
mod store;
mod trace;
mod world;

pub use agent::{Policy, UnknownPolicy};
pub use invariants::{Broken, Violation};
pub use oracle::Foresight;
pub use outcome::{
    BadPlay, Bound, Bytes, Census, Gap, HoldOut, Memory, OriginRequests, Outcome, PlayCounts, Popularity,
    Quantiles, Stalls, Startup, Step, Waste, Why, Worst,
};
pub use scenario::{SHIPPED, Scenario, ScenarioError, parse_span};
pub use seeds::{run_seeds, run_worlds};
pub use world::{Passing, Rendezvous, TrackerSpec, Until, World};

/// As [`simulate`], and says what nobody could have done better in the same evening ([`Outcome::bound`]).
///
/// # Errors
/// With the first invariant that is broken.
pub fn simulate_with_bound(
    scenario: &Scenario,
    seed: u64,
    policy: Policy,
    until: Until,
) -> Result<Outcome, Box<Violation>> {
    World::new(scenario, seed, policy.name(), &|birth| policy.make(birth))
        .under(policy)
        .with_bound()
        .run(until)
}

/// Runs the world of `scenario` and `seed` with agents of `policy`.
///
/// # Errors
/// With the first invariant that is broken.
pub fn simulate(
    scenario: &Scenario,
    seed: u64,
    policy: Policy,
    until: Until,
) -> Result<Outcome, Box<Violation>> {
    World::new(scenario, seed, policy.name(), &|birth| policy.make(birth)).under(policy).run(until)
}
