//! What nodes that serve see of their paths, as the shells do: round trips, ways, what was acknowledged.

use std::collections::BTreeSet;

use nearcast_engine::swarm::{Input, PathReport, PeerId, UPLINK_TICK};

use super::{Event, World};
use crate::network::ChannelKey;
use crate::node::{Served, Who};

/// Messages and stamps alone are less than this within a tick.
const IDLE_BYTES: u64 = 1_024;
/// Longer waits count as this long, in milliseconds.
const LONGEST_WAIT: usize = 10_000;

impl World<'_> {
    /// A node begins to serve a peer.
    pub(super) fn serves(&mut self, who: Who, peer: PeerId, channel: ChannelKey) {
        if !self.keeps_engine_bounds(who) {
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

    /// A node looks at its paths, as long as something leaves over them.
    pub(super) fn report_paths(&mut self, who: Who) {
        let now = self.now;
        let Some(node) = self.nodes.get(who.node as usize).filter(|node| node.life == who.life) else {
            return;
        };
        let serving: BTreeSet<PeerId> = node.going.values().map(|(peer, _)| *peer).collect();
        let mut reports = Vec::new();
        let mut served = node.served.clone();
        served.retain(|peer, path| {
            let Some((_, connection, end)) = self.connection(who, *peer) else { return false };
            // The other side has closed it, and we are to hear of it.
            let Some(left) = self.network.has_left(now, path.channel) else { return false };
            let acked = left - path.left;
            path.left = left;
            let there = self.network.one_way(now, path.channel);
            let rtt = there + self.network.one_way(now, connection.channels[1 - end]);
            // Stamps come and go although nothing else does.
            reports.push(PathReport { peer: *peer, rtt: Some(rtt), one_way: Some(there), acked });
            acked > IDLE_BYTES || serving.contains(peer)
        });
        let waits =
            usize::try_from(self.network.waits_before(now, node.pipes.up).millis()).unwrap_or(usize::MAX);
        let goes_on = !served.is_empty();
        if let Some(node) = self.node(who) {
            node.served = served;
        }
        if goes_on {
            self.queue.push(now + UPLINK_TICK, Event::Reports(who));
        }
        self.note_wait(waits);
        self.tell(who, Input::Uplink(reports));
    }

    fn note_wait(&mut self, millis: usize) {
        let millis = millis.min(LONGEST_WAIT);
        if self.uplink_queues.len() <= millis {
            self.uplink_queues.resize(millis + 1, 0);
        }
        self.uplink_queues[millis] += 1;
    }
}
