//! What the tasks of a node share beside the store: who waits for blocks of which object, and where objects lie.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nearcast_content::ObjectId;
use tokio::sync::Notify;

use crate::origin::ObjectSource;

/// Shared by the engine's loop, the runs under way and the reads of players.
#[derive(Default)]
pub(super) struct Board {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// One bell per object that somebody waits for. A bell nobody holds is removed when it would ring.
    bells: BTreeMap<ObjectId, Arc<Notify>>,
    sources: BTreeMap<ObjectId, Arc<ObjectSource>>,
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

    /// Says where an object lies at the origin.
    pub(super) fn place(&self, source: ObjectSource) {
        self.inner().sources.insert(source.object, Arc::new(source));
    }

    pub(super) fn source(&self, object: ObjectId) -> Option<Arc<ObjectSource>> {
        self.inner().sources.get(&object).cloned()
    }
}
