//! The table as it is drawn.

use std::time::Duration;

use console::{measure_text_width, strip_ansi_codes};

use super::super::player::State;
use super::terminal::fit;
use super::{Colours, Mood, Row, View, line, render};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn row(number: usize, title: &str, mood: Mood) -> Row {
    Row {
        number,
        title: title.to_owned(),
        position: secs(22),
        buffered: secs(30),
        length: secs(88),
        cache: 0,
        peers: 0,
        origin: 0,
        mood,
    }
}

fn view() -> View {
    let busy = Row {
        cache: 250_000,
        peers: 1_500_000,
        origin: 250_000,
        ..row(1, "Nearcast", Mood::Plays(State::Playing))
    };
    let stalled = Row {
        buffered: Duration::ZERO,
        origin: 90_000,
        ..row(2, "A title that is longer than its column", Mood::Plays(State::Stalled))
    };
    View {
        elapsed: secs(23),
        lasts: secs(52),
        uplink: Some(387_500),
        ceiling: 2_500_000,
        offload: Some(0.742),
        rows: vec![
            busy,
            stalled,
            row(3, "近くの人へ 近くの人へ 近くの人へ", Mood::Killed),
            row(4, "", Mood::Expected),
        ],
    }
}

/// Compares without the spaces that end a line.
fn assert_shown(width: usize, expected: &str) {
    let shown: Vec<_> =
        render(&view(), width, Colours::Off).iter().map(|line| line.trim_end().to_owned()).collect();
    assert_eq!(shown.join("\n"), expected.trim_end(), "\n{}", shown.join("\n"));
}

#[test]
fn a_wide_terminal_gets_everything() {
    assert_shown(
        110,
        "\
Nearcast demo  0:23 of 0:52   offload 74 %   provider sends 3.1 of 20.0 Mbit/s

 # plays                   playhead, buffer                               from                        state
 1 Nearcast                ━━━━━━━━━───────────·············· 0:22/1:28   ccpppppppppppppoo   2.0 MB  playing
 2 A title that is longer… ━━━━━━━━━························· 0:22/1:28   ooooooooooooooooo    90 kB  stalled
 3 近くの人へ 近くの人へ …                                                                            killed
 4

c own cache   p peers   o origin: the provider",
    );
}

#[test]
fn a_usual_terminal_goes_without_times() {
    assert_shown(
        80,
        "\
Nearcast demo  0:23 of 0:52   offload 74 %   provider sends 3.1 of 20.0 Mbit/s

 # plays                          playhead, buffer from                 state
 1 Nearcast                       ━━━━─────······· cppppppppo   2.0 MB  playing
 2 A title that is longer than i… ━━━━············ oooooooooo    90 kB  stalled
 3 近くの人へ 近くの人へ 近くの…                                        killed
 4

c own cache   p peers   o origin: the provider",
    );
}

#[test]
fn a_narrow_terminal_goes_without_playheads() {
    assert_shown(
        48,
        "\
Nearcast demo  0:23 of 0:52   offload 74 %   pr…

 # plays             from               state
 1 Nearcast          cppppppo   2.0 MB  playing
 2 A title that is … oooooooo    90 kB  stalled
 3 近くの人へ 近く…                     killed
 4

c own cache   p peers   o origin: the provider",
    );
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in 1..250 {
        for line in render(&view(), width, Colours::On) {
            assert!(measure_text_width(&line) <= width, "{width}: {line}");
        }
    }
}

#[test]
fn columns_stand_under_each_other_whatever_the_letters() {
    for width in 40..200 {
        let lines = render(&view(), width, Colours::Off);
        let ends =
            lines[3..6].iter().map(|line| measure_text_width(line.trim_end_matches(char::is_alphabetic)));
        let ends: Vec<_> = ends.collect();
        assert!(ends.windows(2).all(|two| two[0] == two[1]), "{width}: {ends:?}\n{}", lines.join("\n"));
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let plain = render(&view(), 110, Colours::Off);
    let coloured = render(&view(), 110, Colours::On);
    assert!(plain.iter().all(|line| !line.contains('\x1b')));
    assert!(coloured[3].contains("\x1b[32m█"), "peers are green");
    for (plain, coloured) in plain.iter().zip(&coloured) {
        // Without colours, letters tell the sources apart.
        let blocks = |line: &str| line.replace(['c', 'p', 'o', '█'], "");
        assert_eq!(blocks(plain), blocks(&strip_ansi_codes(coloured)));
    }
}

#[test]
fn a_low_terminal_says_what_it_hides() {
    let lines = render(&view(), 80, Colours::Off);
    assert_eq!(lines.len(), 9);
    let fitting = fit(lines.clone(), 5);
    assert_eq!((fitting.len(), fitting[4].as_str()), (5, "… 5 more lines"));
    assert_eq!(fit(lines.clone(), 9), lines);
}

#[test]
fn logs_get_one_line() {
    assert_eq!(
        line(&view()),
        " 23 s  2 listeners, 1 playing; provider 3.1 of 20.0 Mbit/s; played 250 kB from caches, 1.5 MB from \
         peers, 340 kB from the provider; offload 74 %"
    );
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let blind = View { uplink: None, offload: None, rows: vec![], ..view() };
    assert!(line(&blind).contains("provider ? of 20.0 Mbit/s"));
    assert!(line(&blind).ends_with("offload -"));
}
