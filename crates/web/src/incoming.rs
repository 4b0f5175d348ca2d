//! Runs on their way from peers.

use nearcast_content::FlatMap;
use nearcast_content::tree::RunDecoder;
use nearcast_engine::channels::LinkId;
use nearcast_engine::swarm::RequestId;

use crate::origin::Target;

/// A run that comes from a peer.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Of whom it was asked.
    pub(crate) link: LinkId,
    pub(crate) target: Target,
    pub(crate) decoder: RunDecoder,
    /// Bytes that came and are not enough for the next piece.
    pub(crate) rest: Vec<u8>,
}

impl Incoming {
    pub(crate) fn new(link: LinkId, target: Target) -> Self {
        let decoder = RunDecoder::new(target.object, target.size, target.blocks);
        Self { link, target, decoder, rest: Vec::new() }
    }
}

/// All of them, by our numbers.
#[derive(Debug, Default)]
pub(crate) struct Arriving(pub(crate) FlatMap<RequestId, Incoming>);

impl Arriving {
    /// The run of this number, if it was asked of this link.
    pub(crate) fn take(&mut self, link: LinkId, request: RequestId) -> Option<Incoming> {
        self.0.get(&request).filter(|run| run.link == link)?;
        self.0.remove(&request)
    }

    /// A link is gone, and what was asked of it.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.0.retain(|_, run| run.link != link);
    }
}
