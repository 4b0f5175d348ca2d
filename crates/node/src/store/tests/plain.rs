//! What the store does when nothing goes wrong, and what it refuses.

use std::fs;
use std::time::{Duration, Instant};

use nearcast_content::BlockSet;

use super::super::{Cached, Keep, Store, StoreError, default_budget, limits, lock};
use super::{Random, Sample, range};

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path()).expect("opens").0
}

#[test]
fn what_went_in_comes_out() {
    let dir = dir();
    let store = open(&dir);
    let (mut random, samples) = (Random(1), [1, 16_384, 16_385, 5_000_001].map(|len| Sample::new(len, len)));
    for sample in &samples {
        for _ in 0..20 {
            let blocks = random.range(sample.size.all(), 40);
            sample.put(&store, blocks).expect("room");
            sample.check(&store, blocks);
            sample.serve(&store, blocks).expect("held");
        }
    }
    let before = store.holdings();
    assert_eq!(before.len(), 4);
    let bytes: u64 =
        before.iter().flat_map(|h| h.blocks.ranges().iter().map(|r| h.size.bytes_of(*r).len())).sum();
    assert_eq!((store.usage().bytes, store.usage().objects), (bytes, 4));
    store.close().expect("closes");
    let (store, found) = Store::open(dir.path()).expect("opens again");
    assert_eq!(found, before);
    for (sample, holding) in samples.iter().map(|s| (s, store.holding(s.id).expect("held"))) {
        holding.blocks.ranges().iter().for_each(|r| sample.check(&store, *r));
    }
    assert_eq!(store.verify_all().expect("readable"), []);
}

#[tokio::test]
async fn fetching_reads_on_the_spot_what_is_in_memory() {
    let dir = dir();
    let store = open(&dir);
    let sample = Sample::new(2, 100_000);
    sample.put(&store, sample.size.all()).expect("room");
    let mut buf = Vec::new();
    for block in sample.size.all().iter() {
        assert_eq!(
            &store.fetch(sample.id, range(block, block + 1), 4).await.expect("held")[..],
            sample.block(block)
        );
        // A file system that cannot tell answers `MustWait`; what it does read must be right.
        if store.read_cached(sample.id, range(block, block + 1), &mut buf).expect("held") == Cached::Read {
            assert_eq!(buf, sample.block(block));
        }
    }
    let two = store.fetch(sample.id, range(1, 7), 2).await.expect("held");
    assert_eq!(two, [sample.block(1), sample.block(2)].concat(), "no more at once than asked for");
    assert!(matches!(store.fetch(sample.id, range(7, 8), 4).await, Err(StoreError::NotHeld { .. })));
}

#[test]
fn rank_and_pin_survive() {
    let dir = dir();
    let store = open(&dir);
    let (a, b) = (Sample::new(3, 20_000), Sample::new(4, 20_000));
    a.put(&store, range(0, 1)).expect("room");
    b.put(&store, range(0, 2)).expect("room");
    let rank = |store: &Store, s: &Sample| store.holding(s.id).expect("held").last_used;
    assert!(rank(&store, &a) < rank(&store, &b));
    store.touch(a.id);
    store.pin(b.id, Keep::Pinned).expect("held");
    drop(store);
    let store = open(&dir);
    assert!(rank(&store, &a) > rank(&store, &b));
    assert!(store.holding(b.id).expect("held").pinned && !store.holding(a.id).expect("held").pinned);
    assert_eq!(store.usage().pinned, 20_000);
    store.touch(b.id);
    assert!(rank(&store, &b) > rank(&store, &a));
    store.pin(b.id, Keep::Evictable).expect("held");
    assert_eq!(store.usage().pinned, 0);
    assert!(matches!(store.pin(Sample::new(5, 1).id, Keep::Pinned), Err(StoreError::NotHeld { .. })));
}

#[test]
fn removed_blocks_give_their_room_back() {
    let dir = dir();
    let store = open(&dir);
    let sample = Sample::new(6, 4_000_000);
    sample.put(&store, sample.size.all()).expect("room");
    store.flush().expect("room");
    let allocated = || store.shared.files(sample.id).expect("opens").allocated().expect("known");
    let before = allocated();
    assert!(before >= 4_000_000);
    assert_eq!(store.remove(sample.id, range(10, 110)).expect("removes"), 100 * 16_384);
    assert_eq!(store.remove(sample.id, range(10, 110)).expect("nothing left"), 0);
    assert!(allocated() <= before - 100 * 16_384, "{before} then {}", allocated());
    assert!(matches!(store.read_block(sample.id, 50, &mut Vec::new()), Err(StoreError::NotHeld { .. })));
    assert!(matches!(sample.serve(&store, range(0, 20)), Err(StoreError::NotHeld { .. })));
    sample.check(&store, range(0, 10));
    sample.put(&store, range(40, 60)).expect("room");
    sample.check(&store, range(40, 60));
    let left = sample.size.bytes_of(range(0, 245)).len() - 80 * 16_384;
    assert_eq!(store.remove(sample.id, sample.size.all()).expect("removes"), left);
    assert_eq!(store.usage(), super::super::Usage::default());
    let files = fs::read_dir(dir.path().join("objects")).expect("there").flat_map(|d| {
        fs::read_dir(d.expect("readable").path()).expect("a directory").map(|f| f.expect("readable").path())
    });
    assert_eq!(files.count(), 0);
}

