//! Draws lines in place, again and again; on anything but a terminal, a line a second.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use console::Term;

use super::{Colours, View, line, render};

/// Where the demo shows itself: standard error, so that standard output holds the result alone.
#[derive(Debug)]
pub(crate) struct Terminal {
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Lines drawn before, to be drawn over.
    InPlace { term: Term, colours: Colours, drawn: usize },
    /// The second that was told last.
    Lines { told: Option<u64> },
}

impl Terminal {
    /// Standard error as it is. Honours NO_COLOR (no-color.org) and TERM=dumb.
    pub(crate) fn open() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if !io::stderr().is_terminal() || dumb {
            return Self { way: Way::Lines { told: None } };
        }
        let colours = if set("NO_COLOR") { Colours::Off } else { Colours::On };
        let term = Term::stderr();
        // A cursor that stays visible is no reason to stop.
        let _ = term.hide_cursor();
        Self { way: Way::InPlace { term, colours, drawn: 0 } }
    }

    /// Shows a moment.
    pub(crate) fn show(&mut self, view: &View) {
        // Nobody may be looking any more; the demo goes on.
        let _ = self.draw(view);
    }

    /// Says something that stays, above the table.
    pub(crate) fn say(&mut self, text: &str) {
        if let Way::InPlace { term, drawn, .. } = &mut self.way {
            let _ = term.clear_last_lines(std::mem::take(drawn));
        }
        let _ = writeln!(io::stderr(), "{text}");
    }

    fn draw(&mut self, view: &View) -> io::Result<()> {
        match &mut self.way {
            Way::InPlace { term, colours, drawn } => {
                // Terminals of unknown size are taken as the smallest usual one.
                let (height, width) = term.size_checked().unwrap_or((24, 80));
                let lines = render(view, usize::from(width), *colours);
                let fitting = fit(lines, usize::from(height).saturating_sub(1));
                let mut text = String::new();
                if *drawn > 0 {
                    text += &format!("\x1b[{drawn}A");
                }
                for line in &fitting {
                    text += &format!("\r\x1b[2K{line}\n");
                }
                text += "\x1b[0J";
                *drawn = fitting.len();
                term.write_str(&text)?;
                term.flush()
            }
            Way::Lines { told } => {
                let second = view.elapsed.max(Duration::ZERO).as_secs();
                if told.replace(second) != Some(second) {
                    writeln!(io::stderr(), "{}", line(view))?;
                }
                Ok(())
            }
        }
    }
}

/// The lines that fit; the last of them says how many do not.
pub(super) fn fit(mut lines: Vec<String>, height: usize) -> Vec<String> {
    if lines.len() > height && height > 0 {
        let hidden = lines.len() - (height - 1);
        lines.truncate(height - 1);
        lines.push(format!("… {hidden} more lines"));
    }
    lines
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Way::InPlace { term, .. } = &self.way {
            let _ = term.show_cursor();
        }
    }
}
