//! A film in MP4 that browsers play as it is, for machines without ffmpeg: its codecs and its length.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use nearcast_content::manifest::{About, MediaKind, Protection, Role};
use nearcast_content::{ContentType, Text};

use super::audio;
use super::hls::mp4;
use super::plan::{self, Bytes, FileName, Plan, PlannedFile, Shape};

/// Why a film is not published as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilmError {
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("must be packaged for browsers, which needs ffmpeg; install it, or put it on PATH")]
    NeedsPackaging,
}

/// Largest list of samples that is read: a day of film.
const MAX_MOOV: u64 = 64 * 1024 * 1024;

/// Reads what is needed to publish the film at `path` as it is.
pub(super) fn plan(path: &Path) -> Result<Plan, FilmError> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if !["mp4", "m4v"].contains(&ending.as_str()) {
        return Err(FilmError::NeedsPackaging);
    }
    let moov = moov(path)?.ok_or(FilmError::NeedsPackaging)?;
    let tracks = mp4::tracks(&moov).filter(|t| t.picture);
    let codecs = tracks.and_then(|t| t.codecs).filter(|c| plays(c)).ok_or(FilmError::NeedsPackaging)?;
    let duration_ms = mp4::duration_ms(&moov).filter(|ms| *ms > 0).ok_or(FilmError::NeedsPackaging)?;
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let name = Text::clean(&stem).unwrap_or_else(|| Text::clean("Untitled").expect("plain letters"));
    let media = MediaKind::Video;
    let about = About { name, artist: None, album: None, track: None, disc: None, year: None, media };
    let file = PlannedFile {
        from: Bytes::File(path.to_owned()),
        to: FileName::OfTitle,
        content_type: ContentType::VideoMp4,
    };
    Ok(Plan {
        input: path.to_owned(),
        wish: plan::wish(None, &about.name, path),
        about,
        art: audio::picture_beside(path).or_else(|| path.parent().and_then(audio::folder_picture)),
        protection: Protection::None,
        files: vec![file],
        shape: Shape::Whole { role: Role::Muxed, codecs: codecs.parse().ok(), duration_ms },
        documents: Vec::new(),
        original: None,
        package: None,
    })
}

/// Whether every browser of today plays these codecs out of MP4.
fn plays(codecs: &str) -> bool {
    let known = ["avc1.42", "avc1.4d", "avc1.64", "vp09.00", "av01.0", "mp4a.40.", "mp4a.6b", "opus", "flac"];
    codecs.split(',').all(|codec| known.iter().any(|k| codec.starts_with(k)))
}

/// The box that lists the tracks, wherever in the file it is.
fn moov(path: &Path) -> Result<Option<Vec<u8>>, FilmError> {
    let mut file = File::open(path)?;
    let (mut at, mut head) = (0u64, [0; 16]);
    loop {
        file.seek(SeekFrom::Start(at))?;
        if file.read_exact(&mut head).is_err() {
            return Ok(None);
        }
        let len = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            1 => u64::from_be_bytes([
                head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15],
            ]),
            len => u64::from(len),
        };
        if &head[4..8] == b"moov" && (8..=MAX_MOOV).contains(&len) {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            file.take(len).read_to_end(&mut bytes)?;
            return Ok(Some(bytes));
        }
        match at.checked_add(len).filter(|_| len >= 8) {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
}
