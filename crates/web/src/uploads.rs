//! Runs on their way from us: cut into pieces, held to the pace, and to what waits in each channel.

use nearcast_content::tree::{RunPlan, Step};
use nearcast_content::{BlockRange, FlatMap, ObjectId, ObjectSize};
use nearcast_engine::channels::LinkId;
use nearcast_engine::limits::MAX_PIECE;
use nearcast_engine::swarm::{Over, UploadId};

use crate::store::{Absent, Store};

/// A run to send.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) link: LinkId,
    /// The peer's number for it.
    pub(crate) request: u32,
    pub(crate) object: ObjectId,
    pub(crate) over: Over,
    /// It waits until the browser's storage has given what comes next.
    pub(crate) waits: bool,
    plan: RunPlan,
    /// The step that memory had nothing for.
    step: Option<Step>,
    /// The next block.
    at: u32,
    /// Encoded and not sent yet.
    encoded: Vec<u8>,
}

/// What comes next of an upload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// These bytes.
    Piece(Vec<u8>),
    /// Nothing: all of it was sent.
    End,
}

impl Upload {
    pub(crate) fn new(
        link: LinkId,
        request: u32,
        (object, size, blocks): (ObjectId, ObjectSize, BlockRange),
        over: Over,
    ) -> Self {
        let (plan, at) = (Store::plan(size, blocks), blocks.start);
        Self { link, request, object, over, waits: false, plan, step: None, at, encoded: Vec::new() }
    }

    /// The next bytes to send. Where memory lacks a step, the entry with the block named has it: the parents before a
    /// block are those above it.
    pub(crate) fn next(&mut self, store: &Store) -> Result<Next, Absent> {
        while self.encoded.len() < MAX_PIECE {
            let Some(step) = self.step.take().or_else(|| self.plan.next()) else { break };
            if !store.encode(self.object, step, &mut self.encoded) {
                self.step = Some(step);
                return Err(Absent(self.at));
            }
            if let Step::Block(block) = step {
                self.at = block + 1;
            }
        }
        if self.encoded.is_empty() {
            return Ok(Next::End);
        }
        let rest = self.encoded.split_off(self.encoded.len().min(MAX_PIECE));
        Ok(Next::Piece(std::mem::replace(&mut self.encoded, rest)))
    }
}

/// Runs being sent, taking turns.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    pub(crate) under_way: FlatMap<UploadId, Upload>,
    turn: Option<UploadId>,
}

impl Uploads {
    /// The numbers of all, those behind the one that sent last first.
    pub(crate) fn in_turn(&self) -> Vec<UploadId> {
        let (before, after): (Vec<UploadId>, Vec<UploadId>) =
            self.under_way.keys().partition(|id| self.turn.is_some_and(|turn| **id <= turn));
        after.into_iter().chain(before).collect()
    }

    pub(crate) fn sent(&mut self, id: UploadId) {
        self.turn = Some(id);
    }
}
