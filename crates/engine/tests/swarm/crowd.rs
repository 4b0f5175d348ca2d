//! A crowd before one origin: what others bring in is not asked for twice.

use std::collections::VecDeque;

use super::*;

/// A play whose first run came, with a peer that is interested and said that it holds nothing.
fn beside_a_viewer() -> (Bench, PeerId) {
    beside_a_viewer_by(Tuning::default())
}

fn beside_a_viewer_by(tuning: Tuning) -> (Bench, PeerId) {
    let mut bench = Bench::tuned(settings(), tuning);
    let peer = bench.peer(2, Nearness::Isp);
    bench.message(peer, PeerMessage::Interest { object: OBJECT });
    bench.take();
    (bench, peer)
}

fn coming(bench: &mut Bench, peer: PeerId, blocks: BlockRange) {
    let have =
        Have { object: OBJECT, added: BlockSet::EMPTY, removed: BlockSet::EMPTY, coming: blocks.into() };
    bench.message(peer, PeerMessage::Have(have));
}

#[test]
fn who_is_interested_hears_at_once_what_is_asked_of_the_origin() {
    let (mut bench, peer) = beside_a_viewer();
    bench.play(1, 0);
    let out = bench.take();
    let told = out.iter().find_map(|o| match o {
        Output::Send { peer: to, message: PeerMessage::Have(have) } if *to == peer => Some(&have.coming),
        _ => None,
    });
    let asked: Vec<BlockRange> = out
        .iter()
        .filter_map(|o| if let Output::AskOrigin { blocks, .. } = o { Some(*blocks) } else { None })
        .collect();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|blocks| told.is_some_and(|told| told.contains_all(*blocks))), "{out:?}");
}

#[test]
fn what_a_peer_brings_in_is_not_asked_of_the_origin_until_the_peer_fails() {
    let (mut bench, peer) = beside_a_viewer();
    bench.play(1, 0);
    let started = bench.asked();
    coming(&mut bench, peer, BlockRange::new(4, all().end));
    for (request, _, blocks) in started {
        bench.finish(request, blocks);
    }
    let asked: Vec<u32> = bench.asked().iter().filter(|a| a.1.is_none()).map(|a| a.2.start).collect();
    assert!(asked.is_empty(), "the peer brings it in: {asked:?}");
    bench.wait(Span::from_millis(900));
    assert!(bench.asked().is_empty(), "and has time to");
    bench.wait(Span::from_secs(3));
    assert!(bench.asked().iter().any(|a| a.1.is_none()), "but not for ever");
}

#[test]
fn what_a_fast_player_waits_for_is_left_to_a_peer_for_no_longer_than_it_has() {
    let asked_within = |percent, span| {
        let (mut bench, peer) = beside_a_viewer();
        let rate = PlaybackRate::from_percent(percent);
        bench.read(1, BlockRange::new(0, 64), Taking::Whole, rate);
        let mut asked = bench.asked();
        coming(&mut bench, peer, BlockRange::new(64, all().end));
        let is_of = |read: BlockRange| {
            move |(.., blocks): &(RequestId, Option<PeerId>, BlockRange)| read.contains(blocks.start)
        };
        while let Some(n) = asked.iter().position(is_of(BlockRange::new(0, 64))) {
            let (request, _, blocks) = asked.remove(n);
            bench.finish(request, blocks);
            asked.extend(bench.asked());
        }
        bench.input(Input::Progress { read: ReadId(1), to: 64 * BLOCK });
        bench.input(Input::Closed { read: ReadId(1) });
        bench.read(2, BlockRange::new(64, 128), Taking::Whole, rate);
        bench.wait(span);
        asked.extend(bench.asked());
        asked.iter().any(is_of(BlockRange::new(64, 128)))
    };
    let soon = Span::from_millis(2_500);
    assert!(asked_within(1_600, soon), "it plays in half a second");
    assert!(!asked_within(100, soon), "it plays in seven seconds and a half");
    assert!(asked_within(100, Span::from_secs(8)), "and is not waited for beyond that");
}

#[test]
fn what_a_silent_peer_may_hold_is_asked_of_the_origin_only_when_it_is_urgent() {
    let asked_up_to = |answers: bool| {
        let (mut bench, viewer) = beside_a_viewer();
        let silent = bench.peer(3, Nearness::Isp);
        bench.play(1, 0);
        bench.has(viewer, BlockRange::new(0, 0));
        if answers {
            bench.has(silent, BlockRange::new(0, 0));
        }
        let mut end = 0;
        let mut asked = bench.asked();
        while let Some((request, from, blocks)) = asked.pop() {
            assert_eq!(from, None, "nobody holds anything");
            bench.finish(request, blocks);
            end = end.max(blocks.end);
            asked.extend(bench.asked());
        }
        end
    };
    let (answered, silent) = (asked_up_to(true), asked_up_to(false));
    assert!(silent < answered, "{silent} blocks against {answered}");
}

