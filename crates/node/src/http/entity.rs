//! Decides what to answer to a GET or HEAD of a resource: whole, a part, not modified, or refused.
//!
//! Preconditions are evaluated in the order of RFC 9110 §13.2.2. The decision sees headers only, so that files,
//! documents in memory and bytes that a swarm is still fetching are all answered alike.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use nearcast_content::ByteRange;

use super::range::{self, Asked};

/// A resource as its headers describe it.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Bytes in all.
    pub size: u64,
    /// Strong entity tag, in quotes: the same only while every byte is the same.
    pub etag: HeaderValue,
    /// Last change, where one is known.
    pub modified: Option<SystemTime>,
    /// As in `Content-Type`.
    pub content_type: HeaderValue,
}

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200 with everything.
    Whole,
    /// 206 with these bytes.
    Part(ByteRange),
    /// 304: the client has it.
    NotModified,
    /// 412: the client wanted another version.
    PreconditionFailed,
    /// 416: the range lies past the end.
    Unsatisfiable,
}

impl Entity {
    /// An entity tag of `text`, which must be visible ASCII without quotes; anything else is dropped from it.
    pub fn tag(text: &str) -> HeaderValue {
        let plain: String = text.chars().filter(|c| c.is_ascii_graphic() && *c != '"').collect();
        HeaderValue::try_from(format!("\"{plain}\"")).unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// Decides what to answer to a request with `method` and `headers`.
    pub fn answer(&self, method: &Method, headers: &HeaderMap) -> Answer {
        if self.precondition_failed(headers) {
            return Answer::PreconditionFailed;
        }
        if self.not_modified(headers) {
            return Answer::NotModified;
        }
        // Range means nothing for methods other than GET (RFC 9110 §14.2).
        let range = text(headers, header::RANGE).filter(|_| method == Method::GET);
        let Some(range) = range.filter(|_| self.range_applies(headers)) else { return Answer::Whole };
        match range::read(range, self.size) {
            Asked::Whole => Answer::Whole,
            Asked::Part(bytes) => Answer::Part(bytes),
            Asked::Unsatisfiable => Answer::Unsatisfiable,
        }
    }

    fn precondition_failed(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::IF_MATCH) {
            return !self.tag_among(headers, header::IF_MATCH, Compare::Strong);
        }
        let limit = date(headers, header::IF_UNMODIFIED_SINCE);
        limit.zip(self.modified).is_some_and(|(limit, modified)| whole_seconds(modified) > limit)
    }

    fn not_modified(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::IF_NONE_MATCH) {
            return self.tag_among(headers, header::IF_NONE_MATCH, Compare::Weak);
        }
        let since = date(headers, header::IF_MODIFIED_SINCE);
        since.zip(self.modified).is_some_and(|(since, modified)| whole_seconds(modified) <= since)
    }

    /// Whether `If-Range`, if any, still names this version. A date must match exactly and be a strong
    /// validator, which one of this very second is not (RFC 9110 §8.8.2.2).
    fn range_applies(&self, headers: &HeaderMap) -> bool {
        let Some(wanted) = headers.get(header::IF_RANGE) else { return true };
        if wanted == self.etag {
            return true;
        }
        let Some((wanted, modified)) = date(headers, header::IF_RANGE).zip(self.modified) else {
            return false;
        };
        let settled = modified.elapsed().is_ok_and(|age| age >= Duration::from_secs(1));
        settled && wanted == whole_seconds(modified)
    }

    fn tag_among(&self, headers: &HeaderMap, name: HeaderName, compare: Compare) -> bool {
        let own = self.etag.as_bytes();
        headers.get_all(name).iter().any(|line| {
            line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii).any(|tag| match compare {
                Compare::Strong => tag == own || tag == b"*",
                Compare::Weak => tag.strip_prefix(b"W/").unwrap_or(tag) == own || tag == b"*",
            })
        })
    }
}

enum Compare {
    Strong,
    Weak,
}

impl Answer {
    /// The bytes to send in the body of a GET.
    pub fn body(self, entity: &Entity) -> ByteRange {
        match self {
            Self::Whole => ByteRange::new(0, entity.size),
            Self::Part(bytes) => bytes,
            Self::NotModified | Self::PreconditionFailed | Self::Unsatisfiable => ByteRange::new(0, 0),
        }
    }

    /// The response with status and headers, and `body` in it. For HEAD hand in an empty body: the length
    /// is in the headers already.
    pub fn response<B>(self, entity: &Entity, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = match self {
            Self::Whole => StatusCode::OK,
            Self::Part(_) => StatusCode::PARTIAL_CONTENT,
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        };
        let headers = response.headers_mut();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::ETAG, entity.etag.clone());
        if let Some(modified) = entity.modified.and_then(|at| written(&httpdate::fmt_http_date(at))) {
            headers.insert(header::LAST_MODIFIED, modified);
        }
        let size = entity.size;
        let content_range = match self {
            Self::Part(bytes) => {
                Some(format!("bytes {}-{}/{size}", bytes.start, bytes.end.saturating_sub(1)))
            }
            Self::Unsatisfiable => Some(format!("bytes */{size}")),
            Self::Whole | Self::NotModified | Self::PreconditionFailed => None,
        };
        if let Some(value) = content_range.as_deref().and_then(written) {
            headers.insert(header::CONTENT_RANGE, value);
        }
        // A 304 stands for the entity, so a length of zero there would be wrong.
        if self != Self::NotModified {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body(entity).len()));
        }
        if matches!(self, Self::Whole | Self::Part(_)) {
            headers.insert(header::CONTENT_TYPE, entity.content_type.clone());
        }
        response
    }
}

