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
use nearcast_engine::limits::{MAX_FRAME, MAX_PIECE};
use nearcast_engine::wire::{
    ChannelSignal, ClientMessage, Frame, Introduction, PeerMessage, RunHeader, ServerMessage, Stamp,
    WireError, decode, encode,
};

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
fn stamps_are_what_they_were() {
    check::<Stamp>(include_str!("golden/stamp.hex"));
    assert!(Stamp::samples().iter().all(|(_, stamp)| encode(stamp).len() <= Stamp::MAX_BYTES));
}

#[test]
fn client_messages_are_what_they_were() {
    check::<ClientMessage>(include_str!("golden/client.hex"));
}

#[test]
fn server_messages_are_what_they_were() {
    check::<ServerMessage>(include_str!("golden/server.hex"));
}

#[test]
fn introductions_are_what_they_were() {
    check::<Introduction>(include_str!("golden/introduction.hex"));
}

#[test]
fn signals_between_tabs_are_what_they_were() {
    check::<ChannelSignal>(include_str!("golden/signal.hex"));
}

/// Frames of a data channel, with their golden bytes.
fn frames() -> Vec<(&'static str, Frame<'static>)> {
    let proof = Introduction::Proof { signature: [0x77; 64] };
    let request = 0x0102_0304;
    vec![
        ("introduction", Frame::Introduction(proof)),
        ("control", Frame::Control(PeerMessage::Choke { millis: 2_500 })),
        ("piece", Frame::Piece { request, bytes: &[0xaa, 0xbb] }),
        ("end", Frame::End { request }),
        ("given-up", Frame::GivenUp { request: u32::MAX }),
        ("ping", Frame::Ping(0)),
        ("pong", Frame::Pong(request)),
    ]
}

#[test]
fn frames_of_data_channels_are_what_they_were() {
    let mut lines = golden(include_str!("golden/frame.hex"));
    for (name, frame) in frames() {
        let packet = frame.to_packet();
        assert_eq!(lines.remove(name).map(|line| hex(&line)), Some(hex(&packet)), "{name} {}", hex(&packet));
        assert_eq!(Frame::read(&packet), Ok(frame), "{name}");
        for cut in 0..packet.len() {
            let piece = name == "piece" && cut > 5;
            assert_eq!(Frame::read(&packet[..cut]).is_ok(), piece, "{name} cut to {cut}");
        }
        let longer = [packet.as_slice(), &[0]].concat();
        assert!(name == "piece" || matches!(Frame::read(&longer), Err(WireError::Trailing(1))), "{name}");
    }
    assert!(lines.is_empty(), "no sample for {:?}", lines.keys());
}

#[test]
fn frames_of_data_channels_are_bounded() {
    let piece = vec![7; MAX_PIECE];
    let packet = Frame::Piece { request: 1, bytes: &piece }.to_packet();
    assert_eq!(packet.len(), MAX_FRAME);
    assert!(Frame::read(&packet).is_ok());
    let longer = [packet.as_slice(), &[0]].concat();
    assert_eq!(Frame::read(&longer), Err(WireError::TooLong(MAX_FRAME + 1)));
    assert!(matches!(Frame::read(&[9, 0, 0, 0, 1]), Err(WireError::Malformed(_))), "no such kind");
}
