//! STUN (RFC 8489): tells browsers and nodes from which address they are seen, so that no public server is needed for
//! it.
//!
//! Binding requests alone, without authentication, over UDP. An answer has 12 bytes more than the smallest request
//! (24 with IPv6), so nobody gains by asking in another's name; answers are bounded a second all the same. What is no
//! request is not answered.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// In every message since RFC 5389.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
/// Longest request that is read: no browser's comes near.
const MAX_REQUEST: usize = 548;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const BINDING_ERROR: [u8; 2] = [0x01, 0x11];
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Attributes that must be understood, and that this server has no use for: it asks nobody who they are.
const UNDERSTOOD: [u16; 7] = [0x0006, 0x0008, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e];
/// From here on attributes may be ignored (RFC 8489, section 14).
const OPTIONAL: u16 = 0x8000;
/// Unknown attributes that an error names: the answer stays shorter than the request.
const MAX_NAMED: usize = 8;
/// Answers a second: each connection of a tab costs one to three.
const ANSWERS_PER_SECOND: u64 = 2_000;

/// The answer to a packet from `source`; nothing when it is no binding request.
pub(crate) fn answer(packet: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let (header, attributes) = packet.split_at_checked(HEADER)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let is_request = header[..2] == BINDING_REQUEST && header[4..8] == COOKIE;
    if !is_request || length != attributes.len() || length % 4 != 0 {
        return None;
    }
    let transaction = header[8..].first_chunk::<12>()?;
    let unknown = unknown_attributes(attributes)?;
    if unknown.is_empty() {
        let mapped = xor_mapped(source, transaction);
        return Some(message(BINDING_SUCCESS, transaction, &[(XOR_MAPPED_ADDRESS, &mapped)]));
    }
    let named: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
    // 420, without words for people: no person reads it.
    let error = [0, 0, 4, 20];
    let attributes: [(u16, &[u8]); 2] = [(ERROR_CODE, &error), (UNKNOWN_ATTRIBUTES, &named)];
    Some(message(BINDING_ERROR, transaction, &attributes))
}

/// Attributes that must be understood and are not; nothing when the attributes are not well formed.
fn unknown_attributes(mut rest: &[u8]) -> Option<Vec<u16>> {
    let mut unknown = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let (kind, length) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        rest = behind.get(usize::from(length).next_multiple_of(4)..)?;
        if kind < OPTIONAL && !UNDERSTOOD.contains(&kind) && unknown.len() < MAX_NAMED {
            unknown.push(kind);
        }
    }
    Some(unknown)
}

/// An address, hidden from routers that rewrite what looks like one (RFC 8489, section 14.2).
fn xor_mapped(source: SocketAddr, transaction: &[u8; 12]) -> Vec<u8> {
    let key: Vec<u8> = COOKIE.iter().chain(transaction).copied().collect();
    let (family, octets) = match source.ip().to_canonical() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let port = source.port().to_be_bytes();
    let mut value = vec![0, family];
    value.extend(port.iter().zip(&key).map(|(byte, mask)| byte ^ mask));
    value.extend(octets.iter().zip(&key).map(|(byte, mask)| byte ^ mask));
    value
}

fn message(kind: [u8; 2], transaction: &[u8; 12], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&kind, &length, COOKIE.as_slice(), transaction, &body].concat()
}

/// What a client asks. `transaction` is drawn anew each time: the answer repeats it.
pub(crate) fn question(transaction: &[u8; 12]) -> Vec<u8> {
    message(BINDING_REQUEST, transaction, &[])
}

/// From where the asker of this transaction is seen; nothing when the packet is no answer to it.
pub(crate) fn told(packet: &[u8], transaction: &[u8; 12]) -> Option<SocketAddr> {
    let (header, mut rest) = packet.split_at_checked(HEADER)?;
    if header[..2] != BINDING_SUCCESS || header[4..8] != COOKIE || header[8..] != *transaction {
        return None;
    }
    loop {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let (kind, length) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        if kind == XOR_MAPPED_ADDRESS {
            return unmapped(behind.get(..usize::from(length))?, transaction);
        }
        rest = behind.get(usize::from(length).next_multiple_of(4)..)?;
    }
}

fn unmapped(value: &[u8], transaction: &[u8; 12]) -> Option<SocketAddr> {
    let (head, octets) = value.split_first_chunk::<4>()?;
    let key: Vec<u8> = COOKIE.iter().chain(transaction).copied().collect();
    let port = u16::from_be_bytes([head[2] ^ key[0], head[3] ^ key[1]]);
    let octets: Vec<u8> = octets.iter().zip(&key).map(|(byte, mask)| byte ^ mask).collect();
    let ip = match head[1] {
        1 => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// How many answers may still go out within this second.
#[derive(Debug)]
struct Allowance {
    since: Instant,
    left: u64,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { since: now, left: ANSWERS_PER_SECOND }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since).as_secs() > 0 {
            *self = Self::new(now);
        }
        let some = self.left > 0;
        self.left -= u64::from(some);
        some
    }
}

/// A STUN server.
#[derive(Debug)]
pub struct Stun {
    socket: UdpSocket,
}

