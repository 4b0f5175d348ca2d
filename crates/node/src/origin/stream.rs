//! Reading a whole file of any length, as whoever publishes it where it lies has to: looked at first, then taken
//! as it comes, going on where the connection broke.

use bytes::Bytes;
use nearcast_content::ByteRange;
use reqwest::header::{self, HeaderMap};
use reqwest::{StatusCode, Url};

use super::client::{Inner, OriginClient};
use super::error::{OriginError, Trouble};
use super::reply::{self, Body};

/// Times that a connection may break without having brought anything.
const MAX_VAIN: u32 = 3;

/// What a server says of a file before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Bytes.
    pub size: u64,
    /// Its entity tag or else its time of change: the same only while the file is the same.
    pub tag: Option<String>,
    /// Whether the server serves parts of it.
    pub ranges: bool,
}

impl OriginClient {
    /// Looks at a file.
    ///
    /// # Errors
    /// What the origin did wrong; a file of unknown length is [`Trouble::WrongRange`].
    pub async fn look(&self, url: &Url) -> Result<Glance, OriginError> {
        look(&self.0, url).await.map_err(|trouble| OriginError::at(url, trouble))
    }

    /// Reads the file that was looked at, from its first byte to its last.
    ///
    /// # Errors
    /// What the origin did wrong; [`Trouble::Changed`] when it is not the same file any more.
    pub async fn read(
        &self,
        url: &Url,
        glance: &Glance,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), OriginError> {
        let (mut at, mut vain) = (0, 0);
        loop {
            let before = at;
            let trouble = match read(&self.0, url, glance, &mut at, &mut take).await {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            vain = if at > before { 0 } else { vain + 1 };
            let passing =
                matches!(trouble, Trouble::Truncated { .. } | Trouble::Broken | Trouble::Timeout(_));
            if !passing || !glance.ranges || vain >= MAX_VAIN {
                return Err(OriginError::at(url, trouble));
            }
            tracing::debug!(%url, at, %trouble, "reading goes on where it broke off");
        }
    }

    /// Reads a part of a file that was looked at into memory.
    ///
    /// # Errors
    /// What the origin did wrong.
    pub async fn part(&self, url: &Url, glance: &Glance, range: ByteRange) -> Result<Bytes, OriginError> {
        let part = async {
            let answer = self.0.get(url, Some(range)).await?;
            match reply::judge_range(answer.status(), answer.headers(), range, glance.size)? {
                Body::Asked => answer.all(range.len()).await,
                Body::Whole(_) => Err(Trouble::NoRanges { limit: 0 }),
            }
        };
        part.await.map_err(|trouble| OriginError::at(url, trouble))
    }
}

async fn look(origin: &Inner, url: &Url) -> Result<Glance, Trouble> {
    let answer = origin.get(url, Some(ByteRange::new(0, 1))).await?;
    let (status, headers) = (answer.status(), answer.headers());
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let ranges = status == StatusCode::PARTIAL_CONTENT;
    let size = if ranges {
        text(header::CONTENT_RANGE).and_then(|line| line.rsplit_once('/')?.1.trim().parse().ok())
    } else {
        reply::judge_whole(status, headers)?;
        text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok())
    };
    let size =
        size.ok_or_else(|| Trouble::WrongRange { found: "without the length of the file".to_owned() })?;
    if ranges {
        // For its judgement of encodings.
        reply::judge_range(status, headers, ByteRange::new(0, 1), size)?;
    }
    Ok(Glance { size, tag: tag(headers), ranges })
}

fn tag(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    text(header::ETAG).or_else(|| text(header::LAST_MODIFIED))
}

async fn read(
    origin: &Inner,
    url: &Url,
    glance: &Glance,
    at: &mut u64,
    take: &mut impl FnMut(&[u8]),
) -> Result<(), Trouble> {
    let range = ByteRange::new(*at, glance.size);
    let mut answer = origin.get(url, glance.ranges.then_some(range)).await?;
    match reply::judge_range(answer.status(), answer.headers(), range, glance.size) {
        Ok(Body::Asked) => {}
        Ok(Body::Whole(_)) => return Err(Trouble::NoRanges { limit: 0 }),
        Err(Trouble::OtherSize { .. }) => return Err(Trouble::Changed),
        Err(other) => return Err(other),
    }
    if tag(answer.headers()) != glance.tag {
        return Err(Trouble::Changed);
    }
    while let Some(chunk) = answer.next(range.len()).await? {
        let room = usize::try_from(glance.size - *at).unwrap_or(usize::MAX);
        if chunk.len() > room {
            return Err(Trouble::Changed);
        }
        take(&chunk);
        *at += chunk.len() as u64;
    }
    if *at < glance.size { Err(Trouble::Truncated { got: *at, wanted: glance.size }) } else { Ok(()) }
}
