//! Ranges of bytes and of blocks, and coalesced sets of blocks.

use std::fmt;
use std::hash::{Hash, Hasher};

/// Bytes `start..end` of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteRange {
    /// The range `start..end`; empty when `end <= start`.
    pub fn new(start: u64, end: u64) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Bytes in the range.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether nothing is in the range.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl fmt::Debug for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}B", self.start, self.end)
    }
}

/// Blocks `start..end` of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRange {
    /// First block.
    pub start: u32,
    /// One past the last block.
    pub end: u32,
}

impl BlockRange {
    /// The range `start..end`; empty when `end <= start`.
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Blocks in the range.
    pub fn len(self) -> u32 {
        self.end - self.start
    }

    /// Whether nothing is in the range.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `block` lies in the range.
    pub fn contains(self, block: u32) -> bool {
        (self.start..self.end).contains(&block)
    }

    /// What both ranges share; empty when nothing.
    pub fn intersect(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The block numbers in order.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        self.start..self.end
    }
}

impl fmt::Debug for BlockRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// A set of blocks as sorted ranges that neither touch nor overlap.
///
/// A complete object is one range whatever its size; membership is a binary search. Of the sets that a node remembers
/// nearly all are a range or two: those have no memory of their own.
#[derive(Clone)]
pub struct BlockSet(Ranges);

/// How many ranges a set has in itself: as many as fit in the room of a vector.
const FEW: usize = 2;
/// What stands where a set has no range.
const NONE: BlockRange = BlockRange { start: 0, end: 0 };

/// The ranges of a set.
#[derive(Clone)]
enum Ranges {
    /// Those that are, before [`NONE`]s.
    Few([BlockRange; FEW]),
    /// More than fit.
    Many(Vec<BlockRange>),
}

impl Ranges {
    fn as_slice(&self) -> &[BlockRange] {
        match self {
            Self::Few(few) => &few[..few.iter().filter(|range| !range.is_empty()).count()],
            Self::Many(many) => many,
        }
    }

    /// As a vector: there will be many.
    fn as_many(&mut self) -> &mut Vec<BlockRange> {
        if let Self::Few(_) = self {
            *self = Self::Many(self.as_slice().to_vec());
        }
        match self {
            Self::Many(many) => many,
            Self::Few(_) => unreachable!("made many above"),
        }
    }

    /// Puts `others` in the place of the ranges `from..to`.
    fn replace(&mut self, (from, to): (usize, usize), others: &[BlockRange]) {
        let ranges = self.as_slice();
        if ranges.len() - (to - from) + others.len() <= FEW {
            *self = ranges[..from].iter().chain(others).chain(&ranges[to..]).copied().collect();
        } else {
            self.as_many().splice(from..to, others.iter().copied());
        }
    }
}

impl FromIterator<BlockRange> for Ranges {
    fn from_iter<I: IntoIterator<Item = BlockRange>>(ranges: I) -> Self {
        let mut few = [NONE; FEW];
        let mut ranges = ranges.into_iter();
        for place in &mut few {
            let Some(range) = ranges.next() else { return Self::Few(few) };
            *place = range;
        }
        match ranges.next() {
            None => Self::Few(few),
            Some(third) => Self::Many(few.into_iter().chain([third]).chain(ranges).collect()),
        }
    }
}

impl BlockSet {
    /// The empty set.
    pub const EMPTY: Self = Self(Ranges::Few([NONE; FEW]));

