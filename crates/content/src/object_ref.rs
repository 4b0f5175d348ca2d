//! A reference from a document to an object.

use serde::{Deserialize, Serialize};

use crate::content_type::ContentType;
use crate::ids::ObjectId;
use crate::parse::{self, FormatError};
use crate::source::Source;
use crate::units::ObjectSize;

/// An object as a signed document names it: by its hash, and where its bytes lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// BLAKE3 root of the stored bytes.
    pub id: ObjectId,
    /// Bytes.
    pub size: ObjectSize,
    /// What a player is told that it is.
    pub content_type: ContentType,
    /// Where it lies; without one, under its own name (`site::object_path`).
    pub source: Option<Source>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ObjectForm {
    object: ObjectId,
    size: u64,
    /// Left out where the ending of the source tells, which keeps manifests small.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    content_type: Option<ContentType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

impl ObjectForm {
    pub(crate) fn read(self) -> Result<ObjectRef, FormatError> {
        let size = parse::size("object size", self.size)?;
        let content_type = self.content_type.unwrap_or_else(|| told_by(self.source.as_ref()));
        Ok(ObjectRef { id: self.object, size, content_type, source: self.source })
    }
}

/// The type that the ending of a source tells.
fn told_by(source: Option<&Source>) -> ContentType {
    let path = match source {
        Some(Source::Media(path)) => path.as_str(),
        Some(Source::Elsewhere(url)) => url.path(),
        None => "",
    };
    let ending = path.rsplit_once('.').and_then(|(_, ending)| ContentType::of_extension(ending));
    ending.unwrap_or(ContentType::Bytes)
}

impl From<&ObjectRef> for ObjectForm {
    fn from(r: &ObjectRef) -> Self {
        let told = told_by(r.source.as_ref()) == r.content_type;
        Self {
            object: r.id,
            size: r.size.bytes(),
            content_type: (!told).then_some(r.content_type),
            source: r.source.clone(),
        }
    }
}

/// Checks a small object that is fetched and hashed whole, such as a page.
pub(crate) fn check_whole(bytes: &[u8], id: ObjectId, limit: usize) -> Result<(), FormatError> {
    if bytes.len() > limit {
        return Err(FormatError::TooLarge { size: bytes.len(), limit });
    }
    if blake3::hash(bytes) != id.0 { Err(FormatError::OtherBytes) } else { Ok(()) }
}
