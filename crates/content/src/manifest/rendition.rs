//! One form of a title: a bitrate, a language, a set of subtitles.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::content_type::ContentType;
use crate::ids::IdError;
use crate::limits;
use crate::object_ref::ObjectRef;
use crate::ranges::ByteRange;
use crate::text::Token;

/// One form of a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// Its name within the title.
    pub id: RenditionId,
    /// What it carries.
    pub role: Role,
    /// RFC 6381 codecs, where known.
    pub codecs: Option<Token>,
    /// Peak bits a second, as in HLS `BANDWIDTH`.
    pub bandwidth: u64,
    /// Mean bits a second.
    pub average_bandwidth: Option<u64>,
    /// Size of the picture.
    pub resolution: Option<Resolution>,
    /// Thousandths of a frame a second.
    pub frame_rate_milli: Option<u32>,
    /// As in BCP 47.
    pub language: Option<Token>,
    /// Which objects hold it.
    pub layout: Layout,
}

impl Rendition {
    /// Whether a player could choose this one instead of the other, by its line.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        match (self.role, other.role) {
            (Role::Video | Role::Muxed, Role::Video | Role::Muxed) => true,
            (Role::Audio, Role::Audio) | (Role::Subtitles, Role::Subtitles) => {
                self.language == other.language
            }
            _ => false,
        }
    }
}

/// What a rendition carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sound only.
    Audio,
    /// Picture only.
    Video,
    /// Both in one.
    Muxed,
    /// Words.
    Subtitles,
    /// Something that this version does not play; it keeps its place in the mask.
    #[serde(other)]
    Other,
}

/// Size of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resolution {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Which objects hold a rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One file; segments, if any, are ranges of it.
    Single {
        /// The file.
        object: ObjectRef,
        /// Where its init section lies.
        init: Option<ByteRange>,
        /// Its media playlist; without one, players fetch the file.
        playlist: Option<ObjectRef>,
    },
    /// A file a segment.
    Segments {
        /// Root of the list of segments (`index::IndexRoot`).
        index: ObjectRef,
        /// How many segments.
        count: u32,
        /// What each segment is.
        content_type: ContentType,
        /// The init section.
        init: Option<ObjectRef>,
        /// Its media playlist.
        playlist: ObjectRef,
    },
    /// The log of a live title.
    Log,
}

impl Layout {
    /// The objects that it names itself.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        let named = match self {
            Self::Single { object, init: _, playlist } => [Some(object), playlist.as_ref(), None],
            Self::Segments { index, init, playlist, .. } => [Some(index), init.as_ref(), Some(playlist)],
            Self::Log => [None, None, None],
        };
        named.into_iter().flatten()
    }
}

/// Name of a rendition within its title: 1 to 32 of `a-z 0-9 - _`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RenditionId(String);

impl RenditionId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RenditionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=32).contains(&text.len()) && text.bytes().all(known) {
            return Ok(Self(text.to_owned()));
        }
        Err(IdError::new("rendition id", "must be 1 to 32 of a-z, 0-9, - and _"))
    }
}

impl TryFrom<String> for RenditionId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RenditionId> for String {
    fn from(id: RenditionId) -> Self {
        id.0
    }
}

impl fmt::Display for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A set of a title's renditions, by their place in the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionMask(pub u16);

impl RenditionMask {
    /// The set of the rendition at `place`; empty for a place that no manifest has.
    pub fn of(place: usize) -> Self {
        if place < limits::RENDITIONS { Self(1 << place) } else { Self(0) }
    }

    /// Whether both sets share a rendition.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The renditions of both sets.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
