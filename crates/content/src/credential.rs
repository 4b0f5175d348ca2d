//! The credential: a provider's leave for one node to take part, as a JWT bound to the node's key.
//!
//! RFC 7519 claims, RFC 7800 confirmation with an OKP key (RFC 8037). It proves nothing to anybody who does
//! not also see the node prove its key.

use serde::{Deserialize, Serialize};

use crate::ids::{NodeKey, ProviderKey, TitleId};
use crate::jws::{self, DocumentKind, JwsError, SigningKey};
use crate::letters::BASE64URL;
use crate::limits;
use crate::parse::{self, FormatError};
use crate::time::UnixTime;

const KIND: DocumentKind = DocumentKind::Credential;

/// A credential that was checked for a node and a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The node it is for.
    pub node: NodeKey,
    /// The provider that signed it.
    pub provider: ProviderKey,
    /// When it was signed.
    pub issued: UnixTime,
    /// From when on it is no longer good.
    pub expires: UnixTime,
    /// The titles it is good for; all of the provider's when absent.
    pub titles: Option<Vec<TitleId>>,
}

/// Why a credential is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Not a signed credential.
    #[error("the credential is refused: {0}. Ask the provider for another")]
    Jws(#[from] JwsError),
    /// Rightly signed, but what is inside breaks a rule.
    #[error("the credential is refused: {0}. Ask the provider for another")]
    Format(#[from] FormatError),
    /// Signed by or for another provider.
    #[error(
        "the credential is refused: it is {found}'s, not {expected}'s. Use the one that this provider gave"
    )]
    OtherProvider {
        /// The provider asked for.
        expected: ProviderKey,
        /// Who signed it, or whom it is for.
        found: ProviderKey,
    },
    /// For another node.
    #[error(
        "the credential is refused: it was given to another device. Ask the provider for one for this device"
    )]
    OtherNode,
    /// Past its expiry.
    #[error("the credential is refused: it expired on {0}. Ask the provider for another")]
    Expired(UnixTime),
    /// Not good yet.
    #[error("the credential is refused: it is good from {0} on. Check the clock of this device")]
    NotYet(UnixTime),
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: ProviderKey,
    cnf: Confirmation,
    iat: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<UnixTime>,
    exp: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    titles: Option<Vec<TitleId>>,
}

#[derive(Serialize, Deserialize)]
struct Confirmation {
    jwk: OkpKey,
}

#[derive(Serialize, Deserialize)]
struct OkpKey {
    kty: String,
    crv: String,
    x: String,
}

impl Credential {
    /// Signs a credential.
    pub fn sign(
        key: &SigningKey,
        node: NodeKey,
        issued: UnixTime,
        expires: UnixTime,
        titles: Option<Vec<TitleId>>,
    ) -> Result<String, FormatError> {
        let jwk = OkpKey { kty: "OKP".into(), crv: "Ed25519".into(), x: BASE64URL.encode(&node.0) };
        let claims = Claims {
            aud: key.provider(),
            cnf: Confirmation { jwk },
            iat: issued,
            nbf: None,
            exp: expires,
            titles,
        };
        let json = parse::to_json(&claims);
        read(claims)?;
        let text = jws::sign(key, KIND, &json);
        let (size, limit) = (text.len(), KIND.limit());
        if size > limit { Err(FormatError::TooLarge { size, limit }) } else { Ok(text) }
    }

    /// Checks that `text` is `provider`'s leave for `node`, good at `now`.
    pub fn open(
        text: &[u8],
        provider: ProviderKey,
        node: NodeKey,
        now: UnixTime,
    ) -> Result<Self, CredentialError> {
        let signed = jws::open(text, KIND)?;
        let claims: Claims = parse::from_json(&signed.payload)?;
        for found in [signed.signer, claims.aud] {
            if found != provider {
                return Err(CredentialError::OtherProvider { expected: provider, found });
            }
        }
        let starts = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
        let credential = read(claims)?;
        if credential.node != node {
            return Err(CredentialError::OtherNode);
        }
        if credential.expires <= now {
            return Err(CredentialError::Expired(credential.expires));
        }
        if starts > now.plus(limits::CLOCK_SKEW_SECS) {
            return Err(CredentialError::NotYet(starts));
        }
        Ok(credential)
    }

