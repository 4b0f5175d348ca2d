//! One node: the engine with a cache, a transport, an origin, a directory, and players at its gateway.

mod board;
mod caps;
mod control;
pub(crate) mod counts;
mod cushion;
mod disk;
mod drive;
mod library;
mod pacer;
mod playlist;
mod reads;
mod remembered;
mod runs;
mod shelf;
mod state;
mod titles;
mod uploads;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use nearcast_content::policy::SupernodeUrl;
use nearcast_content::{BlockSet, Link, NodeKey, ProviderKey};
use nearcast_engine::Rate;
use nearcast_engine::swarm::{Caps, Hours, Input, OriginUse, PeerUse, RunsIn, Settings, Stored, Swarm};
use nearcast_engine::wire::Serves;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::board::Board;
use self::caps::OwnCaps;
use self::counts::Counts;
use self::drive::{Drive, Told};
use self::library::Household;
use self::pacer::Pacer;
use self::remembered::Met;
use self::shelf::Shelf;
use self::state::State;
use crate::directory_client::{
    ClientError, DirectoryClient, DirectoryClientConfig, Presence, TlsError, tls_config,
};
use crate::gateway::Gateway;
use crate::origin::OriginClient;
use crate::settings::Profile;
use crate::store::{Store, StoreError, default_budget};
use crate::transport::{BindError, ChannelsConfig, Transport, TransportConfig, TransportEvent};

pub use drive::SupernodeState;
pub use library::{Kept, NodeLibrary, NodeStatus, TitleError};
pub use shelf::{Pinned, SiteError};
pub use state::StateError;

/// How a node starts.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The provider.
    pub link: Link,
    /// Folder of the node's memory and cache.
    pub state: PathBuf,
    /// Bytes the cache may hold; none for 10 % of the free disk, 50 MB to 10 GB.
    pub cache_budget: Option<u64>,
    /// UDP address for peers; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether this node serves others.
    pub serves: Serves,
    /// Ceiling on delivery to peers.
    pub upload_limit: Option<Rate>,
    /// Bytes to hand on in a calendar month.
    pub monthly_limit: Option<u64>,
    /// When in the day to hand on; none for always.
    pub hours: Option<Hours>,
    /// What this device is.
    pub profile: Profile,
    /// The supernode to use instead of the provider's.
    pub supernode: Option<String>,
    /// How often the provider's catalogue and policy are looked at.
    pub refresh: Duration,
    /// How long a player waits for the next bytes before it is told that nothing comes.
    pub patience: Duration,
}

impl NodeOptions {
    /// The defaults for a provider, with memory and cache in `state`.
    pub fn new(link: Link, state: PathBuf) -> Self {
        Self {
            link,
            state,
            cache_budget: None,
            listen: (Ipv4Addr::UNSPECIFIED, 0).into(),
            serves: Serves::Others,
            upload_limit: None,
            monthly_limit: None,
            hours: None,
            profile: Profile::Home,
            supernode: None,
            refresh: watch::EVERY,
            patience: reads::PATIENCE,
        }
    }
}

impl NodeOptions {
    fn settings(&self, cache_budget: u64) -> Settings {
        Settings {
            serves: self.serves,
            upload_limit: self.upload_limit,
            cache_budget,
            origin: OriginUse::Fallback,
            peers: PeerUse::Share,
            runs_in: RunsIn::Program,
        }
    }

    fn caps(&self) -> Caps {
        Caps { monthly: self.monthly_limit, hours: self.hours, ..Caps::default() }
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its memory.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its cache.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its provider.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// Its transport.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its connection to the supernode.
    #[error(transparent)]
    Directory(#[from] ClientError),
    /// Its trust in servers.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address of the supernode.
    #[error(
        "{url} is no address of a supernode: {why}. It must look like wss://example.org/nearcast/v1/directory"
    )]
    Supernode {
        /// The address.
        url: String,
        /// Why.
        why: String,
    },
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Entropy(String),
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    library: NodeLibrary,
    store: Store,
    transport: Transport,
    tell: mpsc::Sender<Told>,
    drive: JoinHandle<()>,
    watch: JoinHandle<()>,
    stop: CancellationToken,
    key: NodeKey,
    provider: ProviderKey,
    pinned: Pinned,
}

