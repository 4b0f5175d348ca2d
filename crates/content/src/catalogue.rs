//! The catalogue: a small signed head, and pages of titles that it names by their hash.

use serde::{Deserialize, Serialize};

use crate::content_type::ContentType;
use crate::freshness::{Document, Validity};
use crate::ids::{ObjectId, TitleId};
use crate::jws::DocumentKind;
use crate::limits;
use crate::manifest::MediaKind;
use crate::object_ref::{ObjectForm, ObjectRef, check_whole};
use crate::parse::{self, Envelope, FormatError};
use crate::text::Text;
use crate::units::ObjectSize;

/// Head of a provider's list of titles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Serial number and life.
    pub validity: Validity,
    /// What people read.
    pub provider: Text,
    /// Pages in the order of title ids.
    pub pages: Vec<PageRef>,
    /// Titles that are to be served no longer, in order.
    pub withdrawn: Vec<TitleId>,
    /// Lowest sequence of the policy that counts; without one, the provider has no policy.
    pub policy_floor: Option<u64>,
}

/// A page as the head names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRef {
    /// The page.
    pub id: ObjectId,
    /// Its bytes.
    pub size: ObjectSize,
    /// Titles on it, 1 to 256.
    pub count: u32,
}

/// One page of titles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their ids, none twice, 1 to 256.
    pub entries: Vec<Entry>,
}

/// What a list of titles shows of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which title.
    pub title: TitleId,
    /// BLAKE3 of its signed manifest.
    pub manifest: ObjectId,
    /// Sequence of that manifest: a lower one is an old copy, a higher one was published since.
    pub sequence: u64,
    /// Its name.
    pub name: Text,
    /// Who made it.
    pub artist: Option<Text>,
    /// What it is a part of.
    pub album: Option<Text>,
    /// Its number in the album.
    pub track: Option<u32>,
    /// Which disc of the album.
    pub disc: Option<u32>,
    /// How long it plays, in milliseconds; 0 when live.
    pub duration_ms: u64,
    /// Cover or poster.
    pub art: Option<ObjectRef>,
    /// To be heard or to be seen.
    pub media: MediaKind,
}

#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(flatten)]
    envelope: Envelope,
    provider: Text,
    pages: Vec<PageRefForm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    withdrawn: Vec<TitleId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyForm>,
}

#[derive(Serialize, Deserialize)]
struct PageRefForm {
    object: ObjectId,
    size: u64,
    count: u64,
}

#[derive(Serialize, Deserialize)]
struct PolicyForm {
    sequence: u64,
}

#[derive(Serialize, Deserialize)]
struct PageForm {
    v: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    crit: Vec<String>,
    titles: Vec<EntryForm>,
}

#[derive(Serialize, Deserialize)]
struct EntryForm {
    title: TitleId,
    manifest: ObjectId,
    sequence: u64,
    name: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artist: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    album: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    track: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disc: Option<u64>,
    duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    art: Option<ObjectForm>,
    kind_of_media: String,
}

impl Catalogue {
    /// Whether `title` is to be served no longer.
    pub fn is_withdrawn(&self, title: &TitleId) -> bool {
        self.withdrawn.binary_search(title).is_ok()
    }
}

impl Document for Catalogue {
    const KIND: DocumentKind = DocumentKind::Catalogue;

    fn validity(&self) -> Validity {
        self.validity
    }

    fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        let form: Form = parse::from_json(json)?;
        let validity = form.envelope.check(&["provider", "pages", "withdrawn", "policy", "expires"])?;
        parse::at_most("pages", form.pages.len(), limits::CATALOGUE_PAGES)?;
        parse::at_most("withdrawn titles", form.withdrawn.len(), limits::WITHDRAWN)?;
        parse::unique("page", form.pages.iter().map(|p| p.object))?;
        parse::unique("withdrawn title", form.withdrawn.iter().cloned())?;
        let mut withdrawn = form.withdrawn;
        withdrawn.sort();
        let floor = |p: PolicyForm| parse::number("sequence of the policy", p.sequence, 0, limits::NUMBER);
        Ok(Self {
            validity,
            provider: form.provider,
            pages: form.pages.into_iter().map(read_page_ref).collect::<Result<_, _>>()?,
            withdrawn,
            policy_floor: form.policy.map(floor).transpose()?,
        })
    }

    fn to_json(&self) -> Vec<u8> {
        let page =
            |p: &PageRef| PageRefForm { object: p.id, size: p.size.bytes(), count: u64::from(p.count) };
        parse::to_json(&Form {
            envelope: Envelope::new(self.validity),
            provider: self.provider.clone(),
            pages: self.pages.iter().map(page).collect(),
            withdrawn: self.withdrawn.clone(),
            policy: self.policy_floor.map(|sequence| PolicyForm { sequence }),
        })
    }
}

