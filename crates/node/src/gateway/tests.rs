//! The gateway as players and pages see it, before a library in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use nearcast_content::manifest::MediaKind;
use nearcast_content::{ByteRange, ContentType, ObjectId, ObjectSize, TitleId};
use nearcast_engine::swarm::{PlayId, RenditionId};
use nearcast_engine::{PlaybackRate, Rate};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, ORIGIN,
    RANGE, RETRY_AFTER, USER_AGENT,
};
use serde_json::json;

use super::*;
use crate::http::BodyKind;
use crate::http::testing::client;

const SONG: usize = 300_000;
const FILM: u64 = 1 << 30;

/// A library with a song, an endless-looking film and every kind of failure.
#[derive(Default)]
struct Shelf {
    read: Arc<AtomicU64>,
    closed: Arc<AtomicU64>,
    plays: Mutex<Vec<PlayId>>,
    rates: Mutex<Vec<Option<PlaybackRate>>>,
    line: Mutex<Option<Rate>>,
    stopped: Mutex<Vec<PlayId>>,
    upcoming: Mutex<Vec<Vec<TitleId>>>,
}

/// Counts a read that ended.
struct Closing(Arc<AtomicU64>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn byte_at(position: u64) -> u8 {
    u8::try_from((position / 7) % 251).expect("below 256")
}

fn pattern(bytes: ByteRange) -> Bytes {
    (bytes.start..bytes.end).map(byte_at).collect()
}

fn soon(why: &str) -> (String, Duration) {
    (why.to_owned(), Duration::from_secs(7))
}

impl Shelf {
    /// Blocks of 16 KiB; breaks off after `until` bytes.
    fn blocks(
        &self,
        bytes: ByteRange,
        until: u64,
    ) -> impl Stream<Item = Result<Bytes, ReadError>> + Send + use<> {
        let (read, closing) = (self.read.clone(), Closing(self.closed.clone()));
        stream::unfold((bytes.start, closing), move |(at, closing)| {
            let end = bytes.end.min(at + 16 * 1024);
            let read = read.clone();
            async move {
                if at >= bytes.end {
                    return None;
                }
                if at >= until {
                    return Some((Err(ReadError::Stopping), (bytes.end, closing)));
                }
                read.fetch_add(end - at, Ordering::SeqCst);
                Some((Ok(pattern(ByteRange::new(at, end))), (end, closing)))
            }
        })
    }
}

impl Library for Shelf {
    async fn titles(&self) -> Vec<TitleSummary> {
        vec![TitleSummary {
            id: "song".parse().expect("a title"),
            name: "A <song>".to_owned(),
            artist: None,
            album: None,
            track: Some(1),
            disc: None,
            art: None,
            duration_ms: 1000,
            kind: MediaKind::Music,
            file: "a b.opus".to_owned(),
            whole: None,
            cached_permille: 0,
        }]
    }

    async fn about(&self, title: &TitleId) -> Result<TitleAbout, LookupError> {
        match title.as_str() {
            "song" => Ok(TitleAbout {
                id: title.clone(),
                file: Some("a b.opus".to_owned()),
                whole: Some("a b.opus".to_owned()),
                year: None,
                documents: Vec::new(),
            }),
            "withdrawn" => Err(LookupError::Withdrawn),
            _ => Err(LookupError::Absent),
        }
    }

    fn upcoming(&self, titles: Vec<TitleId>) {
        self.upcoming.lock().expect("no panic").push(titles);
    }

    async fn resolve(&self, title: &TitleId, file: &str) -> Result<Resolved, LookupError> {
        let media = |n: u8, size, content_type| {
            let media = Media {
                rendition: RenditionId(u32::from(n)),
                part: 0,
                object: ObjectId([n; 32]),
                size: ObjectSize::new(size).expect("in range"),
                content_type,
            };
            Ok(Resolved::Media(media))
        };
        match (title.as_str(), file) {
            ("song", "a b.opus") => media(1, 300_000, ContentType::Ogg),
            ("film", "v0/film.m4s") => media(2, FILM, ContentType::VideoMp4),
            ("broken", "now") => media(3, 300_000, ContentType::Ogg),
            ("broken", "later") => media(4, 300_000, ContentType::Ogg),
            ("broken", "refused") => media(5, 300_000, ContentType::Ogg),
            ("film", "master.m3u8") => Ok(Resolved::Document(Document {
                content_type: ContentType::Hls,
                bytes: Bytes::from_static(b"#EXTM3U\n"),
                etag: "playlist-1".to_owned(),
            })),
            ("withdrawn", _) => Err(LookupError::Withdrawn),
            ("unknown", _) => {
                let (why, retry_after) = soon("the origin does not answer");
                Err(LookupError::Unavailable { why, retry_after })
            }
            _ => Err(LookupError::Absent),
        }
    }

    async fn open(&self, read: ReadRequest) -> Result<BodyStream, ReadError> {
        self.plays.lock().expect("no panic").push(read.play);
        self.rates.lock().expect("no panic").push(read.rate);
        let (why, retry_after) = soon("neither origin nor peers have it");
        match read.media.rendition.0 {
            3 => Ok(Box::pin(stream::iter([Err(ReadError::Unavailable { why, retry_after })]))),
            4 => Ok(Box::pin(self.blocks(read.bytes, 100_000))),
            5 => Err(ReadError::Refused { why }),
            _ => Ok(Box::pin(self.blocks(read.bytes, u64::MAX))),
        }
    }

    fn line(&self, _: PlayId) -> Option<Rate> {
        *self.line.lock().expect("no panic")
    }

    fn stopped(&self, play: PlayId) {
        self.stopped.lock().expect("no panic").push(play);
    }

    async fn status(&self) -> serde_json::Value {
        json!({ "peers": 3 })
    }
}

struct Running {
    shelf: Arc<Shelf>,
    address: SocketAddr,
    metrics: HttpMetrics,
}

async fn start() -> Running {
    let shelf = Arc::new(Shelf::default());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let gateway = Gateway::bind(any, &mut Registry::default()).await.expect("binds");
    let (address, metrics) = (gateway.address(), gateway.metrics().clone());
    let serving = gateway.run(shelf.clone(), Router::new(), Arc::default(), CancellationToken::new());
    tokio::spawn(serving);
    Running { shelf, address, metrics }
}

impl Running {
    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        client().get(self.url(path)).send().await.expect("an answer")
    }

    async fn get_range(&self, path: &str, range: &str) -> reqwest::Response {
        client().get(self.url(path)).header(RANGE, range).send().await.expect("an answer")
    }
}

