//! What two nodes say over a data channel: the messages of a control stream and the bytes of runs, side by side.
//!
//! A QUIC connection has a stream for each run; a data channel is one stream of packets. So each packet holds one
//! frame, whose first byte says what it is:
//!
//! ```text
//! 0  introduction   before anything else: an `Introduction` (CBOR)
//! 1  control        a `PeerMessage` (CBOR)
//! 2  piece          number of the run, 4 bytes big endian; then up to MAX_PIECE bytes of its encoding
//! 3  end            number of the run: all of it was sent
//! 4  given up       number of the run: no more of it comes
//! 5  ping           a number, 4 bytes: answered at once
//! 6  pong           the number of the ping that it answers
//! ```
//!
//! The number of a run is that of its [`Want`](super::Want). A page cannot ask its browser how long packets wait in
//! the line; it pings while it sends, and paces itself by what that tells. No frame is longer than [`MAX_FRAME`]. Control frames go between
//! the pieces of runs, and the channel is reliable and ordered.

use super::frame::{WireError, decode, encode};
use super::introduce::Introduction;
use super::peer::PeerMessage;
use crate::limits::{MAX_FRAME, MAX_PIECE};

const INTRODUCTION: u8 = 0;
const CONTROL: u8 = 1;
const PIECE: u8 = 2;
const END: u8 = 3;
const GIVEN_UP: u8 = 4;
const PING: u8 = 5;
const PONG: u8 = 6;

/// One packet of a data channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Words before all others.
    Introduction(Introduction),
    /// A message of the control stream.
    Control(PeerMessage),
    /// Bytes of a run's encoding, 1 to [`MAX_PIECE`], following those of the frame before.
    Piece {
        /// Number of the want that it answers.
        request: u32,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// All of a run was sent.
    End {
        /// Number of the want that it answers.
        request: u32,
    },
    /// No more of a run comes.
    GivenUp {
        /// Number of the want that it answers.
        request: u32,
    },
    /// Is answered at once by a pong.
    Ping(u32),
    /// Answers the ping with this number.
    Pong(u32),
}

impl Frame<'_> {
    /// The packet.
    ///
    /// # Panics
    /// When a piece is longer than [`MAX_PIECE`], or a message than
    /// [`MAX_MESSAGE`](crate::limits::MAX_MESSAGE): senders cut first.
    pub fn to_packet(&self) -> Vec<u8> {
        match self {
            Self::Introduction(introduction) => with_kind(INTRODUCTION, &encode(introduction)),
            Self::Control(message) => with_kind(CONTROL, &encode(message)),
            Self::Piece { request, bytes } => {
                assert!(bytes.len() <= MAX_PIECE, "a piece of {} bytes", bytes.len());
                let mut packet = with_kind(PIECE, &request.to_be_bytes());
                packet.extend_from_slice(bytes);
                packet
            }
            Self::End { request } => with_kind(END, &request.to_be_bytes()),
            Self::GivenUp { request } => with_kind(GIVEN_UP, &request.to_be_bytes()),
            Self::Ping(number) => with_kind(PING, &number.to_be_bytes()),
            Self::Pong(number) => with_kind(PONG, &number.to_be_bytes()),
        }
    }
}

impl<'a> Frame<'a> {
    /// Reads a packet, which holds exactly one frame.
    ///
    /// # Errors
    /// When it is too long, empty, of no kind known here, or not what its kind must be. Each is a peer's
    /// misbehaviour: what later versions add is only sent to those who said that they know it.
    pub fn read(packet: &'a [u8]) -> Result<Self, WireError> {
        if packet.len() > MAX_FRAME {
            return Err(WireError::TooLong(packet.len()));
        }
        let (kind, rest) = packet.split_first().ok_or(WireError::Empty)?;
        match *kind {
            INTRODUCTION => decode(rest).map(Self::Introduction),
            CONTROL => decode(rest).map(Self::Control),
            PIECE => {
                let (request, bytes) = number(rest)?;
                if bytes.is_empty() {
                    return Err(WireError::Empty);
                }
                if bytes.len() > MAX_PIECE {
                    return Err(WireError::TooLong(packet.len()));
                }
                Ok(Self::Piece { request, bytes })
            }
            END => alone(rest).map(|request| Self::End { request }),
            GIVEN_UP => alone(rest).map(|request| Self::GivenUp { request }),
            PING => alone(rest).map(Self::Ping),
            PONG => alone(rest).map(Self::Pong),
            other => Err(WireError::Malformed(format!("no frame has the kind {other}"))),
        }
    }
}

fn with_kind(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(1 + rest.len());
    packet.push(kind);
    packet.extend_from_slice(rest);
    packet
}

fn number(rest: &[u8]) -> Result<(u32, &[u8]), WireError> {
    let short = || WireError::Malformed("a frame without its number".to_owned());
    let (number, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    Ok((u32::from_be_bytes(*number), rest))
}

fn alone(rest: &[u8]) -> Result<u32, WireError> {
    let (request, rest) = number(rest)?;
    if rest.is_empty() { Ok(request) } else { Err(WireError::Trailing(rest.len())) }
}
