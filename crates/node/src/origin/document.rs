//! Small files, fetched whole.

use bytes::{Bytes, BytesMut};
use nearcast_content::{ObjectId, tree};
use reqwest::Url;
use reqwest::header;

use super::client::Inner;
use super::error::{OriginError, Trouble};
use super::reply;

pub(super) async fn fetch(
    origin: &Inner,
    url: &Url,
    max_len: usize,
    expected: Option<ObjectId>,
) -> Result<Bytes, OriginError> {
    read(origin, url, max_len, expected).await.map_err(|trouble| OriginError::at(url, trouble))
}

async fn read(
    origin: &Inner,
    url: &Url,
    max_len: usize,
    expected: Option<ObjectId>,
) -> Result<Bytes, Trouble> {
    let mut answer = origin.get(url, None).await?;
    reply::judge_whole(answer.status(), answer.headers())?;
    let told =
        answer.headers().get(header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| usize::try_from(told).map_or(true, |told| told > max_len)) {
        return Err(Trouble::TooLong { limit: max_len });
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = answer.next(told.unwrap_or_default()).await? {
        if bytes.len() + chunk.len() > max_len {
            return Err(Trouble::TooLong { limit: max_len });
        }
        bytes.extend_from_slice(&chunk);
    }
    if let Some(object) = expected {
        tree::verify_whole(object, &bytes)?;
    }
    Ok(bytes.freeze())
}
