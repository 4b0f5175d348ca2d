//! The production engine, blindfolded: it does everything as ever, and does not see who is near.

use nearcast_engine::swarm::{Candidate, Footprint, Input, InputError, Output, PeerId};
use nearcast_engine::{Nearness, Time};

use super::{Agent, Birth, Bounds, Nearcast, SimVerdict};

/// The engine without knowledge of places.
#[derive(Debug)]
pub struct IspBlind(Nearcast);

impl IspBlind {
    /// A node's engine.
    pub fn new(birth: Birth) -> Self {
        Self(Nearcast::new(birth))
    }
}

impl Agent for IspBlind {
    fn handle_input(&mut self, now: Time, mut input: Input<SimVerdict>) -> Result<(), InputError> {
        if let Input::Found { holders, .. } = &mut input {
            holders.iter_mut().for_each(|holder| *holder = Candidate { nearness: Nearness::Far, ..*holder });
        }
        if let Input::Connected { nearness, .. } = &mut input {
            *nearness = None;
        }
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
