//! A relay beside the supernode: carries packets between nodes that cannot reach each other, sealed end to end,
//! and helps the others to find a direct way.
//!
//! It is iroh's relay server in our own process. Who may use it is asked for each connection, after the caller
//! has proven its key.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use iroh_relay::server::{
    Access, AccessControl, CertConfig, ClientRateLimit, ClientRequest, ConnectionId, QuicConfig,
    RelayConfig as ServerRelay, Server, ServerConfig, TlsConfig,
};
use nearcast_content::NodeKey;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::transport::{RelayChoice, RelayUrl};

/// Nodes connected at once, unless set otherwise: a supernode's share of signalling on one small machine.
const MAX_CLIENTS: usize = 4_096;
/// Bytes a second from one node, unless set otherwise: a video call, and no delivery.
const CLIENT_RATE: NonZeroU32 = NonZeroU32::new(512 * 1024).expect("not zero");

/// A node that asks to be relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its key, proven.
    pub node: NodeKey,
    /// What it shows to be let in.
    pub token: Option<String>,
}

/// Whether a caller is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    Welcome,
    /// It is not.
    Refused,
}

/// Decides who is let in. Must answer at once: it is asked while others wait.
pub type Doorkeeper = Arc<dyn Fn(&Caller) -> Admission + Send + Sync>;

/// How a relay starts.
#[derive(Clone)]
pub struct RelayConfig {
    /// Where to listen for HTTP. With [`tls`](Self::tls), nodes use that instead, and only probes come here.
    pub http: SocketAddr,
    /// HTTPS, for everything but tests and demonstrations on one machine.
    pub tls: Option<RelayTls>,
    /// Who is let in.
    pub doorkeeper: Doorkeeper,
    /// Nodes connected at once at most.
    pub max_clients: usize,
    /// Bytes a second taken from one node.
    pub client_rate: NonZeroU32,
}

impl RelayConfig {
    /// Listens for plain HTTP and lets in whom `doorkeeper` welcomes.
    pub fn new(http: SocketAddr, doorkeeper: Doorkeeper) -> Self {
        Self { http, tls: None, doorkeeper, max_clients: MAX_CLIENTS, client_rate: CLIENT_RATE }
    }
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConfig")
            .field("http", &self.http)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// HTTPS for a relay.
#[derive(Debug)]
pub struct RelayTls {
    /// Where to listen for HTTPS.
    pub https: SocketAddr,
    /// UDP address where nodes learn how they are seen from here, which finds them direct ways.
    pub discovery: Option<SocketAddr>,
    /// The certificate, and those that vouch for it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate's key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for RelayTls {
    fn clone(&self) -> Self {
        let Self { https, discovery, chain, key } = self;
        Self { https: *https, discovery: *discovery, chain: chain.clone(), key: key.clone_key() }
    }
}

/// Why a relay could not start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The certificate and its key do not fit.
    #[error("the relay's certificate cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
    /// An address is taken or not ours.
    #[error("the relay cannot listen on {address}: {cause}; choose another address or port")]
    Listen {
        /// The first of its addresses.
        address: SocketAddr,
        /// Why.
        cause: String,
    },
}

/// A running relay. Dropped, it stops.
#[derive(Debug)]
pub struct Relay {
    server: Server,
    url: RelayUrl,
}

impl Relay {
    /// Starts a relay.
    pub async fn spawn(config: RelayConfig) -> Result<Self, RelayError> {
        let address = config.tls.as_ref().map_or(config.http, |tls| tls.https);
        let listen = |cause: String| RelayError::Listen { address, cause };
        let server =
            Server::spawn(server_config(config)?).await.map_err(|error| listen(format!("{error:#}")))?;
        let (scheme, bound) = match server.https_addr() {
            Some(bound) => ("https", Some(bound)),
            None => ("http", server.http_addr()),
        };
        let reached = at_home(bound.unwrap_or(address));
        let url = format!("{scheme}://{reached}").parse().map_err(|error| listen(format!("{error:#}")))?;
        Ok(Self { server, url })
    }

    /// Where nodes on this machine find it. To others it is announced under the name in its certificate.
    pub fn url(&self) -> &RelayUrl {
        &self.url
    }

    /// The relay as nodes on this machine use it, without a token.
    pub fn choice(&self) -> RelayChoice {
        let discovery_port = self.server.quic_addr().map(|address| address.port());
        RelayChoice { discovery_port, ..RelayChoice::new(self.url.clone()) }
    }

    /// Ends all connections and stops listening.
    pub async fn shutdown(self) {
        if let Err(error) = self.server.shutdown().await {
            tracing::warn!(%error, "the relay ended badly");
        }
    }
}

/// An address that this machine reaches, for one that stands for all.
fn at_home(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

fn server_config(config: RelayConfig) -> Result<ServerConfig, RelayError> {
    let mut relay = ServerRelay::new(config.http);
    relay.limits.client_rx = Some(ClientRateLimit::new(config.client_rate));
    relay.access =
        Arc::new(Door { keeper: config.doorkeeper, inside: AtomicUsize::new(0), room: config.max_clients });
    let mut server = ServerConfig::default();
    if let Some(tls) = config.tls {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certified = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(tls.chain, tls.key)?;
        server.quic = tls.discovery.map(|discovery| {
            let mut quic = QuicConfig::new(discovery);
            quic.server_config = Some(certified.clone());
            quic
        });
        relay.tls = Some(TlsConfig::new(tls.https, CertConfig::Manual { server_config: certified }));
    }
    server.relay = Some(relay);
    Ok(server)
}

/// The doorkeeper, and how many it let in.
struct Door {
    keeper: Doorkeeper,
    inside: AtomicUsize,
    room: usize,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("inside", &self.inside).field("room", &self.room).finish_non_exhaustive()
    }
}

impl AccessControl for Door {
    async fn on_connect(&self, request: &ClientRequest) -> Access {
        let refuse = |reason: &str| Access::Deny { reason: Some(reason.into()) };
        let caller = Caller { node: NodeKey(*request.endpoint_id().as_bytes()), token: request.auth_token() };
        if (self.keeper)(&caller) == Admission::Refused {
            return refuse("not a node this relay knows");
        }
        let entered = self.inside.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |inside| {
            (inside < self.room).then_some(inside + 1)
        });
        if entered.is_ok() { Access::Allow } else { refuse("full, come back later") }
    }

    fn on_disconnect(&self, _: iroh::EndpointId, _: ConnectionId) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
