//! From what the user names to what can be published: files of sound and HLS folders, and what was left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nearcast_content::WebUrl;

use super::hls;

/// Something to publish as one title.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Input {
    /// A file of sound.
    Audio(PathBuf),
    /// A file of pictures, or of sound in a format that browsers do not play.
    Film(PathBuf),
    Hls {
        main: PathBuf,
    },
    /// A file or an HLS tree on another server, which stays there.
    Elsewhere(WebUrl),
}

/// Something that was not published, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file or folder.
    pub path: PathBuf,
    /// The reason, to be read after the path.
    pub why: String,
}

/// How deep folders are looked into: deeper than any library, and an end to circles of links.
const MAX_DEPTH: usize = 32;

const AUDIO: [&str; 9] = ["mp3", "m4a", "aac", "flac", "opus", "ogg", "oga", "wav", "m4b"];

/// Media that are packaged with ffmpeg.
const FILMS: [&str; 25] = [
    "mp4", "m4v", "mov", "mkv", "mka", "webm", "avi", "mpg", "mpeg", "ts", "m2ts", "mts", "vob", "wmv",
    "flv", "3gp", "ogv", "wma", "ape", "aif", "aiff", "aifc", "wv", "mpc", "tta",
];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) inputs: BTreeSet<Input>,
    pub(super) skipped: Vec<Skipped>,
}

/// Looks into everything the user named. `site` itself is left out, so that it may lie among the inputs.
pub(super) fn find(named: &[PathBuf], elsewhere: &[WebUrl], site: &Path) -> Found {
    let mut found = Found::default();
    found.inputs.extend(elsewhere.iter().cloned().map(Input::Elsewhere));
    let site = site.canonicalize().unwrap_or_else(|_| site.to_owned());
    for path in named {
        match path.canonicalize() {
            Ok(real) if real != site && real.starts_with(&site) => {
                found.skip(path, "lies in the site itself".to_owned());
            }
            Ok(real) if real.is_dir() => found.folder(&real, &site, MAX_DEPTH),
            Ok(real) => found.named_file(&real),
            Err(why) => found.skip(path, format!("cannot be read: {why}")),
        }
    }
    found.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl Found {
    fn skip(&mut self, path: &Path, why: String) {
        self.skipped.push(Skipped { path: path.to_owned(), why });
    }

    fn named_file(&mut self, path: &Path) {
        let ending = ending_of(path);
        if ending == "m3u8" {
            self.inputs.insert(Input::Hls { main: path.to_owned() });
        } else if AUDIO.contains(&ending.as_str()) {
            self.inputs.insert(Input::Audio(path.to_owned()));
        } else if FILMS.contains(&ending.as_str()) {
            self.inputs.insert(Input::Film(path.to_owned()));
        } else {
            self.skip(path, "is neither sound nor film nor an HLS playlist, by its name".to_owned());
        }
    }

    fn folder(&mut self, folder: &Path, site: &Path, depth: usize) {
        if folder == site {
            return;
        }
        if depth == 0 {
            return self.skip(folder, format!("lies more than {MAX_DEPTH} folders deep"));
        }
        match hls::main_playlist(folder) {
            Ok(Some(main)) => {
                self.inputs.insert(Input::Hls { main });
                return;
            }
            Ok(None) => {}
            Err(why) => return self.skip(folder, why.to_string()),
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(why) => return self.skip(folder, format!("cannot be read: {why}")),
        };
        let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
        paths.sort();
        for path in paths {
            if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')) {
                continue;
            }
            // Links to folders are not followed: they make circles, and name one file twice.
            let is_link = path.symlink_metadata().is_ok_and(|m| m.is_symlink());
            if path.is_dir() && !is_link {
                self.folder(&path, site, depth - 1);
            } else if path.is_file() {
                self.found_file(&path);
            }
        }
    }

    /// A file that was found, not named: what is no media at all is passed over in silence.
    fn found_file(&mut self, path: &Path) {
        let ending = ending_of(path);
        if AUDIO.contains(&ending.as_str()) {
            self.inputs.insert(Input::Audio(path.to_owned()));
        } else if FILMS.contains(&ending.as_str()) {
            self.inputs.insert(Input::Film(path.to_owned()));
        }
    }
}

fn ending_of(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}
