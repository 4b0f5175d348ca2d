//! What was read of an access log, in lines for people.

use super::words::{bytes, count, duration};
use crate::access_log::{Reading, Replayed};

/// Lines about the log: what it has, what could not be read and why, what is played again.
pub fn reading(reading: &Reading, replayed: &Replayed) -> String {
    let mut text = format!(
        "log: {} lines over {}: {} requests that delivered media ({}), {} for other things, {} that delivered nothing\n",
        count(reading.lines),
        duration(reading.spans_seconds),
        count(reading.media_requests),
        bytes(reading.media_bytes),
        count(reading.other_requests),
        count(reading.undelivered)
    );
    if reading.bad_lines > 0 {
        let reasons: Vec<String> =
            reading.bad_because.iter().map(|(why, lines)| format!("{} with {why}", count(*lines))).collect();
        text.push_str(&format!("log: {} lines left out: {}\n", count(reading.bad_lines), reasons.join(", ")));
        for example in &reading.examples {
            text.push_str(&format!("  line {}: {}: {}\n", example.line, example.why, example.text));
        }
    }
    text.push_str(&format!(
        "log: found {} plays of {} titles by {} listeners{}\n",
        count(reading.plays),
        count(reading.titles),
        count(reading.listeners),
        if reading.one_in > 1 {
            format!(" (one listener in {} was kept)", reading.one_in)
        } else {
            String::new()
        }
    ));
    text.push_str(&format!(
        "playing again: {} plays of {} titles by {} of {} listeners in the busiest {} ({} by the log)\n",
        count(replayed.plays),
        count(replayed.titles),
        count(replayed.listeners),
        count(replayed.listeners_in_window),
        duration(replayed.seconds),
        bytes(replayed.logged_bytes)
    ));
    replayed.assumptions.iter().for_each(|said| text.push_str(&format!("assumed: {said}\n")));
    text
}
