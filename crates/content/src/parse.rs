//! What the parsers of all documents share: the envelope, bounds, duplicates, and why a document is refused.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::freshness::Validity;
use crate::limits;
use crate::time::UnixTime;
use crate::units::ObjectSize;

/// Which rule of the formats a document breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not JSON, or a field is missing or of the wrong type.
    #[error("its JSON does not fit the format: {0}")]
    Json(String),
    /// Of a version that this reader does not know.
    #[error("it is of format version {0}, and this Nearcast reads version 1")]
    Version(u64),
    /// It needs something that this reader does not know.
    #[error("it needs {0:?}, which this Nearcast does not know")]
    Critical(String),
    /// A list is too long.
    #[error("it has {count} {what}, the limit is {limit}")]
    TooMany {
        /// What is listed.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A list that needs an entry has none.
    #[error("it has no {0}")]
    Empty(&'static str),
    /// The same id or name twice.
    #[error("it names the {what} {which} twice")]
    Duplicate {
        /// What is listed.
        what: &'static str,
        /// The one that comes twice.
        which: String,
    },
    /// A number outside its bounds.
    #[error("its {what} {value} is not between {min} and {max}")]
    Number {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u64,
        /// Lowest value let in.
        min: u64,
        /// Highest value let in.
        max: u64,
    },
    /// Two fields that do not go together.
    #[error("{0}")]
    Contradiction(&'static str),
    /// More bytes than the limit.
    #[error("it has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// How many bytes.
        size: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The bytes are not those that their hash was given for.
    #[error("its bytes do not match their hash")]
    OtherBytes,
}

/// Fields that every signed document starts with.
#[derive(Serialize, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) v: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) crit: Vec<String>,
    pub(crate) sequence: u64,
    pub(crate) issued: UnixTime,
    pub(crate) expires: UnixTime,
}

impl Envelope {
    pub(crate) fn new(validity: Validity) -> Self {
        let Validity { sequence, issued, expires } = validity;
        Self { v: 1, crit: Vec::new(), sequence, issued, expires }
    }

    /// Checks the envelope of a document whose fields are `known`.
    pub(crate) fn check(self, known: &[&str]) -> Result<Validity, FormatError> {
        check_version(self.v)?;
        check_critical(&self.crit, known)?;
        number("sequence", self.sequence, 0, limits::NUMBER)?;
        number("issue time", self.issued.0, 0, limits::NUMBER)?;
        number("expiry", self.expires.0, self.issued.0.saturating_add(1), limits::NUMBER)?;
        Ok(Validity { sequence: self.sequence, issued: self.issued, expires: self.expires })
    }
}

/// Reads JSON into a private form.
pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, FormatError> {
    serde_json::from_slice(json).map_err(|e| FormatError::Json(e.to_string()))
}

/// Writes a private form as JSON; fields in the order of the type, no blanks.
#[expect(clippy::expect_used, reason = "the private forms have text keys only, which is all that could fail")]
pub(crate) fn to_json<T: Serialize>(form: &T) -> Vec<u8> {
    serde_json::to_vec(form).expect("a private form is always JSON")
}

pub(crate) fn check_version(v: u64) -> Result<(), FormatError> {
    if v == 1 { Ok(()) } else { Err(FormatError::Version(v)) }
}

/// Refuses a document that lists a field as critical which this version does not read.
pub(crate) fn check_critical(names: &[String], known: &[&str]) -> Result<(), FormatError> {
    at_most("critical names", names.len(), limits::CRITICAL_NAMES)?;
    match names.iter().find(|n| !known.contains(&n.as_str())) {
        Some(name) => Err(FormatError::Critical(name.chars().take(64).collect())),
        None => Ok(()),
    }
}

pub(crate) fn at_most(what: &'static str, count: usize, limit: usize) -> Result<(), FormatError> {
    if count > limit { Err(FormatError::TooMany { what, count, limit }) } else { Ok(()) }
}

pub(crate) fn number(what: &'static str, value: u64, min: u64, max: u64) -> Result<u64, FormatError> {
    if (min..=max).contains(&value) { Ok(value) } else { Err(FormatError::Number { what, value, min, max }) }
}

pub(crate) fn small(what: &'static str, value: u64, min: u64, max: u32) -> Result<u32, FormatError> {
    let value = number(what, value, min, u64::from(max))?;
    u32::try_from(value).map_err(|_| FormatError::Number { what, value, min, max: u64::from(max) })
}

pub(crate) fn size(what: &'static str, value: u64) -> Result<ObjectSize, FormatError> {
    ObjectSize::new(value).ok_or(FormatError::Number {
        what,
        value,
        min: 1,
        max: crate::units::MAX_OBJECT_SIZE,
    })
}

/// Refuses a list that holds something twice.
pub(crate) fn unique<T: Ord + ToString>(
    what: &'static str,
    items: impl IntoIterator<Item = T>,
) -> Result<(), FormatError> {
    let mut seen = BTreeSet::new();
    for item in items {
        if seen.contains(&item) {
            return Err(FormatError::Duplicate { what, which: item.to_string() });
        }
        seen.insert(item);
    }
    Ok(())
}
