//! Proof, in the type system, that bytes were hashed against their object's root.

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
