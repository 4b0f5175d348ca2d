//! Which titles the origin is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Titles that are counted apart. A site has more only in theory; past that, the first ones are.
const MOST: usize = 100_000;

/// How often each title was asked for. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct AskedTitles(Arc<Mutex<BTreeMap<String, Count>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    requests: u64,
    bytes: u64,
}

/// One title's counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskedTitle {
    /// Its id.
    pub title: String,
    /// Requests for its media that were answered with some.
    pub requests: u64,
    /// Bytes that were asked for. Of an answer that was broken off, not all were sent.
    pub bytes: u64,
}

impl AskedTitles {
    /// Somebody asked for so many bytes of a title's media, and there are such.
    pub fn asked(&self, title: &str, bytes: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST && !counts.contains_key(title) {
            return;
        }
        let count = counts.entry(title.to_owned()).or_default();
        count.requests += 1;
        count.bytes += bytes;
    }

    /// The `most` titles of which most bytes were asked for.
    pub fn most_asked(&self, most: usize) -> Vec<AskedTitle> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = |(title, count): (&String, &Count)| AskedTitle {
            title: title.clone(),
            requests: count.requests,
            bytes: count.bytes,
        };
        let mut all: Vec<AskedTitle> = counts.iter().map(asked).collect();
        all.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.title.cmp(&b.title)));
        all.truncate(most);
        all
    }
}

/// The title whose media lies at the path of a request.
pub(super) fn title_of(path: &str) -> Option<&str> {
    path.strip_prefix("/media/")?.split_once('/').map(|(title, _)| title)
}
