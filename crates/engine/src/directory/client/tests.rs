//! The client against a script of what a supernode says.

use nearcast_content::NodeKey;

use super::*;
use crate::limits::{RECONNECT_FIRST, RECONNECT_MOST};
use crate::place::Nearness;
use crate::wire::SwarmId;

fn swarm(n: u16) -> SwarmId {
    let mut id = [9; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    SwarmId(id)
}

fn holding(n: u16) -> Holding {
    Holding { swarm: swarm(n), renditions: 1, coverage: 1 }
}

struct Desk {
    client: Client,
    now: Time,
}

impl Desk {
    fn new() -> Self {
        Self { client: Client::new(11, Ways::QUIC), now: Time::ZERO + Span::from_secs(5) }
    }

    /// A desk whose session is up.
    fn up() -> Self {
        let mut desk = Self::new();
        assert_eq!(desk.tell(Input::Timeout), [Output::Connect]);
        desk.welcome();
        desk
    }

    fn welcome(&mut self) -> Vec<Output> {
        self.tell(Input::Connected);
        let challenge = ServerMessage::Challenge { nonce: [3; 32], versions: Versions::OURS };
        assert_eq!(self.tell(Input::Received(challenge)), [Output::Prove { nonce: [3; 32] }]);
        let welcome = ServerMessage::Welcome {
            features: 0,
            lease_millis: 90_000,
            observed: "192.0.2.1:7".into(),
            relay: None,
            stun_port: None,
        };
        let mut outputs = self.tell(Input::Received(welcome));
        assert_eq!(
            outputs.remove(0),
            Output::Up { observed: "192.0.2.1:7".into(), relay: None, stun_port: None }
        );
        outputs
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        self.client.handle_input(self.now, input).expect("the desk makes no mistakes");
        self.drain()
    }

    fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            let output = self.client.poll_output();
            if let Output::Timeout(at) = output {
                assert!(at > self.now, "asked to be woken at {at:?}, it is {:?}", self.now);
                return outputs;
            }
            outputs.push(output);
        }
    }

    fn wait(&mut self, span: Span) -> Vec<Output> {
        let until = self.now + span;
        let mut outputs = Vec::new();
        while let Output::Timeout(at) = self.client.poll_output() {
            if at > until {
                break;
            }
            self.now = at;
            outputs.extend(self.tell(Input::Timeout));
        }
        self.now = until;
        outputs
    }
}

impl Desk {
    /// Waits for the next attempt, which must come in time.
    fn until_connect(&mut self) {
        let Output::Timeout(at) = self.client.poll_output() else { panic!("drained") };
        assert!(at.since(self.now) <= RECONNECT_MOST);
        assert_eq!(self.wait(at.since(self.now)), [Output::Connect]);
    }
}

fn announce(added: &[u16], removed: &[u16]) -> Output {
    Output::Send(ClientMessage::Announce {
        added: added.iter().map(|n| holding(*n)).collect(),
        removed: removed.iter().map(|n| swarm(*n)).collect(),
    })
}

fn lookup(query: u32, n: u16) -> Output {
    Output::Send(ClientMessage::Lookup { query, swarm: swarm(n), renditions: 0 })
}

fn answer(query: u32) -> Input {
    Input::Received(ServerMessage::Holders { query, holders: vec![], again_millis: 5_000 })
}

const LOST: Input = Input::Lost { retry_after: None };

#[test]
fn what_was_held_before_is_announced_whole_and_later_changes_together() {
    let mut desk = Desk::new();
    desk.tell(Input::Hold(holding(1)));
    desk.tell(Input::Hold(holding(2)));
    assert_eq!(desk.welcome(), [announce(&[1, 2], &[])]);

    assert_eq!(desk.tell(Input::Hold(holding(3))), []);
    assert_eq!(desk.tell(Input::Drop(swarm(1))), []);
    assert_eq!(desk.tell(Input::Hold(holding(4))), []);
    assert_eq!(desk.tell(Input::Drop(swarm(4))), [], "never told, so nothing to take back");
    assert_eq!(desk.wait(Span::from_secs(1)), [announce(&[3], &[1])]);
    assert_eq!(desk.wait(Span::from_secs(5)), []);

    // The session ends: all of it goes up again, and only what is still held.
    assert_eq!(desk.tell(LOST), [Output::Down]);
    assert_eq!(desk.wait(RECONNECT_FIRST), [Output::Connect]);
    assert_eq!(desk.welcome(), [announce(&[2, 3], &[])]);
}

