//! Entries of a live log: reserved in format 1, read and chained, not yet played.

use serde::{Deserialize, Serialize};

use crate::freshness::{Document, Validity};
use crate::ids::{ObjectId, TitleId};
use crate::jws::DocumentKind;
use crate::limits;
use crate::manifest::RenditionId;
use crate::object_ref::{ObjectForm, ObjectRef};
use crate::parse::{self, Envelope, FormatError};

/// One step of a live title: the same stretch of time in every rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveEntry {
    /// Serial number and life; the sequence is the entry's number, from 0 on.
    pub validity: Validity,
    /// Which title.
    pub title: TitleId,
    /// BLAKE3 of the signed text of the entry before; none for entry 0.
    pub previous: Option<ObjectId>,
    /// Where it starts, in milliseconds from the start of the title.
    pub start_ms: u64,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// The segment of each rendition.
    pub segments: Vec<(RenditionId, ObjectRef)>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(flatten)]
    envelope: Envelope,
    title: TitleId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<ObjectId>,
    start_ms: u64,
    duration_ms: u64,
    segments: Vec<SegmentForm>,
}

#[derive(Serialize, Deserialize)]
struct SegmentForm {
    rendition: RenditionId,
    #[serde(flatten)]
    object: ObjectForm,
}

impl LiveEntry {
    /// Whether this entry comes right after `previous`, whose signed text is `text`.
    pub fn follows(&self, previous: &Self, text: &[u8]) -> bool {
        self.title == previous.title
            && self.validity.sequence == previous.validity.sequence + 1
            && self.start_ms == previous.start_ms + previous.duration_ms
            && self.previous.is_some_and(|id| blake3::hash(text) == id.0)
    }
}

impl Document for LiveEntry {
    const KIND: DocumentKind = DocumentKind::LiveEntry;

    fn validity(&self) -> Validity {
        self.validity
    }

    fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        let form: Form = parse::from_json(json)?;
        let validity = form.envelope.check(&["title", "previous", "start_ms", "duration_ms", "segments"])?;
        parse::at_most("segments", form.segments.len(), limits::RENDITIONS)?;
        parse::unique("rendition", form.segments.iter().map(|s| s.rendition.clone()))?;
        if (validity.sequence == 0) != form.previous.is_none() {
            return Err(FormatError::Contradiction("every live entry but the first names the one before"));
        }
        let read = |s: SegmentForm| Ok((s.rendition, s.object.read()?));
        Ok(Self {
            validity,
            title: form.title,
            previous: form.previous,
            start_ms: parse::number("start", form.start_ms, 0, limits::DURATION_MS)?,
            duration_ms: parse::number("duration", form.duration_ms, 1, limits::DURATION_MS)?,
            segments: form.segments.into_iter().map(read).collect::<Result<_, FormatError>>()?,
        })
    }

    fn to_json(&self) -> Vec<u8> {
        let segment = |(rendition, object): &(RenditionId, ObjectRef)| SegmentForm {
            rendition: rendition.clone(),
            object: object.into(),
        };
        parse::to_json(&Form {
            envelope: Envelope::new(self.validity),
            title: self.title.clone(),
            previous: self.previous,
            start_ms: self.start_ms,
            duration_ms: self.duration_ms,
            segments: self.segments.iter().map(segment).collect(),
        })
    }
}
