//! Rendezvous of the baselines: a tracker that knows who came last and nothing about places.
//!
//! It speaks as the production directory does, so that the world need not know which of the two it has.

use std::collections::{BTreeMap, VecDeque};

use nearcast_content::NodeKey;
use nearcast_engine::directory::{Found, Input, Output, SessionId};
use nearcast_engine::limits::LEASE;
use nearcast_engine::wire::directory::Holding;
use nearcast_engine::wire::{SwarmId, Ways};
use nearcast_engine::{Nearness, Span, Time};

/// What a tracker remembers and tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerSpec {
    /// Holders remembered of a title, the latest; those who went are among them until others take their place.
    pub remembers: usize,
    /// Holders told to one who asks, the latest that are there.
    pub tells: usize,
    /// When one who asked may ask again.
    pub again: Span,
    /// Whether nodes also ask the neighbours of their neighbours.
    pub overlay: bool,
}

/// A tracker.
#[derive(Debug)]
pub(super) struct Tracker {
    spec: TrackerSpec,
    titles: BTreeMap<SwarmId, VecDeque<(NodeKey, Holding)>>,
    nodes: BTreeMap<SessionId, NodeKey>,
    sessions: BTreeMap<NodeKey, SessionId>,
    outputs: VecDeque<Output>,
}

impl Tracker {
    pub(super) fn new(spec: TrackerSpec) -> Self {
        Self {
            spec,
            titles: BTreeMap::new(),
            nodes: BTreeMap::new(),
            sessions: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn handle_input(&mut self, input: Input) {
        match input {
            Input::Opened { session, node, .. } => {
                self.nodes.insert(session, node);
                self.sessions.insert(node, session);
                self.outputs.push_back(Output::Admitted { session, lease: LEASE });
            }
            Input::Closed { session } => {
                if let Some(node) = self.nodes.remove(&session) {
                    self.sessions.remove(&node);
                }
            }
            Input::Announced { session, added, removed } => {
                let Some(node) = self.nodes.get(&session).copied() else { return };
                removed.into_iter().for_each(|swarm| self.forget(swarm, node));
                added.into_iter().for_each(|holding| self.remember(holding, node));
            }
            Input::Lookup { session, query, swarm, .. } => {
                let holders = self.latest(session, swarm);
                let again = self.spec.again;
                self.outputs.push_back(Output::Answer { session, query, holders, again });
            }
            Input::Timeout | Input::Renewed { .. } | Input::Signal { .. } => {}
        }
    }

    pub(super) fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Timeout(Time::NEVER))
    }

    fn forget(&mut self, swarm: SwarmId, node: NodeKey) {
        if let Some(holders) = self.titles.get_mut(&swarm) {
            holders.retain(|(other, _)| *other != node);
        }
    }

    fn remember(&mut self, holding: Holding, node: NodeKey) {
        let swarm = holding.swarm;
        self.forget(swarm, node);
        let holders = self.titles.entry(swarm).or_default();
        holders.push_front((node, holding));
        holders.truncate(self.spec.remembers);
    }

    fn latest(&self, asker: SessionId, swarm: SwarmId) -> Vec<Found> {
        let holders = self.titles.get(&swarm).into_iter().flatten();
        let there = holders.filter_map(|(node, holding)| {
            let session = self.sessions.get(node).copied().filter(|session| *session != asker)?;
            Some(Found { session, node: *node, nearness: Nearness::Far, holding: *holding, ways: Ways::QUIC })
        });
        there.take(self.spec.tells).collect()
    }
}

#[cfg(test)]
mod tests {
    use nearcast_engine::Place;
    use nearcast_engine::wire::Serves;

    use super::*;

    #[test]
    fn the_latest_that_are_there_are_told() {
        let mut tracker =
            Tracker::new(TrackerSpec { remembers: 3, tells: 2, again: Span::from_secs(60), overlay: false });
        let swarm = SwarmId([7; 16]);
        for n in 1..=5_u8 {
            let (session, node) = (SessionId(n.into()), NodeKey([n; 32]));
            let (place, serves) = (Place::default(), Serves::Others);
            tracker.handle_input(Input::Opened { session, node, place, serves, ways: Ways::QUIC });
            let added = vec![Holding { swarm, renditions: 1, coverage: 1 }];
            tracker.handle_input(Input::Announced { session, added, removed: Vec::new() });
        }
        let ask = |tracker: &mut Tracker| {
            while !matches!(tracker.poll_output(), Output::Timeout(_)) {}
            tracker.handle_input(Input::Lookup { session: SessionId(1), query: 1, swarm, renditions: 1 });
            let Output::Answer { holders, .. } = tracker.poll_output() else { panic!("an answer") };
            holders.iter().map(|found| found.session.0).collect::<Vec<_>>()
        };
        assert_eq!(ask(&mut tracker), [5, 4]);
        tracker.handle_input(Input::Closed { session: SessionId(5) });
        assert_eq!(ask(&mut tracker), [4, 3], "the fifth is remembered, and not there");
        tracker.handle_input(Input::Closed { session: SessionId(4) });
        assert_eq!(ask(&mut tracker), [3]);
    }
}
