//! What a node says to a supernode.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nearcast_engine::wire::ClientMessage;

fuzz_target!(|bytes: &[u8]| nearcast_fuzz::says_the_same_again::<ClientMessage>(bytes));
