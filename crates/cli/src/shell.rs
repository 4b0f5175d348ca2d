//! What the long-running commands share: logs, the runtime, the signal to stop.

use std::io::Write as _;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Sends logs to standard error; `NEARCAST_LOG` chooses what, as in `info,nearcast_node=debug`. What goes wrong
/// in the transport is told by our own part of it; iroh calls an ordinary end of its relay channel an error.
pub(crate) fn start_logs() {
    let filter = EnvFilter::try_from_env("NEARCAST_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,iroh=off,iroh_relay=off,nearcast_node=info,nearcast=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}

/// Runs `work` with a token that is cancelled on Ctrl-C or SIGTERM.
pub(crate) fn run<T>(work: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
        let told = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            told.cancel();
        });
        work(stop).await
    })
}

/// Prints one line to standard output, at once even when that is a pipe.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write to standard output")
}
