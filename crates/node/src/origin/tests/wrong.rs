//! Every way in which an origin can be wrong has a name, and nothing unverified gets through.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, header};
use bytes::Bytes;
use nearcast_content::BlockRange;
use nearcast_content::tree::Corrupt;
use nearcast_engine::swarm::Fault;

use super::super::*;
use super::world::*;

/// Fetches blocks 1 to 3 of an object of 100,000 bytes from an origin that answers for its data as `behave`
/// says, and returns what went wrong and which good blocks came before.
async fn fetch_from<F>(behave: F) -> (OriginError, Vec<u32>)
where
    F: Fn(&Published, &Request) -> Response<Body> + Clone + Send + Sync + 'static,
{
    fetch_of(&Arc::new(Published::of_len(100_000)), behave).await
}

async fn fetch_of<F>(published: &Arc<Published>, behave: F) -> (OriginError, Vec<u32>)
where
    F: Fn(&Published, &Request) -> Response<Body> + Clone + Send + Sync + 'static,
{
    let (address, _) = origin_of(published, behave).await;
    let mut kept = Kept::default();
    let source = published.source(address);
    let error = client().fetch(&source, BlockRange::new(1, 4), &mut kept).await.expect_err("must fail");
    assert!(error.to_string().contains("/data"), "names the address: {error}");
    (error, kept.good_blocks(published))
}

fn with(mut response: Response<Body>, name: header::HeaderName, value: &str) -> Response<Body> {
    response.headers_mut().insert(name, value.parse().expect("plain"));
    response
}

macro_rules! assert_trouble {
    ($outcome:expr, $trouble:pat $(if $guard:expr)?, $fault:ident) => {
        let (error, blocks) = $outcome;
        assert!(matches!(error.trouble, $trouble $(if $guard)?), "{error:?}");
        assert_eq!(error.fault(), Fault::$fault, "{error}");
        assert_eq!(blocks, [0u32; 0], "nothing of it was handed on");
    };
}

#[tokio::test]
async fn absent_forbidden_and_withdrawn_files() {
    assert_trouble!(fetch_from(|_, _| answer(404, "no")).await, Trouble::Absent { status: 404 }, Gone);
    assert_trouble!(fetch_from(|_, _| answer(410, "no")).await, Trouble::Absent { status: 410 }, Gone);
    assert_trouble!(fetch_from(|_, _| answer(403, "no")).await, Trouble::Forbidden { status: 403 }, Gone);
}

#[tokio::test]
async fn busy_and_broken_servers() {
    assert_trouble!(
        fetch_from(|_, _| answer(500, "")).await,
        Trouble::Unavailable { status: 500, .. },
        Unavailable
    );
    let (busy, _) = fetch_from(|_, _| with(answer(429, ""), header::RETRY_AFTER, "7")).await;
    assert_eq!(busy.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(busy.fault(), Fault::Unavailable);
    let (down, _) = fetch_from(|_, _| with(answer(503, ""), header::RETRY_AFTER, "soon")).await;
    assert_eq!((down.retry_after(), down.fault()), (None, Fault::Unavailable));
}

#[tokio::test]
async fn redirects_that_are_not_followed() {
    let to = |target: &'static str| {
        move |_: &Published, _: &Request| with(answer(302, ""), header::LOCATION, target)
    };
    assert_trouble!(fetch_from(to("/data")).await, Trouble::Redirect(RedirectError::TooMany), Unavailable);
    assert_trouble!(
        fetch_from(to("ftp://127.0.0.1/data")).await,
        Trouble::Redirect(RedirectError::Scheme(_)),
        Unavailable
    );
    assert_trouble!(
        fetch_from(to("http://192.168.77.1/data")).await,
        Trouble::Redirect(RedirectError::Inward),
        Unavailable
    );
    assert_trouble!(fetch_from(|_, _| answer(302, "")).await, Trouble::Status { status: 302 }, Gone);
}

#[tokio::test]
async fn web_pages_instead_of_media() {
    let page = |_: &Published, _: &Request| {
        with(answer(200, "<h1>Log in"), header::CONTENT_TYPE, "text/html; charset=utf-8")
    };
    assert_trouble!(fetch_from(page).await, Trouble::WebPage, Unavailable);
}

#[tokio::test]
async fn recoded_answers() {
    let zipped = |p: &Published, r: &Request| with(serve(r, &p.bytes), header::CONTENT_ENCODING, "gzip");
    assert_trouble!(fetch_from(zipped).await, Trouble::Encoded { .. }, Gone);
    let whole = |p: &Published, _: &Request| {
        with(answer(200, p.bytes[..500].to_vec()), header::CONTENT_ENCODING, "gzip")
    };
    assert_trouble!(fetch_from(whole).await, Trouble::Encoded { .. }, Gone);
}

#[tokio::test]
async fn identity_is_asked_for() {
    let published = Arc::new(Published::of_len(100_000));
    let (address, _) = origin_of(&published, |p, request| {
        let plain = request.headers()[header::ACCEPT_ENCODING] == "identity";
        if plain { serve(request, &p.bytes) } else { answer(500, "") }
    })
    .await;
    let mut kept = Kept::default();
    client().fetch(&published.source(address), BlockRange::new(0, 1), &mut kept).await.expect("plain bytes");
}

