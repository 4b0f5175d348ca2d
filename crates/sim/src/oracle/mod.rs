//! What nobody can do better: how few bytes must come from the origin, and how soon a play can begin at best.
//!
//! A calculation over an evening, not something that could be run: it knows at every moment who holds what. It is a
//! *bound*, so where it does not know it errs in favour of the audience:
//!
//! - Caches never throw anything out, uplinks bring any rate, connects take no time.
//! - Whoever hears of a title, because it plays it or it is announced as the next, may hold all of it from then on and
//!   hand it on, however little of it is played. With [`Foresight::Clicks`] from its arrival on.
//! - An adversary that spoils some of what it sends is as good a source as any other; a silent one is none.
//! - The origin is always there and never slow, whatever the scenario's faults.
//!
//! It keeps the rules that agents are held to: pairs that cannot connect do not, who does not serve hands on nothing,
//! the hold-out takes no part, nobody gives what has not reached it, by a chain of meetings in the order of time.
//! Nobody stores a title that it never hears of: a network that paid people to store what they do not listen to could
//! do better.
//!
//! # Bytes
//!
//! A block that a listener wants comes free of charge when it can have reached the listener by then from somebody who
//! has had the title since earlier evenings ([`spread`]). For the others the origin has to send something; one copy may
//! do for several listeners. Listeners are counted of whom no two could have lived on the same copy: each of
//! them costs one of its own, whatever anybody does. That is exact where copies pass from one to the next in time, and
//! else too low, never too high.
//!
//! # Starts
//!
//! What was announced may be there before the click. For the rest see [`start`].

mod record;
mod spread;
mod start;

use std::collections::BTreeMap;

use nearcast_content::{BLOCK_SIZE, BlockRange, BlockSet};
use nearcast_engine::swarm::{RunsIn, Source};
use nearcast_engine::{Span, Time};

pub(crate) use self::record::{Begun, Record, Take};
use self::spread::{Member, Spread};
use crate::catalogue::{Catalogue, Title, len_of};
use crate::plan::{Audience, Honesty};
use crate::reach::Reach;
use crate::scenario::{Harm, Scenario};
use crate::store::BySource;

/// What an oracle knows of what listeners will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foresight {
    /// Every click of the evening: it may fetch from a node's arrival on whatever will be played there.
    Clicks,
    /// What agents are told: a title when it is asked for or announced as the next.
    Told,
}

/// An evening that is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evening<'w> {
    pub(crate) scenario: &'w Scenario,
    pub(crate) audience: &'w Audience,
    pub(crate) catalogue: &'w Catalogue,
    pub(crate) reach: Reach<'w>,
    pub(crate) record: &'w Record,
}

/// Told what came of an evening.
pub(crate) trait Hears {
    /// What a player took, by source; nothing of it from the cache.
    fn took(&mut self, take: &Take, from: BySource);
    /// The origin had to send a block of so many bytes at that moment at the latest: to which node, of which title, which.
    fn origin_sent(&mut self, block: (u32, u32, u32), at: Time, bytes: u64);
    /// When a play could have begun at the earliest, from when it was asked for.
    fn could_begin(&mut self, begun: &Begun, after: Span);
}

/// What was wanted of a title, in the order of time.
#[derive(Debug, Default)]
struct Wanted<'w> {
    takes: Vec<&'w Take>,
    begun: Vec<&'w Begun>,
}

