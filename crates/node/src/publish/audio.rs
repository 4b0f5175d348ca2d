//! A file of sound that browsers play as it is: its tags, its length, its picture.

use std::fs;
use std::path::Path;

use lofty::config::{ParseOptions, ParsingMode};
use lofty::file::{AudioFile, FileType, TaggedFileExt};
use lofty::mp4::{AudioObjectType, Mp4Codec, Mp4File};
use lofty::picture::PictureType;
use lofty::probe::Probe;
use lofty::tag::{Accessor, Tag};
use nearcast_content::manifest::{About, MediaKind, Protection, Role};
use nearcast_content::{ContentType, Text, Token};

use super::plan::{self, Bytes, FileName, Picture, Plan, PlannedFile, Shape};

/// Why a file of sound is not published.
#[derive(Debug, thiserror::Error)]
pub(super) enum AudioError {
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("is damaged or no sound file: {0}")]
    Damaged(String),
    #[error("holds {0}, which browsers do not play; with ffmpeg on PATH it is packaged for them")]
    Unplayable(&'static str),
    #[error("is locked to a shop's players")]
    Locked,
    #[error("holds no sound")]
    Silent,
}

/// Largest picture that is published: a cover for a large screen; more would only delay lists of titles.
const MAX_PICTURE: usize = 8 * 1024 * 1024;

/// Names under which a folder holds the cover of its files.
const COVERS: [&str; 4] = ["cover", "folder", "front", "poster"];

/// Whether a file of sound had better be packaged, where that is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// As it is, it starts and seeks as well as it could.
    AsItIs,
    /// It plays in some browsers only, starts or seeks slowly, or takes more room than it needs.
    Packaged,
}

/// Reads what is needed to publish the file at `path` as it is.
pub(super) fn plan(path: &Path) -> Result<(Plan, Fit), AudioError> {
    let options = ParseOptions::new().parsing_mode(ParsingMode::Relaxed);
    let probe = Probe::open(path).map_err(damaged)?.options(options).guess_file_type()?;
    let kind = probe.file_type().ok_or(AudioError::Unplayable("an unknown format"))?;
    let (content_type, codecs) = playable(path, kind)?;
    // Ogg Vorbis is not for Safari, ADTS has no index, PCM is twice as large as FLAC.
    let better = matches!(kind, FileType::Vorbis | FileType::Aac | FileType::Wav)
        || kind == FileType::Mp4 && !starts_with_its_index(path)?;
    let fit = if better { Fit::Packaged } else { Fit::AsItIs };
    let tagged = probe.read().map_err(damaged)?;
    let duration_ms = u64::try_from(tagged.properties().duration().as_millis()).unwrap_or(u64::MAX);
    if duration_ms == 0 {
        return Err(AudioError::Silent);
    }
    let tag = tagged.primary_tag().or_else(|| tagged.first_tag());
    let about = about(tag, path);
    let picture = tag.and_then(embedded_picture).or_else(|| path.parent().and_then(folder_picture));
    let file = PlannedFile { from: Bytes::File(path.to_owned()), to: FileName::OfTitle, content_type };
    let plan = Plan {
        input: path.to_owned(),
        wish: plan::wish(about.artist.as_ref(), &about.name, path),
        about,
        art: picture,
        protection: Protection::None,
        files: vec![file],
        shape: Shape::Whole {
            role: Role::Audio,
            codecs: codecs.and_then(|c| c.parse::<Token>().ok()),
            duration_ms,
        },
        documents: Vec::new(),
        original: None,
        package: None,
    };
    Ok((plan, fit))
}

/// What the tags of a file of sound say, and the picture in it; nothing when they cannot be read.
pub(super) fn tags(path: &Path) -> Option<(About, Option<Picture>)> {
    let options = ParseOptions::new().parsing_mode(ParsingMode::Relaxed).read_properties(false);
    let tagged = Probe::open(path).ok()?.options(options).guess_file_type().ok()?.read().ok()?;
    let tag = tagged.primary_tag().or_else(|| tagged.first_tag())?;
    Some((about(Some(tag), path), embedded_picture(tag)))
}

/// Whether players learn how to read an MP4 before they have to read it: otherwise a start takes the end of the
/// file first.
fn starts_with_its_index(path: &Path) -> std::io::Result<bool> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = fs::File::open(path)?;
    let (mut at, mut head) = (0, [0; 16]);
    // Few boxes come before either.
    for _ in 0..16 {
        file.seek(SeekFrom::Start(at))?;
        if file.read_exact(&mut head).is_err() {
            return Ok(true);
        }
        match &head[4..8] {
            b"moov" => return Ok(true),
            b"mdat" => return Ok(false),
            _ => {}
        }
        let len = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        at = at.saturating_add(len.max(8));
    }
    Ok(true)
}

