//! How far publishing or checking is, shown on a terminal only.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nearcast_content::TitleId;
use nearcast_node::publish::Progress;

/// A bar on standard error.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar that stays hidden beside JSON and away from a terminal.
    pub(crate) fn new(json: bool) -> Self {
        let shown = !json && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style =
            ProgressStyle::with_template("{bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}");
        Self(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// Takes the bar off the screen.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn planned(&self, _titles: usize, bytes: u64) {
        self.0.set_length(bytes);
    }

    fn bytes(&self, count: u64) {
        self.0.inc(count);
    }

    fn title(&self, title: &TitleId) {
        self.0.set_message(title.to_string());
    }
}
