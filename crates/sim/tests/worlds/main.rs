//! Whole worlds: they repeat themselves, they hold their invariants, and agents that break one are caught.

mod plain;

mod breaking;
mod oracle;
mod outage;
mod random;
mod renditions;
mod repeating;
mod segments;
mod sleep;
mod soak;
mod stuck;
mod uplinks;
