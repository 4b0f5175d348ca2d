//! Where a node is, from the address it was observed at.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use nearcast_engine::Place;

use super::addresses::network;

/// Tells places from addresses. What it knows besides (operators, countries) comes from its maker.
pub trait Places: Send + Sync + fmt::Debug {
    /// Where a node observed at `address` is.
    fn place(&self, address: IpAddr) -> Place;
}

/// Tells the same network and the same prefix, and neither operator nor country, for which it would need a
/// database. The numbers are keyed hashes: they mean nothing outside this one run.
#[derive(Debug, Default)]
pub struct PlainPlaces {
    key: RandomState,
}

impl Places for PlainPlaces {
    fn place(&self, address: IpAddr) -> Place {
        let lan = self.number(("lan", network(address)));
        Place { lan, prefix: self.number(("prefix", prefix(address))), ..Place::default() }
    }
}

impl PlainPlaces {
    /// A number for a place; zero stands for unknown and is never given.
    fn number(&self, place: (&str, IpAddr)) -> u64 {
        self.key.hash_one(place).max(1)
    }
}

/// The neighbourhood of an address: what operators route and give out together, /24 and /48.
fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & 0xffff_ff00).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 80 << 80).into()),
    }
}

#[cfg(test)]
mod tests {
    use nearcast_engine::Nearness;

    use super::*;

    #[test]
    fn the_near_are_told_from_the_far() {
        let places = PlainPlaces::default();
        let nearness = |a: &str, b: &str| {
            let place = |ip: &str| places.place(ip.parse().expect("an address"));
            place(a).nearness(place(b))
        };
        assert_eq!(nearness("198.51.100.7", "198.51.100.7"), Nearness::Lan);
        assert_eq!(nearness("198.51.100.7", "198.51.100.8"), Nearness::Neighbourhood);
        assert_eq!(nearness("198.51.100.7", "198.51.101.7"), Nearness::Far);
        assert_eq!(nearness("192.168.1.7", "192.168.1.8"), Nearness::Lan);
        assert_eq!(nearness("2001:db8:1:2::7", "2001:db8:1:2::8"), Nearness::Lan);
        assert_eq!(nearness("2001:db8:1:2::7", "2001:db8:1:3::7"), Nearness::Neighbourhood);
        assert_eq!(nearness("2001:db8:1:2::7", "2001:db8:2:2::7"), Nearness::Far);
    }

    #[test]
    fn numbers_mean_nothing_elsewhere() {
        let address = "198.51.100.7".parse().expect("an address");
        assert_ne!(PlainPlaces::default().place(address), PlainPlaces::default().place(address));
    }
}
