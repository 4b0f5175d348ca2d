//! Power cuts at every kind of moment, by seed, on a disk that keeps or loses each unsynced write.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nearcast_content::{BlockSet, ObjectId};

use super::super::open::Flushing;
use super::super::{Store, StoreError};
use super::memory::MemoryDisk;
use super::{Random, Sample};

fn open(disk: &MemoryDisk) -> Result<Store, StoreError> {
    Store::open_on(Arc::new(disk.clone()), Path::new("/cache"), Flushing::Caller).map(|(store, _)| store)
}

/// Blocks that a flush promised, by object.
type Promised = BTreeMap<ObjectId, BlockSet>;

/// Writes, evicts, flushes and reads until the power goes.
fn work(store: &Store, disk: &MemoryDisk, samples: &[Sample], promised: &mut Promised, random: &mut Random) {
    while !disk.is_off() {
        let sample = &samples[random.index(samples.len())];
        match random.below(10) {
            0 => {
                let blocks = random.range(sample.size.all(), 30);
                // Whether or not the removal got through, nothing is promised of these.
                if let Some(kept) = promised.get_mut(&sample.id) {
                    kept.remove(blocks);
                }
                drop(store.remove(sample.id, blocks));
            }
            1 | 2 => {
                if store.flush().is_ok() {
                    *promised = store.holdings().into_iter().map(|h| (h.object, h.blocks)).collect();
                }
            }
            3 => store.touch(sample.id),
            _ => drop(sample.put(store, random.range(sample.size.all(), 12))),
        }
    }
}

/// One life after another on the same disk, each ended by a power cut.
fn lives(seed: u64) -> u32 {
    let mut random = Random(seed);
    let samples = [30_000, 300_000, 1_500_000].map(|len| Sample::new(seed + len, len));
    let (mut disk, mut promised, mut claimed) = (MemoryDisk::default(), Promised::new(), 0);
    for life in 0..6 {
        let within = [40, 300, 300, 2_000][random.index(4)];
        // The cut may fall into opening: then there is nothing to work with.
        disk.cut_after(random.below(within));
        if let Ok(store) = open(&disk) {
            work(&store, &disk, &samples, &mut promised, &mut random);
        }
        disk = disk.after_power_cut(&mut random);
        let store = open(&disk).unwrap_or_else(|e| panic!("seed {seed}, life {life}: {e}"));
        let bad = store.verify_all().expect("readable");
        assert_eq!(bad, [], "seed {seed}, life {life}: claimed blocks are not there");
        for (object, blocks) in &promised {
            let held = store.holding(*object).map(|h| h.blocks).unwrap_or_default();
            let lost = blocks.ranges().iter().find(|r| !held.contains_all(**r));
            assert_eq!(lost, None, "seed {seed}, life {life}: a flush had promised these");
            claimed += held.count();
        }
        drop(store);
    }
    claimed
}

#[test]
fn no_power_cut_leaves_a_claim_without_bytes() {
    let claimed: u32 = (0..30).map(lives).sum();
    assert!(claimed > 1_000, "the lives were too short to show anything: {claimed} blocks");
}

#[test]
fn a_power_cut_while_the_store_is_made_does_not_break_it() {
    let mut opened = 0;
    for cut in 0..60 {
        for seed in 0..3 {
            let (disk, mut random) = (MemoryDisk::default(), Random(cut * 100 + seed));
            disk.cut_after(cut);
            opened += u32::from(open(&disk).is_ok());
            let disk = disk.after_power_cut(&mut random);
            drop(open(&disk).unwrap_or_else(|e| panic!("cut at change {cut}, seed {seed}: {e}")));
        }
    }
    assert!(opened > 0, "no cut came after opening: take a wider range");
}
