//! An HLS tree on another server, to be published where it lies: its playlists are read, and written anew with
//! whole addresses for media; segments stay.

use std::collections::BTreeMap;

use nearcast_content::manifest::{About, MediaKind, Role};
use nearcast_content::{ByteRange, ContentType, Text, WebUrl, limits};
use reqwest::Url;

use super::super::plan::{self, Bytes, FileName, HlsRendition, HlsShape, Plan, PlannedFile, Shape};
use super::super::web::{Web, WebError};
use super::playlist::{self, Key, Master, Media, Piece, Playlist};
use super::{
    HlsError, MASTER, MAX_INIT, MAX_PLAYLIST, describe, describe_alternative, mp4, name_renditions,
    protection_of, rendition_id,
};

/// Why an HLS tree elsewhere is not published.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ElsewhereError {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("{0} is not UTF-8 text")]
    Text(WebUrl),
    #[error(transparent)]
    Hls(#[from] HlsError),
    #[error("{playlist} names {uri:?}: {why}")]
    Uri { playlist: WebUrl, uri: String, why: String },
}

/// Reads what is needed to publish the tree whose main playlist is at `url`.
pub(in super::super) fn plan(url: &WebUrl, web: &Web) -> Result<Plan, ElsewhereError> {
    let mut tree = Tree { web, files: Vec::new(), places: BTreeMap::new(), keys: Vec::new() };
    let (text, parsed) = tree.read(url)?;
    let main = tree.add(MASTER, Bytes::Made(Vec::new()), ContentType::Hls);
    let (shape, title) = match parsed {
        Playlist::Master(master) => tree.master(main, url, &text, &master)?,
        Playlist::Media(media) => {
            let mut renditions = vec![tree.rendition(main, url, &media, 0)?];
            name_renditions(&mut renditions);
            tree.files[main].from = Bytes::Made(tree.rewrite(url, &text, &BTreeMap::new())?.into_bytes());
            (HlsShape { renditions, master: main, playlists: Vec::new() }, None)
        }
    };
    let silent = |r: &HlsRendition| matches!(r.role, Role::Audio | Role::Subtitles);
    let media = if shape.renditions.iter().all(silent) { MediaKind::Music } else { MediaKind::Video };
    let named = title.as_deref().and_then(Text::clean).or_else(|| name_of(url));
    let name = named.unwrap_or_else(|| Text::clean("Untitled").expect("plain letters"));
    let about =
        About { name: name.clone(), artist: None, album: None, track: None, disc: None, year: None, media };
    Ok(Plan {
        input: url.as_str().into(),
        wish: plan::wish(None, &name, std::path::Path::new("title")),
        about,
        art: None,
        protection: protection_of(&tree.keys)?,
        files: tree.files,
        shape: Shape::Hls(shape),
        documents: Vec::new(),
        original: None,
        package: None,
    })
}

/// What an address calls what lies there: its last folder for a playlist with a general name.
pub(in super::super) fn name_of(url: &WebUrl) -> Option<Text> {
    let path = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
    let mut parts = path.rsplit('/').filter(|p| !p.is_empty());
    let file = parts.next()?;
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let general = ["master", "index", "playlist", "main", "manifest", "stream"].contains(&stem);
    Text::clean(if general { parts.next().unwrap_or(stem) } else { stem })
}

struct Tree<'a> {
    web: &'a Web,
    files: Vec<PlannedFile>,
    places: BTreeMap<WebUrl, usize>,
    keys: Vec<Key>,
}

