//! Runs on their way from us: read from the store, verified once more, sent.

use std::sync::Arc;

use bytes::Bytes;
use nearcast_content::{BlockRange, ObjectId};
use nearcast_engine::Time;
use nearcast_engine::swarm::{Input, Over, PeerId, UploadId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::counts::Counts;
use super::drive::{Parts, Told};
use super::pacer::Pacer;
use crate::store::{Store, StoreError};
use crate::transport::{RunSendError, Transport};

/// A run to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upload {
    pub(super) upload: UploadId,
    pub(super) peer: PeerId,
    /// The peer's number for it.
    pub(super) request: u32,
    pub(super) object: ObjectId,
    pub(super) blocks: BlockRange,
    pub(super) due: Time,
    pub(super) over: Over,
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
    let pacer = Arc::clone(&parts.pacer);
    tokio::spawn(async move {
        if let Err(error) = pass_on(run, &store, &transport, &pacer, &tell, &counts).await {
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
    pacer: &Pacer,
    tell: &mpsc::Sender<Told>,
    counts: &Counts,
) -> Result<(), UploadError> {
    // Opened first: given up unsent, it tells the peer at once that nothing comes.
    let mut sender = transport.send_run(run.peer, run.request).await?;
    sender.set_due(run.due);
    let mut reader = store.encode_run(run.object, run.blocks)?;
    while let Some((piece, rest)) = reader.next_batch().await? {
        reader = rest;
        let bytes = piece.len() as u64;
        let mut piece = Bytes::from(piece);
        while !piece.is_empty() {
            let most = if run.over == Over::Line { pacer.portion() } else { usize::MAX };
            let portion = piece.split_to(piece.len().min(most));
            if run.over == Over::Line {
                pacer.pass(portion.len() as u64).await;
            }
            sender.send(portion).await?;
        }
        counts.sent.inc_by(bytes);
        // Without the loop the task is about to be aborted.
        let _ = tell.send(Told::Input(Input::Sent { upload: run.upload, bytes })).await;
    }
    Ok(sender.finish()?)
}
