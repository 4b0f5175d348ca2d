//! What the page fetched before there was a tab is checked and held like all else.

use nearcast_engine::wire::Serves;

use super::plays::media;
use super::world::{World, site};
use crate::Giving;

fn world(song: &[u8]) -> (World, usize) {
    let mut world = World::new(site(song));
    let one = world.enter(Serves::Others);
    world.open(one);
    (world, one)
}

#[test]
fn whole_blocks_are_checked_and_not_fetched_again() {
    let song = media(1_500_000);
    let (mut world, one) = world(&song);
    assert_eq!(world.give(one, 10_000, &song[10_000..400_000], Giving::Waited), Some((23 * 16_384, true)));
    let before = world.origin.sent;
    assert_eq!(world.play(one, 16_384, 393_216).as_deref(), Some(&song[16_384..393_216]));
    assert_eq!(world.origin.sent, before);
    let figures = world.tab(one).figures();
    assert_eq!((figures.origin, figures.cache), (376_832, 0), "they are the origin's");
    assert_eq!(world.play(one, 16_384, 393_216).as_deref(), Some(&song[16_384..393_216]));
    assert_eq!(world.tab(one).figures().cache, 376_832, "the second time they are held");
}

#[test]
fn the_end_of_a_file_is_a_whole_block() {
    let song = media(50_000);
    let (mut world, one) = world(&song);
    assert_eq!(world.give(one, 49_152, &song[49_152..], Giving::Played), Some((848, true)));
    assert_eq!(world.tab(one).figures().origin, 848);
}

#[test]
fn what_was_changed_is_found_and_not_held() {
    let song = media(1_500_000);
    let (mut world, one) = world(&song);
    let mut bytes = song[..100_000].to_vec();
    bytes[40_000] ^= 1;
    assert_eq!(world.give(one, 0, &bytes, Giving::Waited), Some((32_768, false)));
    assert_eq!(world.play(one, 0, 100_000).as_deref(), Some(&song[..100_000]));
}

#[test]
fn nothing_is_said_of_what_cannot_be_checked() {
    let song = media(1_500_000);
    let (mut world, one) = world(&song);
    assert_eq!(world.give(one, 100, &song[100..10_000], Giving::Played), None, "no whole block");
    assert_eq!(world.give(one, 2_000_000, &song[..100_000], Giving::Played), None, "past the end");
    world.origin.away = true;
    assert_eq!(world.give(one, 0, &song[..100_000], Giving::Played), Some((0, true)), "no proof");
}
