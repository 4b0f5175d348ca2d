//! The origin server as clients see it, over real sockets.

use std::time::{Duration, Instant};

use nearcast_engine::Rate;
use prometheus_client::registry::Registry;
use reqwest::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    LAST_MODIFIED, LOCATION, RANGE,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::http::testing::{client, raw};

struct Running {
    folder: TempDir,
    address: SocketAddr,
    metrics: HttpMetrics,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(limits: ConnectionLimits, uplink: Option<Uplink>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = OriginOptions {
            site: folder.path().to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            uplink,
            limits,
        };
        let server = OriginServer::bind(options, &mut Registry::default()).await.expect("binds");
        let address = server.address();
        let metrics = server.server.metrics().clone();
        let shutdown = CancellationToken::new();
        let mounted = Router::new().route("/mounted", get(async || "theirs"));
        let task = tokio::spawn(server.run(mounted, Arc::new(Registry::default()), shutdown.clone()));
        Self { folder, address, metrics, shutdown, task }
    }

    async fn plain() -> Self {
        Self::start(ConnectionLimits::PUBLIC, None).await
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

/// Bytes that tell their position.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i / 7) % 251).expect("below 256")).collect()
}

async fn get_range(url: String, range: &str) -> reqwest::Response {
    client().get(url).header(RANGE, range).send().await.expect("an answer")
}

#[tokio::test]
async fn whole_files_and_ranges_are_served_as_they_are() {
    let server = Running::plain().await;
    let bytes = pattern(300_000);
    server.put("music/a b.opus", &bytes);
    let url = server.url("music/a%20b.opus");

    let whole = client().get(&url).send().await.expect("an answer");
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.headers()[CONTENT_TYPE], "audio/ogg");
    assert_eq!(whole.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let (etag, modified) = (whole.headers()[ETAG].clone(), whole.headers()[LAST_MODIFIED].clone());
    assert_eq!(whole.bytes().await.expect("a body"), bytes);

    let part = get_range(url.clone(), "bytes=100000-200000").await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()[CONTENT_RANGE], "bytes 100000-200000/300000");
    assert_eq!(part.bytes().await.expect("a body"), bytes[100_000..=200_000]);
    let tail = get_range(url.clone(), "bytes=-10").await;
    assert_eq!(tail.bytes().await.expect("a body"), bytes[299_990..]);
    assert_eq!(get_range(url.clone(), "bytes=300000-").await.status(), 416);

    let head = client().head(&url).send().await.expect("an answer");
    assert_eq!(
        (head.status().as_u16(), &head.headers()[CONTENT_LENGTH]),
        (200, &"300000".parse().expect("plain"))
    );
    let known = client().get(&url).header(IF_NONE_MATCH, &etag).send().await.expect("an answer");
    assert_eq!(known.status(), 304);
    assert_eq!(known.headers()[LAST_MODIFIED], modified);

    let ask = |tag| client().get(&url).header(RANGE, "bytes=0-9").header(IF_RANGE, tag).send();
    assert_eq!(ask(etag).await.expect("an answer").status(), 206);
    assert_eq!(ask("\"other\"".parse().expect("plain")).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let server = Running::plain().await;
    server.put("empty.json", b"");
    let answer = client().get(server.url("empty.json")).send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.content_length()), (200, Some(0)));
    assert_eq!(get_range(server.url("empty.json"), "bytes=0-").await.status(), 416);
}

#[tokio::test]
async fn nothing_outside_the_site_is_served() {
    let server = Running::plain().await;
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("secret"), b"secret").expect("a file");
    server.put("inside.json", b"{}");
    server.put(".hidden", b"hidden");
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, server.folder.path().join(name)).expect("a link");
    };
    link(&outside.path().join("secret"), "out");
    link(outside.path(), "outdir");
    link(&server.folder.path().join("inside.json"), "in.json");
    for path in ["out", "outdir/secret", ".hidden", "absent", "inside.json/x", "%2e%2e/secret", ""] {
        let answer = client().get(server.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), 404, "{path}");
    }
    let inside = client().get(server.url("in.json")).send().await.expect("an answer");
    assert_eq!(inside.text().await.expect("a body"), "{}");
    // A client that does not tidy its path.
    let request = "GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(raw(server.address, request).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn pipes_and_folders_are_no_files() {
    let server = Running::plain().await;
    server.put("page/index.html", b"<p>page");
    let made = std::process::Command::new("mkfifo").arg(server.folder.path().join("pipe")).status();
    assert!(made.expect("mkfifo is part of coreutils").success());
    assert_eq!(client().get(server.url("pipe")).send().await.expect("an answer").status(), 404);
    let folder = client().get(server.url("page")).send().await.expect("an answer");
    assert_eq!(
        (folder.status().as_u16(), &folder.headers()[LOCATION]),
        (301, &"/page/".parse().expect("plain"))
    );
    let page = client().get(server.url("page/")).send().await.expect("an answer");
    assert_eq!(page.text().await.expect("a body"), "<p>page");
}

