//! One connection of a node: the handshake, then messages both ways until one side ends it.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use nearcast_engine::directory::SessionId;
use nearcast_engine::limits::MAX_SIGNAL;
use nearcast_engine::wire::directory::RefusedReason;
use nearcast_engine::wire::{ClientMessage, ServerMessage, Versions, decode, encode};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::desk::{Note, Seat};
use super::door::Guest;

/// How long a node may take to answer the challenge.
const HELLO_PATIENCE: Duration = Duration::from_secs(10);
/// Messages that may wait for a node: an answer to each lookup of a burst.
const OUTBOUND: usize = 128;
/// How long a node may take to accept one message.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// How long the last words may take.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);
/// Messages a node may send at once after a silence; the rest is read one each [`READ_INTERVAL`].
const READ_BURST: u32 = 512;
/// Between two messages of a node in the long run. Twenty a second is far above what a node needs.
const READ_INTERVAL: Duration = Duration::from_millis(50);

type Sink = SplitSink<WebSocket, Message>;
type Stream = SplitStream<WebSocket>;

/// Serves one connection until its end.
pub(super) async fn serve(socket: WebSocket, observed: IpAddr, shared: Arc<Shared>) {
    let (mut sink, mut stream) = socket.split();
    let guest = match timeout(HELLO_PATIENCE, greet(&mut sink, &mut stream, observed, &shared)).await {
        Ok(Some(Ok(guest))) => guest,
        Ok(Some(Err(reason))) => {
            tracing::debug!(?reason, "a node is refused");
            let refused = send(&mut sink, &ServerMessage::Refused { reason }).await;
            return if refused == Sent::Yes {
                close(sink).await
            };
        }
        Ok(None) | Err(_) => return,
    };
    let session = shared.next_session();
    let (outbound, queue) = mpsc::channel(OUTBOUND);
    let Guest { desk, node, serves, ways, reach } = guest;
    let place = shared.places.place(observed);
    let seat = Seat { outbound, reach, ways };
    if desk.send(Note::Opened { session, node, place, serves, ways, seat }).await.is_err() {
        return;
    }
    let mut writing = pin!(write(sink, queue));
    let reason = tokio::select! {
        reason = read(&mut stream, session, &desk) => reason,
        () = &mut writing => None,
        () = shared.shutdown.cancelled() => None,
    };
    // The desk may have ended with the supernode.
    if desk.send(Note::Ended { session, reason }).await.is_ok() && reason.is_some() {
        // The reason has to go out; a node that does not take it is not waited for.
        let _ = timeout(FAREWELL_PATIENCE, writing).await;
    }
}

/// Challenges the node and reads its hello. Nothing when the connection ended.
async fn greet(
    sink: &mut Sink,
    stream: &mut Stream,
    observed: IpAddr,
    shared: &Shared,
) -> Option<Result<Guest, RefusedReason>> {
    let mut nonce = [0; 32];
    if let Err(error) = getrandom::fill(&mut nonce) {
        tracing::error!(%error, "the operating system gives no random bytes, nodes cannot be challenged");
        return None;
    }
    let challenge = ServerMessage::Challenge { nonce, versions: Versions::OURS };
    if send(sink, &challenge).await == Sent::No {
        return None;
    }
    match next(stream).await? {
        Ok(ClientMessage::Hello(hello)) => Some(shared.door.admit(&nonce, &hello, observed)),
        Ok(
            ClientMessage::Announce { .. }
            | ClientMessage::Lookup { .. }
            | ClientMessage::Signal { .. }
            | ClientMessage::Report(_)
            | ClientMessage::Renew,
        )
        | Err(Broken) => Some(Err(RefusedReason::Misbehaved)),
    }
}

/// Reads until the connection ends, or a rule is broken.
async fn read(stream: &mut Stream, session: SessionId, desk: &mpsc::Sender<Note>) -> Option<RefusedReason> {
    let mut paid = Instant::now();
    loop {
        paid = paid.max(Instant::now()) + READ_INTERVAL;
        // A node that says more than it may is read more slowly, and its own sending stalls.
        sleep_until(paid - READ_INTERVAL * READ_BURST).await;
        let message = match next(stream).await? {
            Ok(message) => message,
            Err(Broken) => return Some(RefusedReason::Misbehaved),
        };
        if matches!(&message, ClientMessage::Signal { payload, .. } if payload.len() > MAX_SIGNAL) {
            return Some(RefusedReason::Misbehaved);
        }
        desk.send(Note::Said { session, message }).await.ok()?;
    }
}

/// What arrived is no message.
struct Broken;

/// The next message; nothing when the connection ended.
async fn next(stream: &mut Stream) -> Option<Result<ClientMessage, Broken>> {
    loop {
        let broken = match stream.next().await? {
            Ok(Message::Binary(bytes)) => match decode(&bytes) {
                Ok(message) => return Some(Ok(message)),
                Err(error) => error.to_string(),
            },
            Ok(Message::Text(_)) => "text where binary is spoken".to_owned(),
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Close(_)) => return None,
            // Too long a frame, broken framing, or a lost connection: in the last case nobody reads the reply.
            Err(error) => error.to_string(),
        };
        tracing::debug!(broken, "a node's message breaks the rules");
        return Some(Err(Broken));
    }
}

/// Sends what the desk hands in until it ends the session or the node stops taking it.
async fn write(mut sink: Sink, mut queue: mpsc::Receiver<ServerMessage>) {
    while let Some(message) = queue.recv().await {
        if send(&mut sink, &message).await == Sent::No {
            return;
        }
    }
    close(sink).await;
}

async fn close(mut sink: Sink) {
    // The other side may be gone already.
    let _ = timeout(FAREWELL_PATIENCE, sink.close()).await;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Yes,
    No,
}

async fn send(sink: &mut Sink, message: &ServerMessage) -> Sent {
    let frame = Message::Binary(Bytes::from(encode(message)));
    match timeout(SEND_PATIENCE, sink.send(frame)).await {
        Ok(Ok(())) => Sent::Yes,
        Ok(Err(_)) | Err(_) => Sent::No,
    }
}