#[test]
fn announces_are_never_closer_than_a_second_nor_longer_than_allowed() {
    let mut desk = Desk::new();
    for n in 0..600 {
        desk.tell(Input::Hold(holding(n)));
    }
    let mut sizes = Vec::new();
    let mut outputs = desk.welcome();
    for _ in 0..4 {
        for output in outputs {
            let Output::Send(ClientMessage::Announce { added, removed }) = output else {
                panic!("unexpected {output:?}")
            };
            sizes.push(added.len() + removed.len());
        }
        sizes.push(0);
        outputs = desk.wait(Span::from_secs(1));
    }
    assert_eq!(sizes, [256, 0, 256, 0, 88, 0, 0]);
}

#[test]
fn unanswered_lookups_are_asked_again_after_a_reconnect() {
    let mut desk = Desk::new();
    desk.tell(Input::Lookup { swarm: swarm(1), renditions: 0 });
    assert_eq!(desk.welcome(), [lookup(1, 1)]);
    assert_eq!(desk.tell(Input::Lookup { swarm: swarm(1), renditions: 0 }), [], "already asked");
    assert_eq!(desk.tell(Input::Lookup { swarm: swarm(2), renditions: 0 }), [lookup(2, 2)]);
    let found = Output::Found { swarm: swarm(2), holders: vec![], again: Span::from_secs(5) };
    assert_eq!(desk.tell(answer(2)), [found]);
    assert_eq!(desk.tell(answer(2)), [], "answered already");

    desk.tell(LOST);
    desk.wait(RECONNECT_FIRST);
    assert_eq!(desk.welcome(), [lookup(3, 1)]);
    assert_eq!(desk.tell(answer(1)), [], "of the session before");
    assert_eq!(desk.tell(answer(3)).len(), 1);
}

#[test]
fn retry_after_holds_lookups_back_that_long() {
    let mut desk = Desk::up();
    assert_eq!(desk.tell(Input::Lookup { swarm: swarm(1), renditions: 0 }), [lookup(1, 1)]);
    assert_eq!(desk.tell(Input::Received(ServerMessage::RetryAfter { millis: 3_000 })), []);
    assert_eq!(desk.tell(Input::Lookup { swarm: swarm(2), renditions: 0 }), []);
    assert_eq!(desk.wait(Span::from_millis(2_999)), []);
    assert_eq!(desk.wait(Span::from_millis(1)), [lookup(2, 1), lookup(3, 2)]);
}

#[test]
fn a_supernode_that_is_full_is_left_alone_as_long_as_it_says() {
    for in_message in [true, false] {
        let mut desk = Desk::new();
        desk.tell(Input::Timeout);
        if in_message {
            desk.tell(Input::Connected);
            let outputs = desk.tell(Input::Received(ServerMessage::RetryAfter { millis: 20_000 }));
            assert_eq!(outputs, [Output::Disconnect]);
        } else {
            desk.tell(Input::Lost { retry_after: Some(Span::from_secs(20)) });
        }
        assert_eq!(desk.wait(Span::from_millis(19_999)), []);
        assert_eq!(desk.wait(Span::from_millis(5_001)), [Output::Connect]);
    }
}

#[test]
fn failures_in_a_row_wait_longer_and_a_held_session_starts_over() {
    let mut desk = Desk::new();
    desk.tell(Input::Timeout);
    for _ in 0..20 {
        desk.tell(LOST);
        desk.until_connect();
    }
    desk.welcome();
    // Up for a moment only: still the long delays.
    desk.tell(LOST);
    let Output::Timeout(at) = desk.client.poll_output() else { panic!("drained") };
    assert!(at.since(desk.now) > RECONNECT_FIRST);
    desk.until_connect();
    desk.welcome();
    desk.wait(SESSION_HELD);
    desk.tell(LOST);
    assert_eq!(desk.wait(RECONNECT_FIRST), [Output::Connect]);
}

#[test]
fn silence_is_broken_before_the_lease_ends() {
    let mut desk = Desk::up();
    assert_eq!(desk.wait(Span::from_secs(90)), vec![Output::Send(ClientMessage::Renew); 3]);
}

#[test]
fn a_supernode_that_does_not_answer_is_left() {
    let mut desk = Desk::up();
    desk.tell(Input::Lookup { swarm: swarm(1), renditions: 0 });
    let outputs = desk.wait(ANSWER_PATIENCE);
    assert_eq!(outputs, [Output::Disconnect, Output::Down]);

    let mut desk = Desk::new();
    desk.tell(Input::Timeout);
    desk.tell(Input::Connected);
    assert_eq!(desk.wait(HANDSHAKE_PATIENCE), [Output::Disconnect]);
}

#[test]
fn a_refusal_is_told_and_tried_again_seldom() {
    let mut desk = Desk::up();
    let refused = Input::Received(ServerMessage::Refused { reason: RefusedReason::Replaced });
    let outputs = desk.tell(refused);
    assert_eq!(outputs, [Output::Refused(RefusedReason::Replaced), Output::Disconnect, Output::Down]);
    let waits = (0..40).map(|seed| {
        let mut desk = Desk::up();
        desk.client.random = Random::seeded(seed);
        desk.tell(Input::Received(ServerMessage::Refused { reason: RefusedReason::Credential }));
        let Output::Timeout(at) = desk.client.poll_output() else { panic!("drained") };
        at.since(desk.now)
    });
    assert!(waits.max() > Some(Span::from_secs(45)));
}

