//! How a connection reaches its peer: the path in use, and when a change of it is worth a report.

use std::net::{IpAddr, SocketAddr};

use iroh::TransportAddr;
use iroh::endpoint::Connection;
use nearcast_engine::Span;
use nearcast_engine::swarm::Path;

/// Round-trip times below this are all the same to every decision, and jitter most.
const RTT_FLOOR: Span = Span::from_millis(1);

/// The path in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// How it reaches the peer.
    pub(super) path: Path,
    /// Round-trip time.
    pub(super) rtt: Span,
    /// The peer's address on a direct path.
    pub(super) address: Option<IpAddr>,
}

/// The path in use; none before the first is chosen and when the connection is gone.
pub(super) fn route(conn: &Connection) -> Option<Route> {
    let paths = conn.paths();
    // Before one is selected, packets go where the handshake went.
    let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next())?;
    let address = if let TransportAddr::Ip(address) = path.remote_addr() {
        Some(address.ip().to_canonical())
    } else {
        // A relay, or a kind of way that later versions of iroh know. Delivery runs on neither.
        None
    };
    let micros = u64::try_from(path.rtt().as_micros()).unwrap_or(u64::MAX);
    Some(Route {
        path: if address.is_some() { Path::Direct } else { Path::Relayed },
        rtt: Span::from_micros(micros),
        address,
    })
}

/// The peer's address on the path in use, when that is direct.
pub(super) fn address(conn: &Connection) -> Option<SocketAddr> {
    let paths = conn.paths();
    let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next())?;
    let TransportAddr::Ip(address) = path.remote_addr() else { return None };
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// What was last reported of a path.
#[derive(Debug)]
pub(super) struct Reported {
    path: Path,
    rtt: Span,
}

impl Reported {
    pub(super) fn new(route: Route) -> Self {
        Self { path: route.path, rtt: route.rtt }
    }

    /// Whether `route` reaches the peer in another way than reported.
    pub(super) fn moved(&self, route: Route) -> bool {
        route.path != self.path
    }

    /// Whether `route` is worth a report; it counts as reported then.
    pub(super) fn differs(&mut self, route: Route) -> bool {
        let off = if route.rtt > self.rtt { route.rtt.less(self.rtt) } else { self.rtt.less(route.rtt) };
        let worth = self.moved(route) || (off >= RTT_FLOOR && off > self.rtt.over(5));
        if worth {
            *self = Self::new(route);
        }
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: Path, millis: u64) -> Route {
        Route { path, rtt: Span::from_millis(millis), address: None }
    }

    #[test]
    fn only_changes_of_a_fifth_or_of_the_path_are_reported() {
        let mut reported = Reported::new(route(Path::Relayed, 100));
        assert!(!reported.differs(route(Path::Relayed, 120)));
        assert!(!reported.differs(route(Path::Relayed, 80)));
        assert!(reported.differs(route(Path::Relayed, 121)));
        assert!(!reported.differs(route(Path::Relayed, 100)), "the last report counts, not the first");
        assert!(reported.differs(route(Path::Direct, 121)));
        assert!(reported.differs(route(Path::Direct, 1)));
        assert!(!reported.differs(route(Path::Direct, 1)));
    }
}
