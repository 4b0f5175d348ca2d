//! The supernode: directory and signalling over WebSocket, as routes for an HTTP server.
//!
//! The directory itself decides in the engine; here connections are accepted, keys proven, addresses observed
//! and messages moved. Each provider has a directory of its own, owned by one task. Everything is bounded:
//! connections, what a connection may say, what waits to be said to it.

mod addresses;
mod connections;
mod desk;
mod door;
mod places;
mod session;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Extension, Router};
use nearcast_content::{ProviderKey, TitleId};
use nearcast_engine::directory::{Directory, SessionId, Settings};
use nearcast_engine::limits::MAX_MESSAGE;
use nearcast_engine::wire::{PlayReport, SwarmId, Versions};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::connections::Connections;
use self::desk::{Beside, Desk, NOTES, Note, SharedAudience};
use self::door::Door;
use crate::audience::AudienceMetrics;

pub use addresses::TrustedProxies;
pub use connections::ConnectionBounds;
pub use door::{Admittance, CredentialRule, credential_required, everyone};
pub use places::{Places, PlainPlaces};

/// Where nodes connect.
pub const DIRECTORY_PATH: &str = "/nearcast/v1/directory";
/// Where anyone may see how a supernode does.
pub const STATUS_PATH: &str = "/nearcast/v1/supernode";
/// Where a page may ask, before it has an engine, whether listeners have a title: `{title}` is its id.
pub const HELD_PATH: &str = "/nearcast/v1/held/{title}";
/// Read buffer of one connection: most messages are a few hundred bytes, and there are many connections.
const READ_BUFFER: usize = 4 * 1024;

/// What a supernode does, and for whom.
#[derive(Clone)]
pub struct SupernodeConfig {
    /// The providers whose nodes may open sessions.
    pub providers: Vec<ProviderKey>,
    /// What the directory of each provider takes upon itself.
    pub directory: Settings,
    /// Connections at once.
    pub connections: ConnectionBounds,
    /// URL of the relay beside this supernode.
    pub relay: Option<String>,
    /// UDP port at the address of this supernode on which STUN is answered (see [`Stun`](crate::stun::Stun)).
    pub stun_port: Option<u16>,
    /// Proxies in front of this supernode.
    pub proxies: TrustedProxies,
    /// Web pages whose scripts may connect.
    pub origins: AllowedOrigins,
    /// Who may take part.
    pub credentials: CredentialRule,
    /// Tells where nodes are.
    pub places: Arc<dyn Places>,
    /// Counts what nodes report of their plays.
    pub audience: AudienceMetrics,
}

impl SupernodeConfig {
    /// A supernode for these providers, open to all their nodes, without a proxy or relay.
    pub fn new(providers: Vec<ProviderKey>) -> Self {
        Self {
            providers,
            directory: Settings::default(),
            connections: ConnectionBounds::default(),
            relay: None,
            stun_port: None,
            proxies: TrustedProxies::None,
            origins: AllowedOrigins::Any,
            credentials: everyone(),
            places: Arc::new(PlainPlaces::default()),
            audience: AudienceMetrics::default(),
        }
    }
}

impl fmt::Debug for SupernodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupernodeConfig").field("providers", &self.providers).finish_non_exhaustive()
    }
}

/// Web pages whose scripts may connect. Programs send no `Origin` and are not held to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// All: a session needs a key and gives nothing that a page could not get from elsewhere.
    Any,
    /// Pages of these origins, such as `https://media.example.org`.
    Only(Vec<String>),
}

impl AllowedOrigins {
    fn allow(&self, headers: &HeaderMap) -> bool {
        match (self, headers.get(header::ORIGIN)) {
            (Self::Any, _) | (Self::Only(_), None) => true,
            (Self::Only(origins), Some(origin)) => {
                origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
            }
        }
    }
}

/// Why a supernode cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SupernodeError {
    /// The operating system gives no random bytes.
    #[error("the supernode cannot start: the operating system gives no random bytes: {0}")]
    Entropy(#[from] getrandom::Error),
}

/// What connections share.
#[derive(Debug)]
struct Shared {
    config: SupernodeConfig,
    door: Door,
    places: Arc<dyn Places>,
    connections: Connections,
    audiences: BTreeMap<ProviderKey, SharedAudience>,
    sessions: AtomicU64,
    shutdown: CancellationToken,
}

impl Shared {
    fn next_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed))
    }
}

/// A running supernode, from the inside of the program that runs it.
#[derive(Clone, Debug)]
pub struct SupernodeHandle {
    shared: Arc<Shared>,
}

/// A supernode's routes, to be mounted in a server that tells each request's [`ConnectInfo`], and the handle
/// on it. Its tasks run until the handle closes it.
///
/// # Errors
/// When the operating system gives no random bytes.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn router(config: SupernodeConfig) -> Result<(Router, SupernodeHandle), SupernodeError> {
    let shutdown = CancellationToken::new();
    let mut desks = BTreeMap::new();
    let mut audiences = BTreeMap::new();
    for provider in &config.providers {
        let audience = SharedAudience::default();
        let directory = Directory::new(getrandom::u64()?, config.directory);
        let beside = Beside { relay: config.relay.clone(), stun_port: config.stun_port };
        let desk = Desk::new(directory, beside, (audience.clone(), config.audience.clone()));
        audiences.insert(*provider, audience);
        let (sender, notes) = mpsc::channel(NOTES);
        tokio::spawn(desk.run(notes, shutdown.clone()));
        desks.insert(*provider, sender);
    }
    let shared = Arc::new(Shared {
        door: Door { desks, credentials: config.credentials.clone() },
        places: config.places.clone(),
        connections: Connections::new(config.connections),
        audiences,
        sessions: AtomicU64::new(0),
        shutdown,
        config,
    });
    let router = Router::new()
        .route(DIRECTORY_PATH, get(connect))
        .route(STATUS_PATH, get(status))
        .route(HELD_PATH, get(held))
        .with_state(shared.clone());
    Ok((router, SupernodeHandle { shared }))
}

