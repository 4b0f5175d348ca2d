//! `nearcast keep` and `nearcast cache`: what stays on this device, and what goes.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::gateway::{GatewayArgs, RunningNode};
use crate::shell;

/// Between two looks at how far kept titles are.
const LOOK: Duration = Duration::from_millis(100);

/// Keep titles on this device, to play them offline.
///
/// Kept titles are fetched completely and never evicted, also after a restart. Of a film in several qualities the
/// best one is kept. Without titles, lists what is kept.
#[derive(Debug, clap::Args)]
pub(crate) struct KeepArgs {
    /// Titles, by id, name, or a part of a name that only one has.
    #[arg(value_name = "TITLE")]
    titles: Vec<String>,
    /// Wait until all of them are here.
    #[arg(long, conflicts_with_all = ["remove", "list"])]
    wait: bool,
    /// Let them go: they stay in the cache only until room is needed.
    #[arg(long, conflicts_with = "list", requires = "titles")]
    remove: bool,
    /// List what is kept, and how far it is here.
    #[arg(long, conflicts_with = "titles")]
    list: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Throw titles out of the cache, or all that is not kept.
#[derive(Debug, clap::Args)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    what: CacheCommand,
}

#[derive(Debug, clap::Subcommand)]
enum CacheCommand {
    /// Throw out everything that is neither kept nor playing.
    Clear(GatewayArgs),
    /// Throw out some titles. One that plays stays until it was played.
    Delete {
        /// Titles, by id, name, or a part of a name that only one has.
        #[arg(value_name = "TITLE", required = true)]
        titles: Vec<String>,
        #[command(flatten)]
        gateway: GatewayArgs,
    },
}

/// How far a kept title is here.
#[derive(Clone, Debug, Deserialize)]
struct Kept {
    id: String,
    name: Option<String>,
    held_bytes: u64,
    size_bytes: Option<u64>,
    complete: bool,
}

/// Runs `keep`.
pub(crate) fn keep(args: KeepArgs) -> anyhow::Result<ExitCode> {
    let node = args.gateway.node()?;
    shell::run(async |stop| {
        let titles = node.find(&args.titles).await?;
        let ids: Vec<String> = titles.into_iter().map(|title| title.id).collect();
        let mut answer = match (ids.is_empty(), args.remove) {
            (true, _) => node.get("kept").await?,
            (false, true) => node.post("control/unkeep", &json!({ "titles": ids })).await?,
            (false, false) => node.post("control/keep", &json!({ "titles": ids })).await?,
        };
        if args.wait {
            answer = wait(&node, &ids, args.gateway.json, &stop).await?;
        }
        report(&args, &ids, &answer)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn report(args: &KeepArgs, ids: &[String], answer: &Value) -> anyhow::Result<()> {
    if args.gateway.json {
        return shell::say(&answer.to_string());
    }
    let kept = read(answer)?;
    if args.remove {
        return shell::say(&format!("{} let go.", shell::count(ids.len(), "title")));
    }
    if kept.is_empty() {
        return shell::say("Nothing is kept. `nearcast keep TITLE` keeps a title on this device.");
    }
    for title in kept.iter().filter(|title| ids.is_empty() || ids.contains(&title.id)) {
        shell::say(&line(title))?;
    }
    Ok(())
}

fn read(answer: &Value) -> anyhow::Result<Vec<Kept>> {
    Kept::deserialize_all(answer).context("the node answered something else than what it keeps")
}

impl Kept {
    fn deserialize_all(answer: &Value) -> Result<Vec<Self>, serde_json::Error> {
        serde_json::from_value(answer.clone())
    }
}

fn line(title: &Kept) -> String {
    let name = title.name.as_deref().map(shell::printable).unwrap_or_default();
    let far = match title.size_bytes {
        Some(size) if title.complete => shell::bytes(size),
        Some(size) => format!("{} of {} here", shell::bytes(title.held_bytes), shell::bytes(size)),
        None => "waits for its provider".to_owned(),
    };
    format!("{:<32} {name}  {far}", title.id)
}

/// Waits until the titles are here, and shows how far they are.
async fn wait(
    node: &RunningNode,
    ids: &[String],
    json: bool,
    stop: &CancellationToken,
) -> anyhow::Result<Value> {
    let bar = shell::bar(json);
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {bytes}/{total_bytes} {wide_msg}") {
        bar.set_style(style);
    }
    loop {
        let answer = node.get("kept").await?;
        let kept = read(&answer)?;
        let ours: Vec<&Kept> =
            kept.iter().filter(|title| ids.is_empty() || ids.contains(&title.id)).collect();
        ensure!(ids.is_empty() || ours.len() == ids.len(), "a title is not kept any more");
        show(&bar, &ours);
        if ours.iter().all(|title| title.complete) {
            bar.finish_and_clear();
            return Ok(answer);
        }
        let pause = stop.run_until_cancelled(tokio::time::sleep(LOOK)).await;
        ensure!(pause.is_some(), "interrupted; the node goes on to fetch what is kept");
    }
}

fn show(bar: &ProgressBar, titles: &[&Kept]) {
    bar.set_length(titles.iter().filter_map(|title| title.size_bytes).sum());
    bar.set_position(titles.iter().map(|title| title.held_bytes).sum());
    let open = titles.iter().filter(|title| !title.complete).count();
    bar.set_message(format!("{} to come", shell::count(open, "title")));
}

/// Runs `cache`.
pub(crate) fn cache(args: CacheArgs) -> anyhow::Result<ExitCode> {
    let (gateway, titles) = match args.what {
        CacheCommand::Clear(gateway) => (gateway, None),
        CacheCommand::Delete { titles, gateway } => (gateway, Some(titles)),
    };
    let node = gateway.node()?;
    let answer = shell::run(async |_| match titles {
        None => node.post("control/cache/clear", &json!({})).await,
        Some(names) => {
            let found = node.find(&names).await?;
            let ids: Vec<String> = found.into_iter().map(|title| title.id).collect();
            node.post("control/cache/delete", &json!({ "titles": ids })).await
        }
    })?;
    if gateway.json {
        shell::say(&answer.to_string())?;
    } else {
        let (freed, held) = (&answer["freed_bytes"], &answer["cache_bytes"]);
        let bytes = |value: &Value| shell::bytes(value.as_u64().unwrap_or(0));
        shell::say(&format!("{} thrown out; the cache holds {}.", bytes(freed), bytes(held)))?;
    }
    Ok(ExitCode::SUCCESS)
}
