//! TLS of a server: certificate and key from files, read anew when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Between two looks at the files: whoever renews certificates does so weeks ahead.
const LOOK: Duration = Duration::from_secs(60);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// A file cannot be read, or has nothing of its kind in it.
    #[error("cannot read {} from {}: {source}", what, file.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        file: PathBuf,
        /// Why not.
        source: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{} has no certificate in it; a chain in PEM is needed, the server's own first", .0.display())]
    NoCertificate(PathBuf),
    /// The key is of no kind that is known, or belongs to another certificate.
    #[error("the key in {} cannot be used with the certificate: {source}", key.display())]
    Key {
        /// The file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The ciphers built in do not go together.
    #[error("TLS cannot be set up: {0}")]
    Ciphers(rustls::Error),
}

/// A certificate and its key, in use. Clones share them.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    files: Arc<Files>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    ciphers: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.files.certificate).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads a chain of certificates and the key of the first, both PEM.
    ///
    /// # Errors
    /// When they cannot be read, or do not belong together.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsFileError> {
        let ciphers = Arc::new(rustls::crypto::ring::default_provider());
        let current = RwLock::new(Arc::new(read(certificate, key, &ciphers)?));
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let files = Arc::new(Files { certificate, key, ciphers: Arc::clone(&ciphers), current });
        let mut config = rustls::ServerConfig::builder_with_provider(ciphers)
            .with_safe_default_protocol_versions()
            .map_err(TlsFileError::Ciphers)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&files) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), files })
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Takes the certificate anew whenever its file changes, until `stop`. One that cannot be used is said, and the
    /// one before stays in use.
    pub async fn follow(self, stop: CancellationToken) {
        let mut seen = self.files.changed();
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let changed = self.files.changed();
            if changed != seen {
                seen = changed;
                self.renew();
            }
        }
    }

    fn renew(&self) {
        match self.files.renew() {
            Ok(()) => {
                tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is in use")
            }
            Err(error) => tracing::warn!(%error, "the certificate in use stays"),
        }
    }
}

impl Files {
    /// When either was changed last, as far as the system tells.
    fn changed(&self) -> [Option<SystemTime>; 2] {
        let of = |file: &Path| file.metadata().and_then(|found| found.modified()).ok();
        [of(&self.certificate), of(&self.key)]
    }

    fn renew(&self) -> Result<(), TlsFileError> {
        let read = Arc::new(read(&self.certificate, &self.key, &self.ciphers)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

impl ResolvesServerCert for Files {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(certificate: &Path, key: &Path, ciphers: &CryptoProvider) -> Result<CertifiedKey, TlsFileError> {
    let wrong = |what, file: &Path| {
        let file = file.to_owned();
        move |source| TlsFileError::File { what, file, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(wrong("certificates", certificate))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(wrong("certificates", certificate))?;
    if chain.is_empty() {
        return Err(TlsFileError::NoCertificate(certificate.to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(wrong("a private key", key))?;
    CertifiedKey::from_der(chain, secret, ciphers)
        .map_err(|source| TlsFileError::Key { key: key.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::http::{ConnectionLimits, HttpMetrics, Server};

    struct Pair {
        folder: tempfile::TempDir,
        trusted: CertificateDer<'static>,
    }

    impl Pair {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let trusted = write(folder.path());
            Self { folder, trusted }
        }

        fn open(&self) -> Result<Tls, TlsFileError> {
            Tls::open(&self.folder.path().join("cert.pem"), &self.folder.path().join("key.pem"))
        }
    }

    fn write(folder: &Path) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("written");
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
        made.cert.der().clone()
    }

    async fn ask(server: std::net::SocketAddr, trusted: &CertificateDer<'static>) -> io::Result<String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(trusted.clone()).expect("a certificate");
        let ciphers = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(ciphers)
            .with_safe_default_protocol_versions()
            .expect("ring knows the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let socket = TcpStream::connect(server).await?;
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test]
    async fn a_server_answers_over_tls_and_with_a_renewed_certificate() {
        let pair = Pair::new();
        let tls = pair.open().expect("a pair");
        let metrics = HttpMetrics::register(&mut prometheus_client::registry::Registry::default(), "test");
        let server =
            Server::bind("127.0.0.1:0".parse().expect("an address"), ConnectionLimits::PUBLIC, metrics)
                .await
                .expect("binds")
                .with_tls(Some(tls.clone()));
        let address = server.address().expect("bound");
        let stop = CancellationToken::new();
        let router = axum::Router::new().route("/", axum::routing::get(async || "over TLS"));
        let running = tokio::spawn(server.run(router, stop.clone()));
        let answer = ask(address, &pair.trusted).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("over TLS"), "{answer}");
        let plain = crate::http::testing::raw(address, "GET / HTTP/1.1\r\n\r\n").await;
        assert!(!plain.contains("over TLS"));

        let renewed = write(pair.folder.path());
        tls.renew();
        assert!(ask(address, &pair.trusted).await.is_err(), "the old one is gone");
        ask(address, &renewed).await.expect("an answer");
        std::fs::write(pair.folder.path().join("cert.pem"), "nothing").expect("written");
        tls.renew();
        ask(address, &renewed).await.expect("the one in use stays");
        stop.cancel();
        running.await.expect("ends");
    }

    #[test]
    fn files_that_do_not_fit_are_told_apart() {
        let pair = Pair::new();
        let other = Pair::new();
        let at = |name: &str| pair.folder.path().join(name);
        let key = other.folder.path().join("key.pem");
        assert!(matches!(Tls::open(&at("cert.pem"), &key), Err(TlsFileError::Key { .. })));
        assert!(matches!(Tls::open(&at("none"), &key), Err(TlsFileError::File { what: "certificates", .. })));
        assert!(matches!(Tls::open(&at("key.pem"), &key), Err(TlsFileError::NoCertificate(_))));
        let no_key = Tls::open(&at("cert.pem"), &at("cert.pem"));
        assert!(matches!(no_key, Err(TlsFileError::File { what: "a private key", .. })));
    }
}
