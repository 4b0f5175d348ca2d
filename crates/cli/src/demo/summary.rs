//! What came of the demo: one JSON object, and a text for people.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::audit::{Check, Verdict};
use super::counts::Counts;
use super::report::Tally;
use super::table::amount;
use crate::shell::count;

/// The result. The names of its fields are stable.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// Listeners that came.
    pub(crate) listeners: usize,
    /// For how long they played.
    pub(crate) seconds: f64,
    /// Drew the programme.
    pub(crate) seed: u64,
    /// Times someone pressed play.
    pub(crate) plays: u32,
    /// Plays that were skipped or cut off before anything could be shown.
    pub(crate) unstarted: u32,
    /// From the request to enough media to start, playlists included.
    pub(crate) startup_ms: Spread,
    /// From a seek to enough media to go on.
    pub(crate) seek_ms: Spread,
    /// Times a playhead stood still for more than 250 ms, as the players saw it.
    pub(crate) stalls: u32,
    /// For how long in all.
    pub(crate) stalled_ms: u64,
    /// The same as the nodes saw it, from what they handed over.
    pub(crate) stalls_seen_by_nodes: u64,
    /// Bytes handed to players, by where they came from.
    pub(crate) bytes: Sources,
    /// Everything the provider's server sent to listeners as bodies, signed documents and hashes included.
    pub(crate) origin_bytes: u64,
    /// Bytes that peers sent each other.
    pub(crate) peer_bytes: u64,
    /// 1 − `origin_bytes` / bytes handed to players (FACTS §0 of the design); nothing if nothing was played. Negative
    /// when more was fetched from the provider than played.
    pub(crate) offload: Option<f64>,
    pub(crate) verified_blocks: u64,
    pub(crate) rejected_blocks: u64,
    /// Who went before the end, and how.
    pub(crate) departures: Vec<Departure>,
    /// The counts held against each other and against the kernel's.
    pub(crate) checks: Vec<Check>,
    /// Whether all checks that could be made have passed.
    pub(crate) ok: bool,
}

/// Bytes by where they came from.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sources {
    pub(crate) cache: u64,
    pub(crate) peers: u64,
    pub(crate) origin: u64,
}

/// Milliseconds: median, 95th percentile, largest. Nothing without samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) p50: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) max: Option<f64>,
}

/// A listener that went before the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Departure {
    /// Its number, from 1.
    pub(crate) listener: usize,
    pub(crate) how: How,
    /// Its counts end with the last look at them, just before it went.
    pub(crate) counts_are_partial: bool,
}

/// How a listener went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    Left,
    Killed,
}

/// What a summary is made of.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) listeners: usize,
    pub(crate) lasted: Duration,
    pub(crate) seed: u64,
    pub(crate) tally: Tally,
    pub(crate) counts: Counts,
    pub(crate) departures: Vec<Departure>,
    pub(crate) checks: Vec<Check>,
}

