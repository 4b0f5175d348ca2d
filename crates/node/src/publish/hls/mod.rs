//! A ready HLS folder: which files belong to it, and which renditions they make.

pub(super) mod elsewhere;
pub(super) mod mp4;
mod place;
mod playlist;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use nearcast_content::limits;
use nearcast_content::manifest::{About, KeyUri, MediaKind, Protection, RenditionId, Resolution, Role};
use nearcast_content::source::SitePath;
use nearcast_content::{ContentType, Text, Token};
pub(super) use playlist::PlaylistError;
use playlist::{Alternative, AlternativeKind, Key, Master, Media, Piece, Playlist, Variant};

use self::place::UriError;
use super::audio;
use super::plan::{self, Bytes, FileName, HlsRendition, HlsShape, Plan, PlannedFile, Shape};

/// Largest playlist that is read: 65,536 segments with long names.
const MAX_PLAYLIST: u64 = 16 * 1024 * 1024;

/// Largest init section that is looked into.
const MAX_INIT: u64 = 64 * 1024;

/// The name under which players find a title's playlist.
pub(super) const MASTER: &str = "master.m3u8";

/// Why an HLS folder is not published.
#[derive(Debug, thiserror::Error)]
pub(super) enum HlsError {
    #[error("{file} cannot be read: {why}")]
    Read { file: String, why: std::io::Error },
    #[error("{file} is larger than a playlist may be ({MAX_PLAYLIST} bytes)")]
    TooLarge { file: String },
    #[error("{file}, {why}")]
    Playlist { file: String, why: PlaylistError },
    #[error("{file} names {uri:?}: {why}")]
    Uri { file: String, uri: String, why: UriError },
    #[error("{file} names bytes {start}..{end} of {uri:?}, which has {size}")]
    Range { file: String, uri: String, start: u64, end: u64, size: u64 },
    #[error("{file} names {uri:?}, which is a playlist of playlists again")]
    Nested { file: String, uri: String },
    #[error("the folder has several playlists and no master among them: {0}. Name the one to publish")]
    Ambiguous(String),
    #[error(
        "the key {0:?} would be published beside the media it protects. Put it on an https server that asks who wants it, and name that address in the playlist"
    )]
    KeyBeside(String),
    #[error("renditions are encrypted in different ways")]
    MixedProtection,
    #[error("it has {0} renditions, the limit is {limit}", limit = limits::RENDITIONS)]
    TooManyRenditions(usize),
}

/// The playlist of `folder` that players are to open; nothing when there is no HLS in it.
pub(super) fn main_playlist(folder: &Path) -> Result<Option<PathBuf>, HlsError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(None) };
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).filter(|p| has_ending(p)).collect();
    paths.sort();
    let mut masters = Vec::new();
    let mut media = Vec::new();
    for path in paths {
        // Lists for music players have the same ending and any encoding: they must not stop the folder.
        let text = read_lossy(&path, &name_of(&path))?;
        if !playlist::is_hls(&text) {
            continue;
        }
        if text.contains("#EXT-X-STREAM-INF") { masters.push(path) } else { media.push(path) }
    }
    let candidates = if masters.is_empty() { media } else { masters };
    let preferred = candidates.iter().find(|p| p.file_name().is_some_and(|n| n == MASTER));
    match (candidates.as_slice(), preferred) {
        ([], _) => Ok(None),
        ([one], _) => Ok(Some(one.clone())),
        (_, Some(master)) => Ok(Some(master.clone())),
        (several, None) => {
            let names: Vec<_> = several.iter().map(|p| name_of(p)).collect();
            Err(HlsError::Ambiguous(names.join(", ")))
        }
    }
}

fn has_ending(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("m3u8"))
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read_bytes(path: &Path, name: &str) -> Result<Vec<u8>, HlsError> {
    let read = |why| HlsError::Read { file: name.to_owned(), why };
    let size = fs::metadata(path).map_err(read)?.len();
    if size > MAX_PLAYLIST {
        return Err(HlsError::TooLarge { file: name.to_owned() });
    }
    fs::read(path).map_err(read)
}

fn read_lossy(path: &Path, name: &str) -> Result<String, HlsError> {
    Ok(String::from_utf8_lossy(&read_bytes(path, name)?).into_owned())
}

fn read_text(path: &Path, name: &str) -> Result<String, HlsError> {
    String::from_utf8(read_bytes(path, name)?).map_err(|_| HlsError::Read {
        file: name.to_owned(),
        why: std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    })
}

