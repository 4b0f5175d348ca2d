//! A Rust file, split into code and comments, so that rules do not trip over strings and prose.

use std::ops::Range;

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the workspace's root, with `/`.
    pub(crate) path: String,
    /// As written.
    pub(crate) text: String,
    /// The same bytes, with comments and the insides of strings blanked: offsets and lines agree.
    pub(crate) code: String,
    /// The comments, in order.
    pub(crate) comments: Vec<Comment>,
    /// Byte ranges of `#[cfg(test)]` modules.
    tests: Vec<Range<usize>>,
}

/// One comment: `//` to the end of the line, or `/* */`.
#[derive(Debug)]
pub(crate) struct Comment {
    /// Where it starts.
    pub(crate) at: usize,
    /// With its slashes.
    pub(crate) text: String,
}

/// One function with a body.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Line of `fn`.
    pub(crate) line: usize,
    /// Lines from `fn` to the closing brace.
    pub(crate) lines: usize,
}

impl Source {
    /// Reads `text` as the file at `path`.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, comments) = split(text);
        let tests = test_modules(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, comments, tests }
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1
    }

    /// How many lines the file has.
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Whether the byte at `at` belongs to tests: by the file's place, or by `#[cfg(test)]` around it.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.tests.iter().any(|range| range.contains(&at))
    }

    /// Identifiers and keywords of the code, with their offsets.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        words(&self.code)
    }

    /// Offsets at which `needle` occurs in the code.
    pub(crate) fn find<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(needle).map(|(at, _)| at)
    }

    /// The first character of the code at or after `at` that is not white space, and its offset.
    pub(crate) fn next_char(&self, at: usize) -> Option<(usize, char)> {
        self.code[at..].char_indices().find(|(_, c)| !c.is_whitespace()).map(|(i, c)| (at + i, c))
    }

    /// The offset just behind the brace that closes the one at `open`.
    pub(crate) fn closing(&self, open: usize) -> usize {
        closing(&self.code, open)
    }

    /// Functions that have a body.
    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        let mut found = Vec::new();
        let mut words = self.words().peekable();
        while let Some((at, word)) = words.next() {
            if word != "fn" {
                continue;
            }
            let Some(&(name_at, name)) = words.peek() else { break };
            // `fn(u8)` is a type.
            if self.next_char(at + 2).is_none_or(|(i, _)| i != name_at) {
                continue;
            }
            let Some(open) = body(&self.code, name_at) else { continue };
            let line = self.line(at);
            let lines = self.line(self.closing(open).saturating_sub(1)) - line + 1;
            found.push(Function { name, line, lines });
        }
        found
    }
}

/// Identifiers and keywords of `code`, with their offsets.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |n| start + n);
        at = end;
        Some((start, &code[start..end]))
    })
}

/// Where the body of the function whose name is at `from` opens; nothing for a declaration without one.
fn body(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (i, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return Some(i),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (i, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return i + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn test_modules(code: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let Some(open) = body(code, at) else { continue };
        found.push(at..closing(code, open));
    }
    found
}

/// Blanks comments and the insides of strings and characters; hands the comments out.
fn split(text: &str) -> (String, Vec<Comment>) {
    let mut code = String::with_capacity(text.len());
    let mut comments = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let before = code.chars().next_back();
        let (keep, length) = if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            comments.push(Comment { at, text: rest[..length].to_owned() });
            (0, length)
        } else if rest.starts_with("/*") {
            let length = block_comment(rest);
            comments.push(Comment { at, text: rest[..length].to_owned() });
            (0, length)
        } else if let Some(length) = raw_string(rest, before) {
            (1, length)
        } else if c == '"' {
            (1, quoted(rest, '"'))
        } else if c == '\'' {
            (1, character(rest).unwrap_or(1))
        } else {
            (c.len_utf8(), c.len_utf8())
        };
        code.push_str(&rest[..keep]);
        code.extend(rest[keep..length].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        at += length;
    }
    (code, comments)
}

/// Length of the block comment at the start of `rest`; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of a raw string at the start of `rest`, if there is one; `before` is the character in front of it.
fn raw_string(rest: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|p| rest.strip_prefix(p).is_some_and(|after| after.trim_start_matches('#').starts_with('"')))?;
    let after = &rest[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(hashes));
    let inside = prefix.len() + hashes + 1;
    Some(rest[inside..].find(&end).map_or(rest.len(), |n| inside + n + end.len()))
}

/// Length of the text in `quote`s at the start of `rest`.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return i + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of the character at the start of `rest`; nothing for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut inside = rest.chars().skip(1);
    let first = inside.next()?;
    (first == '\\' || inside.next()? == '\'').then(|| quoted(rest, '\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("a.rs", text).code
    }

    #[test]
    fn comments_and_strings_are_blanked_in_place() {
        let text = "a // todo!()\nlet s = \"x { \\\" y\"; /* b /* c */ d */ e";
        let blanked = code(text);
        assert_eq!(blanked.len(), text.len());
        assert!(!blanked.contains("todo") && !blanked.contains('{') && !blanked.contains('d'));
        assert!(blanked.ends_with('e'));
        assert_eq!(blanked.lines().count(), 2);
    }

    #[test]
    fn raw_strings_characters_and_lifetimes_are_told_apart() {
        let blanked = code("fn f<'a>(x: &'a str) { r#\"{ \"quoted\" \"#; '{'; '\\''; b'}'; br\"{\" }");
        assert_eq!(blanked.matches('{').count(), 1);
        assert_eq!(blanked.matches('}').count(), 1);
        assert!(blanked.contains("<'a>") && blanked.contains("&'a str"));
    }

    #[test]
    fn functions_are_measured_to_their_closing_brace() {
        let source = Source::new(
            "a.rs",
            "trait T { fn declared(&self) -> [u8; 2]; }\nfn one() { \"}\" }\nfn many(\n    f: fn(u8) -> u8,\n) {\n    if x {\n    }\n}\n",
        );
        let found: Vec<_> = source.functions().iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("one", 2, 1), ("many", 3, 6)]);
    }

    #[test]
    fn test_modules_are_known() {
        let text = "fn shipped() {}\n#[cfg(test)]\nmod tests {\n    fn probe() {}\n}\nfn after() {}";
        let source = Source::new("src/a.rs", text);
        let at = |word: &str| source.text.find(word).expect("in the sample");
        assert!(
            !source.is_test(at("shipped")) && source.is_test(at("probe")) && !source.is_test(at("after"))
        );
        assert!(Source::new("crates/a/tests/b.rs", "").is_test(0));
    }
}
