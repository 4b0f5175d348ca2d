//! The live table: who plays what, how far, and where the bytes come from. Rendering is a function of what is
//! shown and of the terminal; drawing in place is [`Terminal`]'s.

mod terminal;
#[cfg(test)]
mod tests;

use std::time::Duration;

use console::{Alignment, measure_text_width, pad_str, truncate_str};

use super::player::State;

pub(crate) use terminal::Terminal;

/// Narrowest terminal that gets times and wide bars.
const WIDE: usize = 100;
/// Narrowest one that gets a bar for the playhead.
const MEDIUM: usize = 72;

/// What is shown at one moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) elapsed: Duration,
    pub(crate) lasts: Duration,
    /// Bytes per second that leave the provider, if the kernel tells, and the ceiling.
    pub(crate) uplink: Option<u64>,
    pub(crate) ceiling: u64,
    pub(crate) offload: Option<f64>,
    pub(crate) rows: Vec<Row>,
}

/// One listener.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) number: usize,
    pub(crate) title: String,
    pub(crate) position: Duration,
    pub(crate) buffered: Duration,
    pub(crate) length: Duration,
    pub(crate) cache: u64,
    pub(crate) peers: u64,
    pub(crate) origin: u64,
    pub(crate) mood: Mood,
}

/// How a listener is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Its time has not come.
    Expected,
    /// Its node starts.
    Joining,
    /// Its node runs, and nothing was chosen yet.
    Choosing,
    /// It plays, or tries to.
    Plays(State),
    /// It has nothing more to play, and serves others.
    Serving,
    /// It said goodbye.
    Left,
    /// Its process was killed.
    Killed,
}

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// Sources are told by colour.
    On,
    /// Sources are told by letter.
    Off,
}

#[derive(Clone, Copy)]
enum Ink {
    Green,
    Yellow,
    Red,
    Blue,
    Dim,
    Bold,
}

/// The table in at most `width` columns.
pub(crate) fn render(view: &View, width: usize, colours: Colours) -> Vec<String> {
    let brush = Brush { colours };
    let mut lines = vec![brush.header(view), String::new()];
    lines.push(brush.ink(Ink::Dim, &brush.titles(width)));
    lines.extend(view.rows.iter().map(|row| brush.row(row, width)));
    lines.push(String::new());
    lines.push(brush.legend());
    lines.into_iter().map(|line| truncate_str(&line, width, "…").into_owned()).collect()
}

/// One line for logs.
pub(crate) fn line(view: &View) -> String {
    let here = |row: &&Row| matches!(row.mood, Mood::Choosing | Mood::Plays(_) | Mood::Serving);
    let playing = |row: &&Row| row.mood == Mood::Plays(State::Playing);
    let sum = |of: fn(&Row) -> u64| amount(view.rows.iter().map(of).sum());
    format!(
        "{:>3} s  {} listeners, {} playing; provider {}; played {} from caches, {} from peers, {} from the provider; offload {}",
        view.elapsed.as_secs(),
        view.rows.iter().filter(here).count(),
        view.rows.iter().filter(playing).count(),
        uplink(view),
        sum(|row| row.cache),
        sum(|row| row.peers),
        sum(|row| row.origin),
        percent(view.offload),
    )
}

