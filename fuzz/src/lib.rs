//! What every fuzz target of a message checks.

use std::fmt::Debug;

use minicbor::{Decode, Encode};
use nearcast_engine::wire::{decode, encode};

/// Decodes `bytes`; what comes out must say the same when it is said again.
///
/// # Panics
/// When it does not: that is the finding.
pub fn says_the_same_again<M: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(message) = decode::<M>(bytes) {
        assert_eq!(decode::<M>(&encode(&message)), Ok(message));
    }
}
