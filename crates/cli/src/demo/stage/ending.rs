//! The end: players stop, what is under way arrives, everything is counted and ended.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::super::audit::{Evidence, audit};
use super::super::cast::Listener;
use super::super::children::{Child, Event};
use super::super::counts::{self, Counts, ProviderCounts};
use super::super::kernel::loopback_bytes;
use super::super::report::Tally;
use super::super::summary::{Account, Summary};
use super::Stage;

/// Longest time for listeners to stop playing.
const CURTAIN: Duration = Duration::from_secs(3);
/// Longest time for what is under way to arrive.
const SETTLE: Duration = Duration::from_secs(3);
/// Pause between two looks of which the later must show nothing new.
const STILL: Duration = Duration::from_millis(300);

impl Stage {
    /// Ends all plays, waits until no more bytes move, and sums up.
    pub(crate) async fn sum_up(&mut self) -> anyhow::Result<Summary> {
        let lasted = self.curtain_up.elapsed();
        for listener in self.cast.iter_mut().filter(|listener| listener.is_here()) {
            listener.curtain().await?;
        }
        let dark = timeout(CURTAIN, self.until_dark()).await;
        dark.context("the listeners do not stop playing")??;
        self.settle().await?;
        let evidence = self.evidence().await?;
        let mut tally = Tally::default();
        self.cast.iter().for_each(|listener| tally.merge(&listener.now.tally));
        Ok(Summary::of(Account {
            listeners: self.cast.iter().filter(|listener| listener.came()).count(),
            lasted,
            seed: self.args.seed,
            tally,
            counts: evidence.listeners,
            departures: self.cast.iter().filter_map(Listener::departure).collect(),
            checks: audit(&evidence),
        }))
    }

    async fn until_dark(&mut self) -> anyhow::Result<()> {
        while self.cast.iter().any(|listener| listener.is_here() && !listener.now.done) {
            let event = self.events.recv().await.context("all programs are gone")?;
            self.note(event).await?;
        }
        Ok(())
    }

    /// Until two looks show the same, or too much time has passed: then some bytes are counted by one side alone,
    /// and the checks have to bear it.
    async fn settle(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut before = self.look_closely().await?;
        while begun.elapsed() < SETTLE {
            sleep(STILL).await;
            let after = self.look_closely().await?;
            if after == before {
                break;
            }
            before = after;
        }
        Ok(())
    }

    /// Reads all counts, and takes no silence.
    async fn look_closely(&mut self) -> anyhow::Result<Counts> {
        let http = &self.http;
        let here = self.cast.iter_mut().filter(|listener| listener.is_here());
        join_all(here.map(|listener| listener.look(http)))
            .await
            .into_iter()
            .collect::<anyhow::Result<()>>()?;
        Ok(self.total())
    }

    async fn evidence(&mut self) -> anyhow::Result<Evidence> {
        // The kernel first: asking the provider for its counts makes it send.
        let provider_tcp = match &self.ledger {
            Ok(ledger) => ledger.acked(),
            Err(error) => Err(error.clone()),
        };
        let loopback = match (&self.loopback_before, loopback_bytes()) {
            (Ok(before), Ok(after)) => Ok(after.saturating_sub(*before)),
            (Err(error), _) => Err(error.clone()),
            (_, Err(error)) => Err(error),
        };
        let site = self.site.as_ref().context("there is no provider")?;
        let page = counts::fetch(&self.http, &site.url.join("metrics")?).await?;
        let provider = ProviderCounts::read(&page)?;
        Ok(Evidence { listeners: self.total(), provider, provider_tcp, loopback })
    }

    /// Leaves everything running, and says where it is. Returns when something dies.
    pub(crate) async fn keep(&mut self) -> anyhow::Result<()> {
        let site = self.site.as_ref().context("there is no provider")?;
        eprintln!("\nEverything goes on until Ctrl-C.");
        eprintln!("  provider      {}  metrics {}metrics", site.url, site.url);
        eprintln!("  another node  nearcast node --state DIR --gateway 127.0.0.1:0 '{}'", site.link);
        for listener in self.cast.iter().filter(|listener| listener.is_here()) {
            if let Some(gateway) = listener.gateway() {
                eprintln!("  listener {:<4} {gateway}  metrics {gateway}metrics", listener.number + 1);
            }
        }
        loop {
            let event = self.events.recv().await.context("all programs are gone")?;
            if let Event::Ended(who, _) = &event {
                eprintln!("{who} has ended");
            }
            self.note(event).await?;
        }
    }

    /// Ends all programs, the listeners first, and removes what they wrote. To be called in every case.
    pub(crate) async fn close(mut self) -> anyhow::Result<()> {
        let mut listeners: Vec<Child> = self.cast.iter_mut().filter_map(Listener::take_child).collect();
        listeners.extend(self.publisher.take());
        end(listeners, &mut self.events).await;
        end(self.provider.take().into_iter().collect(), &mut self.events).await;
        let folder = self.folder.path().to_owned();
        self.folder.close().with_context(|| format!("cannot remove {}", folder.display()))
    }
}

/// Ends `children` together.
async fn end(children: Vec<Child>, events: &mut tokio::sync::mpsc::Receiver<Event>) {
    children.iter().for_each(Child::ask_to_end);
    let mut ended = std::pin::pin!(join_all(children.into_iter().map(Child::ended)));
    loop {
        tokio::select! {
            _ = &mut ended => return,
            // Their last events must not stand in the way of their end.
            Some(_) = events.recv() => {}
        }
    }
}
