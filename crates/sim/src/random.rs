//! Seeded randomness (SplitMix64), with independent streams for independent things.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A stream that depends on `seed` alone.
    #[cfg(test)]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(mix(seed ^ 0x6e65_6172_6361_7374))
    }

    /// The chances of an agent.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The stream `label` of this seed: drawing more from one stream changes no other.
    pub(crate) fn stream(seed: u64, label: Stream, index: u64) -> Self {
        Self(mix(mix(mix(seed) ^ label as u64) ^ index))
    }

    /// The next number.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; zero when `bound` is zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = (u128::from(self.next_u64()) * u128::from(bound)) >> 64;
        u64::try_from(wide).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True in `percent` of the draws.
    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < u64::from(percent)
    }

    /// 32 bytes for a key or an object id.
    pub(crate) fn bytes32(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for word in bytes.chunks_exact_mut(8) {
            word.copy_from_slice(&self.next_u64().to_le_bytes());
        }
        bytes
    }
}

/// What a stream of randomness is for.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Stream {
    /// Titles, their sizes and bytes.
    Catalogue = 1,
    /// One listener's place, link, times and clicks.
    Listener = 2,
    /// Households and their links.
    Household = 3,
    /// Whether two nodes can connect.
    Nat = 4,
    /// What an adversary does.
    Adversary = 5,
    /// Jitter of reconnects.
    Reconnect = 6,
    /// The seed of a node's engine.
    Engine = 7,
    /// A scenario drawn for a random world.
    Scenario = 8,
    /// Whose machine sleeps.
    Sleep = 9,
    /// Which connections to the origin are stuck.
    Connections = 10,
    /// How fast players play.
    Rates = 11,
    /// Which renditions titles have.
    Renditions = 12,
}

/// Finalizer of SplitMix64.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
