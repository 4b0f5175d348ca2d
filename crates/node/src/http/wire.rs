//! The socket under a connection: counts what leaves it, holds it to the uplink, ends it when it takes nothing.
//!
//! Counting here rather than where bodies are read makes the figures those of the kernel: what hyper still buffers
//! when a player hangs up was never sent. A small state machine follows the response heads on their way out, so
//! that body bytes are told from heads to the byte.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, sleep_until};

use super::metrics::{Held, HttpMetrics};
use super::places::Place;
use super::uplink::Uplink;

/// How long a body is, as far as it can be told before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// So many bytes.
    Exact(u64),
    /// Told by chunks, whose framing counts as body.
    Unknown,
    /// None: the connection becomes something other than HTTP after this head.
    Upgrade,
}

/// A response on its way out, in flight until dropped.
#[derive(Debug)]
pub(super) struct Expected {
    counter: Counter,
    length: BodyLength,
    _in_flight: Held,
}

impl Expected {
    /// A response whose body `counter` counts.
    pub(super) fn new(counter: Counter, length: BodyLength, in_flight: Held) -> Self {
        Self { counter, length, _in_flight: in_flight }
    }
}

/// Follows the responses of one connection. Shared by the service, which announces them, and the socket.
#[derive(Clone, Debug)]
pub(super) struct Tally(Arc<Mutex<Outgoing>>);

#[derive(Debug)]
struct Outgoing {
    metrics: HttpMetrics,
    announced: VecDeque<Expected>,
    at: At,
    quiet: Option<Quiet>,
}

/// Since when nothing happens on a connection, for which its client alone is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// Its next request has not come whole.
    Idle(Instant),
    /// It takes nothing of its response.
    Blocked(Instant),
}

#[derive(Debug)]
enum At {
    /// In the head of a response: its first bytes, and how much of the blank line at its end was seen.
    Head { status_line: Vec<u8>, blank: usize },
    /// In a body with this much to come.
    Body(Expected, u64),
    /// In a body of unknown length, which ends where the next response was announced.
    OpenBody(Expected),
    /// Past HTTP.
    Tunnel,
}

const BLANK_LINE: &[u8; 4] = b"\r\n\r\n";
/// `HTTP/1.1 200`
const STATUS_LINE: usize = 12;

impl At {
    fn head() -> Self {
        Self::Head { status_line: Vec::new(), blank: 0 }
    }
}

impl Tally {
    pub(super) fn new(metrics: HttpMetrics) -> Self {
        let quiet = Some(Quiet::Idle(Instant::now()));
        Self(Arc::new(Mutex::new(Outgoing { metrics, announced: VecDeque::new(), at: At::head(), quiet })))
    }

    /// A request came whole.
    pub(super) fn asked(&self) {
        self.lock().quiet = None;
    }

    /// Since when the connection is quiet, if it is.
    pub(super) fn quiet(&self) -> Option<Quiet> {
        self.lock().quiet
    }

    fn blocked(&self) {
        self.lock().quiet.get_or_insert_with(|| Quiet::Blocked(Instant::now()));
    }

    /// Tells of a response before its first byte is written.
    pub(super) fn announce(&self, response: Expected) {
        self.lock().announced.push_back(response);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Outgoing> {
        // Counts stay usable whatever happened to another task.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outgoing {
    fn wrote(&mut self, mut bytes: &[u8]) {
        self.metrics.count_sent(len(bytes));
        while !bytes.is_empty() {
            bytes = self.follow(bytes);
        }
        let between = matches!(&self.at, At::Head { status_line, .. } if status_line.is_empty());
        self.quiet = (between && self.announced.is_empty()).then(|| Quiet::Idle(Instant::now()));
    }

    /// Takes what belongs to the state it is in and returns the rest.
    fn follow<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match std::mem::replace(&mut self.at, At::Tunnel) {
            At::Tunnel => &[],
            At::Head { status_line, blank } => self.follow_head(bytes, status_line, blank),
            At::Body(expected, left) => {
                let own = len(bytes).min(left);
                expected.counter.inc_by(own);
                self.at = if own == left { At::head() } else { At::Body(expected, left - own) };
                &bytes[usize::try_from(own).unwrap_or(bytes.len())..]
            }
            At::OpenBody(_) if !self.announced.is_empty() => {
                self.at = At::head();
                bytes
            }
            At::OpenBody(expected) => {
                expected.counter.inc_by(len(bytes));
                self.at = At::OpenBody(expected);
                &[]
            }
        }
    }

    fn follow_head<'a>(&mut self, bytes: &'a [u8], mut status_line: Vec<u8>, mut blank: usize) -> &'a [u8] {
        for (at, byte) in bytes.iter().enumerate() {
            if status_line.len() < STATUS_LINE {
                status_line.push(*byte);
            }
            blank = match (*byte == BLANK_LINE[blank], *byte == b'\r') {
                (true, _) => blank + 1,
                (false, true) => 1,
                (false, false) => 0,
            };
            if blank == BLANK_LINE.len() {
                self.at = self.after_head(&status_line);
                return &bytes[at + 1..];
            }
        }
        self.at = At::Head { status_line, blank };
        &[]
    }

    fn after_head(&mut self, status_line: &[u8]) -> At {
        let code = status_line.get(9..).unwrap_or_default();
        let interim = code.starts_with(b"1") && code != b"101";
        // Nothing announced: an answer of hyper's own to a broken request, which has no body.
        match if interim { None } else { self.announced.pop_front() } {
            None => At::head(),
            Some(Expected { length: BodyLength::Exact(0), .. }) => At::head(),
            Some(Expected { length: BodyLength::Upgrade, .. }) => At::Tunnel,
            Some(expected) => match expected.length {
                BodyLength::Exact(bytes) => At::Body(expected, bytes),
                BodyLength::Unknown | BodyLength::Upgrade => At::OpenBody(expected),
            },
        }
    }
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A socket as hyper sees it.
pub(super) struct Wire<S> {
    socket: S,
    tally: Tally,
    pace: Option<Pace>,
    stall: Stall,
    _open: Held,
    _place: Place,
}

