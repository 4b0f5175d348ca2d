//! What decides for a node: the production engine, or a baseline with the same contract.

mod nearcast;
mod origin_only;

use nearcast_content::{BlockRange, NodeKey, ProviderKey, Verified};
use nearcast_engine::swarm::{Input, InputError, Output, Settings};
use nearcast_engine::{Time, Verdict};

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
    /// A player that knows the origin and its own cache, and no peers.
    OriginOnly,
}

impl Policy {
    /// Every policy, in the order they are listed.
    pub const ALL: [Self; 2] = [Self::Nearcast, Self::OriginOnly];

    /// The name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearcast => "nearcast",
            Self::OriginOnly => "origin-only",
        }
    }

    /// An agent of this policy.
    pub fn make(self, birth: Birth) -> Box<dyn Agent> {
        match self {
            Self::Nearcast => Box::new(Nearcast::new(birth)),
            Self::OriginOnly => Box::new(OriginOnly::new(birth.settings)),
        }
    }
}

/// No policy has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no policy is called '{0}'; there are: nearcast, origin-only")]
pub struct UnknownPolicy(String);

impl std::str::FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| UnknownPolicy(name.to_owned()))
    }
}
