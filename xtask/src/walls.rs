//! What may not come into the pure crates by way of a dependency, and why.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates kept out of `content` and `engine`; a `*` at the end stands for any rest.
const KEPT_OUT: &[(&str, &str)] = &[
    ("tokio*", "a runtime: the engine is driven, it does not wait"),
    ("async-*", "a runtime: the engine is driven, it does not wait"),
    ("smol", "a runtime: the engine is driven, it does not wait"),
    ("futures*", "a future hides when it runs: effects leave as outputs"),
    ("mio", "sockets are the shell's"),
    ("socket2", "sockets are the shell's"),
    ("hyper*", "sockets are the shell's"),
    ("reqwest", "sockets are the shell's"),
    ("iroh*", "sockets are the shell's"),
    ("quinn*", "sockets are the shell's"),
    ("noq*", "sockets are the shell's"),
    ("rustls*", "connections are the shell's"),
    ("ring", "C and assembly that a browser build lacks; blake3 and dalek do without"),
    ("openssl*", "C that a browser build lacks"),
    ("rand*", "chances come from the seed in random.rs, keys from the shell"),
    ("fastrand", "chances come from the seed in random.rs"),
    ("getrandom", "entropy comes from the shell, so that runs can be replayed"),
    ("time", "a clock: time comes in as an argument"),
    ("chrono", "a clock: time comes in as an argument"),
    ("web-time", "a clock: time comes in as an argument"),
    ("instant", "a clock: time comes in as an argument"),
    ("rayon*", "threads: their order cannot be replayed"),
    ("crossbeam*", "threads: their order cannot be replayed"),
    ("parking_lot*", "threads: their order cannot be replayed"),
    ("redb", "files are the shell's"),
    ("tempfile", "files are the shell's"),
    ("memmap2", "files are the shell's"),
    ("tracing*", "what happened leaves as an output; the shell logs it"),
    ("log", "what happened leaves as an output; the shell logs it"),
    ("wasm-bindgen", "the browser is a shell like any other"),
    ("js-sys", "the browser is a shell like any other"),
    ("web-sys", "the browser is a shell like any other"),
    ("nearcast-node", "shells use the engine, not the other way"),
    ("nearcast-sim", "shells use the engine, not the other way"),
];

/// What of `tree` (names of crates) is kept out, with the reasons.
fn intruders(tree: &BTreeSet<String>) -> Vec<String> {
    let matches = |name: &str, pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    let mut found = Vec::new();
    for name in tree {
        for (pattern, reason) in KEPT_OUT.iter().filter(|(pattern, _)| matches(name, pattern)) {
            found.push(format!("{name} ({pattern}): {reason}"));
        }
    }
    found
}

/// Names of the crates that `package` is built with, tests and build scripts left out.
fn tree(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package", package])
        .current_dir(crate::root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn nothing_from_outside_comes_into_the_pure_crates() {
    for package in ["nearcast-content", "nearcast-engine"] {
        let tree = tree(package);
        assert!(tree.contains("blake3"), "{package}: the tree is not what it should be: {tree:?}");
        assert_eq!(intruders(&tree), Vec::<String>::new(), "{package}: cargo tree -i NAME shows the way in");
    }
}

/// The list bites: the native shell, full of what the pure crates must not have, breaks it many times.
#[test]
fn the_native_shell_would_not_pass() {
    let found = intruders(&tree("nearcast-node"));
    for name in ["tokio ", "iroh ", "rustls ", "getrandom ", "ring ", "tracing "] {
        assert!(found.iter().any(|line| line.starts_with(name)), "{name} is missed: {found:#?}");
    }
}
