//! Films in several renditions, among which players choose.

use nearcast_sim::{Outcome, Policy, Scenario, Until, simulate};

const PAGES: &str = include_str!("../../../../lab/scenarios/browser.toml");

/// Pages that watch a film of 2.15 Mbit/s which is there at 1 Mbit/s and a third rate too.
fn film(changes: &[(&str, &str)], third: &str) -> Scenario {
    let lower = format!("rate = \"2150kbit\"\nlower = [\"1mbit\", \"{third}\"]");
    let all = [("rate = \"2150kbit\"", lower.as_str())].into_iter().chain(changes.iter().copied());
    let text = all.fold(PAGES.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    Scenario::parse(&text).expect("a scenario")
}

fn run(scenario: &Scenario, policy: Policy, seed: u64) -> Outcome {
    simulate(scenario, seed, policy, Until::default()).unwrap_or_else(|violation| panic!("{violation}"))
}

/// Players take the lowest rendition first, or, where they think that the line carries none, the best.
const THIRDS: [&str; 2] = ["450kbit", "550kbit"];

#[test]
fn players_are_advised_what_can_be_brought() {
    for third in THIRDS {
        for up in ["2mbit", "3mbit", "5mbit", "12mbit"] {
            let scenario = film(&[("up = \"5mbit\"", &format!("up = \"{up}\""))], third);
            let alone = run(&scenario, Policy::OriginOnly, 1);
            for seed in 1..=3 {
                let ours = run(&scenario, Policy::Nearcast, seed);
                let what = format!("origin of {up}, {third}, seed {seed}");
                assert_eq!(ours.plays.played, 4, "{what}");
                assert!(ours.stalls.total_ms <= alone.stalls.total_ms, "{what}: {:?}", ours.stalls);
                let rates = (ours.played_bitrate, alone.played_bitrate);
                assert!(rates.0 >= rates.1, "{what}: {rates:?}");
            }
        }
    }
}

/// Its first segment is there within moments of when it is known what can be brought.
#[test]
fn a_page_goes_by_what_it_is_advised_when_it_has_all_of_a_segment() {
    let changes = [
        ("up = \"5mbit\"", "up = \"12mbit\""),
        ("ahead = \"220s\"", "ahead = \"30s\""),
        ("fail-percent = 0", "fail-percent = 20"),
    ];
    let scenario = film(&changes, THIRDS[0]);
    let alone = run(&scenario, Policy::OriginOnly, 1);
    for seed in 1..=3 {
        let ours = run(&scenario, Policy::Nearcast, seed);
        let rates = (ours.played_bitrate, alone.played_bitrate);
        assert!(rates.0 >= rates.1, "seed {seed}: {rates:?}");
    }
}

#[test]
fn a_crowd_that_the_origin_carries_in_no_rendition_is_brought_one() {
    let far = [("count = 4", "count = 8"), ("delay = \"0ms\"", "delay = \"10ms\"")];
    for up in ["2mbit", "3mbit"] {
        let rate = format!("up = \"{up}\"");
        let scenario = film(&[far[0], far[1], ("up = \"5mbit\"", &rate)], THIRDS[1]);
        let alone = run(&scenario, Policy::OriginOnly, 1);
        assert!(alone.stalls.total_ms > 300_000, "{:?}", alone.stalls);
        for seed in 1..=3 {
            let ours = run(&scenario, Policy::Nearcast, seed);
            assert!(
                ours.stalls.total_ms * 40 < alone.stalls.total_ms,
                "{up}, seed {seed}: {:?}",
                ours.stalls
            );
            assert!(ours.played_bitrate > alone.played_bitrate, "{up}, seed {seed}");
        }
    }
}

#[test]
fn what_a_player_is_advised_and_takes_is_told_of_who_is_asked_about() {
    let until = Until { explain: Some(1), ..Until::default() };
    let lines = match simulate(&film(&[], THIRDS[0]), 1, Policy::Nearcast, until) {
        Ok(outcome) => outcome.explained,
        Err(violation) => panic!("{violation}"),
    };
    let told = |words: &str| lines.iter().position(|line| line.contains(words));
    let (advised, taken) = (told("the line is to be taken for 4.30 Mbit/s"), told("takes rendition 0 of 3"));
    assert!(advised.is_some() && advised < taken, "{advised:?}, {taken:?}");
}