#[tokio::test]
async fn media_is_served_whole_and_in_ranges() {
    let running = start().await;
    let all = pattern(ByteRange::new(0, 300_000));
    let whole = running.get("t/song/a%20b.opus").await;
    assert_eq!(
        (whole.status().as_u16(), &whole.headers()[CONTENT_TYPE]),
        (200, &"audio/ogg".parse().expect("plain"))
    );
    let etag = whole.headers()[ETAG].clone();
    assert_eq!(etag, format!("\"{}\"", ObjectId([1; 32])).as_str());
    assert_eq!(whole.bytes().await.expect("a body"), all);

    let part = running.get_range("t/song/a%20b.opus", "bytes=16383-16384").await;
    assert_eq!(
        (part.status().as_u16(), &part.headers()[CONTENT_RANGE]),
        (206, &"bytes 16383-16384/300000".parse().expect("plain"))
    );
    assert_eq!(part.bytes().await.expect("a body"), all[16383..=16384]);
    let tail = running.get_range("t/song/a%20b.opus", "bytes=-5").await;
    assert_eq!(tail.bytes().await.expect("a body"), all[SONG - 5..]);

    let reads = running.shelf.plays.lock().expect("no panic").len();
    assert_eq!(running.get_range("t/song/a%20b.opus", "bytes=300000-").await.status(), 416);
    let head = client().head(running.url("t/song/a%20b.opus")).send().await.expect("an answer");
    assert_eq!(
        (head.status().as_u16(), &head.headers()[CONTENT_LENGTH]),
        (200, &"300000".parse().expect("plain"))
    );
    let known = client().get(running.url("t/song/a%20b.opus")).header(IF_NONE_MATCH, etag).send().await;
    assert_eq!(known.expect("an answer").status(), 304);
    assert_eq!(running.shelf.plays.lock().expect("no panic").len(), reads, "none of these reads media");
}

#[tokio::test]
async fn documents_are_served_from_memory() {
    let running = start().await;
    let playlist = running.get("t/film/master.m3u8").await;
    assert_eq!(playlist.headers()[CONTENT_TYPE], "application/vnd.apple.mpegurl");
    assert_eq!(playlist.headers()[ETAG], "\"playlist-1\"");
    assert_eq!(playlist.text().await.expect("a body"), "#EXTM3U\n");
    let part = running.get_range("t/film/master.m3u8", "bytes=1-3").await;
    assert_eq!(part.text().await.expect("a body"), "EXT");
    assert_eq!(running.metrics.body_bytes(BodyKind::Playlist), 11);
}

