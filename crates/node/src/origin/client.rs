//! The client itself: connections, timeouts, and one request at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nearcast_content::{BlockRange, ByteRange};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};
use rustls::pki_types::CertificateDer;

use super::error::{OriginError, Trouble, Waiting};
use super::hashes::HashCache;
use super::metrics::OriginMetrics;
use super::whole::WholeCache;
use super::{ObjectSource, Sink, redirect, run, tls};

/// Times and bounds of an origin client.
#[derive(Clone, Debug)]
pub struct OriginSettings {
    /// Longest time for a connection with its handshake.
    pub connect: Duration,
    /// Longest time without a byte.
    pub idle: Duration,
    /// Longest time for a run or a document.
    pub total: Duration,
    /// Bytes of outboards kept in memory.
    pub hashes_budget: u64,
    /// Certificates to trust besides the system's, in DER.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for OriginSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(10),
            // A run of 256 KiB at 35 kbit/s: slower than that is no origin.
            total: Duration::from_secs(60),
            hashes_budget: 4 << 20,
            extra_roots: Vec::new(),
        }
    }
}

/// Fetches from origins. Clones share connections and caches.
#[derive(Clone, Debug)]
pub struct OriginClient(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    http: reqwest::Client,
    settings: OriginSettings,
    metrics: OriginMetrics,
    pub(super) hashes: HashCache,
    pub(super) wholes: WholeCache,
}

impl OriginClient {
    /// A client with these `settings`, which counts in `metrics`.
    ///
    /// # Errors
    /// When TLS cannot be set up; the text says why.
    pub fn new(settings: OriginSettings, metrics: OriginMetrics) -> Result<Self, String> {
        let tls = tls::config(settings.extra_roots.clone()).map_err(|e| e.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // Several requests in one HTTP/2 connection would share one congestion window.
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(settings.connect)
            .read_timeout(settings.idle)
            .redirect(redirect::policy())
            .default_headers(headers)
            .user_agent(concat!("nearcast/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| e.to_string())?;
        let hashes = HashCache::new(settings.hashes_budget);
        let inner = Inner { http, settings, metrics, hashes, wholes: WholeCache::default() };
        Ok(Self(Arc::new(inner)))
    }

    /// What it counts.
    pub fn metrics(&self) -> &OriginMetrics {
        &self.0.metrics
    }

    /// Fetches `blocks` of an object and hands each one to `sink` as soon as it is verified. Dropping the
    /// future ends the request.
    ///
    /// # Errors
    /// What the origin did wrong. What the sink has by then is good.
    pub async fn fetch(
        &self,
        source: &ObjectSource,
        blocks: BlockRange,
        sink: &mut impl Sink,
    ) -> Result<(), OriginError> {
        self.within_total(&source.url, run::fetch(&self.0, source, blocks, sink)).await
    }

    /// Fetches a small file whole: a signed document, a page, a playlist, art. Longer ones than `max_len` are
    /// refused; with `expected` only the bytes of that object are taken.
    ///
    /// # Errors
    /// What the origin did wrong.
    pub async fn fetch_document(
        &self,
        url: &Url,
        max_len: usize,
        expected: Option<nearcast_content::ObjectId>,
    ) -> Result<Bytes, OriginError> {
        self.within_total(url, super::document::fetch(&self.0, url, max_len, expected)).await
    }

    async fn within_total<T>(
        &self,
        url: &Url,
        work: impl Future<Output = Result<T, OriginError>>,
    ) -> Result<T, OriginError> {
        let late = || Err(OriginError::at(url, Trouble::Timeout(Waiting::Total)));
        let outcome = tokio::time::timeout(self.0.settings.total, work).await.unwrap_or_else(|_| late());
        if let Err(error) = &outcome {
            self.0.metrics.count_failure(&error.url);
            tracing::debug!(%error, "origin");
        }
        outcome
    }
}

impl Inner {
    /// Sends a GET, for `range` if given, and returns the answer once its head is there.
    ///
    /// A kept-alive connection may have been closed by the other end just when the request went out. That says
    /// nothing about the origin, so it is asked once more.
    pub(super) async fn get(&self, url: &Url, range: Option<ByteRange>) -> Result<Answer, Trouble> {
        match self.send(url, range).await {
            Err(Trouble::Broken) => self.send(url, range).await,
            outcome => outcome,
        }
    }

    async fn send(&self, url: &Url, range: Option<ByteRange>) -> Result<Answer, Trouble> {
        self.metrics.count_request(url);
        let mut request = self.http.get(url.clone());
        if let Some(range) = range {
            request = request
                .header(header::RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        }
        let response = request.send().await.map_err(|e| Trouble::of_request(&e))?;
        let (head, length) = ((response.status(), response.headers().clone()), response.content_length());
        let (url, metrics) = (url.clone(), self.metrics.clone());
        Ok(Answer { head, body: Some(response), url, metrics, got: 0, length })
    }
}

/// As much of an answer that nobody wants any more is read to its end: most of it is on its way already.
const REST: u64 = 64 * 1024;
/// As long as it takes to come through a queue before the origin's line.
const REST_COMES_IN: Duration = Duration::from_millis(300);

/// An answer whose body is still coming in. Dropping it closes the connection, unless so little of it is left that it is
/// read to its end instead: the next request is then sent over a connection whose window is open.
#[derive(Debug)]
pub(super) struct Answer {
    head: (StatusCode, HeaderMap),
    /// None once all of it was read.
    body: Option<reqwest::Response>,
    url: Url,
    metrics: OriginMetrics,
    got: u64,
    /// Bytes that its head says it has.
    length: Option<u64>,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.head.0
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.head.1
    }

    /// Bytes of the body that came.
    pub(super) fn got(&self) -> u64 {
        self.got
    }

    /// The next bytes of a body that should have `wanted` in all; nothing at its end.
    pub(super) async fn next(&mut self, wanted: u64) -> Result<Option<Bytes>, Trouble> {
        let Some(body) = &mut self.body else { return Ok(None) };
        let chunk = body.chunk().await.map_err(|e| Trouble::of_body(&e, self.got, wanted))?;
        match &chunk {
            Some(chunk) => {
                self.metrics.count_received(&self.url, chunk.len());
                self.got = self.got.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            }
            None => self.body = None,
        }
        Ok(chunk)
    }

    /// The body, which must have exactly `wanted` bytes.
    pub(super) async fn all(mut self, wanted: u64) -> Result<Bytes, Trouble> {
        let mut bytes = bytes::BytesMut::new();
        while let Some(chunk) = self.next(wanted).await? {
            if self.got > wanted {
                return Err(Trouble::OtherSize { published: wanted, found: self.got });
            }
            bytes.extend_from_slice(&chunk);
        }
        if self.got < wanted {
            return Err(Trouble::Truncated { got: self.got, wanted });
        }
        Ok(bytes.freeze())
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let little = self.length.is_some_and(|length| length.saturating_sub(self.got) <= REST);
        let (Some(mut body), Ok(runtime)) = (self.body.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        if !little {
            return;
        }
        let (url, metrics) = (self.url.clone(), self.metrics.clone());
        let read = async move {
            while let Ok(Some(chunk)) = body.chunk().await {
                metrics.count_received(&url, chunk.len());
            }
        };
        drop(runtime.spawn(tokio::time::timeout(REST_COMES_IN, read)));
    }
}
