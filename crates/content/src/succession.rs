//! A provider's key names its successor, signed by the old key.

use serde::{Deserialize, Serialize};

use crate::freshness::DocumentError;
use crate::ids::ProviderKey;
use crate::jws::{self, DocumentKind, JwsError, SigningKey};
use crate::limits;
use crate::parse::{self, FormatError};
use crate::time::UnixTime;

const KIND: DocumentKind = DocumentKind::Succession;

/// The statement "my successor is that key", whose signature by the old key was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succession {
    old: ProviderKey,
    new: ProviderKey,
}

#[derive(Serialize, Deserialize)]
struct Form {
    v: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    crit: Vec<String>,
    successor: ProviderKey,
    issued: UnixTime,
}

impl Succession {
    /// The key that signed.
    pub fn old(&self) -> ProviderKey {
        self.old
    }

    /// The key that it named.
    pub fn new_key(&self) -> ProviderKey {
        self.new
    }

    /// Signs the statement that `successor` follows `old`. It never expires: a reader may come back years
    /// later, and a stolen old key is no reason to trust it longer.
    pub fn sign(old: &SigningKey, successor: ProviderKey, issued: UnixTime) -> String {
        let form = Form { v: 1, crit: Vec::new(), successor, issued };
        jws::sign(old, KIND, &parse::to_json(&form))
    }

    /// Reads `nearcast/succession.jws`: one statement a line, oldest first, at most 16.
    pub fn open_all(bytes: &[u8]) -> Result<Vec<Self>, DocumentError> {
        let limit = limits::SUCCESSION_BYTES * limits::SUCCESSIONS;
        if bytes.len() > limit {
            return Err(DocumentError::Oversized { kind: KIND, size: bytes.len(), limit });
        }
        let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
        parse::at_most("key changes", lines.len(), limits::SUCCESSIONS)
            .map_err(|why| DocumentError::Malformed { kind: KIND, why })?;
        lines.into_iter().map(Self::open).collect()
    }

    fn open(line: &[u8]) -> Result<Self, DocumentError> {
        let refuse = |why| DocumentError::Malformed { kind: KIND, why };
        let signed = jws::open(line, KIND).map_err(|why: JwsError| DocumentError::from_jws(KIND, why))?;
        let form: Form = parse::from_json(&signed.payload).map_err(refuse)?;
        parse::check_version(form.v).map_err(refuse)?;
        parse::check_critical(&form.crit, &["successor", "issued"]).map_err(refuse)?;
        if form.successor == signed.signer {
            return Err(refuse(FormatError::Contradiction("it names itself as its successor")));
        }
        Ok(Self { old: signed.signer, new: form.successor })
    }
}
