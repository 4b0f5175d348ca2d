//! Messages of the version after ours, built by hand: fields are appended, and today's decoders skip them.

use std::fmt::Debug;

use minicbor::{Decode, Encode};
use nearcast_engine::wire::{ClientMessage, PeerMessage, RunHeader, ServerMessage, Stamp, decode, encode};

use super::samples::Samples;

/// Fields of later versions: a text, nothing, and an array with a map and an endless list in it.
const LATER: [&[u8]; 3] = [b"\x63new", &[0xf6], &[0x82, 0xa1, 0x01, 0x02, 0x9f, 0x03, 0xff]];

/// An array of a message's fields: where it starts, and how many fields version 1 knows. It goes on to the end.
#[derive(Clone, Copy)]
struct Fields {
    at: usize,
    known: u8,
}

/// `bytes` with `field` appended to an array. Optional fields that were left out at its end are spelt out, as a
/// later version must before it can go on.
fn append(bytes: &[u8], fields: Fields, field: &[u8]) -> Vec<u8> {
    let mut longer = bytes.to_vec();
    let known = longer[fields.at] - 0x80;
    assert!(known <= fields.known, "an array starts at {}: {bytes:02x?}", fields.at);
    longer[fields.at] = 0x80 + fields.known + 1;
    longer.extend((known..fields.known).map(|_| 0xf6));
    longer.extend(field);
    longer
}

fn skips_later_fields<M: Samples + Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug>(
    arrays: impl Fn(&[u8]) -> Vec<Fields>,
) {
    for (name, message) in M::samples() {
        let bytes = encode(&message);
        for array in arrays(&bytes) {
            for field in LATER {
                let longer = append(&bytes, array, field);
                assert_eq!(decode::<M>(&longer).as_ref(), Ok(&message), "{name} at {}", array.at);
            }
        }
    }
}

/// The fields of a variant come after the pair and the number of the variant. Where the one field of a variant
/// is a struct, the struct's fields follow.
fn variants(known: &'static [u8], structs: &'static [(u8, u8)]) -> impl Fn(&[u8]) -> Vec<Fields> {
    move |bytes| {
        let mut arrays = vec![Fields { at: 2, known: known[usize::from(bytes[1])] }];
        let inner = structs.iter().find(|(variant, _)| *variant == bytes[1]);
        arrays.extend(inner.map(|(_, known)| Fields { at: 3, known: *known }));
        arrays
    }
}

#[test]
fn later_fields_at_the_end_are_skipped() {
    // Hello, Have, Want and Report carry a struct.
    let structs = &[(0, 5), (3, 4), (4, 4)];
    skips_later_fields::<PeerMessage>(variants(&[1, 1, 1, 1, 1, 1, 2, 1, 0], structs));
    skips_later_fields::<ClientMessage>(variants(&[1, 2, 3, 2, 0, 1], &[(0, 10), (5, 3)]));
    skips_later_fields::<ServerMessage>(variants(&[2, 5, 3, 2, 1, 1, 1], &[]));
    skips_later_fields::<Stamp>(variants(&[1, 2], &[]));
    skips_later_fields::<RunHeader>(|_| vec![Fields { at: 0, known: 1 }]);
}

#[test]
fn later_fields_in_the_middle_are_skipped() {
    // An announce of one holding, 0x33…, with a fourth field, and of one swarm that is left.
    let mut announce = vec![0x82, 0x01, 0x82, 0x81, 0x84, 0x50];
    announce.extend([0x33; 16]);
    announce.extend([0x01, 0x02]);
    announce.extend(LATER[2]);
    announce.extend([0x81, 0x50]);
    announce.extend([0x44; 16]);
    let Ok(ClientMessage::Announce { added, removed }) = decode(&announce) else { panic!("an announce") };
    assert_eq!((added[0].swarm.0, added[0].renditions, added[0].coverage), ([0x33; 16], 1, 2));
    assert_eq!((added.len(), removed[0].0), (1, [0x44; 16]));

    // A challenge with versions that have a third field.
    let mut challenge = vec![0x82, 0x00, 0x82, 0x58, 0x20];
    challenge.extend([0x55; 32]);
    challenge.extend([0x83, 0x01, 0x05]);
    challenge.extend(LATER[0]);
    let Ok(ServerMessage::Challenge { versions, .. }) = decode(&challenge) else { panic!("a challenge") };
    assert_eq!((versions.oldest, versions.newest), (1, 5));
}

#[test]
fn optional_fields_at_the_end_may_be_left_out() {
    // The hello of a node that knows no credentials, should one ever be written.
    let mut hello = vec![0x82, 0x00, 0x81, 0x84, 0x82, 0x01, 0x01, 0x00, 0x58, 0x20];
    hello.extend([0x11; 32]);
    hello.push(0x01);
    let Ok(PeerMessage::Hello(hello)) = decode(&hello) else { panic!("a hello") };
    assert_eq!((hello.provider.0, hello.credential), ([0x11; 32], None));
}
