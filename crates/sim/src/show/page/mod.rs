//! The page for a meeting: one file of HTML with its drawings in it, that needs no network and no script.

mod charts;
mod facts;
mod svg;

use crate::access_log::{Reading, Replayed};
use crate::outcome::Outcome;
use crate::show::summary::{BASELINE, Driver, Summary};
use crate::show::words;

use svg::escape;

/// What the page is made of.
#[derive(Clone, Debug)]
pub struct Report<'r> {
    /// What the page is called: the scenario, or the log.
    pub name: String,
    /// All worlds.
    pub worlds: &'r [Outcome],
    /// One summary a policy.
    pub summaries: &'r [Summary],
    /// What a gigabyte from the origin costs.
    pub money: Option<Money>,
    /// What was assumed, one sentence each.
    pub assumptions: Vec<String>,
    /// What other assumptions would come to.
    pub drivers: &'r [Driver],
    /// The log that the audience is from.
    pub log: Option<(&'r Reading, &'r Replayed)>,
    /// The command that makes these figures again.
    pub command: String,
}

/// The price of delivery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Money {
    /// For a gigabyte (10⁹ bytes) from the origin.
    pub per_gigabyte: f64,
}

impl Money {
    /// What so many bytes cost.
    pub fn of(self, bytes: f64) -> f64 {
        bytes / 1e9 * self.per_gigabyte
    }
}

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut body = String::new();
    for part in [
        facts::head(report),
        facts::cards(report),
        charts::sources(report),
        charts::origin(report),
        charts::startup(report),
        facts::no_harm(report),
        charts::popularity(report),
        facts::money(report),
        facts::drivers(report),
        facts::table(report),
        facts::assumptions(report),
    ] {
        body.push_str(&part);
    }
    let name = escape(&report.name);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Nearcast forecast: {name}</title>\n<style>\n{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        include_str!("style.css")
    )
}

impl Report<'_> {
    /// The policy that the page is about: the first that is not what a provider has today, and no bound.
    fn ours(&self) -> Option<&Summary> {
        self.summaries.iter().find(|s| s.policy != BASELINE && !s.bound).or(self.summaries.first())
    }

    /// What a provider has today.
    fn alone(&self) -> Option<&Summary> {
        self.summaries.iter().find(|s| s.policy == BASELINE)
    }

    /// The first world of a policy.
    fn world(&self, policy: &str) -> Option<&Outcome> {
        self.worlds.iter().find(|world| world.policy == policy)
    }

    /// The colour of a policy.
    fn class(&self, policy: &str) -> &'static str {
        match policy {
            BASELINE => "alone",
            policy if self.ours().is_some_and(|ours| ours.policy == policy) => "ours",
            "oracle" => "bound",
            "oracle-told" => "told",
            "p2p-media-loader" => "fourth",
            "isp-blind" => "fifth",
            _ => "third",
        }
    }
}

/// A chapter with a heading, a sentence and its content.
fn section(heading: &str, words: &str, content: &str) -> String {
    format!("<section><h2>{}</h2>\n<p>{}</p>\n{content}</section>\n", escape(heading), escape(words))
}

/// What colours stand for.
fn legend(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(class, name)| format!("<span><i class=\"{class}\"></i>{}</span>", escape(name)))
        .collect();
    format!("<div class=\"legend\">{}</div>", entries.join(""))
}

/// How a policy is called on the page.
fn named(policy: &str) -> String {
    match policy {
        "nearcast" => "Nearcast".to_owned(),
        BASELINE => "origin only (today)".to_owned(),
        "oracle" => "the best possible with the future known (a bound)".to_owned(),
        "oracle-told" => "the best possible without the future (a bound)".to_owned(),
        "spotify-2010" => "Spotify's published design of 2010".to_owned(),
        other => other.to_owned(),
    }
}

/// A value with what the seeds made of it.
fn ranged(value: &str, seeds: u32, low: &str, high: &str) -> String {
    if seeds > 1 && low != high { format!("{value} ({low} to {high})") } else { value.to_owned() }
}

/// Seconds of an evening as a time of day or a length.
fn moment(seconds: u64, begins_at: Option<u64>) -> String {
    match begins_at {
        Some(start) => {
            let at = start + seconds;
            format!("{:02}:{:02}", at / 3_600 % 24, at / 60 % 60)
        }
        None => words::duration(seconds),
    }
}
