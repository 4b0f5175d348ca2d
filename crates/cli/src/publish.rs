//! `nearcast publish`: media into a site.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use nearcast_content::{Link, SigningKey, Text, TitleId, UnixTime, WebUrl};
use nearcast_node::origin_server::Published;
use nearcast_node::publish::{
    self, Copying, Ffmpeg, KeyOrigin, Ladder, Options, ProviderKeyFile, Skipped, Summary,
};
use serde_json::json;

use crate::progress::Bar;
use crate::shell::{self, count};

/// Exit code when something was left out; 1 and 2 are failures of the whole command.
const LEFT_OUT: u8 = 3;

/// Turn media into a site: a folder of static files that `nearcast serve` or any web server serves.
///
/// Takes sound, films, folders of them, ready HLS folders, and addresses of media on a web server, which stay
/// there. MP3, M4A, FLAC and Opus are published as they are. Everything else is packaged with ffmpeg, without
/// loss where browsers play what is in it; subtitles beside a film (film.en.srt) go with it.
///
/// Titles of earlier runs stay, and what has not changed is not read again. A run that was stopped goes on where
/// it was. A file that cannot be published is named and left out, and the command then ends with code 3.
#[derive(Debug, clap::Args)]
pub(crate) struct PublishArgs {
    /// Files, folders, and http(s) addresses to publish.
    #[arg(value_name = "MEDIA", required_unless_present = "withdraw")]
    inputs: Vec<Media>,
    /// The folder to publish into; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "./site")]
    site: PathBuf,
    /// File with the provider's secret key; made on first use.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What listeners see as the provider's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Web address at which the site will be found, for the link that is printed.
    #[arg(long, value_name = "URL")]
    url: Option<WebUrl>,
    /// Sizes of films: "source" as they are, "auto" with smaller ones for slower lines, or sizes like
    /// 1080p,720p,360p. None is ever made larger than the film.
    #[arg(long, value_name = "SIZES", default_value = "source")]
    renditions: Ladder,
    /// Publish files that are packaged as they are, too.
    #[arg(long)]
    keep_original: bool,
    /// The title that the one file given becomes, in place of what it was.
    #[arg(long = "as", value_name = "TITLE")]
    title: Option<TitleId>,
    /// Hard-link media instead of copying them. They must then never be edited in place.
    #[arg(long)]
    link: bool,
    /// Days for which signatures hold; publishing again renews them.
    #[arg(long, value_name = "DAYS", default_value_t = 366, value_parser = clap::value_parser!(u64).range(1..=36_600))]
    valid_days: u64,
    /// Take this title out of the site; peers stop serving it within a minute.
    #[arg(long, value_name = "TITLE")]
    withdraw: Vec<TitleId>,
    /// Publish this title again although it was withdrawn.
    #[arg(long, value_name = "TITLE")]
    restore: Vec<TitleId>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What is to be published.
#[derive(Clone, Debug)]
enum Media {
    Path(PathBuf),
    Elsewhere(WebUrl),
}

impl std::str::FromStr for Media {
    type Err = nearcast_content::UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let start = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        let web = start.starts_with("http://") || start.starts_with("https://");
        if web { text.parse().map(Self::Elsewhere) } else { Ok(Self::Path(text.into())) }
    }
}

/// Runs the command.
pub(crate) fn run(args: PublishArgs) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let key = open_key(args.key.as_deref())?;
    let options = options(&args, key.key.clone())?;
    for title in &args.withdraw {
        publish::withdraw(title, &args.site, &options)?;
        if !args.json {
            shell::say(&format!("withdrawn: {title}"))?;
        }
    }
    if args.inputs.is_empty() {
        if args.json {
            shell::say(&json!({ "withdrawn": args.withdraw }).to_string())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let bar = Bar::new(args.json);
    let paths = args.inputs.iter().filter_map(|input| match input {
        Media::Path(path) => Some(path.clone()),
        Media::Elsewhere(_) => None,
    });
    let summary = publish::publish(&paths.collect::<Vec<_>>(), &args.site, &options, &bar)?;
    bar.clear();
    let link = args.url.clone().map(|site| Link {
        site: site.folder(),
        provider: Some(summary.provider),
        title: None,
    });
    if args.json {
        shell::say(&as_json(&summary, &args, &key, link.as_ref(), started).to_string())?;
    } else {
        print(&summary, &args, &key, link.as_ref(), started)?;
    }
    Ok(if summary.skipped.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LEFT_OUT) })
}

