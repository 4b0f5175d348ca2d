//! The player under a virtual clock.

use std::time::Duration;

use super::super::track::{Chunk, Form, Piece, Track};
use super::{AHEAD, Account, Fetched, Player, State, Want};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// One byte a millisecond.
fn song(length: u64) -> Track {
    Track::of_file(&"http://127.0.0.1:1/song".parse().expect("an address"), length * 1_000, secs(length))
}

/// Segments of four seconds, 400 bytes each, behind an initialization section.
fn film(segments: u64) -> Track {
    let url: reqwest::Url = "http://127.0.0.1:1/film".parse().expect("an address");
    let piece = |n| Piece {
        chunk: Chunk { url: url.clone(), bytes: Some((100 + n * 400, 500 + n * 400)) },
        init: Some(0),
        start: secs(4 * n),
        length: secs(4),
        form: Form::Segment,
    };
    let inits = vec![Chunk { url: url.clone(), bytes: Some((0, 100)) }];
    Track { inits, pieces: (0..segments).map(piece).collect() }
}

fn fetch(player: &mut Player) -> (u64, u64) {
    match player.wants() {
        Want::Fetch(chunk) => chunk.bytes.expect("bounded"),
        other @ (Want::Wait(_) | Want::Ended) => panic!("wants a fetch, not {other:?}"),
    }
}

/// Answers every fetch at once.
fn feed(player: &mut Player) {
    while let Want::Fetch(chunk) = player.wants() {
        let (first, end) = chunk.bytes.expect("bounded");
        player.took(end - first);
        player.ended(Fetched::Whole);
    }
}

#[test]
fn a_file_starts_on_the_byte_that_makes_half_a_second() {
    let mut player = Player::new(ms(100), ms(130), song(60));
    assert_eq!(fetch(&mut player), (0, 10_000));
    player.advance(ms(200));
    player.took(499);
    assert_eq!(player.state(), State::Starting);
    player.advance(ms(240));
    player.took(1);
    assert_eq!(player.state(), State::Playing);
    assert_eq!(player.account(ms(240)).start_up, Some(ms(140)), "counted from the request");
}

#[test]
fn a_segment_is_shown_when_whole() {
    let mut player = Player::new(ms(0), ms(0), film(3));
    assert_eq!(fetch(&mut player), (0, 100), "the initialization section first");
    player.ended(Fetched::Whole);
    assert_eq!(fetch(&mut player), (100, 500));
    player.advance(ms(50));
    player.took(399);
    assert_eq!(player.state(), State::Starting);
    player.advance(ms(60));
    player.took(1);
    player.ended(Fetched::Whole);
    assert_eq!(player.state(), State::Playing);
    assert_eq!(player.buffered(), secs(4));
    assert_eq!(fetch(&mut player), (500, 900), "the initialization section is not asked for twice");
}

#[test]
fn it_reads_ahead_no_further_than_half_a_minute_and_goes_on_as_it_plays() {
    let mut player = Player::new(ms(0), ms(0), song(120));
    feed(&mut player);
    assert_eq!(player.buffered(), AHEAD);
    assert_eq!(player.wants(), Want::Wait(Some(secs(10))), "until there is room for ten seconds");
    player.advance(ms(9_999));
    assert!(matches!(player.wants(), Want::Wait(Some(_))));
    player.advance(secs(10));
    assert_eq!(fetch(&mut player), (30_000, 40_000));
    assert_eq!(player.position(), secs(10));
}

#[test]
fn it_plays_in_real_time_to_the_end() {
    let mut player = Player::new(ms(0), ms(0), song(47));
    let mut now = Duration::ZERO;
    loop {
        player.advance(now);
        feed(&mut player);
        match player.wants() {
            Want::Wait(Some(at)) => now = at,
            Want::Wait(None) | Want::Fetch(_) => panic!("it plays with a full buffer"),
            Want::Ended => break,
        }
    }
    assert_eq!(now, secs(47));
    let whole = Account { start_up: Some(ms(0)), played: secs(47), ..Account::default() };
    assert_eq!(player.account(now), whole);
}

#[test]
fn running_dry_is_a_stall_from_that_moment_until_a_second_is_there() {
    let mut player = Player::new(ms(0), ms(0), song(60));
    fetch(&mut player);
    player.took(2_000);
    player.advance(ms(2_700));
    assert_eq!(player.state(), State::Stalled);
    assert_eq!(player.position(), secs(2));
    player.took(999);
    assert_eq!(player.state(), State::Stalled);
    player.advance(ms(3_000));
    player.took(1);
    assert_eq!(player.state(), State::Playing);
    let account = player.account(ms(3_000));
    assert_eq!((account.stalls, account.stalled_for), (1, ms(1_000)));
}

