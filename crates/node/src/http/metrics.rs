//! What an HTTP server counts. Names and meanings are in docs/METRICS.md.

use std::fmt::Write as _;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// What a response body holds, as far as counting goes. A handler puts it into the extensions of its response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// Audio or video.
    Media,
    /// Hashes of media.
    Outboard,
    /// Signed documents, catalogue pages, indices.
    Document,
    /// HLS and DASH playlists.
    Playlist,
    /// Pictures.
    Art,
    /// Subtitles and chapters.
    Subtitles,
    /// Pages for people, with their scripts and styles.
    Page,
    /// Anything else.
    #[default]
    Other,
}

impl BodyKind {
    const ALL: [Self; 8] = [
        Self::Media,
        Self::Outboard,
        Self::Document,
        Self::Playlist,
        Self::Art,
        Self::Subtitles,
        Self::Page,
        Self::Other,
    ];

    /// As in the metrics' `kind` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Outboard => "outboard",
            Self::Document => "document",
            Self::Playlist => "playlist",
            Self::Art => "art",
            Self::Subtitles => "subtitles",
            Self::Page => "page",
            Self::Other => "other",
        }
    }
}

impl EncodeLabelValue for BodyKind {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: BodyKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabel {
    kind: BodyKind,
    status: u16,
}

/// Counts of one HTTP server. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct HttpMetrics {
    requests: Family<RequestLabel, Counter>,
    /// The sum of `requests`, which a family does not tell.
    requested: Counter,
    body_bytes: Family<KindLabel, Counter>,
    sent_bytes: Counter,
    in_flight: Gauge,
    connections: Gauge,
    stalled: Counter,
}

impl HttpMetrics {
    /// Counts that `registry` shows under `prefix` (`serve`, `gateway`).
    pub fn register(registry: &mut Registry, prefix: &str) -> Self {
        let own = Self::default();
        // A counter that is absent until its first event looks broken to whoever sets up a dashboard.
        for kind in BodyKind::ALL {
            drop(own.body_counter(kind));
            drop(own.requests.get_or_create(&RequestLabel { kind, status: 200 }));
        }
        let r = registry.sub_registry_with_prefix(prefix);
        r.register("requests", "Requests answered, by kind of body and status code", own.requests.clone());
        r.register_with_unit(
            "body",
            "Body bytes given to the kernel, aborted responses included",
            Unit::Bytes,
            own.body_bytes.clone(),
        );
        r.register_with_unit("sent", "All bytes given to the kernel", Unit::Bytes, own.sent_bytes.clone());
        r.register("responses_in_flight", "Responses not yet fully sent", own.in_flight.clone());
        r.register("connections", "Open connections", own.connections.clone());
        r.register("connections_stalled", "Connections closed for taking nothing", own.stalled.clone());
        own
    }

    /// Body bytes of `kind` given to the kernel so far.
    pub fn body_bytes(&self, kind: BodyKind) -> u64 {
        self.body_bytes.get_or_create(&KindLabel { kind }).get()
    }

    /// All bytes given to the kernel so far: heads, bodies, upgraded connections.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.get()
    }

    /// Requests answered so far.
    pub fn requests(&self) -> u64 {
        self.requested.get()
    }

    /// Responses decided but not fully sent.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// Open connections.
    pub fn connections(&self) -> i64 {
        self.connections.get()
    }

    pub(super) fn count_request(&self, kind: BodyKind, status: u16) {
        self.requests.get_or_create(&RequestLabel { kind, status }).inc();
        self.requested.inc();
    }

    pub(super) fn body_counter(&self, kind: BodyKind) -> Counter {
        self.body_bytes.get_or_create_owned(&KindLabel { kind })
    }

    pub(super) fn count_sent(&self, bytes: u64) {
        self.sent_bytes.inc_by(bytes);
    }

    pub(super) fn count_stalled(&self) {
        self.stalled.inc();
    }

    pub(super) fn response_starts(&self) -> Held {
        Held::of(&self.in_flight)
    }

    pub(super) fn connection_opens(&self) -> Held {
        Held::of(&self.connections)
    }
}

/// One more in a gauge, until dropped.
#[derive(Debug)]
pub(super) struct Held(Gauge);

impl Held {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}
