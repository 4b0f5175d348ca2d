//! The ciphers of data channels: DTLS in Rust, its certificate and what STUN hashes from ring, which the rest of the
//! program uses too. str0m's own sets bring a second C library.

use std::time::Instant;

use dimpl::{Config, Dtls, DtlsCertificate};
use ring::{digest, hmac};
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, CryptoProvider,
    Sha1HmacProvider, Sha256Provider, SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm,
    SupportedAes128CmSha1_80,
};

/// What str0m is given for all its needs.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        srtp_provider: &NoMedia,
        sha1_hmac_provider: &Hashes,
        sha256_provider: &Hashes,
        dtls_provider: &DtlsInRust,
    }
}

/// A certificate for one life of a node: what it proves is signed over in the introduction of each channel.
pub(super) fn certificate() -> Result<DtlsCert, rcgen::Error> {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(Vec::new())?;
    Ok(DtlsCert { certificate: cert.der().to_vec(), private_key: signing_key.serialize_der() })
}

#[derive(Debug)]
struct Hashes;

impl Sha1HmacProvider for Hashes {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
        for payload in payloads {
            context.update(payload);
        }
        octets(context.sign().as_ref())
    }
}

impl Sha256Provider for Hashes {
    fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        octets(digest::digest(&digest::SHA256, bytes).as_ref())
    }
}

/// A hash of as many bytes as its kind has.
fn octets<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut octets = [0; N];
    octets.copy_from_slice(hash);
    octets
}

#[derive(Debug)]
struct DtlsInRust;

impl DtlsProvider for DtlsInRust {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        certificate().ok()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        // ICE has seen that the other end is where it says before DTLS begins: no cookies are needed.
        let mut config = Config::builder().use_server_cookie(false);
        if let Some(mtu) = mtu {
            config = config.mtu(mtu);
        }
        let config = config.build()?.into();
        let cert =
            DtlsCertificate { certificate: cert.certificate.clone(), private_key: cert.private_key.clone() };
        let dtls = match version {
            DtlsVersion::Dtls12 => Dtls::new_12(config, cert, now),
            DtlsVersion::Dtls13 => Dtls::new_13(config, cert, now),
            DtlsVersion::Auto | _ => Dtls::new_auto(config, cert, now),
        };
        Ok(Box::new(Session(dtls)))
    }
}

struct Session(Dtls);

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

impl DtlsInstance for Session {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buf)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, bytes: &[u8]) -> Result<(), DtlsImplError> {
        self.0.send_application_data(bytes)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

/// SRTP, of which there is none: descriptions with media are not taken, and whoever agrees on keys for it in DTLS all
/// the same finds that no packet passes.
#[derive(Debug)]
struct NoMedia;

fn no_media() -> CryptoError {
    CryptoError::Other("no media are carried here".to_owned())
}

impl SrtpProvider for NoMedia {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Self
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Self
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Self
    }

    fn srtp_aes_128_ecb_round(&self, _: &[u8], _: &[u8], _: &mut [u8]) {}

    fn srtp_aes_256_ecb_round(&self, _: &[u8], _: &[u8], _: &mut [u8]) {}
}

impl SupportedAes128CmSha1_80 for NoMedia {
    fn create_cipher(&self, _: [u8; 16], _: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        Box::new(Self)
    }
}

impl SupportedAeadAes128Gcm for NoMedia {
    fn create_cipher(&self, _: [u8; 16], _: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Self)
    }
}

impl SupportedAeadAes256Gcm for NoMedia {
    fn create_cipher(&self, _: [u8; 32], _: bool) -> Box<dyn AeadAes256GcmCipher> {
        Box::new(Self)
    }
}

impl Aes128CmSha1_80Cipher for NoMedia {
    fn encrypt(&mut self, _: &[u8; 16], _: &[u8], _: &mut [u8]) -> Result<(), CryptoError> {
        Err(no_media())
    }

    fn decrypt(&mut self, _: &[u8; 16], _: &[u8], _: &mut [u8]) -> Result<(), CryptoError> {
        Err(no_media())
    }
}

impl AeadAes128GcmCipher for NoMedia {
    fn encrypt(&mut self, _: &[u8; 12], _: &[u8], _: &[u8], _: &mut [u8]) -> Result<(), CryptoError> {
        Err(no_media())
    }

    fn decrypt(&mut self, _: &[u8; 12], _: &[&[u8]], _: &[u8], _: &mut [u8]) -> Result<usize, CryptoError> {
        Err(no_media())
    }
}

impl AeadAes256GcmCipher for NoMedia {
    fn encrypt(&mut self, _: &[u8; 12], _: &[u8], _: &[u8], _: &mut [u8]) -> Result<(), CryptoError> {
        Err(no_media())
    }

    fn decrypt(&mut self, _: &[u8; 12], _: &[&[u8]], _: &[u8], _: &mut [u8]) -> Result<usize, CryptoError> {
        Err(no_media())
    }
}
