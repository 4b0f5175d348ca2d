//! The pages for people, built from `web/` and embedded: the player of a gateway and of a site, and the dashboard.
//!
//! The same player is served by both; which one it stands before is told in the page itself. Everything it loads
//! comes from where it came from, and its content policy lets in nothing else.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, include_dir};

use crate::http::{BodyKind, Entity, media_type};

static BUILT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../web/dist");
/// Folder of what the pages load. The names in it carry a hash of their content.
const ASSETS: &str = "page";
/// How the name of what was compressed when the pages were built goes on.
const BROTLI: &str = ".br";
/// What hands the player's bytes to elements that play files by themselves.
const WORKER: &str = "worker.js";
/// What pages of others load, so that their elements play through an engine of their own.
const SCRIPT: &str = "nearcast.js";
/// What the page says of itself as it was built, and what it says behind a gateway.
const BEFORE_SITE: &str = "name=\"nearcast-source\" content=\"site\"";
const BEFORE_GATEWAY: &str = "name=\"nearcast-source\" content=\"gateway\"";

/// `blob:` is how a script hands a media element what it fetched, `data:` the empty track that hls.js puts the words of a
/// stream into.
macro_rules! policy {
    ($scripts:literal) => {
        concat!(
            "default-src 'none'; script-src ",
            $scripts,
            "; style-src 'self'; img-src 'self'; media-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; ",
            "form-action 'none'; frame-ancestors 'none'"
        )
    };
}
const POLICY: &str = policy!("'self'");
/// Before a site the page compiles its engine, which comes from the page's own origin like any script.
const POLICY_WITH_ENGINE: &str = policy!("'self' 'wasm-unsafe-eval'");
/// What a script may do where it runs as a worker, which the policy of its page does not reach: the engine is compiled
/// and fetches there.
const POLICY_OF_SCRIPTS: &str =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

/// What a player page stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// A node's gateway, with its cache and peers.
    Gateway,
    /// A site's static documents.
    Site,
}

/// A file as it is sent: plain, and compressed once for all who take that.
#[derive(Debug)]
struct Built {
    plain: Bytes,
    /// Codings that make it smaller, the smallest first.
    squeezed: Vec<(&'static str, Bytes)>,
    etag: HeaderValue,
    content_type: &'static str,
}

impl Built {
    /// `brotli` is the same, compressed when the pages were built, which takes seconds.
    fn new(name: &str, plain: Bytes, brotli: Option<&'static [u8]>) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory cannot fail; what it failed to compress would be sent plain.
        let gzip = encoder.write_all(&plain).and_then(|()| encoder.finish()).unwrap_or_default();
        let brotli = brotli.map(|bytes| ("br", Bytes::from_static(bytes)));
        let mut squeezed: Vec<_> = brotli.into_iter().chain([("gzip", gzip.into())]).collect();
        squeezed.retain(|(_, bytes)| !bytes.is_empty() && bytes.len() < plain.len());
        let etag = Entity::tag(&blake3::hash(&plain).to_hex()[..32]);
        Self { plain, squeezed, etag, content_type: media_type::of_name(name).0 }
    }

    fn answer(&self, method: &Method, headers: &HeaderMap, cache: &'static str) -> Response {
        let squeezed = self.squeezed.iter().find(|(coding, _)| accepts(headers, coding));
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| *tag == self.etag);
        let bytes = match (known || method == Method::HEAD, squeezed) {
            (true, _) => Bytes::new(),
            (false, Some((_, bytes))) => bytes.clone(),
            (false, None) => self.plain.clone(),
        };
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some((coding, _)) = squeezed.filter(|_| !known) {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response.extensions_mut().insert(BodyKind::Page);
        response
    }
}

fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|a| a.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        name.trim().eq_ignore_ascii_case(coding) && !weight.replace(' ', "").starts_with("q=0")
    })
}

