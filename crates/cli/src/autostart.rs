//! `nearcast node --install`: the node starts at login, as a systemd user unit.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, ensure};

use crate::shell;

/// Name of the unit.
const UNIT: &str = "nearcast.service";

/// Writes the unit that starts a node with `arguments`, and starts it where systemd is at hand.
pub(crate) fn install(arguments: &[String]) -> anyhow::Result<()> {
    let program = env::current_exe().context("where this program lies is not known")?;
    let path = unit_path()?;
    let folder = path.parent().context("the unit needs a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Folders may have been named from here.
    let here = env::current_dir().context("where this was called from is not known")?;
    fs::write(&path, unit(&program, &here, arguments)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    shell::say(&format!("Written: {}", path.display()))?;
    if systemctl(&["daemon-reload"]) && systemctl(&["enable", "--now", UNIT]) {
        return shell::say(
            "The node runs, and starts at login. `journalctl --user -u nearcast` shows its log.",
        );
    }
    shell::say("systemd does not answer for this user here. Where it does, this starts the node at login:")?;
    shell::say(&format!("  systemctl --user daemon-reload && systemctl --user enable --now {UNIT}"))
}

/// Stops the node and removes the unit.
pub(crate) fn uninstall() -> anyhow::Result<()> {
    let path = unit_path()?;
    ensure!(path.exists(), "there is no {}: nothing starts at login", path.display());
    let stopped = systemctl(&["disable", "--now", UNIT]);
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    shell::say(&format!("Removed: {}", path.display()))?;
    if stopped && systemctl(&["daemon-reload"]) {
        return shell::say("The node was stopped and starts at login no more.");
    }
    shell::say("systemd does not answer for this user here: a node that runs goes on until it is stopped.")
}

fn unit_path() -> anyhow::Result<PathBuf> {
    let dirs = directories::BaseDirs::new().context("no home folder was found")?;
    Ok(dirs.config_dir().join("systemd").join("user").join(UNIT))
}

/// The unit's text.
fn unit(program: &Path, from: &Path, arguments: &[String]) -> anyhow::Result<String> {
    let program = program.to_str().context("the path of this program is no text")?;
    let from = from.to_str().context("the path of this folder is no text")?.replace('%', "%%");
    let words: Vec<String> =
        [program, "node"].into_iter().chain(arguments.iter().map(String::as_str)).map(quoted).collect();
    Ok(format!(
        "[Unit]\n\
         Description=Nearcast node\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         WorkingDirectory={from}\n\
         ExecStart={}\n\
         Restart=on-failure\n\
         RestartSec=10\n\
         # SIGTERM makes the cache durable and closes connections in order.\n\
         TimeoutStopSec=30\n\
         Nice=5\n\
         NoNewPrivileges=yes\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        words.join(" ")
    ))
}

/// A word of a command line as systemd reads it: quoted, with its specifiers and variables escaped.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' | '$' => text.extend([c, c]),
            '\n' => text.push_str("\\n"),
            _ => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Whether systemd did what it was told for this user.
fn systemctl(arguments: &[&str]) -> bool {
    let mut command = Command::new("systemctl");
    command.arg("--user").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_starts_the_node_with_the_same_words() {
        let arguments = ["http://a/#nearcast=k", "--hours", "23:00-07:00", "--state", "/a b/100%$x\"y"];
        let unit =
            unit(Path::new("/usr/bin/nearcast"), Path::new("/srv/a 50%"), &arguments.map(str::to_owned))
                .expect("a unit");
        let start =
            unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it starts something");
        assert_eq!(
            start,
            "\"/usr/bin/nearcast\" \"node\" \"http://a/#nearcast=k\" \"--hours\" \"23:00-07:00\" \"--state\" \
             \"/a b/100%%$$x\\\"y\""
        );
        assert!(unit.contains("\nWorkingDirectory=/srv/a 50%%\n"), "{unit}");
        assert!(unit.contains("WantedBy=default.target"));
    }
}
