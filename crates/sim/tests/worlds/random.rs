//! Hundreds of small worlds drawn at random hold their invariants.
//!
//! `NEARCAST_WORLDS_FROM`, any text, draws other worlds than the first ones: `./test` gives the commit's hash, and so each
//! commit tries some that nobody has seen. A failure names the command that shows it again. docs/forecast.md says what
//! broke so far.

use nearcast_sim::{Policy, Scenario, Until, Violation, simulate};

/// The worlds tried: enough to meet odd combinations, few enough for every run of the tests.
const WORLDS: u64 = 300;

/// The first seed: FNV-1a of the text, small enough to be typed.
fn first() -> u64 {
    let text = std::env::var("NEARCAST_WORLDS_FROM").unwrap_or_default();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    if text.is_empty() { 0 } else { hash % 1_000_000_000 }
}

fn hold(policy: Policy, worlds: u64) {
    let first = first();
    let run = |seed| simulate(&Scenario::random(seed), seed, policy, Until::default());
    let broken: Vec<Box<Violation>> = (first..first + worlds).filter_map(|seed| run(seed).err()).collect();
    let told: Vec<String> = broken.iter().take(5).map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{} worlds break an invariant:\n{}", broken.len(), told.join("\n"));
}

#[test]
fn random_worlds_hold_with_the_engine() {
    hold(Policy::Nearcast, WORLDS);
}

#[test]
fn random_worlds_hold_with_the_engine_blindfolded() {
    hold(Policy::IspBlind, WORLDS / 6);
}

#[test]
fn random_worlds_hold_with_the_client_of_2010() {
    hold(Policy::Spotify2010, WORLDS / 3);
}

#[test]
fn random_worlds_hold_with_the_loader_of_segments() {
    hold(Policy::P2pMediaLoader, WORLDS / 3);
}

#[test]
fn random_worlds_hold_with_origin_only() {
    hold(Policy::OriginOnly, WORLDS / 3);
}

/// A cache too small for what plays next pushed it out again; a node spoke in a session that had just ended; what three
/// sources owed counted as on its way after it had come and was evicted; a peer that said it would bring a block was
/// believed for as long as a slow origin takes twice; a jump waited for what had been asked before it, and so did a
/// title that began again; after an origin had failed, a run asked before it did kept all others waiting; what a late
/// run owed a block of waited for all of it; of a run that was asked for again some was not; a peer that had been told of
/// nothing was told once more; a peer that never delivered was asked again and again, since others were always a little
/// quicker than it took to call it silent.
#[test]
fn worlds_that_broke_once_hold() {
    let engine = [
        277_063_506,
        277_063_638,
        555_642_295,
        509_129_376,
        20_757_401,
        20_757_450,
        44_013_937,
        336_510_779,
        751_715_822,
        390_404_978,
        390_407_815,
        2_038_214,
        2_004_475,
        4_018_187,
        616_266_903,
        712_005_540,
    ]
    .map(|seed| (seed, Policy::Nearcast));
    let blind = [20_757_401, 800_001_799, 801_008_717, 950_002_125, 1_012_709_420]
        .map(|seed| (seed, Policy::IspBlind));
    let baselines = [
        (559_662_883, Policy::Spotify2010),
        (700_001_495, Policy::Spotify2010),
        (712_001_805, Policy::Spotify2010),
        (710_005_334, Policy::P2pMediaLoader),
        (900_000_161, Policy::Spotify2010),
        (399_139_992, Policy::Spotify2010),
        (648_667_729, Policy::Spotify2010),
        (648_667_729, Policy::P2pMediaLoader),
    ];
    for (seed, policy) in engine.into_iter().chain(blind).chain(baselines) {
        let result = simulate(&Scenario::random(seed), seed, policy, Until::default());
        assert_eq!(result.err().map(|violation| violation.to_string()), None);
    }
}
