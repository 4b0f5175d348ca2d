//! What the kernel counted, to check our own figures against: bytes of TCP connections and of the loopback device.
//!
//! Connections are read over netlink (sock_diag(7)), as `ss -tin` does. A connection's counters vanish with it, so
//! the ledger also listens to the kernel's notices of closed sockets, which carry the final counters. Neither
//! needs privileges.

use std::collections::BTreeMap;

/// Why the kernel could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KernelError {
    /// Another system, or one that hides its counters.
    #[error("this system does not show {0}")]
    Hidden(&'static str),
    /// It answered with an error.
    #[error("the kernel does not tell about connections: {0}")]
    Refused(String),
}

/// What connections have sent together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sum {
    /// To the byte.
    Exact(u64),
    /// Or more: so many connections were closed on this machine that the kernel dropped notices of it.
    AtLeast(u64),
}

impl Sum {
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::Exact(bytes) | Self::AtLeast(bytes) => bytes,
        }
    }
}

/// Connections by their cookie, which the kernel uses once. Those of one server in one demo: hundreds.
type Acked = BTreeMap<u64, u64>;

/// Bytes that the loopback device has carried since it came up.
///
/// # Errors
/// Where there is no /proc/net/dev with such a device.
pub(crate) fn loopback_bytes() -> Result<u64, KernelError> {
    let devices = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    device_bytes(&devices, "lo").ok_or(KernelError::Hidden("the loopback device's counters in /proc/net/dev"))
}

/// Bytes sent by a device, by proc(5).
fn device_bytes(devices: &str, name: &str) -> Option<u64> {
    let line = devices.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().nth(8)?.parse().ok()
}

#[cfg(target_os = "linux")]
mod ledger;
#[cfg(target_os = "linux")]
mod message;

#[cfg(target_os = "linux")]
pub(crate) use ledger::TcpLedger;

/// Where there is no sock_diag.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(crate) struct TcpLedger;

#[cfg(not(target_os = "linux"))]
impl TcpLedger {
    /// # Errors
    /// Always.
    pub(crate) fn open(_port: u16) -> Result<Self, KernelError> {
        Err(KernelError::Hidden("the counters of TCP connections"))
    }

    /// # Errors
    /// Always.
    pub(crate) fn acked(&self) -> Result<Sum, KernelError> {
        Err(KernelError::Hidden("the counters of TCP connections"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_found() {
        let devices = "Inter-|   Receive\n face |bytes\n    lo: 100 1 0 0 0 0 0 0 205 2 0 0 0 0 0 0\n\
                       \x20 eth0:7 1 0 0 0 0 0 0 9 2 0 0 0 0 0 0\n";
        assert_eq!(device_bytes(devices, "lo"), Some(205));
        assert_eq!(device_bytes(devices, "eth0"), Some(9));
        assert_eq!(device_bytes(devices, "eth"), None);
        assert_eq!(device_bytes("lo: 1 2", "lo"), None);
    }
}
