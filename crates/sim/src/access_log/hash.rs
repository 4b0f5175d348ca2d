//! A hash that is the same on every machine and in every run (FNV-1a with a last mix): the library's is seeded.

use std::hash::Hasher;

/// Hashes for grouping; not against an adversary, who would gain nothing but a worse forecast.
#[derive(Debug)]
pub(super) struct Fixed(u64);

impl Default for Fixed {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fixed {
    fn finish(&self) -> u64 {
        crate::random::mix(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
