//! `nearcast node`, and what asks a running one: `titles` and `status`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use nearcast_content::Link;
use nearcast_engine::Rate;
use nearcast_engine::wire::Serves;
use nearcast_node::gateway::Gateway;
use nearcast_node::metrics;
use nearcast_node::node::{Node, NodeOptions, Pinned};
use nearcast_node::origin::{OriginClient, OriginMetrics, OriginSettings};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::shell;

/// Where a gateway listens unless told otherwise.
const GATEWAY: &str = "127.0.0.1:8420";

/// Run a node: play a provider's titles in any player, and hand them on to who is near.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// The provider's link, as `nearcast serve` or `publish` prints it.
    #[arg(value_name = "LINK")]
    pub(crate) link: Link,
    /// Folder of the node's memory and cache.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Address where players find the node, on this machine; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = GATEWAY)]
    pub(crate) gateway: SocketAddr,
    /// UDP address for peers; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:0")]
    pub(crate) listen: SocketAddr,
    /// Megabytes the cache may hold; otherwise 10 % of the free disk, 50 MB to 10 GB.
    #[arg(long, value_name = "MB")]
    pub(crate) cache: Option<u64>,
    /// Ceiling on delivery to others, like 5mbit. Those in your own network do not count.
    #[arg(long, value_name = "RATE", value_parser = shell::rate)]
    pub(crate) upload_limit: Option<Rate>,
    /// Whether to hand on what was played.
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = sharing)]
    pub(crate) sharing: Serves,
    /// Supernode to use instead of the provider's.
    #[arg(long, value_name = "URL")]
    pub(crate) supernode: Option<String>,
    /// Print one JSON object when ready instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Ask a running node.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GatewayArgs {
    /// Where the node's players find it.
    #[arg(long, value_name = "ADDRESS", default_value = GATEWAY)]
    gateway: SocketAddr,
    /// Print what the node answers as JSON.
    #[arg(long)]
    json: bool,
}

fn sharing(text: &str) -> Result<Serves, String> {
    match text {
        "on" => Ok(Serves::Others),
        "off" => Ok(Serves::Nobody),
        _ => Err("must be on or off".to_owned()),
    }
}

/// A node with its gateway.
pub(crate) struct Running {
    pub(crate) node: Node,
    /// Where players find it, with a slash at the end.
    pub(crate) gateway: String,
    serving: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
}

