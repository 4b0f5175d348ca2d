//! What a user may set: nested structs with defaults that work, read from a TOML file, printed with explanations.
//!
//! What does not stand in the file has its default; a key that does not exist is refused by name, so that a typing
//! mistake is not taken for consent. The explanations are in `explained.toml`, compared with the structs by a test.

mod commented;
mod quantities;
mod words;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fs, io};

use nearcast_content::Link;
use nearcast_content::policy::SupernodeUrl;
use nearcast_engine::Rate;
use nearcast_engine::swarm::Hours;
use nearcast_engine::wire::Serves;
use serde::{Deserialize, Serialize};

use crate::node::{NodeOptions, default_state_dir};

pub use quantities::{QuantityError, parse_duration, parse_hours, parse_rate, parse_size};

/// Port of the gateway unless told otherwise.
const GATEWAY_PORT: u16 = 8420;

/// Everything a user may set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What is kept, and where.
    pub cache: CacheSettings,
    /// What is handed on.
    pub sharing: SharingSettings,
    /// Where players come.
    pub gateway: GatewaySettings,
    /// Where peers come.
    pub transport: TransportSettings,
    /// Who knows who is near.
    pub directory: DirectorySettings,
}

/// What is kept, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// Folder of the node's memory and cache; none for the usual place of the system.
    #[serde(with = "words::auto_folder")]
    pub dir: Option<PathBuf>,
    /// Bytes the cache may hold; none for a share of the free disk.
    #[serde(with = "words::auto_size")]
    pub budget: Option<u64>,
}

/// What is handed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SharingSettings {
    /// Whether anything is.
    pub enabled: bool,
    /// Ceiling, if any.
    #[serde(with = "words::no_rate")]
    pub upload_limit: Option<Rate>,
    /// Bytes in a calendar month, if they are limited.
    #[serde(with = "words::no_size")]
    pub monthly_limit: Option<u64>,
    /// When in the day; none for always.
    #[serde(with = "words::always_hours")]
    pub hours: Option<Hours>,
    /// What this device is.
    pub profile: Profile,
}

/// What a device is, as far as its line and battery go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// At home: it rests while on battery or on a line that the system calls metered.
    #[default]
    Home,
    /// Hands on whatever it runs on.
    Always,
    /// On battery or a metered line: a leaf, which hands nothing on.
    Mobile,
}

/// Where players come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewaySettings {
    /// Address on this machine.
    pub listen: SocketAddr,
}

/// Where peers come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransportSettings {
    /// UDP address.
    pub listen: SocketAddr,
}

/// Who knows who is near.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectorySettings {
    /// The supernode to ask; none for the provider's.
    #[serde(with = "words::providers_supernode")]
    pub supernode: Option<SupernodeUrl>,
}

impl Default for SharingSettings {
    fn default() -> Self {
        Self { enabled: true, upload_limit: None, monthly_limit: None, hours: None, profile: Profile::Home }
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, GATEWAY_PORT).into() }
    }
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::UNSPECIFIED, 0).into() }
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings in {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The file's text makes no settings.
    #[error("the settings in {path} are wrong; `nearcast config` prints all there are.\n{why}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where, and what.
        why: Box<toml::de::Error>,
    },
    /// The system names no place for a node's memory.
    #[error("no home folder was found; use --state, or `dir` under [cache] in the settings")]
    NoHome,
}

impl Settings {
    /// Where settings are read from unless told otherwise; nothing for a user without a home.
    pub fn default_path() -> Option<PathBuf> {
        Some(directories::BaseDirs::new()?.config_dir().join("nearcast").join("config.toml"))
    }