impl Node {
    /// Starts a node. Its counters show up in `registry`.
    pub async fn start(
        options: NodeOptions,
        origin: OriginClient,
        registry: &mut Registry,
    ) -> Result<Self, NodeError> {
        // Asked while the rest starts: the system may take its time to answer.
        let leaf = tokio::spawn(caps::leaf(options.profile));
        let state = Arc::new(State::open(&options.state)?);
        let cache = options.state.join("cache");
        let (store, holdings) = tokio::task::block_in_place(|| Store::open(&cache))?;
        let budget = options.cache_budget.map_or_else(|| default_budget(&cache, store.usage().bytes), Ok)?;
        let shelf = Arc::new(Shelf::open(&options.link, origin.clone(), Arc::clone(&state)).await?);
        let delivery = state.secret().delivery_key(shelf.key);
        let key = delivery.node();
        let channels = ChannelsConfig { provider: shelf.key, key: delivery.clone() };
        let (transport, transport_events) = bind(channels, options.listen, &state).await?;
        let address = transport.node_addr();
        let (directory, directory_events) = DirectoryClient::spawn(DirectoryClientConfig {
            supernode: supernode(&options, &shelf)?,
            provider: shelf.key,
            key: delivery,
            presence: Presence {
                serves: options.serves,
                port: address.port().unwrap_or(0),
                local: address.local,
                ways: transport.ways(),
            },
            credential: None,
            source: None,
            tls: tls_config()?,
        })?;
        let settings = options.settings(budget);
        let counts = Arc::new(Counts::register(registry));
        let board = Arc::new(Board::default());
        let (tell, told) = mpsc::channel(drive::QUEUE);
        let stop = CancellationToken::new();
        let disk = disk::follow(store.clone(), Arc::clone(&board), tell.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(disk).map(drop));
        let swarm = Swarm::new(seed()?, key, shelf.key, settings.clone());
        let met = state.all_met()?;
        let parts = drive::Parts {
            swarm,
            store: store.clone(),
            origin,
            transport: transport.clone(),
            directory,
            board: Arc::clone(&board),
            counts: Arc::clone(&counts),
            state: Arc::clone(&state),
            pacer: Arc::new(Pacer::default()),
            tell: tell.clone(),
        };
        let drive = Drive::new(parts).with_met(met.clone());
        let drive = tokio::spawn(drive.run(told, transport_events, directory_events));
        let pinned = shelf.pinned;
        let provider = shelf.key;
        let caps =
            Arc::new(OwnCaps::open(options.caps(), options.profile, Arc::clone(&state), tell.clone())?);
        let household = Household::new(&caps, &state, &settings);
        let library =
            NodeLibrary::new(shelf, store.clone(), board, counts, household, tell.clone(), options.patience);
        // Before anything is held that could be served.
        caps.begin(leaf).await?;
        remember(&tell, &state, holdings, met).await?;
        let follow = watch::follow(library.clone(), (settings, key), state, options.refresh);
        tokio::spawn(stop.clone().run_until_cancelled_owned(caps.follow()).map(drop));
        let watch = tokio::spawn(stop.clone().run_until_cancelled_owned(follow).map(drop));
        Ok(Self { library, store, transport, tell, drive, watch, stop, key, provider, pinned })
    }

    /// What players at the gateway read from.
    pub fn library(&self) -> NodeLibrary {
        self.library.clone()
    }

    /// Under which key this node delivers.
    pub fn key(&self) -> NodeKey {
        self.key
    }

    /// Whose titles it plays.
    pub fn provider(&self) -> ProviderKey {
        self.provider
    }

    /// Whether the provider's key was known before.
    pub fn pinned(&self) -> Pinned {
        self.pinned
    }

