//! The origin server: what `nearcast serve` runs. One TCP port for the site's files, metrics, and routers of others.
//!
//! A site is static files, so this is a plain web server, done with care for what players and nodes ask: ranges,
//! conditional requests, CORS for browsers. Everything a site holds is public and signed.

mod asked;
mod files;
mod front;
mod published;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::routing::get;
use nearcast_content::site;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::http::{BodyKind, ConnectionLimits, HttpMetrics, Server, Tls, Uplink};
use crate::metrics;

use files::{FileError, Site};

pub use asked::{AskedTitle, AskedTitles};
pub use front::front_page;
pub use published::{Published, SiteError, watch_policy};

/// What to serve, and how.
#[derive(Debug)]
pub struct OriginOptions {
    /// The site's folder.
    pub site: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Ceiling on everything sent.
    pub uplink: Option<Uplink>,
    /// What clients may do.
    pub limits: ConnectionLimits,
}

/// Why an origin server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The site's folder is missing or unreadable.
    #[error("cannot serve {}: {source}", site.display())]
    Site {
        /// The folder.
        site: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The address is taken or may not be used.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// An origin server that listens and has not begun to answer.
#[derive(Debug)]
pub struct OriginServer {
    server: Server,
    site: Site,
    asked: AskedTitles,
    address: SocketAddr,
}

impl OriginServer {
    /// Listens, and registers its counts with `registry`.
    ///
    /// # Errors
    /// When the site cannot be read or the address not be had.
    pub async fn bind(options: OriginOptions, registry: &mut Registry) -> Result<Self, ServeError> {
        let OriginOptions { site, listen, uplink, limits } = options;
        let opened = Site::open(&site).map_err(|source| ServeError::Site { site, source })?;
        let refused = |source| ServeError::Listen { address: listen, source };
        let metrics = HttpMetrics::register(registry, "serve");
        let server = Server::bind(listen, limits, metrics).await.map_err(refused)?.with_uplink(uplink);
        let address = server.address().map_err(refused)?;
        Ok(Self { server, site: opened, asked: AskedTitles::default(), address })
    }

    /// Speaks TLS on every connection.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Tls>) -> Self {
        self.server = self.server.with_tls(tls);
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn metrics(&self) -> &HttpMetrics {
        self.server.metrics()
    }

    /// The titles that it is asked for.
    pub fn asked(&self) -> &AskedTitles {
        &self.asked
    }

    /// Serves until `shutdown`. `mounted` holds routes of others (supernode, dashboard), without a fallback of
    /// its own; they go before the site's files. `registry` is shown at `/metrics`.
    pub async fn run(self, mounted: Router, registry: Arc<Registry>, shutdown: CancellationToken) {
        let router = Router::new()
            .route("/metrics", get(async move || metrics::page(&registry)))
            .fallback(site_file)
            .with_state(Arc::new((self.site, self.asked)))
            .merge(mounted);
        self.server.run(router, shutdown).await;
    }
}

/// A folder of media that is not a site yet. [`crate::origin_server`] serves sites only; whoever starts it
/// makes one of the media first.
#[derive(Debug, PartialEq, Eq)]
pub enum Folder {
    /// Holds a site's signed catalogue.
    Site,
    /// Anything else: to be published first.
    Media,
}

/// Tells a site from a folder of media.
///
/// # Errors
/// When the folder cannot be read.
pub fn kind_of(folder: &Path) -> io::Result<Folder> {
    let marker = folder.join(site::CATALOGUE);
    Ok(if marker.try_exists()? { Folder::Site } else { Folder::Media })
}

async fn site_file(State(state): State<Arc<(Site, AskedTitles)>>, request: Request) -> Response<Body> {
    let (site, asked) = &*state;
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => match site.open_file(request.uri().path()).await {
            Ok(file) => file.answer(request.method(), request.headers()).await,
            Err(error) => refusal(&error),
        },
        Method::OPTIONS => preflight(),
        _ => method_not_allowed(),
    };
    count_title(asked, &request, &response);
    share_with_every_page(&mut response);
    response
}

/// Counts an answer with media towards its title. Only titles that the site has are answered, so what is asked for
/// cannot grow the counts.
fn count_title(asked: &AskedTitles, request: &Request, response: &Response<Body>) {
    let media = response.extensions().get::<BodyKind>() == Some(&BodyKind::Media);
    if !media || !response.status().is_success() || request.method() != Method::GET {
        return;
    }
    if let Some(title) = asked::title_of(request.uri().path()) {
        let length =
            response.headers().get(header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse().ok());
        asked.asked(title, length.unwrap_or_default());
    }
}

fn refusal(error: &FileError) -> Response<Body> {
    let (status, text) = match error {
        FileError::Absent => (StatusCode::NOT_FOUND, "no such file\n"),
        FileError::Folder(with_slash) => return moved(with_slash),
        FileError::Unreadable(error) => {
            tracing::warn!(%error, "a file of the site cannot be read");
            (StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read\n")
        }
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// To the folder with its slash, without which relative links of its page would miss.
fn moved(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Range, If-Range, If-Match, If-None-Match, If-Modified-Since"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn method_not_allowed() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, METHODS);
    response
}

/// A site is public, so any page may read it and time it.
fn share_with_every_page(response: &mut Response<Body>) {
    let any = HeaderValue::from_static("*");
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any.clone());
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(
            "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified, Retry-After",
        ),
    );
    headers.insert("timing-allow-origin", any);
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if response.extensions().get::<BodyKind>().is_none() {
        response.extensions_mut().insert(BodyKind::Other);
    }
}