#[tokio::test]
async fn mounted_routes_and_metrics_come_before_files() {
    let server = Running::plain().await;
    server.put("mounted", b"ours");
    let mounted = client().get(server.url("mounted")).send().await.expect("an answer");
    assert_eq!(mounted.text().await.expect("a body"), "theirs");
    let metrics = client().get(server.url("metrics")).send().await.expect("an answer");
    assert_eq!(metrics.status(), 200);
    assert!(metrics.text().await.expect("a body").ends_with("# EOF\n"));
}

#[tokio::test]
async fn other_methods_are_refused_and_preflights_answered() {
    let server = Running::plain().await;
    server.put("a.json", b"{}");
    let posted = client().post(server.url("a.json")).body("x").send().await.expect("an answer");
    assert_eq!(posted.status(), 405);
    let asked = client().request(reqwest::Method::OPTIONS, server.url("a.json"));
    let asked = asked.header("access-control-request-headers", "range").send().await.expect("an answer");
    assert_eq!(asked.status(), 204);
    assert!(asked.headers()["access-control-allow-headers"].to_str().expect("text").contains("Range"));
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_bodies_are_counted_to_the_byte() {
    let server = Running::plain().await;
    server.put("a.opus", &pattern(100_000));
    server.put("b.m3u8", &pattern(1_000));
    let request = |method: &str, name: &str, last: &str| {
        format!("{method} /{name} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-49999\r\n{last}\r\n")
    };
    let requests = [
        request("GET", "a.opus", ""),
        request("HEAD", "a.opus", ""),
        request("GET", "absent", ""),
        request("GET", "b.m3u8", ""),
        request("GET", "a.opus", "Connection: close\r\n"),
    ];
    let answer = raw(server.address, &requests.concat()).await;
    assert_eq!(answer.matches("HTTP/1.1 206").count(), 3, "all on one connection");
    assert_eq!(server.metrics.body_bytes(BodyKind::Media), 100_000);
    assert_eq!(server.metrics.body_bytes(BodyKind::Playlist), 1_000);
    assert_eq!(server.metrics.in_flight(), 0);
}

/// Reads `count` bytes of a response without closing it.
async fn read_some(address: SocketAddr, name: &str, count: usize) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("the server listens");
    let request = format!("GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("the request is taken");
    let mut bytes = vec![0; count];
    socket.read_exact(&mut bytes).await.expect("the first bytes");
    socket
}

/// Waits for a condition that other tasks bring about.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_aborted_response_counts_what_was_sent_only() {
    let server = Running::plain().await;
    server.put("big.mp4", &vec![0; 64 << 20]);
    let socket = read_some(server.address, "big.mp4", 1000).await;
    assert_eq!(server.metrics.in_flight(), 1);
    drop(socket);
    until("the response ends", || server.metrics.in_flight() == 0).await;
    until("the connection ends", || server.metrics.connections() == 0).await;
    let sent = server.metrics.body_bytes(BodyKind::Media);
    assert!((500..32 << 20).contains(&sent), "{sent} of 64 MiB");
    let heads = server.metrics.sent_bytes() - sent;
    assert!((100..2000).contains(&heads), "{heads}");
}

