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
    /// Notices came faster than they were read.
    #[error("the kernel dropped notices of closed connections: too many were closed on this machine")]
    Overrun,
    /// It answered with an error.
    #[error("the kernel does not tell about connections: {0}")]
    Refused(String),
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
pub(crate) use linux::TcpLedger;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::io::Errno;
    use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
    use rustix::net::{bind, recv, send, socket_with, sockopt};

    use super::message::{Answer, DESTROYED_TCP, request};
    use super::{Acked, KernelError};

    /// Notices that may wait, in bytes: about a thousand.
    const NOTICES: usize = 1 << 20;
    /// Longest wait for the kernel's answer, which is immediate.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Counts what the TCP connections of one local port have sent and had acknowledged.
    #[derive(Debug)]
    pub(crate) struct TcpLedger {
        notices: OwnedFd,
        port: u16,
        acked: Acked,
        failed: Option<KernelError>,
    }

    impl TcpLedger {
        /// Begins to count for `port`. Connections that were closed before are not seen.
        ///
        /// # Errors
        /// Where the kernel does not offer sock_diag.
        pub(crate) fn open(port: u16) -> Result<Self, KernelError> {
            let notices = netlink()?;
            let _ = sockopt::set_socket_recv_buffer_size(&notices, NOTICES);
            bind(&notices, &SocketAddrNetlink::new(0, DESTROYED_TCP)).map_err(refused)?;
            Ok(Self { notices, port, acked: Acked::new(), failed: None })
        }

        /// Takes in what was closed. To be called several times a second, or notices are lost.
        pub(crate) fn follow(&mut self) {
            let mut buffer = [0; 16 * 1024];
            loop {
                match recv(&self.notices, &mut buffer, RecvFlags::DONTWAIT) {
                    Ok((0, _)) | Err(Errno::AGAIN) => return,
                    Ok((got, _)) => {
                        Answer::read(buffer.get(..got).unwrap_or_default(), self.port, &mut self.acked);
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::NOBUFS) => self.failed = Some(KernelError::Overrun),
                    Err(error) => {
                        self.failed = Some(refused(error));
                        return;
                    }
                }
            }
        }

        /// Bytes acknowledged so far, over open and closed connections.
        ///
        /// # Errors
        /// When the kernel dropped notices or does not answer: the sum would be too small.
        pub(crate) fn acked(&mut self) -> Result<u64, KernelError> {
            self.follow();
            for family in [AddressFamily::INET, AddressFamily::INET6] {
                self.dump(family)?;
            }
            self.follow();
            self.failed.clone().map_or_else(|| Ok(self.acked.values().sum()), Err)
        }

        fn dump(&mut self, family: AddressFamily) -> Result<(), KernelError> {
            let socket = netlink()?;
            let family = u8::try_from(family.as_raw()).unwrap_or_default();
            send(&socket, &request(family, self.port), SendFlags::empty()).map_err(refused)?;
            let mut buffer = vec![0; 64 * 1024];
            let begun = Instant::now();
            while begun.elapsed() < PATIENCE {
                match recv(&socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
                    Ok((got, _)) => {
                        let bytes = buffer.get(..got).unwrap_or_default();
                        match Answer::read(bytes, self.port, &mut self.acked) {
                            Answer::More => {}
                            Answer::Done => return Ok(()),
                            Answer::Refused => {
                                return Err(KernelError::Refused("it refused the question".to_owned()));
                            }
                        }
                    }
                    Err(Errno::AGAIN | Errno::INTR) => std::thread::yield_now(),
                    Err(error) => return Err(refused(error)),
                }
            }
            Err(KernelError::Refused("no answer".to_owned()))
        }
    }

    fn netlink() -> Result<OwnedFd, KernelError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG)).map_err(refused)
    }

    fn refused(error: Errno) -> KernelError {
        KernelError::Refused(std::io::Error::from(error).to_string())
    }
}

/// The messages of sock_diag(7) and linux/inet_diag.h. Numbers are in the machine's order but for ports.
#[cfg(target_os = "linux")]
mod message {
    use super::Acked;

    /// Groups SKNLGRP_INET_TCP_DESTROY (1) and SKNLGRP_INET6_TCP_DESTROY (3), as a mask.
    pub(super) const DESTROYED_TCP: u32 = 1 | 1 << 2;

    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLMSG_ERROR: u16 = 2;
    const NLMSG_DONE: u16 = 3;
    const REQUEST_DUMP: u16 = 0x301;
    const IPPROTO_TCP: u8 = 6;
    const INET_DIAG_INFO: u16 = 2;
    /// Sizes of `nlmsghdr` and `inet_diag_msg`.
    const HEADER: usize = 16;
    const DIAG: usize = 72;
    /// Within `inet_diag_msg`.
    const PORT: usize = 4;
    const COOKIE: usize = 44;
    /// `tcpi_bytes_acked` within `tcp_info`.
    const BYTES_ACKED: usize = 120;