#[test]
fn room_that_no_record_claims_is_found_on_opening() {
    let dir = dir();
    let (kept, gone) = (Sample::new(7, 2_000_000), Sample::new(8, 50_000));
    let store = open(&dir);
    kept.put(&store, range(0, 5)).expect("room");
    store.flush().expect("room");
    // Written, and never committed.
    let files = store.shared.files(kept.id).expect("opens");
    files.write(32 * 16_384, &vec![1; 80 * 16_384]).expect("room");
    files.sync().expect("syncs");
    let orphan = super::super::files::paths(dir.path(), gone.id).0;
    fs::create_dir_all(orphan.parent().expect("a directory")).expect("makes");
    fs::write(&orphan, b"left behind").expect("writes");
    let foreign = orphan.with_file_name("README");
    fs::write(&foreign, b"not ours").expect("writes");
    assert!(files.allocated().expect("known") >= 85 * 16_384);
    drop((store, files));
    let store = open(&dir);
    assert!(store.shared.files(kept.id).expect("opens").allocated().expect("known") <= 6 * 16_384);
    assert!(!orphan.exists() && foreign.exists());
    kept.check(&store, range(0, 5));
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = dir();
    let store = open(&dir);
    let error = Store::open(dir.path()).expect_err("locked");
    assert!(matches!(&error, StoreError::Locked { dir: named } if named == dir.path()));
    assert!(error.to_string().contains(&dir.path().display().to_string()));
    let clone = store.clone();
    drop(store);
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Locked { .. })));
    clone.close().expect("closes");
    open(&dir);
    assert!(matches!(clone.flush(), Err(StoreError::Closed)));
    assert!(matches!(Sample::new(9, 9).put(&clone, range(0, 1)), Err(StoreError::Closed)));
}

#[test]
fn metadata_of_another_version_is_refused() {
    const FORMATS: redb::TableDefinition<'_, &str, u32> = redb::TableDefinition::new("format");
    let dir = dir();
    drop(open(&dir));
    let database = redb::Database::create(dir.path().join("store.redb")).expect("a database");
    let write = database.begin_write().expect("begins");
    write.open_table(FORMATS).expect("a table").insert("format", 7).expect("inserts");
    write.commit().expect("commits");
    drop(database);
    let error = Store::open(dir.path()).expect_err("unknown");
    assert!(matches!(error, StoreError::Format { found: 7, known: 1, .. }), "{error}");
    fs::write(dir.path().join("store.redb"), b"this is no database").expect("writes");
    let error = Store::open(dir.path()).expect_err("unreadable");
    assert!(matches!(error, StoreError::Metadata { .. }), "{error}");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let dir = dir();
    let store = open(&dir);
    let sample = Sample::new(10, 40_000);
    store.write_whole(sample.id, &sample.bytes).expect("room");
    sample.check(&store, sample.size.all());
    sample.serve(&store, sample.size.all()).expect("held");
    let other = store.write_whole(Sample::new(11, 9).id, &sample.bytes);
    assert!(matches!(other, Err(StoreError::OtherObject { .. })));
    // The same object with a size that a wrong manifest might give: its first block verifies all the same.
    let mut liar = Sample::new(10, 40_000);
    liar.size = nearcast_content::ObjectSize::new(39_999).expect("a size");
    assert!(matches!(
        liar.put(&store, range(0, 1)),
        Err(StoreError::OtherSize { known: 40_000, given: 39_999, .. })
    ));
}

#[test]
fn the_thread_makes_blocks_durable_by_itself() {
    let dir = dir();
    let store = open(&dir);
    let sample = Sample::new(12, limits::FLUSH_BYTES);
    sample.put(&store, sample.size.all()).expect("room");
    let durable = || lock(&store.shared.state).objects[&sample.id].record.blocks.clone();
    let deadline = Instant::now() + Duration::from_secs(60);
    while durable() != BlockSet::from(sample.size.all()) {
        assert!(Instant::now() < deadline, "still only {:?}", durable());
        std::thread::yield_now();
    }
}

#[test]
fn the_budget_follows_the_disk() {
    let dir = dir();
    let budget = default_budget(&dir.path().join("not/yet/there"), 0).expect("measures");
    assert!((50_000_000..=10_000_000_000).contains(&budget));
    assert_eq!(default_budget(dir.path(), u64::MAX).expect("measures"), 10_000_000_000);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "between two looks at a condition")]
fn little_that_is_written_becomes_durable_by_itself() {
    let dir = dir();
    let store = open(&dir);
    let sample = Sample::new(9, 100_000);
    let durable = || {
        let state = lock(&store.shared.state);
        state.objects.get(&sample.id).is_some_and(|entry| entry.record.blocks == sample.size.all().into())
    };
    // The flushing thread has nothing to do and sleeps by then; whether it does makes no difference to what must
    // come of it.
    sample.put(&store, sample.size.all()).expect("room");
    let begun = Instant::now();
    while !durable() {
        assert!(begun.elapsed() < 2 * limits::FLUSH_AFTER, "still not on the disk");
        std::thread::sleep(Duration::from_millis(50));
    }
}
