//! A day of listening leaves nothing behind in the engines of those who listened.
//!
//! `nearcast sim --scenario soak --policy nearcast --seed 1 --json` shows the same by the hour, under `memory`.

use std::collections::BTreeMap;

use nearcast_engine::limits::SPARE_TITLES;
use nearcast_sim::{Memory, Policy, Scenario, Until, simulate};

/// From here on titles that nobody came back to have been forgotten once: a listener skips through a dozen an hour.
const SETTLED: u64 = 8;
/// How much more the second half of the day may show than the first, in percent: moments differ.
const NOISE: u64 = 25;
/// Titles of three megabytes in a cache of 60 MB, and those that play.
const IN_CACHE: u64 = 24;

/// The most of each list in some hours.
fn peak(memory: &[Memory], hours: std::ops::Range<u64>) -> BTreeMap<&'static str, u64> {
    let mut peak = BTreeMap::new();
    for sample in memory.iter().filter(|sample| hours.contains(&sample.hour)) {
        for (name, count) in sample.entries.iter().chain([(&"largest", &sample.largest)]) {
            let most = peak.entry(*name).or_default();
            *most = (*count).max(*most);
        }
    }
    peak
}

#[test]
fn an_engine_remembers_no_more_after_a_day_than_in_the_morning() {
    let scenario = Scenario::shipped("soak").expect("shipped");
    let outcome =
        simulate(&scenario, 1, Policy::Nearcast, Until::default()).unwrap_or_else(|v| panic!("{v}"));
    assert!(outcome.plays.asked > 7_000 && outcome.corrupt_bytes > 0, "{:?}", outcome.plays);
    assert_eq!(outcome.memory.len(), 24);
    let spare = 2 * SPARE_TITLES as u64;
    let bounds =
        [("titles", spare + IN_CACHE), ("objects", spare + IN_CACHE), ("struck", 16), ("largest", 1_000)];
    let (all, early, late) =
        (peak(&outcome.memory, 2..25), peak(&outcome.memory, SETTLED..17), peak(&outcome.memory, 17..25));
    println!("the most of each list from the second hour on: {all:?}");
    for (name, bound) in bounds {
        assert!(all[name] <= bound, "{name}: {} of {bound}; {:#?}", all[name], outcome.memory);
    }
    for (name, count) in &late {
        let before = early[name];
        // Lists of a handful differ by chance.
        assert!(*count <= before + before * NOISE / 100 + 8, "{name}: {before} became {count}");
    }
}
