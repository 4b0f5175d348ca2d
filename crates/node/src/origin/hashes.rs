//! Outboards: the parts that prove a run, fetched beside it and remembered.
//!
//! What is remembered is as the origin sent it. That is safe because every run is checked from the root down; a
//! part that fails the check is forgotten.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::try_join_all;
use lru::LruCache;
use nearcast_content::tree::{PAIR_LEN, Parents, Parts, RunPlan, Step, Tree};
use nearcast_content::{BlockRange, ByteRange, ObjectId};
use tokio::sync::OnceCell;

use super::ObjectSource;
use super::client::Inner;
use super::error::{OriginError, Trouble};
use super::reply::{self, Body};

/// Parts that lie in a row are fetched together where they are no more than this, as a head and the first page: the
/// first block of a play waits for them on the same line.
const ONE_REQUEST: u64 = 20 * 1024;

/// Parts by object and place, each fetched once however many runs wait for it.
#[derive(Debug)]
pub(super) struct HashCache {
    budget: u64,
    parts: Mutex<LruCache<(ObjectId, u64, u64), Arc<Part>>>,
}

#[derive(Debug)]
struct Part {
    bytes: ByteRange,
    content: OnceCell<Bytes>,
}

impl HashCache {
    pub(super) fn new(budget: u64) -> Self {
        Self { budget, parts: Mutex::new(LruCache::unbounded()) }
    }

    /// The part that `bytes` are in, which may be more than they.
    fn part(&self, object: ObjectId, bytes: ByteRange) -> Arc<Part> {
        let mut parts = self.lock();
        let all_of = |p: &Part| p.bytes.start <= bytes.start && bytes.end <= p.bytes.end;
        let known = parts.iter().find(|((of, ..), part)| *of == object && all_of(part));
        let key = known.map_or((object, bytes.start, bytes.end), |(key, _)| *key);
        let fresh = || Arc::new(Part { bytes, content: OnceCell::new() });
        let part = parts.get_or_insert(key, fresh).clone();
        let mut held: u64 = parts.iter().map(|(_, p)| p.bytes.len()).sum();
        while held > self.budget && parts.len() > 1 {
            held -= parts.pop_lru().map_or(0, |(_, p)| p.bytes.len());
        }
        part
    }

