//! Results as a table for people.

use crate::outcome::{Outcome, ratio};

/// One table over some worlds: a row per figure, a column per world.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut row = |name: &str, of: &dyn Fn(&Outcome) -> String| {
        rows.push((name.to_owned(), outcomes.iter().map(of).collect()));
    };
    row("simulated", &|o| format!("{}, seed {}", o.policy, o.seed));
    row("plays (to the end / skipped / cut / open)", &|o| {
        let p = &o.plays;
        format!("{} ({} / {} / {} / {})", p.asked, p.played, p.skipped, p.departed, p.open)
    });
    row("from cache", &|o| share(o.bytes.cache, o));
    row("from the LAN", &|o| share(o.bytes.lan, o));
    row("from the same ISP", &|o| share(o.bytes.isp, o));
    row("from other peers", &|o| share(o.bytes.other, o));
    row("from the origin", &|o| share(o.bytes.origin, o));
    row("origin sent", &|o| megabytes(o.origin_sent));
    row("copies", &|o| format!("{:.2}", o.copies));
    row("offload", &|o| format!("{:.3}", o.offload));
    row("network start-up p50 / p90 / p99", &|o| startup(&o.network_startup_ms.all));
    row("  not all in cache", &|o| startup(&o.network_startup_ms.uncached));
    row("  cold random", &|o| startup(&o.network_startup_ms.cold));
    row("  not known before", &|o| startup(&o.network_startup_ms.unpredicted));
    row("start-up p50 / p75 / p90 with the client's part", &|o| {
        let q = &o.startup_ms;
        format!("{} / {} / {} ms", q.p50, q.p75, q.p90)
    });
    row("stalls (in plays)", &|o| {
        format!("{}, {} ms ({:.1} %)", o.stalls.count, o.stalls.total_ms, o.stalls.stutter_share * 100.0)
    });
    row("waste origin / peers", &|o| {
        let percent = |share: f64| share * 100.0;
        let waste = &o.waste;
        format!("{:.1} % / {:.1} %", percent(waste.origin_share), percent(waste.peer_share))
    });
    row("peers' bytes from LAN or own ISP", &|o| format!("{:.1} %", o.near_share * 100.0));
    row("crossed an ISP's border", &|o| format!("{:.1} %", o.cross_isp_share * 100.0));
    row("upload per listener p50 / p90", &|o| {
        let q = &o.upload_per_listener;
        format!("{} / {}", megabytes(q.p50), megabytes(q.p90))
    });
    row("peak of the origin", &|o| {
        format!("{}.{} Mbit/s", o.peak_origin_rate / 1_000_000, o.peak_origin_rate / 100_000 % 10)
    });
    row("origin requests (mean size)", &|o| {
        format!("{} ({} kB)", o.origin_requests.count, o.origin_requests.mean_bytes / 1_000)
    });
    row("bad bytes thrown away", &|o| megabytes(o.corrupt_bytes));
    row("events (per MB moved)", &|o| {
        format!("{} ({:.0})", o.events, ratio(o.events * 1_000_000, o.moved_bytes))
    });
    row("trace", &|o| o.trace.clone());
    lay_out(&rows)
}

fn lay_out(rows: &[(String, Vec<String>)]) -> String {
    let name_width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let columns = rows.first().map_or(0, |(_, cells)| cells.len());
    let width =
        |column: usize| rows.iter().map(|(_, cells)| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (name, cells) in rows {
        text.push_str(&format!("{name:<name_width$}"));
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        text.push('\n');
    }
    text
}

fn share(bytes: u64, outcome: &Outcome) -> String {
    let percent = ratio(bytes, outcome.bytes.sum()) * 100.0;
    format!("{percent:.1} % {:>10}", megabytes(bytes))
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

fn startup(q: &crate::outcome::Quantiles) -> String {
    format!("{} / {} / {} ms (n={})", q.p50, q.p90, q.p99, q.count)
}
