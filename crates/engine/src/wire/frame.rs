//! Messages in and out of bytes, bounded before anything is allocated.

use minicbor::{Decode, Encode};

use crate::limits::MAX_MESSAGE;

/// Why bytes are not a message. Each is a peer's misbehaviour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Longer than [`MAX_MESSAGE`].
    #[error("message of {0} bytes, at most {MAX_MESSAGE} allowed")]
    TooLong(usize),
    /// No message at all.
    #[error("empty message")]
    Empty,
    /// Not a message of this version.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// A message with bytes behind its end.
    #[error("{0} bytes behind the end of a message")]
    Trailing(usize),
}

/// The bytes of `message`.
///
/// # Panics
/// When the message exceeds [`MAX_MESSAGE`]: senders bound their lists by `limits` first.
pub fn encode<M: Encode<()>>(message: &M) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail, and no message type of ours refuses to be written.
    let written = minicbor::encode(message, &mut bytes);
    assert!(written.is_ok() && bytes.len() <= MAX_MESSAGE, "message of {} bytes", bytes.len());
    bytes
}

/// The bytes of `message` behind their length, for streams.
///
/// # Panics
/// As [`encode`].
pub fn encode_framed<M: Encode<()>>(message: &M) -> Vec<u8> {
    let body = encode(message);
    #[expect(clippy::cast_possible_truncation, reason = "encode bounds the length by MAX_MESSAGE")]
    let length = body.len() as u16;
    let mut bytes = Vec::with_capacity(body.len() + 2);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// The message in `bytes`, which must hold exactly one.
pub fn decode<'b, M: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<M, WireError> {
    if bytes.is_empty() {
        return Err(WireError::Empty);
    }
    if bytes.len() > MAX_MESSAGE {
        return Err(WireError::TooLong(bytes.len()));
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode().map_err(|e| WireError::Malformed(e.to_string()))?;
    match bytes.len() - decoder.position() {
        0 => Ok(message),
        left => Err(WireError::Trailing(left)),
    }
}

/// Cuts a stream of bytes into the messages in it. Holds at most one incomplete message and one read.
#[derive(Debug, Default)]
pub struct Frames {
    pending: Vec<u8>,
    /// How much of `pending` was taken already: moving the rest up once per read instead of once per message
    /// keeps a read full of tiny messages from costing its square.
    taken: usize,
}

impl Frames {
    /// Adds bytes that arrived. The caller drains [`next_message`](Self::next_message) after each call, which
    /// bounds what is held to one message and one read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.taken);
        self.taken = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// Whether no part of a message waits for its rest.
    pub fn is_empty(&self) -> bool {
        self.taken == self.pending.len()
    }

    /// The next whole message, if it has arrived. After an error the stream cannot be read on: every further
    /// call answers with an error.
    pub fn next_message<M: for<'b> Decode<'b, ()>>(&mut self) -> Result<Option<M>, WireError> {
        let rest = &self.pending[self.taken..];
        let Some((head, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*head));
        if length > MAX_MESSAGE {
            return Err(WireError::TooLong(length));
        }
        if length == 0 {
            return Err(WireError::Empty);
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = decode(body)?;
        self.taken += 2 + length;
        Ok(Some(message))
    }
}
