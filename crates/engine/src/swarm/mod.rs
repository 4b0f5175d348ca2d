//! The peer's side of delivery: what to fetch, from whom, by when, whom to serve, what to keep, whom to connect.

mod api;

use std::collections::VecDeque;

use nearcast_content::{NodeKey, ProviderKey};

use crate::time::{Span, Time};
use crate::verdict::Verdict;

pub use api::*;

/// One node's part in the swarms of one provider.
#[derive(Debug)]
pub struct Swarm {
    now: Time,
    outputs: VecDeque<Output>,
}

impl Swarm {
    /// A swarm of the node with key `me`, of `provider`. All its chances come from `seed`.
    pub fn new(_seed: u64, _me: NodeKey, _provider: ProviderKey, _settings: Settings) -> Self {
        Self { now: Time::ZERO, outputs: VecDeque::new() }
    }

    /// Takes what happened at `now`. An error is a mistake of the shell and changes nothing; what peers send
    /// wrong is never an error here.
    pub fn handle_input<V: Verdict>(&mut self, now: Time, _input: Input<V>) -> Result<(), InputError> {
        if now < self.now {
            return Err(InputError::TimeWentBack(self.now, now));
        }
        self.now = now;
        Ok(())
    }

    /// The next thing to do. `Output::Timeout` means: nothing until an input or that moment.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Timeout(self.now + Span::FOREVER, Reason::Idle))
    }
}
