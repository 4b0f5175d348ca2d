//! The holders of one title, sorted by place, so that those near an asker lie side by side.

use std::ops::Range;

use super::sessions::Held;
use crate::place::Place;

/// Entries in one chunk. Moving a chunk's worth of entries costs less than walking to another chunk.
const CHUNK: usize = 256;

/// A place as a sort key: what is near shares a beginning.
///
/// An operator that spans countries counts once per country here. Its far ends meet in answers as draws from
/// everywhere, and are ranked by their true nearness then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    country: u16,
    isp: u32,
    prefix: u64,
    lan: u64,
}

impl Spot {
    const LAST: Self = Self { country: u16::MAX, isp: u32::MAX, prefix: u64::MAX, lan: u64::MAX };

    /// The smallest and the largest spot of each neighbourhood of this one, the narrowest first: same
    /// network, same prefix, same operator, same country, everywhere. Unknown is near nobody, so what is
    /// unknown makes no neighbourhood.
    fn around(self) -> impl Iterator<Item = (Self, Self)> {
        let lan = (self.lan != 0).then_some((self, self));
        let prefix = (self.prefix != 0).then_some((Self { lan: 0, ..self }, Self { lan: u64::MAX, ..self }));
        let isp = (self.isp != 0).then_some((
            Self { lan: 0, prefix: 0, ..self },
            Self { lan: u64::MAX, prefix: u64::MAX, ..self },
        ));
        let country = (self.country != 0).then_some((
            Self { country: self.country, isp: 0, prefix: 0, lan: 0 },
            Self { country: self.country, ..Self::LAST },
        ));
        let everywhere = Some((Self { country: 0, isp: 0, prefix: 0, lan: 0 }, Self::LAST));
        [lan, prefix, isp, country, everywhere].into_iter().flatten()
    }
}

impl From<Spot> for Place {
    fn from(spot: Spot) -> Self {
        Self { lan: spot.lan, isp: spot.isp, prefix: spot.prefix, country: spot.country }
    }
}

impl From<Place> for Spot {
    fn from(place: Place) -> Self {
        Self { country: place.country, isp: place.isp, prefix: place.prefix, lan: place.lan }
    }
}

/// Index of a session in the table of sessions.
pub(super) type Slot = u32;

/// A listed holder, with what it holds: who answers looks at dozens, and each would be looked up in a session of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) spot: Spot,
    pub(super) slot: Slot,
    pub(super) held: Held,
}

impl Holder {
    /// What holders are in order of.
    fn key(&self) -> (Spot, Slot) {
        (self.spot, self.slot)
    }
}

/// A sorted list of holders in chunks: adding, removing and finding by rank cost a binary search, a short
/// move and a walk over the chunks.
#[derive(Debug, Default)]
pub(super) struct Roster {
    chunks: Vec<Vec<Holder>>,
}

