//! Maps and sets as sorted vectors, for those that stay small: what C++ calls `flat_map` and `flat_set`.
//!
//! They are used like the standard library's maps by B-tree, and go through their entries in the same order. A B-tree of
//! one more type of key or value is 8 KB of code, and a browser loads that before it plays; of these it is less than one.
//!
//! Looking up is a binary search. What comes or goes moves all that is behind it, so this is for maps of up to some
//! thousand entries, and for longer ones where keys grow. What may become large and is filled in any order is for
//! `BTreeMap`.
//!
//! Crates were looked at: `litemap` has no sets and no ranges, `vecmap-rs` no order, and `sorted_vector_map` brings
//! `quickcheck` along, and a source of randomness with it.

use std::fmt;
use std::ops::{Bound, RangeBounds};

/// A map as a vector of entries, sorted by key.
#[derive(Clone, PartialEq, Eq)]
pub struct FlatMap<K, V>(Vec<(K, V)>);

impl<K, V> FlatMap<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All entries, by key.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter(self.0.iter())
    }

    /// All entries, by key, with values that can be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        IterMut(self.0.iter_mut())
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// All values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// All values, by key, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> + ExactSizeIterator {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps what `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }

    /// Takes the entry with the least key out. All others move.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}

impl<K: Ord, V> FlatMap<K, V> {
    /// Where `key` is, or where it belongs.
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.find(key).ok().map(|at| &mut self.0[at].1)
    }

    /// The entry of `key`.
    pub fn get_key_value(&self, key: &K) -> Option<(&K, &V)> {
        self.find(key).ok().map(|at| (&self.0[at].0, &self.0[at].1))
    }

    /// Whether `key` has a value.
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// Gives `key` a value, and answers with the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.find(key).ok().map(|at| self.0.remove(at).1)
    }

    /// The place of `key`, whether it has a value or not.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        Entry { at: self.find(&key), key, entries: &mut self.0 }
    }

    /// The entries whose keys lie in `keys`; none where its start is behind its end.
    pub fn range(&self, keys: impl RangeBounds<K>) -> Iter<'_, K, V> {
        Iter(self.0[self.span(&keys)].iter())
    }

    /// The same, with values that can be changed.
    pub fn range_mut(&mut self, keys: impl RangeBounds<K>) -> IterMut<'_, K, V> {
        let span = self.span(&keys);
        IterMut(self.0[span].iter_mut())
    }

    fn span(&self, keys: &impl RangeBounds<K>) -> std::ops::Range<usize> {
        let start = match keys.start_bound() {
            Bound::Included(key) => self.find(key).unwrap_or_else(|at| at),
            Bound::Excluded(key) => self.find(key).map_or_else(|at| at, |at| at + 1),
            Bound::Unbounded => 0,
        };
        let end = match keys.end_bound() {
            Bound::Included(key) => self.find(key).map_or_else(|at| at, |at| at + 1),
            Bound::Excluded(key) => self.find(key).unwrap_or_else(|at| at),
            Bound::Unbounded => self.0.len(),
        };
        start..end.max(start)
    }
}

impl<K, V> Default for FlatMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for FlatMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for FlatMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for FlatMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for FlatMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for FlatMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a FlatMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut FlatMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// Entries of a [`FlatMap`], by key.
#[derive(Debug)]
pub struct Iter<'a, K, V>(std::slice::Iter<'a, (K, V)>);

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(key, value)| (key, value))
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

/// Entries of a [`FlatMap`], by key, with values that can be changed.
#[derive(Debug)]
pub struct IterMut<'a, K, V>(std::slice::IterMut<'a, (K, V)>);

impl<'a, K, V> Iterator for IterMut<'a, K, V> {
    type Item = (&'a K, &'a mut V);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (&*key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<K, V> ExactSizeIterator for IterMut<'_, K, V> {}

/// The place of a key in a [`FlatMap`].
#[derive(Debug)]
pub struct Entry<'a, K, V> {
    entries: &'a mut Vec<(K, V)>,
    at: Result<usize, usize>,
    key: K,
}

impl<'a, K, V> Entry<'a, K, V> {
    /// Its value, which is `value` where there was none.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// Its value, which is what `make` answers where there was none.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        let at = self.at.unwrap_or_else(|at| {
            self.entries.insert(at, (self.key, make()));
            at
        });
        &mut self.entries[at].1
    }

    /// Its value, which is the default where there was none.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
}

/// A set as a sorted vector.
#[derive(Clone, PartialEq, Eq)]
pub struct FlatSet<T>(Vec<T>);

impl<T> FlatSet<T> {
    /// An empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Takes the least out, `most` at the most.
    pub fn drain_first(&mut self, most: usize) -> impl Iterator<Item = T> {
        self.0.drain(..self.0.len().min(most))
    }
}

impl<T: Ord> FlatSet<T> {
    /// Whether `item` is in it.
    pub fn contains(&self, item: &T) -> bool {
        self.0.binary_search(item).is_ok()
    }

    /// Takes `item` in. False when it was there.
    pub fn insert(&mut self, item: T) -> bool {
        let at = self.0.binary_search(&item);
        if let Err(at) = at {
            self.0.insert(at, item);
        }
        at.is_err()
    }

    /// Takes `item` out. False when it was not there.
    pub fn remove(&mut self, item: &T) -> bool {
        let at = self.0.binary_search(item);
        if let Ok(at) = at {
            self.0.remove(at);
        }
        at.is_ok()
    }
}