/// Reads what is needed to publish the tree whose main playlist lies at `main`.
pub(super) fn plan(main: &Path) -> Result<Plan, HlsError> {
    let folder = main.parent().unwrap_or(Path::new("."));
    let mut tree = Tree::open(folder)?;
    let (main_file, parsed) = tree.playlist(&name_of(main))?;
    let folder_name = folder.canonicalize().ok().map(|f| name_of(&f)).unwrap_or_default();
    let (shape, title) = match parsed {
        Playlist::Master(master) => tree.master(main_file, &master)?,
        Playlist::Media(media) => (tree.lone(main_file, &media)?, None),
    };
    tree.call_master(shape.master);
    let name = title.as_deref().and_then(Text::clean).or_else(|| Text::clean(&folder_name));
    let name = name.unwrap_or_else(|| Text::clean("Untitled").expect("plain letters"));
    let silent = |r: &HlsRendition| matches!(r.role, Role::Audio | Role::Subtitles);
    let media = if shape.renditions.iter().all(silent) { MediaKind::Music } else { MediaKind::Video };
    let about =
        About { name: name.clone(), artist: None, album: None, track: None, disc: None, year: None, media };
    Ok(Plan {
        input: main.to_owned(),
        wish: plan::wish(None, &name, Path::new(&folder_name)),
        about,
        art: audio::folder_picture(folder),
        protection: protection_of(&tree.keys)?,
        files: tree.files,
        shape: Shape::Hls(shape),
        documents: Vec::new(),
        original: None,
        package: None,
    })
}

/// The files of a tree as they are found.
struct Tree {
    root: PathBuf,
    files: Vec<PlannedFile>,
    places: BTreeMap<String, usize>,
    keys: Vec<Key>,
}

impl Tree {
    fn open(root: &Path) -> Result<Self, HlsError> {
        let root =
            root.canonicalize().map_err(|why| HlsError::Read { file: root.display().to_string(), why })?;
        Ok(Self { root, files: Vec::new(), places: BTreeMap::new(), keys: Vec::new() })
    }

    /// Takes the file that `file` names as `uri` into the tree.
    fn take(&mut self, file: &str, uri: &str) -> Result<usize, HlsError> {
        let refuse = |why| HlsError::Uri { file: file.to_owned(), uri: uri.to_owned(), why };
        let path = place::resolve(file, uri).map_err(refuse)?;
        if let Some(known) = self.places.get(path.as_str()) {
            return Ok(*known);
        }
        let real = place::find(&self.root, &path).map_err(refuse)?;
        Ok(self.add(path, Bytes::File(real)))
    }

    fn add(&mut self, path: SitePath, from: Bytes) -> usize {
        let ending = path.as_str().rsplit_once('.').map_or("", |(_, ending)| ending);
        let content_type = ContentType::of_extension(ending).unwrap_or(ContentType::Bytes);
        self.places.insert(path.as_str().to_owned(), self.files.len());
        self.files.push(PlannedFile { from, to: FileName::Fixed(path), content_type });
        self.files.len() - 1
    }

    /// The path of a file below the folder.
    fn path(&self, file: usize) -> String {
        match &self.files[file].to {
            FileName::Fixed(path) => path.as_str().to_owned(),
            FileName::OfTitle => String::new(),
        }
    }

    fn real(&self, file: usize) -> &Path {
        match &self.files[file].from {
            Bytes::File(path) | Bytes::Ours(path) => path,
            Bytes::Made(_) | Bytes::Elsewhere(_) => Path::new(""),
        }
    }

    /// Takes and reads the playlist at `path` below the folder.
    fn playlist(&mut self, path: &str) -> Result<(usize, Playlist), HlsError> {
        self.nested_playlist("", path)
    }

    fn nested_playlist(&mut self, file: &str, uri: &str) -> Result<(usize, Playlist), HlsError> {
        let place = self.take(file, uri)?;
        let name = self.path(place);
        self.files[place].content_type = ContentType::Hls;
        let text = read_text(self.real(place), &name)?;
        let parsed = playlist::parse(&text).map_err(|why| HlsError::Playlist { file: name, why })?;
        Ok((place, parsed))
    }

    fn media_playlist(&mut self, file: &str, uri: &str) -> Result<(usize, Media), HlsError> {
        match self.nested_playlist(file, uri)? {
            (place, Playlist::Media(media)) => Ok((place, media)),
            (_, Playlist::Master(_)) => Err(HlsError::Nested { file: file.to_owned(), uri: uri.to_owned() }),
        }
    }

