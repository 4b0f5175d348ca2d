//! Files of a site by request path: none outside the site's folder, none hidden, nothing but plain files.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Response, header};
use percent_encoding::percent_decode_str;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use crate::http::{BodyKind, Entity, media_type};

/// Bytes read at once, and with them the memory of one response.
const READ: usize = 64 * 1024;
/// File that a folder's path stands for.
pub(super) const INDEX: &str = "index.html";

/// A site's folder.
#[derive(Debug)]
pub(super) struct Site {
    /// Without symbolic links, so that what lies inside can be told.
    root: PathBuf,
}

/// Why a path has no file.
#[derive(Debug)]
pub(super) enum FileError {
    /// Nothing that may be served.
    Absent,
    /// A folder asked for without its slash; the path with it.
    Folder(String),
    /// The system will not read it.
    Unreadable(io::Error),
}

/// A file that was opened.
#[derive(Debug)]
pub(super) struct SiteFile {
    file: File,
    entity: Entity,
    kind: BodyKind,
    cache: &'static str,
}

impl Site {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        root.read_dir()?;
        Ok(Self { root })
    }

    /// Opens the file that the path of a request, still escaped, stands for.
    pub(super) async fn open_file(&self, path: &str) -> Result<SiteFile, FileError> {
        let relative = relative(path).ok_or(FileError::Absent)?;
        let (root, asked) = (self.root.clone(), path.to_owned());
        let found = tokio::task::spawn_blocking(move || find(&root, &relative, &asked)).await;
        let (file, metadata, name) = found.map_err(|e| FileError::Unreadable(io::Error::other(e)))??;
        let (content_type, kind) = media_type::of_name(&name);
        let changed = format!("{:x}-{:x}", metadata.mtime(), metadata.mtime_nsec());
        let entity = Entity {
            size: metadata.len(),
            etag: Entity::tag(&format!("{:x}-{changed}-{:x}", metadata.ino(), metadata.len())),
            modified: metadata.modified().ok(),
            content_type: HeaderValue::from_static(content_type),
        };
        Ok(SiteFile { file: File::from_std(file), entity, kind, cache: cache_control(path, &name) })
    }
}

/// The path below the site's folder. Nothing for one with `..`, hidden parts or letters that split a path.
fn relative(path: &str) -> Option<PathBuf> {
    let decoded = percent_decode_str(path.strip_prefix('/')?).decode_utf8().ok()?;
    let mut relative = PathBuf::new();
    for part in decoded.split('/').filter(|p| !p.is_empty()) {
        if part.starts_with('.') || part.contains(['\\', '\0']) {
            return None;
        }
        relative.push(part);
    }
    if decoded.is_empty() || decoded.ends_with('/') {
        relative.push(INDEX);
    }
    Some(relative)
}

fn find(
    root: &Path,
    relative: &Path,
    path: &str,
) -> Result<(std::fs::File, std::fs::Metadata, String), FileError> {
    let real = root.join(relative).canonicalize()?;
    if !real.starts_with(root) {
        return Err(FileError::Absent);
    }
    // Asked before opening: opening a pipe would wait for its other end.
    let metadata = real.metadata()?;
    if metadata.is_dir() && real.join(INDEX).is_file() {
        return Err(FileError::Folder(format!("{path}/")));
    }
    if !metadata.is_file() {
        return Err(FileError::Absent);
    }
    let file = std::fs::File::open(&real)?;
    let metadata = file.metadata()?;
    let name = relative.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    Ok((file, metadata, name))
}

/// Some errors only say that the path names nothing: also a file used as a folder, and a name too long.
impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
        if [NotFound, NotADirectory, InvalidFilename].contains(&error.kind()) {
            Self::Absent
        } else {
            Self::Unreadable(error)
        }
    }
}

/// A file named by its hash never changes. Signed documents and playlists are replaced in place, so caches must
/// ask again; an unchanged one costs a 304.
fn cache_control(path: &str, name: &str) -> &'static str {
    let named_by_hash = ["/nearcast/objects/", "/nearcast/pages/"].iter().any(|f| path.starts_with(f));
    if named_by_hash {
        return "public, max-age=31536000, immutable";
    }
    match media_type::of_name(name).1 {
        BodyKind::Document | BodyKind::Playlist | BodyKind::Page => "no-cache",
        BodyKind::Media | BodyKind::Outboard | BodyKind::Art | BodyKind::Subtitles | BodyKind::Other => {
            "public, max-age=300"
        }
    }
}

impl SiteFile {
    /// The response to a GET or HEAD with these headers.
    pub(super) async fn answer(mut self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        let answer = self.entity.answer(method, headers);
        let bytes = answer.body(&self.entity);
        let body = if method == Method::HEAD || bytes.is_empty() {
            Body::empty()
        } else {
            match self.file.seek(SeekFrom::Start(bytes.start)).await {
                Ok(_) => {
                    self.file.set_max_buf_size(READ);
                    Body::from_stream(ReaderStream::with_capacity(self.file.take(bytes.len()), READ))
                }
                Err(error) => return super::refusal(&FileError::Unreadable(error)),
            }
        };
        let mut response = answer.response(&self.entity, body);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache));
        response.extensions_mut().insert(self.kind);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_site() {
        for (path, want) in [
            ("/a/b.m4s", Some("a/b.m4s")),
            ("/a//b", Some("a/b")),
            ("/a%20b/%C3%A4", Some("a b/ä")),
            ("/", Some("index.html")),
            ("/a/", Some("a/index.html")),
            ("/../secret", None),
            ("/a/%2e%2e/secret", None),
            ("/a%2f..%2fsecret", None),
            ("/.git/config", None),
            ("/a\\..\\b", None),
            ("/a%00", None),
            ("/%ff", None),
            ("*", None),
        ] {
            assert_eq!(relative(path), want.map(PathBuf::from), "{path}");
        }
    }
}
