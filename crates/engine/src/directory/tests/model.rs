//! Random sequences of inputs, checked against a model made of plain sets.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const NODES: u64 = 24;

#[derive(Clone, Debug)]
enum Step {
    Open { node: u64, place: u64, serves: Serves },
    Close { pick: u64 },
    Renew { pick: u64 },
    Announce { pick: u64, added: Vec<(u64, u16, u64)>, removed: Vec<u64> },
    Lookup { pick: u64, title: u64, renditions: u16 },
    Signal { pick: u64, to: u64 },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let pick = 0_u64..1_000;
    let held = (0_u64..5, 0_u16..4, prop_oneof![Just(u64::MAX), any::<u64>()]);
    prop_oneof![
        4 => (0..NODES, 0_u64..600, prop::bool::weighted(0.8)).prop_map(|(node, place, serves)| {
            let serves = if serves { Serves::Others } else { Serves::Nobody };
            Step::Open { node, place, serves }
        }),
        1 => pick.clone().prop_map(|pick| Step::Close { pick }),
        1 => pick.clone().prop_map(|pick| Step::Renew { pick }),
        6 => (pick.clone(), prop::collection::vec(held, 0..5), prop::collection::vec(0_u64..5, 0..2))
            .prop_map(|(pick, added, removed)| Step::Announce { pick, added, removed }),
        6 => (pick.clone(), 0_u64..5, 0_u16..4)
            .prop_map(|(pick, title, renditions)| Step::Lookup { pick, title, renditions }),
        1 => (pick, 0..NODES).prop_map(|(pick, to)| Step::Signal { pick, to }),
        2 => (1_u64..60).prop_map(Step::Wait),
    ]
}

#[derive(Clone, Debug)]
struct Seat {
    node: NodeKey,
    place: Place,
    serves: Serves,
    heard: Time,
    holdings: BTreeMap<SwarmId, Holding>,
}

#[derive(Default)]
struct Model {
    seats: BTreeMap<SessionId, Seat>,
    opened: u64,
}

impl Model {
    fn picked(&mut self, now: Time, pick: u64) -> Option<SessionId> {
        let nth = usize::try_from(pick).expect("small") % self.seats.len().max(1);
        let (id, seat) = self.seats.iter_mut().nth(nth)?;
        seat.heard = now;
        Some(*id)
    }

    /// Takes out those whose lease ended and checks that the outputs say just that.
    fn expire(&mut self, now: Time, outputs: &[Output]) {
        let mut ended: Vec<SessionId> = Vec::new();
        self.seats.retain(|id, seat| {
            let stays = seat.heard + LEASE > now;
            if !stays {
                ended.push(*id);
            }
            stays
        });
        let mut told: Vec<SessionId> = outputs
            .iter()
            .map(|output| {
                let Output::Expired { session } = output else {
                    panic!("only leases end by waiting: {output:?}")
                };
                *session
            })
            .collect();
        told.sort();
        assert_eq!(told, ended);
    }

    fn check_answer(&self, asker: SessionId, title: u64, found: &[Found]) {
        let me = &self.seats[&asker];
        let mut expected: Vec<(Nearness, SessionId, NodeKey, Holding)> = self
            .seats
            .iter()
            .filter(|(id, seat)| **id != asker && seat.serves == Serves::Others)
            .filter_map(|(id, seat)| {
                Some((me.place.nearness(seat.place), *id, seat.node, *seat.holdings.get(&swarm(title))?))
            })
            .collect();
        expected.sort_by_key(|(nearness, id, ..)| (*nearness, *id));
        let mut told: Vec<_> = found.iter().map(|f| (f.nearness, f.session, f.node, f.holding)).collect();
        assert!(told.is_sorted_by_key(|(nearness, ..)| *nearness), "not nearest first: {told:?}");
        told.sort_by_key(|(nearness, id, ..)| (*nearness, *id));
        // The world is smaller than an answer, so everyone must be in it.
        assert_eq!(told, expected);
    }
}

