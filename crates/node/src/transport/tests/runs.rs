//! Runs: whole, cancelled, given up, cut short.

use bytes::Bytes;
use nearcast_content::tree::{Decoded, Need, RunDecoder, RunPlan, Step, hash};
use nearcast_content::{BLOCK_SIZE, BlockRange, BlockSet, ObjectId, ObjectSize};
use nearcast_engine::Span;

use super::*;

/// An object with everything that a sender of it has.
struct Object {
    id: ObjectId,
    size: ObjectSize,
    bytes: Bytes,
    outboard: Vec<u8>,
}

impl Object {
    fn of(len: usize) -> Self {
        let bytes: Vec<u8> = (0..=250).cycle().step_by(31).take(len).collect();
        let size = ObjectSize::new(len as u64).expect("a size");
        let (id, outboard) = hash(bytes.as_slice(), size).expect("reading memory");
        Self { id, size, bytes: bytes.into(), outboard }
    }

    async fn serve(&self, sender: &mut RunSender, blocks: BlockRange) -> Result<(), RunSendError> {
        for step in RunPlan::new(self.size, blocks) {
            let bytes = match step {
                Step::Parent(at) => {
                    let at = usize::try_from(at).expect("small");
                    Bytes::copy_from_slice(&self.outboard[at..at + 64])
                }
                Step::Block(block) => {
                    let range = self.size.bytes_of(BlockRange::new(block, block + 1));
                    let end = usize::try_from(range.end).expect("small");
                    self.bytes.slice(usize::try_from(range.start).expect("small")..end)
                }
            };
            sender.send(bytes).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_run_arrives_and_verifies() {
    let object = Object::of(1500 * 1024 + 77);
    let ((a, to_b), (mut b, _)) = pair().await;
    let blocks = BlockRange::new(3, 67);
    let send = async {
        let mut sender = a.transport.send_run(to_b, 7).await.expect("connected");
        object.serve(&mut sender, blocks).await.expect("sent");
        sender.finish().expect("not stopped");
    };
    let receive = async {
        let mut run = b.run().await;
        assert_eq!(run.request, 7);
        let mut decoder = RunDecoder::new(object.id, object.size, blocks);
        let mut held = BlockSet::default();
        let mut buf = vec![0; 16 * 1024];
        while let Some(need) = decoder.needs() {
            let piece = &mut buf[..need.len()];
            run.stream.read_exact(piece).await.expect("the whole run");
            if let Need::Block { block, .. } = need {
                let start = usize::try_from(u64::from(block) * BLOCK_SIZE).expect("small");
                assert_eq!(piece, &object.bytes[start..start + piece.len()]);
            }
            if let Decoded::Block(verified) = decoder.feed(piece).expect("good bytes") {
                held.insert(*verified.get());
            }
        }
        assert!(decoder.is_complete());
        assert_eq!(held, BlockSet::from(blocks));
        assert_eq!(run.stream.read_exact(&mut buf[..1]).await, Err(RunReadError::Short), "nothing behind it");
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn paths_tell_how_long_packets_take_there() {
    let ((a, to_b), (_b, _)) = pair().await;
    let told = async {
        let mut told = Vec::new();
        while told.len() < 2 {
            told.extend(a.transport.reports([to_b]).into_iter().filter_map(|report| report.one_way));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        told
    };
    let told = timeout(PATIENCE, told).await.expect("the other end answers stamps");
    // Of two clocks that have nothing to do with each other only the difference means anything.
    let apart = told[0].less(told[1]).max(told[1].less(told[0]));
    assert!(apart < Span::from_secs(5), "{told:?}");
}

#[tokio::test]
async fn a_run_that_is_not_wanted_any_more_stops_its_sender() {
    let ((a, to_b), (mut b, _)) = pair().await;
    let send = async {
        let mut sender = a.transport.send_run(to_b, 1).await.expect("connected");
        loop {
            // More than both windows hold: only the stop ends this.
            if let Err(error) = sender.send(Bytes::from(vec![7; 64 * 1024])).await {
                return error;
            }
        }
    };
    let receive = async {
        let mut run = b.run().await;
        let mut buf = vec![0; 100_000];
        run.stream.read_exact(&mut buf).await.expect("bytes");
        run.stream.stop();
    };
    let (stopped, ()) = tokio::join!(timeout(PATIENCE, send), receive);
    assert_eq!(stopped.expect("in time"), RunSendError::Stopped);
    // The connection is as good as before.
    let mut sender = a.transport.send_run(to_b, 2).await.expect("connected");
    sender.send(Bytes::from_static(b"after")).await.expect("sent");
    sender.finish().expect("not stopped");
    let mut run = b.run().await;
    let mut buf = [0; 5];
    run.stream.read_exact(&mut buf).await.expect("bytes");
    assert_eq!((run.request, &buf), (2, b"after"));
}

#[tokio::test]
async fn a_run_that_was_dropped_by_its_receiver_stops_its_sender() {
    let ((a, to_b), (mut b, _)) = pair().await;
    let mut sender = a.transport.send_run(to_b, 1).await.expect("connected");
    drop(b.run().await);
    let stopped = async {
        loop {
            if let Err(error) = sender.send(Bytes::from(vec![7; 64 * 1024])).await {
                return error;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, stopped).await.expect("in time"), RunSendError::Stopped);
}

#[tokio::test]
async fn a_run_given_up_by_its_sender_never_looks_complete() {
    let ((a, to_b), (mut b, _)) = pair().await;
    for dropped in [false, true] {
        let mut sender = a.transport.send_run(to_b, 1).await.expect("connected");
        sender.send(Bytes::from(vec![7; 1000])).await.expect("sent");
        let mut run = b.run().await;
        let mut buf = [0; 1000];
        run.stream.read_exact(&mut buf).await.expect("bytes");
        if dropped {
            drop(sender);
        } else {
            sender.reset();
        }
        assert_eq!(run.stream.read_exact(&mut buf).await, Err(RunReadError::Reset));
    }
}

#[tokio::test]
async fn a_run_that_nobody_reads_holds_its_sender_back_and_no_message() {
    let ((a, to_b), (mut b, _)) = pair().await;
    let mut sender = a.transport.send_run(to_b, 1).await.expect("connected");
    let run = b.run().await;
    let mut taken = 0;
    // Until a chunk does not go for a second, which on loopback means never.
    while timeout(Duration::from_secs(1), sender.send(Bytes::from(vec![7; 64 * 1024]))).await.is_ok() {
        taken += 64 * 1024;
        assert!(taken < 4 * 1024 * 1024, "no limit in sight");
    }
    a.transport.send(to_b, PeerMessage::Cancel { request: 5 }).expect("connected");
    assert_eq!(b.message().await.1, PeerMessage::Cancel { request: 5 });
    drop(run);
}

#[tokio::test]
async fn runs_to_a_peer_that_left_fail() {
    let ((mut a, to_b), (b, _)) = pair().await;
    let mut sender = a.transport.send_run(to_b, 1).await.expect("connected");
    b.transport.close().await;
    assert_eq!(a.disconnected().await, to_b);
    assert_eq!(sender.send(Bytes::from_static(b"x")).await, Err(RunSendError::Lost));
    assert!(matches!(a.transport.send_run(to_b, 2).await, Err(RunSendError::Lost)));
}
