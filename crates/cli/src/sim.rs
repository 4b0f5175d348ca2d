//! `nearcast sim`: the same engine in a simulated world.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use nearcast_sim::{Outcome, Policy, SHIPPED, Scenario, Until, Violation, run_seeds, simulate, table};
use serde::Serialize;

/// Worlds shown side by side; of more, the table has the first ones and JSON has all.
const MAX_COLUMNS: usize = 6;

/// Run the engine in a simulated world: what an audience would fetch from where, before there is one.
///
/// Every figure is simulated. The same scenario and seed give the same world, to the last message; worlds that
/// differ in the policy alone have the same listeners, links and clicks.
#[derive(Debug, clap::Args)]
pub(crate) struct SimArgs {
    /// A scenario's name (small, film-night, random), or a .toml file.
    #[arg(long, value_name = "NAME|FILE", default_value = "small")]
    scenario: String,
    /// What decides in each node: nearcast, origin-only; several with commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "nearcast")]
    policy: Vec<Policy>,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other, on all cores.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,
    /// Another number of listeners than the scenario's.
    #[arg(long, value_name = "N")]
    listeners: Option<u32>,
    /// Stop after this many events.
    #[arg(long, value_name = "EVENT")]
    until: Option<u64>,
    /// Print the decisions of this listener, in plain words.
    #[arg(long, value_name = "LISTENER")]
    trace: Option<u32>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'r> {
    simulated: bool,
    worlds: Vec<&'r Outcome>,
    violations: Vec<String>,
    wall_ms: u128,
    events_per_second: u128,
    peak_memory_bytes: Option<u64>,
}

/// Runs the worlds and prints what came of them. Fails when an invariant broke.
pub(crate) fn run(args: SimArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.seeds > 0, "--seeds must be at least 1");
    let single = args.until.is_some() || args.trace.is_some();
    let one_world = args.seeds == 1 && args.policy.len() == 1;
    ensure!(!single || one_world, "--until and --trace are about one world: give one seed and one policy");
    let base = match args.scenario.as_str() {
        "random" => None,
        name => Some(load(name, args.listeners)?),
    };
    ensure!(base.is_some() || args.listeners.is_none(), "random worlds draw their own number of listeners");
    let scenario = |seed| base.clone().unwrap_or_else(|| Scenario::random(seed));
    let began = Instant::now();
    let results = if single {
        let until = Until { event: args.until, explain: args.trace };
        vec![simulate(&scenario(args.seed), args.seed, args.policy[0], until)]
    } else {
        run_all(&args, &scenario)
    };
    print(&args, &results, began.elapsed())
}

/// A shipped scenario, or one from a file.
fn load(name: &str, listeners: Option<u32>) -> anyhow::Result<Scenario> {
    let shipped = SHIPPED.iter().any(|(known, _)| *known == name);
    let scenario = if !shipped && Path::new(name).extension().is_some_and(|e| e == "toml") {
        let text = fs::read_to_string(name).with_context(|| format!("cannot read the scenario {name}"))?;
        let mut scenario = Scenario::parse(&text).with_context(|| format!("in {name}"))?;
        name.clone_into(&mut scenario.name);
        scenario
    } else {
        Scenario::shipped(name)?
    };
    Ok(match listeners {
        Some(count) => scenario.with_listeners(count)?,
        None => scenario,
    })
}

fn run_all(
    args: &SimArgs,
    scenario: &(dyn Fn(u64) -> Scenario + Sync),
) -> Vec<Result<Outcome, Box<Violation>>> {
    let seeds: Vec<u64> = (0..args.seeds).map(|n| args.seed.wrapping_add(n)).collect();
    let worlds = args.seeds * args.policy.len() as u64;
    let bar = if worlds > 1 { ProgressBar::new(worlds) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} worlds, {eta} left") {
        bar.set_style(style);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let results = run_seeds(scenario, &seeds, &args.policy, threads, &|| bar.inc(1));
    bar.finish_and_clear();
    results
}

fn print(
    args: &SimArgs,
    results: &[Result<Outcome, Box<Violation>>],
    wall: Duration,
) -> anyhow::Result<ExitCode> {
    let worlds: Vec<&Outcome> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    let violations: Vec<String> =
        results.iter().filter_map(|result| result.as_ref().err()).map(ToString::to_string).collect();
    let failed = !violations.is_empty();
    let memory = peak_memory();
    if args.json {
        let events: u128 = worlds.iter().map(|world| u128::from(world.events)).sum();
        let printed = Printed {
            simulated: true,
            worlds,
            violations,
            wall_ms: wall.as_millis(),
            events_per_second: events * 1_000 / wall.as_millis().max(1),
            peak_memory_bytes: memory,
        };
        println!("{}", serde_json::to_string(&printed)?);
    } else {
        for result in results {
            let lines =
                result.as_ref().map_or_else(|violation| &violation.explained, |world| &world.explained);
            lines.iter().for_each(|line| println!("{line}"));
        }
        let shown: Vec<Outcome> = worlds.iter().take(MAX_COLUMNS).map(|world| (*world).clone()).collect();
        if !shown.is_empty() {
            print!("{}", table(&shown));
        }
        println!("{}", pace(&worlds, wall, memory));
        for violation in &violations {
            eprintln!("broken: {violation}");
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// How fast it went.
fn pace(worlds: &[&Outcome], wall: Duration, memory: Option<u64>) -> String {
    let events: u128 = worlds.iter().map(|world| u128::from(world.events)).sum();
    let rate = events * 1_000 / wall.as_millis().max(1);
    let memory =
        memory.map_or_else(String::new, |bytes| format!(", {} MB of memory at most", bytes / 1_000_000));
    format!("{} worlds in {:.1} s, {rate} events/s{memory}", worlds.len(), wall.as_secs_f64())
}

/// The most memory this program had, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_come_by_name_or_by_file() {
        assert_eq!(load("small", Some(5)).expect("shipped").listeners(), 5);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mine.toml");
        fs::write(&path, "[listeners]\ncount = 3").expect("written");
        let name = path.to_str().expect("text");
        let mine = load(name, None).expect("reads");
        assert_eq!((mine.name.as_str(), mine.listeners()), (name, 3));
        assert!(load("nowhere.toml", None).expect_err("no such file").to_string().contains("nowhere.toml"));
        assert!(load("smal", None).expect_err("no such name").to_string().contains("small, film-night"));
    }
}
