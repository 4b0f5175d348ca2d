//! What tabs send each other through a supernode.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nearcast_engine::wire::ChannelSignal;

fuzz_target!(|bytes: &[u8]| nearcast_fuzz::says_the_same_again::<ChannelSignal>(bytes));
