//! The status of `nearcast serve` in plain words: how a provider's audience does.

use serde_json::Value;

/// Whether a status is that of a serving provider.
pub(crate) fn is_origin(status: &Value) -> bool {
    status["role"] == "origin"
}

/// A line for each thing.
pub(crate) fn in_words(status: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "Serving. Media sent: {}, {} of what is published.",
        megabytes(&status["origin"]["media_bytes_sent"]),
        status["origin"]["copies"]
            .as_f64()
            .map_or_else(|| "nothing".to_owned(), |copies| format!("{copies:.2} ×")),
    )];
    let supernode = &status["supernode"];
    lines.push(format!(
        "{} nodes connected, {} titles held by them.",
        number(&supernode["sessions"]),
        number(&supernode["titles"])
    ));
    lines.push(format!("Nodes have sent {} reports of what they played.", number(&status["reports"])));
    lines.extend(group("With peers", &status["shared"]));
    lines.extend(group("Held out, for comparison", &status["held_out"]));
    lines.extend(refused(&status["peers_refused"]));
    let comparison = &status["comparison"];
    lines.push(match (comparison["verdict"].as_str(), comparison["why"].as_str()) {
        (Some(verdict), _) => {
            let worse: Vec<&str> =
                comparison["worse_in"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let parts = if worse.is_empty() { String::new() } else { format!(" in {}", worse.join(", ")) };
            format!("Beside the held-out plays, those with peers are {verdict}{parts} (95 % intervals).")
        }
        (None, why) => format!("No verdict yet: {}.", why.unwrap_or("too few plays")),
    });
    lines
}

fn group(name: &str, group: &Value) -> Vec<String> {
    let percent = |value: &Value| {
        value.as_f64().map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    let bytes = &group["bytes"];
    let peers = number(&bytes["lan"]) + number(&bytes["isp"]) + number(&bytes["other"]);
    let by_source = format!(
        "  bytes: {} cache, {} peers, {} origin.",
        megabytes(&bytes["cache"]),
        megabytes(&Value::from(peers)),
        megabytes(&bytes["origin"])
    );
    if number(&group["plays"]) + number(&group["unstarted"]) == 0 {
        let nothing = format!("{name}: no play has ended yet.");
        // Of long plays bytes are reported while they go on.
        let some = number(&bytes["cache"]) + peers + number(&bytes["origin"]) > 0;
        return std::iter::once(nothing).chain(some.then_some(by_source)).collect();
    }
    let bound = |value: &Value| {
        value.as_u64().map_or_else(|| "more than 10 s".to_owned(), |ms| format!("{ms} ms at most"))
    };
    let rate = number(&group["played_bits_per_second"]) / 1_000;
    vec![
        format!(
            "{name}: {} plays ({} never started), offload {}, {} kbit/s played.",
            number(&group["plays"]),
            number(&group["unstarted"]),
            percent(&group["offload"]),
            rate
        ),
        format!(
            "  start-up: half {}, 95 of 100 {}, 99 of 100 {}; stalls: {} in {} of the plays.",
            bound(&group["startup_ms"]["p50_at_most"]),
            bound(&group["startup_ms"]["p95_at_most"]),
            bound(&group["startup_ms"]["p99_at_most"]),
            number(&group["stalls"]),
            percent(&group["stutter_share"]),
        ),
        by_source,
    ]
}

/// Peers that nodes refused, if there were any.
fn refused(peers: &Value) -> Option<String> {
    let reasons = [
        ("corrupt", "sent bad blocks"),
        ("rules", "broke the rules"),
        ("banned", "came back after that"),
        ("strangers", "were of another provider or version"),
    ];
    let some = reasons.map(|(why, words)| (number(&peers[why]), words)).into_iter().filter(|(n, _)| *n > 0);
    let words: Vec<String> = some.map(|(n, words)| format!("{n} {words}")).collect();
    (!words.is_empty()).then(|| format!("Peers that nodes refused: {}.", words.join(", ")))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn megabytes(value: &Value) -> String {
    format!("{}.{} MB", number(value) / 1_000_000, number(value) / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_providers_status_reads_in_words() {
        let group = json!({
            "plays": 12, "unstarted": 1, "offload": 0.75, "played_bits_per_second": 320_000, "stalls": 2,
            "stutter_share": 0.1, "startup_ms": { "p50_at_most": 100, "p95_at_most": 5000, "p99_at_most": null },
            "bytes": { "cache": 1, "lan": 1_000_000, "isp": 2_000_000, "other": 0, "origin": 1_000_000 },
        });
        let status = json!({
            "role": "origin", "origin": { "media_bytes_sent": 5_000_000, "copies": 1.25 }, "reports": 3,
            "supernode": { "sessions": 4, "titles": 2 }, "shared": group,
            "held_out": { "plays": 0, "bytes": { "origin": 7_000_000 } },
            "peers_refused": { "corrupt": 2, "rules": 0, "banned": 0, "strangers": 1 },
            "comparison": { "verdict": null, "why": "12 plays" },
        });
        assert!(is_origin(&status));
        let text = in_words(&status).join("\n");
        for part in [
            "1.25 ×",
            "12 plays (1 never started), offload 75.0 %",
            "half 100 ms at most, 95 of 100 5000 ms at most, 99 of 100 more than 10 s",
            "3.0 MB peers",
            "Held out, for comparison: no play has ended yet.\n  bytes: 0.0 MB cache, 0.0 MB peers, 7.0 MB origin.",
            "Peers that nodes refused: 2 sent bad blocks, 1 were of another provider or version.",
            "No verdict yet: 12 plays.",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
