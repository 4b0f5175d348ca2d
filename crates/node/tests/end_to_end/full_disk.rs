//! A node whose disk is full: what plays goes on, and it says so.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use reqwest::StatusCode;

use super::bench::{Listener, Origin, Setup, Site, Supernode, song};
use super::player::hash;

/// Twice what the disk of the test has room for.
const LONG: usize = 8_000_000;

/// A file system of a few MiB, gone when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// Nothing without the rights to mount it: the store's own tests fill a disk in memory.
    fn mount(at: &'a Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        let root = Command::new("id").arg("-u").output().expect("id runs").stdout == b"0\n";
        if !root {
            return None;
        }
        let options = ["-t", "tmpfs", "-o", "size=4m", "nearcast-test"];
        let mounted = Command::new("mount").args(options).arg(at).status().expect("mount runs");
        assert!(mounted.success(), "root cannot mount a tmpfs");
        Some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "could not unmount {:?}", self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_a_title_plays_to_its_end_and_the_node_says_that_it_is_full() {
    let site = Site::with_a_song(71);
    let long = song(72, LONG);
    site.add("long", &long);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let state = Arc::new(tempfile::tempdir().expect("a folder"));
    let cache = state.path().join("cache");
    let Some(_disk) = SmallDisk::mount(&cache) else { return };
    let listener = Listener::start_in(&setup, Arc::clone(&state)).await.expect("the node starts");
    let all = listener.range("long", 0, long.len()).await;
    assert_eq!(all.status, StatusCode::PARTIAL_CONTENT);
    assert!(all.whole && hash(&all.bytes) == hash(&long), "{} of {} bytes came", all.bytes.len(), long.len());
    assert_eq!(listener.status().await.text("/disk"), "full");
    // And again, from a cache that holds a part of it.
    let tail = listener.range("long", LONG / 2, long.len()).await;
    assert!(tail.whole && hash(&tail.bytes) == hash(&long[LONG / 2..]), "{} bytes came", tail.bytes.len());
}
