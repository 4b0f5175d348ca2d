//! An access log becomes an audience: what a provider's own listeners did, played again in the simulator.
//!
//! Lines are read one after the other; kept are plays, and of these a bounded number. Addresses only tell which
//! listeners share a household, a neighbourhood or an operator: they become numbers at once and are written
//! nowhere.

mod audience;
mod columns;
mod hash;
mod line;
mod moment;
mod plays;
#[cfg(test)]
mod tests;
mod titles;

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde::Serialize;

pub use audience::{LogError, Replayed, Window};
pub(crate) use audience::{LoggedAudience, LoggedListener, PlayedTitle};
pub use columns::{BadColumns, ColumnMap};

use columns::{Columns, Header};
use line::{BadLine, Line, masked};
use plays::{Fate, Plays};

/// Longest line: a long address and a long agent fit many times.
const MAX_LINE: usize = 64 << 10;
/// Examples of bad lines that are kept.
const MAX_EXAMPLES: usize = 5;

/// What was read, for telling the reader.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reading {
    /// Lines with something in them.
    pub lines: u64,
    /// Requests that deliver media.
    pub media_requests: u64,
    /// Bytes of these.
    pub media_bytes: u64,
    /// Requests for pages, pictures, playlists and the like.
    pub other_requests: u64,
    /// Requests for media that delivered none: errors, HEAD, not modified.
    pub undelivered: u64,
    /// Lines that cannot be read.
    pub bad_lines: u64,
    /// The same by reason.
    pub bad_because: BTreeMap<String, u64>,
    /// A few of them: number, reason, and the line without addresses.
    pub examples: Vec<BadExample>,
    /// Plays found.
    pub plays: u64,
    /// Listeners found, of whom [`one_in`](Self::one_in) is kept.
    pub listeners: u64,
    /// Titles found.
    pub titles: u64,
    /// One listener in so many is kept, so that the memory is bounded.
    pub one_in: u64,
    /// Seconds from the first to the last request for media.
    pub spans_seconds: u64,
}

/// A line that cannot be read.
#[derive(Clone, Debug, Serialize)]
pub struct BadExample {
    /// Its number in the log, from 1 on.
    pub line: u64,
    /// What is wrong.
    pub why: String,
    /// Its beginning, without addresses.
    pub text: String,
}

/// The plays of an access log.
#[derive(Debug)]
pub struct AccessLog {
    reading: Reading,
    plays: Plays,
}

/// Why a log cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The map of columns does not fit.
    #[error("--columns: {0}")]
    Columns(#[from] BadColumns),
}

impl AccessLog {
    /// Reads a log: common, combined, W3C extended (CloudFront), or with `columns` any other with separators.
    /// Lines that cannot be read are counted and shown by [`reading`](Self::reading), and end nothing.
    ///
    /// # Errors
    /// When the file cannot be read or `columns` names what is not there.
    pub fn read(from: &mut dyn BufRead, columns: Option<&ColumnMap>) -> Result<Self, ReadError> {
        let mut reader = Reader::new(columns);
        let mut buffer = Vec::new();
        let mut number = 0;
        while let Some(line) = next_line(from, &mut buffer)? {
            number += 1;
            reader.take(number, line)?;
        }
        Ok(reader.finish())
    }

    /// What was read.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }
}

/// The next line without its end, or why there is none to read; none at the end of the file.
fn next_line<'b>(
    from: &mut dyn BufRead,
    buffer: &'b mut Vec<u8>,
) -> io::Result<Option<Result<&'b str, BadLine>>> {
    buffer.clear();
    let (mut any, mut too_long) = (false, false);
    loop {
        let chunk = from.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = &chunk[..end.unwrap_or(chunk.len())];
        if buffer.len() + taken.len() > MAX_LINE {
            too_long = true;
        } else if !too_long {
            buffer.extend_from_slice(taken);
        }
        let used = end.map_or(chunk.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            break;
        }
    }
    Ok(match (any, too_long) {
        (false, _) => None,
        (true, true) => Some(Err(BadLine::TooLong)),
        (true, false) => Some(std::str::from_utf8(buffer).map_err(|_| BadLine::NotText)),
    })
}