impl Roster {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Adds a holder that is not in it.
    pub(super) fn insert(&mut self, entry: Holder) {
        let at = self.chunk_of(entry.key()).min(self.chunks.len().saturating_sub(1));
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(vec![entry]);
            return;
        };
        let within = chunk.partition_point(|holder| holder.key() < entry.key());
        chunk.insert(within, entry);
        if chunk.len() > CHUNK {
            let upper = chunk.split_off(CHUNK / 2);
            self.chunks.insert(at + 1, upper);
        }
    }

    /// Removes a holder, if it is in it.
    pub(super) fn remove(&mut self, spot: Spot, slot: Slot) {
        let at = self.chunk_of((spot, slot));
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        if let Ok(within) = chunk.binary_search_by_key(&(spot, slot), Holder::key) {
            chunk.remove(within);
            if chunk.is_empty() {
                self.chunks.remove(at);
            }
        }
    }

    /// Changes what a holder holds, if it is in it.
    pub(super) fn change(&mut self, changed: Holder) {
        let at = self.chunk_of(changed.key());
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        if let Ok(within) = chunk.binary_search_by_key(&changed.key(), Holder::key) {
            chunk[within] = changed;
        }
    }

    /// Which ranks the holders at exactly this spot have.
    pub(super) fn at(&self, spot: Spot) -> Range<usize> {
        self.between(spot, spot)
    }

    /// Which ranks the holders in each neighbourhood of `spot` have, the narrowest first. Each range lies in
    /// the next, and the last holds everyone.
    pub(super) fn around(&self, spot: Spot) -> impl Iterator<Item = Range<usize>> {
        spot.around().map(|(from, to)| self.between(from, to))
    }

    /// The holder with this rank.
    pub(super) fn nth(&self, rank: usize) -> Option<&Holder> {
        let mut left = rank;
        for chunk in &self.chunks {
            match chunk.get(left) {
                Some(holder) => return Some(holder),
                None => left -= chunk.len(),
            }
        }
        None
    }

    fn between(&self, from: Spot, to: Spot) -> Range<usize> {
        self.rank((from, 0), |held, edge| held < edge)..self.rank((to, Slot::MAX), |held, edge| held <= edge)
    }

    /// How many entries lie before an edge, as `before` sees it.
    fn rank(&self, edge: (Spot, Slot), before: impl Fn((Spot, Slot), (Spot, Slot)) -> bool) -> usize {
        let chunk =
            self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| before(last.key(), edge)));
        let whole: usize = self.chunks[..chunk].iter().map(Vec::len).sum();
        let rest =
            self.chunks.get(chunk).map_or(0, |c| c.partition_point(|holder| before(holder.key(), edge)));
        whole + rest
    }

    /// The first chunk that does not end before `entry`; one past the end when all do.
    fn chunk_of(&self, entry: (Spot, Slot)) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.key() < entry))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const HELD: Held = Held { renditions: 1, coverage: 1 };

    fn holder(spot: Spot, slot: Slot) -> Holder {
        Holder { spot, slot, held: HELD }
    }

    fn spot() -> impl Strategy<Value = Spot> {
        (0_u16..3, 0_u32..3, 0_u64..3, 0_u64..3).prop_map(|(country, isp, prefix, lan)| Spot {
            country,
            isp,
            prefix,
            lan,
        })
    }

    proptest! {
        #[test]
        fn a_roster_is_a_sorted_set(steps in prop::collection::vec((spot(), 0_u32..600, any::<bool>()), 0..3_000)) {
            let mut roster = Roster::default();
            let mut model = BTreeSet::new();
            for (spot, slot, adds) in steps {
                if !adds && model.len() > 300 {
                    model.remove(&(spot, slot));
                    roster.remove(spot, slot);
                } else if model.insert((spot, slot)) {
                    roster.insert(holder(spot, slot));
                } else {
                    let held = Held { renditions: 2, ..HELD };
                    roster.change(Holder { held, ..holder(spot, slot) });
                    roster.change(Holder { held, ..holder(spot, 601) });
                    let changed = roster.at(spot).filter_map(|rank| roster.nth(rank)).filter(|there| there.held == held);
                    prop_assert!(changed.map(|there| there.slot).eq([slot]));
                    roster.change(holder(spot, slot));
                }
            }
            let listed: Vec<Holder> = (0..model.len()).filter_map(|rank| roster.nth(rank)).copied().collect();
            prop_assert_eq!(listed, model.iter().map(|(spot, slot)| holder(*spot, *slot)).collect::<Vec<_>>());
            prop_assert_eq!(roster.nth(model.len()), None);
            prop_assert_eq!(roster.is_empty(), model.is_empty());
            prop_assert!(roster.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
        }

        #[test]
        fn neighbourhoods_count_as_a_plain_set_does(all in prop::collection::btree_set((spot(), 0_u32..600), 0..900), me in spot()) {
            let mut roster = Roster::default();
            for (spot, slot) in &all {
                roster.insert(holder(*spot, *slot));
            }
            prop_assert_eq!(roster.at(me).len(), all.iter().filter(|(spot, _)| *spot == me).count());
            let ranges: Vec<_> = roster.around(me).collect();
            let spots: Vec<Spot> = all.iter().map(|(spot, _)| *spot).collect();
            let inside = |range: &Range<usize>| spots[range.clone()].to_vec();
            let last = ranges.last().expect("everywhere is always there");
            prop_assert_eq!(last.clone(), 0..all.len());
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].is_empty() || (pair[1].start <= pair[0].start && pair[0].end <= pair[1].end));
            }
            if me.country != 0 {
                let country = &ranges[ranges.len() - 2];
                prop_assert!(inside(country).iter().all(|spot| spot.country == me.country));
                prop_assert_eq!(country.len(), spots.iter().filter(|spot| spot.country == me.country).count());
            }
        }
    }
}
