//! Who may ask the gateway: players and its own page.
//!
//! Any web page can make a browser send requests to loopback, and a host name that resolves to 127.0.0.1 makes such
//! a page same-origin with the gateway (DNS rebinding). So the `Host` must be loopback by its spelling, and what a
//! browser sends on behalf of another page is refused.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// For every response. The page sets its own.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// The names under which a gateway is addressed.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    hosts: Vec<String>,
}

impl Guard {
    pub(super) fn new(address: SocketAddr) -> Self {
        let port = address.port();
        let names = ["127.0.0.1", "localhost", "[::1]"];
        let mut hosts: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == 80 {
            hosts.extend(names.map(str::to_owned));
        }
        Self { hosts }
    }

    fn refuses(&self, headers: &HeaderMap) -> Option<&'static str> {
        let host = text(headers, header::HOST).unwrap_or_default();
        if !self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)) {
            return Some("this gateway answers to 127.0.0.1 and localhost only\n");
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            // Its own page is the one under the very name that was asked.
            let own = origin.to_str().ok().and_then(|o| o.strip_prefix("http://"));
            if !own.is_some_and(|own| own.eq_ignore_ascii_case(host)) {
                return Some("this gateway does not answer other pages\n");
            }
        }
        let site = text(headers, HeaderName::from_static("sec-fetch-site"));
        let mode = text(headers, HeaderName::from_static("sec-fetch-mode"));
        // A link that someone follows is no request of the page that it was on.
        let foreign = matches!(site, Some("cross-site" | "same-site")) && mode != Some("navigate");
        foreign.then_some("this gateway does not answer other pages\n")
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Middleware before every route.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.refuses(request.headers()) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(lines: &[(&'static str, &'static str)]) -> bool {
        let guard = Guard::new(SocketAddr::from(([127, 0, 0, 1], 4242)));
        let headers =
            lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        guard.refuses(&headers).is_some()
    }

    #[test]
    fn players_and_the_own_page_get_in() {
        for host in ["127.0.0.1:4242", "localhost:4242", "LOCALHOST:4242", "[::1]:4242"] {
            assert!(!refused(&[("host", host)]), "{host}");
        }
        let local = ("host", "localhost:4242");
        assert!(!refused(&[local, ("origin", "http://localhost:4242"), ("sec-fetch-site", "same-origin")]));
        assert!(!refused(&[local, ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")]));
        assert!(!refused(&[local, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]));
    }

    #[test]
    fn rebound_names_and_other_pages_do_not() {
        for host in ["evil.example:4242", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:4242", ""] {
            assert!(refused(&[("host", host)]), "{host}");
        }
        assert!(refused(&[]));
        let local = ("host", "127.0.0.1:4242");
        for origin in ["http://evil.example", "null", "https://127.0.0.1:4242", "http://localhost:4242"] {
            assert!(refused(&[local, ("origin", origin)]), "{origin}");
        }
        assert!(refused(&[local, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]));
        assert!(refused(&[local, ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")]));
    }
}
