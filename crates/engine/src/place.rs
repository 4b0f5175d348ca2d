//! Where a node is, as opaque numbers that the shell supplies: the engine compares them and knows no address.

use minicbor::{Decode, Encode};

/// Where a node is. Zero stands for unknown in each field, and unknown is near nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Same household or site network.
    pub lan: u64,
    /// Same network operator (autonomous system).
    pub isp: u32,
    /// Same neighbourhood inside the operator (a prefix of its addresses).
    pub prefix: u64,
    /// Same country, ISO 3166 letters as a number.
    pub country: u16,
}

/// How near two nodes are, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Nearness {
    /// Behind the same router.
    #[n(0)]
    Lan,
    /// In the same address neighbourhood of one operator.
    #[n(1)]
    Neighbourhood,
    /// In the same operator's network.
    #[n(2)]
    Isp,
    /// In the same country.
    #[n(3)]
    Country,
    /// Anywhere else, or unknown.
    #[n(4)]
    Far,
}

impl Place {
    /// How near `other` is to this place.
    pub fn nearness(self, other: Self) -> Nearness {
        if self.lan != 0 && self.lan == other.lan {
            return Nearness::Lan;
        }
        if self.isp != 0 && self.isp == other.isp {
            let close = self.prefix != 0 && self.prefix == other.prefix;
            return if close { Nearness::Neighbourhood } else { Nearness::Isp };
        }
        if self.country != 0 && self.country == other.country {
            return Nearness::Country;
        }
        Nearness::Far
    }
}
