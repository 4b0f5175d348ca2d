//! Scenarios: what a world is made of, as TOML a person can write. Everything has a default.

mod check;
mod random;
mod sections;
pub(crate) mod units;
mod variants;

use std::sync::Arc;

use nearcast_engine::Span;
use serde::Deserialize;

pub(crate) use sections::*;
use units::de_span;

use crate::access_log::LoggedAudience;

pub use units::span as parse_span;

/// Scenarios that come with the program, by name.
pub const SHIPPED: [(&str, &str); 9] = [
    ("small", include_str!("../../scenarios/small.toml")),
    ("film-night", include_str!("../../scenarios/film-night.toml")),
    ("spotify-2010", include_str!("../../scenarios/spotify-2010.toml")),
    ("music-2026", include_str!("../../scenarios/music-2026.toml")),
    ("iplayer-isp", include_str!("../../scenarios/iplayer-isp.toml")),
    ("campus", include_str!("../../scenarios/campus.toml")),
    ("mobile-heavy", include_str!("../../scenarios/mobile-heavy.toml")),
    ("soak", include_str!("../../scenarios/soak.toml")),
    ("polluters-30", include_str!("../../scenarios/polluters-30.toml")),
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
        let why = |text: &str| Scenario::parse(text).expect_err("a mistake").to_string();
        assert!(why("[origin]\nupp = '1mbit'").contains("unknown field `upp`"));
        assert!(why("[origin]\nup = '1 parsec'").contains("'1 parsec' is not a rate"));
        assert!(why("[[faults]]\nwhat = 'flood'\nat = '1s'\nlasts = '1s'").contains("origin-down"));
        let asleep = |more| why(&format!("[[faults]]\nwhat = 'suspend'\nat = '1s'\nlasts = '1h'\n{more}"));
        assert!(asleep("clock = 'stops'").contains("stands-still"));
        assert!(asleep("percent = 101").contains("faults.percent must be 100 or less"));
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
