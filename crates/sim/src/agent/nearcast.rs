//! The production engine as an agent: nothing is added, nothing is left out.

use nearcast_engine::swarm::{Footprint, Input, InputError, Output, PeerId, Tuning};
use nearcast_engine::{Swarm, Time};

use super::{Agent, Birth, Bounds, SimVerdict};

/// The engine that runs in nodes.
#[derive(Debug)]
pub struct Nearcast(Swarm);

impl Nearcast {
    /// A node's engine.
    pub fn new(birth: Birth) -> Self {
        Self::with_tuning(birth, Tuning::default())
    }

    /// The same with other constants than those that ship.
    pub fn with_tuning(birth: Birth, tuning: Tuning) -> Self {
        Self(Swarm::with_tuning(birth.seed, birth.node, birth.provider, birth.settings, tuning))
    }
}

impl Agent for Nearcast {
    fn handle_input(&mut self, now: Time, input: Input<SimVerdict>) -> Result<(), InputError> {
        self.0.handle_input(now, input)
    }

    fn poll_output(&mut self) -> Output {
        self.0.poll_output()
    }

    fn watches(&self, peer: PeerId) -> bool {
        self.0.watches(peer)
    }

    fn footprint(&self) -> Footprint {
        self.0.footprint()
    }

    fn bounds(&self) -> Bounds {
        Bounds::Engine
    }
}
