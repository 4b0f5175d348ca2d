//! Does nothing at all: what an oracle would do is reckoned when the evening is over ([`crate::oracle`]).

use nearcast_engine::Time;
use nearcast_engine::swarm::{Input, InputError, Output, Reason};

use super::{Agent, Bounds, SimVerdict};

/// Waits.
#[derive(Debug)]
pub(super) struct Onlooker;

impl Agent for Onlooker {
    fn handle_input(&mut self, _now: Time, _input: Input<SimVerdict>) -> Result<(), InputError> {
        Ok(())
    }

    fn poll_output(&mut self) -> Output {
        Output::Timeout(Time::NEVER, Reason::Idle)
    }

    fn bounds(&self) -> Bounds {
        Bounds::Own
    }
}
