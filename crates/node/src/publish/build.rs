//! From a title's plan and its placed files to its manifest.

use nearcast_content::index::{IndexPage, IndexPageRef, IndexRoot, SegmentRef};
use nearcast_content::manifest::{
    DocumentRef, DocumentRole, Kind, Layout, Manifest, Rendition, Role, Timeline,
};
use nearcast_content::{
    ByteRange, ContentType, FormatError, ObjectId, ObjectRef, ObjectSize, TitleId, Validity, limits, site,
    tree,
};

use super::PublishError;
use super::plan::{HlsRendition, HlsShape, Picture, Plan, Shape};
use super::site_dir::{SiteDir, id_of};
use super::stage::{Placed, Staged};

/// Why a title has no manifest.
#[derive(Debug)]
pub(super) enum BuildError {
    /// It does not fit the format.
    Format(FormatError),
    /// The site cannot be written.
    Site(PublishError),
}

impl From<FormatError> for BuildError {
    fn from(why: FormatError) -> Self {
        Self::Format(why)
    }
}

impl From<PublishError> for BuildError {
    fn from(why: PublishError) -> Self {
        Self::Site(why)
    }
}

/// A title whose files lie in the site.
pub(super) struct Builder<'a> {
    pub(super) dir: &'a SiteDir,
    pub(super) title: &'a TitleId,
    pub(super) plan: &'a Plan,
    pub(super) staged: &'a [Staged],
    pub(super) placed: &'a Placed,
}

impl Builder<'_> {
    /// The manifest, after the objects that only it names (art, indices) are in the site.
    pub(super) fn manifest(&self, validity: Validity) -> Result<Manifest, BuildError> {
        let mut documents = Vec::new();
        let (mut renditions, timeline) = match &self.plan.shape {
            Shape::Whole { role, codecs, duration_ms } => {
                let name = if *role == Role::Audio { "audio" } else { "v0" };
                let whole = self.whole(0, name, *role, *duration_ms)?;
                let whole = Rendition { codecs: codecs.clone(), ..whole };
                (vec![whole], Timeline { duration_ms: *duration_ms, segment_ms: None })
            }
            Shape::Hls(shape) => {
                documents.extend(self.hls_documents(shape));
                let made = shape.renditions.iter().map(|r| self.rendition(r));
                (made.collect::<Result<_, _>>()?, timeline(shape))
            }
        };
        for (role, file) in &self.plan.documents {
            documents.push(document(role.clone(), self.object(*file)));
        }
        // No player chooses it; whoever wants the original finds it.
        let original =
            self.plan.original.map(|f| self.whole(f, "original", Role::Other, timeline.duration_ms));
        renditions.extend(original.transpose()?);
        if let Some(art) = &self.plan.art {
            documents.push(document(DocumentRole::Art, self.art(art)?));
        }
        Ok(Manifest {
            title: self.title.clone(),
            validity,
            about: self.plan.about.clone(),
            kind: Kind::Vod,
            protection: self.plan.protection.clone(),
            renditions,
            documents,
            timeline,
        })
    }

    fn object(&self, file: usize) -> ObjectRef {
        let staged = &self.staged[file];
        ObjectRef {
            id: staged.id,
            size: staged.size,
            content_type: self.plan.files[file].content_type,
            source: Some(self.placed.sources[file].clone()),
        }
    }

    /// A rendition that is one file without a playlist.
    fn whole(
        &self,
        file: usize,
        name: &'static str,
        role: Role,
        duration_ms: u64,
    ) -> Result<Rendition, FormatError> {
        let object = self.object(file);
        let bandwidth = object.size.bytes().saturating_mul(8_000).div_ceil(duration_ms.max(1));
        Ok(Rendition {
            id: name.parse().map_err(|_| FormatError::Empty("rendition"))?,
            role,
            codecs: None,
            bandwidth: bandwidth.clamp(1, limits::BANDWIDTH),
            average_bandwidth: None,
            resolution: None,
            frame_rate_milli: None,
            language: None,
            layout: Layout::Single { object, init: None, playlist: None },
        })
    }

    fn rendition(&self, r: &HlsRendition) -> Result<Rendition, BuildError> {
        let bytes: u64 = r.segments.iter().map(|(file, _)| self.staged[*file].size.bytes()).sum();
        let mean = bytes.saturating_mul(8_000).checked_div(r.duration_ms()).unwrap_or(bytes);
        let bandwidth = r.bandwidth.or(r.peak).unwrap_or(mean);
        Ok(Rendition {
            id: r.id.clone(),
            role: r.role,
            codecs: r.codecs.clone(),
            bandwidth: bandwidth.clamp(1, limits::BANDWIDTH),
            average_bandwidth: Some(r.average_bandwidth.unwrap_or(mean).clamp(1, limits::BANDWIDTH)),
            resolution: r.resolution,
            frame_rate_milli: r.frame_rate_milli,
            language: r.language.clone(),
            layout: match r.single() {
                Some(file) => self.single(r, file),
                None => self.segments(r)?,
            },
        })
    }

    fn single(&self, r: &HlsRendition, file: usize) -> Layout {
        let mut object = self.object(file);
        // The whole file plays as it is, so it is served as what it is rather than as a piece.
        if matches!(object.content_type, ContentType::Segment | ContentType::VideoMp4) {
            let sound = r.role == Role::Audio;
            object.content_type = if sound { ContentType::AudioMp4 } else { ContentType::VideoMp4 };
        }
        let init = r.inits.first().and_then(|(_, range)| *range);
        let init = init.map(|(start, end)| ByteRange::new(start, end));
        Layout::Single { object, init, playlist: Some(self.object(r.playlist)) }
    }

    fn segments(&self, r: &HlsRendition) -> Result<Layout, BuildError> {
        let mut pages = Vec::new();
        for chunk in r.segments.chunks(limits::INDEX_PAGE_ENTRIES) {
            let segments = chunk.iter().map(|(file, duration_ms)| {
                let object = self.object(*file);
                SegmentRef {
                    id: object.id,
                    size: object.size,
                    duration_ms: *duration_ms,
                    source: object.source,
                }
            });
            let bytes = IndexPage { segments: segments.collect() }.encode()?;
            let (id, size) = put_object(self.dir, &bytes, ContentType::Json)?;
            let count = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            let duration_ms = chunk.iter().map(|(_, ms)| ms).sum();
            pages.push(IndexPageRef { id, size, count, duration_ms });
        }
        let bytes = IndexRoot { pages }.encode()?;
        let (id, size) = put_object(self.dir, &bytes, ContentType::Json)?;
        let first = r.segments.first().map_or(0, |(file, _)| *file);
        Ok(Layout::Segments {
            index: ObjectRef { id, size, content_type: ContentType::Json, source: None },
            count: u32::try_from(r.segments.len()).unwrap_or(u32::MAX),
            content_type: self.plan.files[first].content_type,
            init: r.inits.first().map(|(file, _)| self.object(*file)),
            playlist: self.object(r.playlist),
        })
    }

    fn hls_documents(&self, shape: &HlsShape) -> Vec<DocumentRef> {
        let mut documents = Vec::new();
        // A lone playlist that is its own master is named as the rendition's already.
        if shape.renditions.iter().all(|r| r.playlist != shape.master) {
            documents.push(document(DocumentRole::Master, self.object(shape.master)));
        }
        documents.extend(shape.playlists.iter().map(|f| document(DocumentRole::Playlist, self.object(*f))));
        let named: Vec<usize> = shape.renditions.iter().flat_map(named_files).collect();
        let further = shape.renditions.iter().flat_map(|r| r.inits.iter().skip(1));
        for (file, _) in further.filter(|(file, _)| !named.contains(file)) {
            documents.push(document(DocumentRole::Init, self.object(*file)));
        }
        // Files that only a playlist of still pictures or a session tag names.
        let of_title =
            |f: &usize| self.plan.original == Some(*f) || self.plan.documents.iter().any(|(_, d)| d == f);
        for file in (0..self.staged.len()).filter(|f| !named.contains(f) && !of_title(f)) {
            let object = self.object(file);
            if documents.iter().all(|d| d.object.source != object.source) {
                let role = DocumentRole::Other("file".parse().unwrap_or_else(|_| unreachable!("a word")));
                documents.push(document(role, object));
            }
        }
        documents
    }

    fn art(&self, art: &Picture) -> Result<ObjectRef, PublishError> {
        let (id, size) = put_object(self.dir, &art.bytes, art.content_type)?;
        Ok(ObjectRef { id, size, content_type: art.content_type, source: None })
    }
}

