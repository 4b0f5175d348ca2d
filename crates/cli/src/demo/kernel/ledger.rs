//! Follows the TCP connections of one port over netlink: those that are open when asked, those that closed by the
//! kernel's notices.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{bind, recv, send, socket_with};

use super::message::{Answer, DESTROYED_TCP, request};
use super::{Acked, KernelError, Sum};

/// Notices that may wait, in bytes: some thousands. Those of all programs on this machine come in.
const NOTICES: usize = 8 << 20;
/// How soon the thread that reads notices sees that nobody wants them any more.
const LOOK_UP: Duration = Duration::from_millis(200);
/// Longest wait for the kernel's answer, which is immediate.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts what the TCP connections of one local port have sent and had acknowledged.
#[derive(Debug)]
pub(crate) struct TcpLedger {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    acked: Acked,
    /// Notices came faster than they were read, and some were dropped.
    overrun: bool,
    failed: Option<KernelError>,
}

impl TcpLedger {
    /// Begins to count for `port`. Connections that were closed before are not seen.
    ///
    /// # Errors
    /// Where the kernel does not offer sock_diag.
    pub(crate) fn open(port: u16) -> Result<Self, KernelError> {
        let notices = netlink(SocketFlags::empty())?;
        // Only root may ask for more than the system's limit; others get that.
        if sockopt::set_socket_recv_buffer_size_force(&notices, NOTICES).is_err() {
            sockopt::set_socket_recv_buffer_size(&notices, NOTICES).map_err(refused)?;
        }
        sockopt::set_socket_timeout(&notices, Timeout::Recv, Some(LOOK_UP)).map_err(refused)?;
        bind(&notices, &SocketAddrNetlink::new(0, DESTROYED_TCP)).map_err(refused)?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let weak = Arc::downgrade(&seen);
        // A thread of its own, as notices do not wait for long.
        std::thread::spawn(move || follow(&notices, port, &weak));
        Ok(Self { port, seen })
    }

    /// Bytes acknowledged so far, over open and closed connections.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub(crate) fn acked(&self) -> Result<Sum, KernelError> {
        let mut open = Acked::new();
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            dump(family, self.port, &mut open)?;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (cookie, bytes) in open {
            let known = seen.acked.entry(cookie).or_default();
            *known = bytes.max(*known);
        }
        let sum = seen.acked.values().sum();
        match &seen.failed {
            Some(error) => Err(error.clone()),
            None if seen.overrun => Ok(Sum::AtLeast(sum)),
            None => Ok(Sum::Exact(sum)),
        }
    }
}

/// Takes in what was closed, for as long as the ledger lives.
fn follow(notices: &OwnedFd, port: u16, seen: &Weak<Mutex<Seen>>) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let received = recv(notices, &mut buffer, RecvFlags::empty());
        let Some(seen) = seen.upgrade() else { return };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match received {
            Ok((got, _)) => {
                Answer::read(buffer.get(..got).unwrap_or_default(), port, &mut seen.acked);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::NOBUFS) => seen.overrun = true,
            Err(error) => {
                seen.failed = Some(refused(error));
                return;
            }
        }
    }
}

/// Asks for the connections that are open.
fn dump(family: AddressFamily, port: u16, acked: &mut Acked) -> Result<(), KernelError> {
    let socket = netlink(SocketFlags::NONBLOCK)?;
    let family = u8::try_from(family.as_raw()).unwrap_or_default();
    send(&socket, &request(family, port), SendFlags::empty()).map_err(refused)?;
    let mut buffer = vec![0; 64 * 1024];
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match recv(&socket, buffer.as_mut_slice(), RecvFlags::empty()) {
            Ok((got, _)) => match Answer::read(buffer.get(..got).unwrap_or_default(), port, acked) {
                Answer::More => {}
                Answer::Done => return Ok(()),
                Answer::Refused => return Err(KernelError::Refused("it refused the question".to_owned())),
            },
            Err(Errno::AGAIN | Errno::INTR) => std::thread::yield_now(),
            Err(error) => return Err(refused(error)),
        }
    }
    Err(KernelError::Refused("no answer".to_owned()))
}

fn netlink(flags: SocketFlags) -> Result<OwnedFd, KernelError> {
    let flags = flags | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG)).map_err(refused)
}

fn refused(error: Errno) -> KernelError {
    KernelError::Refused(std::io::Error::from(error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's own figures for a known transfer: open, closed by us, closed by the other side.
    #[test]
    fn what_connections_sent_is_known_to_the_byte_while_open_and_when_closed() {
        use std::io::{Read as _, Write as _};
        use std::net::{TcpListener, TcpStream};

        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        let ledger = TcpLedger::open(address.port()).expect("sock_diag");
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
        assert_eq!(ledger.acked().expect("told").bytes(), 50_000);
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
            told = ledger.acked().expect("told").bytes();
        }
        // The end of a connection counts as one byte in each direction.
        assert!((57_900..=57_902).contains(&told), "{told}");
        drop(open);
        let told = ledger.acked().expect("told").bytes();
        assert!((57_900..=57_903).contains(&told), "{told}");
    }
}
