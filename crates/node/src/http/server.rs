//! Accepts connections and answers them from an axum router, within limits.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::metrics::{BodyKind, HttpMetrics};
use super::places::{Place, Places};
use super::tls::Tls;
use super::uplink::Uplink;
use super::wire::{BodyLength, Expected, Tally, Wire};

/// Bytes the kernel may hold unsent for one connection. More would be counted as sent long before it is, and
/// lost to everyone else when a player hangs up; less would keep a long fast path idle.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 256 * 1024;
/// Most of a response that hyper buffers, and with it the largest request head.
const MAX_BUFFER: usize = 64 * 1024;
/// Pause after a failed accept, so that running out of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one server lets its clients do.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at once; more wait in the kernel's queue until one ends, or is quiet and gives way.
    pub connections: usize,
    /// Longest time for a request head, counted from the end of the previous request: it ends idle
    /// connections and those that send their head a byte at a time.
    pub head: Duration,
    /// Longest time for which a client may take nothing of its response; none for a player that may pause.
    pub stall: Option<Duration>,
    /// How long responses may go on after shutdown was asked for.
    pub grace: Duration,
}

impl ConnectionLimits {
    /// For the open network. The times are nginx's defaults.
    pub const PUBLIC: Self = Self {
        connections: 4_096,
        head: Duration::from_secs(60),
        stall: Some(Duration::from_secs(60)),
        grace: Duration::from_secs(5),
    };
    /// For players on this machine, which may pause for as long as they like.
    pub const LOCAL: Self =
        Self { connections: 256, head: Duration::from_secs(600), stall: None, grace: Duration::from_secs(1) };
}

/// An HTTP/1.1 server on one port.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    terms: Terms,
}

/// What holds for every connection.
#[derive(Clone, Debug)]
struct Terms {
    limits: ConnectionLimits,
    metrics: HttpMetrics,
    uplink: Option<Uplink>,
    tls: Option<Tls>,
}

impl Server {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// Those of the system: the port is taken, or may not be used.
    pub async fn bind(
        address: SocketAddr,
        limits: ConnectionLimits,
        metrics: HttpMetrics,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, terms: Terms { limits, metrics, uplink: None, tls: None } })
    }

    /// Holds all responses together to `uplink`.
    #[must_use]
    pub fn with_uplink(mut self, uplink: Option<Uplink>) -> Self {
        self.terms.uplink = uplink;
        self
    }

    /// Speaks TLS on every connection.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Tls>) -> Self {
        self.terms.tls = tls;
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What it counts.
    pub fn metrics(&self) -> &HttpMetrics {
        &self.terms.metrics
    }

    /// Answers requests from `router` until `shutdown`, then lets responses under way end within the grace
    /// time.
    pub async fn run(self, router: Router, shutdown: CancellationToken) {
        let places = Places::new(self.terms.limits.connections);
        let tasks = TaskTracker::new();
        while let Some((socket, client)) = shutdown.run_until_cancelled(self.accept()).await {
            let tally = Tally::new(self.terms.metrics.clone());
            let Some(place) = shutdown.run_until_cancelled(places.take(&tally)).await else { break };
            let guest = Guest { socket, client, tally, place };
            tasks.spawn(self.terms.clone().serve(guest, router.clone(), shutdown.clone()));
        }
        drop(self.listener);
        tasks.close();
        tasks.wait().await;
    }

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((socket, client)) => {
                    prepare(&socket);
                    return (socket, client);
                }
                // A client that hung up while queueing, or no file descriptors left until some close.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// A connection that has found a place.
struct Guest {
    socket: TcpStream,
    client: SocketAddr,
    tally: Tally,
    place: Place,
}

impl Terms {
    async fn serve(self, guest: Guest, router: Router, shutdown: CancellationToken) {
        let Guest { socket, client, tally, place } = guest;
        let Some(tls) = self.tls.clone() else {
            return self.talk(socket, client, tally, place, (router, shutdown)).await;
        };
        let leave = place.leave.clone();
        let handshake = timeout(self.limits.head, tls.acceptor().accept(socket));
        let handshake = shutdown.run_until_cancelled(leave.run_until_cancelled(handshake)).await;
        match handshake.flatten() {
            Some(Ok(Ok(stream))) => self.talk(stream, client, tally, place, (router, shutdown)).await,
            Some(Ok(Err(error))) => tracing::trace!(%client, %error, "no TLS"),
            Some(Err(_)) => tracing::trace!(%client, "no TLS handshake in time"),
            None => {}
        }
    }

    async fn talk<S>(
        self,
        socket: S,
        client: SocketAddr,
        tally: Tally,
        place: Place,
        (router, shutdown): (Router, CancellationToken),
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { limits, metrics, uplink, tls: _ } = self;
        let leave = place.leave.clone();
        let wire = Wire::new(socket, tally.clone(), &metrics, uplink, limits.stall, place);
        let service =
            service_fn(|request| answer(request, client, router.clone(), tally.clone(), metrics.clone()));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(MAX_BUFFER);
        let mut connection = pin!(http.serve_connection(TokioIo::new(wire), service).with_upgrades());
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                timeout(limits.grace, connection).await.ok()
            }
            () = leave.cancelled() => {
                tracing::debug!(%client, "a quiet connection gives way to a new one");
                None
            }
        };
        // Players hang up in the middle all the time: that is no event.
        if let Some(Err(error)) = ended {
            tracing::trace!(%client, %error, "connection ended");
        }
    }
}

/// Small responses leave at once, and little waits in the kernel. Neither failing is worth a connection.
fn prepare(socket: &TcpStream) {
    let set = socket.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT));
    if let Err(error) = set {
        tracing::debug!(%error, "socket options");
    }
}

async fn answer(
    request: Request<Incoming>,
    client: SocketAddr,
    router: Router,
    tally: Tally,
    metrics: HttpMetrics,
) -> Result<Response<Body>, Infallible> {
    tally.asked();
    let in_flight = metrics.response_starts();
    let method = request.method().clone();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(client));
    let response = router.oneshot(request).await?;
    let kind = response.extensions().get::<BodyKind>().copied().unwrap_or_default();
    metrics.count_request(kind, response.status().as_u16());
    let length = body_length(&method, &response);
    tally.announce(Expected::new(metrics.body_counter(kind), length, in_flight));
    Ok(response)
}

fn body_length(method: &Method, response: &Response<Body>) -> BodyLength {
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => BodyLength::Upgrade,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => BodyLength::Exact(0),
        _ if method == Method::HEAD => BodyLength::Exact(0),
        _ => stated_length(response)
            .or(response.body().size_hint().exact())
            .map_or(BodyLength::Unknown, BodyLength::Exact),
    }
}

fn stated_length(response: &Response<Body>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
