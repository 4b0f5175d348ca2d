//! What an origin can do wrong, by name.

use std::time::Duration;

use nearcast_content::tree::Corrupt;
use nearcast_engine::swarm::Fault;
use reqwest::Url;

use super::NoRoom;
use super::redirect::RedirectError;

/// A fetch that failed: which address, and what was wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {trouble}", shown(url))]
pub struct OriginError {
    /// The address that was asked.
    pub url: Box<Url>,
    /// What went wrong.
    #[source]
    pub trouble: Trouble,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No connection came about.
    #[error("cannot connect: {0}")]
    Connect(Connecting),
    /// It took too long.
    #[error("timed out {0}")]
    Timeout(Waiting),
    /// The connection ended before the answer began.
    #[error("the connection broke before the answer")]
    Broken,
    /// The body ended early.
    #[error("the answer broke off after {got} of {wanted} bytes")]
    Truncated {
        /// Bytes that came.
        got: u64,
        /// Bytes that were promised.
        wanted: u64,
    },
    /// 404 or 410.
    #[error(
        "the origin does not have it (HTTP {status}); is the address right, and was the site copied completely?"
    )]
    Absent {
        /// The status.
        status: u16,
    },
    /// 401, 403, 407, 451.
    #[error("the origin refuses it (HTTP {status}); check the server's access rules")]
    Forbidden {
        /// The status.
        status: u16,
    },
    /// 429 or any 5xx.
    #[error("the origin is unavailable (HTTP {status})")]
    Unavailable {
        /// The status.
        status: u16,
        /// When it wants to be asked again, if it said.
        retry_after: Option<Duration>,
    },
    /// A status that answers no such request.
    #[error("the origin answered HTTP {status}, which is no answer to a GET")]
    Status {
        /// The status.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("{0}")]
    Redirect(#[from] RedirectError),
    /// The whole of a large object instead of the range that was asked for.
    #[error(
        "the origin does not serve ranges, which objects above {limit} bytes need; enable them on the server"
    )]
    NoRanges {
        /// Largest object that is taken whole.
        limit: u64,
    },
    /// A `Content-Encoding` although none was asked for.
    #[error("the origin recodes it ({encoding}); switch compression off for media, outboards and .jws files")]
    Encoded {
        /// What it says.
        encoding: String,
    },
    /// A web page where media was expected.
    #[error("the origin answered with a web page; is a login or a captive portal in between?")]
    WebPage,
    /// Another range than was asked for.
    #[error("the origin answered with another range ({found}) than was asked for")]
    WrongRange {
        /// Its `Content-Range`, or what was wrong with it.
        found: String,
    },
    /// A file of another size than was published.
    #[error(
        "the origin has {found} bytes where {published} were published; publish again or copy the site anew"
    )]
    OtherSize {
        /// As in the manifest.
        published: u64,
        /// As the origin says, where it says.
        found: u64,
    },
    /// Bytes that do not hash.
    #[error("origin served other bytes than were published ({0}); publish again or copy the site anew")]
    Corrupt(#[from] Corrupt),
    /// Another file than was looked at before.
    #[error("the file changed while it was read; publish again when it is finished")]
    Changed,
    /// A document longer than its kind may be.
    #[error("the document is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The receiving side ended it.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The request could not be made at all.
    #[error("the request cannot be made: {0}")]
    Request(String),
}

/// Why no connection came about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Connecting {
    /// Nobody listens there.
    #[error("connection refused; is the origin running?")]
    Refused,
    /// The name does not resolve.
    #[error("the host name does not resolve; is this device online?")]
    NoSuchHost,
    /// The certificate or the handshake.
    #[error("TLS: {0}; does the server speak https, with a certificate that this device trusts?")]
    Tls(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Waiting {
    /// The connection.
    #[error("connecting")]
    Connecting,
    /// The next bytes.
    #[error("waiting for bytes")]
    Idle,
    /// All of it.
    #[error("as a whole")]
    Total,
}

impl OriginError {
    pub(super) fn at(url: &Url, trouble: Trouble) -> Self {
        Self { url: Box::new(url.clone()), trouble }
    }

    /// What the engine is told.
    pub fn fault(&self) -> Fault {
        match &self.trouble {
            Trouble::Truncated { .. } | Trouble::Broken => Fault::Lost,
            Trouble::Connect(_)
            | Trouble::Timeout(_)
            | Trouble::Unavailable { .. }
            | Trouble::Redirect(_)
            | Trouble::WebPage => Fault::Unavailable,
            Trouble::Absent { .. }
            | Trouble::Forbidden { .. }
            | Trouble::Status { .. }
            | Trouble::NoRanges { .. }
            | Trouble::Encoded { .. }
            | Trouble::WrongRange { .. }
            | Trouble::OtherSize { .. }
            | Trouble::Changed
            | Trouble::TooLong { .. }
            | Trouble::Request(_) => Fault::Gone,
            Trouble::Corrupt(_) => Fault::Corrupt,
            Trouble::NoRoom(_) => Fault::NoRoom,
        }
    }

    /// When the origin wants to be asked again, if it said.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Trouble::Unavailable { retry_after, .. } = &self.trouble { *retry_after } else { None }
    }
}

/// Without the query, which may carry a signature.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

impl Trouble {
    /// Names an error of a request whose answer had not begun.
    pub(super) fn of_request(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout(if error.is_connect() { Waiting::Connecting } else { Waiting::Idle });
        }
        if error.is_redirect() {
            let why = sources(error).find_map(|e| e.downcast_ref::<RedirectError>().cloned());
            return Self::Redirect(why.unwrap_or(RedirectError::Unreadable));
        }
        if error.is_connect() {
            return Self::Connect(Connecting::of(error));
        }
        if error.is_request() { Self::Broken } else { Self::Request(error.to_string()) }
    }

    /// Names an error of a body that broke off after `got` of `wanted` bytes.
    pub(super) fn of_body(error: &reqwest::Error, got: u64, wanted: u64) -> Self {
        if error.is_timeout() { Self::Timeout(Waiting::Idle) } else { Self::Truncated { got, wanted } }
    }
}

impl Connecting {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_dns() {
            return Self::NoSuchHost;
        }
        let mut last = None;
        for source in sources(error) {
            if let Some(tls) = source.downcast_ref::<rustls::Error>() {
                return Self::Tls(tls.to_string());
            }
            let io = source.downcast_ref::<std::io::Error>();
            if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
                return Self::Refused;
            }
            last = Some(source);
        }
        Self::Other(last.map(ToString::to_string).unwrap_or_default())
    }
}

/// The errors behind `error`. An I/O error wraps others without naming them as its source.
fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |e| {
        match e.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
            None => e.source(),
        }
    })
}
