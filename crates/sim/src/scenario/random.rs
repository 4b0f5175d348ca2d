//! Small worlds drawn from a seed, to try what nobody would think of.

use nearcast_engine::{Rate, Span};

use super::units::Milli;
use super::{
    Adversaries, CatalogueSpec, Churn, DirectorySpec, FaultKind, FaultSpec, Harm, Link, Listeners, Nat,
    NatKind, OriginSpec, Places, PlayerSpec, Plays, Scenario, SkipSpec, SleepClock,
};
use crate::random::{Random, Stream};

fn one_of<T: Copy, const N: usize>(random: &mut Random, choices: [T; N]) -> T {
    let last = choices.len() - 1;
    let at = usize::try_from(random.below(choices.len() as u64)).unwrap_or(last);
    choices[at.min(last)]
}

fn number(random: &mut Random, low: u32, high: u32) -> u32 {
    u32::try_from(random.between(low.into(), high.into())).unwrap_or(high)
}

fn millis(random: &mut Random, low: u64, high: u64) -> Span {
    Span::from_millis(random.between(low, high))
}

fn kbit(random: &mut Random, low: u64, high: u64) -> Rate {
    Rate::from_bits_per_sec(random.between(low, high) * 1_000)
}

/// A world of 2 to 14 listeners that ends within four minutes of its own time.
pub(super) fn draw(seed: u64) -> Scenario {
    let mut scenario = drawn(seed);
    scenario.catalogue.lower = lower(seed, &scenario);
    scenario
}

fn drawn(seed: u64) -> Scenario {
    let random = &mut Random::stream(seed, Stream::Scenario, 0);
    Scenario {
        name: "random".to_owned(),
        arguments: String::new(),
        logged: None,
        length: Span::from_secs(240),
        bytes: random.percent(20),
        listeners: listeners(random),
        links: (0..random.between(1, 3)).map(|_| link(random)).collect(),
        places: places(random),
        nat: Nat { fail_percent: one_of(random, [0, 20, 65, 100]), give_up: millis(random, 500, 5_000) },
        churn: churn(random),
        catalogue: catalogue(random),
        plays: plays(random),
        player: rates(seed, player(random)),
        origin: OriginSpec {
            up: kbit(random, 4_000, 100_000),
            delay: millis(random, 1, 120),
            request: millis(random, 0, 200),
            queue: Span::from_millis(150),
            keep_alive: millis(random, 2_000, 60_000),
            warm: random.percent(30),
            ..connections(seed)
        },
        directory: DirectorySpec { delay: millis(random, 1, 100) },
        adversaries: Adversaries {
            percent: one_of(random, [0, 0, 10, 30]),
            kinds: match random.percent(50) {
                true => vec![Harm::Corrupt],
                false => vec![Harm::Corrupt, Harm::Stall, Harm::OfferAll],
            },
            corrupt_percent: one_of(random, [1, 50, 100]),
        },
        faults: (0..one_of(random, [0, 0, 1, 2])).map(|_| fault(random)).chain(sleep(seed)).collect(),
    }
}

fn listeners(random: &mut Random) -> Listeners {
    Listeners {
        count: number(random, 2, 14),
        arrive_over: millis(random, 0, 60_000),
        arrivals: if random.percent(30) { vec![1, 5, 2] } else { Vec::new() },
        evenly: false,
        early: Span::ZERO,
        history: one_of(random, [0, 0, 1, 3]),
        serve_percent: one_of(random, [0, 50, 100, 100]),
        upload_limit: one_of(random, [None, None, Some(Rate::from_bits_per_sec(2_000_000))]),
        cache: one_of(random, [6_000_000, 50_000_000, 1_000_000_000]),
        hold_out_percent: one_of(random, [0, 0, 0, 20]),
    }
}

fn link(random: &mut Random) -> Link {
    let down = kbit(random, 1_000, 100_000);
    let up = Rate::from_bytes_per_sec(down.bytes_per_sec() / random.between(1, 8));
    let nat = one_of(random, [NatKind::Unsaid, NatKind::Open, NatKind::PortRestricted, NatKind::Symmetric]);
    let metered = random.percent(15);
    let queue = millis(random, 20, 300);
    Link { weight: number(random, 1, 4), down, up, delay: millis(random, 0, 60), queue, nat, metered }
}

fn places(random: &mut Random) -> Places {
    Places {
        isps: number(random, 1, 4),
        isp_shares: if random.percent(30) { vec![5, 2, 1] } else { Vec::new() },
        own_isp_only: random.percent(15),
        neighbourhoods: number(random, 1, 4),
        countries: number(random, 1, 2),
        same_household_percent: one_of(random, [0, 10, 60]),
        lan: kbit(random, 50_000, 1_000_000),
    }
}

