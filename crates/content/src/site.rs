//! Where everything lies in a published site: one place for every path, as the site's root sees it.
//!
//! ```text
//! nearcast/catalogue.jws              signed head of the list of titles
//! nearcast/policy.jws                 signed rules for peers
//! nearcast/succession.jws             key changes, one statement a line; only if there were any
//! nearcast/titles/<title>.jws         signed manifest
//! nearcast/pages/<id>.json            pages of the catalogue
//! nearcast/objects/<ab>/<id>.<ext>    objects without a place of their own: art, indices
//! nearcast/objects/<ab>/<id>.obo      outboards of those, and of media on other servers
//! media/<title>/...                   media as any player reads it; <file>.obo beside each file
//! ```
//!
//! An object of one block has no outboard: its hash alone verifies it.

use crate::content_type::ContentType;
use crate::ids::{ObjectId, TitleId};
use crate::object_ref::ObjectRef;
use crate::source::{SitePath, Source};
use crate::units::ObjectSize;
use crate::web_url::{HostPlace, WebUrl};

/// The signed head of the list of titles.
pub const CATALOGUE: &str = "nearcast/catalogue.jws";
/// The signed rules for peers.
pub const POLICY: &str = "nearcast/policy.jws";
/// Statements by which the provider's key changed.
pub const SUCCESSION: &str = "nearcast/succession.jws";
/// Ending of an outboard's name.
pub const OUTBOARD: &str = "obo";

/// Why an object's address cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A site on the network names media on the reader's own machine or network.
    #[error("the media is refused: a site on the network must not send this device to {0:?} addresses")]
    Inward(HostPlace),
}

/// The signed manifest of `title`.
pub fn manifest_path(title: &TitleId) -> String {
    format!("nearcast/titles/{title}.jws")
}

/// A page of the catalogue.
pub fn page_path(id: ObjectId) -> String {
    format!("nearcast/pages/{id}.json")
}

/// The folder of a title's media, with a slash at the end.
pub fn media_folder(title: &TitleId) -> String {
    format!("media/{title}/")
}

/// The file of an object without a source.
pub fn object_path(id: ObjectId, content_type: ContentType) -> String {
    format!("{}.{}", object_stem(id), content_type.extension())
}

/// The outboard of an object without a source.
pub fn object_outboard_path(id: ObjectId) -> String {
    format!("{}.{OUTBOARD}", object_stem(id))
}

/// Two digits of the id as a folder keep the number of files in one folder small.
fn object_stem(id: ObjectId) -> String {
    let id = id.to_string();
    format!("nearcast/objects/{}/{id}", &id[..2])
}

/// Whether an object of this size has an outboard in the site.
pub fn has_outboard(size: ObjectSize) -> bool {
    size.blocks() > 1
}

/// The file of an object of `title` in the site, as a file system spells it; none when it lies elsewhere.
pub fn file_of(title: &TitleId, object: &ObjectRef) -> Option<String> {
    match &object.source {
        None => Some(object_path(object.id, object.content_type)),
        Some(Source::Media(path)) => Some(format!("{}{path}", media_folder(title))),
        Some(Source::Elsewhere(_)) => None,
    }
}

/// The file of an object's outboard in the site, as a file system spells it: beside the object, or under the
/// object's own name when that lies elsewhere.
pub fn outboard_file_of(title: &TitleId, object: &ObjectRef) -> String {
    match &object.source {
        Some(Source::Media(path)) => format!("{}{path}.{OUTBOARD}", media_folder(title)),
        None | Some(Source::Elsewhere(_)) => object_outboard_path(object.id),
    }
}

/// The address of the file at `path` (one of this module's) in `site`.
pub fn url_of(site: &WebUrl, path: &str) -> String {
    site.join(&SitePath::escape(path))
}

/// The address of an object of `title`.
///
/// Refused when a site on the network names media on the reader's own machine or private network, which
/// would make the reader's node knock where the provider cannot.
pub fn object_url(site: &WebUrl, title: &TitleId, object: &ObjectRef) -> Result<String, PlaceError> {
    match (&object.source, file_of(title, object)) {
        (Some(Source::Elsewhere(url)), _) => {
            let inward = url.place() != HostPlace::Public && url.place() != site.place();
            if inward { Err(PlaceError::Inward(url.place())) } else { Ok(url.as_str().to_owned()) }
        }
        (_, path) => Ok(url_of(site, &path.unwrap_or_default())),
    }
}

/// The address of an object's outboard.
pub fn outboard_url(site: &WebUrl, title: &TitleId, object: &ObjectRef) -> String {
    url_of(site, &outboard_file_of(title, object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(source: Option<&str>) -> ObjectRef {
        ObjectRef {
            id: ObjectId([0xab; 32]),
            size: ObjectSize::new(100_000).expect("in range"),
            content_type: ContentType::Segment,
            source: source.map(|s| s.parse().expect("a source")),
        }
    }

    fn url(site: &str, source: Option<&str>) -> Result<String, PlaceError> {
        let title = TitleId::slug("film").expect("letters");
        object_url(&site.parse().expect("an address"), &title, &object(source))
    }

    #[test]
    fn objects_and_outboards_have_one_place() {
        let title = TitleId::slug("film").expect("letters");
        let site: WebUrl = "https://example.org/tv/".parse().expect("an address");
        let ab = "ab".repeat(32);
        let own = format!("nearcast/objects/ab/{ab}");
        assert_eq!(file_of(&title, &object(None)), Some(format!("{own}.m4s")));
        assert_eq!(outboard_file_of(&title, &object(None)), format!("{own}.obo"));
        let media = object(Some("v 0/a.m4s"));
        assert_eq!(file_of(&title, &media).as_deref(), Some("media/film/v 0/a.m4s"));
        assert_eq!(outboard_url(&site, &title, &media), "https://example.org/tv/media/film/v%200/a.m4s.obo");
        let elsewhere = object(Some("https://cdn.example/a.mp4"));
        assert_eq!(file_of(&title, &elsewhere), None);
        assert_eq!(outboard_file_of(&title, &elsewhere), format!("{own}.obo"));
    }

    #[test]
    fn a_public_site_does_not_send_its_audience_inward() {
        assert_eq!(
            url("https://example.org/tv", Some("v0.m4s")).as_deref(),
            Ok("https://example.org/tv/media/film/v0.m4s")
        );
        let cdn = "https://cdn.example/a.mp4";
        assert_eq!(url("https://example.org/", Some(cdn)).as_deref(), Ok(cdn));
        for inward in ["http://127.0.0.1:1/a", "https://192.168.1.1/a", "https://[::1]/a"] {
            assert!(url("https://example.org/", Some(inward)).is_err(), "{inward}");
        }
        assert!(url("http://127.0.0.1:8080/", Some("http://127.0.0.1:1/a")).is_ok());
        assert!(url("http://127.0.0.1:8080/", Some("https://192.168.1.1/a")).is_err());
    }
}