/// A connection's place at the uplink.
struct Pace {
    uplink: Uplink,
    /// Bytes granted and not yet taken by the kernel.
    credit: usize,
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

/// Ends a connection whose other end takes nothing.
struct Stall {
    limit: Option<Duration>,
    metrics: HttpMetrics,
    /// Runs while the kernel takes nothing.
    clock: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// How many of `wanted` bytes may go out.
    fn poll(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<usize> {
        if self.credit == 0 {
            let (turn, bytes) = self.waiting.get_or_insert_with(|| {
                let turn = self.uplink.take_turn(wanted);
                (Box::pin(sleep_until(turn.at)), turn.bytes)
            });
            ready!(turn.as_mut().poll(cx));
            self.credit = *bytes;
            self.waiting = None;
        }
        Poll::Ready(self.credit.min(wanted))
    }
}

impl Stall {
    /// Called while the kernel takes nothing; ready once that lasted too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(clock.as_mut().poll(cx));
        self.metrics.count_stalled();
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing"))
    }
}

impl<S> Wire<S> {
    pub(super) fn new(
        socket: S,
        tally: Tally,
        metrics: &HttpMetrics,
        uplink: Option<Uplink>,
        stall_limit: Option<Duration>,
        place: Place,
    ) -> Self {
        Self {
            socket,
            tally,
            pace: uplink.map(|uplink| Pace { uplink, credit: 0, waiting: None }),
            stall: Stall { limit: stall_limit, metrics: metrics.clone(), clock: None },
            _open: metrics.connection_opens(),
            _place: place,
        }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let total = slices.iter().map(|s| s.len()).sum();
        if total == 0 {
            return Poll::Ready(Ok(0));
        }
        let allowed = match &mut self.pace {
            Some(pace) => ready!(pace.poll(cx, total)),
            None => total,
        };
        let within = cut(slices, allowed);
        let sent = match Pin::new(&mut self.socket).poll_write_vectored(cx, &within) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => {
                self.tally.blocked();
                return self.stall.poll(cx).map(Err);
            }
        };
        self.stall.clock = None;
        if let Some(pace) = &mut self.pace {
            pace.credit = pace.credit.saturating_sub(sent);
        }
        let mut tally = self.tally.lock();
        for slice in cut(slices, sent) {
            tally.wrote(&slice);
        }
        Poll::Ready(Ok(sent))
    }
}

/// The first `limit` bytes of `slices`.
fn cut<'a>(slices: &'a [IoSlice<'_>], limit: usize) -> Vec<IoSlice<'a>> {
    let mut left = limit;
    let mut within = Vec::with_capacity(slices.len());
    for slice in slices {
        let take = slice.len().min(left);
        left -= take;
        if take > 0 {
            within.push(IoSlice::new(&slice[..take]));
        }
    }
    within
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::BodyKind;

    fn expect(metrics: &HttpMetrics, kind: BodyKind, length: BodyLength) -> Expected {
        Expected::new(metrics.body_counter(kind), length, metrics.response_starts())
    }

    /// The same bytes are counted alike however the kernel cuts them.
    #[test]
    fn bodies_are_told_from_heads_to_the_byte() {
        let stream = b"HTTP/1.1 200 OK\r\na: \r\r\n\r\n12345HTTP/1.1 304 x\r\n\r\n\
                       HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 x\r\nb: c\r\n\r\n\r\n\r\n123";
        for piece in 1..=stream.len() {
            let metrics = HttpMetrics::default();
            let tally = Tally::new(metrics.clone());
            tally.announce(expect(&metrics, BodyKind::Media, BodyLength::Exact(5)));
            tally.announce(expect(&metrics, BodyKind::Media, BodyLength::Exact(0)));
            tally.announce(expect(&metrics, BodyKind::Art, BodyLength::Exact(10)));
            for bytes in stream.chunks(piece) {
                tally.lock().wrote(bytes);
            }
            assert_eq!(metrics.body_bytes(BodyKind::Media), 5, "in pieces of {piece}");
            assert_eq!(metrics.body_bytes(BodyKind::Art), 7, "in pieces of {piece}");
            assert_eq!(metrics.sent_bytes(), stream.len() as u64);
            assert_eq!(metrics.in_flight(), 1, "the last one lacks three bytes");
            drop(tally);
            assert_eq!(metrics.in_flight(), 0);
        }
    }

    #[test]
    fn an_upgraded_connection_counts_as_sent_only() {
        let metrics = HttpMetrics::default();
        let tally = Tally::new(metrics.clone());
        tally.announce(expect(&metrics, BodyKind::Other, BodyLength::Upgrade));
        tally.lock().wrote(b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200\r\n\r\nxyz");
        assert_eq!(metrics.body_bytes(BodyKind::Other), 0);
        assert_eq!(metrics.in_flight(), 0);
    }
}
