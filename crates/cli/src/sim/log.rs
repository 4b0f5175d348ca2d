//! `nearcast sim --from-log`: an access log as the audience.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use nearcast_engine::{Rate, Span};
use nearcast_node::settings::parse_rate;
use nearcast_sim::access_log::{AccessLog, ColumnMap, Reading, Replayed, Window};
use nearcast_sim::{Scenario, parse_span};

/// Listeners that are simulated at most unless asked otherwise: an evening of them takes minutes.
const MOST_LISTENERS: u32 = 1_000;

/// The options of a forecast from a log.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "From an access log")]
pub(super) struct LogArgs {
    /// Play an access log again: common, combined, CloudFront, or with --columns any other; .gz too.
    ///
    /// Addresses only tell who shares a network; they are written nowhere. Lines that cannot be read are counted
    /// and shown, and end nothing.
    #[arg(long, value_name = "FILE")]
    from_log: Option<PathBuf>,
    /// Which column is what, by number or by the name in the first line.
    ///
    /// For example time=1,client=3,path=url,bytes=size; also date, method, status, agent.
    #[arg(long, value_name = "NAME=COLUMN,...", requires = "from_log")]
    columns: Option<ColumnMap>,
    /// The busiest stretch of this length is played again.
    #[arg(long, value_name = "TIME", requires = "from_log", default_value = "6h", value_parser = time)]
    window: Span,
    /// How long a node stays online after its last play.
    #[arg(long, value_name = "TIME", requires = "from_log", default_value = "10min", value_parser = time)]
    stays: Span,
    /// Rate of the media, where you know it; else 160kbit for sound and 3mbit for video.
    #[arg(long, value_name = "RATE", requires = "from_log", value_parser = parse_rate)]
    bitrate: Option<Rate>,
}

fn time(text: &str) -> Result<Span, String> {
    parse_span(text)
        .filter(|span| *span > Span::ZERO)
        .ok_or_else(|| format!("'{text}' is not a time such as 90s, 10min or 6h"))
}

/// A log, read.
pub(super) struct Log {
    /// What it is called in reports: its file's name alone.
    pub(super) name: String,
    pub(super) reading: Reading,
    pub(super) replayed: Replayed,
    pub(super) scenario: Scenario,
    /// The same with another assumption about the log.
    pub(super) variants: Vec<(String, Scenario)>,
}

impl LogArgs {
    /// Whether there is a log.
    pub(super) fn given(&self) -> bool {
        self.from_log.is_some()
    }

    /// Reads the log, if there is one, into the homes of `base`.
    pub(super) fn read(&self, base: &Scenario, listeners: Option<u32>) -> anyhow::Result<Option<Log>> {
        let Some(path) = &self.from_log else { return Ok(None) };
        let (log, bar) = (open(path)?, path.display());
        let log = log.read(self.columns.as_ref()).with_context(|| format!("in {bar}"))?;
        let window = Window {
            length: self.window,
            listeners: listeners.unwrap_or(MOST_LISTENERS),
            rate: self.bitrate,
            stays: self.stays,
        };
        let made = |window: &Window| {
            log.scenario(base, window).with_context(|| {
                let reading = serde_json::to_string(log.reading()).unwrap_or_default();
                format!("{bar} makes no audience; what was read: {reading}")
            })
        };
        let (scenario, replayed) = made(&window)?;
        let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
        let arguments = format!(" --from-log {} --listeners {}", path.display(), window.listeners);
        let scenario = scenario.called(&base.name, &arguments);
        let mut variants = Vec::new();
        for (words, stays) in [
            ("nodes go as soon as a play ends", Span::from_secs(1)),
            ("nodes stay three times as long", self.stays.times(3)),
        ] {
            variants.push((words.to_owned(), made(&Window { stays, ..window })?.0));
        }
        Ok(Some(Log {
            name: name.into_owned(),
            reading: log.reading().clone(),
            replayed,
            scenario,
            variants,
        }))
    }
}

/// An open log.
struct Open {
    lines: Box<dyn BufRead>,
    bar: ProgressBar,
}

fn open(path: &Path) -> anyhow::Result<Open> {
    let file = File::open(path).with_context(|| format!("cannot read the log {}", path.display()))?;
    let about = file.metadata().with_context(|| format!("cannot read the log {}", path.display()))?;
    ensure!(!about.is_dir(), "{} is a folder; give one log, or join several with cat", path.display());
    let bar = ProgressBar::new(about.len());
    if let Ok(style) = ProgressStyle::with_template("reading {bar:40} {bytes}/{total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    let mut raw = BufReader::with_capacity(1 << 20, bar.wrap_read(file));
    let zipped = raw
        .fill_buf()
        .with_context(|| format!("cannot read the log {}", path.display()))?
        .starts_with(&[0x1f, 0x8b]);
    let lines: Box<dyn BufRead> = match zipped {
        true => Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(raw).take(MOST_UNZIPPED))),
        false => Box::new(raw),
    };
    Ok(Open { lines, bar })
}

/// A log that unpacks to more is none, but a trap.
const MOST_UNZIPPED: u64 = 1 << 40;

impl Open {
    fn read(mut self, columns: Option<&ColumnMap>) -> anyhow::Result<AccessLog> {
        let log = AccessLog::read(&mut *self.lines, columns)?;
        self.bar.finish_and_clear();
        Ok(log)
    }
}
