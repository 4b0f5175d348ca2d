//! Calls that are taken, refused, late and false.

use nearcast_content::keys::DeviceSecret;

use super::*;
use crate::time::Span;
use crate::wire::PeerMessage;

const PROVIDER: ProviderKey = ProviderKey([7; 32]);

fn key(n: u8) -> DeliveryKey {
    DeviceSecret::new([n; 32]).delivery_key(PROVIDER)
}

fn at(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

fn description(n: u8) -> String {
    format!("v=0\r\na=fingerprint:sha-256 {}\r\n", vec![format!("{n:02X}"); 32].join(":"))
}

/// A node whose connection shows the certificate `print`.
struct Node {
    channels: Channels,
    print: u8,
    /// What its shell was told besides signals and packets.
    told: Vec<Output>,
}

impl Node {
    fn new(n: u8) -> Self {
        Self { channels: Channels::new(key(n), PROVIDER), print: n, told: Vec::new() }
    }

    fn node(&self) -> NodeKey {
        self.channels.key.node()
    }
}

/// Two nodes and their shells, until nothing is left to do. What `change` makes of the signals is what arrives.
fn settle(one: &mut Node, two: &mut Node, change: impl Fn(ChannelSignal) -> ChannelSignal) {
    loop {
        let mut idle = true;
        for turn in [true, false] {
            let (this, other) = if turn { (&mut *one, &mut *two) } else { (&mut *two, &mut *one) };
            while let Some(output) = this.channels.poll() {
                idle = false;
                carry(this, other, output, &change);
            }
        }
        if idle {
            return;
        }
    }
}

fn carry(
    this: &mut Node,
    other: &mut Node,
    output: Output,
    change: &impl Fn(ChannelSignal) -> ChannelSignal,
) {
    let now = at(1);
    match output {
        Output::Signal { to, ref payload, .. } if to == other.node() => {
            let signal: ChannelSignal = decode(payload).expect("a signal");
            let arrives = encode(&change(signal));
            other.channels.signalled(now, this.node(), &arrives).expect("a signal");
        }
        Output::Call(link) => this.channels.described(link, &description(this.print)),
        Output::Answer { link, .. } => this.channels.described(link, &description(this.print)),
        Output::Accepted { link, .. } => {
            other.channels.opened(now, LinkId(1), [other.print; 32]);
            this.channels.opened(now, link, [this.print; 32]);
        }
        Output::Packet { bytes, .. } => {
            let heard = other.channels.packet(now, LinkId(1), &bytes);
            assert_eq!(heard, Heard::Nothing);
        }
        Output::Signal { .. }
        | Output::Candidate { .. }
        | Output::Connected { .. }
        | Output::ConnectFailed { .. }
        | Output::Disconnected(_)
        | Output::HangUp { .. } => this.told.push(output),
    }
}

fn met(change: impl Fn(ChannelSignal) -> ChannelSignal) -> (Node, Node) {
    let (mut one, mut two) = (Node::new(1), Node::new(2));
    one.channels.call(at(0), two.node(), 5);
    settle(&mut one, &mut two, change);
    (one, two)
}

#[test]
fn a_call_that_is_taken_ends_with_both_ends_proven() {
    let (one, two) = met(|signal| signal);
    let connected = |node, side| Output::Connected { link: LinkId(1), node, side, rtt: Span::ZERO };
    assert_eq!(one.told, [connected(two.node(), Side::Dialed)]);
    assert_eq!(two.told, [connected(one.node(), Side::Accepted)]);
    assert_eq!(one.channels.wake(), Time::NEVER);
}

#[test]
fn whoever_shows_another_certificate_is_not_let_in() {
    let (one, two) = met(|signal| {
        if let ChannelSignal::Answer { session, .. } = signal {
            return ChannelSignal::Answer { session, description: description(9) };
        }
        signal
    });
    assert!(matches!(
        &one.told[..],
        [Output::HangUp { why: Ending::Stranger(_), .. }, Output::ConnectFailed { .. }]
    ));
    assert!(matches!(&two.told[..], [Output::HangUp { why: Ending::Stranger(_), .. }]));
}

#[test]
fn a_call_without_a_fingerprint_is_declined() {
    let (one, _) = met(|signal| {
        if let ChannelSignal::Offer { session, .. } = signal {
            return ChannelSignal::Offer { session, description: "v=0".to_owned() };
        }
        signal
    });
    assert!(matches!(
        &one.told[..],
        [Output::HangUp { why: Ending::Declined, .. }, Output::ConnectFailed { .. }]
    ));
}

#[test]
fn a_call_that_cannot_be_answered_is_declined_too() {
    let mut two = Node::new(2);
    let offer = encode(&ChannelSignal::Offer { session: 5, description: description(1) });
    two.channels.signalled(at(0), key(1).node(), &offer).expect("a signal");
    assert!(matches!(two.channels.poll(), Some(Output::Answer { .. })));
    two.channels.closed(LinkId(1));
    assert!(matches!(two.channels.poll(), Some(Output::HangUp { .. })));
    let Some(Output::Signal { link: None, payload, .. }) = two.channels.poll() else { panic!("a signal") };
    assert_eq!(decode(&payload), Ok(ChannelSignal::Decline { session: 5 }));
}

#[test]
fn what_is_not_proven_in_time_is_given_up() {
    let mut one = Node::new(1);
    one.channels.call(at(0), key(2).node(), 5);
    assert_eq!(one.channels.poll(), Some(Output::Call(LinkId(1))));
    let wake = one.channels.wake();
    assert_eq!(wake, Time::ZERO + CHANNEL_PATIENCE);
    one.channels.timeout(wake);
    assert_eq!(one.channels.poll(), Some(Output::HangUp { link: LinkId(1), why: Ending::Overdue }));
    assert_eq!(one.channels.poll(), Some(Output::ConnectFailed { node: key(2).node() }));
    assert_eq!(one.channels.wake(), Time::NEVER);
}

#[test]
fn one_node_gets_a_few_links_and_strangers_no_more_than_there_are() {
    let mut here = Channels::new(key(1), PROVIDER);
    let mut offer = |node: NodeKey, session| {
        let offer = encode(&ChannelSignal::Offer { session, description: description(3) });
        here.signalled(at(0), node, &offer).expect("a signal");
        matches!(here.poll(), Some(Output::Answer { .. }))
    };
    let taken = (0..10).filter(|session| offer(key(2).node(), *session)).count();
    assert_eq!(taken, MAX_LINKS_TO_NODE);
    let stranger = |n: usize| NodeKey([u8::try_from(n).expect("few"); 32]);
    let taken = (0..MAX_LINKS).filter(|n| offer(stranger(*n), 1)).count();
    assert_eq!(taken + MAX_LINKS_TO_NODE, MAX_TAKEN_CALLS);
    // Own calls have the rest of the room.
    for n in 0..MAX_LINKS {
        here.call(at(0), stranger(100 + n), 2);
    }
    let calls = std::iter::from_fn(|| here.poll()).filter(|output| matches!(output, Output::Call(_))).count();
    assert_eq!(calls + MAX_TAKEN_CALLS, MAX_LINKS);
}

#[test]
fn candidates_are_bounded_and_wait_for_the_description() {
    let mut here = Channels::new(key(1), PROVIDER);
    let there = key(2).node();
    here.call(at(0), there, 5);
    assert_eq!(here.poll(), Some(Output::Call(LinkId(1))));
    for _ in 0..2 * MAX_CANDIDATES {
        here.candidate(LinkId(1), "candidate:1".to_owned(), "0".to_owned());
    }
    assert_eq!(here.poll(), None);
    here.described(LinkId(1), &description(1));
    assert_eq!(std::iter::from_fn(|| here.poll()).count(), 1 + MAX_CANDIDATES);
    let told = ChannelSignal::Candidate {
        session: 5,
        by: Caller::Called,
        candidate: "candidate:2".to_owned(),
        section: "0".to_owned(),
    };
    for _ in 0..2 * MAX_CANDIDATES {
        here.signalled(at(0), there, &encode(&told)).expect("a signal");
    }
    assert_eq!(std::iter::from_fn(|| here.poll()).count(), MAX_CANDIDATES);
}

#[test]
fn nobody_is_heard_before_the_proof_and_nonsense_after_it_is_told() {
    let (mut one, _) = met(|signal| signal);
    assert!(matches!(one.channels.packet(at(1), LinkId(1), &[9]), Heard::Malformed(_)));
    let goodbye = Frame::Control(PeerMessage::Goodbye).to_packet();
    assert_eq!(one.channels.packet(at(1), LinkId(1), &goodbye), Heard::Message(PeerMessage::Goodbye));

    let mut two = Node::new(2);
    let offer = encode(&ChannelSignal::Offer { session: 1, description: description(1) });
    two.channels.signalled(at(0), key(1).node(), &offer).expect("a signal");
    two.channels.described(LinkId(1), &description(2));
    two.channels.opened(at(0), LinkId(1), [2; 32]);
    while two.channels.poll().is_some() {}
    assert_eq!(two.channels.packet(at(0), LinkId(1), &goodbye), Heard::Nothing);
    assert_eq!(two.channels.poll(), Some(Output::HangUp { link: LinkId(1), why: Ending::Unintroduced }));
}

#[test]
fn a_path_is_measured_by_pings_and_by_what_left_the_channel() {
    let (mut one, _) = met(|signal| signal);
    let (links, link) = (&mut one.channels, LinkId(1));
    links.ping(at(1), link, 77);
    links.ping(at(2), link, 78);
    let sent = links.waiting(link).expect("a link");
    links.waits(link, 0);
    for number in [78, 77, 77] {
        let pong = Frame::Pong(number).to_packet();
        assert_eq!(links.packet(at(3), link, &pong), Heard::Nothing);
    }
    assert_eq!(links.path(link), Some((Some(Span::from_secs(2)), sent)));
    assert_eq!(links.path(link), Some((None, 0)));
}
