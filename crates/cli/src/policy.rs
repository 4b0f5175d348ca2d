//! `nearcast policy`: what a provider asks of its audience's nodes, shown and changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use nearcast_content::policy::{Permille, Policy, Sharing};
use nearcast_content::{Document as _, Trust, UnixTime, site};
use nearcast_engine::Rate;
use nearcast_node::origin_server::Published;
use nearcast_node::publish::{self, Options};
use nearcast_node::settings::parse_rate;
use serde_json::json;

use crate::publish::open_key;
use crate::shell;

/// Show what a site asks of its listeners' nodes, or change it.
///
/// Without an option it shows what holds. With one, the policy is signed anew; nodes that run obey it within a
/// minute. Copy the folder to your web server as after publishing.
#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    /// The site's folder.
    #[arg(value_name = "SITE", default_value = "./site")]
    site: PathBuf,
    /// Whether listeners deliver to each other at all: on, or off.
    #[arg(long, value_name = "on|off", value_parser = sharing)]
    sharing: Option<Sharing>,
    /// How many of a hundred nodes take part, such as 100 or 2.5. The same ones stay in when it grows.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    participation: Option<Permille>,
    /// Most that one node uploads, like 5mbit; "none" leaves it to the listener.
    #[arg(long, value_name = "RATE|none")]
    upload_ceiling: Option<Ceiling>,
    /// How many of a hundred plays are held out for comparison.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    hold_out: Option<Permille>,
    /// File with the provider's secret key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// A ceiling, or none.
#[derive(Clone, Copy, Debug)]
enum Ceiling {
    None,
    At(Rate),
}

impl std::str::FromStr for Ceiling {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        parse_rate(text).map(Self::At).map_err(|error| error.to_string())
    }
}

fn sharing(text: &str) -> Result<Sharing, String> {
    match text {
        "on" => Ok(Sharing::On),
        "off" => Ok(Sharing::Off),
        _ => Err("sharing is on or off".to_owned()),
    }
}

/// A share in hundredths with at most one digit behind the point.
fn percent(text: &str) -> Result<Permille, String> {
    let wrong = || format!("'{text}' is not a share such as 100 or 2.5, from 0 to 100");
    let (whole, part) =
        text.trim_end_matches('%').trim().split_once('.').unwrap_or((text.trim_end_matches('%').trim(), "0"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || part.len() != 1 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let whole: u16 = whole.parse().map_err(|_| wrong())?;
    let part: u16 = part.parse().map_err(|_| wrong())?;
    whole.checked_mul(10).and_then(|tenths| Permille::new(tenths + part)).ok_or_else(wrong)
}

impl PolicyArgs {
    fn changes(&self) -> bool {
        self.sharing.is_some()
            || self.participation.is_some()
            || self.upload_ceiling.is_some()
            || self.hold_out.is_some()
    }

    fn change(&self, policy: &mut Policy) {
        policy.sharing = self.sharing.unwrap_or(policy.sharing);
        policy.participation = self.participation.unwrap_or(policy.participation);
        policy.hold_out = self.hold_out.unwrap_or(policy.hold_out);
        match self.upload_ceiling {
            Some(Ceiling::None) => policy.upload_ceiling = None,
            Some(Ceiling::At(rate)) => policy.upload_ceiling = Some(rate.bytes_per_sec()),
            None => {}
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: PolicyArgs) -> anyhow::Result<ExitCode> {
    let now = UnixTime(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("this machine's clock is before 1970: set it")?
            .as_secs(),
    );
    let published = Published::read(&args.site)?;
    let policy = if args.changes() {
        let key = open_key(args.key.as_deref())?;
        ensure!(
            key.key.provider() == published.provider,
            "{} is not the key that signed {}; name the right one with --key",
            key.path.display(),
            args.site.display()
        );
        publish::change_policy(&args.site, &Options::new(key.key, now), |policy| args.change(policy))?
    } else {
        in_force(&args.site, &published, now)?
    };
    if args.json {
        shell::say(&as_json(&policy).to_string())?;
    } else {
        say(&policy, &args)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the site has signed.
fn in_force(folder: &Path, published: &Published, now: UnixTime) -> anyhow::Result<Policy> {
    let path = folder.join(site::POLICY);
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let accepted = Policy::open(&bytes, &Trust::pinned(published.provider), now)
        .with_context(|| format!("{} is not obeyed by any node", path.display()))?;
    Ok(accepted.document)
}

fn as_json(policy: &Policy) -> serde_json::Value {
    json!({
        "sequence": policy.validity.sequence,
        "sharing": policy.sharing,
        "participation_permille": policy.participation.thousandths(),
        "upload_ceiling_bytes_per_second": policy.upload_ceiling,
        "hold_out_permille": policy.hold_out.thousandths(),
        "supernodes": policy.supernodes.iter().map(|s| s.url.as_str()).collect::<Vec<_>>(),
    })
}

fn say(policy: &Policy, args: &PolicyArgs) -> anyhow::Result<()> {
    let share = |share: Permille| {
        let thousandths = share.thousandths();
        format!("{}.{} %", thousandths / 10, thousandths % 10)
    };
    shell::say(match policy.sharing {
        Sharing::On => "sharing         on: listeners deliver to each other",
        Sharing::Off => "sharing         off: everything comes from the origin and each one's own cache",
    })?;
    shell::say(&format!("participation   {} of the nodes", share(policy.participation)))?;
    shell::say(&match policy.upload_ceiling {
        Some(ceiling) => format!("upload ceiling  {} kbit/s a node", ceiling.saturating_mul(8) / 1_000),
        None => "upload ceiling  none: each listener's own setting holds".to_owned(),
    })?;
    shell::say(&format!("hold-out        {} of the plays", share(policy.hold_out)))?;
    for supernode in &policy.supernodes {
        shell::say(&format!("supernode       {}", supernode.url.as_str()))?;
    }
    if args.changes() {
        shell::say(&format!(
            "signed as number {}; nodes that run obey it within a minute",
            policy.validity.sequence
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_as_people_write_them() {
        let thousandths = |text: &str| percent(text).map(Permille::thousandths);
        assert_eq!((thousandths("100"), thousandths("2.5"), thousandths("0 %")), (Ok(1_000), Ok(25), Ok(0)));
        for bad in ["", "101", "-1", "2.55", ".5", "half", "99999"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }
}
