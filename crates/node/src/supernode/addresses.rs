//! Addresses of nodes: where they were observed, which of their own they may name, and who is told which.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use nearcast_engine::limits::MAX_ADDRESSES;

/// From which web proxies an `X-Forwarded-For` header is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustedProxies {
    /// Nodes connect directly; what the header says is ignored, since anyone can write it.
    #[default]
    None,
    /// Connections from these addresses come from proxies that append the client's address.
    These(Vec<IpAddr>),
}

impl TrustedProxies {
    /// Where the node behind a connection from `peer` is: the last address in the headers that no trusted
    /// proxy has, as each proxy appends the one it saw.
    pub(super) fn observed(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        let Self::These(proxies) = self else { return peer };
        if !proxies.contains(&peer) {
            return peer;
        }
        let values = headers.get_all("x-forwarded-for");
        let hops: Vec<&str> = values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let mut nearest = peer;
        for hop in hops.into_iter().rev() {
            // What cannot be read was written before the last proxy that is trusted: it is not believed.
            let Some(ip) = read_hop(hop.trim()) else { return nearest };
            nearest = ip;
            if !proxies.contains(&ip) {
                return ip;
            }
        }
        nearest
    }
}

/// An address, with a port as some proxies write it.
fn read_hop(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    ip.map(|ip| ip.to_canonical())
}

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Machine,
    Site,
    World,
}

fn scope(ip: IpAddr) -> Scope {
    let in_site = match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    match (ip.is_loopback(), in_site) {
        (true, _) => Scope::Machine,
        (false, true) => Scope::Site,
        (false, false) => Scope::World,
    }
}

/// The network in which an observed address lies, so far as it can be told from outside: behind one public
/// IPv4 address there is one network, and it has one /64 of IPv6 (RFC 6177). Private addresses are only seen by a
/// supernode inside the site; there a /24 stands for one network.
pub(super) fn network(ip: IpAddr) -> IpAddr {
    match (ip, scope(ip)) {
        (IpAddr::V4(ip), Scope::Site) => IpAddr::V4(Ipv4Addr::from(u32::from(ip) & 0xffff_ff00)),
        (IpAddr::V6(ip), Scope::Site | Scope::World) => {
            IpAddr::V6(Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)))
        }
        (ip, _) => ip,
    }
}

/// How one node can be reached, as far as this supernode knows.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    observed: IpAddr,
    port: u16,
    local: Vec<SocketAddr>,
}

impl Reach {
    /// A node observed at `observed`, which takes connections on `port` (none if zero) and names addresses of
    /// its own. Those that are public, or no addresses, are left out: a public one is observed or not believed,
    /// or a node could send others to a stranger's machine.
    pub(super) fn new(observed: IpAddr, port: u16, local: &[String]) -> Self {
        let own = local.iter().filter_map(|text| text.parse::<SocketAddr>().ok());
        let own = own.filter(|a| a.port() != 0 && !a.ip().is_unspecified());
        let own = own.filter(|a| scope(a.ip().to_canonical()) != Scope::World);
        Self { observed, port, local: own.take(MAX_ADDRESSES - 1).collect() }
    }

    pub(super) fn observed(&self) -> IpAddr {
        self.observed
    }

    /// Where `asker` is told to reach this node.
    pub(super) fn told_to(&self, asker: &Self) -> Vec<String> {
        let mut told = Vec::with_capacity(MAX_ADDRESSES);
        let sees = match scope(self.observed) {
            Scope::World => true,
            Scope::Site => scope(asker.observed) != Scope::World,
            Scope::Machine => scope(asker.observed) == Scope::Machine,
        };
        if self.port != 0 && sees {
            told.push(SocketAddr::new(self.observed, self.port));
        }
        if self.shares_site(asker) {
            let same_machine = self.observed == asker.observed;
            let own =
                self.local.iter().filter(|a| same_machine || scope(a.ip().to_canonical()) == Scope::Site);
            for address in own {
                if !told.contains(address) {
                    told.push(*address);
                }
            }
        }
        told.truncate(MAX_ADDRESSES);
        told.iter().map(SocketAddr::to_string).collect()
    }