/// How lines are read, once that is known.
#[derive(Debug)]
enum Form {
    Common,
    Columns(Columns),
}

struct Reader<'c> {
    map: Option<&'c ColumnMap>,
    /// The `#Fields:` of a log in the W3C extended format.
    fields: Option<String>,
    form: Option<Form>,
    reading: Reading,
    plays: Plays,
    span: Option<(u64, u64)>,
}

impl<'c> Reader<'c> {
    fn new(map: Option<&'c ColumnMap>) -> Self {
        let (reading, plays) = (Reading::default(), Plays::default());
        Self { map, fields: None, form: None, reading, plays, span: None }
    }

    fn take(&mut self, number: u64, line: Result<&str, BadLine>) -> Result<(), BadColumns> {
        let text = match line {
            Ok(text) => text.trim_end_matches('\r').trim_start_matches('\u{feff}'),
            Err(why) => {
                self.bad(number, why, "");
                return Ok(());
            }
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        if let Some(comment) = text.strip_prefix('#') {
            if let Some(fields) = comment.strip_prefix("Fields:") {
                (self.fields, self.form) = (Some(fields.to_owned()), None);
            }
            return Ok(());
        }
        if self.form.is_none() {
            let (form, header) = self.form_of(text)?;
            self.form = Some(form);
            if header == Header::Present {
                return Ok(());
            }
        }
        self.reading.lines += 1;
        let read = match &self.form {
            Some(Form::Columns(columns)) => line::columnar(text, columns),
            Some(Form::Common) | None => line::common(text),
        };
        match read {
            Ok(line) => self.count(&line),
            Err(why) => self.bad(number, why, text),
        }
        Ok(())
    }

    fn form_of(&self, first_line: &str) -> Result<(Form, Header), BadColumns> {
        if let Some(map) = self.map {
            let (columns, header) = Columns::of_map(map, first_line)?;
            return Ok((Form::Columns(columns), header));
        }
        Ok(match &self.fields {
            Some(fields) => (Form::Columns(Columns::of_w3c(fields, first_line)), Header::Absent),
            None => (Form::Common, Header::Absent),
        })
    }

    fn count(&mut self, line: &Line) {
        match self.plays.take(line) {
            Fate::NotMedia => self.reading.other_requests += 1,
            Fate::NotDelivered => self.reading.undelivered += 1,
            Fate::Counted | Fate::LeftOut => {
                self.reading.media_requests += 1;
                self.reading.media_bytes = self.reading.media_bytes.saturating_add(line.bytes);
                let (from, to) = self.span.unwrap_or((line.at, line.at));
                self.span = Some((from.min(line.at), to.max(line.at)));
            }
        }
    }

    fn bad(&mut self, number: u64, why: BadLine, text: &str) {
        if text.is_empty() {
            self.reading.lines += 1;
        }
        self.reading.bad_lines += 1;
        *self.reading.bad_because.entry(why.to_string()).or_insert(0) += 1;
        if self.reading.examples.len() < MAX_EXAMPLES {
            let example = BadExample { line: number, why: why.to_string(), text: masked(text) };
            self.reading.examples.push(example);
        }
    }

    fn finish(mut self) -> AccessLog {
        self.reading.plays = self.plays.plays.len() as u64;
        self.reading.listeners = self.plays.places.len() as u64;
        self.reading.titles = self.plays.titles.len() as u64;
        self.reading.one_in = self.plays.one_in;
        self.reading.spans_seconds = self.span.map_or(0, |(from, to)| to - from);
        AccessLog { reading: self.reading, plays: self.plays }
    }
}
