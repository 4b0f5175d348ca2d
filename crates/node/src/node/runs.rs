//! Runs on their way to us: bytes from a peer or the origin, verified block by block, written, reported.

use std::sync::Arc;

use bytes::Bytes;
use nearcast_content::tree::{Corrupt, Decoded, RunDecoder};
use nearcast_content::{BlockRange, ObjectId, ObjectSize};
use nearcast_engine::swarm::{Fault, Input, RequestId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::board::Board;
use super::counts::{Counts, From};
use super::drive::{Parts, Told};
use crate::origin::{NoRoom, ObjectSource, Sink};
use crate::store::{RunWriter, StoreError};
use crate::transport::{RunReadError, RunStream};

/// Which blocks of what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) object: ObjectId,
    pub(super) size: ObjectSize,
    pub(super) blocks: BlockRange,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Read(#[from] RunReadError),
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The loop is gone: the node stops.
    #[error("the node stops")]
    Stopping,
}

impl RunError {
    fn fault(&self) -> Fault {
        match self {
            Self::Read(_) | Self::Stopping => Fault::Lost,
            Self::Corrupt(_) => Fault::Corrupt,
            Self::Store(_) => Fault::NoRoom,
        }
    }
}

/// Writes verified pieces of one run and reports them.
struct Intake {
    request: RequestId,
    object: ObjectId,
    writer: RunWriter,
    from: From,
    board: Arc<Board>,
    counts: Arc<Counts>,
    tell: mpsc::Sender<Told>,
}

impl Intake {
    fn new(request: RequestId, target: &Target, from: From, parts: &Parts) -> Self {
        Self {
            request,
            object: target.object,
            writer: parts.store.writer(target.object, target.size),
            from,
            board: Arc::clone(&parts.board),
            counts: Arc::clone(&parts.counts),
            tell: parts.tell.clone(),
        }
    }

    /// Takes one verified piece. A block is held, told and offered to readers before the next one is read.
    async fn keep(&mut self, piece: Decoded, bytes: &[u8]) -> Result<(), RunError> {
        self.writer.put(piece, bytes)?;
        if let Decoded::Block(verdict) = piece {
            self.counts.received(self.from, bytes.len() as u64);
            self.board.ring(self.object);
            let arrived = Told::Input(Input::Arrived { request: self.request, verdict });
            self.tell.send(arrived).await.map_err(|_| RunError::Stopping)?;
        }
        Ok(())
    }

    async fn end(self, result: Result<(), Fault>) {
        let input = match result {
            Ok(()) => Input::Finished { request: self.request },
            Err(fault) => Input::Failed { request: self.request, fault },
        };
        // Without the loop there is nobody to tell.
        let _ = self.tell.send(Told::Input(input)).await;
    }
}

impl Sink for Intake {
    async fn take(&mut self, piece: Decoded, bytes: Bytes) -> Result<(), NoRoom> {
        self.keep(piece, &bytes).await.map_err(|error| NoRoom(error.to_string()))
    }
}

/// Fetches a run from the origin.
pub(super) fn from_origin(
    request: RequestId,
    target: Target,
    source: Arc<ObjectSource>,
    parts: &Parts,
) -> AbortHandle {
    let mut intake = Intake::new(request, &target, From::Origin, parts);
    let origin = parts.origin.clone();
    tokio::spawn(async move {
        let result = origin.fetch(&source, target.blocks, &mut intake).await;
        match &result {
            Ok(()) => intake.board.no_trouble(target.object),
            // Said once: runs are asked for together, and again.
            Err(error) if intake.board.trouble(target.object, error.to_string()) => {
                tracing::warn!(%error, "the origin did not deliver");
            }
            Err(error) => tracing::debug!(%error, "the origin did not deliver"),
        }
        intake.end(result.map_err(|e| e.fault())).await;
    })
    .abort_handle()
}

/// Takes a run that a peer sends.
pub(super) fn from_peer(request: RequestId, target: Target, stream: RunStream, parts: &Parts) -> AbortHandle {
    let mut intake = Intake::new(request, &target, From::Peer, parts);
    tokio::spawn(async move {
        let result = decode(&mut intake, target, stream).await;
        if let Err(error) = &result {
            tracing::debug!(request = request.0, object = %target.object, %error, "a run from a peer ended early");
        }
        intake.end(result.map_err(|e| e.fault())).await;
    })
    .abort_handle()
}

async fn decode(intake: &mut Intake, target: Target, mut stream: RunStream) -> Result<(), RunError> {
    let mut decoder = RunDecoder::new(target.object, target.size, target.blocks);
    let mut bytes = Vec::new();
    while let Some(need) = decoder.needs() {
        bytes.resize(need.len(), 0);
        stream.read_exact(&mut bytes).await?;
        let piece = decoder.feed(&bytes)?;
        intake.keep(piece, &bytes).await?;
    }
    Ok(())
}
