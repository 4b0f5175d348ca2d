//! The supernode's side: who holds what, near whom.

mod api;

pub use api::*;