    /// Whether it is good for `title`.
    pub fn covers(&self, title: &TitleId) -> bool {
        self.titles.as_ref().is_none_or(|titles| titles.contains(title))
    }
}

fn read(claims: Claims) -> Result<Credential, FormatError> {
    let OkpKey { kty, crv, x } = claims.cnf.jwk;
    let node = (kty == "OKP" && crv == "Ed25519").then(|| BASE64URL.decode(x.as_bytes())).flatten();
    let node = node
        .and_then(|bytes| bytes.try_into().ok())
        .map(NodeKey)
        .ok_or(FormatError::Contradiction("its cnf must hold an Ed25519 key (OKP)"))?;
    parse::number("issue time", claims.iat.0, 0, limits::NUMBER)?;
    parse::number("expiry", claims.exp.0, claims.iat.0.saturating_add(1), limits::NUMBER)?;
    if let Some(titles) = &claims.titles {
        parse::at_most("titles", titles.len(), limits::CREDENTIAL_TITLES)?;
        parse::unique("title", titles.iter().cloned())?;
    }
    Ok(Credential {
        node,
        provider: claims.aud,
        issued: claims.iat,
        expires: claims.exp,
        titles: claims.titles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);
    const NODE: NodeKey = NodeKey([9; 32]);

    fn key() -> SigningKey {
        SigningKey::from_secret(&[1; 32])
    }

    fn signed(claims: &str) -> String {
        jws::sign(&key(), KIND, claims.as_bytes())
    }

    #[test]
    fn opens_for_its_node_and_provider_only() {
        let titles = Some(vec![TitleId::slug("one").expect("letters")]);
        let text = Credential::sign(&key(), NODE, NOW, NOW.plus(60), titles).expect("within bounds");
        let good = Credential::open(text.as_bytes(), key().provider(), NODE, NOW).expect("good");
        assert!(good.covers(&TitleId::slug("one").expect("letters")));
        assert!(!good.covers(&TitleId::slug("two").expect("letters")));
        let other = SigningKey::from_secret(&[2; 32]).provider();
        let open = |provider, node, now| Credential::open(text.as_bytes(), provider, node, now);
        assert!(matches!(open(other, NODE, NOW), Err(CredentialError::OtherProvider { .. })));
        assert_eq!(open(key().provider(), NodeKey([8; 32]), NOW), Err(CredentialError::OtherNode));
        let end = NOW.plus(60);
        assert_eq!(open(key().provider(), NODE, end), Err(CredentialError::Expired(end)));
        assert_eq!(open(key().provider(), NODE, UnixTime(5)), Err(CredentialError::NotYet(NOW)));
    }

    #[test]
    fn hostile_claims_are_refused() {
        let provider = key().provider();
        let x = BASE64URL.encode(&NODE.0);
        let good = format!(
            r#"{{"aud":"{provider}","cnf":{{"jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}}},"iat":1800000000,"exp":1800000060,"scope":"unknown claims are ignored"}}"#
        );
        let open = |claims: &str| Credential::open(signed(claims).as_bytes(), provider, NODE, NOW);
        assert!(open(&good).is_ok());
        for (from, to) in [
            (r#""kty":"OKP""#, r#""kty":"EC""#),
            (r#""crv":"Ed25519""#, r#""crv":"X25519""#),
            (x.as_str(), "AAAA"),
            (r#""exp":1800000060"#, r#""exp":1800000000"#),
            (r#""exp":1800000060"#, r#""exp":18446744073709551615"#),
            (r#""exp":1800000060"#, r#""exp":-1"#),
            (r#""exp":1800000060,"#, ""),
            (r#""scope""#, r#""titles":["a","a"],"scope""#),
            (r#""scope""#, r#""titles":["../a"],"scope""#),
        ] {
            let claims = good.replacen(from, to, 1);
            assert_ne!(claims, good, "{from}");
            assert!(matches!(open(&claims), Err(CredentialError::Format(_))), "{claims}");
        }
    }
}
