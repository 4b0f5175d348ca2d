//! How far ahead of a listener is fetched who has just begun, and of one who has stayed.

use super::*;

/// Blocks in a second of the title.
fn blocks_in(secs: u64) -> u64 {
    size().bytes() / BLOCK * secs / 60
}

/// Plays for `secs`, of a player that takes what is within `buffer` seconds of its playhead, while all that is asked for
/// comes at once. Answers how many blocks beyond the playhead have come.
fn ahead_after(bench: &mut Bench, secs: u64, buffer: u64) -> u64 {
    let (mut end, mut taken) = (0, 0);
    for tenth in 1..=secs * 10 {
        let mut asked = bench.asked();
        while let Some((request, _, blocks)) = asked.pop() {
            bench.finish(request, blocks);
            end = end.max(u64::from(blocks.end));
            asked.extend(bench.asked());
        }
        let playhead = blocks_in(600) * tenth / 6_000;
        let reached = end.min(playhead + blocks_in(buffer)) * BLOCK;
        if reached > taken {
            taken = reached;
            bench.input(Input::Progress { read: ReadId(1), to: taken.min(size().bytes()) });
        }
        bench.wait(Span::from_millis(100));
    }
    end.saturating_sub(blocks_in(secs))
}

#[test]
fn an_ample_origin_brings_more_ahead_as_a_listener_stays() {
    let origin = |tuning, secs| {
        let mut bench = Bench::tuned(settings(), tuning);
        bench.play(1, 0);
        ahead_after(&mut bench, secs, 3)
    };
    let early = origin(Tuning::default(), 3);
    let late = origin(Tuning::default(), 36);
    assert!(early <= blocks_in(9), "{early} blocks after 3 s");
    assert!((blocks_in(18)..=blocks_in(22)).contains(&late), "{late} blocks after 36 s");
    let slow = origin(Tuning { ample: u64::MAX, ..Tuning::default() }, 3);
    assert!(slow >= blocks_in(12), "{slow} blocks from an origin that is not ample");
}

#[test]
fn peers_bring_less_ahead_of_a_listener_who_has_just_begun() {
    let peers = |secs| {
        let mut bench = Bench::new(settings());
        let peer = bench.peer(2, Nearness::Lan);
        bench.play(1, 0);
        bench.has(peer, all());
        ahead_after(&mut bench, secs, 3)
    };
    let (early, late) = (peers(2), peers(24));
    assert!((blocks_in(15)..=blocks_in(22)).contains(&early), "{early} blocks after 2 s");
    assert!(late >= blocks_in(34), "{late} blocks after 24 s, all there are");
}

#[test]
fn a_player_that_reads_on_is_served_at_once() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let mut end = 0;
    while end * BLOCK < size().bytes() {
        let asked = bench.asked();
        assert!(!asked.is_empty(), "it waits for block {end}");
        for (request, _, blocks) in asked {
            bench.wait(Span::from_millis(10));
            bench.finish(request, blocks);
            end = end.max(u64::from(blocks.end));
        }
        bench.input(Input::Progress { read: ReadId(1), to: (end * BLOCK).min(size().bytes()) });
    }
}
