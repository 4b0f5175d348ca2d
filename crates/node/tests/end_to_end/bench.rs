//! What the scenes are made of: a site with a song, its origin, a supernode, nodes, and a player that reads.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use nearcast_content::policy::{Permille, Policy};
use nearcast_content::{Link, ProviderKey, SigningKey, UnixTime};
use nearcast_engine::Rate;
use nearcast_engine::wire::{Serves, SwarmId};
use nearcast_node::gateway::Gateway;
use nearcast_node::http::{ConnectionLimits, HttpMetrics, Server, Uplink};
use nearcast_node::metrics;
use nearcast_node::node::{Node, NodeError, NodeOptions};
use nearcast_node::origin::{OriginClient, OriginMetrics, OriginSettings};
use nearcast_node::origin_server::{OriginOptions, OriginServer};
use nearcast_node::publish::{self, Options};
use nearcast_node::settings::Profile;
use nearcast_node::supernode::{self, DIRECTORY_PATH, SupernodeConfig, SupernodeHandle};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::player::Player;

/// Longest wait for anything that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);
/// A song of some minutes: eight runs, and more media than is fetched ahead of a playhead.
pub(crate) const SONG_BYTES: usize = 2_000_000;
/// The title under which the only song of a site is published.
pub(crate) const SONG: &str = "song";

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Waits until `condition` holds; fails the test, by name, when it does not come.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

pub(crate) fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs())
}

/// The swarm of a title: whoever joins from outside has to compute the same.
pub(crate) fn swarm_of(provider: ProviderKey, title: &str) -> SwarmId {
    let mut hasher = blake3::Hasher::new_derive_key("nearcast 2026-11 swarm of a title v1");
    hasher.update(&provider.0).update(title.as_bytes());
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    SwarmId(id)
}

/// A constant-rate MP3 (128 kbit/s, 44.1 kHz) whose frames carry noise drawn from `seed`.
pub(crate) fn song(seed: u64, bytes: usize) -> Vec<u8> {
    const FRAME: usize = 417;
    let mut noise = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let mut song = Vec::with_capacity(bytes + FRAME);
    while song.len() < bytes {
        let mut frame = [0; FRAME];
        noise.fill(&mut frame);
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
        song.extend_from_slice(&frame);
    }
    song
}

/// A folder with media and the site made of it.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) key: SigningKey,
    /// The bytes of the song.
    pub(crate) song: Vec<u8>,
}

impl Site {
    /// A site with one song.
    pub(crate) fn with_a_song(seed: u8) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = SigningKey::from_secret(&[seed; 32]);
        let site = Self { folder, key, song: song(seed.into(), SONG_BYTES) };
        site.add(SONG, &site.song);
        site
    }

    fn media(&self) -> PathBuf {
        self.folder.path().join("media")
    }

    /// The site's folder.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    /// Publishes another song.
    pub(crate) fn add(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.media()).expect("a folder");
        fs::write(self.media().join(format!("{name}.mp3")), bytes).expect("written");
        publish::publish(&[self.media()], &self.root(), &self.options(), &()).expect("published");
        // A play held out by chance would look like a peer that does not help.
        let nobody = |policy: &mut Policy| policy.hold_out = Permille::NONE;
        publish::change_policy(&self.root(), &self.options(), nobody).expect("a policy");
    }

    /// How this site is published.
    pub(crate) fn options(&self) -> Options {
        Options::new(self.key.clone(), now())
    }

    pub(crate) fn provider(&self) -> ProviderKey {
        self.key.provider()
    }
}

/// A server of this program that can be stopped and started again at the same address.
#[derive(Debug)]
struct Serving {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Serving {
    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("it does not panic");
    }
}

/// What a killed server leaves of its connections: nothing.
const LIMITS: ConnectionLimits = ConnectionLimits { grace: Duration::ZERO, ..ConnectionLimits::PUBLIC };

/// A site's origin.
#[derive(Debug)]
pub(crate) struct Origin {
    site: PathBuf,
    provider: ProviderKey,
    pub(crate) address: SocketAddr,
    serving: Option<Serving>,
}

impl Origin {
    /// The origin alone, as any web server would do.
    pub(crate) async fn start(site: &Site) -> Self {
        Self::start_with(site, None, Router::new()).await
    }

    /// The origin behind an uplink, with other routes beside the site.
    pub(crate) async fn start_with(site: &Site, uplink: Option<Uplink>, beside: Router) -> Self {
        let (site, provider) = (site.root(), site.provider());
        let mut origin = Self { site, provider, address: LOOPBACK, serving: None };
        origin.serve(uplink, beside).await;
        origin
    }

    /// A web server of any folder, with nothing of Nearcast in it.
    pub(crate) async fn of_folder(folder: &Path, site: &Site) -> Self {
        let (folder, provider) = (folder.to_owned(), site.provider());
        let mut origin = Self { site: folder, provider, address: LOOPBACK, serving: None };
        origin.serve(None, Router::new()).await;
        origin
    }

    async fn serve(&mut self, uplink: Option<Uplink>, beside: Router) {
        let mut registry = metrics::registry();
        let options = OriginOptions { site: self.site.clone(), listen: self.address, uplink, limits: LIMITS };
        let server = OriginServer::bind(options, &mut registry).await.expect("the address is free");
        self.address = server.address();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(server.run(beside, Arc::new(registry), shutdown.clone()));
        self.serving = Some(Serving { shutdown, task });
    }

    /// Ends it, with all its connections.
    pub(crate) async fn stop(&mut self) {
        self.serving.take().expect("it runs").stop().await;
    }

    /// Starts it again at the same address.
    pub(crate) async fn start_again(&mut self) {
        self.serve(None, Router::new()).await;
    }

