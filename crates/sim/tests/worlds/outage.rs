//! The origin goes in the middle of a play, and peers hold the rest.

use nearcast_sim::{Policy, Scenario, Until, simulate};

const OUTAGE: &str = "
    length = '4min'
    [listeners]
    count = 6
    arrive-over = '1s'
    [catalogue]
    titles = 1
    length = '80s'
    rate = '800kbit'
    [plays]
    each = 2
    gap = '0s'
    skip-percent = 0
    seek-percent = 0
    pause-percent = 0
    [places]
    isps = 1
    [nat]
    fail-percent = 0
    ";

#[test]
fn an_outage_is_survived_when_peers_hold_the_rest() {
    // Five have all of it when the sixth begins, and the origin goes soon after.
    let late = OUTAGE.replace("arrive-over = '1s'", "arrive-over = '120s'");
    let text = format!("{late}\n[[faults]]\nwhat = 'origin-down'\nat = '100s'\nlasts = '140s'");
    let scenario = Scenario::parse(&text).expect("a scenario");
    for seed in 0..5 {
        let run = |policy| {
            simulate(&scenario, seed, policy, Until::default())
                .unwrap_or_else(|violation| panic!("{violation}"))
        };
        let (ours, plain) = (run(Policy::Nearcast), run(Policy::OriginOnly));
        assert_eq!(ours.stalls.count, 0, "seed {seed}: {ours:?}");
        assert_eq!(ours.plays.never_started, 0, "seed {seed}");
        assert!(
            plain.plays.open + plain.plays.never_started > 0,
            "seed {seed}: the outage hurts without peers"
        );
    }
}
