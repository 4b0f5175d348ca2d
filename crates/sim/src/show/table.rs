//! Summaries as one table for people: a row a figure, a column a policy.

use super::summary::{BASELINE, BOUNDS, Driver, Range, Summary};
use super::words::{bytes, count, digits, millis, percent, rate};
use crate::outcome::Quantiles;

/// The table. Where there are several seeds, the lowest and the highest stand behind a figure.
pub fn table(summaries: &[Summary]) -> String {
    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    let mut row =
        |name, of: &dyn Fn(&Summary) -> String| rows.push((name, summaries.iter().map(of).collect()));
    row("simulated", &|s| s.policy.clone());
    row("worlds (seeds)", &|s| s.seeds.to_string());
    row("plays (never started)", &|s| format!("{} ({})", count(s.plays), count(s.never_started)));
    row("from the own cache", &|s| percent(s.share.cache));
    row("from the LAN", &|s| percent(s.share.lan));
    row("from the same ISP", &|s| percent(s.share.isp));
    row("from other peers", &|s| percent(s.share.other));
    row("from the origin", &|s| percent(s.share.origin));
    row("offload", &|s| with_range(s, percent(s.offload), s.range.offload, &percent));
    row("origin sent in a world (copies)", &|s| format!("{} ({:.2})", bytes(s.origin_sent), s.copies));
    row("peak of the origin", &|s| rate(s.peak_origin_rate));
    row("start-up p50/75/90/99, network", &|s| four(&s.network_startup_ms.all));
    row("  not all in cache", &|s| four(&s.network_startup_ms.uncached));
    row("  cold random", &|s| four(&s.network_startup_ms.cold));
    row("  with the client's part", &|s| four(&s.startup_ms));
    row("plays with a stall", &|s| with_range(s, percent(s.stutter_share), s.range.stutter_share, &percent));
    row("stalls (stood still)", &|s| format!("{} ({})", count(s.stalls), millis(s.stall_ms)));
    row("played bitrate", &|s| rate(s.played_bitrate));
    if summaries.iter().any(|summary| summary.rendition_changes > 0) {
        row("changes of rendition", &|s| count(s.rendition_changes));
    }
    row("waste, origin / peers", &|s| format!("{} / {}", percent(s.waste.origin), percent(s.waste.peers)));
    row("upload a listener p50 / p90", &|s| {
        format!("{} / {}", bytes(s.upload_per_listener.p50), bytes(s.upload_per_listener.p90))
    });
    row("peers' bytes from LAN or own ISP", &|s| percent(s.near_share));
    row("crossed an ISP's border", &|s| percent(s.cross_isp_share));
    lay_out(&rows) + &comparison(summaries) + &bounds(summaries)
}

/// What is no policy says so.
fn bounds(summaries: &[Summary]) -> String {
    let shown = BOUNDS.iter().filter(|(name, _)| summaries.iter().any(|summary| summary.policy == *name));
    shown.map(|(_, words)| format!("simulated: {words}\n")).collect()
}

/// What each policy saved by the popularity of the titles, beside what so many holders can save when each fetches as it
/// plays; nothing of those that share nothing.
pub fn popularity(summaries: &[Summary]) -> String {
    let mut text = String::new();
    for summary in summaries.iter().filter(|summary| summary.policy != BASELINE) {
        let heading = ["titles", "plays", "holders at a play", "saved", "1−(1−e⁻ᶜ)/c", "points"];
        let mut rows = vec![("", heading.map(str::to_owned).to_vec())];
        for group in &summary.popularity {
            let points = (group.saved - group.can_save) * 100.0;
            let cells = vec![
                group.titles.to_string(),
                count(group.plays),
                format!("{:.1}", group.holders),
                percent(group.saved),
                percent(group.can_save),
                format!("{points:+.1}"),
            ];
            rows.push(("", cells));
        }
        text.push_str(&format!(
            "simulated, {}: saved by popularity, a tenth of the plays in each line\n",
            summary.policy
        ));
        text.push_str(&lay_out(&rows));
    }
    text
}

/// What other assumptions would come to, one a line; nothing when there are none.
pub fn drivers(drivers: &[Driver]) -> String {
    let rows: Vec<(&str, Vec<String>)> = drivers
        .iter()
        .map(|driver| {
            let peak = format!("peak {}", rate(driver.peak_origin_rate));
            let cells =
                vec![percent(driver.offload), format!("origin sends {}", bytes(driver.origin_sent)), peak];
            (driver.assumed.as_str(), cells)
        })
        .collect();
    let heading =
        if rows.is_empty() { "" } else { "simulated, the first seed with one thing different: offload\n" };
    heading.to_owned() + &lay_out(&rows)
}

fn with_range(summary: &Summary, value: String, range: Range, show: &dyn Fn(f64) -> String) -> String {
    match summary.seeds {
        0 | 1 => value,
        _ => {
            format!("{value} ({}–{})", show(range.low).replace(" %", ""), show(range.high).replace(" %", ""))
        }
    }
}

pub(super) fn four(q: &Quantiles) -> String {
    match q.count {
        0 => "no such play".to_owned(),
        _ => format!("{} / {} / {} / {} ms", q.p50, q.p75, q.p90, q.p99),
    }
}

/// What the others are beside the origin alone, in one line each.
fn comparison(summaries: &[Summary]) -> String {
    let Some(alone) = summaries.iter().find(|s| s.policy == BASELINE) else { return String::new() };
    let mut lines = String::new();
    for other in summaries.iter().filter(|s| s.policy != BASELINE && alone.origin_sent > 0) {
        let part = super::summary::to_float(other.origin_sent) / super::summary::to_float(alone.origin_sent);
        lines.push_str(&format!(
            "simulated: with {} the origin sends {} instead of {} (× {}), its peak is {} instead of {}\n",
            other.policy,
            bytes(other.origin_sent),
            bytes(alone.origin_sent),
            digits(part),
            rate(other.peak_origin_rate),
            rate(alone.peak_origin_rate),
        ));
    }
    lines
}

pub(super) fn lay_out(rows: &[(&str, Vec<String>)]) -> String {
    let wide = |text: &str| text.chars().count();
    let name_width = rows.iter().map(|(name, _)| wide(name)).max().unwrap_or(0);
    let columns = rows.first().map_or(0, |(_, cells)| cells.len());
    let width = |column: usize| rows.iter().map(|(_, cells)| wide(&cells[column])).max().unwrap_or(0);
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
