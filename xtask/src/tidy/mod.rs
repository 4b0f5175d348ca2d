//! `cargo xtask tidy`: rules of style as code. Each rule reads the whole workspace and names what breaks it.

mod bans;
mod budget;
mod comments;
mod dead;
mod direction;
mod exceptions;
mod frame;
mod names;
mod purity;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use self::exceptions::Exceptions;
use crate::repo::Repo;

/// Where exceptions are written down, each with its reason.
const EXCEPTIONS: &str = "xtask/exceptions.toml";

/// One rule: its name, what it asks for, and the check.
struct Rule {
    name: &'static str,
    asks: &'static str,
    check: fn(&Repo, &mut Findings),
}

/// All rules.
const RULES: &[Rule] = &[
    Rule {
        name: "module-doc",
        asks: "every Rust file begins with `//!` and says what it is",
        check: comments::module_doc,
    },
    Rule {
        name: "comment-age",
        asks: "no comment begins with now, previously, formerly, no longer",
        check: comments::age,
    },
    Rule {
        name: "file-lines",
        asks: "at most 800 lines in a Rust file, 250 are typical",
        check: budget::file_lines,
    },
    Rule {
        name: "function-lines",
        asks: "at most 70 lines in a function, 30 are typical",
        check: budget::function_lines,
    },
    Rule {
        name: "dead-file",
        asks: "every Rust file is reached by a `mod` from a crate's root",
        check: dead::check,
    },
    Rule {
        name: "direction",
        asks: "crates use only what ARCHITECTURE.md lets them",
        check: direction::check,
    },
    Rule {
        name: "name",
        asks: "no manager, helper, util, data, info, process, no numbered name",
        check: names::check,
    },
    Rule {
        name: "verdict",
        asks: "`Verdict` is implemented in crates/engine/src/verdict.rs and crates/sim only",
        check: bans::verdict,
    },
    Rule {
        name: "allow",
        asks: "`#[expect(.., reason = \"..\")]` instead of `#[allow(..)]`",
        check: bans::allow,
    },
    Rule {
        name: "unfinished",
        asks: "no todo!, unimplemented!, #[ignore], FIXME, XXX",
        check: bans::unfinished,
    },
    Rule {
        name: "purity",
        asks: "content and engine touch no clock, socket, file, thread, hash order",
        check: purity::effects,
    },
    Rule {
        name: "float",
        asks: "no f32, f64 or fraction in code of the engine that decides",
        check: purity::floats,
    },
    Rule { name: "local-path", asks: "no path of a developer's machine", check: bans::local_path },
    Rule {
        name: "lints",
        asks: "every crate takes the workspace's lints; the pure ones have a clippy.toml",
        check: frame::lints,
    },
    Rule {
        name: "frame",
        asks: "the files a stranger looks for are there, scripts can be run",
        check: frame::files,
    },
    Rule {
        name: "decision-index",
        asks: "docs/decisions/README.md lists every decision",
        check: frame::decisions,
    },
];

/// What breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Name of the rule.
    rule: &'static str,
    /// The file.
    path: String,
    /// The line, where there is one.
    line: Option<usize>,
    /// The function or name in question, for exceptions that name it.
    item: Option<String>,
    /// What is wrong.
    says: String,
}

/// What one rule finds.
struct Findings {
    rule: &'static str,
    found: Vec<Finding>,
}

impl Findings {
    /// A finding about a file as a whole.
    fn file(&mut self, path: &str, says: impl Into<String>) {
        self.push(path, None, None, says.into());
    }

    /// A finding at a line.
    fn line(&mut self, path: &str, line: usize, says: impl Into<String>) {
        self.push(path, Some(line), None, says.into());
    }

    /// A finding about a named item at a line.
    fn item(&mut self, path: &str, line: usize, item: &str, says: impl Into<String>) {
        self.push(path, Some(line), Some(item.to_owned()), says.into());
    }

    fn push(&mut self, path: &str, line: Option<usize>, item: Option<String>, says: String) {
        self.found.push(Finding { rule: self.rule, path: path.to_owned(), line, item, says });
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {} [{}]", self.says, self.rule)
    }
}

/// What breaks the rules in `repo`, without what is excepted; misused exceptions count too.
fn check(repo: &Repo) -> Vec<Finding> {
    let mut all = Vec::new();
    for rule in RULES {
        let mut findings = Findings { rule: rule.name, found: Vec::new() };
        (rule.check)(repo, &mut findings);
        all.append(&mut findings.found);
    }
    let exceptions = Exceptions::parse(repo.texts.get(EXCEPTIONS).map_or("", String::as_str));
    exceptions.apply(all)
}

/// Checks the workspace at `root`, prints what is wrong and where it stands.
pub(crate) fn run(root: &Path) -> ExitCode {
    let repo = match Repo::read(root) {
        Ok(repo) => repo,
        Err(error) => {
            eprintln!("tidy: cannot read {}: {error}", root.display());
            return ExitCode::from(2);
        }
    };
    let findings = check(&repo);
    for finding in &findings {
        println!("{finding}");
    }
    println!("{}", budget::summary(&repo));
    if findings.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{} findings; what cannot be otherwise goes to {EXCEPTIONS} with its reason", findings.len());
    ExitCode::FAILURE
}

/// Prints the rules.
pub(crate) fn explain() -> ExitCode {
    for rule in RULES {
        println!("{:16} {}", rule.name, rule.asks);
    }
    ExitCode::SUCCESS
}

/// What one rule says of a small workspace, as text.
#[cfg(test)]
fn found(check: fn(&Repo, &mut Findings), files: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Findings { rule: "sample", found: Vec::new() };
    check(&Repo::sample(files), &mut findings);
    findings.found.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_tidy() {
        let repo = Repo::read(&crate::root()).expect("the workspace can be read");
        assert!(repo.sources.len() > 50, "the walk lost the workspace: {} files", repo.sources.len());
        let findings: Vec<_> = check(&repo).iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    }

    #[test]
    fn names_of_rules_differ() {
        let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
    }

    #[test]
    fn a_finding_says_where_and_which_rule() {
        let says = found(comments::module_doc, &[("a/src/lib.rs", "fn f() {}\n")]);
        assert_eq!(
            says,
            ["a/src/lib.rs:1: the first line is not a `//!` that says what the file is [sample]"]
        );
    }
}
