//! Nearcast engine.
