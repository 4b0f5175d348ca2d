//! What the origin is asked for a second time: a run that is stuck in its connection.

use nearcast_content::BlockRange;

use super::Swarm;
use super::api::RequestId;
use super::fetch::Pick;
use crate::time::Time;

/// A run of the origin is stuck when the rest of it takes so many times as long as the origin would take for it.
const STUCK: u64 = 2;

impl Swarm {
    /// The run that the origin owes some of `pick` by, and what is left of it from there on, where its connection is stuck.
    ///
    /// Each run has a connection to itself, and before a line that is full a new one, or one that has lost packets, gets a
    /// tenth of what others get. What is asked for again comes over one that has just done well, or over a new one (Dean
    /// and Barroso, The Tail at Scale, 2013). What comes slowly since our own line is full would be no sooner here, of
    /// a run that has not begun to come nothing is known, and what nobody waits for may take its time: what is broken off costs
    /// the origin some of it twice.
    pub(super) fn stuck_at_origin(&self, pick: &Pick) -> Option<(RequestId, BlockRange)> {
        if pick.due == Time::NEVER {
            return None;
        }
        let (id, run) = self.runs.late_of_origin(pick.object, pick.blocks)?;
        // All that is left of it is asked for again, or some would be forgotten.
        let rest = run.left.ranges().first().copied().filter(|rest| rest.start == pick.blocks.start)?;
        let bytes = self.objects.get(pick.object).size.bytes_of(rest).len();
        let share = run.takes_still()?.over(STUCK);
        let stuck = self.origin.pipe.measured()
            && share > self.origin.anew(bytes)
            && !self.line.busy_for(self.runs.owed(), share);
        stuck.then_some((id, rest))
    }
}