impl Evening<'_> {
    /// Goes through the evening title by title.
    pub(crate) fn judge(&self, foresight: Foresight, hears: &mut dyn Hears) {
        let mut wanted: BTreeMap<u32, Wanted<'_>> = BTreeMap::new();
        self.record.takes.iter().for_each(|take| wanted.entry(take.title).or_default().takes.push(take));
        self.record.begun.iter().for_each(|play| wanted.entry(play.title).or_default().begun.push(play));
        for (title, wanted) in wanted {
            let told = self.members(title, Foresight::Told);
            // Who has a choice begins with any rendition, which may be here: nothing bounds that start.
            for begun in wanted.begun.into_iter().filter(|_| !self.catalogue.has_choice()) {
                hears.could_begin(begun, self.could_begin(&told, begun));
            }
            let members = if foresight == Foresight::Told { told } else { self.members(title, foresight) };
            self.judge_title(title, members, &wanted.takes, hears);
        }
    }

    /// Those who heard of a title, and take part in sharing or take nothing but from the origin.
    fn members(&self, title: u32, foresight: Foresight) -> Vec<Member> {
        let told = self.record.told.range((title, 0)..=(title, u32::MAX));
        let members = told.map(|((_, node), at)| {
            let plan = &self.audience.listeners[*node as usize];
            let silent = matches!(plan.honesty, Honesty::Adversary(Harm::Stall | Harm::OfferAll));
            let came = self.record.online(*node).first().map_or(*at, |(from, _)| *from);
            Member {
                node: *node,
                from: if foresight == Foresight::Told { *at } else { came },
                holds: plan.history.contains(&title),
                shares: !plan.holds_out(),
                gives: plan.serves() && !silent,
            }
        });
        members.collect()
    }

    fn judge_title(&self, title: u32, members: Vec<Member>, takes: &[&Take], hears: &mut dyn Hears) {
        let of = self.catalogue.title(title);
        let blocks = block_of(of, of.bytes - 1) + 1;
        let mut needs = vec![Vec::new(); members.len()];
        let place = |node: u32| members.binary_search_by_key(&node, |member| member.node).ok();
        for take in takes {
            let Some(at) = place(take.node) else { continue };
            let needed: &mut Vec<Time> = &mut needs[at];
            needed.resize(blocks as usize, Time::NEVER);
            for block in blocks_of(of, take.bytes).iter() {
                let first = &mut needed[block as usize];
                *first = (*first).min(take.at);
            }
        }
        let spread = Spread { evening: self, members: &members, needs: &needs };
        let from_origin = spread.sent_by_origin(blocks);
        for (at, of_it) in from_origin.iter().enumerate() {
            for block in of_it.ranges().iter().flat_map(|range| range.iter()) {
                let by = needs[at][block as usize];
                hears.origin_sent((members[at].node, title, block), by, len_of_block(of, block));
            }
        }
        let mut nearest = vec![None; members.len()];
        for take in takes {
            let Some(at) = place(take.node) else { continue };
            let near = *nearest[at].get_or_insert_with(|| spread.nearest(at));
            hears.took(take, split(of, take, &from_origin[at], Source::Peer(near, RunsIn::Program)));
        }
    }
}

/// The bytes of a take, from the origin where `origin` has the block, else from a peer.
fn split(title: &Title, take: &Take, origin: &BlockSet, peer: Source) -> BySource {
    let mut from = BySource::default();
    for (block, bytes) in pieces(title, take) {
        from.add(if origin.contains(block) { Source::Origin } else { peer }, bytes);
    }
    from
}

/// How many bytes a take has of which blocks.
pub(crate) fn pieces(title: &Title, take: &Take) -> Vec<(u32, u64)> {
    let mut pieces = Vec::new();
    let (mut at, end) = take.bytes;
    while at < end {
        let block = block_of(title, at);
        let stop = (at + (len_of_block(title, block) - offset_in_block(title, at))).min(end);
        pieces.push((block, stop - at));
        at = stop;
    }
    pieces
}

/// A block of a part, counted through all parts.
pub(crate) fn block_of_part(title: &Title, part: u32, block: u32) -> u32 {
    part * title.rendition.parts[0].size.all().len() + block
}

/// Blocks of the parts of a title, counted through all of them.
fn blocks_of(title: &Title, (from, to): (u64, u64)) -> BlockRange {
    BlockRange::new(block_of(title, from), block_of(title, to.max(from + 1) - 1) + 1)
}

/// The block that byte `at` of a title is in.
fn block_of(title: &Title, at: u64) -> u32 {
    let size = title.rendition.parts[0].size;
    let (part, within) = (at / size.bytes(), at % size.bytes());
    let block = part * u64::from(size.all().len()) + within / BLOCK_SIZE;
    u32::try_from(block).unwrap_or(u32::MAX)
}

fn offset_in_block(title: &Title, at: u64) -> u64 {
    at % title.rendition.parts[0].size.bytes() % BLOCK_SIZE
}

/// How long a block is; the last of each part may be shorter.
fn len_of_block(title: &Title, block: u32) -> u64 {
    let size = title.rendition.parts[0].size;
    let within = block % size.all().len();
    len_of(size, BlockRange::new(within, within + 1))
}

#[cfg(test)]
mod tests;
