//! From where the sockets are seen on the other side of a router, as a STUN server tells it.

use std::net::SocketAddr;

use super::connection::Datagram;
use crate::stun;

/// One server for each family of addresses, and what it said.
#[derive(Debug, Default)]
pub(super) struct Reflection {
    mirrors: Vec<Mirror>,
}

#[derive(Debug)]
struct Mirror {
    server: SocketAddr,
    /// The question that waits for its answer.
    transaction: Option<[u8; 12]>,
    seen: Option<SocketAddr>,
}

impl Reflection {
    /// Asks the first of each family, from here on.
    pub(super) fn at(servers: &[SocketAddr]) -> Self {
        let of = |v4: bool| servers.iter().find(|server| server.is_ipv4() == v4);
        let mirror = |server: &SocketAddr| Mirror { server: *server, transaction: None, seen: None };
        Self { mirrors: [of(true), of(false)].into_iter().flatten().map(mirror).collect() }
    }

    /// Questions to send. An answer that got lost is made up for by what was seen before, and by the next question.
    pub(super) fn ask(&mut self) -> Vec<Datagram> {
        let ask = |mirror: &mut Mirror| {
            let mut transaction = [0; 12];
            // Without randomness an answer could be anybody's.
            getrandom::fill(&mut transaction).ok()?;
            mirror.transaction = Some(transaction);
            Some(Datagram { to: mirror.server, bytes: stun::question(&transaction) })
        };
        self.mirrors.iter_mut().filter_map(ask).collect()
    }

    /// What has been seen so far.
    pub(super) fn seen(&self) -> impl Iterator<Item = SocketAddr> {
        self.mirrors.iter().filter_map(|mirror| mirror.seen)
    }

    /// Takes an answer; tells an address that was not seen before.
    pub(super) fn told(&mut self, source: SocketAddr, packet: &[u8]) -> Option<SocketAddr> {
        let mirror = self.mirrors.iter_mut().find(|mirror| mirror.server == source)?;
        let seen = stun::told(packet, mirror.transaction.as_ref()?)?;
        mirror.transaction = None;
        let news = mirror.seen.replace(seen) != Some(seen);
        news.then_some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_of_the_server_that_was_asked_counts() {
        let server: SocketAddr = "192.0.2.1:3478".parse().expect("an address");
        let mut reflection = Reflection::at(&[server, "192.0.2.2:3478".parse().expect("an address")]);
        let question = reflection.ask();
        assert_eq!(question.iter().map(|asked| asked.to).collect::<Vec<_>>(), [server]);
        let own: SocketAddr = "198.51.100.7:40000".parse().expect("an address");
        let answer = stun::answer(&question[0].bytes, own).expect("an answer");
        assert_eq!(reflection.told(own, &answer), None, "of somebody else");
        assert_eq!(reflection.told(server, &answer), Some(own));
        assert_eq!(reflection.told(server, &answer), None, "twice");
        assert_eq!(reflection.seen().collect::<Vec<_>>(), [own]);
    }
}
