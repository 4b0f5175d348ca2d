//! One run on its own stream: the sending and the receiving end.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use iroh::endpoint::{Connection, ReadExactError, RecvStream, SendStream, VarInt, WriteError};
use nearcast_engine::Time;
use nearcast_engine::limits::MAX_PIECE;
use nearcast_engine::swarm::PeerId;
use nearcast_engine::wire::{RunHeader, decode, encode_framed};
use tokio::time::timeout;

use super::channels::{Receiving, Sending};
use super::vigil::Arriving;

/// Code of a stream whose rest nobody wants any more.
const CANCELLED: VarInt = VarInt::from_u32(1);
/// How long a run stream may take to say what it is.
pub(super) const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// How long a peer may take no byte of a run at all. Longer holds an upload slot for nothing.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// Longest header taken: 8 bytes are used, the rest is for fields that later versions append.
const MAX_HEADER: usize = 256;

/// Why a run could not be sent to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunSendError {
    /// The peer does not want it any more.
    #[error("the peer cancelled the run")]
    Stopped,
    /// The peer took nothing for ten seconds.
    #[error("the peer takes no bytes of the run")]
    Stalled,
    /// The connection is gone.
    #[error("the connection ended during the run")]
    Lost,
}

/// Why a run could not be received to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunReadError {
    /// The peer ended it before that many bytes.
    #[error("the run ended early")]
    Short,
    /// The peer gave it up.
    #[error("the peer gave the run up")]
    Reset,
    /// The connection is gone.
    #[error("the connection ended during the run")]
    Lost,
}

/// Sends one run. Dropped before [`finish`](Self::finish), it tells the peer that the run is given up.
#[derive(Debug)]
pub struct RunSender(Way);

#[derive(Debug)]
enum Way {
    Quic { stream: SendStream, finished: bool },
    Channel(Sending),
}

impl RunSender {
    /// Opens a stream and writes the header. Waits while the peer has too many runs open.
    pub(super) async fn open(conn: &Connection, request: u32) -> Result<Self, RunSendError> {
        let stream = timeout(SEND_DEADLINE, conn.open_uni()).await.map_err(|_| RunSendError::Stalled)?;
        let stream = stream.map_err(|_| RunSendError::Lost)?;
        let mut sender = Self(Way::Quic { stream, finished: false });
        sender.send(encode_framed(&RunHeader { request }).into()).await?;
        Ok(sender)
    }

    /// Over a data channel, where the number is in each piece.
    pub(super) fn over(channel: Sending) -> Self {
        Self(Way::Channel(channel))
    }

    /// Of the runs to one peer, the one that is due first goes first. Over a data channel they take turns.
    pub fn set_due(&self, due: Time) {
        if let Way::Quic { stream, .. } = &self.0 {
            // An error says that the stream has ended.
            let _ = stream.set_priority(priority(due));
        }
    }

    /// Sends `bytes`, waiting while the peer or the path cannot take them.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), RunSendError> {
        match &mut self.0 {
            Way::Quic { stream, .. } => write(stream, bytes).await,
            Way::Channel(channel) => channel.send(bytes).await,
        }
    }

    /// Ends the run. Bytes under way still arrive.
    pub fn finish(mut self) -> Result<(), RunSendError> {
        match &mut self.0 {
            Way::Quic { stream, finished } => {
                *finished = true;
                stream.finish().map_err(|_| RunSendError::Stopped)
            }
            Way::Channel(channel) => channel.finish(),
        }
    }

    /// Gives the run up; bytes under way are dropped.
    pub fn reset(self) {}
}

/// The bytes are not copied.
async fn write(stream: &mut SendStream, bytes: Bytes) -> Result<(), RunSendError> {
    let mut chunks = [bytes];
    let mut rest = chunks.as_mut_slice();
    while !rest.is_empty() {
        match timeout(SEND_DEADLINE, stream.write_many_chunks(&mut rest)).await {
            Ok(Ok(_)) => {}
            Ok(Err(WriteError::Stopped(_) | WriteError::ClosedStream)) => return Err(RunSendError::Stopped),
            Ok(Err(WriteError::ConnectionLost(_) | WriteError::ZeroRttRejected)) => {
                return Err(RunSendError::Lost);
            }
            Err(_) => return Err(RunSendError::Stalled),
        }
    }
    Ok(())
}

impl Drop for Way {
    fn drop(&mut self) {
        // A stream that is merely dropped ends as if it were complete.
        if let Self::Quic { stream, finished: false } = self {
            // An error says that it has ended already.
            let _ = stream.reset(CANCELLED);
        }
    }
}

/// A run on its way to us. Dropped before its end, it asks the peer to stop sending.
#[derive(Debug)]
pub struct IncomingRun {
    /// From whom.
    pub peer: PeerId,
    /// Which of our requests it answers, in the peer's words.
    pub request: u32,
    /// Its bytes.
    pub stream: RunStream,
}

/// Bytes of a run that are taken off its stream at once, when they have come.
const AT_ONCE: usize = 64 * 1024;

/// The bytes of an incoming run.
#[derive(Debug)]
pub struct RunStream {
    stream: Stream,
    /// What was taken off the stream and not consumed is at `taken` of it.
    buf: Vec<u8>,
    taken: Range<usize>,
}

#[derive(Debug)]
enum Stream {
    Quic(
        RecvStream,
        #[expect(dead_code, reason = "tells by its end that nothing more is expected")] Arriving,
    ),
    Channel(Receiving),
}

