//! The first moments of a play, and who is waited for in them.

use super::*;

/// Answers every run asked of the origin within a moment, and says which blocks that were.
fn from_origin(bench: &mut Bench) -> BlockSet {
    let mut came = BlockSet::default();
    for _ in 0..20 {
        for (request, _, blocks) in bench.asked().into_iter().filter(|a| a.1.is_none()) {
            came.insert(blocks);
            bench.finish(request, blocks);
        }
        bench.wait(Span::from_millis(2));
    }
    came
}

#[test]
fn what_follows_gives_way_until_half_of_the_start_is_here() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let asked = bench.asked();
    assert_eq!(asked.iter().map(|a| a.2).collect::<Vec<_>>(), [BlockRange::new(0, 4)]);
    bench.arrive(asked[0].0, BlockRange::new(0, 1));
    assert!(bench.asked().is_empty());
    bench.arrive(asked[0].0, BlockRange::new(1, 2));
    assert!(bench.asked().iter().any(|a| a.2.start == 4));
}

/// Plays something of which a quarter second is 128 KiB.
fn play_heavy(bench: &mut Bench) -> ObjectId {
    let (id, object) = (RenditionId(2), ObjectId([8; 32]));
    let parts = vec![Part { object, size: size(), length: Span::from_secs(16) }];
    bench.input(Input::Describe(Rendition { id, swarm: SWARM, bit: 1, set: 0, parts }));
    let bytes = ByteRange::new(0, size().bytes());
    bench.input(Input::Read {
        read: ReadId(1),
        play: PlayId(1),
        rendition: id,
        part: 0,
        bytes,
        taking: Taking::Stream,
        rate: None,
    });
    object
}

#[test]
fn a_start_that_needs_more_than_64_kib_comes_over_several_connections() {
    let mut bench = Bench::new(settings());
    play_heavy(&mut bench);
    let blocks: Vec<BlockRange> = bench.asked().iter().map(|a| a.2).collect();
    assert_eq!(blocks, [BlockRange::new(0, 4), BlockRange::new(4, 8)]);
}

#[test]
fn peers_that_have_delivered_nothing_are_asked_for_little_and_few_of_them_at_a_time() {
    let mut bench = Bench::new(settings());
    let peers: Vec<PeerId> = (2..10).map(|n| bench.peer(n, Nearness::Isp)).collect();
    bench.play(1, 0);
    let start = bench.asked();
    for peer in &peers {
        bench.has(*peer, all());
    }
    for (request, _, blocks) in start {
        bench.finish(request, blocks);
    }
    let probes: Vec<_> = bench.asked().into_iter().filter(|a| a.1.is_some()).collect();
    assert_eq!(probes.len(), 3, "{probes:?}");
    assert!(probes.iter().all(|probe| probe.2.len() <= 4), "{probes:?}");
    let (request, peer, blocks) = probes[0];
    bench.now += Span::from_millis(50);
    bench.finish(request, blocks);
    bench.wait(Span::from_millis(2));
    let more = bench.asked();
    assert!(more.iter().any(|a| a.1 == peer && a.2.len() > 4), "it has shown how fast it is: {more:?}");
    assert!(
        more.iter().any(|a| a.1.is_some() && !probes.iter().any(|p| p.1 == a.1)),
        "the next one: {more:?}"
    );
}

#[test]
fn what_is_due_much_later_gives_way_to_what_is_due_at_once() {
    let mut bench = Bench::new(settings());
    let (soon, later) = (bench.peer(2, Nearness::Isp), bench.peer(3, Nearness::Isp));
    bench.play(1, 0);
    let start = bench.asked();
    bench.has(soon, BlockRange::new(0, 24));
    bench.has(later, BlockRange::new(110, 512));
    for (request, _, blocks) in start {
        bench.finish(request, blocks);
    }
    let mut asked = bench.asked();
    assert!(asked.iter().any(|a| a.1 == Some(soon)), "{asked:?}");
    assert!(asked.iter().all(|a| a.1 != Some(later)), "block 110 is due in 13 s: {asked:?}");
    for _ in 0..20 {
        for (request, _, blocks) in std::mem::take(&mut asked) {
            bench.finish(request, blocks);
        }
        bench.wait(Span::from_millis(20));
        asked = bench.asked();
        if asked.iter().any(|a| a.1 == Some(later)) {
            return;
        }
    }
    panic!("it is asked when what is due at once is here");
}

