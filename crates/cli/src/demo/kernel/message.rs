//! The messages of sock_diag(7) and linux/inet_diag.h. Numbers are in the machine's order but for ports.

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
