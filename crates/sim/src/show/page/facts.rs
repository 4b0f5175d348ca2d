//! The words, cards and tables of the page.

use super::svg::escape;
use super::{Report, named, ranged, section};
use crate::show::summary::{BOUNDS, Summary, to_float};
use crate::show::words::{bytes, count, digits, duration, millis, percent, rate};

/// Title and what the page is about.
pub(super) fn head(report: &Report) -> String {
    let lead = match report.log {
        Some((_, replayed)) => format!(
            "What the audience of {} would have delivered among itself: {} plays by {} listeners within {}, played \
             again in a simulated world.",
            escape(&report.name),
            count(replayed.plays),
            count(replayed.listeners),
            duration(replayed.seconds)
        ),
        None => {
            let world = report.worlds.first();
            let (listeners, seconds) = world.map_or((0, 0), |w| (w.listeners.into(), w.simulated_ms / 1_000));
            format!(
                "The scenario {} with {} listeners over {}, in a simulated world.",
                escape(&report.name),
                count(listeners),
                duration(seconds)
            )
        }
    };
    let seeds = report.ours().map_or(0, |ours| ours.seeds);
    let worlds = if seeds == 1 { "one seed".to_owned() } else { format!("{seeds} seeds") };
    format!(
        "<header><span class=\"tag\">Simulated · {worlds}</span><h1>What Nearcast would save</h1>\n\
         <p class=\"lead\">{lead} Every figure on this page is simulated; none was measured on real machines.</p></header>\n"
    )
}

/// The figures that matter, large.
pub(super) fn cards(report: &Report) -> String {
    let Some(ours) = report.ours() else { return String::new() };
    let mut cards = vec![card(
        &percent(ours.offload),
        &ranged(
            "of the media does not come from your servers",
            ours.seeds,
            &percent(ours.range.offload.low),
            &percent(ours.range.offload.high),
        ),
    )];
    if let Some(alone) = report.alone() {
        let peak = format!("peak of your servers, instead of {}", rate(alone.peak_origin_rate));
        cards.push(card(&rate(ours.peak_origin_rate), &peak));
        if let Some(money) = report.money {
            let cost = |s: &Summary| format!("{:.2}", money.of(to_float(s.origin_sent)));
            let words = format!("for delivery, instead of {}", cost(alone));
            cards.push(card(&cost(ours), &words));
        } else {
            let words = format!("sent by your servers, instead of {}", bytes(alone.origin_sent));
            cards.push(card(&bytes(ours.origin_sent), &words));
        }
        let (a, b) = (&ours.network_startup_ms.all, &alone.network_startup_ms.all);
        let words = format!("to start, 95 of 100 plays, instead of {}", millis(b.p95));
        cards.push(card(&millis(a.p95), &words));
    }
    cards.push(card(&percent(ours.stutter_share), "of plays stand still at least once"));
    format!("<div class=\"cards\">{}</div>\n", cards.join(""))
}

fn card(value: &str, words: &str) -> String {
    format!("<div class=\"card\"><b>{}</b><span>{}</span></div>", escape(value), escape(words))
}

