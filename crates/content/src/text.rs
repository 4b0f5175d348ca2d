//! Words in documents: texts for people and tokens for machines, both bounded and harmless to print.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// Why a text is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing in it, or blank at an end.
    #[error("the text is empty or starts or ends with a blank")]
    Blank,
    /// Longer than its limit.
    #[error("the text is longer than {0} bytes")]
    TooLong(usize),
    /// A character that a screen would obey instead of showing.
    #[error("the text holds U+{0:04X}, which is not let in")]
    Character(u32),
}

/// A name that people read: 1 to 512 bytes, without control characters, line separators or bidirectional
/// overrides, which could make one name look like another or drive a terminal.
///
/// A signed document that holds such a character is refused; publishing strips them on the way in
/// ([`Text::clean`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(String);

/// Characters that change how the text around them is shown, beside `char::is_control`: line and paragraph
/// separators, bidirectional embeddings, overrides and isolates (UAX #9), the byte order mark.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

impl Text {
    /// Makes a text out of anything: hostile characters become blanks, blanks are joined and trimmed, and
    /// the rest is cut at the limit. Nothing when nothing is left.
    pub fn clean(raw: &str) -> Option<Self> {
        let spaced: String = raw.chars().map(|c| if is_hostile(c) { ' ' } else { c }).collect();
        let mut text = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
        text.truncate(text.floor_char_boundary(limits::TEXT_BYTES));
        text.parse().ok().or_else(|| text.trim_end().parse().ok())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Text {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.len() > limits::TEXT_BYTES {
            return Err(TextError::TooLong(limits::TEXT_BYTES));
        }
        if let Some(c) = text.chars().find(|c| is_hostile(*c)) {
            return Err(TextError::Character(u32::from(c)));
        }
        if text.trim() != text || text.is_empty() {
            return Err(TextError::Blank);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A word that machines read: 1 to 128 of `A-Z a-z 0-9 . , _ - + / : =`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(String);

impl Token {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A word of the formats themselves, which needs no check.
    pub(crate) fn word(word: &str) -> Self {
        debug_assert!(word.parse::<Self>().is_ok());
        Self(word.to_owned())
    }
}

impl FromStr for Token {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Blank);
        }
        if text.len() > limits::TOKEN_BYTES {
            return Err(TextError::TooLong(limits::TOKEN_BYTES));
        }
        let known = |c: &char| c.is_ascii_alphanumeric() || ".,_-+/:=".contains(*c);
        match text.chars().find(|c| !known(c)) {
            Some(c) => Err(TextError::Character(u32::from(c))),
            None => Ok(Self(text.to_owned())),
        }
    }
}

macro_rules! text_forms {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    };
}

text_forms!(Text);
text_forms!(Token);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_are_refused_in_documents_and_stripped_when_publishing() {
        for bad in [
            "a\u{0}b",
            "a\nb",
            "a\u{1b}[31mb",
            "a\u{7f}",
            "a\u{85}b",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{2028}b",
        ] {
            assert!(matches!(bad.parse::<Text>(), Err(TextError::Character(_))), "{bad:?}");
            let clean = Text::clean(bad).expect("letters are left");
            assert_eq!(clean.as_str().parse::<Text>(), Ok(clean.clone()));
        }
        assert_eq!(
            Text::clean(" Live\u{202e}\tat\r\nPompeii ").expect("letters").as_str(),
            "Live at Pompeii"
        );
        assert_eq!(Text::clean("\u{202e}\n"), None);
    }

    #[test]
    fn other_scripts_are_let_in() {
        for good in ["Für Elise", "Дорога", "夜に駆ける", "שלום \u{200f}2", "نون", "🎧 mix"]
        {
            assert_eq!(good.parse::<Text>().expect("a name").as_str(), good);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!("x".repeat(513).parse::<Text>(), Err(TextError::TooLong(512)));
        let cut = Text::clean(&"ä".repeat(400)).expect("letters");
        assert_eq!(cut.as_str(), "ä".repeat(256));
        let at_blank = format!("{} tail", "x".repeat(511));
        assert_eq!(Text::clean(&at_blank).expect("letters").as_str(), "x".repeat(511));
    }

    #[test]
    fn tokens_are_plain_words() {
        for good in ["avc1.64001f,mp4a.40.2", "pt-BR", "v0", "urn:mpeg:cenc"] {
            assert_eq!(good.parse::<Token>().expect("a token").as_str(), good);
        }
        for bad in ["", "a b", "a\"b", "ä", "a\nb", &"x".repeat(129)] {
            assert!(bad.parse::<Token>().is_err(), "{bad:?}");
        }
    }
}