fn run(desk: &mut Desk, model: &mut Model, step: Step) {
    match step {
        Step::Open { node: n, place: at, serves } => open(desk, model, n, place(at), serves),
        Step::Wait(seconds) => {
            pass(desk, model, Span::from_secs(seconds));
        }
        Step::Close { pick } => {
            let Some(session) = model.picked(desk.now, pick) else { return };
            assert_eq!(desk.tell(Input::Closed { session }), []);
            model.seats.remove(&session);
            let again = desk.directory.handle_input(desk.now, Input::Renewed { session });
            assert_eq!(again, Err(InputError::UnknownSession(session)));
        }
        Step::Renew { pick } => {
            let Some(session) = model.picked(desk.now, pick) else { return };
            assert_eq!(desk.tell(Input::Renewed { session }), []);
        }
        Step::Announce { pick, added, removed } => {
            let Some(session) = model.picked(desk.now, pick) else { return };
            let added: Vec<Holding> = added
                .into_iter()
                .map(|(title, renditions, coverage)| Holding { swarm: swarm(title), renditions, coverage })
                .collect();
            let removed: Vec<SwarmId> = removed.into_iter().map(swarm).collect();
            let holdings = &mut model.seats.get_mut(&session).expect("picked").holdings;
            holdings.retain(|swarm, _| !removed.contains(swarm));
            holdings.extend(added.iter().map(|holding| (holding.swarm, *holding)));
            assert_eq!(desk.tell(Input::Announced { session, added, removed }), []);
            pass(desk, model, Span::from_millis(500));
        }
        Step::Lookup { pick, title, renditions } => {
            let Some(session) = model.picked(desk.now, pick) else { return };
            let found = desk.ask_for(session.0, title, renditions);
            model.check_answer(session, title, &found);
            pass(desk, model, Span::from_millis(250));
        }
        Step::Signal { pick, to } => {
            let Some(session) = model.picked(desk.now, pick) else { return };
            let from = model.seats[&session].node;
            let target = model.seats.iter().find(|(id, seat)| seat.node == node(to) && **id != session);
            let expected: Vec<Output> =
                target.map(|(id, _)| Output::Deliver { from, to: *id }).into_iter().collect();
            assert_eq!(desk.tell(Input::Signal { session, to: node(to) }), expected);
        }
    }
}

fn pass(desk: &mut Desk, model: &mut Model, span: Span) {
    let outputs = desk.wait(span);
    model.expire(desk.now, &outputs);
}

fn open(desk: &mut Desk, model: &mut Model, n: u64, place: Place, serves: Serves) {
    let session = SessionId(model.opened);
    model.opened += 1;
    let mut expected = Vec::new();
    if let Some(older) = model.seats.iter().find(|(_, seat)| seat.node == node(n)).map(|(id, _)| *id) {
        model.seats.remove(&older);
        expected.push(Output::Close { session: older, reason: RefusedReason::Replaced });
    }
    let outputs = desk.tell(Input::Opened { session, node: node(n), place, serves, ways: Ways::QUIC });
    if model.seats.len() < 20 {
        expected.push(Output::Admitted { session, lease: LEASE });
        let seat = Seat { node: node(n), place, serves, heard: desk.now, holdings: BTreeMap::new() };
        model.seats.insert(session, seat);
        assert_eq!(outputs, expected);
    } else {
        assert!(matches!(outputs.as_slice(), [Output::TurnedAway { session: id, .. }] if *id == session));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn answers_are_what_plain_sets_say(steps in prop::collection::vec(step(), 1..250)) {
        let mut desk = Desk::new(Settings { sessions: 20, ..Settings::default() });
        let mut model = Model::default();
        for step in steps {
            run(&mut desk, &mut model, step);
            let counts = desk.directory.counts();
            prop_assert_eq!(counts.sessions, model.seats.len());
            let serving = model.seats.values().filter(|seat| seat.serves == Serves::Others);
            prop_assert_eq!(counts.holdings, serving.map(|seat| seat.holdings.len()).sum::<usize>());
        }
        // Everybody goes, and nothing is left behind.
        for session in model.seats.keys().copied().collect::<Vec<_>>() {
            desk.tell(Input::Closed { session });
        }
        let counts = desk.directory.counts();
        prop_assert_eq!((counts.sessions, counts.titles, counts.holdings), (0, 0, 0));
        prop_assert_eq!(desk.directory.poll_output(), Output::Timeout(Time::NEVER));
    }

    #[test]
    fn any_places_keep_the_order(places in prop::collection::vec((0_u64..3, 0_u32..3, 0_u64..3, 0_u16..3), 2..200)) {
        // Here an operator may span countries and a network operators, which no address plan has.
        let mut desk = Desk::new(Settings::default());
        let mut seats = Vec::new();
        for (n, (lan, isp, prefix, country)) in (0..).zip(places) {
            let place = Place { lan, isp, prefix, country };
            desk.join(n, place, vec![holding(1)]);
            seats.push(place);
        }
        let found = desk.ask(0, 1);
        prop_assert!(found.is_sorted_by_key(|f| f.nearness));
        prop_assert_eq!(found.len(), (seats.len() - 1).min(MAX_ANSWER));
        for f in found {
            let theirs = seats[usize::try_from(f.session.0).expect("small")];
            prop_assert_eq!(f.nearness, seats[0].nearness(theirs));
        }
    }
}