impl<T> Default for FlatSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for FlatSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: Ord> Extend<T> for FlatSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.insert(item);
        }
    }
}

impl<T: Ord> FromIterator<T> for FlatSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut set = Self::new();
        set.extend(items);
        set
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for FlatSet<T> {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<T> IntoIterator for FlatSet<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a FlatSet<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, u16),
        Remove(u8),
        Add(u8, u16),
        Change(u8, u16),
        Retain(u16),
        ChangeRange(u8, u8),
        PopFirst,
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0u8..24;
        prop_oneof![
            6 => (key.clone(), any::<u16>()).prop_map(|(key, value)| Step::Insert(key, value)),
            3 => key.clone().prop_map(Step::Remove),
            3 => (key.clone(), any::<u16>()).prop_map(|(key, value)| Step::Add(key, value)),
            2 => (key.clone(), any::<u16>()).prop_map(|(key, value)| Step::Change(key, value)),
            1 => (2u16..5).prop_map(Step::Retain),
            1 => (key.clone(), 0u8..8).prop_map(|(from, len)| Step::ChangeRange(from, len)),
            1 => Just(Step::PopFirst),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        /// Every operation answers what a B-tree's answers, and leaves the same.
        #[test]
        fn a_map_agrees_with_a_b_tree(steps in prop::collection::vec(step(), 1..60)) {
            let mut flat = FlatMap::new();
            let mut tree = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Insert(key, value) => prop_assert_eq!(flat.insert(key, value), tree.insert(key, value)),
                    Step::Remove(key) => prop_assert_eq!(flat.remove(&key), tree.remove(&key)),
                    Step::Add(key, value) => {
                        let sum: &mut u16 = flat.entry(key).or_default();
                        *sum = sum.wrapping_add(value);
                        let sum: &mut u16 = tree.entry(key).or_default();
                        *sum = sum.wrapping_add(value);
                    }
                    Step::Change(key, value) => {
                        prop_assert_eq!(flat.get_mut(&key).map(|v| std::mem::replace(v, value)),
                                        tree.get_mut(&key).map(|v| std::mem::replace(v, value)));
                    }
                    Step::Retain(by) => {
                        flat.retain(|_, value| *value % by == 0);
                        tree.retain(|_, value| *value % by == 0);
                    }
                    Step::ChangeRange(from, len) => {
                        flat.range_mut(from..from + len).for_each(|(key, value)| *value = (*key).into());
                        tree.range_mut(from..from + len).for_each(|(key, value)| *value = (*key).into());
                    }
                    Step::PopFirst => prop_assert_eq!(flat.pop_first(), tree.pop_first()),
                    Step::Clear => {
                        flat.clear();
                        tree.clear();
                    }
                }
                prop_assert!(flat.iter().eq(tree.iter()));
                prop_assert!(flat.keys().eq(tree.keys()) && flat.values().eq(tree.values()));
                prop_assert_eq!((flat.len(), flat.is_empty()), (tree.len(), tree.is_empty()));
            }
            for key in 0..25 {
                prop_assert_eq!(flat.get(&key), tree.get(&key));
                prop_assert_eq!(flat.get_key_value(&key), tree.get_key_value(&key));
                prop_assert_eq!(flat.contains_key(&key), tree.contains_key(&key));
                prop_assert!(flat.range(..=key).rev().eq(tree.range(..=key).rev()));
                prop_assert!(flat.range(key..).eq(tree.range(key..)));
                let behind = (Bound::Excluded(key), Bound::Excluded(key.saturating_add(9)));
                prop_assert!(flat.range(behind).eq(tree.range(behind)));
            }
            prop_assert!(flat.iter_mut().map(|(key, value)| (*key, *value)).eq(tree.clone()));
            prop_assert!(flat.values_mut().rev().map(|value| *value).eq(tree.values().rev().copied()));
            prop_assert!(flat.into_iter().eq(tree));
        }

        /// The same for sets, filled in any order.
        #[test]
        fn a_set_agrees_with_a_b_tree(items in prop::collection::vec(0u8..40, 0..40),
                                      steps in prop::collection::vec((any::<bool>(), 0u8..40), 0..40), first in 0usize..50) {
            let mut flat: FlatSet<u8> = items.iter().copied().collect();
            let mut tree: BTreeSet<u8> = items.into_iter().collect();
            for (insert, item) in steps {
                match insert {
                    true => prop_assert_eq!(flat.insert(item), tree.insert(item)),
                    false => prop_assert_eq!(flat.remove(&item), tree.remove(&item)),
                }
            }
            prop_assert!(flat.iter().eq(tree.iter()));
            prop_assert_eq!((flat.len(), flat.is_empty()), (tree.len(), tree.is_empty()));
            prop_assert!((0..41).all(|item| flat.contains(&item) == tree.contains(&item)));
            prop_assert!(flat.drain_first(first).eq(tree.iter().take(first).copied()));
            prop_assert!(flat.into_iter().eq(tree.into_iter().skip(first)));
        }
    }

    #[test]
    fn of_entries_with_the_same_key_the_last_counts_and_a_range_that_ends_before_it_starts_is_empty() {
        let map = FlatMap::from([(2, 'a'), (1, 'b'), (2, 'c')]);
        assert!(map.iter().eq([(&1, &'b'), (&2, &'c')]));
        let (start, end) = (2, 1);
        assert_eq!(map.range(start..end).count(), 0);
    }
}
