//! Sizes that the formats fix.

use crate::ranges::{BlockRange, ByteRange};

/// Bytes in a block, the unit that is verified, kept and passed on: 16 chunks of BLAKE3.
pub const BLOCK_SIZE: u64 = 16 * 1024;

/// Largest object: 1 TiB keeps block numbers in 32 bits with room to spare.
pub const MAX_OBJECT_SIZE: u64 = 1 << 40;

/// Size of an object in bytes, 1 to [`MAX_OBJECT_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectSize(u64);

impl ObjectSize {
    /// Takes `bytes`, or nothing when it is zero or past [`MAX_OBJECT_SIZE`].
    pub fn new(bytes: u64) -> Option<Self> {
        (1..=MAX_OBJECT_SIZE).contains(&bytes).then_some(Self(bytes))
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// How many blocks the object has; the last may be short.
    pub fn blocks(self) -> u32 {
        block_number(self.0.div_ceil(BLOCK_SIZE))
    }

    /// All blocks of the object.
    pub fn all(self) -> BlockRange {
        BlockRange::new(0, self.blocks())
    }

    /// The blocks that cover `bytes`, cut at the end of the object.
    pub fn covering(self, bytes: ByteRange) -> BlockRange {
        let end = bytes.end.min(self.0);
        if bytes.start >= end {
            return BlockRange::new(0, 0);
        }
        BlockRange::new(block_number(bytes.start / BLOCK_SIZE), block_number(end.div_ceil(BLOCK_SIZE)))
    }

    /// The bytes that `blocks` cover, cut at the end of the object.
    pub fn bytes_of(self, blocks: BlockRange) -> ByteRange {
        let end = (u64::from(blocks.end) * BLOCK_SIZE).min(self.0);
        ByteRange::new((u64::from(blocks.start) * BLOCK_SIZE).min(end), end)
    }
}

/// A block count that is known to fit because [`MAX_OBJECT_SIZE`] bounds it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "callers pass at most MAX_OBJECT_SIZE / BLOCK_SIZE = 2^26"
)]
fn block_number(n: u64) -> u32 {
    debug_assert!(n <= MAX_OBJECT_SIZE / BLOCK_SIZE);
    n as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_blocks_agree() {
        assert_eq!(ObjectSize::new(0), None);
        assert_eq!(ObjectSize::new(MAX_OBJECT_SIZE + 1), None);
        let size = ObjectSize::new(BLOCK_SIZE * 2 + 1).expect("in range");
        assert_eq!(size.blocks(), 3);
        assert_eq!(size.bytes_of(BlockRange::new(2, 3)), ByteRange::new(2 * BLOCK_SIZE, 2 * BLOCK_SIZE + 1));
        assert_eq!(size.covering(ByteRange::new(BLOCK_SIZE - 1, BLOCK_SIZE + 1)), BlockRange::new(0, 2));
        assert!(size.covering(ByteRange::new(size.bytes(), size.bytes() + 5)).is_empty());
    }
}
