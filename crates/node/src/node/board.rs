//! What the tasks of a node share beside the store: who waits for blocks of which object, and where objects lie.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nearcast_content::ObjectId;
use nearcast_engine::swarm::{Advice, PlayId, ReadId};
use nearcast_engine::wire::SwarmId;
use tokio::sync::Notify;

use super::cushion::Cushion;
use crate::origin::ObjectSource;

/// Trouble with the disk counts for this long: the next write finds out.
const TROUBLE_LASTS: Duration = Duration::from_secs(60);

/// Why the disk does not keep what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskTrouble {
    /// It has no room.
    Full,
    /// What was written could not be made durable.
    Failing,
}

/// Shared by the engine's loop, the runs under way and the reads of players.
#[derive(Default)]
pub(super) struct Board {
    inner: Mutex<Inner>,
    /// What the disk had no room for.
    pub(super) cushion: Cushion,
    disk: Mutex<Option<(Instant, DiskTrouble)>>,
}

#[derive(Default)]
struct Inner {
    /// One bell per object that somebody waits for. A bell nobody holds is removed when it would ring.
    bells: BTreeMap<ObjectId, Arc<Notify>>,
    sources: BTreeMap<ObjectId, Arc<ObjectSource>>,
    /// What the origin did wrong last, of objects whose last run from it failed: no more than there are sources.
    troubles: BTreeMap<ObjectId, String>,
    /// Open reads that nobody can serve.
    stuck: BTreeSet<ReadId>,
    /// What players are to take their lines for: those of plays that are open, by their own bound.
    advice: BTreeMap<PlayId, Advice>,
    /// Titles that the engine has forgotten since that was last asked.
    forgotten: BTreeSet<SwarmId>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.inner();
        f.debug_struct("Board")
            .field("bells", &inner.bells.len())
            .field("sources", &inner.sources.len())
            .finish()
    }
}

impl Board {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bell that rings when blocks of an object were written, or will not come.
    pub(super) fn bell(&self, object: ObjectId) -> Arc<Notify> {
        Arc::clone(self.inner().bells.entry(object).or_default())
    }

    /// Wakes whoever waits for blocks of an object.
    pub(super) fn ring(&self, object: ObjectId) {
        let mut inner = self.inner();
        let Some(bell) = inner.bells.get(&object) else { return };
        bell.notify_waiters();
        if Arc::strong_count(bell) == 1 {
            inner.bells.remove(&object);
        }
    }

    /// Notes what the origin did wrong about an object. Answers whether that is news.
    pub(super) fn trouble(&self, object: ObjectId, what: String) -> bool {
        let old = self.inner().troubles.insert(object, what.clone());
        old.is_none_or(|old| old != what)
    }

    /// The origin delivered of an object.
    pub(super) fn no_trouble(&self, object: ObjectId) {
        self.inner().troubles.remove(&object);
    }

    /// What the origin did wrong last about an object.
    pub(super) fn trouble_with(&self, object: ObjectId) -> Option<String> {
        self.inner().troubles.get(&object).cloned()
    }

    /// The disk does not keep what comes. Answers whether that is news.
    pub(super) fn disk_troubles(&self, trouble: DiskTrouble) -> bool {
        let news = self.disk_trouble() != Some(trouble);
        *self.disk() = Some((Instant::now(), trouble));
        news
    }

    /// What was wrong with the disk lately.
    pub(super) fn disk_trouble(&self) -> Option<DiskTrouble> {
        (*self.disk()).filter(|(at, _)| at.elapsed() < TROUBLE_LASTS).map(|(_, trouble)| trouble)
    }

    fn disk(&self) -> MutexGuard<'_, Option<(Instant, DiskTrouble)>> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A read waits for what nobody can bring: it wakes up to find that out.
    pub(super) fn stuck(&self, read: ReadId) {
        let mut inner = self.inner();
        inner.stuck.insert(read);
        inner.bells.values().for_each(|bell| bell.notify_waiters());
    }

    /// Whether nobody can bring what a read waits for.
    pub(super) fn is_stuck(&self, read: ReadId) -> bool {
        self.inner().stuck.contains(&read)
    }

    /// For what rate the player of a play is to take its line.
    pub(super) fn advise(&self, play: PlayId, advice: Option<Advice>) {
        let all = &mut self.inner().advice;
        match advice {
            Some(advice) => all.insert(play, advice),
            None => all.remove(&play),
        };
    }

    pub(super) fn advice(&self, play: PlayId) -> Option<Advice> {
        self.inner().advice.get(&play).copied()
    }

    /// The engine has forgotten a title: it is to be opened anew.
    pub(super) fn forgot(&self, swarm: SwarmId) {
        self.inner().forgotten.insert(swarm);
    }

    /// Takes the titles that were forgotten.
    pub(super) fn take_forgotten(&self) -> BTreeSet<SwarmId> {
        std::mem::take(&mut self.inner().forgotten)
    }

    /// A read is over.
    pub(super) fn ended(&self, read: ReadId) {
        self.inner().stuck.remove(&read);
    }

    /// Says where an object lies at the origin.
    pub(super) fn place(&self, source: ObjectSource) {
        self.inner().sources.insert(source.object, Arc::new(source));
    }

    pub(super) fn source(&self, object: ObjectId) -> Option<Arc<ObjectSource>> {
        self.inner().sources.get(&object).cloned()
    }
}
