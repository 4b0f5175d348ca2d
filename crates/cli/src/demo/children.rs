//! The programs that the demo starts, and that must never outlive it.
//!
//! Each is started through `demo-tether`, which asks the kernel to kill it when the demo dies, even by SIGKILL, and
//! then becomes the program itself. Each is in a process group of its own, so that Ctrl-C reaches the demo alone,
//! which ends them in order; if the demo fails, they are killed when their owner is dropped.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Lines of standard error that are kept.
const TAIL: usize = 30;
/// Longest line that is kept or reported.
const LINE: usize = 64 * 1024;
/// Time to end in order.
const GRACE: Duration = Duration::from_secs(5);

/// Which child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    /// Makes the site.
    Publisher,
    /// Serves it.
    Provider,
    /// A listener, by its number from 0.
    Listener(usize),
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Publisher => f.write_str("the publisher"),
            Self::Provider => f.write_str("the provider"),
            Self::Listener(n) => write!(f, "listener {}", n + 1),
        }
    }
}

/// Something a child did.
#[derive(Debug)]
pub(crate) enum Event {
    /// It wrote a line to standard output.
    Line(Who, String),
    /// It ended.
    Ended(Who, ExitStatus),
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Child {
    who: Who,
    input: Option<ChildStdin>,
    errors: Arc<Mutex<VecDeque<String>>>,
    orders: mpsc::Sender<Signal>,
    life: JoinHandle<()>,
}

impl Child {
    /// Starts this very program with other arguments. To be called from the main thread, whose end is the demo's:
    /// the kernel goes by the thread that started a child.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn start<A: AsRef<OsStr>>(
        who: Who,
        args: &[A],
        events: mpsc::Sender<Event>,
    ) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("this program's own file is not known")?;
        let mut process = Command::new(own)
            .arg("demo-tether")
            .arg(std::process::id().to_string())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {who}"))?;
        let errors = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = process.stderr.take() {
            tokio::spawn(keep_tail(stderr, Arc::clone(&errors)));
        }
        let input = process.stdin.take();
        let (orders, received) = mpsc::channel(4);
        let life = tokio::spawn(live(who, process, received, events));
        Ok(Self { who, input, errors, orders, life })
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// When it reads no more.
    pub(crate) async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        // Told in words: as a cause, a broken pipe would pass for a reader of our own output that went away.
        let written = input.write_all(format!("{line}\n").as_bytes()).await;
        written.map_err(|why| anyhow::anyhow!("{} takes no orders: {why}", self.who))
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) {
        // A child that has ended needs no asking.
        let _ = self.orders.try_send(Signal::TERM);
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        let _ = self.orders.try_send(Signal::KILL);
    }

    /// Waits until it has ended; kills it when that takes too long.
    pub(crate) async fn ended(mut self) {
        self.input = None;
        if timeout(GRACE, &mut self.life).await.is_err() {
            self.kill();
            let _ = timeout(GRACE, &mut self.life).await;
        }
    }

    /// The last lines it wrote to standard error.
    pub(crate) fn last_words(&self) -> String {
        let lines = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("    {line}\n")).collect()
    }
}

/// Owns the child, so that signals go to it and never to whoever gets its number later.
async fn live(
    who: Who,
    mut process: tokio::process::Child,
    mut orders: mpsc::Receiver<Signal>,
    events: mpsc::Sender<Event>,
) {
    let lines = process.stdout.take().map(|out| tokio::spawn(forward(who, out, events.clone())));
    let mut open = true;
    let status = loop {
        tokio::select! {
            status = process.wait() => break status,
            signal = orders.recv(), if open => match signal {
                Some(signal) => {
                    let pid = process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
                    if let Some(Err(error)) = pid.map(|pid| kill_process(pid, signal)) {
                        tracing::warn!(%who, %error, "cannot be signalled");
                    }
                }
                None => open = false,
            }
        }
    };
    // What it said comes before that it ended.
    if let Some(lines) = lines {
        let _ = lines.await;
    }
    match status {
        Ok(status) => drop(events.send(Event::Ended(who, status)).await),
        Err(error) => tracing::warn!(%who, %error, "cannot be waited for"),
    }
}

async fn forward(who: Who, out: impl AsyncRead + Unpin, events: mpsc::Sender<Event>) {
    let mut out = BufReader::new(out);
    while let Some(line) = next_line(&mut out).await {
        if events.send(Event::Line(who, line)).await.is_err() {
            return;
        }
    }
}

async fn keep_tail(stderr: impl AsyncRead + Unpin, lines: Arc<Mutex<VecDeque<String>>>) {
    let mut stderr = BufReader::new(stderr);
    while let Some(line) = next_line(&mut stderr).await {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// The next line, of which at most [`LINE`] bytes are kept.
async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    loop {
        let chunk = from.fill_buf().await.ok()?;
        if chunk.is_empty() {
            return (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned());
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        let room = LINE.saturating_sub(line.len()).min(part.len());
        line.extend_from_slice(part.get(..room).unwrap_or_default());
        let used = end.map_or(chunk.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
    }
}

/// `nearcast demo-tether`: ties a program to the life of the demo, and becomes it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TetherArgs {
    /// Process whose end is to end this.
    parent: u32,
    /// Arguments of nearcast.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Runs the command.
pub(crate) fn tether(args: TetherArgs) -> anyhow::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;

    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .context("the kernel does not tie a program to its parent")?;
    // The demo may have died before the kernel was asked.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    anyhow::ensure!(parent == Some(args.parent), "the demo that started this is gone");
    let own = std::env::current_exe().context("this program's own file is not known")?;
    Err(std::process::Command::new(own).args(args.args).exec()).context("cannot become the program")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_told_apart_and_endless_ones_cut() {
        let long = "x".repeat(LINE + 10);
        let text = format!("one\n\n{long}\nlast");
        let mut from = BufReader::with_capacity(7, text.as_bytes());
        assert_eq!(next_line(&mut from).await.as_deref(), Some("one"));
        assert_eq!(next_line(&mut from).await.as_deref(), Some(""));
        assert_eq!(next_line(&mut from).await.map(|line| line.len()), Some(LINE));
        assert_eq!(next_line(&mut from).await.as_deref(), Some("last"));
        assert_eq!(next_line(&mut from).await, None);
    }

    #[tokio::test]
    async fn the_last_lines_of_many_are_kept() {
        let text: String = (0..100).map(|n| format!("{n}\n")).collect();
        let lines = Arc::default();
        keep_tail(text.as_bytes(), Arc::clone(&lines)).await;
        let kept = lines.lock().expect("whole").clone();
        assert_eq!((kept.len(), kept[0].as_str(), kept[TAIL - 1].as_str()), (TAIL, "70", "99"));
    }
}
