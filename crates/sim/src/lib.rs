//! Nearcast sim.
