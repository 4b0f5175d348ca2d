//! `nearcast demo` as a user runs it: its result, and that it leaves nothing behind however it ends.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

/// Longest time for anything but the demo itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running demo with a folder of its own for temporary files.
struct Demo {
    process: Child,
    said: BufReader<std::process::ChildStderr>,
    temporary: TempDir,
}

impl Demo {
    fn start(args: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        let mut process = Command::new(env!("CARGO_BIN_EXE_nearcast"))
            .arg("demo")
            .args(args)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let said = BufReader::new(process.stderr.take().expect("piped"));
        Self { process, said, temporary }
    }

    fn pid(&self) -> Pid {
        pid(self.process.id())
    }

    /// Reads on until `what` is said.
    fn until_said(&mut self, what: &str) {
        let mut all = String::new();
        while !all.contains(what) {
            let mut line = String::new();
            let read = self.said.read_line(&mut line).expect("text");
            assert!(read > 0, "the demo ended before it said {what}:\n{all}");
            all += &line;
        }
    }

    /// What it still has to say, and how it ends.
    fn end(mut self) -> (ExitStatus, String, String, TempDir) {
        let mut errors = String::new();
        self.said.read_to_string(&mut errors).expect("text");
        let mut result = String::new();
        self.process.stdout.take().expect("piped").read_to_string(&mut result).expect("text");
        (self.process.wait().expect("ends"), result, errors, self.temporary)
    }

    /// Its processes whose command line holds `word`.
    fn children(&self, word: &str) -> Vec<u32> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // A process may end while it is looked at.
            let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
            let status = String::from_utf8_lossy(&read("status")).into_owned();
            let parent =
                status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<u32>().ok());
            let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            if parent == Some(self.process.id()) && command.contains(word) {
                found.push(id);
            }
        }
        found
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("fits")).expect("not zero")
}

/// Waits until a process of ours or of a child's has ended.
fn assert_ends(id: u32) {
    let Ok(handle) = pidfd_open(pid(id), PidfdFlags::empty()) else { return };
    let timeout = Timespec::try_from(PATIENCE).expect("fits");
    let ended = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout)).expect("polls");
    assert_eq!(ended, 1, "process {id} goes on");
}

fn assert_empty(folder: &Path) {
    let left: Vec<_> = std::fs::read_dir(folder).expect("a folder").flatten().map(|e| e.path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn a_short_demo_plays_without_a_stall_and_agrees_with_the_kernel() {
    let demo = Demo::start(&["--listeners", "3", "--seconds", "20", "--json"]);
    let (status, result, errors, temporary) = demo.end();
    assert!(status.success(), "{status}\n{errors}\n{result}");
    let told: serde_json::Value = serde_json::from_str(&result).expect("one JSON object");
    assert_eq!(told["listeners"], 3, "{result}");
    assert_eq!(told["stalls"], 0, "{result}");
    assert_eq!(told["unstarted"], 0, "{result}");
    assert_eq!(told["rejected_blocks"], 0, "{result}");
    assert!(told["verified_blocks"].as_u64().expect("a number") > 100, "{result}");
    assert!(told["offload"].as_f64().expect("a number") > 0.0, "{result}");
    assert!(told["bytes"]["peers"].as_u64().expect("a number") > 500_000, "{result}");
    let (p50, max) = (&told["startup_ms"]["p50"], &told["startup_ms"]["max"]);
    assert!(p50.as_f64().expect("a number") <= max.as_f64().expect("a number"), "{result}");
    let verdicts: Vec<_> = told["checks"].as_array().expect("a list").iter().map(|c| &c["verdict"]).collect();
    assert_eq!(verdicts, ["passed"; 5], "{result}");
    assert_eq!(told["departures"].as_array().expect("a list").len(), 2, "one leaves, one is killed");
    assert_empty(temporary.path());
}

#[test]
fn an_interrupt_ends_all_it_started() {
    let mut demo = Demo::start(&["--listeners", "2", "--seconds", "300"]);
    demo.until_said("1 playing");
    let children = demo.children("nearcast");
    assert!(children.len() >= 2, "a provider and a listener: {children:?}");
    kill_process(demo.pid(), Signal::INT).expect("a running demo");
    let (status, result, errors, temporary) = demo.end();
    assert_eq!(status.code(), Some(130), "{errors}");
    assert_eq!(result, "", "no result of half a demo");
    children.into_iter().for_each(assert_ends);
    assert_empty(temporary.path());
}

#[test]
fn what_it_started_dies_with_it_even_when_it_is_killed() {
    let mut demo = Demo::start(&["--listeners", "2", "--seconds", "300"]);
    demo.until_said("1 playing");
    let children = demo.children("nearcast");
    assert!(children.len() >= 2, "a provider and a listener: {children:?}");
    kill_process(demo.pid(), Signal::KILL).expect("a running demo");
    let (status, ..) = demo.end();
    assert!(!status.success());
    children.into_iter().for_each(assert_ends);
}

#[test]
fn a_listener_that_dies_unasked_fails_the_demo_by_name() {
    let mut demo = Demo::start(&["--listeners", "2", "--seconds", "300", "--json"]);
    demo.until_said("1 playing");
    let children = demo.children("nearcast");
    let victim = *demo.children("demo-listener").first().expect("a listener");
    kill_process(pid(victim), Signal::KILL).expect("a running listener");
    let (status, result, errors, temporary) = demo.end();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert_eq!(result, "", "no result of half a demo");
    assert!(errors.contains("listener 1 ended unexpectedly"), "{errors}");
    children.into_iter().for_each(assert_ends);
    assert_empty(temporary.path());
}

#[test]
fn media_that_cannot_be_published_is_said_so() {
    let media = tempfile::tempdir().expect("a folder");
    std::fs::write(media.path().join("notes.txt"), "no music").expect("writes");
    let demo = Demo::start(&["--media", media.path().to_str().expect("text"), "--json"]);
    let (status, _, errors, temporary) = demo.end();
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("publish"), "{errors}");
    assert_empty(temporary.path());
}
