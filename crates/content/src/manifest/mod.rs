//! The manifest: everything a player and a peer need to know of one title, signed by its provider.

mod form;
mod protection;
mod rendition;

use std::fmt;

pub use protection::{KeyUri, KeyUriError, Protection};
pub use rendition::{Layout, Rendition, RenditionId, RenditionMask, Resolution, Role};

use crate::freshness::{Accepted, Document, DocumentError, Trust, Validity};
use crate::ids::TitleId;
use crate::jws::DocumentKind;
use crate::object_ref::ObjectRef;
use crate::parse::FormatError;
use crate::source::{SitePath, Source};
use crate::text::{Text, Token};
use crate::time::UnixTime;

/// One title.
///
/// The fields can be set freely; [`Document::sign`] refuses a manifest that breaks a rule of the format, and
/// one that was opened breaks none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Which title.
    pub title: TitleId,
    /// Serial number and life.
    pub validity: Validity,
    /// What people read.
    pub about: About,
    /// Whole or still growing.
    pub kind: Kind,
    /// Whether the stored bytes are encrypted, and under which keys.
    pub protection: Protection,
    /// Its forms, 1 to 16. A rendition's place in the list is its bit in a [`RenditionMask`].
    pub renditions: Vec<Rendition>,
    /// Playlists, art, subtitles, chapters.
    pub documents: Vec<DocumentRef>,
    /// How long it plays.
    pub timeline: Timeline,
}

/// What people read about a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: Text,
    /// Who made it.
    pub artist: Option<Text>,
    /// What it is a part of.
    pub album: Option<Text>,
    /// Its number in the album, from 1 on.
    pub track: Option<u32>,
    /// Which disc of the album, from 1 on.
    pub disc: Option<u32>,
    /// When it came out.
    pub year: Option<u32>,
    /// To be heard or to be seen.
    pub media: MediaKind,
}

/// What a title is to those who play it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// Music.
    Music,
    /// Film or other video.
    Video,
    /// Spoken word.
    Speech,
    /// Something that this version has no word for.
    Other,
}

/// Whole or still growing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole.
    Vod,
    /// A log of segments, each entry signed and chained (`live::LiveEntry`).
    Live(LiveLog),
}

/// Where a live log grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveLog {
    /// The newest entry, below the title's media folder.
    pub head: SitePath,
    /// How long an entry is meant to play, in milliseconds.
    pub entry_ms: u64,
}

/// How long a title plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// All of it, in milliseconds; 0 for a live one.
    pub duration_ms: u64,
    /// Longest segment, in milliseconds, where there are segments.
    pub segment_ms: Option<u64>,
}

/// A file of a title that is not media itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRef {
    /// What for.
    pub role: DocumentRole,
    /// In which language, as in BCP 47.
    pub language: Option<Token>,
    /// What people read in a menu.
    pub label: Option<Text>,
    /// The file.
    pub object: ObjectRef,
}

/// What a document is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentRole {
    /// The multivariant playlist that players open.
    Master,
    /// A further playlist, one that is not a rendition's own.
    Playlist,
    /// A further init section, where a rendition has several.
    Init,
    /// Cover or poster.
    Art,
    /// WebVTT.
    Subtitles,
    /// WebVTT.
    Chapters,
    /// Something that this version has no word for.
    Other(Token),
}

impl Manifest {
    /// [`Document::open`] for the manifest of `title`: one of another title is refused.
    pub fn open_title(
        bytes: &[u8],
        title: &TitleId,
        trust: &Trust<'_>,
        now: UnixTime,
    ) -> Result<Accepted<Self>, DocumentError> {
        let accepted = Self::open(bytes, trust, now)?;
        if accepted.document.title == *title {
            return Ok(accepted);
        }
        Err(DocumentError::OtherTitle { asked: title.clone(), found: accepted.document.title })
    }

    /// Every object that the manifest names itself; segments are named by the indices among them.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        let media = self.renditions.iter().flat_map(|r| r.layout.objects());
        media.chain(self.documents.iter().map(|d| &d.object))
    }

    /// The object at `path` below the title's media folder. Segments are found in their index.
    pub fn at_path(&self, path: &str) -> Option<&ObjectRef> {
        self.objects().find(|o| matches!(&o.source, Some(Source::Media(p)) if p.as_str() == path))
    }

    /// The adaptation set (ISO/IEC 23009-1) of the rendition at `place`: where in the manifest the first one stands that a
    /// player could choose instead, by its line. Pictures with or without sound are a choice, sound is one for each
    /// language, and so are words. A place that no rendition has is a set of its own.
    pub fn adaptation_set(&self, place: u8) -> u8 {
        let Some(rendition) = self.renditions.get(usize::from(place)) else { return place };
        let first = (0..place).zip(&self.renditions).find(|(_, other)| other.replaces(rendition));
        first.map_or(place, |(first, _)| first)
    }

    /// The first document of this role.
    pub fn document(&self, role: &DocumentRole) -> Option<&DocumentRef> {
        self.documents.iter().find(|d| d.role == *role)
    }
}

impl Document for Manifest {
    const KIND: DocumentKind = DocumentKind::Manifest;

    fn validity(&self) -> Validity {
        self.validity
    }

    fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        form::read(json)
    }

    fn to_json(&self) -> Vec<u8> {
        form::write(self)
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Music => "music",
            Self::Video => "video",
            Self::Speech => "speech",
            Self::Other => "other",
        })
    }
}

impl From<&str> for MediaKind {
    fn from(text: &str) -> Self {
        match text {
            "music" => Self::Music,
            "video" => Self::Video,
            "speech" => Self::Speech,
            _ => Self::Other,
        }
    }
}
