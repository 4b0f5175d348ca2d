//! Messages of every kind, with the edges of what each field can say.

use nearcast_content::{BlockRange, BlockSet, NodeKey, ObjectId, ProviderKey};
use nearcast_engine::wire::directory::{ClientHello, Holder, Holding, RefusedReason};
use nearcast_engine::wire::{
    Caller, ChannelSignal, ClientMessage, Have, Hello, Introduction, PeerBytes, PeerMessage, PlayReport,
    PlaySums, RefuseReason, RefusedPeers, RunHeader, ServerMessage, Serves, Stamp, SwarmId, Versions, Want,
    Ways,
};
use nearcast_engine::{Nearness, Span};

/// Messages with the names of their golden lines.
pub(crate) trait Samples: Sized {
    fn samples() -> Vec<(&'static str, Self)>;
}

/// A message that can say which variant it is.
pub(crate) trait Named {
    /// All variants.
    const NAMES: &'static [&'static str];

    fn name(&self) -> &'static str;
}

/// One list for the match and the array, so that neither can forget a variant.
macro_rules! named {
    ($kind:ident { $($variant:ident),+ }) => {
        impl Named for $kind {
            const NAMES: &'static [&'static str] = &[$(stringify!($variant)),+];

            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)+
                }
            }
        }
    };
}

named!(PeerMessage { Hello, Interest, NoInterest, Have, Want, Cancel, Refuse, Choke, Goodbye });
named!(ClientMessage { Hello, Announce, Lookup, Signal, Renew, Report });
named!(ServerMessage { Challenge, Welcome, Holders, Signal, RetryAfter, Refused, PolicyChanged });

named!(Introduction { Greeting, Proof });
named!(ChannelSignal { Offer, Answer, Candidate, Decline });
named!(Stamp { Sent, Came });

impl Named for RunHeader {
    const NAMES: &'static [&'static str] = &["RunHeader"];

    fn name(&self) -> &'static str {
        "RunHeader"
    }
}

const OBJECT: ObjectId = ObjectId([0xab; 32]);
const PROVIDER: ProviderKey = ProviderKey([0x11; 32]);
const NODE: NodeKey = NodeKey([0x22; 32]);
const SWARM: SwarmId = SwarmId([0x33; 16]);
const HOLDING: Holding = Holding { swarm: SWARM, renditions: 0b101, coverage: u64::MAX };

fn set(ranges: &[(u32, u32)]) -> BlockSet {
    ranges.iter().map(|(start, end)| BlockRange::new(*start, *end)).collect()
}

impl Samples for PeerMessage {
    fn samples() -> Vec<(&'static str, Self)> {
        let hello = Hello {
            versions: Versions { oldest: 1, newest: 1 },
            features: 0,
            provider: PROVIDER,
            serves: Serves::Others,
            credential: None,
        };
        let paying = Hello {
            versions: Versions { oldest: 1, newest: u16::MAX },
            features: u64::MAX,
            serves: Serves::Nobody,
            credential: Some("a.b.c".into()),
            ..hello.clone()
        };
        let want = Want { request: 0, object: OBJECT, blocks: BlockRange::new(0, 1), due_millis: 0 };
        let last = Want {
            request: u32::MAX,
            blocks: BlockRange::new(u32::MAX - 64, u32::MAX),
            due_millis: u32::MAX,
            ..want.clone()
        };
        let refuse = |reason| Self::Refuse { request: 7, reason };
        let have = |added, removed, coming| Self::Have(Have { object: OBJECT, added, removed, coming });
        vec![
            ("hello", Self::Hello(hello)),
            ("hello-with-credential", Self::Hello(paying)),
            ("interest", Self::Interest { object: OBJECT }),
            ("no-interest", Self::NoInterest { object: OBJECT }),
            ("have-nothing", have(set(&[]), set(&[]), set(&[]))),
            ("have-coming", have(set(&[(0, 1)]), set(&[]), set(&[(16, 32)]))),
            (
                "have-changes",
                have(set(&[(0, 1), (5, 64), (1_000, 70_000)]), set(&[(4_000_000_000, u32::MAX)]), set(&[])),
            ),
            ("want-first", Self::Want(want)),
            ("want-last", Self::Want(last)),
            ("cancel", Self::Cancel { request: 300 }),
            ("refuse-not-held", refuse(RefuseReason::NotHeld)),
            ("refuse-busy", refuse(RefuseReason::Busy)),
            ("refuse-not-serving", refuse(RefuseReason::NotServing)),
            ("refuse-damaged", refuse(RefuseReason::Damaged)),
            ("choke", Self::Choke { millis: 2_500 }),
            ("goodbye", Self::Goodbye),
        ]
    }
}

impl Samples for RunHeader {
    fn samples() -> Vec<(&'static str, Self)> {
        vec![("first", Self { request: 0 }), ("last", Self { request: u32::MAX })]
    }
}

impl Samples for Stamp {
    fn samples() -> Vec<(&'static str, Self)> {
        vec![("sent", Self::Sent { at: 1_000_000 }), ("came", Self::Came { sent: 1_000_000, at: u64::MAX })]
    }
}

