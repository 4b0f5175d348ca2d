//! Where an object's bytes lie when they are not under the object's own name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::web_url::{HostPlace, UrlError, WebUrl};

/// Why a text is not a path inside a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Empty or longer than the limit.
    #[error("the path must have 1 to {} bytes", limits::PATH_BYTES)]
    Length,
    /// More folders than the limit.
    #[error("the path is deeper than {} folders", limits::PATH_DEPTH)]
    Depth,
    /// It starts at the root, has an empty, `.` or `..` part, or a part that starts with a dot.
    #[error("the path must stay inside its folder and must not start with / or hold parts such as . or ..")]
    Escapes,
    /// A character that a file system or web server would misread.
    #[error("the path holds the character {0:?}, which file systems or web servers misread")]
    Character(char),
    /// Ends in `.obo`, which is the outboard of another file.
    #[error("the path ends in .obo, which is kept for hash trees")]
    Outboard,
}

/// A relative file path below a title's media folder, as a file system spells it (not escaped).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SitePath(String);

impl SitePath {
    /// The path as a file system spells it, parts joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path escaped for a URL (RFC 3986).
    pub fn to_url(&self) -> String {
        Self::escape(&self.0)
    }

    /// Escapes what is known to be a good path.
    pub(crate) fn escape(path: &str) -> String {
        let mut url = String::with_capacity(path.len());
        for byte in path.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/!$&'()+,;=@".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        url
    }
}

impl FromStr for SitePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.is_empty() || text.len() > limits::PATH_BYTES {
            return Err(PathError::Length);
        }
        let hostile = |c: &char| {
            c.is_control()
                || "\\:?*\"<>|#%".contains(*c)
                || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
        };
        if let Some(c) = text.chars().find(hostile) {
            return Err(PathError::Character(c));
        }
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() > limits::PATH_DEPTH {
            return Err(PathError::Depth);
        }
        // A blank or dot at the end of a name is dropped by some file systems, which would make two of one.
        if parts.iter().any(|p| p.is_empty() || p.starts_with('.') || p.ends_with(['.', ' '])) {
            return Err(PathError::Escapes);
        }
        if text.to_ascii_lowercase().ends_with(".obo") {
            return Err(PathError::Outboard);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SitePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SitePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl TryFrom<String> for SitePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

impl From<SitePath> for String {
    fn from(path: SitePath) -> Self {
        path.0
    }
}

/// Why a text is not a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Meant as a path, and not a good one.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Meant as an address, and not a good one.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Plain `http` to another machine.
    #[error("media elsewhere must be named by an https address")]
    Insecure,
}

/// Where an object lies instead of under its own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// Below the title's media folder of the site.
    Media(SitePath),
    /// On another server: `https`, or `http` on this machine (for trying things out).
    Elsewhere(WebUrl),
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if !text.contains("://") {
            return Ok(Self::Media(text.parse()?));
        }
        let url: WebUrl = text.parse()?;
        if url.is_secure() || url.place() == HostPlace::Loopback {
            Ok(Self::Elsewhere(url))
        } else {
            Err(SourceError::Insecure)
        }
    }
}

impl TryFrom<String> for Source {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Self, SourceError> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        match source {
            Source::Media(path) => path.0,
            Source::Elsewhere(url) => url.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_paths_stay_inside() {
        for good in ["a.m4s", "v0/seg 1.ts", "Ünder/Büro (1).mp3", "a/b/c/d/e/f/g/h"] {
            assert_eq!(good.parse::<SitePath>().expect(good).as_str(), good);
        }
        for (bad, want) in [
            ("", PathError::Length),
            ("/etc/passwd", PathError::Escapes),
            ("../x", PathError::Escapes),
            ("a/../../x", PathError::Escapes),
            ("a/./x", PathError::Escapes),
            ("a//x", PathError::Escapes),
            ("a/", PathError::Escapes),
            (".htaccess", PathError::Escapes),
            ("a./x", PathError::Escapes),
            ("a\\b", PathError::Character('\\')),
            ("C:x", PathError::Character(':')),
            ("a%2e", PathError::Character('%')),
            ("a?b", PathError::Character('?')),
            ("a#b", PathError::Character('#')),
            ("a\u{0}b", PathError::Character('\0')),
            ("a\u{202e}b", PathError::Character('\u{202e}')),
            ("x.m4s.obo", PathError::Outboard),
            ("a/b/c/d/e/f/g/h/i", PathError::Depth),
        ] {
            assert_eq!(bad.parse::<SitePath>(), Err(want), "{bad}");
        }
    }

    #[test]
    fn paths_are_escaped_for_the_web() {
        let path: SitePath = "v0/seg 1 é+.ts".parse().expect("a path");
        assert_eq!(path.to_url(), "v0/seg%201%20%C3%A9+.ts");
    }

    #[test]
    fn media_elsewhere_is_secure_or_on_this_machine() {
        assert!(matches!("https://vod.example/a.mp4".parse(), Ok(Source::Elsewhere(_))));
        assert!(matches!("http://127.0.0.1:80/a.mp4".parse(), Ok(Source::Elsewhere(_))));
        assert_eq!("http://vod.example/a.mp4".parse::<Source>(), Err(SourceError::Insecure));
        assert_eq!("https://u:p@vod.example/a".parse::<Source>(), Err(UrlError::Credentials.into()));
        assert_eq!("../a".parse::<Source>(), Err(PathError::Escapes.into()));
    }
}
