//! A title as a tab sees it: what the engine is told of it, and which address is which object.

use std::collections::BTreeMap;

use nearcast_content::index::SegmentRef;
use nearcast_content::manifest::Layout;
use nearcast_content::site::{self, PlaceError};
use nearcast_content::{ContentType, FlatMap, Manifest, ObjectRef, ProviderKey, TitleId, WebUrl};
use nearcast_engine::Span;
use nearcast_engine::swarm::{Part, Rendition, RenditionId};
use nearcast_engine::wire::SwarmId;

/// What a file of a title is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum File {
    /// A playlist, init section, picture: small, fetched and checked whole.
    Document(ObjectRef),
    /// Media that the engine fetches in runs.
    Media { rendition: RenditionId, part: u32, object: ObjectRef },
}

/// A title that was opened.
#[derive(Debug)]
pub(crate) struct Title {
    pub(crate) renditions: Vec<Rendition>,
    /// By absolute address, as the site spells it.
    pub(crate) files: BTreeMap<String, File>,
    /// Objects of media, where they lie and where their outboards do.
    pub(crate) places: Vec<(ObjectRef, Place)>,
}

/// Where an object lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) title: TitleId,
    pub(crate) url: String,
    pub(crate) outboard: String,
}

/// A title that is being opened: lists of segments are still to come.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) manifest: Manifest,
    /// Pages of the list of each rendition, in order; none until they came.
    pub(crate) lists: FlatMap<usize, Vec<Option<Vec<SegmentRef>>>>,
    /// Roots of lists that are still to come.
    pub(crate) roots: usize,
}

impl Opening {
    /// Whether everything is here.
    pub(crate) fn complete(&self) -> bool {
        self.roots == 0 && self.lists.values().flatten().all(Option::is_some)
    }

    /// The title. `number` gives each rendition its number in the engine.
    pub(crate) fn finish(
        self,
        provider: ProviderKey,
        site: &WebUrl,
        mut number: impl FnMut() -> RenditionId,
    ) -> Result<Title, PlaceError> {
        let id = self.manifest.title.clone();
        let mut built = Builder { site, id: &id, title: Title::empty() };
        for document in &self.manifest.documents {
            built.file(&document.object, File::Document(document.object.clone()))?;
        }
        let whole = Span::from_millis(self.manifest.timeline.duration_ms.max(1));
        let swarm = SwarmId::of(provider, &id);
        for (bit, rendition) in (0u8..).zip(&self.manifest.renditions) {
            let id = number();
            let parts = match &rendition.layout {
                Layout::Single { object, playlist, .. } => {
                    for playlist in playlist.iter() {
                        built.file(playlist, File::Document(playlist.clone()))?;
                    }
                    built.media(object, id, 0)?;
                    vec![Part { object: object.id, size: object.size, length: whole }]
                }
                Layout::Segments { content_type, init, playlist, .. } => {
                    for document in init.iter().chain([playlist]) {
                        built.file(document, File::Document(document.clone()))?;
                    }
                    let list = self.lists.get(&usize::from(bit)).into_iter().flatten().flatten().flatten();
                    built.segments(id, *content_type, list)?
                }
                Layout::Log => continue,
            };
            let set = self.manifest.adaptation_set(bit);
            built.title.renditions.push(Rendition { id, swarm, bit, set, parts });
        }
        Ok(built.title)
    }
}

impl Title {
    fn empty() -> Self {
        Self { renditions: Vec::new(), files: BTreeMap::new(), places: Vec::new() }
    }
}

struct Builder<'a> {
    site: &'a WebUrl,
    id: &'a TitleId,
    title: Title,
}

impl Builder<'_> {
    fn file(&mut self, object: &ObjectRef, file: File) -> Result<String, PlaceError> {
        let url = site::object_url(self.site, self.id, object)?;
        self.title.files.entry(url.clone()).or_insert(file);
        Ok(url)
    }

    fn media(&mut self, object: &ObjectRef, rendition: RenditionId, part: u32) -> Result<(), PlaceError> {
        let url = self.file(object, File::Media { rendition, part, object: object.clone() })?;
        let outboard = site::outboard_url(self.site, self.id, object);
        let title = self.id.clone();
        self.title.places.push((object.clone(), Place { title, url, outboard }));
        Ok(())
    }

    fn segments<'s>(
        &mut self,
        id: RenditionId,
        content_type: ContentType,
        list: impl Iterator<Item = &'s SegmentRef>,
    ) -> Result<Vec<Part>, PlaceError> {
        let mut parts = Vec::new();
        for (part, segment) in (0u32..).zip(list) {
            let object = segment.object(content_type);
            parts.push(Part {
                object: object.id,
                size: object.size,
                length: Span::from_millis(segment.duration_ms),
            });
            self.media(&object, id, part)?;
        }
        Ok(parts)
    }
}
