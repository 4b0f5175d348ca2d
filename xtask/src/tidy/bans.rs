//! Things that do not stand in this repository at all, or in one place only.

use super::Findings;
use crate::repo::Repo;
use crate::source::Source;

/// Where a verdict may be made up: the engine's own, its tests without bytes, and the simulator that draws them.
const VERDICTS: [&str; 3] = ["crates/engine/src/verdict.rs", "crates/engine/tests/", "crates/sim/"];
/// Macros that stand for code nobody wrote.
const MISSING: [&str; 2] = ["todo", "unimplemented"];
/// Marks in comments that stand for work nobody did. Spelled apart, so that this file passes.
const MARKS: [&str; 3] = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];
/// Top folders that exist on somebody's machine.
const HOMES: [&str; 5] = ["home", "root", "Users", "work", "workspace"];

/// `Verdict` is implemented where that is allowed.
pub(super) fn verdict(repo: &Repo, findings: &mut Findings) {
    for source in repo.sources.iter().filter(|s| !VERDICTS.iter().any(|place| s.path.starts_with(place))) {
        let mut words = source.words().peekable();
        while let Some((at, word)) = words.next() {
            if word == "Verdict" && words.peek().is_some_and(|(_, next)| *next == "for") {
                let says = "a verdict comes from the verifier: only crates/sim makes up others";
                findings.line(&source.path, source.line(at), says);
            }
        }
    }
}

/// No lint is switched off without a word.
pub(super) fn allow(repo: &Repo, findings: &mut Findings) {
    for source in &repo.sources {
        for (at, _) in source.words().filter(|(_, word)| *word == "allow") {
            let before: String =
                source.code[..at].chars().rev().filter(|c| !c.is_whitespace()).take(2).collect();
            if matches!(before.as_str(), "[#" | "[!") {
                let says = "use `#[expect(.., reason = \"..\")]`, which ends when its cause does";
                findings.line(&source.path, source.line(at), says);
            }
        }
    }
}

/// Nothing is left for later without an issue.
pub(super) fn unfinished(repo: &Repo, findings: &mut Findings) {
    for source in &repo.sources {
        for (at, word) in source.words() {
            if MISSING.contains(&word) && source.code[at + word.len()..].starts_with('!') {
                findings.line(
                    &source.path,
                    source.line(at),
                    format!("`{word}!` stands for code nobody wrote"),
                );
            }
        }
        for at in source.find("#[ignore") {
            findings.line(&source.path, source.line(at), "a test that does not run proves nothing");
        }
        marks(source, findings);
    }
}

fn marks(source: &Source, findings: &mut Findings) {
    for comment in &source.comments {
        if let Some(mark) = MARKS.iter().find(|mark| comment.text.contains(**mark)) {
            let says = format!("`{mark}`: do it, or file an issue");
            findings.line(&source.path, source.line(comment.at), says);
        }
    }
}

/// No file names a place on somebody's machine.
pub(super) fn local_path(repo: &Repo, findings: &mut Findings) {
    for (path, text) in repo.texts.iter().filter(|(path, _)| !path.ends_with(".lock")) {
        for (number, line) in text.lines().enumerate() {
            if HOMES.iter().any(|home| names_folder(line, home)) {
                findings.line(path, number + 1, "a path of somebody's machine");
            }
        }
    }
}

/// Whether the folder `home` at the root stands in `line` as the beginning of a path.
fn names_folder(line: &str, home: &str) -> bool {
    let needle = format!("/{home}/");
    line.match_indices(&needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + needle.len()..].chars().next();
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && !"._-~}]>)/:*".contains(c));
        begins && after.is_some_and(|c| c.is_alphanumeric() || c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    const NONE: Vec<String> = Vec::new();

    #[test]
    fn a_made_up_verdict_is_found() {
        let code = "impl<T> Verdict for Fake<T> {}";
        assert_eq!(found(verdict, &[("crates/node/src/a.rs", code)]).len(), 1);
        assert_eq!(found(verdict, &[("crates/sim/src/a.rs", code)]), NONE);
        let mention = "fn f<V: Verdict>() {} // impl Verdict for\n";
        assert_eq!(found(verdict, &[("crates/node/src/a.rs", mention)]), NONE);
    }

    #[test]
    fn a_lint_switched_off_is_found() {
        let bad = "#[allow(dead_code)]\nfn f() {}\n#![ allow ( unused ) ]\n";
        assert_eq!(found(allow, &[("a.rs", bad)]).len(), 2);
        let good = "#[expect(dead_code, reason = \"x\")]\nfn allow() { x[allow] }\n";
        assert_eq!(found(allow, &[("a.rs", good)]), NONE);
    }

    #[test]
    fn unfinished_work_is_found() {
        let bad = format!(
            "fn f() {{ todo!() }}\nfn g() {{ unimplemented!() }}\n#[ignore]\n#[ignore = \"x\"]\n// {}\n",
            MARKS[0]
        );
        assert_eq!(found(unfinished, &[("a.rs", &bad)]).len(), 5);
        assert_eq!(found(unfinished, &[("a.rs", "let todo = \"todo!()\"; let a = todo != b;\n")]), NONE);
    }

    #[test]
    fn a_path_of_a_machine_is_found_anywhere() {
        for home in HOMES {
            let bad = format!("see /{home}/anna/x\n");
            assert_eq!(found(local_path, &[("README.md", &bad)]).len(), 1, "{home}");
        }
        let good = format!("https://a.example/{0}/x, media/{0}/x, $HOME/x, /{0}/ alone\n", "work");
        assert_eq!(found(local_path, &[("README.md", &good)]), NONE);
        assert_eq!(found(local_path, &[("Cargo.lock", &format!("/{}/x", "root"))]), NONE);
    }
}