impl Summary {
    pub(crate) fn of(account: Account) -> Self {
        let Account { listeners, lasted, seed, tally, counts, departures, checks } = account;
        let started = u32::try_from(tally.start_ups.len()).unwrap_or(u32::MAX);
        Self {
            listeners,
            seconds: lasted.as_secs_f64(),
            seed,
            plays: tally.plays,
            unstarted: tally.plays.saturating_sub(started),
            startup_ms: Spread::of(&tally.start_ups),
            seek_ms: Spread::of(&tally.seeks),
            stalls: tally.stalls,
            stalled_ms: u64::try_from(tally.stalled_for.as_millis()).unwrap_or(u64::MAX),
            stalls_seen_by_nodes: counts.stalls,
            bytes: Sources { cache: counts.cache, peers: counts.peers, origin: counts.origin },
            origin_bytes: counts.fetched_from_origin,
            peer_bytes: counts.received_from_peers,
            offload: counts.offload(),
            verified_blocks: counts.verified_blocks,
            rejected_blocks: counts.rejected_blocks,
            departures,
            ok: checks.iter().all(|check| check.verdict != Verdict::Failed),
            checks,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Sources { cache, peers, origin } = self.bytes;
        let handed = cache + peers + origin;
        let (listeners, plays) = (count(self.listeners, "listener"), count(self.plays as usize, "play"));
        writeln!(out, "{listeners}, {plays}, {:.0} seconds", self.seconds)?;
        writeln!(out)?;
        writeln!(out, "  played            {:>10}", amount(handed))?;
        for (from, bytes) in [("from caches", cache), ("from peers", peers), ("from the provider", origin)] {
            writeln!(out, "    {from:<17} {:>8}  {:>5.1} %", amount(bytes), share(bytes, handed))?;
        }
        writeln!(
            out,
            "  the provider sent {:>10}  with hashes, documents and what was not played",
            amount(self.origin_bytes)
        )?;
        match self.offload {
            Some(part) if part < 0.0 => {
                writeln!(
                    out,
                    "  offload                  -  more was fetched from the provider than played"
                )?;
            }
            Some(part) => writeln!(out, "  offload           {:>8.1} %  of what was played", part * 100.0)?,
            None => writeln!(out, "  offload                  -  nothing was played")?,
        }
        writeln!(out, "  start-up          {}", self.startup_ms)?;
        writeln!(out, "  seeks             {}", self.seek_ms)?;
        writeln!(out, "  stalls            {:>8}  {}", self.stalls, stalled(self.stalled_ms))?;
        if self.unstarted > 0 {
            writeln!(
                out,
                "  not started       {:>8}  plays that ended before anything could be shown",
                self.unstarted
            )?;
        }
        writeln!(
            out,
            "  blocks            {:>8}  verified, {} rejected",
            self.verified_blocks, self.rejected_blocks
        )?;
        for departure in &self.departures {
            let how = match departure.how {
                How::Left => "left early",
                How::Killed => "was killed",
            };
            writeln!(out, "  listener {} {how}; its counts end at the last look before", departure.listener)?;
        }
        writeln!(out)?;
        for check in &self.checks {
            let mark = match check.verdict {
                Verdict::Passed => "ok    ",
                Verdict::Failed => "FAILED",
                Verdict::NotChecked => "-     ",
            };
            writeln!(out, "  {mark}  {}", check.says)?;
        }
        Ok(())
    }
}

fn stalled(ms: u64) -> String {
    if ms == 0 { String::new() } else { format!("{ms} ms in all") }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people; exact up to 2^53 bytes")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

impl Spread {
    fn of(samples: &[Duration]) -> Self {
        let mut millis: Vec<f64> = samples.iter().map(|sample| sample.as_secs_f64() * 1e3).collect();
        millis.sort_by(f64::total_cmp);
        // Nearest rank: a value that was measured.
        let rank = |percent: usize| {
            let rank = (millis.len() * percent).div_ceil(100).max(1);
            millis.get(rank - 1).map(|ms| (ms * 10.0).round() / 10.0)
        };
        Self { p50: rank(50), p95: rank(95), max: rank(100) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.p50, self.p95, self.max) {
            (Some(p50), Some(p95), Some(max)) => {
                write!(f, "{p50:>8.0}  ms median, {p95:.0} ms at the 95th percentile, {max:.0} ms at most")
            }
            _ => f.write_str("       -  none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn account() -> Account {
        let tally = Tally {
            plays: 4,
            start_ups: vec![ms(30), ms(10), ms(20)],
            seeks: vec![],
            stalls: 1,
            stalled_for: ms(400),
            played: ms(60_000),
        };
        let counts = Counts {
            cache: 1_000_000,
            peers: 2_000_000,
            origin: 1_000_000,
            fetched_from_origin: 1_200_000,
            received_from_peers: 2_100_000,
            sent_to_peers: 2_100_000,
            verified_blocks: 190,
            rejected_blocks: 0,
            stalls: 1,
        };
        let check = Check {
            name: "no_block_rejected",
            verdict: Verdict::Passed,
            counted: 0,
            against: Some(0),
            off: None,
            says: "blocks that did not match their hash: 0".to_owned(),
        };
        let departures = vec![Departure { listener: 2, how: How::Killed, counts_are_partial: true }];
        Account { listeners: 3, lasted: ms(20_000), seed: 1, tally, counts, departures, checks: vec![check] }
    }

    #[test]
    fn the_object_has_the_fields_that_programs_rely_on() {
        let json = serde_json::to_value(Summary::of(account())).expect("writes");
        assert_eq!(json["listeners"], 3);
        assert_eq!(json["startup_ms"], serde_json::json!({ "p50": 20.0, "p95": 30.0, "max": 30.0 }));
        assert_eq!(json["seek_ms"]["p50"], serde_json::Value::Null);
        assert_eq!(json["stalls"], 1);
        assert_eq!(json["unstarted"], 1);
        assert_eq!(
            json["bytes"],
            serde_json::json!({ "cache": 1_000_000, "peers": 2_000_000, "origin": 1_000_000 })
        );
        assert!((json["offload"].as_f64().expect("a number") - 0.7).abs() < 1e-9);
        assert_eq!((&json["verified_blocks"], &json["rejected_blocks"]), (&190.into(), &0.into()));
        assert_eq!(json["checks"][0]["verdict"], "passed");
        assert_eq!(json["departures"][0]["how"], "killed");
        assert_eq!(json["ok"], true);
    }

    #[test]
    fn one_failed_check_fails_all_and_one_that_was_not_made_does_not() {
        let with = |verdict| {
            let mut account = account();
            account.checks[0].verdict = verdict;
            Summary::of(account).ok
        };
        assert!(with(Verdict::NotChecked));
        assert!(!with(Verdict::Failed));
    }

    #[test]
    fn a_negative_offload_is_put_in_words() {
        let mut account = account();
        account.counts.fetched_from_origin = 5_000_000;
        let text = Summary::of(account).text();
        assert!(text.contains("offload                  -  more was fetched"), "{text}");
    }

    #[test]
    fn people_read_the_same() {
        let text = Summary::of(account()).text();
        let expected = "\
3 listeners, 4 plays, 20 seconds

  played                4.0 MB
    from caches         1.0 MB   25.0 %
    from peers          2.0 MB   50.0 %
    from the provider   1.0 MB   25.0 %
  the provider sent     1.2 MB  with hashes, documents and what was not played
  offload               70.0 %  of what was played
  start-up                20  ms median, 30 ms at the 95th percentile, 30 ms at most
  seeks                    -  none
  stalls                   1  400 ms in all
  not started              1  plays that ended before anything could be shown
  blocks                 190  verified, 0 rejected
  listener 2 was killed; its counts end at the last look before

  ok      blocks that did not match their hash: 0
";
        assert_eq!(text, expected);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let spread = Spread::of(&(1..=100).map(ms).collect::<Vec<_>>());
        assert_eq!(spread, Spread { p50: Some(50.0), p95: Some(95.0), max: Some(100.0) });
        assert_eq!(Spread::of(&[ms(7)]), Spread { p50: Some(7.0), p95: Some(7.0), max: Some(7.0) });
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
