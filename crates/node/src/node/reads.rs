//! What a player reads: verified bytes in order, as they come to be held.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nearcast_content::{BLOCK_SIZE, BlockRange, ByteRange, ObjectId};
use nearcast_engine::swarm::{Input, PlayId, ReadId};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::board::Board;
use super::drive::Told;
use super::library::RETRY_AFTER;
use crate::gateway::ReadError;
use crate::store::{BATCH, LONG_BATCH, Store, StoreError};

/// How long a player waits for the next block before it is told that nothing comes. Players give up after 30
/// to 60 s by themselves, with a worse message.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);

/// No advice holds bytes back for longer from the request on.
const PATIENCE_MICROS: u64 = 3_600_000_000;

fn unavailable() -> ReadError {
    let why = NOBODY.to_owned();
    ReadError::Unavailable { why, retry_after: RETRY_AFTER }
}

/// Batches in a row that were held, before longer ones are read: a jump reads one or two, and waits for the first.
const IN_A_ROW: u32 = 2;

const NOBODY: &str = "neither the provider nor any peer delivers this at the moment";

/// One open read. Closes itself with the engine when it is dropped.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) read: ReadId,
    pub(super) play: PlayId,
    pub(super) object: ObjectId,
    /// Where the next byte comes from, and where the last.
    pub(super) bytes: ByteRange,
    pub(super) store: Store,
    pub(super) board: Arc<Board>,
    /// How long the player waits for the next block before it is told that nothing comes.
    pub(super) patience: Duration,
    pub(super) tell: mpsc::Sender<Told>,
    /// When the player asked, and the bytes it was handed since: what it measures by.
    pub(super) began: Instant,
    pub(super) handed: u64,
    /// Batches in a row that were held when they were wanted.
    pub(super) in_a_row: u32,
}

impl Reading {
    /// The next bytes: to the end of what is held in a row, a batch of blocks or the read. Nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let block = |at: u64| u32::try_from(at).map_err(|_| unavailable());
        let first = block(self.bytes.start / BLOCK_SIZE)?;
        let end = block(self.bytes.end.div_ceil(BLOCK_SIZE))?;
        let held = self.blocks(BlockRange::new(first, end)).await?;
        self.keep_pace().await;
        let from = usize::try_from(self.bytes.start % BLOCK_SIZE).unwrap_or(0);
        let to = held.len().min(from.saturating_add(usize::try_from(self.bytes.len()).unwrap_or(usize::MAX)));
        let piece = held.slice(from.min(to)..to);
        if piece.is_empty() {
            // The object is shorter than the read: the manifest's size was checked, so this does not happen.
            return Err(unavailable());
        }
        self.bytes.start += piece.len() as u64;
        self.handed += piece.len() as u64;
        self.say(Input::Progress { read: self.read, to: self.bytes.start }).await?;
        Ok(Some(piece))
    }

    /// Waits until what was handed over is no faster than the engine advises, as the player measures: from its
    /// request on.
    async fn keep_pace(&self) {
        let Some(rate) = self.board.advice(self.play).and_then(|advice| advice.pace) else { return };
        let due =
            self.began + Duration::from_micros(rate.span_for(self.handed).micros().min(PATIENCE_MICROS));
        tokio::time::sleep_until(due).await;
    }

    /// Waits until the first of `blocks` is held, and reads it with what is held behind it.
    async fn blocks(&mut self, blocks: BlockRange) -> Result<Bytes, ReadError> {
        let most = if self.in_a_row >= IN_A_ROW { LONG_BATCH } else { BATCH };
        let bell = self.board.bell(self.object);
        loop {
            // Listening starts before looking, so that no ring is missed in between.
            let ring = bell.notified();
            tokio::pin!(ring);
            ring.as_mut().enable();
            match self.store.fetch(self.object, blocks, most).await {
                Ok(bytes) => {
                    self.in_a_row = self.in_a_row.saturating_add(1);
                    return Ok(bytes);
                }
                Err(StoreError::NotHeld { .. }) => {
                    self.in_a_row = 0;
                    if let Some(bytes) = self.board.cushion.get(self.object, blocks.start) {
                        return Ok(bytes);
                    }
                    if self.board.is_stuck(self.read) {
                        return Err(self.gave_up());
                    }
                    timeout(self.patience, ring).await.map_err(|_| self.gave_up())?;
                }
                Err(StoreError::Damaged { object, blocks }) => {
                    tracing::warn!(%object, ?blocks, "damaged blocks are fetched again");
                    self.say(Input::Damaged { object, blocks }).await?;
                }
                Err(error) => return Err(ReadError::Refused { why: error.to_string() }),
            }
        }
    }

    /// Why nobody delivers, with what the origin did wrong if it was asked.
    fn nobody(&self) -> String {
        match self.board.trouble_with(self.object) {
            Some(trouble) => format!("{NOBODY}: {trouble}"),
            None => NOBODY.to_owned(),
        }
    }

    fn gave_up(&self) -> ReadError {
        ReadError::Unavailable { why: self.nobody(), retry_after: RETRY_AFTER }
    }

    async fn say(&self, input: Input<nearcast_content::Verified<BlockRange>>) -> Result<(), ReadError> {
        self.tell.send(Told::Input(input)).await.map_err(|_| ReadError::Stopping)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let (tell, read) = (self.tell.clone(), self.read);
        let closed = Told::Input(Input::Closed { read });
        if let Err(mpsc::error::TrySendError::Full(closed)) = tell.try_send(closed) {
            tokio::spawn(async move {
                // Without the loop there is nobody to tell.
                let _ = tell.send(closed).await;
            });
        }
    }
}
