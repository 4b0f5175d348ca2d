//! The directory against plain sets, rule by rule, and at full size.

mod model;
mod rules;
mod scale;

use nearcast_content::NodeKey;

use super::*;
use crate::place::{Nearness, Place};
use crate::random::mix;
use crate::wire::Ways;

fn node(n: u64) -> NodeKey {
    let mut key = [0; 32];
    for (i, word) in key.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&mix(n * 4 + i as u64 + 1).to_le_bytes());
    }
    NodeKey(key)
}

fn swarm(n: u64) -> SwarmId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(n + 1).to_le_bytes());
    id[8..].copy_from_slice(&mix(!n).to_le_bytes());
    SwarmId(id)
}

fn holding(n: u64) -> Holding {
    Holding { swarm: swarm(n), renditions: 1, coverage: u64::MAX }
}

/// A place in a world where a network lies in a prefix, a prefix in an operator, an operator in a country.
fn place(n: u64) -> Place {
    let part = |of: u64, by: u64| u32::try_from(n % of / by).expect("below `of`");
    Place {
        lan: n + 1,
        prefix: n / 4 + 1,
        isp: part(1_000_000, 32) + 1,
        country: u16::try_from(part(1_000_000, 256)).expect("small") + 1,
    }
}

/// A directory with its outputs collected.
struct Desk {
    directory: Directory,
    now: Time,
}

impl Desk {
    fn new(settings: Settings) -> Self {
        Self { directory: Directory::new(42, settings), now: Time::ZERO + Span::from_secs(1_000) }
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        self.directory.handle_input(self.now, input).expect("the desk makes no mistakes");
        self.drain()
    }

    fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            let output = self.directory.poll_output();
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
        while let Output::Timeout(at) = self.directory.poll_output() {
            if at > until {
                break;
            }
            self.now = at;
            outputs.extend(self.tell(Input::Timeout));
        }
        self.now = until;
        outputs
    }

    /// Node `n` opens session `n` and says that it serves and holds these.
    fn join(&mut self, n: u64, place: Place, holdings: Vec<Holding>) {
        self.join_by(Ways::QUIC, n, place, holdings);
    }

    fn join_by(&mut self, ways: Ways, n: u64, place: Place, holdings: Vec<Holding>) {
        let (session, node, serves) = (SessionId(n), node(n), Serves::Others);
        let opened = Input::Opened { session, node, place, serves, ways };
        let admitted = self.tell(opened);
        assert_eq!(admitted, [Output::Admitted { session: SessionId(n), lease: LEASE }]);
        let announced =
            self.tell(Input::Announced { session: SessionId(n), added: holdings, removed: vec![] });
        assert_eq!(announced, []);
    }

    fn ask(&mut self, n: u64, title: u64) -> Vec<Found> {
        self.ask_for(n, title, 0)
    }

    fn ask_for(&mut self, n: u64, title: u64, renditions: u16) -> Vec<Found> {
        let session = SessionId(n);
        let outputs = self.tell(Input::Lookup { session, query: 7, swarm: swarm(title), renditions });
        match outputs.as_slice() {
            [Output::Answer { session: to, query: 7, holders, again }] if *to == session => {
                assert!(holders.len() <= MAX_ANSWER && *again > Span::ZERO);
                holders.clone()
            }
            other => panic!("no answer: {other:?}"),
        }
    }
}
