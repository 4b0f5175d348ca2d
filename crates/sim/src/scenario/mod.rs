//! Scenarios: what a world is made of, as TOML a person can write. Everything has a default.

mod random;
pub(crate) mod units;
mod variants;

use std::sync::Arc;

use nearcast_content::MAX_OBJECT_SIZE;
use nearcast_engine::{Rate, Span};
use serde::Deserialize;

use units::{Milli, de_limit, de_rate, de_size, de_span};

use crate::access_log::LoggedAudience;

pub use units::span as parse_span;

/// Scenarios that come with the program, by name.
pub const SHIPPED: [(&str, &str); 2] = [
    ("small", include_str!("../../scenarios/small.toml")),
    ("film-night", include_str!("../../scenarios/film-night.toml")),
];

/// Most listeners with real bytes: beyond it verdicts are drawn.
const MAX_BYTES_LISTENERS: u32 = 50;
/// Most listeners in a world: what the target of 100,000 needs, tenfold.
const MAX_LISTENERS: u32 = 1_000_000;

/// Why a scenario cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// No shipped scenario has this name.
    #[error("no scenario is called '{0}'; there are: {1}; or give the path of a .toml file")]
    Unknown(String, String),
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("scenario does not read: {0}")]
    Syntax(String),
    /// A value that makes no world.
    #[error("scenario: {0} {1}")]
    Value(&'static str, &'static str),
}

/// A world to be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Scenario {
    /// What results are filed under.
    pub name: String,
    /// What a command needs beside the scenario's name to make the same world.
    #[serde(skip)]
    pub(crate) arguments: String,
    /// Titles, listeners and clicks of an access log, instead of drawn ones.
    #[serde(skip)]
    pub(crate) logged: Option<Arc<LoggedAudience>>,
    /// When the world ends.
    #[serde(deserialize_with = "de_span")]
    pub(crate) length: Span,
    /// Whether real bytes run through the real verifier and codec; at most 50 listeners.
    pub(crate) bytes: bool,
    pub(crate) listeners: Listeners,
    /// Access links, drawn by weight.
    pub(crate) links: Vec<Link>,
    pub(crate) places: Places,
    pub(crate) nat: Nat,
    pub(crate) churn: Churn,
    pub(crate) catalogue: CatalogueSpec,
    pub(crate) plays: Plays,
    pub(crate) player: PlayerSpec,
    pub(crate) origin: OriginSpec,
    pub(crate) directory: DirectorySpec,
    pub(crate) adversaries: Adversaries,
    /// What breaks, and when.
    pub(crate) faults: Vec<FaultSpec>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "unnamed".to_owned(),
            arguments: String::new(),
            logged: None,
            length: Span::from_secs(300),
            bytes: false,
            listeners: Listeners::default(),
            links: vec![Link::default()],
            places: Places::default(),
            nat: Nat::default(),
            churn: Churn::default(),
            catalogue: CatalogueSpec::default(),
            plays: Plays::default(),
            player: PlayerSpec::default(),
            origin: OriginSpec::default(),
            directory: DirectorySpec::default(),
            adversaries: Adversaries::default(),
            faults: Vec::new(),
        }
    }
}

/// A part of the scenario with its defaults: one row per key.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $value:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $value,)* }
            }
        }
    };
}

section! {
    /// Who listens.
    Listeners {
        /// How many.
        count: u32 = 12,
        /// They arrive evenly at random over this time.
        #[serde(deserialize_with = "de_span")]
        arrive_over: Span = Span::from_secs(30),
        /// How many in a hundred serve others.
        serve_percent: u32 = 100,
        /// Ceiling on what each uploads to peers.
        #[serde(deserialize_with = "de_limit")]
        upload_limit: Option<Rate> = None,
        /// Each one's cache.
        #[serde(deserialize_with = "de_size")]
        cache: u64 = 1_000_000_000,
        /// How many in a hundred take no part in sharing, to compare with.
        hold_out_percent: u32 = 0,
    }
}

section! {
    /// A kind of access link.
    Link {
        /// How many of these there are, against the other kinds.
        weight: u32 = 1,
        /// To the household.
        #[serde(deserialize_with = "de_rate")]
        down: Rate = Rate::from_bits_per_sec(50_000_000),
        /// From the household.
        #[serde(deserialize_with = "de_rate")]
        up: Rate = Rate::from_bits_per_sec(10_000_000),
        /// One way from the household to its operator.
        #[serde(deserialize_with = "de_span")]
        delay: Span = Span::from_millis(5),
    }
}

