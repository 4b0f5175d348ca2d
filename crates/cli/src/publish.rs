//! `nearcast publish`: media into a site.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use nearcast_content::{Link, SigningKey, Text, TitleId, UnixTime, WebUrl};
use nearcast_node::origin_server::Published;
use nearcast_node::publish::{self, Copying, KeyOrigin, Options, ProviderKeyFile, Summary};
use serde_json::json;

use crate::progress::Bar;
use crate::shell::{self, count};

/// Exit code when something was left out; 1 and 2 are failures of the whole command.
const LEFT_OUT: u8 = 3;

/// Turn media into a site: a folder of static files that `nearcast serve` or any web server serves.
///
/// Takes sound files that browsers play as they are (MP3, M4A, FLAC, Opus, Ogg Vorbis, WAV) and ready HLS
/// folders. Titles of earlier runs stay; what has not changed is not read again. A file that cannot be
/// published is named and left out, and the command then ends with code 3.
#[derive(Debug, clap::Args)]
pub(crate) struct PublishArgs {
    /// Files and folders to publish.
    #[arg(value_name = "MEDIA", required_unless_present = "withdraw")]
    inputs: Vec<PathBuf>,
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
    let summary = publish::publish(&args.inputs, &args.site, &options, &bar)?;
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

fn open_key(path: Option<&Path>) -> anyhow::Result<ProviderKeyFile> {
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
    Ok(Options {
        provider,
        copying: if args.link { Copying::Link } else { Copying::Copy },
        life_secs: args.valid_days * 24 * 3600,
        restore: args.restore.clone(),
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
    let skipped: Vec<_> =
        s.skipped.iter().map(|s| json!({ "path": s.path.to_string_lossy(), "why": s.why })).collect();
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
        "skipped": skipped,
        "media_bytes": s.bytes,
        "sequence": s.sequence,
        "seconds": started.elapsed().as_secs_f64(),
    })
}
