//! `nearcast demo-listener`: one listener of the demo, a node with a player that reads through its gateway.
//!
//! The node is that of `nearcast node`; the player knows nothing of it but its address, and speaks HTTP as any
//! player does.

mod fetch;
mod screen;
#[cfg(test)]
mod tests;

use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use nearcast_content::Link;
use nearcast_node::settings::Settings;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::screen::Screen;
use super::plan::{Play, Show};
use super::report::{Now, Order, Report};
use crate::node;
use crate::shell;

/// Pause between reports.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// A listener of the demo; reads orders from standard input and reports on standard output.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ListenerArgs {
    /// The provider's link.
    link: Link,
    /// Folder of the node's memory and cache.
    #[arg(long)]
    state: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: ListenerArgs) -> anyhow::Result<ExitCode> {
    shell::start_logs();
    shell::run(async |stop| listen(args, stop).await)?;
    Ok(ExitCode::SUCCESS)
}

async fn listen(args: ListenerArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let running = node::start_with(args.link, &settings(args.state)).await?;
    let gateway: reqwest::Url = running.gateway.parse().context("the gateway's address")?;
    say(&Report::Ready { gateway: running.gateway.clone(), node: running.node.key().to_string() })?;
    let now = Arc::new(Mutex::new(Now::default()));
    let reports = tokio::spawn(report(Arc::clone(&now), stop.clone()));
    let outcome = obey(orders(), gateway, now, &stop).await;
    if let Err(error) = &outcome {
        say(&Report::Failed { why: format!("{error:#}") })?;
    }
    stop.cancelled().await;
    reports.await.context("reporting ended badly")??;
    running.end().await
}

/// The settings of `nearcast node`, on this machine alone. The user's own do not count: they may say to share
/// nothing.
fn settings(state: PathBuf) -> Settings {
    let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let mut settings = Settings::default();
    settings.cache.dir = Some(state);
    settings.gateway.listen = loopback;
    settings.transport.listen = loopback;
    // Listeners stand for other people's devices: what this one runs on says nothing about them.
    settings.sharing.profile = nearcast_node::settings::Profile::Always;
    settings
}

/// Plays what it is told until the curtain or `stop`.
async fn obey(
    mut orders: mpsc::Receiver<anyhow::Result<Order>>,
    gateway: reqwest::Url,
    now: Arc<Mutex<Now>>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let order = stop.run_until_cancelled(orders.recv()).await;
    let Some(Some(order)) = order else { return leave(&now, stop) };
    let Order::Play { shows, after, plays } = order? else { return leave(&now, stop) };
    let mut screen = Screen::new(gateway, Arc::clone(&now))?;
    tokio::select! {
        played = play_all(&mut screen, &shows, after, &plays) => played?,
        () = stop.cancelled() => {}
        order = orders.recv() => match order {
            Some(order) => drop(order?),
            None => return leave(&now, stop),
        },
    }
    screen.switch_off();
    // Without plays the node goes on serving; it ends with the demo.
    loop {
        match stop.run_until_cancelled(orders.recv()).await {
            Some(Some(_)) => {}
            Some(None) | None => return leave(&now, stop),
        }
    }
}

async fn play_all(
    screen: &mut Screen,
    shows: &[Show],
    after: Duration,
    plays: &[Play],
) -> anyhow::Result<()> {
    tokio::time::sleep(after).await;
    for play in plays {
        let show = shows.get(play.show).context("a play of a title that is not in the list")?;
        screen.show(show, play).await.with_context(|| format!("cannot play {}", show.name))?;
    }
    Ok(())
}

/// The demo is gone, or over.
fn leave(now: &Mutex<Now>, stop: &CancellationToken) -> anyhow::Result<()> {
    now.lock().unwrap_or_else(PoisonError::into_inner).done = true;
    stop.cancel();
    Ok(())
}

/// Orders as they come. A thread of its own reads them, which no runtime waits for at its end; it ends with the
/// input.
fn orders() -> mpsc::Receiver<anyhow::Result<Order>> {
    let (send, receive) = mpsc::channel(4);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let order = line.map_err(anyhow::Error::from);
            let order = order.and_then(|line| serde_json::from_str(&line).context("not an order"));
            if send.blocking_send(order).is_err() {
                return;
            }
        }
    });
    receive
}

async fn report(now: Arc<Mutex<Now>>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let at_present = now.lock().unwrap_or_else(PoisonError::into_inner).clone();
        say(&Report::Now(at_present))?;
    }
    Ok(())
}

fn say(report: &Report) -> anyhow::Result<()> {
    shell::say(&serde_json::to_string(report)?)
}