section! {
    /// Where listeners are.
    Places {
        /// Operators, all of the same size.
        isps: u32 = 3,
        /// Neighbourhoods of each.
        neighbourhoods: u32 = 4,
        /// Countries, among which the operators are spread.
        countries: u32 = 1,
        /// How many in a hundred live in the household of the listener before them.
        same_household_percent: u32 = 10,
        /// Rate of a node's own network.
        #[serde(deserialize_with = "de_rate")]
        lan: Rate = Rate::from_bits_per_sec(300_000_000),
    }
}

section! {
    /// Who can connect to whom.
    Nat {
        /// How many pairs in a hundred never get a direct path.
        fail_percent: u32 = 20,
        /// How long a connect that comes to nothing takes.
        #[serde(deserialize_with = "de_span")]
        give_up: Span = Span::from_secs(5),
    }
}

section! {
    /// Who goes, and when.
    Churn {
        /// How many in a hundred close the program.
        leave_percent: u32 = 0,
        /// How many in a hundred drop off without a word.
        kill_percent: u32 = 0,
        /// Scale of the time until they do, after arriving.
        #[serde(deserialize_with = "de_span")]
        after: Span = Span::from_secs(60),
        /// Weibull shape of that time; 1 is exponential, less is many short and few long.
        shape: Milli = Milli(1_000),
        /// They come back after this long with their cache; "0s" for never.
        #[serde(deserialize_with = "de_span")]
        back_after: Span = Span::ZERO,
        /// How long until others notice that a node dropped off.
        #[serde(deserialize_with = "de_span")]
        noticed_after: Span = Span::from_secs(8),
    }
}

section! {
    /// What there is to play.
    CatalogueSpec {
        /// Titles.
        titles: u32 = 3,
        /// Each one's length, give or take a quarter.
        #[serde(deserialize_with = "de_span")]
        length: Span = Span::from_secs(60),
        /// Bytes in a second of media.
        #[serde(deserialize_with = "de_rate")]
        rate: Rate = Rate::from_bits_per_sec(320_000),
        /// Objects of each title, along its timeline.
        parts: u32 = 1,
        /// Exponent of the popularity law.
        zipf: Milli = Milli(1_000),
        /// Shift of the popularity law (Zipf–Mandelbrot).
        zipf_shift: u32 = 0,
    }
}

section! {
    /// What each listener does.
    Plays {
        /// Plays of a session.
        each: u32 = 2,
        /// Between two plays.
        #[serde(deserialize_with = "de_span")]
        gap: Span = Span::from_secs(1),
        /// How many plays in a hundred were known to come when the one before them began.
        upcoming_percent: u32 = 60,
        /// How many in a hundred are skipped somewhere.
        skip_percent: u32 = 20,
        /// How many in a hundred have a seek.
        seek_percent: u32 = 10,
        /// How many in a hundred are paused once.
        pause_percent: u32 = 5,
        /// How long a pause lasts.
        #[serde(deserialize_with = "de_span")]
        pause: Span = Span::from_secs(10),
    }
}

section! {
    /// How players buffer.
    PlayerSpec {
        /// Fixed part of every start-up that is not the network's: decoding, drawing, sound. The same for every
        /// policy.
        #[serde(deserialize_with = "de_span")]
        client_start: Span = Span::ZERO,
        /// Media that must be there before it starts, and after a stall.
        #[serde(deserialize_with = "de_span")]
        start_after: Span = Span::from_millis(1_000),
        /// Media it reads ahead of the playhead.
        #[serde(deserialize_with = "de_span")]
        ahead: Span = Span::from_secs(30),
        /// Media it asks for in one range; "0s" for one range to the end.
        #[serde(deserialize_with = "de_span")]
        reads: Span = Span::from_secs(4),
    }
}

section! {
    /// The provider's server.
    OriginSpec {
        /// What it can send.
        #[serde(deserialize_with = "de_rate")]
        up: Rate = Rate::from_bits_per_sec(1_000_000_000),
        /// One way from an operator's network.
        #[serde(deserialize_with = "de_span")]
        delay: Span = Span::from_millis(15),
        /// From a request's arrival to its first byte.
        #[serde(deserialize_with = "de_span")]
        request: Span = Span::from_millis(5),
        /// An idle connection is kept this long.
        #[serde(deserialize_with = "de_span")]
        keep_alive: Span = Span::from_secs(60),
    }
}

