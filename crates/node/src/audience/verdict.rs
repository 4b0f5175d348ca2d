//! Played against held out: is anybody worse off for sharing?
//!
//! Every comparison is of two shares of plays, which need no assumption about how times are distributed. Below a
//! thousand held-out plays nothing is said.

use nearcast_engine::wire::PlaySums;
use nearcast_engine::wire::report::STARTUP_BOUNDS;
use serde_json::{Value, json};

use super::float;

/// Held-out plays below which no verdict is given.
const ENOUGH: u64 = 1_000;
/// Two-sided 95 %.
const Z: f64 = 1.96;
/// Start-ups that are compared: what feels at once, and where viewers begin to leave (Krishnan & Sitaraman 2012).
const AT_ONCE: u64 = 400;
const LEAVING: u64 = 2_000;

/// Shares of both groups with the difference and its interval, and what that says.
pub(super) fn compare(shared: &PlaySums, held_out: &PlaySums) -> Value {
    if held_out.plays < ENOUGH || shared.plays < ENOUGH {
        return json!({
            "verdict": null,
            "why": format!(
                "{} plays and {} held-out plays so far; a verdict needs {ENOUGH} of each",
                shared.plays, held_out.plays
            ),
        });
    }
    let slow = |sums: &PlaySums, limit| sums.plays - within(&sums.startups, limit).min(sums.plays);
    let rows = [
        ("plays_with_a_stall", shared.stuttered, held_out.stuttered),
        ("plays_starting_after_400_ms", slow(shared, AT_ONCE), slow(held_out, AT_ONCE)),
        ("plays_starting_after_2_s", slow(shared, LEAVING), slow(held_out, LEAVING)),
    ];
    let mut compared = serde_json::Map::new();
    let mut worse = Vec::new();
    for (name, a, b) in rows {
        let difference = Difference::of((a, shared.plays), (b, held_out.plays));
        if difference.low > 0.0 {
            worse.push(name);
        }
        compared.insert(name.to_owned(), difference.shown());
    }
    let verdict = if worse.is_empty() { "no worse" } else { "worse" };
    json!({ "verdict": verdict, "worse_in": worse, "shares": compared })
}

/// A difference of two shares with its 95 % interval.
#[derive(Clone, Copy, Debug)]
struct Difference {
    shared: f64,
    held_out: f64,
    low: f64,
    high: f64,
}

impl Difference {
    /// Agresti and Caffo (2000): one success and one failure added to each, then the plain interval. It keeps its
    /// 95 % at shares near zero, where stalls are.
    fn of((a, of_a): (u64, u64), (b, of_b): (u64, u64)) -> Self {
        let share = |part: u64, of: u64| (float(part) + 1.0) / (float(of) + 2.0);
        let (p, q) = (share(a, of_a), share(b, of_b));
        let spread = (p * (1.0 - p) / (float(of_a) + 2.0) + q * (1.0 - q) / (float(of_b) + 2.0)).sqrt() * Z;
        let (shared, held_out) = (float(a) / float(of_a), float(b) / float(of_b));
        Self { shared, held_out, low: p - q - spread, high: p - q + spread }
    }

    fn shown(&self) -> Value {
        json!({
            "shared": self.shared,
            "held_out": self.held_out,
            "difference": self.shared - self.held_out,
            "interval_95": [self.low, self.high],
        })
    }
}

/// Plays that started within `millis`, which must be one of the bounds.
fn within(startups: &[u64], millis: u64) -> u64 {
    STARTUP_BOUNDS.iter().zip(startups).filter(|(bound, _)| **bound <= millis).map(|(_, count)| count).sum()
}

/// The bound below which so many of a hundred plays started; nothing beyond the last bound, or without plays.
pub(super) fn quantile(startups: &[u64], percent: u64) -> Option<u64> {
    let all: u64 = startups.iter().sum();
    let mut seen = 0;
    for (bound, count) in STARTUP_BOUNDS.iter().zip(startups) {
        seen += count;
        if all > 0 && seen * 100 >= all * percent {
            return Some(*bound);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use nearcast_engine::Span;

    use super::*;

    fn sums(plays: u64, slow: u64, stuttered: u64) -> PlaySums {
        let mut sums = PlaySums { stuttered, stalls: stuttered, ..PlaySums::default() };
        for play in 0..plays {
            sums.started(Span::from_millis(if play < slow { 3_000 } else { 90 }));
        }
        sums
    }

    #[test]
    fn few_plays_make_no_verdict() {
        let found = compare(&sums(90_000, 0, 0), &sums(999, 0, 0));
        assert!(
            found["verdict"].is_null() && found["why"].as_str().is_some_and(|why| why.contains("999")),
            "{found}"
        );
    }

    #[test]
    fn harm_beyond_chance_is_called_worse_and_chance_is_not() {
        let verdict = |shared: &PlaySums, held_out: &PlaySums| compare(shared, held_out)["verdict"].clone();
        assert_eq!(verdict(&sums(50_000, 500, 500), &sums(1_000, 10, 10)), "no worse");
        assert_eq!(verdict(&sums(50_000, 550, 600), &sums(1_000, 10, 10)), "no worse");
        let found = compare(&sums(50_000, 500, 2_500), &sums(1_000, 10, 10));
        assert_eq!(
            (&found["verdict"], &found["worse_in"][0]),
            (&json!("worse"), &json!("plays_with_a_stall"))
        );
        let found = compare(&sums(50_000, 5_000, 500), &sums(1_000, 10, 10));
        assert_eq!(found["worse_in"], json!(["plays_starting_after_400_ms", "plays_starting_after_2_s"]));
        assert_eq!(verdict(&sums(50_000, 0, 0), &sums(1_000, 100, 100)), "no worse", "better is no harm");
    }

    #[test]
    fn quantiles_are_the_bound_of_their_bucket() {
        let sums = sums(100, 10, 0);
        assert_eq!(
            [50, 90, 91, 100].map(|p| quantile(&sums.startups, p)),
            [Some(100), Some(100), Some(5_000), Some(5_000)]
        );
        assert_eq!(quantile(&[], 50), None);
    }
}
