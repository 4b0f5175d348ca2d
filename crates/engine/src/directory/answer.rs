//! Which holders an asker is told: the nearest first, a draw among equals, and parts that the near ones lack.

use std::cmp::Reverse;
use std::ops::Range;

use super::api::Found;
use super::roster::{Holder, Roster, Slot};
use super::sessions::{Held, Session, Sessions};
use crate::limits::{DRAWS_PER_CLASS, MAX_ANSWER};
use crate::place::Nearness;
use crate::random::Random;
use crate::wire::SwarmId;
use crate::wire::directory::Holding;

/// Of an answer, how many are simply the nearest. The rest goes first to holders of parts that those lack.
const NEAREST: usize = MAX_ANSWER * 3 / 4;

/// A lookup.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// Who asks.
    pub(super) slot: Slot,
    pub(super) swarm: SwarmId,
    /// Renditions of interest; zero for any.
    pub(super) renditions: u16,
}

/// A holder that may go into the answer.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    slot: Slot,
    nearness: Nearness,
    held: Held,
    /// Whether it has a rendition of interest.
    fits: bool,
    /// How much it has of what the asker lacks, and chance.
    merit: u64,
}

/// The answer to `ask`, and how many holders were looked at for it.
pub(super) fn answer<'a>(
    ask: Ask,
    asker: &Session,
    rosters: impl Iterator<Item = &'a Roster>,
    sessions: &Sessions,
    random: &mut Random,
) -> (Vec<Found>, u64) {
    let pool: Vec<Candidate> = rosters.flat_map(|roster| draw(ask, asker, roster, random)).collect();
    let examined = pool.len() as u64;
    let mut chosen = choose(pool);
    chosen.sort_by_key(|candidate| candidate.nearness);
    let found = chosen.into_iter().filter_map(|candidate| {
        let session = sessions.get(candidate.slot)?;
        let Held { renditions, coverage, .. } = candidate.held;
        let holding = Holding { swarm: ask.swarm, renditions, coverage };
        let (id, node, ways) = (session.id, session.node, session.ways);
        Some(Found { session: id, node, nearness: candidate.nearness, holding, ways })
    });
    (found.collect(), examined)
}

/// Draws holders from each neighbourhood of the asker, the narrowest first, until enough fit and hold the
/// whole title together.
fn draw(ask: Ask, asker: &Session, roster: &Roster, random: &mut Random) -> Vec<Candidate> {
    let lacks = !asker.holdings.get(&ask.swarm).map_or(0, |held| held.coverage);
    let mut pool: Vec<Candidate> = Vec::new();
    let mut inner = 0..0;
    for outer in roster.around(asker.spot()) {
        for rank in ranks(&outer, &inner, random) {
            let Some(Holder { spot, slot, held }) = roster.nth(rank).copied() else { continue };
            if slot == ask.slot {
                continue;
            }
            pool.push(Candidate {
                slot,
                nearness: asker.place.nearness(spot.into()),
                held,
                fits: ask.renditions == 0 || ask.renditions & held.renditions != 0,
                merit: merit(held.coverage, lacks) + random.below(64),
            });
        }
        if suffices(&pool) {
            break;
        }
        inner = outer;
    }
    pool
}

/// How much of what the asker lacks is in `coverage`, in 64ths of it.
fn merit(coverage: u64, lacks: u64) -> u64 {
    match lacks.count_ones() {
        0 => u64::from(coverage.count_ones()),
        lacking => u64::from((coverage & lacks).count_ones()) * 64 / u64::from(lacking),
    }
}

fn suffices(pool: &[Candidate]) -> bool {
    let fit = pool.iter().filter(|candidate| candidate.fits);
    let (count, together) = fit.fold((0, 0), |(n, all), candidate| (n + 1, all | candidate.held.coverage));
    count >= MAX_ANSWER && together == u64::MAX
}

/// Up to [`DRAWS_PER_CLASS`] ranks in `outer` that are not in `inner`, one at random from each of as many
/// equal strata.
fn ranks(outer: &Range<usize>, inner: &Range<usize>, random: &mut Random) -> Vec<usize> {
    // A neighbourhood that holds nobody may be an empty range anywhere.
    let hole = if inner.is_empty() { 0 } else { inner.len() };
    let many = outer.len() - hole;
    let draws = many.min(DRAWS_PER_CLASS);
    let drawn = (0..draws).map(|i| {
        let (from, to) = (i * many / draws, (i + 1) * many / draws);
        let within = usize::try_from(random.below((to - from) as u64)).unwrap_or(0);
        let rank = outer.start + from + within;
        if hole > 0 && rank >= inner.start { rank + hole } else { rank }
    });
    drawn.collect()
}

/// The best [`MAX_ANSWER`] of the pool: those that fit before the others, most of them by nearness and merit,
/// the rest by what they add.
fn choose(mut pool: Vec<Candidate>) -> Vec<Candidate> {
    pool.sort_by_key(|c| (Reverse(c.fits), c.nearness, Reverse(c.merit), c.slot));
    let rest = pool.split_off(pool.len().min(NEAREST));
    let mut chosen = pool;
    let mut together = chosen.iter().filter(|c| c.fits).fold(0, |all, c| all | c.held.coverage);
    let mut others = Vec::new();
    for candidate in rest {
        let adds = candidate.fits && candidate.held.coverage & !together != 0;
        if adds && chosen.len() < MAX_ANSWER {
            together |= candidate.held.coverage;
            chosen.push(candidate);
        } else {
            others.push(candidate);
        }
    }
    others.truncate(MAX_ANSWER - chosen.len());
    chosen.extend(others);
    chosen
}
