//! What a good origin gives.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, header};
use bytes::Bytes;
use futures_util::StreamExt;
use nearcast_content::tree::Parents;
use nearcast_content::{BLOCK_SIZE, BlockRange};
use tokio::sync::{Notify, oneshot};

use super::world::*;

fn count(log: &Log, path: &str) -> usize {
    log.lock().expect("no panic").iter().filter(|p| *p == path).count()
}

#[tokio::test]
async fn a_run_arrives_verified_and_in_order() {
    let published = Arc::new(Published::of_len(300_001));
    let (address, log) = origin_of(&published, |p, request| serve(request, &p.bytes)).await;
    let client = client();
    let mut kept = Kept::default();
    let source = published.source(address);
    client.fetch(&source, BlockRange::new(2, 7), &mut kept).await.expect("a good origin");
    assert_eq!(kept.good_blocks(&published), [2, 3, 4, 5, 6]);
    assert!(kept.parents >= 5);
    assert_eq!(
        client.metrics().received_bytes(&source.url),
        5 * BLOCK_SIZE + u64::try_from(published.outboard.len()).expect("small")
    );

    client.fetch(&source, BlockRange::new(16, 99), &mut kept).await.expect("the short last blocks");
    assert_eq!(kept.good_blocks(&published), [2, 3, 4, 5, 6, 16, 17, 18]);
    assert_eq!((count(&log, "/data"), count(&log, "/data.obo")), (2, 1), "hashes are remembered");
}

#[tokio::test]
async fn an_object_of_one_block_needs_no_outboard() {
    let published = Arc::new(Published::of_len(5_000));
    let (address, log) = origin_of(&published, |p, request| serve(request, &p.bytes)).await;
    let mut kept = Kept::default();
    client().fetch(&published.source(address), BlockRange::new(0, 1), &mut kept).await.expect("good");
    assert_eq!(kept.good_blocks(&published), [0]);
    assert_eq!(count(&log, "/data.obo"), 0);
}

#[tokio::test]
async fn a_long_object_is_proven_by_head_and_page() {
    let published = Arc::new(Published::of_len(20 << 20));
    let (address, log) = origin_of(&published, |p, request| serve(request, &p.bytes)).await;
    let client = client();
    let mut kept = Kept::default();
    let source = published.source(address);
    client.fetch(&source, BlockRange::new(250, 260), &mut kept).await.expect("good");
    assert_eq!(kept.good_blocks(&published), (250..260).collect::<Vec<_>>());
    assert_eq!(count(&log, "/data.obo"), 2, "the head with the first page, and the second");
    client.fetch(&source, BlockRange::new(1279, 1280), &mut kept).await.expect("good");
    assert_eq!(count(&log, "/data.obo"), 3, "one more page");
}

#[tokio::test]
async fn runs_at_once_share_one_fetch_of_their_hashes() {
    let published = Arc::new(Published::of_len(1 << 20));
    let (address, log) = origin_of(&published, |p, request| serve(request, &p.bytes)).await;
    let (client, source) = (client(), published.source(address));
    let run = async |n: u32| {
        let mut kept = Kept::default();
        client.fetch(&source, BlockRange::new(n * 16, n * 16 + 16), &mut kept).await.expect("good");
        assert_eq!(kept.good_blocks(&published).len(), 16);
    };
    tokio::join!(run(0), run(1), run(2));
    assert_eq!((count(&log, "/data"), count(&log, "/data.obo")), (3, 1));
}

