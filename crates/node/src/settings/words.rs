//! Settings that take a value or a word: `"2GB"` or `"auto"`. In the code they are options.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Reads the text; nothing for `word`.
fn read<'de, T, D: Deserializer<'de>, E: std::fmt::Display>(
    from: D,
    word: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(from)?;
    if text == word {
        return Ok(None);
    }
    parse(&text).map(Some).map_err(|why| D::Error::custom(format!("{why}, or {word:?}")))
}

macro_rules! value_or_word {
    ($(#[$doc:meta])* $name:ident, $word:literal, $type:ty, $parse:expr, $show:expr) => {
        $(#[$doc])*
        pub(super) mod $name {
            use super::*;

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<$type>, D::Error> {
                read(from, $word, $parse)
            }

            // serde hands the field as it is.
            pub(crate) fn serialize<S: Serializer>(value: &Option<$type>, into: S) -> Result<S::Ok, S::Error> {
                match value {
                    Some(value) => into.serialize_str(&$show(value)),
                    None => into.serialize_str($word),
                }
            }
        }
    };
}

value_or_word!(
    /// A number of bytes, or "auto".
    auto_size,
    "auto",
    u64,
    crate::settings::parse_size,
    |bytes: &u64| crate::settings::quantities::show_size(*bytes)
);
value_or_word!(
    /// A folder, or "auto".
    auto_folder,
    "auto",
    std::path::PathBuf,
    |text: &str| match text {
        "" => Err("a folder is needed"),
        folder => Ok(std::path::PathBuf::from(folder)),
    },
    |folder: &std::path::PathBuf| folder.to_string_lossy().into_owned()
);
value_or_word!(
    /// A rate, or "none".
    no_rate,
    "none",
    nearcast_engine::Rate,
    crate::settings::parse_rate,
    |rate: &nearcast_engine::Rate| crate::settings::quantities::show_rate(*rate)
);
value_or_word!(
    /// A number of bytes, or "none".
    no_size,
    "none",
    u64,
    crate::settings::parse_size,
    |bytes: &u64| crate::settings::quantities::show_size(*bytes)
);
value_or_word!(
    /// A part of the day, or "always".
    always_hours,
    "always",
    nearcast_engine::swarm::Hours,
    crate::settings::parse_hours,
    |hours: &nearcast_engine::swarm::Hours| crate::settings::quantities::show_hours(*hours)
);
value_or_word!(
    /// A supernode's address, or "provider".
    providers_supernode,
    "provider",
    nearcast_content::policy::SupernodeUrl,
    str::parse::<nearcast_content::policy::SupernodeUrl>,
    |url: &nearcast_content::policy::SupernodeUrl| url.as_str().to_owned()
);