/// What the pages load, by name. Compressed at the first request for any of them.
static LOADED: LazyLock<BTreeMap<&'static str, Built>> = LazyLock::new(|| {
    let files = BUILT.get_dir(ASSETS).into_iter().flat_map(Dir::files);
    let named = files.filter_map(|file| Some((file.path().file_name()?.to_str()?, file.contents())));
    let plain = named.filter(|(name, _)| !name.ends_with(BROTLI));
    plain.map(|(name, bytes)| (name, Built::new(name, Bytes::from_static(bytes), brotli_of(name)))).collect()
});

/// A file of the pages, compressed when they were built.
fn brotli_of(name: &str) -> Option<&'static [u8]> {
    BUILT.get_file(format!("{ASSETS}/{name}{BROTLI}")).map(include_dir::File::contents)
}

/// Routes for what the pages load.
pub fn assets() -> Router {
    Router::new().route("/page/{file}", get(asset))
}

async fn asset(Path(file): Path<String>, method: Method, headers: HeaderMap) -> Response {
    let Some(built) = LOADED.get(file.as_str()) else {
        return (StatusCode::NOT_FOUND, "there is no such file of the page\n").into_response();
    };
    let mut response = built.answer(&method, &headers, "public, max-age=31536000, immutable");
    if file.ends_with(".js") {
        let policy = HeaderValue::from_static(POLICY_OF_SCRIPTS);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A route for the player's service worker. It lies at the root, as it may only serve what is below its folder.
pub fn worker() -> Router {
    let text = BUILT.get_file(WORKER).and_then(|file| file.contents_utf8()).unwrap_or_default();
    let built = Arc::new(Built::new(WORKER, text.into(), None));
    let policy = HeaderValue::from_static("default-src 'none'; connect-src 'self'");
    Router::new().route("/worker.js", get(page)).with_state((built, policy))
}

/// A route for the script that pages of others load. Its name stays, and its content moves with the program.
pub fn script() -> Router {
    let text = BUILT.get_file(SCRIPT).and_then(|file| file.contents_utf8()).unwrap_or_default();
    let built = Arc::new(Built::new(SCRIPT, text.into(), None));
    Router::new()
        .route("/nearcast.js", get(page))
        .with_state((built, HeaderValue::from_static("default-src 'none'")))
}

/// A route at `at` for the provider's dashboard, which holds no figures itself.
pub fn dashboard(at: &str) -> Router {
    document(at, "dashboard.html", Before::Site, POLICY)
}

/// A route at `at` for the player.
pub fn player(at: &str, before: Before) -> Router {
    let policy = match before {
        Before::Gateway => POLICY,
        Before::Site => POLICY_WITH_ENGINE,
    };
    document(at, "index.html", before, policy)
}

fn document(at: &str, name: &str, before: Before, policy: &'static str) -> Router {
    let text = BUILT.get_file(name).and_then(|file| file.contents_utf8()).unwrap_or_default();
    let text = match before {
        Before::Gateway => text.replace(BEFORE_SITE, BEFORE_GATEWAY),
        Before::Site => text.to_owned(),
    };
    let built = Arc::new(Built::new(name, text.into(), None));
    Router::new().route(at, get(page)).with_state((built, HeaderValue::from_static(policy)))
}

async fn page(
    State((built, policy)): State<(Arc<Built>, HeaderValue)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let mut response = built.answer(&method, &headers, "no-cache");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(router: Router, path: &str, lines: &[(header::HeaderName, &str)]) -> (Response, Vec<u8>) {
        let mut request = Request::builder().uri(path);
        for (name, value) in lines {
            request = request.header(name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let (parts, body) = router.oneshot(request).await.expect("an answer").into_parts();
        let bytes = axum::body::to_bytes(body, 8 << 20).await.expect("a body").to_vec();
        (Response::from_parts(parts, Body::empty()), bytes)
    }

    #[tokio::test]
    async fn the_player_says_what_it_stands_before() {
        for (before, says, engine) in
            [(Before::Gateway, BEFORE_GATEWAY, false), (Before::Site, BEFORE_SITE, true)]
        {
            let (response, body) = ask(player("/", before), "/", &[]).await;
            assert_eq!(response.status(), StatusCode::OK);
            let text = String::from_utf8(body).expect("text");
            assert!(text.contains(says), "{text}");
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none'") && !policy.contains(" 'unsafe"), "{policy}");
            assert_eq!(policy.contains("'wasm-unsafe-eval'"), engine, "{policy}");
        }
    }

    /// What a page names must be embedded with it, and nothing else may be asked for.
    #[tokio::test]
    async fn everything_the_pages_name_is_embedded() {
        for file in BUILT.files().filter(|file| file.path().extension().is_some_and(|e| e == "html")) {
            let text = file.contents_utf8().expect("text");
            let named: Vec<&str> =
                text.split("\"./page/").skip(1).filter_map(|t| t.split('"').next()).collect();
            assert!(named.len() >= 3, "{named:?}");
            for name in named {
                let (response, body) = ask(assets(), &format!("/page/{name}"), &[]).await;
                assert_eq!(response.status(), StatusCode::OK, "{name}");
                assert!(!body.is_empty(), "{name}");
            }
            assert!(!text.contains("://"), "{}: asks others", file.path().display());
        }
        assert_eq!(ask(assets(), "/page/..%2findex.html", &[]).await.0.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn the_worker_lies_at_the_root_and_asks_its_own_server_alone() {
        let (response, body) = ask(worker(), "/worker.js", &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert_eq!(policy, "default-src 'none'; connect-src 'self'");
        assert!(!body.is_empty());
    }

    /// What the script imports must be embedded with it.
    #[tokio::test]
    async fn the_script_for_pages_of_others_keeps_its_name() {
        let (response, body) = ask(script(), "/nearcast.js", &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        let text = String::from_utf8(body).expect("text");
        let named: Vec<&str> =
            text.split("./page/").skip(1).filter_map(|t| t.split(['"', '`', '\'']).next()).collect();
        assert!(!named.is_empty(), "{text}");
        for name in named {
            assert_eq!(
                ask(assets(), &format!("/page/{name}"), &[]).await.0.status(),
                StatusCode::OK,
                "{name}"
            );
        }
    }

    /// The page names no worker's script: another script does.
    #[tokio::test]
    async fn the_engine_as_a_worker_asks_its_own_server_alone() {
        let name = LOADED.keys().find(|name| name.starts_with("engine-")).expect("the engine's script");
        let (response, _) = ask(assets(), &format!("/page/{name}"), &[]).await;
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert_eq!(policy, "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'");
    }

    #[tokio::test]
    async fn files_are_sent_compressed_to_whoever_takes_that() {
        let (name, built) = LOADED.iter().find(|(name, _)| name.ends_with(".js")).expect("a script");
        let path = format!("/page/{name}");
        let (plain, whole) = ask(assets(), &path, &[(header::ACCEPT_ENCODING, "zstd, gzip;q=0")]).await;
        assert!(plain.headers().get(header::CONTENT_ENCODING).is_none());
        assert_eq!(whole, built.plain);
        let (squeezed, less) = ask(assets(), &path, &[(header::ACCEPT_ENCODING, "zstd, gzip")]).await;
        assert_eq!(squeezed.headers()[header::CONTENT_ENCODING], "gzip");
        let mut back = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(less.as_slice()), &mut back)
            .expect("gzip");
        assert_eq!(back, whole);
        let (brotli, least) = ask(assets(), &path, &[(header::ACCEPT_ENCODING, "gzip, br")]).await;
        assert_eq!(brotli.headers()[header::CONTENT_ENCODING], "br");
        assert!(least.len() < less.len(), "{} of {}", least.len(), less.len());
        let tag = squeezed.headers()[header::ETAG].to_str().expect("text");
        let (known, nothing) = ask(assets(), &path, &[(header::IF_NONE_MATCH, tag)]).await;
        assert_eq!((known.status(), nothing.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}
