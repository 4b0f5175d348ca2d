//! `nearcast serve`: a site's origin, supernode and relay in one process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use nearcast_content::{Link, ProviderKey, UnixTime, WebUrl};
use nearcast_node::audience::{self, AudienceMetrics};
use nearcast_node::dashboard::{self, DASHBOARD_PATH, Token};
use nearcast_node::http::{ConnectionLimits, Tls, Uplink};
use nearcast_node::origin_server::{
    Folder, OriginOptions, OriginServer, Published, front_page, kind_of, watch_policy,
};
use nearcast_node::relay::{Admission, Relay, RelayConfig};
use nearcast_node::settings::parse_rate;
use nearcast_node::stun::Stun;
use nearcast_node::supernode::{self, SupernodeConfig};
use nearcast_node::{limits_of_system, metrics, publish};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::shell::{self, Threads};

/// Serve a site: the origin of its media, and the supernode where its listeners find each other.
///
/// A folder of media that is no site is published first, into a site beside it.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The site, or a folder of media.
    #[arg(value_name = "SITE")]
    site: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8400", value_parser = shell::address)]
    listen: SocketAddr,
    /// Web address at which listeners find this, when it differs from --listen (behind a proxy, by name).
    #[arg(long, value_name = "URL")]
    url: Option<WebUrl>,
    /// Ceiling on everything served, like 20mbit.
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    uplink: Option<nearcast_engine::Rate>,
    /// Certificate to speak TLS with, as PEM, with the chain behind it. Taken anew when the file changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Address of the relay that connects listeners behind hard NATs, or "off".
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    relay: RelayAddress,
    /// Print one JSON object when ready instead of text.
    #[arg(long)]
    json: bool,
}

/// Where the relay listens, if anywhere.
#[derive(Clone, Copy, Debug)]
enum RelayAddress {
    Off,
    On(SocketAddr),
}

impl std::str::FromStr for RelayAddress {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" { Ok(Self::Off) } else { Ok(Self::On(text.parse()?)) }
    }
}

/// Runs the command.
pub(crate) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    shell::start_logs();
    let site = ready_site(&args.site)?;
    let provider = Published::read(&site)?.provider;
    limits_of_system::raise_open_files();
    shell::run_on(Threads::AllCores, async |stop| serve(&args, site, provider, stop).await)?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    args: &ServeArgs,
    site: PathBuf,
    provider: ProviderKey,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let uplink = match args.uplink {
        Some(rate) => Some(Uplink::new(rate).context("--uplink must be more than nothing")?),
        None => None,
    };
    let mut registry = metrics::registry();
    let options =
        OriginOptions { site: site.clone(), listen: args.listen, uplink, limits: ConnectionLimits::PUBLIC };
    let tls = match (&args.tls_certificate, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::open(certificate, key)?),
        (None, _) | (_, None) => None,
    };
    let server = OriginServer::bind(options, &mut registry).await?.with_tls(tls.clone());
    if let Some(tls) = tls {
        tokio::spawn(tls.follow(stop.clone()));
    }
    let relay = start_relay(args.relay).await?;
    let stun = start_stun(server.address(), &stop).await;
    let config = SupernodeConfig {
        stun_port: stun,
        relay: relay.as_ref().map(|r| r.url().to_string()),
        audience: AudienceMetrics::register(&mut registry),
        ..SupernodeConfig::new(vec![provider])
    };
    let (router, supernode) = supernode::router(config)?;
    tokio::spawn(watch_policy(site.clone(), provider, supernode.clone(), stop.clone()));
    let token = Token::draw().context("the operating system gives no random bytes")?;
    let link = announce(args, server.address(), provider, &token)?;
    let sources = dashboard::Sources {
        origin: server.metrics().clone(),
        titles: server.asked().clone(),
        supernode: supernode.clone(),
        provider,
    };
    let seen = audience::router(provider, supernode.clone(), server.metrics().clone(), &site);
    let router = router.merge(seen).merge(front_page(&site, &link)).merge(dashboard::router(
        sources,
        token,
        stop.clone(),
    ));
    let running = tokio::spawn(server.run(router, Arc::new(registry), stop.clone()));
    stop.cancelled().await;
    supernode.close();
    running.await.context("the server ended badly")?;
    if let Some(relay) = relay {
        relay.shutdown().await;
    }
    Ok(())
}

