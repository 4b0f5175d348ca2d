//! Which redirects are followed.

use nearcast_content::{HostPlace, WebUrl};
use reqwest::Url;
use reqwest::redirect::{Attempt, Policy};

/// Redirects followed in one request: a CDN needs one, two with a change to https.
const MOST: usize = 3;

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// A chain longer than three.
    #[error("the origin redirects more than {MOST} times")]
    TooMany,
    /// From https to http.
    #[error("the origin redirects from https to http")]
    Downgrade,
    /// To something other than http and https.
    #[error("the origin redirects to a {0} address")]
    Scheme(String),
    /// From the network to this machine or its private network.
    #[error("the origin redirects to this device's own machine or network")]
    Inward,
    /// Without a readable target.
    #[error("the origin redirects to no readable address")]
    Unreadable,
}

pub(super) fn policy() -> Policy {
    Policy::custom(|attempt: Attempt<'_>| match check(attempt.previous(), attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(error) => attempt.error(error),
    })
}

/// Whether to follow from the last of `previous` to `next`.
fn check(previous: &[Url], next: &Url) -> Result<(), RedirectError> {
    if previous.len() > MOST {
        return Err(RedirectError::TooMany);
    }
    if !matches!(next.scheme(), "http" | "https") {
        return Err(RedirectError::Scheme(next.scheme().to_owned()));
    }
    let Some(from) = previous.last() else { return Ok(()) };
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(RedirectError::Downgrade);
    }
    // A public server must not make this device knock at doors that only it can reach.
    let (from, to) = (place(from)?, place(next)?);
    if to != HostPlace::Public && to != from { Err(RedirectError::Inward) } else { Ok(()) }
}

/// Where the host of `url` lies, as far as its spelling tells.
fn place(url: &Url) -> Result<HostPlace, RedirectError> {
    let host = url.host_str().ok_or(RedirectError::Unreadable)?;
    let folder: WebUrl = format!("http://{host}/").parse().map_err(|_| RedirectError::Unreadable)?;
    Ok(folder.place())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(chain: &[&str]) -> Result<(), RedirectError> {
        let mut chain: Vec<Url> = chain.iter().map(|u| u.parse().expect("an address")).collect();
        let next = chain.pop().expect("at least one");
        check(&chain, &next)
    }

    #[test]
    fn redirects_never_lose_security_or_turn_inward() {
        assert_eq!(follow(&["https://a.example/x", "https://b.example/y?sig=1"]), Ok(()));
        assert_eq!(follow(&["http://a.example/x", "https://a.example/x"]), Ok(()));
        assert_eq!(follow(&["http://127.0.0.1:1/x", "http://127.0.0.1:2/x"]), Ok(()));
        assert_eq!(follow(&["https://a.example/x", "http://a.example/x"]), Err(RedirectError::Downgrade));
        let ftp = follow(&["http://a.example/x", "ftp://a.example/x"]);
        assert_eq!(ftp, Err(RedirectError::Scheme("ftp".to_owned())));
        for inward in ["http://127.0.0.1/x", "http://192.168.1.1/x", "http://[::1]/x", "http://localhost/x"] {
            assert_eq!(follow(&["http://a.example/x", inward]), Err(RedirectError::Inward), "{inward}");
        }
        let long = ["http://a.example/"; 5];
        assert_eq!(follow(&long[..4]), Ok(()));
        assert_eq!(follow(&long), Err(RedirectError::TooMany));
    }
}
