//! Exceptions to rules: written down with a reason, and gone when nothing needs them.

use super::{EXCEPTIONS, Finding};

/// The shortest reason that can be one.
const SHORTEST_REASON: usize = 20;

/// One exception: a rule, a file, maybe one item in it.
#[derive(Debug, Default)]
struct Exception {
    rule: String,
    path: String,
    item: Option<String>,
    reason: String,
}

/// All exceptions, and what is wrong with their file.
#[derive(Debug)]
pub(super) struct Exceptions {
    list: Vec<Exception>,
    broken: Vec<String>,
}

impl Exceptions {
    /// Reads the file's text. What cannot be read is reported by [`Exceptions::apply`].
    pub(super) fn parse(text: &str) -> Self {
        let mut read = Self { list: Vec::new(), broken: Vec::new() };
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                read.broken.push(format!("not TOML: {}", error.message()));
                return read;
            }
        };
        for (key, value) in &table {
            match value.as_array().filter(|_| key == "exception") {
                Some(entries) => entries.iter().for_each(|entry| read.entry(entry)),
                None => read.broken.push(format!("`{key}` is not a list of `[[exception]]`")),
            }
        }
        read
    }

    fn entry(&mut self, entry: &toml::Value) {
        let text = |key: &str| entry.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let one = Exception {
            rule: text("rule").unwrap_or_default(),
            path: text("path").unwrap_or_default(),
            item: text("item"),
            reason: text("reason").unwrap_or_default(),
        };
        if one.reason.len() < SHORTEST_REASON {
            self.broken.push(format!("{} in {} gives no reason", one.rule, one.path));
        }
        self.list.push(one);
    }

    /// `findings` without the excepted ones, and with what is wrong with the exceptions.
    pub(super) fn apply(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        let mut broken = self.broken.clone();
        for one in &self.list {
            let before = findings.len();
            findings.retain(|finding| !one.covers(finding));
            if findings.len() == before {
                broken.push(format!("{} in {} is not needed", one.rule, one.path));
            }
        }
        findings.extend(broken.into_iter().map(|says| Finding {
            rule: "exception",
            path: EXCEPTIONS.to_owned(),
            line: None,
            item: None,
            says,
        }));
        findings
    }
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.rule
            && self.path == finding.path
            && (self.item.is_none() || self.item == finding.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(item: &str) -> Finding {
        let (path, item) = ("a.rs".to_owned(), Some(item.to_owned()));
        Finding { rule: "function-lines", path, line: Some(1), item, says: "too long".to_owned() }
    }

    fn left(text: &str, items: &[&str]) -> Vec<String> {
        let left = Exceptions::parse(text).apply(items.iter().map(|item| finding(item)).collect());
        left.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_exception_covers_its_item_alone() {
        let text = r#"
            [[exception]]
            rule = "function-lines"
            path = "a.rs"
            item = "table"
            reason = "one row for each message of the wire"
        "#;
        assert_eq!(left(text, &["table", "other"]), ["a.rs:1: too long [function-lines]"]);
        assert_eq!(
            left(text, &[]),
            ["xtask/exceptions.toml: function-lines in a.rs is not needed [exception]"]
        );
    }

    #[test]
    fn without_a_reason_or_form_it_is_a_finding_itself() {
        let text = "[[exception]]\nrule = \"function-lines\"\npath = \"a.rs\"\nreason = \"long\"";
        assert_eq!(
            left(text, &["table"]),
            ["xtask/exceptions.toml: function-lines in a.rs gives no reason [exception]"]
        );
        assert_eq!(left("exception = 3", &[]).len(), 1);
        assert_eq!(left("[[", &[]).len(), 1);
    }
}