    /// Where peers reach it.
    pub fn address(&self) -> crate::transport::NodeAddress {
        self.transport.node_addr()
    }

    /// Lets players in at `gateway` until `stop`. `registry` is shown at its `/metrics`.
    pub fn serve_players(
        &self,
        gateway: Gateway,
        registry: Registry,
        stop: CancellationToken,
    ) -> JoinHandle<()> {
        let library = Arc::new(self.library());
        let control = control::router(self.library());
        tokio::spawn(gateway.run(library, control, Arc::new(registry), stop))
    }

    /// Ends everything in order: no new work, connections closed, the cache durable.
    pub async fn stop(self) -> Result<(), StoreError> {
        self.stop.cancel();
        // When the loop has ended already, there is nothing to tell it.
        let _ = self.tell.send(Told::Stop).await;
        if let Err(error) = self.drive.await {
            tracing::error!(%error, "the engine's loop ended badly");
        }
        if let Err(error) = self.watch.await {
            tracing::error!(%error, "following the provider ended badly");
        }
        self.transport.close().await;
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || store.close()).await {
            Ok(closed) => closed,
            Err(_) => Err(StoreError::Closed),
        }
    }
}

/// Listens for peers. Without a port of the user's choice the one of the last life is taken again, so that peers
/// find this node where they met it.
async fn bind(
    channels: ChannelsConfig,
    listen: SocketAddr,
    state: &State,
) -> Result<(Transport, mpsc::Receiver<TransportEvent>), NodeError> {
    let config = |listen| TransportConfig {
        channels: Some(channels.clone()),
        ..TransportConfig::new(channels.key.expose(), listen)
    };
    if listen.port() == 0
        && let Some(port) = state.last_port()?
    {
        // Somebody else may have taken it meanwhile.
        if let Ok(bound) = Transport::bind(config(SocketAddr::new(listen.ip(), port))).await {
            return Ok(bound);
        }
    }
    let bound = Transport::bind(config(listen)).await?;
    if let Some(port) = bound.0.node_addr().port() {
        state.set_last_port(port)?;
    }
    Ok(bound)
}

/// Tells the engine what the node knows from earlier lives: its cache, whom to avoid.
async fn remember(
    tell: &mpsc::Sender<Told>,
    state: &State,
    holdings: Vec<crate::store::Holding>,
    met: Vec<Met>,
) -> Result<(), NodeError> {
    let struck = state.strikes()?.into_iter().map(|(node, strikes)| Input::Struck { node, strikes });
    let stored = holdings.into_iter().map(|held| {
        let (object, size, last_used) = (held.object, held.size, held.last_used);
        let blocks: BlockSet = held.blocks;
        Input::Stored(Stored { object, size, blocks, last_used })
    });
    let met = Input::Acquainted(met.into_iter().map(|met| (met.node, met.nearness)).collect());
    for input in struck.chain(stored).chain([met]) {
        // The loop ends only when the node is stopped, which nobody can do before it has started.
        let _ = tell.send(Told::Input(input)).await;
    }
    Ok(())
}

/// Where a node keeps its memory and cache unless told otherwise; none without a home folder.
pub fn default_state_dir() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("org", "nearcast", "nearcast")?.data_local_dir().to_owned())
}

/// A seed for the engine's chances.
fn seed() -> Result<u64, NodeError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| NodeError::Entropy(e.to_string()))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Where to find the supernode: the one given, else the one beside the site.
fn supernode(options: &NodeOptions, shelf: &Shelf) -> Result<SupernodeUrl, NodeError> {
    let site = shelf.site.as_str();
    let beside = || {
        let (scheme, rest) = match site.strip_prefix("https://") {
            Some(rest) => ("wss://", rest),
            None => ("ws://", site.strip_prefix("http://").unwrap_or(site)),
        };
        format!("{scheme}{rest}nearcast/v1/directory")
    };
    let url = options.supernode.clone().unwrap_or_else(beside);
    url.parse().map_err(|why| NodeError::Supernode { url, why })
}
