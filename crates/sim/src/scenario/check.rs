//! Which scenarios make a world.

use nearcast_content::MAX_OBJECT_SIZE;
use nearcast_engine::{Rate, Span};

use super::{MAX_BYTES_LISTENERS, MAX_LISTENERS, Scenario, ScenarioError};

/// Whether a rule holds; what it is about and what is wrong otherwise.
type Rule = (bool, &'static str, &'static str);

impl Scenario {
    /// Says what of a scenario makes no world.
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        let rules = self.rules_of_the_audience().into_iter().chain(self.rules_of_delivery());
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, what, why)) => Err(ScenarioError::Value(what, why)),
            None => Ok(()),
        }
    }

    /// Rates of a title's renditions.
    fn ladder(&self) -> Vec<Rate> {
        [self.catalogue.rate].into_iter().chain(self.catalogue.lower.iter().copied()).collect()
    }

    fn rules_of_the_audience(&self) -> Vec<Rule> {
        vec![
            (self.length > Span::ZERO, "length", "must not be zero"),
            (
                !self.player.whole || self.player.reads > Span::ZERO,
                "player.whole",
                "is of ranges: player.reads must not be zero",
            ),
            (
                (1..=MAX_LISTENERS).contains(&self.listeners.count),
                "listeners.count",
                "must be 1 to 1,000,000",
            ),
            (
                !self.bytes || self.listeners.count <= MAX_BYTES_LISTENERS,
                "bytes",
                "works with at most 50 listeners",
            ),
            (
                self.listeners.arrivals.is_empty() || self.listeners.arrivals.iter().any(|w| *w > 0),
                "listeners.arrivals",
                "need a weight above zero",
            ),
            (
                self.places.isp_shares.is_empty() || self.places.isp_shares.iter().any(|w| *w > 0),
                "places.isp-shares",
                "need a share above zero",
            ),
            (
                self.plays.each_most == 0 || self.plays.each_most >= self.plays.each,
                "plays.each-most",
                "must not be less than each",
            ),
            (
                self.plays.skips.iter().map(|skip| skip.percent).sum::<u32>() <= 100,
                "plays.skips",
                "are more than there are plays",
            ),
            (
                self.adversaries.percent == 0 || !self.adversaries.kinds.is_empty(),
                "adversaries.kinds",
                "need one",
            ),
            (
                self.churn.leave_percent + self.churn.kill_percent <= 100,
                "churn",
                "leaves more than there are",
            ),
        ]
    }

    fn rules_of_delivery(&self) -> Vec<Rule> {
        vec![
            (self.links.iter().any(|l| l.weight > 0), "links", "need one with a weight above zero"),
            (
                self.links.iter().all(|l| l.up > Rate::ZERO && l.down > Rate::ZERO),
                "links",
                "need rates above zero",
            ),
            (self.origin.up > Rate::ZERO, "origin.up", "must not be zero"),
            (self.places.lan > Rate::ZERO, "places.lan", "must not be zero"),
            (
                self.places.isps > 0 && self.places.neighbourhoods > 0,
                "places",
                "need an ISP and a neighbourhood",
            ),
            (self.places.countries > 0, "places.countries", "must not be zero"),
            (self.catalogue.titles > 0 && self.catalogue.parts > 0, "catalogue", "needs a title with a part"),
            (
                self.catalogue.rate >= Rate::from_bytes_per_sec(1_000),
                "catalogue.rate",
                "must be 8kbit or more",
            ),
            (
                self.catalogue.lower.iter().all(|rate| *rate >= Rate::from_bytes_per_sec(1_000)),
                "catalogue.lower",
                "must be 8kbit or more",
            ),
            (
                self.ladder().is_sorted_by(|better, worse| better > worse),
                "catalogue.lower",
                "must be less than rate, each less than the one before it",
            ),
            (self.catalogue.lower.len() < 16, "catalogue.lower", "are at most 15"),
            (
                self.catalogue.lower.is_empty() || self.player.reads > Span::ZERO && !self.plays.keep,
                "catalogue.lower",
                "are for players that read segments: player.reads must not be zero, nor plays.keep true",
            ),
            (self.catalogue.length >= Span::from_secs(1), "catalogue.length", "must be 1s or more"),
            (self.catalogue.spread_percent < 100, "catalogue.spread-percent", "must be less than 100"),
            (self.catalogue.length <= Span::from_secs(86_400), "catalogue.length", "must be a day or less"),
            (
                self.catalogue.rate.bytes_in(self.catalogue.length) <= MAX_OBJECT_SIZE / 2,
                "catalogue",
                "has titles over 500 GB",
            ),
            (
                self.player.start_after <= self.player.ahead,
                "player.ahead",
                "must not be less than start-after",
            ),
            (
                (6..=1_600).contains(&self.player.rate_percent),
                "player.rate-percent",
                "must be 6 to 1600: browsers play no slower and no faster",
            ),
            (
                self.origin.stuck_percent == 0 || self.origin.own_connections,
                "origin.stuck-percent",
                "is of connections of single requests: origin.own-connections must be true",
            ),
            (self.origin.stuck_percent <= 100, "origin.stuck-percent", "must be 100 or less"),
            (self.faults.iter().all(|fault| fault.percent <= 100), "faults.percent", "must be 100 or less"),
            (self.churn.shape.0 >= 100, "churn.shape", "must be 0.1 or more"),
        ]
    }
}
