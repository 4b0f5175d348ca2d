//! Agents that break a rule are caught, each by the invariant that is there for it.

use nearcast_sim::{Broken, Outcome, Scenario, Until, Violation, World};

use crate::plain::{Break, Plain};

fn run(text: &str, seed: u64, breaks: Break) -> Result<Outcome, Box<Violation>> {
    let scenario = Scenario::parse(text).expect("a scenario");
    World::new(&scenario, seed, "plain", &|birth| Box::new(Plain::new(birth, breaks))).run(Until::default())
}

const CROWD: &str = "
    length = '3min'
    bytes = true
    [listeners]
    count = 10
    arrive-over = '20s'
    [catalogue]
    titles = 1
    length = '40s'
    rate = '800kbit'
    [plays]
    each = 1
    skip-percent = 0
    [nat]
    fail-percent = 0
    ";

fn with(more: &str) -> String {
    format!("{CROWD}\n{more}")
}

#[test]
fn a_plain_agent_that_keeps_the_rules_shares_and_passes() {
    for seed in 0..5 {
        let outcome = run(CROWD, seed, Break::Nothing).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(outcome.plays.played, 10);
        assert!(outcome.offload > 0.3, "offload {}", outcome.offload);
    }
}

#[test]
fn handing_on_unverified_blocks_is_caught() {
    let caught = run(CROWD, 1, Break::PromisesAnything).expect_err("it promises what it does not hold");
    assert!(matches!(caught.broken, Broken::PromisesUnverified(_)), "{caught}");
    let caught = run(CROWD, 1, Break::ServesAnything).expect_err("it serves what it does not hold");
    assert!(matches!(caught.broken, Broken::ServesUnverified(..)), "{caught}");
}

#[test]
fn serving_although_sharing_is_off_is_caught() {
    let text = with("").replace("count = 10", "count = 10\nserve-percent = 50");
    let caught = run(&text, 1, Break::ServesAlthoughOff).expect_err("sharing is off");
    assert_eq!(caught.broken, Broken::ServesAlthoughOff);
    run(&text, 1, Break::Nothing).unwrap_or_else(|violation| panic!("{violation}"));
}

#[test]
fn passing_the_upload_ceiling_is_caught() {
    let text = with("").replace("count = 10", "count = 10\nupload-limit = '800kbit'");
    let caught = run(&text, 1, Break::IgnoresCeiling).expect_err("the ceiling is ignored");
    assert!(matches!(caught.broken, Broken::CeilingPassed { .. }), "{caught}");
    run(&text, 1, Break::Nothing).unwrap_or_else(|violation| panic!("{violation}"));
}

#[test]
fn giving_up_on_what_was_lost_is_caught() {
    let faults = "[[faults]]\nwhat = 'origin-down'\nat = '8s'\nlasts = '4s'";
    let caught = run(&with(faults), 1, Break::GivesUp).expect_err("nobody asks again");
    assert!(matches!(caught.broken, Broken::StandsStill(..)), "{caught}");
}

#[test]
fn leaving_a_player_alone_is_caught() {
    let caught = run(CROWD, 1, Break::IgnoresPlayer).expect_err("the player waits for ever");
    assert!(matches!(caught.broken, Broken::StandsStill(..)), "{caught}");
}

#[test]
fn wanting_to_be_woken_for_ever_is_caught_and_can_be_replayed() {
    let caught = run(CROWD, 9, Break::Spins).expect_err("it spins");
    assert!(matches!(caught.broken, Broken::Spins(_)), "{caught}");
    let told = caught.to_string();
    let command = format!("--seed 9 --policy plain --until {}", caught.event);
    assert!(told.contains("nearcast sim --scenario unnamed") && told.contains(&command), "{told}");
}
