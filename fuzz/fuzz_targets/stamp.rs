//! A datagram between two nodes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nearcast_engine::wire::Stamp;

fuzz_target!(|bytes: &[u8]| nearcast_fuzz::says_the_same_again::<Stamp>(bytes));
