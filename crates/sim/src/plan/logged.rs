//! The audience of an access log: listeners, clicks and networks are the log's, all else is drawn.

use nearcast_content::NodeKey;
use nearcast_engine::{Place, Span};

use super::{
    Act, Audience, Departure, Household, Listener, PlayPlan, draw_link, draw_place, honesty, settings,
};
use crate::access_log::{LoggedAudience, LoggedListener};
use crate::random::{Random, Stream};
use crate::scenario::{Link, Scenario};

impl Audience {
    /// The listeners of a log, with what it does not tell drawn from `seed`.
    pub(super) fn of_log(scenario: &Scenario, logged: &LoggedAudience, seed: u64) -> Self {
        let mut homes = Random::stream(seed, Stream::Household, 0);
        let homes = &mut homes;
        let draw =
            |_| (Household { link: draw_link(&scenario.links, homes) }, draw_place(scenario, homes, 0));
        let (households, places): (Vec<Household>, Vec<Place>) = (0..logged.households).map(draw).unzip();
        let listeners = logged.listeners.iter().zip(0..).map(|(listener, index)| {
            let random = Random::stream(seed, Stream::Listener, index);
            let drawn = places[listener.household as usize];
            let link = &households[listener.household as usize].link;
            one(scenario, listener, place(scenario, listener, drawn), link, random)
        });
        let listeners = listeners.collect();
        Self { listeners, households }
    }
}

/// Where a listener is by its address; where the log has none, by the scenario.
fn place(scenario: &Scenario, listener: &LoggedListener, drawn: Place) -> Place {
    let place = listener.place;
    if place.isp == 0 {
        return Place { lan: place.lan, ..drawn };
    }
    let country = place.isp % scenario.places.countries.max(1);
    Place { country: u16::try_from(country + 1).unwrap_or(1), ..place }
}

fn one(
    scenario: &Scenario,
    logged: &LoggedListener,
    place: Place,
    link: &Link,
    mut random: Random,
) -> Listener {
    let random = &mut random;
    let node = NodeKey(random.bytes32());
    let honesty = honesty(scenario, random);
    let settings = settings(scenario, link, random);
    let killed = random.percent(scenario.churn.kill_percent);
    let how = if killed { Departure::Killed } else { Departure::Leaves };
    let mut plays = Vec::new();
    for (at, title, until) in &logged.plays {
        let acts = until.iter().map(|until| (*until, Act::Skip)).collect();
        let known_before = random.percent(scenario.plays.upcoming_percent);
        plays.push(PlayPlan { title: *title, not_before: *at, known_before, acts });
    }
    let visits: Vec<(Span, Span)> = logged.visits.iter().map(|visit| (visit.from, visit.stays)).collect();
    let arrives = visits.first().map_or(Span::ZERO, |(from, _)| *from);
    Listener {
        node,
        place,
        household: logged.household,
        settings,
        arrives,
        goes: Some((how, Span::FOREVER)),
        visits,
        honesty,
        nat: link.nat,
        lingers: None,
        history: Vec::new(),
        plays,
    }
}
