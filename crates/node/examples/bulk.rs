//! Bulk between two processes over loopback: how fast, and what it costs at both ends.
//!
//! `cargo run --release -p nearcast-node --example bulk -- [MIB] [BLOCKS]` asks a second process for MIB
//! mebibytes (1,024) in runs of BLOCKS blocks (16), as many at once as the engine asks of one peer. Nothing is
//! hashed and no disk is touched: this is the price of the transport alone. Linux only, for the CPU figures.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use nearcast_content::{BLOCK_SIZE, BlockRange, NodeKey, ObjectId};
use nearcast_engine::limits::{MAX_RUN_BLOCKS, MAX_RUNS_PER_PEER};
use nearcast_engine::swarm::PeerId;
use nearcast_engine::wire::{PeerMessage, Want};
use nearcast_node::transport::{IncomingRun, Transport, TransportConfig, TransportEvent};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// First argument of the process that sends.
const SENDER: &str = "send";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == SENDER) {
        return send().await;
    }
    let number = |n: usize, default: u32| args.get(n).map_or(Ok(default), |arg| arg.parse());
    receive(number(0, 1024)?, number(1, 16)?).await
}

async fn start(seed: u8) -> anyhow::Result<(Transport, mpsc::Receiver<TransportEvent>)> {
    Ok(Transport::bind(TransportConfig::new([seed; 32], "127.0.0.1:0".parse()?)).await?)
}

/// Answers every want with as many bytes, until the peer leaves; then prints what it cost.
async fn send() -> anyhow::Result<()> {
    let (transport, mut events) = start(1).await?;
    let port = transport.node_addr().port().context("no port")?;
    println!("{} {port}", transport.node());
    let block = Bytes::from(vec![7; usize::try_from(BLOCK_SIZE)?]);
    let mut runs = JoinSet::new();
    while let Some(event) = events.recv().await {
        if let TransportEvent::Message { peer, message: PeerMessage::Want(want) } = event {
            let (transport, block) = (transport.clone(), block.clone());
            runs.spawn(async move {
                let mut sender = transport.send_run(peer, want.request).await?;
                for _ in want.blocks.iter() {
                    sender.send(block.clone()).await?;
                }
                sender.finish()
            });
        } else if let TransportEvent::Disconnected { .. } = event {
            break;
        }
    }
    while let Some(run) = runs.join_next().await {
        run??;
    }
    println!("{}", cpu()?.as_secs_f64());
    Ok(())
}

async fn receive(mib: u32, blocks: u32) -> anyhow::Result<()> {
    if mib == 0 || !(1..=MAX_RUN_BLOCKS).contains(&blocks) {
        bail!("at least 1 MiB, in runs of 1 to {MAX_RUN_BLOCKS} blocks");
    }
    let mut sender = Command::new(std::env::current_exe()?).arg(SENDER).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(sender.stdout.take().context("no output")?).lines();
    let first = lines.next().context("the sender did not start")??;
    let (key, port) = first.split_once(' ').context("a key and a port")?;
    let (key, port): (NodeKey, u16) = (key.parse()?, port.parse()?);

    let (transport, mut events) = start(2).await?;
    transport.connect(key, vec![([127, 0, 0, 1], port).into()], None);
    let Some(TransportEvent::Connected { peer, .. }) = events.recv().await else { bail!("cannot connect") };
    let (idle, begun) = (cpu()?, Instant::now());
    let bytes = fetch(&transport, &mut events, peer, u64::from(mib) * 1024 * 1024, blocks).await?;
    let (took, receiver) = (begun.elapsed(), cpu()?.saturating_sub(idle));
    transport.disconnect(peer);
    let sender_cpu: f64 = lines.next().context("the sender did not end well")??.parse()?;
    sender.wait()?;

    let gb = bytes as f64 / 1e9;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:.2} GB in {:.2} s: {:.0} Mbit/s",
        gb,
        took.as_secs_f64(),
        gb * 8e3 / took.as_secs_f64()
    )?;
    writeln!(
        out,
        "CPU-s/GB: sender {:.2}, receiver {:.2}, both {:.2}",
        sender_cpu / gb,
        receiver.as_secs_f64() / gb,
        (sender_cpu + receiver.as_secs_f64()) / gb
    )?;
    Ok(())
}

/// Asks for runs until `total` bytes have come; returns how many did.
async fn fetch(
    transport: &Transport,
    events: &mut mpsc::Receiver<TransportEvent>,
    peer: PeerId,
    total: u64,
    blocks: u32,
) -> anyhow::Result<u64> {
    let run_len = u64::from(blocks) * BLOCK_SIZE;
    let runs = u32::try_from(total.div_ceil(run_len))?;
    let want = |request| {
        let blocks = BlockRange::new(0, blocks);
        transport
            .send(peer, PeerMessage::Want(Want { request, object: ObjectId([1; 32]), blocks, due_millis: 0 }))
    };
    let mut asked = 0;
    let mut reading = JoinSet::new();
    let mut done = 0;
    while done < runs {
        while asked < runs && (asked - done) < u32::try_from(MAX_RUNS_PER_PEER)? {
            want(asked)?;
            asked += 1;
        }
        tokio::select! {
            event = events.recv() => match event {
                Some(TransportEvent::Run(run)) => drop(reading.spawn(read(run, blocks))),
                Some(TransportEvent::PathChanged { .. }) => {}
                other => bail!("unexpected: {other:?}"),
            },
            Some(read) = reading.join_next() => {
                read??;
                done += 1;
            }
        }
    }
    Ok(u64::from(runs) * run_len)
}

async fn read(mut run: IncomingRun, blocks: u32) -> anyhow::Result<()> {
    let mut block = vec![0; usize::try_from(BLOCK_SIZE)?];
    for _ in 0..blocks {
        run.stream.read_exact(&mut block).await?;
    }
    Ok(())
}

/// CPU time of this process so far.
fn cpu() -> anyhow::Result<Duration> {
    // proc(5): user and system time are fields 14 and 15, in ticks of 10 ms; the name in field 2 may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