#[test]
fn what_three_sources_owed_is_asked_for_again_when_it_is_lost_after_it_came() {
    let mut bench = Bench::new(Settings { origin: OriginUse::Never, ..settings() });
    bench.play(1, 0);
    // Nobody sends anything, and so each who comes is asked.
    let mut owed = Vec::new();
    for n in 2..5 {
        bench.wait(Span::from_secs(3));
        let peer = bench.peer(n, Nearness::Isp);
        bench.has(peer, all());
        owed.extend(bench.asked().into_iter().filter(|(.., blocks)| blocks.start == 0));
    }
    let (first, _, blocks) = owed[0];
    assert!(owed.len() >= 3 && owed.iter().all(|(.., same)| *same == blocks), "{owed:?}");
    bench.arrive(first, blocks);
    bench.take();
    bench.input(Input::Damaged { object: OBJECT, blocks });
    bench.wait(Span::from_secs(10));
    let again = bench.asked();
    assert!(again.iter().any(|(.., run)| run.start == 0), "{again:?}");
}

#[test]
fn what_peers_hold_is_fetched_while_nobody_holds_most_of_it() {
    // 256 units, of which a crowd's peers hold the last.
    let mut bench = Bench::tuned(settings(), Tuning { run_blocks: 2, share_blocks: 2, ..Tuning::default() });
    let peer = bench.peer(2, Nearness::Isp);
    bench.message(peer, PeerMessage::Interest { object: OBJECT });
    bench.input(Input::Keep(RENDITION));
    bench.wait(Span::from_secs(11));
    bench.take();
    bench.has(peer, BlockRange::new(510, 512));
    let asked = bench.asked();
    assert!(asked.iter().any(|(_, from, _)| *from == Some(peer)), "{asked:?}");
}

/// Blocks that are asked of the origin, and of a peer that holds all, to keep an object.
fn kept_beside_a_holder(interested: bool) -> (u32, u32) {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    if interested {
        bench.message(peer, PeerMessage::Interest { object: OBJECT });
    }
    bench.input(Input::Keep(RENDITION));
    bench.has(peer, all());
    let (mut of_origin, mut of_peer) = (0, 0);
    let mut open = all().len();
    let mut asked = VecDeque::from(bench.asked());
    while let Some((request, from, blocks)) = asked.pop_front() {
        if from.is_none() {
            assert!(open <= all().len() / 4, "with {open} blocks open");
            of_origin += blocks.len();
        } else {
            of_peer += blocks.len();
        }
        open -= blocks.len();
        bench.wait(Span::from_millis(20));
        bench.finish(request, blocks);
        asked.extend(bench.asked());
    }
    assert_eq!(open, 0);
    (of_origin, of_peer)
}

#[test]
fn the_last_of_what_a_crowd_keeps_comes_from_an_idle_origin_while_its_holders_are_busy() {
    let (of_origin, of_peer) = kept_beside_a_holder(true);
    assert!((20..=all().len() / 4).contains(&of_origin), "{of_origin}, {of_peer}");
    assert_eq!(kept_beside_a_holder(false), (0, all().len()), "nobody else waits for the holder");
}

#[test]
fn who_hands_nothing_on_is_not_waited_for_however_much_he_holds() {
    let mut bench = Bench::new(settings());
    let leaf = bench.peer_that(2, Nearness::Isp, Serves::Nobody);
    bench.input(Input::Keep(RENDITION));
    bench.has(leaf, all());
    let mut brought = 0;
    for _ in 0..100 {
        bench.wait(Span::from_millis(500));
        for (request, from, blocks) in bench.asked() {
            assert_eq!(from, None);
            bench.finish(request, blocks);
            brought += blocks.len();
        }
    }
    assert_eq!(brought, all().len());
}

/// What a player is brought at last that reads far ahead and waits for what a peer says it brings.
fn brought_to_who_waits(tuning: Tuning, rate: Option<PlaybackRate>) -> u32 {
    let (mut bench, peer) = beside_a_viewer_by(tuning);
    bench.reads(1, ByteRange::new(0, size().bytes()), Taking::Stream, rate);
    // A peer that has it all brings what is ahead of a reader who has just begun, and loses the rest.
    bench.has(peer, all());
    let mut held = BlockSet::EMPTY;
    let mut asked = VecDeque::from(bench.asked());
    while let Some((request, _, blocks)) = asked.pop_front() {
        bench.finish(request, blocks);
        held.insert(blocks);
        asked.extend(bench.asked());
    }
    let read = held.run_at(0).end;
    assert!((all().len() / 6..all().len()).contains(&read), "{read} blocks");
    let rest = BlockRange::new(read, all().end);
    let have = Have { object: OBJECT, added: BlockSet::EMPTY, removed: rest.into(), coming: rest.into() };
    bench.message(peer, PeerMessage::Have(have));
    bench.input(Input::Progress { read: ReadId(1), to: u64::from(read) * BLOCK });
    assert!(bench.asked().is_empty(), "the peer brings it in");
    bench.wait(Span::from_secs(2));
    let asked = bench.asked();
    let run = asked.iter().find(|(_, from, run)| from.is_none() && run.start == read);
    run.unwrap_or_else(|| panic!("{asked:?}")).2.len()
}

#[test]
fn a_player_that_waited_long_enough_far_ahead_gets_something_to_go_on_with() {
    let scarce = Tuning { ample: u64::MAX, ..Tuning::default() };
    assert_eq!(brought_to_who_waits(scarce, None), 1);
    let ample = |rate| brought_to_who_waits(Tuning::default(), rate);
    assert_eq!(ample(None), 8, "what plays for a second, of an ample origin");
    assert_eq!(ample(Some(PlaybackRate::NORMAL)), 1, "what it wants is due by the rate that it says");
}
