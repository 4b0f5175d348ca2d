//! Starts, stalls, jumps, other rates, and what is wanted of all that.

use nearcast_content::{BLOCK_SIZE, BlockRange, ObjectId, ObjectSize};

use super::*;
use crate::swarm::api::{Part, Rendition};
use crate::swarm::demand::demands;
use crate::swarm::objects::Objects;
use crate::wire::SwarmId;

const SECOND: u64 = 16 * BLOCK_SIZE;

fn track() -> Objects {
    let size = |secs| ObjectSize::new(secs * SECOND).expect("in range");
    let part = |n, secs| Part { object: ObjectId([n; 32]), size: size(secs), length: Span::from_secs(secs) };
    let mut objects = Objects::default();
    let parts = vec![part(1, 30), part(2, 30)];
    objects.describe(&Rendition { id: RenditionId(0), swarm: SwarmId([0; 16]), bit: 0, set: 0, parts });
    objects
}

fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

fn read(now: Time, on: TrackPart, bytes: std::ops::Range<u64>, taking: Taking) -> Read {
    Read {
        play: PlayId(1),
        rendition: RenditionId(0),
        part: 0,
        on,
        length: Span::from_secs(60),
        bytes: ByteRange::new(bytes.start, bytes.end),
        taking,
        rate: Some(PlaybackRate::NORMAL),
        at: bytes.start,
        since: now,
        stuck: false,
        aside: false,
    }
}

fn open(plays: &mut Plays, objects: &Objects, now: Time, id: u64, from: u64) {
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    let read = read(now, part, from..30 * SECOND, Taking::Stream);
    plays.open(now, ReadId(id), read).expect("opens");
}

fn hand(plays: &mut Plays, now: Time, id: u64, to: u64) -> Option<Moved> {
    plays.progress(now, ReadId(id), to).and_then(|(_, moved)| moved)
}

#[test]
fn a_start_takes_until_enough_bytes_then_deadlines_run_from_it() {
    let objects = track();
    let mut plays = Plays::default();
    open(&mut plays, &objects, at(1_000), 1, 0);
    assert_eq!(hand(&mut plays, at(1_100), 1, 100), None);
    let enough = hand(&mut plays, at(1_400), 1, 2 * SECOND);
    assert_eq!(enough, Some(Moved::Started(Span::from_millis(400))));
    assert_eq!(plays.due(PlayId(1), Span::from_secs(5)), at(6_400));
}

#[test]
fn a_start_of_seconds_may_not_be_enough_and_one_of_less_is() {
    let part = |bytes, secs| {
        let (object, size) = (ObjectId([1; 32]), ObjectSize::new(bytes).expect("in range"));
        let mut objects = Objects::default();
        let parts = vec![Part { object, size, length: Span::from_secs(secs) }];
        objects.describe(&Rendition { id: RenditionId(0), swarm: SwarmId([0; 16]), bit: 0, set: 0, parts });
        objects.track(RenditionId(0)).expect("described").parts[0]
    };
    let settles = |kbit: u64| enough_to_settle(&part(kbit * 125 * 60, 60));
    assert_eq!(settles(160), 100_000, "five seconds");
    assert_eq!(settles(320), SETTLE_BYTES, "as much as is hurried for");
    assert_eq!(settles(64), START_BYTES, "it is a start's worth already");
    assert_eq!(settles(1_000), START_BYTES, "what follows is due soon anyway");
}

#[test]
fn a_playhead_without_bytes_stalls_and_moves_its_clock() {
    let objects = track();
    let mut plays = Plays::default();
    open(&mut plays, &objects, at(0), 1, 0);
    hand(&mut plays, at(0), 1, 2 * SECOND);
    assert_eq!(plays.watch(at(1_000), |_| true), at(2_000));
    plays.watch(at(2_000), |_| true);
    let moved = hand(&mut plays, at(3_000), 1, 3 * SECOND);
    assert_eq!(moved, Some(Moved::Stalled(Span::from_secs(1))));
    assert_eq!(plays.due(PlayId(1), Span::from_secs(3)), at(4_000));
}

