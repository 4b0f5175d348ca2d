//! A control stream in reads of any size: the same messages as in one read, and no more held than promised.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nearcast_engine::wire::{Frames, PeerMessage, WireError};

fuzz_target!(|input: (u8, &[u8])| {
    let (read, stream) = input;
    let whole = messages(stream.len().max(1), stream);
    let split = messages(usize::from(read).max(1), stream);
    assert_eq!(whole, split);
});

/// The messages in `stream` up to the first error, and the error.
fn messages(read: usize, stream: &[u8]) -> (Vec<PeerMessage>, Option<WireError>) {
    let mut frames = Frames::default();
    let mut messages = Vec::new();
    for bytes in stream.chunks(read) {
        frames.push(bytes);
        loop {
            match frames.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}
