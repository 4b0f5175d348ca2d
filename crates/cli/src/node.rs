//! `nearcast node`: a node with its gateway, until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use nearcast_content::Link;
use nearcast_content::policy::SupernodeUrl;
use nearcast_engine::Rate;
use nearcast_engine::swarm::Hours;
use nearcast_engine::wire::Serves;
use nearcast_node::gateway::Gateway;
use nearcast_node::metrics;
use nearcast_node::node::{Node, Pinned};
use nearcast_node::origin::{OriginClient, OriginMetrics, OriginSettings};
use nearcast_node::settings::{Profile, Settings, parse_hours, parse_rate, parse_size};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::status::sharing_in_words;
use crate::{autostart, shell};

/// Run a node: play a provider's titles in any player, and hand them on to who is near.
///
/// What is not said here is taken from the settings, which `nearcast config` prints.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// The provider's link, as `nearcast serve` or `publish` prints it.
    #[arg(value_name = "LINK", required_unless_present = "uninstall")]
    pub(crate) link: Option<Link>,
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
    /// Most to hand on in a calendar month, like 100GB. Those in your own network do not count.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) monthly_limit: Option<u64>,
    /// When in the day to hand on, by local time, like 23:00-07:00.
    #[arg(long, value_name = "HOURS", value_parser = parse_hours)]
    pub(crate) hours: Option<Hours>,
    /// What this device is: home rests while on battery or on a metered line, always does not, mobile hands nothing
    /// on.
    #[arg(long, value_name = "home|always|mobile", value_parser = profile)]
    pub(crate) profile: Option<Profile>,
    /// Whether to hand on what was played.
    #[arg(long, value_name = "on|off", value_parser = sharing)]
    pub(crate) sharing: Option<Serves>,
    /// Supernode to use instead of the provider's.
    #[arg(long, value_name = "URL")]
    pub(crate) supernode: Option<SupernodeUrl>,
    /// Print one JSON object when ready instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// Start it at login, with the options given here, as a systemd user unit.
    #[arg(long, conflicts_with = "json")]
    pub(crate) install: bool,
    /// Stop it and start it at login no more.
    #[arg(long, exclusive = true)]
    pub(crate) uninstall: bool,
}

fn sharing(text: &str) -> Result<Serves, String> {
    match text {
        "on" => Ok(Serves::Others),
        "off" => Ok(Serves::Nobody),
        _ => Err("must be on or off".to_owned()),
    }
}

fn profile(text: &str) -> Result<Profile, String> {
    match text {
        "home" => Ok(Profile::Home),
        "always" => Ok(Profile::Always),
        "mobile" => Ok(Profile::Mobile),
        _ => Err("must be home, always or mobile".to_owned()),
    }
}

/// A node with its gateway.
pub(crate) struct Running {
    pub(crate) node: Node,
    /// Where players find it, with a slash at the end.
    pub(crate) gateway: String,
    pub(crate) address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
}

/// Runs the command.
pub(crate) fn run(args: NodeArgs) -> anyhow::Result<ExitCode> {
    if args.uninstall {
        autostart::uninstall()?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.install {
        // What cannot start now will not start at login.
        args.settings()?;
        autostart::install(&words_to_install(std::env::args().skip(2)))?;
        return Ok(ExitCode::SUCCESS);
    }
    shell::start_logs();
    shell::run(async |stop| {
        let running = start(&args).await?;
        announce(&args, &running).await?;
        stop.cancelled().await;
        running.end().await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The words behind `nearcast node` that start the same node later.
fn words_to_install(words: impl Iterator<Item = String>) -> Vec<String> {
    words.filter(|word| word != "--install").collect()
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
        settings.sharing.monthly_limit = self.monthly_limit.or(settings.sharing.monthly_limit);
        settings.sharing.hours = self.hours.or(settings.sharing.hours);
        settings.sharing.profile = self.profile.unwrap_or(settings.sharing.profile);
        settings.directory.supernode = self.supernode.clone().or(settings.directory.supernode);
        match self.sharing {
            Some(Serves::Others) => {
                settings.sharing.enabled = true;
                if self.profile.is_none() && settings.sharing.profile == Profile::Mobile {
                    settings.sharing.profile = Profile::Home;
                }
            }
            Some(Serves::Nobody) => settings.sharing.enabled = false,
            None => {}
        }
        Ok(settings)
    }
}

/// Starts a node and its gateway.
async fn start(args: &NodeArgs) -> anyhow::Result<Running> {
    let link = args.link.clone().context("a provider's link is needed")?;
    start_with(link, &args.settings()?).await
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
    Ok(Running { node, gateway: format!("http://{address}/"), address, serving, stop })
}

impl Running {
    /// Stops the gateway, then the node; what was fetched is durable afterwards.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.serving.await.context("the gateway ended badly")?;
        Ok(self.node.stop().await?)
    }
}

async fn announce(args: &NodeArgs, running: &Running) -> anyhow::Result<()> {
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
    shell::say(&format!("Titles and players:  {}", running.gateway))?;
    shell::say(&sharing_in_words(&running.node.library().told_sharing().await))?;
    shell::say("Stop with Ctrl-C.")
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
        let flags = ["--monthly-limit", "50GB", "--hours", "22:00-06:00", "--profile", "always"];
        let read = settings("sharing = { monthly_limit = \"1GB\", hours = \"1:00-2:00\" }\n", &flags);
        assert_eq!(read.sharing.monthly_limit, Some(50_000_000_000));
        assert_eq!(read.sharing.hours, Some(Hours { from: 1_320, to: 360 }));
        assert_eq!(read.sharing.profile, Profile::Always);
        assert_eq!(settings("", &["--profile", "mobile"]).serves(), Serves::Nobody);
    }

    #[test]
    fn what_is_installed_is_what_was_said() {
        let words = ["http://a/", "--install", "--hours", "1:00-2:00"].map(str::to_owned);
        assert_eq!(words_to_install(words.into_iter()), ["http://a/", "--hours", "1:00-2:00"]);
        assert!(Line::try_parse_from(["node"]).is_err(), "a link is needed");
        assert!(Line::try_parse_from(["node", "--uninstall"]).is_ok());
    }
}
