//! Two hundred processes killed while they write.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nearcast_content::{BlockSet, ObjectId};

use super::super::Store;
use super::{Random, Sample, range};

const DIR: &str = "NEARCAST_TEST_KILL_DIR";
const SEED: &str = "NEARCAST_TEST_KILL_SEED";
const KILLS: u64 = 200;

fn samples() -> Vec<Sample> {
    [40_000, 700_000, 1_200_000, 2_500_000].map(|len| Sample::new(len, len)).into()
}

/// The process that gets killed: writes, flushes, evicts, and says what it was promised.
#[test]
#[ignore = "started by two_hundred_kills_leave_no_claim_without_bytes"]
fn child() {
    let dir = env::var(DIR).expect("started by the other test");
    let mut random = Random(env::var(SEED).expect("started by the other test").parse().expect("a number"));
    let samples = samples();
    println!("begun");
    let (store, _) = Store::open(Path::new(&dir)).expect("opens");
    loop {
        let sample = &samples[random.index(samples.len())];
        match random.below(12) {
            0 => {
                let blocks = random.range(sample.size.all(), 200);
                println!("gone {} {} {}", sample.id, blocks.start, blocks.end);
                store.remove(sample.id, blocks).expect("removes");
            }
            1 | 2 => {
                let before = store.holdings();
                store.flush().expect("room");
                for held in before {
                    for r in held.blocks.ranges() {
                        println!("safe {} {} {}", held.object, r.start, r.end);
                    }
                }
            }
            _ => sample.put(&store, random.range(sample.size.all(), 32)).expect("room"),
        }
    }
}

/// Reads what a child said, up to its last whole line.
fn heard(said: &str, promised: &mut BTreeMap<ObjectId, BlockSet>) {
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        // The test harness talks too.
        let [word @ ("safe" | "gone"), object, start, end] = words[..] else { continue };
        let blocks = range(start.parse().expect("a number"), end.parse().expect("a number"));
        let known = promised.entry(object.parse().expect("an object")).or_default();
        if word == "safe" {
            known.insert(blocks);
        } else {
            known.remove(blocks);
        }
    }
}

#[test]
fn two_hundred_kills_leave_no_claim_without_bytes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let this = env::current_exe().expect("known");
    let (mut random, mut promised, mut lives_with_promises) = (Random(200), BTreeMap::new(), 0);
    for kill in 0..KILLS {
        let mut child = Command::new(&this)
            .args(["--exact", "store::tests::kill::child", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .env(SEED, kill.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        while line != "begun\n" {
            line.clear();
            assert_ne!(out.read_line(&mut line).expect("reads"), 0, "child {kill} ended by itself");
        }
        let listener = thread::spawn(move || {
            let mut said = Vec::new();
            out.read_to_end(&mut said).map(|_| String::from_utf8_lossy(&said).into_owned())
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "how long a child lives is the point at which it dies"
        )]
        thread::sleep(Duration::from_micros(random.below(100_000)));
        assert!(child.try_wait().expect("a child").is_none(), "child {kill} ended by itself");
        child.kill().expect("still there");
        child.wait().expect("dies");
        let said = listener.join().expect("listens").expect("reads");
        lives_with_promises += u32::from(said.contains("safe "));
        heard(&said, &mut promised);

        let (store, _) = Store::open(dir.path()).unwrap_or_else(|e| panic!("after kill {kill}: {e}"));
        assert_eq!(store.verify_all().expect("readable"), [], "after kill {kill}");
        for (object, blocks) in &promised {
            let held = store.holding(*object).map(|h| h.blocks).unwrap_or_default();
            let lost = blocks.ranges().iter().find(|r| !held.contains_all(**r));
            assert_eq!(lost, None, "after kill {kill}: promised blocks of {object} are gone");
        }
        store.close().expect("closes");
    }
    assert!(lives_with_promises > 50, "the children died before they did anything: {lives_with_promises}");
}
