//! The drawings of the page.

use super::svg::{Curve, Drawing, ceiling};
use super::{Report, legend, moment, named, section};
use crate::outcome::{Bytes, Outcome, Quantiles, ratio};
use crate::show::summary::to_float;
use crate::show::words::{millis, percent};

/// Points across a drawing at most; more cannot be told apart.
const MAX_POINTS: usize = 120;

/// What each source is called and how it is coloured, from the floor up.
const SOURCES: [(&str, &str); 5] = [
    ("origin", "your servers"),
    ("other", "other listeners"),
    ("isp", "listeners of the same operator"),
    ("lan", "the same household"),
    ("cache", "the listener's own cache"),
];

fn of(class: &str, bytes: &Bytes) -> u64 {
    match class {
        "origin" => bytes.origin,
        "other" => bytes.other,
        "isp" => bytes.isp,
        "lan" => bytes.lan,
        _ => bytes.cache,
    }
}

/// Neighbouring steps summed up, so that they fit, and how long each then is in seconds.
fn steps<'o>(world: &'o Outcome, of: &'o dyn Fn(&crate::outcome::Step) -> u64) -> (Vec<f64>, f64) {
    let group = world.series.len().div_ceil(MAX_POINTS).max(1);
    let seconds = to_float(world.step_ms) / 1e3 * to_float(group as u64);
    let sums = world.series.chunks(group).map(|steps| steps.iter().map(of).sum::<u64>());
    // The last group may be shorter than the others and would show as a dip.
    let whole = (world.series.len() / group).max(1);
    (sums.take(whole).map(|sum| to_float(sum) * 8.0 / 1e6 / seconds.max(1e-3)).collect(), seconds)
}

fn moments(report: &Report, points: usize, seconds: f64) -> Vec<(f64, String)> {
    let begins_at = report.log.map(|(_, replayed)| replayed.begins_at);
    let span = seconds * to_float(points.saturating_sub(1) as u64);
    (0_u32..=4)
        .map(|quarter| {
            let share = f64::from(quarter) / 4.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "seconds of an evening"
            )]
            let at = (span * share) as u64;
            (share, moment(at, begins_at))
        })
        .collect()
}

/// Bytes by source over the evening.
pub(super) fn sources(report: &Report) -> String {
    let Some(world) = report.ours().and_then(|ours| report.world(&ours.policy)) else { return String::new() };
    let mut curves = Vec::new();
    let mut seconds = 0.0;
    for (class, _) in SOURCES {
        let (points, step) = steps(world, &|step| of(class, &step.bytes));
        seconds = step;
        curves.push(Curve { class, points });
    }
    let count = curves[0].points.len();
    let sum = |at: usize| curves.iter().map(|curve| curve.points[at]).sum::<f64>();
    let top = ceiling((0..count).map(sum).fold(0.0, f64::max));
    let mut drawing = Drawing::new(280.0, "Where the media came from over the evening");
    drawing.values(top, "Mbit/s");
    drawing.stack(&curves, top);
    drawing.moments(&moments(report, count, seconds));
    let content = format!("{}<figure>{}</figure>", legend(&SOURCES), drawing.finish());
    let words = format!(
        "What players received with {}, by where it came from. Seed {}, simulated{}.",
        named(&world.policy),
        world.seed,
        if report.log.is_some() { "; times are UTC" } else { "" }
    );
    section("Where the media comes from", &words, &content)
}

/// What the origin sends, with and without.
pub(super) fn origin(report: &Report) -> String {
    let mut curves = Vec::new();
    let mut seconds = 0.0;
    for summary in report.summaries {
        let Some(world) = report.world(&summary.policy) else { continue };
        let (points, step) = steps(world, &|step| step.origin_sent);
        seconds = step;
        curves.push((Curve { class: report.class(&summary.policy), points }, named(&summary.policy)));
    }
    if curves.len() < 2 {
        return String::new();
    }
    let peak = curves.iter().flat_map(|(curve, _)| &curve.points).fold(0.0, |a, b| f64::max(a, *b));
    let count = curves[0].0.points.len();
    let mut drawing = Drawing::new(240.0, "What the origin sends");
    drawing.values(ceiling(peak), "Mbit/s");
    curves.iter().for_each(|(curve, _)| drawing.line(curve, ceiling(peak)));
    drawing.moments(&moments(report, count, seconds));
    let entries: Vec<(&str, &str)> =
        curves.iter().map(|(curve, name)| (curve.class, name.as_str())).collect();
    let content = format!("{}<figure>{}</figure>", legend(&entries), drawing.finish());
    let words = "What your servers send over the evening, in paired worlds: the same listeners, clicks and links. \
                 The line without Nearcast is a model too.";
    section("Load on your servers, with and without", words, &content)
}

