//! A plain list of the titles, without a script: for browsers that run none. And the answers for programs.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use nearcast_content::TitleId;
use nearcast_content::manifest::MediaKind;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::library::{Library, LookupError, TitleSummary};
use super::serve::{self, Desk};
use crate::http::BodyKind;

/// Titles on the page. Beyond that a list without search helps nobody.
const SHOWN: usize = 1_000;
/// Titles that a page may say are likely next. The engine looks at fewer.
const UPCOMING: usize = 16;
pub(super) const LIST_PATH: &str = "/plain";
pub(super) const STYLE_PATH: &str = "/plain.css";
const POLICY: &str = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
/// What must be escaped in a path of a URL, slashes excepted.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

pub(super) async fn index<L: Library>(State(desk): State<Desk<L>>) -> Response {
    let page = render(&desk.library.titles().await);
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-store")];
    let mut response = (headers, Html(page)).into_response();
    response.extensions_mut().insert(BodyKind::Page);
    response
}

pub(super) async fn titles<L: Library>(State(desk): State<Desk<L>>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(desk.library.titles().await))
}

/// What is needed to play one title.
pub(super) async fn title<L: Library>(State(desk): State<Desk<L>>, Path(title): Path<String>) -> Response {
    let found = match title.parse::<TitleId>() {
        Ok(title) => desk.library.about(&title).await,
        Err(_) => Err(LookupError::Absent),
    };
    match found {
        Ok(about) => ([(header::CACHE_CONTROL, "no-store")], Json(about)).into_response(),
        Err(error) => serve::lookup_failed(&error),
    }
}

/// The queue of a page, as far as it is likely to be played.
#[derive(serde::Deserialize)]
pub(super) struct Upcoming {
    titles: Vec<TitleId>,
}

/// Takes the queue of the page. That it is JSON, and from the gateway's own page or from a program, is what keeps
/// other pages from setting it: a form can send neither.
pub(super) async fn upcoming<L: Library>(
    State(desk): State<Desk<L>>,
    Json(mut upcoming): Json<Upcoming>,
) -> StatusCode {
    upcoming.titles.truncate(UPCOMING);
    desk.library.upcoming(upcoming.titles);
    StatusCode::NO_CONTENT
}

pub(super) async fn status<L: Library>(State(desk): State<Desk<L>>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(desk.library.status().await))
}

pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}\
li{margin:1rem 0}small{color:#666}audio,video{display:block;width:100%;max-height:24rem}\
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#8cf}small{color:#aaa}}";

/// The page. Every text of a title is a stranger's and is escaped.
fn render(titles: &[TitleSummary]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Nearcast</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <link rel=\"stylesheet\" href=\"{STYLE_PATH}\"><h1>Nearcast</h1>\
         <p>{} titles. Any player opens their links. <a href=\"/status\">Status</a></p><ol>",
        titles.len()
    );
    for title in titles.iter().take(SHOWN) {
        // Writing to a string cannot fail.
        let _ = write_title(&mut page, title);
    }
    page.push_str("</ol>");
    if titles.len() > SHOWN {
        let _ = write!(page, "<p>The first {SHOWN} are shown; <a href=\"/titles\">all of them</a></p>");
    }
    page
}

fn write_title(page: &mut String, title: &TitleSummary) -> std::fmt::Result {
    write!(page, "<li><a href=\"{}\">{}</a>", link(title, &title.file), escape(&title.name))?;
    for more in [&title.artist, &title.album].into_iter().flatten() {
        write!(page, " · {}", escape(more))?;
    }
    let seconds = title.duration_ms / 1000;
    let (length, cached) = (format!("{}:{:02}", seconds / 60, seconds % 60), title.cached_permille / 10);
    write!(page, " <small>{length}, {cached} % here</small>")?;
    if let Some(whole) = &title.whole {
        let element = if title.kind == MediaKind::Video { "video" } else { "audio" };
        write!(page, "<{element} controls preload=\"none\" src=\"{}\"></{element}>", link(title, whole))?;
    }
    page.push_str("</li>");
    Ok(())
}

fn link(title: &TitleSummary, file: &str) -> String {
    escape(&format!("/t/{}/{}", title.id, utf8_percent_encode(file, PATH)))
}

/// Escapes text for an element's content and for an attribute in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Would reverse the text around it, and so what a link seems to say.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_title_stays_text() {
        let title = TitleSummary {
            id: "a".parse().expect("a title"),
            name: "</a><script>alert(1)</script>".to_owned(),
            artist: Some("\" onload=\"x".to_owned()),
            album: Some("a\u{202e}b & c".to_owned()),
            track: None,
            disc: None,
            art: None,
            duration_ms: 61_000,
            kind: MediaKind::Music,
            file: "a\"b c?.m3u8".to_owned(),
            whole: Some("<x>.opus".to_owned()),
            cached_permille: 999,
        };
        let page = render(&[title]);
        assert!(!page.contains("<script") && !page.contains("onload=\"x") && !page.contains('\u{202e}'));
        assert!(page.contains("href=\"/t/a/a%22b%20c%3F.m3u8\""), "{page}");
        assert!(page.contains("src=\"/t/a/%3Cx%3E.opus\""), "{page}");
        assert!(page.contains("ab &amp; c") && page.contains("1:01, 99 % here"), "{page}");
    }
}
