//! Files on other servers that are published without being copied: looked at, read once, hashed as they come.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use nearcast_content::{ByteRange, ObjectId, ObjectSize, WebUrl, tree};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::origin::{Glance, OriginClient, OriginError, OriginMetrics, OriginSettings};

/// Largest file that nodes take from a server that serves no ranges.
const WHOLE_LIMIT: u64 = 4 << 20;

/// What a server says of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    bytes: u64,
    /// Its entity tag or time of change.
    tag: Option<String>,
    ranges: bool,
}

/// Why a file elsewhere is not published.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebError {
    #[error("no connections can be made here: {0}")]
    Client(String),
    #[error("{0} is no address that can be asked")]
    Address(WebUrl),
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error("{url} is empty or too large ({bytes} bytes)")]
    Size { url: WebUrl, bytes: u64 },
    #[error(
        "the server of {0} does not serve ranges, which players need for more than 4 MiB; enable them there"
    )]
    NoRanges(WebUrl),
}

impl Found {
    /// The size, which was looked at before.
    pub(super) fn size(&self) -> Option<ObjectSize> {
        ObjectSize::new(self.bytes)
    }

    /// Whether another file would look different.
    pub(super) fn can_tell_changes(&self) -> bool {
        self.tag.is_some()
    }

    fn glance(&self) -> Glance {
        Glance { size: self.bytes, tag: self.tag.clone(), ranges: self.ranges }
    }
}

/// Other servers. It connects when it is first asked.
#[derive(Debug, Default)]
pub(super) struct Web(Mutex<Option<Arc<Connected>>>);

#[derive(Debug)]
struct Connected {
    client: OriginClient,
    /// Taken when it is dropped, which must not wait.
    runtime: Option<Runtime>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Web {
    fn connected(&self) -> Result<Arc<Connected>, WebError> {
        let mut connected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*connected {
            return Ok(known.clone());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|why| WebError::Client(why.to_string()))?;
        let client = OriginClient::new(OriginSettings::default(), OriginMetrics::default());
        let new = Arc::new(Connected { client: client.map_err(WebError::Client)?, runtime: Some(runtime) });
        *connected = Some(new.clone());
        Ok(new)
    }

    fn ask<T>(
        &self,
        url: &WebUrl,
        work: impl AsyncFnOnce(&OriginClient, Url) -> Result<T, OriginError>,
    ) -> Result<T, WebError> {
        let connected = self.connected()?;
        let address: Url = url.as_str().parse().map_err(|_| WebError::Address(url.clone()))?;
        let runtime =
            connected.runtime.as_ref().ok_or_else(|| WebError::Client("it is ending".to_owned()))?;
        Ok(runtime.block_on(work(&connected.client, address))?)
    }

    /// A small file, whole.
    pub(super) fn document(&self, url: &WebUrl, limit: usize) -> Result<Bytes, WebError> {
        self.ask(url, async |client, address| client.fetch_document(&address, limit, None).await)
    }

    /// What the server says of a file. One that nodes could not fetch is refused.
    pub(super) fn look(&self, url: &WebUrl) -> Result<Found, WebError> {
        let glance = self.ask(url, async |client, address| client.look(&address).await)?;
        let Glance { size, tag, ranges } = glance;
        if ObjectSize::new(size).is_none() {
            return Err(WebError::Size { url: url.clone(), bytes: size });
        }
        if !ranges && size > WHOLE_LIMIT {
            return Err(WebError::NoRanges(url.clone()));
        }
        Ok(Found { bytes: size, tag, ranges })
    }

    /// Part of a file that was looked at.
    pub(super) fn part(&self, url: &WebUrl, found: &Found, range: ByteRange) -> Result<Bytes, WebError> {
        let glance = found.glance();
        self.ask(url, async |client, address| client.part(&address, &glance, range).await)
    }

    /// Reads a file that was looked at, and hashes it as it comes: no more of it is in memory than a piece and
    /// its outboard.
    pub(super) fn hash(
        &self,
        url: &WebUrl,
        found: &Found,
        progress: &dyn Fn(u64),
    ) -> Result<(ObjectId, Vec<u8>), WebError> {
        let glance = found.glance();
        let mut hasher = tree::Hasher::new();
        self.ask(url, async |client, address| {
            let take = |bytes: &[u8]| {
                hasher.update(bytes);
                progress(bytes.len() as u64);
            };
            client.read(&address, &glance, take).await
        })?;
        Ok(hasher.finish())
    }
}