#[tokio::test]
async fn hashes_at_hand_are_not_fetched() {
    struct Held(Vec<u8>);
    impl Parents for Held {
        fn parent(&self, offset: u64) -> Option<[u8; 64]> {
            self.0.parent(offset)
        }
    }
    let published = Arc::new(Published::of_len(1 << 20));
    let (address, log) = origin_of(&published, |p, request| serve(request, &p.bytes)).await;
    let mut source = published.source(address);
    let mut kept = Kept::default();
    source.held = Some(Arc::new(Held(published.outboard[..64].to_vec())));
    client().fetch(&source, BlockRange::new(0, 2), &mut kept).await.expect("good");
    assert_eq!(count(&log, "/data.obo"), 1, "what is held does not reach down to the blocks");
    source.held = Some(Arc::new(Held(published.outboard.clone())));
    client().fetch(&source, BlockRange::new(2, 4), &mut kept).await.expect("good");
    assert_eq!(count(&log, "/data.obo"), 1);
    assert_eq!(kept.good_blocks(&published), [0, 1, 2, 3]);
}

#[tokio::test]
async fn the_first_block_is_handed_on_before_the_rest_has_come() {
    let published = Arc::new(Published::of_len(64 * 1024));
    let (go_on, wait) = oneshot::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(Some(wait)));
    let (address, _) = origin_of(&published, move |p, request| {
        let (first, rest) = p.bytes.split_at(20_000);
        let wait = wait.lock().expect("no panic").take().expect("asked once");
        let rest = Bytes::copy_from_slice(rest);
        let late = futures_util::stream::once(async move { wait.await.map(|()| rest) });
        let now = futures_util::stream::iter([Ok(Bytes::copy_from_slice(first))]);
        let mut response = serve(request, &p.bytes);
        *response.body_mut() = Body::from_stream(now.chain(late));
        response
    })
    .await;
    let (fetch, mut blocks) = fetching(&client(), &published.source(address), BlockRange::new(0, 4));
    assert_eq!(blocks.recv().await, Some(0));
    assert!(blocks.try_recv().is_err(), "the second block is not whole");
    go_on.send(()).expect("the server waits");
    let kept = fetch.await.expect("no panic").expect("good");
    assert_eq!(kept.good_blocks(&published), [0, 1, 2, 3]);
}

#[tokio::test]
async fn dropping_a_fetch_ends_its_request() {
    struct Noticed(Option<oneshot::Sender<()>>);
    impl Drop for Noticed {
        fn drop(&mut self) {
            let sent = self.0.take().map(|s| s.send(()));
            assert_eq!(sent, Some(Ok(())), "the test still listens");
        }
    }
    let published = Arc::new(Published::of_len(256 * 1024));
    let (dropped, noticed) = oneshot::channel();
    let dropped = Arc::new(std::sync::Mutex::new(Some(Noticed(Some(dropped)))));
    let (address, _) = origin_of(&published, move |p, request| {
        let guard = dropped.lock().expect("no panic").take();
        let first = Bytes::copy_from_slice(&p.bytes[..20_000]);
        let endless =
            futures_util::stream::unfold((Some(first), guard), async |(first, guard)| match first {
                Some(first) => Some((Ok::<_, std::io::Error>(first), (None, guard))),
                None => std::future::pending().await,
            });
        let mut response = serve(request, &p.bytes);
        *response.body_mut() = Body::from_stream(endless);
        response
    })
    .await;
    let (client, source) = (client(), published.source(address));
    let (fetch, mut blocks) = fetching(&client, &source, BlockRange::new(0, 16));
    assert_eq!(blocks.recv().await, Some(0));
    fetch.abort();
    noticed.await.expect("the server's side of the connection ends");
    assert_eq!(client.metrics().received_bytes(&source.url), 20_000 + 960, "aborted bytes are counted");
}

#[tokio::test]
async fn redirects_are_followed() {
    let published = Arc::new(Published::of_len(50_000));
    let (address, _) = origin_of(&published, |p, request| match request.uri().path() {
        "/elsewhere" => serve(request, &p.bytes),
        _ => {
            let mut response = answer(302, "");
            response.headers_mut().insert(header::LOCATION, "/elsewhere".parse().expect("plain"));
            response
        }
    })
    .await;
    let mut kept = Kept::default();
    client().fetch(&published.source(address), BlockRange::new(1, 3), &mut kept).await.expect("good");
    assert_eq!(kept.good_blocks(&published), [1, 2]);
}

