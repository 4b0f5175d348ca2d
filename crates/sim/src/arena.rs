//! Things numbered by keys that are never used twice, in slots that are.

/// Names one thing for ever: its slot and how often the slot was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    slot: u32,
    round: u32,
}

impl Key {
    /// The key as one number.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.round) << 32 | u64::from(self.slot)
    }

    /// The key that has this number.
    pub(crate) fn from_number(number: u64) -> Self {
        let half = |n: u64| u32::try_from(n & 0xffff_ffff).unwrap_or(0);
        Self { slot: half(number), round: half(number >> 32) }
    }
}

/// Slots of `T`.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Arena<T> {
    /// Nothing.
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// Puts a thing in.
    ///
    /// # Panics
    /// With more than 2^32 things at once.
    pub(crate) fn insert(&mut self, thing: T) -> Key {
        if let Some(slot) = self.free.pop() {
            let (round, place) = &mut self.slots[slot as usize];
            *place = Some(thing);
            return Key { slot, round: *round };
        }
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 things at once");
        self.slots.push((0, Some(thing)));
        Key { slot, round: 0 }
    }

    /// The thing, if it is still there.
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let (round, thing) = self.slots.get(key.slot as usize)?;
        thing.as_ref().filter(|_| *round == key.round)
    }

    /// The thing, if it is still there.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (round, thing) = self.slots.get_mut(key.slot as usize)?;
        thing.as_mut().filter(|_| *round == key.round)
    }

    /// Takes the thing out.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let (round, thing) = self.slots.get_mut(key.slot as usize)?;
        if *round != key.round {
            return None;
        }
        let taken = thing.take()?;
        *round = round.wrapping_add(1);
        self.free.push(key.slot);
        Some(taken)
    }

    /// Everything that is there, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().zip(0_u32..).filter_map(|((round, thing), slot)| {
            thing.as_ref().map(|thing| (Key { slot, round: *round }, thing))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_outlives_its_thing_and_names_no_other() {
        let mut arena = Arena::new();
        let a = arena.insert('a');
        assert_eq!(arena.remove(a), Some('a'));
        let b = arena.insert('b');
        assert_eq!(arena.get(a), None);
        assert_eq!(arena.remove(a), None);
        assert_eq!(arena.get(Key::from_number(b.number())), Some(&'b'));
        assert_eq!(arena.iter().count(), 1);
    }
}
