//! Answers a player's request for a file of a title.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use nearcast_content::{ByteRange, TitleId};
use nearcast_engine::swarm::PlayId;
use nearcast_engine::{PlaybackRate, Rate};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::library::{Document, Library, LookupError, Media, ReadError, ReadRequest, Resolved};
use super::plays::{self, PlayKey, Plays};
use crate::http::{BodyKind, Entity, media_type};

/// How fast a player plays, in a request; what our page sends along.
const PLAYBACK_RATE: &str = "nearcast-playback-rate";
/// Bytes a second for which a player should take its line, in an answer; what our page's player believes.
const LINE: &str = "nearcast-line";

/// The library and the open plays, shared by all requests.
#[derive(Debug)]
pub(super) struct Desk<L> {
    pub(super) library: Arc<L>,
    open: Arc<Mutex<Open>>,
    /// Ends the wait for plays to be over: a gateway that was shut down holds on to no library.
    shutdown: CancellationToken,
}

#[derive(Debug, Default)]
struct Open {
    plays: Plays,
    /// Whether a task waits for plays to be over.
    watched: bool,
}

impl<L> Clone for Desk<L> {
    fn clone(&self) -> Self {
        Self { library: self.library.clone(), open: self.open.clone(), shutdown: self.shutdown.clone() }
    }
}

/// A read's part in its play, until dropped.
pub(super) struct Seat<L: Library> {
    desk: Desk<L>,
    key: PlayKey,
    pub(super) play: PlayId,
}

impl<L: Library> Desk<L> {
    pub(super) fn new(library: Arc<L>, shutdown: CancellationToken) -> Self {
        Self { library, open: Arc::default(), shutdown }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins a play; nothing when too many are open.
    pub(super) fn sit(&self, key: PlayKey) -> Option<Seat<L>> {
        let (play, left) = {
            let mut open = self.open();
            (open.plays.join(&key, now())?, open.plays.left_for(&key))
        };
        for over in left {
            self.library.stopped(over);
        }
        Some(Seat { desk: self.clone(), key, play })
    }

    /// Reports plays that are over, until none is left that could be or the gateway is shut down.
    async fn watch(self) {
        loop {
            let next = {
                let mut open = self.open();
                let next = open.plays.next_over();
                open.watched = next.is_some();
                next
            };
            let Some(next) = next else { return };
            let wait = tokio::time::sleep_until(next.into());
            if self.shutdown.run_until_cancelled(wait).await.is_none() {
                return;
            }
            let over = self.open().plays.over(now());
            for play in over {
                self.library.stopped(play);
            }
        }
    }
}

/// The runtime's clock, which tests can turn.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<L: Library> Drop for Seat<L> {
    fn drop(&mut self) {
        let mut open = self.desk.open();
        open.plays.leave(&self.key, self.play, now());
        // Outside a runtime everything ends anyway.
        let Ok(runtime) = Handle::try_current() else { return };
        if !std::mem::replace(&mut open.watched, true) {
            runtime.spawn(self.desk.clone().watch());
        }
    }
}

