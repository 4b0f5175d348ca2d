//! What Nearcast delivers, without a runtime: ids, block ranges, verified bytes, signed documents.
//!
//! Everything here is pure: no clock, socket, file or thread. A shell hands in bytes and times, and gets
//! back typed values that cannot be wrong in the ways that were checked: a [`Verified`] range was hashed
//! against its object's root, a manifest in hand was signed by its provider.

pub mod ids;
pub mod ranges;
pub mod tree;
pub mod units;
mod verified;

pub use ids::{NodeKey, ObjectId, ProviderKey, TitleId};
pub use ranges::{BlockRange, BlockSet, ByteRange};
pub use units::{BLOCK_SIZE, MAX_OBJECT_SIZE, ObjectSize};
pub use verified::Verified;