    /// Forgets what is known of an object whose hashes turned out wrong.
    pub(super) fn forget(&self, object: ObjectId) {
        self.lock().retain(|(of, ..), _| *of != object);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<(ObjectId, u64, u64), Arc<Part>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parents that a run needs.
pub(super) enum Hashes {
    Held(Arc<dyn Parents + Send + Sync>),
    Fetched(Parts<Bytes>),
}

impl Parents for Hashes {
    fn parent(&self, offset: u64) -> Option<[u8; PAIR_LEN]> {
        match self {
            Self::Held(parents) => parents.parent(offset),
            Self::Fetched(parts) => parts.parent(offset),
        }
    }
}

/// The hashes for `blocks`: those at hand if they suffice, else from memory or the origin.
pub(super) async fn obtain(
    origin: &Inner,
    source: &ObjectSource,
    blocks: BlockRange,
) -> Result<Hashes, OriginError> {
    if let Some(held) = source.held.clone().filter(|held| suffices(held.as_ref(), source, blocks)) {
        return Ok(Hashes::Held(held));
    }
    let tree = Tree::new(source.size);
    let fetched = try_join_all(needed(tree, blocks).into_iter().map(async |bytes| {
        let part = origin.hashes.part(source.object, bytes);
        let fetch = || fetch(origin, source, part.bytes, tree.outboard_len());
        let content = part.content.get_or_try_init(fetch).await?;
        Ok((part.bytes.start, content.clone()))
    }));
    let fetched = fetched.await.map_err(|trouble| OriginError::at(&source.outboard, trouble))?;
    Ok(Hashes::Fetched(fetched.into_iter().fold(Parts::new(), |parts, (at, bytes)| parts.with(at, bytes))))
}

fn suffices(held: &(dyn Parents + Send + Sync), source: &ObjectSource, blocks: BlockRange) -> bool {
    RunPlan::new(source.size, blocks).all(|step| match step {
        Step::Parent(offset) => held.parent(offset).is_some(),
        Step::Block(_) => true,
    })
}

/// Which parts of the outboard to ask for.
fn needed(tree: Tree, blocks: BlockRange) -> Vec<ByteRange> {
    let pages = tree.pages_of(blocks).map(|n| tree.page(n));
    let mut parts: Vec<ByteRange> = Vec::new();
    for part in std::iter::once(tree.head()).chain(pages).filter(|part| !part.is_empty()) {
        match parts.last_mut() {
            Some(last) if last.end == part.start && part.end - last.start <= ONE_REQUEST => {
                last.end = part.end
            }
            Some(_) | None => parts.push(part),
        }
    }
    parts
}

async fn fetch(origin: &Inner, source: &ObjectSource, bytes: ByteRange, len: u64) -> Result<Bytes, Trouble> {
    let answer = origin.get(&source.outboard, Some(bytes)).await?;
    match reply::judge_range(answer.status(), answer.headers(), bytes, len)? {
        Body::Asked => answer.all(bytes.len()).await,
        // What is taken whole has one page: its outboard is asked for whole too.
        Body::Whole(_) => Err(Trouble::NoRanges { limit: ONE_REQUEST }),
    }
}

#[cfg(test)]
mod tests {
    use nearcast_content::ObjectSize;

    use super::*;

    #[test]
    fn beginnings_need_one_request_and_the_rest_head_and_page() {
        let tree = |bytes| Tree::new(ObjectSize::new(bytes).expect("in range"));
        let blocks = BlockRange::new(0, 1);
        assert_eq!(needed(tree(16_000), blocks), []);
        let song = tree(5 << 20);
        assert_eq!(needed(song, blocks), [ByteRange::new(0, 64 + 255 * 64)]);
        assert_eq!(needed(song, BlockRange::new(256, 257)), [song.head(), song.page(1)]);
        assert_eq!(needed(song, BlockRange::new(255, 257)), [ByteRange::new(0, song.outboard_len())]);
        let film = tree(4 << 30);
        assert_eq!(needed(film, BlockRange::new(255, 257)), [film.head(), film.page(0), film.page(1)]);
    }

    #[test]
    fn what_is_in_a_part_that_came_is_not_fetched_again() {
        let cache = HashCache::new(1_000);
        let object = ObjectId([1; 32]);
        let [head, both, page] = [(0, 10), (0, 30), (30, 50)].map(|(start, end)| ByteRange::new(start, end));
        let first = cache.part(object, head);
        assert_eq!(first.bytes, head);
        let more = cache.part(object, both);
        assert_eq!(more.bytes, both, "the head is not all of it");
        let again = cache.part(object, head);
        assert!(Arc::ptr_eq(&again, &first) || Arc::ptr_eq(&again, &more));
        assert_eq!(cache.part(object, page).bytes, page);
        let other = HashCache::new(1_000);
        let both = other.part(object, both);
        assert!(Arc::ptr_eq(&other.part(object, head), &both), "it is the beginning of it");
        assert_eq!(other.part(ObjectId([2; 32]), head).bytes, head, "another object's");
    }

    #[test]
    fn memory_is_bounded_and_the_last_used_stay() {
        let cache = HashCache::new(100);
        let object = |n| ObjectId([n; 32]);
        let first = cache.part(object(1), ByteRange::new(0, 40));
        cache.part(object(2), ByteRange::new(0, 40));
        assert!(Arc::ptr_eq(&first, &cache.part(object(1), ByteRange::new(0, 40))));
        cache.part(object(3), ByteRange::new(0, 40));
        let kept: Vec<_> = cache.lock().iter().map(|((id, ..), _)| *id).collect();
        assert_eq!(kept, [object(3), object(1)]);
        cache.forget(object(1));
        assert_eq!(cache.lock().len(), 1);
    }
}
