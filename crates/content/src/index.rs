//! The index of a rendition that has a file a segment: a root that lists pages, pages that list segments.
//!
//! Both are plain JSON objects named by their hash; the manifest signs the root's. A reader that seeks needs
//! the root and one page.

use serde::{Deserialize, Serialize};

use crate::content_type::ContentType;
use crate::ids::ObjectId;
use crate::limits;
use crate::object_ref::{ObjectRef, check_whole};
use crate::parse::{self, FormatError};
use crate::source::Source;
use crate::units::ObjectSize;

/// The list of an index's pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRoot {
    /// In playing order, 1 to 256.
    pub pages: Vec<IndexPageRef>,
}

/// A page as the root names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPageRef {
    /// The page.
    pub id: ObjectId,
    /// Its bytes.
    pub size: ObjectSize,
    /// Segments on it, 1 to 256.
    pub count: u32,
    /// How long they play, in milliseconds.
    pub duration_ms: u64,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPage {
    /// In playing order, 1 to 256.
    pub segments: Vec<SegmentRef>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRef {
    /// The object.
    pub id: ObjectId,
    /// Its bytes.
    pub size: ObjectSize,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// Where it lies; without one, under its own name.
    pub source: Option<Source>,
}

#[derive(Serialize, Deserialize)]
struct RootForm {
    v: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    crit: Vec<String>,
    pages: Vec<PageRefForm>,
}

#[derive(Serialize, Deserialize)]
struct PageRefForm {
    object: ObjectId,
    size: u64,
    count: u64,
    duration_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct PageForm {
    v: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    crit: Vec<String>,
    segments: Vec<SegmentForm>,
}

#[derive(Serialize, Deserialize)]
struct SegmentForm {
    object: ObjectId,
    size: u64,
    duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

impl IndexRoot {
    /// Reads the bytes of the root that a manifest names as `id`, which must have `count` segments.
    pub fn open(bytes: &[u8], id: ObjectId, count: u32) -> Result<Self, FormatError> {
        check_whole(bytes, id, limits::INDEX_ROOT_BYTES)?;
        let root = Self::from_json(bytes)?;
        if root.pages.iter().map(|p| u64::from(p.count)).sum::<u64>() == u64::from(count) {
            Ok(root)
        } else {
            Err(FormatError::Contradiction(
                "its pages have another number of segments than the manifest says",
            ))
        }
    }

    fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        let form: RootForm = parse::from_json(json)?;
        parse::check_version(form.v)?;
        parse::check_critical(&form.crit, &["pages"])?;
        parse::at_most("index pages", form.pages.len(), limits::INDEX_PAGES)?;
        if form.pages.is_empty() {
            return Err(FormatError::Empty("index page"));
        }
        let read = |p: PageRefForm| {
            parse::number("size of an index page", p.size, 1, limits::INDEX_PAGE_BYTES as u64)?;
            Ok(IndexPageRef {
                id: p.object,
                size: parse::size("size of an index page", p.size)?,
                count: parse::small("number of segments", p.count, 1, 256)?,
                duration_ms: parse::number("duration", p.duration_ms, 0, limits::DURATION_MS)?,
            })
        };
        Ok(Self { pages: form.pages.into_iter().map(read).collect::<Result<_, FormatError>>()? })
    }

    /// The bytes of the root, after checking that every reader will accept them.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let page = |p: &IndexPageRef| PageRefForm {
            object: p.id,
            size: p.size.bytes(),
            count: u64::from(p.count),
            duration_ms: p.duration_ms,
        };
        let form = RootForm { v: 1, crit: Vec::new(), pages: self.pages.iter().map(page).collect() };
        let bytes = parse::to_json(&form);
        Self::from_json(&bytes)?;
        check_size(bytes, limits::INDEX_ROOT_BYTES)
    }
}

impl IndexPage {
    /// Reads the bytes of the page that a root names.
    pub fn open(bytes: &[u8], page: &IndexPageRef) -> Result<Self, FormatError> {
        check_whole(bytes, page.id, limits::INDEX_PAGE_BYTES)?;
        let read = Self::from_json(bytes)?;
        if read.segments.len() == page.count as usize {
            Ok(read)
        } else {
            Err(FormatError::Contradiction("it has another number of segments than its root says"))
        }
    }

    fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        let form: PageForm = parse::from_json(json)?;
        parse::check_version(form.v)?;
        parse::check_critical(&form.crit, &["segments"])?;
        parse::at_most("segments", form.segments.len(), limits::INDEX_PAGE_ENTRIES)?;
        if form.segments.is_empty() {
            return Err(FormatError::Empty("segment"));
        }
        let read = |s: SegmentForm| {
            Ok(SegmentRef {
                id: s.object,
                size: parse::size("size of a segment", s.size)?,
                duration_ms: parse::number("duration", s.duration_ms, 0, limits::DURATION_MS)?,
                source: s.source,
            })
        };
        Ok(Self { segments: form.segments.into_iter().map(read).collect::<Result<_, FormatError>>()? })
    }

    /// The bytes of the page, after checking that every reader will accept them.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let segment = |s: &SegmentRef| SegmentForm {
            object: s.id,
            size: s.size.bytes(),
            duration_ms: s.duration_ms,
            source: s.source.clone(),
        };
        let form = PageForm { v: 1, crit: Vec::new(), segments: self.segments.iter().map(segment).collect() };
        let bytes = parse::to_json(&form);
        Self::from_json(&bytes)?;
        check_size(bytes, limits::INDEX_PAGE_BYTES)
    }
}

impl SegmentRef {
    /// The segment as an object of its rendition's type.
    pub fn object(&self, content_type: ContentType) -> ObjectRef {
        ObjectRef { id: self.id, size: self.size, content_type, source: self.source.clone() }
    }
}

fn check_size(bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, FormatError> {
    if bytes.len() > limit {
        return Err(FormatError::TooLarge { size: bytes.len(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(count: u64) -> IndexPage {
        let segment = |n: u64| SegmentRef {
            id: ObjectId(*blake3::hash(&n.to_le_bytes()).as_bytes()),
            size: ObjectSize::new(n + 1).expect("in range"),
            duration_ms: 6_000,
            source: Some(format!("v0/seg{n}.ts").parse().expect("a path")),
        };
        IndexPage { segments: (0..count).map(segment).collect() }
    }

    fn refer(bytes: &[u8], count: u32) -> IndexPageRef {
        IndexPageRef {
            id: ObjectId(*blake3::hash(bytes).as_bytes()),
            size: ObjectSize::new(bytes.len() as u64).expect("in range"),
            count,
            duration_ms: u64::from(count) * 6_000,
        }
    }

    #[test]
    fn pages_and_roots_read_back() {
        let bytes = page(256).encode().expect("within bounds");
        let entry = refer(&bytes, 256);
        assert_eq!(IndexPage::open(&bytes, &entry), Ok(page(256)));
        let root = IndexRoot { pages: vec![entry] };
        let bytes = root.encode().expect("within bounds");
        let id = ObjectId(*blake3::hash(&bytes).as_bytes());
        assert_eq!(IndexRoot::open(&bytes, id, 256), Ok(root));
    }

    #[test]
    fn wrong_counts_bytes_and_lengths_are_refused() {
        let bytes = page(3).encode().expect("within bounds");
        assert!(matches!(IndexPage::open(&bytes, &refer(&bytes, 4)), Err(FormatError::Contradiction(_))));
        let other = IndexPageRef { id: ObjectId([0; 32]), ..refer(&bytes, 3) };
        assert_eq!(IndexPage::open(&bytes, &other), Err(FormatError::OtherBytes));
        assert!(matches!(page(257).encode(), Err(FormatError::TooMany { .. })));
        assert_eq!(page(0).encode(), Err(FormatError::Empty("segment")));
        let many = IndexRoot { pages: vec![refer(&bytes, 3); 257] };
        assert!(matches!(many.encode(), Err(FormatError::TooMany { .. })));
        let root = IndexRoot { pages: vec![refer(&bytes, 3)] }.encode().expect("within bounds");
        let id = ObjectId(*blake3::hash(&root).as_bytes());
        assert!(matches!(IndexRoot::open(&root, id, 4), Err(FormatError::Contradiction(_))));
    }
}
