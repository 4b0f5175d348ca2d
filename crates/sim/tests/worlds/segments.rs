//! Players that show nothing of a segment before all of it is there.

use nearcast_sim::{Outcome, Policy, Scenario, Until, simulate};

const PAGES: &str = include_str!("../../../../lab/scenarios/browser.toml");

fn run(policy: Policy, seed: u64) -> Outcome {
    let scenario =
        Scenario::parse(&PAGES.replace("length = \"120s\"", "length = \"40s\"")).expect("a scenario");
    simulate(&scenario, seed, policy, Until::default()).unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn a_segment_is_fetched_whole_for_a_start_and_once_from_the_origin() {
    let alone = run(Policy::OriginOnly, 1);
    assert!(alone.stalls.count > 10, "an origin of 5 Mbit/s is not enough for four");
    let worlds: Vec<Outcome> = (1..=24).map(|seed| run(Policy::Nearcast, seed)).collect();
    for ours in &worlds {
        assert_eq!((ours.plays.played, ours.stalls.count), (4, 0), "seed {}", ours.seed);
        // The origin alone takes 1.7 s for 4 s of the film: a start below half a second showed half a segment.
        assert!(ours.network_startup_ms.all.p50 > 500, "seed {}", ours.seed);
        assert!(ours.copies < 1.15, "seed {}: {} copies", ours.seed, ours.copies);
    }
    // An engine that takes the first 64 KiB for the start, and hurries no more after that, needs 1.1 s.
    let mean = worlds.iter().map(|ours| ours.network_startup_ms.all.p50).sum::<u64>() / 24;
    let of_origin = alone.network_startup_ms.all.p50;
    assert!(4 * mean < of_origin, "{mean} ms against {of_origin}");
}

#[test]
fn the_line_to_a_slow_origin_some_way_off_is_not_idle_between_two_requests() {
    let text =
        PAGES.replace("up = \"5mbit\"", "up = \"3mbit\"").replace("delay = \"0ms\"", "delay = \"20ms\"");
    let scenario = Scenario::parse(&text).expect("a scenario");
    for seed in 1..=6 {
        let ours = simulate(&scenario, seed, Policy::Nearcast, Until::default())
            .unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!((ours.plays.played, ours.stalls.count), (4, 0), "seed {seed}");
    }
}

/// Four who come 5 s apart to a film that an origin of 12 Mbit/s has, and play it faster than it was made.
fn fast(seed: u64, player: &str) -> Outcome {
    let changes =
        [("up = \"5mbit\"", "up = \"12mbit\""), ("ahead = \"220s\"\nreads = \"4s\"\nwhole = true", player)];
    let scenario = changes.iter().fold(PAGES.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let scenario = Scenario::parse(&scenario).expect("a scenario");
    simulate(&scenario, seed, Policy::Nearcast, Until::default())
        .unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn of_fast_players_none_waits_for_what_others_are_in_no_hurry_to_bring() {
    for (rate, taking) in [(150, "whole = true"), (200, "whole = true"), (150, "whole = false")] {
        for seed in 1..=8 {
            let player = format!("ahead = \"220s\"\nreads = \"4s\"\n{taking}\nrate-percent = {rate}");
            let ours = fast(seed, &player);
            let seen = (ours.plays.played, ours.stalls.count);
            assert_eq!(seen, (4, 0), "at {rate} %, {taking}, seed {seed}");
            assert!(ours.copies < 1.25, "at {rate} %, {taking}, seed {seed}: {} copies", ours.copies);
        }
    }
}

/// The origin alone has them stand still: it carries three of them.
#[test]
fn programs_at_one_and_a_half_times_the_pace_that_do_not_say_so_are_brought_enough() {
    let mut copies = Vec::new();
    for ahead in ["30s", "220s"] {
        for seed in 1..=6 {
            let player = format!(
                "ahead = \"{ahead}\"\nreads = \"4s\"\nwhole = false\nrate-percent = 150\ntells-rate = false"
            );
            let ours = fast(seed, &player);
            assert_eq!((ours.plays.played, ours.stalls.count), (4, 0), "{ahead} ahead, seed {seed}");
            copies.push(ours.copies);
        }
    }
    let mean = copies.iter().sum::<f64>() / 12.0;
    assert!(mean < 1.08 && copies.iter().all(|copies| *copies < 1.15), "{mean} in the mean: {copies:?}");
}

#[test]
fn a_player_whose_buffer_has_been_full_is_seen_to_be_fast() {
    let stalls = |reads: &str| -> u64 {
        let player = format!("ahead = \"10s\"\nreads = \"{reads}\"\nrate-percent = 150\ntells-rate = false");
        (1..=8).map(|seed| fast(seed, &player).stalls.count).sum()
    };
    // Nobody sees it before that; taken for players at the usual pace they stall fifty times an evening.
    let (in_segments, in_one_go) = (stalls("4s"), stalls("0s"));
    assert!(in_segments < 80 && in_one_go < 80, "{in_segments} and {in_one_go} stalls");
}
