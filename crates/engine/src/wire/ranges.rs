//! Block ranges on the wire: a flat array of gaps and lengths, so that sorted sets stay small.

use minicbor::decode::{Decoder, Error};
use minicbor::encode::{self, Encoder, Write};
use nearcast_content::{BlockRange, BlockSet};

use crate::limits::MAX_RANGES_IN_MESSAGE;

/// One range as `[start, length]`.
pub(super) mod one {
    use super::*;

    pub(crate) fn encode<C, W: Write>(
        range: &BlockRange,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?.u32(range.start)?.u32(range.len())?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<BlockRange, Error> {
        let at = d.position();
        if d.array()? != Some(2) {
            return Err(Error::message("a range has two numbers").at(at));
        }
        next(d, 0)
    }
}

/// A set as `[gap, length, gap, length, …]`, each gap counted from the end of the range before.
pub(super) mod set {
    use super::*;

    pub(crate) fn encode<C, W: Write>(
        set: &BlockSet,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(set.ranges().len() as u64 * 2)?;
        let mut at = 0;
        for range in set.ranges() {
            e.u32(range.start - at)?.u32(range.len())?;
            at = range.end;
        }
        Ok(())
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<BlockSet, Error> {
        let at = d.position();
        let numbers = d.array()?.ok_or_else(|| Error::message("a set must say its length").at(at))?;
        if numbers % 2 != 0 || numbers > 2 * MAX_RANGES_IN_MESSAGE as u64 {
            return Err(Error::message("a set has pairs of numbers, and a bounded count of them").at(at));
        }
        let mut set = BlockSet::default();
        let mut end = 0;
        for n in 0..numbers / 2 {
            let at = d.position();
            let range = next(d, end)?;
            // One spelling per set: what touches is one range.
            if n > 0 && range.start == end {
                return Err(Error::message("ranges of a set touch").at(at));
            }
            end = range.end;
            set.insert(range);
        }
        Ok(set)
    }
}

/// Reads a gap after `from` and a length, which must not be zero or run past 32 bits.
fn next(d: &mut Decoder<'_>, from: u32) -> Result<BlockRange, Error> {
    let at = d.position();
    let start = from.checked_add(d.u32()?);
    let length = d.u32()?;
    match start.and_then(|start| Some((start, start.checked_add(length)?))) {
        Some((start, end)) if length > 0 => Ok(BlockRange::new(start, end)),
        Some(_) | None => Err(Error::message("a range is empty or too long").at(at)),
    }
}

/// A set that later fields follow: nothing in its place stands for an empty one.
pub(super) mod later {
    use minicbor::data::Type;

    use super::*;

    pub(crate) use super::set::encode;

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<BlockSet, Error> {
        if d.datatype()? == Type::Null {
            d.null()?;
            return Ok(BlockSet::EMPTY);
        }
        super::set::decode(d, ctx)
    }
}