/// A kind of plays, with their start-ups.
type Kind = (&'static str, fn(&Outcome) -> &Quantiles);

/// Start-up of each policy.
pub(super) fn startup(report: &Report) -> String {
    let kinds: [Kind; 3] = [
        ("All plays", |w| &w.network_startup_ms.all),
        ("Not all in the cache", |w| &w.network_startup_ms.uncached),
        ("Nothing cached, not foreseen", |w| &w.network_startup_ms.cold),
    ];
    let worlds: Vec<&Outcome> = report.summaries.iter().filter_map(|s| report.world(&s.policy)).collect();
    let most = worlds.iter().flat_map(|w| kinds.map(|(_, of)| of(w).p99)).max().unwrap_or(1).max(1);
    let mut content = String::new();
    let entries: Vec<(&str, String)> =
        worlds.iter().map(|w| (report.class(&w.policy), named(&w.policy))).collect();
    let entries: Vec<(&str, &str)> = entries.iter().map(|(class, name)| (*class, name.as_str())).collect();
    content.push_str(&legend(&entries));
    for (heading, of) in kinds {
        let shown: Vec<(&Outcome, &Quantiles)> =
            worlds.iter().map(|w| (*w, of(w))).filter(|(_, q)| q.count > 0).collect();
        if !shown.is_empty() {
            content.push_str(&rows(report, heading, &shown, most));
        }
    }
    let words = "The network's part of the time from a click to the first sound or picture: the large dot is the \
                 median, then 75, 90 and 99 of a hundred plays. Shorter is better.";
    section("How soon a play starts", words, &content)
}

fn rows(report: &Report, heading: &str, shown: &[(&Outcome, &Quantiles)], most: u64) -> String {
    let height = 40.0 * to_float(shown.len() as u64) + 34.0;
    let mut drawing = Drawing::new(height, heading);
    let axis = scale(most);
    let top = axis.last().copied().unwrap_or(1);
    let rules: Vec<(f64, String)> = axis.iter().map(|at| (log_share(*at, top), millis(*at))).collect();
    drawing.rules(&rules);
    for (row, (world, q)) in (0_u32..).zip(shown) {
        let [p50, p75, p90, p99] =
            [q.p50, q.p75, q.p90, q.p99].map(|value| (log_share(value, top), millis(value)));
        let marks = [&p50, &p75, &p90, &p99].map(|(share, words)| (*share, words.as_str()));
        let class = report.class(&world.policy);
        drawing.row(f64::from(row) * 40.0 + 26.0, class, short(&world.policy), &marks);
    }
    let count = shown.iter().map(|(_, q)| q.count).max().unwrap_or(0);
    let caption = format!("{heading} ({} plays)", crate::show::words::count(count));
    format!("<p style=\"margin:1rem 0 .2rem\"><b>{caption}</b></p><figure>{}</figure>", drawing.finish())
}

fn short(policy: &str) -> &str {
    match policy {
        "nearcast" => "Nearcast",
        "origin-only" => "origin only",
        other => other,
    }
}

/// Marks of a logarithmic axis from 1 ms to beyond `most`.
fn scale(most: u64) -> Vec<u64> {
    let mut marks = vec![1];
    while *marks.last().unwrap_or(&u64::MAX) < most {
        marks.push(marks.last().unwrap_or(&1) * 10);
    }
    if marks.len() < 2 {
        marks.push(10);
    }
    marks
}

/// Where `value` is between 1 and `top` on a logarithmic axis; a cached play takes no time and stands at its start.
fn log_share(value: u64, top: u64) -> f64 {
    to_float(value.max(1)).ln() / to_float(top.max(2)).ln()
}

/// Offload by popularity.
pub(super) fn popularity(report: &Report) -> String {
    let Some(world) = report.ours().and_then(|ours| report.world(&ours.policy)) else { return String::new() };
    let groups: Vec<_> = world.popularity.iter().filter(|group| group.bytes.sum() > 0).collect();
    if groups.len() < 2 {
        return String::new();
    }
    let mut drawing = Drawing::new(270.0, "Sources by popularity of the title");
    drawing.values(100.0, "");
    let count = u32::try_from(groups.len()).unwrap_or(10);
    for (index, group) in (0_u32..).zip(&groups) {
        let pieces = SOURCES.map(|(class, _)| (class, ratio(of(class, &group.bytes), group.bytes.sum())));
        let titles = format!("{}", group.titles);
        let holders = format!("{:.1}", group.holders);
        drawing.upright((index, count), &pieces, [&titles, &holders]);
    }
    let content = format!("{}<figure>{}</figure>", legend(&SOURCES), drawing.finish());
    let (first, last) = (groups[0], groups[groups.len() - 1]);
    let from_others = |bytes: &Bytes| percent(1.0 - ratio(bytes.origin, bytes.sum()));
    let words = format!(
        "Titles in groups that draw about a tenth of the plays each, the most popular on the left: {} not from your \
         servers there, {} on the right. In percent; below each bar the number of titles, and how many other \
         listeners of the same operator had something of the title when a play began.",
        from_others(&first.bytes),
        from_others(&last.bytes)
    );
    section("Popular titles help most", &words, &content)
}