fn written(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
}

/// HTTP dates have no fractions.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: &str = "Thu, 01 Jan 1970 00:16:40 GMT";
    const LATER: &str = "Thu, 01 Jan 1970 00:16:41 GMT";
    const EARLIER: &str = "Thu, 01 Jan 1970 00:16:39 GMT";

    fn entity() -> Entity {
        Entity {
            size: 1000,
            etag: Entity::tag("v1"),
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_700)),
            content_type: HeaderValue::from_static("audio/ogg"),
        }
    }

    fn answer(lines: &[(HeaderName, &'static str)]) -> Answer {
        let headers = lines.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect();
        entity().answer(&Method::GET, &headers)
    }

    #[test]
    fn preconditions_come_before_ranges() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};
        let part = Answer::Part(ByteRange::new(1, 3));
        for (lines, want) in [
            (vec![], Answer::Whole),
            (vec![(RANGE, "bytes=1-2")], part),
            (vec![(RANGE, "bytes=1000-")], Answer::Unsatisfiable),
            (vec![(RANGE, "bytes=1-2"), (IF_NONE_MATCH, "\"v1\"")], Answer::NotModified),
            (vec![(IF_NONE_MATCH, "\"v0\", W/\"v1\"")], Answer::NotModified),
            (vec![(IF_NONE_MATCH, "*")], Answer::NotModified),
            (vec![(RANGE, "bytes=1-2"), (IF_NONE_MATCH, "\"v2\"")], part),
            (vec![(IF_NONE_MATCH, "\"v2\""), (IF_MODIFIED_SINCE, LATER)], Answer::Whole),
            (vec![(IF_MODIFIED_SINCE, DAY)], Answer::NotModified),
            (vec![(IF_MODIFIED_SINCE, EARLIER)], Answer::Whole),
            (vec![(IF_MODIFIED_SINCE, "yesterday")], Answer::Whole),
            (vec![(IF_MATCH, "\"v1\"")], Answer::Whole),
            (vec![(IF_MATCH, "W/\"v1\"")], Answer::PreconditionFailed),
            (vec![(IF_MATCH, "\"v2\""), (RANGE, "bytes=1-2")], Answer::PreconditionFailed),
            (vec![(IF_UNMODIFIED_SINCE, DAY)], Answer::Whole),
            (vec![(IF_UNMODIFIED_SINCE, EARLIER)], Answer::PreconditionFailed),
        ] {
            assert_eq!(answer(&lines), want, "{lines:?}");
        }
    }

    #[test]
    fn if_range_guards_against_another_version() {
        use header::{IF_RANGE, RANGE};
        let range = (RANGE, "bytes=1-2");
        let part = Answer::Part(ByteRange::new(1, 3));
        for (tag, want) in [
            ("\"v1\"", part),
            ("\"v2\"", Answer::Whole),
            ("W/\"v1\"", Answer::Whole),
            (DAY, part),
            (LATER, Answer::Whole),
            ("nonsense", Answer::Whole),
        ] {
            assert_eq!(answer(&[range.clone(), (IF_RANGE, tag)]), want, "{tag}");
        }
        let mut fresh = entity();
        fresh.modified = Some(SystemTime::now());
        let date = httpdate::fmt_http_date(SystemTime::now());
        let headers = [(RANGE, "bytes=1-2".to_owned()), (IF_RANGE, date)];
        let headers =
            headers.into_iter().map(|(n, v)| (n, HeaderValue::try_from(v).expect("plain"))).collect();
        assert_eq!(fresh.answer(&Method::GET, &headers), Answer::Whole, "a date of this second is weak");
    }

    #[test]
    fn head_ignores_ranges() {
        let headers = [(header::RANGE, HeaderValue::from_static("bytes=1-2"))].into_iter().collect();
        assert_eq!(entity().answer(&Method::HEAD, &headers), Answer::Whole);
    }

    #[test]
    fn responses_describe_their_part() {
        let entity = entity();
        let part = Answer::Part(ByteRange::new(10, 20)).response(&entity, ());
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers()[header::CONTENT_RANGE], "bytes 10-19/1000");
        assert_eq!(part.headers()[header::CONTENT_LENGTH], "10");
        assert_eq!(part.headers()[header::LAST_MODIFIED], DAY);
        let refused = Answer::Unsatisfiable.response(&entity, ());
        assert_eq!(refused.headers()[header::CONTENT_RANGE], "bytes */1000");
        assert_eq!(refused.headers()[header::CONTENT_LENGTH], "0");
        let known = Answer::NotModified.response(&entity, ());
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert!(!known.headers().contains_key(header::CONTENT_LENGTH));
    }

    #[test]
    fn tags_hold_nothing_that_breaks_a_header() {
        assert_eq!(Entity::tag("a\"b\r\nc"), "\"abc\"");
    }
}