fn read_page_ref(form: PageRefForm) -> Result<PageRef, FormatError> {
    parse::number("size of a page", form.size, 1, limits::PAGE_BYTES as u64)?;
    Ok(PageRef {
        id: form.object,
        size: parse::size("size of a page", form.size)?,
        count: parse::small("number of titles", form.count, 1, 256)?,
    })
}

impl Page {
    /// Reads the bytes of the page that a head names.
    pub fn open(bytes: &[u8], page: &PageRef) -> Result<Self, FormatError> {
        check_whole(bytes, page.id, limits::PAGE_BYTES)?;
        let read = Self::from_json(bytes)?;
        if read.entries.len() == page.count as usize {
            Ok(read)
        } else {
            Err(FormatError::Contradiction("it has another number of titles than the catalogue says"))
        }
    }

    fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        let form: PageForm = parse::from_json(json)?;
        parse::check_version(form.v)?;
        parse::check_critical(&form.crit, &["titles"])?;
        parse::at_most("titles", form.titles.len(), limits::PAGE_ENTRIES)?;
        if form.titles.is_empty() {
            return Err(FormatError::Empty("title"));
        }
        parse::unique("title", form.titles.iter().map(|t| t.title.clone()))?;
        if !form.titles.is_sorted_by(|a, b| a.title < b.title) {
            return Err(FormatError::Contradiction("its titles are not in the order of their ids"));
        }
        Ok(Self { entries: form.titles.into_iter().map(read_entry).collect::<Result<_, _>>()? })
    }

    /// The bytes of the page, after checking that every reader will accept them.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let entry = |e: &Entry| EntryForm {
            title: e.title.clone(),
            manifest: e.manifest,
            sequence: e.sequence,
            name: e.name.clone(),
            artist: e.artist.clone(),
            album: e.album.clone(),
            track: e.track.map(u64::from),
            disc: e.disc.map(u64::from),
            duration_ms: e.duration_ms,
            art: e.art.as_ref().map(ObjectForm::from),
            kind_of_media: e.media.to_string(),
        };
        let form = PageForm { v: 1, crit: Vec::new(), titles: self.entries.iter().map(entry).collect() };
        let bytes = parse::to_json(&form);
        Self::from_json(&bytes)?;
        let (size, limit) = (bytes.len(), limits::PAGE_BYTES);
        if size > limit { Err(FormatError::TooLarge { size, limit }) } else { Ok(bytes) }
    }
}

fn read_entry(form: EntryForm) -> Result<Entry, FormatError> {
    let art = form.art.map(ObjectForm::read).transpose()?;
    let picture =
        |a: &ObjectRef| matches!(a.content_type, ContentType::Jpeg | ContentType::Png | ContentType::WebP);
    Ok(Entry {
        title: form.title,
        manifest: form.manifest,
        sequence: parse::number("sequence of a manifest", form.sequence, 0, limits::NUMBER)?,
        name: form.name,
        artist: form.artist,
        album: form.album,
        track: form.track.map(|n| parse::small("track number", n, 1, 100_000)).transpose()?,
        disc: form.disc.map(|n| parse::small("disc number", n, 1, 10_000)).transpose()?,
        duration_ms: parse::number("duration", form.duration_ms, 0, limits::DURATION_MS)?,
        art: art.filter(picture),
        media: MediaKind::from(form.kind_of_media.as_str()),
    })
}