    /// What a datagram means for a question.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) enum Answer {
        More,
        Done,
        Refused,
    }

    /// Asks for all TCP sockets of a local port.
    pub(super) fn request(family: u8, port: u16) -> Vec<u8> {
        let mut body = vec![family, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0];
        body.extend(u32::MAX.to_ne_bytes());
        body.extend(port.to_be_bytes());
        body.resize(56, 0);
        let length = u32::try_from(HEADER + body.len()).unwrap_or(0);
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        message.extend(REQUEST_DUMP.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        message
    }

    impl Answer {
        /// Notes the counters of connections of `port` in a datagram.
        pub(super) fn read(mut bytes: &[u8], port: u16, acked: &mut Acked) -> Self {
            while let Some(length) = u32_at(bytes, 0).and_then(|n| usize::try_from(n).ok()) {
                let Some(body) = bytes.get(HEADER..length) else { break };
                match u16_at(bytes, 4) {
                    Some(NLMSG_DONE) => return Self::Done,
                    Some(NLMSG_ERROR) => return Self::Refused,
                    Some(SOCK_DIAG_BY_FAMILY) => note(body, port, acked),
                    _ => {}
                }
                bytes = bytes.get(aligned(length)..).unwrap_or_default();
            }
            Self::More
        }
    }

    fn note(body: &[u8], port: u16, acked: &mut Acked) {
        let local = body.get(PORT..PORT + 2).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes);
        let (Some(cookie), Some(sent)) = (u64_at(body, COOKIE), bytes_acked(body)) else { return };
        if local == Some(port) {
            let seen = acked.entry(cookie).or_default();
            *seen = sent.max(*seen);
        }
    }

    fn bytes_acked(body: &[u8]) -> Option<u64> {
        let mut attributes = body.get(DIAG..)?;
        loop {
            let length = usize::from(u16_at(attributes, 0)?);
            let value = attributes.get(4..length)?;
            if u16_at(attributes, 2) == Some(INET_DIAG_INFO) {
                return u64_at(value, BYTES_ACKED);
            }
            attributes = attributes.get(aligned(length)..)?;
        }
    }

    /// Netlink pads to four bytes.
    fn aligned(length: usize) -> usize {
        length.next_multiple_of(4)
    }

    fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
        bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
    }

    fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
        bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
    }

    fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
        bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_broken_datagram_is_passed_over() {
            let mut acked = Acked::new();
            let whole = request(2, 80);
            for cut in 0..whole.len() {
                assert_eq!(Answer::read(&whole[..cut], 80, &mut acked), Answer::More);
            }
            let mut endless = whole.clone();
            endless[..4].fill(0);
            assert_eq!(Answer::read(&endless, 80, &mut acked), Answer::More);
            assert!(acked.is_empty());
        }
    }
}

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

    /// Nothing to follow.
    pub(crate) fn follow(&mut self) {}

    /// # Errors
    /// Always.
    pub(crate) fn acked(&mut self) -> Result<u64, KernelError> {
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

    /// The kernel's own figures for a known transfer: open, closed by us, closed by the other side.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_connections_sent_is_known_to_the_byte_while_open_and_when_closed() {
        use std::io::{Read as _, Write as _};
        use std::net::{TcpListener, TcpStream};

        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        let mut ledger = TcpLedger::open(address.port()).expect("sock_diag");
        let transfer = |bytes: usize| {
            let mut client = TcpStream::connect(address).expect("connects");
            let (mut served, _) = server.accept().expect("accepts");
            served.write_all(&vec![1; bytes]).expect("sends");
            client.read_exact(&mut vec![0; bytes]).expect("receives");
            // Bytes of the other direction are not counted.
            client.write_all(b"thanks").expect("sends");
            (client, served)
        };
        let open = transfer(50_000);
        assert_eq!(ledger.acked(), Ok(50_000));
        let ours_first = transfer(7_000);
        drop(ours_first.1);
        drop(ours_first.0);
        let theirs_first = transfer(900);
        drop(theirs_first.0);
        drop(theirs_first.1);
        // The kernel tells of a closed connection a moment later.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        let mut told = 0;
        while told < 57_900 && std::time::Instant::now() < deadline {
            told = ledger.acked().expect("told");
        }
        // The end of a connection counts as one byte in each direction.
        assert!((57_900..=57_902).contains(&told), "{told}");
        drop(open);
        let told = ledger.acked().expect("told");
        assert!((57_900..=57_903).contains(&told), "{told}");
    }
}
