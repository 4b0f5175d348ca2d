//! The part of the router that tells peers what is held, and what is on its way here.

use nearcast_content::{BlockRange, BlockSet, FlatMap, FlatSet};

use super::Swarm;
use super::api::*;
use super::objects::ObjectIx;
use super::runs::Asked;
use crate::limits::{HAVE_INTERVAL, MAX_RANGES_IN_MESSAGE};
use crate::time::Time;
use crate::wire::{Have, PeerMessage, Serves};

/// Whom there may be news for, and when they may hear it. Looking at every peer after every input is the dearest thing
/// an idle engine could do.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Peers with something untold.
    peers: FlatSet<PeerId>,
    /// What everybody may be told has changed: what is on its way from the origin, or what is no longer held.
    everybody: bool,
    /// Before this nobody's turn comes, unless something is added.
    due: Time,
}

impl News {
    /// Peers that there is something to tell.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// There is something to tell one peer.
    pub(super) fn of(&mut self, peer: PeerId) {
        self.peers.insert(peer);
        self.due = Time::ZERO;
    }

    /// There may be something to tell everybody.
    pub(super) fn of_all(&mut self) {
        self.everybody = true;
        self.due = Time::ZERO;
    }
}

impl Swarm {
    /// Sends what peers have not been told, each peer at most once in [`HAVE_INTERVAL`]; the answer to a new
    /// interest goes out at once, and soon what we began to bring in, so that nobody else does.
    pub(super) fn send_haves(&mut self) {
        let now = self.now;
        if self.news.due > now {
            return self.wake_at(self.news.due, Reason::Haves);
        }
        let claims = self.claims();
        let nothing = BlockSet::EMPTY;
        let objects = &self.objects;
        let mut messages = Vec::new();
        let mut next = Time::NEVER;
        let told = std::mem::take(&mut self.news);
        let whom: Vec<PeerId> = match told.everybody {
            true => self.peers.iter().map(|(id, _)| id).collect(),
            false => told.peers.into_iter().collect(),
        };
        for id in whom {
            let Some(peer) = self.peers.get_mut(id) else { continue };
            let (usual, soon) = (peer.have_from(false), peer.have_from(true));
            let mut sent = false;
            for (ix, untold) in &mut peer.interests {
                let coming = claims.get(ix).unwrap_or(&nothing);
                let claimed = beyond(coming, &untold.coming).next().is_some();
                let given_up = beyond(&untold.coming, coming).any(|r| !objects.get(*ix).held.contains_all(r));
                let idle = untold.added.is_empty() && untold.removed.is_empty() && !claimed && !given_up;
                let from = if claimed { soon } else { usual };
                if !untold.first && (idle || from > now) {
                    if !idle {
                        self.news.peers.insert(id);
                        next = next.min(from);
                    }
                    continue;
                }
                sent |= !untold.first;
                untold.first = false;
                let added = first_ranges(&mut untold.added);
                let removed = first_ranges(&mut untold.removed);
                if !untold.added.is_empty() || !untold.removed.is_empty() {
                    self.news.peers.insert(id);
                    next = next.min(now + HAVE_INTERVAL);
                }
                untold.coming.clone_from(coming);
                messages.push((id, *ix, added, removed, coming.clone()));
            }
            if sent {
                peer.told_haves(now);
            }
        }
        for (peer, ix, added, removed, coming) in messages {
            let object = self.objects.get(ix).id;
            let have = Have { object, added, removed, coming };
            self.put(Output::Send { peer, message: PeerMessage::Have(have) });
        }
        self.news.due = next;
        self.wake_at(next, Reason::Haves);
    }

    /// What is on its way to us from the origin, in time as far as is known: nobody else need ask it for that.
    fn claims(&self) -> FlatMap<ObjectIx, BlockSet> {
        let mut claims: FlatMap<ObjectIx, BlockSet> = FlatMap::new();
        if self.sharing.serves(Over::Line) == Serves::Nobody {
            return claims;
        }
        for (_, run) in self.runs.iter().filter(|(_, run)| run.asked == Asked::Origin && !run.late) {
            let claim = claims.entry(run.object).or_default();
            run.left.ranges().iter().for_each(|range| {
                claim.insert(*range);
            });
        }
        claims
    }
}

/// What of `set` is not in `known`.
pub(super) fn beyond<'a>(set: &'a BlockSet, known: &'a BlockSet) -> impl Iterator<Item = BlockRange> + 'a {
    set.ranges().iter().flat_map(|range| known.missing(*range))
}

/// Takes the first ranges off a set, as many as one message carries.
fn first_ranges(set: &mut BlockSet) -> BlockSet {
    if set.ranges().len() <= MAX_RANGES_IN_MESSAGE / 2 {
        return std::mem::take(set);
    }
    let first: Vec<BlockRange> = set.ranges()[..MAX_RANGES_IN_MESSAGE / 2].to_vec();
    for range in &first {
        set.remove(*range);
    }
    first.into_iter().collect()
}
