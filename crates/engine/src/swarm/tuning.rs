//! The constants that shape fetching, in one place, so that a simulation can vary them.

use crate::time::Span;
use crate::units::Rate;

/// What the pick rule goes by. The defaults ship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Media that is fetched ahead of a playhead, from peers and as our share of a crowd.
    pub window: Span,
    /// Media ahead of a playhead that the origin is asked for when nobody else could bring it.
    pub lone_lead: Span,
    /// Media ahead of a playhead below which the origin is asked even though peers may still bring it.
    pub crowd_lead: Span,
    /// How long a player waits in a read for what others are to bring, before the origin is asked. Some players
    /// (ffmpeg's) cannot seek while they wait: this much a seek takes longer at most.
    pub patience: Span,
    /// A run is expected to make it when it beats its deadline by this.
    pub margin: Span,
    /// A source that sent nothing for this long, and four round trips, is late.
    pub silence: Span,
    /// Media ahead of the playhead inside which blocks are asked for in order of play; behind it, rarest first.
    pub in_order: Span,
    /// Blocks of a usual run: 256 KiB.
    pub run_blocks: u32,
    /// Blocks of the unit in which a crowd divides the origin's bytes.
    pub share_blocks: u32,
    /// Rate expected of a peer that has not been measured: a common uplink shared by two.
    pub peer_prior: Rate,
    /// Rate expected of an origin that has not been measured.
    pub origin_prior: Rate,
    /// Time to the first byte expected of an origin that has not been measured.
    pub origin_delay: Span,
    /// Work queued at one peer, beyond which another is preferred.
    pub queue: Span,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            window: Span::from_secs(60),
            lone_lead: Span::from_secs(20),
            crowd_lead: Span::from_secs(6),
            patience: Span::from_millis(400),
            margin: Span::from_millis(700),
            silence: Span::from_millis(1_200),
            in_order: Span::from_secs(10),
            run_blocks: 16,
            share_blocks: 16,
            peer_prior: Rate::from_bytes_per_sec(600_000),
            origin_prior: Rate::from_bytes_per_sec(2_000_000),
            origin_delay: Span::from_millis(60),
            queue: Span::from_secs(3),
        }
    }
}
