//! Small objects from an origin without ranges: fetched whole, hashed whole, and remembered for the next run.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lru::LruCache;
use nearcast_content::tree::{self, Corrupt, OriginCheck};
use nearcast_content::{BlockRange, ObjectId};

use super::client::{Answer, Inner};
use super::error::Trouble;
use super::run::{self, Reader};
use super::{ObjectSource, Sink};

/// Largest object that is taken whole: a track or a segment, not a film.
pub(super) const WHOLE_LIMIT: u64 = 4 << 20;
/// Objects remembered, so at most 16 MiB.
const KEPT: usize = 4;

/// An object whose bytes were hashed.
#[derive(Debug)]
pub(super) struct Whole {
    bytes: Bytes,
    outboard: Vec<u8>,
}

/// The last few whole objects. Runs of one object take turns to fetch it, so that the first one's effort serves
/// the others.
#[derive(Debug)]
pub(super) struct WholeCache {
    known: Mutex<LruCache<ObjectId, Arc<Whole>>>,
    turn: tokio::sync::Mutex<()>,
}

impl Default for WholeCache {
    fn default() -> Self {
        Self { known: Mutex::new(LruCache::unbounded()), turn: tokio::sync::Mutex::default() }
    }
}

impl WholeCache {
    pub(super) fn get(&self, object: ObjectId) -> Option<Arc<Whole>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&object).cloned()
    }

    fn put(&self, object: ObjectId, whole: Arc<Whole>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(object, whole);
        while known.len() > KEPT {
            known.pop_lru();
        }
    }
}

/// Takes all of an object out of `answer` and hashes it.
pub(super) async fn take(
    origin: &Inner,
    source: &ObjectSource,
    answer: Answer,
) -> Result<Arc<Whole>, Trouble> {
    let _turn = origin.wholes.turn.lock().await;
    if let Some(known) = origin.wholes.get(source.object) {
        return Ok(known);
    }
    let bytes = answer.all(source.size.bytes()).await?;
    // Without a size mismatch, which `all` has ruled out, hashing from memory cannot fail.
    let hashed = tree::hash(bytes.as_ref(), source.size).map_err(|e| Trouble::Request(e.to_string()))?;
    let (found, outboard) = hashed;
    if found != source.object {
        return Err(Corrupt::Whole { object: source.object }.into());
    }
    let whole = Arc::new(Whole { bytes, outboard });
    origin.wholes.put(source.object, whole.clone());
    Ok(whole)
}

impl Whole {
    /// Hands `blocks` on, with the proof that every block needs.
    pub(super) async fn hand_on(
        &self,
        source: &ObjectSource,
        blocks: BlockRange,
        sink: &mut impl Sink,
    ) -> Result<(), Trouble> {
        let bytes = source.size.bytes_of(blocks);
        let cut = |at: u64| usize::try_from(at).unwrap_or(self.bytes.len()).min(self.bytes.len());
        let reader = Reader::of(&self.bytes[cut(bytes.start)..cut(bytes.end)]);
        let check = OriginCheck::new(source.object, source.size, blocks, self.outboard.as_slice());
        run::verify(check, reader, sink).await
    }
}
