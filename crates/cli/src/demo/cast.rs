//! One listener as the demo sees it: its process, what it reports, what its node counted.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Url;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::children::{Child, Event, Who};
use super::counts::{self, Counts};
use super::plan::{Part, Show};
use super::report::{Now, Order};
use super::summary::{Departure, How};
use super::table::{Mood, Row};

/// Longest wait for a page of metrics, which comes at once unless the machine is overloaded.
const LOOK: Duration = Duration::from_secs(2);

/// A listener.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) number: usize,
    pub(crate) fate: Fate,
    child: Option<Child>,
    joined: Option<Instant>,
    gateway: Option<Url>,
    pub(crate) now: Now,
    /// As of the last look.
    pub(crate) counts: Counts,
}

/// Where a listener is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its time has not come.
    Expected,
    /// Its node starts.
    Joining,
    /// It listens.
    Here,
    /// It was told to go, or was killed, and is not gone yet.
    Going(How),
    /// It is gone.
    Gone(How),
}

impl Listener {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            fate: Fate::Expected,
            child: None,
            joined: None,
            gateway: None,
            now: Now::default(),
            counts: Counts::default(),
        }
    }

    /// Starts its process.
    pub(crate) fn join(
        &mut self,
        link: &str,
        state: &Path,
        events: mpsc::Sender<Event>,
    ) -> anyhow::Result<()> {
        let args: [OsString; 4] =
            ["demo-listener".into(), link.into(), "--state".into(), state.as_os_str().to_owned()];
        self.child = Some(Child::start(Who::Listener(self.number), &args, events)?);
        self.joined = Some(Instant::now());
        self.fate = Fate::Joining;
        Ok(())
    }

    /// Its node runs.
    pub(crate) fn ready(&mut self, gateway: &str) -> anyhow::Result<()> {
        self.gateway = Some(gateway.parse().context("a listener's gateway has no good address")?);
        self.fate = Fate::Here;
        Ok(())
    }

    /// Where its player and its pages are, once its node runs.
    pub(crate) fn gateway(&self) -> Option<&Url> {
        self.gateway.as_ref()
    }

    /// Hands it its programme.
    pub(crate) async fn give(&mut self, part: &Part, shows: &[Show]) -> anyhow::Result<()> {
        let (after, plays) = (part.chooses, part.plays.clone());
        self.order(&Order::Play { shows: shows.to_vec(), after, plays }).await
    }

    /// Ends its plays.
    pub(crate) async fn curtain(&mut self) -> anyhow::Result<()> {
        self.order(&Order::Curtain).await
    }

    async fn order(&mut self, order: &Order) -> anyhow::Result<()> {
        let line = serde_json::to_string(order)?;
        self.child.as_mut().context("a listener has no process")?.tell(&line).await
    }

    /// Reads what its node has counted. Without an answer the counts stay as they were.
    pub(crate) async fn look(&mut self, http: &reqwest::Client) -> anyhow::Result<()> {
        let who = Who::Listener(self.number);
        let url = self.gateway.as_ref().context("its node does not run")?.join("metrics")?;
        let page = timeout(LOOK, counts::fetch(http, &url)).await;
        let page = page.ok().with_context(|| format!("{who} does not answer at {url}"))?;
        self.counts = Counts::read(&page.with_context(|| format!("{who} shows no metrics"))?)?;
        Ok(())
    }

    /// Lets it go, or kills it; its counts stay as they are.
    pub(crate) fn send_off(&mut self, how: How) {
        if let Some(child) = &self.child {
            match how {
                How::Left => child.ask_to_end(),
                How::Killed => child.kill(),
            }
        }
        self.fate = Fate::Going(how);
    }

    /// Its process, to be ended.
    pub(crate) fn take_child(&mut self) -> Option<Child> {
        self.child.take()
    }

    pub(crate) fn last_words(&self) -> String {
        self.child.as_ref().map(Child::last_words).unwrap_or_default()
    }

    pub(crate) fn came(&self) -> bool {
        self.fate != Fate::Expected
    }

    /// For how long its node has been starting, if it is.
    pub(crate) fn joining_for(&self) -> Option<Duration> {
        self.joined.filter(|_| self.fate == Fate::Joining).map(|joined| joined.elapsed())
    }

    pub(crate) fn is_here(&self) -> bool {
        self.fate == Fate::Here
    }

    /// How it went before the end, if it did.
    pub(crate) fn departure(&self) -> Option<Departure> {
        match self.fate {
            Fate::Going(how) | Fate::Gone(how) => {
                Some(Departure { listener: self.number + 1, how, counts_are_partial: true })
            }
            Fate::Expected | Fate::Joining | Fate::Here => None,
        }
    }

    /// As the table shows it.
    pub(crate) fn row(&self, shows: &[Show]) -> Row {
        let play = self.now.play.as_ref();
        let mood = match self.fate {
            Fate::Expected => Mood::Expected,
            Fate::Joining => Mood::Joining,
            Fate::Here => match play {
                Some(play) => Mood::Plays(play.state),
                None if self.now.done => Mood::Serving,
                None => Mood::Choosing,
            },
            Fate::Going(How::Left) | Fate::Gone(How::Left) => Mood::Left,
            Fate::Going(How::Killed) | Fate::Gone(How::Killed) => Mood::Killed,
        };
        Row {
            number: self.number + 1,
            title: play.and_then(|play| shows.get(play.show)).map_or_else(String::new, |s| s.name.clone()),
            position: play.map_or(Duration::ZERO, |play| play.position),
            buffered: play.map_or(Duration::ZERO, |play| play.buffered),
            length: play.map_or(Duration::ZERO, |play| play.length),
            cache: self.counts.cache,
            peers: self.counts.peers,
            origin: self.counts.origin,
            mood,
        }
    }
}
