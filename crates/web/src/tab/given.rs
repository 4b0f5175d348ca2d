//! Bytes that the page fetched by itself, before there was a tab to ask: checked like all others, then held.

use nearcast_content::tree::{Corrupt, verify_whole};
use nearcast_content::{BLOCK_SIZE, BlockRange, BlockSet, FlatMap, ObjectId, ObjectRef, ObjectSize};
use nearcast_engine::swarm::{Input, Note, Source, Stored};

use super::Tab;
use crate::effect::{Effect, FetchId, GivenId};
use crate::limits::{MAX_GIVEN, MAX_GIVEN_BYTES};
use crate::origin::{OriginRun, Target};
use crate::title::File;

/// What becomes of bytes that are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giving {
    /// The player waits for them, and will read them once they are checked.
    Waited,
    /// The player has them already.
    Played,
}

/// Pieces that wait to be checked, and what was checked and not read yet.
#[derive(Debug, Default)]
pub(super) struct Givens {
    waiting: FlatMap<GivenId, (OriginRun, Giving)>,
    last: u32,
    /// Bytes that were checked for a player, which has not read them: when it does, they are the origin's.
    unread: u64,
}

/// The whole blocks among `len` bytes from `start` on.
fn whole_blocks(size: ObjectSize, start: u64, len: u64) -> BlockRange {
    let end = start.saturating_add(len).min(size.bytes());
    let last = if end == size.bytes() { size.blocks() } else { number(end / BLOCK_SIZE) };
    let first = number(start.div_ceil(BLOCK_SIZE));
    BlockRange::new(first.min(last), last)
}

fn number(block: u64) -> u32 {
    u32::try_from(block).unwrap_or(u32::MAX)
}

impl Tab {
    /// Takes bytes of the file at `url` from `start` on, as a web server sent them to the page; `Effect::Given` says
    /// what they were. None when nothing can be said of them.
    pub fn give(
        &mut self,
        micros: u64,
        url: &str,
        start: u64,
        bytes: &[u8],
        giving: Giving,
    ) -> Option<GivenId> {
        self.at(micros);
        let (object, media) = match self.files.get(url)?.clone() {
            File::Media { object, .. } => (object, true),
            File::Document(object) => (object, false),
        };
        let held: u64 = self.givens.waiting.values().map(|(run, _)| run.target.bytes().len()).sum();
        let blocks = whole_blocks(object.size, start, bytes.len() as u64);
        let many = self.givens.waiting.len() >= MAX_GIVEN || held > MAX_GIVEN_BYTES;
        if blocks.is_empty() || many || start > object.size.bytes() {
            return None;
        }
        self.givens.last = self.givens.last.wrapping_add(1);
        let id = GivenId(self.givens.last);
        if media {
            let target = Target { object: object.id, size: object.size, blocks };
            let from = usize::try_from(target.bytes().start - start).ok()?;
            let mut run = OriginRun::new(target, FetchId(0));
            run.take(bytes.get(from..)?);
            self.givens.waiting.insert(id, (run, giving));
            self.ask_outboards(&target);
            self.advance_given(id);
        } else {
            self.document_given(id, &object, bytes);
        }
        self.settle();
        Some(id)
    }

    fn document_given(&mut self, id: GivenId, object: &ObjectRef, bytes: &[u8]) {
        let good = verify_whole(object.id, bytes).is_ok();
        if good {
            self.document_came(object, bytes);
        }
        let checked = if good { bytes.len() as u64 } else { 0 };
        self.effects.push_back(Effect::Given { id, checked, good });
    }

    /// A piece of an object's outboard came, or does not come.
    pub(super) fn outboard_settled(&mut self, object: ObjectId) {
        let of: Vec<GivenId> = self
            .givens
            .waiting
            .iter()
            .filter(|(_, (run, _))| run.target.object == object)
            .map(|(id, _)| *id)
            .collect();
        for id in of {
            self.advance_given(id);
        }
    }

    fn advance_given(&mut self, id: GivenId) {
        let Some((mut run, giving)) = self.givens.waiting.remove(&id) else { return };
        let target = run.target;
        let mut checked = BlockSet::EMPTY;
        let good = loop {
            match run.next(&self.outboards) {
                Ok(Some((piece, bytes))) => {
                    if let Some(verdict) = self.hold(&target, piece, &bytes) {
                        checked.insert(*verdict.get());
                    }
                }
                Ok(None) if run.has_proof() => break true,
                Ok(None) if self.asks_outboards(&target) => {
                    self.givens.waiting.insert(id, (run, giving));
                    return;
                }
                // The proof cannot be had: nothing is said against the bytes.
                Ok(None) | Err(Corrupt::Absent { .. } | Corrupt::Parent { .. }) => break true,
                Err(Corrupt::Block { .. } | Corrupt::Whole { .. } | Corrupt::Surplus) => break false,
            }
        };
        let (object, size) = (target.object, target.size);
        let bytes: u64 = checked.ranges().iter().map(|range| size.bytes_of(*range).len()).sum();
        match giving {
            Giving::Waited => self.givens.unread += bytes,
            Giving::Played => self.figures.origin += bytes,
        }
        if !checked.is_empty() {
            self.input(Input::Stored(Stored { object, size, blocks: checked, last_used: 0 }));
        }
        self.effects.push_back(Effect::Given { id, checked: bytes, good });
    }

    /// What was handed over of bytes that were given came from the origin a moment before.
    pub(super) fn by_source(&mut self, note: &Note) -> Vec<Note> {
        let Note::Delivered { play, source: Source::Cache, bytes, media } = *note else {
            return vec![note.clone()];
        };
        let given = bytes.min(self.givens.unread);
        self.givens.unread -= given;
        let parts = [(Source::Origin, given), (Source::Cache, bytes - given)];
        let some = parts.into_iter().filter(|(_, bytes)| *bytes > 0);
        some.map(|(source, bytes)| Note::Delivered { play, source, bytes, media }).collect()
    }
}
