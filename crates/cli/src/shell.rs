//! What the long-running commands share: logs, the runtime, the signal to stop, rates as people write them.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use nearcast_engine::Rate;
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

/// Reads a rate in bits a second: `20mbit`, `800kbit`, `1gbit`, or a plain number of bits.
pub(crate) fn rate(text: &str) -> anyhow::Result<Rate> {
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.strip_suffix("/s").unwrap_or(&lower);
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "bit" => 1,
        "k" | "kbit" => 1_000,
        "m" | "mbit" => 1_000_000,
        "g" | "gbit" => 1_000_000_000,
        _ => bail!("{text} is not a rate; write it like 20mbit or 800kbit"),
    };
    let number: u64 =
        number.parse().with_context(|| format!("{text} is not a rate; write it like 20mbit"))?;
    match number.checked_mul(factor) {
        Some(bits) if bits >= 8 => Ok(Rate::from_bits_per_sec(bits)),
        Some(_) | None => bail!("{text} is too small or too large for a rate"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_as_people_write_them() {
        assert_eq!(rate("20mbit").expect("a rate"), Rate::from_bits_per_sec(20_000_000));
        assert_eq!(rate(" 800 kbit/s").expect("a rate"), Rate::from_bits_per_sec(800_000));
        assert_eq!(rate("1g").expect("a rate"), Rate::from_bits_per_sec(1_000_000_000));
        for bad in ["", "fast", "-1mbit", "1", "20mb", "99999999999999999999", "99999999999gbit"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
