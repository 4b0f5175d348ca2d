//! Requests to web servers: what each is for, and what its answer may be.

use nearcast_content::index::IndexPageRef;
use nearcast_content::{ByteRange, FlatMap, ObjectId, ObjectRef, TitleId};
use nearcast_engine::swarm::{Fault, RequestId};

use crate::effect::{Effect, FetchId};

/// What a request is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// The provider's policy.
    Policy,
    /// A title's manifest.
    Manifest(TitleId),
    /// The root of a rendition's list of segments.
    Index { title: TitleId, rendition: usize, root: ObjectRef, count: u32 },
    /// One of its pages.
    IndexPage { title: TitleId, rendition: usize, page: IndexPageRef, number: usize },
    /// A playlist, init section or the like.
    Document(ObjectRef),
    /// A piece of an object's outboard.
    Outboard { object: ObjectId, start: u64 },
    /// The bytes of a run.
    Run(RequestId),
}

/// How a web server began to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With this status.
    Status(u16),
    /// Not at all: no network, or a server of another origin that lets no page in.
    Nothing,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) purpose: Purpose,
    range: Option<ByteRange>,
    /// Longest answer that is taken.
    limit: u64,
    /// What came, for those that are looked at whole.
    pub(crate) bytes: Vec<u8>,
    seen: u64,
}

/// A request ended badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trouble(pub(crate) Fault);

/// All requests under way.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    pending: FlatMap<FetchId, Pending>,
    last: u32,
}

impl Fetches {
    /// Asks for all of a document of at most `limit` bytes, or for `range` of a file.
    pub(crate) fn ask(
        &mut self,
        purpose: Purpose,
        url: String,
        range: Option<ByteRange>,
        limit: u64,
    ) -> (FetchId, Effect) {
        self.last = self.last.wrapping_add(1);
        let id = FetchId(self.last);
        self.pending.insert(id, Pending { purpose, range, limit, bytes: Vec::new(), seen: 0 });
        (id, Effect::Fetch { id, url, range })
    }

    /// Takes a request out.
    pub(crate) fn end(&mut self, id: FetchId) -> Option<Pending> {
        self.pending.remove(&id)
    }

    /// Whether the answer to a request may go on.
    pub(crate) fn answered(&self, id: FetchId, answer: Answer) -> Result<(), Trouble> {
        let Some(pending) = self.pending.get(&id) else { return Ok(()) };
        let wanted = if pending.range.is_some() { 206 } else { 200 };
        match answer {
            Answer::Status(status) if status == wanted => Ok(()),
            // 429 and all of the server's own troubles pass; anything else is not what was published.
            Answer::Status(429 | 500..) | Answer::Nothing => Err(Trouble(Fault::Unavailable)),
            Answer::Status(_) => Err(Trouble(Fault::Gone)),
        }
    }

    /// Counts bytes that came; keeps them where they are looked at whole. Answers with the run they are of.
    pub(crate) fn chunk(&mut self, id: FetchId, bytes: &[u8]) -> Result<Option<RequestId>, Trouble> {
        let Some(pending) = self.pending.get_mut(&id) else { return Ok(None) };
        pending.seen = pending.seen.saturating_add(bytes.len() as u64);
        if pending.seen > pending.limit {
            return Err(Trouble(Fault::Gone));
        }
        match pending.purpose {
            Purpose::Run(request) => Ok(Some(request)),
            Purpose::Policy
            | Purpose::Manifest(_)
            | Purpose::Index { .. }
            | Purpose::IndexPage { .. }
            | Purpose::Document(_)
            | Purpose::Outboard { .. } => {
                pending.bytes.extend_from_slice(bytes);
                Ok(None)
            }
        }
    }

    /// Whether something is asked for already.
    pub(crate) fn any(&self, of: impl Fn(&Purpose) -> bool) -> bool {
        self.pending.values().any(|pending| of(&pending.purpose))
    }
}
