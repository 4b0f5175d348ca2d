//! A shell that did not run for a while: its program was stopped, or its machine slept and its clock went on.
//!
//! Nothing that took place in that time was seen, so nothing is learned from how long it was: no source was silent, no
//! player stood still. Deadlines are left where they are, for the player may be another program that went on.

use super::Swarm;
use crate::time::{Span, Time};

/// A shell that comes this much later than it wanted to did not run: one that is busy comes within milliseconds, and a
/// page in the background within a second.
const ASLEEP: Span = Span::from_secs(5);

impl Swarm {
    /// Notes at `now`, before anything else, whether the shell slept over the moment at which it was to come.
    pub(super) fn note_sleep(&mut self, now: Time) {
        let missed = now.since(self.wake.0);
        if missed < ASLEEP {
            return;
        }
        self.plays.slept(now);
        self.runs.slept(missed);
        self.origin.pipe.slept(missed);
        for (_, peer) in self.peers.iter_mut() {
            peer.pipe.slept(missed);
        }
    }
}
