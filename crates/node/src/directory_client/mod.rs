//! A node's connection to one supernode: announces, lookups and signals go out, holders and signals come in.
//!
//! What to do when is decided by [`directory::Client`](nearcast_engine::directory::Client) in the engine; here
//! its connections are made, its hello is signed and its messages are moved. The session comes back by itself
//! after every loss. Which supernode is home to a title is told by
//! [`rendezvous`](nearcast_engine::directory::rendezvous).

mod found;
mod socket;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nearcast_content::keys::DeliveryKey;
use nearcast_content::limits::CREDENTIAL_BYTES;
use nearcast_content::policy::SupernodeUrl;
use nearcast_content::{FeatureSet, NodeKey, ProviderKey};
use nearcast_engine::directory::client::{Client, Input, InputError, Output};
use nearcast_engine::limits::MAX_ADDRESSES;
use nearcast_engine::wire::directory::{ClientHello, Holding, RefusedReason, hello_text};
use nearcast_engine::wire::{ClientMessage, PlayReport, Serves, SwarmId, Versions, Ways};
use nearcast_engine::{Span, Time};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::http::Uri;

use self::socket::{Connection, Happened};

pub use found::FoundHolder;
pub use socket::{TlsError, tls_config};

/// Commands that may wait. They are taken at once, whatever the connection does.
const COMMANDS: usize = 256;
/// Events that may wait; while they do, nothing is read from the supernode.
const EVENTS: usize = 64;

/// Which supernode, and who asks.
#[derive(Clone, Debug)]
pub struct DirectoryClientConfig {
    /// The supernode.
    pub supernode: SupernodeUrl,
    /// Whose titles this is about.
    pub provider: ProviderKey,
    /// The node's key for that provider.
    pub key: DeliveryKey,
    /// What other nodes may know of this one.
    pub presence: Presence,
    /// The provider's leave, if it gives any.
    pub credential: Option<String>,
    /// Own address to connect from; the system's choice if absent.
    pub source: Option<IpAddr>,
    /// Whom to trust as a `wss` server; see [`tls_config`].
    pub tls: Arc<rustls::ClientConfig>,
}

/// What other nodes may know of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Whether it serves others.
    pub serves: Serves,
    /// UDP port on which it takes connections, zero for none.
    pub port: u16,
    /// Its addresses in its own network. The first [`MAX_ADDRESSES`] - 1 are told.
    pub local: Vec<SocketAddr>,
    /// In which ways it connects. What it looks up is answered with those it can connect to.
    pub ways: Ways,
}

/// What a supernode said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The supernode can be asked.
    Up {
        /// This node's address as seen from there.
        observed: Option<IpAddr>,
        /// URL of the relay beside it.
        relay: Option<String>,
        /// Host and port where it answers STUN.
        stun: Option<String>,
    },
    /// It cannot be asked until it is up again. What is held and unanswered lookups are kept for then.
    Down,
    /// Answer to a lookup.
    Found {
        /// The title.
        swarm: SwarmId,
        /// Nearest first.
        holders: Vec<FoundHolder>,
        /// Not to be asked again before this long.
        again: Span,
    },
    /// From another node.
    Signal {
        /// From whom; the supernode vouches for the key.
        from: NodeKey,
        /// As it was sent.
        payload: Vec<u8>,
    },
    /// The provider's policy has a new sequence: fetch it.
    PolicyChanged {
        /// Of the policy.
        sequence: u64,
    },
    /// The supernode does not want this node; it is tried again, seldom.
    Refused(RefusedReason),
}

/// Why a client does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No supernode would read it.
    #[error(
        "the credential has {0} bytes, at most {CREDENTIAL_BYTES} are let in. Ask the provider for another"
    )]
    CredentialTooLong(usize),
    /// The operating system gives no random bytes.
    #[error("no connection to the supernode: the operating system gives no random bytes: {0}")]
    Entropy(#[from] getrandom::Error),
}

/// The client's task ended, with the runtime it ran on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the supernode was shut down")]
pub struct Ended;

/// A connection to a supernode. It ends when all its clones are dropped.
#[derive(Clone, Debug)]
pub struct DirectoryClient {
    commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "what is told is nearly all there is, and few wait at once")]
enum Command {
    Tell(Input),
    Present(Presence),
}

