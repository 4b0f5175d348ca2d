//! How a title can pass from one node to the next in the course of an evening.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use nearcast_content::{BlockRange, BlockSet};
use nearcast_engine::{Nearness, Time};

use super::Evening;
use super::record::meet;

/// A node that heard of a title.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) node: u32,
    /// From when on it may have something of it, or ask for it.
    pub(super) from: Time,
    /// It has had all of it since an earlier evening.
    pub(super) holds: bool,
    /// It takes part in sharing.
    pub(super) shares: bool,
    /// It hands on what it has.
    pub(super) gives: bool,
}

/// The nodes that heard of one title, and when each wanted which of its blocks first ([`Time::NEVER`] for not).
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread<'s> {
    pub(super) evening: &'s Evening<'s>,
    pub(super) members: &'s [Member],
    /// Nothing for those who wanted none.
    pub(super) needs: &'s [Vec<Time>],
}

/// A copy that the origin could have sent: when it could have reached whom at the earliest.
struct Copy {
    /// By place among those who lack something.
    reaches: Vec<Time>,
    /// Somebody who costs the origin a copy could have lived on it.
    taken: bool,
}

impl Spread<'_> {
    /// What of the title's blocks each member has to get from the origin: a bound, see the module above.
    pub(super) fn sent_by_origin(&self, blocks: u32) -> Vec<BlockSet> {
        let mut origin = vec![BlockSet::EMPTY; self.members.len()];
        let held = (0..self.members.len()).filter(|at| self.members[*at].holds);
        let here = self.earliest(held.map(|at| (at, self.members[at].from)), &[]);
        let lacks = |at: &usize| self.needs[*at].iter().any(|need| *need < here[*at]);
        let lacking: Vec<usize> = (0..self.members.len()).filter(lacks).collect();
        let mut copies = self.copies(&lacking, &here);
        for block in 0..blocks {
            let need = |at: usize| self.needs[at].get(block as usize).copied().unwrap_or(Time::NEVER);
            let mut wanting: Vec<(Time, usize)> = (0..lacking.len())
                .map(|place| (need(lacking[place]), place))
                .filter(|(at, place)| *at < here[lacking[*place]])
                .collect();
            wanting.sort_unstable();
            copies.iter_mut().for_each(|copy| copy.taken = false);
            for (by, place) in wanting {
                let helps = |copy: &&mut Copy| copy.reaches[place] <= by;
                if copies.iter_mut().filter(helps).any(|copy| copy.taken) {
                    continue;
                }
                copies.iter_mut().filter(helps).for_each(|copy| copy.taken = true);
                origin[lacking[place]].insert(BlockRange::new(block, block + 1));
            }
        }
        origin
    }

    /// Copies that the origin could have sent to somebody who passes them on to two or more of those who lack something.
    ///
    /// A copy that comes to a node after the title itself could have come there is of no use to anybody: whom it helps
    /// could have been helped without.
    fn copies(&self, lacking: &[usize], here: &[Time]) -> Vec<Copy> {
        if lacking.len() < 2 {
            return Vec::new();
        }
        let first = (0..self.members.len()).filter(|at| self.members[*at].from < here[*at]);
        let reaches = first.map(|at| self.earliest([(at, self.members[at].from)].into_iter(), here));
        let copies = reaches.map(|reaches| lacking.iter().map(|at| reaches[*at]).collect::<Vec<Time>>());
        let useful = |reaches: &Vec<Time>| reaches.iter().filter(|at| **at != Time::NEVER).count() > 1;
        copies.filter(useful).map(|reaches| Copy { reaches, taken: false }).collect()
    }

    /// When each member could have the title at the earliest, when those named have it from these moments on;
    /// [`Time::NEVER`] for whom it does not reach, or not before `limits` where there are any.
    fn earliest(&self, have: impl Iterator<Item = (usize, Time)>, limits: &[Time]) -> Vec<Time> {
        let mut here = vec![Time::NEVER; self.members.len()];
        let mut next: BinaryHeap<Reverse<(Time, usize)>> = BinaryHeap::new();
        for (at, from) in have {
            here[at] = from;
            next.push(Reverse((from, at)));
        }
        let limit = |at: usize| limits.get(at).copied().unwrap_or(Time::NEVER);
        let can_improve = |here: &[Time], at: usize| {
            self.members[at].shares && here[at] > self.members[at].from && limit(at) > self.members[at].from
        };
        let mut open: Vec<usize> = (0..self.members.len()).filter(|at| can_improve(&here, *at)).collect();
        while let Some(Reverse((since, giver))) = next.pop() {
            let from = self.members[giver];
            if since > here[giver] || !(from.gives && from.shares) {
                continue;
            }
            open.retain(|at| {
                if let Some(moment) =
                    self.passes(giver, *at, since).filter(|m| *m < here[*at].min(limit(*at)))
                    && self.evening.reach.connects(from.node, self.members[*at].node)
                {
                    here[*at] = moment;
                    next.push(Reverse((moment, *at)));
                }
                can_improve(&here, *at)
            });
        }
        here
    }

    /// The first moment at which one could pass the title on that it has since then, if they could connect.
    fn passes(&self, giver: usize, taker: usize, since: Time) -> Option<Time> {
        let (a, b) = (self.members[giver], self.members[taker]);
        let record = self.evening.record;
        meet(record.online(a.node), record.online(b.node), since.max(b.from)).filter(|_| giver != taker)
    }

    /// How near somebody is at best who could have given a member something of the title.
    pub(super) fn nearest(&self, taker: usize) -> Nearness {
        let own = self.members[taker];
        let last = self.needs[taker].iter().filter(|need| **need != Time::NEVER).max();
        let last = last.copied().unwrap_or(Time::NEVER);
        let could = |at: usize, near: Nearness| {
            let from = self.members[at];
            from.gives
                && from.shares
                && self.evening.reach.nearness(from.node, own.node) <= near
                && self.passes(at, taker, from.from).is_some_and(|moment| moment <= last)
                && self.evening.reach.connects(from.node, own.node)
        };
        let near = [Nearness::Lan, Nearness::Isp, Nearness::Country];
        let found = near.into_iter().find(|near| (0..self.members.len()).any(|at| could(at, *near)));
        found.unwrap_or(Nearness::Far)
    }
}
