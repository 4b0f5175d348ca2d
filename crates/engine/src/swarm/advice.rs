//! The rung advice: how fast a player with a ladder of renditions should believe that its bytes come.
//!
//! Such a player measures how fast segments arrive and chooses the rendition by that. What comes out of the cache, or
//! in a burst from peers, arrives faster than anything that is not here yet could: the player climbs to a rung that
//! nobody can bring in time, and stalls or falls back, again and again. So the engine finds the best rung that is either here or can be sustained,
//! and the shell hands bytes over at a rate that makes the player choose it: enough for that rung, not enough for the
//! next one.

use nearcast_content::FlatSet;

use super::Swarm;
use super::api::{Output, PlayId};
use super::objects::{ObjectIx, Track, TrackPart};
use super::plays::Read;
use crate::time::Span;
use crate::units::{Rate, mul_div};
use crate::wire::SwarmId;

/// Media ahead of the playhead that must be here for a rung to count as here: a few segments.
const HERE: Span = Span::from_secs(20);
/// Longest segment that players with a choice ask for.
const SEGMENT: Span = Span::from_secs(30);
/// Of what can be sustained, a rung may need this many percent: players leave as much for mishaps.
const SUSTAINED: u64 = 80;
/// Percent of the advised rung's mean rate at which bytes are handed over: its peaks lie above its mean.
const ROOM: u64 = 200;
/// Percent of the next rung's mean rate that is not passed: players climb when they measure 140 % of it or more
/// (hls.js: 1 / 0.7).
const LID: u64 = 115;
/// Percent of the rate of what is being read below which no pace goes: its buffer must grow.
const FLOOR: u64 = 120;
/// A pace is told again when it differs by more than this many percent.
const STEP: u64 = 20;

/// One rendition of a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rung {
    rate: Rate,
    /// It is here for a while ahead of the playhead.
    here: bool,
}

/// The pace at which a play should get its bytes; none for as fast as they come.
fn advise(rungs: &[Rung], sustained: Rate, reading: Rate) -> Option<Rate> {
    let brought = percent(sustained, SUSTAINED);
    let plays = |rung: &&Rung| rung.here || rung.rate <= brought;
    let best = rungs.iter().filter(plays).map(|rung| rung.rate).max();
    // When nothing can be sustained, the lowest rung is the best there is.
    let best = best.or(rungs.iter().map(|rung| rung.rate).min())?;
    let next = rungs.iter().map(|rung| rung.rate).filter(|rate| *rate > best).min()?;
    Some(percent(best, ROOM).min(percent(next, LID)).max(percent(reading, FLOOR)))
}

fn percent(rate: Rate, of: u64) -> Rate {
    Rate::from_bytes_per_sec(mul_div(rate.bytes_per_sec(), of, 100).unwrap_or(u64::MAX))
}

fn mean(track: &Track) -> Rate {
    Rate::mean(track.parts.iter().map(|part| part.size.bytes()).sum(), track.length())
}

impl Swarm {
    /// Advises every play that has a choice.
    pub(super) fn give_advice(&mut self) {
        let mut advice: Vec<(PlayId, Option<Rate>)> = Vec::new();
        let reads: Vec<&Read> = self.plays.reads().map(|(_, read)| read).collect();
        let plays = reads.iter().map(|read| read.play).collect::<FlatSet<_>>();
        for play in &plays {
            let of_play = reads.iter().filter(|read| read.play == *play);
            // Sound beside pictures is read at a lower rate: the pictures decide.
            let read = of_play.max_by_key(|read| self.objects.track(read.rendition).map(mean));
            let share = u64::try_from(plays.len()).unwrap_or(u64::MAX);
            let pace = read.and_then(|read| self.advice_for(read, share));
            advice.push((*play, pace));
        }
        for (play, rate) in advice {
            let told = self.advised.get(&play).copied();
            if differs(told, rate) {
                match rate {
                    Some(rate) => self.advised.insert(play, rate),
                    None => self.advised.remove(&play),
                };
                self.put(Output::Advise { play, rate });
            }
        }
    }

    fn advice_for(&self, read: &Read, plays: u64) -> Option<Rate> {
        let track = self.objects.track(read.rendition)?;
        // A start is not held back.
        if self.plays.starting(read.play) {
            return None;
        }
        let part = read.on;
        let at = part.media_at(read.at);
        // Who reads a film in one go does not choose as it plays, and nobody does where there is one rendition.
        let whole = part.media_at(read.bytes.end).less(part.media_at(read.bytes.start)) > SEGMENT;
        if whole || self.objects.tracks_of(track.swarm).nth(1).is_none() {
            return None;
        }
        let rungs: Vec<Rung> = self
            .objects
            .tracks_of(track.swarm)
            .map(|track| Rung { rate: mean(track), here: self.here(track, at) })
            .collect();
        let sustained = self.sustained(track.swarm).bytes_per_sec() / plays.max(1);
        advise(&rungs, Rate::from_bytes_per_sec(sustained), mean(track))
    }

    /// Whether all of a track is held for [`HERE`] from title time `at` on.
    fn here(&self, track: &Track, at: Span) -> bool {
        let ahead = |part: &&TrackPart| part.start + part.length > at && part.start < at + HERE;
        track.parts.iter().filter(ahead).all(|part| {
            let from = part.bytes_in(at.less(part.start)).min(part.size.bytes());
            let to = part.bytes_in((at + HERE).less(part.start)).min(part.size.bytes());
            let blocks = part.size.covering(nearcast_content::ByteRange::new(from, to));
            self.objects.get(part.object).held.contains_all(blocks)
        })
    }