impl Stun {
    /// Binds the UDP port.
    ///
    /// # Errors
    /// When it is taken.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: UdpSocket::bind(address).await? })
    }

    /// The port that was bound.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Answers until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut packet = [0; MAX_REQUEST];
        let mut allowance = Allowance::new(Instant::now());
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = self.socket.recv_from(&mut packet) => received,
            };
            // An error of one exchange (a port that was closed meanwhile) says nothing about the next.
            let Ok((length, source)) = received else { continue };
            let Some(reply) = packet.get(..length).and_then(|packet| answer(packet, source)) else {
                continue;
            };
            if allowance.take(Instant::now()) {
                // A full queue loses it, as any router may; who asked asks again.
                let _ = self.socket.try_send_to(&reply, source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    /// RFC 5769, section 2.1: a request of an ICE agent.
    const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
        002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
        000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
    /// RFC 5769, section 2.2: its mapped address, in the answer over IPv4.
    const MAPPED_V4: &str = "002000080001a147e112a643";
    /// RFC 5769, section 2.3: the same over IPv6.
    const MAPPED_V6: &str = "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9";

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).expect("a digit")).collect();
        digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
    }

    fn request(attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).expect("short").to_be_bytes();
        [&BINDING_REQUEST, &length, COOKIE.as_slice(), &TRANSACTION, attributes].concat()
    }

    fn source(text: &str) -> SocketAddr {
        text.parse().expect(text)
    }

    #[test]
    fn answers_carry_the_addresses_of_the_official_vectors() {
        for (from, mapped) in [
            ("192.0.2.1:32853", MAPPED_V4),
            ("[::ffff:192.0.2.1]:32853", MAPPED_V4),
            ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", MAPPED_V6),
        ] {
            let reply = answer(&request(&[]), source(from)).expect("an answer");
            assert_eq!(reply[..2], BINDING_SUCCESS);
            assert_eq!(reply[4..20], request(&[])[4..20], "cookie and transaction");
            assert_eq!(reply[20..], unhex(mapped), "{from}");
            assert_eq!(usize::from(u16::from_be_bytes([reply[2], reply[3]])), reply.len() - HEADER);
            let seen = source(from);
            assert_eq!(
                told(&reply, &TRANSACTION),
                Some(SocketAddr::new(seen.ip().to_canonical(), seen.port()))
            );
            for cut in 0..reply.len() {
                assert_eq!(told(&reply[..cut], &TRANSACTION), None, "cut to {cut}");
            }
            assert_eq!(told(&reply, &[1; 12]), None, "of another question");
        }
        assert_eq!(question(&TRANSACTION), request(&[]));
        assert_eq!(told(&request(&[]), &TRANSACTION), None, "no answer");
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_named() {
        let reply = answer(&unhex(REQUEST), source("192.0.2.1:32853")).expect("an answer");
        assert_eq!(reply[..2], BINDING_ERROR);
        // PRIORITY belongs to ICE, which runs between peers.
        assert_eq!(reply[20..], unhex("00090004 00000414 000a0002 00240000"));
        assert!(reply.len() < unhex(REQUEST).len());
        let optional = request(&unhex("80220004 78787878"));
        assert_eq!(answer(&optional, source("192.0.2.1:1")).expect("an answer")[..2], BINDING_SUCCESS);
    }

    #[test]
    fn what_is_no_request_is_not_answered() {
        let good = request(&unhex("80220003 78787800"));
        assert!(answer(&good, source("192.0.2.1:1")).is_some());
        for cut in 0..good.len() {
            assert_eq!(answer(&good[..cut], source("192.0.2.1:1")), None, "cut to {cut}");
        }
        for at in [0, 1, 2, 3, 4, 7, 22] {
            let mut other = good.clone();
            other[at] ^= 0x41;
            assert_eq!(answer(&other, source("192.0.2.1:1")), None, "byte {at}");
        }
        let own = answer(&good, source("192.0.2.1:1")).expect("an answer");
        assert_eq!(answer(&own, source("192.0.2.1:1")), None, "two servers do not talk to each other");
    }

    #[test]
    fn answers_are_bounded() {
        let begun = Instant::now();
        let mut allowance = Allowance::new(begun);
        let taken = (0..5_000).filter(|_| allowance.take(begun)).count();
        assert_eq!(taken, 2_000);
        assert!(allowance.take(begun + Duration::from_secs(1)));
        let most = (0..100).map(|n| request(&(0..n).flat_map(|_| [0, 0x24, 0, 0]).collect::<Vec<u8>>()));
        for asked in most {
            let reply = answer(&asked, source("[2001:db8::1]:1")).expect("an answer");
            assert!(reply.len() <= asked.len() + 24, "{} for {}", reply.len(), asked.len());
        }
    }

    #[tokio::test]
    async fn a_client_learns_its_own_address() {
        let server = Stun::bind(source("127.0.0.1:0")).await.expect("a port");
        let to = SocketAddr::new(source("127.0.0.1:0").ip(), server.port().expect("bound"));
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(stop.clone()));
        let client = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        client.send_to(&request(&[]), to).await.expect("sent");
        let mut reply = [0; 100];
        let (length, _) = client.recv_from(&mut reply).await.expect("an answer");
        let own = client.local_addr().expect("bound");
        assert_eq!(reply[24..length], xor_mapped(own, &TRANSACTION));
        stop.cancel();
        running.await.expect("ends");
    }
}