    /// In one network; or one of them on this very machine and the other in the site this machine is in.
    fn shares_site(&self, other: &Self) -> bool {
        let scopes = (scope(self.observed), scope(other.observed));
        let beside = matches!(scopes, (Scope::Machine, Scope::Site) | (Scope::Site, Scope::Machine));
        beside || network(self.observed) == network(other.observed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn reach(observed: &str, local: &[&str]) -> Reach {
        Reach::new(ip(observed), 4_433, &local.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn strangers_learn_the_observed_address_only() {
        let holder = reach("198.51.100.7", &["192.168.1.5:4433", "[fe80::1]:4433"]);
        assert_eq!(holder.told_to(&reach("203.0.113.9", &[])), ["198.51.100.7:4433"]);
        let housemate = reach("198.51.100.7", &[]);
        assert_eq!(holder.told_to(&housemate), ["198.51.100.7:4433", "192.168.1.5:4433", "[fe80::1]:4433"]);
    }

    #[test]
    fn addresses_that_could_mislead_others_are_left_out() {
        let named =
            ["203.0.113.80:80", "8.8.8.8:53", "0.0.0.0:1", "192.168.1.5:0", "localhost:80", "x", "[::]:9"];
        let holder = reach("198.51.100.7", &named);
        assert_eq!(holder.told_to(&reach("198.51.100.7", &[])), ["198.51.100.7:4433"]);
        let many: Vec<String> = (1..50).map(|n| format!("10.0.0.{n}:1")).collect();
        let holder = Reach::new(ip("198.51.100.7"), 1, &many);
        assert_eq!(holder.told_to(&reach("198.51.100.7", &[])).len(), MAX_ADDRESSES);
    }

    #[test]
    fn private_addresses_stay_in_the_site() {
        let here = reach("127.0.0.1", &["192.168.1.5:4433", "127.0.0.1:4433"]);
        let phone = reach("192.168.1.6", &[]);
        let stranger = reach("203.0.113.9", &[]);
        assert_eq!(here.told_to(&phone), ["192.168.1.5:4433"]);
        assert_eq!(here.told_to(&stranger), Vec::<String>::new());
        assert_eq!(here.told_to(&reach("127.0.0.1", &[])), ["127.0.0.1:4433", "192.168.1.5:4433"]);
        assert_eq!(phone.told_to(&stranger), Vec::<String>::new());
        assert_eq!(phone.told_to(&here), ["192.168.1.6:4433"]);
    }

    #[test]
    fn a_household_has_one_address_or_one_slash_64() {
        assert_eq!(network(ip("198.51.100.7")), ip("198.51.100.7"));
        assert_eq!(network(ip("192.168.1.7")), network(ip("192.168.1.9")));
        assert_ne!(network(ip("127.0.0.1")), network(ip("127.0.0.2")));
        assert_eq!(network(ip("2001:db8:1:2::7")), network(ip("2001:db8:1:2:9::1")));
        assert_ne!(network(ip("2001:db8:1:2::7")), network(ip("2001:db8:1:3::7")));
    }

    #[test]
    fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
        let forwarded = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", axum::http::HeaderValue::from_static(value));
            }
            headers
        };
        let proxies = TrustedProxies::These(vec![ip("10.0.0.1"), ip("10.0.0.2")]);
        let observed = |peer, values: &[&'static str]| proxies.observed(ip(peer), &forwarded(values));
        assert_eq!(observed("203.0.113.9", &["1.2.3.4"]), ip("203.0.113.9"), "not a proxy");
        assert_eq!(observed("10.0.0.1", &["198.51.100.7"]), ip("198.51.100.7"));
        assert_eq!(observed("10.0.0.1", &["6.6.6.6, 198.51.100.7, 10.0.0.2"]), ip("198.51.100.7"));
        assert_eq!(observed("10.0.0.1", &["6.6.6.6", "198.51.100.7:5000"]), ip("198.51.100.7"));
        assert_eq!(observed("10.0.0.1", &["[2001:db8::1]"]), ip("2001:db8::1"));
        assert_eq!(observed("10.0.0.1", &["198.51.100.7, nonsense, 10.0.0.2"]), ip("10.0.0.2"));
        assert_eq!(observed("10.0.0.1", &[]), ip("10.0.0.1"));
        assert_eq!(observed("::ffff:10.0.0.1", &["198.51.100.7"]), ip("198.51.100.7"));
        let none = TrustedProxies::None.observed(ip("10.0.0.1"), &forwarded(&["1.2.3.4"]));
        assert_eq!(none, ip("10.0.0.1"));
    }
}
