//! ffmpeg and ffprobe, the programs that turn media into what browsers play. They are found on PATH, and
//! nothing but sound and pictures is asked of them: what is published is laid out here.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nearcast_content::WebUrl;

/// Containers that are opened. Playlists of any kind are not among them: a file that only calls itself a film
/// must not make ffmpeg read other files or addresses.
const CONTAINERS: &str = "mov,matroska,webm,ogg,mp3,flac,wav,aiff,aac,avi,mpeg,mpegts,asf,flv,ape,wv,mpc,mpc8,\
                          tta,caf,w64,au,dsf,amr,ac3,eac3,dts,mpegvideo,h264,hevc,ivf,srt,webvtt,ass,image2";

/// Longest answer of ffprobe that is read: thousands of chapters.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Longest end of what a program complained of that is kept.
const MAX_LINES: usize = 8;
/// Longest line of it.
const MAX_LINE: u64 = 400;

/// Where the two programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ffmpeg {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
}

/// Why a program came to no good end.
#[derive(Debug, thiserror::Error)]
pub(super) enum FfmpegError {
    #[error("{} cannot be run: {why}", program.display())]
    Start { program: PathBuf, why: std::io::Error },
    #[error("ffmpeg fails on it: {0}")]
    Failed(String),
    #[error("ffprobe says what is not understood: {0}")]
    Answer(String),
}

impl Ffmpeg {
    /// The programs on this machine's PATH, if both are there.
    pub fn on_path() -> Option<Self> {
        Self::within(&std::env::var_os("PATH")?)
    }

    pub(super) fn within(path: &OsStr) -> Option<Self> {
        let find = |name: &str| std::env::split_paths(path).map(|f| f.join(name)).find(|p| is_program(p));
        Some(Self { ffmpeg: find("ffmpeg")?, ffprobe: find("ffprobe")? })
    }

    /// What ffprobe says of `input`, as JSON.
    pub(super) fn probe(&self, input: &Path) -> Result<Vec<u8>, FfmpegError> {
        self.ask("file", &file_url(input))
    }

    /// What ffprobe says of a file on a web server, of which it reads the parts that tell.
    pub(super) fn probe_web(&self, url: &WebUrl) -> Result<Vec<u8>, FfmpegError> {
        self.ask("http,https,tcp,tls", OsStr::new(url.as_str()))
    }

