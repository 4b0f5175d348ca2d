//! Two ends in memory, on a clock of their own.

use std::time::Duration;

use super::*;
use crate::transport::channels::crypto;

/// Two ends and the air between them, on a clock of their own.
struct World {
    now: Instant,
    ends: [Option<Connection>; 2],
    addresses: [SocketAddr; 2],
    /// How each ended.
    broken: [Option<Broken>; 2],
    /// Packets that each heard on its channel.
    heard: [Vec<Vec<u8>>; 2],
    opened: [bool; 2],
    /// Packets on their way, and to which end.
    air: VecDeque<(usize, Vec<u8>)>,
    /// Packets that were carried.
    carried: usize,
}

fn origin(address: SocketAddr) -> Origin {
    let cert = crypto::certificate().expect("a certificate");
    Origin { crypto: Arc::new(crypto::provider()), cert, bases: vec![address] }
}

impl World {
    /// An offer and its answer, as `change` leaves them.
    fn arranged(change: impl Fn(String) -> String) -> Result<Self, Broken> {
        let now = Instant::now();
        let addresses = ["192.0.2.1:1000", "192.0.2.2:2000"].map(|text| text.parse().expect("an address"));
        let (mut one, offer) = Connection::call(&origin(addresses[0]), now)?;
        let (mut two, answer) = Connection::answer(&origin(addresses[1]), now, &change(offer))?;
        one.accepted(&answer)?;
        let candidate = |address| Candidate::host(address, "udp").expect("an address").to_sdp_string();
        one.reach(&candidate(addresses[1]));
        two.reach(&candidate(addresses[0]));
        Ok(Self {
            now,
            ends: [Some(one), Some(two)],
            addresses,
            broken: [None, None],
            heard: [Vec::new(), Vec::new()],
            opened: [false; 2],
            air: VecDeque::new(),
            carried: 0,
        })
    }

    fn met() -> Self {
        let mut world = Self::arranged(|offer| offer).expect("proper descriptions");
        world.pass(Duration::from_secs(5));
        assert_eq!(world.opened, [true, true]);
        world
    }

    /// Lets so much time pass.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += Duration::from_millis(1);
            self.moves(0, Connection::elapsed);
            self.moves(1, Connection::elapsed);
            self.settle();
        }
    }

    /// Carries packets until there are none.
    fn settle(&mut self) {
        while let Some((end, packet)) = self.air.pop_front() {
            self.carried += 1;
            let (now, source) = (self.now, self.addresses[1 - end]);
            if self.ends[end].as_ref().is_some_and(|connection| connection.accepts(now, source, &packet)) {
                self.moves(end, |connection, now| connection.received(now, source, &packet));
            }
        }
    }

    fn moves(&mut self, end: usize, step: impl FnOnce(&mut Connection, Instant) -> Result<(), Broken>) {
        let (mut datagrams, mut happened) = (Vec::new(), Vec::new());
        let Some(connection) = &mut self.ends[end] else { return };
        let moved = step(connection, self.now).and_then(|()| connection.drive(&mut datagrams, &mut happened));
        self.air.extend(datagrams.into_iter().map(|datagram| (1 - end, datagram.bytes)));
        for what in happened {
            match what {
                Happened::Opened => self.opened[end] = true,
                Happened::Packet(packet) => self.heard[end].push(packet),
            }
        }
        if let Err(broken) = moved {
            self.broken[end] = Some(broken);
            self.ends[end] = None;
        }
    }

    fn send(&mut self, end: usize, packet: &[u8]) {
        self.moves(end, |connection, _| connection.send(packet.to_vec()));
        self.settle();
    }

    fn rtc(&mut self, end: usize) -> &mut Rtc {
        &mut self.ends[end].as_mut().expect("it lives").rtc
    }
}

#[test]
fn packets_arrive_whole_and_in_order_and_count_as_waiting_until_then() {
    let mut world = World::met();
    let packets: Vec<Vec<u8>> = (0..40).map(|n| vec![n; 16 * 1024]).collect();
    for packet in &packets {
        world.moves(0, |connection, _| connection.send(packet.clone()));
    }
    let waiting = |world: &mut World| world.ends[0].as_mut().expect("it lives").waiting();
    assert!(waiting(&mut world) > 0);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.heard[1], packets);
    assert_eq!(waiting(&mut world), 0);
}

