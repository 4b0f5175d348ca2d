//! Files that no crate reaches: they look alive and are never compiled.

use std::collections::BTreeSet;

use super::Findings;
use crate::repo::{Package, Repo};
use crate::source::Source;

/// Every Rust file is a crate's root or reached by a `mod` from one.
pub(super) fn check(repo: &Repo, findings: &mut Findings) {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<String> = repo.packages().iter().flat_map(|package| roots(repo, package)).collect();
    while let Some(path) = waiting.pop() {
        let Some(source) = repo.source(&path) else { continue };
        if reached.insert(path) {
            waiting.extend(children(source));
        }
    }
    for source in repo.sources.iter().filter(|source| !reached.contains(&source.path)) {
        findings.file(&source.path, "no `mod` reaches this file: add it to its crate or delete it");
    }
}

/// The root files of a package: where cargo looks by itself, and paths its manifest names.
fn roots(repo: &Repo, package: &Package) -> Vec<String> {
    let below = |path: &str| join(&package.folder, path);
    let mut roots = vec![below("src/lib.rs"), below("src/main.rs"), below("build.rs")];
    for folder in ["src/bin", "tests", "benches", "examples"] {
        let prefix = format!("{}/", below(folder));
        roots.extend(repo.sources.iter().map(|source| source.path.clone()).filter(|path| {
            path.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/') || is_main_of_folder(rest))
        }));
    }
    for kind in ["lib", "bin", "test", "bench", "example"] {
        let targets = match package.manifest.get(kind) {
            Some(toml::Value::Array(targets)) => targets.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        roots.extend(targets.iter().filter_map(|target| Some(below(target.get("path")?.as_str()?))));
    }
    roots
}

/// `folder/main.rs`.
fn is_main_of_folder(path: &str) -> bool {
    path.split_once('/').is_some_and(|(_, file)| file == "main.rs")
}

/// The files that `mod name;` in `source` may stand for.
fn children(source: &Source) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.trim_end_matches(".rs");
    let mut found = Vec::new();
    // Inline modules around the place being read: name, and where each closes.
    let mut around: Vec<(&str, usize)> = Vec::new();
    let mut words = source.words().peekable();
    while let Some((at, word)) = words.next() {
        around.retain(|(_, close)| *close > at);
        let Some(&(name_at, name)) = words.peek().filter(|_| word == "mod") else { continue };
        let inline: Vec<_> = around.iter().map(|(name, _)| *name).collect();
        match source.next_char(name_at + name.len()) {
            Some((open, '{')) => around.push((name, source.closing(open))),
            Some((_, ';')) => {
                if let Some(path) = path_attribute(source, at) {
                    found.push(join(folder, path));
                }
                // A root's or mod.rs's children lie beside it, another file's in the folder of its name;
                // which files are roots is cargo's business, so both places count.
                for base in [folder.to_owned(), join(folder, stem)] {
                    let base = inline.iter().fold(base, |base, part| join(&base, part));
                    found.push(join(&base, &format!("{name}.rs")));
                    found.push(join(&base, &format!("{name}/mod.rs")));
                }
            }
            Some(_) | None => {}
        }
    }
    found
}

/// The value of a `#[path = ".."]` on the line in front of the `mod` at `at`, or on its own.
fn path_attribute(source: &Source, at: usize) -> Option<&str> {
    let before = &source.text[..at];
    let from = before.rfind("#[path")?;
    // The attribute belongs to this module when nothing but it stands in between.
    let rest = &before[from..];
    let (value, after) = rest.split_once('"')?.1.split_once('"')?;
    let after = after.trim_start_matches(']').trim();
    matches!(after, "" | "pub" | "pub(crate)" | "pub(super)").then_some(value)
}

fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    const MANIFEST: (&str, &str) =
        ("c/Cargo.toml", "[package]\nname = \"c\"\n[[bin]]\npath = \"src/tool.rs\"\n");

    #[test]
    fn an_orphan_is_found() {
        let files = [MANIFEST, ("c/src/lib.rs", "// mod b;\nlet s = \"mod b;\";\n"), ("c/src/b.rs", "")];
        assert_eq!(
            found(check, &files),
            ["c/src/b.rs: no `mod` reaches this file: add it to its crate or delete it [sample]"]
        );
    }

    #[test]
    fn modules_of_every_form_are_reached() {
        let files = [
            MANIFEST,
            (
                "c/src/lib.rs",
                "mod a;\npub(crate) mod b;\n#[path = \"odd/name.rs\"]\nmod d;\nmod e { pub mod f; }\n",
            ),
            ("c/src/a.rs", "#[cfg(test)]\nmod tests;\n"),
            ("c/src/a/tests.rs", ""),
            ("c/src/b/mod.rs", "mod deep;"),
            ("c/src/b/deep.rs", ""),
            ("c/src/odd/name.rs", ""),
            ("c/src/e/f.rs", ""),
            ("c/src/tool.rs", ""),
            ("c/src/bin/other.rs", ""),
            ("c/tests/one.rs", ""),
            ("c/tests/many/main.rs", "mod part;"),
            ("c/tests/many/part.rs", ""),
        ];
        assert_eq!(found(check, &files), Vec::<String>::new());
    }

    #[test]
    fn a_file_below_an_orphan_is_an_orphan() {
        let files = [
            MANIFEST,
            ("c/src/lib.rs", "mod a { }\nmod f;\n"),
            ("c/src/orphan.rs", "mod below;"),
            ("c/src/orphan/below.rs", ""),
            ("c/src/a/f.rs", ""),
            ("c/src/f.rs", ""),
        ];
        assert_eq!(found(check, &files).len(), 3);
    }
}