    fn ask(&self, protocols: &str, input: &OsStr) -> Result<Vec<u8>, FfmpegError> {
        let mut command = tied(&self.ffprobe);
        command.args(["-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]);
        command.args(["-protocol_whitelist", protocols, "-format_whitelist", CONTAINERS]).arg(input);
        run(&self.ffprobe, command, |out| {
            let mut bytes = Vec::new();
            out.take(MAX_ANSWER).read_to_end(&mut bytes).map(|_| bytes)
        })
    }

    /// Runs ffmpeg on `input` with `output` options and file names relative to `folder`. Tells `progress` how
    /// many milliseconds of the media are done.
    pub(super) fn convert(
        &self,
        input: &Path,
        before: &[OsString],
        output: &[OsString],
        folder: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), FfmpegError> {
        let mut command = tied(&self.ffmpeg);
        command.args(["-nostdin", "-hide_banner", "-v", "error", "-y", "-nostats", "-progress", "pipe:1"]);
        command.args(["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]);
        command.args(before).arg("-i").arg(file_url(input)).args(output).current_dir(folder);
        run(&self.ffmpeg, command, |out| {
            for line in BufReader::new(out).lines() {
                // In microseconds, despite its older sibling's name; "N/A" before the first packet.
                let time = line?.strip_prefix("out_time_us=").and_then(|us| us.trim().parse::<u64>().ok());
                time.into_iter().for_each(|us| progress(us / 1_000));
            }
            Ok(())
        })
    }
}

/// A name that ffmpeg takes for a file whatever characters it has.
fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

fn is_program(path: &Path) -> bool {
    let Ok(found) = path.metadata() else { return false };
    #[cfg(unix)]
    let may_run = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may_run = true;
    found.is_file() && may_run
}

/// Runs a program that ends when its standard input does, which is when we do: a publisher that was killed leaves
/// no encoder behind that works for hours for nobody.
#[cfg(unix)]
const TIED: &str = "exec 3<&0; \"$@\" </dev/null 3<&- & program=$!; \
                    (cat <&3; kill -9 $program) >/dev/null 2>&1 & watch=$!; \
                    wait $program; code=$?; kill $watch 2>/dev/null; exit $code";

#[cfg(unix)]
fn tied(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", TIED, "sh"]).arg(program);
    command
}

#[cfg(not(unix))]
fn tied(program: &Path) -> Command {
    Command::new(program)
}

/// Ends a program that is not waited for: its reader failed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn run<T>(
    program: &Path,
    mut command: Command,
    read: impl FnOnce(&mut dyn Read) -> std::io::Result<T>,
) -> Result<T, FfmpegError> {
    let fail = |why| FfmpegError::Start { program: program.to_owned(), why };
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = Running(child.map_err(fail)?);
    // Open until the program has ended.
    let _life = running.0.stdin.take();
    let (out, complaints) = (running.0.stdout.take(), running.0.stderr.take());
    let (answer, said) = std::thread::scope(|scope| {
        let said = scope.spawn(|| complaints.map(last_lines).unwrap_or_default());
        let answer =
            out.ok_or_else(|| std::io::ErrorKind::BrokenPipe.into()).and_then(|mut out| read(&mut out));
        if answer.is_err() {
            running.0.kill().ok();
        }
        (answer, said.join().unwrap_or_default())
    });
    let status = running.0.wait().map_err(fail)?;
    if status.success() { answer.map_err(fail) } else { Err(FfmpegError::Failed(in_a_line(&said, status))) }
}

/// The last lines of what a program says, whatever the length of the whole.
fn last_lines(mut from: impl Read) -> VecDeque<String> {
    let mut reader = BufReader::new(&mut from);
    let mut lines = VecDeque::new();
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return lines,
            Ok(_) => lines.push_back(String::from_utf8_lossy(&line).trim().to_owned()),
        }
        if lines.len() > MAX_LINES {
            lines.pop_front();
        }
    }
}

/// The complaint that says most: the last one. Addresses of memory and names of parts say nothing to a user.
fn in_a_line(said: &VecDeque<String>, status: std::process::ExitStatus) -> String {
    let plain = |line: &String| match line.strip_prefix('[').and_then(|l| l.split_once("] ")) {
        Some((_, rest)) => rest.to_owned(),
        None => line
            .strip_prefix("file:")
            .and_then(|l| l.rsplit_once(": "))
            .map_or(line.clone(), |l| l.1.to_owned()),
    };
    said.iter().rev().map(plain).find(|l| !l.is_empty()).unwrap_or_else(|| format!("it ended with {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_said_in_one_line_without_addresses() {
        let status = std::process::ExitStatus::default();
        let said = |lines: &[&str]| in_a_line(&lines.iter().map(|l| (*l).to_owned()).collect(), status);
        assert_eq!(said(&["[mov,mp4 @ 0x55d0] moov atom not found", ""]), "moov atom not found");
        let named = ["first", "file:/tmp/a: b.mkv: Invalid data found when processing input"];
        assert_eq!(said(&named), "Invalid data found when processing input");
        assert!(said(&[]).contains("exit status"));
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_kept() {
        let long = "x".repeat(1_000_000) + "\n" + &"y\n".repeat(1000) + "z";
        let kept = last_lines(long.as_bytes());
        assert_eq!((kept.len(), kept.back().map(String::as_str)), (MAX_LINES, Some("z")));
        assert!(kept.iter().all(|l| l.len() <= 400));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_ends_with_whoever_started_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let started = folder.path().join("pid");
        let mut command = tied(Path::new("/bin/sh"));
        command.args(["-c", "echo $$ > \"$0\"; exec sleep 1000"]).arg(&started);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let pid = || std::fs::read_to_string(&started).ok().and_then(|t| t.trim().parse::<i32>().ok());
        while pid().is_none() {
            std::thread::yield_now();
        }
        drop(child.stdin.take());
        let mut nothing = Vec::new();
        child
            .stdout
            .take()
            .expect("piped")
            .read_to_end(&mut nothing)
            .expect("it ends, and its output with it");
        assert!(!child.wait().expect("it ends").success());
    }

    #[test]
    fn programs_are_found_in_folders_of_the_path_only_if_they_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["ffmpeg", "ffprobe"].map(|n| folder.path().join(n));
        assert_eq!(Ffmpeg::within(folder.path().as_os_str()), None);
        names.iter().for_each(|n| std::fs::write(n, "#!/bin/sh\n").expect("written"));
        assert_eq!(Ffmpeg::within(folder.path().as_os_str()), None, "no program yet");
        #[cfg(unix)]
        for name in &names {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(name, mode).expect("ours");
        }
        let path = std::env::join_paths([Path::new("/nowhere"), folder.path()]).expect("plain");
        assert_eq!(Ffmpeg::within(&path).map(|f| f.ffprobe), Some(names[1].clone()));
    }
}
