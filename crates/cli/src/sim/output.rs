//! What `nearcast sim` prints and writes: a table, JSON, CSV, a page.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nearcast_sim::access_log::{Reading, Replayed};
use nearcast_sim::show::{self, Driver, Money, Report, Summary, csv, page, summaries, table};
use nearcast_sim::{Outcome, Policy};
use serde::Serialize;

use super::log::Log;
use super::{WorldResult, write};

/// The options of what comes out.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Write one row a world as comma-separated values; "-" prints them instead of the table.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    csv: Option<PathBuf>,
    /// Print what was saved by the popularity of the titles too, beside what so many holders can save.
    #[arg(long, conflicts_with = "json")]
    by_popularity: bool,
    /// Write a page with drawings, for a meeting: one file, needs no network.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// What a gigabyte from your servers costs, to count money.
    #[arg(long, value_name = "PRICE", value_parser = price)]
    price_per_gb: Option<f64>,
}

fn price(text: &str) -> Result<f64, String> {
    let price: f64 = text.parse().map_err(|_| format!("'{text}' is not a price such as 0.05"))?;
    if price.is_finite() && price >= 0.0 { Ok(price) } else { Err("a price is zero or more".to_owned()) }
}

impl OutputArgs {
    /// Whether something is shown that makes no sense without the origin alone beside it.
    pub(super) fn compares(&self) -> bool {
        self.report.is_some() || self.price_per_gb.is_some()
    }
}

/// What came of all worlds.
pub(super) struct Made {
    pub(super) results: Vec<WorldResult>,
    pub(super) drivers: Vec<Driver>,
    pub(super) log: Option<Log>,
    pub(super) command: String,
    pub(super) wall: Duration,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'r> {
    simulated: bool,
    policies: &'r [Summary],
    worlds: &'r [Outcome],
    violations: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<PrintedLog<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<Vec<PrintedMoney<'r>>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    drivers: &'r [Driver],
    wall_ms: u128,
    events_per_second: u128,
    peak_memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct PrintedLog<'r> {
    reading: &'r Reading,
    replayed: &'r Replayed,
}

/// What one world's origin bytes cost, with the cheapest and the dearest of the seeds.
#[derive(Serialize)]
struct PrintedMoney<'r> {
    policy: &'r str,
    price_per_gb: f64,
    cost: f64,
    low: f64,
    high: f64,
}

/// Prints and writes what came of all worlds.
pub(super) fn all(args: &OutputArgs, policies: &[Policy], made: &Made) -> anyhow::Result<ExitCode> {
    let worlds: Vec<Outcome> = made.results.iter().filter_map(|r| r.as_ref().ok()).cloned().collect();
    let violations: Vec<String> =
        made.results.iter().filter_map(|r| r.as_ref().err()).map(ToString::to_string).collect();
    let summaries = summaries(&worlds);
    let money = args.price_per_gb.map(|per_gigabyte| Money { per_gigabyte });
    let failed = !violations.is_empty();
    if args.json {
        print_json(made, (&worlds, &summaries), (violations, money))?;
    } else {
        print_text(args, made, (&worlds, &summaries), money)?;
        violations.iter().for_each(|violation| eprintln!("broken: {violation}"));
    }
    if let Some(path) = args.csv.as_ref().filter(|path| path.as_os_str() != "-") {
        write(path, &csv(&worlds))?;
    }
    if let Some(path) = &args.report {
        let report = Report {
            name: made.log.as_ref().map_or_else(|| name_of(&worlds), |log| log.name.clone()),
            worlds: &worlds,
            summaries: &summaries,
            money,
            assumptions: assumptions(made, policies),
            drivers: &made.drivers,
            log: made.log.as_ref().map(|log| (&log.reading, &log.replayed)),
            command: made.command.clone(),
        };
        write(path, &page(&report))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn name_of(worlds: &[Outcome]) -> String {
    worlds.first().map_or_else(String::new, |world| world.scenario.clone())
}

fn assumptions(made: &Made, policies: &[Policy]) -> Vec<String> {
    let mut said = made.log.as_ref().map_or_else(Vec::new, |log| log.replayed.assumptions.clone());
    said.push(
        "The nodes run the same engine as the product; links, homes, reach and who shares are drawn from the \
         scenario."
            .to_owned(),
    );
    if policies.len() > 1 {
        said.push("Policies are compared in paired worlds: the same listeners, clicks and links.".to_owned());
    }
    said
}

fn print_json(
    made: &Made,
    (worlds, policies): (&[Outcome], &[Summary]),
    (violations, money): (Vec<String>, Option<Money>),
) -> anyhow::Result<()> {
    let events: u128 = worlds.iter().map(|world| u128::from(world.events)).sum();
    let log = made.log.as_ref();
    let printed = Printed {
        simulated: true,
        policies,
        worlds,
        violations,
        log: log.map(|log| PrintedLog { reading: &log.reading, replayed: &log.replayed }),
        money: money.map(|money| policies.iter().map(|summary| costs(summary, money)).collect()),
        drivers: &made.drivers,
        wall_ms: made.wall.as_millis(),
        events_per_second: events * 1_000 / made.wall.as_millis().max(1),
        peak_memory_bytes: peak_memory(),
    };
    writeln!(io::stdout(), "{}", serde_json::to_string(&printed)?)?;
    Ok(())
}

fn costs(summary: &Summary, money: Money) -> PrintedMoney<'_> {
    let range = summary.range.origin_sent;
    let (cost, low, high) = (money.of(float(summary.origin_sent)), money.of(range.low), money.of(range.high));
    PrintedMoney { policy: &summary.policy, price_per_gb: money.per_gigabyte, cost, low, high }
}

#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn float(whole: u64) -> f64 {
    whole as f64
}