#[tokio::test]
async fn other_ranges_than_asked_for() {
    let shifted = |p: &Published, r: &Request| {
        let line = format!("bytes 0-49151/{}", p.bytes.len());
        with(serve(r, &p.bytes), header::CONTENT_RANGE, &line)
    };
    assert_trouble!(fetch_from(shifted).await, Trouble::WrongRange { .. }, Gone);
    let none = |p: &Published, _: &Request| answer(206, p.bytes[16384..65536].to_vec());
    assert_trouble!(fetch_from(none).await, Trouble::WrongRange { .. }, Gone);
}

#[tokio::test]
async fn files_of_another_size() {
    let longer = |p: &Published, r: &Request| serve(r, &[p.bytes.as_slice(), b"x"].concat());
    assert_trouble!(fetch_from(longer).await, Trouble::OtherSize { found: 100_001, .. }, Gone);
    let shorter = |_: &Published, _: &Request| with(answer(416, ""), header::CONTENT_RANGE, "bytes */5000");
    assert_trouble!(fetch_from(shorter).await, Trouble::OtherSize { found: 5000, .. }, Gone);
    let whole = |p: &Published, _: &Request| answer(200, p.bytes[1..].to_vec());
    assert_trouble!(fetch_from(whole).await, Trouble::OtherSize { found: 99_999, .. }, Gone);
}

#[tokio::test]
async fn bytes_that_were_rewritten() {
    let (error, blocks) = fetch_from(|p, request| {
        let mut bytes = p.bytes.clone();
        bytes[40_000] ^= 1;
        serve(request, &bytes)
    })
    .await;
    assert!(matches!(error.trouble, Trouble::Corrupt(Corrupt::Block { block: 2 })), "{error:?}");
    assert!(error.to_string().contains("origin served other bytes than were published"), "{error}");
    assert_eq!(error.fault(), Fault::Corrupt);
    assert_eq!(blocks, [1], "what came before the bad block is good");

    let whole = |p: &Published, _: &Request| answer(200, vec![7; p.bytes.len()]);
    assert_trouble!(fetch_from(whole).await, Trouble::Corrupt(Corrupt::Whole { .. }), Corrupt);
}

#[tokio::test]
async fn large_objects_need_ranges() {
    let large = Arc::new(Published::of_len((4 << 20) + 1));
    let whole = |p: &Published, _: &Request| answer(200, p.bytes.clone());
    assert_trouble!(fetch_of(&large, whole).await, Trouble::NoRanges { .. }, Gone);
}

#[tokio::test]
async fn hashes_that_are_wrong_are_refused_and_not_remembered() {
    let published = Arc::new(Published::of_len(100_000));
    let p = published.clone();
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (address, _) = origin(move |request| {
        if request.uri().path() == "/data" {
            return serve(&request, &p.bytes);
        }
        let mut outboard = p.outboard.clone();
        if asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            outboard[100] ^= 1;
        }
        serve(&request, &outboard)
    })
    .await;
    let (client, source) = (client(), published.source(address));
    let mut kept = Kept::default();
    let error = client.fetch(&source, BlockRange::new(0, 3), &mut kept).await.expect_err("wrong hashes");
    assert!(matches!(error.trouble, Trouble::Corrupt(Corrupt::Parent { .. })), "{error:?}");
    assert_eq!(kept.blocks.len(), 0);
    client.fetch(&source, BlockRange::new(0, 3), &mut kept).await.expect("asked for anew");
    assert_eq!(kept.good_blocks(&published), [0, 1, 2]);
}

#[tokio::test]
async fn an_absent_outboard_is_named_by_its_own_address() {
    let published = Arc::new(Published::of_len(100_000));
    let p = published.clone();
    let (address, _) = origin(move |request| match request.uri().path() {
        "/data" => serve(&request, &p.bytes),
        _ => answer(404, ""),
    })
    .await;
    let mut kept = Kept::default();
    let error = client().fetch(&published.source(address), BlockRange::new(0, 1), &mut kept).await;
    let error = error.expect_err("no hashes");
    assert!(
        error.url.path().ends_with(".obo") && matches!(error.trouble, Trouble::Absent { .. }),
        "{error:?}"
    );
    assert_eq!(kept.blocks.len(), 0);
}

/// Fetches two blocks from a server that sends 20,000 bytes of them and then does as `then` says.
async fn fetch_half(then: fn(Vec<u8>) -> Reply) -> OriginError {
    let published = Arc::new(Published::of_len(16_384 * 2));
    let p = published.clone();
    let address = raw_origin(move |_, _, head| {
        let (body, sent) = if head.contains("/data.obo") { (&p.outboard, 64) } else { (&p.bytes, 20_000) };
        let (mut reply, head) = raw_answer(body);
        reply.truncate(head + sent);
        if sent < body.len() { then(reply) } else { Reply::Send(reply) }
    })
    .await;
    let settings = OriginSettings { idle: Duration::from_millis(300), ..OriginSettings::default() };
    let mut kept = Kept::default();
    let outcome =
        client_with(settings).fetch(&published.source(address), BlockRange::new(0, 2), &mut kept).await;
    assert_eq!(kept.good_blocks(&published), [0]);
    outcome.expect_err("half of it")
}

