//! Who does what: every listener's place, link, arrival and clicks, fixed before the world starts.
//!
//! Nothing here depends on what agents do, so worlds with the same scenario and seed are *paired*: the same
//! listeners on the same links click the same, and only the agents differ.

use std::collections::BTreeSet;

use nearcast_content::NodeKey;
use nearcast_engine::swarm::{OriginUse, PeerUse, RunsIn, Settings};
use nearcast_engine::wire::Serves;
use nearcast_engine::{Place, Span};

use crate::catalogue::Catalogue;
use crate::fixed;
use crate::random::{Random, Stream};
use crate::scenario::{Harm, Link, NatKind, Plays, Scenario};

mod logged;

/// One listener.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) node: NodeKey,
    pub(crate) place: Place,
    /// Index of its household.
    pub(crate) household: u32,
    pub(crate) settings: Settings,
    pub(crate) arrives: Span,
    /// How and how long after arriving it goes.
    pub(crate) goes: Option<(Departure, Span)>,
    /// Stretches in which it is online, from when and how long, if that is known; then it arrives and goes by
    /// these alone.
    pub(crate) visits: Vec<(Span, Span)>,
    pub(crate) honesty: Honesty,
    pub(crate) nat: NatKind,
    /// After its last play it goes when this has passed, if it does.
    pub(crate) lingers: Option<Span>,
    /// Titles in the cache from earlier evenings, the least recent first.
    pub(crate) history: Vec<u32>,
    pub(crate) plays: Vec<PlayPlan>,
}

impl Listener {
    /// Whether it takes no part in sharing, to compare with.
    pub(crate) fn holds_out(&self) -> bool {
        self.settings.peers == PeerUse::HoldOut
    }

    /// Whether it may serve others.
    pub(crate) fn serves(&self) -> bool {
        self.settings.serves == Serves::Others && !self.holds_out()
    }
}

/// How a node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It closes its connections.
    Leaves,
    /// It drops off without a word.
    Killed,
}

/// Whether a node sends what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Honesty {
    Honest,
    Adversary(Harm),
}

/// One play.
#[derive(Debug)]
pub(crate) struct PlayPlan {
    pub(crate) title: u32,
    /// Not before this moment of the world.
    pub(crate) not_before: Span,
    /// Whether it is known when the play before it begins.
    pub(crate) known_before: bool,
    /// What the listener does, in the order of the playhead.
    pub(crate) acts: Vec<(Span, Act)>,
}

/// What a listener does when the playhead reaches a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Goes on with the next title.
    Skip,
    /// Jumps to this position.
    SeekTo(Span),
    /// Stands still for this long.
    Pause(Span),
}

/// A household: one access link, one local network.
#[derive(Debug)]
pub(crate) struct Household {
    pub(crate) link: Link,
}

/// The audience of a world.
#[derive(Debug)]
pub(crate) struct Audience {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) households: Vec<Household>,
}

impl Audience {
    /// The listeners of `scenario`, drawn from `seed`.
    pub(crate) fn draw(scenario: &Scenario, catalogue: &Catalogue, seed: u64) -> Self {
        if let Some(logged) = &scenario.logged {
            return Self::of_log(scenario, logged, seed);
        }
        let mut audience = Self { listeners: Vec::new(), households: Vec::new() };
        let mut homes = Random::stream(seed, Stream::Household, 0);
        let mut place = Place::default();
        for index in 0..scenario.listeners.count {
            let stays = homes.percent(scenario.places.same_household_percent);
            if index == 0 || !stays {
                place = draw_place(scenario, &mut homes, audience.households.len() as u64 + 1);
                audience.households.push(Household { link: draw_link(&scenario.links, &mut homes) });
            }
            let household = u32::try_from(audience.households.len()).unwrap_or(1) - 1;
            let random = Random::stream(seed, Stream::Listener, index.into());
            let link = &audience.households[household as usize].link;
            let mut listener = listener(scenario, catalogue, (place, household), link, random);
            if scenario.listeners.evenly {
                let gaps = u64::from(scenario.listeners.count.max(2)) - 1;
                listener.arrives = scenario.listeners.arrive_over.over(gaps).times(index.into());
            }
            if let Some(first) = listener.plays.first_mut() {
                first.not_before = listener.arrives + scenario.listeners.early;
            }
            audience.listeners.push(listener);
        }
        audience
    }
}

fn draw_link(links: &[Link], random: &mut Random) -> Link {
    let weights: Vec<u32> = links.iter().map(|link| link.weight).collect();
    links[fixed::draw(random, &cumulative(&weights))].clone()
}

fn cumulative(weights: &[u32]) -> Vec<u64> {
    let mut sum = 0;
    let upto = weights.iter().map(|weight| {
        sum += u64::from(*weight);
        sum
    });
    upto.collect()
}

fn draw_place(scenario: &Scenario, random: &mut Random, lan: u64) -> Place {
    let places = &scenario.places;
    let isp = match places.isp_shares.is_empty() {
        true => random.below(places.isps.into()),
        false => fixed::draw(random, &cumulative(&places.isp_shares)) as u64,
    };
    let neighbourhood = random.below(places.neighbourhoods.into());
    let country = isp % u64::from(places.countries);
    Place {
        lan,
        isp: u32::try_from(isp + 1).unwrap_or(1),
        prefix: (isp + 1) << 32 | (neighbourhood + 1),
        country: u16::try_from(country + 1).unwrap_or(1),
    }
}

