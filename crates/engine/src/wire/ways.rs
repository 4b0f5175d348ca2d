//! In which ways a node can be connected to.

use minicbor::data::Type;
use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

/// Ways in which a node takes connections and makes them, one bit each. Bits that this version does not know are
/// kept and otherwise ignored.
///
/// On the wire it is a number, and nothing in its place stands for [`QUIC`](Self::QUIC): a node that says nothing
/// is a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ways(pub u8);

impl Ways {
    /// QUIC, at the addresses that a supernode tells.
    pub const QUIC: Self = Self(1);
    /// Data channels of WebRTC, arranged by signals through a supernode: what a page in a browser has.
    pub const DATA_CHANNELS: Self = Self(1 << 1);

    /// Whether nodes with these ways can be connected to each other.
    pub fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Default for Ways {
    fn default() -> Self {
        Self::QUIC
    }
}

impl<C> Encode<C> for Ways {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        if *self == Self::QUIC { e.null()?.ok() } else { e.u8(self.0)?.ok() }
    }

    fn is_nil(&self) -> bool {
        *self == Self::QUIC
    }
}

impl<'b, C> Decode<'b, C> for Ways {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        if d.datatype()? == Type::Null {
            d.null()?;
            return Ok(Self::QUIC);
        }
        d.u8().map(Self)
    }

    fn nil() -> Option<Self> {
        Some(Self::QUIC)
    }
}
