//! One line of an access log, in the forms that servers write.

use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::net::IpAddr;

use super::columns::{Column, Columns};
use super::hash::Fixed;
use super::moment;

/// Why a line is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BadLine {
    NotText,
    TooLong,
    NoTime,
    NoRequest,
    NoStatus,
    NoBytes,
    Missing(Column),
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("not text (UTF-8)"),
            Self::TooLong => f.write_str("longer than any server writes"),
            Self::NoTime => f.write_str("no time that can be read"),
            Self::NoRequest => f.write_str("no request that can be read"),
            Self::NoStatus => f.write_str("no status code"),
            Self::NoBytes => f.write_str("no number of bytes"),
            Self::Missing(column) => write!(f, "no column for the {column}"),
        }
    }
}

/// A request, as far as it matters here. Borrows the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'l> {
    /// Seconds since 1970.
    pub(super) at: u64,
    pub(super) client: Client,
    /// Tells apart those who share an address.
    pub(super) agent: u64,
    pub(super) method: &'l str,
    pub(super) path: &'l str,
    pub(super) status: u16,
    pub(super) bytes: u64,
}

/// Who asked: an address, or what stands for one in a log made anonymous. Lives no longer than its line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Address(IpAddr),
    Name(u64),
}

/// Addresses are never written out, not even for finding mistakes.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address(_) => "an address",
            Self::Name(_) => "a name",
        })
    }
}

impl Client {
    fn of(text: &str) -> Self {
        let text = text.trim().trim_start_matches('[').trim_end_matches(']');
        match text.parse() {
            Ok(IpAddr::V6(six)) => Self::Address(six.to_canonical()),
            Ok(address) => Self::Address(address),
            Err(_) => Self::Name(digest(text)),
        }
    }
}

/// A number for a text, the same on every machine.
pub(super) fn digest(text: &str) -> u64 {
    let mut hasher = Fixed::default();
    text.hash(&mut hasher);
    hasher.finish()
}

/// `host ident user [time] "GET /path HTTP/1.1" status bytes "referer" "agent"`, the last two at will.
pub(super) fn common(line: &str) -> Result<Line<'_>, BadLine> {
    let (who, rest) = line.split_once('[').ok_or(BadLine::NoTime)?;
    let (time, rest) = rest.split_once(']').ok_or(BadLine::NoTime)?;
    let at = moment::common(time).ok_or(BadLine::NoTime)?;
    let (request, rest) = quoted(rest).ok_or(BadLine::NoRequest)?;
    let (method, path) = method_and_path(request).ok_or(BadLine::NoRequest)?;
    let mut fields = rest.split_ascii_whitespace();
    let status = fields.next().and_then(|f| f.parse().ok()).ok_or(BadLine::NoStatus)?;
    let bytes = bytes(fields.next().ok_or(BadLine::NoBytes)?).ok_or(BadLine::NoBytes)?;
    let agent = quoted(rest).and_then(|(_, rest)| quoted(rest)).map_or("", |(agent, _)| agent);
    // Some servers put the virtual host first; the client is the first address, else the first word.
    let mut words = who.split_ascii_whitespace();
    let first = words.next().ok_or(BadLine::Missing(Column::Client))?;
    let client = match (Client::of(first), words.next().map(Client::of)) {
        (Client::Name(_), Some(second @ Client::Address(_))) => second,
        (first, _) => first,
    };
    Ok(Line { at, client, agent: digest(agent), method, path, status, bytes })
}

/// A line with columns.
pub(super) fn columnar<'l>(line: &'l str, columns: &Columns) -> Result<Line<'l>, BadLine> {
    let fields = columns.split(line);
    let get = |column| columns.find(column).and_then(|at| fields.get(at).copied());
    let need = |column| get(column).filter(|f| *f != "-").ok_or(BadLine::Missing(column));
    let at = match get(Column::Date) {
        Some(date) => {
            let clock = need(Column::Time)?;
            moment::iso(&format!("{date}T{clock}"))
        }
        None => moment::any(need(Column::Time)?),
    };
    let asked = need(Column::Path)?;
    // A whole request line may stand where only a path was promised.
    let (method, path) = method_and_path(asked).unwrap_or((get(Column::Method).unwrap_or("GET"), asked));
    let status = match columns.find(Column::Status) {
        Some(_) => need(Column::Status)?.trim().parse().map_err(|_| BadLine::NoStatus)?,
        None => 200,
    };
    Ok(Line {
        at: at.ok_or(BadLine::NoTime)?,
        client: Client::of(need(Column::Client)?),
        agent: digest(get(Column::Agent).unwrap_or("")),
        method,
        path,
        status,
        bytes: bytes(get(Column::Bytes).ok_or(BadLine::NoBytes)?).ok_or(BadLine::NoBytes)?,
    })
}

