//! How fast iroh alone moves bytes between two processes: the bound beside which `lab/run bulk` puts a node.
//!
//! `raw_iroh serve` prints its key and address and sends memory, checked by nobody, to whoever connects.
//! `raw_iroh fetch KEY ADDRESS BYTES` asks for that many bytes over eight streams, as large as the windows of a node,
//! prints how many seconds they took, and stays, so that its use of the processor can be read, until it is stopped.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use iroh::endpoint::{Connection, QuicTransportConfig, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMap, RelayMode, TransportAddr};

const ALPN: &[u8] = b"raw/1";
/// Streams at once: more than a node uses, so that none of them is the limit.
const STREAMS: u64 = 8;
/// The windows of a node's connections (`transport::quic`), and a send window that does not bind.
const STREAM_WINDOW: u32 = 1_100 * 1024;
const SEND_WINDOW: u64 = 8 * 1024 * 1024;
/// Bytes handed to a stream at a time.
const CHUNK: usize = 256 * 1024;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => serve().await,
        ["fetch", key, address, bytes] => {
            fetch(
                key.parse().context("the key")?,
                address.parse().context("the address")?,
                bytes.parse().context("the number of bytes")?,
            )
            .await
        }
        _ => bail!("usage: raw_iroh serve | raw_iroh fetch KEY ADDRESS BYTES"),
    }
}

async fn endpoint() -> anyhow::Result<Endpoint> {
    let transport = QuicTransportConfig::builder()
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window((STREAM_WINDOW * 8).into())
        .send_window(SEND_WINDOW)
        .build();
    let builder = Endpoint::builder(presets::Minimal)
        .alpns(vec![ALPN.to_vec()])
        .transport_config(transport)
        .relay_mode(RelayMode::Custom(RelayMap::empty()))
        .clear_ip_transports()
        .bind_addr(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    builder.bind().await.map_err(|error| anyhow::anyhow!("{error:#}"))
}

async fn serve() -> anyhow::Result<()> {
    let endpoint = endpoint().await?;
    let address = endpoint.bound_sockets().first().copied().context("no socket")?;
    println!("{} {address}", endpoint.id());
    while let Some(incoming) = endpoint.accept().await {
        let conn = incoming.await?;
        tokio::spawn(async move {
            if let Err(error) = answer(&conn).await {
                eprintln!("a connection ended early: {error:#}");
            }
        });
    }
    Ok(())
}

/// Sends what is asked for on each stream that the other end opens.
async fn answer(conn: &Connection) -> anyhow::Result<()> {
    let chunk = Bytes::from(vec![7; CHUNK]);
    let mut sending = tokio::task::JoinSet::new();
    while let Ok((mut send, mut recv)) = conn.accept_bi().await {
        let mut bytes = [0; 8];
        recv.read_exact(&mut bytes).await?;
        let mut left = usize::try_from(u64::from_be_bytes(bytes))?;
        let chunk = chunk.clone();
        sending.spawn(async move {
            while left > 0 {
                let piece = chunk.slice(..left.min(CHUNK));
                left -= piece.len();
                send.write_chunk(piece).await?;
            }
            anyhow::Ok(send.finish()?)
        });
    }
    sending.join_all().await.into_iter().collect()
}

async fn fetch(key: EndpointId, address: SocketAddr, bytes: u64) -> anyhow::Result<()> {
    let endpoint = endpoint().await?;
    let to = EndpointAddr::from_parts(key, [TransportAddr::Ip(address)]);
    let conn = endpoint.connect(to, ALPN).await?;
    let start = Instant::now();
    let mut reading = tokio::task::JoinSet::new();
    for stream in 0..STREAMS {
        let share = bytes / STREAMS + u64::from(stream < bytes % STREAMS);
        let (mut send, mut recv) = conn.open_bi().await?;
        send.write_all(&share.to_be_bytes()).await?;
        reading.spawn(async move {
            let mut got = 0;
            while let Some(chunk) = recv.read_chunk(CHUNK).await? {
                got += chunk.len() as u64;
            }
            anyhow::Ok(got == share)
        });
    }
    for whole in reading.join_all().await {
        anyhow::ensure!(whole?, "a stream ended early");
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds:.6}");
    std::future::pending().await
}
