//! The browser shell: the engine and the verifier of `content`, compiled to WebAssembly, as one object that a page
//! drives.
//!
//! A [`Tab`] is what a node is on a machine: it drives the engine by its contract, verifies what comes, keeps it in
//! memory, talks with peers and the supernode. What only a page can do leaves as an [`Effect`]: fetch this, send that
//! packet, open a connection. The page carries it out and tells what came of it; it decides nothing.
//!
//! ```text
//! something happened ──► a method of Tab ──► poll() until it gives nothing ──► a timer for wake()
//! ```
//!
//! Everything here but [`bindings`](self) is plain Rust that knows no browser, and is tested as such.

#[cfg(target_arch = "wasm32")]
mod bindings;
mod effect;
mod fetches;
mod incoming;
mod kept;
mod limits;
mod origin;
mod pacer;
mod reads;
mod store;
mod tab;
mod title;
mod uploads;

#[cfg(test)]
mod tests;

pub use effect::{Effect, FetchId, GivenId, KeepId};
pub use fetches::Answer;
pub use nearcast_engine::channels::LinkId;
pub use reads::{ReadNumber, Taken};
pub use tab::{Figures, Giving, Keeping, OpenError, Setup, Stowed, Tab};
