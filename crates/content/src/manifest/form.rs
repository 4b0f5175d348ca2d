//! The manifest's JSON, and the rules between its fields.

use serde::{Deserialize, Serialize};

use super::{
    About, DocumentRef, DocumentRole, KeyUri, Kind, Layout, LiveLog, Manifest, MediaKind, Protection,
    Rendition, RenditionId, Resolution, Role, Timeline,
};
use crate::content_type::ContentType;
use crate::ids::TitleId;
use crate::letters::HEX;
use crate::limits;
use crate::object_ref::{ObjectForm, ObjectRef};
use crate::parse::{self, Envelope, FormatError};
use crate::ranges::ByteRange;
use crate::source::SitePath;
use crate::text::{Text, Token};

/// Fields that `crit` may name.
const KNOWN: [&str; 15] = [
    "title",
    "name",
    "artist",
    "album",
    "track",
    "disc",
    "year",
    "kind_of_media",
    "kind",
    "live",
    "protection",
    "renditions",
    "documents",
    "timeline",
    "expires",
];

#[derive(Serialize, Deserialize)]
struct ManifestForm {
    #[serde(flatten)]
    envelope: Envelope,
    title: TitleId,
    name: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artist: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    album: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    track: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disc: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    year: Option<u64>,
    kind_of_media: String,
    kind: KindForm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live: Option<LiveForm>,
    protection: ProtectionForm,
    renditions: Vec<RenditionForm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    documents: Vec<DocumentForm>,
    timeline: TimelineForm,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindForm {
    Vod,
    Live,
}

#[derive(Serialize, Deserialize)]
struct LiveForm {
    head: SitePath,
    entry_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case")]
enum ProtectionForm {
    None,
    CencCtr {
        kids: Vec<String>,
    },
    #[serde(rename = "hls-aes-128")]
    HlsAes128 {
        keys: Vec<KeyUri>,
    },
}

#[derive(Serialize, Deserialize)]
struct RenditionForm {
    id: RenditionId,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codecs: Option<Token>,
    bandwidth: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    average_bandwidth: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolution: Option<[u64; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frame_rate_milli: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<Token>,
    layout: LayoutForm,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LayoutForm {
    Single {
        file: ObjectForm,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        init: Option<[u64; 2]>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        playlist: Option<ObjectForm>,
    },
    Segments {
        index: ObjectForm,
        count: u64,
        #[serde(rename = "type")]
        content_type: ContentType,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        init: Option<ObjectForm>,
        playlist: ObjectForm,
    },
    Log {},
}

#[derive(Serialize, Deserialize)]
struct DocumentForm {
    role: Token,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<Token>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<Text>,
    #[serde(flatten)]
    object: ObjectForm,
}

#[derive(Serialize, Deserialize)]
struct TimelineForm {
    duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segment_ms: Option<u64>,
}

pub(super) fn read(json: &[u8]) -> Result<Manifest, FormatError> {
    let (size, limit) = (json.len(), limits::MANIFEST_JSON_BYTES);
    if size > limit {
        return Err(FormatError::TooLarge { size, limit });
    }
    let form: ManifestForm = parse::from_json(json)?;
    let validity = form.envelope.check(&KNOWN)?;
    let about = About {
        name: form.name,
        artist: form.artist,
        album: form.album,
        track: form.track.map(|n| parse::small("track number", n, 1, 100_000)).transpose()?,
        disc: form.disc.map(|n| parse::small("disc number", n, 1, 10_000)).transpose()?,
        year: form.year.map(|n| parse::small("year", n, 1, 9_999)).transpose()?,
        media: MediaKind::from(form.kind_of_media.as_str()),
    };
    let kind = match (form.kind, form.live) {
        (KindForm::Vod, _) => Kind::Vod,
        (KindForm::Live, Some(live)) => Kind::Live(LiveLog {
            head: live.head,
            entry_ms: parse::number("length of a live entry", live.entry_ms, 1, limits::DURATION_MS)?,
        }),
        (KindForm::Live, None) => {
            return Err(FormatError::Contradiction("it is live, but does not say where its log is"));
        }
    };
    parse::at_most("renditions", form.renditions.len(), limits::RENDITIONS)?;
    parse::at_most("documents", form.documents.len(), limits::DOCUMENTS)?;
    let manifest = Manifest {
        title: form.title,
        validity,
        about,
        kind,
        protection: read_protection(form.protection)?,
        renditions: form.renditions.into_iter().map(read_rendition).collect::<Result<_, _>>()?,
        documents: form.documents.into_iter().map(read_document).collect::<Result<_, _>>()?,
        timeline: Timeline {
            duration_ms: parse::number("duration", form.timeline.duration_ms, 0, limits::DURATION_MS)?,
            segment_ms: form
                .timeline
                .segment_ms
                .map(|n| parse::number("segment length", n, 1, limits::DURATION_MS))
                .transpose()?,
        },
    };
    check(&manifest)?;
    Ok(manifest)
}

/// Rules between fields.
fn check(manifest: &Manifest) -> Result<(), FormatError> {
    if manifest.renditions.is_empty() {
        return Err(FormatError::Empty("rendition"));
    }
    parse::unique("rendition", manifest.renditions.iter().map(|r| r.id.clone()))?;
    let live = matches!(manifest.kind, Kind::Live(_));
    if manifest.renditions.iter().any(|r| matches!(r.layout, Layout::Log) != live) {
        return Err(FormatError::Contradiction("a live title has logs, and no other title has any"));
    }
    let paths = manifest.objects().filter_map(|o| o.source.as_ref().map(|s| (s, o.id)));
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    if paths.windows(2).any(|w| w[0].0 == w[1].0 && w[0].1 != w[1].1) {
        return Err(FormatError::Contradiction("it names two different objects at one path"));
    }
    let mut sizes: Vec<_> = manifest.objects().map(|o| (o.id, o.size)).collect();
    sizes.sort();
    if sizes.windows(2).any(|w| w[0].0 == w[1].0 && w[0].1 != w[1].1) {
        return Err(FormatError::Contradiction("it gives two sizes for one object"));
    }
    Ok(())
}

fn read_protection(form: ProtectionForm) -> Result<Protection, FormatError> {
    Ok(match form {
        ProtectionForm::None => Protection::None,
        ProtectionForm::CencCtr { kids } => {
            parse::at_most("key ids", kids.len(), limits::KEY_IDS)?;
            let kids = kids.iter().map(|k| read_kid(k)).collect::<Result<Vec<_>, _>>()?;
            parse::unique("key id", kids.iter().map(|k| HEX.encode(k)))?;
            Protection::CencCtr { kids }
        }
        ProtectionForm::HlsAes128 { keys } => {
            parse::at_most("key addresses", keys.len(), limits::KEY_IDS)?;
            parse::unique("key address", keys.iter().cloned())?;
            Protection::HlsAes128 { keys }
        }
    })
}

fn read_kid(text: &str) -> Result<[u8; 16], FormatError> {
    let bytes = (text.len() == 32).then(|| HEX.decode(text.as_bytes())).flatten();
    bytes
        .and_then(|b| b.try_into().ok())
        .ok_or(FormatError::Contradiction("a key id must be 32 hexadecimal digits in lower case"))
}

fn read_rendition(form: RenditionForm) -> Result<Rendition, FormatError> {
    let pixels = |n| parse::small("picture size", n, 1, limits::PIXELS);
    let rate = |n| parse::small("frame rate", n, 1, limits::FRAME_RATE_MILLI);
    let bits = |n| parse::number("bandwidth", n, 1, limits::BANDWIDTH);
    Ok(Rendition {
        id: form.id,
        role: form.role,
        codecs: form.codecs,
        bandwidth: bits(form.bandwidth)?,
        average_bandwidth: form.average_bandwidth.map(bits).transpose()?,
        resolution: match form.resolution {
            Some([w, h]) => Some(Resolution { width: pixels(w)?, height: pixels(h)? }),
            None => None,
        },
        frame_rate_milli: form.frame_rate_milli.map(rate).transpose()?,
        language: form.language,
        layout: read_layout(form.layout)?,
    })
}

fn read_layout(form: LayoutForm) -> Result<Layout, FormatError> {
    Ok(match form {
        LayoutForm::Single { file, init, playlist } => {
            let object = file.read()?;
            let init = match init {
                Some([start, end]) if start < end && end <= object.size.bytes() => {
                    Some(ByteRange::new(start, end))
                }
                Some(_) => {
                    return Err(FormatError::Contradiction("an init section lies outside its file"));
                }
                None => None,
            };
            Layout::Single { object, init, playlist: playlist.map(ObjectForm::read).transpose()? }
        }
        LayoutForm::Segments { index, count, content_type, init, playlist } => {
            let most = limits::INDEX_PAGES * limits::INDEX_PAGE_ENTRIES;
            let most = u32::try_from(most).unwrap_or(u32::MAX);
            Layout::Segments {
                index: bounded_index(index.read()?)?,
                count: parse::small("number of segments", count, 1, most)?,
                content_type,
                init: init.map(ObjectForm::read).transpose()?,
                playlist: playlist.read()?,
            }
        }
        LayoutForm::Log {} => Layout::Log,
    })
}

fn bounded_index(index: ObjectRef) -> Result<ObjectRef, FormatError> {
    let limit = limits::INDEX_ROOT_BYTES;
    match usize::try_from(index.size.bytes()) {
        Ok(size) if size > limit => Err(FormatError::TooLarge { size, limit }),
        Ok(_) => Ok(index),
        Err(_) => Err(FormatError::TooLarge { size: usize::MAX, limit }),
    }
}

fn read_document(form: DocumentForm) -> Result<DocumentRef, FormatError> {
    let role = match form.role.as_str() {
        "master" => DocumentRole::Master,
        "playlist" => DocumentRole::Playlist,
        "init" => DocumentRole::Init,
        "art" => DocumentRole::Art,
        "subtitles" => DocumentRole::Subtitles,
        "chapters" => DocumentRole::Chapters,
        _ => DocumentRole::Other(form.role),
    };
    Ok(DocumentRef { role, language: form.language, label: form.label, object: form.object.read()? })
}

pub(super) fn write(manifest: &Manifest) -> Vec<u8> {
    let about = &manifest.about;
    let (kind, live) = match &manifest.kind {
        Kind::Vod => (KindForm::Vod, None),
        Kind::Live(log) => {
            (KindForm::Live, Some(LiveForm { head: log.head.clone(), entry_ms: log.entry_ms }))
        }
    };
    parse::to_json(&ManifestForm {
        envelope: Envelope::new(manifest.validity),
        title: manifest.title.clone(),
        name: about.name.clone(),
        artist: about.artist.clone(),
        album: about.album.clone(),
        track: about.track.map(u64::from),
        disc: about.disc.map(u64::from),
        year: about.year.map(u64::from),
        kind_of_media: about.media.to_string(),
        kind,
        live,
        protection: write_protection(&manifest.protection),
        renditions: manifest.renditions.iter().map(write_rendition).collect(),
        documents: manifest.documents.iter().map(write_document).collect(),
        timeline: TimelineForm {
            duration_ms: manifest.timeline.duration_ms,
            segment_ms: manifest.timeline.segment_ms,
        },
    })
}

fn write_protection(protection: &Protection) -> ProtectionForm {
    match protection {
        Protection::None => ProtectionForm::None,
        Protection::CencCtr { kids } => {
            ProtectionForm::CencCtr { kids: kids.iter().map(|k| HEX.encode(k)).collect() }
        }
        Protection::HlsAes128 { keys } => ProtectionForm::HlsAes128 { keys: keys.clone() },
    }
}

fn write_rendition(rendition: &Rendition) -> RenditionForm {
    let layout = match &rendition.layout {
        Layout::Single { object, init, playlist } => LayoutForm::Single {
            file: object.into(),
            init: init.map(|r| [r.start, r.end]),
            playlist: playlist.as_ref().map(ObjectForm::from),
        },
        Layout::Segments { index, count, content_type, init, playlist } => LayoutForm::Segments {
            index: index.into(),
            count: u64::from(*count),
            content_type: *content_type,
            init: init.as_ref().map(ObjectForm::from),
            playlist: playlist.into(),
        },
        Layout::Log => LayoutForm::Log {},
    };
    RenditionForm {
        id: rendition.id.clone(),
        role: rendition.role,
        codecs: rendition.codecs.clone(),
        bandwidth: rendition.bandwidth,
        average_bandwidth: rendition.average_bandwidth,
        resolution: rendition.resolution.map(|r| [u64::from(r.width), u64::from(r.height)]),
        frame_rate_milli: rendition.frame_rate_milli.map(u64::from),
        language: rendition.language.clone(),
        layout,
    }
}

fn write_document(document: &DocumentRef) -> DocumentForm {
    let word = match &document.role {
        DocumentRole::Master => "master",
        DocumentRole::Playlist => "playlist",
        DocumentRole::Init => "init",
        DocumentRole::Art => "art",
        DocumentRole::Subtitles => "subtitles",
        DocumentRole::Chapters => "chapters",
        DocumentRole::Other(token) => token.as_str(),
    };
    DocumentForm {
        role: Token::word(word),
        language: document.language.clone(),
        label: document.label.clone(),
        object: (&document.object).into(),
    }
}
