//! The control stream of a connection: messages in and out, in order.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use iroh::endpoint::{Connection, RecvStream, SendStream, Side};
use nearcast_engine::wire::{Frames, PeerMessage};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::event::TransportEvent;
use super::link::{Ending, Reporter};
use super::vigil::Expected;

/// Messages that may wait to be written to one peer. An engine writes a few a second; a peer that lets this
/// many pile up has stopped reading.
pub(super) const QUEUE: usize = 256;
/// Messages written in one go.
const BATCH: usize = 64;
/// Bytes read in one go.
const READ: usize = 16 * 1024;
/// How long the first message may take, and any message that was begun.
const MESSAGE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection that we end stays open for its last messages.
const LINGER: Duration = Duration::from_millis(300);

/// Opens the control stream from the dialer's end, or waits for it at the other.
pub(super) async fn stream(
    conn: &Connection,
    leaving: &CancellationToken,
) -> Result<(SendStream, RecvStream), Ending> {
    let stream = async {
        match conn.side() {
            Side::Client => conn.open_bi().await,
            Side::Server => conn.accept_bi().await,
        }
    };
    let (send, recv) = tokio::select! {
        stream = timeout(MESSAGE_DEADLINE, stream) => stream.map_err(|_| Ending::Silent)?.map_err(|_| Ending::Lost)?,
        () = leaving.cancelled() => return Err(Ending::Left),
    };
    // Before all runs, whose priority is at most zero: a cancel behind a megabyte of run is no cancel.
    send.set_priority(1).map_err(|_| Ending::Lost)?;
    Ok((send, recv))
}

/// Writes messages until no more can come, then sees the last ones off.
pub(super) async fn write(mut send: SendStream, mut queue: mpsc::Receiver<Bytes>) -> Ending {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        if send.write_all_chunks(&mut batch).await.is_err() {
            return Ending::Lost;
        }
        batch.clear();
    }
    if send.finish().is_ok() {
        // Either the peer has everything, or it has had its time.
        let _ = timeout(LINGER, send.stopped()).await;
    }
    Ending::Left
}

/// Reads messages until the stream ends. Bytes that are none are reported once, and nothing is read after
/// them.
pub(super) async fn read(mut recv: RecvStream, report: &Reporter, expected: &Expected) -> Ending {
    let mut frames = Frames::default();
    let mut spoken = false;
    loop {
        let chunk = recv.read_chunk(READ);
        let chunk = if spoken && frames.is_empty() {
            chunk.await
        } else {
            match timeout(MESSAGE_DEADLINE, chunk).await {
                Ok(chunk) => chunk,
                Err(_) => return Ending::Silent,
            }
        };
        let bytes = match chunk {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ending::PeerLeft,
            Err(_) => return Ending::Lost,
        };
        frames.push(&bytes);
        loop {
            match frames.next_message::<PeerMessage>() {
                Ok(Some(message)) => {
                    spoken = true;
                    if let PeerMessage::Refuse { request, .. } = message {
                        expected.settled(request);
                    }
                    report.event(TransportEvent::Message { peer: report.peer, message }).await;
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(peer = report.peer.0, %error, "malformed control stream");
                    report.event(TransportEvent::Malformed { peer: report.peer }).await;
                    return pending().await;
                }
            }
        }
    }
}
