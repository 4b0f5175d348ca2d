//! The gateway: local HTTP, by which any player on this machine plays what the swarm delivers.
//!
//! It listens on loopback only and answers its own page and players, not other web pages: see `guard`. What it
//! serves comes from a [`Library`]: documents from memory, media as a stream of verified bytes that follows the
//! player's pace.

mod guard;
mod library;
mod plain;
mod plays;
mod serve;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{get, post};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::http::{ConnectionLimits, HttpMetrics, Server};
use crate::{metrics, page};

pub use library::{
    BodyStream, Document, Library, ListedFile, LookupError, Media, ReadError, ReadRequest, Resolved,
    TitleAbout, TitleSummary,
};
pub use plays::{PlayKey, Plays};

/// Most that a page sends at once: the names of a few titles.
const TOLD_BYTES: usize = 16 * 1024;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address is not loopback: a gateway has no access control of its own.
    #[error("a gateway listens on this machine only, not on {0}; choose 127.0.0.1 or [::1]")]
    NotLocal(SocketAddr),
    /// The port is taken or may not be used.
    #[error("cannot listen on {address}: {source}; choose another with --gateway")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A gateway that listens and has not begun to answer.
#[derive(Debug)]
pub struct Gateway {
    server: Server,
    address: SocketAddr,
}

impl Gateway {
    /// Listens on `address`, which must be loopback, and registers its counts with `registry`.
    ///
    /// # Errors
    /// When the address is not loopback or cannot be had.
    pub async fn bind(address: SocketAddr, registry: &mut Registry) -> Result<Self, GatewayError> {
        if !address.ip().is_loopback() {
            return Err(GatewayError::NotLocal(address));
        }
        let refused = |source| GatewayError::Listen { address, source };
        let metrics = HttpMetrics::register(registry, "gateway");
        let server = Server::bind(address, ConnectionLimits::LOCAL, metrics).await.map_err(refused)?;
        let address = server.address().map_err(refused)?;
        Ok(Self { server, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn metrics(&self) -> &HttpMetrics {
        self.server.metrics()
    }

    /// Serves `library` until `shutdown`. `mounted` holds routes of others, without a fallback of
    /// its own; `registry` is shown at `/metrics`.
    pub async fn run<L: Library>(
        self,
        library: Arc<L>,
        mounted: Router,
        registry: Arc<Registry>,
        shutdown: CancellationToken,
    ) {
        let router = Router::new()
            .route(plain::LIST_PATH, get(plain::index::<L>))
            .route(plain::STYLE_PATH, get(plain::style))
            .route("/titles", get(plain::titles::<L>))
            .route("/titles/{title}", get(plain::title::<L>))
            .route("/upcoming", post(plain::upcoming::<L>).layer(DefaultBodyLimit::max(TOLD_BYTES)))
            .route("/status", get(plain::status::<L>))
            .route("/metrics", get(async move || metrics::page(&registry)))
            .route("/t/{title}/{*file}", get(serve::file::<L>))
            .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here; the titles are at /\n"))
            .with_state(serve::Desk::new(library, shutdown.clone()))
            .merge(page::player("/", page::Before::Gateway))
            .merge(page::assets())
            .merge(mounted)
            .layer(middleware::from_fn_with_state(guard::Guard::new(self.address), guard::check));
        self.server.run(router, shutdown).await;
    }
}
