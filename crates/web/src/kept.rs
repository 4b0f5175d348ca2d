//! What the browser keeps for the next visit: runs of blocks, each an entry that proves itself.
//!
//! An entry is a run as it travels between peers: every parent from the root to its blocks, and these. Whoever reads
//! one checks it, so damage is found and nothing else needs to be kept beside it. Its key says what it is: the list of
//! keys is all that is looked at when a tab starts, and an entry is there whole or not at all.

use nearcast_content::tree::{Decoded, RunDecoder};
use nearcast_content::{BlockRange, ObjectId, ObjectSize, TitleId};

use crate::limits::MAX_ENTRY;

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// A title that the object belongs to.
    pub(crate) title: TitleId,
    pub(crate) object: ObjectId,
    pub(crate) size: ObjectSize,
    pub(crate) blocks: BlockRange,
}

/// What a key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Blocks.
    Entry(Entry),
    /// When a title was played last: its place among the keys tells.
    Played(TitleId),
}

const PLAYED: &str = "played";

impl Entry {
    /// Bytes of its blocks.
    pub(crate) fn bytes(&self) -> u64 {
        self.size.bytes_of(self.blocks).len()
    }
}

impl Key {
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Played(title) => format!("{title}/{PLAYED}"),
            Self::Entry(Entry { title, object, size, blocks }) => {
                format!("{title}/{object}/{}/{}-{}", size.bytes(), blocks.start, blocks.end)
            }
        }
    }

    /// Reads a key. None of what is not exactly one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let title = parts.next()?.parse().ok()?;
        let object = parts.next()?;
        let key = if object == PLAYED {
            Self::Played(title)
        } else {
            let size = ObjectSize::new(parts.next()?.parse().ok()?)?;
            let (start, end) = parts.next()?.split_once('-')?;
            let blocks = BlockRange::new(start.parse().ok()?, end.parse().ok()?);
            let whole = !blocks.is_empty() && blocks.len() <= MAX_ENTRY && blocks.end <= size.all().end;
            whole.then_some(Self::Entry(Entry { title, object: object.parse().ok()?, size, blocks }))?
        };
        (parts.next().is_none() && key.to_text() == text).then_some(key)
    }
}

/// The pieces of an entry, each with its bytes; none when it is damaged.
pub(crate) fn decode(
    object: ObjectId,
    size: ObjectSize,
    blocks: BlockRange,
    bytes: &[u8],
) -> Option<Vec<(Decoded, &[u8])>> {
    let mut decoder = RunDecoder::new(object, size, blocks);
    let (mut pieces, mut at) = (Vec::new(), 0);
    while let Some(need) = decoder.needs() {
        let piece = bytes.get(at..at + need.len())?;
        pieces.push((decoder.feed(piece).ok()?, piece));
        at += need.len();
    }
    (at == bytes.len()).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_spelling() {
        let title: TitleId = "a-song".parse().expect("a title");
        let size = ObjectSize::new(3_000_000).expect("in range");
        let entry =
            Entry { title: title.clone(), object: ObjectId([9; 32]), size, blocks: BlockRange::new(64, 128) };
        for key in [Key::Entry(entry), Key::Played(title)] {
            assert_eq!(Key::read(&key.to_text()), Some(key));
        }
        let object = ObjectId([9; 32]);
        for bad in [
            "".to_owned(),
            "a-song".to_owned(),
            "../played".to_owned(),
            format!("a-song/{object}/3000000/64-64"),
            format!("a-song/{object}/3000000/64-200"),
            format!("a-song/{object}/3000000/0-65"),
            format!("a-song/{object}/3000000/00-64"),
            format!("a-song/{object}/0/0-1"),
            format!("a-song/{object}/3000000/0-64/more"),
            format!("a-song/{object}/3000000/4294967295-4294967296"),
        ] {
            assert_eq!(Key::read(&bad), None, "{bad}");
        }
    }
}
