//! Names: objects by their hash, providers and nodes by their key, titles by a short word.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::letters::{BASE32, HEX};

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: {why}")]
pub struct IdError {
    kind: &'static str,
    why: &'static str,
}

impl IdError {
    pub(crate) fn new(kind: &'static str, why: &'static str) -> Self {
        Self { kind, why }
    }
}

/// BLAKE3 root of an object's stored bytes. Prints as 64 hexadecimal digits, the same as `b3sum` prints.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectId(pub [u8; 32]);

/// Ed25519 public key of a provider, the root of trust of what it publishes. Prints as 52 base32 letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderKey(pub [u8; 32]);

/// Ed25519 public key under which a device delivers for one provider. Prints as 52 base32 letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeKey(pub [u8; 32]);

/// Orders names as their bytes do. The first eight nearly always tell, and are compared as one number: a call of `memcmp`
/// for each step of each search by name was a twelfth of what the engine takes.
macro_rules! ordered_by_bytes {
    ($($name:ident),*) => { $(
        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                let ([first, rest @ ..], _) = self.0.as_chunks::<8>() else { return self.0.cmp(&other.0) };
                let ([others_first, others_rest @ ..], _) = other.0.as_chunks::<8>() else {
                    return self.0.cmp(&other.0);
                };
                let begin = u64::from_be_bytes(*first).cmp(&u64::from_be_bytes(*others_first));
                begin.then_with(|| rest.cmp(others_rest))
            }
        }

        impl PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
    )* };
}

ordered_by_bytes!(ObjectId, NodeKey);

macro_rules! key_text {
    ($name:ident, $kind:literal, $show:expr, $read:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$show(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = $show(&self.0);
                write!(f, concat!(stringify!($name), "({})"), &text[..10])
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let fail = |why| IdError { kind: $kind, why };
                let bytes: Vec<u8> = $read(text).ok_or(fail("wrong letters or length"))?;
                Ok(Self(bytes.try_into().map_err(|_| fail("must be 32 bytes"))?))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(de::Error::custom)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                let bytes = d.bytes()?;
                bytes
                    .try_into()
                    .map(Self)
                    .map_err(|_| minicbor::decode::Error::message(concat!($kind, " must be 32 bytes")).at(at))
            }
        }
    };
}

fn hex(bytes: &[u8; 32]) -> String {
    HEX.encode(bytes)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (text.len() == 64).then(|| HEX.decode(text.as_bytes())).flatten()
}

fn base32(bytes: &[u8; 32]) -> String {
    BASE32.encode(bytes)
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    (text.len() == 52).then(|| BASE32.decode(text.as_bytes())).flatten()
}

key_text!(ObjectId, "object id", hex, unhex);
key_text!(ProviderKey, "provider key", base32, unbase32);
key_text!(NodeKey, "node key", base32, unbase32);

/// Name of a title within its provider: 1 to 64 of `a-z 0-9 -`, not starting or ending with `-`.
///
/// It is part of file names and URLs, so nothing else is let in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TitleId(String);

impl TitleId {
    /// Name of the swarm of this title of `provider`: 16 bytes of BLAKE3 over both.
    pub fn swarm_of(&self, provider: ProviderKey) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_derive_key("nearcast 2026-11 swarm of a title v1");
        hasher.update(&provider.0).update(self.as_str().as_bytes());
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        id
    }

    /// Longest title id, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Makes an id out of any text: letters and digits kept in lower case, runs of the rest become one
    /// `-`. Nothing when no letter or digit of ASCII is in it.
    pub fn slug(text: &str) -> Option<Self> {
        let mut slug = String::new();
        for c in text.chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() == Self::MAX_LEN {
                break;
            }
        }
        slug.trim_end_matches('-').parse().ok()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TitleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TitleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TitleId({})", self.0)
    }
}

impl FromStr for TitleId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fail = |why| Err(IdError { kind: "title id", why });
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return fail("must be 1 to 64 letters");
        }
        if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return fail("only a-z, 0-9 and - are let in");
        }
        if text.starts_with('-') || text.ends_with('-') {
            return fail("must not start or end with -");
        }
        Ok(Self(text.to_owned()))
    }
}

impl Serialize for TitleId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TitleId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_read_back_what_they_print() {
        let object = ObjectId([7; 32]);
        assert_eq!(object.to_string().parse::<ObjectId>(), Ok(object));
        let key = ProviderKey([0xa5; 32]);
        assert_eq!(key.to_string().len(), 52);
        assert_eq!(key.to_string().parse::<ProviderKey>(), Ok(key));
    }

    proptest! {
        /// Names that differ late, early or not at all are in the order of their bytes.
        #[test]
        fn names_are_in_the_order_of_their_bytes(a in any::<[u8; 32]>(), at in 0usize..32, byte in any::<u8>()) {
            let mut b = a;
            b[at] = byte;
            prop_assert_eq!(NodeKey(a).cmp(&NodeKey(b)), a.cmp(&b));
            prop_assert_eq!(ObjectId(b).partial_cmp(&ObjectId(a)), b.partial_cmp(&a));
        }
    }

    #[test]
    fn ids_have_one_spelling() {
        assert!(ObjectId([0xab; 32]).to_string().to_uppercase().parse::<ObjectId>().is_err());
        assert!(NodeKey([0xab; 32]).to_string().to_uppercase().parse::<NodeKey>().is_err());
        // 52 letters carry 260 bits: the four spare ones must be zero.
        assert!("b".repeat(52).parse::<NodeKey>().is_err());
    }

    #[test]
    fn title_ids_refuse_what_a_path_could_misread() {
        for bad in ["", "-a", "a-", "A", "a/b", "..", "a b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<TitleId>().is_err(), "{bad}");
        }
        assert_eq!(TitleId::slug("  Näher, vor Fern! 2 ").expect("letters").as_str(), "n-her-vor-fern-2");
        assert_eq!(TitleId::slug("…"), None);
    }
}
