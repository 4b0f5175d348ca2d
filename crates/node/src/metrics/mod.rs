//! The metrics of a node: one registry, shown as OpenMetrics text. Every name is explained in docs/METRICS.md.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
pub use prometheus_client::registry::Registry;

/// The registry that every part of a node registers with. All names start with `nearcast_`.
pub fn registry() -> Registry {
    Registry::with_prefix("nearcast")
}

/// The counts of `registry` as a response to a scraper.
pub fn page(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::audience::AudienceMetrics;
    use crate::http::HttpMetrics;
    use crate::node::counts::Counts;
    use crate::origin::OriginMetrics;

    /// Every metric that any role of a node registers. Whoever adds a set of metrics adds it here.
    fn all() -> Registry {
        let mut all = registry();
        AudienceMetrics::register(&mut all);
        Counts::register(&mut all);
        HttpMetrics::register(&mut all, "serve");
        HttpMetrics::register(&mut all, "gateway");
        OriginMetrics::register(&mut all).show(&"http://origin.example/".parse().expect("an address"));
        all
    }

    /// Name to type and unit, as a scraper sees them.
    fn registered() -> BTreeMap<String, (String, String)> {
        let mut text = String::new();
        encode(&mut text, &all()).expect("a string takes everything");
        let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["#", "TYPE", name, kind] => found.entry(name.to_owned()).or_default().0 = kind.to_owned(),
                ["#", "UNIT", name, unit] => found.entry(name.to_owned()).or_default().1 = unit.to_owned(),
                _ => {}
            }
        }
        found
    }

    /// Rows `| name | type | unit | labels | meaning |` of the document.
    fn documented() -> BTreeMap<String, (String, String)> {
        let text = include_str!("../../../../docs/METRICS.md");
        let rows = text.lines().filter(|l| l.starts_with("| `nearcast_"));
        rows.map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 5, "five cells in: {row}");
            assert!(cells[4].len() > 10, "a meaning in: {row}");
            (cells[0].trim_matches('`').to_owned(), (cells[1].to_owned(), cells[2].to_owned()))
        })
        .collect()
    }

    #[test]
    fn every_metric_is_documented_and_every_documented_one_exists() {
        let documented = documented();
        let registered = registered();
        assert!(registered.len() > 10);
        for (name, (kind, unit)) in &registered {
            let Some((kind_told, unit_told)) = documented.get(name) else {
                panic!("{name} is missing in docs/METRICS.md");
            };
            assert_eq!(kind_told, kind, "type of {name}");
            assert!(unit.is_empty() || unit == unit_told, "unit of {name}: {unit}, told {unit_told}");
        }
        for name in documented.keys() {
            assert!(registered.contains_key(name), "{name} is documented and does not exist");
        }
    }
}
