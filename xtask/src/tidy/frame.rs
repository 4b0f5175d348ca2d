//! The repository's frame: files that must be there, lints that every crate takes, decisions that are listed.

use super::Findings;
use crate::repo::{Package, Repo};

/// Files a stranger looks for.
const FILES: [&str; 9] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "deny.toml",
    "rustfmt.toml",
];
/// Scripts that must be there and be executable.
const SCRIPTS: [&str; 2] = ["test", ".ci/run"];
/// Crates behind clippy's walls.
const PURE: [&str; 2] = ["crates/content", "crates/engine"];
/// Where decisions lie.
const DECISIONS: &str = "docs/decisions/";

/// What a stranger looks for is there.
pub(super) fn files(repo: &Repo, findings: &mut Findings) {
    for path in FILES.iter().chain(&SCRIPTS).filter(|path| !repo.texts.contains_key(**path)) {
        findings.file(path, "missing");
    }
    let present = SCRIPTS.iter().filter(|path| repo.texts.contains_key(**path));
    for path in present.filter(|path| !repo.executable.iter().any(|one| one == **path)) {
        findings.file(path, "not executable: chmod +x");
    }
    let changelog = repo.texts.get("CHANGELOG.md");
    if changelog.is_some_and(|text| !text.contains("## [Unreleased]")) {
        findings.file("CHANGELOG.md", "no section `## [Unreleased]`");
    }
}

/// Every crate takes the workspace's lints, and the pure ones have their wall.
pub(super) fn lints(repo: &Repo, findings: &mut Findings) {
    // A workspace of its own (fuzz) cannot take the lints of this one.
    let ours = |package: &&Package| {
        package.manifest.contains_key("package") && !package.manifest.contains_key("workspace")
    };
    for package in repo.packages().iter().filter(ours) {
        let lints = package.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            let path = format!("{}/Cargo.toml", package.folder);
            findings.file(&path, "does not take the workspace's lints: `[lints] workspace = true`");
        }
        let wall = format!("{}/clippy.toml", package.folder);
        if PURE.contains(&package.folder.as_str()) && !repo.texts.contains_key(&wall) {
            findings.file(&wall, "missing: the wall around a pure crate");
        }
    }
}

/// Every decision is listed in the index.
pub(super) fn decisions(repo: &Repo, findings: &mut Findings) {
    let index = repo.texts.get("docs/decisions/README.md").map_or("", String::as_str);
    let names = repo.texts.keys().filter_map(|path| path.strip_prefix(DECISIONS));
    for name in names.filter(|name| *name != "README.md" && !index.contains(&format!("({name})"))) {
        findings.file(&format!("{DECISIONS}{name}"), "not listed in docs/decisions/README.md");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Findings, found};
    use super::*;

    #[test]
    fn missing_files_and_sections_are_found() {
        assert_eq!(found(files, &[]).len(), FILES.len() + SCRIPTS.len());
        let mut repo = Repo::sample(&[("CHANGELOG.md", "## [Unreleased]\n"), ("test", ""), (".ci/run", "")]);
        repo.executable.push("test".to_owned());
        let mut findings = Findings { rule: "frame", found: Vec::new() };
        files(&repo, &mut findings);
        let says: Vec<_> = findings.found.iter().map(ToString::to_string).collect();
        assert!(says.contains(&".ci/run: not executable: chmod +x [frame]".to_owned()), "{says:?}");
        assert_eq!(says.len(), FILES.len() - 1 + 1);
        assert_eq!(found(files, &[("CHANGELOG.md", "# Changes")]).len(), FILES.len() - 1 + SCRIPTS.len() + 1);
    }

    #[test]
    fn a_crate_outside_the_lints_or_without_its_wall_is_found() {
        let good = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n";
        let walled = [("crates/engine/Cargo.toml", good), ("crates/engine/clippy.toml", "")];
        assert_eq!(found(lints, &walled), Vec::<String>::new());
        assert_eq!(found(lints, &walled[..1]).len(), 1);
        assert_eq!(found(lints, &[("crates/node/Cargo.toml", "[package]\nname = \"a\"\n")]).len(), 1);
    }

    #[test]
    fn an_unlisted_decision_is_found() {
        let files = [
            ("docs/decisions/README.md", "- [1](0001-a.md)\n"),
            ("docs/decisions/0001-a.md", ""),
            ("docs/decisions/0002-b.md", ""),
        ];
        assert_eq!(
            found(decisions, &files),
            ["docs/decisions/0002-b.md: not listed in docs/decisions/README.md [sample]"]
        );
    }
}
