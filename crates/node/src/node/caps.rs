//! What this device's user, clock, battery and line allow, told to the engine: at the start, when it changes, and
//! the time each half minute.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nearcast_content::BlockRange;
use nearcast_engine::swarm::{Caps, Input, Leaf, Pause, WallClock};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::drive::Told;
use super::state::{State, StateError};
use crate::settings::Profile;
use crate::wall::unix_seconds;

/// How often the clock, the battery and the line are looked at.
const LOOK: Duration = Duration::from_secs(30);
/// How long a program that is asked about the line may take.
const ASK: Duration = Duration::from_secs(2);
/// Where Linux says what the device runs on.
const POWER: &str = "/sys/class/power_supply";

/// The caps of this node.
#[derive(Debug)]
pub(super) struct OwnCaps {
    profile: Profile,
    caps: Mutex<Caps>,
    state: Arc<State>,
    tell: mpsc::Sender<Told>,
}

impl OwnCaps {
    /// `caps` as the user set them, with what he said in an earlier life about pausing.
    pub(super) fn open(
        caps: Caps,
        profile: Profile,
        state: Arc<State>,
        tell: mpsc::Sender<Told>,
    ) -> Result<Self, StateError> {
        let pause = state.pause()?;
        let leaf = (profile == Profile::Mobile).then_some(Leaf::Mobile);
        Ok(Self { profile, caps: Mutex::new(Caps { pause, leaf, ..caps }), state, tell })
    }

    /// The caps in force.
    pub(super) fn in_force(&self) -> Caps {
        *self.caps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn change(&self, change: impl FnOnce(&mut Caps)) {
        let caps = {
            let mut caps = self.caps.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut caps);
            *caps
        };
        self.say(Input::Caps(caps)).await;
    }

    async fn say(&self, input: Input<nearcast_content::Verified<BlockRange>>) {
        // Without the loop the node is stopping, and there is nobody to tell.
        let _ = self.tell.send(Told::Input(input)).await;
    }

    /// Pauses or resumes, in later lives too.
    pub(super) async fn pause(&self, pause: Pause) -> Result<(), StateError> {
        self.state.set_pause(pause)?;
        self.change(|caps| caps.pause = pause).await;
        Ok(())
    }

    /// Tells the engine everything, before anything can be served.
    pub(super) async fn begin(&self, leaf: JoinHandle<Option<Leaf>>) -> Result<(), StateError> {
        self.say(Input::Clock(wall_clock())).await;
        for handed in self.state.handed()? {
            self.say(Input::Handed(handed)).await;
        }
        // A question that came to nothing was no answer.
        let leaf = leaf.await.unwrap_or(None);
        self.change(|caps| caps.leaf = leaf).await;
        Ok(())
    }

    /// Keeps the engine's idea of time, power and line true for as long as it is polled.
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.say(Input::Clock(wall_clock())).await;
            let leaf = leaf(self.profile).await;
            self.change(|caps| caps.leaf = leaf).await;
        }
    }
}

/// Whether the device only takes, by what it is, runs on and is connected to.
pub(super) async fn leaf(profile: Profile) -> Option<Leaf> {
    match profile {
        Profile::Mobile => Some(Leaf::Mobile),
        Profile::Always => None,
        Profile::Home if on_battery(Path::new(POWER)) => Some(Leaf::Battery),
        Profile::Home => metered().await.then_some(Leaf::Metered),
    }
}

/// What the clock on the wall shows.
pub(super) fn wall_clock() -> WallClock {
    WallClock { unix: unix_seconds(), ahead: chrono::Local::now().offset().local_minus_utc() }
}

/// Whether the device runs on battery: it has a mains supply that gives nothing and a battery that empties. A
/// device without either runs on mains.
fn on_battery(supplies: &Path) -> bool {
    let Ok(supplies) = fs::read_dir(supplies) else { return false };
    let (mut mains, mut discharging) = (false, false);
    for supply in supplies.flatten() {
        let read = |name: &str| fs::read_to_string(supply.path().join(name)).unwrap_or_default();
        match read("type").trim() {
            "Mains" | "USB" => mains |= read("online").trim() == "1",
            // Batteries of mice and keyboards say that they are those of a device.
            "Battery" if read("scope").trim() != "Device" => {
                discharging |= read("status").trim() == "Discharging";
            }
            _ => {}
        }
    }
    discharging && !mains
}

/// Whether NetworkManager calls the line metered; no where there is none to ask. 1 is yes, 3 is a guess of yes.
async fn metered() -> bool {
    let asked = tokio::process::Command::new("busctl")
        .args(["--system", "--timeout=1", "get-property", "org.freedesktop.NetworkManager"])
        .args(["/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager", "Metered"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(ASK, asked).await {
        Ok(Ok(answer)) => matches!(String::from_utf8_lossy(&answer.stdout).trim(), "u 1" | "u 3"),
        Ok(Err(_)) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_on_battery_when_its_battery_empties_and_no_mains_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let supply = |name: &str, files: &[(&str, &str)]| {
            let dir = folder.path().join(name);
            fs::create_dir_all(&dir).expect("a folder");
            for (file, text) in files {
                fs::write(dir.join(file), text).expect("written");
            }
        };
        assert!(!on_battery(&folder.path().join("absent")));
        assert!(!on_battery(folder.path()), "a desktop");
        supply("hid", &[("type", "Battery\n"), ("scope", "Device\n"), ("status", "Discharging\n")]);
        assert!(!on_battery(folder.path()), "a mouse");
        supply("BAT0", &[("type", "Battery\n"), ("status", "Discharging\n")]);
        assert!(on_battery(folder.path()));
        supply("AC", &[("type", "Mains\n"), ("online", "1\n")]);
        assert!(!on_battery(folder.path()), "plugged in, but the battery still balances");
        supply("AC", &[("online", "0\n")]);
        assert!(on_battery(folder.path()));
        supply("BAT0", &[("status", "Full\n")]);
        assert!(!on_battery(folder.path()));
    }
}
