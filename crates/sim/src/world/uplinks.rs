//! What nodes see of the paths that their agents watch: round trips, ways, what was acknowledged.

use nearcast_engine::swarm::{Input, PathReport, PeerId, UPLINK_TICK};

use super::{Event, World};
use crate::network::ChannelKey;
use crate::node::{Served, Who};

/// Longer waits count as this long, in milliseconds.
const LONGEST_WAIT: usize = 10_000;

impl World<'_> {
    /// A node begins to serve a peer.
    pub(super) fn serves(&mut self, who: Who, peer: PeerId, channel: ChannelKey) {
        if !self.is_engine(who) {
            return;
        }
        let now = self.now;
        let Some(left) = self.network.has_left(now, channel) else { return };
        let Some(node) = self.node(who) else { return };
        if node.served.is_empty() {
            self.queue.push(now + UPLINK_TICK, Event::Reports(who));
        }
        if let Some(node) = self.node(who) {
            node.served.entry(peer).or_insert(Served { channel, left });
        }
    }

    /// A node tells its agent of the paths that it watches.
    pub(super) fn report_paths(&mut self, who: Who) {
        let now = self.now;
        let Some(node) = self.node(who) else { return };
        let mut served = std::mem::take(&mut node.served);
        let mut reports = Vec::with_capacity(served.len());
        let up = node.pipes.up;
        served.retain(|peer, path| {
            let Some((_, connection, end)) = self.connection(who, *peer) else { return false };
            // The other side has closed it, and we are to hear of it.
            let Some(left) = self.network.has_left(now, path.channel) else { return false };
            let acked = left - path.left;
            path.left = left;
            let there = connection.one_way(&self.network, now, end);
            let rtt = there + connection.one_way(&self.network, now, 1 - end);
            if self.watches(who, *peer) {
                // Stamps come and go although nothing else does.
                reports.push(PathReport { peer: *peer, rtt: Some(rtt), one_way: Some(there), acked });
            }
            true
        });
        let waits = usize::try_from(self.network.waits_before(now, up).millis()).unwrap_or(usize::MAX);
        self.note_wait(waits);
        if let Some(node) = self.node(who) {
            node.served = served;
        }
        self.tell(who, Input::Uplink(reports));
        let Some(node) = self.node(who) else { return };
        let Some(agent) = &node.agent else { return };
        node.served.retain(|peer, _| agent.watches(*peer));
        if !node.served.is_empty() {
            self.queue.push(now + UPLINK_TICK, Event::Reports(who));
        }
    }

    fn watches(&self, who: Who, peer: PeerId) -> bool {
        self.nodes[who.node as usize].agent.as_ref().is_some_and(|agent| agent.watches(peer))
    }

    fn note_wait(&mut self, millis: usize) {
        let millis = millis.min(LONGEST_WAIT);
        if self.uplink_queues.len() <= millis {
            self.uplink_queues.resize(millis + 1, 0);
        }
        self.uplink_queues[millis] += 1;
    }
}
