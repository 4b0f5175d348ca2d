//! Runs on their way from us: read from the store, verified once more, sent.

use nearcast_content::{BlockRange, ObjectId};
use nearcast_engine::swarm::{Input, PeerId, UploadId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::counts::Counts;
use super::drive::{Parts, Told};
use crate::store::{Store, StoreError};
use crate::transport::{RunSendError, Transport};

/// Pieces read ahead of the sender: 64 KiB and their parents.
const READ_AHEAD: usize = 4;

/// A run to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upload {
    pub(super) upload: UploadId,
    pub(super) peer: PeerId,
    /// The peer's number for it.
    pub(super) request: u32,
    pub(super) object: ObjectId,
    pub(super) blocks: BlockRange,
}

#[derive(Debug, thiserror::Error)]
enum UploadError {
    #[error(transparent)]
    Send(#[from] RunSendError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sends a run in a task of its own.
pub(super) fn send(run: Upload, parts: &Parts) -> AbortHandle {
    let (store, transport) = (parts.store.clone(), parts.transport.clone());
    let (tell, counts) = (parts.tell.clone(), parts.counts.clone());
    tokio::spawn(async move {
        if let Err(error) = pass_on(run, &store, &transport, &tell, &counts).await {
            tracing::debug!(peer = run.peer.0, object = %run.object, %error, "a run to a peer ended early");
            if let UploadError::Store(StoreError::Damaged { object, blocks }) = error {
                let _ = tell.send(Told::Input(Input::Damaged { object, blocks })).await;
            }
        }
        // Without the loop there is nobody to tell.
        let _ = tell.send(Told::Input(Input::SentAll { upload: run.upload })).await;
    })
    .abort_handle()
}

async fn pass_on(
    run: Upload,
    store: &Store,
    transport: &Transport,
    tell: &mpsc::Sender<Told>,
    counts: &Counts,
) -> Result<(), UploadError> {
    let mut pieces = read_ahead(store, run)?;
    let mut sender = transport.send_run(run.peer, run.request).await?;
    while let Some(piece) = pieces.recv().await {
        let piece = piece?;
        let bytes = piece.len() as u64;
        sender.send(piece.into()).await?;
        counts.sent.inc_by(bytes);
        // Without the loop the task is about to be aborted.
        let _ = tell.send(Told::Input(Input::Sent { upload: run.upload, bytes })).await;
    }
    Ok(sender.finish()?)
}

/// Reads the pieces of a run on a thread that may wait for the disk, a few ahead of the sender.
fn read_ahead(store: &Store, run: Upload) -> Result<mpsc::Receiver<Result<Vec<u8>, StoreError>>, StoreError> {
    let reader = store.encode_run(run.object, run.blocks)?;
    let (pieces, receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        for piece in reader {
            // A sender that stopped wants no more.
            if pieces.blocking_send(piece).is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}
