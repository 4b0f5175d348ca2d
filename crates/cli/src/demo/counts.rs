//! What nodes and the provider count, read from their `/metrics` pages (OpenMetrics text).

use std::ops::AddAssign;

use reqwest::Url;

/// What one listener's node counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Bytes handed to the player that were held before it asked.
    pub(crate) cache: u64,
    /// Bytes handed to the player that came from peers.
    pub(crate) peers: u64,
    /// Bytes handed to the player that came from the provider.
    pub(crate) origin: u64,
    /// Everything the provider's server sent as bodies: media with their hashes, documents, what was aborted.
    pub(crate) fetched_from_origin: u64,
    /// Verified bytes that came from peers.
    pub(crate) received_from_peers: u64,
    /// Bytes sent to peers.
    pub(crate) sent_to_peers: u64,
    pub(crate) verified_blocks: u64,
    pub(crate) rejected_blocks: u64,
    /// Stalls as the node saw them.
    pub(crate) stalls: u64,
}

/// What the provider's server counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProviderCounts {
    /// Everything given to the kernel.
    pub(crate) sent: u64,
    /// That of it which were bodies of answers.
    pub(crate) bodies: u64,
}

/// Why a page of metrics tells nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountsError {
    /// It did not come.
    #[error("{url} does not answer: {why}")]
    NoAnswer {
        /// The page.
        url: String,
        /// What happened.
        why: String,
    },
    /// A metric is not there. To count it as zero would be a lie.
    #[error("{0} is not among the metrics. Is this the same version of nearcast?")]
    Missing(String),
}

impl Counts {
    /// Reads a node's page.
    ///
    /// # Errors
    /// Names the metric that is missing.
    pub(crate) fn read(text: &str) -> Result<Self, CountsError> {
        let page = Page(text);
        let delivered = |source| page.sum("nearcast_delivered_bytes_total", &format!("source=\"{source}\""));
        Ok(Self {
            cache: delivered("cache")?,
            peers: delivered("lan")? + delivered("peers")?,
            origin: delivered("origin")?,
            fetched_from_origin: page.sum("nearcast_origin_received_bytes_total", "")?,
            received_from_peers: page.sum("nearcast_received_bytes_total", "source=\"peer\"")?,
            sent_to_peers: page.sum("nearcast_sent_bytes_total", "")?,
            verified_blocks: page.sum("nearcast_verified_blocks_total", "")?,
            rejected_blocks: page.sum("nearcast_rejected_blocks_total", "")?,
            stalls: page.sum("nearcast_stalls_total", "")?,
        })
    }

    /// Bytes handed to players.
    pub(crate) fn handed(&self) -> u64 {
        self.cache + self.peers + self.origin
    }

    /// 1 − bytes from the provider / bytes handed to players (FACTS §0 of the design); nothing before the first
    /// byte. Below zero when more was fetched than played.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people; exact up to 2^53 bytes")]
    pub(crate) fn offload(&self) -> Option<f64> {
        let handed = self.handed();
        (handed > 0).then(|| 1.0 - self.fetched_from_origin as f64 / handed as f64)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.cache += other.cache;
        self.peers += other.peers;
        self.origin += other.origin;
        self.fetched_from_origin += other.fetched_from_origin;
        self.received_from_peers += other.received_from_peers;
        self.sent_to_peers += other.sent_to_peers;
        self.verified_blocks += other.verified_blocks;
        self.rejected_blocks += other.rejected_blocks;
        self.stalls += other.stalls;
    }
}

impl ProviderCounts {
    /// Reads the page of `nearcast serve`.
    ///
    /// # Errors
    /// Names the metric that is missing.
    pub(crate) fn read(text: &str) -> Result<Self, CountsError> {
        let page = Page(text);
        Ok(Self {
            sent: page.sum("nearcast_serve_sent_bytes_total", "")?,
            bodies: page.sum("nearcast_serve_body_bytes_total", "")?,
        })
    }
}

/// Fetches a page of metrics.
///
/// # Errors
/// When there is no answer, or one that is none.
pub(crate) async fn fetch(http: &reqwest::Client, url: &Url) -> Result<String, CountsError> {
    let failed = |why: reqwest::Error| CountsError::NoAnswer {
        url: url.to_string(),
        why: why.without_url().to_string(),
    };
    let answer = http.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status);
    answer.map_err(failed)?.text().await.map_err(failed)
}

struct Page<'a>(&'a str);

impl Page<'_> {
    /// The sum over all samples of `name` among whose labels `label` is.
    fn sum(&self, name: &str, label: &str) -> Result<u64, CountsError> {
        let samples = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.split_once('}')?,
                None => ("", rest),
            };
            let wanted = label.is_empty() || labels.split(',').any(|one| one == label);
            let value = value.strip_prefix(' ')?.split(' ').next()?;
            wanted.then(|| value.parse::<u64>().ok()).flatten()
        });
        samples.reduce(|a, b| a.saturating_add(b)).ok_or_else(|| {
            CountsError::Missing(if label.is_empty() {
                name.to_owned()
            } else {
                format!("{name}{{{label}}}")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# TYPE nearcast_delivered_bytes counter
nearcast_delivered_bytes_total{source=\"cache\"} 10
nearcast_delivered_bytes_total{source=\"lan\"} 20
nearcast_delivered_bytes_total{source=\"peers\"} 300
nearcast_delivered_bytes_total{source=\"origin\"} 70
nearcast_received_bytes_total{source=\"peer\"} 350
nearcast_received_bytes_total{source=\"origin\"} 99
nearcast_origin_received_bytes_total{host=\"127.0.0.1\"} 100
nearcast_origin_received_bytes_total{host=\"b.example\"} 20
nearcast_sent_bytes_total 5
nearcast_sent_bytes_total_x 1000
nearcast_verified_blocks_total 6 1700000000
nearcast_rejected_blocks_total 0
nearcast_stalls_total 1
# EOF
";

    #[test]
    fn a_node_page_is_summed_over_its_labels() {
        let counts = Counts::read(PAGE).expect("complete");
        let expected = Counts {
            cache: 10,
            peers: 320,
            origin: 70,
            fetched_from_origin: 120,
            received_from_peers: 350,
            sent_to_peers: 5,
            verified_blocks: 6,
            rejected_blocks: 0,
            stalls: 1,
        };
        assert_eq!(counts, expected);
        assert_eq!(counts.handed(), 400);
        assert_eq!(counts.offload(), Some(0.7));
        assert_eq!(Counts::default().offload(), None);
    }

    #[test]
    fn a_missing_metric_is_named_and_never_zero() {
        for (gone, named) in [
            ("nearcast_stalls_total", "nearcast_stalls_total is"),
            ("source=\"lan\"", "nearcast_delivered_bytes_total{source=\"lan\"} is"),
        ] {
            let page: String = PAGE.lines().filter(|l| !l.contains(gone)).flat_map(|l| [l, "\n"]).collect();
            let error = Counts::read(&page).expect_err("incomplete").to_string();
            assert!(error.starts_with(named), "{error}");
        }
        assert!(ProviderCounts::read(PAGE).is_err());
    }

    #[test]
    fn a_provider_page_adds_all_kinds_of_bodies() {
        let page = "nearcast_serve_sent_bytes_total 50\nnearcast_serve_body_bytes_total{kind=\"media\"} 30\n\
                    nearcast_serve_body_bytes_total{kind=\"page\"} 4\n";
        assert_eq!(ProviderCounts::read(page).expect("complete"), ProviderCounts { sent: 50, bodies: 34 });
    }
}
