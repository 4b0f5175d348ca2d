//! Compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037), read in its one strict form.
//!
//! Three base64url parts without padding; a header of exactly `alg`, `typ` and `kid`; `alg` is `EdDSA`;
//! `typ` names the kind of document, so that a signature over one kind is never taken for another; `kid` is
//! the signer's public key. Signatures are checked strictly (no small-order keys, canonical scalars).

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::ids::ProviderKey;
use crate::letters::BASE64URL;
use crate::limits;

/// What a signed text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// One title.
    Manifest,
    /// Head of the list of titles.
    Catalogue,
    /// Rules for peers.
    Policy,
    /// A key names its successor.
    Succession,
    /// One entry of a live log.
    LiveEntry,
    /// Leave for one node to take part.
    Credential,
}

impl DocumentKind {
    /// The `typ` of the header.
    pub fn header_type(self) -> &'static str {
        match self {
            Self::Manifest => "nearcast-manifest",
            Self::Catalogue => "nearcast-catalogue",
            Self::Policy => "nearcast-policy",
            Self::Succession => "nearcast-succession",
            Self::LiveEntry => "nearcast-live-entry",
            Self::Credential => "nearcast-credential+jwt",
        }
    }

    /// Longest signed form, in bytes.
    pub fn limit(self) -> usize {
        match self {
            Self::Manifest => limits::MANIFEST_BYTES,
            Self::Catalogue => limits::CATALOGUE_BYTES,
            Self::Policy => limits::POLICY_BYTES,
            Self::Succession => limits::SUCCESSION_BYTES,
            Self::LiveEntry => limits::LIVE_ENTRY_BYTES,
            Self::Credential => limits::CREDENTIAL_BYTES,
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifest => "manifest",
            Self::Catalogue => "catalogue",
            Self::Policy => "policy",
            Self::Succession => "succession statement",
            Self::LiveEntry => "live entry",
            Self::Credential => "credential",
        })
    }
}

/// Why a text is not a signed document of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// More bytes than the kind may have.
    #[error("it has {size} bytes, the limit is {limit}")]
    Oversized {
        /// Bytes handed in.
        size: usize,
        /// The limit of the kind.
        limit: usize,
    },
    /// Plain JSON, an empty signature or `alg: none`.
    #[error("it is not signed")]
    Unsigned,
    /// Not three parts of canonical base64url.
    #[error("it is not a signed document: {0}")]
    Malformed(&'static str),
    /// Signed, but as another kind of document.
    #[error("it is signed as {found:?}, not as {expected:?}")]
    OtherKind {
        /// The `typ` asked for.
        expected: &'static str,
        /// The `typ` found.
        found: String,
    },
    /// The signature is not one by the key that the header names.
    #[error("its signature is wrong")]
    BadSignature,
}

/// Secret key that signs for a provider. Its bytes come from the caller's entropy.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of this 32-byte secret.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret))
    }

    /// The public half.
    pub fn provider(&self) -> ProviderKey {
        ProviderKey(self.0.verifying_key().to_bytes())
    }

    /// The Ed25519 signature of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {:?})", self.provider())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: ProviderKey,
}

/// A payload whose signature was checked against the key that its header names. Whether that key is the
/// right one is the caller's next question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The bytes that were signed.
    pub(crate) payload: Vec<u8>,
    /// The key that signed.
    pub(crate) signer: ProviderKey,
}

