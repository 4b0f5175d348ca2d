//! Disks that give back something else than was written.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::files::paths;
use super::super::{Cached, CheckProgress, Store, StoreError, cache_in, check_cache};
use super::{Random, Sample, range};

fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("reads");
    byte[0] ^= 0x10;
    file.write_all_at(&byte, offset).expect("writes");
}

struct Fixture {
    dir: tempfile::TempDir,
    store: Store,
    sample: Sample,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(dir.path()).expect("opens").0;
    let sample = Sample::new(1, 9_000_000);
    sample.put(&store, sample.size.all()).expect("room");
    store.flush().expect("room");
    Fixture { dir, store, sample }
}

#[test]
fn a_damaged_block_is_found_struck_and_fetched_again() {
    let Fixture { dir, store, sample } = fixture();
    flip(&paths(dir.path(), sample.id).0, 7 * 16_384 + 99);
    let mut buf = Vec::new();
    assert_eq!(store.read_cached(sample.id, range(7, 8), &mut buf).expect("held"), Cached::MustWait);
    let read = store.read_block(sample.id, 7, &mut buf);
    assert!(matches!(read, Err(StoreError::Damaged { blocks, .. }) if blocks == range(7, 8)));
    assert!(matches!(store.read_block(sample.id, 7, &mut buf), Err(StoreError::NotHeld { .. })));
    sample.check(&store, range(0, 7));
    sample.check(&store, range(8, 550));
    drop(store);
    let (store, holdings) = Store::open(dir.path()).expect("opens");
    assert_eq!(holdings[0].blocks.ranges(), [range(0, 7), range(7 + 1, 550)]);
    sample.put(&store, range(7, 8)).expect("room");
    sample.check(&store, sample.size.all());
}

#[test]
fn damage_in_the_middle_of_serving_ends_the_run_honestly() {
    let Fixture { dir, store, sample } = fixture();
    flip(&paths(dir.path(), sample.id).0, 105 * 16_384);
    let mut run = store.encode_run(sample.id, range(100, 116)).expect("held");
    assert_eq!(run.by_ref().take(5).filter(Result::is_ok).count(), 5);
    let bad = run.next().expect("the sixth piece");
    assert!(matches!(bad, Err(StoreError::Damaged { blocks, .. }) if blocks == range(105, 106)), "{bad:?}");
    assert!(run.next().is_none());
    sample.put(&store, range(105, 106)).expect("room");
    sample.serve(&store, range(100, 116)).expect("whole again");
}

#[test]
fn a_damaged_parent_is_replaced_with_the_next_run_over_it() {
    let Fixture { dir, store, sample } = fixture();
    // The root's pair: no block can be proven to a peer without it, although all can be read.
    flip(&paths(dir.path(), sample.id).1, 3);
    sample.check(&store, range(0, 550));
    let error = sample.serve(&store, range(300, 316)).expect_err("unprovable");
    assert!(matches!(error, StoreError::Damaged { blocks, .. } if blocks == range(300, 316)), "{error}");
    sample.put(&store, range(300, 301)).expect("room");
    sample.serve(&store, range(0, 64)).expect("the root is whole again");
    sample.put(&store, range(300, 316)).expect("room");
    sample.serve(&store, range(290, 320)).expect("whole again");
}

#[test]
fn verifying_finds_exactly_what_is_damaged() {
    let Fixture { dir, store, sample } = fixture();
    let (data, mut random) = (paths(dir.path(), sample.id).0, Random(5));
    let mut blocks: Vec<u32> = (0..12).map(|_| random.block(550)).collect();
    blocks.sort_unstable();
    blocks.dedup();
    for block in &blocks {
        flip(&data, u64::from(*block) * 16_384 + random.below(5_000));
    }
    let found = store.verify_all().expect("readable");
    assert_eq!(found, blocks.iter().map(|b| (sample.id, range(*b, b + 1))).collect::<Vec<_>>());
    assert_eq!(store.verify_all().expect("readable"), []);
    assert_eq!(store.holdings()[0].blocks.count(), 550 - u32::try_from(blocks.len()).expect("few"));
}

#[test]
fn checking_a_cache_names_every_bad_block_and_changes_nothing() {
    struct Silent;
    impl CheckProgress for Silent {
        fn planned(&self, _: u64) {}
        fn bytes(&self, _: u64) {}
    }
    let Fixture { dir, store, sample } = fixture();
    let (data, outboard) = paths(dir.path(), sample.id);
    let check = || check_cache(dir.path(), &Silent);
    assert!(matches!(check(), Err(StoreError::Locked { .. })), "a node uses it");
    drop(store);
    assert_eq!(cache_in(dir.path()).as_deref(), Some(dir.path()));
    let whole = check().expect("readable");
    assert_eq!((whole.objects, whole.bytes, whole.faults.len()), (1, 9_000_000, 0));
    for block in [7, 100, 549] {
        flip(&data, block * 16_384 + 99);
    }
    let faults = check().expect("readable").faults;
    assert_eq!(faults[0].bad.ranges(), [range(7, 8), range(100, 101), range(549, 550)]);
    assert!(!faults[0].unproven && faults[0].path == data);
    assert_eq!(check().expect("readable").faults, faults, "nothing was struck");
    // The root's pair: every block can be read, none can be proven to a peer.
    flip(&outboard, 3);
    let faults = check().expect("readable").faults;
    assert!(faults[0].unproven && faults[0].bad.count() == 3, "{faults:?}");
    fs::remove_file(&data).expect("removes");
    assert_eq!(check().expect("readable").faults[0].bad.count(), 550);
}

#[test]
fn files_cut_short_or_gone_are_damage_too() {
    let Fixture { dir, store, sample } = fixture();
    let (data, outboard) = paths(dir.path(), sample.id);
    OpenOptions::new().write(true).open(&data).expect("opens").set_len(500 * 16_384).expect("cuts");
    assert_eq!(store.verify_all().expect("readable").len(), 50, "one for each block");
    drop(store);
    fs::remove_file(outboard).expect("removes");
    let (store, _) = Store::open(dir.path()).expect("opens");
    let read = store.read_block(sample.id, 0, &mut Vec::new());
    assert!(matches!(read, Err(StoreError::Damaged { .. })), "{read:?}");
    sample.put(&store, sample.size.all()).expect("room");
    // Blocks that were still claimed got no parents by that: they are found out when they are read.
    store.verify_all().expect("readable");
    sample.put(&store, sample.size.all()).expect("room");
    sample.check(&store, sample.size.all());
    sample.serve(&store, sample.size.all()).expect("whole again");
}
