//! Origins behind TLS.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::*;
use super::world::*;

/// Starts a TLS server that answers every request with `answer`, and returns its address and certificate.
async fn secure_origin(answer: &'static str) -> (Url, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("key and certificate belong together");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut secure) = acceptor.accept(socket).await else { continue };
            let mut head = [0; 4096];
            if secure.read(&mut head).await.is_ok() {
                drop(secure.write_all(answer.as_bytes()).await);
                drop(secure.shutdown().await);
            }
        }
    });
    (format!("https://{address}/x").parse().expect("an address"), certificate)
}

#[tokio::test]
async fn certificates_are_checked() {
    let (url, certificate) = secure_origin("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let error = client().fetch_document(&url, 10, None).await.expect_err("nobody vouches for it");
    assert!(matches!(error.trouble, Trouble::Connect(Connecting::Tls(_))), "{error:?}");
    let trusting = OriginSettings { extra_roots: vec![certificate], ..OriginSettings::default() };
    assert_eq!(client_with(trusting).fetch_document(&url, 10, None).await.expect("trusted"), "hi");
}

#[tokio::test]
async fn https_never_turns_into_http() {
    let (url, certificate) =
        secure_origin("HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n").await;
    let trusting = OriginSettings { extra_roots: vec![certificate], ..OriginSettings::default() };
    let error = client_with(trusting).fetch_document(&url, 10, None).await.expect_err("a downgrade");
    assert!(matches!(error.trouble, Trouble::Redirect(RedirectError::Downgrade)), "{error:?}");
}
