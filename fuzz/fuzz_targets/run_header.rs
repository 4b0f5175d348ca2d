//! What a run stream begins with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nearcast_engine::wire::RunHeader;

fuzz_target!(|bytes: &[u8]| nearcast_fuzz::says_the_same_again::<RunHeader>(bytes));
