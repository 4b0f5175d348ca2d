//! Web addresses of sites and of media that stays elsewhere, read strictly.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// Why a text is not a web address that is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than the limit.
    #[error("the address is longer than {} bytes", limits::PATH_BYTES)]
    TooLong,
    /// Neither `http://` nor `https://`.
    #[error("the address must start with http:// or https://")]
    Scheme,
    /// A user name or password before the host.
    #[error("the address must not carry a user name or password")]
    Credentials,
    /// No host, or one with letters that no host has.
    #[error("the host is missing or not a plain name or address")]
    Host,
    /// Not 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
    /// Empty, `.` or `..` folders, or letters that an address must escape.
    #[error("the path holds an empty, . or .. part or a letter that must be escaped")]
    Path,
    /// A question mark or a number sign.
    #[error("the address must end with its path")]
    Query,
}

/// An absolute `http` or `https` address without credentials, query or fragment, whose path has no empty,
/// `.` or `..` part, also not an escaped one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl {
    text: String,
    /// Where the path starts in `text`.
    path: usize,
    secure: bool,
    place: HostPlace,
}

/// Where a host lies, as far as its spelling tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPlace {
    /// This machine: `localhost`, `127.0.0.0/8`, `::1`.
    Loopback,
    /// An address of a private, link-local or otherwise special network.
    Private,
    /// A name, or a public address.
    Public,
}