/// Runs the command.
pub(crate) fn run(args: NodeArgs) -> anyhow::Result<ExitCode> {
    shell::start_logs();
    shell::run(async |stop| {
        let running = start(&args).await?;
        announce(&args, &running)?;
        stop.cancelled().await;
        running.end().await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Starts a node and its gateway.
pub(crate) async fn start(args: &NodeArgs) -> anyhow::Result<Running> {
    let mut registry = metrics::registry();
    let origin = origin_client(&mut registry)?;
    let state = match &args.state {
        Some(state) => state.clone(),
        None => nearcast_node::node::default_state_dir().context("no home folder was found; use --state")?,
    };
    let options = NodeOptions {
        cache_budget: args.cache.map(|mb| mb.saturating_mul(1_000_000)),
        listen: args.listen,
        serves: args.sharing,
        upload_limit: args.upload_limit,
        supernode: args.supernode.clone(),
        ..NodeOptions::new(args.link.clone(), state)
    };
    // Bound before the node starts: a taken port should not cost a look at the provider.
    let gateway = Gateway::bind(args.gateway, &mut registry).await?;
    let address = gateway.address();
    let node = Node::start(options, origin, &mut registry).await?;
    let stop = CancellationToken::new();
    let serving = node.serve_players(gateway, registry, stop.clone());
    Ok(Running { node, gateway: format!("http://{address}/"), serving, stop })
}

impl Running {
    /// Stops the gateway, then the node; what was fetched is durable afterwards.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.serving.await.context("the gateway ended badly")?;
        Ok(self.node.stop().await?)
    }
}

fn announce(args: &NodeArgs, running: &Running) -> anyhow::Result<()> {
    let (key, provider) = (running.node.key(), running.node.provider());
    if args.json {
        let ready = json!({ "gateway": running.gateway, "node": key, "provider": provider });
        return shell::say(&ready.to_string());
    }
    match running.node.pinned() {
        Pinned::Known => {}
        Pinned::FirstUse => {
            shell::say(&format!(
                "This provider's key was not known and is trusted from here on:\n  {provider}"
            ))?;
        }
        Pinned::Succeeded { from } => {
            shell::say(&format!(
                "The provider changed its key, and the old one vouches for it:\n  {from} -> {provider}"
            ))?;
        }
    }
    let sharing = match args.sharing {
        Serves::Others => "on: what you played is handed on to others",
        Serves::Nobody => "off: nothing is handed on",
    };
    shell::say(&format!("Titles and players:  {}", running.gateway))?;
    shell::say(&format!("Sharing is {sharing}."))?;
    shell::say("Stop with Ctrl-C.")
}

/// Lists the titles of a running node.
pub(crate) fn titles(args: GatewayArgs) -> anyhow::Result<ExitCode> {
    let titles = ask(&args, "titles")?;
    if args.json {
        shell::say(&titles.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for title in titles.as_array().context("the node answered something else than a list")? {
        let text = |field: &str| title[field].as_str().unwrap_or_default().to_owned();
        let seconds = title["duration_ms"].as_u64().unwrap_or(0) / 1000;
        let artist = title["artist"].as_str().map(|a| format!("  {a}")).unwrap_or_default();
        let line = format!(
            "{:<32} {:>3}:{:02}  {}{artist}\n    http://{}/t/{}/{}",
            text("id"),
            seconds / 60,
            seconds % 60,
            text("name"),
            args.gateway,
            text("id"),
            text("file"),
        );
        shell::say(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says how a running node is doing.
pub(crate) fn status(args: GatewayArgs) -> anyhow::Result<ExitCode> {
    let status = ask(&args, "status")?;
    if args.json {
        shell::say(&status.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let megabytes =
        |value: &Value| format!("{}.{} MB", number(value) / 1_000_000, number(value) / 100_000 % 10);
    let delivered = &status["delivered_bytes"];
    let total: u64 = ["cache", "peers", "origin"].iter().map(|s| number(&delivered[*s])).sum();
    let name = status["provider"]["name"].as_str().unwrap_or("the provider");
    shell::say(&format!("Playing titles of {name}."))?;
    shell::say(&format!(
        "{} peers are connected; the cache holds {}.",
        status["peers"],
        megabytes(&status["cache_bytes"])
    ))?;
    shell::say(&format!("{} plays, {} stalls.", status["plays"], status["stalls"]))?;
    shell::say(&format!(
        "Played: {} from the cache, {} from peers, {} from the provider.",
        megabytes(&delivered["cache"]),
        megabytes(&delivered["peers"]),
        megabytes(&delivered["origin"]),
    ))?;
    if let Some(share) =
        (total - number(&delivered["origin"])).checked_mul(100).and_then(|n| n.checked_div(total))
    {
        shell::say(&format!("The provider was spared {share} % of it."))?;
    }
    shell::say(&format!("Handed on to others: {}.", megabytes(&status["sent_bytes"])))?;
    Ok(ExitCode::SUCCESS)
}

/// Longest answer taken from a gateway: titles of a large catalogue.
const MAX_ANSWER: usize = 256 << 20;

/// Asks a running node's gateway.
fn ask(args: &GatewayArgs, what: &str) -> anyhow::Result<Value> {
    let address = args.gateway;
    let url = format!("http://{address}/{what}").parse().context("the address makes no URL")?;
    let client = origin_client(&mut metrics::registry())?;
    let answer = shell::run(async |_| Ok(client.fetch_document(&url, MAX_ANSWER, None).await?));
    let text = answer.with_context(|| {
        format!("no node answers at {address}; start one with `nearcast node LINK`, or name its --gateway")
    })?;
    serde_json::from_slice(&text).context("the answer is not JSON; is this really a node?")
}

fn origin_client(registry: &mut metrics::Registry) -> anyhow::Result<OriginClient> {
    let counts = OriginMetrics::register(registry);
    OriginClient::new(OriginSettings::default(), counts)
        .map_err(|why| anyhow::anyhow!("the HTTP client does not start: {why}"))
}