impl Samples for ClientMessage {
    fn samples() -> Vec<(&'static str, Self)> {
        let hello = ClientHello {
            versions: Versions { oldest: 1, newest: 1 },
            features: 1,
            provider: PROVIDER,
            node: NODE,
            signature: vec![0x44; 64],
            serves: Serves::Others,
            port: 4433,
            local: vec!["192.168.1.7:4433".into(), "[fd00::7]:4433".into()],
            credential: Some("a.b.c".into()),
            ways: Ways::QUIC,
        };
        let leaf =
            ClientHello { serves: Serves::Nobody, port: 0, local: vec![], credential: None, ..hello.clone() };
        vec![
            ("hello", Self::Hello(hello)),
            ("hello-of-a-tab", Self::Hello(ClientHello { ways: Ways::DATA_CHANNELS, ..leaf.clone() })),
            ("hello-of-a-leaf", Self::Hello(leaf)),
            ("announce", Self::Announce { added: vec![HOLDING; 2], removed: vec![SWARM] }),
            ("announce-nothing", Self::Announce { added: vec![], removed: vec![] }),
            ("lookup", Self::Lookup { query: 9, swarm: SWARM, renditions: u16::MAX }),
            ("signal", Self::Signal { to: NODE, payload: b"offer".to_vec() }),
            ("renew", Self::Renew),
            ("report", Self::Report(report())),
            ("report-pages", Self::Report(report_of_pages())),
            ("report-nothing", Self::Report(PlayReport::default())),
            ("report-refused", Self::Report(report_of_refused())),
        ]
    }
}

impl Samples for ServerMessage {
    fn samples() -> Vec<(&'static str, Self)> {
        let welcome = |relay, stun_port| Self::Welcome {
            features: 3,
            lease_millis: 90_000,
            observed: "203.0.113.9:4433".into(),
            relay,
            stun_port,
        };
        let holder = |nearness, addresses| Holder {
            node: NODE,
            nearness,
            renditions: 1,
            coverage: 0xff,
            addresses,
            ways: Ways::QUIC,
        };
        let tab = Holder { ways: Ways::DATA_CHANNELS, ..holder(Nearness::Far, vec![]) };
        let holders = vec![
            holder(Nearness::Lan, vec!["192.168.1.7:4433".into()]),
            holder(Nearness::Neighbourhood, vec![]),
            holder(Nearness::Isp, vec![]),
            holder(Nearness::Country, vec![]),
            holder(Nearness::Far, vec!["203.0.113.9:4433".into(), "[2001:db8::9]:4433".into()]),
        ];
        let refused = |reason| Self::Refused { reason };
        vec![
            ("challenge", Self::Challenge { nonce: [0x55; 32], versions: Versions { oldest: 1, newest: 2 } }),
            ("welcome", welcome(None, None)),
            ("welcome-with-relay", welcome(Some("https://relay.example".into()), None)),
            ("welcome-with-stun", welcome(None, Some(3478))),
            ("holders", Self::Holders { query: 9, holders, again_millis: 15_000 }),
            ("holders-tab", Self::Holders { query: 9, holders: vec![tab], again_millis: 1 }),
            ("holders-none", Self::Holders { query: 10, holders: vec![], again_millis: 0 }),
            ("signal", Self::Signal { from: NODE, payload: vec![] }),
            ("retry-after", Self::RetryAfter { millis: 30_000 }),
            ("refused-version", refused(RefusedReason::Version)),
            ("refused-proof", refused(RefusedReason::Proof)),
            ("refused-provider", refused(RefusedReason::Provider)),
            ("refused-credential", refused(RefusedReason::Credential)),
            ("refused-misbehaved", refused(RefusedReason::Misbehaved)),
            ("refused-replaced", refused(RefusedReason::Replaced)),
            ("policy-changed", Self::PolicyChanged { sequence: u64::MAX }),
        ]
    }
}

impl Samples for Introduction {
    fn samples() -> Vec<(&'static str, Self)> {
        let versions = Versions { oldest: 1, newest: 1 };
        vec![
            ("greeting", Self::Greeting { versions, nonce: [0x66; 32], node: NODE }),
            ("proof", Self::Proof { signature: [0x77; 64] }),
        ]
    }
}

impl Samples for ChannelSignal {
    fn samples() -> Vec<(&'static str, Self)> {
        let (session, description) = (u64::MAX, "v=0".to_owned());
        let candidate = |by| {
            let (candidate, section) =
                ("candidate:1 1 udp 1 192.0.2.1 9 typ host".to_owned(), "0".to_owned());
            Self::Candidate { session: 1, by, candidate, section }
        };
        vec![
            ("offer", Self::Offer { session, description: description.clone() }),
            ("answer", Self::Answer { session, description }),
            ("candidate-calls", candidate(Caller::Calls)),
            ("candidate-called", candidate(Caller::Called)),
            ("decline", Self::Decline { session: 7 }),
        ]
    }
}

/// The same, where pages gave some of it.
fn report_of_pages() -> PlayReport {
    let mut report = report();
    report.shared.from_pages = Some(Box::new(PeerBytes { lan: 255, isp: 0, other: 1 << 32 }));
    report
}

/// One play that started and one held out that did not.
fn report() -> PlayReport {
    let mut shared = PlaySums {
        stuttered: 1,
        stalls: 2,
        stalled_millis: 900,
        media_millis: 180_000,
        cache_bytes: 1,
        lan_bytes: 256,
        isp_bytes: 65_536,
        other_bytes: 1 << 32,
        origin_bytes: 24,
        ..PlaySums::default()
    };
    shared.started(Span::from_millis(120));
    PlayReport { shared, held_out: PlaySums { unstarted: 1, ..PlaySums::default() }, refused: None }
}

fn report_of_refused() -> PlayReport {
    let refused = RefusedPeers { corrupt: 1, rules: 24, banned: 256, strangers: 0 };
    PlayReport { refused: Some(Box::new(refused)), ..PlayReport::default() }
}