/// Signs `payload` as a document of `kind`.
pub(crate) fn sign(key: &SigningKey, kind: DocumentKind, payload: &[u8]) -> String {
    let (typ, kid) = (kind.header_type(), key.provider());
    // Both are of plain letters, so that no JSON writer is needed for the one spelling.
    let header = format!(r#"{{"alg":"EdDSA","typ":"{typ}","kid":"{kid}"}}"#);
    let input = format!("{}.{}", BASE64URL.encode(header.as_bytes()), BASE64URL.encode(payload));
    let signature = BASE64URL.encode(&key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// Reads a document of `kind` and checks its signature.
pub(crate) fn open(bytes: &[u8], kind: DocumentKind) -> Result<Signed, JwsError> {
    if bytes.len() > kind.limit() {
        return Err(JwsError::Oversized { size: bytes.len(), limit: kind.limit() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| JwsError::Malformed("it is not text"))?;
    // Editors and shells add a line end; nothing else around the document is let in.
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.trim_start().starts_with(['{', '[']) {
        return Err(JwsError::Unsigned);
    }
    let (input, signature) = text.rsplit_once('.').ok_or(JwsError::Malformed("three parts are needed"))?;
    let (header, payload) = input.split_once('.').ok_or(JwsError::Malformed("three parts are needed"))?;
    if payload.contains('.') {
        return Err(JwsError::Malformed("three parts are needed"));
    }
    let signer = read_header(header, kind)?;
    if signature.is_empty() {
        return Err(JwsError::Unsigned);
    }
    let signature: [u8; 64] =
        part(signature)?.try_into().map_err(|_| JwsError::Malformed("a signature has 64 bytes"))?;
    let payload = part(payload)?;
    check(&signer, input.as_bytes(), &signature)?;
    Ok(Signed { payload, signer })
}

/// Who signed a document of `kind`, after checking the signature: to name the provider of a site that is
/// being looked at, never to trust what it says.
pub fn signer_of(bytes: &[u8], kind: DocumentKind) -> Result<ProviderKey, JwsError> {
    open(bytes, kind).map(|signed| signed.signer)
}

fn part(text: &str) -> Result<Vec<u8>, JwsError> {
    BASE64URL.decode(text.as_bytes()).ok_or(JwsError::Malformed("a part is not canonical base64url"))
}

fn read_header(text: &str, kind: DocumentKind) -> Result<ProviderKey, JwsError> {
    #[derive(Deserialize)]
    struct Algorithm {
        alg: String,
    }

    if text.len() > limits::JWS_HEADER_BYTES {
        return Err(JwsError::Malformed("the header is too long"));
    }
    let json = part(text)?;
    let unsigned = |a: &Algorithm| a.alg.eq_ignore_ascii_case("none");
    if serde_json::from_slice::<Algorithm>(&json).as_ref().is_ok_and(unsigned) {
        return Err(JwsError::Unsigned);
    }
    let header: Header = serde_json::from_slice(&json)
        .map_err(|_| JwsError::Malformed("the header must hold alg, typ and kid, and nothing else"))?;
    if header.alg != "EdDSA" {
        return Err(JwsError::Malformed("alg must be EdDSA"));
    }
    if header.typ != kind.header_type() {
        return Err(JwsError::OtherKind { expected: kind.header_type(), found: header.typ });
    }
    Ok(header.kid)
}

/// Checks `signature` over `message` by `key`.
pub(crate) fn check(key: &ProviderKey, message: &[u8], signature: &[u8; 64]) -> Result<(), JwsError> {
    let key = VerifyingKey::from_bytes(&key.0).map_err(|_| JwsError::BadSignature)?;
    key.verify_strict(message, &Signature::from_bytes(signature)).map_err(|_| JwsError::BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: DocumentKind = DocumentKind::Policy;

    fn key() -> SigningKey {
        SigningKey::from_secret(&[1; 32])
    }

    /// A text with this header, signed rightly.
    fn with_header(header: &str, payload: &[u8]) -> String {
        let input = format!("{}.{}", BASE64URL.encode(header.as_bytes()), BASE64URL.encode(payload));
        let signature = BASE64URL.encode(&key().sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    #[test]
    fn rfc_8037_a4_vector() {
        let b64 = |text: &str| BASE64URL.decode(text.as_bytes()).expect("base64url");
        let secret: [u8; 32] =
            b64("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").try_into().expect("32 bytes");
        let public = b64("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let key = SigningKey::from_secret(&secret);
        assert_eq!(key.provider().0.to_vec(), public);
        let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let want = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let signature = key.sign(input.as_bytes());
        assert_eq!(BASE64URL.encode(&signature), want);
        assert_eq!(check(&key.provider(), input.as_bytes(), &signature), Ok(()));
        // The vector's header lacks typ and kid, so it is no document of ours.
        let whole = format!("{input}.{want}");
        assert!(matches!(open(whole.as_bytes(), KIND), Err(JwsError::Malformed(_))));
    }

    #[test]
    fn opens_what_it_signs() {
        let text = sign(&key(), KIND, b"{\"v\":1}");
        let signed = open(text.as_bytes(), KIND).expect("signed here");
        assert_eq!(signed, Signed { payload: b"{\"v\":1}".to_vec(), signer: key().provider() });
        assert_eq!(open(format!("{text}\n").as_bytes(), KIND), Ok(signed));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let text = sign(&key(), KIND, b"{\"v\":1}").into_bytes();
        for at in 0..text.len() {
            let mut bent = text.clone();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            assert!(open(&bent, KIND).is_err(), "byte {at}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let kid = key().provider();
        let good = format!(r#"{{"alg":"EdDSA","typ":"nearcast-policy","kid":"{kid}"}}"#);
        assert!(open(with_header(&good, b"{}").as_bytes(), KIND).is_ok());
        for header in [
            r#"{"alg":"EdDSA"}"#.to_owned(),
            good.replace("EdDSA", "HS256"),
            good.replace("EdDSA", "eddsa"),
            good.replace("}", r#","crit":["b64"],"b64":false}"#),
            good.replace("}", r#","jwk":{}}"#),
            good.replace("}", r#","alg":"EdDSA"}"#),
            good.replace(r#""kid""#, r#""KID""#),
            format!("{good} x"),
        ] {
            let text = with_header(&header, b"{}");
            assert!(matches!(open(text.as_bytes(), KIND), Err(JwsError::Malformed(_))), "{header}");
        }
        let none = with_header(&good.replace("EdDSA", "none"), b"{}");
        assert_eq!(open(none.as_bytes(), KIND), Err(JwsError::Unsigned));
    }

    #[test]
    fn unsigned_oversized_and_mangled_texts_are_named() {
        let text = sign(&key(), KIND, b"{}");
        let stripped = format!("{}.", text.rsplit_once('.').expect("parts").0);
        assert_eq!(open(stripped.as_bytes(), KIND), Err(JwsError::Unsigned));
        assert_eq!(open(b" {\"v\":1}", KIND), Err(JwsError::Unsigned));
        let long = vec![b'A'; KIND.limit() + 1];
        assert!(matches!(open(&long, KIND), Err(JwsError::Oversized { .. })));
        for bad in [
            String::new(),
            "a.b".to_owned(),
            format!("{text}.x"),
            format!("{text}="),
            text.replace('.', " ."),
            text.replacen('.', "..", 1),
        ] {
            assert!(matches!(open(bad.as_bytes(), KIND), Err(JwsError::Malformed(_))), "{bad}");
        }
        assert!(open(&[0xff, 0xfe], KIND).is_err());
    }

    #[test]
    fn one_kind_is_not_taken_for_another() {
        let text = sign(&key(), DocumentKind::Catalogue, b"{}");
        assert!(matches!(open(text.as_bytes(), KIND), Err(JwsError::OtherKind { .. })));
    }

    #[test]
    fn a_small_order_key_signs_nothing() {
        // The neutral element with a zero signature satisfies lax verifiers for any message.
        let mut point = [0; 32];
        point[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert_eq!(check(&ProviderKey(point), b"anything", &signature), Err(JwsError::BadSignature));
    }
}