    fn master(&mut self, main: usize, master: &Master) -> Result<(HlsShape, Option<String>), HlsError> {
        let file = self.path(main);
        self.keys.extend(master.keys.iter().cloned());
        let mut renditions: Vec<HlsRendition> = Vec::new();
        for variant in &master.variants {
            let (place, media) = self.media_playlist(&file, &variant.uri)?;
            // The same pictures listed again for another group of sound.
            if renditions.iter().all(|r| r.playlist != place) {
                let rendition = self.rendition(place, &media, renditions.len())?;
                renditions.push(describe(rendition, variant));
            }
        }
        for alternative in &master.alternatives {
            let (place, media) = self.media_playlist(&file, &alternative.uri)?;
            if renditions.iter().all(|r| r.playlist != place) {
                let rendition = self.rendition(place, &media, renditions.len())?;
                renditions.push(describe_alternative(rendition, alternative));
            }
        }
        if renditions.len() > limits::RENDITIONS {
            return Err(HlsError::TooManyRenditions(renditions.len()));
        }
        name_renditions(&mut renditions);
        let mut playlists = Vec::new();
        for uri in &master.iframes {
            let (place, media) = self.media_playlist(&file, uri)?;
            self.rendition(place, &media, 0)?;
            playlists.push(place);
        }
        for uri in &master.files {
            self.take(&file, uri)?;
        }
        Ok((HlsShape { renditions, master: main, playlists }, master.title.clone()))
    }

    /// A tree of one playlist: players get a master of ours that names it.
    fn lone(&mut self, main: usize, media: &Media) -> Result<HlsShape, HlsError> {
        let mut renditions = vec![self.rendition(main, media, 0)?];
        name_renditions(&mut renditions);
        let r = &renditions[0];
        let mut line = format!("#EXT-X-STREAM-INF:BANDWIDTH={}", r.bandwidth.or(r.peak).unwrap_or(1));
        if let Some(codecs) = &r.codecs {
            line.push_str(&format!(",CODECS=\"{codecs}\""));
        }
        let path = self.path(main);
        // The folder's own playlist has the name that players look for: nothing needs to be made.
        if path == MASTER {
            return Ok(HlsShape { renditions, master: main, playlists: Vec::new() });
        }
        let uri = path.parse::<SitePath>().map(|p| p.to_url()).unwrap_or(path);
        let text = format!("#EXTM3U\n#EXT-X-VERSION:7\n{line}\n{uri}\n");
        let place = MASTER.parse().expect("a plain name");
        let master = self.add(place, Bytes::Made(text.into_bytes()));
        Ok(HlsShape { renditions, master, playlists: Vec::new() })
    }

    /// Takes the files of one media playlist.
    fn rendition(&mut self, place: usize, media: &Media, nth: usize) -> Result<HlsRendition, HlsError> {
        let file = self.path(place);
        self.keys.extend(media.keys.iter().cloned());
        let mut inits = Vec::new();
        for piece in &media.inits {
            inits.push((self.piece(&file, piece)?, piece.range));
        }
        let mut segments: Vec<(usize, u64)> = Vec::new();
        let mut found = BTreeMap::new();
        let mut peak: Option<u64> = None;
        for segment in &media.segments {
            let piece = self.piece(&file, &segment.piece)?;
            let (start, end) = segment.piece.range.unwrap_or((0, self.size(piece)));
            let rate = (end - start).saturating_mul(8_000).checked_div(segment.duration_ms);
            peak = peak.max(rate);
            // Ranges of one file add up to it.
            let at = *found.entry(piece).or_insert(segments.len());
            match segments.get_mut(at) {
                Some((_, ms)) => *ms += segment.duration_ms,
                None => segments.push((piece, segment.duration_ms)),
            }
        }
        let tracks = inits.first().and_then(|(init, range)| self.tracks(*init, *range));
        let role = match &tracks {
            Some(t) if t.sound && !t.picture => Role::Audio,
            Some(t) if t.picture && !t.sound => Role::Video,
            Some(_) | None => Role::Muxed,
        };
        Ok(HlsRendition {
            id: rendition_id('r', nth),
            role,
            codecs: tracks.and_then(|t| t.codecs).and_then(|c| c.parse().ok()),
            bandwidth: None,
            average_bandwidth: None,
            resolution: None,
            frame_rate_milli: None,
            language: None,
            playlist: place,
            inits,
            segments,
            peak: peak.filter(|p| *p > 0),
        })
    }

    /// Takes the file of a piece, which must have the bytes that the piece names.
    fn piece(&mut self, file: &str, piece: &Piece) -> Result<usize, HlsError> {
        let place = self.take(file, &piece.uri)?;
        let size = self.size(place);
        match piece.range {
            Some((start, end)) if end > size => {
                Err(HlsError::Range { file: file.to_owned(), uri: piece.uri.clone(), start, end, size })
            }
            Some(_) | None => Ok(place),
        }
    }

