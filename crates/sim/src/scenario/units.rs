//! Quantities as people write them in a scenario: "20mbit", "300ms", "64KiB", 1.05.

use nearcast_engine::{Rate, Span};
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A number before its unit, in thousandths.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u64 = format!("{part:0<3}").parse().ok()?;
    let milli = whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(thousandths)?;
    Some((milli, unit.trim()))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (milli, unit) = split(text)?;
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    Some(milli.checked_mul(*factor)? / 1000)
}

/// A rate such as "448kbit", "20mbit", "1gbit", in bits per second.
pub(crate) fn rate(text: &str) -> Option<Rate> {
    let units = [("bit", 1), ("kbit", 1_000), ("mbit", 1_000_000), ("gbit", 1_000_000_000)];
    scaled(text, &units).map(Rate::from_bits_per_sec)
}

/// A time such as "5ms", "20s", "40min", "5h".
pub fn span(text: &str) -> Option<Span> {
    let units = [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("min", 60_000_000), ("h", 3_600_000_000)];
    scaled(text, &units).map(Span::from_micros)
}

/// A size such as "64KiB", "4.2MB", "10GB".
pub(crate) fn size(text: &str) -> Option<u64> {
    let units = [
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    scaled(text, &units)
}

fn text<'de, D: Deserializer<'de>, T>(
    d: D,
    read: impl Fn(&str) -> Option<T>,
    wanted: &str,
) -> Result<T, D::Error> {
    let text = String::deserialize(d)?;
    read(&text).ok_or_else(|| de::Error::custom(format!("'{text}' is not {wanted}")))
}

/// Reads a rate.
pub(crate) fn de_rate<'de, D: Deserializer<'de>>(d: D) -> Result<Rate, D::Error> {
    text(d, rate, "a rate such as \"448kbit\" or \"20mbit\"")
}

/// Reads a list of rates.
pub(crate) fn de_rates<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Rate>, D::Error> {
    let read = |text: String| {
        rate(&text).ok_or_else(|| de::Error::custom(format!("'{text}' is not a rate such as \"448kbit\"")))
    };
    Vec::<String>::deserialize(d)?.into_iter().map(read).collect()
}

/// Reads a rate, or "none".
pub(crate) fn de_limit<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Rate>, D::Error> {
    let read = |text: &str| if text == "none" { Some(None) } else { rate(text).map(Some) };
    text(d, read, "a rate such as \"20mbit\", or \"none\"")
}

/// Reads a time.
pub(crate) fn de_span<'de, D: Deserializer<'de>>(d: D) -> Result<Span, D::Error> {
    text(d, span, "a time such as \"300ms\", \"20s\" or \"5h\"")
}

/// Reads a size.
pub(crate) fn de_size<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    text(d, size, "a size such as \"64KiB\" or \"10GB\"")
}

/// A number in thousandths, written as 1 or 1.05.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Milli(pub(crate) u64);

impl<'de> Deserialize<'de> for Milli {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Milli;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number from 0 to 1000, such as 1 or 1.05")
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Milli, E> {
                let whole = u64::try_from(n).ok().filter(|n| *n <= 1_000);
                whole
                    .map(|n| Milli(n * 1_000))
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(n), &self))
            }

            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Milli, E> {
                if !(0.0..=1_000.0).contains(&n) {
                    return Err(E::invalid_value(de::Unexpected::Float(n), &self));
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "0 to 10^6 after the check; multiplying and rounding are exact by IEEE 754"
                )]
                let milli = (n * 1_000.0).round() as u64;
                Ok(Milli(milli))
            }
        }
        d.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        assert_eq!(rate("448kbit"), Some(Rate::from_bytes_per_sec(56_000)));
        assert_eq!(rate("97.6mbit"), Some(Rate::from_bytes_per_sec(12_200_000)));
        assert_eq!(span("1.5s"), Some(Span::from_millis(1_500)));
        assert_eq!(span("5h"), Some(Span::from_secs(18_000)));
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("4.2MB"), Some(4_200_000));
        for bad in ["", "mbit", "-3s", "3 parsecs", "1.2345s", "1e3s", "99999999999999999999h"] {
            assert_eq!((rate(bad), span(bad), size(bad)), (None, None, None), "{bad}");
        }
    }
}
