//! Which networks this machine is attached to: what is near without asking anybody, and where others on the
//! same network reach us.

use std::net::{IpAddr, SocketAddr};

use nearcast_engine::Nearness;
use nearcast_engine::limits::{MAX_ADDRESSES, MAX_CANDIDATES};
use netwatch::interfaces::{IpNet, State};

/// The networks of this machine at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks(Vec<IpNet>);

impl Networks {
    /// Looks at the interfaces that are up.
    pub(super) async fn look() -> Self {
        let state = State::new().await;
        let mut interfaces: Vec<_> = state.interfaces.values().filter(|i| i.is_up()).collect();
        interfaces.sort_by(|a, b| a.name().cmp(b.name()));
        Self(interfaces.into_iter().flat_map(netwatch::interfaces::Interface::addrs).collect())
    }

    /// [`Nearness::Lan`] when `address` is a private or loopback one on a network of ours. Two homes may use the
    /// same private numbers, but a proven connection to such an address did not leave ours.
    pub(super) fn nearness(&self, address: IpAddr) -> Option<Nearness> {
        let attached = self.0.iter().any(|net| match (net, address) {
            (IpNet::V4(net), IpAddr::V4(address)) => net.contains(&address),
            (IpNet::V6 { net, .. }, IpAddr::V6(address)) => net.contains(&address),
            (IpNet::V4(_) | IpNet::V6 { .. }, IpAddr::V4(_) | IpAddr::V6(_)) => false,
        });
        (attached && is_local(address)).then_some(Nearness::Lan)
    }

    /// Where others on our networks reach sockets bound to `bound`, at most [`MAX_ADDRESSES`]; IPv4 first, which
    /// every home network has.
    pub(super) fn reachable(&self, bound: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut addresses: Vec<SocketAddr> = bound.iter().flat_map(|bound| self.behind(*bound)).collect();
        addresses.sort_by_key(|address| address.is_ipv6());
        addresses.dedup();
        addresses.truncate(MAX_ADDRESSES);
        addresses
    }

    /// Where sockets bound to `bound` may be reached from anywhere, IPv4 first: what is told to a peer that tries them
    /// all. Loopback where there is nothing else.
    pub(super) fn offered(&self, bound: &[SocketAddr]) -> Vec<SocketAddr> {
        let of = |bound: &SocketAddr, ip: &IpAddr| ip.is_ipv4() == bound.is_ipv4() && !is_link_local(*ip);
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for bound in bound {
            if bound.ip().is_unspecified() {
                let own = self.0.iter().map(IpNet::addr).filter(|ip| of(bound, ip));
                addresses.extend(own.map(|ip| SocketAddr::new(ip, bound.port())));
            } else {
                addresses.push(*bound);
            }
        }
        if addresses.iter().any(|address| !address.ip().is_loopback()) {
            addresses.retain(|address| !address.ip().is_loopback());
        }
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        addresses.truncate(MAX_CANDIDATES);
        addresses
    }

    fn behind(&self, bound: SocketAddr) -> Vec<SocketAddr> {
        if !bound.ip().is_unspecified() {
            return vec![bound];
        }
        self.0
            .iter()
            .map(IpNet::addr)
            .filter(|ip| ip.is_ipv4() == bound.is_ipv4() && !ip.is_loopback() && is_local(*ip))
            // Link-local addresses mean nothing without the name of an interface.
            .filter(|ip| !is_link_local(*ip))
            .map(|ip| SocketAddr::new(ip, bound.port()))
            .collect()
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// Whether it makes sense to send a packet there at all. Addresses come from strangers.
pub(super) fn is_dialable(address: &SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_is_near_and_the_rest_of_the_world_is_not() {
        let networks = Networks::look().await;
        assert_eq!(networks.nearness([127, 0, 0, 1].into()), Some(Nearness::Lan));
        assert_eq!(networks.nearness([192, 0, 2, 1].into()), None);
        assert_eq!(Networks::default().nearness([127, 0, 0, 1].into()), None, "not attached");
    }

    #[tokio::test]
    async fn a_bound_address_is_reachable_as_it_is_and_an_unspecified_one_by_its_interfaces() {
        let networks = Networks::look().await;
        let bound: SocketAddr = "127.0.0.1:7000".parse().expect("an address");
        assert_eq!(networks.reachable(&[bound]), [bound]);
        let any: SocketAddr = "0.0.0.0:7000".parse().expect("an address");
        let found = networks.reachable(&[any]);
        assert!(found.len() <= MAX_ADDRESSES);
        assert!(found.iter().all(|a| a.port() == 7000 && !a.ip().is_unspecified() && !a.ip().is_loopback()));
        let offered = networks.offered(&[any]);
        assert!(found.iter().all(|address| offered.contains(address)));
        assert!(!offered.is_empty() && offered.iter().all(|a| a.port() == 7000 && !a.ip().is_unspecified()));
    }

    #[test]
    fn senseless_addresses_are_not_dialled() {
        for bad in ["0.0.0.0:1", "224.0.0.1:5", "255.255.255.255:9", "10.0.0.1:0", "[::]:5", "[ff02::1]:5"] {
            assert!(!is_dialable(&bad.parse().expect("an address")), "{bad}");
        }
        assert!(is_dialable(&"10.0.0.1:7000".parse().expect("an address")));
    }
}