fn listener(
    scenario: &Scenario,
    catalogue: &Catalogue,
    (place, household): (Place, u32),
    link: &Link,
    mut random: Random,
) -> Listener {
    let random = &mut random;
    let node = NodeKey(random.bytes32());
    let arrives = arrival(scenario, random);
    let honesty = honesty(scenario, random);
    let settings = settings(scenario, link, random);
    let goes = departure(scenario, random);
    // What a scenario does not have is not drawn: older scenarios keep their worlds.
    let linger = Some(scenario.churn.linger).filter(|linger| *linger > Span::ZERO);
    let lingers = linger.map(|linger| fixed::weibull(random, scenario.churn.shape.0, linger));
    let history = history(scenario, catalogue, random);
    let spec = &scenario.plays;
    let many = match spec.each_most > spec.each {
        true => random.between(spec.each.into(), spec.each_most.into()),
        false => spec.each.into(),
    };
    let mut plays: Vec<PlayPlan> = Vec::new();
    for _ in 0..many {
        let before = plays.last().map(|play| play.title);
        plays.push(draw_play(spec, catalogue, (before, &history), random));
    }
    let (nat, visits) = (link.nat, Vec::new());
    Listener {
        node,
        place,
        household,
        settings,
        arrives,
        goes,
        visits,
        honesty,
        nat,
        lingers,
        history,
        plays,
    }
}

fn honesty(scenario: &Scenario, random: &mut Random) -> Honesty {
    if !random.percent(scenario.adversaries.percent) {
        return Honesty::Honest;
    }
    let kinds = &scenario.adversaries.kinds;
    let kind = usize::try_from(random.below(kinds.len() as u64)).unwrap_or(0);
    kinds.get(kind).map_or(Honesty::Honest, |harm| Honesty::Adversary(*harm))
}

/// A moment after the day's curve.
fn arrival(scenario: &Scenario, random: &mut Random) -> Span {
    let spec = &scenario.listeners;
    let parts = spec.arrivals.len().max(1) as u64;
    let part = match spec.arrivals.is_empty() {
        true => 0,
        false => fixed::draw(random, &cumulative(&spec.arrivals)) as u64,
    };
    let length = spec.arrive_over.over(parts);
    length.times(part) + Span::from_micros(random.below(length.micros()))
}

/// Titles that were played on earlier evenings, each once, as far as the cache has room.
fn history(scenario: &Scenario, catalogue: &Catalogue, random: &mut Random) -> Vec<u32> {
    let wanted = scenario.listeners.history.min(scenario.catalogue.titles) as usize;
    let (mut titles, mut known, mut bytes) = (Vec::with_capacity(wanted), BTreeSet::new(), 0);
    // The most popular come up again and again; who has heard them all has heard enough.
    for _ in 0..wanted * 4 {
        let title = catalogue.pick(random);
        bytes += if known.insert(title) { catalogue.title(title).bytes } else { continue };
        if titles.len() >= wanted || bytes > scenario.listeners.cache {
            break;
        }
        titles.push(title);
    }
    titles
}

fn settings(scenario: &Scenario, link: &Link, random: &mut Random) -> Settings {
    let spec = &scenario.listeners;
    let willing = random.percent(spec.serve_percent) && !link.metered;
    let serves = if willing { Serves::Others } else { Serves::Nobody };
    let peers = if random.percent(spec.hold_out_percent) { PeerUse::HoldOut } else { PeerUse::Share };
    Settings {
        serves,
        upload_limit: spec.upload_limit,
        cache_budget: spec.cache,
        origin: OriginUse::Fallback,
        peers,
        runs_in: RunsIn::Program,
    }
}

fn departure(scenario: &Scenario, random: &mut Random) -> Option<(Departure, Span)> {
    let churn = &scenario.churn;
    let roll = random.below(100);
    let after = fixed::weibull(random, churn.shape.0, churn.after);
    let (leave, kill) = (u64::from(churn.leave_percent), u64::from(churn.kill_percent));
    match roll {
        roll if roll < leave => Some((Departure::Leaves, after)),
        roll if roll < leave + kill => Some((Departure::Killed, after)),
        _ => None,
    }
}

/// The title after `before` is another one where there is another.
fn draw_play(
    spec: &Plays,
    catalogue: &Catalogue,
    (before, history): (Option<u32>, &[u32]),
    random: &mut Random,
) -> PlayPlan {
    let again = spec.replay_percent > 0 && random.percent(spec.replay_percent) && !history.is_empty();
    let mut draw = || match again {
        true => history[usize::try_from(random.below(history.len() as u64)).unwrap_or(0)],
        false => catalogue.pick(random),
    };
    let mut title = draw();
    if before == Some(title) {
        title = draw();
    }
    let length = catalogue.title(title).length.micros();
    let mut acts = Vec::new();
    if random.percent(spec.pause_percent) {
        acts.push((Span::from_micros(random.below(length)), Act::Pause(spec.pause)));
    }
    if random.percent(spec.seek_percent) {
        let to = Span::from_micros(random.below(length));
        acts.push((Span::from_micros(random.below(length)), Act::SeekTo(to)));
    }
    if let Some(at) = skip(spec, length, random) {
        acts.push((at, Act::Skip));
    }
    acts.sort_by_key(|(at, _)| *at);
    PlayPlan { title, not_before: Span::ZERO, known_before: random.percent(spec.upcoming_percent), acts }
}

/// Where a play is skipped, if it is.
fn skip(spec: &Plays, length: u64, random: &mut Random) -> Option<Span> {
    if spec.skips.is_empty() {
        return random.percent(spec.skip_percent).then(|| Span::from_micros(random.below(length)));
    }
    let mut roll = random.below(100);
    for part in &spec.skips {
        if roll < part.percent.into() {
            let end = if part.before == Span::ZERO { length } else { part.before.micros().min(length) };
            let from = part.from.micros().min(end);
            return Some(Span::from_micros(from + random.below(end - from)));
        }
        roll -= u64::from(part.percent);
    }
    None
}
