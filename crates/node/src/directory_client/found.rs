//! A holder as a supernode told it, with addresses that can be used.

use std::net::{IpAddr, SocketAddr};

use nearcast_content::NodeKey;
use nearcast_engine::Nearness;
use nearcast_engine::wire::Ways;
use nearcast_engine::wire::directory::Holder;

/// A node that holds something of a title, and where it may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundHolder {
    /// Its key.
    pub node: NodeKey,
    /// How near it is.
    pub nearness: Nearness,
    /// Renditions of which it holds something, one bit each.
    pub renditions: u16,
    /// Which of 64 equal parts of the title it holds.
    pub coverage: u64,
    /// Where it may be reached; none when only signals reach it.
    pub addresses: Vec<SocketAddr>,
    /// In which ways it is connected to.
    pub ways: Ways,
}

impl FoundHolder {
    /// Reads the addresses; what no node can be reached at is left out.
    pub(super) fn read(holder: &Holder) -> Self {
        let addresses = holder.addresses.iter().filter_map(|text| text.parse().ok());
        Self {
            node: holder.node,
            nearness: holder.nearness,
            renditions: holder.renditions,
            coverage: holder.coverage,
            addresses: addresses.filter(|address| is_usable(*address)).collect(),
            ways: holder.ways,
        }
    }
}

fn is_usable(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_reach_nobody_are_left_out() {
        let told = [
            "192.0.2.1:7",
            "x",
            "192.0.2.1:0",
            "0.0.0.0:7",
            "224.0.0.1:7",
            "255.255.255.255:7",
            "[ff02::1]:7",
            "[2001:db8::1]:7",
        ];
        let holder = Holder {
            node: NodeKey([1; 32]),
            nearness: Nearness::Far,
            renditions: 1,
            coverage: 2,
            addresses: told.iter().map(|text| (*text).to_owned()).collect(),
            ways: Ways::QUIC,
        };
        let found = FoundHolder::read(&holder);
        let usable = ["192.0.2.1:7", "[2001:db8::1]:7"].map(|text| text.parse().expect("an address"));
        assert_eq!(found.addresses, usable);
    }
}
