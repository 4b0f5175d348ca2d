//! A full disk, and one that fails to sync.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures_util::FutureExt as _;
use nearcast_content::BlockSet;

use super::super::open::Flushing;
use super::super::{Store, StoreError};
use super::memory::MemoryDisk;
use super::{Sample, range};

/// Fills a store until it says so; whatever it claims must be there, and evicting must work.
fn fill(store: &Store) {
    let sample = Sample::new(1, 30_000_000);
    let full = sample.size.all().iter().find_map(|block| sample.put(store, range(block, block + 1)).err());
    assert!(matches!(full, Some(StoreError::Full { .. })), "{full:?}");
    let held = store.holding(sample.id).expect("some of it").blocks;
    held.ranges().iter().for_each(|r| sample.check(store, *r));
    match store.flush() {
        Ok(()) | Err(StoreError::Full { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    store.remove(sample.id, range(0, 100)).expect("evicting needs no room");
    sample.put(store, range(0, 50)).expect("room again");
    store.flush().expect("room again");
    let held = store.holding(sample.id).expect("held").blocks;
    held.ranges().iter().for_each(|r| sample.check(store, *r));
}

#[test]
fn a_full_disk_is_named_and_evicting_helps() {
    let disk = MemoryDisk::default();
    let (store, _) =
        Store::open_on(Arc::new(disk.clone()), Path::new("/cache"), Flushing::Caller).expect("opens");
    disk.limit(Some(disk.used() + 8_000_000));
    fill(&store);
    disk.limit(Some(disk.used()));
    let other = Sample::new(2, 50_000);
    assert!(matches!(other.put(&store, range(0, 1)), Err(StoreError::Full { .. })));
    assert_eq!(store.holding(other.id), None);
}

#[test]
fn a_flush_without_room_keeps_the_blocks_and_is_made_up_for() {
    let disk = MemoryDisk::default();
    let (store, _) =
        Store::open_on(Arc::new(disk.clone()), Path::new("/cache"), Flushing::Caller).expect("opens");
    let sample = Sample::new(3, 100_000);
    sample.put(&store, sample.size.all()).expect("room");
    disk.limit(Some(disk.used()));
    assert!(matches!(store.flush(), Err(StoreError::Full { .. })), "there was room for the record");
    sample.check(&store, sample.size.all());
    store.remove(sample.id, range(1, 2)).expect("evicting needs no room");
    store.flush().expect("room again");
    let held = store.holdings();
    assert_eq!(held[0].blocks.count(), 6);
    drop(store);
    disk.limit(None);
    let (store, found) =
        Store::open_on(Arc::new(disk), Path::new("/cache"), Flushing::Caller).expect("opens");
    assert_eq!(found, held);
    assert_eq!(store.verify_all().expect("readable"), []);
}

/// The same on a real file system of 12 MiB. Mounting needs root; whoever is not root has the test above.
#[test]
fn a_full_file_system_is_named_and_evicting_helps() {
    let root = Command::new("id").arg("-u").output().expect("id runs").stdout == b"0\n";
    if !root {
        return;
    }
    struct Mounted(tempfile::TempDir);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let unmounted = Command::new("umount").arg(self.0.path()).status();
            assert!(unmounted.is_ok_and(|status| status.success()), "could not unmount {:?}", self.0.path());
        }
    }
    let dir = Mounted(tempfile::tempdir().expect("a temporary directory"));
    let mount = ["-t", "tmpfs", "-o", "size=12m", "nearcast-test"];
    let mounted = Command::new("mount").args(mount).arg(dir.0.path()).status().expect("mount runs");
    assert!(mounted.success(), "root cannot mount a tmpfs");
    let (store, _) = Store::open(&dir.0.path().join("cache")).expect("opens");
    fill(&store);
    store.close().expect("closes");
}

#[tokio::test]
async fn what_could_not_be_synced_is_not_claimed_and_told_of() {
    let disk = MemoryDisk::default();
    let (store, _) =
        Store::open_on(Arc::new(disk.clone()), Path::new("/cache"), Flushing::Caller).expect("opens");
    let (old, new) = (Sample::new(1, 200_000), Sample::new(2, 100_000));
    old.put(&store, range(0, 3)).expect("room");
    store.flush().expect("syncs");
    old.put(&store, range(5, 9)).expect("room");
    new.put(&store, range(0, 2)).expect("room");
    disk.fail_syncs(1);
    assert!(matches!(store.flush(), Err(StoreError::Io { action: "sync", .. })));
    assert_eq!(store.holding(old.id).expect("held").blocks, BlockSet::from(range(0, 3)));
    assert_eq!(store.holding(new.id), None);
    let mut given_up = store.given_up().await;
    given_up.sort_unstable_by_key(|(object, _)| *object != old.id);
    assert_eq!(given_up, [(old.id, range(5, 9)), (new.id, range(0, 2))]);
    assert_eq!(store.given_up().now_or_never(), None, "each once");
    old.put(&store, range(5, 9)).expect("room");
    new.put(&store, range(0, 2)).expect("room");
    store.flush().expect("syncs");
    old.check(&store, range(5, 9));
    new.check(&store, range(0, 2));
}

#[tokio::test]
async fn what_came_again_since_it_was_given_up_is_not_told_of() {
    let disk = MemoryDisk::default();
    let (store, _) =
        Store::open_on(Arc::new(disk.clone()), Path::new("/cache"), Flushing::Caller).expect("opens");
    let sample = Sample::new(1, 100_000);
    sample.put(&store, range(0, 3)).expect("room");
    disk.fail_syncs(1);
    assert!(store.flush().is_err());
    sample.put(&store, range(1, 2)).expect("room");
    assert_eq!(store.given_up().await, [(sample.id, range(0, 1)), (sample.id, range(2, 3))]);
}
