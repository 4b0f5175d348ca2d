//! What is counted of the traffic from origins. Names and meanings are in docs/METRICS.md.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};
use reqwest::Url;

/// Hosts that get a count of their own; those after them share one.
const MAX_HOSTS: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HostLabel {
    host: String,
}

/// Counts of an origin client. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct OriginMetrics {
    received: Family<HostLabel, Counter>,
    requests: Family<HostLabel, Counter>,
    failures: Family<HostLabel, Counter>,
    hosts: Arc<Mutex<BTreeSet<String>>>,
}

impl OriginMetrics {
    /// Counts that `registry` shows.
    pub fn register(registry: &mut Registry) -> Self {
        let own = Self::default();
        let r = registry.sub_registry_with_prefix("origin");
        r.register_with_unit(
            "received",
            "Body bytes received from origins, those of aborted and refused answers included",
            Unit::Bytes,
            own.received.clone(),
        );
        r.register("requests", "Requests sent to origins", own.requests.clone());
        r.register("failures", "Fetches from origins that failed", own.failures.clone());
        own
    }

    /// Shows zeros for the host of `url` before it was asked for anything.
    pub fn show(&self, url: &Url) {
        let label = self.label(url);
        for family in [&self.received, &self.requests, &self.failures] {
            drop(family.get_or_create(&label));
        }
    }

    /// Body bytes received from the host of `url` so far.
    pub fn received_bytes(&self, url: &Url) -> u64 {
        self.received.get_or_create(&self.label(url)).get()
    }

    /// Requests sent to the host of `url` so far.
    pub fn requests(&self, url: &Url) -> u64 {
        self.requests.get_or_create(&self.label(url)).get()
    }

    pub(super) fn count_received(&self, url: &Url, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.received.get_or_create(&self.label(url)).inc_by(bytes);
    }

    pub(super) fn count_request(&self, url: &Url) {
        self.requests.get_or_create(&self.label(url)).inc();
    }

    pub(super) fn count_failure(&self, url: &Url) {
        self.failures.get_or_create(&self.label(url)).inc();
    }

    fn label(&self, url: &Url) -> HostLabel {
        let host = url.host_str().unwrap_or_default();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let own = hosts.contains(host) || (hosts.len() < MAX_HOSTS && hosts.insert(host.to_owned()));
        HostLabel { host: if own { host.to_owned() } else { "other".to_owned() } }
    }
}
