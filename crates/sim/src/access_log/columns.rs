//! Which column of a log is what: told by the log's own header, or by the reader.

use std::fmt;
use std::str::FromStr;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Date,
    Time,
    Client,
    Method,
    Path,
    Status,
    Bytes,
    Agent,
}

impl Column {
    const ALL: [Self; 8] = [
        Self::Date,
        Self::Time,
        Self::Client,
        Self::Method,
        Self::Path,
        Self::Status,
        Self::Bytes,
        Self::Agent,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Time => "time",
            Self::Client => "client",
            Self::Method => "method",
            Self::Path => "path",
            Self::Status => "status",
            Self::Bytes => "bytes",
            Self::Agent => "agent",
        }
    }

    /// By the names of the W3C extended format, which CloudFront uses.
    fn of_w3c(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "date" => Self::Date,
            "time" => Self::Time,
            "c-ip" => Self::Client,
            "cs-method" => Self::Method,
            "cs-uri-stem" => Self::Path,
            "sc-status" => Self::Status,
            "sc-bytes" => Self::Bytes,
            "cs(user-agent)" => Self::Agent,
            _ => return None,
        })
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A map of columns as a person gives it: `time=1,client=3,path=url,bytes=size`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMap(Vec<(Column, Place)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// From 1 on.
    Number(usize),
    /// In the header.
    Named(String),
}

/// Why a map of columns cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadColumns {
    /// Not `name=column`.
    #[error("'{0}' is not of the form time=1 or path=url")]
    Form(String),
    /// No such name.
    #[error("'{0}' is none of date, time, client, method, path, status, bytes, agent")]
    Name(String),
    /// One that is needed is not there.
    #[error("time, client, path and bytes are needed; {0} is missing")]
    Missing(&'static str),
    /// The log's first line does not name it.
    #[error("the log's first line names no column '{0}'")]
    NotInHeader(String),
}

impl FromStr for ColumnMap {
    type Err = BadColumns;

    fn from_str(text: &str) -> Result<Self, BadColumns> {
        let mut map = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, place) = part.split_once('=').ok_or_else(|| BadColumns::Form(part.to_owned()))?;
            let column = Column::ALL.into_iter().find(|column| column.name() == name.trim());
            let column = column.ok_or_else(|| BadColumns::Name(name.to_owned()))?;
            let place = match place.trim().parse() {
                Ok(0) => return Err(BadColumns::Form(part.to_owned())),
                Ok(number) => Place::Number(number),
                Err(_) => Place::Named(place.trim().to_owned()),
            };
            map.push((column, place));
        }
        for needed in [Column::Time, Column::Client, Column::Path, Column::Bytes] {
            if !map.iter().any(|(column, _)| *column == needed) {
                return Err(BadColumns::Missing(needed.name()));
            }
        }
        Ok(Self(map))
    }
}

/// Where each column is in a line, and what lies between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    places: Vec<(Column, usize)>,
    between: Between,
}

/// What separates columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    /// One letter, with quotes around fields that hold it.
    Letter(char),
    /// Any run of blanks.
    Blanks,
}

impl Columns {
    /// From the `#Fields:` line of a log in the W3C extended format; the separator shows in the first line.
    pub(super) fn of_w3c(fields: &str, first_line: &str) -> Self {
        let places = fields.split_ascii_whitespace().zip(0..);
        let places = places.filter_map(|(name, at)| Some((Column::of_w3c(name)?, at))).collect();
        let between = if first_line.contains('\t') { Between::Letter('\t') } else { Between::Blanks };
        Self { places, between }
    }

    /// From a person's map and the log's first line. Also whether that line is a header.
    pub(super) fn of_map(map: &ColumnMap, first_line: &str) -> Result<(Self, Header), BadColumns> {
        let between = separator(first_line);
        let header = split(first_line, between);
        let mut places = Vec::new();
        for (column, place) in &map.0 {
            let at = match place {
                Place::Number(number) => number - 1,
                Place::Named(name) => header
                    .iter()
                    .position(|field| field.trim().eq_ignore_ascii_case(name))
                    .ok_or_else(|| BadColumns::NotInHeader(name.clone()))?,
            };
            places.push((*column, at));
        }
        let named = map.0.iter().any(|(_, place)| matches!(place, Place::Named(_)));
        Ok((Self { places, between }, if named { Header::Present } else { Header::Absent }))
    }

    pub(super) fn find(&self, column: Column) -> Option<usize> {
        self.places.iter().find(|(other, _)| *other == column).map(|(_, at)| *at)
    }

    pub(super) fn split<'l>(&self, line: &'l str) -> Vec<&'l str> {
        split(line, self.between)
    }
}

/// Whether a log begins with the names of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Present,
    Absent,
}

fn separator(line: &str) -> Between {
    let count = |letter: char| line.matches(letter).count();
    let best = ['\t', ';', ','].into_iter().max_by_key(|letter| count(*letter)).filter(|l| count(*l) > 0);
    best.map_or(Between::Blanks, Between::Letter)
}

/// Most columns of a line: CloudFront has 33.
const MAX_COLUMNS: usize = 200;

/// The fields of a line; quotes around a field are taken off (RFC 4180, without line breaks inside).
fn split(line: &str, between: Between) -> Vec<&str> {
    let Between::Letter(letter) = between else {
        return line.split_ascii_whitespace().take(MAX_COLUMNS).collect();
    };
    let mut fields = Vec::new();
    let mut rest = line;
    while fields.len() < MAX_COLUMNS {
        let closing = rest.strip_prefix('"').and_then(|inner| {
            inner.find(&format!("\"{letter}")).or_else(|| inner.ends_with('"').then(|| inner.len() - 1))
        });
        let (field, after) = match closing {
            Some(end) => (&rest[1..=end], rest[end + 2..].strip_prefix(letter)),
            None => match rest.split_once(letter) {
                Some((field, after)) => (field, Some(after)),
                None => (rest, None),
            },
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_quotes_are_split_like_those_without() {
        let comma = Between::Letter(',');
        assert_eq!(split(r#"a,"b,c",,"d""#, comma), ["a", "b,c", "", "d"]);
        assert_eq!(split(r#""é",""#, comma), ["é", "\""]);
        assert_eq!(split("", comma), [""]);
        assert_eq!(split(r#"""#, comma), ["\""]);
        assert_eq!(split(r#""""#, comma), [""]);
        assert_eq!(split("a  b", Between::Blanks), ["a", "b"]);
    }

    #[test]
    fn maps_of_columns_read_or_say_what_is_wrong() {
        let map: ColumnMap = "time=ts, client=2,path=url,bytes=4".parse().expect("reads");
        let (columns, header) = Columns::of_map(&map, "TS;ip;url;size").expect("fits");
        assert_eq!((columns.find(Column::Time), columns.find(Column::Bytes)), (Some(0), Some(3)));
        assert_eq!(header, Header::Present);
        let why = |text: &str| text.parse::<ColumnMap>().expect_err("wrong").to_string();
        assert!(why("time=1,client=2,path=3").contains("bytes is missing"));
        assert!(why("when=1").contains("'when'"));
        assert!(why("time").contains("time=1"));
        assert!(why("time=0,client=1,path=2,bytes=3").contains("time=0"));
        assert!(Columns::of_map(&map, "a;b").is_err());
    }
}
