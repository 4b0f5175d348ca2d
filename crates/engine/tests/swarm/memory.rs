//! What is forgotten, and that nothing that is needed is.

use nearcast_engine::limits::{MAX_RENDITIONS, MAX_STRUCK, SPARE_TITLES};

use super::*;

fn object(n: u32) -> ObjectId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    id[31] = 1;
    ObjectId(id)
}

fn swarm(n: u32) -> SwarmId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    id[15] = 1;
    SwarmId(id)
}

fn describe(bench: &mut Bench, n: u32) {
    let parts = vec![Part { object: object(n), size: size(), length: Span::from_secs(60) }];
    bench.input(Input::Describe(Rendition {
        id: RenditionId(n + 100),
        swarm: swarm(n),
        bit: 0,
        set: 0,
        parts,
    }));
}

fn store(bench: &mut Bench, n: u32) {
    let blocks = BlockRange::new(0, 1).into();
    bench.input(Input::Stored(Stored { object: object(n), size: size(), blocks, last_used: n.into() }));
}

fn forgotten(bench: &mut Bench) -> Vec<SwarmId> {
    let forgot = |output| match output {
        Output::Forgot { swarm } => Some(swarm),
        _ => None,
    };
    bench.take().into_iter().filter_map(forgot).collect()
}

#[test]
fn titles_that_nobody_came_back_to_are_forgotten_and_others_are_not() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    for n in 0..8 {
        store(&mut bench, n);
    }
    for n in 0..4_000 {
        describe(&mut bench, n);
        // The listener goes back to this one now and then.
        bench.input(Input::Use { swarm: swarm(9) });
    }
    let forgotten = forgotten(&mut bench);
    assert!(!forgotten.contains(&SWARM), "it plays");
    assert!((0..8).all(|n| !forgotten.contains(&swarm(n))), "something of it is held");
    assert!(!forgotten.contains(&swarm(9)), "it is used");
    assert!(!forgotten.contains(&swarm(3_999)), "it was just described");
    let footprint = bench.swarm.footprint();
    assert_eq!(footprint.titles + forgotten.len(), 4_001);
    assert!(footprint.titles <= 2 * SPARE_TITLES + 10, "{footprint:?}");
    assert!(footprint.objects <= 2 * SPARE_TITLES + 10, "{footprint:?}");
    describe(&mut bench, 20);
    let bytes = ByteRange::new(0, size().bytes());
    let (read, play, rendition) = (ReadId(2), PlayId(2), RenditionId(120));
    let (taking, rate) = (Taking::Stream, None);
    bench.input(Input::Read { read, play, rendition, part: 0, bytes, taking, rate });
    assert!(bench.asked().iter().any(|(_, peer, _)| peer.is_none()), "described again, it plays");
}

#[test]
fn with_as_many_renditions_as_fit_one_more_can_still_be_played() {
    let mut bench = Bench::new(settings());
    let most = u32::try_from(MAX_RENDITIONS).expect("fits");
    for n in 0..most + 10 {
        store(&mut bench, n);
        describe(&mut bench, n);
    }
    let forgotten = forgotten(&mut bench);
    assert_eq!(forgotten.len(), 11, "one beside these was described first");
    assert!(forgotten.contains(&swarm(0)) && !forgotten.contains(&swarm(most)), "{forgotten:?}");
    assert_eq!(bench.swarm.footprint().renditions, MAX_RENDITIONS);
}

#[test]
fn a_peer_interested_in_what_was_forgotten_is_told_when_it_is_known_again() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    describe(&mut bench, 1);
    bench.message(peer, PeerMessage::Interest { object: object(1) });
    for n in 2..1_000 {
        describe(&mut bench, n);
    }
    assert!(forgotten(&mut bench).contains(&swarm(1)));
    store(&mut bench, 1);
    describe(&mut bench, 1);
    bench.wait(Span::from_secs(1));
    let told = |output: &Output| match output {
        Output::Send { peer: to, message: PeerMessage::Have(have) } => {
            *to == peer && have.object == object(1) && !have.added.is_empty()
        }
        _ => false,
    };
    assert!(bench.take().iter().any(told));
}

#[test]
fn keys_that_are_drawn_to_be_struck_grow_nothing_and_free_nobody_who_was_banned() {
    let mut bench = Bench::new(settings());
    let banned = NodeKey([2; 32]);
    bench.input(Input::Struck { node: banned, strikes: 2 });
    for n in 0..2 * u32::try_from(MAX_STRUCK).expect("fits") {
        let mut key = [3; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        bench.input(Input::Struck { node: NodeKey(key), strikes: 1 });
    }
    assert_eq!(bench.swarm.footprint().struck, MAX_STRUCK);
    bench.peer(2, Nearness::Isp);
    assert!(bench.take().iter().any(|o| matches!(o, Output::Disconnect { why: Parting::Banned, .. })));
}

#[test]
fn of_a_film_that_fills_the_cache_no_more_goes_than_has_to_and_what_is_furthest_behind_first() {
    let budget = 300 * BLOCK;
    let mut bench = Bench::new(Settings { cache_budget: budget, ..settings() });
    let blocks = BlockRange::new(0, 280).into();
    bench.input(Input::Stored(Stored { object: OBJECT, size: size(), blocks, last_used: 1 }));
    bench.play(1, 400 * BLOCK);
    let (mut came, mut gone) = (0, 0);
    let mut out = std::collections::VecDeque::from(bench.take());
    while let Some(output) = out.pop_front() {
        match output {
            Output::AskOrigin { request, blocks, .. } => {
                came += blocks.len();
                bench.finish(request, blocks);
            }
            Output::Evict { blocks, .. } => {
                assert_eq!(blocks.start, gone, "in order");
                gone = blocks.end;
            }
            _ => {}
        }
        out.extend(bench.take());
    }
    // What lies half a minute behind the playhead may go: the first 144 blocks.
    assert!(came > 20, "{came} blocks came");
    let held = bench.swarm.held_bytes();
    assert!(held <= budget && held > budget - 32 * BLOCK, "{held} bytes are left, and {gone} blocks went");
}
