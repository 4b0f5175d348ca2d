//! What no decoder takes: pieces of messages, too much, too long, and things with two spellings.

use std::fmt::Debug;

use minicbor::{Decode, Encode};
use nearcast_engine::limits::MAX_MESSAGE;
use nearcast_engine::wire::{
    ClientMessage, Frames, PeerMessage, RunHeader, ServerMessage, Stamp, WireError, decode, encode,
    encode_framed,
};

use super::samples::Samples;

fn pieces_are_refused<M: Samples + Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug>() {
    for (name, message) in M::samples() {
        let mut bytes = encode(&message);
        for len in 1..bytes.len() {
            assert!(
                matches!(decode::<M>(&bytes[..len]), Err(WireError::Malformed(_))),
                "{name} cut to {len}"
            );
        }
        for more in 1..4 {
            bytes.push(0);
            assert_eq!(decode::<M>(&bytes), Err(WireError::Trailing(more)), "{name}");
        }
    }
    assert_eq!(decode::<M>(&[]), Err(WireError::Empty));
    assert_eq!(decode::<M>(&vec![0; MAX_MESSAGE + 1]), Err(WireError::TooLong(MAX_MESSAGE + 1)));
}

#[test]
fn pieces_of_messages_and_more_than_a_message_are_refused() {
    pieces_are_refused::<PeerMessage>();
    pieces_are_refused::<RunHeader>();
    pieces_are_refused::<Stamp>();
    pieces_are_refused::<ClientMessage>();
    pieces_are_refused::<ServerMessage>();
}

fn refuses(bytes: &[u8], why: &str) {
    let got = decode::<PeerMessage>(bytes);
    assert!(matches!(&got, Err(WireError::Malformed(text)) if text.contains(why)), "{why}: {got:?}");
}

/// A have of object 0xab… whose added blocks are these CBOR bytes.
fn have(added: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x82, 0x03, 0x81, 0x83, 0x58, 0x20];
    bytes.extend([0xab; 32]);
    bytes.extend(added);
    bytes.push(0x80);
    bytes
}

#[test]
fn sets_of_blocks_have_one_spelling_and_a_bounded_length() {
    assert!(decode::<PeerMessage>(&have(&[0x84, 0x00, 0x01, 0x01, 0x01])).is_ok());
    refuses(&have(&[0x84, 0x00, 0x01, 0x00, 0x01]), "touch");
    refuses(&have(&[0x82, 0x00, 0x00]), "empty");
    refuses(&have(&[0x83, 0x00, 0x01, 0x00]), "pairs");
    refuses(&have(&[0x9f, 0x00, 0x01, 0xff]), "length");
    refuses(&have(&[0x84, 0x1a, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00, 0x01]), "too long");
    // 513 ranges, and more than any memory holds.
    refuses(&have(&[0x99, 0x04, 0x02, 0x00]), "bounded");
    refuses(&have(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), "bounded");
}

#[test]
fn variants_and_lengths_that_do_not_exist_are_refused() {
    refuses(&[0x82, 0x18, 0xff, 0x80], "variant");
    refuses(&[0x81, 0x08], "enum");
    // A refusal for a reason of a later version: such a version says so only to its equals.
    refuses(&[0x82, 0x06, 0x82, 0x01, 0x18, 0x63], "variant");
    // An object id of 31 bytes.
    let mut short = vec![0x82, 0x01, 0x81, 0x58, 0x1f];
    short.extend([0xab; 31]);
    refuses(&short, "32 bytes");
    // A claim of 2^32 holders costs nothing.
    let holders = [0x82, 0x02, 0x83, 0x00, 0x9a, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(decode::<ServerMessage>(&holders), Err(WireError::Malformed(_))));
}

#[test]
fn arrays_within_arrays_do_not_eat_the_stack() {
    // A field of a later version, nested as deep as a message is long.
    let mut bytes = vec![0x82, 0x08, 0x81];
    bytes.resize(MAX_MESSAGE - 1, 0x81);
    bytes.push(0x00);
    assert_eq!(decode::<PeerMessage>(&bytes), Ok(PeerMessage::Goodbye));
    bytes[3..].fill(0x9f);
    refuses(&bytes, "end of input");
}

#[test]
fn frames_refuse_lengths_that_no_message_has() {
    for (length, error) in [(0, WireError::Empty), (MAX_MESSAGE + 1, WireError::TooLong(MAX_MESSAGE + 1))] {
        let mut frames = Frames::default();
        frames.push(&u16::try_from(length).expect("two bytes").to_be_bytes());
        assert_eq!(frames.next_message::<PeerMessage>(), Err(error.clone()));
        frames.push(&encode_framed(&PeerMessage::Goodbye));
        assert_eq!(frames.next_message::<PeerMessage>(), Err(error), "nothing after it is believed");
    }
}

#[test]
fn a_read_full_of_tiny_messages_costs_no_more_than_its_length() {
    let tiny = encode_framed(&PeerMessage::Goodbye);
    let count = 200_000;
    let mut frames = Frames::default();
    // A megabyte of them: moving the rest up after each would move a hundred thousand megabytes.
    frames.push(&tiny.repeat(count));
    let mut got = 0;
    while let Some(message) = frames.next_message::<PeerMessage>().expect("good messages") {
        assert_eq!(message, PeerMessage::Goodbye);
        got += 1;
    }
    assert_eq!(got, count);
    assert!(frames.is_empty());
}
