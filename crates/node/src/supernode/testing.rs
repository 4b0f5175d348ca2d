//! A supernode on a loopback port, and a node without manners that says what a test wants.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use nearcast_content::ProviderKey;
use nearcast_content::keys::{DeliveryKey, DeviceSecret};
use nearcast_engine::wire::directory::{ClientHello, hello_text};
use nearcast_engine::wire::{ClientMessage, ServerMessage, Serves, SwarmId, Versions, Ways, decode, encode};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::sync::CancellationToken;

use super::{DIRECTORY_PATH, SupernodeConfig, SupernodeHandle, router};
use crate::http::{ConnectionLimits, HttpMetrics, Server};

pub(crate) const PROVIDER: ProviderKey = ProviderKey([7; 32]);
/// Longest wait for anything that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn key(n: u32) -> DeliveryKey {
    let mut secret = [1; 32];
    secret[..4].copy_from_slice(&n.to_le_bytes());
    DeviceSecret::new(secret).delivery_key(PROVIDER)
}

pub(crate) fn swarm(n: u8) -> SwarmId {
    SwarmId([n; 16])
}

/// A supernode in a server of its own.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: SupernodeHandle,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(config: SupernodeConfig) -> Self {
        Self::start_at(config, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).await
    }

    pub(crate) async fn start_at(config: SupernodeConfig, address: SocketAddr) -> Self {
        let (router, handle) = router(config).expect("random bytes");
        let metrics = HttpMetrics::register(&mut crate::metrics::registry(), "serve");
        let limits = ConnectionLimits { connections: 10_000, ..ConnectionLimits::PUBLIC };
        let server = Server::bind(address, limits, metrics).await.expect("a free port");
        let address = server.address().expect("bound");
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(server.run(router, shutdown.clone()));
        Self { address, handle, shutdown, server }
    }

    pub(crate) async fn plain() -> Self {
        Self::start(SupernodeConfig::new(vec![PROVIDER])).await
    }

    /// Ends everything; the port is free afterwards.
    pub(crate) async fn stop(self) {
        self.handle.close();
        self.shutdown.cancel();
        self.server.await.expect("the server does not panic");
    }

    /// Waits until the supernode has that many sessions.
    pub(crate) async fn sessions(&self, wanted: usize) {
        let reached = timeout(PATIENCE, async {
            while self.handle.status().await.sessions != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        reached.await.unwrap_or_else(|_| panic!("never {wanted} sessions"));
    }
}

/// A connection that says and reads single messages.
pub(crate) struct Bare {
    socket: WebSocketStream<TcpStream>,
}

impl Bare {
    pub(crate) async fn connect(supernode: &Running) -> Self {
        Self::connect_from(supernode, Ipv4Addr::LOCALHOST.into(), 128 * 1024).await
    }

    /// Connects from an address, with a receive buffer of some size.
    pub(crate) async fn connect_from(supernode: &Running, source: IpAddr, buffer: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(buffer).expect("any size");
        socket.bind(SocketAddr::new(source, 0)).expect("loopback");
        let stream = socket.connect(supernode.address).await.expect("it listens");
        let url = format!("ws://{}{DIRECTORY_PATH}", supernode.address);
        let (socket, _) = client_async(url, stream).await.expect("it speaks WebSocket");
        Self { socket }
    }

    pub(crate) async fn send_frame(&mut self, frame: Message) {
        self.socket.send(frame).await.expect("the connection stands");
    }

    pub(crate) async fn send(&mut self, message: &ClientMessage) {
        self.send_frame(Message::Binary(encode(message).into())).await;
    }

    /// The next message; nothing when the connection ended.
    pub(crate) async fn read(&mut self) -> Option<ServerMessage> {
        loop {
            let arrived = timeout(PATIENCE, self.socket.next()).await.expect("it says something");
            match arrived?.ok()? {
                Message::Binary(bytes) => return Some(decode(&bytes).expect("a message")),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Text(_) | Message::Close(_) | Message::Frame(_) => return None,
            }
        }
    }

    pub(crate) async fn challenged(&mut self) -> [u8; 32] {
        let Some(ServerMessage::Challenge { nonce, versions: Versions::OURS }) = self.read().await else {
            panic!("no challenge")
        };
        nonce
    }

    /// A session of node `n`, past its welcome.
    pub(crate) async fn session(supernode: &Running, n: u32) -> Self {
        let mut bare = Self::connect(supernode).await;
        bare.open(n).await;
        bare
    }

    pub(crate) async fn open(&mut self, n: u32) {
        let nonce = self.challenged().await;
        self.send(&ClientMessage::Hello(hello(&key(n), &nonce))).await;
        assert!(matches!(self.read().await, Some(ServerMessage::Welcome { lease_millis: 90_000, .. })));
    }
}

pub(crate) fn hello(key: &DeliveryKey, nonce: &[u8; 32]) -> ClientHello {
    hello_for(PROVIDER, key, nonce)
}

/// A good hello.
pub(crate) fn hello_for(provider: ProviderKey, key: &DeliveryKey, nonce: &[u8; 32]) -> ClientHello {
    let signature = iroh_base::SecretKey::from_bytes(&key.expose()).sign(&hello_text(nonce, &provider));
    ClientHello {
        versions: Versions::OURS,
        features: 0,
        provider,
        node: key.node(),
        signature: signature.to_bytes().to_vec(),
        serves: Serves::Others,
        port: 4_433,
        local: vec![],
        credential: None,
        ways: Ways::QUIC,
    }
}
