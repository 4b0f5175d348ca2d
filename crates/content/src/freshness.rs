//! Which signed documents are accepted: right key, in date, never older than one already seen.

use crate::ids::{ProviderKey, TitleId};
use crate::jws::{self, DocumentKind, JwsError};
use crate::limits;
use crate::parse::FormatError;
use crate::succession::Succession;
use crate::time::UnixTime;

/// Serial number and life of a signed document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Grows with every change of this document.
    pub sequence: u64,
    /// When it was signed.
    pub issued: UnixTime,
    /// From when on it is no longer accepted.
    pub expires: UnixTime,
}

/// What a reader knows of a provider before it opens a document.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    pin: Option<ProviderKey>,
    last_seen: Option<u64>,
    successions: &'a [Succession],
}

impl<'a> Trust<'a> {
    /// Nothing is known: whoever signed is taken, and the caller pins the key and says so.
    pub fn first_use() -> Self {
        Self { pin: None, last_seen: None, successions: &[] }
    }

    /// The provider's key is known, from a link or an earlier visit.
    pub fn pinned(key: ProviderKey) -> Self {
        Self { pin: Some(key), ..Self::first_use() }
    }

    /// The sequence of this very document that was accepted last; a lower one is refused.
    pub fn last_seen(self, sequence: Option<u64>) -> Self {
        Self { last_seen: sequence, ..self }
    }

    /// Statements by which the pinned key may have named another.
    pub fn with_successions(self, successions: &'a [Succession]) -> Self {
        Self { successions, ..self }
    }
}

/// How the signer relates to the key that was known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the pinned key.
    Pinned,
    /// No key was known: pin this one, and tell the user.
    FirstUse,
    /// The pinned key named it as its successor: pin it from here on, and tell the user.
    Succeeded {
        /// The key that was pinned.
        from: ProviderKey,
    },
}

/// A document that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted<T> {
    /// What was signed.
    pub document: T,
    /// Who signed it.
    pub signer: ProviderKey,
    /// How the signer relates to the key known before.
    pub standing: Standing,
}

/// Why a signed document is refused. Each message ends with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Larger than its kind may be.
    #[error(
        "the {kind} is refused: it has {size} bytes, the limit is {limit}. The provider must publish less in one {kind}; if it does not come from the provider's site, check the address"
    )]
    Oversized {
        /// What was opened.
        kind: DocumentKind,
        /// Bytes handed in.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// No signature.
    #[error(
        "the {kind} is refused: it is not signed. Publish the site with `nearcast publish`, which signs it"
    )]
    Unsigned {
        /// What was opened.
        kind: DocumentKind,
    },
    /// Signed, and changed afterwards, or not by the key it names.
    #[error(
        "the {kind} is refused: its signature is wrong, so it was changed or damaged after signing. Fetch it again, or copy the site again from where it was published"
    )]
    BadSignature {
        /// What was opened.
        kind: DocumentKind,
    },
    /// Not a signed document at all, for instance an error page.
    #[error("the {kind} is refused: {why}. Check that the address leads to a published site")]
    NotADocument {
        /// What was opened.
        kind: DocumentKind,
        /// What is wrong with it.
        why: JwsError,
    },
    /// Another key signed than the one that is trusted, without a statement of the old one.
    #[error(
        "the {kind} is refused: the provider's key changed from {pinned} to {found} and the old key did not sign that. If the provider confirms the change in another way, open its new link; otherwise somebody may be posing as it"
    )]
    ProviderKeyChanged {
        /// What was opened.
        kind: DocumentKind,
        /// The key that is trusted.
        pinned: ProviderKey,
        /// The key that signed.
        found: ProviderKey,
    },
    /// Past its expiry.
    #[error(
        "the {kind} is refused: it expired on {expired}. The provider must publish again (`nearcast publish` signs afresh); if it has, an old copy was served, or this device's clock is wrong"
    )]
    Expired {
        /// What was opened.
        kind: DocumentKind,
        /// When it expired.
        expired: UnixTime,
    },
    /// Signed later than this device's clock allows.
    #[error(
        "the {kind} is refused: it was signed on {issued}, which is in the future. Set the clock of this device, or that of the machine that published"
    )]
    FromTheFuture {
        /// What was opened.
        kind: DocumentKind,
        /// When it says it was signed.
        issued: UnixTime,
    },
    /// Older than one accepted before.
    #[error(
        "the {kind} is refused: its number {found} is older than {last_seen}, which was seen before. An old copy was served; try again later, or have the provider restore its site from the newest copy"
    )]
    RolledBack {
        /// What was opened.
        kind: DocumentKind,
        /// Its sequence.
        found: u64,
        /// The sequence accepted before.
        last_seen: u64,
    },
    /// A good manifest, but of another title than the one asked for.
    #[error(
        "the manifest is refused: it is for the title {found}, not for {asked}. The site serves files under wrong names; copy it again from where it was published"
    )]
    OtherTitle {
        /// The title asked for.
        asked: TitleId,
        /// The title it is for.
        found: TitleId,
    },
    /// Rightly signed, but what is inside breaks a rule of the format.
    #[error(
        "the {kind} is refused: {why}. If it was made by a newer Nearcast, update this one; otherwise the provider must publish again"
    )]
    Malformed {
        /// What was opened.
        kind: DocumentKind,
        /// The rule it breaks.
        why: FormatError,
    },
}

