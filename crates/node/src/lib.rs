//! Nearcast node.
