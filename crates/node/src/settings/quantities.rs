//! Sizes and rates as people write them: `10GB`, `512MiB`, `20mbit`.

use std::time::Duration;

use nearcast_engine::Rate;
use nearcast_engine::swarm::Hours;

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

/// Reads a part of the day: `23:00-07:00`.
///
/// # Errors
/// When it is something else, or no time at all.
pub fn parse_hours(text: &str) -> Result<Hours, QuantityError> {
    let hint = "write it like 23:00-07:00";
    let refused = || QuantityError { text: text.to_owned(), kind: "part of the day", hint };
    let (from, to) = text.split_once('-').ok_or_else(refused)?;
    let hours = minute(from).zip(minute(to)).map(|(from, to)| Hours { from, to: to % 1_440 });
    hours.filter(|hours| hours.from != hours.to && hours.from < 1_440).ok_or_else(refused)
}

/// A time of the day in minutes, midnight at the end included.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |text: &str| (1..=2).contains(&text.len()).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two(hour)?, two(minute).filter(|minute| *minute < 60)?);
    let minutes = hour * 60 + minute;
    (minutes <= 1_440).then_some(minutes)
}

/// Reads a length of time: `30m`, `2h`, `1d`, or `90s`.
///
/// # Errors
/// When it is something else, zero, or longer than anybody means.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let hint = "write it like 30m, 2h or 1d";
    let refused = || QuantityError { text: text.to_owned(), kind: "length of time", hint };
    const SPANS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    const MOST: u64 = 10 * 366 * 86_400;
    let seconds = scaled(text, &SPANS).filter(|seconds| (1..=MOST).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(refused)
}

/// Writes a part of the day so that [`parse_hours`] reads the same.
pub(super) fn show_hours(hours: Hours) -> String {
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{}-{}", clock(hours.from), clock(hours.to))
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
    fn parts_of_the_day_and_lengths_of_time_read_as_people_write_them() {
        assert_eq!(parse_hours("23:00-07:30"), Ok(Hours { from: 1_380, to: 450 }));
        assert_eq!(parse_hours("0:00 - 24:00").map_err(|_| ()), Err(()), "all day is no part of it");
        assert_eq!(parse_hours(" 9:05-24:00"), Ok(Hours { from: 545, to: 0 }));
        for bad in ["", "9-17", "25:00-07:00", "7:60-8:00", "7:00-7:00", "24:00-7:00", "-", "7:00", "a:b-c:d"]
        {
            assert!(parse_hours(bad).is_err(), "{bad}");
        }
        let hours = parse_hours("23:05-7:00").expect("hours");
        assert_eq!(parse_hours(&show_hours(hours)), Ok(hours));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7_200)));
        assert_eq!(parse_duration("90 s"), Ok(Duration::from_secs(90)));
        for bad in ["", "0m", "h", "2", "1y", "-1h", "99999d", "1.5h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
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
