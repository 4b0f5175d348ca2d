//! Worlds as comma-separated values, one row a world, for a spreadsheet.

use crate::outcome::{Outcome, Quantiles};

/// Header and rows (RFC 4180, with plain line ends). Every row says that it is simulated.
pub fn csv(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let names: Vec<String> =
        outcomes.first().map_or_else(Vec::new, |o| cells(o).into_iter().map(|(n, _)| n).collect());
    text.push_str(&names.join(","));
    text.push('\n');
    for outcome in outcomes {
        let row: Vec<String> = cells(outcome).into_iter().map(|(_, value)| quoted(&value)).collect();
        text.push_str(&row.join(","));
        text.push('\n');
    }
    text
}

fn cells(o: &Outcome) -> Vec<(String, String)> {
    let mut cells: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: String| cells.push((name.to_owned(), value));
    put("simulated", o.simulated.to_string());
    put("scenario", o.scenario.clone());
    put("policy", o.policy.clone());
    put("seed", o.seed.to_string());
    put("listeners", o.listeners.to_string());
    put("plays", o.plays.asked.to_string());
    put("never_started", o.plays.never_started.to_string());
    put("cache_bytes", o.bytes.cache.to_string());
    put("lan_bytes", o.bytes.lan.to_string());
    put("isp_bytes", o.bytes.isp.to_string());
    put("other_bytes", o.bytes.other.to_string());
    put("origin_bytes", o.bytes.origin.to_string());
    put("origin_sent_bytes", o.origin_sent.to_string());
    put("offload", format!("{:.6}", o.offload));
    put("copies", format!("{:.4}", o.copies));
    put("peak_origin_bits_per_second", o.peak_origin_rate.to_string());
    let starts = &o.network_startup_ms;
    let quantiles: [(&str, &Quantiles); 6] = [
        ("startup", &o.startup_ms),
        ("network_startup", &starts.all),
        ("network_startup_uncached", &starts.uncached),
        ("network_startup_cold", &starts.cold),
        ("stall_per_play", &o.stalls.per_play_ms),
        ("uplink_queue", &o.uplink_queue_ms),
    ];
    for (name, q) in quantiles {
        for (quantile, value) in
            [("p50", q.p50), ("p75", q.p75), ("p90", q.p90), ("p95", q.p95), ("p99", q.p99)]
        {
            put(&format!("{name}_{quantile}_ms"), value.to_string());
        }
    }
    put("stalls", o.stalls.count.to_string());
    put("stall_ms", o.stalls.total_ms.to_string());
    put("stutter_share", format!("{:.6}", o.stalls.stutter_share));
    put("played_bits_per_second", o.played_bitrate.to_string());
    put("rendition_changes", o.rendition_changes.to_string());
    put("waste_origin_share", format!("{:.6}", o.waste.origin_share));
    put("waste_peer_share", format!("{:.6}", o.waste.peer_share));
    put("uploaded_bytes", o.uploaded.to_string());
    put("cross_isp_share", format!("{:.6}", o.cross_isp_share));
    put("near_share", format!("{:.6}", o.near_share));
    put("trace", o.trace.clone());
    cells
}

/// A field with a comma, quote or line break stands in quotes.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
