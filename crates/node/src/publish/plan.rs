//! What is to be published of one input, before its bytes are read.

use std::path::{Path, PathBuf};

use nearcast_content::manifest::{About, DocumentRole, Protection, RenditionId, Resolution, Role};
use nearcast_content::source::SitePath;
use nearcast_content::{ContentType, Text, TitleId, Token, WebUrl};

/// One title in the making.
#[derive(Debug)]
pub(super) struct Plan {
    /// The file of sound or the main playlist.
    pub(super) input: PathBuf,
    /// The id it would like.
    pub(super) wish: TitleId,
    pub(super) about: About,
    pub(super) art: Option<Picture>,
    pub(super) protection: Protection,
    pub(super) files: Vec<PlannedFile>,
    pub(super) shape: Shape,
    /// Files that are documents of the title and belong to no playlist.
    pub(super) documents: Vec<(DocumentRole, usize)>,
    /// The file that the title was packaged from, where it is published too.
    pub(super) original: Option<usize>,
    /// The package that its files lie in.
    pub(super) package: Option<String>,
}

/// A file of a title.
#[derive(Clone, Debug)]
pub(super) struct PlannedFile {
    pub(super) from: Bytes,
    pub(super) to: FileName,
    pub(super) content_type: ContentType,
}

/// Where a file's bytes come from.
#[derive(Clone, Debug)]
pub(super) enum Bytes {
    File(PathBuf),
    /// A file that nobody else touches, which may be linked.
    Ours(PathBuf),
    Made(Vec<u8>),
    /// A file on another server, which stays there.
    Elsewhere(WebUrl),
}

/// What a file is called below the title's media folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileName {
    /// As the title's id, with its type's ending.
    OfTitle,
    /// As its playlists call it.
    Fixed(SitePath),
}

/// A picture to show a title by.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: ContentType,
}

/// How a title's files make up its renditions. Files are named by their place in [`Plan::files`].
#[derive(Debug)]
pub(super) enum Shape {
    /// The one file is played as it is.
    Whole { role: Role, codecs: Option<Token>, duration_ms: u64 },
    /// An HLS tree.
    Hls(HlsShape),
}

/// An HLS tree.
#[derive(Debug)]
pub(super) struct HlsShape {
    pub(super) renditions: Vec<HlsRendition>,
    /// The playlist that players open.
    pub(super) master: usize,
    /// Playlists that are no rendition's, such as those of still pictures.
    pub(super) playlists: Vec<usize>,
}

/// A rendition of an HLS tree.
#[derive(Debug)]
pub(super) struct HlsRendition {
    pub(super) id: RenditionId,
    pub(super) role: Role,
    pub(super) codecs: Option<Token>,
    pub(super) bandwidth: Option<u64>,
    pub(super) average_bandwidth: Option<u64>,
    pub(super) resolution: Option<Resolution>,
    pub(super) frame_rate_milli: Option<u32>,
    pub(super) language: Option<Token>,
    pub(super) playlist: usize,
    /// Init sections: file and range.
    pub(super) inits: Vec<(usize, Option<(u64, u64)>)>,
    /// The files in playing order with how long each plays.
    pub(super) segments: Vec<(usize, u64)>,
    /// Most bits a second that one segment needs, where ranges tell.
    pub(super) peak: Option<u64>,
}

impl HlsRendition {
    pub(super) fn duration_ms(&self) -> u64 {
        self.segments.iter().map(|(_, ms)| ms).sum()
    }

    /// The one file that holds it all, init section too, if there is just one.
    pub(super) fn single(&self) -> Option<usize> {
        let [(file, _)] = self.segments[..] else { return None };
        self.inits.iter().all(|(init, _)| *init == file).then_some(file)
    }
}

/// The id that a title would like.
pub(super) fn wish(artist: Option<&Text>, name: &Text, input: &Path) -> TitleId {
    let both = artist.map(|a| format!("{a} {name}"));
    let stem = input.file_stem().map(|s| s.to_string_lossy().into_owned());
    let texts = [both, Some(name.to_string()), stem];
    let wish = texts.iter().flatten().find_map(|t| TitleId::slug(t));
    wish.unwrap_or_else(|| TitleId::slug("title").expect("letters"))
}
