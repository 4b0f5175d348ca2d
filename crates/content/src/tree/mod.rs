//! The hash tree of an object: its shape, its published outboard, and the check of every block against the root.
//!
//! BLAKE3 hashes an input as a binary tree, so a block can be proven to belong to a root without the rest
//! of the input: whoever has the hashes beside its path (the *parents*, each a pair of child hashes) can
//! walk from the root down to the block. This is verified streaming as in [bao], with leaves of 16 KiB
//! instead of 1 KiB, which keeps the parents at 0.4 % of the bytes.
//!
//! - [`Tree`] knows where everything lies: blocks, parents, pages of the outboard
//!   (`docs/decisions/0001-paged-outboard.md`).
//! - [`hash`] and [`Hasher`] make the root and the outboard when an object is published or imported.
//! - [`RunPlan`] lists what a peer sends for a run of blocks; [`RunDecoder`] checks it on arrival.
//! - [`OriginCheck`] checks plain bytes of an HTTP origin against an outboard fetched beside them.
//!
//! Nothing here does I/O, and a decoder holds one hash per tree level at most, whatever the sender does.
//!
//! [bao]: https://github.com/oconnor663/bao/blob/master/docs/spec.md

mod check;
mod hash;
mod run;
mod shape;
#[cfg(test)]
mod tests;

pub use check::{Corrupt, Decoded, Need, OriginCheck, OriginNeed, Parents, Parts, RunDecoder, check_block};
pub use hash::{Hasher, hash, verify_whole};
pub use run::{RunPlan, Step, run_len};
pub use shape::{Node, PAGE_BLOCKS, PAIR_LEN, Tree};