#[test]
fn a_player_that_does_not_take_what_is_there_has_paused() {
    let objects = track();
    let mut plays = Plays::default();
    open(&mut plays, &objects, at(0), 1, 0);
    hand(&mut plays, at(0), 1, 2 * SECOND);
    plays.watch(at(60_000), |_| false);
    assert_eq!(hand(&mut plays, at(60_100), 1, 3 * SECOND), None);
    assert_eq!(plays.due(PlayId(1), Span::from_secs(4)), at(62_000));
}

#[test]
fn at_another_rate_what_is_still_to_play_is_due_sooner_or_later() {
    let objects = track();
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    let mut plays = Plays::default();
    let reads = |plays: &mut Plays, now, id, percent, bytes: std::ops::Range<u64>| {
        let rate = Some(PlaybackRate::from_percent(percent));
        let read = Read { rate, ..read(now, part, bytes.start * SECOND..bytes.end * SECOND, Taking::Whole) };
        plays.open(now, ReadId(id), read).expect("opens");
        hand(plays, now, id, bytes.end * SECOND);
        plays.close(ReadId(id));
    };
    reads(&mut plays, at(1_000), 1, 200, 0..6);
    assert_eq!(plays.due(PlayId(1), Span::from_secs(6)), at(4_000), "twice as fast from its start on");
    reads(&mut plays, at(2_000), 2, 50, 6..9);
    assert_eq!(
        plays.due(PlayId(1), Span::from_secs(9)),
        at(16_000),
        "two seconds in, seven at half the rate"
    );
    reads(&mut plays, at(6_000), 3, 400, 9..12);
    assert_eq!(plays.due(PlayId(1), Span::from_secs(12)), at(8_000), "four seconds in, eight at four times");
}

#[test]
fn a_player_that_does_not_say_how_fast_it_plays_is_watched() {
    let objects = track();
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    let mut plays = Plays::default();
    let mut takes = |now: Time, second: u64| {
        let bytes = second * SECOND..(second + 1) * SECOND;
        let read = Read { rate: None, ..read(now, part, bytes, Taking::Whole) };
        plays.open(now, ReadId(second), read).expect("opens");
        hand(&mut plays, now, second, (second + 1) * SECOND);
        plays.took(now, ReadId(second), true);
        plays.close(ReadId(second));
        (plays.rate(PlayId(1)), plays.due(PlayId(1), Span::from_secs(second + 1)).since(now))
    };
    // Five seconds are taken at once, and then one each time that there is room for it.
    for second in 0..5 {
        takes(at(1_000), second);
    }
    let twice = (5..24).map(|second| takes(at(1_000 + 500 * (second - 4)), second)).last();
    let (rate, ahead) = twice.expect("takes");
    assert_eq!(rate, PlaybackRate::from_percent(200));
    assert!(ahead <= Span::from_secs(5), "{ahead:?} of what is ahead of it");
    let usual = (24..30).map(|second| takes(at(10_500 + 4_000 * (second - 23)), second)).last();
    assert_eq!(usual.expect("takes").0, PlaybackRate::NORMAL, "again");
}

#[test]
fn pictures_that_are_waited_for_are_no_rest_since_there_is_sound() {
    let objects = track();
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    let mut plays = Plays::default();
    for second in 0..24 {
        let now = at(500 * second);
        for (id, rendition) in [(2 * second, 0), (2 * second + 1, 1)] {
            let bytes = second * SECOND..(second + 1) * SECOND;
            let read = Read { rate: None, ..read(now, part, bytes, Taking::Whole) };
            let rendition = RenditionId(rendition);
            plays.open(now, ReadId(id), Read { rendition, ..read }).expect("opens");
            hand(&mut plays, now, id, (second + 1) * SECOND);
            // Of the pictures nothing more is there, and they are what the player waits for.
            plays.took(now, ReadId(id), rendition == RenditionId(1));
        }
        plays.close(ReadId(2 * second));
        plays.close(ReadId(2 * second + 1));
    }
    assert_eq!(plays.rate(PlayId(1)), PlaybackRate::NORMAL);
}

