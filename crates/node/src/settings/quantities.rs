//! Sizes and rates as people write them: `10GB`, `512MiB`, `20mbit`.

use nearcast_engine::Rate;

/// A text that is no size or no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}; {hint}")]
pub struct QuantityError {
    text: String,
    kind: &'static str,
    hint: &'static str,
}

const SIZES: [(&str, u64); 9] = [
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
    ("", 1),
];
const RATES: [(&str, u64); 8] = [
    ("gbit", 1_000_000_000),
    ("mbit", 1_000_000),
    ("kbit", 1_000),
    ("bit", 1),
    ("g", 1_000_000_000),
    ("m", 1_000_000),
    ("k", 1_000),
    ("", 1),
];

/// Reads a number of bytes: `10GB`, `500 MB`, `512MiB`, or a plain number.
///
/// # Errors
/// When it is something else, zero, or does not fit 64 bits.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let hint = "write it like 10GB, 500MB or 512MiB";
    let refused = || QuantityError { text: text.to_owned(), kind: "size", hint };
    scaled(text, &SIZES).filter(|bytes| *bytes > 0).ok_or_else(refused)
}

/// Reads a rate in bits a second: `20mbit`, `800kbit/s`, `1g`, or a plain number of bits.
///
/// # Errors
/// When it is something else, less than a byte a second, or does not fit 64 bits.
pub fn parse_rate(text: &str) -> Result<Rate, QuantityError> {
    let hint = "write it like 20mbit or 800kbit";
    let refused = || QuantityError { text: text.to_owned(), kind: "rate", hint };
    let bits = scaled(text.strip_suffix("/s").unwrap_or(text), &RATES).filter(|bits| *bits >= 8);
    bits.map(Rate::from_bits_per_sec).ok_or_else(refused)
}

/// Writes a number of bytes so that [`parse_size`] reads the same.
pub(super) fn show_size(bytes: u64) -> String {
    shown(bytes, &SIZES)
}

/// Writes a rate so that [`parse_rate`] reads the same.
pub(super) fn show_rate(rate: Rate) -> String {
    shown(rate.bytes_per_sec().saturating_mul(8), &RATES)
}

/// A whole number times its unit, whatever the case of the unit.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// In the largest unit that leaves a whole number.
fn shown(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor));
    let (name, factor) = fits.unwrap_or(&("", 1));
    format!("{}{name}", amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        assert_eq!(parse_size("10GB"), Ok(10_000_000_000));
        assert_eq!(parse_size(" 500 mb "), Ok(500_000_000));
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert_eq!(parse_size("1tb"), Ok(1_000_000_000_000));
        assert_eq!(parse_size("7"), Ok(7));
        for bad in
            ["", "GB", "-1GB", "1.5GB", "10 giga", "0", "0GB", "99999999999999999999", "99999999TB", "1GB2"]
        {
            let refusal = parse_size(bad).expect_err(bad).to_string();
            assert!(refusal.contains("10GB") && refusal.contains(bad), "{refusal}");
        }
    }

    #[test]
    fn rates_read_as_people_write_them() {
        assert_eq!(parse_rate("20mbit"), Ok(Rate::from_bits_per_sec(20_000_000)));
        assert_eq!(parse_rate(" 800 kbit/s"), Ok(Rate::from_bits_per_sec(800_000)));
        assert_eq!(parse_rate("1G"), Ok(Rate::from_bits_per_sec(1_000_000_000)));
        for bad in ["", "fast", "-1mbit", "1", "20mb", "99999999999999999999", "99999999999gbit", "/s"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for bytes in [1, 999, 1_000, 1_024, 50_000_000, 1 << 30, 123_456_789, u64::MAX] {
            assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }
        for bits in [8, 800, 800_000, 20_000_000, 1_000_000_000, 12_344] {
            let rate = Rate::from_bits_per_sec(bits);
            assert_eq!(parse_rate(&show_rate(rate)), Ok(rate));
        }
        assert_eq!(show_size(10_000_000_000), "10GB");
        assert_eq!(show_rate(Rate::from_bits_per_sec(20_000_000)), "20mbit");
    }
}
