//! Much at once: larger windows than ours ended connections here (see `quic::STREAM_WINDOW`).

use bytes::Bytes;

use super::*;

const STREAMS: u32 = 8;
const STREAM_LEN: usize = 12 * 1024 * 1024;
const CHUNK: usize = 256 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_over_several_streams_keeps_the_connection_alive() {
    let ((a, to_b), (mut b, to_a)) = pair().await;
    // One stream as full as its window allows, and left unread.
    let mut unread = a.transport.send_run(to_b, STREAMS).await.expect("connected");
    let unread_run = b.run().await;
    let chunk = Bytes::from(vec![7; 16 * 1024]);
    while let Ok(sent) = timeout(Duration::from_secs(1), unread.send(chunk.clone())).await {
        sent.expect("the connection lives while a stream fills up");
    }
    let mut senders = tokio::task::JoinSet::new();
    for request in 0..STREAMS {
        let transport = a.transport.clone();
        senders.spawn(async move {
            let mut sender = transport.send_run(to_b, request).await.expect("connected");
            let fill = u8::try_from(request).expect("small");
            for _ in 0..STREAM_LEN / CHUNK {
                sender.send(Bytes::from(vec![fill; CHUNK])).await.expect("sent");
            }
            sender.finish().expect("not stopped");
        });
    }
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..STREAMS {
        let mut run = b.run().await;
        readers.spawn(async move {
            let fill = u8::try_from(run.request).expect("small");
            let mut buf = vec![0; CHUNK];
            for _ in 0..STREAM_LEN / CHUNK {
                run.stream.read_exact(&mut buf).await.expect("the whole stream");
                assert!(buf.iter().all(|byte| *byte == fill));
            }
        });
    }
    timeout(PATIENCE * 3, senders.join_all()).await.expect("in time");
    timeout(PATIENCE, readers.join_all()).await.expect("in time");
    drop(unread_run);
    b.transport.send(to_a, PeerMessage::Goodbye).expect("still connected");
}