/// A player that chooses its rendition reads the header of another one, which lies at the start of its file, and goes on with
/// what follows what it was handed. It comes back to the first later.
#[test]
fn a_change_of_rendition_is_no_jump_and_has_its_header_alone_fetched() {
    let objects = track();
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    let mut plays = Plays::default();
    let begins = at(0);
    let takes = |plays: &mut Plays, id: u64, rendition: u32, bytes: std::ops::Range<u64>| {
        let (end, rendition) = (bytes.end, RenditionId(rendition));
        let read = Read { rendition, ..read(begins, part, bytes, Taking::Whole) };
        plays.open(begins, ReadId(id), read).expect("opens");
        let wanted: Vec<ByteRange> =
            demands(plays, |_| Span::from_secs(10), |_| objects.track(RenditionId(0)))
                .iter()
                .filter(|demand| demand.reader.is_some())
                .map(|demand| demand.bytes)
                .collect();
        hand(plays, begins, id, end);
        plays.close(ReadId(id));
        wanted
    };
    let header = 0..1_000;
    takes(&mut plays, 1, 0, header.clone());
    takes(&mut plays, 2, 0, 1_000..20 * SECOND);
    let due = |plays: &Plays| plays.due(PlayId(1), Span::from_secs(24));
    assert_eq!(due(&plays), at(24_000));
    assert_eq!(takes(&mut plays, 3, 1, header.clone()), [ByteRange::new(0, 1_000)]);
    takes(&mut plays, 4, 1, 20 * SECOND..22 * SECOND);
    assert_eq!(due(&plays), at(24_000));
    assert!(!plays.starting(PlayId(1)));
    takes(&mut plays, 5, 0, 22 * SECOND..24 * SECOND);
    assert_eq!(due(&plays), at(24_000), "the first one again");
    assert!(!plays.starting(PlayId(1)));
    takes(&mut plays, 6, 0, 4 * SECOND..6 * SECOND);
    assert_eq!(plays.due(PlayId(1), Span::from_secs(6)), at(2_000), "that was a jump");
}

#[test]
fn at_another_rate_what_stalled_goes_on_where_it_stood() {
    let objects = track();
    let mut plays = Plays::default();
    open(&mut plays, &objects, at(0), 1, 0);
    hand(&mut plays, at(0), 1, 2 * SECOND);
    plays.watch(at(2_000), |_| true);
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    let rate = Some(PlaybackRate::from_percent(200));
    let more = Read { rate, ..read(at(3_000), part, 2 * SECOND..4 * SECOND, Taking::Stream) };
    plays.open(at(3_000), ReadId(2), more).expect("opens");
    assert_eq!(hand(&mut plays, at(4_000), 2, 4 * SECOND), Some(Moved::Stalled(Span::from_secs(2))));
    assert_eq!(plays.due(PlayId(1), Span::from_secs(4)), at(5_000));
}

#[test]
fn what_a_player_had_from_elsewhere_is_no_start_and_what_follows_it_is_due_behind_it() {
    let objects = track();
    let mut plays = Plays::default();
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    let play = PlayId(1);
    let at = |secs: u64| at(1_000 * secs);
    let shown = read(at(3), part, 0..4 * SECOND, Taking::Whole);
    assert!(plays.showed(at(3), at(2), shown.clone()).expect("room"));
    assert!(!plays.showed(at(3), at(2), shown).expect("room"), "once");
    open(&mut plays, &objects, at(3), 1, 4 * SECOND);
    assert!(!plays.starting(play));
    assert_eq!(plays.due(play, Span::from_secs(4)), at(6));
}

#[test]
fn a_read_is_whole_or_it_is_no_start_and_no_delivery() {
    let objects = track();
    let mut plays = Plays::default();
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    let read = read(at(0), part, 0..4 * SECOND, Taking::Whole);
    plays.open(at(0), ReadId(1), read).expect("opens");
    let wanted = demands(&plays, |_| Span::from_secs(15), |r| objects.track(r));
    assert_eq!(wanted[0].start(), BlockRange::new(0, 64), "all of it starts the play");
    assert_eq!(hand(&mut plays, at(500), 1, 3 * SECOND), None);
    let whole = hand(&mut plays, at(900), 1, 4 * SECOND);
    assert_eq!(whole, Some(Moved::Started(Span::from_millis(900))));
}

