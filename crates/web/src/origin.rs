//! Runs from the origin: bytes and the outboard that proves them, fetched side by side, checked block by block.

use std::rc::Rc;

use nearcast_content::tree::{Corrupt, Decoded, OriginCheck, OriginNeed, PAIR_LEN, Parents, Tree};
use nearcast_content::{BlockRange, ByteRange, FlatMap, ObjectId, ObjectSize};

use crate::effect::FetchId;
use crate::limits::MAX_OUTBOARDS;

/// Which blocks of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) object: ObjectId,
    pub(crate) size: ObjectSize,
    pub(crate) blocks: BlockRange,
}

impl Target {
    /// The bytes of its blocks.
    pub(crate) fn bytes(&self) -> ByteRange {
        self.size.bytes_of(self.blocks)
    }

    /// The pieces of the outboard that prove its blocks. The head and the page behind it are one piece: they lie in
    /// a row.
    pub(crate) fn pieces(&self) -> Vec<ByteRange> {
        let tree = Tree::new(self.size);
        let first = ByteRange::new(0, tree.page(0).end.max(tree.head().end));
        let pages = tree.pages_of(self.blocks).filter(|page| *page != 0).map(|page| tree.page(page));
        let with_head = self.blocks.start < tree.page_blocks(0).end || !tree.head().is_empty();
        let pieces = with_head.then_some(first).into_iter().chain(pages);
        pieces.filter(|piece| !piece.is_empty()).collect()
    }
}

/// Pieces of outboards that came, by object and where they start.
#[derive(Debug, Default)]
pub(crate) struct Outboards {
    pieces: FlatMap<(ObjectId, u64), Rc<[u8]>>,
}

impl Outboards {
    /// Keeps a piece.
    pub(crate) fn put(&mut self, object: ObjectId, start: u64, bytes: &[u8]) {
        // Whole objects go first come: what is needed again is a request away.
        while self.pieces.len() >= MAX_OUTBOARDS {
            self.pieces.pop_first();
        }
        self.pieces.insert((object, start), bytes.into());
    }

    pub(crate) fn has(&self, object: ObjectId, start: u64) -> bool {
        self.pieces.contains_key(&(object, start))
    }

    /// Lets go of what did not prove its object.
    pub(crate) fn drop_object(&mut self, object: ObjectId) {
        self.pieces.retain(|(of, _), _| *of != object);
    }

    fn of(&self, target: &Target) -> Option<Pieces> {
        let piece = |range: ByteRange| {
            let bytes = self.pieces.get(&(target.object, range.start))?;
            Some((range.start, Rc::clone(bytes)))
        };
        target.pieces().into_iter().map(piece).collect::<Option<_>>().map(Pieces)
    }
}

/// The pieces that one run needs.
#[derive(Debug)]
struct Pieces(Vec<(u64, Rc<[u8]>)>);

impl Parents for Pieces {
    fn parent(&self, offset: u64) -> Option<[u8; PAIR_LEN]> {
        self.0.iter().find_map(|(start, bytes)| bytes.parent(offset.checked_sub(*start)?))
    }
}

/// A run under way.
#[derive(Debug)]
pub(crate) struct OriginRun {
    pub(crate) target: Target,
    pub(crate) fetch: FetchId,
    /// Bytes that came and were not checked yet, from `at` on.
    bytes: Vec<u8>,
    at: usize,
    check: Option<OriginCheck<Pieces>>,
    /// The answer has ended.
    pub(crate) ended: bool,
}

/// A piece that was checked, with its bytes if it is a block.
pub(crate) type Checked = (Decoded, Vec<u8>);

impl OriginRun {
    pub(crate) fn new(target: Target, fetch: FetchId) -> Self {
        Self { target, fetch, bytes: Vec::new(), at: 0, check: None, ended: false }
    }

    /// Takes bytes of the answer.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next piece that can be checked; none until more has come.
    pub(crate) fn next(&mut self, outboards: &Outboards) -> Result<Option<Checked>, Corrupt> {
        if self.check.is_none() {
            let Some(pieces) = outboards.of(&self.target) else { return Ok(None) };
            let Target { object, size, blocks } = self.target;
            self.check = Some(OriginCheck::new(object, size, blocks, pieces));
        }
        let Some(check) = &mut self.check else { return Ok(None) };
        match check.next()? {
            None => Ok(None),
            Some(OriginNeed::Write(parent)) => Ok(Some((parent, Vec::new()))),
            Some(OriginNeed::Block { len, .. }) => {
                let Some(block) = self.bytes.get(self.at..self.at + len) else { return Ok(None) };
                let decoded = check.feed(block)?;
                let block = block.to_vec();
                self.at += len;
                Ok(Some((decoded, block)))
            }
        }
    }

    /// Whether all of it was checked.
    pub(crate) fn is_complete(&self) -> bool {
        self.check.as_ref().is_some_and(OriginCheck::is_complete)
    }

    /// Whether the outboard is here.
    pub(crate) fn has_proof(&self) -> bool {
        self.check.is_some()
    }
}
