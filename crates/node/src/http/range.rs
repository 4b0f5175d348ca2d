//! Reads a `Range` header (RFC 9110 §14.2).

use nearcast_content::ByteRange;

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything: there is no range, or none that is understood, which RFC 9110 says to ignore.
    Whole,
    /// These bytes, never empty.
    Part(ByteRange),
    /// Bytes that do not exist.
    Unsatisfiable,
}

/// Reads `header` for a resource of `size` bytes.
///
/// Several ranges are answered with the whole resource, as RFC 9110 allows: no player asks for them, and
/// `multipart/byteranges` would be one more way to make a server copy.
pub(crate) fn read(header: &str, size: u64) -> Asked {
    let Some((unit, spec)) = header.split_once('=') else { return Asked::Whole };
    let spec = spec.trim();
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Asked::Whole;
    }
    let Some((first, last)) = spec.split_once('-') else { return Asked::Whole };
    match (digits(first), digits(last)) {
        (Number::Is(first), Number::Is(last)) if last < first => Asked::Whole,
        (Number::Is(first), Number::Is(last)) => part(first, last.saturating_add(1), size),
        (Number::Is(first), Number::Absent) => part(first, size, size),
        (Number::Absent, Number::Is(count)) => part(size.saturating_sub(count), size, size),
        (Number::Absent, Number::Absent) | (Number::Bad, _) | (_, Number::Bad) => Asked::Whole,
    }
}

fn part(start: u64, end: u64, size: u64) -> Asked {
    if start >= size { Asked::Unsatisfiable } else { Asked::Part(ByteRange::new(start, end.min(size))) }
}

enum Number {
    Absent,
    Is(u64),
    Bad,
}

/// A number too large for 64 bits is past the end of anything, so it reads as the largest.
fn digits(text: &str) -> Number {
    let text = text.trim();
    if text.is_empty() {
        Number::Absent
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        Number::Is(text.parse().unwrap_or(u64::MAX))
    } else {
        Number::Bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_the_rfc_says() {
        let part = |a, b| Asked::Part(ByteRange::new(a, b));
        for (header, want) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-499", part(0, 500)),
            ("bytes=500-", part(500, 1000)),
            ("bytes=-1", part(999, 1000)),
            ("bytes=-5000", part(0, 1000)),
            ("bytes=999-5000", part(999, 1000)),
            ("BYTES = 1 - 2 ", part(1, 3)),
            ("bytes=0-99999999999999999999999", part(0, 1000)),
            ("bytes=1000-", Asked::Unsatisfiable),
            ("bytes=1000-1001", Asked::Unsatisfiable),
            ("bytes=99999999999999999999999-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=5-2", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("0-1", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(read(header, 1000), want, "{header}");
        }
        assert_eq!(read("bytes=0-", 0), Asked::Unsatisfiable);
        assert_eq!(read("bytes=-1", 0), Asked::Unsatisfiable);
    }
}