fn print_text(
    args: &OutputArgs,
    made: &Made,
    (worlds, summaries): (&[Outcome], &[Summary]),
    money: Option<Money>,
) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if args.csv.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        write!(out, "{}", csv(worlds))?;
        return Ok(());
    }
    if let Some(log) = &made.log {
        write!(out, "{}", show::reading(&log.reading, &log.replayed))?;
    }
    if !summaries.is_empty() {
        write!(out, "{}", table(summaries))?;
    }
    if args.by_popularity {
        write!(out, "{}", show::popularity(summaries))?;
    }
    for summary in summaries {
        let Some(money) = money else { break };
        let costs = costs(summary, money);
        let range = if summary.seeds > 1 {
            format!(" ({:.2} to {:.2})", costs.low, costs.high)
        } else {
            String::new()
        };
        writeln!(out, "simulated: with {} the origin's bytes cost {:.2}{range}", summary.policy, costs.cost)?;
    }
    write!(out, "{}", show::drivers(&made.drivers))?;
    writeln!(out, "{}", pace(worlds, made.wall))?;
    Ok(())
}

/// One world, perhaps stopped early: what was explained, and where it stood.
pub(super) fn one_world(args: &OutputArgs, result: WorldResult, wall: Duration) -> anyhow::Result<ExitCode> {
    let (world, violation) = match result {
        Ok(world) => (Some(world), None),
        Err(violation) => (None, Some(violation)),
    };
    let mut out = io::stdout().lock();
    let failed = violation.is_some();
    let worlds: Vec<Outcome> = world.into_iter().collect();
    let summaries = summaries(&worlds);
    if args.json {
        let made = Made { results: Vec::new(), drivers: Vec::new(), log: None, command: String::new(), wall };
        let violations = violation.iter().map(ToString::to_string).collect();
        print_json(&made, (&worlds, &summaries), (violations, None))?;
    } else {
        let explained = violation.as_ref().map(|violation| &violation.explained);
        let explained = explained.or(worlds.first().map(|world| &world.explained));
        for line in explained.into_iter().flatten() {
            writeln!(out, "{line}")?;
        }
        for world in &worlds {
            write!(out, "{}", table(&summaries))?;
            write!(out, "{}", show::bound(world))?;
            if args.by_popularity {
                write!(out, "{}", show::popularity(&summaries))?;
            }
            writeln!(
                out,
                "simulated: seed {}, {} events until {:.3} s of the world; trace {}",
                world.seed,
                world.events,
                float(world.simulated_ms) / 1e3,
                world.trace
            )?;
        }
        writeln!(out, "{}", pace(&worlds, wall))?;
        violation.iter().for_each(|violation| eprintln!("broken: {violation}"));
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// How fast it went.
fn pace(worlds: &[Outcome], wall: Duration) -> String {
    let events: u128 = worlds.iter().map(|world| u128::from(world.events)).sum();
    let rate = events * 1_000 / wall.as_millis().max(1);
    let memory = peak_memory()
        .map_or_else(String::new, |bytes| format!(", {} MB of memory at most", bytes / 1_000_000));
    format!("{} worlds in {:.1} s, {rate} events/s{memory}", worlds.len(), wall.as_secs_f64())
}

/// The most memory this program had, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}
