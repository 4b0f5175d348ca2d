//! The part of the router that says how far ahead of a listener is fetched, who may skip: the longer he has stayed with a
//! title, the longer he is likely to go on.

use nearcast_content::{BLOCK_SIZE, BlockRange};

use super::Swarm;
use super::api::Taking;
use super::crowd::Around;
use super::demand::Demand;
use super::fetch::{Pick, first_of};
use super::pick::{Crowd, lone_lead};
use super::plays::Read;
use crate::limits::MAX_ORIGIN_RUN_BLOCKS;
use crate::time::Span;

/// Blocks that the origin is asked for at least where it brings little ahead: each request costs a round trip.
const LEAST_ORIGIN_RUN: u32 = MAX_ORIGIN_RUN_BLOCKS / 2;

/// What plays faster than this is fetched no further ahead for that: it would push the rest out of a small cache.
const MOST_WINDOWS: u64 = 4;

/// What a player gets that waits for others for long and does not say how fast it plays: less than this it takes at once,
/// whatever it has ahead, so that nothing would ever be seen of that.
const TO_GO_ON: Span = Span::from_secs(1);

impl Swarm {
    /// Media that is fetched beyond where a read stands, as much as plays in `window` at most. How far a player reads ahead
    /// that takes segments whole is its own affair.
    pub(super) fn window_of(&self, read: &Read, window: Span) -> Span {
        let stayed = self.plays.begun(read.play).map_or(Span::ZERO, |begun| self.now.since(begun));
        let window = match read.taking {
            Taking::Whole => window,
            Taking::Stream => window.min(self.tuning.first_window + stayed),
        };
        self.plays.rate(read.play).plays(window).clamp(window, window.times(MOST_WINDOWS))
    }

    /// Whether the origin brings what a run is of so much faster than that plays that nothing is lost by asking for it
    /// later. One that has become slow is not.
    pub(super) fn origin_is_ample(&self, pick: &Pick) -> bool {
        let span = self.tuning.in_order;
        let media = u64::from(pick.ahead.soon).saturating_mul(BLOCK_SIZE);
        !pick.whole && self.origin.pipe.rate().bytes_in(span) >= media.saturating_mul(self.tuning.ample)
    }

    /// What the origin is asked for of a run.
    pub(super) fn run_of_origin(&self, pick: &Pick, crowd: Crowd, around: &Around) -> BlockRange {
        if pick.starting {
            return first_of(self.missing_to(pick, pick.settle_end), MAX_ORIGIN_RUN_BLOCKS);
        }
        let longest = match around.shared {
            false => MAX_ORIGIN_RUN_BLOCKS,
            true if pick.due <= self.now + self.tuning.soon => self.origin.blocks_in(self.tuning.quick),
            true => self.origin.blocks_in(self.tuning.quick.times(2)),
        };
        let alone = crowd == Crowd::Nobody && !pick.hedge && self.origin_is_ample(pick);
        let longest = if alone { longest.min(self.blocks_of_lead(pick)) } else { longest };
        first_of(self.within_reach(pick), longest)
    }

    /// How many blocks a player gets that has waited long enough in a read for what others are to bring.
    pub(super) fn blocks_to_go_on(&self, pick: &Pick) -> u32 {
        if pick.tells || !self.origin_is_ample(pick) {
            return 1;
        }
        let blocks =
            TO_GO_ON.micros().saturating_mul(pick.ahead.soon.into()) / self.tuning.in_order.micros().max(1);
        u32::try_from(blocks).unwrap_or(u32::MAX).max(1)
    }

    /// How many blocks from the start of a run on lie within what the origin is asked for ahead of its playhead.
    fn blocks_of_lead(&self, pick: &Pick) -> u32 {
        let lead = lone_lead(&self.tuning, self.now, pick.begun);
        let left = match pick.beyond {
            Some(beyond) if beyond <= lead => lead.less(beyond),
            Some(_) | None => lead.less(pick.plays.since(self.now)),
        };
        let blocks =
            left.micros().saturating_mul(pick.ahead.soon.into()) / self.tuning.in_order.micros().max(1);
        u32::try_from(blocks).unwrap_or(u32::MAX).max(LEAST_ORIGIN_RUN)
    }
}

impl Demand {
    /// How long what lies between where the read stands and a block plays, where something is read.
    pub(super) fn beyond(&self, block: u32) -> Option<Span> {
        self.reader?;
        Some(self.stands?.until(self.media_of(block)))
    }
}
