//! What a provider sees of its audience: sums of what nodes report, as metrics and as one JSON object.
//!
//! A report is a claim of a node; bounds keep one liar from drowning the others (`engine/src/wire/report.rs`), and
//! what the origin sent is counted here itself.

mod verdict;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use nearcast_content::ProviderKey;
use nearcast_engine::wire::report::STARTUP_BOUNDS;
use nearcast_engine::wire::{PlayReport, PlaySums, RefusedPeers};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde_json::{Map, Value, json};

use crate::http::{BodyKind, HttpMetrics};
use crate::supernode::SupernodeHandle;

/// Where a program sees how a serving provider's audience does: the same path as that of a node.
pub const STATUS_PATH: &str = "/status";

/// Which plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabel {
    group: &'static str,
}

/// Which plays, and where their bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    group: &'static str,
    source: &'static str,
}

/// Why peers were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhyLabel {
    why: &'static str,
}

/// Counts of all reports taken. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct AudienceMetrics {
    plays: Family<GroupLabel, Counter>,
    unstarted: Family<GroupLabel, Counter>,
    stuttered: Family<GroupLabel, Counter>,
    stalls: Family<GroupLabel, Counter>,
    stalled: Family<GroupLabel, Counter<f64, AtomicU64>>,
    media: Family<GroupLabel, Counter<f64, AtomicU64>>,
    startup: Family<GroupLabel, Histogram>,
    delivered: Family<SourceLabel, Counter>,
    peers_refused: Family<WhyLabel, Counter>,
    reports: Counter,
    refused: Counter,
}

impl Default for AudienceMetrics {
    fn default() -> Self {
        let seconds = || Histogram::new(STARTUP_BOUNDS.map(|millis| float(millis) / 1e3));
        Self {
            plays: Family::default(),
            unstarted: Family::default(),
            stuttered: Family::default(),
            stalls: Family::default(),
            stalled: Family::default(),
            media: Family::default(),
            startup: Family::new_with_constructor(seconds),
            delivered: Family::default(),
            peers_refused: Family::default(),
            reports: Counter::default(),
            refused: Counter::default(),
        }
    }
}

impl AudienceMetrics {
    /// Counts that `registry` shows under `audience`.
    pub fn register(registry: &mut Registry) -> Self {
        let own = Self::default();
        for group in ["shared", "held_out"] {
            // A count of nothing is shown as zero, not left out.
            own.add(group, &PlaySums::default());
        }
        own.add_refused(&RefusedPeers::default());
        let r = registry.sub_registry_with_prefix("audience");
        r.register("plays", "Plays that started, as nodes report them", own.plays.clone());
        r.register("plays_unstarted", "Plays that ended before they started", own.unstarted.clone());
        r.register("plays_stuttered", "Plays with a stall", own.stuttered.clone());
        r.register("stalls", "Stalls over 250 ms", own.stalls.clone());
        r.register_with_unit("stalled", "Time stood still", Unit::Seconds, own.stalled.clone());
        r.register_with_unit("media", "Media handed to players", Unit::Seconds, own.media.clone());
        r.register_with_unit("startup", "Network start-up", Unit::Seconds, own.startup.clone());
        r.register_with_unit("delivered", "Bytes handed to players", Unit::Bytes, own.delivered.clone());
        let why = "Peers that nodes parted with or did not let in, for what these did or are";
        r.register("peers_refused", why, own.peers_refused.clone());
        r.register("reports", "Reports taken", own.reports.clone());
        r.register("reports_refused", "Reports that broke the rules", own.refused.clone());
        own
    }

    /// A report was taken.
    pub(crate) fn taken(&self, report: &PlayReport) {
        self.reports.inc();
        self.add("shared", &report.shared);
        self.add("held_out", &report.held_out);
        self.add_refused(&report.refused.as_deref().copied().unwrap_or_default());
    }

    /// A report broke the rules.
    pub(crate) fn refused(&self) {
        self.refused.inc();
    }

    fn add_refused(&self, peers: &RefusedPeers) {
        for (why, count) in reasons(peers) {
            self.peers_refused.get_or_create(&WhyLabel { why }).inc_by(count);
        }
    }

    fn add(&self, group: &'static str, sums: &PlaySums) {
        let label = GroupLabel { group };
        self.plays.get_or_create(&label).inc_by(sums.plays);
        self.unstarted.get_or_create(&label).inc_by(sums.unstarted);
        self.stuttered.get_or_create(&label).inc_by(sums.stuttered);
        self.stalls.get_or_create(&label).inc_by(sums.stalls);
        self.stalled.get_or_create(&label).inc_by(float(sums.stalled_millis) / 1e3);
        self.media.get_or_create(&label).inc_by(float(sums.media_millis) / 1e3);
        let startup = self.startup.get_or_create(&label);
        // A report is bounded to a thousand plays, and says of each no more than its bucket.
        let bounds = STARTUP_BOUNDS.iter().copied().chain([60_000]);
        for (millis, count) in bounds.zip(&sums.startups) {
            (0..*count).for_each(|_| startup.observe(float(millis) / 1e3));
        }
        let sources = [
            ("cache", sums.cache_bytes),
            ("lan", sums.lan_bytes),
            ("isp", sums.isp_bytes),
            ("other", sums.other_bytes),
            ("origin", sums.origin_bytes),
        ];
        for (source, bytes) in sources {
            self.delivered.get_or_create(&SourceLabel { group, source }).inc_by(bytes);
        }
    }
}