/// The text between the next two quotes, where `\"` is none of them, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let start = text.find('"')? + 1;
    let mut escaped = false;
    for (at, letter) in text[start..].char_indices() {
        match letter {
            '"' if !escaped => return Some((&text[start..start + at], &text[start + at + 1..])),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

fn method_and_path(request: &str) -> Option<(&str, &str)> {
    let (method, rest) = request.split_once(' ')?;
    let path = rest.rsplit_once(" HTTP/").map_or(rest, |(path, _)| path);
    let known = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    (known && !path.is_empty()).then_some((method, path))
}

fn bytes(text: &str) -> Option<u64> {
    match text.trim() {
        "-" => Some(0),
        digits => digits.parse().ok(),
    }
}

/// A line as it may be shown: whoever asked is left out, and so are other addresses, and it is short.
pub(super) fn masked(line: &str) -> String {
    let address = |word: &str| {
        let digits = word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'.' || b == b':');
        digits && word.bytes().filter(|b| *b == b'.' || *b == b':').count() >= 2 && !clock(word)
    };
    let separator = |c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':');
    let mut shown = String::new();
    // Names stand before the time, where there is one.
    let first = line.find('[').or_else(|| line.find([' ', '\t', ',', ';'])).unwrap_or(line.len());
    shown.push_str("[client] ");
    for piece in line[first..].split_inclusive(separator) {
        let word = piece.trim_end_matches(separator);
        shown.push_str(if address(word) { "[address]" } else { word });
        shown.push_str(&piece[word.len()..]);
        if shown.chars().count() > MAX_SHOWN {
            break;
        }
    }
    shown.chars().take(MAX_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Letters of a bad line that are shown.
const MAX_SHOWN: usize = 100;

/// `13:55:36` and `2026:13:55:36` are no addresses.
fn clock(word: &str) -> bool {
    let parts: Vec<&str> = word.split(':').collect();
    let (year, time) = parts.split_at(parts.len().saturating_sub(3));
    let digits = |part: &&str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    time.len() == 3
        && time.iter().all(|part| digits(part, 2))
        && year.len() < 2
        && year.iter().all(|y| digits(y, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMBINED: &str = r#"203.0.113.9 - ann [10/Oct/2000:13:55:36 -0700] "GET /a%20b/track.mp3?x=1 HTTP/1.1" 206 2326 "-" "Mo\"zilla/5.0 (X11)""#;

    #[test]
    fn common_and_combined_lines_read() {
        let line = common(COMBINED).expect("reads");
        assert_eq!((line.at, line.method, line.path), (971_211_336, "GET", "/a%20b/track.mp3?x=1"));
        assert_eq!((line.status, line.bytes), (206, 2_326));
        assert_eq!(line.client, Client::Address("203.0.113.9".parse().expect("an address")));
        let short = common(r#"::1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 304 -"#).expect("reads");
        assert_eq!((short.bytes, short.agent), (0, digest("")));
        assert_ne!(line.agent, short.agent);
        let hosted = format!("cdn.example.org:80 {COMBINED}");
        assert_eq!(common(&hosted).expect("reads").client, line.client);
    }

    #[test]
    fn bad_lines_say_why() {
        let why = |line: &str| common(line).expect_err("bad");
        assert_eq!(why(""), BadLine::NoTime);
        assert_eq!(why("a - - [x] \"GET / HTTP/1.1\" 200 1"), BadLine::NoTime);
        assert_eq!(why("a - - [10/Oct/2000:13:55:36 -0700] \"\\x16\\x03\" 400 1"), BadLine::NoRequest);
        assert_eq!(why("a - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\""), BadLine::NoStatus);
        assert_eq!(why("a - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 many"), BadLine::NoBytes);
    }

    #[test]
    fn no_address_is_shown() {
        let shown = masked("203.0.113.9 ann 2001:db8::1 [10/Oct/2000:13:55:36] GET 198.51.100.7/a.mp3 é");
        assert_eq!(shown, "[client] [10/Oct/2000:13:55:36] GET [address]/a.mp3 é");
        assert_eq!(masked("203.0.113.9,2001:db8::1;x"), "[client] ,[address];x");
        assert_eq!(masked("203.0.113.9"), "[client] ");
        assert!(!format!("{:?}", common(COMBINED)).contains("203"));
    }
}
