//! Who can reach whom, and how far apart they are: drawn once for each pair, whatever decides in them.

use nearcast_engine::{Nearness, Span};

use crate::plan::Audience;
use crate::random::{Random, Stream};
use crate::scenario::Scenario;

/// One way within a household.
const LAN_DELAY: Span = Span::from_micros(500);

/// The distances of one world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach<'w> {
    scenario: &'w Scenario,
    audience: &'w Audience,
    seed: u64,
}

impl<'w> Reach<'w> {
    /// Of the world of `scenario` and `seed`.
    pub(crate) fn new(scenario: &'w Scenario, audience: &'w Audience, seed: u64) -> Self {
        Self { scenario, audience, seed }
    }

    /// One way from a household to its operator's network.
    pub(crate) fn access(&self, node: u32) -> Span {
        let household = self.audience.listeners[node as usize].household;
        self.audience.households[household as usize].link.delay
    }

    /// How near two nodes are.
    pub(crate) fn nearness(&self, a: u32, b: u32) -> Nearness {
        let place = |node: u32| self.audience.listeners[node as usize].place;
        place(a).nearness(place(b))
    }

    /// How near two nodes are, and how long a packet takes one way without queues.
    pub(crate) fn delay(&self, a: u32, b: u32) -> (Nearness, Span) {
        let near = self.nearness(a, b);
        if near == Nearness::Lan {
            return (near, LAN_DELAY);
        }
        (near, self.access(a) + self.access(b) + distance(near))
    }

    /// Whether two nodes can get a direct path.
    pub(crate) fn connects(&self, a: u32, b: u32) -> bool {
        let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
        let fails = self.scenario.nat.fail_percent;
        let near = self.nearness(a, b);
        if near == Nearness::Lan {
            return true;
        }
        let nat = |node: u32| self.audience.listeners[node as usize].nat;
        let apart = self.scenario.places.own_isp_only && near > Nearness::Isp;
        !apart && nat(a).connects(nat(b)) && !Random::stream(self.seed, Stream::Nat, pair).percent(fails)
    }
}

/// One way between operators, by how near they are: a metro, a country, a continent.
fn distance(near: Nearness) -> Span {
    Span::from_millis(match near {
        Nearness::Lan => 0,
        Nearness::Neighbourhood => 1,
        Nearness::Isp => 4,
        Nearness::Country => 10,
        Nearness::Far => 45,
    })
}
