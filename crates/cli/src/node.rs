//! `nearcast node`, and what asks a running one: `titles` and `status`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use nearcast_content::Link;
use nearcast_content::policy::SupernodeUrl;
use nearcast_engine::Rate;
use nearcast_engine::wire::Serves;
use nearcast_node::gateway::Gateway;
use nearcast_node::metrics;
use nearcast_node::node::{Node, Pinned};
use nearcast_node::origin::{OriginClient, OriginMetrics, OriginSettings, Trouble};
use nearcast_node::settings::{Profile, Settings, parse_rate, parse_size};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::shell;

/// Run a node: play a provider's titles in any player, and hand them on to who is near.
///
/// What is not said here is taken from the settings, which `nearcast config` prints.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// The provider's link, as `nearcast serve` or `publish` prints it.
    #[arg(value_name = "LINK")]
    pub(crate) link: Link,
    /// File of settings to read instead of the usual one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the node's memory and cache.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Address where players find the node, on this machine; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = shell::address)]
    pub(crate) gateway: Option<SocketAddr>,
    /// UDP address for peers; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = shell::address)]
    pub(crate) listen: Option<SocketAddr>,
    /// What the cache may hold, like 2GB; otherwise 10 % of the free disk, 50 MB to 10 GB.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) cache: Option<u64>,
    /// Ceiling on delivery to others, like 5mbit. Those in your own network do not count.
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) upload_limit: Option<Rate>,
    /// Whether to hand on what was played.
    #[arg(long, value_name = "on|off", value_parser = sharing)]
    pub(crate) sharing: Option<Serves>,
    /// Supernode to use instead of the provider's.
    #[arg(long, value_name = "URL")]
    pub(crate) supernode: Option<SupernodeUrl>,
    /// Print one JSON object when ready instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Ask a running node.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GatewayArgs {
    /// Where the node's players find it; otherwise as in the settings.
    #[arg(long, value_name = "ADDRESS", value_parser = shell::address)]
    gateway: Option<SocketAddr>,
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
    serves: Serves,
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

impl NodeArgs {
    /// The settings of the file, and over them what was said on the command line.
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::load(self.config.as_deref())?;
        settings.cache.dir = self.state.clone().or(settings.cache.dir);
        settings.cache.budget = self.cache.or(settings.cache.budget);
        settings.gateway.listen = self.gateway.unwrap_or(settings.gateway.listen);
        settings.transport.listen = self.listen.unwrap_or(settings.transport.listen);
        settings.sharing.upload_limit = self.upload_limit.or(settings.sharing.upload_limit);
        settings.directory.supernode = self.supernode.clone().or(settings.directory.supernode);
        match self.sharing {
            Some(Serves::Others) => {
                settings.sharing.enabled = true;
                settings.sharing.profile = Profile::Home;
            }
            Some(Serves::Nobody) => settings.sharing.enabled = false,
            None => {}
        }
        Ok(settings)
    }
}

/// Starts a node and its gateway.
async fn start(args: &NodeArgs) -> anyhow::Result<Running> {
    start_with(args.link.clone(), &args.settings()?).await
}

/// Starts a node with `settings` alone, whatever the user's file says.
pub(crate) async fn start_with(link: Link, settings: &Settings) -> anyhow::Result<Running> {
    let mut registry = metrics::registry();
    let origin = origin_client(&mut registry)?;
    let options = settings.node_options(link)?;
    // Bound before the node starts: a taken port should not cost a look at the provider.
    let gateway = Gateway::bind(settings.gateway.listen, &mut registry).await?;
    let address = gateway.address();
    let node = Node::start(options, origin, &mut registry).await?;
    let stop = CancellationToken::new();
    let serving = node.serve_players(gateway, registry, stop.clone());
    Ok(Running { node, gateway: format!("http://{address}/"), serves: settings.serves(), serving, stop })
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
    let sharing = match running.serves {
        Serves::Others => "on: what you played is handed on to others",
        Serves::Nobody => "off: nothing is handed on",
    };
    shell::say(&format!("Titles and players:  {}", running.gateway))?;
    shell::say(&format!("Sharing is {sharing}."))?;
    shell::say("Stop with Ctrl-C.")
}