/// The provider's key, made on first use.
pub(crate) fn open_key(path: Option<&Path>) -> anyhow::Result<ProviderKeyFile> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => publish::default_key_path()?,
    };
    let key = ProviderKeyFile::open(&path)?;
    if key.origin == KeyOrigin::Made {
        eprintln!(
            "Made a new provider key: {}\n\
             Whoever has this file can publish in your name, and without it you cannot change what you published.\n\
             Keep a copy in a safe place, away from this machine.",
            key.path.display()
        );
    }
    Ok(key)
}

fn options(args: &PublishArgs, key: SigningKey) -> anyhow::Result<Options> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("this machine's clock is before 1970: set it")?;
    let provider = match &args.name {
        Some(name) => Some(Text::clean(name).context("--name has no letters that can be shown")?),
        None => None,
    };
    let elsewhere = args.inputs.iter().filter_map(|input| match input {
        Media::Elsewhere(url) => Some(url),
        Media::Path(_) => None,
    });
    Ok(Options {
        provider,
        copying: if args.link { Copying::Link } else { Copying::Copy },
        life_secs: args.valid_days * 24 * 3600,
        restore: args.restore.clone(),
        elsewhere: elsewhere.cloned().collect(),
        ffmpeg: Ffmpeg::on_path(),
        ladder: args.renditions.clone(),
        keep_originals: args.keep_original,
        title: args.title.clone(),
        ..Options::new(key, UnixTime(now.as_secs()))
    })
}

fn print(
    s: &Summary,
    args: &PublishArgs,
    key: &ProviderKeyFile,
    link: Option<&Link>,
    started: Instant,
) -> anyhow::Result<()> {
    let site = args.site.display();
    shell::say(&format!(
        "{} in {site}: {} added, {} changed, {} unchanged ({} in {:.1} s)",
        count(s.titles, "title"),
        s.added.len(),
        s.changed.len(),
        s.unchanged,
        indicatif::HumanBytes(s.bytes),
        started.elapsed().as_secs_f64(),
    ))?;
    for title in &s.withdrawn {
        shell::say(&format!("stays withdrawn: {title} (--restore {title} brings it back)"))?;
    }
    if !s.skipped.is_empty() {
        eprintln!("{} left out:", count(s.skipped.len(), "file"));
        for skipped in &s.skipped {
            eprintln!("  {}: {}", skipped.path.display(), skipped.why);
        }
    }
    for note in &s.notes {
        eprintln!("note: {}: {}", note.path.display(), note.why);
    }
    if s.unpackaged > 0 {
        eprintln!(
            "ffmpeg is not on PATH: {} could not be packaged and are left out or published as they are",
            count(s.unpackaged, "file")
        );
    }
    shell::say(&format!("Signed with {}", key.path.display()))?;
    if let Ok(published) = Published::read(&args.site) {
        shell::say(&format!("Listeners see you as \"{}\"; --name changes that", published.name))?;
    }
    match link {
        Some(link) => shell::say(&format!("Link: {link}")),
        None => shell::say(&format!(
            "Serve it:  nearcast serve {site}\nOr copy the folder to a web server; the link is then\n  \
             https://YOUR-SERVER/FOLDER/#nearcast={}",
            s.provider
        )),
    }
}

fn as_json(
    s: &Summary,
    args: &PublishArgs,
    key: &ProviderKeyFile,
    link: Option<&Link>,
    started: Instant,
) -> serde_json::Value {
    let list = |list: &[Skipped]| -> Vec<serde_json::Value> {
        list.iter().map(|s| json!({ "path": s.path.to_string_lossy(), "why": s.why })).collect()
    };
    json!({
        "site": args.site.to_string_lossy(),
        "provider": s.provider,
        "link": link.map(ToString::to_string),
        "key_file": key.path.to_string_lossy(),
        "key_made": key.origin == KeyOrigin::Made,
        "titles": s.titles,
        "added": s.added,
        "changed": s.changed,
        "unchanged": s.unchanged,
        "stays_withdrawn": s.withdrawn,
        "withdrawn": args.withdraw,
        "skipped": list(&s.skipped),
        "notes": list(&s.notes),
        "lacking_ffmpeg": s.unpackaged,
        "media_bytes": s.bytes,
        "sequence": s.sequence,
        "seconds": started.elapsed().as_secs_f64(),
    })
}
