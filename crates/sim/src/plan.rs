//! Who does what: every listener's place, link, arrival and clicks, fixed before the world starts.
//!
//! Nothing here depends on what agents do, so worlds with the same scenario and seed are *paired*: the same
//! listeners on the same links click the same, and only the agents differ.

use nearcast_content::NodeKey;
use nearcast_engine::swarm::{OriginUse, PeerUse, Settings};
use nearcast_engine::wire::Serves;
use nearcast_engine::{Place, Span};

use crate::catalogue::Catalogue;
use crate::fixed;
use crate::random::{Random, Stream};
use crate::scenario::{Link, Plays, Scenario};

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
    Adversary,
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
            audience.listeners.push(listener(scenario, catalogue, (place, household), random));
        }
        audience
    }
}

fn draw_link(links: &[Link], random: &mut Random) -> Link {
    let mut sum = 0;
    let cumulative: Vec<u64> = links
        .iter()
        .map(|link| {
            sum += u64::from(link.weight);
            sum
        })
        .collect();
    links[fixed::draw(random, &cumulative)].clone()
}

fn draw_place(scenario: &Scenario, random: &mut Random, lan: u64) -> Place {
    let places = &scenario.places;
    let isp = random.below(places.isps.into());
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
    mut random: Random,
) -> Listener {
    let random = &mut random;
    let node = NodeKey(random.bytes32());
    let arrives = Span::from_micros(random.below(scenario.listeners.arrive_over.micros()));
    let honesty = match random.percent(scenario.adversaries.percent) {
        true => Honesty::Adversary,
        false => Honesty::Honest,
    };
    let settings = settings(scenario, random);
    let goes = departure(scenario, random);
    let mut plays: Vec<PlayPlan> = Vec::new();
    for _ in 0..scenario.plays.each {
        let before = plays.last().map(|play| play.title);
        plays.push(draw_play(&scenario.plays, catalogue, before, random));
    }
    Listener { node, place, household, settings, arrives, goes, visits: Vec::new(), honesty, plays }
}

fn settings(scenario: &Scenario, random: &mut Random) -> Settings {
    let spec = &scenario.listeners;
    let serves = if random.percent(spec.serve_percent) { Serves::Others } else { Serves::Nobody };
    let peers = if random.percent(spec.hold_out_percent) { PeerUse::HoldOut } else { PeerUse::Share };
    Settings {
        serves,
        upload_limit: spec.upload_limit,
        cache_budget: spec.cache,
        origin: OriginUse::Fallback,
        peers,
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
fn draw_play(spec: &Plays, catalogue: &Catalogue, before: Option<u32>, random: &mut Random) -> PlayPlan {
    let mut title = catalogue.pick(random);
    if before == Some(title) {
        title = catalogue.pick(random);
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
    if random.percent(spec.skip_percent) {
        acts.push((Span::from_micros(random.below(length)), Act::Skip));
    }
    acts.sort_by_key(|(at, _)| *at);
    PlayPlan { title, not_before: Span::ZERO, known_before: random.percent(spec.upcoming_percent), acts }
}