#[tokio::test]
async fn what_cannot_be_served_is_told_with_a_status_and_a_line() {
    let running = start().await;
    for (path, status, line) in [
        ("t/song/absent", 404, "there is no such title or file\n"),
        ("t/NO/such", 404, "there is no such title or file\n"),
        ("t/withdrawn/x", 410, "the provider has withdrawn this title\n"),
        ("t/unknown/x", 503, "the origin does not answer\n"),
        ("t/broken/now", 503, "neither origin nor peers have it\n"),
        ("t/broken/refused", 502, "neither origin nor peers have it\n"),
    ] {
        let answer = running.get(path).await;
        assert_eq!(answer.status(), status, "{path}");
        let waits = answer.headers().get(RETRY_AFTER).is_some_and(|after| after == "7");
        assert_eq!(waits, status == 503, "{path}");
        assert_eq!(answer.text().await.expect("a body"), line, "{path}");
    }
}

#[tokio::test]
async fn a_read_that_fails_midway_breaks_the_response_off() {
    let running = start().await;
    let mut answer = running.get("t/broken/later").await;
    assert_eq!(answer.status(), 200);
    let mut got = 0;
    let error = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => got += chunk.len(),
            Ok(None) => panic!("a cut body must not look whole"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert!(got < 130_000, "{got}");
}

#[tokio::test]
async fn bytes_are_read_at_the_pace_of_the_player_and_not_after_it_left() {
    let running = start().await;
    let mut answer = running.get("t/film/v0/film.m4s").await;
    let mut got = 0;
    while got < 1_000_000 {
        got += answer.chunk().await.expect("a body").expect("more").len();
    }
    // The kernel's buffers fill up, and then nothing more is read.
    let read = || running.shelf.read.load(Ordering::SeqCst);
    let mut before = 0;
    while before != read() {
        before = read();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let ahead = before - running.metrics.body_bytes(BodyKind::Media);
    assert!(ahead <= 256 * 1024, "{ahead} bytes wait in the gateway");
    assert!(before < FILM / 2);
    drop(answer);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while running.shelf.closed.load(Ordering::SeqCst) == 0 {
        assert!(std::time::Instant::now() < deadline, "the read is closed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn requests_of_one_player_are_one_play() {
    let running = start().await;
    let ask = async |agent: &str, range: &str| {
        let request = client().get(running.url("t/song/a%20b.opus"));
        let answer = request.header(USER_AGENT, agent).header(RANGE, range).send().await.expect("an answer");
        drop(answer.bytes().await.expect("a body"));
    };
    ask("mpv 0.35", "bytes=0-9").await;
    ask("mpv 0.35", "bytes=100-").await;
    ask("VLC/3", "bytes=0-9").await;
    let plays = running.shelf.plays.lock().expect("no panic").clone();
    assert_eq!(plays[0], plays[1]);
    assert_ne!(plays[0], plays[2]);
}

#[tokio::test]
async fn a_player_may_say_how_fast_it_plays() {
    let running = start().await;
    for told in [None, Some("2"), Some("1.25"), Some("fast"), Some("-1"), Some("1e300")] {
        let mut request = client().get(running.url("t/song/a%20b.opus")).header(RANGE, "bytes=0-9");
        if let Some(told) = told {
            request = request.header("Nearcast-Playback-Rate", told);
        }
        request.send().await.expect("an answer").bytes().await.expect("a body");
    }
    let heard = running.shelf.rates.lock().expect("no panic").clone();
    let told = [None, Some(200), Some(125), None, Some(0), Some(u16::MAX)];
    assert_eq!(heard, told.map(|percent| percent.map(PlaybackRate::from_percent)));
}

#[tokio::test]
async fn a_player_is_told_for_what_it_should_take_its_line_where_that_is_known() {
    let running = start().await;
    let mut heard = Vec::new();
    for line in [None, Some(Rate::from_bytes_per_sec(250_000))] {
        *running.shelf.line.lock().expect("no panic") = line;
        let answer = running.get("t/song/a%20b.opus").await;
        heard.push(answer.headers().get("Nearcast-Line").cloned());
    }
    assert_eq!(heard, [None, Some("250000".parse().expect("a value"))]);
}

#[tokio::test(start_paused = true)]
async fn a_play_stops_when_nothing_was_read_for_a_while() {
    let shelf = Arc::new(Shelf::default());
    let desk = serve::Desk::new(shelf.clone(), CancellationToken::new());
    let key = PlayKey::new("song".parse().expect("a title"), [127, 0, 0, 1].into(), "mpv");
    let stopped = || shelf.stopped.lock().expect("no panic").clone();
    let seat = desk.sit(key.clone()).expect("room");
    let play = seat.play;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    drop(seat);
    tokio::time::sleep(Duration::from_secs(14)).await;
    drop(desk.sit(key.clone()).expect("room"));
    tokio::time::sleep(Duration::from_millis(14_900)).await;
    assert_eq!(stopped(), [], "the second read put it off");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(stopped(), [play]);
    let again = desk.sit(key).expect("room");
    assert_ne!(again.play, play);
    drop(again);
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(stopped().len(), 2);
}

#[tokio::test]
async fn other_pages_and_rebound_names_are_refused() {
    let running = start().await;
    let ask = async |name, value: &str| {
        let request = client().get(running.url("status")).header(name, value);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(ask(HOST, "evil.example").await, 403);
    assert_eq!(ask(ORIGIN, "http://evil.example").await, 403);
    assert_eq!(ask(ORIGIN, &format!("http://{}", running.address)).await, 200);
    assert_eq!(ask(HOST, &format!("localhost:{}", running.address.port())).await, 200);
    let posted = client().post(running.url("t/song/a%20b.opus")).send().await.expect("an answer");
    assert_eq!(posted.status(), 405);
}

#[tokio::test]
async fn people_and_programs_find_their_way() {
    let running = start().await;
    let player = running.get("").await;
    let policy = player.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(
        player.text().await.expect("a body").contains("content=\"gateway\""),
        "it stands before a gateway"
    );
    let page = running.get("plain").await;
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let text = page.text().await.expect("a body");
    assert!(text.contains("A &lt;song&gt;") && text.contains("/t/song/a%20b.opus"), "{text}");
    assert_eq!(running.get("plain.css").await.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
    assert_eq!(running.get("status").await.text().await.expect("a body"), "{\"peers\":3}");
    let titles = running.get("titles").await.text().await.expect("a body");
    assert!(titles.contains("\"kind\":\"music\""), "{titles}");
    assert!(running.get("metrics").await.text().await.expect("a body").ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_page_finds_what_it_needs_to_play() {
    let running = start().await;
    let about: serde_json::Value = running.get("titles/song").await.json().await.expect("JSON");
    assert_eq!(about["whole"], "a b.opus");
    for (path, status) in [("titles/absent", 404), ("titles/NO%20ID", 404), ("titles/withdrawn", 410)] {
        assert_eq!(running.get(path).await.status(), status, "{path}");
    }
}

/// The queue is taken from the own page and from programs, and from nothing that another page can make a browser send.
#[tokio::test]
async fn the_queue_is_taken_from_the_own_page_alone() {
    let running = start().await;
    let own = format!("http://{}", running.address);
    let post = async |origin: Option<&str>, kind: &str, body: String| {
        let request = client().post(running.url("upcoming")).header(CONTENT_TYPE, kind).body(body);
        let request = origin.into_iter().fold(request, |request, origin| request.header(ORIGIN, origin));
        request.send().await.expect("an answer").status().as_u16()
    };
    let body = || json!({ "titles": ["song", "film"] }).to_string();
    assert_eq!(post(Some("http://evil.example"), "application/json", body()).await, 403);
    assert_eq!(post(Some("null"), "text/plain", body()).await, 403);
    assert_eq!(post(Some(&own), "text/plain", body()).await, 415);
    assert_eq!(
        post(Some(&own), "application/json", json!({ "titles": ["NOT A TITLE"] }).to_string()).await,
        422
    );
    let long = json!({ "titles": vec!["song"; 10_000] }).to_string();
    assert_eq!(post(Some(&own), "application/json", long).await, 413);
    assert!(running.shelf.upcoming.lock().expect("no panic").is_empty(), "none of these was taken");
    assert_eq!(post(Some(&own), "application/json", body()).await, 204);
    assert_eq!(post(None, "application/json", json!({ "titles": vec!["song"; 100] }).to_string()).await, 204);
    let told = running.shelf.upcoming.lock().expect("no panic").clone();
    assert_eq!(told[0], ["song", "film"].map(|t| t.parse().expect("a title")));
    assert_eq!(told[1].len(), 16, "more than that is nobody's next");
}

#[tokio::test]
async fn a_gateway_stays_on_this_machine() {
    let open = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Gateway::bind(open, &mut Registry::default()).await;
    assert!(matches!(refused, Err(GatewayError::NotLocal(_))));
}