impl Tree<'_> {
    fn read(&self, url: &WebUrl) -> Result<(String, Playlist), ElsewhereError> {
        let limit = usize::try_from(MAX_PLAYLIST).unwrap_or(usize::MAX);
        let bytes = self.web.document(url, limit)?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| ElsewhereError::Text(url.clone()))?;
        let parsed = playlist::parse(&text);
        let parsed = parsed.map_err(|why| HlsError::Playlist { file: url.to_string(), why })?;
        Ok((text, parsed))
    }

    fn add(&mut self, name: &str, from: Bytes, content_type: ContentType) -> usize {
        let to = FileName::Fixed(name.parse().expect("a plain name"));
        self.files.push(PlannedFile { from, to, content_type });
        self.files.len() - 1
    }

    /// Takes the file that the playlist at `base` names as `uri`.
    fn take(&mut self, base: &WebUrl, uri: &str) -> Result<(usize, WebUrl), ElsewhereError> {
        let url = resolve(base, uri)?;
        if let Some(known) = self.places.get(&url) {
            return Ok((*known, url));
        }
        let ending = url.path().rsplit_once('.').map_or("", |(_, ending)| ending);
        let content_type = ContentType::of_extension(ending).unwrap_or(ContentType::Bytes);
        let at =
            self.add(&format!("elsewhere/{}", self.files.len()), Bytes::Elsewhere(url.clone()), content_type);
        self.places.insert(url.clone(), at);
        Ok((at, url))
    }

    fn master(
        &mut self,
        main: usize,
        url: &WebUrl,
        text: &str,
        master: &Master,
    ) -> Result<(HlsShape, Option<String>), ElsewhereError> {
        self.keys.extend(master.keys.iter().cloned());
        let mut names: BTreeMap<WebUrl, String> = BTreeMap::new();
        let mut renditions: Vec<HlsRendition> = Vec::new();
        for variant in &master.variants {
            if let Some(rendition) = self.playlist(url, &variant.uri, &mut names)? {
                renditions.push(describe(rendition, variant));
            }
        }
        for alternative in &master.alternatives {
            if let Some(rendition) = self.playlist(url, &alternative.uri, &mut names)? {
                renditions.push(describe_alternative(rendition, alternative));
            }
        }
        if renditions.len() > limits::RENDITIONS {
            return Err(HlsError::TooManyRenditions(renditions.len()).into());
        }
        name_renditions(&mut renditions);
        self.files[main].from = Bytes::Made(self.rewrite(url, text, &names)?.into_bytes());
        Ok((HlsShape { renditions, master: main, playlists: Vec::new() }, master.title.clone()))
    }

    /// Takes a media playlist and its files; nothing when it was taken before.
    fn playlist(
        &mut self,
        base: &WebUrl,
        uri: &str,
        names: &mut BTreeMap<WebUrl, String>,
    ) -> Result<Option<HlsRendition>, ElsewhereError> {
        let url = resolve(base, uri)?;
        if names.contains_key(&url) {
            return Ok(None);
        }
        let (text, parsed) = self.read(&url)?;
        let Playlist::Media(media) = parsed else {
            return Err(HlsError::Nested { file: base.to_string(), uri: uri.to_owned() }.into());
        };
        let name = format!("{}.m3u8", names.len());
        names.insert(url.clone(), name.clone());
        let made = self.rewrite(&url, &text, &BTreeMap::new())?;
        let place = self.add(&name, Bytes::Made(made.into_bytes()), ContentType::Hls);
        self.rendition(place, &url, &media, names.len()).map(Some)
    }

    fn rendition(
        &mut self,
        place: usize,
        url: &WebUrl,
        media: &Media,
        nth: usize,
    ) -> Result<HlsRendition, ElsewhereError> {
        for key in &media.keys {
            let key = match key {
                // A key beside the media is an address too, once it is whole.
                Key::Aes128(uri) => Key::Aes128(resolve(url, uri)?.as_str().to_owned()),
                Key::CencCtr(_) => key.clone(),
            };
            self.keys.push(key);
        }
        let mut inits = Vec::new();
        let mut tracks = None;
        for piece in &media.inits {
            let (file, address) = self.take(url, &piece.uri)?;
            if inits.is_empty() {
                tracks = self.tracks(&address, piece)?;
            }
            inits.push((file, piece.range));
        }
        let mut segments: Vec<(usize, u64)> = Vec::new();
        let mut found = BTreeMap::new();
        for segment in &media.segments {
            let (file, _) = self.take(url, &segment.piece.uri)?;
            let at = *found.entry(file).or_insert(segments.len());
            match segments.get_mut(at) {
                Some((_, ms)) => *ms += segment.duration_ms,
                None => segments.push((file, segment.duration_ms)),
            }
        }
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
            peak: None,
        })
    }

    /// What an init section says of itself.
    fn tracks(&self, url: &WebUrl, piece: &Piece) -> Result<Option<mp4::Tracks>, ElsewhereError> {
        let found = self.web.look(url)?;
        let size = found.size().map_or(0, |s| s.bytes());
        let (start, end) = piece.range.unwrap_or((0, size));
        if start >= end || end > size || end - start > MAX_INIT {
            return Ok(None);
        }
        Ok(mp4::tracks(&self.web.part(url, &found, ByteRange::new(start, end))?))
    }

    /// A playlist whose addresses are whole, or the names that playlists have in the site.
    fn rewrite(
        &self,
        base: &WebUrl,
        text: &str,
        names: &BTreeMap<WebUrl, String>,
    ) -> Result<String, ElsewhereError> {
        let place = |uri: &str| -> Result<String, ElsewhereError> {
            let url = resolve(base, uri)?;
            Ok(names.get(&url).cloned().unwrap_or_else(|| url.as_str().to_owned()))
        };
        let mut made = String::with_capacity(text.len() * 2);
        for line in text.lines().map(str::trim_end) {
            // Still pictures are for scrubbing; their playlists are not published.
            if line.is_empty() || line.starts_with("#EXT-X-I-FRAME-STREAM-INF") {
                continue;
            }
            match line.split_once("URI=\"").filter(|_| line.starts_with("#EXT")) {
                Some((before, rest)) => {
                    let (uri, after) = rest.split_once('"').unwrap_or((rest, ""));
                    // Keys may have addresses that are no web's.
                    let uri = if line.starts_with("#EXT-X-KEY") || line.starts_with("#EXT-X-SESSION") {
                        place(uri).unwrap_or_else(|_| uri.to_owned())
                    } else {
                        place(uri)?
                    };
                    made.push_str(&format!("{before}URI=\"{uri}\"{after}"));
                }
                None if line.starts_with('#') => made.push_str(line),
                None => made.push_str(&place(line)?),
            }
            made.push('\n');
        }
        Ok(made)
    }
}

/// The address that the playlist at `base` means by `uri`.
fn resolve(base: &WebUrl, uri: &str) -> Result<WebUrl, ElsewhereError> {
    let refuse = |why: String| ElsewhereError::Uri { playlist: base.clone(), uri: uri.to_owned(), why };
    let joined =
        base.as_str().parse::<Url>().and_then(|b| b.join(uri)).map_err(|why| refuse(why.to_string()))?;
    if joined.query().is_some() {
        return Err(refuse(
            "an address with a query may be good for a while only, and cannot be signed".to_owned(),
        ));
    }
    joined.as_str().parse().map_err(|why: nearcast_content::UrlError| refuse(why.to_string()))
}
