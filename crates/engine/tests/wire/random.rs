//! Whatever arrives, decoders answer and never panic; whatever is split, frames come out the same.

use nearcast_content::{BlockRange, BlockSet, NodeKey, ObjectId, ProviderKey};
use nearcast_engine::limits::MAX_RANGES_IN_MESSAGE;
use nearcast_engine::wire::{
    ChannelSignal, ClientMessage, Frame, Frames, Have, Hello, PeerMessage, RunHeader, ServerMessage, Serves,
    Stamp, SwarmId, Versions, Want, decode, encode, encode_framed,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::samples::Samples;

/// What one kind of message makes of bytes: nothing, or a message that says the same when it is said again.
macro_rules! answers {
    ($kind:ty, $bytes:expr) => {
        if let Ok(message) = decode::<$kind>($bytes) {
            prop_assert_eq!(decode::<$kind>(&encode(&message)), Ok(message));
        }
    };
}

fn every_decoder_answers(bytes: &[u8]) -> Result<(), TestCaseError> {
    answers!(PeerMessage, bytes);
    answers!(RunHeader, bytes);
    answers!(Stamp, bytes);
    answers!(ClientMessage, bytes);
    answers!(ServerMessage, bytes);
    answers!(ChannelSignal, bytes);
    if let Ok(frame) = Frame::read(bytes) {
        let packet = frame.to_packet();
        prop_assert_eq!(Frame::read(&packet), Ok(frame));
    }
    let mut frames = Frames::default();
    frames.push(bytes);
    while let Ok(Some(_)) = frames.next_message::<PeerMessage>() {}
    Ok(())
}

fn encoded_samples() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = PeerMessage::samples().iter().map(|(_, m)| encode(m)).collect();
    all.extend(Stamp::samples().iter().map(|(_, m)| encode(m)));
    all.extend(ClientMessage::samples().iter().map(|(_, m)| encode(m)));
    all.extend(ServerMessage::samples().iter().map(|(_, m)| encode(m)));
    all.extend(ChannelSignal::samples().iter().map(|(_, m)| encode(m)));
    all
}

fn blocks() -> impl Strategy<Value = BlockSet> {
    vec((1u32..5_000, 1u32..5_000), 0..MAX_RANGES_IN_MESSAGE).prop_map(|gaps| {
        let mut at = 0;
        gaps.into_iter()
            .map(|(gap, len)| {
                at += gap + len;
                BlockRange::new(at - len, at)
            })
            .collect()
    })
}

fn hello() -> impl Strategy<Value = Hello> {
    let serves = prop_oneof![Just(Serves::Nobody), Just(Serves::Others)];
    let credential = prop::option::of(".{0,200}");
    (any::<(u16, u16, u64, [u8; 32])>(), serves, credential).prop_map(
        |((oldest, newest, features, provider), serves, credential)| Hello {
            versions: Versions { oldest, newest },
            features,
            provider: ProviderKey(provider),
            serves,
            credential,
        },
    )
}

fn peer_message() -> impl Strategy<Value = PeerMessage> {
    let object = || any::<[u8; 32]>().prop_map(ObjectId);
    let want = (any::<u32>(), object(), any::<u32>(), 1u32..=64, any::<u32>());
    prop_oneof![
        hello().prop_map(PeerMessage::Hello),
        object().prop_map(|object| PeerMessage::Interest { object }),
        (object(), blocks(), blocks(), blocks()).prop_map(|(object, added, removed, coming)| {
            PeerMessage::Have(Have { object, added, removed, coming })
        }),
        want.prop_map(|(request, object, start, len, due_millis)| {
            let blocks = BlockRange::new(start.min(u32::MAX - len), start.min(u32::MAX - len) + len);
            PeerMessage::Want(Want { request, object, blocks, due_millis })
        }),
        any::<u32>().prop_map(|request| PeerMessage::Cancel { request }),
        any::<u32>().prop_map(|millis| PeerMessage::Choke { millis }),
        Just(PeerMessage::Goodbye),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..600)) {
        every_decoder_answers(&bytes)?;
    }

    #[test]
    fn no_damage_to_a_message_makes_a_decoder_panic(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = which.get(&encoded_samples()).clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        every_decoder_answers(&bytes)?;
    }

    #[test]
    fn messages_come_back_as_they_were(message in peer_message()) {
        prop_assert_eq!(decode::<PeerMessage>(&encode(&message)), Ok(message));
    }

    #[test]
    fn announces_come_back_as_they_were(removed in vec(any::<[u8; 16]>(), 0..300), to in any::<[u8; 32]>(), payload in vec(any::<u8>(), 0..3000)) {
        let announce = ClientMessage::Announce { added: vec![], removed: removed.into_iter().map(SwarmId).collect() };
        prop_assert_eq!(decode::<ClientMessage>(&encode(&announce)), Ok(announce));
        let signal = ClientMessage::Signal { to: NodeKey(to), payload };
        prop_assert_eq!(decode::<ClientMessage>(&encode(&signal)), Ok(signal));
    }

    /// However a stream is cut into reads, the same messages come out of it.
    #[test]
    fn frames_do_not_care_how_a_stream_is_split(
        messages in vec(peer_message(), 1..8),
        cuts in vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(encode_framed).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.push(stream.len());
        cuts.sort_unstable();
        let mut frames = Frames::default();
        let mut got = Vec::new();
        let mut at = 0;
        for cut in cuts {
            frames.push(&stream[at..cut]);
            at = cut;
            while let Some(message) = frames.next_message::<PeerMessage>().expect("good messages") {
                got.push(message);
            }
        }
        prop_assert_eq!(got, messages);
        prop_assert!(frames.is_empty());
    }
}
