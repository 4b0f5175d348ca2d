//! Quantities as people read them.

use crate::outcome::ratio;

/// Three digits and a unit: `4.21 GB`.
pub(super) fn bytes(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(one, _)| bytes >= *one) {
        Some((one, unit)) => format!("{} {unit}", digits(ratio(bytes, one))),
        None => format!("{bytes} B"),
    }
}

/// Bits a second: `34.5 Mbit/s`.
pub(crate) fn rate(bits: u64) -> String {
    let units = [(1_000_000_000, "Gbit/s"), (1_000_000, "Mbit/s"), (1_000, "kbit/s")];
    match units.into_iter().find(|(one, _)| bits >= *one) {
        Some((one, unit)) => format!("{} {unit}", digits(ratio(bits, one))),
        None => format!("{bits} bit/s"),
    }
}

/// A share in hundredths: `93.4 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Milliseconds below ten seconds, else seconds.
pub(super) fn millis(millis: u64) -> String {
    if millis < 10_000 { format!("{millis} ms") } else { format!("{:.1} s", ratio(millis, 1_000)) }
}

/// A length of time: `3 h 20 min`.
pub(super) fn duration(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Thousands apart: `1,234,567`.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Three digits that count.
pub(super) fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_well() {
        assert_eq!((bytes(999), bytes(4_210_000_000)), ("999 B".to_owned(), "4.21 GB".to_owned()));
        assert_eq!((rate(34_500_000), rate(100)), ("34.5 Mbit/s".to_owned(), "100 bit/s".to_owned()));
        assert_eq!((count(7), count(1_234_567)), ("7".to_owned(), "1,234,567".to_owned()));
        assert_eq!((duration(59), duration(12_000)), ("59 s".to_owned(), "3 h 20 min".to_owned()));
        assert_eq!((millis(9_999), millis(12_340)), ("9999 ms".to_owned(), "12.3 s".to_owned()));
    }
}