    /// How fast what is not here could come: from those who hold something of the title, and the origin.
    fn sustained(&self, swarm: SwarmId) -> Rate {
        let holds = |object: &ObjectIx| self.peers.iter().any(|(_, p)| p.said(*object).is_some());
        let objects: Vec<_> = self
            .objects
            .tracks_of(swarm)
            .flat_map(|t| &t.parts)
            .map(|part| part.object)
            .filter(holds)
            .collect();
        let holders = self.peers.iter().filter(|(_, peer)| {
            peer.serves_now(self.now)
                && peer.pipe.measured()
                && objects.iter().any(|object| peer.held(*object).is_some_and(|held| !held.is_empty()))
        });
        let peers: u64 = holders.map(|(_, peer)| peer.pipe.rate().bytes_per_sec()).sum();
        let origin = if self.settings.origin == super::api::OriginUse::Never || self.origin.failing() {
            0
        } else {
            self.origin.pipe.rate().bytes_per_sec()
        };
        Rate::from_bytes_per_sec(peers.saturating_add(origin))
    }
}

fn differs(told: Option<Rate>, rate: Option<Rate>) -> bool {
    match (told, rate) {
        (None, None) => false,
        (Some(told), Some(rate)) => rate > percent(told, 100 + STEP) || rate < percent(told, 100 - STEP),
        (Some(_), None) | (None, Some(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mbit(tenths: u64) -> Rate {
        Rate::from_bits_per_sec(tenths * 100_000)
    }

    fn ladder(here: [bool; 3]) -> [Rung; 3] {
        let rates = [mbit(10), mbit(30), mbit(60)];
        std::array::from_fn(|n| Rung { rate: rates[n], here: here[n] })
    }

    #[test]
    fn the_best_rung_that_is_here_or_can_be_sustained_is_advised() {
        let none = [false; 3];
        assert_eq!(advise(&ladder(none), mbit(20), mbit(10)), Some(mbit(20)), "the first, not the second");
        assert_eq!(
            advise(&ladder([true, true, false]), mbit(20), mbit(30)),
            Some(mbit(60)),
            "the second is here"
        );
        assert_eq!(advise(&ladder(none), mbit(80), mbit(10)), None, "the top can be sustained");
        assert_eq!(advise(&ladder([false, false, true]), mbit(0), mbit(60)), None, "the top is here");
        assert_eq!(
            advise(&ladder(none), mbit(0), mbit(10)),
            Some(mbit(20)),
            "the lowest is the best there is"
        );
        let reading_above = advise(&ladder(none), mbit(20), mbit(60)).expect("a pace");
        assert_eq!(reading_above, percent(mbit(60), FLOOR), "what is read must not run dry");
    }

    /// A player that goes by the throughput of its segments, each weighing as much as it took (as hls.js does it, with
    /// half of it forgotten in three seconds or so): the highest rung below eight tenths of it.
    struct Player {
        estimate: u64,
        buffer_ms: u64,
        stalled_ms: u64,
        played: Vec<usize>,
    }

    impl Player {
        fn watch(&mut self, rungs: &[Rung; 3], sustained: Rate, paced: bool, cached: u64) {
            for segment in 0..60 {
                let fits = |rung: &Rung| rung.rate.bytes_per_sec() * 10 <= self.estimate * 8;
                let choice = rungs.iter().rposition(fits).unwrap_or(0);
                let bytes = rungs[choice].rate.bytes_in(Span::from_secs(4));
                // Out of the cache as fast as loopback, else as fast as it can be brought.
                let here = rungs[choice].here && segment < cached;
                let comes = if here { Rate::from_bits_per_sec(2_000_000_000) } else { sustained };
                let now: Vec<Rung> =
                    rungs.iter().map(|r| Rung { here: r.here && segment < cached, ..*r }).collect();
                let pace = advise(&now, sustained, rungs[choice].rate).filter(|_| paced && segment > 0);
                let rate = pace.map_or(comes, |pace| comes.min(pace));
                let took = rate.span_for(bytes).millis();
                self.stalled_ms += took.saturating_sub(self.buffer_ms);
                self.buffer_ms = self.buffer_ms.saturating_sub(took) + 4_000;
                // It asks for no more than half a minute ahead.
                self.buffer_ms = self.buffer_ms.min(30_000);
                let took = took.max(1);
                let measured = Rate::mean(bytes, Span::from_millis(took)).bytes_per_sec();
                self.estimate = (self.estimate * 3_000 + measured * took) / (3_000 + took);
                self.played.push(choice);
            }
        }
    }

    fn player() -> Player {
        Player { estimate: mbit(10).bytes_per_sec(), buffer_ms: 0, stalled_ms: 0, played: Vec::new() }
    }

    #[test]
    fn a_player_whose_cache_is_fast_and_whose_line_is_slow_swings_without_advice_and_not_with_it() {
        let rungs = ladder([true, false, false]);
        let sustained = mbit(20);
        let (mut plain, mut advised) = (player(), player());
        plain.watch(&rungs, sustained, false, 30);
        advised.watch(&rungs, sustained, true, 30);
        let switches = |player: &Player| player.played.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(switches(&plain) > 10, "{:?}", plain.played);
        assert!(switches(&advised) <= 1, "{:?}", advised.played);
        assert!(advised.stalled_ms <= 20, "{} ms", advised.stalled_ms);
    }

    #[test]
    fn a_rung_that_is_here_is_played_although_the_line_could_not_bring_it() {
        let rungs = ladder([true, true, false]);
        let mut advised = player();
        advised.watch(&rungs, mbit(20), true, u64::MAX);
        let of = |rung| advised.played.iter().filter(|played| **played == rung).count();
        assert!(of(1) >= 50 && of(2) == 0, "{:?}", advised.played);
        assert!(advised.stalled_ms <= 20, "{}", advised.stalled_ms);
    }
}
