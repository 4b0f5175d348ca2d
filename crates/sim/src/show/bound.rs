//! What nobody could have done better in the same evening, in lines for people.

use super::table::{four, lay_out};
use super::words::percent;
use crate::outcome::{Outcome, Why, ratio};

/// How far from the bound a world stayed, and why; nothing where it was not asked for.
pub fn bound(world: &Outcome) -> String {
    let Some(bound) = &world.bound else { return String::new() };
    let of = |bytes: u64| ratio(bytes, world.bytes.sum());
    let mut text = format!(
        "simulated: in this evening the origin had to send {} of the bytes at least, {} with every click foreseen; it \
         sent {}\n",
        percent(of(bound.origin_sent)),
        percent(of(bound.origin_sent_foreseeing)),
        percent(of(world.origin_sent))
    );
    let best = &bound.network_startup_ms;
    text.push_str(&format!(
        "simulated: start-ups at best, p50/75/90/99, network: not all in cache {}, cold random {}\n",
        four(&best.uncached),
        four(&best.cold)
    ));
    let gap = &bound.gap;
    let columns = [gap.start, gap.play, gap.before];
    let row = |words, of_it: fn(&Why) -> u64| {
        let cells = columns.iter().map(|why| format!("{:.2} %", of(of_it(why)) * 100.0));
        (words, cells.collect::<Vec<String>>())
    };
    let heading = ["for a start", "while it played", "before it played"].map(str::to_owned).to_vec();
    let rows = [
        ("simulated: players got from the origin", heading),
        row("  on its way from a peer", |why| why.raced),
        row("  a connected peer had it, idle", |why| why.idle),
        row("  a connected peer had it, busy", |why| why.busy),
        row("  a connect was under way", |why| why.connecting),
        row("  a holder was known, not connected", |why| why.unconnected),
        row("  a holder was there, never heard of", |why| why.untold),
        row("  listeners were there without it", |why| why.not_had),
        row("  a holder was there earlier or later", |why| why.nobody),
    ];
    text.push_str(&lay_out(&rows));
    text.push_str(&format!("  nobody could have given it: {:.2} %\n", of(gap.bound) * 100.0));
    text
}
