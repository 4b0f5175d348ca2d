//! Whole logs: read, made into a scenario, played.

use nearcast_engine::Span;

use super::*;
use crate::{Policy, Scenario, Until, simulate};

fn window() -> Window {
    Window { length: Span::from_secs(3_600), listeners: 100, rate: None, stays: Span::from_secs(600) }
}

fn read(text: &str) -> AccessLog {
    AccessLog::read(&mut text.as_bytes(), None).expect("reads")
}

/// Twenty listeners of one neighbourhood fetch one song within ten minutes, half of them half of it.
fn evening() -> String {
    let mut text = String::new();
    for n in 0..20 {
        let (minute, second, bytes) = (n / 2, n % 2 * 30, if n % 2 == 0 { 4_000_000 } else { 2_000_000 });
        text.push_str(&format!(
            "203.0.113.{n} - - [10/Oct/2026:20:{minute:02}:{second:02} +0000] \"GET /a.mp3 HTTP/1.1\" 200 {bytes} \"-\" \"p\"\n"
        ));
    }
    text
}

#[test]
fn bad_lines_are_counted_with_examples_and_end_nothing() {
    let long = format!("203.0.113.1 {}\n", "x".repeat(MAX_LINE));
    let text = format!(
        "rubbish 203.0.113.77\n\n{}{long}{}",
        evening(),
        "203.0.113.5 - - [when] \"GET / HTTP/1.1\" 200 1\n"
    );
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(b"\xff\xfe\n");
    let log = AccessLog::read(&mut bytes.as_slice(), None).expect("reads");
    let reading = log.reading();
    assert_eq!((reading.lines, reading.media_requests, reading.bad_lines), (24, 20, 4));
    assert_eq!(reading.examples.iter().map(|e| e.line).collect::<Vec<_>>(), [1, 23, 24, 25]);
    let shown = serde_json::to_string(reading).expect("JSON");
    assert!(!shown.contains("203.0.113"), "{shown}");
    assert_eq!(reading.bad_because.values().sum::<u64>(), 4);
}

#[test]
fn an_audience_is_played_again_as_it_was() {
    let log = read(&evening());
    let (scenario, replayed) = log.scenario(&Scenario::default(), &window()).expect("a scenario");
    assert_eq!((replayed.listeners, replayed.plays, replayed.titles), (20, 20, 1));
    assert_eq!((replayed.households, replayed.neighbourhoods, replayed.operators), (20, 1, 1));
    let outcome = simulate(&scenario, 3, Policy::OriginOnly, Until::default()).expect("no invariant breaks");
    let plays = outcome.plays;
    assert_eq!((plays.asked, plays.played, plays.skipped, plays.never_started), (20, 10, 10, 0), "{plays:?}");
    let again = simulate(&scenario, 3, Policy::OriginOnly, Until::default()).expect("no invariant breaks");
    assert_eq!(outcome.trace, again.trace);
    let shared = simulate(&scenario, 3, Policy::Nearcast, Until::default()).expect("no invariant breaks");
    assert!(shared.origin_sent < outcome.origin_sent / 2, "{} {}", shared.origin_sent, outcome.origin_sent);
}

#[test]
fn listeners_who_come_back_bring_their_cache() {
    let at = |hour: u32| {
        format!("203.0.113.9 - - [10/Oct/2026:{hour}:00:00 +0000] \"GET /a.mp3 HTTP/1.1\" 200 4000000\n")
    };
    let log = read(&format!("{}{}", at(20), at(23)));
    let long = Window { length: Span::from_secs(86_400), ..window() };
    let (scenario, _) = log.scenario(&Scenario::default(), &long).expect("a scenario");
    let outcome = simulate(&scenario, 1, Policy::OriginOnly, Until::default()).expect("no invariant breaks");
    assert_eq!((outcome.plays.played, outcome.bytes.cache), (2, 4_000_000), "{outcome:?}");
}

#[test]
fn of_too_many_listeners_a_sample_is_played() {
    let few = Window { listeners: 5, ..window() };
    let (_, replayed) = read(&evening()).scenario(&Scenario::default(), &few).expect("a scenario");
    assert_eq!((replayed.listeners, replayed.listeners_in_window), (5, 20));
}

#[test]
fn logs_of_cloudfront_and_with_columns_say_the_same() {
    let cloudfront = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent)\n2026-10-10\t20:00:00\tFRA2\t4000000\t203.0.113.9\tGET\td.example\t/a.mp3\t200\t-\tp\n";
    let csv = "when;who;what;size\n2026-10-10T20:00:00Z;203.0.113.9;/a.mp3;4000000\n";
    let map: ColumnMap = "time=when,client=who,path=what,bytes=size".parse().expect("a map");
    let logs = [read(cloudfront), AccessLog::read(&mut csv.as_bytes(), Some(&map)).expect("reads")];
    for log in logs {
        let reading = log.reading();
        assert_eq!((reading.lines, reading.bad_lines, reading.plays), (1, 0, 1), "{reading:?}");
        let (scenario, replayed) = log.scenario(&Scenario::default(), &window()).expect("a scenario");
        assert_eq!((scenario.listeners(), replayed.begins_at), (1, 1_791_662_400));
    }
}

#[test]
fn a_log_without_media_says_so() {
    let log = read("203.0.113.9 - - [10/Oct/2026:20:00:00 +0000] \"GET /a.css HTTP/1.1\" 200 4\n");
    assert_eq!(log.reading().other_requests, 1);
    assert_eq!(log.scenario(&Scenario::default(), &window()).expect_err("empty"), LogError::NothingPlayed);
}