/// `GET` and `HEAD /t/<title>/<file>`.
pub(super) async fn file<L: Library>(
    State(desk): State<Desk<L>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Path((title, file)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(title) = title.parse::<TitleId>() else { return lookup_failed(&LookupError::Absent) };
    match desk.library.resolve(&title, &file).await {
        Ok(Resolved::Document(document)) => {
            serve_document(&document, media_type::of_name(&file).1, &method, &headers)
        }
        Ok(Resolved::Media(media)) => {
            let agent = headers.get(header::USER_AGENT).map(|a| String::from_utf8_lossy(a.as_bytes()));
            let key = PlayKey::new(title, client.ip(), &agent.unwrap_or_default());
            serve_media(&desk, key, media, &method, &headers).await
        }
        Err(error) => lookup_failed(&error),
    }
}

fn serve_document(document: &Document, kind: BodyKind, method: &Method, headers: &HeaderMap) -> Response {
    let size = document.bytes.len();
    let entity = Entity {
        size: u64::try_from(size).unwrap_or(u64::MAX),
        etag: Entity::tag(&document.etag),
        modified: None,
        content_type: HeaderValue::from_static(document.content_type.as_str()),
    };
    let answer = entity.answer(method, headers);
    let ByteRange { start, end } = answer.body(&entity);
    let cut = |at: u64| usize::try_from(at).unwrap_or(size).min(size);
    let body = if method == Method::HEAD { Bytes::new() } else { document.bytes.slice(cut(start)..cut(end)) };
    dress(answer.response(&entity, Body::from(body)), kind)
}

async fn serve_media<L: Library>(
    desk: &Desk<L>,
    key: PlayKey,
    media: Media,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let entity = Entity {
        size: media.size.bytes(),
        etag: Entity::tag(&media.object.to_string()),
        modified: None,
        content_type: HeaderValue::from_static(media.content_type.as_str()),
    };
    let answer = entity.answer(method, headers);
    let bytes = answer.body(&entity);
    if method == Method::HEAD || bytes.is_empty() {
        return dress(answer.response(&entity, Body::empty()), BodyKind::Media);
    }
    match read(desk, key, media, bytes, rate_of(headers)).await {
        Ok((line, body)) => {
            let mut response = answer.response(&entity, Body::from_stream(body));
            if let Some(line) = line {
                response.headers_mut().insert(LINE, HeaderValue::from(line.bytes_per_sec()));
            }
            dress(response, BodyKind::Media)
        }
        Err(error) => read_failed(&error),
    }
}

/// How fast a player says that it plays: `1.5`, for example.
fn rate_of(headers: &HeaderMap) -> Option<PlaybackRate> {
    let times: f64 = headers.get(PLAYBACK_RATE)?.to_str().ok()?.parse().ok()?;
    Some(PlaybackRate::from_percent(whole(times * 100.0)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates: out of range it is the nearest that there is"
)]
fn whole(number: f64) -> u16 {
    number as u16
}

/// Starts a read and waits for its first bytes, so that failing to get any can still be said with a status.
/// Later failures can only break the response off. Answers with the bytes for what rate the player should take its line.
async fn read<L: Library>(
    desk: &Desk<L>,
    key: PlayKey,
    media: Media,
    bytes: ByteRange,
    rate: Option<PlaybackRate>,
) -> Result<(Option<Rate>, impl Stream<Item = Result<Bytes, ReadError>> + Send + use<L>), ReadError> {
    let full = ReadError::Unavailable {
        why: "too many titles are playing at once".to_owned(),
        retry_after: plays::IDLE,
    };
    let seat = desk.sit(key).ok_or(full)?;
    let mut rest = desk.library.open(ReadRequest { play: seat.play, media, bytes, rate }).await?;
    let first = rest.next().await.unwrap_or(Err(ReadError::Stopping))?;
    let line = desk.library.line(seat.play);
    let seated = stream::iter([Ok(first)]).chain(rest).map(move |item| {
        // The seat is taken for as long as the body lives.
        let _seat = &seat;
        item.inspect_err(|error| tracing::info!(%error, "a read broke off"))
    });
    Ok((line, seated))
}

fn dress(mut response: Response, kind: BodyKind) -> Response {
    // Kept by the node already; a browser need not keep it twice.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response.extensions_mut().insert(kind);
    response
}

pub(super) fn lookup_failed(error: &LookupError) -> Response {
    let why = format!("{error}\n");
    match error {
        LookupError::Absent => (StatusCode::NOT_FOUND, why).into_response(),
        LookupError::Withdrawn => (StatusCode::GONE, why).into_response(),
        LookupError::Unavailable { retry_after, .. } => unavailable(why, *retry_after),
    }
}

fn read_failed(error: &ReadError) -> Response {
    let why = format!("{error}\n");
    match error {
        ReadError::Withdrawn => (StatusCode::GONE, why).into_response(),
        ReadError::Refused { .. } => (StatusCode::BAD_GATEWAY, why).into_response(),
        ReadError::Unavailable { retry_after, .. } => unavailable(why, *retry_after),
        ReadError::Stopping => unavailable(why, Duration::from_secs(5)),
    }
}

fn unavailable(why: String, retry_after: Duration) -> Response {
    let seconds = retry_after.as_secs().max(1);
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, seconds.to_string())], why).into_response()
}
