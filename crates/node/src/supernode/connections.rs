//! How many connections there may be: in all, and from one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nearcast_engine::limits::MAX_SESSIONS;

use super::addresses::network;

/// Bounds on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionBounds {
    /// In all.
    pub total: usize,
    /// From one network, that is one IPv4 address or one /64: a quarter of all by default, since an operator may hide
    /// a whole town behind one address.
    pub per_network: usize,
}

impl Default for ConnectionBounds {
    fn default() -> Self {
        Self { total: MAX_SESSIONS, per_network: MAX_SESSIONS / 4 }
    }
}

/// Counts connections.
#[derive(Debug)]
pub(super) struct Connections {
    bounds: ConnectionBounds,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// A connection's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    open: Arc<Mutex<Open>>,
    network: IpAddr,
}

impl Connections {
    pub(super) fn new(bounds: ConnectionBounds) -> Self {
        Self { bounds, open: Arc::default() }
    }

    pub(super) fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// A place for a connection from `observed`, or after how long to come back.
    pub(super) fn enter(&self, observed: IpAddr) -> Result<Permit, Duration> {
        let network = network(observed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.by_network.get(&network).copied().unwrap_or(0);
        if open.total >= self.bounds.total || here >= self.bounds.per_network {
            drop(open);
            return Err(come_back());
        }
        open.total += 1;
        open.by_network.insert(network, here + 1);
        Ok(Permit { open: self.open.clone(), network })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(here) = open.by_network.get_mut(&self.network) {
            *here -= 1;
            if *here == 0 {
                open.by_network.remove(&self.network);
            }
        }
    }
}

/// 10 to 30 s, so that those turned away together do not come back together.
fn come_back() -> Duration {
    // Without random bytes they come back together, which is bad and no reason to let them in.
    let spread = getrandom::u32().unwrap_or(0) % 21;
    Duration::from_secs(10 + u64::from(spread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let connections = Connections::new(ConnectionBounds { total: 3, per_network: 2 });
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = connections.enter(a).expect("room");
        let _second = connections.enter(a).expect("room");
        let after = connections.enter(a).expect_err("two from one network");
        assert!((10..=30).contains(&after.as_secs()));
        let _third = connections.enter(b).expect("room");
        assert!(connections.enter(b).is_err(), "three in all");
        drop(first);
        assert_eq!(connections.open(), 2);
        let _again = connections.enter(a).expect("room again");
    }
}