    fn size(&self, file: usize) -> u64 {
        fs::metadata(self.real(file)).map_or(0, |m| m.len())
    }

    fn tracks(&self, file: usize, range: Option<(u64, u64)>) -> Option<mp4::Tracks> {
        let (start, end) = range.unwrap_or((0, self.size(file)));
        if end - start > MAX_INIT {
            return None;
        }
        let mut bytes = Vec::new();
        let mut reader = fs::File::open(self.real(file)).ok()?;
        std::io::Seek::seek(&mut reader, std::io::SeekFrom::Start(start)).ok()?;
        reader.take(end - start).read_to_end(&mut bytes).ok()?;
        mp4::tracks(&bytes)
    }

    /// Gives the main playlist the name that players look for, if it is free.
    fn call_master(&mut self, main: usize) {
        if !self.places.contains_key(MASTER) {
            self.files[main].to = FileName::Fixed(MASTER.parse().expect("a plain name"));
        }
    }
}

/// How a title is protected by these keys.
fn protection_of(found: &[Key]) -> Result<Protection, HlsError> {
    let mut kids = Vec::new();
    let mut addresses: Vec<KeyUri> = Vec::new();
    for key in found {
        match key {
            Key::CencCtr(kid) if !kids.contains(kid) => kids.push(*kid),
            Key::CencCtr(_) => {}
            Key::Aes128(uri) => {
                let address = uri.parse().map_err(|_| HlsError::KeyBeside(uri.clone()))?;
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
    }
    match (kids.is_empty(), addresses.is_empty()) {
        (true, true) => Ok(Protection::None),
        (false, true) => Ok(Protection::CencCtr { kids }),
        (true, false) => Ok(Protection::HlsAes128 { keys: addresses }),
        (false, false) => Err(HlsError::MixedProtection),
    }
}

/// Adds what a master says of a variant; where it says nothing, what its init section says stays.
fn describe(rendition: HlsRendition, variant: &Variant) -> HlsRendition {
    let codecs = variant.codecs.as_ref().and_then(|c| c.replace(' ', "").parse::<Token>().ok());
    let seen = variant.resolution.is_some();
    let role = match rendition.role {
        Role::Muxed if !seen && codecs.as_ref().is_some_and(is_sound) => Role::Audio,
        Role::Muxed if seen && variant.sound_apart => Role::Video,
        role @ (Role::Audio | Role::Video | Role::Muxed | Role::Subtitles | Role::Other) => role,
    };
    let resolution = variant.resolution.filter(|(w, h)| *w > 0 && *h > 0);
    HlsRendition {
        role,
        codecs: codecs.or(rendition.codecs),
        bandwidth: Some(variant.bandwidth).filter(|b| *b > 0),
        average_bandwidth: variant.average.filter(|b| *b > 0),
        resolution: resolution.map(|(width, height)| Resolution { width, height }),
        frame_rate_milli: variant.frame_rate_milli.filter(|r| *r > 0),
        ..rendition
    }
}

/// Whether all codecs of a list are of sound.
fn is_sound(codecs: &Token) -> bool {
    let sound = ["mp4a", "opus", "flac", "ac-3", "ec-3", "vorbis", "mp3"];
    codecs.as_str().split(',').all(|c| sound.iter().any(|s| c.to_ascii_lowercase().starts_with(s)))
}

fn describe_alternative(rendition: HlsRendition, alternative: &Alternative) -> HlsRendition {
    let role = match alternative.kind {
        AlternativeKind::Audio => Role::Audio,
        AlternativeKind::Video => Role::Video,
        AlternativeKind::Subtitles => Role::Subtitles,
    };
    let language = alternative.language.as_ref().and_then(|l| l.parse().ok());
    HlsRendition { role, language, ..rendition }
}

/// Names renditions by what they carry: `v0`, `v1`, `a0`, `s0`.
fn name_renditions(renditions: &mut [HlsRendition]) {
    let mut counts = BTreeMap::new();
    for rendition in renditions {
        let letter = match rendition.role {
            Role::Audio => 'a',
            Role::Video | Role::Muxed => 'v',
            Role::Subtitles => 's',
            Role::Other => 'o',
        };
        let count = counts.entry(letter).or_insert(0);
        rendition.id = rendition_id(letter, *count);
        *count += 1;
    }
}

fn rendition_id(letter: char, nth: usize) -> RenditionId {
    format!("{letter}{nth}").parse().expect("a letter and a number")
}
