//! What a site says of itself, read before it is served and while it is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nearcast_content::{
    Catalogue, Document, DocumentError, DocumentKind, Policy, ProviderKey, Text, Trust, UnixTime, site,
};
use tokio_util::sync::CancellationToken;

use crate::supernode::SupernodeHandle;

/// How often the policy's file is looked at: nodes are to obey within a minute.
const POLICY_EVERY: Duration = Duration::from_secs(2);

/// Why a folder cannot be served as a site.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The catalogue is missing or unreadable.
    #[error("{} cannot be read: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The catalogue would be refused by every listener.
    #[error("{}: {why}", path.display())]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: Box<DocumentError>,
    },
}

/// A site's catalogue in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Who signed it.
    pub provider: ProviderKey,
    /// What people read as the provider's name.
    pub name: Text,
    /// How many titles it has.
    pub titles: u64,
}

impl Published {
    /// Reads the catalogue of the site in the folder `root`.
    ///
    /// # Errors
    /// When it is missing, or not one that a listener would accept.
    pub fn read(root: &Path) -> Result<Self, SiteError> {
        let path = root.join(site::CATALOGUE);
        let opened = match read_at_most(&path, DocumentKind::Catalogue.limit()) {
            Ok(bytes) => Catalogue::open(&bytes, &Trust::first_use(), now()),
            Err(why) => return Err(SiteError::File { path, why }),
        };
        let accepted = opened.map_err(|why| SiteError::Refused { path, why: Box::new(why) })?;
        let titles = accepted.document.pages.iter().map(|page| u64::from(page.count)).sum();
        Ok(Self { provider: accepted.signer, name: accepted.document.provider, titles })
    }
}

/// Tells `supernode`, and through it the nodes, each time the site's policy changes, until `shutdown`.
pub async fn watch_policy(
    root: PathBuf,
    provider: ProviderKey,
    supernode: SupernodeHandle,
    shutdown: CancellationToken,
) {
    let mut told = None;
    loop {
        let path = root.join(site::POLICY);
        let sequence = tokio::task::spawn_blocking(move || policy_sequence(&path, provider)).await;
        if let Some(sequence) = sequence.unwrap_or_default().filter(|s| Some(*s) != told) {
            supernode.policy_changed(provider, sequence).await;
            told = Some(sequence);
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(POLICY_EVERY)).await.is_none() {
            return;
        }
    }
}

/// The sequence of the policy at `path`; nothing when there is none that counts.
fn policy_sequence(path: &Path, provider: ProviderKey) -> Option<u64> {
    let bytes = read_at_most(path, DocumentKind::Policy.limit()).ok()?;
    match Policy::open(&bytes, &Trust::pinned(provider), now()) {
        Ok(accepted) => Some(accepted.document.validity.sequence),
        Err(error) => {
            tracing::warn!(%error, "the site's policy is not obeyed");
            None
        }
    }
}

/// Reads a file of which one byte more than `limit` is enough to refuse it.
fn read_at_most(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A clock before 1970 makes every document one of the future, which is refused with that reason.
fn now() -> UnixTime {
    UnixTime(crate::wall::unix_seconds())
}

#[cfg(test)]
mod tests {
    use nearcast_content::SigningKey;

    use super::*;
    use crate::publish::{self, Options};

    #[test]
    fn a_published_site_tells_who_signed_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (media, root) = (folder.path().join("song.wav"), folder.path().join("site"));
        std::fs::write(&media, wav()).expect("a file");
        let key = SigningKey::from_secret(&[7; 32]);
        let options = Options::new(key.clone(), now());
        publish::publish(&[media], &root, &options, &()).expect("published");
        let published = Published::read(&root).expect("a site");
        assert_eq!((published.provider, published.titles), (key.provider(), 1));

        publish::change_policy(&root, &options, |_| {}).expect("a policy");
        let policy = root.join(site::POLICY);
        let first = policy_sequence(&policy, key.provider()).expect("a sequence");
        publish::change_policy(&root, &options, |policy| policy.upload_ceiling = Some(1)).expect("a policy");
        assert!(policy_sequence(&policy, key.provider()).expect("a sequence") > first);
        let other = SigningKey::from_secret(&[8; 32]).provider();
        assert_eq!(policy_sequence(&policy, other), None, "signed by somebody else");
    }

    #[test]
    fn what_is_no_site_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(Published::read(folder.path()), Err(SiteError::File { .. })));
        std::fs::create_dir(folder.path().join("nearcast")).expect("a folder");
        std::fs::write(folder.path().join(site::CATALOGUE), "<html>").expect("a file");
        let error = Published::read(folder.path()).expect_err("no catalogue");
        assert!(error.to_string().contains("catalogue.jws"), "{error}");
    }

    /// A tenth of a second of silence.
    fn wav() -> Vec<u8> {
        let samples = 4_410u32 * 2;
        let mut wav = Vec::new();
        wav.extend_from_slice(b"RIFF");
        wav.extend_from_slice(&(36 + samples).to_le_bytes());
        wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        wav.extend_from_slice(&44_100u32.to_le_bytes());
        wav.extend_from_slice(&88_200u32.to_le_bytes());
        wav.extend_from_slice(b"\x02\0\x10\0data");
        wav.extend_from_slice(&samples.to_le_bytes());
        wav.resize(44 + usize::try_from(samples).expect("small"), 0);
        wav
    }
}
