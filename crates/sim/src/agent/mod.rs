//! What decides for a node: the production engine, or a baseline with the same contract.

mod asking;
mod isp_blind;
mod nearcast;
mod neighbours;
mod oracle;
mod origin_only;
mod p2p_media_loader;
mod shelf;
mod spotify;

use nearcast_content::{BlockRange, NodeKey, ProviderKey, Verified};
use nearcast_engine::swarm::{Footprint, Input, InputError, Output, PeerId, Settings};
use nearcast_engine::{Time, Verdict};

use crate::oracle::Foresight;
use crate::world::Rendezvous;

pub use isp_blind::IspBlind;
pub use nearcast::Nearcast;
pub use origin_only::OriginOnly;

/// Proof that blocks are good, as the simulated shell hands it to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimVerdict {
    /// The world has no bytes; what the sender is decided that these blocks are good.
    Drawn(BlockRange),
    /// Real bytes went through the real verifier.
    Checked(Verified<BlockRange>),
}

impl Verdict for SimVerdict {
    fn blocks(&self) -> BlockRange {
        match self {
            Self::Drawn(blocks) => *blocks,
            Self::Checked(verified) => verified.blocks(),
        }
    }
}

/// Only the blocks count: the proof itself has nothing that could differ.
impl std::hash::Hash for SimVerdict {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.blocks().hash(state);
    }
}

/// Decides for one node. The contract is that of [`nearcast_engine::Swarm`].
pub trait Agent {
    /// Takes what happened at `now`.
    ///
    /// # Errors
    /// When the input makes no sense, which the world counts as a violation.
    fn handle_input(&mut self, now: Time, input: Input<SimVerdict>) -> Result<(), InputError>;

    /// The next thing to do, until it is `Output::Timeout`.
    fn poll_output(&mut self) -> Output;

    /// Whether it wants to hear of the path to a peer; baselines look at none.
    fn watches(&self, _peer: PeerId) -> bool {
        false
    }

    /// How much it remembers; baselines keep no count.
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }

    /// Whether the bounds of [`nearcast_engine::limits`] on runs hold for this agent.
    fn bounds(&self) -> Bounds;
}

/// Which bounds an agent keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// Those of the engine.
    Engine,
    /// Its own: a plain player asks for as much as it wants.
    Own,
}

/// What an agent is made from.
#[derive(Clone, Debug)]
pub struct Birth {
    /// All its chances come from here.
    pub seed: u64,
    /// Its node's key.
    pub node: NodeKey,
    /// Whose titles.
    pub provider: ProviderKey,
    /// In force from the start.
    pub settings: Settings,
}

/// Makes an agent for each node.
pub type Maker<'m> = dyn Fn(Birth) -> Box<dyn Agent> + 'm;

/// The agents that can be named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// The production engine.
    Nearcast,
    /// The production engine in a world that hides who is near whom.
    IspBlind,
    /// Spotify's desktop client of 2010.
    Spotify2010,
    /// p2p-media-loader with its defaults: segments among browsers.
    P2pMediaLoader,
    /// A player that knows the origin and its own cache, and no peers.
    OriginOnly,
    /// No policy, but what none can do better: knows what will be clicked, and who holds what.
    Oracle,
    /// The same without the future: of clicks it knows what agents are told.
    OracleTold,
}

impl Policy {
    /// Every policy, in the order they are listed.
    pub const ALL: [Self; 7] = [
        Self::Nearcast,
        Self::IspBlind,
        Self::Spotify2010,
        Self::P2pMediaLoader,
        Self::OriginOnly,
        Self::Oracle,
        Self::OracleTold,
    ];

    /// The name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearcast => "nearcast",
            Self::IspBlind => "isp-blind",
            Self::Spotify2010 => "spotify-2010",
            Self::P2pMediaLoader => "p2p-media-loader",
            Self::OriginOnly => "origin-only",
            Self::Oracle => "oracle",
            Self::OracleTold => "oracle-told",
        }
    }

    /// How agents of this policy find each other.
    pub fn rendezvous(self) -> Rendezvous {
        match self {
            Self::Nearcast | Self::OriginOnly | Self::Oracle | Self::OracleTold => Rendezvous::Directory,
            Self::IspBlind => Rendezvous::BlindDirectory,
            Self::Spotify2010 => Rendezvous::Tracker(spotify::TRACKER),
            Self::P2pMediaLoader => Rendezvous::Tracker(p2p_media_loader::TRACKER),
        }
    }

    /// An agent of this policy.
    pub fn make(self, birth: Birth) -> Box<dyn Agent> {
        match self {
            Self::Nearcast => Box::new(Nearcast::new(birth)),
            Self::IspBlind => Box::new(IspBlind::new(birth)),
            Self::Spotify2010 => Box::new(spotify::Spotify::new(birth)),
            Self::P2pMediaLoader => Box::new(p2p_media_loader::Loader::new(birth)),
            Self::OriginOnly => Box::new(OriginOnly::new(birth.settings)),
            Self::Oracle | Self::OracleTold => Box::new(oracle::Onlooker),
        }
    }

    /// What it knows of what listeners will do, when it is an oracle.
    pub fn foresight(self) -> Option<Foresight> {
        match self {
            Self::Oracle => Some(Foresight::Clicks),
            Self::OracleTold => Some(Foresight::Told),
            Self::Nearcast | Self::IspBlind | Self::Spotify2010 | Self::P2pMediaLoader | Self::OriginOnly => {
                None
            }
        }
    }
}

/// No policy has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no policy is called '{0}'; there are: nearcast, isp-blind, spotify-2010, p2p-media-loader, origin-only, and the \
     bounds oracle and oracle-told"
)]
pub struct UnknownPolicy(String);

impl std::str::FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| UnknownPolicy(name.to_owned()))
    }
}
