//! What the gateway needs of the node behind it.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use nearcast_content::manifest::MediaKind;
use nearcast_content::{ByteRange, ContentType, ObjectId, ObjectSize, TitleId};
use nearcast_engine::swarm::{PlayId, RenditionId};
use nearcast_engine::{PlaybackRate, Rate};
use serde::Serialize;

/// The titles of a node, and their bytes.
pub trait Library: Send + Sync + 'static {
    /// All titles, in the order of the catalogue.
    fn titles(&self) -> impl Future<Output = Vec<TitleSummary>> + Send;

    /// What is needed to play a title.
    ///
    /// # Errors
    /// When there is no such title, or it cannot be told at present.
    fn about(&self, title: &TitleId) -> impl Future<Output = Result<TitleAbout, LookupError>> + Send;

    /// What is likely to be played next, likeliest first. The last word counts.
    fn upcoming(&self, titles: Vec<TitleId>);

    /// What `file`, a path below the title's folder as a playlist spells it, stands for.
    ///
    /// # Errors
    /// When there is no such title or file, or it cannot be told at present.
    fn resolve(
        &self,
        title: &TitleId,
        file: &str,
    ) -> impl Future<Output = Result<Resolved, LookupError>> + Send;

    /// Starts to read. Dropping the stream ends the read.
    ///
    /// # Errors
    /// When the bytes cannot be had.
    fn open(&self, read: ReadRequest) -> impl Future<Output = Result<BodyStream, ReadError>> + Send;

    /// A play has had no read for a while.
    fn stopped(&self, play: PlayId);

    /// For what rate the player of a play should take its line; nothing for what it measures.
    fn line(&self, play: PlayId) -> Option<Rate>;

    /// The node's state for `/status`.
    fn status(&self) -> impl Future<Output = serde_json::Value> + Send;
}

/// Verified bytes in order, exactly those that were asked for. It ends early only with an error.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, ReadError>> + Send>>;

/// A title as a list shows it. The texts are the provider's and may hold anything.
#[derive(Clone, Debug, Serialize)]
pub struct TitleSummary {
    /// Which title.
    pub id: TitleId,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub artist: Option<String>,
    /// What it is a part of.
    pub album: Option<String>,
    /// Its number in the album.
    pub track: Option<u32>,
    /// Which disc of the album.
    pub disc: Option<u32>,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// To be heard or seen.
    #[serde(serialize_with = "as_text")]
    pub kind: MediaKind,
    /// The file that players open: a master playlist, or the media itself.
    pub file: String,
    /// A file that browsers play without a script, where there is one.
    pub whole: Option<String>,
    /// The file of its cover or poster.
    pub art: Option<String>,
    /// Thousandths of it that the cache holds.
    pub cached_permille: u16,
}

/// What is needed to play a title. The texts are the provider's and may hold anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TitleAbout {
    /// Which title.
    pub id: TitleId,
    /// The file that players open: a master playlist, or the media itself.
    pub file: Option<String>,
    /// A file that browsers play without a script, where there is one.
    pub whole: Option<String>,
    /// When it came out.
    pub year: Option<u32>,
    /// Subtitles, chapters and pictures.
    pub documents: Vec<ListedFile>,
}

/// A file beside a title's media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedFile {
    /// What for, as the manifest spells it.
    pub role: &'static str,
    /// In which language, as in BCP 47.
    pub language: Option<String>,
    /// What people read in a menu.
    pub label: Option<String>,
    /// Its path below the title's folder.
    pub file: String,
}

fn as_text<S: serde::Serializer>(kind: &MediaKind, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(kind)
}

/// What a file of a title is.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// A playlist, art, subtitles: small and in memory.
    Document(Document),
    /// Media: read from the swarm.
    Media(Media),
}

/// A small file in memory.
#[derive(Clone, Debug)]
pub struct Document {
    /// What it is.
    pub content_type: ContentType,
    /// Its bytes.
    pub bytes: Bytes,
    /// The same only while every byte is the same: visible ASCII without quotes.
    pub etag: String,
}

/// A part of a rendition.
#[derive(Clone, Copy, Debug)]
pub struct Media {
    /// The engine's number of the rendition.
    pub rendition: RenditionId,
    /// Which part of it.
    pub part: u32,
    /// The part's object.
    pub object: ObjectId,
    /// Its size.
    pub size: ObjectSize,
    /// What it is.
    pub content_type: ContentType,
}

/// A read that a player began.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// The play that it belongs to.
    pub play: PlayId,
    /// What is read.
    pub media: Media,
    /// Which bytes; never empty.
    pub bytes: ByteRange,
    /// How fast the player plays, if it says so.
    pub rate: Option<PlaybackRate>,
}

/// Why a file is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No such title or file.
    #[error("there is no such title or file")]
    Absent,
    /// The provider took it back.
    #[error("the provider has withdrawn this title")]
    Withdrawn,
    /// Its documents are not here, and the origin cannot be reached.
    #[error("{why}")]
    Unavailable {
        /// In a line, for a person.
        why: String,
        /// When to try again.
        retry_after: Duration,
    },
}

/// Why bytes do not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Neither origin nor peers can give them.
    #[error("{why}")]
    Unavailable {
        /// In a line, for a person.
        why: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The provider took the title back.
    #[error("the provider has withdrawn this title")]
    Withdrawn,
    /// The title cannot be played: what the origin has is not what was published, for one.
    #[error("{why}")]
    Refused {
        /// In a line, for a person.
        why: String,
    },
    /// The node stops.
    #[error("the node is stopping")]
    Stopping,
}
