//! What comes over a data channel.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nearcast_engine::wire::Frame;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::read(bytes) {
        assert_eq!(Frame::read(&frame.to_packet()), Ok(frame));
    }
});
