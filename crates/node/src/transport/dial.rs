//! How connections come about: the endpoint, dialling, accepting.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use iroh::endpoint::{
    BindOpts, Builder, ConnectOptions, Incoming, NetReportConfig, PortmapperConfig, presets,
};
use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayMap, RelayMode, RelayUrl, SecretKey, TransportAddr, Watcher,
};
use iroh_relay::tls::CaTlsConfig;
use iroh_relay::{RelayConfig, RelayQuicConfig};
use nearcast_content::NodeKey;
use nearcast_engine::limits::MAX_ADDRESSES;
use socket2::{Domain, Socket, Type};
use tokio::sync::watch;
use tokio::time::timeout;

use super::event::{BindError, TransportEvent};
use super::nearby::{Networks, is_dialable};
use super::quic::{ALPN, End, settings};
use super::{RelayChoice, Shared, TransportConfig, link};

/// How long a handshake may take, hole punching included.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// Unfinished handshakes beyond which callers must first prove that they are where they say.
const CALM_HANDSHAKES: usize = 16;
/// Tries to find a port that is free for IPv4 and IPv6 alike.
const PORT_TRIES: usize = 8;

/// Binds an endpoint that talks to nobody but its peers and its relay.
pub(super) async fn endpoint(config: &TransportConfig) -> Result<Endpoint, BindError> {
    let any_port = config.bind.port() == 0 && is_any_v4(config.bind);
    for _ in 0..PORT_TRIES {
        let bind = if any_port { shared_port(config.bind)? } else { config.bind };
        match builder(config, bind)?.bind().await {
            Ok(endpoint) => return Ok(endpoint),
            // Somebody took the port between finding and using it.
            Err(_) if any_port => {}
            Err(error) => return Err(BindError::Address { address: bind, cause: format!("{error:#}") }),
        }
    }
    Err(BindError::NoPort)
}

fn builder(config: &TransportConfig, bind: SocketAddr) -> Result<Builder, BindError> {
    let wrong = |error| BindError::Address { address: bind, cause: format!("{error:#}") };
    let mut builder = Endpoint::builder(presets::Minimal)
        .secret_key(SecretKey::from_bytes(&config.secret))
        .alpns(vec![ALPN.to_vec()])
        .transport_config(settings(End::Acceptor))
        // It asks the router for a port otherwise, and probes the local network for that.
        .portmapper_config(PortmapperConfig::Disabled)
        .net_report_config(net_report())
        // Without this, other sockets are bound beside ours.
        .clear_ip_transports()
        .bind_addr(bind)
        .map_err(wrong)?;
    if is_any_v4(bind) {
        let v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), bind.port());
        let optional = BindOpts::default().set_is_required(false);
        builder = builder.bind_addr_with_opts(v6, optional).map_err(wrong)?;
    }
    Ok(match &config.relay {
        // A relay may be told of later.
        None => builder.relay_mode(RelayMode::Custom(RelayMap::empty())),
        Some(relay) => {
            let roots = relay.roots.iter().map(|der| der.clone().into());
            builder
                .relay_mode(RelayMode::Custom(RelayMap::from_iter([relay_config(relay)])))
                .ca_tls_config(CaTlsConfig::default().with_extra_roots(roots))
        }
    })
}

/// What the endpoint finds out about its network by itself.
fn net_report() -> NetReportConfig {
    let mut report = NetReportConfig::minimal();
    // Without an answer to a request or by UDP, a relay never counts as usable. It goes to our relay alone.
    report.https_probes = true;
    report
}

pub(super) fn relay_config(relay: &RelayChoice) -> RelayConfig {
    let config = RelayConfig::new(relay.url.clone(), relay.discovery_port.map(RelayQuicConfig::new));
    match &relay.token {
        Some(token) => config.with_auth_token(token),
        None => config,
    }
}

fn is_any_v4(address: SocketAddr) -> bool {
    address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
}

