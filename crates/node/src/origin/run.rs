//! A run of blocks: one range request for the bytes, the hashes beside it, verified as it streams in.

use bytes::{Bytes, BytesMut};
use nearcast_content::BlockRange;
use nearcast_content::tree::{Corrupt, OriginCheck, OriginNeed, Parents};

use super::client::{Answer, Inner};
use super::error::{OriginError, Trouble};
use super::reply::{self, Body};
use super::whole::{self, WHOLE_LIMIT};
use super::{ObjectSource, Sink, hashes};

/// Fetches and verifies `blocks`.
pub(super) async fn fetch(
    origin: &Inner,
    source: &ObjectSource,
    blocks: BlockRange,
    sink: &mut impl Sink,
) -> Result<(), OriginError> {
    let blocks = blocks.intersect(source.size.all());
    let at_data = |trouble| OriginError::at(&source.url, trouble);
    if blocks.is_empty() {
        return Ok(());
    }
    if let Some(known) = origin.wholes.get(source.object) {
        return known.hand_on(source, blocks, sink).await.map_err(at_data);
    }
    let asked = source.size.bytes_of(blocks);
    let data = async {
        let answer = origin.get(&source.url, Some(asked)).await.map_err(at_data)?;
        let body = reply::judge_range(answer.status(), answer.headers(), asked, source.size.bytes());
        Ok((answer, body.map_err(at_data)?))
    };
    let ((answer, body), parents) = tokio::try_join!(data, hashes::obtain(origin, source, blocks))?;
    match body {
        Body::Asked => {
            let check = OriginCheck::new(source.object, source.size, blocks, parents);
            let outcome = verify(check, Reader::new(answer, asked.len()), sink).await;
            if let Err(Trouble::Corrupt(Corrupt::Parent { .. } | Corrupt::Absent { .. })) = outcome {
                origin.hashes.forget(source.object);
            }
            outcome.map_err(at_data)
        }
        Body::Whole(_) if source.size.bytes() <= WHOLE_LIMIT => {
            let known = whole::take(origin, source, answer).await.map_err(at_data)?;
            known.hand_on(source, blocks, sink).await.map_err(at_data)
        }
        Body::Whole(_) => Err(at_data(Trouble::NoRanges { limit: WHOLE_LIMIT })),
    }
}

/// Feeds a check from `reader` and hands on what passes.
pub(super) async fn verify<P: Parents>(
    mut check: OriginCheck<P>,
    mut reader: Reader,
    sink: &mut impl Sink,
) -> Result<(), Trouble> {
    while let Some(need) = check.next()? {
        match need {
            OriginNeed::Write(parent) => sink.take(parent, Bytes::new()).await?,
            OriginNeed::Block { len, .. } => {
                let bytes = reader.exactly(len).await?;
                let block = check.feed(&bytes)?;
                sink.take(block, bytes).await?;
            }
        }
    }
    reader.end().await;
    Ok(())
}

/// Cuts bytes, as they come, into blocks.
pub(super) struct Reader {
    /// None once all is in memory.
    answer: Option<Answer>,
    waiting: BytesMut,
    wanted: u64,
}

impl Reader {
    fn new(answer: Answer, wanted: u64) -> Self {
        Self { answer: Some(answer), waiting: BytesMut::new(), wanted }
    }

    /// A reader of what is in memory.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { answer: None, waiting: BytesMut::from(bytes), wanted: 0 }
    }

    async fn exactly(&mut self, len: usize) -> Result<Bytes, Trouble> {
        while self.waiting.len() < len {
            let next = match &mut self.answer {
                Some(answer) => answer.next(self.wanted).await?,
                None => None,
            };
            let Some(chunk) = next else {
                let got = self.answer.as_ref().map_or(0, Answer::got);
                return Err(Trouble::Truncated { got, wanted: self.wanted });
            };
            self.waiting.extend_from_slice(&chunk);
        }
        Ok(self.waiting.split_to(len).freeze())
    }

    /// Reads the end of the body, which lets the connection be used again. All that was wanted is here, so
    /// nothing that comes of it is an error; an answer that goes on is dropped with its connection.
    async fn end(&mut self) {
        if let Some(answer) = &mut self.answer {
            drop(answer.next(self.wanted).await);
        }
    }
}
