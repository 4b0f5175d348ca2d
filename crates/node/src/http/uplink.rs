//! A ceiling on what all connections of a server send together, shared out fairly.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nearcast_engine::{Rate, Span};
use tokio::time::Instant;

/// Most bytes granted at once: small enough that a short answer waits little behind long ones, large enough that
/// a grant is worth its wake-up.
const QUANTUM: u64 = 16 * 1024;
/// Credit that an idle line saves up.
const BURST: u64 = 64 * 1024;
/// A timer wakes up to this late; a fast line must not lose that time.
const TIMER_SLACK: Span = Span::from_millis(3);

/// An uplink of a given rate. Clones share the line.
///
/// A connection takes one turn of at most 16 KiB at a time and queues behind the turns already taken, so that
/// many bulky downloads share the line evenly whatever their socket buffers hold. Bytes of TCP and IP headers
/// are not counted.
#[derive(Clone, Debug)]
pub struct Uplink {
    rate: Rate,
    /// When the line has sent all that was granted. Turns are moments on the line, not locks: a connection
    /// that never uses its turn wastes that much of the line and holds up nobody.
    free_at: Arc<Mutex<Instant>>,
}

/// Leave to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// From when on.
    pub(super) at: Instant,
    /// How much.
    pub(super) bytes: usize,
}

impl Uplink {
    /// A line of `rate`, which must not be zero: nothing otherwise.
    pub fn new(rate: Rate) -> Option<Self> {
        let line = Self { rate, free_at: Arc::new(Mutex::new(Instant::now())) };
        (rate != Rate::ZERO).then_some(line)
    }

    /// The ceiling.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes the next free turn for some of the `wanted` bytes: at least one unless none are wanted.
    pub(super) fn take_turn(&self, wanted: usize) -> Turn {
        let bytes = u64::try_from(wanted).unwrap_or(u64::MAX).min(QUANTUM);
        // The line may have been idle: only so much of that time can be caught up on.
        let saved = span(self.rate.span_for(BURST.saturating_sub(bytes)).max(TIMER_SLACK));
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now().checked_sub(saved).map_or(*free_at, |earliest| earliest.max(*free_at));
        *free_at = at + span(self.rate.span_for(bytes));
        Turn { at, bytes: usize::try_from(bytes).unwrap_or(wanted) }
    }
}

/// Bounded, because at a rate of a few bytes a second a span is longer than a clock can add up.
fn span(span: Span) -> Duration {
    Duration::from_micros(span.micros()).min(Duration::from_secs(24 * 3600))
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, sleep_until};

    use super::*;

    fn line(rate: u64) -> Uplink {
        Uplink::new(Rate::from_bytes_per_sec(rate)).expect("not zero")
    }

    async fn send(line: &Uplink, wanted: usize) -> usize {
        let turn = line.take_turn(wanted);
        sleep_until(turn.at).await;
        turn.bytes
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_sends_at_its_rate_after_a_small_burst() {
        let line = line(100_000);
        sleep(Duration::from_secs(60)).await;
        let start = Instant::now();
        let mut sent = 0;
        while start.elapsed() < Duration::from_secs(10) {
            sent += send(&line, 1_000_000).await;
        }
        assert!((1_000_000..=1_000_000 + 64 * 1024 + 16 * 1024).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_share_evenly_and_short_answers_wait_one_round() {
        let line = line(1_000_000);
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let line = line.clone();
            tasks.push(tokio::spawn(async move {
                let start = Instant::now();
                let mut sent = 0;
                while start.elapsed() < Duration::from_secs(5) {
                    sent += send(&line, usize::MAX).await;
                }
                sent
            }));
        }
        sleep(Duration::from_secs(2)).await;
        let start = Instant::now();
        assert_eq!(send(&line, 100).await, 100);
        assert!(start.elapsed() < Duration::from_millis(90), "four or five turns of 16 ms, not more");
        let mut shares = Vec::new();
        for task in tasks {
            shares.push(task.await.expect("no panic"));
        }
        let (least, most) = (shares.iter().min().expect("four"), shares.iter().max().expect("four"));
        assert!(most - least <= 2 * 16 * 1024, "{shares:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn turns_never_used_hold_up_nobody_for_longer_than_themselves() {
        let line = line(16 * 1024);
        for _ in 0..4 {
            line.take_turn(usize::MAX);
        }
        let start = Instant::now();
        send(&line, usize::MAX).await;
        assert!(start.elapsed() <= Duration::from_secs(4), "{:?}", start.elapsed());
    }

    #[test]
    fn a_line_without_a_rate_is_refused() {
        assert!(Uplink::new(Rate::ZERO).is_none());
    }
}