#[test]
fn who_falls_silent_is_given_up_within_twenty_seconds() {
    let mut world = World::met();
    world.ends[1] = None;
    world.pass(Duration::from_secs(20));
    assert!(matches!(world.broken[0], Some(Broken::Ended)), "{:?}", world.broken);
}

#[test]
fn an_idle_link_sends_two_packets_a_second_at_most() {
    let mut world = World::met();
    world.carried = 0;
    world.pass(Duration::from_secs(60));
    assert!(world.carried <= 2 * 60, "{} packets in a minute, both ways", world.carried);
    assert!(world.carried > 0, "nothing keeps the path open");
}

#[test]
fn an_end_is_told_at_once() {
    let mut world = World::met();
    let goodbye = world.ends[0].take().expect("it lives").close();
    world.air.extend(goodbye.into_iter().map(|datagram| (1, datagram.bytes)));
    world.pass(Duration::from_millis(100));
    assert!(matches!(world.broken[1], Some(Broken::Ended)), "{:?}", world.broken);
}

#[test]
fn who_does_not_read_fills_no_memory() {
    let mut world = World::met();
    world.ends[1] = None;
    let sent = (0..1_000).take_while(|_| {
        world.send(0, &[0; 16 * 1024]);
        world.broken[0].is_none()
    });
    let sent = sent.count() * 16 * 1024;
    assert!(sent <= MAX_BACKLOG + MAX_QUEUED, "{sent} bytes");
    assert!(matches!(world.broken[0], Some(Broken::NotRead)), "{:?}", world.broken);
}

#[test]
fn another_channel_or_text_on_ours_is_the_end() {
    let mut world = World::met();
    let channel = world.ends[0].as_ref().expect("it lives").channel;
    let spoken = world.rtc(0).channel(channel).expect("it stands").write(false, b"hello");
    assert!(spoken.expect("sent"));
    world.pass(Duration::from_secs(1));
    assert!(matches!(world.broken[1], Some(Broken::OtherChannel)), "{:?}", world.broken);

    let mut world = World::met();
    let mut change = world.rtc(0).sdp_api();
    change.add_channel("another".to_owned());
    assert!(change.apply().is_none());
    // What an end does to itself is of no interest here.
    world.pass(Duration::from_secs(1));
    assert!(matches!(world.broken[1], Some(Broken::OtherChannel | Broken::Ended)), "{:?}", world.broken);
}

#[test]
fn descriptions_that_are_not_of_one_channel_are_refused() {
    for more in
        ["m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"]
    {
        let refused = World::arranged(|offer| offer + more).err();
        assert!(matches!(refused, Some(Broken::NotOneChannel)), "{more}: {refused:?}");
    }
    let refused = |change: fn(String) -> String| World::arranged(change).is_err();
    assert!(refused(|_| String::new()));
    assert!(refused(|offer| offer.replace("a=fingerprint", "a=footprint")));
    assert!(refused(|offer| offer.replace("m=application", "m=audio")));
    // Whatever is left of it: no panic.
    let (_, offer) = Connection::call(&origin("192.0.2.1:1000".parse().expect("an address")), Instant::now())
        .expect("an offer");
    for line in 0..offer.lines().count() {
        let without: Vec<&str> =
            offer.lines().enumerate().filter(|(n, _)| *n != line).map(|(_, text)| text).collect();
        drop(World::arranged(|_| without.join("\r\n") + "\r\n"));
    }
    for cut in (0..offer.len()).step_by(7) {
        drop(World::arranged(|offer| offer[..cut].to_owned()));
    }
}

#[test]
fn candidates_in_a_description_are_taken_out_and_bounded() {
    let line = "a=candidate:1 1 udp 2113937151 192.0.2.9 5000 typ host\r\n";
    let description = format!("v=0\r\nm=application 9 X\r\n{}a=mid:7\r\n", line.repeat(100));
    let (rest, candidates) = without_candidates(&description).expect("one section");
    assert_eq!(rest, "v=0\r\nm=application 9 X\r\na=mid:7\r\n");
    assert_eq!(candidates.len(), MAX_CANDIDATES);
    assert_eq!(section(&rest), "7");
}
