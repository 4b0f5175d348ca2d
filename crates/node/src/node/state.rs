//! What a node remembers beside its cache: its secret, pinned keys, documents it has seen, strikes.
//!
//! One small database, `node.redb`, and the device secret in a file only its user can read.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nearcast_content::keys::DeviceSecret;
use nearcast_content::{NodeKey, ProviderKey};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::Notify;

use super::remembered::make_tables;

/// Documents by site and path: the signed bytes as they came, so that everything is checked again on reading.
const DOCUMENTS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("documents");
/// Highest sequence accepted, by provider key and path.
const SEQUENCES: TableDefinition<'_, (&[u8], &str), u64> = TableDefinition::new("sequences");
/// Provider keys pinned, by site.
const PINS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("pins");
/// Strikes by node key.
const STRIKES: TableDefinition<'_, &[u8], u32> = TableDefinition::new("strikes");
/// Strikes remembered; a node that is struck again after being forgotten starts at one.
const MAX_STRIKES: usize = 10_000;

/// Why a node's memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The secret is not 32 bytes.
    #[error("{0} is not a device secret; delete it to get a new one (peers will not know this device again)")]
    Secret(PathBuf),
    /// Two nodes cannot share a memory.
    #[error(
        "{0} is in use by another node; stop that one, or give this one a folder of its own with --state"
    )]
    InUse(PathBuf),
    /// The database cannot be used.
    #[error("cannot use {path}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
}

/// A node's memory.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    database: Database,
    secret: DeviceSecret,
    /// Sequence of the policy that a supernode told of, and of the one that was read.
    policy_told: AtomicU64,
    policy_seen: AtomicU64,
    policy_bell: Notify,
}

impl State {
    /// Opens the memory in `dir`, made on first use.
    pub(super) fn open(dir: &Path) -> Result<Self, StateError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { action, path, source }
        };
        fs::create_dir_all(dir).map_err(io("make the folder", dir))?;
        let secret = device_secret(&dir.join("device.key"))?;
        let path = dir.join("node.redb");
        let fail =
            |source: redb::Error| StateError::Database { path: path.clone(), source: Box::new(source) };
        let database = match redb::Builder::new().set_cache_size(1 << 20).create(&path) {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(StateError::InUse(dir.to_owned())),
            Err(error) => return Err(fail(error.into())),
        };
        let made = (|| -> Result<(), redb::Error> {
            let write = database.begin_write()?;
            write.open_table(DOCUMENTS)?;
            write.open_table(SEQUENCES)?;
            write.open_table(PINS)?;
            write.open_table(STRIKES)?;
            make_tables(&write)?;
            Ok(write.commit()?)
        })();
        made.map_err(fail)?;
        Ok(Self {
            path,
            database,
            secret,
            policy_told: AtomicU64::new(0),
            policy_seen: AtomicU64::new(0),
            policy_bell: Notify::new(),
        })
    }

    /// The device's secret.
    pub(super) fn secret(&self) -> &DeviceSecret {
        &self.secret
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn fail(&self) -> impl Fn(redb::Error) -> StateError + '_ {
        |source| StateError::Database { path: self.path.clone(), source: Box::new(source) }
    }

    /// The key pinned for a site.
    pub(super) fn pin(&self, site: &str) -> Result<Option<ProviderKey>, StateError> {
        let read = || -> Result<Option<ProviderKey>, redb::Error> {
            let table = self.database.begin_read()?.open_table(PINS)?;
            Ok(table.get(site)?.and_then(|v| v.value().try_into().ok().map(ProviderKey)))
        };
        read().map_err(self.fail())
    }

    /// Pins a key for a site.
    pub(super) fn set_pin(&self, site: &str, key: ProviderKey) -> Result<(), StateError> {
        self.write(|w| {
            w.open_table(PINS)?.insert(site, key.0.as_slice())?;
            Ok(())
        })
    }

    /// A document as it was last accepted.
    pub(super) fn document(&self, site: &str, path: &str) -> Result<Option<Vec<u8>>, StateError> {
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let table = self.database.begin_read()?.open_table(DOCUMENTS)?;
            Ok(table.get((site, path))?.map(|v| v.value().to_vec()))
        };
        read().map_err(self.fail())
    }

    /// Remembers an accepted document, and its sequence when it has one.
    pub(super) fn remember(
        &self,
        site: &str,
        path: &str,
        bytes: &[u8],
        signed: Option<(ProviderKey, u64)>,
    ) -> Result<(), StateError> {
        self.write(|w| {
            w.open_table(DOCUMENTS)?.insert((site, path), bytes)?;
            if let Some((key, sequence)) = signed {
                w.open_table(SEQUENCES)?.insert((key.0.as_slice(), path), sequence)?;
            }
            Ok(())
        })
    }

    /// The highest sequence accepted of a signed document.
    pub(super) fn last_seen(&self, key: ProviderKey, path: &str) -> Result<Option<u64>, StateError> {
        let read = || -> Result<Option<u64>, redb::Error> {
            let table = self.database.begin_read()?.open_table(SEQUENCES)?;
            Ok(table.get((key.0.as_slice(), path))?.map(|v| v.value()))
        };
        read().map_err(self.fail())
    }

    /// Remembers that a node misbehaved. A failure to write is logged: the ban still holds in this life.
    pub(super) fn strike(&self, node: NodeKey, strikes: u32) {
        let written = self.write(|w| {
            let mut table = w.open_table(STRIKES)?;
            table.insert(node.0.as_slice(), strikes)?;
            if table.iter()?.count() > MAX_STRIKES {
                table.pop_first()?;
            }
            Ok(())
        });
        if let Err(error) = written {
            tracing::warn!(%error, "a strike was not remembered");
        }
    }

    /// Nodes that misbehaved in earlier lives.
    pub(super) fn strikes(&self) -> Result<Vec<(NodeKey, u32)>, StateError> {
        let read = || -> Result<Vec<(NodeKey, u32)>, redb::Error> {
            let table = self.database.begin_read()?.open_table(STRIKES)?;
            let mut strikes = Vec::new();
            for row in table.iter()? {
                let (key, count) = row?;
                if let Ok(key) = key.value().try_into() {
                    strikes.push((NodeKey(key), count.value()));
                }
            }
            Ok(strikes)
        };
        read().map_err(self.fail())
    }

    /// A supernode said that the policy has a new sequence.
    pub(super) fn policy_changed(&self, sequence: u64) {
        let told = self.policy_told.fetch_max(sequence, Ordering::Relaxed).max(sequence);
        if told > self.policy_seen.load(Ordering::Relaxed) {
            self.policy_bell.notify_one();
        }
    }

    /// The policy of this sequence is in force.
    pub(super) fn policy_seen(&self, sequence: u64) {
        self.policy_seen.fetch_max(sequence, Ordering::Relaxed);
    }

    /// Waits until a supernode tells of a policy that was not read.
    pub(super) async fn policy_news(&self) {
        self.policy_bell.notified().await;
    }

    /// Paths of the documents remembered of a site.
    pub(super) fn paths(&self, site: &str) -> Result<Vec<String>, StateError> {
        let read = || -> Result<Vec<String>, redb::Error> {
            let table = self.database.begin_read()?.open_table(DOCUMENTS)?;
            let mut paths = Vec::new();
            for row in table.range((site, "")..)? {
                let (key, _) = row?;
                let (of, path) = key.value();
                if of != site {
                    break;
                }
                paths.push(path.to_owned());
            }
            Ok(paths)
        };
        read().map_err(self.fail())
    }

    pub(super) fn write(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), StateError> {
        let written = (|| -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            change(&write)?;
            Ok(write.commit()?)
        })();
        written.map_err(self.fail())
    }
}

