//! Asks a gateway for bytes as players do: ranges over kept-alive connections, again when something goes wrong.

use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use reqwest::{Client, Response, StatusCode, Url, header};

use super::super::track::Chunk;

/// Longest playlist that is read.
const MAX_PLAYLIST: usize = 16 << 20;
/// Longest time without a byte. A gateway waits for peers and origin far less.
const IDLE: Duration = Duration::from_secs(30);

/// Bytes of a chunk as they come.
pub(super) type Body = Pin<Box<dyn Stream<Item = Result<Bytes, Trouble>> + Send>>;

/// Why bytes did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The connection failed or broke off.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It may be better later.
    #[error("{0}")]
    Busy(StatusCode),
    /// It will not be better later.
    #[error("{0}: {1}")]
    Refused(StatusCode, String),
    /// Other bytes than those that were asked for.
    #[error("asked for {0}, got {1}")]
    WrongRange(String, String),
    /// A playlist without end.
    #[error("a playlist of more than {MAX_PLAYLIST} bytes")]
    TooLong,
}

impl Trouble {
    /// Whether asking again may help.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Busy(_) => true,
            Self::Refused(..) | Self::WrongRange(..) | Self::TooLong => false,
        }
    }
}

/// An HTTP client like a player's.
pub(super) fn client() -> anyhow::Result<Client> {
    crate::gateway::http_client()?
        .user_agent("nearcast-demo-player")
        .read_timeout(IDLE)
        .build()
        .context("the player's HTTP client does not start")
}

/// Asks for a chunk.
pub(super) fn chunk(http: &Client, chunk: &Chunk) -> Body {
    let asking = ask(http.clone(), chunk.clone());
    let body = stream::once(asking).map_ok(|answer| answer.bytes_stream().map_err(broken));
    Box::pin(body.try_flatten())
}

/// Reads a playlist.
pub(super) async fn playlist(http: &Client, url: &Url) -> Result<String, Trouble> {
    let mut answer = accept(http.get(url.clone()).send().await)?;
    let mut text = Vec::new();
    while let Some(bytes) = answer.chunk().await.map_err(broken)? {
        text.extend_from_slice(&bytes);
        if text.len() > MAX_PLAYLIST {
            return Err(Trouble::TooLong);
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What a title's address leads to.
pub(super) enum Kind {
    /// An HLS playlist.
    Playlist,
    /// A file of so many bytes.
    File(u64),
}

/// Finds out what there is to play at an address.
pub(super) async fn kind(http: &Client, url: &Url) -> Result<Kind, Trouble> {
    let answer = accept(http.head(url.clone()).send().await)?;
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    if header(header::CONTENT_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().contains("mpegurl")) {
        return Ok(Kind::Playlist);
    }
    let length = header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    length.map(Kind::File).ok_or_else(|| Trouble::WrongRange("its length".to_owned(), "none".to_owned()))
}

async fn ask(http: Client, chunk: Chunk) -> Result<Response, Trouble> {
    let mut request = http.get(chunk.url);
    let mut expected = None;
    if let Some((first, end)) = chunk.bytes {
        let last = end.saturating_sub(1);
        request = request.header(header::RANGE, format!("bytes={first}-{last}"));
        expected = Some(format!("bytes {first}-{last}/"));
    }
    let answer = accept(request.send().await)?;
    let told = answer.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let told = told.unwrap_or_default();
    match expected {
        Some(expected) if !told.starts_with(&expected) => {
            Err(Trouble::WrongRange(expected, format!("{} {told}", answer.status())))
        }
        _ => Ok(answer),
    }
}

fn accept(answer: Result<Response, reqwest::Error>) -> Result<Response, Trouble> {
    let answer = answer.map_err(broken)?;
    match answer.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(answer),
        status @ (StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::BAD_GATEWAY
        | StatusCode::GATEWAY_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS) => Err(Trouble::Busy(status)),
        status => Err(Trouble::Refused(status, answer.url().path().to_owned())),
    }
}

fn broken(error: reqwest::Error) -> Trouble {
    use std::error::Error as _;
    let why = error.source().map(ToString::to_string);
    Trouble::Broken(why.unwrap_or_else(|| error.without_url().to_string()))
}