    /// Reads the file at `path`, which must be there; without one, the file at the usual place if there is one.
    ///
    /// # Errors
    /// When the file cannot be read or has anything but settings in it.
    pub fn load(path: Option<&Path>) -> Result<Self, SettingsError> {
        match (path, Self::default_path()) {
            (Some(path), _) => Self::read(path),
            (None, Some(usual)) => match Self::read(&usual) {
                Err(SettingsError::Unreadable { why, .. }) if why.kind() == io::ErrorKind::NotFound => {
                    Ok(Self::default())
                }
                read => read,
            },
            (None, None) => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, SettingsError> {
        let path = path.to_owned();
        match fs::read_to_string(&path).map(|text| Self::parse(&text)) {
            Ok(Ok(settings)) => Ok(settings),
            Ok(Err(why)) => Err(SettingsError::Wrong { path, why: Box::new(why) }),
            Err(why) => Err(SettingsError::Unreadable { path, why }),
        }
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// When it is not TOML, names a setting that does not exist, or gives one a value it does not take.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// As TOML with every setting explained; those at their default are commented out.
    pub fn to_commented_toml(&self) -> String {
        commented::print(self)
    }

    /// Whether this node hands anything on.
    pub fn serves(&self) -> Serves {
        match self.sharing.profile {
            Profile::Home | Profile::Always if self.sharing.enabled => Serves::Others,
            Profile::Home | Profile::Always | Profile::Mobile => Serves::Nobody,
        }
    }

    /// How a node of the provider behind `link` starts.
    ///
    /// # Errors
    /// When neither the settings nor the system name a place for its memory.
    pub fn node_options(&self, link: Link) -> Result<NodeOptions, SettingsError> {
        let state = self.cache.dir.clone().or_else(default_state_dir).ok_or(SettingsError::NoHome)?;
        Ok(NodeOptions {
            cache_budget: self.cache.budget,
            listen: self.transport.listen,
            serves: if self.sharing.enabled { Serves::Others } else { Serves::Nobody },
            upload_limit: self.sharing.upload_limit,
            monthly_limit: self.sharing.monthly_limit,
            hours: self.sharing.hours,
            profile: self.sharing.profile,
            supernode: self.directory.supernode.as_ref().map(|url| url.as_str().to_owned()),
            ..NodeOptions::new(link, state)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_all_defaults() {
        let settings = Settings::parse("").expect("settings");
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.serves(), Serves::Others);
        assert!(settings.gateway.listen.ip().is_loopback());
    }

    #[test]
    fn every_setting_can_be_set() {
        let text = r#"
            cache = { dir = "state", budget = "10GB" }
            sharing = { enabled = true, upload_limit = "20mbit", monthly_limit = "100GB", hours = "23:00-07:00", profile = "always" }
            gateway.listen = "[::1]:9000"
            transport.listen = "0.0.0.0:4711"
            directory.supernode = "wss://example.org/nearcast/v1/directory"
        "#;
        let settings = Settings::parse(text).expect("settings");
        let link: Link = "https://example.org/".parse().expect("a link");
        let options = settings.node_options(link).expect("a folder is named");
        assert_eq!(options.state, Path::new("state"));
        assert_eq!(options.cache_budget, Some(10_000_000_000));
        assert_eq!(options.upload_limit, Some(Rate::from_bits_per_sec(20_000_000)));
        assert_eq!(options.monthly_limit, Some(100_000_000_000));
        assert_eq!(options.hours, Some(Hours { from: 23 * 60, to: 7 * 60 }));
        assert_eq!(options.profile, Profile::Always);
        assert_eq!(options.listen.port(), 4711);
        assert_eq!(options.supernode.as_deref(), Some("wss://example.org/nearcast/v1/directory"));
        assert_eq!(settings.gateway.listen.port(), 9000);
    }

    #[test]
    fn sharing_is_off_when_switched_off_and_on_mobile() {
        for text in ["sharing.enabled = false", "sharing.profile = \"mobile\""] {
            assert_eq!(Settings::parse(text).expect("settings").serves(), Serves::Nobody, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, says) in [
            ("[sharing]\nuplod_limit = \"1mbit\"", ["uplod_limit", "upload_limit", "line 2"]),
            ("[shraing]\nenabled = false", ["shraing", "sharing", "line 1"]),
            ("[sharing]\nupload_limit = \"fast\"", ["fast", "20mbit", "none"]),
            ("[cache]\nbudget = \"lots\"", ["lots", "10GB", "auto"]),
            ("[cache]\nbudget = 5", ["integer", "string", "line 2"]),
            ("[sharing]\nprofile = \"car\"", ["car", "home", "mobile"]),
            ("[sharing]\nhours = \"late\"", ["late", "23:00-07:00", "always"]),
            ("[sharing]\nmonthly_limit = \"0\"", ["\"0\"", "10GB", "none"]),
            ("[gateway]\nlisten = \"8420\"", ["socket address", "line 2", "listen"]),
            ("[directory]\nsupernode = \"http://x\"", ["wss://", "provider", "line 2"]),
            ("enabled = false", ["enabled", "sharing", "line 1"]),
        ] {
            let refusal = Settings::parse(text).expect_err(text).to_string();
            for part in says {
                assert!(refusal.contains(part), "{text}: {part} is missing in\n{refusal}");
            }
        }
    }

    #[test]
    fn a_named_file_must_be_there_and_be_right() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.toml");
        let missing = Settings::load(Some(&path)).expect_err("not there").to_string();
        assert!(missing.contains("cannot read") && missing.contains("config.toml"), "{missing}");
        fs::write(&path, "[cache]\nsize = 1\n").expect("written");
        let wrong = Settings::load(Some(&path)).expect_err("wrong").to_string();
        assert!(wrong.contains("config.toml") && wrong.contains("nearcast config"), "{wrong}");
        fs::write(&path, "[sharing]\nenabled = false\n").expect("written");
        assert!(!Settings::load(Some(&path)).expect("settings").sharing.enabled);
    }
}