    /// Whether no block is in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges().is_empty()
    }

    /// How many blocks are in the set.
    pub fn count(&self) -> u32 {
        self.ranges().iter().map(|r| r.len()).sum()
    }

    /// The ranges, sorted, none empty, none touching.
    pub fn ranges(&self) -> &[BlockRange] {
        self.0.as_slice()
    }

    /// Whether `block` is in the set.
    pub fn contains(&self, block: u32) -> bool {
        self.range_from(block).is_some_and(|r| r.start <= block)
    }

    /// Whether every block of `range` is in the set; true for an empty range.
    pub fn contains_all(&self, range: BlockRange) -> bool {
        range.is_empty()
            || self.range_from(range.start).is_some_and(|r| r.start <= range.start && range.end <= r.end)
    }

    /// The held run that starts at `block`: empty when `block` is not in the set.
    pub fn run_at(&self, block: u32) -> BlockRange {
        match self.range_from(block) {
            Some(r) if r.start <= block => BlockRange::new(block, r.end),
            Some(_) | None => BlockRange::new(block, block),
        }
    }

    /// The first range with a block at or after `block`, whole.
    fn range_from(&self, block: u32) -> Option<BlockRange> {
        let ranges = self.ranges();
        ranges.get(ranges.partition_point(|r| r.end <= block)).copied()
    }

    /// Adds `range`. Returns how many of its blocks were not in the set before.
    pub fn insert(&mut self, range: BlockRange) -> u32 {
        if range.is_empty() {
            return 0;
        }
        // Ranges that touch or overlap the new one are `first..last`.
        let ranges = self.ranges();
        let first = ranges.partition_point(|r| r.end < range.start);
        let last = ranges.partition_point(|r| r.start <= range.end);
        let mut merged = range;
        let mut known = 0;
        for r in &ranges[first..last] {
            known += r.intersect(range).len();
            merged = BlockRange::new(merged.start.min(r.start), merged.end.max(r.end));
        }
        self.0.replace((first, last), &[merged]);
        range.len() - known
    }

    /// Removes `range`. Returns how many of its blocks were in the set before.
    pub fn remove(&mut self, range: BlockRange) -> u32 {
        if range.is_empty() {
            return 0;
        }
        let ranges = self.ranges();
        let first = ranges.partition_point(|r| r.end <= range.start);
        let last = ranges.partition_point(|r| r.start < range.end);
        if first >= last {
            return 0;
        }
        let gone = ranges[first..last].iter().map(|r| r.intersect(range).len()).sum();
        let head = BlockRange::new(ranges[first].start, range.start);
        let tail = BlockRange::new(range.end, ranges[last - 1].end);
        match (head.is_empty(), tail.is_empty()) {
            (true, true) => self.0.replace((first, last), &[]),
            (false, true) => self.0.replace((first, last), &[head]),
            (true, false) => self.0.replace((first, last), &[tail]),
            (false, false) => self.0.replace((first, last), &[head, tail]),
        }
        gone
    }

    /// The blocks of `within` that are not in the set, as ranges in order.
    pub fn missing(&self, within: BlockRange) -> impl Iterator<Item = BlockRange> + '_ {
        let mut at = within.start;
        let ranges = self.ranges();
        let mut rest = ranges[ranges.partition_point(|r| r.end <= within.start)..].iter();
        let mut done = within.is_empty();
        std::iter::from_fn(move || {
            while !done {
                let Some(held) = rest.next().filter(|r| r.start < within.end) else {
                    done = true;
                    return Some(BlockRange::new(at, within.end)).filter(|r| !r.is_empty());
                };
                let gap = BlockRange::new(at, held.start.max(at));
                at = held.end;
                done = at >= within.end;
                if !gap.is_empty() {
                    return Some(gap);
                }
            }
            None
        })
    }

    /// The blocks of `within` that are in the set, as ranges in order.
    pub fn present(&self, within: BlockRange) -> impl Iterator<Item = BlockRange> + '_ {
        let ranges = self.ranges();
        ranges[ranges.partition_point(|r| r.end <= within.start)..]
            .iter()
            .take_while(move |r| r.start < within.end)
            .map(move |r| r.intersect(within))
            .filter(|r| !r.is_empty())
    }
}

impl Default for BlockSet {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for BlockSet {
    fn eq(&self, other: &Self) -> bool {
        self.ranges() == other.ranges()
    }
}

impl Eq for BlockSet {}

impl Hash for BlockSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ranges().hash(state);
    }
}

impl From<BlockRange> for BlockSet {
    fn from(range: BlockRange) -> Self {
        let mut set = Self::default();
        set.insert(range);
        set
    }
}

impl FromIterator<BlockRange> for BlockSet {
    fn from_iter<I: IntoIterator<Item = BlockRange>>(ranges: I) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

impl fmt::Debug for BlockSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_set_takes_as_much_room_as_a_vector() {
        assert_eq!(size_of::<BlockSet>(), size_of::<Vec<BlockRange>>());
    }

    proptest! {
        /// Every operation agrees with a plain set of numbers.
        #[test]
        fn agrees_with_a_plain_set(steps in prop::collection::vec((any::<bool>(), 0u32..60, 0u32..12), 1..40),
                                   a in 0u32..70, len in 0u32..30) {
            let mut set = BlockSet::default();
            let mut plain = BTreeSet::new();
            for (add, start, len) in steps {
                let range = BlockRange::new(start, start + len);
                let before = plain.len();
                if add {
                    plain.extend(range.iter());
                    prop_assert_eq!(set.insert(range) as usize, plain.len() - before);
                } else {
                    plain.retain(|b| !range.contains(*b));
                    prop_assert_eq!(set.remove(range) as usize, before - plain.len());
                }
                prop_assert!(set.ranges().windows(2).all(|w| w[0].end < w[1].start));
                prop_assert!(set.ranges().iter().all(|r| !r.is_empty()));
            }
            let within = BlockRange::new(a, a + len);
            prop_assert_eq!(set.count() as usize, plain.len());
            let anew: BlockSet = set.ranges().iter().rev().copied().collect();
            prop_assert_eq!(&anew, &set, "however it came about");
            let present: Vec<u32> = set.present(within).flat_map(BlockRange::iter).collect();
            let missing: Vec<u32> = set.missing(within).flat_map(BlockRange::iter).collect();
            prop_assert_eq!(present, within.iter().filter(|b| plain.contains(b)).collect::<Vec<_>>());
            prop_assert_eq!(missing, within.iter().filter(|b| !plain.contains(b)).collect::<Vec<_>>());
            prop_assert_eq!(set.contains_all(within), within.iter().all(|b| plain.contains(&b)));
            prop_assert_eq!(set.contains(a), plain.contains(&a));
            let run = set.run_at(a);
            prop_assert!(run.iter().all(|b| plain.contains(&b)) && !plain.contains(&run.end));
        }
    }
}