/// Says where listeners find this. Answers with the link.
fn announce(
    args: &ServeArgs,
    address: SocketAddr,
    provider: ProviderKey,
    token: &Token,
) -> anyhow::Result<Link> {
    let scheme = if args.tls_certificate.is_some() { "https" } else { "http" };
    let own = || format!("{scheme}://{}/", reachable(address)).parse();
    let url: WebUrl = match &args.url {
        Some(url) => url.clone().folder(),
        None => own().context("the address makes no URL")?,
    };
    let link = Link { site: url.clone(), provider: Some(provider), title: None };
    let dashboard = format!("{}{}{}", url, DASHBOARD_PATH.trim_start_matches('/'), token.fragment());
    if args.json {
        let ready = json!({
            "url": url.as_str(), "link": link.to_string(), "provider": provider, "dashboard": dashboard,
        });
        shell::say(&ready.to_string())?;
        return Ok(link);
    }
    shell::say(&format!("Serving {}", args.site.display()))?;
    shell::say(&format!("  player:         {url}"))?;
    shell::say(&format!("  listeners run:  nearcast node '{link}'"))?;
    shell::say(&format!("  dashboard:      {dashboard}"))?;
    shell::say(&format!("  metrics:        {url}metrics"))?;
    shell::say("Stop with Ctrl-C.")?;
    Ok(link)
}

/// An address that can be opened, for one that stands for all.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

async fn start_relay(address: RelayAddress) -> anyhow::Result<Option<Relay>> {
    let RelayAddress::On(address) = address else { return Ok(None) };
    // Whoever has a session with the supernode may use the relay; it carries no delivery, so there is little
    // to gain from it for others. Its own bounds on clients and rates hold for all.
    let doorkeeper = Arc::new(|_: &nearcast_node::relay::Caller| Admission::Welcome);
    let relay = Relay::spawn(RelayConfig::new(address, doorkeeper)).await;
    Ok(Some(relay.context("the relay does not start; --relay off does without")?))
}

/// Answers STUN on the UDP port beside the TCP port. Without it tabs find each other in one network only.
async fn start_stun(address: SocketAddr, stop: &CancellationToken) -> Option<u16> {
    let bound = async { Stun::bind(address).await.and_then(|stun| Ok((stun.port()?, stun))) };
    match bound.await {
        Ok((port, stun)) => {
            tokio::spawn(stun.run(stop.clone()));
            Some(port)
        }
        Err(error) => {
            tracing::warn!(%address, %error, "no STUN: the UDP port is not free, tabs in other networks connect less");
            None
        }
    }
}

/// The site itself, or the one made of a folder of media.
fn ready_site(folder: &Path) -> anyhow::Result<PathBuf> {
    ensure!(folder.exists(), "there is no folder {}", folder.display());
    ensure!(folder.is_dir(), "{} is a file; serve takes a site or a folder of media", folder.display());
    let kind = kind_of(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    if kind == Folder::Site {
        return Ok(folder.to_owned());
    }
    let mut name = folder.file_name().context("a folder with a name is needed")?.to_owned();
    name.push(".site");
    let site = folder.with_file_name(name);
    tracing::info!(site = %site.display(), "this is a folder of media: publishing it");
    let key = publish::ProviderKeyFile::open(&publish::default_key_path()?)?;
    let now = UnixTime(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let options =
        publish::Options { ffmpeg: publish::Ffmpeg::on_path(), ..publish::Options::new(key.key, now) };
    let summary = publish::publish(&[folder.to_owned()], &site, &options, &())?;
    for skipped in &summary.skipped {
        tracing::warn!(path = %skipped.path.display(), why = %skipped.why, "left out");
    }
    if summary.titles == 0 {
        bail!("{} has nothing that can be published", folder.display());
    }
    Ok(site)
}