    /// Serves another site from here on, at the same address.
    pub(crate) async fn become_another(&mut self, site: &Site) {
        self.stop().await;
        (self.site, self.provider) = (site.root(), site.provider());
        self.start_again().await;
    }

    /// Without the provider's key: whoever follows it trusts what it finds.
    pub(crate) fn bare_link(&self) -> Link {
        format!("http://{}/", self.address).parse().expect("a link")
    }

    pub(crate) fn link(&self) -> Link {
        Link { provider: Some(self.provider), ..self.bare_link() }
    }
}

/// A supernode in a server of its own, so that it can die without the origin.
#[derive(Debug)]
pub(crate) struct Supernode {
    provider: ProviderKey,
    pub(crate) address: SocketAddr,
    running: Option<(SupernodeHandle, Serving)>,
}

impl Supernode {
    pub(crate) async fn start(site: &Site) -> Self {
        let mut supernode = Self { provider: site.provider(), address: LOOPBACK, running: None };
        supernode.start_again().await;
        supernode
    }

    /// An address for one, and none there.
    pub(crate) async fn down(site: &Site) -> Self {
        let mut supernode = Self::start(site).await;
        supernode.stop().await;
        supernode
    }

    pub(crate) async fn start_again(&mut self) {
        let (router, handle) =
            supernode::router(SupernodeConfig::new(vec![self.provider])).expect("random bytes");
        let counts = HttpMetrics::register(&mut metrics::registry(), "serve");
        let server = Server::bind(self.address, LIMITS, counts).await.expect("the address is free");
        self.address = server.address().expect("bound");
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(server.run(router, shutdown.clone()));
        self.running = Some((handle, Serving { shutdown, task }));
    }

    pub(crate) async fn stop(&mut self) {
        let (handle, serving) = self.running.take().expect("it runs");
        handle.close();
        serving.stop().await;
    }

    pub(crate) fn handle(&self) -> &SupernodeHandle {
        &self.running.as_ref().expect("it runs").0
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}{DIRECTORY_PATH}", self.address)
    }

    /// Waits until it has that many sessions.
    pub(crate) async fn sessions(&self, wanted: usize) {
        until("the sessions of the supernode", async || self.handle().status().await.sessions == wanted)
            .await;
    }

    /// Waits until somebody holds something of that many titles.
    pub(crate) async fn titles(&self, wanted: usize) {
        until("the titles of the supernode", async || self.handle().status().await.titles == wanted).await;
    }
}

/// A client of origins as nodes have it.
pub(crate) fn origin_client() -> OriginClient {
    let counts = OriginMetrics::register(&mut metrics::registry());
    OriginClient::new(OriginSettings::default(), counts).expect("a client")
}

/// How a listener's node starts.
pub(crate) struct Setup {
    pub(crate) link: Link,
    pub(crate) supernode: Option<String>,
    pub(crate) serves: Serves,
    pub(crate) refresh: Duration,
    pub(crate) cache: u64,
    pub(crate) monthly_limit: Option<u64>,
    pub(crate) upload_limit: Option<Rate>,
}

impl Setup {
    pub(crate) fn new(origin: &Origin, supernode: &Supernode) -> Self {
        Self { supernode: Some(supernode.url()), ..Self::beside(origin.link()) }
    }

    /// With the supernode that stands beside the site, if one does.
    pub(crate) fn beside(link: Link) -> Self {
        Self {
            link,
            supernode: None,
            serves: Serves::Others,
            refresh: Duration::from_secs(30),
            cache: 100_000_000,
            monthly_limit: None,
            upload_limit: None,
        }
    }

    pub(crate) fn options(&self, state: PathBuf) -> NodeOptions {
        NodeOptions {
            cache_budget: Some(self.cache),
            monthly_limit: self.monthly_limit,
            upload_limit: self.upload_limit,
            listen: LOOPBACK,
            serves: self.serves,
            // Whatever the machine of the tests runs on.
            profile: Profile::Always,
            supernode: self.supernode.clone(),
            refresh: self.refresh,
            patience: Duration::from_secs(3),
            ..NodeOptions::new(self.link.clone(), state)
        }
    }
}

/// A node with its gateway and a player that uses it.
pub(crate) struct Listener {
    node: Node,
    serving: Serving,
    player: Player,
    state: Arc<TempDir>,
}

impl std::ops::Deref for Listener {
    type Target = Player;

    fn deref(&self) -> &Player {
        &self.player
    }
}

impl Listener {
    pub(crate) async fn start(setup: &Setup) -> Self {
        Self::start_in(setup, Arc::new(tempfile::tempdir().expect("a folder")))
            .await
            .expect("the node starts")
    }

    /// Starts on a folder of an earlier life.
    pub(crate) async fn start_in(setup: &Setup, state: Arc<TempDir>) -> Result<Self, NodeError> {
        let mut registry = metrics::registry();
        let gateway = Gateway::bind(LOOPBACK, &mut registry).await.expect("a free port");
        let address = gateway.address();
        let node =
            Node::start(setup.options(state.path().to_owned()), origin_client(), &mut registry).await?;
        let shutdown = CancellationToken::new();
        let task = node.serve_players(gateway, registry, shutdown.clone());
        let player = Player::at(address);
        Ok(Self { node, serving: Serving { shutdown, task }, player, state })
    }

    /// Starts on a folder of an earlier life whose cache was lost.
    pub(crate) async fn start_without_cache(setup: &Setup, state: Arc<TempDir>) -> Self {
        fs::remove_dir_all(state.path().join("cache")).expect("a cache");
        Self::start_in(setup, state).await.expect("the node starts")
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Ends it in order; its folder is left for another life.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.serving.stop().await;
        self.node.stop().await.expect("stops");
        self.state
    }
}
