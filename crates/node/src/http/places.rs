//! Places for connections, and who gives way when they run out.
//!
//! Whoever opens every connection a server allows, and then sends its request a byte at a time or takes nothing of
//! its response, must not shut others out. So the connection that has been quiet the longest gives way as soon as
//! a new one finds no place. A client that merely paused loses nothing: it asks again for what it lacks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::wire::{Quiet, Tally};

/// A connection may wait this long for its next request before it gives way: a request that is being typed into the
/// network takes less.
const IDLE_GRACE: Duration = Duration::from_secs(1);
/// A client may take nothing of its response for this long before it gives way: players that buffer pause for less.
const BLOCKED_GRACE: Duration = Duration::from_secs(30);
/// How often a connection without a place looks whether somebody can give way by now.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The places of one server. Clones are the same places.
#[derive(Clone, Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    seats: BTreeMap<u64, Seat>,
    last: u64,
}

#[derive(Debug)]
struct Seat {
    tally: Tally,
    leave: CancellationToken,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    number: u64,
    taken: Arc<Mutex<Taken>>,
    /// Others need it more.
    pub(super) leave: CancellationToken,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), taken: Arc::default() }
    }

    /// A place for the connection that `tally` follows. While there is none, quiet connections give way.
    pub(super) async fn take(&self, tally: &Tally) -> Place {
        loop {
            if self.free.available_permits() == 0 {
                lock(&self.taken).make_room(Instant::now());
            }
            let free = self.free.clone().acquire_owned();
            // Nobody closes the semaphore.
            if let Ok(Ok(permit)) = tokio::time::timeout(LOOK_AGAIN, free).await {
                return self.seat(permit, tally.clone());
            }
        }
    }

    fn seat(&self, permit: OwnedSemaphorePermit, tally: Tally) -> Place {
        let (mut taken, leave) = (lock(&self.taken), CancellationToken::new());
        taken.last += 1;
        let number = taken.last;
        taken.seats.insert(number, Seat { tally, leave: leave.clone() });
        Place { _permit: permit, number, taken: Arc::clone(&self.taken), leave }
    }
}

impl Taken {
    /// Asks the connection to leave that has been quiet the longest, those between two requests first.
    fn make_room(&mut self, now: Instant) {
        let quiet = self.seats.values().filter_map(|seat| {
            let (blocked, since, grace) = match seat.tally.quiet()? {
                Quiet::Idle(since) => (false, since, IDLE_GRACE),
                Quiet::Blocked(since) => (true, since, BLOCKED_GRACE),
            };
            let due = now.saturating_duration_since(since) >= grace && !seat.leave.is_cancelled();
            due.then_some(((blocked, since), &seat.leave))
        });
        if let Some((_, leave)) = quiet.min_by_key(|(order, _)| *order) {
            leave.cancel();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.taken).seats.remove(&self.number);
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
