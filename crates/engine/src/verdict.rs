//! What the engine accepts as proof that blocks are good.

use nearcast_content::{BlockRange, Verified};

/// Proof that some blocks of the object in question were verified.
///
/// Shells that move bytes use [`Verified<BlockRange>`], which only the verifier in `content` can make. A large
/// simulated world has no bytes and draws its verdicts instead; it is the one place allowed another
/// implementation (`cargo xtask tidy` keeps it so).
pub trait Verdict {
    /// The blocks that were verified.
    fn blocks(&self) -> BlockRange;
}

impl Verdict for Verified<BlockRange> {
    fn blocks(&self) -> BlockRange {
        *self.get()
    }
}
