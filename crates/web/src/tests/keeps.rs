//! What a browser keeps is there at the next visit: played, handed on, and fetched again where it is damaged.

use nearcast_engine::wire::Serves;

use super::plays::media;
use super::world::{World, catalogue_without, site};
use crate::Keeping;

const BUDGET: u64 = 1 << 30;

/// A world in which a tab has played all of a song and then was closed.
fn after_a_visit(song: &[u8]) -> World {
    let mut world = World::new(site(song));
    let one = world.enter(Serves::Others);
    world.keeps(one, BUDGET);
    world.open(one);
    assert_eq!(world.play(one, 0, song.len() as u64).as_deref(), Some(song));
    world.pass(5_000);
    assert!(world.stored() >= song.len(), "all of it is kept");
    assert_eq!(world.tab(one).figures().kept, song.len() as u64);
    world.kill(one);
    world.pass(1_000);
    world
}

#[test]
fn the_next_visit_plays_what_is_kept() {
    let song = media(3_000_000);
    let mut world = after_a_visit(&song);
    let before = world.origin.sent;
    let two = world.enter(Serves::Others);
    world.keeps(two, BUDGET);
    world.open(two);
    assert_eq!(world.play(two, 0, 3_000_000), Some(song.clone()));
    assert_eq!(world.play(two, 1_000_000, 1_200_000).as_deref(), Some(&song[1_000_000..1_200_000]));
    assert_eq!(world.origin.sent, before);
    assert_eq!(world.tab(two).figures().cache, 3_200_000);
}

#[test]
fn what_is_kept_is_handed_on_before_it_is_played() {
    let song = media(3_000_000);
    let mut world = after_a_visit(&song);
    let holder = world.enter(Serves::Others);
    world.keeps(holder, BUDGET);
    world.pass(6_000);
    let before = world.origin.sent;
    let guest = world.enter(Serves::Others);
    world.open(guest);
    assert_eq!(world.play(guest, 0, 3_000_000), Some(song));
    let extra = world.origin.sent - before;
    assert!(world.tab(guest).figures().peers > 2_000_000, "{:?}", world.notes(holder));
    assert!(extra < 1_000_000, "the origin sent {extra} more");
}

#[test]
fn what_was_damaged_is_fetched_again() {
    let song = media(3_000_000);
    let mut world = after_a_visit(&song);
    let before = world.origin.sent;
    let entry = world.storage.iter_mut().find(|(key, _)| key.ends_with("/64-128")).expect("kept");
    let at = entry.1.len() / 2;
    entry.1[at] ^= 1;
    world.storage.retain(|(key, _)| !key.ends_with("/128-184"));
    let two = world.enter(Serves::Others);
    world.keeps(two, BUDGET);
    // The list named what was gone a moment later.
    world.open(two);
    assert_eq!(world.play(two, 0, 3_000_000), Some(song.clone()));
    assert!(world.notes(two).iter().any(|note| note.contains("damaged")), "{:?}", world.notes(two));
    let extra = world.origin.sent - before;
    assert!((1_500_000..2_200_000).contains(&extra), "the origin sent {extra} more");
    world.pass(5_000);
    assert!(world.stored() > song.len(), "and kept again");
}

#[test]
fn a_tab_that_comes_to_keep_in_the_middle_keeps_what_it_has() {
    let song = media(3_000_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.open(one);
    assert_eq!(world.play(one, 0, 1_500_000).as_deref(), Some(&song[..1_500_000]));
    assert_eq!((world.stored(), world.tab(one).figures().keeping), (0, Keeping::No));
    world.keeps(one, BUDGET);
    assert_eq!(world.play(one, 1_500_000, 3_000_000).as_deref(), Some(&song[1_500_000..]));
    world.pass(5_000);
    assert!(world.stored() > song.len());
    assert_eq!(world.tab(one).figures().keeping, Keeping::Yes);
}

#[test]
fn a_browser_without_room_plays_on() {
    let song = media(6_000_000);
    let mut world = World::new(site(&song));
    world.room = 2_500_000;
    let one = world.enter(Serves::Others);
    world.keeps(one, BUDGET);
    world.open(one);
    assert_eq!(world.play(one, 0, 6_000_000), Some(song));
    world.pass(5_000);
    assert_eq!(world.tab(one).figures().keeping, Keeping::Full);
    assert!(world.stored() <= 2_500_000);
}

#[test]
fn the_budget_holds() {
    let song = media(6_000_000);
    let mut world = World::new(site(&song));
    let one = world.enter(Serves::Others);
    world.keeps(one, 3_000_000);
    world.open(one);
    for start in (0..6_000_000).step_by(500_000) {
        let at = usize::try_from(start).expect("small");
        assert_eq!(world.play(one, start, start + 500_000).as_deref(), Some(&song[at..at + 500_000]));
        world.pass(4_000);
    }
    assert!(world.tab(one).figures().held <= 3_000_000, "{:?}", world.tab(one).figures());
    assert!(world.stored() < 4_200_000, "{}", world.stored());
}

#[test]
fn nobody_is_handed_what_was_withdrawn_meanwhile() {
    let song = media(1_000_000);
    let mut world = after_a_visit(&song);
    let two = world.enter(Serves::Others);
    let withdrawn = catalogue_without();
    let now = world.now;
    world.tab(two).catalogue(now, &withdrawn);
    world.keeps(two, BUDGET);
    world.pass(5_000);
    assert!(!world.storage.iter().any(|(key, _)| key.contains('/') && !key.ends_with("/played")));
    assert_eq!(world.tab(two).figures().held, 0);
}

#[test]
fn the_listener_clears_it() {
    let song = media(1_000_000);
    let mut world = after_a_visit(&song);
    let two = world.enter(Serves::Others);
    world.keeps(two, BUDGET);
    let now = world.now;
    world.tab(two).clear(now);
    world.pass(100);
    assert!(
        !world.storage.iter().any(|(key, _)| !key.ends_with("/played")),
        "{:?}",
        world.tab(two).figures()
    );
}

#[test]
fn keys_that_are_none_are_forgotten() {
    let mut world = World::new(site(&media(100_000)));
    let one = world.enter(Serves::Others);
    world.storage.push(("song/what/is/this".to_owned(), Vec::new()));
    world.keeps(one, BUDGET);
    world.pass(10);
    assert!(world.storage.is_empty());
}
