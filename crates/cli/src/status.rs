//! `nearcast titles` and `nearcast status`: what a running node has, and how it is doing.

use std::process::ExitCode;

use serde_json::Value;

use crate::gateway::GatewayArgs;
use crate::{audience, shell};

/// Lists the titles of a running node.
pub(crate) fn titles(args: GatewayArgs) -> anyhow::Result<ExitCode> {
    let node = args.node()?;
    if args.json {
        let titles = shell::run(async |_| node.get("titles").await)?;
        shell::say(&titles.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for title in shell::run(async |_| node.titles().await)? {
        let seconds = title.duration_ms / 1000;
        let more: Vec<String> =
            [&title.artist, &title.album].into_iter().flatten().map(|t| shell::printable(t)).collect();
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let name = shell::printable(&title.name);
        shell::say(&format!("{:<32} {minutes:>3}:{seconds:02}  {name}  {}", title.id, more.join(", ")))?;
        shell::say(&format!("    {}", node.url(&title)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says how a running node is doing.
pub(crate) fn status(args: GatewayArgs) -> anyhow::Result<ExitCode> {
    let node = args.node()?;
    let status = shell::run(async |_| node.get("status").await)?;
    if args.json {
        shell::say(&status.to_string())?;
    } else {
        let lines =
            if audience::is_origin(&status) { audience::in_words(&status) } else { in_words(&status) };
        for line in lines {
            shell::say(&line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn counted(value: &Value, one: &str) -> String {
    shell::count(usize::try_from(number(value)).unwrap_or(usize::MAX), one)
}

/// A status in plain words, a line for each thing.
fn in_words(status: &Value) -> Vec<String> {
    let name = shell::printable(status["provider"]["name"].as_str().unwrap_or("the provider"));
    let mut lines = vec![format!("Playing titles of {name}.")];
    if status["provider"]["answers"] == false {
        lines.push("The provider does not answer: what is in the cache or with peers plays.".to_owned());
    }
    if status["supernode"] == "away" {
        lines.push("The supernode does not answer: only peers met before are found.".to_owned());
    }
    if status["disk"] == "full" {
        lines.push("The disk is full: what plays goes on, and is not kept.".to_owned());
    }
    if status["disk"] == "failing" {
        lines.push("The disk fails to keep what is written: what plays goes on, and is not kept.".to_owned());
    }
    lines.push(sharing_in_words(&status["sharing"]));
    lines.push(handed_in_words(status));
    let near = number(&status["peers_near"]);
    let place = if near > 0 { format!(", {near} of them in your own network") } else { String::new() };
    lines.push(format!("{} connected{place}.", counted(&status["peers"], "peer")));
    lines.push(format!(
        "The cache holds {} of at most {}.",
        shell::bytes(number(&status["cache_bytes"])),
        shell::bytes(number(&status["cache_budget_bytes"]))
    ));
    lines.extend(kept_in_words(&status["kept"]));
    lines.push(format!("{}, {}.", counted(&status["plays"], "play"), counted(&status["stalls"], "stall")));
    lines.extend(played_in_words(&status["delivered_bytes"]));
    lines
}

/// Whether the node hands on, and why not.
pub(crate) fn sharing_in_words(sharing: &Value) -> String {
    let until = sharing["until"].as_u64().filter(|until| *until > 0).map(shell::clock);
    let again = |what: &str| match &until {
        Some(until) => format!("{what} until {until}"),
        None => what.to_owned(),
    };
    let why = match sharing["why"].as_str().unwrap_or_default() {
        "switched off" => "it is switched off (`nearcast node --sharing on` switches it on)".to_owned(),
        "provider" => "the provider asks for that".to_owned(),
        "mobile" => "this is a mobile device, by its settings".to_owned(),
        "battery" => "this device runs on battery".to_owned(),
        "metered" => "the line is metered".to_owned(),
        "paused" => match &until {
            Some(until) => format!("it is paused until {until} (`nearcast resume` ends that)"),
            None => "it is paused (`nearcast resume` ends that)".to_owned(),
        },
        "hours" => again("outside of the hours that you set,"),
        "month used" => again("the month's limit is used up,"),
        other => other.to_owned(),
    };
    match sharing["state"].as_str().unwrap_or_default() {
        "on" => "Sharing is on: what you played is handed on to others.".to_owned(),
        "near" => format!("Sharing is on in your own network only: {why}."),
        "off" => format!("Sharing is off, nothing is handed on: {why}."),
        _ => "The node is stopping.".to_owned(),
    }
}

fn handed_in_words(status: &Value) -> String {
    let month = &status["month"];
    let limit = match month["limit_bytes"].as_u64() {
        Some(limit) => format!(" of at most {}", shell::bytes(limit)),
        None => String::new(),
    };
    let rate = match status["upload_limit_bits"].as_u64() {
        Some(bits) => format!(", no faster than {} Mbit/s", decimal(bits / 100_000)),
        None => String::new(),
    };
    let hours = match (status["hours"]["from"].as_str(), status["hours"]["to"].as_str()) {
        (Some(from), Some(to)) => format!(", between {from} and {to}"),
        _ => String::new(),
    };
    format!(
        "Handed on: {} since the node started, {}{limit} this month{rate}{hours}.",
        shell::bytes(number(&status["sent_bytes"])),
        shell::bytes(number(&month["handed_bytes"])),
    )
}

/// Tenths as a decimal number.
fn decimal(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn kept_in_words(kept: &Value) -> Option<String> {
    let titles = number(&kept["titles"]);
    let open = titles.saturating_sub(number(&kept["complete"]));
    let coming = if open > 0 { format!(", {open} of them still coming") } else { String::new() };
    let held = shell::bytes(number(&kept["bytes"]));
    (titles > 0).then(|| format!("Kept for offline: {}, {held}{coming}.", counted(&kept["titles"], "title")))
}

fn played_in_words(delivered: &Value) -> Vec<String> {
    let of = |source: &str| number(&delivered[source]);
    let total = of("cache") + of("peers") + of("origin");
    let (cache, peers, origin) =
        (shell::bytes(of("cache")), shell::bytes(of("peers")), shell::bytes(of("origin")));
    let mut lines =
        vec![format!("Played: {cache} from the cache, {peers} from peers, {origin} from the provider.")];
    if let Some(share) = (total - of("origin")).checked_mul(100).and_then(|n| n.checked_div(total)) {
        lines.push(format!("The provider was spared {share} % of it."));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_reads_as_plain_words() {
        let status = json!({
            "provider": { "name": "A label", "answers": false },
            "supernode": "away",
            "sharing": { "state": "near", "why": "month used", "until": 1_798_761_600u64 },
            "month": { "handed_bytes": 99_900_000u64, "limit_bytes": 100_000_000u64 },
            "upload_limit_bits": 2_500_000,
            "hours": { "from": "23:00", "to": "07:00" },
            "peers": 3, "peers_near": 1,
            "cache_bytes": 1_500_000_000u64, "cache_budget_bytes": 2_000_000_000u64,
            "kept": { "titles": 2, "complete": 1, "bytes": 8_400_000 },
            "delivered_bytes": { "cache": 300_000, "peers": 600_000, "origin": 100_000 },
            "sent_bytes": 42_000_000, "plays": 1, "stalls": 0,
        });
        let said = in_words(&status).join("\n");
        for part in [
            "Playing titles of A label.",
            "The provider does not answer",
            "only peers met before",
            "own network only: the month's limit is used up, until",
            "42.0 MB since the node started, 99.9 MB of at most 100.0 MB this month",
            "no faster than 2.5 Mbit/s, between 23:00 and 07:00",
            "3 peers connected, 1 of them in your own network.",
            "The cache holds 1.5 GB of at most 2.0 GB.",
            "Kept for offline: 2 titles, 8.4 MB, 1 of them still coming.",
            "1 play, 0 stalls.",
            "spared 90 %",
        ] {
            assert!(said.contains(part), "{part} is missing in\n{said}");
        }
    }

    #[test]
    fn each_reason_not_to_share_is_said() {
        for (why, says) in [
            ("switched off", "switched off"),
            ("provider", "provider asks"),
            ("mobile", "mobile device"),
            ("battery", "on battery"),
            ("metered", "metered"),
            ("paused", "`nearcast resume`"),
            ("hours", "hours that you set"),
        ] {
            let said = sharing_in_words(&json!({ "state": "off", "why": why, "until": null }));
            assert!(said.starts_with("Sharing is off") && said.contains(says), "{said}");
        }
        assert!(sharing_in_words(&json!({ "state": "on" })).starts_with("Sharing is on:"));
    }
}
