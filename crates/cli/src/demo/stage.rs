//! Runs the demo: opens with publishing and starting, follows the programme, ends with the counts.

mod ending;
mod opening;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::future::join_all;
use reqwest::Url;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::DemoArgs;
use super::cast::{Fate, Listener};
use super::children::{Child, Event, Who};
use super::counts::Counts;
use super::kernel::{KernelError, TcpLedger};
use super::plan::{Part, Show};
use super::report::Report;
use super::summary::How;
use super::table::{Terminal, View};

/// Pause between two pictures.
const FRAME: Duration = Duration::from_millis(250);
/// Longest time for a program to come up.
const START: Duration = Duration::from_secs(20);
/// Time over which the provider's rate is taken.
const RATE_OVER: Duration = Duration::from_secs(1);
/// Events that may wait: a few from each of the most listeners.
const EVENTS: usize = 256;

/// Everything that runs, and what is known of it.
pub(crate) struct Stage {
    args: DemoArgs,
    folder: TempDir,
    http: reqwest::Client,
    events: mpsc::Receiver<Event>,
    tell: mpsc::Sender<Event>,
    publisher: Option<Child>,
    provider: Option<Child>,
    site: Option<Serving>,
    shows: Vec<Show>,
    cast: Vec<Listener>,
    cues: VecDeque<(Duration, Cue)>,
    parts: Vec<Part>,
    curtain_up: Instant,
    loopback_before: Result<u64, KernelError>,
    ledger: Result<TcpLedger, KernelError>,
    /// When how much had left the provider.
    sent: VecDeque<(Instant, u64)>,
}

/// Where the provider is.
#[derive(Clone, Debug, serde::Deserialize)]
struct Serving {
    url: Url,
    link: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cue {
    Join(usize),
    Leave(usize, How),
}

impl Stage {
    pub(crate) fn new(args: &DemoArgs) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("nearcast-demo-").tempdir();
        let (tell, events) = mpsc::channel(EVENTS);
        let listeners = usize::try_from(args.listeners)?;
        Ok(Self {
            args: args.clone(),
            folder: folder.context("no folder for temporary files")?,
            http: crate::gateway::http_client()?.build()?,
            events,
            tell,
            publisher: None,
            provider: None,
            site: None,
            shows: Vec::new(),
            cast: (0..listeners).map(Listener::new).collect(),
            cues: VecDeque::new(),
            parts: Vec::new(),
            curtain_up: Instant::now(),
            loopback_before: Err(KernelError::Hidden("anything yet")),
            ledger: Err(KernelError::Hidden("anything yet")),
            sent: VecDeque::new(),
        })
    }

    /// Follows the programme to its end.
    pub(crate) async fn run(&mut self, terminal: &mut Terminal) -> anyhow::Result<()> {
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = self.curtain_up + self.lasts();
        while Instant::now() < end {
            let cue = self.cues.front().map_or(end, |(at, _)| (self.curtain_up + *at).min(end));
            tokio::select! {
                event = self.events.recv() => self.note(event.context("all programs are gone")?).await?,
                () = sleep_until(cue.into()) => self.follow_cues().await?,
                _ = frames.tick() => {
                    self.look().await?;
                    terminal.show(&self.view());
                }
            }
        }
        Ok(())
    }

    async fn follow_cues(&mut self) -> anyhow::Result<()> {
        let now = self.curtain_up.elapsed();
        while let Some((_, cue)) = self.cues.front().copied().filter(|(at, _)| *at <= now) {
            self.cues.pop_front();
            match cue {
                Cue::Join(n) => self.join(n)?,
                Cue::Leave(n, how) => {
                    let Some(listener) = self.cast.get_mut(n) else { continue };
                    ensure!(listener.is_here(), "{} is not up when it should go", Who::Listener(n));
                    // What it counted is gone with it.
                    listener.look(&self.http).await?;
                    listener.send_off(how);
                }
            }
        }
        Ok(())
    }

    fn join(&mut self, n: usize) -> anyhow::Result<()> {
        let site = self.site.clone().context("there is no provider")?;
        let state = self.path(&format!("listener-{}", n + 1));
        let listener = self.cast.get_mut(n).context("no such listener")?;
        listener.join(&site.link, &state, self.tell.clone())
    }

