//! What can be told to a running node at its gateway: keep, let go, throw out, pause, resume.
//!
//! Requests carry JSON and say so, which a form of another page cannot; the gateway's guard refuses other pages
//! altogether. Local programs of the same machine are trusted, as players are.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use nearcast_content::TitleId;
use nearcast_engine::swarm::Pause;
use serde::Deserialize;
use serde_json::json;

use super::caps::wall_clock;
use super::library::{NodeLibrary, TitleError};
use crate::gateway::LookupError;

/// Longest pause that ends by itself: beyond it nobody remembers.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Some titles.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Titles {
    titles: Vec<TitleId>,
}

/// How long to pause.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseFor {
    /// None until it is resumed.
    seconds: Option<u64>,
}

/// The routes below `/control`, and `/kept`.
pub(super) fn router(library: NodeLibrary) -> Router {
    Router::new()
        .route("/kept", get(kept))
        .route("/control/keep", post(keep))
        .route("/control/unkeep", post(unkeep))
        .route("/control/cache/delete", post(throw_out))
        .route("/control/cache/clear", post(clear))
        .route("/control/pause", post(pause))
        .route("/control/resume", post(resume))
        .with_state(library)
}

async fn kept(State(library): State<NodeLibrary>) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(library.kept())).into_response()
}

async fn keep(State(library): State<NodeLibrary>, Json(asked): Json<Titles>) -> Response {
    for title in &asked.titles {
        if let Err(error) = library.keep(title).await {
            return refused(&error);
        }
    }
    kept(State(library)).await
}

async fn unkeep(State(library): State<NodeLibrary>, Json(asked): Json<Titles>) -> Response {
    for title in &asked.titles {
        if let Err(error) = library.unkeep(title).await {
            return refused(&error);
        }
    }
    kept(State(library)).await
}

async fn throw_out(State(library): State<NodeLibrary>, Json(asked): Json<Titles>) -> Response {
    let before = library.state().await.held_bytes;
    match library.throw_out(&asked.titles).await {
        Ok(()) => freed(&library, before).await,
        Err(error) => refused(&error),
    }
}

async fn clear(State(library): State<NodeLibrary>, Json(_nothing): Json<serde_json::Value>) -> Response {
    let before = library.state().await.held_bytes;
    library.clear_cache().await;
    freed(&library, before).await
}

/// The engine takes what it is told in order: asked afterwards, it has done it.
async fn freed(library: &NodeLibrary, before: u64) -> Response {
    let held = library.state().await.held_bytes;
    Json(json!({ "freed_bytes": before.saturating_sub(held), "cache_bytes": held })).into_response()
}

async fn pause(State(library): State<NodeLibrary>, Json(asked): Json<PauseFor>) -> Response {
    let pause = match asked.seconds {
        Some(seconds) if seconds > LONGEST_PAUSE.as_secs() => {
            return (StatusCode::UNPROCESSABLE_ENTITY, "nobody pauses for so long; leave the time out\n")
                .into_response();
        }
        Some(seconds) => Pause::Until(wall_clock().unix.saturating_add(seconds)),
        None => Pause::UntilResumed,
    };
    paused(&library, pause).await
}

async fn resume(State(library): State<NodeLibrary>, Json(_nothing): Json<serde_json::Value>) -> Response {
    paused(&library, Pause::None).await
}

async fn paused(library: &NodeLibrary, pause: Pause) -> Response {
    match library.pause(pause).await {
        Ok(()) => Json(json!({ "sharing": library.told_sharing().await })).into_response(),
        Err(error) => refused(&TitleError::State(error)),
    }
}

fn refused(error: &TitleError) -> Response {
    let status = match error {
        TitleError::Lookup { why: LookupError::Absent, .. } => StatusCode::NOT_FOUND,
        TitleError::Lookup { why: LookupError::Withdrawn, .. } => StatusCode::GONE,
        TitleError::Lookup { why: LookupError::Unavailable { .. }, .. } => StatusCode::SERVICE_UNAVAILABLE,
        TitleError::NoRoom { .. } | TitleError::IsKept(_) => StatusCode::CONFLICT,
        TitleError::State(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{error}\n")).into_response()
}
