//! Names that say nothing. The words to use stand in ARCHITECTURE.md's glossary.

use super::Findings;
use crate::repo::Repo;

/// Words that no name of ours carries anywhere.
const ANYWHERE: [&str; 7] = ["manager", "helper", "helpers", "util", "utils", "utility", "utilities"];
/// Words that are no name on their own, nor the noun at a name's end.
const AS_NOUN: [&str; 3] = ["data", "info", "process"];
/// What declares a module, a type or a function.
const DECLARES: [&str; 6] = ["mod", "struct", "enum", "trait", "type", "fn"];

/// No module, type or function carries an empty word.
pub(super) fn check(repo: &Repo, findings: &mut Findings) {
    for source in &repo.sources {
        let mut before = "";
        for (at, word) in source.words() {
            let declared = DECLARES.contains(&before);
            if declared && let Some(says) = objection(before, word) {
                findings.item(&source.path, source.line(at), word, says);
            }
            before = word;
        }
    }
}

/// What is wrong with `name`, declared by `kind`.
fn objection(kind: &str, name: &str) -> Option<String> {
    let words = split(name);
    let last = words.last()?;
    // A verb may well act on data: only a function's whole name counts.
    let noun = if kind == "fn" { words.len() == 1 } else { true };
    let empty = words
        .iter()
        .find(|word| ANYWHERE.contains(&word.as_str()))
        .or_else(|| Some(last).filter(|last| noun && AS_NOUN.contains(&last.as_str())));
    if let Some(word) = empty {
        return Some(format!("`{name}`: `{word}` says nothing; name what it does or holds"));
    }
    let stem = last.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem.len() < last.len() && stem == "handler")
        .then(|| format!("`{name}`: a number is no difference; name what is different"))
}

/// The words of a CamelCase or snake_case name, in lower case.
fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        let mut lower = false;
        words.push(String::new());
        for c in part.chars() {
            if c.is_uppercase() && lower {
                words.push(String::new());
            }
            lower = c.is_lowercase();
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    #[test]
    fn empty_names_are_found() {
        let bad = "mod utils;\nstruct PeerManager;\nenum RunInfo {}\ntrait UrlHelper {}\ntype Data = u8;\nfn process() {}\nfn handler2() {}\nmod data {}\n";
        assert_eq!(found(check, &[("a.rs", bad)]).len(), 8);
    }

    #[test]
    fn good_names_and_mentions_pass() {
        let good = "// a manager\nstruct DataChannel;\nfn read_data() {}\nfn spawn_process() {}\nenum Sha256 {}\nlet info = process;\nuse a::utils;\n";
        assert_eq!(found(check, &[("a.rs", good)]), Vec::<String>::new());
    }

    #[test]
    fn names_come_apart_into_words() {
        assert_eq!(split("HTTPManager"), ["httpmanager"]);
        assert_eq!(split("PeerManager"), ["peer", "manager"]);
        assert_eq!(split("peer_info2"), ["peer", "info2"]);
    }
}
