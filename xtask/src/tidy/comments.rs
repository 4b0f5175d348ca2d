//! What comments must say, and what ages badly in them.

use super::Findings;
use crate::repo::Repo;

/// The shortest first line that says something.
const SHORTEST_DOC: usize = 12;
/// Words that compare with a past no reader knows.
const AGED: [&str; 4] = ["Now ", "Previously", "Formerly", "No longer"];

/// Every file begins with a module doc.
pub(super) fn module_doc(repo: &Repo, findings: &mut Findings) {
    for source in &repo.sources {
        let first = source.text.lines().next().unwrap_or("");
        let says = first.strip_prefix("//!").map(str::trim);
        if says.is_none_or(|says| says.len() < SHORTEST_DOC) {
            findings.line(&source.path, 1, "the first line is not a `//!` that says what the file is");
        }
    }
}

/// No comment tells its own history.
pub(super) fn age(repo: &Repo, findings: &mut Findings) {
    for source in &repo.sources {
        for comment in &source.comments {
            let text = comment.text.trim_start_matches(['/', '!', '*', ' ']);
            let aged =
                |word: &&&str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
            // In the middle of a paragraph "now" is an ordinary word: only what opens a sentence counts.
            let opens = text.starts_with(char::is_uppercase);
            if let Some(word) = AGED.iter().find(aged).filter(|_| opens) {
                let line = source.line(comment.at);
                let says = format!("`{}` ages: say what is so, and why", word.trim());
                findings.line(&source.path, line, says);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    #[test]
    fn a_file_without_a_first_line_doc_is_found() {
        let good = ("a.rs", "//! Ranges of bytes and of blocks.\n");
        let late = ("b.rs", "\n//! Ranges of bytes and of blocks.\n");
        let empty = ("c.rs", "");
        let hollow = ("d.rs", "//! Ranges.\n");
        assert_eq!(found(module_doc, &[good]), Vec::<String>::new());
        assert_eq!(found(module_doc, &[late, empty, hollow]).len(), 3);
    }

    #[test]
    fn a_comment_that_tells_history_is_found() {
        let bad = "// Now uses a map.\n/// Previously a list.\n/* No longer needed */\n";
        assert_eq!(found(age, &[("a.rs", bad)]).len(), 3);
        let good = "// what is due\n// now comes first. Nowhere else.\nlet s = \"// Now \";\n";
        assert_eq!(found(age, &[("a.rs", good)]), Vec::<String>::new());
    }
}
