//! Who holds which title, a bounded sample of them for each place.

use std::collections::BTreeMap;

use super::roster::{Holder, Roster, Slot, Spot};
use super::sessions::Held;
use crate::limits::MAX_HOLDERS_PER_PLACE;
use crate::random::Random;
use crate::wire::{SwarmId, Ways};

/// What became of a holder that was offered to a title's roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// There was room.
    Listed,
    /// It took the place of this one, which waits from here on.
    Instead(Slot),
    /// It waits.
    Waiting,
}

/// Where a holder stands: with those that are connected to in the same ways, at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) ways: Ways,
    pub(super) spot: Spot,
}

/// The holders of one title that are connected to in the same ways. Those who ask are told of holders that they can
/// meet; among many others these would not be found.
#[derive(Debug, Default)]
struct Title {
    roster: Roster,
    /// Holders that wait for room, counted for each place that has more than it may list.
    waiting: BTreeMap<Spot, u32>,
}

/// All titles of which somebody holds something.
#[derive(Debug, Default)]
pub(super) struct Titles {
    titles: BTreeMap<SwarmId, BTreeMap<Ways, Title>>,
}

impl Titles {
    pub(super) fn len(&self) -> usize {
        self.titles.len()
    }

    /// The rosters of a title's holders that who has `ways` can meet.
    pub(super) fn rosters(&self, swarm: SwarmId, ways: Ways) -> impl Iterator<Item = &Roster> {
        let all = self.titles.get(&swarm).into_iter().flatten();
        all.filter(move |(theirs, _)| theirs.meet(ways)).map(|(_, title)| &title.roster)
    }

    /// Whether somebody whom who has `ways` can meet holds something of a title.
    pub(super) fn held(&self, swarm: SwarmId, ways: Ways) -> bool {
        self.rosters(swarm, ways).next().is_some()
    }

    /// Offers a holder that is neither listed nor waiting. Each holder of a crowded place is listed with the
    /// same chance (reservoir sampling, Vitter 1985).
    pub(super) fn offer(
        &mut self,
        swarm: SwarmId,
        Stand { ways, spot }: Stand,
        (slot, held): (Slot, Held),
        random: &mut Random,
    ) -> Placed {
        let title = self.titles.entry(swarm).or_default().entry(ways).or_default();
        let listed = title.roster.at(spot);
        if listed.len() < MAX_HOLDERS_PER_PLACE {
            title.roster.insert(Holder { spot, slot, held });
            return Placed::Listed;
        }
        let waiting = title.waiting.entry(spot).or_default();
        *waiting += 1;
        let holders = listed.len() as u64 + u64::from(*waiting);
        let lot = usize::try_from(random.below(holders)).unwrap_or(usize::MAX);
        let Some(other) =
            listed.clone().nth(lot).and_then(|rank| title.roster.nth(rank)).map(|holder| holder.slot)
        else {
            return Placed::Waiting;
        };
        title.roster.remove(spot, other);
        title.roster.insert(Holder { spot, slot, held });
        Placed::Instead(other)
    }

    /// A listed holder holds something else from here on.
    pub(super) fn relist(&mut self, swarm: SwarmId, Stand { ways, spot }: Stand, (slot, held): (Slot, Held)) {
        self.change(swarm, ways, |title| title.roster.change(Holder { spot, slot, held }));
    }

    /// Removes a listed holder.
    pub(super) fn unlist(&mut self, swarm: SwarmId, stand: Stand, slot: Slot) {
        self.change(swarm, stand.ways, |title| title.roster.remove(stand.spot, slot));
    }

    /// One holder less waits for room.
    pub(super) fn stop_waiting(&mut self, swarm: SwarmId, stand: Stand) {
        let spot = stand.spot;
        self.change(swarm, stand.ways, |title| {
            let Some(waiting) = title.waiting.get_mut(&spot) else { return };
            *waiting -= 1;
            if *waiting == 0 {
                title.waiting.remove(&spot);
            }
        });
    }

    fn change(&mut self, swarm: SwarmId, ways: Ways, change: impl FnOnce(&mut Title)) {
        let Some(all) = self.titles.get_mut(&swarm) else { return };
        let Some(title) = all.get_mut(&ways) else { return };
        change(title);
        if title.roster.is_empty() && title.waiting.is_empty() {
            all.remove(&ways);
        }
        if all.is_empty() {
            self.titles.remove(&swarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    const SWARM: SwarmId = SwarmId([1; 16]);
    const HELD: Held = Held { renditions: 1, coverage: 1 };

    #[test]
    fn every_holder_of_a_crowded_place_has_the_same_chance() {
        let spot = Spot::from(Place { prefix: 7, ..Place::default() });
        let stand = Stand { ways: Ways::QUIC, spot };
        let mut times_listed = [0_u32; 640];
        for seed in 0..400 {
            let mut random = Random::seeded(seed * 7_919);
            let mut titles = Titles::default();
            for slot in 0..640 {
                titles.offer(SWARM, stand, (slot, HELD), &mut random);
            }
            let roster = titles.rosters(SWARM, Ways::QUIC).next().expect("offered to");
            assert_eq!(roster.at(spot).len(), MAX_HOLDERS_PER_PLACE);
            for rank in roster.at(spot) {
                times_listed[roster.nth(rank).expect("in range").slot as usize] += 1;
            }
        }
        // Each is listed 40 times of 400 on average, with a standard deviation of 6.
        assert!(times_listed.iter().all(|times| (12..=72).contains(times)), "{times_listed:?}");
        let early: u32 = times_listed[..320].iter().sum();
        assert!((12_000..13_600).contains(&early), "{early} of 25600");
    }

    #[test]
    fn a_title_nobody_holds_is_forgotten() {
        let stand = Stand { ways: Ways::QUIC, spot: Spot::from(Place::default()) };
        let mut titles = Titles::default();
        let mut random = Random::seeded(1);
        let placed: Vec<Placed> =
            (0..65).map(|slot| titles.offer(SWARM, stand, (slot, HELD), &mut random)).collect();
        assert!(placed[..64].iter().all(|placed| *placed == Placed::Listed));
        assert_ne!(placed[64], Placed::Listed);
        for slot in 0..65 {
            titles.unlist(SWARM, stand, slot);
        }
        assert_eq!(titles.len(), 1, "one still waits");
        assert!(titles.held(SWARM, Ways::QUIC));
        assert!(!titles.held(SWARM, Ways::DATA_CHANNELS), "nobody that a browser can meet");
        titles.stop_waiting(SWARM, stand);
        assert_eq!(titles.len(), 0);
        assert!(!titles.held(SWARM, Ways::QUIC));
    }
}
