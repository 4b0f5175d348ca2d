//! Real worlds, summed up and shown.

use super::*;
use crate::{Policy, Scenario, Until, simulate};

fn worlds() -> Vec<crate::Outcome> {
    let scenario = Scenario::parse("length = '90s'\n[listeners]\ncount = 6").expect("a scenario");
    let run =
        |seed, policy| simulate(&scenario, seed, policy, Until::default()).expect("no invariant breaks");
    let pairs =
        [(1, Policy::Nearcast), (1, Policy::OriginOnly), (2, Policy::Nearcast), (2, Policy::OriginOnly)];
    pairs.into_iter().map(|(seed, policy)| run(seed, policy)).collect()
}

#[test]
fn a_summary_adds_up_its_worlds() {
    let worlds = worlds();
    let found = summaries(&worlds);
    let [ours, alone] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((ours.policy.as_str(), alone.policy.as_str(), ours.seeds), ("nearcast", BASELINE, 2));
    assert_eq!(ours.origin_sent, (worlds[0].origin_sent + worlds[2].origin_sent) / 2);
    let share = ours.share;
    assert!((share.origin + share.peers + share.cache - 1.0).abs() < 1e-9, "{share:?}");
    assert!((share.lan + share.isp + share.other - share.peers).abs() < 1e-9, "{share:?}");
    assert!(ours.range.offload.low <= ours.offload && ours.offload <= ours.range.offload.high);
    let all = &ours.network_startup_ms.all;
    let p50s = [worlds[0].network_startup_ms.all.p50, worlds[2].network_startup_ms.all.p50];
    assert!(p50s.contains(&all.p50) && all.count == ours.plays - ours.never_started);
}

#[test]
fn json_has_the_shape_that_is_promised() {
    let json = serde_json::to_value(summaries(&worlds())).expect("JSON");
    for pointer in [
        "/0/policy",
        "/0/share/origin",
        "/0/share/peers",
        "/0/share/cache",
        "/0/startup_ms/p50",
        "/0/network_startup_ms/all/p99",
        "/0/network_startup_ms/uncached/p75",
        "/0/network_startup_ms/cold/p90",
        "/0/stutter_share",
    ] {
        assert!(json.pointer(pointer).is_some(), "{pointer} in {json}");
    }
}

#[test]
fn every_row_of_the_csv_has_every_column() {
    let text = csv(&worlds());
    let widths: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(widths.len(), 5);
    assert!(widths.iter().all(|width| *width == widths[0] && *width > 40), "{widths:?}");
    assert!(
        text.lines().skip(1).all(|line| line.starts_with("true,")),
        "every row says that it is simulated"
    );
}

#[test]
fn the_page_stands_alone_and_says_what_it_is() {
    let worlds = worlds();
    let found = summaries(&worlds);
    let report = Report {
        name: "<b>mine</b>".to_owned(),
        worlds: &worlds,
        summaries: &found,
        money: Some(Money { per_gigabyte: 0.05 }),
        assumptions: vec!["Pigs do not fly.".to_owned()],
        drivers: &[],
        log: None,
        command: "nearcast sim --seed 1".to_owned(),
    };
    let html = page(&report);
    for outside in ["http://", "https://", "<script", "<img", "<link", "url(", "<b>mine"] {
        assert!(!html.contains(outside), "{outside}");
    }
    for part in [
        "Simulated",
        "Where the media comes from",
        "Is anybody worse off?",
        "Money",
        "Pigs do not fly.",
        "--seed 1",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("NaN") && !html.contains(">inf"), "a number is missing");
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    assert!(html.matches("<svg").count() >= 4);
}

#[test]
fn the_table_names_what_is_simulated_and_compares() {
    let text = table(&summaries(&worlds()));
    assert!(text.starts_with("simulated "), "{text}");
    assert!(text.contains("instead of"), "{text}");
}

#[test]
fn what_was_saved_is_told_by_popularity_for_those_who_share() {
    let found = summaries(&worlds());
    let text = popularity(&found);
    assert!(text.contains("simulated, nearcast: saved by popularity"), "{text}");
    assert!(!text.contains(BASELINE), "{text}");
    let groups = found[0].popularity.len();
    assert!(groups > 0 && text.lines().count() == groups + 2, "{text}");
}

#[test]
fn a_bound_says_that_nobody_can_run_it() {
    let scenario = Scenario::parse("length = '90s'\n[listeners]\ncount = 6").expect("a scenario");
    let worlds = [Policy::OracleTold, Policy::Nearcast, Policy::OriginOnly]
        .map(|policy| simulate(&scenario, 1, policy, Until::default()).expect("no invariant breaks"));
    let found = summaries(&worlds);
    assert!(found[0].bound && !found[1].bound);
    let text = table(&found);
    assert!(text.contains("oracle-told is the same bound") && !text.contains("oracle is a bound"), "{text}");
    let report = Report {
        name: "mine".to_owned(),
        worlds: &worlds,
        summaries: &found,
        money: None,
        assumptions: Vec::new(),
        drivers: &[],
        log: None,
        command: String::new(),
    };
    let html = page(&report);
    assert!(html.contains("oracle-told is the same bound"), "the page says so too");
    assert!(html.contains("What players received with Nearcast"), "and is about what can be run");
    assert_eq!(csv(&worlds).lines().filter(|line| line.contains(",oracle-told,")).count(), 1);
}

#[test]
fn a_world_beside_its_bound_says_what_had_to_be() {
    let scenario = Scenario::parse("length = '90s'\n[listeners]\ncount = 6").expect("a scenario");
    let world = crate::simulate_with_bound(&scenario, 1, Policy::Nearcast, Until::default());
    let world = world.expect("no invariant breaks");
    let (text, found) = (bound(&world), world.bound.as_ref().expect("asked for"));
    assert!(text.starts_with("simulated: in this evening the origin had to send"), "{text}");
    assert!(text.contains("nobody could have given it"), "{text}");
    let why = |why: crate::Why| {
        let near = why.raced + why.idle + why.busy + why.connecting;
        near + why.unconnected + why.untold + why.not_had + why.nobody
    };
    let gap = &found.gap;
    let told = gap.bound + why(gap.start) + why(gap.play) + why(gap.before);
    assert_eq!(told, world.bytes.origin, "every byte of the origin has a reason");
    assert_eq!(bound(&crate::Outcome { bound: None, ..world }), "");
}