#[test]
fn a_short_segment_is_all_that_a_start_waits_for_behind_a_header() {
    let objects = track();
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    // 32 KiB of it are a second.
    let rate = TrackPart { length: Span::from_secs(240), ..part };
    let second = SECOND / 8;
    let mut plays = Plays::default();
    let mut moved = Vec::new();
    for (id, bytes) in [(1, 0..1_000), (2, 1_000..second), (3, second..2 * second)] {
        let read = read(at(0), rate, bytes.start..bytes.end, Taking::Whole);
        plays.open(at(0), ReadId(id), Read { length: Span::from_secs(240), ..read }).expect("opens");
        moved.extend(plays.progress(at(100 * id), ReadId(id), bytes.end).map(|(_, moved)| moved));
        plays.close(ReadId(id));
    }
    assert_eq!(moved, [None, Some(Moved::Started(Span::from_millis(200))), None]);
}

#[test]
fn a_read_far_away_is_a_seek_and_one_nearby_is_not() {
    let objects = track();
    let mut plays = Plays::default();
    open(&mut plays, &objects, at(0), 1, 0);
    hand(&mut plays, at(0), 1, 2 * SECOND);
    open(&mut plays, &objects, at(100), 2, 2 * SECOND);
    assert!(!plays.starting(PlayId(1)));
    open(&mut plays, &objects, at(200), 3, 25 * SECOND);
    assert!(plays.starting(PlayId(1)));
    assert_eq!(hand(&mut plays, at(300), 3, 28 * SECOND), None, "a seek is no start-up");
}

#[test]
fn a_jump_within_what_was_handed_over_makes_what_follows_it_due() {
    let objects = track();
    let mut plays = Plays::default();
    open(&mut plays, &objects, at(0), 1, 0);
    hand(&mut plays, at(0), 1, 20 * SECOND);
    plays.close(ReadId(1));
    assert_eq!(plays.due(PlayId(1), Span::from_secs(21)), at(21_000));
    open(&mut plays, &objects, at(5_000), 2, 18 * SECOND);
    hand(&mut plays, at(5_000), 2, 20 * SECOND);
    assert_eq!(plays.due(PlayId(1), Span::from_secs(21)), at(8_000));
}

#[test]
fn demand_runs_on_into_the_next_part_and_stops_at_the_window() {
    let objects = track();
    let mut plays = Plays::default();
    open(&mut plays, &objects, at(0), 1, 20 * SECOND);
    let found = demands(&plays, |_| Span::from_secs(15), |r| objects.track(r));
    let ranges: Vec<ByteRange> = found.iter().map(|d| d.bytes).collect();
    assert_eq!(ranges, [ByteRange::new(20 * SECOND, 30 * SECOND), ByteRange::new(0, 5 * SECOND)]);
    assert!(found[0].starting && !found[1].starting);
}

#[test]
fn what_is_read_at_four_times_the_rate_is_due_in_a_quarter_of_the_time_and_is_as_far_ahead_as_its_player() {
    let objects = track();
    let part = objects.track(RenditionId(0)).expect("described").parts[0];
    let mut plays = Plays::default();
    let rate = Some(PlaybackRate::from_percent(400));
    let fast = Read { rate, ..read(at(0), part, 0..30 * SECOND, Taking::Stream) };
    plays.open(at(0), ReadId(1), fast).expect("opens");
    hand(&mut plays, at(0), 1, 2 * SECOND);
    let found = demands(&plays, |read| plays.rate(read.play).plays(Span::from_secs(3)), |r| objects.track(r));
    assert_eq!(found[0].bytes, ByteRange::new(2 * SECOND, 14 * SECOND));
    assert_eq!(found[0].due(&plays, 6 * 16), at(1_500));
    assert_eq!(found[0].beyond(6 * 16), Some(Span::from_secs(1)));
}
