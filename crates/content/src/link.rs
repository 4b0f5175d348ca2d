//! How a user names a provider or a title: the site's address with the provider's key behind `#nearcast=`.

use std::fmt;
use std::str::FromStr;

use crate::ids::{IdError, ProviderKey, TitleId};
use crate::web_url::{UrlError, WebUrl};

/// A site, whose key it is, and perhaps one of its titles.
///
/// The part behind `#` never reaches the web server. A link without a key is a first use: the key that
/// signed what is found there is pinned, and the user is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The site's folder, with a slash at the end.
    pub site: WebUrl,
    /// The provider's key, where the link tells.
    pub provider: Option<ProviderKey>,
    /// The title, where the link names one; only with a key.
    pub title: Option<TitleId>,
}

/// Why a text is not a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The address is not good.
    #[error("the link's address is not let in: {0}. It must look like https://example.org/music/")]
    Url(#[from] UrlError),
    /// The key or the title is not good.
    #[error("the link is damaged: {0}. Copy it again, all of it")]
    Id(#[from] IdError),
    /// Something else behind the number sign.
    #[error(
        "the part of the link behind # must be nearcast=KEY or nearcast=KEY/TITLE. Copy it again, all of it"
    )]
    Fragment,
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let Some((address, fragment)) = text.split_once('#') else {
            return Ok(Self { site: text.parse::<WebUrl>()?.folder(), provider: None, title: None });
        };
        let site = address.parse::<WebUrl>()?.folder();
        let name = fragment.strip_prefix("nearcast=").ok_or(LinkError::Fragment)?;
        let (key, title) = match name.split_once('/') {
            Some((key, title)) => (key, Some(title.parse::<TitleId>()?)),
            None => (name, None),
        };
        Ok(Self { site, provider: Some(key.parse()?), title })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.site)?;
        match (self.provider, &self.title) {
            (Some(key), Some(title)) => write!(f, "#nearcast={key}/{title}"),
            (Some(key), None) => write!(f, "#nearcast={key}"),
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_read_back_what_they_print() {
        let key = ProviderKey([0xa5; 32]);
        for (text, title) in [
            (format!("https://example.org/music/#nearcast={key}"), None),
            (format!("http://127.0.0.1:8420/#nearcast={key}/first-song"), Some("first-song")),
        ] {
            let link: Link = text.parse().expect("a link");
            assert_eq!(link.provider, Some(key));
            assert_eq!(link.title.as_ref().map(TitleId::as_str), title);
            assert_eq!(link.to_string(), text);
        }
        let plain: Link = "https://example.org/music".parse().expect("a link");
        assert_eq!((plain.provider, plain.to_string().as_str()), (None, "https://example.org/music/"));
    }

    #[test]
    fn damaged_links_say_so() {
        let key = ProviderKey([0xa5; 32]).to_string();
        for bad in [
            "https://example.org/#nearcast=".to_owned(),
            format!("https://example.org/#nearcast={}", &key[..51]),
            format!("https://example.org/#nearcast={key}/"),
            format!("https://example.org/#nearcast={key}/a/b"),
            format!("https://example.org/#nearcast={key}/../a"),
            "https://example.org/#top".to_owned(),
            "https://example.org/?x#nearcast=".to_owned(),
            "example.org".to_owned(),
            "https://me:pw@example.org/".to_owned(),
        ] {
            assert!(bad.parse::<Link>().is_err(), "{bad}");
        }
    }
}
