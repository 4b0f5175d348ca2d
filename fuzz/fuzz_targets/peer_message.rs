//! What peers say to each other.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nearcast_engine::wire::PeerMessage;

fuzz_target!(|bytes: &[u8]| nearcast_fuzz::says_the_same_again::<PeerMessage>(bytes));
