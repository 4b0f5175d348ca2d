//! The origin client: fetches runs of blocks and documents from a provider's web server, which may be any.
//!
//! A run is fetched as one range request, with the hashes that prove it beside it, and every block is verified
//! before it is handed on: the first is, while the rest still arrives. What an origin can do wrong has a name
//! each ([`OriginError`]); nothing is guessed and nothing unverified leaves. Backoff and asking again are the
//! engine's.

mod client;
mod document;
mod error;
mod hashes;
mod metrics;
mod redirect;
mod reply;
mod run;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod whole;

use std::sync::Arc;

use bytes::Bytes;
use nearcast_content::tree::{Decoded, Parents};
use nearcast_content::{ObjectId, ObjectSize};
use reqwest::Url;

pub use client::{OriginClient, OriginSettings};
pub use error::{Connecting, OriginError, Trouble, Waiting};
pub use metrics::OriginMetrics;
pub use redirect::RedirectError;
pub use stream::Glance;

/// An object, and where its origin has it.
#[derive(Clone)]
pub struct ObjectSource {
    /// The object.
    pub object: ObjectId,
    /// Its size.
    pub size: ObjectSize,
    /// Where its bytes lie.
    pub url: Url,
    /// Where its paged outboard lies. An object of one block needs none.
    pub outboard: Url,
    /// Parents that are at hand already. They are checked like any others.
    pub held: Option<Arc<dyn Parents + Send + Sync>>,
}

/// Takes what was verified, in order.
pub trait Sink: Send {
    /// Takes a parent with empty `bytes`, or a block with its bytes.
    ///
    /// # Errors
    /// [`NoRoom`] ends the fetch.
    fn take(&mut self, piece: Decoded, bytes: Bytes) -> impl Future<Output = Result<(), NoRoom>> + Send;
}

/// A sink takes nothing more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was fetched cannot be kept: {0}")]
pub struct NoRoom(pub String);
