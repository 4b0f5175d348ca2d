//! The wire format, byte by byte: what version 1 looks like for ever, and what decoders refuse.
//!
//! `golden/*.hex` holds one message per line, its name first. A line never changes once released: a test that
//! fails here means that nodes in the field would no longer be understood.

#[path = "wire/broken.rs"]
mod broken;
#[path = "wire/later.rs"]
mod later;
#[path = "wire/random.rs"]
mod random;
#[path = "wire/samples.rs"]
mod samples;

use std::collections::BTreeMap;
use std::fmt::Debug;

use minicbor::{Decode, Encode};
use nearcast_engine::wire::{ClientMessage, PeerMessage, RunHeader, ServerMessage, decode, encode};

use samples::{Named, Samples};

/// The golden lines of one kind of message, as name and bytes.
fn golden(text: &str) -> BTreeMap<&str, Vec<u8>> {
    text.lines()
        .map(|line| {
            let (name, hex) = line.split_once(' ').expect("a name and hex digits");
            (name, unhex(hex))
        })
        .collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2) && hex.is_ascii(), "{hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every sample has a line, every line a sample, every variant a sample; both ways they are the same.
fn check<M>(file: &str)
where
    M: Samples + Named + Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
{
    let mut lines = golden(file);
    let mut missing = M::NAMES.to_vec();
    for (name, message) in M::samples() {
        missing.retain(|variant| *variant != message.name());
        let bytes = encode(&message);
        let line = lines.remove(name);
        assert_eq!(line.map(|line| hex(&line)), Some(hex(&bytes)), "{name} {}", hex(&bytes));
        assert_eq!(decode::<M>(&bytes).as_ref(), Ok(&message), "{name}");
    }
    assert!(missing.is_empty(), "no sample of {missing:?}");
    assert!(lines.is_empty(), "no sample for {:?}", lines.keys());
}

#[test]
fn peer_messages_are_what_they_were() {
    check::<PeerMessage>(include_str!("golden/peer.hex"));
}

#[test]
fn run_headers_are_what_they_were() {
    check::<RunHeader>(include_str!("golden/run.hex"));
}

#[test]
fn client_messages_are_what_they_were() {
    check::<ClientMessage>(include_str!("golden/client.hex"));
}

#[test]
fn server_messages_are_what_they_were() {
    check::<ServerMessage>(include_str!("golden/server.hex"));
}
