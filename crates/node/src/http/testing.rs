//! Clients for tests of servers: one that follows nothing by itself, and a bare socket.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client without TLS roots, redirects or proxies.
pub(crate) fn client() -> reqwest::Client {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows the default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}

/// Sends `request` as it is and reads until the server closes.
pub(crate) async fn raw(server: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(server).await.expect("the server listens");
    socket.write_all(request.as_bytes()).await.expect("the request is taken");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("the server closes in good order");
    String::from_utf8_lossy(&answer).into_owned()
}