fn churn(random: &mut Random) -> Churn {
    Churn {
        leave_percent: one_of(random, [0, 10, 50]),
        kill_percent: one_of(random, [0, 10, 50]),
        after: millis(random, 5_000, 90_000),
        shape: Milli(one_of(random, [400, 1_000, 2_000])),
        back_after: one_of(random, [Span::ZERO, Span::from_secs(5), Span::from_secs(30)]),
        again: false,
        linger: one_of(random, [Span::ZERO, Span::ZERO, Span::from_secs(20)]),
        noticed_after: millis(random, 500, 15_000),
    }
}

fn catalogue(random: &mut Random) -> CatalogueSpec {
    CatalogueSpec {
        titles: number(random, 1, 5),
        length: millis(random, 8_000, 45_000),
        spread_percent: 25,
        rate: kbit(random, 64, 1_200),
        lower: Vec::new(),
        parts: one_of(random, [1, 1, 2, 7]),
        zipf: Milli(one_of(random, [0, 1_000, 1_500])),
        zipf_shift: 0,
    }
}

fn plays(random: &mut Random) -> Plays {
    Plays {
        each: number(random, 1, 3),
        keep: false,
        each_most: one_of(random, [0, 4]),
        replay_percent: one_of(random, [0, 30]),
        gap: millis(random, 0, 5_000),
        upcoming_percent: one_of(random, [0, 60, 100]),
        skip_percent: one_of(random, [0, 20, 80]),
        skips: match random.percent(30) {
            true => vec![
                SkipSpec { percent: 30, from: Span::ZERO, before: Span::from_secs(5) },
                SkipSpec { percent: 20, from: Span::from_secs(5), before: Span::ZERO },
            ],
            false => Vec::new(),
        },
        seek_percent: one_of(random, [0, 20, 80]),
        pause_percent: one_of(random, [0, 20]),
        pause: millis(random, 1_000, 20_000),
    }
}

fn player(random: &mut Random) -> PlayerSpec {
    let start_after = millis(random, 100, 3_000);
    let reads = one_of(random, [Span::ZERO, Span::from_secs(2), Span::from_secs(6)]);
    PlayerSpec {
        client_start: Span::ZERO,
        start_after,
        ahead: start_after + millis(random, 2_000, 40_000),
        reads,
        whole: reads > Span::ZERO && random.percent(50),
        rate_percent: 100,
        tells_rate: true,
    }
}

/// In some worlds players play slower or faster, and say so or do not. Drawn apart from the rest.
fn rates(seed: u64, player: PlayerSpec) -> PlayerSpec {
    let random = &mut Random::stream(seed, Stream::Rates, 0);
    let rate_percent = if random.percent(30) { one_of(random, [50, 150, 200, 400, 1_600]) } else { 100 };
    PlayerSpec { rate_percent, tells_rate: random.percent(50), ..player }
}

/// In some worlds whose players read segments titles have several renditions. Drawn apart from the rest.
fn lower(seed: u64, scenario: &Scenario) -> Vec<Rate> {
    let random = &mut Random::stream(seed, Stream::Renditions, 0);
    let parts: &[u64] = one_of(random, [&[], &[], &[50], &[46, 20]]);
    let parts = parts.iter().filter(|_| scenario.player.reads > Span::ZERO);
    let of = |part: &u64| Rate::from_bytes_per_sec(scenario.catalogue.rate.bytes_per_sec() * part / 100);
    parts.map(of).collect()
}

fn fault(random: &mut Random) -> FaultSpec {
    use FaultKind::{DirectoryDown, OriginCorrupt, OriginDown, OriginSlow};
    let what = one_of(random, [OriginDown, OriginDown, OriginSlow, OriginCorrupt, DirectoryDown]);
    FaultSpec::new(what, millis(random, 0, 80_000), millis(random, 1_000, 40_000))
}

/// In some worlds each request has a connection to itself, and some of these are stuck. Drawn apart from the rest.
fn connections(seed: u64) -> OriginSpec {
    let random = &mut Random::stream(seed, Stream::Connections, 0);
    let own_connections = random.percent(30);
    let stuck_percent = if own_connections { one_of(random, [0, 10, 30]) } else { 0 };
    OriginSpec { own_connections, stuck_percent, ..OriginSpec::default() }
}

/// In some worlds machines sleep. Drawn apart from the rest, so that worlds that broke once stay as they were.
fn sleep(seed: u64) -> Option<FaultSpec> {
    let random = &mut Random::stream(seed, Stream::Sleep, 0);
    random.percent(20).then(|| FaultSpec {
        percent: one_of(random, [20, 50, 100]),
        clock: one_of(random, [SleepClock::StandsStill, SleepClock::GoesOn]),
        ..FaultSpec::new(FaultKind::Suspend, millis(random, 0, 80_000), millis(random, 1_000, 60_000))
    })
}