/// Files that the rendition itself names: playlist, first init section, segments.
fn named_files(r: &HlsRendition) -> Vec<usize> {
    let inits = r.inits.iter().take(1).map(|(file, _)| *file);
    inits.chain(r.segments.iter().map(|(file, _)| *file)).chain([r.playlist]).collect()
}

fn document(role: DocumentRole, object: ObjectRef) -> DocumentRef {
    DocumentRef { role, language: None, label: None, object }
}

fn timeline(shape: &HlsShape) -> Timeline {
    let duration = shape.renditions.iter().map(HlsRendition::duration_ms).max().unwrap_or(0);
    let several = shape.renditions.iter().filter(|r| r.single().is_none());
    let longest = several.flat_map(|r| r.segments.iter().map(|(_, ms)| *ms)).max();
    Timeline { duration_ms: duration.min(limits::DURATION_MS), segment_ms: longest.filter(|ms| *ms > 0) }
}

/// Puts an object that has no other name under its hash, with its outboard.
pub(super) fn put_object(
    dir: &SiteDir,
    bytes: &[u8],
    content_type: ContentType,
) -> Result<(ObjectId, ObjectSize), PublishError> {
    let size = ObjectSize::new(bytes.len() as u64);
    let size = size.ok_or_else(|| PublishError::Site {
        path: dir.root().to_owned(),
        why: std::io::Error::new(std::io::ErrorKind::InvalidInput, "an empty object"),
    })?;
    if !site::has_outboard(size) {
        let id = id_of(bytes);
        dir.put(&site::object_path(id, content_type), bytes)?;
        return Ok((id, size));
    }
    let mut hasher = tree::Hasher::new();
    hasher.update(bytes);
    let (id, outboard) = hasher.finish();
    let path = site::object_path(id, content_type);
    dir.put(&site::object_outboard_path(id), &outboard)?;
    dir.put(&path, bytes)?;
    Ok((id, size))
}
