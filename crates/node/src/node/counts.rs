//! What a node counts, as metrics. Names and meanings are in docs/METRICS.md.

use std::sync::atomic::AtomicU64;

use nearcast_engine::Nearness;
use nearcast_engine::swarm::{Note, Source, Why};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Bounds of start-up buckets in seconds: fine around what people notice, 10 ms to 10 s.
const STARTUP_BUCKETS: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 2.0, 5.0, 10.0];
/// Bounds of stall buckets in seconds.
const STALL_BUCKETS: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// Everything that a run is asked for.
const WHYS: [Why; 9] = [
    Why::Start,
    Why::StartRace,
    Why::Patience,
    Why::Near,
    Why::Fastest,
    Why::OurShare,
    Why::Deadline,
    Why::Hedge,
    Why::Prefetch,
];

/// Where bytes come from, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct SourceLabel {
    source: &'static str,
}

/// A decision to ask for a run, as labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AskedLabel {
    source: &'static str,
    why: &'static str,
}

/// Who sent received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// A peer.
    Peer,
    /// The provider's servers.
    Origin,
}

/// The counters of one node.
#[derive(Debug)]
pub(crate) struct Counts {
    delivered: Family<SourceLabel, Counter>,
    received: Family<SourceLabel, Counter>,
    wasted: Family<SourceLabel, Counter>,
    asked: Family<AskedLabel, Counter>,
    pub(super) sent: Counter,
    pub(super) verified_blocks: Counter,
    pub(super) rejected_blocks: Counter,
    pub(super) strikes: Counter,
    plays: Counter,
    stalls: Counter,
    startup: Histogram,
    stalled: Histogram,
    pub(super) peers: Gauge<i64>,
    pub(super) held: Gauge<u64, AtomicU64>,
}

impl Counts {
    /// Counters that show up in `registry`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let counts = Self {
            delivered: Family::default(),
            received: Family::default(),
            wasted: Family::default(),
            asked: Family::default(),
            sent: Counter::default(),
            verified_blocks: Counter::default(),
            rejected_blocks: Counter::default(),
            strikes: Counter::default(),
            plays: Counter::default(),
            stalls: Counter::default(),
            startup: Histogram::new(STARTUP_BUCKETS),
            stalled: Histogram::new(STALL_BUCKETS),
            peers: Gauge::default(),
            held: Gauge::default(),
        };
        let bytes = || Unit::Bytes;
        registry.register_with_unit(
            "delivered",
            "Bytes handed to players",
            bytes(),
            counts.delivered.clone(),
        );
        registry.register_with_unit("received", "Verified bytes received", bytes(), counts.received.clone());
        registry.register_with_unit("wasted", "Bytes evicted unused", bytes(), counts.wasted.clone());
        registry.register_with_unit("sent", "Bytes of runs sent to peers", bytes(), counts.sent.clone());
        registry.register("asked_blocks", "Blocks asked for", counts.asked.clone());
        registry.register("verified_blocks", "Blocks verified and kept", counts.verified_blocks.clone());
        registry.register("rejected_blocks", "Blocks refused as corrupt", counts.rejected_blocks.clone());
        registry.register("strikes", "Times a peer was dropped for bad bytes", counts.strikes.clone());
        registry.register("plays", "Plays that started", counts.plays.clone());
        registry.register("stalls", "Stalls over 250 ms", counts.stalls.clone());
        registry.register_with_unit("startup", "Network start-up", Unit::Seconds, counts.startup.clone());
        registry.register_with_unit("stalled", "Length of stalls", Unit::Seconds, counts.stalled.clone());
        registry.register("peers", "Connected peers", counts.peers.clone());
        registry.register_with_unit("held", "Bytes in the cache", Unit::Bytes, counts.held.clone());
        // A count of nothing is shown as zero, not left out.
        for source in ["cache", "lan", "peers", "origin"] {
            drop(counts.delivered.get_or_create(&SourceLabel { source }));
            drop(counts.wasted.get_or_create(&SourceLabel { source }));
        }
        for source in ["peer", "origin"] {
            drop(counts.received.get_or_create(&SourceLabel { source }));
            for why in WHYS {
                drop(counts.asked.get_or_create(&AskedLabel { source, why: why_label(why) }));
            }
        }
        counts
    }

    /// Verified bytes of some blocks came in.
    pub(super) fn received(&self, from: From, bytes: u64, blocks: u32) {
        let source = match from {
            From::Peer => "peer",
            From::Origin => "origin",
        };
        self.received.get_or_create(&SourceLabel { source }).inc_by(bytes);
        self.verified_blocks.inc_by(blocks.into());
    }

    /// Counts what the engine notes.
    pub(super) fn note(&self, note: &Note) {
        match note {
            Note::Delivered { source, bytes, .. } => {
                self.delivered.get_or_create(&label(*source)).inc_by(*bytes);
            }
            Note::Wasted { source, bytes } => {
                self.wasted.get_or_create(&label(*source)).inc_by(*bytes);
            }
            Note::Started { after, .. } => {
                self.plays.inc();
                self.startup.observe(seconds(*after));
            }
            Note::Stalled { lasted, .. } => {
                self.stalls.inc();
                self.stalled.observe(seconds(*lasted));
            }
            Note::Asked { peer, blocks, why, .. } => {
                let source = if peer.is_some() { "peer" } else { "origin" };
                let label = AskedLabel { source, why: why_label(*why) };
                self.asked.get_or_create(&label).inc_by(blocks.len().into());
            }
            Note::HeldOut { .. }
            | Note::Ended { .. }
            | Note::TurnedAway { .. }
            | Note::Refused { .. }
            | Note::Stuck { .. } => {}
        }
    }

    /// Bytes handed to players so far, by source, as (cache, peers, origin).
    pub(super) fn delivered(&self) -> (u64, u64, u64) {
        let of = |source| self.delivered.get_or_create(&SourceLabel { source }).get();
        (of("cache"), of("lan") + of("peers"), of("origin"))
    }

    /// Bytes handed to players that came from the same network: a part of those from peers.
    pub(super) fn delivered_near(&self) -> u64 {
        self.delivered.get_or_create(&SourceLabel { source: "lan" }).get()
    }

    /// Stalls and plays so far.
    pub(super) fn stalls_of_plays(&self) -> (u64, u64) {
        (self.stalls.get(), self.plays.get())
    }
}

fn why_label(why: Why) -> &'static str {
    match why {
        Why::Start => "start",
        Why::StartRace => "start_race",
        Why::Patience => "patience",
        Why::Near => "near",
        Why::Fastest => "fastest",
        Why::OurShare => "our_share",
        Why::Deadline => "deadline",
        Why::Hedge => "hedge",
        Why::Prefetch => "prefetch",
    }
}

fn label(source: Source) -> SourceLabel {
    let source = match source {
        Source::Cache => "cache",
        Source::Peer(Nearness::Lan, _) => "lan",
        Source::Peer(..) => "peers",
        Source::Origin => "origin",
    };
    SourceLabel { source }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of hours fit a double exactly")]
fn seconds(span: nearcast_engine::Span) -> f64 {
    span.micros() as f64 / 1e6
}
