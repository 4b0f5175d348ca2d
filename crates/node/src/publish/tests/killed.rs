//! A publisher that is killed at any step leaves a whole site, and the next one finishes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::publish;
use super::{Bench, later, long_mp3, options};

/// Where a child finds its orders: `STEP SITE INPUT`.
const ORDERS: &str = "NEARCAST_TEST_DIE_AT";

static STEPS: AtomicU32 = AtomicU32::new(0);

/// Called before every rename and removal in a site. In a child, dies there when it is the step ordered.
pub(in super::super) fn step() {
    let now = STEPS.fetch_add(1, Ordering::Relaxed) + 1;
    let orders = std::env::var(ORDERS).ok();
    if orders.and_then(|o| o.split('\n').next()?.parse().ok()) == Some(now) {
        std::process::abort();
    }
}

/// The child: publishes, and dies on the way. Does nothing without orders.
#[test]
fn child() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let mut orders = orders.split('\n').skip(1).map(PathBuf::from);
    let (site, input) = (orders.next().expect("a site"), orders.next().expect("an input"));
    publish(&[input], &site, &later(60), &()).expect("published");
}

/// Whether the child came to its end.
fn run_child(step: u32, site: &Path, input: &Path) -> bool {
    let program = std::env::current_exe().expect("a test program");
    let name = concat!(module_path!(), "::child");
    let name = name.split_once("::").expect("a crate").1;
    let orders = format!("{step}\n{}\n{}", site.display(), input.display());
    let mut command = Command::new(program);
    command.args(["--exact", name, "--test-threads", "1"]).env(ORDERS, orders);
    command.output().expect("started").status.success()
}

fn titles(bench: &Bench) -> BTreeSet<String> {
    bench.existing().titles.keys().map(ToString::to_string).collect()
}

/// The second version: a title changed, one added, an HLS tree changed.
fn change(bench: &Bench) {
    fs::write(bench.input().join("album/one.mp3"), long_mp3(100_000)).expect("written");
    super::copy(&super::media().join("five.m4a"), &bench.input().join("five.m4a"));
    let segment = bench.input().join("film/seg 1.ts");
    let mut bytes = fs::read(&segment).expect("there");
    bytes[4_000] ^= 1;
    fs::write(&segment, bytes).expect("written");
}

#[test]
fn a_publisher_killed_at_any_step_leaves_a_whole_site() {
    let fresh = || {
        let bench = Bench::with(&["album", "film"]);
        bench.publish(&options());
        bench
    };
    let reference = fresh();
    let before = titles(&reference);
    change(&reference);
    reference.publish(&later(60));
    let (after, files) = (titles(&reference), reference.files());
    let mut deaths = 0;
    for step in 1.. {
        let bench = fresh();
        change(&bench);
        if run_child(step, &bench.site(), &bench.input()) {
            break;
        }
        deaths += 1;
        bench.assert_sound();
        let left = titles(&bench);
        assert!(left == before || left == after, "step {step}: {left:?}");
        bench.publish(&later(60));
        bench.assert_sound();
        let finished = bench.files();
        assert!(finished.keys().eq(files.keys()), "step {step}: {:?}", finished.keys());
        let other = finished.iter().find(|(path, bytes)| files.get(*path) != Some(*bytes));
        assert_eq!(other.map(|(path, _)| path), None, "step {step}");
    }
    assert!(deaths > 10, "it died {deaths} times");
}

#[test]
fn what_a_killed_publisher_brought_in_is_used_or_cleared_away() {
    let bench = Bench::with(&["album"]);
    bench.publish(&options());
    let song = bench.input().join("album/one.mp3");
    let mut put = Vec::new();
    for size in [60_000, 70_000, 80_000] {
        fs::write(&song, long_mp3(size)).expect("written");
        // Its third step puts a signed document: the song and its outboard are in their place.
        assert!(!run_child(3, &bench.site(), &bench.input()));
        put.extend(bench.files().into_keys().filter(|p| p.ends_with(".mp3")));
    }
    put.sort();
    put.dedup();
    assert_eq!(put.len(), 4, "each in a place of its own: {put:?}");
    let modified = fs::metadata(&song).and_then(|m| m.modified()).expect("there");
    let mut bytes = fs::read(&song).expect("there");
    bytes[70_000] ^= 1;
    fs::write(&song, bytes).expect("written");
    fs::File::options().write(true).open(&song).and_then(|f| f.set_modified(modified)).expect("ours");
    bench.publish(&later(60));
    let published = bench.existing().titles[&super::id("a-band-one-tone")].files.clone();
    let path = published.keys().find(|p| p.ends_with(".mp3")).expect("one");
    let kept = fs::read(bench.site().join(path)).expect("there");
    assert!(kept == long_mp3(80_000), "what was hashed before is not read again");
    // The next change leaves the newest and the one before it.
    fs::write(&song, long_mp3(90_000)).expect("written");
    bench.publish(&later(120));
    assert_eq!(bench.files().keys().filter(|p| p.ends_with(".mp3")).count(), 2);
    bench.assert_sound();
}