impl DocumentError {
    pub(crate) fn from_jws(kind: DocumentKind, why: JwsError) -> Self {
        match why {
            JwsError::Oversized { size, limit } => Self::Oversized { kind, size, limit },
            JwsError::Unsigned => Self::Unsigned { kind },
            JwsError::BadSignature => Self::BadSignature { kind },
            JwsError::Malformed(_) | JwsError::OtherKind { .. } => Self::NotADocument { kind, why },
        }
    }
}

/// A kind of signed document with a serial number and a life.
pub trait Document: Sized {
    /// Which kind it is.
    const KIND: DocumentKind;

    /// Its serial number and life.
    fn validity(&self) -> Validity;

    /// Reads the signed JSON. Prefer [`Document::open`], which checks the signature first.
    fn from_json(json: &[u8]) -> Result<Self, FormatError>;

    /// The JSON to be signed; the same value always gives the same bytes.
    fn to_json(&self) -> Vec<u8>;

    /// Checks everything about a fetched document: size, form, signature, key, rules of the format, dates
    /// and that it is not older than one seen before.
    fn open(bytes: &[u8], trust: &Trust<'_>, now: UnixTime) -> Result<Accepted<Self>, DocumentError> {
        let kind = Self::KIND;
        let signed = jws::open(bytes, kind).map_err(|why| DocumentError::from_jws(kind, why))?;
        let standing = standing(kind, trust, signed.signer)?;
        let document =
            Self::from_json(&signed.payload).map_err(|why| DocumentError::Malformed { kind, why })?;
        check_fresh(kind, document.validity(), trust, now)?;
        Ok(Accepted { document, signer: signed.signer, standing })
    }

    /// Reads back a document of one's own to publish the next one: everything is checked but its dates,
    /// since a publisher may have let it expire.
    fn reopen(bytes: &[u8], own: ProviderKey) -> Result<Self, DocumentError> {
        let kind = Self::KIND;
        let signed = jws::open(bytes, kind).map_err(|why| DocumentError::from_jws(kind, why))?;
        standing(kind, &Trust::pinned(own), signed.signer)?;
        Self::from_json(&signed.payload).map_err(|why| DocumentError::Malformed { kind, why })
    }

    /// Signs the document, after checking that every reader will accept its form and size.
    fn sign(&self, key: &jws::SigningKey) -> Result<String, FormatError> {
        let json = self.to_json();
        Self::from_json(&json)?;
        let text = jws::sign(key, Self::KIND, &json);
        let (size, limit) = (text.len(), Self::KIND.limit());
        if size > limit { Err(FormatError::TooLarge { size, limit }) } else { Ok(text) }
    }
}

fn standing(kind: DocumentKind, trust: &Trust<'_>, signer: ProviderKey) -> Result<Standing, DocumentError> {
    let Some(pinned) = trust.pin else { return Ok(Standing::FirstUse) };
    if pinned == signer {
        return Ok(Standing::Pinned);
    }
    let mut key = pinned;
    for _ in 0..limits::SUCCESSIONS {
        let Some(step) = trust.successions.iter().find(|s| s.old() == key) else { break };
        key = step.new_key();
        if key == signer {
            return Ok(Standing::Succeeded { from: pinned });
        }
    }
    Err(DocumentError::ProviderKeyChanged { kind, pinned, found: signer })
}

fn check_fresh(
    kind: DocumentKind,
    validity: Validity,
    trust: &Trust<'_>,
    now: UnixTime,
) -> Result<(), DocumentError> {
    let Validity { sequence, issued, expires } = validity;
    if issued > now.plus(limits::CLOCK_SKEW_SECS) {
        return Err(DocumentError::FromTheFuture { kind, issued });
    }
    if expires <= now {
        return Err(DocumentError::Expired { kind, expired: expires });
    }
    match trust.last_seen {
        Some(last_seen) if sequence < last_seen => {
            Err(DocumentError::RolledBack { kind, found: sequence, last_seen })
        }
        Some(_) | None => Ok(()),
    }
}