section! {
    /// The supernode.
    DirectorySpec {
        /// One way from an operator's network.
        #[serde(deserialize_with = "de_span")]
        delay: Span = Span::from_millis(10),
    }
}

section! {
    /// Nodes that send bad bytes.
    Adversaries {
        /// How many in a hundred.
        percent: u32 = 0,
        /// How many of their chunks in a hundred are bad.
        corrupt_percent: u32 = 50,
    }
}

/// Something that breaks for a while.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FaultSpec {
    pub(crate) what: FaultKind,
    #[serde(deserialize_with = "de_span")]
    pub(crate) at: Span,
    #[serde(deserialize_with = "de_span")]
    pub(crate) lasts: Span,
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FaultKind {
    /// The origin refuses connections.
    OriginDown,
    /// The origin sends at a tenth of its rate.
    OriginSlow,
    /// The origin sends bytes that were never published.
    OriginCorrupt,
    /// The supernode is gone.
    DirectoryDown,
}

impl Scenario {
    /// The shipped scenario called `name`.
    ///
    /// # Errors
    /// When there is none, naming those there are.
    pub fn shipped(name: &str) -> Result<Self, ScenarioError> {
        let text = SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        let known = || SHIPPED.map(|(name, _)| name).join(", ");
        Self::parse(text.ok_or_else(|| ScenarioError::Unknown(name.to_owned(), known()))?)
    }

    /// A scenario from TOML.
    ///
    /// # Errors
    /// When it is not TOML, has a key that does not exist, or a value that makes no world.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|e| ScenarioError::Syntax(e.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// A small world drawn from `seed`: links, churn, adversaries, faults and all.
    pub fn random(seed: u64) -> Self {
        random::draw(seed)
    }

    /// The same scenario, called `name`, with the `arguments` that a command needs to make it again.
    #[must_use]
    pub fn called(mut self, name: &str, arguments: &str) -> Self {
        name.clone_into(&mut self.name);
        arguments.clone_into(&mut self.arguments);
        self
    }

    /// How long the world goes on.
    pub fn length(&self) -> Span {
        self.length
    }

    /// How many listeners there are.
    pub fn listeners(&self) -> u32 {
        self.listeners.count
    }

    /// The same scenario with another number of listeners.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn with_listeners(mut self, count: u32) -> Result<Self, ScenarioError> {
        self.listeners.count = count;
        self.arguments = format!(" --listeners {count}");
        self.bytes &= count <= MAX_BYTES_LISTENERS;
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let rules = [
            (self.length > Span::ZERO, "length", "must not be zero"),
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
            (self.catalogue.length >= Span::from_secs(1), "catalogue.length", "must be 1s or more"),
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
            (self.churn.shape.0 >= 100, "churn.shape", "must be 0.1 or more"),
            (
                self.churn.leave_percent + self.churn.kill_percent <= 100,
                "churn",
                "leaves more than there are",
            ),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, what, why)) => Err(ScenarioError::Value(what, why)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_scenarios_read() {
        for (name, _) in SHIPPED {
            assert_eq!(Scenario::shipped(name).expect("shipped").name, name);
        }
    }

    #[test]
    fn nothing_at_all_is_a_scenario() {
        assert_eq!(Scenario::parse("").expect("defaults"), Scenario::default());
    }

    #[test]
    fn mistakes_are_named() {
        let why = |text| Scenario::parse(text).expect_err("a mistake").to_string();
        assert!(why("[origin]\nupp = '1mbit'").contains("unknown field `upp`"));
        assert!(why("[origin]\nup = '1 parsec'").contains("'1 parsec' is not a rate"));
        assert!(why("[[faults]]\nwhat = 'flood'\nat = '1s'\nlasts = '1s'").contains("origin-down"));
        assert!(why("[listeners]\ncount = 0").contains("listeners.count must be 1 to"));
        assert!(why("bytes = true\n[listeners]\ncount = 51").contains("at most 50"));
        let unknown = Scenario::shipped("smal").expect_err("no such").to_string();
        assert!(unknown.contains("'smal'") && unknown.contains("small, film-night"), "{unknown}");
    }

    #[test]
    fn random_worlds_are_worlds() {
        for seed in 0..500 {
            Scenario::random(seed).check().expect("drawn within the rules");
        }
    }
}
