//! Proof, in the type system, that bytes were hashed against their object's root.

use crate::ranges::BlockRange;

/// A value whose bytes this crate has verified. Only the verifier in [`crate`] can make one, so whoever
/// holds a `Verified<BlockRange>` need not ask where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Called by the verifier alone, after the hash matched.
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// What was verified.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// What was verified, taken out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Verified<BlockRange> {
    /// Both in one, when `next` begins where these end. They must be blocks of the same object.
    pub fn followed_by(self, next: Self) -> Option<Self> {
        let in_a_row = self.0.end == next.0.start;
        in_a_row.then(|| Self(BlockRange::new(self.0.start, next.0.end)))
    }
}
