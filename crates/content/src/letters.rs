//! Bytes as letters: hexadecimal, base32 and base64url (RFC 4648), without padding and with one spelling each.
//!
//! One small loop serves all three. A library for any alphabet is as large, compressed, as a tenth of what a browser tab
//! may load.

/// An alphabet of 2, 4, .. 64 letters, each of which stands for so many bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letters {
    alphabet: &'static [u8],
    bits: u32,
}

/// Hexadecimal digits in lower case.
pub(crate) const HEX: Letters = Letters { alphabet: b"0123456789abcdef", bits: 4 };
/// Base32 in lower case.
pub(crate) const BASE32: Letters = Letters { alphabet: b"abcdefghijklmnopqrstuvwxyz234567", bits: 5 };
/// Base64 that is safe in addresses.
pub(crate) const BASE64URL: Letters =
    Letters { alphabet: b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", bits: 6 };

/// No letter has this value.
const NO_LETTER: u8 = u8::MAX;

impl Letters {
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len() * 2);
        let (mut rest, mut held) = (0u32, 0);
        let letter = |rest: u32| char::from(self.alphabet[(rest & ((1 << self.bits) - 1)) as usize]);
        for byte in bytes {
            rest = rest << 8 | u32::from(*byte);
            held += 8;
            while held >= self.bits {
                held -= self.bits;
                text.push(letter(rest >> held));
            }
        }
        if held > 0 {
            text.push(letter(rest << (self.bits - held)));
        }
        text
    }

    /// None of what [`encode`](Self::encode) does not give: other letters, a letter too many, bits of no byte.
    pub(crate) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        let mut values = [NO_LETTER; 256];
        for (value, letter) in (0..).zip(self.alphabet) {
            values[usize::from(*letter)] = value;
        }
        let mut bytes = Vec::with_capacity(text.len());
        let (mut rest, mut held) = (0u32, 0);
        for letter in text {
            let value = Some(values[usize::from(*letter)]).filter(|value| *value != NO_LETTER)?;
            rest = rest << self.bits | u32::from(value);
            held += self.bits;
            if held >= 8 {
                held -= 8;
                bytes.push(u8::try_from(rest >> held & 0xff).ok()?);
            }
        }
        let spare = rest & ((1 << held) - 1);
        (held < self.bits && spare == 0).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648() {
        for (bytes, base32, base64, hex) in [
            ("", "", "", ""),
            ("f", "my", "Zg", "66"),
            ("fo", "mzxq", "Zm8", "666f"),
            ("foo", "mzxw6", "Zm9v", "666f6f"),
            ("foob", "mzxw6yq", "Zm9vYg", "666f6f62"),
            ("fooba", "mzxw6ytb", "Zm9vYmE", "666f6f6261"),
            ("foobar", "mzxw6ytboi", "Zm9vYmFy", "666f6f626172"),
        ] {
            for (letters, text) in [(BASE32, base32), (BASE64URL, base64), (HEX, hex)] {
                assert_eq!(letters.encode(bytes.as_bytes()), text);
                assert_eq!(letters.decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
            }
        }
    }

    proptest! {
        /// Another implementation says the same of every text, good or not.
        #[test]
        fn others_agree(bytes: Vec<u8>, text in "[A-Za-z0-9_=-]{0,12}") {
            for (letters, theirs) in [
                (HEX, data_encoding::HEXLOWER),
                (BASE64URL, data_encoding::BASE64URL_NOPAD),
            ] {
                prop_assert_eq!(letters.encode(&bytes), theirs.encode(&bytes));
                prop_assert_eq!(letters.decode(text.as_bytes()), theirs.decode(text.as_bytes()).ok());
                let good = theirs.encode(&bytes);
                prop_assert_eq!(letters.decode(good.as_bytes()), Some(bytes.clone()));
            }
            prop_assert_eq!(BASE32.encode(&bytes).to_ascii_uppercase(), data_encoding::BASE32_NOPAD.encode(&bytes));
            let lower = text.to_ascii_lowercase();
            let theirs = data_encoding::BASE32_NOPAD.decode(lower.to_ascii_uppercase().as_bytes()).ok();
            prop_assert_eq!(BASE32.decode(lower.as_bytes()), theirs);
        }
    }
}
