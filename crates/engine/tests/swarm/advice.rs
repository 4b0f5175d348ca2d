//! For what rate a player with a choice of renditions should take its line.

use std::collections::VecDeque;

use nearcast_engine::Rate;

use super::*;

/// Beside the bench's rendition of 1.12 Mbit/s one of half and one of twice as much.
fn ladder() -> Bench {
    let mut bench = Bench::new(settings());
    for (n, blocks) in [(2, 256), (3, 1024)] {
        let size = ObjectSize::new(blocks * BLOCK).expect("in range");
        let parts = vec![Part { object: ObjectId([n; 32]), size, length: Span::from_secs(60) }];
        let (id, bit) = (RenditionId(n.into()), n);
        bench.input(Input::Describe(Rendition { id, swarm: SWARM, bit, set: 0, parts }));
    }
    bench
}

/// Segments of 4 s of the middle rendition are read one after the other, over a line of so many tenths of a Mbit/s with
/// whatever is asked for behind each other in it. The last that was advised.
fn advised(bench: &mut Bench, tenths: u64) -> Advice {
    let (segment, step) = (34, Span::from_millis(20));
    let brings = Rate::from_bits_per_sec(tenths * 100_000).bytes_in(step);
    let mut under_way: VecDeque<(RequestId, BlockRange)> = VecDeque::new();
    let (mut may, mut last, mut held) = (0, None, BlockSet::EMPTY);
    for n in 0..6 {
        let blocks = BlockRange::new(n * segment, (n + 1) * segment);
        let read = ReadId(u64::from(n) + 10);
        bench.read(read.0, blocks, Taking::Whole, PlaybackRate::NORMAL);
        while !held.contains_all(blocks) {
            for output in bench.take() {
                match output {
                    Output::AskOrigin { request, blocks, .. } | Output::AskPeer { request, blocks, .. } => {
                        under_way.push_back((request, blocks));
                    }
                    Output::Cancel { request } => under_way.retain(|(other, _)| *other != request),
                    Output::Advise { advice, .. } => last = advice,
                    _ => {}
                }
            }
            bench.wait(step);
            may += brings;
            while may >= BLOCK
                && let Some((request, blocks)) = under_way.pop_front()
            {
                may -= BLOCK;
                let first = BlockRange::new(blocks.start, blocks.start + 1);
                held.insert(first);
                bench.arrive(request, first);
                match BlockRange::new(first.end, blocks.end) {
                    rest if rest.is_empty() => bench.input(Input::Finished { request }),
                    rest => under_way.push_front((request, rest)),
                }
            }
            may = may.min(BLOCK);
        }
        bench.input(Input::Progress { read, to: size().bytes_of(blocks).end });
        bench.input(Input::Closed { read });
    }
    last.expect("it was advised")
}

/// In tenths of a Mbit/s.
fn tenths(rate: Rate) -> u64 {
    (rate.bytes_per_sec() * 8 + 50_000) / 100_000
}

#[test]
fn a_player_is_advised_the_best_rendition_that_can_be_brought() {
    let lines: Vec<(u64, bool)> = [8, 20, 50]
        .iter()
        .map(|line| {
            let advice = advised(&mut ladder(), *line);
            (tenths(advice.line), advice.pace.is_some())
        })
        .collect();
    assert_eq!(lines, [(10, true), (22, true), (45, false)]);
}

#[test]
fn however_many_have_it_no_better_one_is_advised_than_the_line_brings() {
    let mut bench = ladder();
    let peers: Vec<PeerId> = (2..8).map(|n| bench.peer(n, Nearness::Isp)).collect();
    // They are asked about all renditions.
    bench.read(1, BlockRange::new(0, 34), Taking::Whole, PlaybackRate::NORMAL);
    for peer in peers {
        for (object, blocks) in [(OBJECT, 512), (ObjectId([3; 32]), 1024)] {
            let added = BlockRange::new(0, blocks).into();
            let have = Have { object, added, removed: BlockSet::EMPTY, coming: BlockSet::EMPTY };
            bench.message(peer, PeerMessage::Have(have));
        }
    }
    assert_eq!(tenths(advised(&mut bench, 20).line), 22);
}

#[test]
fn peers_are_asked_what_they_have_of_all_that_a_player_may_choose() {
    let asked = |taking: fn(&mut Bench)| {
        let mut bench = ladder();
        bench.peer(2, Nearness::Isp);
        bench.take();
        taking(&mut bench);
        let interest = |output: Output| match output {
            Output::Send { message: PeerMessage::Interest { object }, .. } => Some(object.0[0]),
            _ => None,
        };
        bench.take().into_iter().filter_map(interest).collect::<Vec<u8>>()
    };
    let segment = |bench: &mut Bench| {
        bench.read(1, BlockRange::new(0, 34), Taking::Whole, PlaybackRate::NORMAL);
    };
    assert_eq!(asked(segment), [7, 2, 3]);
    assert_eq!(asked(|bench| bench.play(1, 0)), [7], "it reads all of the film in one go");
}

/// As [`ladder`], with sound in a file of its own, of a quarter of the bench's rate.
fn with_sound(mut bench: Bench) -> Bench {
    let size = ObjectSize::new(128 * BLOCK).expect("in range");
    let parts = vec![Part { object: ObjectId([4; 32]), size, length: Span::from_secs(60) }];
    bench.input(Input::Describe(Rendition { id: RenditionId(4), swarm: SWARM, bit: 4, set: 4, parts }));
    bench
}

#[test]
fn sound_in_a_file_of_its_own_is_no_rendition_to_choose() {
    let line = |bench: Bench| tenths(advised(&mut { bench }, 3).line);
    assert_eq!(
        [line(ladder()), line(with_sound(ladder()))],
        [10, 10],
        "too slow for any: the lowest pictures"
    );

    let mut bench = with_sound(Bench::new(settings()));
    bench.peer(2, Nearness::Isp);
    bench.read(1, BlockRange::new(0, 34), Taking::Whole, PlaybackRate::NORMAL);
    let (mut asked, mut advised) = (Vec::new(), 0);
    for output in bench.take() {
        match output {
            Output::Send { message: PeerMessage::Interest { object }, .. } => asked.push(object.0[0]),
            Output::Advise { .. } => advised += 1,
            _ => {}
        }
    }
    assert_eq!((asked, advised), (vec![7], 0), "pictures of one rendition: there is no choice");
}
