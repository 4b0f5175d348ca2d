//! Moments as servers write them, as seconds since 1970.

/// Days from 1970-01-01 to a day of the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn seconds(date: (i64, i64, i64), time: (i64, i64, i64), offset: i64) -> Option<u64> {
    let (year, month, day) = date;
    let (hour, minute, second) = time;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    let at = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    u64::try_from(at).ok().filter(|_| in_range)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `10/Oct/2026:13:55:36 -0700`, as Apache and nginx write it between brackets.
pub(super) fn common(text: &str) -> Option<u64> {
    let (stamp, zone) = text.trim().split_once(' ').unwrap_or((text.trim(), "+0000"));
    let mut parts = stamp.split(['/', ':']);
    let day = number(parts.next()?)?;
    let name = parts.next()?;
    let month = MONTHS.iter().zip(1..).find(|(known, _)| known.eq_ignore_ascii_case(name))?.1;
    let year = number(parts.next()?)?;
    let time = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    if parts.next().is_some() {
        return None;
    }
    seconds((year, month, day), time, offset(zone)?)
}

/// `2026-10-10T13:55:36.25Z`, with a blank for the T and without a zone (then UTC) too.
pub(super) fn iso(text: &str) -> Option<u64> {
    let text = text.trim();
    let (date, rest) = text.split_once(['T', ' '])?;
    let mut parts = date.split('-');
    let date = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    let mut parts = clock.trim().split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().map_or(Some(0), |s| number(s.split_once('.').map_or(s, |(whole, _)| whole)))?;
    let offset = match zone {
        "" | "Z" => 0,
        zone => offset(zone)?,
    };
    seconds(date, (hour, minute, second), offset)
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970: nobody logs the year 5138 in seconds.
pub(super) fn epoch(text: &str) -> Option<u64> {
    let whole = text.trim().split_once('.').map_or(text.trim(), |(whole, _)| whole);
    let mut at: u64 = whole.parse().ok()?;
    while at >= 100_000_000_000 {
        at /= 1_000;
    }
    Some(at)
}

/// Any of them.
pub(super) fn any(text: &str) -> Option<u64> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    epoch(text).or_else(|| iso(text)).or_else(|| common(text))
}

/// `-0700` or `+05:30` as seconds east.
fn offset(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2).filter(|(_, minutes)| minutes.len() == 2)?;
    Some(sign * (number(hours)? * 3_600 + number(minutes)? * 60))
}

/// A number of digits alone: `parse` would take signs too.
fn number(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_all_forms_agree() {
        assert_eq!(common("10/Oct/2000:13:55:36 -0700"), Some(971_211_336));
        assert_eq!(iso("2000-10-10T20:55:36.999Z"), Some(971_211_336));
        assert_eq!(iso("2000-10-10 20:55:36"), Some(971_211_336));
        assert_eq!(iso("2000-10-11T02:25:36+05:30"), Some(971_211_336));
        assert_eq!(any("[10/Oct/2000:20:55:36 +0000]"), Some(971_211_336));
        assert_eq!(
            (any("971211336"), any("971211336123"), any("971211336.5")),
            (Some(971_211_336), Some(971_211_336), Some(971_211_336))
        );
        assert_eq!(iso("2024-02-29T00:00:00Z"), Some(1_709_164_800), "a leap day");
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for bad in [
            "",
            "yesterday",
            "10/Okt/2000:13:55:36 -0700",
            "2000-13-10T00:00:00Z",
            "-5",
            "2000-10-10",
            "10/Oct/2000:25:00:00 +0000",
            "10/Oct/2000:13:55:36 0700",
            "1é/Oct/2000:13:55:36 +é",
        ] {
            assert_eq!(any(bad), None, "{bad}");
        }
    }
}
