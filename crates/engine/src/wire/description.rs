//! The one line of a session description that matters here: the fingerprint of a certificate (RFC 8122).

use super::introduce::Fingerprint;

impl Fingerprint {
    /// The SHA-256 fingerprint in a description. None when there is none, or another beside it: a browser takes a
    /// certificate that fits any of those listed, and both ends must sign the one that was used.
    pub fn in_description(description: &str) -> Option<Self> {
        let mut found = None;
        for line in description.lines() {
            let Some(value) = line.trim_end().strip_prefix("a=fingerprint:") else { continue };
            let (name, digits) = value.split_once(' ')?;
            let print = name.eq_ignore_ascii_case("sha-256").then(|| octets(digits))??;
            if found.is_some_and(|other| other != print) {
                return None;
            }
            found = Some(print);
        }
        found
    }
}

fn octets(digits: &str) -> Option<Fingerprint> {
    let mut octets = [0; 32];
    let mut parts = digits.split(':');
    for octet in &mut octets {
        let part = parts.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(Fingerprint(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(byte: &str) -> String {
        format!("a=fingerprint:sha-256 {}\r\n", vec![byte; 32].join(":"))
    }

    #[test]
    fn one_certificate_has_one_fingerprint() {
        let fingerprint = Fingerprint::in_description;
        let sdp = |more: &str| format!("v=0\r\n{}m=application 9\r\n{more}", line("AB"));
        assert_eq!(fingerprint(&sdp("")), Some(Fingerprint([0xab; 32])));
        assert_eq!(fingerprint(&sdp(&line("ab"))), Some(Fingerprint([0xab; 32])), "said twice");
        assert_eq!(fingerprint(&sdp(&line("AC"))), None, "two certificates");
        assert_eq!(fingerprint(&sdp("a=fingerprint:sha-1 AB:AB\r\n")), None, "a weak one beside it");
        for broken in ["", "a=fingerprint:sha-256 AB\r\n", "a=fingerprint:sha-256\r\n", "fingerprint"] {
            assert_eq!(fingerprint(broken), None, "{broken}");
        }
        assert_eq!(fingerprint(&line("AB").replace("AB:AB", "AB:+B")), None);
    }
}