/// Lists the titles of a running node.
pub(crate) fn titles(args: GatewayArgs) -> anyhow::Result<ExitCode> {
    let gateway = args.gateway()?;
    let titles = ask(gateway, "titles")?;
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
            gateway,
            text("id"),
            text("file"),
        );
        shell::say(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says how a running node is doing.
pub(crate) fn status(args: GatewayArgs) -> anyhow::Result<ExitCode> {
    let status = ask(args.gateway()?, "status")?;
    if args.json {
        shell::say(&status.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let counted =
        |what: &str, one| shell::count(usize::try_from(number(&status[what])).unwrap_or(usize::MAX), one);
    let megabytes =
        |value: &Value| format!("{}.{} MB", number(value) / 1_000_000, number(value) / 100_000 % 10);
    let delivered = &status["delivered_bytes"];
    let total: u64 = ["cache", "peers", "origin"].iter().map(|s| number(&delivered[*s])).sum();
    let name = status["provider"]["name"].as_str().unwrap_or("the provider");
    shell::say(&format!("Playing titles of {name}."))?;
    shell::say(&format!(
        "{} connected; the cache holds {}.",
        counted("peers", "peer"),
        megabytes(&status["cache_bytes"])
    ))?;
    if status["supernode"] == "away" {
        shell::say("The supernode does not answer: others are not found.")?;
    }
    if status["disk"] == "full" {
        shell::say("The disk is full: what plays goes on, and is not kept.")?;
    }
    shell::say(&format!("{}, {}.", counted("plays", "play"), counted("stalls", "stall")))?;
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

impl GatewayArgs {
    fn gateway(&self) -> anyhow::Result<SocketAddr> {
        match self.gateway {
            Some(gateway) => Ok(gateway),
            None => Ok(Settings::load(None)?.gateway.listen),
        }
    }
}

/// Asks a running node's gateway.
fn ask(address: SocketAddr, what: &str) -> anyhow::Result<Value> {
    let url = format!("http://{address}/{what}").parse().context("the address makes no URL")?;
    let client = origin_client(&mut metrics::registry())?;
    let answer = shell::run(async |_| Ok(client.fetch_document(&url, MAX_ANSWER, None).await))?;
    let text = match answer {
        Ok(text) => text,
        Err(error) if matches!(error.trouble, Trouble::Connect(_)) => {
            bail!("no node answers at {address}; start one with `nearcast node LINK`, or name its --gateway")
        }
        Err(error) if matches!(error.trouble, Trouble::Absent { .. }) => {
            bail!("what answers at {address} is no node; name the node's --gateway")
        }
        Err(error) => return Err(error.into()),
    };
    serde_json::from_slice(&text)
        .map_err(|_| anyhow!("what answers at {address} is no node; name the node's --gateway"))
}

fn origin_client(registry: &mut metrics::Registry) -> anyhow::Result<OriginClient> {
    let counts = OriginMetrics::register(registry);
    OriginClient::new(OriginSettings::default(), counts)
        .map_err(|why| anyhow::anyhow!("the HTTP client does not start: {why}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        node: NodeArgs,
    }

    fn settings(file: &str, flags: &[&str]) -> Settings {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, file).expect("written");
        let line = ["node", "https://example.org/", "--config"].map(str::to_owned).into_iter();
        let line =
            line.chain([path.display().to_string()]).chain(flags.iter().map(|flag| (*flag).to_owned()));
        Line::try_parse_from(line)
            .map_err(|e| e.to_string())
            .expect("a command line")
            .node
            .settings()
            .expect("settings")
    }

    #[test]
    fn the_file_holds_where_the_command_line_says_nothing() {
        let file = "sharing.enabled = false\ncache.budget = \"2GB\"\ngateway.listen = \"127.0.0.1:9\"\n";
        let read = settings(file, &[]);
        assert_eq!(read, Settings::parse(file).expect("settings"));
        let read = settings(file, &["--sharing", "on", "--cache", "1GB"]);
        assert_eq!(read.serves(), Serves::Others);
        assert_eq!(read.cache.budget, Some(1_000_000_000));
        assert_eq!(read.gateway.listen.port(), 9);
    }

    #[test]
    fn the_command_line_holds_over_the_file() {
        let flags =
            ["--upload-limit", "1mbit", "--gateway", "[::1]:7", "--listen", "0.0.0.0:8", "--state", "there"];
        let read = settings("sharing.upload_limit = \"5mbit\"\n", &flags);
        assert_eq!(read.sharing.upload_limit, Some(Rate::from_bits_per_sec(1_000_000)));
        assert_eq!((read.gateway.listen.port(), read.transport.listen.port()), (7, 8));
        assert_eq!(read.cache.dir, Some(PathBuf::from("there")));
        assert_eq!(settings("sharing.profile = \"mobile\"", &["--sharing", "on"]).serves(), Serves::Others);
        assert_eq!(settings("", &["--sharing", "off"]).serves(), Serves::Nobody);
    }
}