/// Bytes as people read them.
pub(crate) fn amount(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

fn percent(offload: Option<f64>) -> String {
    offload.map_or_else(|| "-".to_owned(), |offload| format!("{:.0} %", offload * 100.0))
}

fn uplink(view: &View) -> String {
    let megabits = |bytes: u64| format!("{}.{}", bytes * 8 / 1_000_000, bytes * 8 / 100_000 % 10);
    let used = view.uplink.map_or_else(|| "?".to_owned(), megabits);
    format!("{used} of {} Mbit/s", megabits(view.ceiling))
}

fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// Widths of the columns that depend on the terminal; zero leaves one out.
struct Columns {
    title: usize,
    playhead: usize,
    time: usize,
    sources: usize,
}

fn columns(width: usize) -> Columns {
    // Number, amount, state, and a space behind each column.
    let fixed = 3 + 9 + 1 + 8;
    if width >= WIDE {
        let spare = (width - WIDE).min(36);
        let title = 20 + spare / 3;
        let time = 11;
        let sources = 14 + spare / 3;
        let playhead = width.min(WIDE + 36) - fixed - title - time - sources - 4;
        Columns { title, playhead, time, sources }
    } else if width >= MEDIUM {
        let playhead = 16;
        let sources = 10;
        Columns { title: width - fixed - playhead - sources - 3, playhead, time: 0, sources }
    } else {
        Columns { title: width.saturating_sub(fixed + 8 + 2).clamp(6, 24), playhead: 0, time: 0, sources: 8 }
    }
}

struct Brush {
    colours: Colours,
}

impl Brush {
    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Red => "31",
            Ink::Blue => "34",
            Ink::Dim => "2",
            Ink::Bold => "1",
        };
        match self.colours {
            Colours::On if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            Colours::On | Colours::Off => text.to_owned(),
        }
    }

    fn header(&self, view: &View) -> String {
        format!(
            "{}  {} of {}   offload {}   provider sends {}",
            self.ink(Ink::Bold, "Nearcast demo"),
            clock(view.elapsed),
            clock(view.lasts),
            self.ink(Ink::Bold, &percent(view.offload)),
            uplink(view),
        )
    }

    fn titles(&self, width: usize) -> String {
        let at = columns(width);
        let mut line = pad(" #", 3) + &pad("plays", at.title + 1);
        if at.playhead > 0 {
            line += &pad("playhead, buffer", at.playhead + 1);
        }
        if at.time > 0 {
            line += &pad("", at.time + 1);
        }
        line + &pad("from", at.sources + 1) + &pad("", 10) + "state"
    }

    fn row(&self, row: &Row, width: usize) -> String {
        let at = columns(width);
        let mut line = format!("{:>2} ", row.number) + &pad(&row.title, at.title) + " ";
        if at.playhead > 0 {
            line += &(self.playhead(row, at.playhead) + " ");
        }
        if at.time > 0 {
            let time = match row.mood {
                Mood::Plays(_) => format!("{}/{}", clock(row.position), clock(row.length)),
                Mood::Expected
                | Mood::Joining
                | Mood::Choosing
                | Mood::Serving
                | Mood::Left
                | Mood::Killed => String::new(),
            };
            line += &(pad(&time, at.time) + " ");
        }
        let total = row.cache + row.peers + row.origin;
        let sum = if total == 0 { String::new() } else { amount(total) };
        line += &(self.sources(row, at.sources) + " ");
        line + &format!("{sum:>8}  ") + &self.mood(row.mood)
    }

    /// What was played, what is buffered, and the rest of the title.
    fn playhead(&self, row: &Row, width: usize) -> String {
        let cells = |time: Duration| part(time.as_millis(), row.length.as_millis(), width);
        let played = cells(row.position);
        let ahead = cells(row.position + row.buffered).saturating_sub(played);
        let rest = width - played - ahead;
        match row.mood {
            Mood::Plays(_) => {
                self.ink(Ink::Bold, &"━".repeat(played))
                    + &"─".repeat(ahead)
                    + &self.ink(Ink::Dim, &"·".repeat(rest))
            }
            Mood::Expected | Mood::Joining | Mood::Choosing | Mood::Serving | Mood::Left | Mood::Killed => {
                " ".repeat(width)
            }
        }
    }

    /// Bytes by source, as shares of the bar.
    fn sources(&self, row: &Row, width: usize) -> String {
        let total = u128::from(row.cache + row.peers + row.origin);
        if total == 0 {
            return " ".repeat(width);
        }
        let cache = part(row.cache.into(), total, width);
        let near = part((row.cache + row.peers).into(), total, width);
        self.source(Source::Cache, cache)
            + &self.source(Source::Peers, near - cache)
            + &self.source(Source::Origin, width - near)
    }

    fn source(&self, source: Source, cells: usize) -> String {
        let (letter, ink) = match source {
            Source::Cache => ("c", Ink::Blue),
            Source::Peers => ("p", Ink::Green),
            Source::Origin => ("o", Ink::Yellow),
        };
        match self.colours {
            Colours::On => self.ink(ink, &"█".repeat(cells)),
            Colours::Off => letter.repeat(cells),
        }
    }

    fn legend(&self) -> String {
        let entry = |source, name: &str| format!("{} {name}", self.source(source, 1));
        [
            entry(Source::Cache, "own cache"),
            entry(Source::Peers, "peers"),
            entry(Source::Origin, "origin: the provider"),
        ]
        .join("   ")
    }

    fn mood(&self, mood: Mood) -> String {
        let (text, ink) = match mood {
            Mood::Expected => ("", Ink::Dim),
            Mood::Joining => ("joining", Ink::Yellow),
            Mood::Choosing => ("choosing", Ink::Yellow),
            Mood::Plays(State::Starting) => ("starting", Ink::Yellow),
            Mood::Plays(State::Playing) => ("playing", Ink::Green),
            Mood::Plays(State::Seeking) => ("seeking", Ink::Yellow),
            Mood::Plays(State::Stalled) => ("stalled", Ink::Red),
            Mood::Plays(State::Ended) | Mood::Serving => ("serving", Ink::Green),
            Mood::Left => ("left", Ink::Dim),
            Mood::Killed => ("killed", Ink::Red),
        };
        self.ink(ink, text)
    }
}

#[derive(Clone, Copy)]
enum Source {
    Cache,
    Peers,
    Origin,
}

/// `part` of `whole` in cells of a bar.
fn part(part: u128, whole: u128, width: usize) -> usize {
    let cells = (part * width as u128 + whole / 2).checked_div(whole).unwrap_or(0);
    usize::try_from(cells).unwrap_or(width).min(width)
}

/// Exactly `width` columns wide.
fn pad(text: &str, width: usize) -> String {
    let padded = pad_str(text, width, Alignment::Left, Some("…")).into_owned();
    // A wide letter that was cut leaves a column free.
    let short = width.saturating_sub(measure_text_width(&padded));
    padded + &" ".repeat(short)
}
