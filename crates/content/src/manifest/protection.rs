//! How a title's stored bytes are encrypted. Keys themselves are never named here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::web_url::{HostPlace, UrlError, WebUrl};

/// How the stored bytes are encrypted. A player gets keys from the provider, never from Nearcast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    #[default]
    None,
    /// Common encryption, AES-CTR (ISO/IEC 23001-7).
    CencCtr {
        /// Ids of the content keys.
        kids: Vec<[u8; 16]>,
    },
    /// Whole segments in AES-128-CBC (RFC 8216, 4.3.2.4).
    HlsAes128 {
        /// Where players ask for keys.
        keys: Vec<KeyUri>,
    },
}

/// Why a text is not the address of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUriError {
    /// Not a good address.
    #[error("the key address is not let in: {0}")]
    Url(#[from] UrlError),
    /// Plain `http` to another machine.
    #[error("keys must be asked for over https")]
    Insecure,
    /// Too long, or a letter that must be escaped.
    #[error("the key address is too long or holds letters that must be escaped")]
    Letters,
}

/// Address at which a player asks the provider for a key: `https`, with a query if need be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyUri(String);

impl KeyUri {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyUri {
    type Err = KeyUriError;

    fn from_str(text: &str) -> Result<Self, KeyUriError> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let url: WebUrl = address.parse()?;
        if !url.is_secure() && url.place() != HostPlace::Loopback {
            return Err(KeyUriError::Insecure);
        }
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&b);
        if text.len() > limits::PATH_BYTES || !query.bytes().all(known) {
            return Err(KeyUriError::Letters);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for KeyUri {
    type Error = KeyUriError;

    fn try_from(text: String) -> Result<Self, KeyUriError> {
        text.parse()
    }
}

impl From<KeyUri> for String {
    fn from(uri: KeyUri) -> Self {
        uri.0
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
