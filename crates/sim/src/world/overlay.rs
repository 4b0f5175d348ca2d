//! The search of a baseline through the neighbours of its neighbours, which its tracker knows nothing of.
//!
//! The wire has no message for it, so the world carries the question: it reaches whoever is two connections away, and
//! those who have all of the title answer whoever asked.

use std::collections::BTreeSet;

use nearcast_content::NodeKey;
use nearcast_engine::swarm::{Candidate, Input};
use nearcast_engine::wire::SwarmId;
use nearcast_engine::{Nearness, Span};

use super::{Event, Rendezvous, World};
use crate::node::Who;

impl World<'_> {
    /// A node asks its neighbours' neighbours for a title, where its kind does so.
    pub(super) fn search_overlay(&mut self, who: Who, swarm: SwarmId) {
        let Rendezvous::Tracker(spec) = self.supernode.rendezvous() else { return };
        let Some(title) = self.catalogue.title_of_swarm(swarm).filter(|_| spec.overlay) else { return };
        let (object, size) = {
            let object = self.catalogue.title(title).object_of(0);
            (object, self.catalogue.object(object).size)
        };
        let near = self.neighbours_of(who);
        // Its neighbours were asked over their own connections.
        let mut asked: BTreeSet<u32> = near.iter().map(|(neighbour, _)| neighbour.node).collect();
        asked.insert(who.node);
        let mut found = Vec::new();
        let mut farthest = Span::ZERO;
        for (neighbour, there) in near {
            for (other, on) in self.neighbours_of(neighbour) {
                let holds = |node: &super::Node| node.store.holds(object, size.all());
                if asked.insert(other.node)
                    && self.audience.listeners[other.node as usize].serves()
                    && self.nodes.get(other.node as usize).is_some_and(holds)
                {
                    found.push(self.audience.listeners[other.node as usize].node);
                    farthest = farthest.max(there + on);
                }
            }
        }
        if !found.is_empty() {
            // What is found answers directly, and no sooner than it was asked.
            self.queue.push(self.now + farthest.times(2), Event::Searched(who, swarm, found));
        }
    }

    /// Those who answer a search.
    pub(super) fn searched(&mut self, who: Who, swarm: SwarmId, found: &[NodeKey]) {
        let Rendezvous::Tracker(spec) = self.supernode.rendezvous() else { return };
        let holder = |node: &NodeKey| Candidate {
            node: *node,
            nearness: Nearness::Far,
            renditions: 1,
            coverage: u64::MAX,
        };
        let holders = found.iter().map(holder).collect();
        self.tell(who, Input::Found { swarm, holders, again: spec.again });
    }

    /// Whom a node is connected to, and how far away each is.
    fn neighbours_of(&self, who: Who) -> Vec<(Who, Span)> {
        let Some(node) = self.nodes.get(who.node as usize).filter(|node| node.life == who.life) else {
            return Vec::new();
        };
        let lines = node.peers.iter().filter_map(|peer| self.connection(who, *peer));
        lines.map(|(_, line, end)| (line.ends[1 - end], line.delay)).collect()
    }
}
