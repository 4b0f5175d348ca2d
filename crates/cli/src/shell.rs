//! What the long-running commands share: logs, the runtime, the signal to stop.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Sends logs to standard error; `NEARCAST_LOG` chooses what, as in `info,nearcast_node=debug`. What goes wrong
/// in the transport is told by our own part of it; iroh calls an ordinary end of its relay channel an error.
pub(crate) fn start_logs() {
    let filter = EnvFilter::try_from_env("NEARCAST_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,iroh=off,iroh_relay=off,nearcast_node=info,nearcast=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// How many threads take turns at what a command does. What waits for a disk has threads of its own beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// One: what a household's line carries is little, and to hand it from thread to thread costs more than to do it
    /// (docs/tuning.md).
    One,
    /// One for each core: an audience is served.
    AllCores,
}

/// Runs `work` with a token that is cancelled on Ctrl-C or SIGTERM.
pub(crate) fn run<T>(work: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<T>) -> anyhow::Result<T> {
    run_on(Threads::One, work)
}

/// As [`run`], on so many threads.
pub(crate) fn run_on<T>(
    threads: Threads,
    work: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    match threads {
        Threads::One => builder.worker_threads(1),
        Threads::AllCores => &mut builder,
    };
    let runtime = builder.enable_all().build()?;
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

/// Reads an address to listen on or to ask, as people write it: `127.0.0.1:8420`, `localhost:8420`, `[::1]:8420`, or as
/// `http://127.0.0.1:8420/`, which is how it is printed.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix("http://").map_or(text, |rest| rest.strip_suffix('/').unwrap_or(rest));
    let port = text.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok());
    match port {
        Some(port) => Ok((std::net::Ipv4Addr::LOCALHOST, port).into()),
        None => text.parse().map_err(|_| "write it like 127.0.0.1:8420".to_owned()),
    }
}

/// A stranger's text without what would move the cursor or turn the text around it.
pub(crate) fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !c.is_control() && !turns(*c)).collect()
}

/// Bytes as people read them: `8.4 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let (unit, name) = match bytes {
        1_000_000_000.. => (1_000_000_000, "GB"),
        1_000_000.. => (1_000_000, "MB"),
        1_000.. => (1_000, "kB"),
        _ => return format!("{bytes} B"),
    };
    format!("{}.{} {name}", bytes / unit, bytes / (unit / 10) % 10)
}

/// A moment in local time: its clock today, with its date on another day.
pub(crate) fn clock(unix: u64) -> String {
    use chrono::{Local, TimeZone as _};
    let at = i64::try_from(unix).ok().and_then(|unix| Local.timestamp_opt(unix, 0).single());
    let Some(at) = at else { return format!("second {unix}") };
    let today = Local::now().date_naive() == at.date_naive();
    at.format(if today { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
}

/// A progress bar on standard error that stays hidden beside JSON and away from a terminal.
pub(crate) fn bar(json: bool) -> indicatif::ProgressBar {
    let shown = !json && io::stderr().is_terminal();
    let target =
        if shown { indicatif::ProgressDrawTarget::stderr() } else { indicatif::ProgressDrawTarget::hidden() };
    indicatif::ProgressBar::with_draw_target(Some(0), target)
}

/// A number of things: `1 title`, `2 titles`.
pub(crate) fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Whether whoever read our output has gone away, as `head` does: no failure of ours.
pub(crate) fn reader_left(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    io.into_iter().any(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

/// What went wrong, in one line if that says it all. Many errors end with their own cause, which is then not said
/// a second time.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said.push_str("\n  because: ");
            said.push_str(&cause);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow!("refused").context("cannot connect: refused").context("no answer");
        assert_eq!(explain(&error), "no answer\n  because: cannot connect: refused");
    }

    #[test]
    fn addresses_read_as_people_write_them() {
        assert_eq!(address("localhost:8420"), Ok(([127, 0, 0, 1], 8420).into()));
        assert_eq!(address("http://127.0.0.1:8400/"), Ok(([127, 0, 0, 1], 8400).into()));
        assert_eq!(address("http://127.0.0.1:8400"), Ok(([127, 0, 0, 1], 8400).into()));
        assert_eq!(address("[::1]:1").expect("an address").port(), 1);
        for bad in ["8420", "localhost", "localhost:x", "example.org:80", ""] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_strangers_wrote_moves_no_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\u{202e}d é"), "a[2Jbcd é");
        assert_eq!([bytes(999), bytes(8_449_999), bytes(2_000_000_000)], ["999 B", "8.4 MB", "2.0 GB"]);
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            [count(0, "title"), count(1, "title"), count(2, "title")],
            ["0 titles", "1 title", "2 titles"]
        );
    }
}
