//! One WebSocket connection to a supernode, in a task of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use nearcast_content::policy::SupernodeUrl;
use nearcast_engine::limits::MAX_MESSAGE;
use nearcast_engine::wire::{ClientMessage, ServerMessage, decode, encode};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::http::{StatusCode, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error as SocketError, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::DirectoryClientConfig;
use crate::supernode::DIRECTORY_PATH;

/// How long one address may take to accept the connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long the supernode may take to accept a message.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// Silence after which the supernode is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Silence after which the connection counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(45);
/// How long the last words may take.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(1);
/// Messages that may wait: a burst of lookups and more.
const OUTGOING: usize = 128;
/// Messages that may wait to be taken in.
const INCOMING: usize = 16;
/// Buffers of one connection: messages are small.
const BUFFER: usize = 8 * 1024;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up for supernodes: {0}")]
pub struct TlsError(#[from] rustls::Error);

/// TLS that trusts the authorities that browsers trust.
///
/// # Errors
/// When the cipher suites built in do not go together with the protocol versions.
pub fn tls_config() -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let ciphers = Arc::new(rustls::crypto::ring::default_provider());
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let builder =
        rustls::ClientConfig::builder_with_provider(ciphers).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Happened {
    Connected,
    Received(ServerMessage),
    /// It ended, or was never made. Nothing happens after it.
    Lost {
        retry_after: Option<Duration>,
        why: String,
    },
}

/// A connection; dropping it ends it.
#[derive(Debug)]
pub(super) struct Connection {
    outgoing: mpsc::Sender<ClientMessage>,
    incoming: mpsc::Receiver<Happened>,
    _end: DropGuard,
}

impl Connection {
    pub(super) fn open(config: Arc<DirectoryClientConfig>) -> Self {
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let (happened, incoming) = mpsc::channel(INCOMING);
        let end = CancellationToken::new();
        tokio::spawn(run(config, queue, happened, end.clone()));
        Self { outgoing, incoming, _end: end.drop_guard() }
    }

    /// Hands over a message; false when the connection does not take any.
    pub(super) fn send(&self, message: ClientMessage) -> bool {
        self.outgoing.try_send(message).is_ok()
    }

    pub(super) async fn next(&mut self) -> Happened {
        self.incoming.recv().await.unwrap_or_else(ended)
    }
}

async fn run(
    config: Arc<DirectoryClientConfig>,
    queue: mpsc::Receiver<ClientMessage>,
    happened: mpsc::Sender<Happened>,
    end: CancellationToken,
) {
    let connected = end.run_until_cancelled(connect(&config)).await;
    let lost = match connected {
        // Given up meanwhile.
        None => return,
        Some(Ok(socket)) => {
            let (mut sink, stream) = socket.split();
            if happened.send(Happened::Connected).await.is_ok() {
                end.run_until_cancelled(talk(&mut sink, stream, queue, &happened)).await;
            }
            // The other side may be gone already.
            let _ = timeout(FAREWELL_PATIENCE, sink.close()).await;
            ended()
        }
        Some(Err(error)) => {
            tracing::debug!(%error, supernode = config.supernode.as_str(), "no connection to the supernode");
            Happened::Lost { retry_after: error.retry_after(), why: error.to_string() }
        }
    };
    // Whoever gave the connection up does not listen.
    let _ = happened.send(lost).await;
}

fn ended() -> Happened {
    Happened::Lost { retry_after: None, why: "the connection ended".to_owned() }
}

/// Moves messages both ways until the connection fails or falls silent.
async fn talk(
    sink: &mut SplitSink<Socket, Message>,
    mut stream: SplitStream<Socket>,
    mut queue: mpsc::Receiver<ClientMessage>,
    happened: &mpsc::Sender<Happened>,
) {
    let mut heard = Instant::now();
    let mut pinged = heard;
    loop {
        let ping_at = heard.max(pinged) + PING_AFTER;
        let outgoing = tokio::select! {
            message = queue.recv() => match message {
                Some(message) => Message::Binary(Bytes::from(encode(&message))),
                None => return,
            },
            arrived = stream.next() => {
                heard = Instant::now();
                match arrived.map(read) {
                    Some(Ok(Some(message))) => {
                        if happened.send(Happened::Received(message)).await.is_err() {
                            return;
                        }
                        continue;
                    }
                    Some(Ok(None)) => continue,
                    Some(Err(Unreadable)) | None => return,
                }
            }
            () = sleep_until(heard + LOST_AFTER) => return,
            () = sleep_until(ping_at) => {
                pinged = Instant::now();
                Message::Ping(Bytes::new())
            }
        };
        let sent = timeout(SEND_PATIENCE, sink.send(outgoing)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// The connection ended, or what arrived is no message.
struct Unreadable;

/// The message that arrived; nothing for a sign of life.
fn read(arrived: Result<Message, SocketError>) -> Result<Option<ServerMessage>, Unreadable> {
    match arrived {
        Ok(Message::Binary(bytes)) => decode(&bytes).map(Some).map_err(|error| {
            tracing::debug!(%error, "the supernode sent no message");
            Unreadable
        }),
        Ok(Message::Ping(_) | Message::Pong(_)) => Ok(None),
        Ok(Message::Text(_) | Message::Close(_) | Message::Frame(_)) => Err(Unreadable),
        Err(error) => {
            tracing::debug!(%error, "the connection to the supernode failed");
            Err(Unreadable)
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("{0} is not the address of a supernode")]
    Address(String),
    #[error("{host} cannot be reached: {source}")]
    Unreachable { host: String, source: io::Error },
    #[error("the handshake failed: {0}")]
    Handshake(#[from] Box<SocketError>),
    #[error("the handshake took too long")]
    TooSlow,
}

impl ConnectError {
    /// How long an overloaded server asked to stay away.
    fn retry_after(&self) -> Option<Duration> {
        let Self::Handshake(error) = self else { return None };
        let SocketError::Http(response) = error.as_ref() else { return None };
        let overloaded = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
        let told = response
            .headers()
            .get(header::RETRY_AFTER)
            .filter(|_| overloaded.contains(&response.status()))?;
        told.to_str().ok()?.parse().ok().map(Duration::from_secs)
    }
}

async fn connect(config: &DirectoryClientConfig) -> Result<Socket, ConnectError> {
    let url = endpoint(&config.supernode);
    let bad = || ConnectError::Address(url.clone());
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let host = uri.host().ok_or_else(bad)?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let secure = uri.scheme_str() == Some("wss");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = reach(&host, port, config.source)
        .await
        .map_err(|source| ConnectError::Unreachable { host, source })?;
    let connector = if secure { Connector::Rustls(config.tls.clone()) } else { Connector::Plain };
    let bounds = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE);
    let handshake = client_async_tls_with_config(uri, stream, Some(bounds), Some(connector));
    let (socket, _) =
        timeout(CONNECT_PATIENCE, handshake).await.map_err(|_| ConnectError::TooSlow)?.map_err(Box::new)?;
    Ok(socket)
}

/// The supernode's address with the path where nodes connect, unless the address names a path itself.
fn endpoint(supernode: &SupernodeUrl) -> String {
    let url = supernode.as_str();
    let host = url.strip_suffix('/').unwrap_or(url);
    let bare = host.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
    if bare { format!("{host}{DIRECTORY_PATH}") } else { url.to_owned() }
}

/// Connects to the first address of `host` that answers.
async fn reach(host: &str, port: u16, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no usable address");
    for address in lookup_host((host, port)).await? {
        if source.is_some_and(|source| source.is_ipv4() != address.is_ipv4()) {
            continue;
        }
        match timeout(CONNECT_PATIENCE, dial(address, source)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn dial(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_added_where_none_is_named() {
        for (url, want) in [
            ("wss://Example.org", "wss://example.org/nearcast/v1/directory"),
            ("ws://127.0.0.1:8080/", "ws://127.0.0.1:8080/nearcast/v1/directory"),
            ("wss://example.org/behind/a/path", "wss://example.org/behind/a/path"),
        ] {
            let url: SupernodeUrl = url.parse().expect(url);
            assert_eq!(endpoint(&url), want);
        }
    }
}
