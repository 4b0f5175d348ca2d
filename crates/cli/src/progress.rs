//! How far publishing or checking is, shown on a terminal only.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nearcast_content::TitleId;
use nearcast_node::publish::Progress;
use nearcast_node::store::CheckProgress;

use crate::shell::count;

/// A bar on standard error.
pub(crate) struct Bar(ProgressBar);

/// While bytes are copied, hashed or checked.
const BYTES: &str = "{bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}";
/// While media are packaged.
const PACKAGING: &str = "{bar:32} {percent:>3} % packaged, {eta} left {wide_msg}";

impl Bar {
    /// A bar that stays hidden beside JSON and away from a terminal.
    pub(crate) fn new(json: bool) -> Self {
        let shown = !json && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = Self(ProgressBar::with_draw_target(Some(0), target));
        bar.begin(BYTES, 0, "");
        bar
    }

    /// Begins anew, with `length` to do.
    fn begin(&self, template: &str, length: u64, message: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_length(length);
        self.0.set_message(message.to_owned());
        self.0.reset();
    }

    /// Takes the bar off the screen.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn packaging(&self, files: usize, ms: u64) {
        self.begin(PACKAGING, ms, &count(files, "file"));
    }

    fn packaged(&self, ms: u64) {
        self.0.inc(ms);
    }

    fn planned(&self, _titles: usize, bytes: u64) {
        self.begin(BYTES, bytes, "");
    }

    fn grown(&self, bytes: u64) {
        self.0.inc_length(bytes);
    }

    fn bytes(&self, count: u64) {
        self.0.inc(count);
    }

    fn title(&self, title: &TitleId) {
        self.0.set_message(title.to_string());
    }
}

impl CheckProgress for Bar {
    fn planned(&self, bytes: u64) {
        self.begin(BYTES, bytes, "");
    }

    fn bytes(&self, count: u64) {
        self.0.inc(count);
    }
}