impl WebUrl {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the scheme is `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Where the host lies. A name may still resolve to a private address: whoever connects checks that.
    pub fn place(&self) -> HostPlace {
        self.place
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn origin(&self) -> &str {
        &self.text[..self.path]
    }

    /// The path, with its first slash.
    pub fn path(&self) -> &str {
        &self.text[self.path..]
    }

    /// The same address as a folder: with a slash at the end.
    pub fn folder(mut self) -> Self {
        if !self.text.ends_with('/') {
            self.text.push('/');
        }
        self
    }

    /// The address of `path`, which is relative and escaped, below this folder.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.clone().folder().text)
    }
}

impl FromStr for WebUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > limits::PATH_BYTES {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(UrlError::Query);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (host, port) = split_port(authority)?;
        let (host, place) = read_host(host)?;
        let default_port = if secure { 443 } else { 80 };
        let port = port.filter(|p| *p != default_port).map(|p| format!(":{p}")).unwrap_or_default();
        let scheme = if secure { "https" } else { "http" };
        let start = format!("{scheme}://{host}{port}");
        check_path(path)?;
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { path: start.len(), text: format!("{start}{path}"), secure, place })
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let after_host = match authority.rfind(']') {
        Some(at) => at,
        None if authority.starts_with('[') => return Err(UrlError::Host),
        None => 0,
    };
    let Some(colon) = authority[after_host..].find(':').map(|at| at + after_host) else {
        return Ok((authority, None));
    };
    let digits = &authority[colon + 1..];
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let port = plain.then(|| digits.parse::<u16>().ok()).flatten().filter(|p| *p > 0);
    Ok((&authority[..colon], Some(port.ok_or(UrlError::Port)?)))
}

/// The host in its one spelling, and where it lies.
fn read_host(host: &str) -> Result<(String, HostPlace), UrlError> {
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let ip: Ipv6Addr = inner.parse().map_err(|_| UrlError::Host)?;
        return Ok((format!("[{ip}]"), place_of_v6(ip)));
    }
    let host = host.to_ascii_lowercase();
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let labels_ok = host.split('.').all(|l| (1..=63).contains(&l.len()) && l.bytes().all(known));
    if !labels_ok || host.len() > 253 {
        return Err(UrlError::Host);
    }
    // WHATWG: a host whose last label is a number is an IPv4 address, in spellings such as `0x7f.1` too.
    // Only the plain one is let in, so that its place can be told.
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        let ip: Ipv4Addr = host.parse().map_err(|_| UrlError::Host)?;
        return Ok((ip.to_string(), place_of_v4(ip)));
    }
    let local = host == "localhost" || host.ends_with(".localhost");
    let place = if local { HostPlace::Loopback } else { HostPlace::Public };
    Ok((host, place))
}

fn place_of_v4(ip: Ipv4Addr) -> HostPlace {
    let [a, b, ..] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    if ip.is_loopback() {
        HostPlace::Loopback
    } else if ip.is_private() || ip.is_link_local() || ip.is_multicast() || a == 0 || a >= 240 || shared {
        HostPlace::Private
    } else {
        HostPlace::Public
    }
}

fn place_of_v6(ip: Ipv6Addr) -> HostPlace {
    if let Some(v4) = ip.to_ipv4() {
        // `::1` is `::0.0.0.1` to the standard library, hence this order.
        return if ip.is_loopback() { HostPlace::Loopback } else { place_of_v4(v4) };
    }
    if ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_multicast() {
        HostPlace::Private
    } else {
        HostPlace::Public
    }
}

fn check_path(path: &str) -> Result<(), UrlError> {
    let Some(inner) = path.strip_prefix('/') else { return Ok(()) };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() {
        return if path.len() <= 1 { Ok(()) } else { Err(UrlError::Path) };
    }
    let parts: Vec<&str> = inner.split('/').collect();
    let good = |part: &&str| unescape(part).is_some_and(|name| !["", ".", ".."].contains(&name.as_str()));
    if parts.len() <= limits::PATH_DEPTH * 2 && parts.iter().all(good) { Ok(()) } else { Err(UrlError::Path) }
}

/// What an escaped path part stands for: nothing when an escape is broken, hides a slash, a backslash or a
/// control character, or when a letter should have been escaped (RFC 3986, `pchar`).
fn unescape(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let value = crate::letters::HEX.decode(&digits.map(|digit| digit.to_ascii_lowercase()))?[0];
            if value < 0x20 || value == 0x7f || value == b'/' || value == b'\\' {
                return None;
            }
            bytes.push(value);
        } else if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            bytes.push(byte);
        } else {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl TryFrom<String> for WebUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        text.parse()
    }
}

impl From<WebUrl> for String {
    fn from(url: WebUrl) -> Self {
        url.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        for (text, want) in [
            ("https://Media.Example.org", "https://media.example.org/"),
            ("HTTPS://example.org:443/a/b.m4s", "https://example.org/a/b.m4s"),
            ("http://127.0.0.1:8080/site/", "http://127.0.0.1:8080/site/"),
            ("http://[::1]:80/x", "http://[::1]/x"),
            ("https://example.org/a%20b/%C3%A4.ts", "https://example.org/a%20b/%C3%A4.ts"),
        ] {
            let url: WebUrl = text.parse().expect(text);
            assert_eq!(url.as_str(), want);
            assert_eq!(url.to_string().parse::<WebUrl>(), Ok(url));
        }
    }

    #[test]
    fn hostile_addresses_are_refused() {
        for (text, want) in [
            ("ftp://example.org/", UrlError::Scheme),
            ("//example.org/", UrlError::Scheme),
            ("javascript:alert(1)", UrlError::Scheme),
            ("https://me:secret@example.org/", UrlError::Credentials),
            ("https://", UrlError::Host),
            ("https://exa mple.org/", UrlError::Host),
            ("https://a..b/", UrlError::Host),
            ("https://0x7f.1/", UrlError::Host),
            ("https://2130706433/", UrlError::Host),
            ("https://[::1/", UrlError::Host),
            ("https://example.org:0/", UrlError::Port),
            ("https://example.org:99999/", UrlError::Port),
            ("https://example.org:+80/", UrlError::Port),
            ("https://example.org/../x", UrlError::Path),
            ("https://example.org/a/%2e%2E/x", UrlError::Path),
            ("https://example.org/a%2fb", UrlError::Path),
            ("https://example.org/a%5cb", UrlError::Path),
            ("https://example.org/a\\b", UrlError::Path),
            ("https://example.org//x", UrlError::Path),
            ("https://example.org/a%0d%0ab", UrlError::Path),
            ("https://example.org/a%zz", UrlError::Path),
            ("https://example.org/ä", UrlError::Path),
            ("https://example.org/a?b", UrlError::Query),
            ("https://example.org/a#b", UrlError::Query),
        ] {
            assert_eq!(text.parse::<WebUrl>(), Err(want), "{text}");
        }
        assert_eq!(format!("https://x/{}", "a".repeat(600)).parse::<WebUrl>(), Err(UrlError::TooLong));
    }

    #[test]
    fn hosts_are_placed_by_their_spelling() {
        for (text, want) in [
            ("http://localhost/", HostPlace::Loopback),
            ("http://127.8.0.1/", HostPlace::Loopback),
            ("http://[::1]/", HostPlace::Loopback),
            ("http://[::ffff:127.0.0.1]/", HostPlace::Loopback),
            ("http://10.0.0.1/", HostPlace::Private),
            ("http://100.64.0.1/", HostPlace::Private),
            ("http://169.254.169.254/", HostPlace::Private),
            ("http://[fe80::1]/", HostPlace::Private),
            ("http://0.0.0.0/", HostPlace::Private),
            ("http://192.0.2.1/", HostPlace::Public),
            ("https://example.org/", HostPlace::Public),
        ] {
            assert_eq!(text.parse::<WebUrl>().expect(text).place(), want, "{text}");
        }
    }
}
