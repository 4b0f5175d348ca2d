//! The part of the router that says what each source could do for a run.

use super::Swarm;
use super::api::*;
use super::crowd::Around;
use super::fetch::{Pick, first_of};
use super::objects::ObjectIx;
use super::peers::Peer;
use super::pick::{Crowd, Offer, OriginOffer, Promise, surely};
use super::runs::Asked;
use crate::time::Span;

/// Peers that are found out about at the same time: more would fill a slow line.
const MAX_PROBES: usize = 3;

impl Swarm {
    /// Which of the peers that are free could bring a run, and how soon.
    pub(super) fn offers(&self, pick: &Pick, around: &Around) -> Vec<Offer> {
        if self.holds_out(pick.swarm) {
            return Vec::new();
        }
        let object = self.objects.get(pick.object);
        let mut offers = Vec::new();
        let probes = || self.peers.iter().filter(|(_, peer)| peer.probed()).count();
        let mut probed = None;
        let reach = self.within_reach(pick);
        for (id, peer) in around.free.iter().filter_map(|id| Some((*id, self.peers.get(*id)?))) {
            let stranger = !peer.pipe.measured() && !pick.starting;
            if stranger && *probed.get_or_insert_with(probes) >= MAX_PROBES {
                continue;
            }
            let blocks = peer.run_of(pick.object, first_of(reach, self.longest_of(peer, pick)));
            let owes = || pick.hedge && self.runs.owes(Asked::Peer(id), pick.object, pick.blocks);
            if !blocks.is_empty() && !owes() {
                let takes = peer.expected(self.now, object.size.bytes_of(blocks).len());
                let proven = peer.pipe.measured();
                offers.push(Offer { peer: id, nearness: peer.nearness, takes, proven });
            }
        }
        offers
    }

    /// How long until a peer that holds a run and has enough to do, or is being probed, would have brought it.
    pub(super) fn busy(&self, pick: &Pick, bytes: u64, around: &Around) -> Option<Span> {
        if self.holds_out(pick.swarm) {
            return None;
        }
        let holders = around.holders.iter().filter_map(|id| self.peers.get(*id));
        let brings = |p: &&Peer| {
            let serves = p.serves_now(self.now) && p.is_at_work();
            serves && !p.run_of(pick.object, first_of(pick.blocks, 1)).is_empty()
        };
        holders.filter(brings).map(|p| surely(p.expected(self.now, bytes), p.pipe.measured())).min()
    }

    /// The first answer that a start may wait for.
    pub(super) fn promise(&self, pick: &Pick, bytes: u64) -> Option<Promise> {
        let asks = pick.starting && !pick.hedge && !self.holds_out(pick.swarm);
        asks.then(|| self.peers.promise(self.now, pick.object, bytes)).flatten()
    }

    /// What the origin could do for a run that a crowd may bring, of which `ahead` are ahead of our new play.
    pub(super) fn origin_offer(
        &self,
        pick: &Pick,
        (crowd, ahead): (Crowd, usize),
        piece: u64,
        bytes: u64,
    ) -> Option<OriginOffer> {
        if pick.peers_only || !self.at_origin(pick.object) {
            return None;
        }
        let owes = || self.runs.owes(Asked::Origin, pick.object, pick.blocks);
        let owes = pick.hedge && owes() && self.stuck_at_origin(pick).is_none();
        let takes = self.origin.expected(bytes);
        let urgent = pick.starting || pick.due <= self.now + self.tuning.urgent;
        // Several at once divide its line: where that is slow, what is due first would come as late as the last.
        let quick = takes <= self.tuning.quick || self.origin.pipe.runs() == 0 || self.origin.ends();
        let first = || !self.runs.of_origin_by(self.now + self.tuning.urgent);
        // What follows the first of a start may come of others by then.
        let first_of_start = pick.starting && (pick.opens || crowd == Crowd::Nobody);
        let room = quick || first_of_start || (urgent && first());
        // A second run, of a play that is new, so that the line is not idle between two: unless all of a crowd begin.
        let next = ahead > 0 && pick.reading && self.origin.pipe.runs() < 2;
        let ready = self.origin_ready() && !owes && (room || next);
        let ample = self.origin_is_ample(pick);
        Some(OriginOffer { takes, takes_piece: self.origin.expected(piece), ready, ample })
    }

    /// Whether the origin may be asked for a run.
    pub(super) fn origin_ready(&self) -> bool {
        self.origin.ready(self.now, |since| self.runs.of_origin_since(since))
    }

    /// Whether the origin may have an object, as far as is known.
    pub(super) fn at_origin(&self, object: ObjectIx) -> bool {
        self.settings.origin != OriginUse::Never && self.objects.get(object).gone_until <= self.now
    }
}
