//! The constants that shape fetching, in one place, so that a simulation can vary them.

use crate::time::Span;
use crate::units::Rate;

/// What the pick rule goes by. The defaults ship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Media that is fetched ahead of a playhead, from peers and as our share of a crowd.
    pub window: Span,
    /// Media beyond where a player reads that is fetched of a play that has just begun, as much more as the listener has
    /// stayed for, and [`window`](Self::window) in the end: a third of all plays are skipped within 30 s (Lamere 2014).
    pub first_window: Span,
    /// Media ahead of a playhead that the origin is asked for when nobody else could bring it.
    pub lone_lead: Span,
    /// The same of a play that has just begun, where the origin is ample. It grows by half of what the listener has
    /// stayed for.
    pub first_lead: Span,
    /// An origin that brings media so many times as fast as it plays is ample.
    pub ample: u64,
    /// Media ahead of a playhead below which the origin is asked even though peers may still bring it.
    pub crowd_lead: Span,
    /// The same when the origin is quick and peers that hold it do not make it.
    pub safe_lead: Span,
    /// An origin that brings a run within this has little to do. In a crowd one that takes longer gets no second run
    /// of ours beside the first, unless it is urgent, and runs no longer than it brings in that time.
    pub quick: Span,
    /// Media ahead of a playhead that is urgent.
    pub urgent: Span,
    /// Each of those who come before us in a crowd has this much more time to bring in what falls to it.
    pub turn: Span,
    /// The same for what nobody is in a hurry for: time enough to bring in a share of all of it.
    pub idle_turn: Span,
    /// How long after a peer was known to come before us it has had time to say that it does.
    pub hearing: Span,
    /// How long after its deadline a block is awaited from a peer that said it brings it in, when the origin takes so long
    /// that this would not be too late yet: nobody stands still for another's word.
    pub trust: Span,
    /// Media ahead of a playhead below which nobody waits for his turn.
    pub least_lead: Span,
    /// How long a player waits in a read for what others are to bring, before the origin is asked. Some players
    /// (ffmpeg's) cannot seek while they wait: this much a seek takes longer at most.
    pub patience: Span,
    /// The same of a player that can give the read up: what waits behind it is what it reads ahead.
    pub patience_whole: Span,
    /// How long a start waits at most for warm peers to say whether they hold it.
    pub answer: Span,
    /// A run is expected to make it when it beats its deadline by this.
    pub margin: Span,
    /// A holder that has enough to do is waited for when it beats the deadline by this, even if the origin is quicker:
    /// others need the origin more.
    pub holder_margin: Span,
    /// A source that sent nothing for this long, and four round trips, is late.
    pub silence: Span,
    /// Media ahead of the playhead inside which blocks are asked for in order of play; behind it, rarest first.
    pub in_order: Span,
    /// Blocks of a usual run: 256 KiB.
    pub run_blocks: u32,
    /// What is due within this is asked for in short runs, so that all who hold it bring it at the same time.
    pub soon: Span,
    /// How long a short run takes a peer; at a peer further away, a round trip.
    pub moment: Span,
    /// How long the origin is silent where a play waits to start until peers may race it: an idle one has answered by
    /// then, and peers that were not connected have hardly said what they hold.
    pub start_silence: Span,
    /// A play is new for this long after it began: it has little ahead, and may want more before it shows anything.
    pub new: Span,
    /// Where many hold it, an untried peer is asked for what a new play needs when it makes the deadline by this: until
    /// then the origin does.
    pub untried_margin: Span,
    /// As many connected peers that hold what plays ten seconds later are many: some of them will have shown how fast
    /// they are soon.
    pub many: usize,
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
            first_window: Span::from_secs(15),
            lone_lead: Span::from_secs(20),
            first_lead: Span::from_secs(4),
            ample: 3,
            crowd_lead: Span::from_secs(6),
            safe_lead: Span::from_secs(3),
            quick: Span::from_millis(300),
            urgent: Span::from_millis(1_500),
            turn: Span::from_secs(1),
            idle_turn: Span::from_secs(40),
            hearing: Span::from_millis(500),
            trust: Span::from_secs(4),
            least_lead: Span::from_secs(1),
            patience: Span::from_millis(400),
            patience_whole: Span::from_secs(8),
            answer: Span::from_millis(30),
            margin: Span::from_millis(700),
            holder_margin: Span::from_millis(250),
            silence: Span::from_millis(1_200),
            in_order: Span::from_secs(10),
            run_blocks: 16,
            soon: Span::from_secs(3),
            moment: Span::from_millis(100),
            start_silence: Span::from_millis(50),
            new: Span::from_secs(1),
            untried_margin: Span::from_millis(400),
            many: 4,
            share_blocks: 16,
            peer_prior: Rate::from_bytes_per_sec(600_000),
            origin_prior: Rate::from_bytes_per_sec(2_000_000),
            origin_delay: Span::from_millis(60),
            queue: Span::from_millis(1_500),
        }
    }
}
