//! Measures importing, hashing, reading and serving through the store: `store_speed DIR [MIB]`.

use std::path::PathBuf;
use std::time::Instant;

use nearcast_content::tree::{Need, Parents, RunDecoder, hash};
use nearcast_content::{BlockRange, ObjectSize};
use nearcast_node::store::{Cached, Store};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("give a directory for the store")?);
    let mib: u64 = args.next().map_or(Ok(512), |n| n.parse())?;
    let mut bytes = vec![0; usize::try_from(mib << 20)?];
    noise(&mut bytes);
    let size = ObjectSize::new(mib << 20).ok_or("not a size")?;
    let show = |what: &str, since: Instant| {
        println!("{what:28} {:6.2} GB/s", size.bytes() as f64 / 1e9 / since.elapsed().as_secs_f64());
    };

    let start = Instant::now();
    let (object, outboard) = hash(&bytes[..], size)?;
    show("hash, with outboard", start);

    let (store, _) = Store::open(&dir)?;
    let start = Instant::now();
    let run = |at: u32| BlockRange::new(at, (at + 16).min(size.blocks()));
    for at in (0..size.blocks()).step_by(16) {
        let (mut writer, mut decoder) = (store.writer(object, size), RunDecoder::new(object, size, run(at)));
        while let Some(need) = decoder.needs() {
            match need {
                Need::Parent { offset } => {
                    let pair = outboard[..].parent(offset).ok_or("no such parent")?;
                    writer.put(decoder.feed(&pair)?, &pair)?;
                }
                Need::Block { block, len } => {
                    let at = usize::try_from(u64::from(block) * 16_384)?;
                    writer.put(decoder.feed(&bytes[at..at + len])?, &bytes[at..at + len])?;
                }
            }
        }
    }
    show("verify and write, runs of 16", start);
    store.flush()?;
    show("the same, made durable", start);

    let (start, mut buf, mut waits) = (Instant::now(), Vec::new(), 0);
    for block in 0..size.blocks() {
        store.read_block(object, block, &mut buf)?;
    }
    show("read and verify", start);
    let start = Instant::now();
    for block in 0..size.blocks() {
        waits += u32::from(
            store.read_cached(object, BlockRange::new(block, block + 1), &mut buf)? == Cached::MustWait,
        );
    }
    show("the same without waiting", start);
    println!("{:28} {waits} of {} blocks", "  not in memory", size.blocks());
    let start = Instant::now();
    for at in (0..size.blocks()).step_by(16) {
        for piece in store.encode_run(object, run(at))? {
            piece?;
        }
    }
    show("serve, runs of 16", start);
    store.close()?;
    Ok(())
}

/// Fills with bytes that no file system compresses.
fn noise(bytes: &mut [u8]) {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    for eight in bytes.chunks_exact_mut(8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        eight.copy_from_slice(&x.to_le_bytes());
    }
}