#[test]
fn a_quarter_of_a_second_is_no_stall_and_one_millisecond_more_is() {
    for (pause, stalls) in [(250, 0), (251, 1)] {
        let mut player = Player::new(ms(0), ms(0), song(60));
        fetch(&mut player);
        player.took(2_000);
        player.advance(ms(2_000 + pause));
        player.took(5_000);
        assert_eq!(player.account(ms(9_000)).stalls, stalls, "after {pause} ms");
        assert_eq!(player.state(), State::Playing);
    }
}

#[test]
fn a_stall_that_goes_on_counts() {
    let mut player = Player::new(ms(0), ms(0), song(60));
    fetch(&mut player);
    player.took(1_000);
    player.advance(ms(1_100));
    assert_eq!(player.account(ms(1_200)).stalls, 0);
    player.advance(ms(4_000));
    let account = player.account(ms(4_000));
    assert_eq!((account.stalls, account.stalled_for), (1, secs(3)));
    assert_eq!(player.account(ms(4_000)), account, "looking changes nothing");
}

#[test]
fn a_seek_drops_the_buffer_and_is_no_stall() {
    let mut player = Player::new(ms(0), ms(0), song(60));
    feed(&mut player);
    player.advance(secs(3));
    player.seek(secs(45));
    assert_eq!(player.state(), State::Seeking);
    assert_eq!(player.buffered(), Duration::ZERO);
    assert_eq!(fetch(&mut player), (45_000, 50_000), "from the very byte");
    player.advance(ms(3_400));
    player.took(600);
    assert_eq!(player.state(), State::Playing);
    let account = player.account(ms(3_400));
    assert_eq!((account.seeks, account.stalls), (vec![ms(400)], 0));
}

#[test]
fn a_seek_into_a_segment_reads_all_of_it() {
    let mut player = Player::new(ms(0), ms(0), film(5));
    feed(&mut player);
    player.seek(secs(10));
    assert_eq!(fetch(&mut player), (900, 1_300));
    player.took(400);
    player.ended(Fetched::Whole);
    assert_eq!(player.buffered(), secs(2));
    assert_eq!(player.state(), State::Playing);
}

#[test]
fn a_seek_before_the_start_belongs_to_the_start() {
    let mut player = Player::new(ms(0), ms(0), song(60));
    player.seek(secs(30));
    player.advance(ms(80));
    feed(&mut player);
    let account = player.account(ms(80));
    assert_eq!((account.start_up, account.seeks.len()), (Some(ms(80)), 0));
}

#[test]
fn a_seek_to_the_end_ends() {
    let mut player = Player::new(ms(0), ms(0), song(60));
    feed(&mut player);
    player.seek(secs(90));
    assert_eq!(player.wants(), Want::Ended);
}

#[test]
fn what_broke_off_is_asked_for_again_and_what_came_of_a_file_is_kept() {
    let mut player = Player::new(ms(0), ms(0), song(60));
    fetch(&mut player);
    player.took(4_000);
    player.ended(Fetched::Cut);
    assert_eq!(player.buffered(), secs(4));
    assert_eq!(fetch(&mut player), (4_000, 10_000));

    let mut player = Player::new(ms(0), ms(0), film(5));
    fetch(&mut player);
    player.ended(Fetched::Cut);
    assert_eq!(fetch(&mut player), (0, 100), "the initialization section again");
    player.ended(Fetched::Whole);
    fetch(&mut player);
    player.took(399);
    player.ended(Fetched::Cut);
    assert_eq!(player.buffered(), Duration::ZERO, "a part of a segment is nothing");
    assert_eq!(fetch(&mut player), (100, 500));
}

#[test]
fn the_last_tenth_of_a_second_plays_too() {
    let mut player = Player::new(ms(0), ms(0), song(60));
    player.seek(ms(59_900));
    feed(&mut player);
    assert_eq!(player.state(), State::Playing, "there is no half second left to wait for");
    player.advance(ms(100));
    assert_eq!(player.wants(), Want::Ended);
}

#[test]
fn a_clock_that_steps_back_moves_nothing() {
    let mut player = Player::new(ms(0), ms(500), song(60));
    feed(&mut player);
    player.advance(ms(1_500));
    player.advance(ms(900));
    assert_eq!(player.position(), secs(1));
    player.advance(ms(2_500));
    assert_eq!(player.position(), secs(2));
}
