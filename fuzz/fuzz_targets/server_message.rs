//! What a supernode says to a node.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nearcast_engine::wire::ServerMessage;

fuzz_target!(|bytes: &[u8]| nearcast_fuzz::says_the_same_again::<ServerMessage>(bytes));
