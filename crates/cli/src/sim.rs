//! `nearcast sim`: the engine in a simulated world, and what a provider's own audience would save.

mod log;
mod memory;
mod output;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use nearcast_engine::Span;
use nearcast_sim::show::{BASELINE, Driver, summaries};
use nearcast_sim::{
    Outcome, Policy, SHIPPED, Scenario, Until, Violation, run_seeds, simulate, simulate_with_bound,
};

use log::LogArgs;
use output::{Made, OutputArgs};

/// Simulate listeners, links and an origin, and print what would come from where.
///
/// The nodes run the production engine, or an agent of your choice to compare with. Every figure is simulated.
/// The same scenario and seed give the same world, to the last message; worlds that differ in the policy alone
/// have the same listeners, links and clicks. With --from-log the audience is that of your own access log.
#[derive(Debug, clap::Args)]
pub(crate) struct SimArgs {
    /// A scenario's name, or a .toml file; with --from-log, the homes behind the addresses.
    #[arg(long, value_name = "NAME|FILE")]
    scenario: Option<String>,
    /// What decides in each node; several with commas. --report, --from-log and --price-per-gb add origin-only.
    ///
    /// oracle and oracle-told decide nothing: they are bounds, what no policy can do better with and without knowing
    /// the future.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "nearcast")]
    policy: Vec<Policy>,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "replay")]
    seed: u64,
    /// How many seeds, one after the other, on all cores. [default: 1; with --from-log 3]
    #[arg(long, value_name = "N", conflicts_with = "replay")]
    seeds: Option<u64>,
    /// Another number of listeners than the scenario's; with --from-log, the most that are simulated.
    #[arg(long, value_name = "N")]
    listeners: Option<u32>,
    /// Run the world of this seed again, and say when what happened.
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,
    /// Stop after this many events.
    #[arg(long, value_name = "EVENT")]
    until: Option<u64>,
    /// Print the decisions of this listener, in plain words.
    #[arg(long, value_name = "LISTENER")]
    trace: Option<u32>,
    /// Print beside one world what nobody could have done better in the same evening, and why the origin was asked for
    /// what others had.
    #[arg(long)]
    bound: bool,
    /// Run the first seed also with one assumption changed at a time. With --from-log it always is.
    #[arg(long)]
    what_if: bool,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    output: OutputArgs,
}

type WorldResult = Result<Outcome, Box<Violation>>;

/// Runs the worlds and prints what came of them. Fails when an invariant broke.
pub(crate) fn run(mut args: SimArgs) -> anyhow::Result<ExitCode> {
    memory::use_huge_pages();
    let began = Instant::now();
    let seeds = args.seeds.unwrap_or(if args.log.given() { 3 } else { 1 });
    ensure!(seeds > 0, "--seeds must be at least 1");
    if let Some(seed) = args.replay {
        args.seed = seed;
    }
    if args.log.given() || args.output.compares() {
        add_baseline(&mut args.policy);
    }
    let base = base(&args)?;
    let log = match &base {
        Some(base) => args.log.read(base, args.listeners)?,
        None => None,
    };
    let base = log.as_ref().map_or(base, |log| Some(log.scenario.clone()));
    let scenario = |seed| base.clone().unwrap_or_else(|| Scenario::random(seed));
    if args.until.is_some() || args.trace.is_some() || args.replay.is_some() || args.bound {
        ensure!(
            seeds == 1 && args.policy.len() == 1,
            "--replay, --until, --trace and --bound are about one world: give one seed and one policy"
        );
        let until = Until { event: args.until, explain: args.trace };
        let run = if args.bound { simulate_with_bound } else { simulate };
        let result = run(&scenario(args.seed), args.seed, args.policy[0], until);
        return output::one_world(&args.output, result, began.elapsed());
    }
    let seeds: Vec<u64> = (0..seeds).map(|n| args.seed.wrapping_add(n)).collect();
    let variants = match &base {
        Some(base) if args.what_if || args.log.given() => variants(base, log.as_ref()),
        Some(_) | None => Vec::new(),
    };
    let bar = bar(&args, &scenario, &seeds, &variants);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let passing = |span: Span| bar.inc(span.millis());
    let results = run_seeds(&scenario, &seeds, &args.policy, threads, &passing);
    let drivers = drivers(&variants, &args, threads, &passing)?;
    bar.finish_and_clear();
    let made = Made { results, drivers, log, command: command(), wall: began.elapsed() };
    output::all(&args.output, &args.policy, &made)
}

