//! How long files and functions may be.

use super::Findings;
use crate::repo::Repo;
use crate::source::Source;

/// Lines of a Rust file at most.
const FILE_LINES: usize = 800;
/// Lines of a typical Rust file at most; more is counted in the summary.
const TYPICAL_FILE_LINES: usize = 250;
/// Lines of a function at most, from `fn` to the closing brace.
const FUNCTION_LINES: usize = 70;

/// No file beyond its budget.
pub(super) fn file_lines(repo: &Repo, findings: &mut Findings) {
    for source in &repo.sources {
        let lines = source.lines();
        if lines > FILE_LINES {
            findings.file(&source.path, format!("{lines} lines, {FILE_LINES} are the most"));
        }
    }
}

/// No function beyond its budget.
pub(super) fn function_lines(repo: &Repo, findings: &mut Findings) {
    for source in &repo.sources {
        for function in source.functions() {
            if function.lines > FUNCTION_LINES {
                let says = format!(
                    "`{}` has {} lines, {FUNCTION_LINES} are the most",
                    function.name, function.lines
                );
                findings.item(&source.path, function.line, function.name, says);
            }
        }
    }
}

/// Where the workspace stands, in one line.
pub(super) fn summary(repo: &Repo) -> String {
    let mut files: Vec<_> = repo.sources.iter().map(Source::lines).collect();
    let mut functions: Vec<_> =
        repo.sources.iter().flat_map(Source::functions).map(|function| function.lines).collect();
    files.sort_unstable();
    functions.sort_unstable();
    let longer = files.iter().filter(|lines| **lines > TYPICAL_FILE_LINES).count();
    format!(
        "{} files: median {} lines, longest {}, {longer} above {TYPICAL_FILE_LINES}; {} functions: p90 {}, longest {}",
        files.len(),
        at_share(&files, 50),
        at_share(&files, 100),
        functions.len(),
        at_share(&functions, 90),
        at_share(&functions, 100),
    )
}

/// The value below which `percent` of the sorted values lie.
fn at_share(sorted: &[usize], percent: usize) -> usize {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    #[test]
    fn a_file_may_have_800_lines_and_no_more() {
        let (most, more) = ("//\n".repeat(800), "//\n".repeat(801));
        assert_eq!(found(file_lines, &[("a.rs", &most)]), Vec::<String>::new());
        assert_eq!(found(file_lines, &[("a.rs", &more)]).len(), 1);
    }

    #[test]
    fn a_function_may_have_70_lines_and_no_more() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "g();\n".repeat(lines - 2));
        assert_eq!(found(function_lines, &[("a.rs", &function(70))]), Vec::<String>::new());
        assert_eq!(
            found(function_lines, &[("a.rs", &function(71))]),
            ["a.rs:1: `f` has 71 lines, 70 are the most [sample]"]
        );
    }

    #[test]
    fn the_summary_counts() {
        let repo = Repo::sample(&[("a.rs", "fn f() {\n}\n"), ("b.rs", &"//\n".repeat(300))]);
        assert_eq!(
            summary(&repo),
            "2 files: median 2 lines, longest 300, 1 above 250; 1 functions: p90 2, longest 2"
        );
    }
}