#[tokio::test]
async fn the_uplink_holds_all_responses_together() {
    let rate = 2_000_000;
    let server = Running::start(ConnectionLimits::PUBLIC, Uplink::new(Rate::from_bytes_per_sec(rate))).await;
    let bytes = pattern(500_000);
    server.put("a.mp4", &bytes);
    let start = Instant::now();
    let fetches: Vec<_> = (0..4).map(|_| tokio::spawn(get_range(server.url("a.mp4"), "bytes=0-"))).collect();
    for fetch in fetches {
        let answer = fetch.await.expect("no panic");
        assert_eq!(answer.bytes().await.expect("a body"), bytes);
    }
    let took = start.elapsed().as_secs_f64();
    assert!((0.95..3.0).contains(&took), "2 MB at 2 MB/s took {took} s");
}

#[tokio::test]
async fn clients_that_dawdle_are_closed() {
    let limits = ConnectionLimits {
        head: Duration::from_millis(200),
        stall: Some(Duration::from_millis(300)),
        ..ConnectionLimits::PUBLIC
    };
    let server = Running::start(limits, None).await;
    server.put("big.mp4", &vec![0; 64 << 20]);
    // Half a head, and none at all.
    let half = raw(server.address, "GET /big.mp4 HTTP/1.1\r\nHos").await;
    assert!(half.is_empty() || half.starts_with("HTTP/1.1 408"), "{half}");
    assert_eq!(raw(server.address, "").await, "");
    // A whole head, and then nothing is taken.
    let _socket = read_some(server.address, "big.mp4", 10).await;
    until("the stalled connection ends", || server.metrics.connections() == 0).await;
}

#[tokio::test]
async fn beyond_the_limit_connections_wait_for_a_place() {
    let limits = ConnectionLimits { connections: 2, ..ConnectionLimits::PUBLIC };
    let server = Running::start(limits, None).await;
    server.put("big.mp4", &vec![0; 64 << 20]);
    let first = read_some(server.address, "big.mp4", 10).await;
    let _second = read_some(server.address, "big.mp4", 10).await;
    let third = tokio::spawn(read_some(server.address, "big.mp4", 10));
    until("two connections", || server.metrics.connections() == 2).await;
    assert!(!third.is_finished());
    drop(first);
    third.await.expect("served once a place is free");
}

#[tokio::test]
async fn whoever_takes_every_place_and_says_little_gives_way() {
    let limits = ConnectionLimits { connections: 8, ..ConnectionLimits::PUBLIC };
    let server = Running::start(limits, None).await;
    server.put("a.mp4", &pattern(1_000));
    // Half a head each, and then a byte now and then, which is no reason to stay.
    let mut dawdlers = Vec::new();
    for _ in 0..8 {
        let mut socket = TcpStream::connect(server.address).await.expect("connects");
        socket.write_all(b"GET /a.mp4 HTTP/1.1\r\nHos").await.expect("taken");
        dawdlers.push(socket);
    }
    until("every place is taken", || server.metrics.connections() == 8).await;
    let dribble = tokio::spawn(async move {
        loop {
            for socket in &mut dawdlers {
                // Those that gave way cannot be written to.
                let _ = socket.write_all(b"t").await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    for _ in 0..20 {
        let answer = client().get(server.url("a.mp4")).header("connection", "close").send().await;
        assert_eq!(answer.expect("an answer").bytes().await.expect("a body"), pattern(1_000));
    }
    dribble.abort();
}

#[tokio::test]
async fn shutdown_lets_responses_end() {
    let uplink = Uplink::new(Rate::from_bytes_per_sec(1_000_000));
    let server = Running::start(ConnectionLimits::PUBLIC, uplink).await;
    let bytes = pattern(300_000);
    server.put("a.mp4", &bytes);
    let mut socket = read_some(server.address, "a.mp4", 10).await;
    server.shutdown.cancel();
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.expect("a good end");
    assert!(rest.ends_with(&bytes[299_000..]));
    server.task.await.expect("the server ends");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_missing_folder_or_taken_port_is_named() {
    let server = Running::plain().await;
    let options = |site: &Path, listen| OriginOptions {
        site: site.to_owned(),
        listen,
        uplink: None,
        limits: ConnectionLimits::PUBLIC,
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let absent = OriginServer::bind(options(Path::new("/absent/site"), any), &mut Registry::default()).await;
    assert!(matches!(absent, Err(ServeError::Site { .. })));
    let taken = options(server.folder.path(), server.address);
    let error = OriginServer::bind(taken, &mut Registry::default()).await.expect_err("taken");
    assert!(error.to_string().contains("--listen"), "{error}");
}