fn add_baseline(policies: &mut Vec<Policy>) {
    if !policies.iter().any(|policy| policy.name() == BASELINE)
        && let Ok(baseline) = BASELINE.parse()
    {
        policies.push(baseline);
    }
}

/// The scenario to begin with; none when each seed draws its own.
fn base(args: &SimArgs) -> anyhow::Result<Option<Scenario>> {
    let from_log = args.log.given();
    match args.scenario.as_deref() {
        Some("random") => {
            ensure!(!from_log, "--from-log needs one scenario for all seeds, not random ones");
            ensure!(args.listeners.is_none(), "random worlds draw their own number of listeners");
            Ok(None)
        }
        None if from_log => Ok(Some(Scenario::audience()?)),
        // The number of listeners is the log's.
        Some(name) if from_log => Ok(Some(load(name, None)?)),
        name => Ok(Some(load(name.unwrap_or("small"), args.listeners)?)),
    }
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

/// One assumption changed at a time.
fn variants(base: &Scenario, log: Option<&log::Log>) -> Vec<(String, Scenario)> {
    let mut variants = base.variants();
    if let Some(log) = log {
        variants.extend(log.variants.iter().cloned());
    }
    variants
}

fn drivers(
    variants: &[(String, Scenario)],
    args: &SimArgs,
    threads: usize,
    passing: &(dyn Fn(Span) + Sync),
) -> anyhow::Result<Vec<Driver>> {
    let Some(policy) = args.policy.first().filter(|_| !variants.is_empty()) else { return Ok(Vec::new()) };
    // Each variant stands where a seed would, so that all run at once.
    let numbers: Vec<u64> = (0..variants.len() as u64).collect();
    let scenario = |number: u64| {
        let at = usize::try_from(number).unwrap_or(0);
        variants[at].1.clone()
    };
    let jobs: Vec<WorldResult> = nearcast_sim::run_worlds(
        &|number| (scenario(number), args.seed),
        &numbers,
        &[*policy],
        threads,
        passing,
    );
    let mut drivers = Vec::new();
    for (result, (assumed, _)) in jobs.into_iter().zip(variants) {
        let world =
            result.map_err(|violation| anyhow::anyhow!("with the assumption '{assumed}': {violation}"))?;
        for summary in summaries(&[world]) {
            drivers.push(Driver {
                assumed: assumed.clone(),
                offload: summary.offload,
                origin_sent: summary.origin_sent,
                peak_origin_rate: summary.peak_origin_rate,
            });
        }
    }
    Ok(drivers)
}

/// Simulated time still to come, over all worlds.
fn bar(
    args: &SimArgs,
    scenario: &dyn Fn(u64) -> Scenario,
    seeds: &[u64],
    variants: &[(String, Scenario)],
) -> ProgressBar {
    let of_seeds: u64 = seeds.iter().map(|seed| scenario(*seed).length().millis()).sum();
    let of_variants: u64 = variants.iter().map(|(_, variant)| variant.length().millis()).sum();
    let bar = ProgressBar::new(of_seeds * args.policy.len() as u64 + of_variants);
    if let Ok(style) = ProgressStyle::with_template("simulating {bar:40} {percent:>3} %, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// The command as it was given, for making the same again.
fn command() -> String {
    let word = |word: String| if word.contains(' ') { format!("'{word}'") } else { word };
    let words = std::env::args_os().skip(1).map(|arg| word(arg.to_string_lossy().into_owned()));
    ["nearcast".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// Writes a file the user asked for.
fn write(path: &PathBuf, text: &str) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("{} is a folder; give the name of a file", path.display());
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
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

    #[test]
    fn what_is_compared_has_the_origin_alone_beside_it_once() {
        let mut policies = vec!["nearcast".parse().expect("known")];
        add_baseline(&mut policies);
        add_baseline(&mut policies);
        assert_eq!(policies.iter().map(|policy| policy.name()).collect::<Vec<_>>(), ["nearcast", BASELINE]);
    }
}
