//! What a peer can do, as bits that later versions add to.

use std::fmt;

/// A set of features. Bits that this version does not know are kept, handed on and otherwise ignored.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FeatureSet(pub u64);

impl FeatureSet {
    /// No feature.
    pub const NONE: Self = Self(0);
    /// Serves ranges of objects that it holds in part.
    pub const PARTIAL: Self = Self(1);
    /// Stops a run of blocks in the middle when asked.
    pub const CANCEL: Self = Self(1 << 1);
    /// Reads the log of a live title.
    pub const LIVE: Self = Self(1 << 2);
    /// Checks and shows credentials.
    pub const CREDENTIAL: Self = Self(1 << 3);
    /// Takes reports of what players got.
    pub const REPORTS: Self = Self(1 << 4);
    /// Runs in a page of a browser.
    pub const PAGE: Self = Self(1 << 5);
    /// What this version does.
    pub const OURS: Self = Self(Self::PARTIAL.0 | Self::CANCEL.0 | Self::CREDENTIAL.0);

    /// Whether all features of `other` are in the set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Features of either set.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Features of both sets.
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for FeatureSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FeatureSet({:#x})", self.0)
    }
}

impl<C> minicbor::Encode<C> for FeatureSet {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u64(self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for FeatureSet {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.u64().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_bits_survive_the_wire() {
        let theirs = FeatureSet(FeatureSet::PARTIAL.0 | 1 << 63);
        let bytes = minicbor::to_vec(theirs).expect("a number");
        let back: FeatureSet = minicbor::decode(&bytes).expect("a number");
        assert_eq!(back, theirs);
        assert!(back.has(FeatureSet::PARTIAL) && !back.has(FeatureSet::LIVE));
        assert_eq!(back.common(FeatureSet::OURS), FeatureSet::PARTIAL);
    }
}