/// Rows of (words, cells), where a cell may have a class.
fn rows(header: &[String], rows: &[(String, Vec<(String, &str)>)]) -> String {
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
    header.iter().for_each(|cell| html.push_str(&format!("<th>{}</th>", escape(cell))));
    html.push_str("</tr></thead><tbody>");
    for (name, cells) in rows {
        html.push_str(&format!("<tr><td>{}</td>", escape(name)));
        for (cell, class) in cells {
            html.push_str(&format!("<td class=\"{class}\">{}</td>", escape(cell)));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Ours beside the origin alone in everything a listener feels.
pub(super) fn no_harm(report: &Report) -> String {
    let (Some(ours), Some(alone)) = (report.ours(), report.alone()) else { return String::new() };
    if ours.policy == alone.policy {
        return String::new();
    }
    let mut table = Vec::new();
    let mut less_is_better = |name: &str, a: u64, b: u64, show: &dyn Fn(u64) -> String| {
        let verdict = if a <= b { ("no worse", "good") } else { ("worse", "bad") };
        table.push((name.to_owned(), vec![(show(a), ""), (show(b), ""), (verdict.0.to_owned(), verdict.1)]));
    };
    let (a, b) = (&ours.network_startup_ms.all, &alone.network_startup_ms.all);
    less_is_better("start-up, half of the plays", a.p50, b.p50, &millis);
    less_is_better("start-up, 95 of 100", a.p95, b.p95, &millis);
    less_is_better("start-up, 99 of 100", a.p99, b.p99, &millis);
    let (a, b) = (&ours.stall_per_play_ms, &alone.stall_per_play_ms);
    less_is_better("stood still per play, 95 of 100", a.p95, b.p95, &millis);
    less_is_better("stood still per play, 99 of 100", a.p99, b.p99, &millis);
    less_is_better("stalls in all", ours.stalls, alone.stalls, &count);
    less_is_better("plays that never started", ours.never_started, alone.never_started, &count);
    let verdict =
        if ours.played_bitrate >= alone.played_bitrate { ("no worse", "good") } else { ("worse", "bad") };
    table.push((
        "played bitrate".to_owned(),
        vec![
            (rate(ours.played_bitrate), ""),
            (rate(alone.played_bitrate), ""),
            (verdict.0.to_owned(), verdict.1),
        ],
    ));
    let header = [String::new(), named(&ours.policy), named(&alone.policy), String::new()];
    let words = "The same listeners with the same clicks, with and without.";
    let worse = table.iter().filter(|(_, cells)| cells.iter().any(|(_, class)| *class == "bad")).count();
    let words = match worse {
        0 => format!("{words} Nothing here is worse."),
        worse => {
            format!("{words} {worse} of {} figures are worse: they are not good enough yet.", table.len())
        }
    };
    section("Is anybody worse off?", &words, &rows(&header, &table))
}

/// What delivery costs.
pub(super) fn money(report: &Report) -> String {
    let (Some(money), Some(alone)) = (report.money, report.alone()) else { return String::new() };
    let mut table = Vec::new();
    for summary in report.summaries {
        let cost = |bytes: f64| format!("{:.2}", money.of(bytes));
        let sent = ranged(
            &bytes(summary.origin_sent),
            summary.seeds,
            &digits(summary.range.origin_sent.low / 1e9),
            &format!("{} GB", digits(summary.range.origin_sent.high / 1e9)),
        );
        let range = summary.range.origin_sent;
        let costs =
            ranged(&cost(to_float(summary.origin_sent)), summary.seeds, &cost(range.low), &cost(range.high));
        let part = to_float(summary.origin_sent) / to_float(alone.origin_sent.max(1));
        table.push((named(&summary.policy), vec![(sent, ""), (costs, ""), (percent(part), "")]));
    }
    let header = ["", "sent by your servers", "cost", "of today's"].map(str::to_owned);
    let mut content = rows(&header, &table);
    if let (Some((reading, replayed)), Some(ours)) = (report.log, report.ours()) {
        let per_month =
            to_float(reading.media_bytes) / to_float(reading.spans_seconds.max(replayed.seconds).max(1));
        let per_month = per_month * 30.0 * 86_400.0;
        let left = |of: f64| money.of(per_month * of / to_float(alone.origin_sent.max(1)));
        let range = ours.range.origin_sent;
        content.push_str(&format!(
            "<p>At the pace of the log, {} a month: {} today, and {} with Nearcast ({} to {} over the seeds), if the \
             rest of the month is like this window.</p>\n",
            bytes_of(per_month),
            digits(money.of(per_month)),
            digits(left(to_float(ours.origin_sent))),
            digits(left(range.low)),
            digits(left(range.high)),
        ));
    }
    let words = format!(
        "At {} for a gigabyte (10⁹ bytes) from your servers, for the time on this page; in whatever currency that \
         price is. Requests and storage are not counted.",
        digits(money.per_gigabyte)
    );
    section("Money", &words, &content)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a month, shown")]
fn bytes_of(float: f64) -> String {
    bytes(float.max(0.0) as u64)
}

/// What would change the result.
pub(super) fn drivers(report: &Report) -> String {
    let Some(ours) = report.ours().filter(|_| !report.drivers.is_empty()) else { return String::new() };
    let row = |name: &str, offload: f64, sent: u64, peak: u64| {
        (name.to_owned(), vec![(percent(offload), ""), (bytes(sent), ""), (rate(peak), "")])
    };
    let mut table = vec![row("as assumed", ours.offload, ours.origin_sent, ours.peak_origin_rate)];
    for driver in report.drivers {
        table.push(row(&driver.assumed, driver.offload, driver.origin_sent, driver.peak_origin_rate));
    }
    let header = ["one thing different", "offload", "your servers send", "their peak"].map(str::to_owned);
    let words = "The same evening with one assumption changed at a time, on the first seed: what to find out before \
                 believing the figures above.";
    section("What drives it", words, &rows(&header, &table))
}

/// Everything, side by side.
pub(super) fn table(report: &Report) -> String {
    let text = crate::show::table(report.summaries);
    let mut table = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("simulated: ")) {
        let mut cells = line.split("  ").filter(|cell| !cell.trim().is_empty()).map(str::trim);
        let Some(name) = cells.next() else { continue };
        table.push((name.to_owned(), cells.map(|cell| (cell.to_owned(), "")).collect::<Vec<_>>()));
    }
    if table.is_empty() {
        return String::new();
    }
    let first = table.remove(0);
    let header: Vec<String> =
        [String::new()].into_iter().chain(first.1.into_iter().map(|(c, _)| c)).collect();
    let words =
        "Figures of several seeds are sums, or the seed in the middle; in brackets the lowest and highest.";
    section("All figures", words, &rows(&header, &table))
}

/// What was assumed, and how to make it again.
pub(super) fn assumptions(report: &Report) -> String {
    let mut items: Vec<String> = report.assumptions.clone();
    let shown = |name: &str| report.summaries.iter().any(|summary| summary.policy == name);
    items.extend(BOUNDS.iter().filter(|(name, _)| shown(name)).map(|(_, words)| (*words).to_owned()));
    if let Some((reading, replayed)) = report.log {
        items.push(format!(
            "The log has {} lines: {} requests that delivered media ({}), {} for other things, {} that delivered \
             nothing, {} that could not be read.",
            count(reading.lines),
            count(reading.media_requests),
            bytes(reading.media_bytes),
            count(reading.other_requests),
            count(reading.undelivered),
            count(reading.bad_lines)
        ));
        items.push(format!(
            "Played again: {} of the {} listeners in the window, in {} households, {} neighbourhoods and {} \
             operators as their addresses show them; {} titles.",
            count(replayed.listeners),
            count(replayed.listeners_in_window),
            count(replayed.households),
            count(replayed.neighbourhoods),
            count(replayed.operators),
            count(replayed.titles)
        ));
        if replayed.listeners < replayed.listeners_in_window {
            items.push(
                "This is a sample: with all listeners each title has more holders, so the offload would be higher, \
                 and bytes, peaks and costs larger in proportion."
                    .to_owned(),
            );
        }
    }
    let items: Vec<String> = items.iter().map(|item| format!("<li>{}</li>", escape(item))).collect();
    let content = format!(
        "<ul>{}</ul>\n<footer>Made with <code>{}</code>. The same command gives the same figures.</footer>\n",
        items.join("\n"),
        escape(&report.command)
    );
    section("What was assumed", "A forecast is as good as these.", &content)
}
