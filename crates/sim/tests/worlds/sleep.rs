//! Machines that sleep in the middle of a play: it goes on and ends, and others ask elsewhere meanwhile.

use nearcast_sim::{Outcome, Policy, Scenario, Until, simulate};

/// Six listeners of one title; all but the first come later and so fetch from each other.
fn evening(fault: &str) -> Outcome {
    let text = format!(
        "length = '10min'\n\
         [listeners]\ncount = 6\narrive-over = '20s'\nevenly = true\n\
         [nat]\nfail-percent = 0\n\
         [catalogue]\ntitles = 1\nlength = '120s'\nspread-percent = 0\nrate = '1mbit'\n\
         [plays]\neach = 1\nskip-percent = 0\nseek-percent = 0\npause-percent = 0\n{fault}"
    );
    let scenario = Scenario::parse(&text).expect("a scenario");
    simulate(&scenario, 3, Policy::Nearcast, Until::default())
        .unwrap_or_else(|violation| panic!("{violation}"))
}

fn sleep(clock: &str, percent: u32, lasts: &str) -> Outcome {
    evening(&format!(
        "[[faults]]\nwhat = 'suspend'\nat = '40s'\nlasts = '{lasts}'\npercent = {percent}\nclock = '{clock}'"
    ))
}

#[test]
fn plays_go_on_after_a_sleep_and_others_ask_elsewhere() {
    let awake = evening("");
    assert_eq!((awake.plays.played, awake.stalls.count), (6, 0), "{:?}", awake.plays);
    for clock in ["stands-still", "goes-on"] {
        for percent in [50, 100] {
            for lasts in ["20s", "3min"] {
                let slept = sleep(clock, percent, lasts);
                let case = format!("{clock}, {percent} %, {lasts}: {:?} {:?}", slept.plays, slept.stalls);
                assert_eq!(slept.plays.played, 6, "{case}");
                assert_eq!(slept.stalls.count, 0, "{case}");
                assert_ne!(slept.trace, awake.trace, "{case}");
            }
        }
    }
}
