//! The workspace as the rules see it: Rust files, manifests and other texts, by path.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::source::Source;

/// Folders that are not ours: built, downloaded, or published.
const SKIPPED: [&str; 6] = [".git", "target", "node_modules", "dist", "site", "golden"];
/// Text files larger than this are data.
const MAX_TEXT: u64 = 1 << 20;

/// Everything the rules read.
#[derive(Debug, Default)]
pub(crate) struct Repo {
    /// Every Rust file.
    pub(crate) sources: Vec<Source>,
    /// Every text file, Rust included, by path from the root.
    pub(crate) texts: BTreeMap<String, String>,
    /// Paths that carry the executable bit.
    pub(crate) executable: Vec<String>,
}

/// One package: its folder and its Cargo.toml.
#[derive(Debug)]
pub(crate) struct Package {
    /// From the root, without a slash at the end; empty for the root.
    pub(crate) folder: String,
    /// Parsed Cargo.toml.
    pub(crate) manifest: toml::Table,
}

impl Repo {
    /// Reads the workspace at `root`.
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut repo = Self::default();
        repo.walk(root, "")?;
        repo.sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(repo)
    }

    /// A workspace of these files, for tests of rules.
    #[cfg(test)]
    pub(crate) fn sample(files: &[(&str, &str)]) -> Self {
        let mut repo = Self::default();
        for (path, text) in files {
            repo.add((*path).to_owned(), (*text).to_owned());
        }
        repo
    }

    fn add(&mut self, path: String, text: String) {
        if path.ends_with(".rs") {
            self.sources.push(Source::new(&path, &text));
        }
        self.texts.insert(path, text);
    }

    fn walk(&mut self, root: &Path, below: &str) -> io::Result<()> {
        for entry in fs::read_dir(root.join(below))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.walk(root, &path)?;
            } else if kind.is_file() && name != ".git" {
                self.file(&entry, path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, entry: &fs::DirEntry, path: String) -> io::Result<()> {
        let metadata = entry.metadata()?;
        if is_executable(&metadata) {
            self.executable.push(path.clone());
        }
        if metadata.len() > MAX_TEXT {
            return Ok(());
        }
        // What is not UTF-8 is media.
        if let Ok(text) = String::from_utf8(fs::read(entry.path())?) {
            self.add(path, text);
        }
        Ok(())
    }

    /// The Rust file at `path`.
    pub(crate) fn source(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }

    /// Every package, the workspace's root included. An unreadable manifest is cargo's to report.
    pub(crate) fn packages(&self) -> Vec<Package> {
        let manifests = self.texts.iter().filter_map(|(path, text)| {
            let folder = path.strip_suffix("Cargo.toml")?;
            let manifest = text.parse::<toml::Table>().ok()?;
            Some(Package { folder: folder.trim_end_matches('/').to_owned(), manifest })
        });
        manifests.collect()
    }
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    true
}
