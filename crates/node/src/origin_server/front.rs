//! What a browser shows at the address of a site: the player, and without a script what this is and how to play it.

use std::path::Path;

use axum::Router;
use axum::http::header;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use nearcast_content::Link;

use crate::http::BodyKind;
use crate::page::{self, Before};

/// Where the player is found whether or not the site has a page of its own.
const PLAYER_PATH: &str = "/player";
/// Where it is said in plain text what this is.
const PLAIN_PATH: &str = "/plain";

/// Routes for the player and what it loads. The player is at `/`, too, unless the site in the folder `site` has an
/// `index.html`.
pub fn front_page(site: &Path, link: &Link) -> Router {
    // What pages of others load is theirs to read, like the site.
    let for_all = page::assets().merge(page::script()).layer(map_response(open));
    let routes =
        for_all.merge(page::worker()).merge(page::player(PLAYER_PATH, Before::Site)).merge(plain(link));
    if site.join(super::files::INDEX).exists() {
        return routes;
    }
    routes.merge(page::player("/", Before::Site))
}

async fn open(mut response: Response) -> Response {
    super::share_with_every_page(&mut response);
    response
}

fn plain(link: &Link) -> Router {
    let text = format!(
        "This is the site of a Nearcast provider. Whoever listens helps to deliver it.\n\n\
         To play it, start a node with its link:\n\n    nearcast node '{link}'\n"
    );
    Router::new().route(
        PLAIN_PATH,
        get(async move || {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            let mut response = (headers, text.clone()).into_response();
            response.extensions_mut().insert(BodyKind::Page);
            response
        }),
    )
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn pages_of_others_may_load_the_script_and_the_engine() {
        let site = tempfile::tempdir().expect("a folder");
        let link: Link = "http://127.0.0.1:1/".parse().expect("a link");
        let request = Request::builder().uri("/nearcast.js").body(Body::empty()).expect("a request");
        let response = front_page(site.path(), &link).oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.headers()["cross-origin-resource-policy"], "cross-origin");
    }

    async fn ask(site: &Path, path: &str) -> (StatusCode, String) {
        let link: Link = "http://127.0.0.1:1/".parse().expect("a link");
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let response = front_page(site, &link).oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 4_096).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn the_address_of_a_site_says_how_to_play_it() {
        let site = tempfile::tempdir().expect("a folder");
        let (status, text) = ask(site.path(), "/plain").await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("nearcast node 'http://127.0.0.1:1/'"), "{text}");
        assert!(ask(site.path(), "/").await.1.contains("content=\"site\""));
        std::fs::write(site.path().join("index.html"), "theirs").expect("written");
        assert_eq!(ask(site.path(), "/").await.0, StatusCode::NOT_FOUND, "the site's own page goes first");
        assert_eq!(ask(site.path(), "/player").await.0, StatusCode::OK);
    }
}
