//! Every decision of a Nearcast node, as state machines that know no runtime: no clock, socket, file, thread,
//! unseeded randomness, hash order or platform floating point.
//!
//! A shell (native node, browser, simulator) drives a machine the same way:
//!
//! 1. Something happened: [`handle_input`](swarm::Swarm::handle_input) with the current [`Time`].
//! 2. Drain [`poll_output`](swarm::Swarm::poll_output) until it answers `Output::Timeout(when, reason)`.
//! 3. Wait for the next happening or for `when`; at `when` hand in `Input::Timeout`. Go to 1.
//!
//! Every effect leaves as an output with an id, and its completion returns as an input with that id. Machines
//! handle ranges and verdicts, never payload.

pub mod channels;
pub mod directory;
pub mod limits;
pub mod place;
mod random;
pub mod swarm;
pub mod time;
pub mod units;
pub mod verdict;
pub mod wire;

pub use place::{Nearness, Place};
pub use swarm::Swarm;
pub use time::{Span, Time};
pub use units::{PlaybackRate, Rate};
pub use verdict::Verdict;