fn damaged(error: impl std::fmt::Display) -> AudioError {
    AudioError::Damaged(error.to_string())
}

/// The content type and codec of a format that browsers play.
fn playable(path: &Path, kind: FileType) -> Result<(ContentType, Option<&'static str>), AudioError> {
    let known = [
        (FileType::Mpeg, ContentType::Mp3, "mp3"),
        (FileType::Aac, ContentType::Aac, "mp4a.40.2"),
        (FileType::Flac, ContentType::Flac, "flac"),
        (FileType::Opus, ContentType::Ogg, "opus"),
        (FileType::Vorbis, ContentType::Ogg, "vorbis"),
        (FileType::Wav, ContentType::Wav, "1"),
    ];
    if let Some((_, content_type, codec)) = known.iter().find(|(k, ..)| *k == kind) {
        return Ok((*content_type, Some(codec)));
    }
    if kind == FileType::Mp4 {
        return mp4_codec(path).map(|codec| (ContentType::AudioMp4, Some(codec)));
    }
    Err(AudioError::Unplayable("a format"))
}

fn mp4_codec(path: &Path) -> Result<&'static str, AudioError> {
    let options = ParseOptions::new().parsing_mode(ParsingMode::Relaxed).read_tags(false);
    let file = Mp4File::read_from(&mut fs::File::open(path)?, options).map_err(damaged)?;
    let properties = file.properties();
    if properties.is_drm_protected() {
        return Err(AudioError::Locked);
    }
    match properties.codec() {
        Some(Mp4Codec::AAC) => Ok(match properties.audio_object_type() {
            Some(AudioObjectType::SpectralBandReplication) => "mp4a.40.5",
            Some(AudioObjectType::ParametricStereo) => "mp4a.40.29",
            Some(_) | None => "mp4a.40.2",
        }),
        Some(Mp4Codec::FLAC) => Ok("flac"),
        Some(Mp4Codec::MP3) => Ok("mp3"),
        Some(Mp4Codec::ALAC) => Err(AudioError::Unplayable("Apple Lossless")),
        Some(_) | None => Err(AudioError::Unplayable("an unknown codec")),
    }
}

fn about(tag: Option<&Tag>, path: &Path) -> About {
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let text = |value: Option<std::borrow::Cow<'_, str>>| value.and_then(|v| Text::clean(&v));
    let number = |value: Option<u32>| value.filter(|n| (1..=9_999).contains(n));
    let name = text(tag.and_then(Accessor::title)).or_else(|| Text::clean(&stem));
    About {
        name: name.unwrap_or_else(|| Text::clean("Untitled").expect("plain letters")),
        artist: text(tag.and_then(Accessor::artist)),
        album: text(tag.and_then(Accessor::album)),
        track: number(tag.and_then(Accessor::track)),
        disc: number(tag.and_then(Accessor::disk)),
        year: number(tag.and_then(Accessor::date).map(|d| u32::from(d.year))),
        media: MediaKind::Music,
    }
}

fn embedded_picture(tag: &Tag) -> Option<Picture> {
    let pictures = tag.pictures();
    let front = pictures.iter().find(|p| p.pic_type() == PictureType::CoverFront);
    front.or_else(|| pictures.first()).and_then(|p| picture(p.data().to_vec()))
}

/// The picture that lies beside a file under its name.
pub(super) fn picture_beside(path: &Path) -> Option<Picture> {
    ["jpg", "jpeg", "png", "webp"].iter().find_map(|ending| small_picture(&path.with_extension(ending)))
}

fn small_picture(path: &Path) -> Option<Picture> {
    let size = fs::metadata(path).ok()?.len();
    if size > MAX_PICTURE as u64 { None } else { picture(fs::read(path).ok()?) }
}

/// The picture that a folder holds for its files.
pub(super) fn folder_picture(folder: &Path) -> Option<Picture> {
    let mut names: Vec<_> = fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).collect();
    names.sort();
    COVERS.iter().find_map(|cover| {
        let is_cover = |p: &&std::path::PathBuf| {
            p.file_stem().is_some_and(|s| s.eq_ignore_ascii_case(cover)) && has_picture_ending(p)
        };
        names.iter().filter(is_cover).find_map(|path| small_picture(path))
    })
}

fn has_picture_ending(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|e| ["jpg", "jpeg", "png", "webp"].contains(&e.as_str()))
}

/// Takes a picture by what its bytes say it is, whatever its tag claims.
pub(super) fn picture(bytes: Vec<u8>) -> Option<Picture> {
    let content_type = match bytes.get(..12)? {
        [0xff, 0xd8, 0xff, ..] => ContentType::Jpeg,
        [0x89, b'P', b'N', b'G', ..] => ContentType::Png,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => ContentType::WebP,
        _ => return None,
    };
    (bytes.len() <= MAX_PICTURE).then_some(Picture { bytes, content_type })
}