impl DirectoryClient {
    /// Connects, and stays connected. Events must be taken: while they wait, nothing is read.
    ///
    /// # Errors
    /// When the credential is too long, or the operating system gives no random bytes.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(config: DirectoryClientConfig) -> Result<(Self, mpsc::Receiver<Event>), ClientError> {
        if let Some(length) = config.credential.as_ref().map(String::len).filter(|n| *n > CREDENTIAL_BYTES) {
            return Err(ClientError::CredentialTooLong(length));
        }
        let (commands, orders) = mpsc::channel(COMMANDS);
        let (events, inbox) = mpsc::channel(EVENTS);
        let task = Task {
            client: Client::new(getrandom::u64()?, config.presence.ways),
            config: Arc::new(config),
            started: Instant::now(),
            connection: None,
            away: false,
            waiting: VecDeque::new(),
        };
        tokio::spawn(task.run(orders, events));
        Ok((Self { commands }, inbox))
    }

    /// This node holds something of a title, or something else of it than before.
    ///
    /// # Errors
    /// When the client's task has ended.
    pub async fn hold(&self, holding: Holding) -> Result<(), Ended> {
        self.tell(Input::Hold(holding)).await
    }

    /// This node holds nothing of a title any more.
    ///
    /// # Errors
    /// When the client's task has ended.
    pub async fn drop_title(&self, swarm: SwarmId) -> Result<(), Ended> {
        self.tell(Input::Drop(swarm)).await
    }

    /// Finds holders of a title; answered by [`Event::Found`], however often the connection is lost meanwhile.
    /// `renditions` are those of interest, zero for any.
    ///
    /// # Errors
    /// When the client's task has ended.
    pub async fn lookup(&self, swarm: SwarmId, renditions: u16) -> Result<(), Ended> {
        self.tell(Input::Lookup { swarm, renditions }).await
    }

    /// Hands `payload` to another node that is connected to the same supernode. Lost without a word when
    /// either is not: whoever signals repeats.
    ///
    /// # Errors
    /// When the client's task has ended.
    pub async fn signal(&self, to: NodeKey, payload: Vec<u8>) -> Result<(), Ended> {
        self.tell(Input::Signal { to, payload }).await
    }

    /// What players of this node got since the last call; sent when the supernode takes it.
    ///
    /// # Errors
    /// When the client's task has ended.
    pub async fn report(&self, report: PlayReport) -> Result<(), Ended> {
        self.tell(Input::Report(report)).await
    }

    /// What others may know changed: the session is opened anew to say so.
    ///
    /// # Errors
    /// When the client's task has ended.
    pub async fn present(&self, presence: Presence) -> Result<(), Ended> {
        self.commands.send(Command::Present(presence)).await.map_err(|_| Ended)
    }

    async fn tell(&self, input: Input) -> Result<(), Ended> {
        self.commands.send(Command::Tell(input)).await.map_err(|_| Ended)
    }
}