/// A port that is free for both families at this moment; a directory hands out one port per node.
fn shared_port(bind: SocketAddr) -> Result<SocketAddr, BindError> {
    for _ in 0..PORT_TRIES {
        let failed = |error: io::Error| BindError::Address { address: bind, cause: error.to_string() };
        let v4 = UdpSocket::bind(bind).map_err(failed)?;
        let found = v4.local_addr().map_err(failed)?;
        match bind_v6(found.port()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            // Free, or no IPv6 here.
            Ok(_) | Err(_) => return Ok(found),
        }
    }
    Err(BindError::NoPort)
}

fn bind_v6(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    // Linux takes the IPv4 side as well otherwise, and would find it taken.
    socket.set_only_v6(true)?;
    socket.bind(&SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port).into())?;
    Ok(socket)
}

/// Dials a node and carries the connection.
pub(super) async fn dial(
    shared: Arc<Shared>,
    node: NodeKey,
    addresses: Vec<SocketAddr>,
    relay: Option<RelayUrl>,
) {
    let carried = match reach(&shared, node, addresses, relay).await {
        Some(conn) => link::carry(&shared, conn).await,
        None => false,
    };
    // The transport may have been closed before it was asked.
    if !carried && !shared.tasks.is_closed() {
        // Nobody receives when the node shuts down.
        let _ = shared.events.send(TransportEvent::ConnectFailed { node }).await;
    }
}

async fn reach(
    shared: &Shared,
    node: NodeKey,
    addresses: Vec<SocketAddr>,
    relay: Option<RelayUrl>,
) -> Option<iroh::endpoint::Connection> {
    let id = EndpointId::from_bytes(&node.0).ok()?;
    let direct = addresses.into_iter().filter(is_dialable).take(MAX_ADDRESSES).map(TransportAddr::Ip);
    let address = EndpointAddr::from_parts(id, direct.chain(relay.map(TransportAddr::Relay)));
    let options = ConnectOptions::new().with_transport_config(settings(End::Dialer));
    let dialling = async {
        let connecting = shared.endpoint.connect_with_opts(address, ALPN, options).await;
        let connected = match connecting {
            Ok(connecting) => connecting.await.map_err(|error| format!("{error:#}")),
            Err(error) => Err(format!("{error:#}")),
        };
        connected.inspect_err(|error| tracing::debug!(%node, error, "cannot connect")).ok()
    };
    timeout(HANDSHAKE_DEADLINE, dialling).await.ok().flatten()
}

/// Accepts connections until the endpoint is closed, and reports the end of everything.
pub(super) async fn accept(shared: Arc<Shared>) {
    let handshakes = Arc::new(());
    while let Some(incoming) = shared.endpoint.accept().await {
        // One count is ours.
        let unfinished = Arc::strong_count(&handshakes) - 1;
        if shared.tasks.len() >= shared.max_connections {
            incoming.refuse();
        } else if unfinished >= CALM_HANDSHAKES && !incoming.remote_addr_validated() {
            // It was not validated, so it can be asked to.
            let _ = incoming.retry();
        } else {
            shared.tasks.spawn(welcome(Arc::clone(&shared), incoming, Arc::clone(&handshakes)));
        }
    }
    shared.tasks.close();
    shared.tasks.wait().await;
    // Nobody receives when the node shuts down.
    let _ = shared.events.send(TransportEvent::Closed).await;
}

async fn welcome(shared: Arc<Shared>, incoming: Incoming, handshake: Arc<()>) {
    let Ok(accepting) = incoming.accept() else { return };
    let Ok(Ok(conn)) = timeout(HANDSHAKE_DEADLINE, accepting).await else { return };
    drop(handshake);
    link::carry(&shared, conn).await;
}

/// Looks at the interfaces again whenever the endpoint notices a change of its addresses.
pub(super) async fn follow_networks(endpoint: Endpoint, found: watch::Sender<Networks>) {
    let mut changes = endpoint.watch_addr().stream();
    let closed = endpoint.closed();
    drop(endpoint);
    closed
        .run_until(async {
            while changes.next().await.is_some() {
                found.send_replace(Networks::look().await);
            }
        })
        .await;
}
