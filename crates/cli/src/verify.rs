//! `nearcast verify`: a site as a suspicious reader sees it, or a node's cache.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use nearcast_content::site::CATALOGUE;
use nearcast_content::{ProviderKey, UnixTime};
use nearcast_node::origin_server::{Folder, kind_of};
use nearcast_node::publish::{SiteReport, describe_blocks, verify_site};
use nearcast_node::store::{self, CacheFault};
use serde_json::json;

use crate::progress::Bar;
use crate::shell;

/// Exit code when something is wrong with the site; 1 and 2 are failures of the command itself.
const FAULTY: u8 = 3;

/// Check a site, or the cache of a node that is not running: every signature, every page, every block of media.
///
/// Says what is wrong with which file, and then ends with code 3. Nothing is changed. Media that a site only names,
/// on another server, are not fetched; their hash trees are checked.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The site's folder, or the folder of a node's memory and cache (its --state).
    #[arg(value_name = "FOLDER")]
    site: PathBuf,
    /// The key that it must be signed with, as it stands in the provider's link; otherwise any.
    #[arg(long, value_name = "KEY")]
    provider: Option<ProviderKey>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let site = &args.site;
    ensure!(site.is_dir(), "there is no folder {}", site.display());
    if let Some(cache) = store::cache_in(site) {
        ensure!(args.provider.is_none(), "--provider is for sites; {} is a cache", site.display());
        return verify_cache(&cache, args.json, started);
    }
    let kind = kind_of(site).with_context(|| format!("cannot read {}", site.display()))?;
    ensure!(
        kind == Folder::Site,
        "{} is neither site nor cache: it has no {CATALOGUE} and no store.redb",
        site.display()
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let bar = Bar::new(args.json);
    let report = verify_site(site, args.provider, UnixTime(now.as_secs()), &bar);
    bar.clear();
    if args.json {
        shell::say(&as_json(&report, site, started).to_string())?;
    } else {
        print(&report, site, started)?;
    }
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAULTY) })
}

fn verify_cache(cache: &Path, json: bool, started: Instant) -> anyhow::Result<ExitCode> {
    let bar = Bar::new(json);
    let report = store::check_cache(cache, &bar)?;
    bar.clear();
    let faults = report.faults.iter().map(|fault| (fault, describe(fault)));
    if json {
        let faults: Vec<_> = faults
            .map(|(fault, what)| {
                let blocks: Vec<_> = fault.bad.ranges().iter().map(|r| [r.start, r.end]).collect();
                let path = fault.path.to_string_lossy();
                json!({ "path": path, "object": fault.object, "what": what, "bad_blocks": blocks })
            })
            .collect();
        let json = json!({
            "cache": cache.to_string_lossy(),
            "whole": faults.is_empty(),
            "objects": report.objects,
            "bytes": report.bytes,
            "faults": faults,
            "seconds": started.elapsed().as_secs_f64(),
        });
        shell::say(&json.to_string())?;
    } else {
        for (fault, what) in faults {
            shell::say(&format!("{}: {what}", fault.path.display()))?;
        }
        let (cache, files) = (cache.display(), shell::count(report.objects, "file"));
        let bytes = indicatif::HumanBytes(report.bytes);
        let seconds = started.elapsed().as_secs_f64();
        shell::say(&match report.faults.len() {
            0 => format!("{cache} is whole: {files} ({bytes} in {seconds:.1} s)"),
            bad => format!(
                "{cache} is damaged: {bad} of {files} ({bytes} in {seconds:.1} s)\n\
                 A node fetches bad blocks again when it reads them."
            ),
        })?;
    }
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAULTY) })
}

fn describe(fault: &CacheFault) -> String {
    let hashes = "has damaged hashes beside it, so that some blocks cannot be passed on";
    match (fault.bad.is_empty(), fault.unproven) {
        (true, _) => hashes.to_owned(),
        (false, false) => describe_blocks(&fault.bad),
        (false, true) => format!("{}, and {hashes}", describe_blocks(&fault.bad)),
    }
}

fn print(report: &SiteReport, site: &Path, started: Instant) -> anyhow::Result<()> {
    for fault in &report.faults {
        shell::say(&format!("{}: {}", fault.path, fault.what))?;
    }
    let checked = format!(
        "{} and {} ({} in {:.1} s)",
        shell::count(report.titles, "title"),
        shell::count(report.objects, "file"),
        indicatif::HumanBytes(report.bytes),
        started.elapsed().as_secs_f64(),
    );
    let site = site.display();
    match (&report.provider, report.faults.len()) {
        (Some(provider), 0) => shell::say(&format!("{site} is whole: {checked}\nSigned by {provider}")),
        (_, faults) => shell::say(&format!(
            "{site} is damaged: {} in {checked}\nCopy the site anew, or publish into it again.",
            shell::count(faults, "fault"),
        )),
    }
}

fn as_json(report: &SiteReport, site: &Path, started: Instant) -> serde_json::Value {
    let faults: Vec<_> =
        report.faults.iter().map(|fault| json!({ "path": fault.path, "what": fault.what })).collect();
    json!({
        "site": site.to_string_lossy(),
        "whole": faults.is_empty(),
        "provider": report.provider,
        "titles": report.titles,
        "objects": report.objects,
        "bytes": report.bytes,
        "elsewhere": report.elsewhere,
        "faults": faults,
        "seconds": started.elapsed().as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nearcast_content::SigningKey;
    use nearcast_node::publish::{Options, publish};

    use super::*;

    /// A second of silence.
    fn wav() -> Vec<u8> {
        let mut wav = b"RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend_from_slice(b"\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x80\x3e\0\0");
        wav.resize(44 + 16_000, 0);
        wav
    }

    #[test]
    fn a_whole_site_ends_well_and_a_damaged_one_with_a_code_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let (media, site) = (folder.path().join("silence.wav"), folder.path().join("site"));
        fs::write(&media, wav()).expect("written");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let options = Options::new(SigningKey::from_secret(&[1; 32]), UnixTime(now));
        publish(&[media], &site, &options, &()).expect("published");
        let verify = |provider| run(VerifyArgs { site: site.clone(), provider, json: true }).expect("runs");
        assert_eq!(verify(None), ExitCode::SUCCESS);
        let other = SigningKey::from_secret(&[2; 32]).provider();
        assert_eq!(verify(Some(other)), ExitCode::from(FAULTY), "signed by somebody else");

        let track = site.join("media/silence/silence.wav");
        let mut bytes = fs::read(&track).expect("there");
        bytes[9_000] ^= 1;
        fs::write(&track, bytes).expect("written");
        assert_eq!(verify(None), ExitCode::from(FAULTY));
        for (no_site, why) in
            [(site.join("nowhere"), "there is no folder"), (site.join("media"), "neither site nor cache")]
        {
            let error = run(VerifyArgs { site: no_site, provider: None, json: true }).expect_err("no site");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
