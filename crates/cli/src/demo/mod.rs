//! `nearcast demo`: everything on this machine, shown live.
//!
//! Publishes the bundled samples (or `--media`), starts a provider with a narrow uplink and some listeners, each a
//! real process with its own identity, cache and connections, lets them play for a while ([`plan`] has the
//! programme), and sums up what each of them counted, held against the kernel's own counts ([`audit`]).
//!
//! The pieces: [`stage`] runs it all; [`children`] starts programs and sees to it that none is left behind;
//! [`listener`] is what runs in a listener's process, a node and a [`player`] that reads through its gateway;
//! [`counts`] and [`kernel`] read the figures; [`table`] shows them while it runs and [`summary`] at the end.

mod audit;
mod cast;
mod children;
mod counts;
mod hls;
mod kernel;
mod listener;
mod plan;
mod player;
mod report;
mod samples;
mod stage;
mod summary;
mod table;
mod track;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use nearcast_node::settings::parse_rate;
use tokio::signal::unix::{SignalKind, signal};

use crate::shell;

use self::stage::Stage;
use self::table::Terminal;

/// Most listeners. Each is a process of its own; beyond, the machine is measured and not the network.
const MAX_LISTENERS: u64 = 64;
/// As a shell reports the end by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// See it work: a provider with a narrow line and some listeners on this machine, for a minute.
///
/// Shows live who plays what and where the bytes come from, then sums it up. Ends with code 1 when the counts do
/// not agree with those of the kernel, or something broke.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// How many listeners.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=MAX_LISTENERS))]
    listeners: u64,
    /// Ceiling on what the provider sends.
    #[arg(long, value_name = "RATE", default_value = "20mbit", value_parser = parse_rate)]
    uplink: nearcast_engine::Rate,
    /// Folder of music and films to publish instead of the bundled ones.
    #[arg(long, value_name = "DIR")]
    media: Option<PathBuf>,
    /// For how long they listen. Starting and summing up take a few seconds more.
    #[arg(long, value_name = "N", default_value_t = 52, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    seconds: u64,
    /// Draws the programme: who comes when and plays what.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Leave everything running at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Print one JSON object at the end instead of text.
    #[arg(long)]
    json: bool,
}

/// Programs that only the demo starts. They stand in no help and no completions.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "nearcast")]
pub(crate) enum Backstage {
    DemoListener(listener::ListenerArgs),
    DemoTether(children::TetherArgs),
}

impl Backstage {
    /// The one that this process was started as, if any.
    pub(crate) fn called() -> Option<Self> {
        let first = std::env::args_os().nth(1)?;
        first.to_str()?.starts_with("demo-").then(<Self as clap::Parser>::parse)
    }

    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::DemoListener(args) => listener::run(args),
            Self::DemoTether(args) => children::tether(args),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    shell::start_logs();
    // One thread: the kernel ties children to the thread that starts them, and this one lives as long as the demo.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stage = Stage::new(&args)?;
        let outcome = play_out(&args, &mut stage).await;
        let closed = stage.close().await;
        let code = outcome?;
        closed?;
        Ok(code)
    })
}

async fn play_out(args: &DemoArgs, stage: &mut Stage) -> anyhow::Result<ExitCode> {
    let code = tokio::select! {
        code = perform(args, stage) => code?,
        told = told_to_stop() => return told.map(|()| ExitCode::from(INTERRUPTED)),
    };
    if args.keep {
        tokio::select! {
            kept = stage.keep() => kept?,
            told = told_to_stop() => told?,
        }
    }
    Ok(code)
}

async fn perform(args: &DemoArgs, stage: &mut Stage) -> anyhow::Result<ExitCode> {
    let mut terminal = Terminal::open();
    stage.open(&mut terminal).await?;
    stage.run(&mut terminal).await?;
    let summary = stage.sum_up().await?;
    drop(terminal);
    let text = if args.json { serde_json::to_string(&summary)? } else { summary.text() };
    shell::say(text.trim_end())?;
    Ok(if summary.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn told_to_stop() -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
