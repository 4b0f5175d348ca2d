//! The pace at which runs go out: what the engine decided for all of them together.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nearcast_engine::{Rate, Span};
use tokio::sync::Notify;
use tokio::time::Instant;

/// After a silence so much may go out at once: a few packets, which no queue notices.
const BURST: Duration = Duration::from_millis(4);

/// What is sent in one go: as much as the pace allows in this long, so that a slow line gets no heap of packets at
/// once.
const PORTION: Span = Span::from_millis(4);
/// Three packets: smaller portions would cost more than they smooth.
const LEAST_PORTION: usize = 4 * 1024;

/// Holds runs to the pace.
#[derive(Debug)]
pub(super) struct Pacer {
    flow: Mutex<Flow>,
    /// Rings when the pace changes.
    changed: Notify,
}

#[derive(Debug)]
struct Flow {
    rate: Option<Rate>,
    /// Bytes that went out and that the pace has not caught up with by `since`.
    owed: u64,
    since: Instant,
}

impl Default for Pacer {
    fn default() -> Self {
        let flow = Flow { rate: None, owed: 0, since: Instant::now() };
        Self { flow: Mutex::new(flow), changed: Notify::new() }
    }
}

impl Flow {
    /// How long until the next bytes may go out.
    fn wait(&mut self, now: Instant) -> Duration {
        let Some(rate) = self.rate else {
            (self.owed, self.since) = (0, now);
            return Duration::ZERO;
        };
        let passed = Span::from_micros(u64::try_from((now - self.since).as_micros()).unwrap_or(u64::MAX));
        let paid = rate.bytes_in(passed);
        // Time in which not one byte is paid for must not get lost.
        if paid > 0 {
            self.owed = self.owed.saturating_sub(paid);
            self.since = now;
        }
        let wait = Duration::from_micros(rate.span_for(self.owed).micros().min(60_000_000));
        wait.saturating_sub(BURST)
    }
}

impl Pacer {
    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another pace holds from here on; none for as fast as it goes.
    pub(super) fn set(&self, rate: Option<Rate>) {
        let now = Instant::now();
        {
            let mut flow = self.flow();
            flow.wait(now);
            flow.rate = rate;
        }
        self.changed.notify_waiters();
    }

    /// How many bytes go out in one go, at most.
    pub(super) fn portion(&self) -> usize {
        self.flow().rate.map_or(usize::MAX, |rate| {
            usize::try_from(rate.bytes_in(PORTION)).unwrap_or(usize::MAX).max(LEAST_PORTION)
        })
    }

    /// Waits until `bytes` may go out.
    pub(super) async fn pass(&self, bytes: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listening starts before looking, so that no change is missed in between.
            changed.as_mut().enable();
            let wait = {
                let mut flow = self.flow();
                let wait = flow.wait(Instant::now());
                if wait.is_zero() {
                    flow.owed = flow.owed.saturating_add(bytes);
                    return;
                }
                wait
            };
            // Whichever comes first: both mean to look again.
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changed => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const PIECE: u64 = 16 * 1024;

    async fn passes(pacer: &Pacer, pieces: u64) -> Duration {
        let begun = Instant::now();
        for _ in 0..pieces {
            pacer.pass(PIECE).await;
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_holds_over_time_and_for_all_together() {
        let pacer = Arc::new(Pacer::default());
        assert_eq!(passes(&pacer, 1_000).await, Duration::ZERO, "without a pace nobody waits");
        pacer.set(Some(Rate::from_bytes_per_sec(1_000_000)));
        let begun = Instant::now();
        let runs: Vec<_> = (0..4)
            .map(|_| {
                let pacer = Arc::clone(&pacer);
                tokio::spawn(async move { passes(&pacer, 100).await })
            })
            .collect();
        for run in runs {
            run.await.expect("does not panic");
        }
        let wanted = Duration::from_secs_f64(400.0 * 16_384.0 / 1_000_000.0);
        let off = begun.elapsed().abs_diff(wanted);
        assert!(off < wanted / 50, "{:?} instead of {wanted:?}", begun.elapsed());
    }

    #[test]
    fn portions_are_as_small_as_the_line_is_slow() {
        let pacer = Pacer::default();
        assert_eq!(pacer.portion(), usize::MAX);
        let at = |bytes| {
            pacer.set(Some(Rate::from_bytes_per_sec(bytes)));
            pacer.portion()
        };
        assert_eq!(at(25_000_000), 100_000);
        assert_eq!(at(1_250_000), 5_000, "4 ms of 10 Mbit/s");
        assert_eq!(at(100_000), 4_096);
    }

    #[tokio::test(start_paused = true)]
    async fn a_faster_pace_is_felt_at_once() {
        let pacer = Arc::new(Pacer::default());
        pacer.set(Some(Rate::from_bytes_per_sec(1_000)));
        passes(&pacer, 1).await;
        let waiting = Arc::clone(&pacer);
        let waits = tokio::spawn(async move { passes(&waiting, 1).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        pacer.set(Some(Rate::from_bytes_per_sec(1_000_000)));
        let waited = waits.await.expect("does not panic");
        assert!(waited < Duration::from_millis(1_100), "{waited:?}");
    }
}