/// Sums of what nodes reported.
#[derive(Clone, Debug, Default)]
pub struct Reported {
    /// What the players of programs got.
    pub programs: PlayReport,
    /// What the players of pages in browsers got.
    pub pages: PlayReport,
    /// Reports that these are from.
    pub reports: u64,
}

impl Reported {
    /// What all players got.
    pub fn all(&self) -> PlayReport {
        let mut all = self.programs.clone();
        all.add(&self.pages);
        all
    }
}

impl SupernodeHandle {
    /// Tells all nodes of `provider` that its policy has a new sequence, and those who come later.
    pub async fn policy_changed(&self, provider: ProviderKey, sequence: u64) {
        if let Some(desk) = self.shared.door.desks.get(&provider) {
            // A desk that is gone has nobody to tell.
            let _ = desk.send(Note::PolicyChanged { sequence }).await;
        }
    }

    /// Sums of what the nodes of `provider` reported.
    pub fn audience(&self, provider: ProviderKey) -> Reported {
        let Some(audience) = self.shared.audiences.get(&provider) else { return Reported::default() };
        let audience = audience.lock().unwrap_or_else(PoisonError::into_inner);
        let (programs, pages) = (audience.programs().clone(), audience.pages().clone());
        Reported { programs, pages, reports: audience.reports() }
    }

    /// How the supernode does.
    pub async fn status(&self) -> SupernodeStatus {
        let mut status =
            SupernodeStatus { connections: self.shared.connections.open(), ..Default::default() };
        for desk in self.shared.door.desks.values() {
            let (reply, counts) = oneshot::channel();
            if desk.send(Note::Count(reply)).await.is_err() {
                continue;
            }
            let Ok(counts) = counts.await else { continue };
            status.sessions += counts.sessions;
            status.titles += counts.titles;
            status.lookups_answered += counts.answers;
            status.deferred += counts.deferred;
            status.turned_away += counts.turned_away;
            status.expired += counts.expired;
            status.misbehaved += counts.misbehaved;
            status.signals += counts.signals;
        }
        status
    }

    /// Whether somebody whom a browser can meet holds something of a title of any provider of this supernode.
    pub async fn held(&self, title: &TitleId) -> bool {
        for (provider, desk) in &self.shared.door.desks {
            let (reply, held) = oneshot::channel();
            let asked = desk.send(Note::Held(SwarmId::of(*provider, title), reply)).await;
            if asked.is_ok() && held.await == Ok(true) {
                return true;
            }
        }
        false
    }

    /// Ends all sessions and stops. Nodes come back to another supernode, or to this one once it runs again.
    pub fn close(&self) {
        self.shared.shutdown.cancel();
    }
}

/// How a supernode does, over all its providers. It names nobody and no title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SupernodeStatus {
    /// Version of the program.
    pub version: &'static str,
    /// Oldest and newest version of the wire format spoken.
    pub wire: [u16; 2],
    /// Open connections, those without a session included.
    pub connections: usize,
    /// Open sessions.
    pub sessions: usize,
    /// Titles of which somebody holds something.
    pub titles: usize,
    /// Lookups answered since the start.
    pub lookups_answered: u64,
    /// Requests answered with "come back later".
    pub deferred: u64,
    /// Nodes for whom there was no room.
    pub turned_away: u64,
    /// Sessions that fell silent.
    pub expired: u64,
    /// Sessions ended for breaking the rules of the directory.
    pub misbehaved: u64,
    /// Signals handed on.
    pub signals: u64,
}

impl Default for SupernodeStatus {
    fn default() -> Self {
        let Versions { oldest, newest } = Versions::OURS;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            wire: [oldest, newest],
            connections: 0,
            sessions: 0,
            titles: 0,
            lookups_answered: 0,
            deferred: 0,
            turned_away: 0,
            expired: 0,
            misbehaved: 0,
            signals: 0,
        }
    }
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let status = SupernodeHandle { shared }.status().await;
    ([(header::CACHE_CONTROL, "no-store"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(status))
        .into_response()
}

/// Whether, and neither who nor how many: what a page loads first goes by it.
async fn held(State(shared): State<Arc<Shared>>, Path(title): Path<String>, headers: HeaderMap) -> Response {
    if !shared.config.origins.allow(&headers) {
        return (StatusCode::FORBIDDEN, "pages of this origin may not ask\n").into_response();
    }
    let Ok(title) = title.parse::<TitleId>() else { return StatusCode::NOT_FOUND.into_response() };
    let held = SupernodeHandle { shared }.held(&title).await;
    ([(header::CACHE_CONTROL, "no-store"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(held))
        .into_response()
}

async fn connect(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(Extension(ConnectInfo(peer))) = peer else {
        tracing::error!("the server around the supernode does not tell where connections come from");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if !shared.config.origins.allow(&headers) {
        return (StatusCode::FORBIDDEN, "pages of this origin may not connect\n").into_response();
    }
    let observed: IpAddr = shared.config.proxies.observed(peer.ip(), &headers);
    let permit = match shared.connections.enter(observed) {
        Ok(permit) => permit,
        Err(after) => {
            let retry = [(header::RETRY_AFTER, after.as_secs().to_string())];
            return (StatusCode::SERVICE_UNAVAILABLE, retry, "no room, come back later\n").into_response();
        }
    };
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE)
        .on_upgrade(move |socket| async move {
            session::serve(socket, observed, shared).await;
            drop(permit);
        })
}
