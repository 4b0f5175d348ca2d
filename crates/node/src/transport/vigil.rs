//! Notices within five seconds that a peer is dead, while a run is expected of it.
//!
//! QUIC's own idle timeout is fixed for the life of a connection, and five seconds of it would cost a packet
//! every other second to each of sixty idle peers. So it stays long, and only while a run is expected silence
//! is met with a one-byte datagram: a live peer's QUIC stack acknowledges it without its program taking part.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nearcast_engine::limits::MAX_RUNS;
use nearcast_engine::wire::PeerMessage;

/// Silence after which a peer is probed.
const PROBE_AFTER: Duration = Duration::from_secs(1);
/// Silence after a probe that counts as death: three round trips of the slowest links in use.
const DEAD_AFTER: Duration = Duration::from_secs(2);
/// How often to look while a run is expected.
pub(super) const LOOK_WATCHFUL: Duration = Duration::from_millis(500);
/// How often to look otherwise.
pub(super) const LOOK_IDLE: Duration = Duration::from_secs(1);

/// What is due after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing.
    Well,
    /// Send something that the peer must acknowledge.
    Probe,
    /// The peer is dead.
    Dead,
}

/// Watches one peer for silence.
#[derive(Debug)]
pub(super) struct Vigil {
    heard: u64,
    heard_at: Instant,
    looked_at: Instant,
    probed_at: Option<Instant>,
}

impl Vigil {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard: 0, heard_at: now, looked_at: now, probed_at: None }
    }

    /// Looks at the count of packets heard so far.
    pub(super) fn look(&mut self, now: Instant, heard: u64, expecting: bool) -> Finding {
        // When this machine slept or was starved, packets wait unread and their silence means nothing.
        let overslept = now.duration_since(self.looked_at) > LOOK_IDLE * 2;
        self.looked_at = now;
        if heard != self.heard || !expecting || overslept {
            self.heard = heard;
            self.heard_at = now;
            self.probed_at = None;
            return Finding::Well;
        }
        match self.probed_at {
            Some(at) if now.duration_since(at) >= DEAD_AFTER => Finding::Dead,
            None if now.duration_since(self.heard_at) >= PROBE_AFTER => {
                self.probed_at = Some(now);
                Finding::Probe
            }
            Some(_) | None => Finding::Well,
        }
    }
}

/// Which runs a peer owes us. Clones are the same. Touched once per run, never per block.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    wants: Arc<Mutex<BTreeSet<u32>>>,
    arriving: Arc<AtomicUsize>,
}

/// Held by a run that is arriving.
#[derive(Debug)]
pub(super) struct Arriving(Arc<AtomicUsize>);

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Expected {
    /// Notes what a message that was sent lets us expect.
    pub(super) fn sent(&self, message: &PeerMessage) {
        match message {
            PeerMessage::Want(want) => self.change(|wants| {
                wants.insert(want.request);
                // The engine asks for no more at once; older ones were answered with silence.
                while wants.len() > MAX_RUNS {
                    wants.pop_first();
                }
            }),
            PeerMessage::Cancel { request } => self.settled(*request),
            PeerMessage::Hello(_)
            | PeerMessage::Interest { .. }
            | PeerMessage::NoInterest { .. }
            | PeerMessage::Have(_)
            | PeerMessage::Refuse { .. }
            | PeerMessage::Choke { .. }
            | PeerMessage::Goodbye => {}
        }
    }

    /// Notes that a run will not come.
    pub(super) fn settled(&self, request: u32) {
        self.change(|wants| {
            wants.remove(&request);
        });
    }

    /// Notes that a run starts to arrive; it is expected for as long as the answer lives.
    pub(super) fn arriving(&self, request: u32) -> Arriving {
        self.settled(request);
        self.arriving.fetch_add(1, Ordering::Relaxed);
        Arriving(Arc::clone(&self.arriving))
    }

    /// Whether anything is expected.
    pub(super) fn any(&self) -> bool {
        self.arriving.load(Ordering::Relaxed) > 0 || self.change(|wants| !wants.is_empty())
    }

    fn change<T>(&self, f: impl FnOnce(&mut BTreeSet<u32>) -> T) -> T {
        f(&mut self.wants.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every half second from a start on; `heard` answers for each look. Returns the first moment of
    /// death.
    fn dies_at(expecting: bool, heard: impl Fn(u32) -> u64) -> Option<Duration> {
        let start = Instant::now();
        let mut vigil = Vigil::new(start);
        (1..100).find_map(|n| {
            let at = LOOK_WATCHFUL * n;
            (vigil.look(start + at, heard(n), expecting) == Finding::Dead).then_some(at)
        })
    }

    #[test]
    fn silence_kills_within_five_seconds_only_while_a_run_is_expected() {
        let died = dies_at(true, |_| 7).expect("a silent peer");
        assert!(died <= Duration::from_secs(5), "{died:?}");
        assert_eq!(dies_at(false, |_| 7), None);
        assert_eq!(dies_at(true, |n| u64::from(n / 4)), None, "a sign of life every two seconds is enough");
    }

    #[test]
    fn a_probe_comes_before_death_and_waking_up_kills_nobody() {
        let start = Instant::now();
        let mut vigil = Vigil::new(start);
        assert_eq!(vigil.look(start + PROBE_AFTER, 0, true), Finding::Probe);
        assert_eq!(vigil.look(start + Duration::from_secs(60), 0, true), Finding::Well);
    }

    #[test]
    fn runs_are_expected_from_want_to_end() {
        let expected = Expected::default();
        let want = |request| {
            PeerMessage::Want(nearcast_engine::wire::Want {
                request,
                object: nearcast_content::ObjectId([1; 32]),
                blocks: nearcast_content::BlockRange::new(0, 1),
                due_millis: 0,
            })
        };
        assert!(!expected.any());
        expected.sent(&want(1));
        expected.sent(&want(2));
        expected.sent(&want(3));
        expected.sent(&PeerMessage::Cancel { request: 1 });
        expected.settled(2);
        assert!(expected.any());
        let arriving = expected.arriving(3);
        assert!(expected.any());
        drop(arriving);
        assert!(!expected.any());
    }
}