#[tokio::test]
async fn answers_that_end_early() {
    let error = fetch_half(Reply::SendAndClose).await;
    assert!(matches!(error.trouble, Trouble::Truncated { got: 20_000, wanted: 32_768 }), "{error:?}");
    assert_eq!(error.fault(), Fault::Lost);
}

#[tokio::test]
async fn answers_that_fall_silent() {
    let error = fetch_half(Reply::Send).await;
    assert!(matches!(error.trouble, Trouble::Timeout(Waiting::Idle)), "{error:?}");
    assert_eq!(error.fault(), Fault::Unavailable);
}

#[tokio::test]
async fn nobody_listens() {
    let published = Published::of_len(100_000);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let mut kept = Kept::default();
    let error = client().fetch(&published.source(address), BlockRange::new(0, 1), &mut kept).await;
    let error = error.expect_err("refused");
    assert!(matches!(error.trouble, Trouble::Connect(Connecting::Refused)), "{error:?}");
    assert_eq!(error.fault(), Fault::Unavailable);
    assert!(error.to_string().contains("is the origin running?"), "{error}");
}

#[tokio::test]
async fn names_that_do_not_resolve() {
    let url = "http://no-such-host.invalid/data".parse().expect("an address");
    let error = client().fetch_document(&url, 100, None).await.expect_err("no such host");
    assert!(matches!(error.trouble, Trouble::Connect(Connecting::NoSuchHost)), "{error:?}");
}

#[tokio::test]
async fn silence_and_endless_dripping_time_out() {
    let published = Arc::new(Published::of_len(100_000));
    let silent = raw_origin(|_, _, _| Reply::Send(Vec::new())).await;
    let settings = OriginSettings { idle: Duration::from_millis(200), ..OriginSettings::default() };
    let mut kept = Kept::default();
    let outcome =
        client_with(settings).fetch(&published.source(silent), BlockRange::new(0, 1), &mut kept).await;
    assert!(matches!(outcome.expect_err("silence").trouble, Trouble::Timeout(Waiting::Idle)));

    let (dripping, _) = origin_of(&published, |p, request| {
        let drops = futures_util::stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        let mut response = serve(request, &p.bytes);
        *response.body_mut() = Body::from_stream(drops);
        response
    })
    .await;
    let total = Duration::from_millis(600);
    let settings = OriginSettings { idle: Duration::from_millis(400), total, ..OriginSettings::default() };
    let outcome =
        client_with(settings).fetch(&published.source(dripping), BlockRange::new(0, 1), &mut kept).await;
    let error = outcome.expect_err("a drop at a time");
    assert!(matches!(error.trouble, Trouble::Timeout(Waiting::Total)), "{error:?}");
    assert_eq!(error.fault(), Fault::Unavailable);
    assert_eq!(kept.blocks.len(), 0);
}

#[tokio::test]
async fn a_sink_without_room_ends_the_fetch() {
    let published = Arc::new(Published::of_len(100_000));
    let (address, _) = origin_of(&published, |p, request| serve(request, &p.bytes)).await;
    let (seen, blocks) = tokio::sync::mpsc::unbounded_channel();
    drop(blocks);
    let mut full = Kept { seen: Some(seen), ..Kept::default() };
    let outcome = client().fetch(&published.source(address), BlockRange::new(0, 3), &mut full).await;
    assert_eq!(outcome.expect_err("no room").fault(), Fault::NoRoom);
}

#[tokio::test]
async fn documents_that_are_too_long_or_others() {
    let published = Arc::new(Published::of_len(30_000));
    let (address, _) = origin(|request| match request.uri().path() {
        "/told" => answer(200, vec![1; 2000]),
        "/chunked" => {
            let chunks = (0..20).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[1; 100])));
            answer(200, Body::from_stream(futures_util::stream::iter(chunks)))
        }
        _ => answer(404, ""),
    })
    .await;
    let client = client();
    let fetch = async |path: &str, limit, expected| {
        let url = format!("http://{address}{path}").parse().expect("an address");
        client.fetch_document(&url, limit, expected).await.map_err(|e| e.trouble)
    };
    for path in ["/told", "/chunked"] {
        assert!(matches!(fetch(path, 1999, None).await, Err(Trouble::TooLong { limit: 1999 })), "{path}");
        assert_eq!(fetch(path, 2000, None).await.expect("fits").len(), 2000);
        let other = fetch(path, 2000, Some(published.object)).await;
        assert!(matches!(other, Err(Trouble::Corrupt(Corrupt::Whole { .. }))), "{path}");
    }
    assert!(matches!(fetch("/absent", 10, None).await, Err(Trouble::Absent { .. })));
}
