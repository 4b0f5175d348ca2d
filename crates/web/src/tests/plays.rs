//! Tabs play, alone and from each other.

use nearcast_engine::swarm::Taking;
use nearcast_engine::wire::Serves;
use nearcast_engine::wire::report::STARTUP_BOUNDS;

use super::world::{SITE, World, site, title};

/// Bytes that no two blocks of are alike.
pub(super) fn media(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    blake3::Hasher::new().update(b"media").finalize_xof().fill({
        out.resize(length, 0);
        &mut out
    });
    out
}

#[test]
fn a_tab_alone_plays_from_the_origin_and_every_byte_is_checked() {
    let song = media(1_500_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    let url = format!("{SITE}media/song/song.mp3");
    assert_eq!(world.tab(one).size_of(&url), Some(1_500_000));
    assert_eq!(world.play(one, 0, 1_500_000), Some(song.clone()));
    assert_eq!(world.play(one, 70_000, 90_001), Some(song[70_000..90_001].to_vec()), "from the cache");
    let figures = world.tab(one).figures();
    assert_eq!((figures.origin, figures.cache), (1_500_000, 20_001));
    assert!(world.origin.sent < 1_700_000, "{}", world.origin.sent);
    let now = world.now;
    assert_eq!(
        world.tab(one).read(now, 1, "http://127.0.0.1:8400/other", (0, 1), (Taking::Stream, None)),
        None
    );
}

#[test]
fn the_second_tab_gets_it_from_the_first() {
    let song = media(3_000_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    assert_eq!(world.play(one, 0, 3_000_000), Some(song.clone()));
    // What it holds is announced.
    world.pass(2_000);
    let before = world.origin.sent;
    let two = world.enter(Serves::Others);
    world.open(two);
    assert_eq!(world.play(two, 0, 3_000_000), Some(song));
    let (first, second) = (world.tab(one).figures(), world.tab(two).figures());
    let extra = world.origin.sent - before;
    assert!(second.peers > 2_000_000 && first.sent > 2_000_000, "{first:?} {second:?}");
    assert!(extra < 1_000_000, "the origin sent {extra} more: {:?}", world.notes(two));
    assert_eq!((first.connected, second.connected), (1, 1));
}

#[test]
fn a_start_that_the_page_made_by_itself_is_told_of_as_it_was() {
    let song = media(1_500_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    let (now, url) = (world.now, format!("{SITE}media/song/song.mp3"));
    world.tab(one).showed(now, 1, &url, (0, 300_000), 700_000, 0);
    assert_eq!(world.play(one, 300_000, 1_500_000), Some(song[300_000..].to_vec()));
    let now = world.now;
    world.tab(one).stopped(now, 1);
    world.pass(30_000);
    let startups: Vec<u64> = world.reports.iter().flat_map(|report| report.shared.startups.clone()).collect();
    let took = startups.iter().position(|plays| *plays == 1).expect("a start");
    assert_eq!(STARTUP_BOUNDS[took], 800, "{startups:?}");
}

#[test]
fn without_an_origin_tabs_finish_from_each_other() {
    let song = media(2_000_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    world.play(one, 0, 2_000_000).expect("plays");
    world.pass(2_000);
    let two = world.enter(Serves::Others);
    world.open(two);
    world.origin.away = true;
    assert_eq!(world.play(two, 0, 2_000_000), Some(song));
}

#[test]
fn a_tab_that_is_killed_is_made_up_for() {
    let song = media(3_000_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    world.play(one, 0, 3_000_000).expect("plays");
    world.pass(2_000);
    let two = world.enter(Serves::Others);
    world.open(two);
    assert_eq!(world.play(two, 0, 200_000).as_deref(), Some(&song[..200_000]));
    world.kill(one);
    assert_eq!(world.play(two, 200_000, 3_000_000).as_deref(), Some(&song[200_000..]));
}

#[test]
fn without_a_supernode_a_tab_plays_from_the_origin() {
    let song = media(600_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    world.supernode_goes();
    assert_eq!(world.play(one, 0, 600_000), Some(song));
    assert!(!world.tab(one).figures().supernode);
}

#[test]
fn a_liar_is_dropped_and_the_song_is_right() {
    let song = media(2_000_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    world.play(one, 0, 2_000_000).expect("plays");
    world.pass(2_000);
    // The last byte of each piece, however short it is.
    world.tamper = |packet| packet.last_mut().into_iter().for_each(|byte| *byte ^= 1);
    let two = world.enter(Serves::Others);
    world.open(two);
    assert_eq!(world.play(two, 0, 2_000_000), Some(song));
    assert!(world.notes(two).iter().any(|note| note.contains("bad bytes")), "{:?}", world.notes(two));
    assert_eq!(world.tab(two).figures().connected, 0);
}

#[test]
fn a_supernode_in_the_middle_gets_no_word_in() {
    let song = media(1_000_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    world.play(one, 0, 1_000_000).expect("plays");
    world.pass(2_000);
    world.in_the_middle = Some(0x99);
    let two = world.enter(Serves::Others);
    world.open(two);
    assert_eq!(world.play(two, 0, 1_000_000), Some(song), "from the origin");
    let (first, second) = (world.tab(one).figures(), world.tab(two).figures());
    assert_eq!((first.sent, second.peers, second.connected), (0, 0, 0));
    assert!(world.notes(two).iter().any(|note| note.contains("prove")), "{:?}", world.notes(two));
}

#[test]
fn switched_off_nothing_goes_up() {
    let song = media(1_000_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    world.play(one, 0, 1_000_000).expect("plays");
    let now = world.now;
    world.tab(one).share(now, Serves::Nobody);
    world.pass(2_000);
    let two = world.enter(Serves::Others);
    world.open(two);
    world.play(two, 0, 1_000_000).expect("plays");
    assert_eq!((world.tab(one).figures().sent, world.tab(two).figures().peers), (0, 0));
    assert_eq!(world.tab(one).figures().sharing, 0);
}

#[test]
fn a_manifest_that_was_changed_is_refused() {
    let mut origin = site(&media(100_000));
    let path = format!("{SITE}nearcast/titles/song.jws");
    let file = origin.files.get_mut(&path).expect("there");
    let at = file.len() - 5;
    file[at] = if file[at] == b'A' { b'B' } else { b'A' };
    let mut world = World::new(origin);
    let one = world.enter(Serves::Others);
    let now = world.now;
    world.tab(one).open_title(now, &title());
    world.until(|world| world.trouble(one).is_some_and(|trouble| trouble.contains("signature")));
}

#[test]
fn bytes_that_are_not_those_that_were_published_never_come_out() {
    let song = media(400_000);
    let mut origin = site(&song);
    origin.files.get_mut(&format!("{SITE}media/song/song.mp3")).expect("there")[200_000] ^= 1;
    let mut world = World::new(origin);
    let one = world.enter(Serves::Others);
    world.open(one);
    assert_eq!(world.play(one, 0, 150_000).as_deref(), Some(&song[..150_000]));
    assert_eq!(world.play(one, 150_000, 400_000), None, "nobody delivers it");
}
