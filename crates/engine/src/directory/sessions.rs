//! The open sessions: who is there, until when the lease runs, what each one holds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use nearcast_content::NodeKey;

use super::api::SessionId;
use super::load::Allowance;
use super::roster::{Slot, Spot};
use super::titles::Stand;
use crate::limits::{
    ANNOUNCE_BURST, ANNOUNCE_INTERVAL, LEASE, LOOKUP_BURST, LOOKUP_INTERVAL, SIGNAL_BURST, SIGNAL_INTERVAL,
};
use crate::place::Place;
use crate::time::Time;
use crate::wire::{Serves, SwarmId, Ways};

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) node: NodeKey,
    pub(super) place: Place,
    pub(super) serves: Serves,
    pub(super) ways: Ways,
    /// What it holds, one entry per title.
    pub(super) holdings: BTreeMap<SwarmId, Held>,
    /// Those of its titles in whose roster there was no room.
    pub(super) waiting: BTreeSet<SwarmId>,
    /// The waiting title that was offered last.
    offered: Option<SwarmId>,
    pub(super) announces: Allowance,
    pub(super) lookups: Allowance,
    pub(super) signals: Allowance,
    lease_ends: Time,
    /// When the lease is looked at.
    look: Time,
}

impl Session {
    pub(super) fn new(id: SessionId, node: NodeKey, place: Place, serves: Serves, ways: Ways) -> Self {
        Self {
            id,
            node,
            place,
            serves,
            ways,
            holdings: BTreeMap::new(),
            waiting: BTreeSet::new(),
            offered: None,
            announces: Allowance::new(ANNOUNCE_INTERVAL, ANNOUNCE_BURST),
            lookups: Allowance::new(LOOKUP_INTERVAL, LOOKUP_BURST),
            signals: Allowance::new(SIGNAL_INTERVAL, SIGNAL_BURST),
            lease_ends: Time::ZERO,
            look: Time::ZERO,
        }
    }

    /// Where it stands in the rosters of what it holds.
    pub(super) fn stand(&self) -> Stand {
        Stand { ways: self.ways, spot: self.spot() }
    }

    pub(super) fn spot(&self) -> Spot {
        self.place.into()
    }

    /// The next waiting title in the order of turns.
    pub(super) fn next_waiting(&mut self) -> Option<SwarmId> {
        let after = self.offered.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.waiting.range((after, Bound::Unbounded)).next().or_else(|| self.waiting.first());
        self.offered = next.copied();
        self.offered
    }
}

/// What a session holds of a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) renditions: u16,
    pub(super) coverage: u64,
}

/// All sessions, findable by their number and by their node's key.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    table: Vec<Option<Session>>,
    free: Vec<Slot>,
    by_id: BTreeMap<SessionId, Slot>,
    by_node: BTreeMap<NodeKey, Slot>,
    /// When to look at a session's lease, at the latest when it ends. Renewing leaves an early entry where
    /// it is; looking at it then puts it back with the true end.
    leases: BTreeSet<(Time, SessionId)>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn slot(&self, id: SessionId) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn slot_of_node(&self, node: NodeKey) -> Option<Slot> {
        self.by_node.get(&node).copied()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Session> {
        self.table.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Session> {
        self.table.get_mut(slot as usize)?.as_mut()
    }

    /// Takes in a session whose number and key are both free.
    pub(super) fn open(&mut self, now: Time, mut session: Session) {
        session.lease_ends = now + LEASE;
        session.look = session.lease_ends;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.table.push(None);
            Slot::try_from(self.table.len() - 1).unwrap_or(Slot::MAX)
        });
        self.by_id.insert(session.id, slot);
        self.by_node.insert(session.node, slot);
        self.leases.insert((session.look, session.id));
        self.table[slot as usize] = Some(session);
    }

    /// Takes out a session.
    pub(super) fn close(&mut self, slot: Slot) -> Option<Session> {
        let session = self.table.get_mut(slot as usize)?.take()?;
        self.leases.remove(&(session.look, session.id));
        self.by_id.remove(&session.id);
        self.by_node.remove(&session.node);
        self.free.push(slot);
        Some(session)
    }

    /// The lease runs anew from `now`.
    pub(super) fn renew(&mut self, now: Time, slot: Slot) {
        if let Some(session) = self.get_mut(slot) {
            session.lease_ends = now + LEASE;
        }
    }

    /// A session whose lease ended by `now`, if any is left.
    pub(super) fn expired(&mut self, now: Time) -> Option<Slot> {
        while let Some((at, id)) = self.leases.first().copied().filter(|(at, _)| *at <= now) {
            let slot = self.slot(id)?;
            let session = self.get_mut(slot)?;
            if session.lease_ends <= now {
                return Some(slot);
            }
            session.look = session.lease_ends;
            let look = (session.look, id);
            self.leases.remove(&(at, id));
            self.leases.insert(look);
        }
        None
    }

    /// When to look for expired sessions next.
    pub(super) fn next_look(&self) -> Time {
        self.leases.first().map_or(Time::NEVER, |(at, _)| *at)
    }
}