/// Why peers were refused, and how many for each reason.
fn reasons(peers: &RefusedPeers) -> [(&'static str, u64); 4] {
    [
        ("corrupt", peers.corrupt),
        ("rules", peers.rules),
        ("banned", peers.banned),
        ("strangers", peers.strangers),
    ]
}

/// For showing and for statistics.
#[expect(clippy::cast_precision_loss, reason = "shown, or a sample's size")]
fn float(whole: u64) -> f64 {
    whole as f64
}

/// What the status is made of.
#[derive(Clone, Debug)]
struct Shown {
    provider: ProviderKey,
    supernode: SupernodeHandle,
    origin: HttpMetrics,
    published: u64,
}

/// The route where `nearcast status` sees how the audience does. `site` is what this process serves.
pub fn router(provider: ProviderKey, supernode: SupernodeHandle, origin: HttpMetrics, site: &Path) -> Router {
    let published = media_bytes(&site.join("media"));
    Router::new().route(STATUS_PATH, get(status)).with_state(Shown { provider, supernode, origin, published })
}

async fn status(State(shown): State<Shown>) -> Response {
    let reported = shown.supernode.audience(shown.provider);
    let sums = reported.all();
    let sent = shown.origin.body_bytes(BodyKind::Media);
    let refused = reasons(&sums.refused.as_deref().copied().unwrap_or_default());
    let refused: Map<String, Value> =
        refused.map(|(why, count)| (why.to_owned(), count.into())).into_iter().collect();
    // Those held out would have come from here in any case, and are no copies made for the others.
    let for_sharing = sent.saturating_sub(sums.held_out.origin_bytes);
    let status = json!({
        "role": "origin",
        "provider": { "key": shown.provider },
        "origin": {
            "media_bytes_sent": sent,
            "published_media_bytes": shown.published,
            "copies": ratio(for_sharing, shown.published),
        },
        "reports": reported.reports,
        "shared": group(&sums.shared),
        "held_out": group(&sums.held_out),
        "delivery": {
            "to_pages": delivery(&reported.pages.shared),
            "to_programs": delivery(&reported.programs.shared),
        },
        "comparison": verdict::compare(&sums.shared, &sums.held_out),
        "peers_refused": refused,
        "supernode": shown.supernode.status().await,
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(status)).into_response()
}

/// One group of plays.
fn group(sums: &PlaySums) -> Value {
    let quantile = |percent| verdict::quantile(&sums.startups, percent);
    json!({
        "plays": sums.plays,
        "unstarted": sums.unstarted,
        "startup_ms": {
            "p50_at_most": quantile(50),
            "p75_at_most": quantile(75),
            "p95_at_most": quantile(95),
            "p99_at_most": quantile(99),
        },
        "stutter_share": ratio(sums.stuttered, sums.plays),
        "stalls": sums.stalls,
        "stalled_ms": sums.stalled_millis,
        "played_bits_per_second": (sums.bytes().saturating_mul(8_000)).checked_div(sums.media_millis),
        "bytes": {
            "cache": sums.cache_bytes,
            "lan": sums.lan_bytes,
            "isp": sums.isp_bytes,
            "other": sums.other_bytes,
            "origin": sums.origin_bytes,
        },
        "offload": ratio(sums.bytes() - sums.origin_bytes.min(sums.bytes()), sums.bytes()),
    })
}

/// Who delivered to players: bytes of pages in browsers, of programs, of the origin and of the own cache. Nobody is
/// named: what peers gave is told apart by how near they were, as far as this supernode can tell.
fn delivery(sums: &PlaySums) -> Value {
    let pages = sums.from_pages.as_deref().copied().unwrap_or_default();
    let rest = |all: u64, of_pages: u64| all.saturating_sub(of_pages);
    json!({
        "from_pages": { "lan": pages.lan, "isp": pages.isp, "other": pages.other },
        "from_programs": {
            "lan": rest(sums.lan_bytes, pages.lan),
            "isp": rest(sums.isp_bytes, pages.isp),
            "other": rest(sums.other_bytes, pages.other),
        },
        "from_origin": sums.origin_bytes,
        "from_cache": sums.cache_bytes,
    })
}

/// A share, or nothing where there is nothing to share.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| float(part) / float(whole))
}

/// Bytes of the media below a folder, hashes left out. Two levels below it is all that a site has.
fn media_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => media_bytes(&path),
            Ok(_) if path.extension().is_some_and(|e| e == "obo") => 0,
            Ok(_) => entry.metadata().map_or(0, |about| about.len()),
            Err(_) => 0,
        }
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use nearcast_engine::wire::PeerBytes;

    use super::*;

    #[test]
    fn what_pages_gave_is_taken_from_what_peers_gave() {
        let from_pages = Some(Box::new(PeerBytes { lan: 2, isp: 0, other: 9 }));
        let sums = PlaySums { lan_bytes: 3, isp_bytes: 4, other_bytes: 9, from_pages, ..PlaySums::default() };
        let sums = PlaySums { origin_bytes: 5, cache_bytes: 6, ..sums };
        let told = json!({
            "from_pages": { "lan": 2, "isp": 0, "other": 9 },
            "from_programs": { "lan": 1, "isp": 4, "other": 0 },
            "from_origin": 5,
            "from_cache": 6,
        });
        assert_eq!(delivery(&sums), told);
    }
}