impl RunStream {
    pub(super) fn new(stream: RecvStream, arriving: Arriving) -> Self {
        Self { stream: Stream::Quic(stream, arriving), buf: Vec::new(), taken: 0..0 }
    }

    pub(super) fn of_channel(channel: Receiving) -> Self {
        Self { stream: Stream::Channel(channel), buf: Vec::new(), taken: 0..0 }
    }

    /// Waits until the next `len` bytes are here, as long as the connection lives: deadlines are the engine's. Little
    /// beyond them is taken, so a peer is held back by what is not asked for.
    pub async fn wait_for(&mut self, len: usize) -> Result<(), RunReadError> {
        while self.taken.len() < len {
            // Pieces come whole.
            let whole =
                if matches!(self.stream, Stream::Quic(..)) { 0 } else { self.taken.len() + MAX_PIECE };
            let room = self.make_room(len.max(whole));
            self.taken.end += match &mut self.stream {
                Stream::Quic(stream, _) => {
                    let got = stream.read(&mut self.buf[room]).await.map_err(|e| read_error(&e))?;
                    got.ok_or(RunReadError::Short)?
                }
                Stream::Channel(channel) => {
                    let piece = channel.read().await?;
                    self.buf[room][..piece.len()].copy_from_slice(&piece);
                    piece.len()
                }
            };
        }
        Ok(())
    }

    /// The next `len` bytes if they have come.
    pub fn come(&mut self, len: usize) -> Result<Option<&[u8]>, RunReadError> {
        if self.taken.len() < len {
            match self.wait_for(len).now_or_never() {
                Some(here) => here?,
                None => return Ok(None),
            }
        }
        Ok(self.buf[self.taken.clone()].get(..len))
    }

    /// Goes on behind the next `len` bytes, which have come.
    pub fn consume(&mut self, len: usize) {
        self.taken.start = self.taken.end.min(self.taken.start + len);
    }

    /// Where more can be put so that `len` bytes from here on have room in a row.
    fn make_room(&mut self, len: usize) -> Range<usize> {
        if self.taken.is_empty() || self.buf.len() < self.taken.start + len {
            self.buf.copy_within(self.taken.clone(), 0);
            self.taken = 0..self.taken.len();
        }
        if self.buf.len() < len.max(AT_ONCE) {
            self.buf.resize(len.max(AT_ONCE), 0);
        }
        self.taken.end..self.buf.len()
    }

    /// Fills `buf`, waiting for the peer.
    pub async fn read_exact(&mut self, buf: &mut [u8]) -> Result<(), RunReadError> {
        self.wait_for(buf.len()).await?;
        buf.copy_from_slice(&self.buf[self.taken.clone()][..buf.len()]);
        self.consume(buf.len());
        Ok(())
    }

    /// All of it has come.
    pub fn complete(mut self) {
        if let Stream::Channel(channel) = &mut self.stream {
            channel.ended = true;
        }
    }

    /// Asks the peer to send no more of it.
    pub fn stop(self) {
        if let Stream::Quic(mut stream, _) = self.stream {
            // An error says that it has ended already.
            let _ = stream.stop(CANCELLED);
        }
    }
}

/// Of a run that is due then. The control stream goes before all of them.
fn priority(due: Time) -> i32 {
    -i32::try_from(due.since(Time::ZERO).millis()).unwrap_or(i32::MAX)
}

pub(super) fn read_error(error: &iroh::endpoint::ReadError) -> RunReadError {
    use iroh::endpoint::ReadError;
    match error {
        ReadError::Reset(_) | ReadError::ClosedStream => RunReadError::Reset,
        ReadError::ConnectionLost(_) | ReadError::ZeroRttRejected => RunReadError::Lost,
    }
}

/// What came of waiting for a header.
pub(super) enum Opened {
    /// A run of this number.
    Run(u32, RecvStream),
    /// Bytes that are no header.
    Malformed,
    /// Nothing, in time or at all.
    Nothing,
}

/// Reads the header of a run stream, and not a byte more. The stream is stopped unless a run comes of it.
pub(super) async fn open(mut stream: RecvStream) -> Opened {
    match timeout(HEADER_DEADLINE, header(&mut stream)).await {
        Ok(Ok(header)) => Opened::Run(header.request, stream),
        Ok(Err(HeaderError::Malformed)) => Opened::Malformed,
        Ok(Err(HeaderError::Ended)) | Err(_) => Opened::Nothing,
    }
}

enum HeaderError {
    Malformed,
    Ended,
}

async fn header(stream: &mut RecvStream) -> Result<RunHeader, HeaderError> {
    let mut length = [0; 2];
    fill(stream, &mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    let mut bytes = [0; MAX_HEADER];
    let bytes = bytes.get_mut(..length).ok_or(HeaderError::Malformed)?;
    fill(stream, bytes).await?;
    decode(bytes).map_err(|_| HeaderError::Malformed)
}

async fn fill(stream: &mut RecvStream, buf: &mut [u8]) -> Result<(), HeaderError> {
    stream.read_exact(buf).await.map_err(|error| match error {
        ReadExactError::FinishedEarly(_) => HeaderError::Malformed,
        ReadExactError::ReadError(_) => HeaderError::Ended,
    })
}

#[cfg(test)]
mod tests {
    use nearcast_engine::Span;

    use super::*;

    #[test]
    fn what_is_due_first_goes_first_and_nothing_before_messages() {
        let at = |secs| priority(Time::ZERO + Span::from_secs(secs));
        assert!(at(3) > at(4) && at(4) > priority(Time::NEVER));
        assert_eq!(at(0), 0, "messages have one");
    }
}