#[test]
fn who_leads_waits_for_nobody() {
    let brought = |viewer_holds: BlockRange| {
        // An origin that is asked as far ahead as may be.
        let mut bench = Bench::tuned(settings(), Tuning { ample: u64::MAX, ..Tuning::default() });
        let viewer = bench.peer(2, Nearness::Isp);
        bench.message(viewer, PeerMessage::Interest { object: OBJECT });
        bench.wait(Span::from_secs(11));
        bench.play(1, 300 * BLOCK);
        bench.has(viewer, viewer_holds);
        from_origin(&mut bench).contains_all(BlockRange::new(300, 380))
    };
    assert!(brought(BlockRange::new(0, 50)), "a viewer far behind will not bring it");
    assert!(!brought(BlockRange::new(250, 290)), "one that is close brings its share");
}

#[test]
fn a_look_at_the_end_of_a_file_does_not_make_all_of_it_a_start() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    for (request, _, blocks) in bench.asked() {
        bench.finish(request, blocks);
    }
    bench.input(Input::Progress { read: ReadId(1), to: 4 * BLOCK });
    let under_way = bench.asked();
    // As ffmpeg does, to learn how long it is.
    bench.play(2, size().bytes() - 64 * BLOCK);
    let mut starts = Vec::new();
    for (request, _, blocks) in under_way {
        bench.finish(request, blocks);
        bench.wait(Span::from_millis(2));
    }
    for output in bench.take() {
        if let Output::Note(Note::Asked { blocks, why: Why::Start, .. }) = output {
            starts.push(blocks);
        }
    }
    assert!(!starts.is_empty() && starts.iter().all(|blocks| blocks.start >= 448), "{starts:?}");
}

/// Whether a peer that says after so many milliseconds that it holds everything is asked for what a start waits for.
/// The origin has sent so many blocks of it by then.
fn raced_after(millis: u64, sent: u32) -> bool {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    bench.play(1, 0);
    let start = bench.asked();
    if sent > 0 {
        bench.arrive(start[0].0, BlockRange::new(0, sent));
    }
    bench.wait(Span::from_millis(millis));
    bench.take();
    bench.has(peer, all());
    bench.asked().iter().any(|asked| asked.1 == Some(peer) && asked.2.start < 4)
}

#[test]
fn an_origin_that_is_silent_where_a_play_waits_is_raced_by_whoever_holds_the_start() {
    assert!(raced_after(60, 0));
    assert!(!raced_after(40, 0), "an idle one is about to answer");
    assert!(!raced_after(60, 1), "it has begun to send");
}

#[test]
fn an_origin_that_begins_to_send_is_raced_no_more() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let start = bench.asked();
    bench.wait(Span::from_millis(60));
    bench.arrive(start[0].0, BlockRange::new(0, 1));
    let peer = bench.peer(2, Nearness::Isp);
    bench.has(peer, all());
    assert!(bench.asked().iter().all(|asked| asked.1 != Some(peer) || asked.2.start >= 4));
}

#[test]
fn what_is_due_soon_is_asked_for_in_runs_of_a_tenth_of_a_second() {
    let mut bench = Bench::new(settings());
    let peers: Vec<PeerId> = (2..5).map(|n| bench.peer(n, Nearness::Isp)).collect();
    let object = play_heavy(&mut bench);
    let start = bench.asked();
    for peer in peers {
        let have = Have { object, added: all().into(), removed: BlockSet::EMPTY, coming: BlockSet::EMPTY };
        bench.message(peer, PeerMessage::Have(have));
    }
    start.into_iter().for_each(|(request, _, blocks)| bench.finish(request, blocks));
    // Each brings 64 KiB in 50 ms, the way with it: 13 Mbit/s.
    bench.now += Span::from_millis(50);
    for (request, _, blocks) in bench.asked() {
        bench.finish(request, blocks);
    }
    bench.wait(Span::from_millis(2));
    let soon: Vec<_> = bench.asked().into_iter().filter(|a| a.1.is_some() && a.2.start < 96).collect();
    assert!(!soon.is_empty() && soon.iter().all(|a| a.2.len() <= 12), "{soon:?}");
}

/// How long the origin is expected to take for a start elsewhere.
fn expected(mut bench: Bench) -> Span {
    bench.take();
    bench.input(Input::Closed { read: ReadId(1) });
    bench.play(2, 400 * BLOCK);
    let now = bench.now;
    let expected = |output: Output| match output {
        Output::Note(Note::Asked { peer: None, expected, why: Why::Start, .. }) => Some(expected.since(now)),
        _ => None,
    };
    bench.take().into_iter().find_map(expected).expect("the origin is asked")
}

/// A start of which the origin has sent nothing for so long.
fn silent_for(millis: u64) -> (Bench, RequestId) {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let start = bench.asked();
    bench.wait(Span::from_millis(millis));
    (bench, start[0].0)
}

