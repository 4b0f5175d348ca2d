//! Signing what changed and keeping what did not, byte for byte.

use nearcast_content::catalogue::{Entry, Page, PageRef};
use nearcast_content::{Document, FormatError, ObjectSize, SigningKey, UnixTime, Validity, limits, site};

use super::PublishError;
use super::site_dir::{SiteDir, id_of};

/// Who signs, when, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) key: SigningKey,
    pub(super) now: UnixTime,
    pub(super) life_secs: u64,
}

/// A document that holds from here on.
#[derive(Debug)]
pub(super) enum Settled<T> {
    /// The one that was there: nothing changed, and at least half of its life is left.
    Kept(T),
    /// A new one.
    Signed { document: T, text: String },
}

impl<T> Settled<T> {
    pub(super) fn document(&self) -> &T {
        match self {
            Self::Kept(document) | Self::Signed { document, .. } => document,
        }
    }
}

impl Signer {
    /// Keeps `old` if `make` gives the same again, and signs a new document otherwise.
    ///
    /// The sequence of a first document is the time, so that it grows even when the site it was in is lost.
    pub(super) fn settle<T: Document + PartialEq, E: From<FormatError>>(
        &self,
        old: Option<&T>,
        make: impl Fn(Validity) -> Result<T, E>,
    ) -> Result<Settled<T>, E> {
        if let Some(old) = old {
            let again = make(old.validity())?;
            let Validity { issued, expires, .. } = old.validity();
            let left = expires.since(self.now);
            if again == *old && left >= expires.since(issued) / 2 {
                return Ok(Settled::Kept(again));
            }
        }
        let next = old.map_or(0, |o| o.validity().sequence + 1);
        let expires = self.now.plus(self.life_secs);
        let document = make(Validity { sequence: next.max(self.now.0), issued: self.now, expires })?;
        let text = document.sign(&self.key)?;
        Ok(Settled::Signed { document, text })
    }
}

/// Puts the pages of the catalogue into the site, and says how the head names them.
pub(super) fn put_pages(dir: &SiteDir, entries: &[Entry]) -> Result<Vec<PageRef>, PublishError> {
    let mut pages = Vec::new();
    for chunk in entries.chunks(limits::PAGE_ENTRIES) {
        put_page(dir, chunk, &mut pages)?;
    }
    Ok(pages)
}

fn put_page(dir: &SiteDir, entries: &[Entry], pages: &mut Vec<PageRef>) -> Result<(), PublishError> {
    let bytes = match (Page { entries: entries.to_vec() }).encode() {
        Err(FormatError::TooLarge { .. }) if entries.len() > 1 => {
            let (left, right) = entries.split_at(entries.len() / 2);
            put_page(dir, left, pages)?;
            return put_page(dir, right, pages);
        }
        encoded => encoded.map_err(|why| PublishError::Format { what: "catalogue page", why })?,
    };
    let (id, size) = (id_of(&bytes), ObjectSize::new(bytes.len() as u64));
    dir.put(&site::page_path(id), &bytes)?;
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    pages.extend(size.map(|size| PageRef { id, size, count }));
    Ok(())
}
