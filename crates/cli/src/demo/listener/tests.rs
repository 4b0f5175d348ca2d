//! The player's shell against a gateway that goes wrong.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::super::plan::{Play, Show, Sort};
use super::super::report::{Now, Tally};
use super::screen::Screen;

const SIZE: u64 = 40_000;

/// What goes wrong with one GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Busy,
    /// The body breaks off after so many bytes.
    Cut(u64),
    OtherRange,
    WholeFile,
    Gone,
}

/// Serves one file; the GETs go wrong in the order of `faults`, those after them go well. Returns the address and
/// which bytes were asked for.
async fn gateway(faults: Vec<Fault>) -> (reqwest::Url, Arc<Mutex<Vec<(u64, u64)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address")).parse().expect("a URL");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut faults = faults.into_iter();
        while let Ok((socket, _)) = listener.accept().await {
            answer(socket, &mut faults, &notes).await;
        }
    });
    (url, asked)
}

/// Answers one request and closes.
async fn answer(socket: TcpStream, faults: &mut impl Iterator<Item = Fault>, asked: &Mutex<Vec<(u64, u64)>>) {
    let mut socket = BufReader::new(socket);
    let (mut head, mut line) = (String::new(), String::new());
    while socket.read_line(&mut line).await.is_ok_and(|read| read > 2) {
        head += &std::mem::take(&mut line).to_ascii_lowercase();
    }
    let common = "Connection: close\r\nContent-Type: audio/mpeg\r\n";
    if head.starts_with("head") {
        let answer = format!("HTTP/1.1 200 OK\r\n{common}Content-Length: {SIZE}\r\n\r\n");
        socket.write_all(answer.as_bytes()).await.expect("a client that reads");
        return;
    }
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")).expect("a range");
    let (first, last) = range.split_once('-').expect("two ends");
    let (first, last): (u64, u64) = (first.parse().expect("bytes"), last.parse().expect("bytes"));
    asked.lock().unwrap_or_else(PoisonError::into_inner).push((first, last + 1));
    let length = last + 1 - first;
    let partial = |first, length, sent| {
        let last = first + length - 1;
        let told = format!("Content-Length: {length}\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n\r\n");
        (format!("HTTP/1.1 206 Partial Content\r\n{common}{told}"), sent)
    };
    let (head, body) = match faults.next() {
        None => partial(first, length, length),
        Some(Fault::Cut(after)) => partial(first, length, after.min(length)),
        Some(Fault::OtherRange) => partial(first + 1, length, length),
        Some(Fault::Busy) => {
            (format!("HTTP/1.1 503 Service Unavailable\r\n{common}Content-Length: 0\r\n\r\n"), 0)
        }
        Some(Fault::WholeFile) => {
            (format!("HTTP/1.1 200 OK\r\n{common}Content-Length: {SIZE}\r\n\r\n"), SIZE)
        }
        Some(Fault::Gone) => (format!("HTTP/1.1 410 Gone\r\n{common}Content-Length: 0\r\n\r\n"), 0),
    };
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + usize::try_from(body).expect("small"), 0);
    // The client may hang up on an answer it does not like.
    let _ = socket.write_all(&answer).await;
}

/// Plays a song of one second from `url`, for at most `skip_after`.
async fn play(url: reqwest::Url, skip_after: Option<Duration>) -> (anyhow::Result<()>, Tally) {
    let now = Arc::new(Mutex::new(Now::default()));
    let mut screen = Screen::new(url, Arc::clone(&now)).expect("a client");
    let length = Duration::from_secs(1);
    let show = Show { name: "Song".to_owned(), path: "t/song/play".to_owned(), length, sort: Sort::Audio };
    let played = screen.show(&show, &Play { show: 0, seeks: Vec::new(), skip_after }).await;
    let tally = now.lock().unwrap_or_else(PoisonError::into_inner).tally.clone();
    (played, tally)
}

#[tokio::test]
async fn a_song_plays_to_its_end_in_its_own_time() {
    let (url, asked) = gateway(vec![]).await;
    let begun = std::time::Instant::now();
    let (played, tally) = play(url, None).await;
    played.expect("plays");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!((tally.plays, tally.start_ups.len(), tally.stalls), (1, 1, 0));
    assert_eq!(tally.played, Duration::from_secs(1));
    assert_eq!(*asked.lock().expect("whole"), [(0, SIZE)]);
}

#[tokio::test]
async fn what_breaks_off_is_continued_where_it_broke() {
    let (url, asked) = gateway(vec![Fault::Busy, Fault::Cut(30_000), Fault::Cut(0)]).await;
    let (played, tally) = play(url, None).await;
    played.expect("plays");
    assert_eq!(tally.played, Duration::from_secs(1));
    let asked = asked.lock().expect("whole").clone();
    assert_eq!(asked, [(0, SIZE), (0, SIZE), (30_000, SIZE), (30_000, SIZE)]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_right_ends_the_play() {
    for (fault, said) in [
        (Fault::OtherRange, "asked for bytes 0-39999/, got 206 Partial Content bytes 1-40000/40000"),
        (Fault::WholeFile, "asked for bytes 0-39999/, got 200 OK"),
        (Fault::Gone, "410 Gone: /t/song/play"),
    ] {
        let (url, _) = gateway(vec![fault]).await;
        let (played, tally) = play(url, None).await;
        let error = format!("{:#}", played.expect_err("refused"));
        assert!(error.contains(said), "{fault:?}: {error}");
        assert_eq!((tally.plays, tally.start_ups.len()), (1, 0), "a play that did not start counts");
    }
}

#[tokio::test]
async fn a_listener_who_has_enough_does_not_wait_for_the_end() {
    let (url, _) = gateway(vec![]).await;
    let (played, tally) = play(url, Some(Duration::from_millis(300))).await;
    played.expect("skips");
    assert!(tally.played < Duration::from_secs(1), "{tally:?}");
    assert_eq!(tally.start_ups.len(), 1);
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_asked_again() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", nobody.local_addr().expect("an address")).parse().expect("a URL");
    drop(nobody);
    let waited = tokio::time::timeout(Duration::from_millis(600), play(url, None)).await;
    assert!(waited.is_err(), "it goes on asking for a while");
}
