//! What Nearcast delivers, without a runtime: ids, block ranges, verified bytes, signed documents.
//!
//! Everything here is pure: no clock, socket, file or thread. A shell hands in bytes and times, and gets
//! back typed values that cannot be wrong in the ways that were checked: a [`Verified`] range was hashed
//! against its object's root, a manifest in hand was signed by its provider.

pub mod catalogue;
mod content_type;
pub mod credential;
mod feature;
pub mod flat;
pub mod freshness;
pub mod ids;
pub mod index;
pub mod jws;
pub mod keys;
mod letters;
pub mod limits;
mod link;
pub mod live;
pub mod manifest;
mod object_ref;
mod parse;
pub mod policy;
pub mod ranges;
pub mod site;
pub mod source;
mod succession;
pub mod text;
mod time;
pub mod tree;
pub mod units;
mod verified;
mod web_url;

pub use catalogue::Catalogue;
pub use content_type::ContentType;
pub use credential::Credential;
pub use feature::FeatureSet;
pub use flat::{FlatMap, FlatSet};
pub use freshness::{Accepted, Document, DocumentError, Standing, Trust, Validity};
pub use ids::{NodeKey, ObjectId, ProviderKey, TitleId};
pub use jws::{DocumentKind, SigningKey};
pub use link::{Link, LinkError};
pub use manifest::Manifest;
pub use object_ref::ObjectRef;
pub use parse::FormatError;
pub use policy::Policy;
pub use ranges::{BlockRange, BlockSet, ByteRange};
pub use succession::Succession;
pub use text::{Text, Token};
pub use time::UnixTime;
pub use units::{BLOCK_SIZE, MAX_OBJECT_SIZE, ObjectSize};
pub use verified::Verified;
pub use web_url::{HostPlace, UrlError, WebUrl};
