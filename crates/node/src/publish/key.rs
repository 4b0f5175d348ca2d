//! The provider's secret key in a file that only its owner can read.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nearcast_content::SigningKey;

/// First line of the file.
const HEADING: &str = "nearcast provider key v1: whoever has this file can publish in your name";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the key file {} cannot be used: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What failed.
        why: io::Error,
    },
    /// The file holds something else.
    #[error("{} is no provider key. Restore it from your backup, or name another file with --key", path.display())]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
    /// Others on this machine can read it.
    #[error("others on this machine can read the key file {0}. Make it yours alone: chmod 600 {0}", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes, or has no place for settings.
    #[error("no key can be made: {0}")]
    System(String),
}

/// A provider's key, and whether it was there before.
#[derive(Debug)]
pub struct ProviderKeyFile {
    /// The key.
    pub key: SigningKey,
    /// Where it lies.
    pub path: PathBuf,
    /// Whether it was made just now: the user is told, and advised to back it up.
    pub origin: KeyOrigin,
}

/// Where a key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// It was in the file.
    Found,
    /// It was made just now.
    Made,
}

/// `nearcast/provider.key` in the user's settings folder.
pub fn default_key_path() -> Result<PathBuf, KeyError> {
    let base = directories::BaseDirs::new()
        .ok_or_else(|| KeyError::System("this user has no home folder; name a file with --key".to_owned()))?;
    Ok(base.config_dir().join("nearcast").join("provider.key"))
}

impl ProviderKeyFile {
    /// Reads the key at `path`, or makes one there.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        match fs::read_to_string(path) {
            Ok(text) => {
                check_private(path)?;
                let key = parse(&text).ok_or_else(|| KeyError::NoKey { path: path.to_owned() })?;
                Ok(Self { key, path: path.to_owned(), origin: KeyOrigin::Found })
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(why) if why.kind() == io::ErrorKind::InvalidData => {
                Err(KeyError::NoKey { path: path.to_owned() })
            }
            Err(why) => Err(KeyError::File { path: path.to_owned(), why }),
        }
    }

    fn make(path: &Path) -> Result<Self, KeyError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|why| KeyError::System(why.to_string()))?;
        let text = format!("{HEADING}\n{}\n", HEXLOWER.encode(&secret));
        write_private(path, &text).map_err(|why| KeyError::File { path: path.to_owned(), why })?;
        let key = SigningKey::from_secret(&secret);
        Ok(Self { key, path: path.to_owned(), origin: KeyOrigin::Made })
    }
}

fn parse(text: &str) -> Option<SigningKey> {
    let (heading, secret) = text.trim_end().split_once('\n')?;
    let secret = HEXLOWER.decode(secret.trim_end().as_bytes()).ok()?;
    (heading.trim_end() == HEADING).then_some(SigningKey::from_secret(&secret.try_into().ok()?))
}

/// Writes a file that was not there before, readable by its owner alone from its first byte on.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = fs::metadata(path).map_err(|why| KeyError::File { path: path.to_owned(), why })?;
    if found.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(KeyError::Exposed { path: path.to_owned() })
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/provider.key");
        let made = ProviderKeyFile::open(&path).expect("made");
        assert_eq!(made.origin, KeyOrigin::Made);
        let found = ProviderKeyFile::open(&path).expect("found");
        assert_eq!(found.origin, KeyOrigin::Found);
        assert_eq!(found.key.provider(), made.key.provider());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
            mode(0o640);
            assert!(matches!(ProviderKeyFile::open(&path), Err(KeyError::Exposed { .. })));
            mode(0o600);
        }
        for other in ["", "secret", "nearcast provider key v1\nzz\n", &format!("{HEADING}\nabcd\n")] {
            fs::write(&path, other).expect("written");
            assert!(matches!(ProviderKeyFile::open(&path), Err(KeyError::NoKey { .. })), "{other}");
            assert_eq!(
                fs::read_to_string(&path).expect("there"),
                other,
                "a file that is no key is left alone"
            );
        }
    }
}
