//! Which crate may use which: read from the manifests and from the code.

use super::Findings;
use crate::repo::{Package, Repo};

/// Each crate and the crates of ours it may use. ARCHITECTURE.md says why.
const MAY_USE: &[(&str, &[&str])] = &[
    ("nearcast-content", &[]),
    ("nearcast-engine", &["nearcast-content"]),
    ("nearcast-node", &["nearcast-content", "nearcast-engine"]),
    ("nearcast-web", &["nearcast-content", "nearcast-engine"]),
    ("nearcast-sim", &["nearcast-content", "nearcast-engine"]),
    ("nearcast-cli", &["nearcast-content", "nearcast-engine", "nearcast-node", "nearcast-sim"]),
    ("nearcast-fuzz", &["nearcast-content", "nearcast-engine"]),
    ("xtask", &[]),
];
/// Tables of a manifest that name dependencies.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// No crate uses one it may not see.
pub(super) fn check(repo: &Repo, findings: &mut Findings) {
    for package in repo.packages() {
        let Some(name) = package_name(&package) else { continue };
        let manifest = format!("{}/Cargo.toml", package.folder);
        let Some((_, may)) = MAY_USE.iter().find(|(one, _)| *one == name) else {
            findings.file(
                &manifest,
                format!("{name} has no place among the crates: give it one in direction.rs"),
            );
            continue;
        };
        for used in dependencies(&package).filter(|used| !may.contains(&used.as_str())) {
            findings.file(&manifest, format!("{name} may not depend on {used}"));
        }
        check_code(repo, &package, name, may, findings);
    }
}

fn check_code(repo: &Repo, package: &Package, name: &str, may: &[&str], findings: &mut Findings) {
    let prefix = format!("{}/", package.folder);
    for source in repo.sources.iter().filter(|source| source.path.starts_with(&prefix)) {
        for (at, word) in source.words().filter(|(_, word)| word.starts_with("nearcast_")) {
            let used = word.replace('_', "-");
            let known = MAY_USE.iter().any(|(one, _)| *one == used);
            // A package's own tests and binary name it.
            if known && used != name && !may.contains(&used.as_str()) {
                findings.line(&source.path, source.line(at), format!("{name} may not use {used}"));
            }
        }
    }
}

fn package_name(package: &Package) -> Option<&str> {
    package.manifest.get("package")?.get("name")?.as_str()
}

/// Crates of ours in any table of dependencies, those of targets included.
fn dependencies(package: &Package) -> impl Iterator<Item = String> {
    let tables = std::iter::once(&package.manifest).chain(
        package
            .manifest
            .get("target")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(|targets| targets.values().filter_map(toml::Value::as_table)),
    );
    tables
        .flat_map(|table| DEPENDENCIES.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flat_map(|list| list.iter())
        .map(|(key, value)| value.get("package").and_then(toml::Value::as_str).unwrap_or(key).to_owned())
        .filter(|name| name.starts_with("nearcast-"))
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    const ENGINE: &str =
        "[package]\nname = \"nearcast-engine\"\n[dependencies]\nnearcast-content.workspace = true\n";

    #[test]
    fn the_way_down_is_open() {
        let files = [
            ("crates/engine/Cargo.toml", ENGINE),
            ("crates/engine/src/lib.rs", "use nearcast_content::Verified;\nuse nearcast_engine::Swarm;\n"),
            ("Cargo.toml", "[workspace]\n"),
        ];
        assert_eq!(found(check, &files), Vec::<String>::new());
    }

    #[test]
    fn the_way_up_and_sideways_is_found_in_manifests() {
        for table in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
            let engine =
                format!("[package]\nname = \"nearcast-engine\"\n[{table}]\nnearcast-node.workspace = true\n");
            let files = [("crates/engine/Cargo.toml", engine.as_str())];
            assert_eq!(
                found(check, &files),
                ["crates/engine/Cargo.toml: nearcast-engine may not depend on nearcast-node [sample]"],
                "{table}"
            );
        }
        let renamed =
            "[package]\nname = \"nearcast-sim\"\n[dependencies]\nshell = { package = \"nearcast-node\" }\n";
        assert_eq!(found(check, &[("crates/sim/Cargo.toml", renamed)]).len(), 1);
    }

    #[test]
    fn the_way_up_is_found_in_code() {
        let code = "fn f() { nearcast_node::start() } // nearcast_sim\n";
        let files = [("crates/engine/Cargo.toml", ENGINE), ("crates/engine/src/a.rs", code)];
        assert_eq!(
            found(check, &files),
            ["crates/engine/src/a.rs:1: nearcast-engine may not use nearcast-node [sample]"]
        );
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        let files = [("crates/extra/Cargo.toml", "[package]\nname = \"nearcast-extra\"\n")];
        assert_eq!(found(check, &files).len(), 1);
    }
}
