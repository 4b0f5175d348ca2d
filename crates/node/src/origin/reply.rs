//! Judges the head of an origin's answer before a byte of its body is taken.

use std::time::{Duration, SystemTime};

use nearcast_content::ByteRange;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap, HeaderName};

use super::error::Trouble;
use crate::wall;

/// Longest that an origin may send us away: a day.
const LONGEST_RETRY: Duration = Duration::from_secs(24 * 3600);

/// What the body of a good answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The bytes that were asked for.
    Asked,
    /// The whole file, of this length where it is told.
    Whole(Option<u64>),
}

/// Judges the answer to a request for `asked` of a file that has `size` bytes as published.
pub(super) fn judge_range(
    status: StatusCode,
    headers: &HeaderMap,
    asked: ByteRange,
    size: u64,
) -> Result<Body, Trouble> {
    match status {
        StatusCode::PARTIAL_CONTENT => {
            no_encoding(headers)?;
            check_content_range(headers, asked, size)?;
            Ok(Body::Asked)
        }
        StatusCode::RANGE_NOT_SATISFIABLE => match total(text(headers, header::CONTENT_RANGE)) {
            Some(found) if found != size => Err(Trouble::OtherSize { published: size, found }),
            Some(_) | None => Err(Trouble::WrongRange { found: "unsatisfiable".to_owned() }),
        },
        _ => {
            judge_whole(status, headers)?;
            let length = text(headers, header::CONTENT_LENGTH).and_then(|l| l.parse().ok());
            match length {
                Some(found) if found != size => Err(Trouble::OtherSize { published: size, found }),
                _ if asked == ByteRange::new(0, size) => Ok(Body::Asked),
                _ => Ok(Body::Whole(length)),
            }
        }
    }
}

/// Judges the answer to a request for a whole file.
pub(super) fn judge_whole(status: StatusCode, headers: &HeaderMap) -> Result<(), Trouble> {
    if status == StatusCode::OK {
        no_web_page(headers)?;
        return no_encoding(headers);
    }
    let code = status.as_u16();
    Err(match code {
        404 | 410 => Trouble::Absent { status: code },
        401 | 403 | 407 | 451 => Trouble::Forbidden { status: code },
        408 | 425 | 429 | 500..=599 => {
            let asked = text(headers, header::RETRY_AFTER).and_then(|t| retry_after(t, wall::now()));
            Trouble::Unavailable { status: code, retry_after: asked }
        }
        _ => Trouble::Status { status: code },
    })
}

fn no_encoding(headers: &HeaderMap) -> Result<(), Trouble> {
    match text(headers, header::CONTENT_ENCODING) {
        None | Some("" | "identity") => Ok(()),
        Some(encoding) => Err(Trouble::Encoded { encoding: short(encoding) }),
    }
}

fn no_web_page(headers: &HeaderMap) -> Result<(), Trouble> {
    let kind = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let page = kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml");
    if page { Err(Trouble::WebPage) } else { Ok(()) }
}

fn check_content_range(headers: &HeaderMap, asked: ByteRange, size: u64) -> Result<(), Trouble> {
    let line = text(headers, header::CONTENT_RANGE).unwrap_or_default();
    if let Some(found) = total(Some(line)).filter(|total| *total != size) {
        return Err(Trouble::OtherSize { published: size, found });
    }
    let range = line.strip_prefix("bytes ").and_then(|l| l.split_once('/')?.0.split_once('-'));
    let numbers = range.and_then(|(a, b)| a.parse::<u64>().ok().zip(b.parse::<u64>().ok()));
    match numbers {
        Some((first, last)) if first == asked.start && last.checked_add(1) == Some(asked.end) => Ok(()),
        Some(_) | None => Err(Trouble::WrongRange { found: short(line) }),
    }
}

/// The size behind the slash of a `Content-Range`, where it is told.
fn total(line: Option<&str>) -> Option<u64> {
    line?.rsplit_once('/')?.1.trim().parse().ok()
}

/// Seconds or a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let asked = match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(asked.min(LONGEST_RETRY))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// What goes into an error message of what a stranger sent.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, lines: &[(HeaderName, &'static str)]) -> Result<Body, Trouble> {
        let headers = lines.iter().map(|(n, v)| (n.clone(), v.parse().expect("plain"))).collect();
        let status = StatusCode::from_u16(status).expect("a status");
        judge_range(status, &headers, ByteRange::new(100, 200), 1000)
    }

    #[test]
    fn a_range_must_be_the_one_asked_for() {
        use header::CONTENT_RANGE;
        let ranged = |line| judge(206, &[(CONTENT_RANGE, line)]);
        assert_eq!(ranged("bytes 100-199/1000").expect("good"), Body::Asked);
        assert_eq!(ranged("bytes 100-199/*").expect("good"), Body::Asked);
        for wrong in [
            "bytes 100-198/1000",
            "bytes 0-99/1000",
            "bytes 100-/1000",
            "100-199/1000",
            "items 100-199/1000",
            "",
            "bytes 100-18446744073709551615/1000",
        ] {
            assert!(matches!(ranged(wrong), Err(Trouble::WrongRange { .. })), "{wrong}");
        }
        assert!(matches!(judge(206, &[]), Err(Trouble::WrongRange { .. })));
        assert!(matches!(
            ranged("bytes 100-199/999"),
            Err(Trouble::OtherSize { published: 1000, found: 999 })
        ));
        assert!(matches!(
            judge(416, &[(CONTENT_RANGE, "bytes */5")]),
            Err(Trouble::OtherSize { found: 5, .. })
        ));
        let encoded = [(CONTENT_RANGE, "bytes 100-199/1000"), (header::CONTENT_ENCODING, "gzip")];
        assert!(matches!(judge(206, &encoded), Err(Trouble::Encoded { .. })));
    }

    #[test]
    fn other_answers_are_told_apart() {
        use header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
        assert_eq!(judge(200, &[(CONTENT_LENGTH, "1000")]).expect("good"), Body::Whole(Some(1000)));
        assert_eq!(judge(200, &[]).expect("good"), Body::Whole(None));
        assert!(matches!(judge(200, &[(CONTENT_LENGTH, "7")]), Err(Trouble::OtherSize { found: 7, .. })));
        let page = judge(200, &[(CONTENT_TYPE, "Text/HTML; charset=utf-8")]);
        assert!(matches!(page, Err(Trouble::WebPage)));
        assert!(matches!(judge(404, &[]), Err(Trouble::Absent { status: 404 })));
        assert!(matches!(judge(410, &[]), Err(Trouble::Absent { status: 410 })));
        assert!(matches!(judge(403, &[]), Err(Trouble::Forbidden { status: 403 })));
        assert!(matches!(judge(302, &[]), Err(Trouble::Status { status: 302 })));
        let busy = judge(429, &[(RETRY_AFTER, "7")]);
        let seven = Duration::from_secs(7);
        assert!(matches!(busy, Err(Trouble::Unavailable { retry_after: Some(t), .. }) if t == seven));
        assert!(matches!(judge(500, &[]), Err(Trouble::Unavailable { retry_after: None, .. })));
    }

    #[test]
    fn retry_times_are_read_and_bounded() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let date = httpdate::fmt_http_date(now + Duration::from_secs(30));
        assert_eq!(retry_after(&date, now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("99999999999", now), Some(LONGEST_RETRY));
        assert_eq!(retry_after("soon", now), None);
    }
}