#[tokio::test]
async fn the_little_that_is_left_of_a_dropped_fetch_is_read_and_its_connection_used_again() {
    let published = Arc::new(Published::of_len(64 * 1024));
    let (rest, again) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (p, goes_on, used) = (published.clone(), rest.clone(), again.clone());
    let first = Arc::new(OnceLock::new());
    let address = raw_origin(move |connection, _, head| {
        let of_data = !head.contains("/data.obo");
        let (mut reply, head) = raw_answer(if of_data { &p.bytes } else { &p.outboard });
        if of_data && first.set(connection).is_ok() {
            let rest = reply.split_off(head + 20_000);
            return Reply::SendInTwo(reply, goes_on.clone(), rest);
        }
        if first.get() == Some(&connection) {
            used.notify_one();
        }
        Reply::Send(reply)
    })
    .await;
    let (client, source) = (client(), published.source(address));
    let (fetch, mut blocks) = fetching(&client, &source, BlockRange::new(0, 4));
    assert_eq!(blocks.recv().await, Some(0));
    fetch.abort();
    fetch.await.expect_err("aborted");
    rest.notify_one();
    // Two at once need every connection that there is, as soon as that one is there again.
    let fetches = async {
        loop {
            let (mut one, mut two) = (Kept::default(), Kept::default());
            let all = BlockRange::new(0, 4);
            let both =
                tokio::join!(client.fetch(&source, all, &mut one), client.fetch(&source, all, &mut two));
            assert!(matches!(both, (Ok(()), Ok(()))), "{both:?}");
        }
    };
    tokio::select! {
        () = fetches => {}
        () = again.notified() => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => panic!("its connection is not used again"),
    }
}

#[tokio::test]
async fn a_closed_keep_alive_connection_is_no_failure() {
    let published = Arc::new(Published::of_len(10_000));
    let p = published.clone();
    // The first connection answers once and then closes when the next request comes in.
    let address = raw_origin(move |connection, request, _| {
        let stale = connection == 0 && request > 0;
        if stale { Reply::Close } else { Reply::Send(raw_answer(&p.bytes).0) }
    })
    .await;
    let (client, source) = (client(), published.source(address));
    let mut kept = Kept::default();
    client.fetch(&source, BlockRange::new(0, 1), &mut kept).await.expect("good");
    client.fetch(&source, BlockRange::new(0, 1), &mut kept).await.expect("asked again on a fresh connection");
    assert_eq!(kept.good_blocks(&published), [0, 0]);
}

fn whole_only(p: &Published, _: &Request) -> Response<Body> {
    Response::new(Body::from(p.bytes.clone()))
}

#[tokio::test]
async fn small_objects_of_an_origin_without_ranges_are_hashed_whole_and_remembered() {
    let published = Arc::new(Published::of_len(1 << 20));
    let (address, log) = origin_of(&published, whole_only).await;
    let (client, source) = (client(), published.source(address));
    let mut kept = Kept::default();
    client.fetch(&source, BlockRange::new(3, 5), &mut kept).await.expect("taken whole");
    client.fetch(&source, BlockRange::new(60, 64), &mut kept).await.expect("remembered");
    assert_eq!(kept.good_blocks(&published), [3, 4, 60, 61, 62, 63]);
    assert_eq!(count(&log, "/data"), 1);
}

#[tokio::test]
async fn documents_are_fetched_whole() {
    let published = Arc::new(Published::of_len(30_000));
    let (address, _) = origin_of(&published, whole_only).await;
    let (client, source) = (client(), published.source(address));
    let bytes = client.fetch_document(&source.url, 30_000, Some(published.object)).await.expect("good");
    assert_eq!(bytes, published.bytes);
    assert_eq!(client.fetch_document(&source.url, 30_000, None).await.expect("good"), published.bytes);
}
