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
        let same_isp = self.isp != 0 && self.isp == other.isp;
        // A prefix belongs to one operator, also where no database says which one.
        let no_other_isp = same_isp || self.isp == 0 || other.isp == 0;
        if self.prefix != 0 && self.prefix == other.prefix && no_other_isp {
            return Nearness::Neighbourhood;
        }
        if same_isp {
            return Nearness::Isp;
        }
        if self.country != 0 && self.country == other.country {
            return Nearness::Country;
        }
        Nearness::Far
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_thing_shared_counts() {
        let me = Place { lan: 1, isp: 2, prefix: 3, country: 4 };
        assert_eq!(me.nearness(me), Nearness::Lan);
        assert_eq!(me.nearness(Place { lan: 9, ..me }), Nearness::Neighbourhood);
        assert_eq!(me.nearness(Place { lan: 9, prefix: 9, ..me }), Nearness::Isp);
        assert_eq!(me.nearness(Place { lan: 9, prefix: 9, isp: 9, country: 4 }), Nearness::Country);
        assert_eq!(
            me.nearness(Place { lan: 9, isp: 9, ..me }),
            Nearness::Country,
            "a prefix of another operator"
        );
        assert_eq!(me.nearness(Place { prefix: 3, ..Place::default() }), Nearness::Neighbourhood);
    }

    #[test]
    fn unknown_is_near_nobody() {
        let unknown = Place::default();
        assert_eq!(unknown.nearness(unknown), Nearness::Far);
    }
}
