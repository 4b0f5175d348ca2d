//! Why agents ask the origin for what others have: how things stood at the moment they asked.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_content::{BlockRange, NodeKey};
use nearcast_engine::swarm::{Input, RequestId};

use super::World;
use crate::agent::SimVerdict;
use crate::catalogue::ObjectIx;
use crate::node::Who;
use crate::oracle::block_of_part;
use crate::outcome::{Gap, Why};
use crate::plan::{Honesty, Listener};
use crate::scenario::Harm;

/// What was seen while agents asked.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Whom a node was told of, ever.
    told_of: BTreeSet<(u32, u32)>,
    /// Connects that have not come to their end.
    dialing: BTreeSet<(u32, u32)>,
    /// How things stood when a node last asked the origin for a block: by node, title and block of the title.
    asked: BTreeMap<(u32, u32, u32), (When, Cause)>,
}

/// What the player was at.
#[derive(Clone, Copy, Debug)]
enum When {
    /// It waited for its start.
    Start,
    /// It played the title.
    Play,
    /// It played another title.
    Before,
}

/// How things stood, from what was closest to a block from a peer to what was farthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Raced,
    Idle,
    Busy,
    Connecting,
    Unconnected,
    Untold,
    NotHad,
    Nobody,
}

impl World<'_> {
    /// An agent is handed an input.
    pub(super) fn gap_hears(&mut self, who: Who, input: &Input<SimVerdict>) {
        let Some(gaps) = &mut self.gaps else { return };
        if let Input::Found { holders, .. } = input {
            let known = holders.iter().filter_map(|holder| self.by_key.get(&holder.node));
            gaps.told_of.extend(known.map(|other| (who.node, *other)));
        }
    }

    /// An agent connects.
    pub(super) fn gap_dials(&mut self, who: Who, node: NodeKey) {
        if let (Some(gaps), Some(other)) = (&mut self.gaps, self.by_key.get(&node)) {
            gaps.dialing.insert((who.node, *other));
        }
    }

    /// A connect came to its end.
    pub(super) fn gap_dialed(&mut self, who: Who, other: u32) {
        if let Some(gaps) = &mut self.gaps {
            gaps.dialing.remove(&(who.node, other));
        }
    }

    /// An agent asks the origin.
    pub(super) fn gap_asks(&mut self, who: Who, request: RequestId, object: ObjectIx, blocks: BlockRange) {
        if self.gaps.is_none() {
            return;
        }
        let catalogue = self.catalogue.clone();
        let title = catalogue.title_of(object);
        let of = catalogue.title(title);
        let when = match &self.nodes[who.node as usize].player {
            Some(player) if player.title != title => When::Before,
            Some(player) if player.report.started_after.is_none() => When::Start,
            Some(_) | None => When::Play,
        };
        let others = self.could_give(who, title, object);
        for block in blocks.iter() {
            let cause = match self.comes_from_peer(who, request, object, block) {
                true => Cause::Raced,
                false => self.closest(&others, object, block),
            };
            let key = (who.node, title, block_of_part(of, of.part_of(object), block));
            if let Some(gaps) = &mut self.gaps {
                gaps.asked.insert(key, (when, cause));
            }
        }
    }

    /// Who is there, can be reached, serves, and was told of a title; and how things stand if it has what is asked for. The
    /// closest come first.
    fn could_give(&self, who: Who, title: u32, object: ObjectIx) -> Vec<(Cause, u32)> {
        let told = self.record.as_ref().map(|record| record.who_knows(title)).unwrap_or_default();
        let lines = self.nodes[who.node as usize].peers.iter().filter_map(|peer| self.connection(who, *peer));
        let connected: BTreeSet<u32> = lines.map(|(_, line, end)| line.ends[1 - end].node).collect();
        let could = |other: &u32| {
            *other != who.node
                && self.nodes[*other as usize].agent.is_some()
                && gives(&self.audience.listeners[*other as usize])
                && self.reach().connects(who.node, *other)
        };
        let stands = |other: u32| {
            let peer = &self.nodes[other as usize];
            let seen = |set: fn(&Gaps) -> &BTreeSet<(u32, u32)>| {
                self.gaps.as_ref().is_some_and(|gaps| set(gaps).contains(&(who.node, other)))
            };
            match (peer.store.has(object), connected.contains(&other)) {
                (false, _) => Cause::NotHad,
                (true, true) if peer.going.is_empty() => Cause::Idle,
                (true, true) => Cause::Busy,
                (true, false) if seen(|gaps| &gaps.dialing) => Cause::Connecting,
                (true, false) if seen(|gaps| &gaps.told_of) => Cause::Unconnected,
                (true, false) => Cause::Untold,
            }
        };
        let mut others: Vec<(Cause, u32)> =
            told.into_iter().filter(could).map(|other| (stands(other), other)).collect();
        others.sort_unstable();
        others
    }

    /// Whether a block is on its way from a peer already.
    fn comes_from_peer(&self, who: Who, request: RequestId, object: ObjectIx, block: u32) -> bool {
        self.nodes[who.node as usize].coming.iter().any(|(id, coming)| {
            let of_it = coming.object == object && coming.next <= block && coming.blocks.contains(block);
            *id != request && coming.peer.is_some() && of_it
        })
    }

    /// How things stand with the closest who has a block.
    fn closest(&self, others: &[(Cause, u32)], object: ObjectIx, block: u32) -> Cause {
        let blocks = BlockRange::new(block, block + 1);
        let has = |other: u32| self.nodes[other as usize].store.holds(object, blocks);
        let found = others.iter().find(|(cause, other)| *cause < Cause::NotHad && has(*other));
        let none = if others.is_empty() { Cause::Nobody } else { Cause::NotHad };
        found.map_or(none, |(cause, _)| *cause)
    }

    /// A player played a block that came from the origin, and that somebody could have given.
    pub(super) fn gap_counts(&self, gap: &mut Gap, (node, title, block): (u32, u32, u32), bytes: u64) {
        let asked = self.gaps.as_ref().and_then(|gaps| gaps.asked.get(&(node, title, block)));
        let Some((when, cause)) = asked else { return };
        let why = match when {
            When::Start => &mut gap.start,
            When::Play => &mut gap.play,
            When::Before => &mut gap.before,
        };
        *why.of(*cause) += bytes;
    }
}

impl Why {
    fn of(&mut self, cause: Cause) -> &mut u64 {
        match cause {
            Cause::Raced => &mut self.raced,
            Cause::Idle => &mut self.idle,
            Cause::Busy => &mut self.busy,
            Cause::Connecting => &mut self.connecting,
            Cause::Unconnected => &mut self.unconnected,
            Cause::Untold => &mut self.untold,
            Cause::NotHad => &mut self.not_had,
            Cause::Nobody => &mut self.nobody,
        }
    }
}

fn gives(listener: &Listener) -> bool {
    let silent = matches!(listener.honesty, Honesty::Adversary(Harm::Stall | Harm::OfferAll));
    listener.serves() && !silent
}
