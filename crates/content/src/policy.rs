//! The policy: what a provider asks of its audience's nodes, obeyed within a minute.

use serde::{Deserialize, Serialize};

use crate::freshness::{Document, Validity};
use crate::ids::{NodeKey, ProviderKey};
use crate::jws::DocumentKind;
use crate::limits;
use crate::parse::{self, Envelope, FormatError};
use crate::web_url::{HostPlace, WebUrl};

/// What a provider asks of its audience's nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Serial number and life.
    pub validity: Validity,
    /// Whether nodes deliver to each other at all.
    pub sharing: Sharing,
    /// How many of a thousand nodes take part.
    pub participation: Permille,
    /// Most that one node uploads, in bytes a second.
    pub upload_ceiling: Option<u64>,
    /// How many of a thousand plays are held out for comparison.
    pub hold_out: Permille,
    /// Where nodes find each other.
    pub supernodes: Vec<Supernode>,
}

/// Whether nodes deliver to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// They do.
    On,
    /// They do not: everything comes from the origin and the own cache.
    Off,
}

/// A share in thousandths, 0 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permille(u16);

impl Permille {
    /// Nobody.
    pub const NONE: Self = Self(0);
    /// Everybody.
    pub const ALL: Self = Self(1000);
    /// Share of plays held out unless a policy says otherwise.
    pub const HOLD_OUT: Self = Self(10);

    /// Takes `thousandths`, or nothing past 1000.
    pub fn new(thousandths: u16) -> Option<Self> {
        (thousandths <= 1000).then_some(Self(thousandths))
    }

    /// The share in thousandths.
    pub fn thousandths(self) -> u16 {
        self.0
    }
}

/// A supernode of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supernode {
    /// Where it answers: `wss`, or `ws` on this machine or a private network.
    pub url: SupernodeUrl,
    /// The key that it proves.
    pub key: ProviderKey,
}

/// Address of a supernode: `wss`, or `ws` to this machine or an address of a private network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SupernodeUrl(String);

impl SupernodeUrl {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for SupernodeUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let web = match text.split_once("://") {
            Some(("wss", rest)) => format!("https://{rest}"),
            Some(("ws", rest)) => format!("http://{rest}"),
            Some(_) | None => return Err("a supernode's address must start with wss://".to_owned()),
        };
        let url: WebUrl = web.parse().map_err(|e| format!("a supernode's address is not let in: {e}"))?;
        // On the Internet whoever watches the line would learn who has what; a school or a house has no certificates.
        if !url.is_secure() && url.place() == HostPlace::Public {
            return Err("a supernode on the Internet must be reached over wss".to_owned());
        }
        Ok(Self(url.as_str().replacen("http", "ws", 1)))
    }
}

impl TryFrom<String> for SupernodeUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SupernodeUrl> for String {
    fn from(url: SupernodeUrl) -> Self {
        url.0
    }
}

#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(flatten)]
    envelope: Envelope,
    sharing: Sharing,
    participation_permille: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upload_ceiling: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold_out_permille: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    supernodes: Vec<SupernodeForm>,
}

#[derive(Serialize, Deserialize)]
struct SupernodeForm {
    url: SupernodeUrl,
    key: ProviderKey,
}

/// Fields that `crit` may name.
const KNOWN: [&str; 6] =
    ["sharing", "participation_permille", "upload_ceiling", "hold_out_permille", "supernodes", "expires"];

/// Label of the hash that decides who takes part.
const PARTICIPATION: &str = "nearcast 2026 participation of a node";

impl Policy {
    /// Whether a node of this key takes part. The same nodes stay in while the share grows.
    pub fn includes(&self, node: &NodeKey) -> bool {
        let hash = blake3::derive_key(PARTICIPATION, &node.0);
        let draw =
            u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
        draw % 1000 < u64::from(self.participation.0)
    }

    /// What holds for a provider that has published no policy: everybody takes part.
    pub fn unrestricted(validity: Validity) -> Self {
        Self {
            validity,
            sharing: Sharing::On,
            participation: Permille::ALL,
            upload_ceiling: None,
            hold_out: Permille::HOLD_OUT,
            supernodes: Vec::new(),
        }
    }
}

fn permille(what: &'static str, value: u64) -> Result<Permille, FormatError> {
    let value = parse::number(what, value, 0, 1000)?;
    Ok(u16::try_from(value).ok().and_then(Permille::new).unwrap_or(Permille::NONE))
}

impl Document for Policy {
    const KIND: DocumentKind = DocumentKind::Policy;

    fn validity(&self) -> Validity {
        self.validity
    }

    fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        let form: Form = parse::from_json(json)?;
        let validity = form.envelope.check(&KNOWN)?;
        parse::at_most("supernodes", form.supernodes.len(), limits::SUPERNODES)?;
        parse::unique("supernode", form.supernodes.iter().map(|s| s.url.as_str()))?;
        let ceiling = |n| parse::number("upload ceiling", n, 0, limits::NUMBER);
        Ok(Self {
            validity,
            sharing: form.sharing,
            participation: permille("participation share", form.participation_permille)?,
            upload_ceiling: form.upload_ceiling.map(ceiling).transpose()?,
            hold_out: match form.hold_out_permille {
                Some(value) => permille("hold-out share", value)?,
                None => Permille::HOLD_OUT,
            },
            supernodes: form.supernodes.into_iter().map(|s| Supernode { url: s.url, key: s.key }).collect(),
        })
    }

    fn to_json(&self) -> Vec<u8> {
        let supernode = |s: &Supernode| SupernodeForm { url: s.url.clone(), key: s.key };
        parse::to_json(&Form {
            envelope: Envelope::new(self.validity),
            sharing: self.sharing,
            participation_permille: u64::from(self.participation.0),
            upload_ceiling: self.upload_ceiling,
            hold_out_permille: Some(u64::from(self.hold_out.0)),
            supernodes: self.supernodes.iter().map(supernode).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixTime;

    #[test]
    fn the_same_nodes_stay_in_while_the_share_grows() {
        let validity = Validity { sequence: 1, issued: UnixTime(0), expires: UnixTime(9) };
        let mut policy = Policy::unrestricted(validity);
        let nodes: Vec<NodeKey> = (0..2_000_u32)
            .map(|n| {
                let mut key = [0; 32];
                key[..4].copy_from_slice(&n.to_le_bytes());
                NodeKey(key)
            })
            .collect();
        let mut included = |thousandths| {
            policy.participation = Permille::new(thousandths).expect("a share");
            nodes.iter().filter(|node| policy.includes(node)).copied().collect::<Vec<_>>()
        };
        let (none, some, more, all) = (included(0), included(250), included(600), included(1_000));
        assert!(none.is_empty() && all.len() == nodes.len());
        assert!((400..600).contains(&some.len()), "{}", some.len());
        assert!(some.iter().all(|node| more.contains(node)));
    }
}
