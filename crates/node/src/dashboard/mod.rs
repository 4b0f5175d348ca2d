//! The provider's dashboard: a page, and the figures that it draws, for whoever has the token.
//!
//! The page itself holds nothing and is public. The figures are answered to requests that carry the token in a
//! header, which no other page can make a browser send. Everything shown was counted; nothing is estimated here.

mod history;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use data_encoding::BASE32_NOPAD;
use nearcast_content::ProviderKey;
use serde::Serialize;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::http::{BodyKind, HttpMetrics};
use crate::origin_server::{AskedTitle, AskedTitles};
use crate::page;
use crate::supernode::{SupernodeHandle, SupernodeStatus};
use crate::wall::unix_seconds;

use history::{Got, History, Sample};

/// Where the page is.
pub const DASHBOARD_PATH: &str = "/dashboard";
const FIGURES_PATH: &str = "/dashboard/figures";
/// How often is counted: what a person who looks at it feels as live.
const EVERY: Duration = Duration::from_secs(5);
/// Titles listed, those asked for most.
const TITLES: usize = 50;

/// What a dashboard is made of.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The origin server's counts.
    pub origin: HttpMetrics,
    /// The titles that were asked for.
    pub titles: AskedTitles,
    /// The supernode beside it.
    pub supernode: SupernodeHandle,
    /// Whose audience it is.
    pub provider: ProviderKey,
}

/// Who may see the figures: 128 bits that were drawn at the start.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Draws a token.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn draw() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()))
    }

    /// The part of the page's address behind the number sign, which no server is sent.
    pub fn fragment(&self) -> String {
        format!("#token={}", self.0)
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let said = headers.get(header::AUTHORIZATION).and_then(|a| a.to_str().ok()).unwrap_or_default();
        // Hashes are compared, so that the time it takes tells nothing of how much was right.
        let given = said.strip_prefix("Bearer ").unwrap_or_default();
        blake3::hash(given.as_bytes()) == blake3::hash(self.0.as_bytes())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

#[derive(Debug)]
struct Shared {
    token: Token,
    sources: Sources,
    started: u64,
    history: Mutex<History>,
}

impl Shared {
    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sample(&self) -> Sample {
        let Sources { origin, supernode, provider, .. } = &self.sources;
        let status = supernode.status().await;
        Sample {
            at: unix_seconds(),
            media: origin.body_bytes(BodyKind::Media),
            sent: origin.sent_bytes(),
            listeners: u64::try_from(status.sessions).unwrap_or(u64::MAX),
            connections: u64::try_from(origin.connections()).unwrap_or_default(),
            requests: origin.requests(),
            got: Got::of(&supernode.audience(*provider).all()),
        }
    }
}

/// All figures, as the page draws them and programs may read them.
#[derive(Debug, Serialize)]
struct Figures {
    /// Seconds since 1970 by this machine's clock.
    now: u64,
    started: u64,
    /// Counted since the start; `media` and `sent` in bytes.
    total: Sample,
    /// Oldest first: by the minute, and by [`EVERY`] for the last hour.
    history: Vec<Sample>,
    titles: Vec<AskedTitle>,
    supernode: SupernodeStatus,
}

/// The dashboard's routes. It counts until `shutdown`.
pub fn router(sources: Sources, token: Token, shutdown: CancellationToken) -> Router {
    let started = unix_seconds();
    let shared = Arc::new(Shared { token, sources, started, history: Mutex::default() });
    tokio::spawn(count(shared.clone(), shutdown));
    Router::new().route(FIGURES_PATH, get(figures)).with_state(shared).merge(page::dashboard(DASHBOARD_PATH))
}

async fn count(shared: Arc<Shared>, shutdown: CancellationToken) {
    let mut clock = tokio::time::interval(EVERY);
    // A machine that slept has a gap in its history, not a burst.
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(clock.tick()).await.is_some() {
        let sample = shared.sample().await;
        shared.history().add(sample);
    }
}

async fn figures(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !shared.token.admits(&headers) {
        let how = [(header::WWW_AUTHENTICATE, "Bearer")];
        let why = "the figures need the token that `nearcast serve` printed when it started\n";
        return (StatusCode::UNAUTHORIZED, how, why).into_response();
    }
    let total = shared.sample().await;
    let history = shared.history().samples();
    let figures = Figures {
        now: unix_seconds(),
        started: shared.started,
        total,
        history,
        titles: shared.sources.titles.most_asked(TITLES),
        supernode: shared.sources.supernode.status().await,
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(figures)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;
    use crate::supernode::{self, SupernodeConfig};

    fn dashboard() -> (Router, Token) {
        let (_, supernode) =
            supernode::router(SupernodeConfig::new(vec![ProviderKey([1; 32])])).expect("starts");
        let titles = AskedTitles::default();
        titles.asked("a-song", 1_000);
        titles.asked("a-song", 500);
        titles.asked("b-song", 700);
        let provider = ProviderKey([1; 32]);
        let sources = Sources { origin: HttpMetrics::default(), titles, supernode, provider };
        let token = Token::draw().expect("random bytes");
        (router(sources, token.clone(), CancellationToken::new()), token)
    }

    async fn ask(router: Router, path: &str, bearer: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::builder().uri(path);
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn the_figures_need_the_token() {
        let (router, token) = dashboard();
        for wrong in [None, Some(""), Some("x"), Some(&token.0[..25])] {
            assert_eq!(
                ask(router.clone(), FIGURES_PATH, wrong).await.0,
                StatusCode::UNAUTHORIZED,
                "{wrong:?}"
            );
        }
        let (status, text) = ask(router.clone(), FIGURES_PATH, Some(&token.0)).await;
        assert_eq!(status, StatusCode::OK);
        let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(figures["titles"][0]["title"], "a-song");
        assert_eq!(figures["titles"][0]["bytes"], 1_500);
        assert_eq!(figures["total"]["media"], 0);
        let (status, page) = ask(router, DASHBOARD_PATH, None).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!page.contains(&token.0), "the page itself is public");
        assert!(!format!("{token:?}").contains(&token.0), "the token is in no log");
    }
}