#[test]
fn a_supernode_of_another_version_is_refused_from_here() {
    let mut desk = Desk::new();
    desk.tell(Input::Timeout);
    desk.tell(Input::Connected);
    let versions = Versions { oldest: 7, newest: 9 };
    let outputs = desk.tell(Input::Received(ServerMessage::Challenge { nonce: [0; 32], versions }));
    assert_eq!(outputs, [Output::Refused(RefusedReason::Version), Output::Disconnect]);
}

#[test]
fn holders_that_cannot_be_met_are_left_out() {
    let mut desk = Desk::up();
    desk.tell(Input::Lookup { swarm: swarm(1), renditions: 0 });
    let holder = |n, ways| Holder {
        node: NodeKey([n; 32]),
        nearness: Nearness::Far,
        renditions: 1,
        coverage: 1,
        addresses: vec![],
        ways,
    };
    let both = Ways(Ways::QUIC.0 | Ways::DATA_CHANNELS.0);
    let holders = vec![holder(1, Ways::DATA_CHANNELS), holder(2, Ways::QUIC), holder(3, both)];
    let message = ServerMessage::Holders { query: 1, holders: holders.clone(), again_millis: 1 };
    let outputs = desk.tell(Input::Received(message));
    assert!(
        matches!(outputs.as_slice(), [Output::Found { holders: found, .. }] if found[..] == holders[1..])
    );
}

#[test]
fn a_supernode_that_breaks_the_rules_is_left() {
    let holder = Holder {
        node: NodeKey([1; 32]),
        nearness: Nearness::Far,
        renditions: 1,
        coverage: 1,
        addresses: vec!["192.0.2.1:1".into(); MAX_ADDRESSES + 1],
        ways: Ways::QUIC,
    };
    let too_many = Holder { addresses: vec![], ..holder.clone() };
    for holders in [vec![holder], vec![too_many; MAX_ANSWER + 1]] {
        let mut desk = Desk::up();
        desk.tell(Input::Lookup { swarm: swarm(1), renditions: 0 });
        let message = ServerMessage::Holders { query: 1, holders, again_millis: 1 };
        assert_eq!(desk.tell(Input::Received(message)), [Output::Disconnect, Output::Down]);
    }
    // Answers before the welcome.
    let mut desk = Desk::new();
    desk.tell(Input::Timeout);
    desk.tell(Input::Connected);
    assert_eq!(desk.tell(answer(1)), [Output::Disconnect]);
    assert_eq!(desk.tell(answer(1)), [], "what crosses with the end is old news");
}

#[test]
fn signals_and_policy_pass_through() {
    let mut desk = Desk::new();
    let (to, payload) = (NodeKey([5; 32]), vec![1, 2, 3]);
    let signal = Input::Signal { to, payload: payload.clone() };
    let now = desk.now;
    assert_eq!(desk.client.handle_input(now, signal.clone()), Err(InputError::Down));
    let mut desk = Desk::up();
    let sent = ClientMessage::Signal { to, payload: payload.clone() };
    assert_eq!(desk.tell(signal), [Output::Send(sent)]);
    let received = ServerMessage::Signal { from: to, payload: payload.clone() };
    assert_eq!(desk.tell(Input::Received(received)), [Output::Signal { from: to, payload }]);
    let changed = ServerMessage::PolicyChanged { sequence: 4 };
    assert_eq!(desk.tell(Input::Received(changed)), [Output::PolicyChanged { sequence: 4 }]);
}

#[test]
fn mistakes_of_the_shell_are_named() {
    let mut desk = Desk::up();
    let now = desk.now;
    let long = Input::Signal { to: NodeKey([0; 32]), payload: vec![0; MAX_SIGNAL + 1] };
    assert_eq!(desk.client.handle_input(now, long), Err(InputError::SignalTooLong(MAX_SIGNAL + 1)));
    assert!(matches!(desk.client.handle_input(now, Input::Connected), Err(InputError::NoConnection(_))));
    for n in 0..64 {
        desk.tell(Input::Lookup { swarm: swarm(n), renditions: 0 });
    }
    let one_more = Input::Lookup { swarm: swarm(64), renditions: 0 };
    assert_eq!(desk.client.handle_input(now, one_more), Err(InputError::TooMany("lookups")));
    let past = Time::ZERO;
    assert_eq!(desk.client.handle_input(past, Input::Timeout), Err(InputError::TimeWentBack(now, past)));
}
