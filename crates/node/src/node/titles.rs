//! A title as the node sees it: its manifest, what the engine is told of it, and which file is which object.

use std::collections::BTreeMap;

use nearcast_content::index::SegmentRef;
use nearcast_content::manifest::{DocumentRef, DocumentRole, Layout, Role};
use nearcast_content::source::Source;
use nearcast_content::{ContentType, Manifest, ObjectRef, ProviderKey};
use nearcast_engine::Span;
use nearcast_engine::swarm::{Part, Rendition, RenditionId};
use nearcast_engine::wire::SwarmId;

use crate::gateway::ListedFile;

/// What a file of a title is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// A playlist, init section, picture: small, fetched and checked whole.
    Document(ObjectRef),
    /// Media that the engine fetches in runs.
    Media { rendition: RenditionId, part: u32, object: ObjectRef },
}

impl File {
    pub(super) fn object(&self) -> &ObjectRef {
        match self {
            Self::Document(object) | Self::Media { object, .. } => object,
        }
    }
}

/// A title that was opened.
#[derive(Clone, Debug)]
pub(super) struct Title {
    pub(super) manifest: Manifest,
    pub(super) renditions: Vec<Rendition>,
    /// By path, as playlists name them.
    pub(super) files: BTreeMap<String, File>,
    /// Names of files that lie on other servers, by their address.
    pub(super) elsewhere: BTreeMap<String, String>,
}

/// The name under which playlists and pages know an object of a title.
pub(super) fn name_of(object: &ObjectRef) -> String {
    match &object.source {
        Some(Source::Media(path)) => path.as_str().to_owned(),
        Some(Source::Elsewhere(_)) | None => format!("{}.{}", object.id, object.content_type.extension()),
    }
}

impl Title {
    /// A title from its manifest. `segments` gives, for each rendition that has a file a segment, its list;
    /// `number` gives each rendition its number in the engine.
    pub(super) fn new(
        provider: ProviderKey,
        manifest: Manifest,
        segments: &BTreeMap<usize, Vec<SegmentRef>>,
        mut number: impl FnMut() -> RenditionId,
    ) -> Self {
        let swarm = SwarmId::of(provider, &manifest.title);
        let (files, elsewhere) = (BTreeMap::new(), BTreeMap::new());
        let mut title = Self { renditions: Vec::new(), files, elsewhere, manifest };
        for document in title.manifest.documents.clone() {
            title.file(&document.object, File::Document(document.object.clone()));
        }
        let whole = Span::from_millis(title.manifest.timeline.duration_ms.max(1));
        for (bit, rendition) in (0u8..).zip(title.manifest.renditions.clone()) {
            let id = number();
            let parts = match rendition.layout {
                Layout::Single { object, playlist, .. } => {
                    playlist.iter().for_each(|p| title.file(p, File::Document(p.clone())));
                    let part = Part { object: object.id, size: object.size, length: whole };
                    title.file(&object, File::Media { rendition: id, part: 0, object: object.clone() });
                    vec![part]
                }
                Layout::Segments { content_type, init, playlist, .. } => {
                    init.iter().chain([&playlist]).for_each(|d| title.file(d, File::Document(d.clone())));
                    let list = segments.get(&usize::from(bit)).map(Vec::as_slice).unwrap_or_default();
                    title.segments(id, content_type, list)
                }
                Layout::Log => continue,
            };
            let set = title.manifest.adaptation_set(bit);
            title.renditions.push(Rendition { id, swarm, bit, set, parts });
        }
        title
    }

    fn segments(&mut self, id: RenditionId, content_type: ContentType, list: &[SegmentRef]) -> Vec<Part> {
        let mut parts = Vec::with_capacity(list.len());
        for (part, segment) in (0u32..).zip(list) {
            let object = segment.object(content_type);
            let length = Span::from_millis(segment.duration_ms);
            parts.push(Part { object: object.id, size: object.size, length });
            self.file(&object, File::Media { rendition: id, part, object: object.clone() });
        }
        parts
    }

    /// Enters a file under the name by which playlists know it. Two names of one object are two files.
    fn file(&mut self, object: &ObjectRef, file: File) {
        let name = name_of(object);
        if let Some(Source::Elsewhere(url)) = &object.source {
            self.elsewhere.insert(url.as_str().to_owned(), name.clone());
        }
        self.files.entry(name).or_insert(file);
    }

    /// What a page offers beside the media.
    pub(super) fn listed(&self) -> Vec<ListedFile> {
        let role = |role: &DocumentRole| match role {
            DocumentRole::Art => Some("art"),
            DocumentRole::Subtitles => Some("subtitles"),
            DocumentRole::Chapters => Some("chapters"),
            DocumentRole::Master | DocumentRole::Playlist | DocumentRole::Init | DocumentRole::Other(_) => {
                None
            }
        };
        let listed = |document: &DocumentRef| {
            Some(ListedFile {
                role: role(&document.role)?,
                language: document.language.as_ref().map(|l| l.as_str().to_owned()),
                label: document.label.as_ref().map(|l| l.as_str().to_owned()),
                file: name_of(&document.object),
            })
        };
        self.manifest.documents.iter().filter_map(listed).collect()
    }

    /// A rendition in one file that needs no playlist; none when sound and pictures are apart.
    pub(super) fn whole(&self) -> Option<&str> {
        let has = |role| self.manifest.renditions.iter().any(|r| r.role == role);
        if has(Role::Video) && has(Role::Audio) {
            return None;
        }
        let plays = |role| matches!(role, Role::Muxed | Role::Audio | Role::Video);
        let single =
            self.manifest.renditions.iter().filter(|r| plays(r.role)).find_map(|r| match &r.layout {
                Layout::Single { object, .. } => Some(object.id),
                Layout::Segments { .. } | Layout::Log => None,
            })?;
        self.files.iter().find(|(_, file)| file.object().id == single).map(|(name, _)| name.as_str())
    }

    /// The file that a player opens first: the master playlist, a rendition's playlist, or the media itself.
    pub(super) fn entry(&self) -> Option<&str> {
        let master = self.manifest.document(&DocumentRole::Master).map(|d| d.object.id);
        let first = self.manifest.renditions.first().and_then(|r| match &r.layout {
            Layout::Single { playlist: Some(p), .. } | Layout::Segments { playlist: p, .. } => Some(p.id),
            Layout::Single { object, .. } => Some(object.id),
            Layout::Log => None,
        });
        let wanted = master.or(first)?;
        self.files.iter().find(|(_, file)| file.object().id == wanted).map(|(name, _)| name.as_str())
    }
}
