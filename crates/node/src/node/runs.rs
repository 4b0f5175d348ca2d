//! Runs on their way to us: bytes from a peer or the origin, verified block by block, written, reported.

use std::sync::Arc;

use bytes::Bytes;
use nearcast_content::tree::{Corrupt, Decoded, PAIR_LEN, RunDecoder};
use nearcast_content::{BlockRange, ObjectId, ObjectSize, Verified};
use nearcast_engine::swarm::{Fault, Input, RequestId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::board::{Board, DiskTrouble};
use super::counts::{Counts, From};
use super::drive::{NodeInput, Parts, Told};
use crate::origin::{NoRoom, ObjectSource, Sink};
use crate::store::{Backlog, Store, StoreError};
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

/// Blocks that are written and told of together, when they come faster than one by one: what each write and each
/// message costs is paid once for them.
const BATCH: usize = 4 * 16 * 1024;

/// Verified pieces of one run that were not written yet: blocks in a row, and the parents before them.
#[derive(Default)]
struct Batch {
    parents: Vec<(u64, [u8; PAIR_LEN])>,
    blocks: Option<Verified<BlockRange>>,
    bytes: Vec<u8>,
}

/// Writes verified pieces of one run and reports them.
struct Intake {
    request: RequestId,
    target: Target,
    store: Store,
    batch: Batch,
    from: From,
    board: Arc<Board>,
    counts: Arc<Counts>,
    tell: mpsc::Sender<Told>,
}

impl Intake {
    fn new(request: RequestId, target: &Target, from: From, parts: &Parts) -> Self {
        Self {
            request,
            target: *target,
            store: parts.store.clone(),
            batch: Batch::default(),
            from,
            board: Arc::clone(&parts.board),
            counts: Arc::clone(&parts.counts),
            tell: parts.tell.clone(),
        }
    }

    /// Takes one verified piece. It may wait for others until [`flush`](Self::flush), which must come before anybody
    /// is waited for.
    async fn keep(&mut self, piece: Decoded, bytes: &[u8]) -> Result<(), RunError> {
        match piece {
            // A tree has at most 26 levels, so these stay few whatever the sender does.
            Decoded::Parent { offset, pair } => self.batch.parents.push((offset, pair)),
            Decoded::Block(verdict) => {
                let row = self.batch.blocks.map_or(Some(verdict), |before| before.followed_by(verdict));
                if row.is_none() {
                    self.flush().await?;
                }
                self.batch.blocks = row.or(Some(verdict));
                self.batch.bytes.extend_from_slice(bytes);
            }
        }
        if self.batch.bytes.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// Writes what came: it is held, told of and offered to readers afterwards.
    async fn flush(&mut self) -> Result<(), RunError> {
        let Some(verdict) = self.batch.blocks.take() else { return Ok(()) };
        let Target { object, size, .. } = self.target;
        // There is room to say so before it is written: a run that is cancelled in between would leave behind what nobody
        // knows of.
        let told = self.tell.reserve().await.map_err(|_| RunError::Stopping)?;
        let Batch { parents, bytes, .. } = &mut self.batch;
        let written = self.store.write_batch(object, size, parents, verdict, bytes);
        let gone = match &written {
            Err(StoreError::Full { .. }) => self.board.cushion.keep(object, verdict, bytes),
            Ok(_) => Vec::new(),
            Err(_) => return written.map(|_| ()).map_err(RunError::from),
        };
        self.counts.received(self.from, bytes.len() as u64, verdict.get().len());
        parents.clear();
        bytes.clear();
        self.board.ring(object);
        told.send(Told::Input(Input::Arrived { request: self.request, verdict }));
        match written {
            Ok(Backlog::Small) => Ok(()),
            Ok(Backlog::Large) => Ok(self.store.caught_up().await?),
            Err(error) => self.no_room(&error, gone).await,
        }
    }

    /// Goes on in memory while the disk is full.
    async fn no_room(&self, error: &StoreError, gone: Vec<(ObjectId, BlockRange)>) -> Result<(), RunError> {
        if self.board.disk_troubles(DiskTrouble::Full) {
            tracing::warn!(%error, "the disk is full: what plays goes on, and is not kept");
        }
        self.say(Input::NoRoom).await?;
        for (object, blocks) in gone {
            self.say(Input::Damaged { object, blocks }).await?;
        }
        Ok(())
    }

    async fn say(&self, input: NodeInput) -> Result<(), RunError> {
        self.tell.send(Told::Input(input)).await.map_err(|_| RunError::Stopping)
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
        let kept = match self.keep(piece, &bytes).await {
            // The origin's bytes are waited for right after.
            Ok(()) => self.flush().await,
            failed => failed,
        };
        kept.map_err(|error| NoRoom(error.to_string()))
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
        let decoded = decode(&mut intake, target, stream).await;
        // What was good before something bad came stays good.
        let result = intake.flush().await.and(decoded);
        if let Err(error) = &result {
            tracing::debug!(request = request.0, object = %target.object, %error, "a run from a peer ended early");
        }
        intake.end(result.map_err(|e| e.fault())).await;
    })
    .abort_handle()
}

async fn decode(intake: &mut Intake, target: Target, mut stream: RunStream) -> Result<(), RunError> {
    let mut decoder = RunDecoder::new(target.object, target.size, target.blocks);
    while let Some(need) = decoder.needs() {
        if let Some(bytes) = stream.come(need.len())? {
            let piece = decoder.feed(bytes)?;
            intake.keep(piece, bytes).await?;
            stream.consume(need.len());
        } else {
            intake.flush().await?;
            stream.wait_for(need.len()).await?;
        }
    }
    stream.complete();
    Ok(())
}
