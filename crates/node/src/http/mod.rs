//! What the origin server and the gateway share: one HTTP/1.1 server with limits, and answers to range requests.
//!
//! A [`Server`] accepts connections and drives them with hyper; `wire` sits between hyper and the socket,
//! where it counts what really leaves, holds the connection to the [`Uplink`] and ends stalled ones.
//! [`entity`] decides, from request headers alone, which bytes of a resource to answer with (RFC 9110).

pub mod entity;
pub mod media_type;
mod metrics;
mod places;
mod range;
mod server;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod uplink;
mod wire;

pub use entity::{Answer, Entity};
pub use metrics::{BodyKind, HttpMetrics};
pub use server::{ConnectionLimits, Server};
pub use tls::{Tls, TlsFileError};
pub use uplink::Uplink;
