//! One run over a data channel: the sending and the receiving end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nearcast_content::BLOCK_SIZE;
use nearcast_content::tree::PAIR_LEN;
use nearcast_engine::channels::LinkId;
use nearcast_engine::limits::MAX_PIECE;
use nearcast_engine::wire::Want;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::Order;
use crate::transport::{RunReadError, RunSendError};

/// How long a peer may take no byte of a run at all.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// Levels of the largest tree: an object has at most 2^26 blocks.
const LEVELS: u64 = 26;

/// Sends one run in pieces.
#[derive(Debug)]
pub(in crate::transport) struct Sending {
    pub(super) link: LinkId,
    pub(super) request: u32,
    pub(super) orders: mpsc::Sender<Order>,
    /// Room in the channel, in bytes.
    pub(super) room: Arc<Semaphore>,
    pub(super) finished: bool,
}

impl Sending {
    pub(in crate::transport) async fn send(&mut self, mut bytes: Bytes) -> Result<(), RunSendError> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MAX_PIECE));
            let len = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let room = timeout(SEND_DEADLINE, self.room.acquire_many(len)).await;
            let room = room.map_err(|_| RunSendError::Stalled)?.map_err(|_| RunSendError::Lost)?;
            let order = Order::Piece { link: self.link, request: self.request, bytes: piece };
            self.orders.send(order).await.map_err(|_| RunSendError::Lost)?;
            // It is given back when the other side has the bytes.
            room.forget();
        }
        Ok(())
    }

    pub(in crate::transport) fn finish(&mut self) -> Result<(), RunSendError> {
        let order = Order::End { link: self.link, request: self.request };
        self.orders.try_send(order).map_err(|_| RunSendError::Lost)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.finished {
            // With the channel gone nobody waits for it.
            let _ = self.orders.try_send(Order::GiveUp { link: self.link, request: self.request });
        }
    }
}

/// The bytes of a run that comes.
#[derive(Debug)]
pub(in crate::transport) struct Receiving {
    pub(super) link: LinkId,
    pub(super) request: u32,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) pieces: mpsc::UnboundedReceiver<Vec<u8>>,
    /// No more of it comes.
    pub(in crate::transport) ended: bool,
}

impl Receiving {
    /// The next bytes. [`RunReadError::Short`] when no more come.
    pub(in crate::transport) async fn read(&mut self) -> Result<Vec<u8>, RunReadError> {
        let piece = self.pieces.recv().await;
        self.ended |= piece.is_none();
        piece.ok_or(RunReadError::Short)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.ended {
            // With the channel gone nothing more comes.
            let _ = self.orders.try_send(Order::Cancel { link: self.link, request: self.request });
        }
    }
}

/// A run that was asked of a peer.
#[derive(Debug)]
pub(super) struct Asked {
    /// Bytes that may still come: what is asked for bounds what waits for its reader.
    left: u64,
    /// Takes them, once some came.
    reader: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

/// What becomes of a piece.
#[derive(Debug)]
pub(super) enum Took {
    /// It is the first: this reads them all.
    First(mpsc::UnboundedReceiver<Vec<u8>>),
    /// It was handed on.
    More,
    /// It is more than was asked for.
    TooMuch,
}

impl Asked {
    pub(super) fn new(want: &Want) -> Self {
        let pair = PAIR_LEN as u64;
        // A block and at most one parent above each, and two ways up to the root.
        let left = u64::from(want.blocks.len()) * (BLOCK_SIZE + pair) + 2 * LEVELS * pair;
        Self { left, reader: None }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> Took {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else { return Took::TooMuch };
        self.left = left;
        if let Some(reader) = &self.reader {
            // A reader that has gone has cancelled.
            let _ = reader.send(bytes.to_vec());
            return Took::More;
        }
        let (reader, pieces) = mpsc::unbounded_channel();
        let _ = reader.send(bytes.to_vec());
        self.reader = Some(reader);
        Took::First(pieces)
    }
}
