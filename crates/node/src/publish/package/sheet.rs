//! What is known of a packaged title, kept beside its files.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::probe::Probe;

/// The file that makes a folder a packaged title: it is written last.
const FILE: &str = "sheet.json";

/// A packaged title.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sheet {
    pub(super) name: Option<String>,
    pub(super) artist: Option<String>,
    pub(super) album: Option<String>,
    pub(super) track: Option<u32>,
    pub(super) disc: Option<u32>,
    pub(super) year: Option<u32>,
    pub(super) duration_ms: u64,
    /// Whether it is to be heard only.
    pub(super) sound_only: bool,
    /// File of the picture that came with the media.
    pub(super) cover: Option<String>,
    /// File of a picture out of the film.
    pub(super) still: Option<String>,
    /// File of chapters.
    pub(super) chapters: Option<String>,
    /// What was left out.
    pub(super) notes: Vec<String>,
}

impl Sheet {
    /// What a file says of itself.
    pub(super) fn of(probe: &Probe) -> Self {
        let text = |names: &[&str]| names.iter().find_map(|n| probe.tags.get(*n)).cloned();
        // "3", "3/12", "2024-05-01".
        let number = |names: &[&str]| {
            let text = text(names)?;
            let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().ok().filter(|n| (1..=9_999).contains(n))
        };
        Self {
            name: text(&["title"]),
            artist: text(&["artist", "album_artist"]),
            album: text(&["album"]),
            track: number(&["track", "tracknumber"]),
            disc: number(&["disc", "discnumber"]),
            year: number(&["date", "year"]),
            duration_ms: probe.duration_ms,
            sound_only: probe.video.is_none(),
            ..Self::default()
        }
    }

    /// The sheet of a finished folder.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Finishes a folder.
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        fs::write(folder.join(FILE), serde_json::to_vec(self)?)
    }
}
