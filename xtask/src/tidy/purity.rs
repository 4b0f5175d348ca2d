//! The pure crates: no clock, socket, file, thread, hash order; and no floats where the engine decides.
//!
//! Clippy's lists (`crates/*/clippy.toml`) name single functions and types; this names whole modules.

use super::Findings;
use crate::repo::Repo;
use crate::source::Source;

/// Modules of the standard library that reach outside, and how the pure crates do instead.
const MODULES: [(&str, &str); 6] = [
    ("fs", "files are the shell's"),
    ("net", "addresses and sockets are the shell's"),
    ("thread", "the order of threads cannot be replayed"),
    ("process", "programs are the shell's"),
    ("env", "settings come in as arguments"),
    ("os", "the pure crates run in browsers"),
];
/// Types that bring in what cannot be replayed.
const TYPES: [(&str, &str); 7] = [
    ("Instant", "time comes in as an argument"),
    ("SystemTime", "time comes in as an argument"),
    ("HashMap", "its order differs from run to run: use BTreeMap"),
    ("HashSet", "its order differs from run to run: use BTreeSet"),
    ("Mutex", "one owner, and values that move"),
    ("RwLock", "one owner, and values that move"),
    ("thread_local", "state is owned, never ambient"),
];
/// Parsing a host in an address needs the types, not the sockets.
const ADDRESSES_ALLOWED: &str = "crates/content/src/web_url.rs";

/// The pure crates have no effects. Their tests may read golden files.
pub(super) fn effects(repo: &Repo, findings: &mut Findings) {
    for source in repo.sources.iter().filter(|source| is_pure(source)) {
        let mut before: Option<(usize, &str)> = None;
        let mut group_until = 0;
        for (at, word) in source.words() {
            let joined =
                before.is_some_and(|(from, std)| std == "std" && source.code[from + 3..at].trim() == "::");
            if let Some(open) = group(source, at, word) {
                group_until = source.closing(open);
            }
            let reaches = joined || at < group_until;
            let reason =
                TYPES.iter().chain(MODULES.iter().filter(|_| reaches)).find(|(name, _)| *name == word);
            if let Some((name, reason)) = reason
                && !source.is_test(at)
                && !(*name == "net" && source.path == ADDRESSES_ALLOWED)
            {
                findings.line(&source.path, source.line(at), format!("`{name}`: {reason}"));
            }
            before = Some((at, word));
        }
    }
}

/// The brace of `std::{`, when `word` is that `std`.
fn group(source: &Source, at: usize, word: &str) -> Option<usize> {
    let after = source.code[at..].strip_prefix("std::{").filter(|_| word == "std")?;
    Some(source.code.len() - after.len() - 1)
}

/// The engine decides in whole numbers, so that every machine decides alike.
pub(super) fn floats(repo: &Repo, findings: &mut Findings) {
    for source in repo.sources.iter().filter(|source| source.path.starts_with("crates/engine/src/")) {
        for (at, word) in source.words().filter(|(at, _)| !source.is_test(*at)) {
            if matches!(word, "f32" | "f64")
                || word.ends_with("f64") && is_number(word)
                || is_fraction(source, at, word)
            {
                let says = format!("`{word}`: the engine counts in whole numbers (units.rs, time.rs)");
                findings.line(&source.path, source.line(at), says);
            }
        }
    }
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether the number `word` goes on as `.5`. A field's number (`pair.0.1`) has a dot in front.
fn is_fraction(source: &Source, at: usize, word: &str) -> bool {
    let after = source.code[at + word.len()..].strip_prefix('.');
    is_number(word)
        && !source.code[..at].ends_with('.')
        && after.is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_pure(source: &Source) -> bool {
    ["crates/content/", "crates/engine/"].iter().any(|folder| source.path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    const NONE: Vec<String> = Vec::new();

    #[test]
    fn effects_are_found_however_they_are_spelled() {
        for bad in [
            "use std::fs;",
            "use std::fs::File;",
            "use std::{fmt, net::IpAddr};",
            "fn f() { std::thread::spawn(g) }",
            "use std::time::Instant;",
            "use std::collections::{BTreeMap, HashMap};",
            "static S: Mutex<u8>;",
            "fn f() -> std :: process :: Command {}",
        ] {
            let says = found(effects, &[("crates/engine/src/a.rs", bad)]);
            assert_eq!(says.len(), 1, "{bad}: {says:?}");
        }
    }

    #[test]
    fn tests_shells_and_words_pass() {
        let code = "use std::fs;";
        assert_eq!(found(effects, &[("crates/node/src/a.rs", code)]), NONE);
        assert_eq!(found(effects, &[("crates/content/tests/a.rs", code)]), NONE);
        let own = "use crate::net;\nlet env = process; // HashMap\nuse std::{fmt, mem};\nmod os {}\n";
        assert_eq!(found(effects, &[("crates/engine/src/a.rs", own)]), NONE);
        assert_eq!(found(effects, &[(ADDRESSES_ALLOWED, "use std::net::Ipv4Addr;")]), NONE);
    }

    #[test]
    fn floats_are_found_in_code_that_decides() {
        for bad in ["let a: f64;", "x as f32", "let b = 0.5;", "1f64", "2.0_f64.ln()"] {
            assert!(!found(floats, &[("crates/engine/src/a.rs", bad)]).is_empty(), "{bad}");
        }
        for good in ["pair.0.1", "0..5", "a[1..2]", "x.1", "#[cfg(test)]\nmod tests { fn f() { 0.5; } }"] {
            assert_eq!(found(floats, &[("crates/engine/src/a.rs", good)]), NONE, "{good}");
        }
        assert_eq!(found(floats, &[("crates/sim/src/a.rs", "0.5")]), NONE);
    }
}