#[test]
fn an_origin_is_no_slower_for_a_run_that_was_left_or_failed() {
    let usual = expected(silent_for(0).0);
    assert_eq!(expected(silent_for(190).0), usual, "the listener went elsewhere");
    let (mut bench, request) = silent_for(190);
    bench.input(Input::Failed { request, fault: Fault::Unavailable });
    for _ in 0..100 {
        bench.wait(Span::from_millis(10));
        for (request, _, blocks) in bench.asked() {
            bench.finish(request, blocks);
        }
    }
    assert!(expected(bench) <= usual, "it is back");
}

#[test]
fn an_origin_that_was_silent_is_not_taken_for_one_that_trickles() {
    let (bench, _) = silent_for(5_000);
    assert!(expected(bench) < Span::from_secs(2));
}

#[test]
fn what_follows_a_start_made_elsewhere_is_no_start() {
    let whys = |showed: bool| {
        let mut bench = Bench::new(settings());
        if showed {
            bench.input(Input::Showed {
                play: PlayId(1),
                rendition: RENDITION,
                part: 0,
                bytes: ByteRange::new(0, size().bytes() / 8),
                after: Span::from_millis(700),
                ago: Span::from_millis(100),
            });
        }
        bench.play(1, size().bytes() / 8);
        let out = bench.take();
        let started = Note::Started { play: PlayId(1), after: Span::from_millis(700) };
        assert_eq!(out.contains(&Output::Note(started)), showed);
        let why = |output| match output {
            Output::Note(Note::Asked { why, .. }) => Some(why),
            _ => None,
        };
        out.into_iter().filter_map(why).collect::<Vec<_>>()
    };
    assert!(whys(false).contains(&Why::Start));
    let after = whys(true);
    assert!(!after.is_empty() && !after.contains(&Why::Start), "{after:?}");
}

#[test]
fn a_peer_that_never_delivers_is_found_out_though_others_bring_its_runs_before_it_was_silent_for_long() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Lan);
    // Four times as fast as the origin brings it: whoever is expected first is asked, and each run is late.
    bench.read(1, all(), Taking::Stream, PlaybackRate::from_percent(400));
    bench.has(peer, all());
    let mut owes: Vec<(Time, RequestId, BlockRange)> = Vec::new();
    let mut in_vain = 0;
    for _ in 0..600 {
        for (request, of, blocks) in bench.asked() {
            if of.is_some() {
                in_vain += 1;
            } else {
                owes.push((bench.now + Span::from_millis(400), request, blocks));
            }
        }
        let now = bench.now;
        for (_, request, blocks) in owes.extract_if(.., |(at, ..)| *at <= now) {
            bench.finish(request, blocks);
        }
        bench.wait(Span::from_millis(10));
    }
    assert!((1..=3).contains(&in_vain), "{in_vain} runs in 6 s");
}

#[test]
fn of_a_peer_that_takes_long_to_answer_and_then_delivers_little_is_not_asked_at_a_time() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Lan);
    bench.play(1, 0);
    bench.has(peer, all());
    // A page on a machine that has much to do: it turns to a run after a second, and then sends 8 MB/s.
    let mut owes: Vec<(Time, RequestId, BlockRange)> = Vec::new();
    let (mut free_at, mut lengths, mut held, mut at) = (bench.now, Vec::new(), BlockSet::EMPTY, 0);
    for _ in 0..4_000 {
        for (request, of, blocks) in bench.asked() {
            let (mut due, each) = match of {
                Some(_) => (free_at.max(bench.now + Span::from_secs(1)), Span::from_millis(2)),
                None => (bench.now + Span::from_millis(50), Span::from_millis(5)),
            };
            for block in blocks.iter() {
                due += each;
                owes.push((due, request, BlockRange::new(block, block + 1)));
            }
            owes.push((due, request, BlockRange::new(blocks.end, blocks.end)));
            if of.is_some() {
                lengths.push(blocks.len());
                free_at = due;
            }
        }
        let now = bench.now;
        for (_, request, blocks) in owes.extract_if(.., |(due, ..)| *due <= now) {
            match blocks.is_empty() {
                true => bench.input(Input::Finished { request }),
                false => bench.arrive(request, blocks),
            }
            held.insert(blocks);
        }
        // It plays what is here.
        at = (at + 1_400).min(u64::from(held.run_at(0).end) * BLOCK);
        bench.input(Input::Progress { read: ReadId(1), to: at });
        bench.wait(Span::from_millis(10));
    }
    let later = &lengths[lengths.len() / 2..];
    let mean = later.iter().sum::<u32>() / u32::try_from(later.len()).expect("few");
    assert!(mean >= 8, "{lengths:?}");
}
