//! How long packets take to a peer: stamps of ours that it answers, and answers to its own.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use iroh::endpoint::Connection;
use nearcast_engine::Span;
use nearcast_engine::wire::{Stamp, decode, encode};

/// Between two answers to one peer: it stamps ten times a second, and whoever sends more need not be answered.
const ANSWER_EVERY: Duration = Duration::from_millis(20);
/// An answer that took longer says nothing about the line as it is.
const STALE: Duration = Duration::from_secs(5);
/// Added to the difference of two clocks, so that it is never below zero: 35 years.
const OFFSET: u64 = 1 << 50;
/// While nothing is sent, a peer is stamped this often: what an empty line takes must be known before it fills.
pub(super) const IDLE_EVERY: Duration = Duration::from_secs(20);
/// Answers older than this are forgotten: two clocks part.
const LASTS: Duration = Duration::from_secs(60);
/// Answers remembered until they are asked for.
const MAX_ANSWERS: usize = 32;

/// Where our clock begins.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn clock() -> u64 {
    u64::try_from(BEGUN.elapsed().as_micros()).unwrap_or(u64::MAX / 2)
}

/// The stamps on one connection. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamps(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// What packets took there since this was last asked for, and when that was learned.
    took: VecDeque<(Instant, Span)>,
    /// When a stamp of the peer was last answered.
    answered: Option<Instant>,
}

impl Stamps {
    /// Stamps a packet.
    pub(super) fn send(conn: &Connection) {
        // An error says that the connection is gone, or that the peer takes no datagrams.
        let _ = conn.send_datagram(Bytes::from(encode(&Stamp::Sent { at: clock() })));
    }

    /// A datagram came: a stamp is answered, an answer noted, anything else skipped.
    pub(super) fn came(&self, conn: &Connection, bytes: &[u8]) {
        if bytes.len() > Stamp::MAX_BYTES {
            return;
        }
        let now = clock();
        match decode(bytes) {
            Ok(Stamp::Sent { at }) if self.may_answer() => {
                let answer = encode(&Stamp::Came { sent: at, at: now });
                let _ = conn.send_datagram(Bytes::from(answer));
            }
            Ok(Stamp::Came { sent, at }) if sent <= now && now - sent <= micros(STALE) => {
                let took = Span::from_micros((OFFSET + at % OFFSET).saturating_sub(sent));
                let known = &mut self.known().took;
                if known.len() == MAX_ANSWERS {
                    known.pop_front();
                }
                known.push_back((Instant::now(), took));
            }
            Ok(Stamp::Sent { .. } | Stamp::Came { .. }) | Err(_) => {}
        }
    }

    /// The shortest way there since this was last called, by two clocks.
    pub(super) fn take(&self) -> Option<Span> {
        let known = std::mem::take(&mut self.known().took);
        known.iter().filter(|(at, _)| at.elapsed() <= LASTS).map(|(_, took)| *took).min()
    }

    fn may_answer(&self) -> bool {
        let last = &mut self.known().answered;
        let may = last.is_none_or(|at| at.elapsed() >= ANSWER_EVERY);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
