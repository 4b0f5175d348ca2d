//! A device's keys: from its one secret, a delivery key per provider, so that viewing does not link across
//! providers.

use std::fmt;

use ed25519_dalek::Signer as _;
use hkdf::Hkdf;
use sha2::Sha256;

use crate::ids::{NodeKey, ProviderKey};

/// Begins the HKDF info of delivery keys; another version makes other keys.
const DELIVERY_INFO: &[u8] = b"nearcast/v1/delivery/";

/// The secret that a device keeps, 32 bytes from the operating system's entropy.
#[derive(Clone)]
pub struct DeviceSecret([u8; 32]);

impl DeviceSecret {
    /// Takes the bytes, which the caller drew or loaded.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored where only the user can read them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key under which this device delivers for `provider`: HKDF-SHA256 (RFC 5869) of the secret,
    /// without salt, with the provider's key in the info.
    pub fn delivery_key(&self, provider: ProviderKey) -> DeliveryKey {
        let mut secret = [0; 32];
        let expanded =
            Hkdf::<Sha256>::new(None, &self.0).expand_multi_info(&[DELIVERY_INFO, &provider.0], &mut secret);
        debug_assert!(expanded.is_ok(), "HKDF gives up to 8160 bytes");
        DeliveryKey(ed25519_dalek::SigningKey::from_bytes(&secret))
    }
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceSecret(..)")
    }
}

/// The secret key under which a device delivers for one provider.
#[derive(Clone)]
pub struct DeliveryKey(ed25519_dalek::SigningKey);

impl DeliveryKey {
    /// The public half, by which peers know the device.
    pub fn node(&self) -> NodeKey {
        NodeKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `text` with Ed25519 (RFC 8032). Each use begins its text with a label of its own.
    pub fn sign(&self, text: &[u8]) -> Signature {
        Signature(self.0.sign(text).to_bytes())
    }

    /// The 32 secret bytes, for the transport's handshake.
    pub fn expose(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
}

impl fmt::Debug for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeliveryKey(of {:?})", self.node())
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl NodeKey {
    /// Whether the node with this key signed `text`. Keys and signatures of small order are refused (RFC 8032 leaves
    /// that open; one signature must not fit many texts).
    pub fn verifies(&self, text: &[u8], signature: &Signature) -> bool {
        let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&self.0) else { return false };
        key.verify_strict(text, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_device_and_provider_and_never_change() {
        let (a, b) = (DeviceSecret::new([1; 32]), DeviceSecret::new([2; 32]));
        let (p, q) = (ProviderKey([3; 32]), ProviderKey([4; 32]));
        let node = |d: &DeviceSecret, p| d.delivery_key(p).node();
        assert_ne!(node(&a, p), node(&b, p));
        assert_ne!(node(&a, p), node(&a, q));
        // A vector computed apart, with Python's hmac and hashlib: it pins the derivation for good.
        assert_eq!(data_encoding::HEXLOWER.encode(&a.delivery_key(p).expose()), SECRET_OF_1_AND_3);
    }

    const SECRET_OF_1_AND_3: &str = "27ca5d24947ee94b3f0db6c171ebcd19ea1418366dd3a834a5814a42ee373ce2";

    #[test]
    fn a_signature_is_of_one_key_and_text() {
        let key = DeviceSecret::new([1; 32]).delivery_key(ProviderKey([3; 32]));
        let signature = key.sign(b"text");
        assert!(key.node().verifies(b"text", &signature));
        assert!(!key.node().verifies(b"other", &signature));
        assert!(
            !NodeKey([1; 32]).verifies(b"text", &signature)
                && !NodeKey([0; 32]).verifies(b"text", &Signature([0; 64]))
        );
    }

    #[test]
    fn secrets_do_not_print() {
        let key = DeviceSecret::new([0xee; 32]);
        assert!(!format!("{key:?}").contains("ee"));
    }
}