struct Task {
    client: Client,
    config: Arc<DirectoryClientConfig>,
    started: Instant,
    connection: Option<Connection>,
    /// The supernode was said to be away.
    away: bool,
    /// Events that have no room in the channel.
    waiting: VecDeque<Event>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Command>, events: mpsc::Sender<Event>) {
        self.tell(Input::Timeout);
        loop {
            let wake = self.drain();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                room = events.reserve(), if !self.waiting.is_empty() => match (room, self.waiting.pop_front()) {
                    (Ok(room), Some(event)) => room.send(event),
                    // Nobody listens any more.
                    (Ok(_) | Err(_), _) => return,
                },
                happened = next(&mut self.connection), if self.waiting.is_empty() => self.heard(happened),
                () = tokio::time::sleep_until((self.started + wake).into()) => self.tell(Input::Timeout),
            }
        }
    }

    fn tell(&mut self, input: Input) {
        let now = Time::from_micros(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX));
        match self.client.handle_input(now, input) {
            Ok(()) => {}
            Err(error @ (InputError::Down | InputError::TooMany(_) | InputError::SignalTooLong(_))) => {
                tracing::debug!(%error, "not handed to the supernode");
            }
            Err(error @ (InputError::NoConnection(_) | InputError::TimeWentBack(..))) => {
                tracing::error!(%error, "the shell of the directory client made a mistake");
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Tell(input) => self.tell(input),
            Command::Present(presence) => {
                if presence != self.config.presence {
                    self.config = Arc::new(DirectoryClientConfig { presence, ..(*self.config).clone() });
                    self.lost(None);
                }
            }
        }
    }

    fn heard(&mut self, happened: Happened) {
        match happened {
            Happened::Connected => self.tell(Input::Connected),
            Happened::Received(message) => self.tell(Input::Received(message)),
            Happened::Lost { retry_after, why } => {
                self.say_lost(&why);
                self.lost(
                    retry_after
                        .map(|after| Span::from_millis(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))),
                );
            }
        }
    }

    /// Says once that the supernode is away, however often it is tried.
    fn say_lost(&mut self, why: &str) {
        if !std::mem::replace(&mut self.away, true) {
            let supernode = self.config.supernode.as_str();
            tracing::warn!(
                supernode,
                why,
                "no supernode: others are not found until it answers; it is tried again"
            );
        }
    }

    fn lost(&mut self, retry_after: Option<Span>) {
        self.connection = None;
        self.tell(Input::Lost { retry_after });
    }

    /// Does what the client wants done and says when, since the start, it wants to be woken.
    fn drain(&mut self) -> Duration {
        loop {
            match self.client.poll_output() {
                Output::Timeout(at) => {
                    return Duration::from_micros(at.micros()).min(LONGEST_SLEEP + self.started.elapsed());
                }
                Output::Connect => self.connection = Some(Connection::open(self.config.clone())),
                Output::Disconnect => self.connection = None,
                Output::Prove { nonce } => {
                    let hello = ClientMessage::Hello(hello(&self.config, &nonce));
                    self.send(hello);
                }
                Output::Send(message) => self.send(message),
                Output::Up { observed, relay, stun_port } => {
                    let supernode = self.config.supernode.as_str();
                    if std::mem::take(&mut self.away) {
                        tracing::info!(supernode, "the supernode answers again");
                    }
                    tracing::debug!(supernode, "connected to the supernode");
                    let stun = stun_port.and_then(|port| stun(supernode, port));
                    self.waiting.push_back(Event::Up { observed: observed.parse().ok(), relay, stun });
                }
                Output::Down => self.waiting.push_back(Event::Down),
                Output::Found { swarm, holders, again } => {
                    let holders = holders.iter().map(FoundHolder::read).collect();
                    self.waiting.push_back(Event::Found { swarm, holders, again });
                }
                Output::Signal { from, payload } => self.waiting.push_back(Event::Signal { from, payload }),
                Output::PolicyChanged { sequence } => {
                    self.waiting.push_back(Event::PolicyChanged { sequence })
                }
                Output::Refused(reason) => {
                    tracing::info!(
                        ?reason,
                        supernode = self.config.supernode.as_str(),
                        "the supernode refuses this node"
                    );
                    self.waiting.push_back(Event::Refused(reason));
                }
            }
        }
    }

    fn send(&mut self, message: ClientMessage) {
        let taken = self.connection.as_ref().is_some_and(|connection| connection.send(message));
        if !taken {
            self.lost(None);
        }
    }
}

/// The timer is set again at least this often; its range ends before that of [`Time`].
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// Where a supernode answers STUN.
fn stun(supernode: &str, port: u16) -> Option<String> {
    let uri: Uri = supernode.parse().ok()?;
    Some(format!("{}:{port}", uri.host()?))
}

async fn next(connection: &mut Option<Connection>) -> Happened {
    match connection {
        Some(connection) => connection.next().await,
        None => std::future::pending().await,
    }
}

fn hello(config: &DirectoryClientConfig, nonce: &[u8; 32]) -> ClientHello {
    let secret = iroh_base::SecretKey::from_bytes(&config.key.expose());
    let signature = secret.sign(&hello_text(nonce, &config.provider));
    let Presence { serves, port, local, ways } = &config.presence;
    ClientHello {
        versions: Versions::OURS,
        features: FeatureSet::OURS.0,
        provider: config.provider,
        node: config.key.node(),
        signature: signature.to_bytes().to_vec(),
        serves: *serves,
        port: *port,
        local: local.iter().take(MAX_ADDRESSES - 1).map(SocketAddr::to_string).collect(),
        credential: config.credential.clone(),
        ways: *ways,
    }
}
