//! The end of every change to a site: pages, policy, catalogue, in this order; then what nothing needs goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use nearcast_content::policy::Policy;
use nearcast_content::{Catalogue, FormatError, Text, TitleId, Validity, site};

use super::PublishError;
use super::documents::{Settled, Signer, put_pages};
use super::existing::{Existing, Published, entry};
use super::ledger::Ledger;
use super::site_dir::{SiteDir, outboard_beside};

/// Puts the signed head over what is in the site.
pub(super) struct Finish<'a> {
    pub(super) dir: &'a SiteDir,
    pub(super) signer: Signer,
    pub(super) provider: Option<Text>,
}

impl Finish<'_> {
    /// Makes the site hold `titles`, whose media and manifests are in their places. Answers with the
    /// catalogue's sequence.
    pub(super) fn run(
        &self,
        existing: &Existing,
        titles: BTreeMap<TitleId, Published>,
        withdrawn: BTreeSet<TitleId>,
        ledger: &mut Ledger,
    ) -> Result<u64, PublishError> {
        let entries: Vec<_> = titles.values().map(|t| entry(&t.manifest, t.hash)).collect();
        let pages = put_pages(self.dir, &entries)?;
        let policy = self.policy(existing.policy.as_ref(), |_| {})?;
        let old = existing.catalogue.as_ref();
        let provider = self.provider_name(old);
        let settled = self.signer.settle(old, |validity| {
            Ok::<_, FormatError>(Catalogue {
                validity,
                provider: provider.clone(),
                pages: pages.clone(),
                withdrawn: withdrawn.iter().cloned().collect(),
                policy_floor: Some(policy.validity.sequence),
            })
        });
        let settled = settled.map_err(|why| PublishError::Format { what: "catalogue", why })?;
        if let Settled::Signed { text, .. } = &settled {
            self.dir.put(site::CATALOGUE, text.as_bytes())?;
        }
        let sequence = settled.document().validity.sequence;
        let mut needed: BTreeSet<String> = pages.iter().map(|p| site::page_path(p.id)).collect();
        needed.extend(titles.keys().map(site::manifest_path));
        needed.extend(titles.into_values().flat_map(|t| t.files.into_keys()));
        self.tidy(&needed, sequence, ledger)?;
        Ok(sequence)
    }

    fn provider_name(&self, old: Option<&Catalogue>) -> Text {
        let folder = self.dir.root().file_name().map(|n| n.to_string_lossy().into_owned());
        let named = self.provider.clone().or_else(|| old.map(|c| c.provider.clone()));
        let named = named.or_else(|| Text::clean(&folder?));
        named.unwrap_or_else(|| Text::clean("A provider").expect("plain letters"))
    }

    /// Makes the site hold a policy: the one it has after `change`, or one that lets everybody take part.
    pub(super) fn policy(
        &self,
        old: Option<&Policy>,
        change: impl Fn(&mut Policy),
    ) -> Result<Policy, PublishError> {
        let settled = self.signer.settle(old, |validity: Validity| {
            let mut policy = old.cloned().unwrap_or_else(|| Policy::unrestricted(validity));
            change(&mut policy);
            policy.validity = validity;
            Ok::<_, FormatError>(policy)
        });
        match settled.map_err(|why| PublishError::Format { what: "policy", why })? {
            Settled::Kept(policy) => Ok(policy),
            Settled::Signed { document, text } => {
                self.dir.put(site::POLICY, text.as_bytes())?;
                Ok(document)
            }
        }
    }

    /// Removes what neither this catalogue nor the one before needs: a reader that still has the old head
    /// finds what it names until the catalogue has changed once more.
    fn tidy(
        &self,
        needed: &BTreeSet<String>,
        sequence: u64,
        ledger: &mut Ledger,
    ) -> Result<(), PublishError> {
        let mut present: BTreeSet<String> =
            ledger.written.keys().chain(ledger.unused.keys()).cloned().collect();
        for folder in ["nearcast/pages", "nearcast/objects", "nearcast/titles"] {
            list_files(&self.dir.at(folder), folder, &mut present);
        }
        ledger.unused.retain(|path, _| !needed.contains(path));
        // An outboard goes with its object, whose name it shares but for the ending; one without an object here
        // is that of a file elsewhere.
        let stems: BTreeSet<&str> = present
            .iter()
            .filter_map(|p| p.rsplit_once('.'))
            .filter(|(_, e)| *e != "obo")
            .map(|(s, _)| s)
            .collect();
        let of_object = |path: &str| path.strip_suffix(".obo").is_some_and(|stem| stems.contains(stem));
        for path in present.iter().filter(|path| !of_object(path)) {
            if needed.contains(path) {
                continue;
            }
            let since = *ledger.unused.entry(path.clone()).or_insert(sequence);
            if since < sequence {
                self.dir.remove(path)?;
                self.dir.remove(&outboard_beside(path))?;
                if let Some((stem, _)) =
                    path.rsplit_once('.').filter(|_| path.starts_with("nearcast/objects"))
                {
                    self.dir.remove(&outboard_beside(stem))?;
                }
                ledger.unused.remove(path);
                ledger.written.remove(path);
            }
        }
        Ok(())
    }
}

/// The files below `folder`, which is called `name` in the site. Two levels are all there are.
fn list_files(folder: &Path, name: &str, into: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            list_files(&entry.path(), &path, into);
        } else {
            into.insert(path);
        }
    }
}
