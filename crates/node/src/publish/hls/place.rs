//! From an address in a playlist to a file inside the folder, and never outside of it.

use std::path::{Path, PathBuf};

use nearcast_content::source::{PathError, SitePath};

/// Why an address in a playlist is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UriError {
    #[error("media on another server cannot be published from a folder; use relative addresses")]
    Elsewhere,
    #[error("it starts at the root of a server or disk; use an address relative to the playlist")]
    Absolute,
    #[error("it leads out of the folder")]
    Escapes,
    #[error("addresses with a query or fragment name no file")]
    Query,
    #[error("its escapes are broken")]
    Escape,
    #[error("{0}; rename the file")]
    Name(#[from] PathError),
    #[error("the file is missing or cannot be read: {0}")]
    Missing(std::io::Error),
    #[error("it is a link that leads out of the folder")]
    Link,
    #[error("it is no file, or an empty one")]
    NoFile,
}

/// The path below the folder that the playlist at `playlist` (a path below the folder) means by `uri`.
pub(super) fn resolve(playlist: &str, uri: &str) -> Result<SitePath, UriError> {
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme);
    if scheme.is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+')) {
        return Err(UriError::Elsewhere);
    }
    if uri.starts_with('/') || uri.starts_with('\\') {
        return Err(UriError::Absolute);
    }
    if uri.contains(['?', '#']) {
        return Err(UriError::Query);
    }
    let base = playlist.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<String> = base.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    for part in uri.split('/') {
        let part = unescape(part).ok_or(UriError::Escape)?;
        match part.as_str() {
            "." => {}
            ".." => {
                parts.pop().ok_or(UriError::Escapes)?;
            }
            _ => parts.push(part),
        }
    }
    Ok(parts.join("/").parse()?)
}

/// What an escaped part of an address stands for; an escaped slash stays refused as a part of a name.
fn unescape(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let value = digit(rest.next())? << 4 | digit(rest.next())?;
        if value == b'/' {
            return None;
        }
        bytes.push(value);
    }
    String::from_utf8(bytes).ok()
}

/// The file at `path` below `root` (a canonical path), which no link may lead out of.
pub(super) fn find(root: &Path, path: &SitePath) -> Result<PathBuf, UriError> {
    let real = root.join(path.as_str()).canonicalize().map_err(UriError::Missing)?;
    if !real.starts_with(root) {
        return Err(UriError::Link);
    }
    let found = real.metadata().map_err(UriError::Missing)?;
    if found.is_file() && found.len() > 0 { Ok(real) } else { Err(UriError::NoFile) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_where_the_playlist_lies() {
        for (playlist, uri, want) in [
            ("master.m3u8", "v0/index.m3u8", "v0/index.m3u8"),
            ("v0/index.m3u8", "seg%201.ts", "v0/seg 1.ts"),
            ("v0/index.m3u8", "../shared/./init.mp4", "shared/init.mp4"),
            ("v0/index.m3u8", "b%C3%BCro.ts", "v0/büro.ts"),
        ] {
            assert_eq!(resolve(playlist, uri).expect(uri).as_str(), want);
        }
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let word = |uri: &str| resolve("v0/index.m3u8", uri).expect_err(uri).to_string();
        for (uri, want) in [
            ("../../etc/passwd", "leads out"),
            ("..%2f..%2fetc/passwd", "broken"),
            ("%2e%2e/%2e%2e/%2e%2e/x", "leads out"),
            ("/etc/passwd", "starts at the root"),
            ("//other.example/x", "starts at the root"),
            ("\\\\server\\x", "starts at the root"),
            ("https://other.example/x.ts", "another server"),
            ("file:///etc/passwd", "another server"),
            ("C:\\x", "another server"),
            ("x.ts?token=1", "query"),
            ("x%zz.ts", "broken"),
            ("x%00.ts", "misread"),
            (".hidden", "stay inside"),
            ("a//b", "stay inside"),
            ("", "must not"),
        ] {
            assert!(word(uri).contains(want), "{uri}: {}", word(uri));
        }
    }
}