    async fn give_part(&mut self, n: usize) -> anyhow::Result<()> {
        match (self.cast.get_mut(n), self.parts.get(n)) {
            (Some(listener), Some(part)) => listener.give(part, &self.shows).await,
            _ => Ok(()),
        }
    }

    /// Takes in what a child did.
    async fn note(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Line(Who::Listener(n), line) => {
                let who = Who::Listener(n);
                let report =
                    serde_json::from_str(&line).with_context(|| format!("{who} says something odd"))?;
                let listener = self.cast.get_mut(n).context("no such listener")?;
                match report {
                    Report::Ready { gateway, .. } => {
                        listener.ready(&gateway)?;
                        self.give_part(n).await?;
                    }
                    Report::Now(now) => listener.now = now,
                    Report::Failed { why } => bail!("{who}: {why}\n{}", listener.last_words()),
                }
            }
            Event::Ended(Who::Listener(n), status) => match self.cast.get_mut(n) {
                Some(listener) => match listener.fate {
                    Fate::Going(how) | Fate::Gone(how) => listener.fate = Fate::Gone(how),
                    Fate::Expected | Fate::Joining | Fate::Here => {
                        bail!("{}", self.died(Who::Listener(n), status))
                    }
                },
                None => bail!("a listener that nobody knows has ended"),
            },
            Event::Ended(Who::Provider, status) => bail!("{}", self.died(Who::Provider, status)),
            Event::Line(Who::Publisher | Who::Provider, _) | Event::Ended(Who::Publisher, _) => {}
        }
        Ok(())
    }

    /// Reads all counts. A listener that does not answer is no failure until the end, when it counts.
    async fn look(&mut self) -> anyhow::Result<()> {
        if let Some(late) = self.cast.iter().find(|l| l.joining_for().is_some_and(|time| time > START)) {
            bail!("{}", self.late(Who::Listener(late.number)));
        }
        let http = &self.http;
        let here = self.cast.iter_mut().filter(|listener| listener.is_here());
        for failed in
            join_all(here.map(|listener| listener.look(http))).await.into_iter().filter_map(Result::err)
        {
            tracing::debug!("{failed:#}");
        }
        if let Ok(ledger) = &self.ledger {
            match ledger.acked() {
                Ok(acked) => self.sent.push_back((Instant::now(), acked.bytes())),
                Err(error) => self.ledger = Err(error),
            }
        }
        while self.sent.front().is_some_and(|(when, _)| when.elapsed() > RATE_OVER + FRAME) {
            self.sent.pop_front();
        }
        Ok(())
    }

    fn view(&self) -> View {
        let total = self.total();
        View {
            elapsed: self.curtain_up.elapsed(),
            lasts: self.lasts(),
            uplink: self.rate(),
            ceiling: self.args.uplink.bytes_per_sec(),
            offload: total.offload(),
            rows: self.cast.iter().map(|listener| listener.row(&self.shows)).collect(),
        }
    }

    /// Bytes per second that leave the provider, as the kernel counts.
    fn rate(&self) -> Option<u64> {
        let ((begun, before), (ended, after)) = (self.sent.front()?, self.sent.back()?);
        let micros = u64::try_from(ended.duration_since(*begun).as_micros()).ok()?;
        after.saturating_sub(*before).saturating_mul(1_000_000).checked_div(micros)
    }

    fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.cast.iter().for_each(|listener| total += listener.counts);
        total
    }

    fn lasts(&self) -> Duration {
        Duration::from_secs(self.args.seconds)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn last_words(&self, who: Who) -> String {
        match who {
            Who::Publisher => self.publisher.as_ref().map(Child::last_words),
            Who::Provider => self.provider.as_ref().map(Child::last_words),
            Who::Listener(n) => self.cast.get(n).map(Listener::last_words),
        }
        .unwrap_or_default()
    }

    fn died(&self, who: Who, status: std::process::ExitStatus) -> String {
        format!("{who} ended unexpectedly ({status}); its last words:\n{}", self.last_words(who))
    }

    fn late(&self, who: Who) -> String {
        format!(
            "{who} did not come up within {} seconds; its last words:\n{}",
            START.as_secs(),
            self.last_words(who)
        )
    }
}
