//! Seeded randomness (SplitMix64) and the mixing function behind rendezvous hashing.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, fast, the same everywhere. Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which must not be zero. The bias of the multiplication is below 2^-32 for the
    /// small bounds used here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        debug_assert!(bound > 0);
        let wide = (u128::from(self.next_u64()) * u128::from(bound)) >> 64;
        u64::try_from(wide).unwrap_or(0)
    }
}

/// Finalizer of SplitMix64.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A rank that both sides compute alike from a key and a number.
pub(crate) fn rank(key: &[u8; 32], salt: u64) -> u64 {
    let mut z = mix(salt);
    for word in key.chunks_exact(8) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        z = mix(z ^ u64::from_le_bytes(bytes));
    }
    z
}