/// Reads the secret, or draws one from the operating system's entropy.
fn device_secret(path: &Path) -> Result<DeviceSecret, StateError> {
    let io = |action| {
        let path = path.to_owned();
        move |source| StateError::Io { action, path, source }
    };
    match fs::read(path) {
        Ok(bytes) => {
            let secret = bytes.try_into().map_err(|_| StateError::Secret(path.to_owned()))?;
            Ok(DeviceSecret::new(secret))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut secret = [0; 32];
            let drawn = getrandom::fill(&mut secret).map_err(|e| io::Error::other(e.to_string()));
            drawn.map_err(io("draw the device secret for"))?;
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).map_err(io("write"))?;
            file.write_all(&secret).and_then(|()| file.sync_all()).map_err(io("write"))?;
            Ok(DeviceSecret::new(secret))
        }
        Err(source) => Err(io("read")(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_survives_a_restart() {
        let dir = tempfile::tempdir().expect("a folder");
        let (node, key) = (NodeKey([3; 32]), ProviderKey([4; 32]));
        let first = {
            let state = State::open(dir.path()).expect("opens");
            state.set_pin("http://a/", key).expect("written");
            state.remember("http://a/", "x.jws", b"doc", Some((key, 7))).expect("written");
            state.strike(node, 2);
            *state.secret().expose()
        };
        let state = State::open(dir.path()).expect("opens again");
        assert_eq!(*state.secret().expose(), first);
        assert_eq!(state.pin("http://a/").expect("read"), Some(key));
        assert_eq!(state.pin("http://b/").expect("read"), None);
        assert_eq!(state.document("http://a/", "x.jws").expect("read").as_deref(), Some(&b"doc"[..]));
        assert_eq!(state.last_seen(key, "x.jws").expect("read"), Some(7));
        assert_eq!(state.strikes().expect("read"), [(node, 2)]);
    }

    #[test]
    fn two_nodes_cannot_share_a_memory() {
        let dir = tempfile::tempdir().expect("a folder");
        let _first = State::open(dir.path()).expect("opens");
        let second = State::open(dir.path()).expect_err("taken");
        assert!(matches!(second, StateError::InUse(taken) if taken == dir.path()));
    }

    #[test]
    fn a_broken_secret_is_named_and_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("device.key"), b"short").expect("written");
        let error = State::open(dir.path()).expect_err("refused");
        assert!(matches!(error, StateError::Secret(_)));
        assert_eq!(fs::read(dir.path().join("device.key")).expect("still there"), b"short");
    }
}
