//! The rung advice: how fast a player with a ladder of renditions should believe that its bytes come.
//!
//! Such a player measures how fast segments arrive and chooses the rendition by that. What comes out of the cache, or
//! in a burst from peers, arrives faster than anything that is not here yet could: the player climbs to a rung that
//! nobody can bring in time, and stalls or falls back, again and again. And what is not due yet is left to others for
//! a while, or waits behind what is: the player falls to a rung below the one that could be brought. So the engine finds the best
//! rung that is either here or can be sustained, and says for what rate a player that would choose it takes its line:
//! enough for that rung, not enough for the next one. The shell tells the player, or, where it measures by itself, hands
//! bytes over no faster.

use nearcast_content::{BlockSet, ByteRange, FlatSet};

use super::Swarm;
use super::api::{Advice, OriginUse, Output, PlayId, Taking};
use super::meter::Pipe;
use super::objects::{ObjectIx, Track, TrackPart};
use super::plays::Read;
use crate::time::{Span, Time};
use crate::units::{Rate, mul_div};

/// Media ahead of where a player reads that is looked at: a few segments.
const AHEAD: Span = Span::from_secs(20);
/// Longest segment that players with a choice ask for.
const SEGMENT: Span = Span::from_secs(30);
/// Of what can be sustained, a rung may need this many percent: players leave as much for mishaps.
const SUSTAINED: u64 = 80;
/// The same for one that is not above what is being read: what is measured swings, and who goes down and up again has
/// of either rung what nobody else wants.
const KEPT: u64 = 95;
/// Percent of the advised rung's mean rate that a player needs to choose it: its peaks lie above its mean.
const ROOM: u64 = 200;
/// Percent of the next rung's mean rate that is not passed: players climb when they measure 140 % of it or more
/// (hls.js: 1 / 0.7).
const LID: u64 = 115;
/// The same where the next rung is read and is to be left: players stay as long as they measure 105 % of it.
const LEFT: u64 = 90;
/// A rung that was left is not climbed to again for as long: what is measured swings, and each change has something of
/// either rung that nobody else wants.
const STAYS_DOWN: Span = Span::from_secs(20);
/// What a player should have ahead; who has less fetches faster than it plays until it does.
const RESERVE: Span = Span::from_secs(8);
/// Percent of the rate of what is being read below which no pace goes: its buffer must grow.
const FLOOR: u64 = 120;
/// A rate is told again when it differs by more than this many percent.
const STEP: u64 = 20;
/// All of something, in the parts in which shares are counted.
const WHOLE: u64 = 256;
/// What came counts half as much after this.
const HALF_LIFE: Span = Span::from_secs(10);

/// One rendition of a ladder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rung {
    rate: Rate,
    /// Share of it that is missing for a while ahead of where the player reads.
    missing: u64,
    /// Share of that which peers have.
    elsewhere: u64,
    /// How fast those who have anything of it deliver.
    holders: Rate,
    /// Whether it was left a moment ago.
    left: bool,
}

/// What could bring in what is not here.
#[derive(Clone, Copy, Debug, Default)]
struct Sources {
    origin: Rate,
    /// The most that the line has brought, where it has.
    line: Option<Rate>,
    /// Share of what came lately that peers brought: in a crowd each brings in a part, and has the rest of the others. Of
    /// one that has turned to another rung nothing more is to come, so that no more is counted on than twice what they
    /// have of it.
    lately: u64,
    /// Plays that it is for.
    plays: u64,
    /// How long what the player has lasts.
    ahead: Span,
}

impl Sources {
    /// Whether a rung can be brought in with so many percent of what there is.
    fn sustain(&self, rung: Rung, read: bool, percents: u64) -> bool {
        let part = |rate: Rate, of: u64| {
            Rate::from_bytes_per_sec(mul_div(rate.bytes_per_sec(), of, WHOLE).unwrap_or(u64::MAX))
        };
        let brought = self.lately.min(rung.elsewhere * 2);
        let peers = if read { rung.elsewhere.max(brought) } else { rung.elsewhere };
        let needs = part(rung.rate, rung.missing);
        let has = |rate: Rate| percent(rate, percents).bytes_per_sec() / self.plays.max(1);
        // What peers have and are too slow for comes from the origin.
        let of_peers = part(needs, peers).bytes_per_sec().min(has(rung.holders));
        needs.bytes_per_sec() - of_peers <= has(self.origin)
            && self.line.is_none_or(|line| needs.bytes_per_sec() <= has(line))
    }
}

/// Who brought what came lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lately {
    peers: u64,
    all: u64,
    since: Time,
}

impl Lately {
    /// So much came.
    pub(super) fn came(&mut self, now: Time, bytes: u64, of_peer: bool) {
        while self.all > 0 && now.since(self.since) >= HALF_LIFE {
            (self.peers, self.all) = (self.peers / 2, self.all / 2);
            self.since += HALF_LIFE;
        }
        if self.all == 0 {
            self.since = now;
        }
        self.all += bytes;
        self.peers += if of_peer { bytes } else { 0 };
    }

    fn share(&self) -> u64 {
        mul_div(self.peers, WHOLE, self.all).unwrap_or(0)
    }
}

/// What a player should take its line for, that reads a rung of the rate `reading`. Of a ladder without rungs nothing.
fn advise(rungs: &[Rung], sources: Sources, reading: Rate) -> Option<Advice> {
    let plays = |rung: &&Rung| {
        // What comes within as long may play for longer, as long as the player has more ahead than it should.
        let lasts = (AHEAD + sources.ahead).less(RESERVE);
        let all = |percents: u64| mul_div(percents, lasts.micros(), AHEAD.micros()).unwrap_or(0);
        let percents = if rung.rate <= reading { all(KEPT) } else { all(100).min(SUSTAINED) };
        !rung.left && sources.sustain(**rung, rung.rate == reading, percents)
    };
    let best = rungs.iter().filter(plays).map(|rung| rung.rate).max();
    // When nothing can be sustained, the lowest rung is the best there is.
    let best = best.or(rungs.iter().map(|rung| rung.rate).min())?;
    let next = rungs.iter().map(|rung| rung.rate).filter(|rate| *rate > best).min();
    let enough = percent(best, ROOM);
    let Some(next) = next else { return Some(Advice { line: enough, pace: None }) };
    let lid = if best < reading { LEFT } else { LID };
    let line = enough.min(percent(next, lid));
    Some(Advice { line, pace: Some(line.max(percent(reading, FLOOR))) })
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
        let mut advice: Vec<(PlayId, Rate, Option<Advice>)> = Vec::new();
        let reads: Vec<&Read> = self.plays.reads().map(|(_, read)| read).filter(|read| !read.aside).collect();
        let plays = reads.iter().map(|read| read.play).collect::<FlatSet<_>>();
        for play in &plays {
            let of_play = reads.iter().filter(|read| read.play == *play && self.leads(read));
            // While nothing but sound is read beside pictures, what was advised stands.
            let Some(read) = of_play.max_by_key(|read| self.objects.track(read.rendition).map(mean)) else {
                continue;
            };
            let share = u64::try_from(plays.len()).unwrap_or(u64::MAX);
            let reading = self.objects.track(read.rendition).map_or(Rate::ZERO, mean);
            advice.push((*play, reading, self.advice_for(read, share)));
        }
        for (play, reading, advice) in advice {
            if advice.is_some_and(|advice| advice.line < reading) {
                self.left.insert(play, (reading, self.now));
            }
            let told = self.advised.get(&play).copied();
            if differs(told, advice) {
                match advice {
                    Some(advice) => self.advised.insert(play, advice),
                    None => self.advised.remove(&play),
                };
                self.put(Output::Advise { play, advice });
            }
        }
    }

    fn advice_for(&self, read: &Read, plays: u64) -> Option<Advice> {
        let track = self.objects.track(read.rendition)?;
        if !self.chooses(read) {
            return None;
        }
        let at = read.on.media_at(read.at);
        let mut rungs: Vec<Rung> = self.objects.ladder_of(track).map(|track| self.rung(track, at)).collect();
        let left = self.left.get(&read.play).filter(|(_, at)| self.now.since(*at) < STAYS_DOWN);
        if let Some((left, _)) = left {
            rungs.iter_mut().for_each(|rung| rung.left = rung.rate >= *left && rung.rate > mean(track));
        }
        let never = self.settings.origin == OriginUse::Never || self.origin.failing();
        // Of a segment that is taken whole nothing is shown before all of it is here.
        let shown = if read.taking == Taking::Whole { read.on.media_at(read.bytes.start) } else { at };
        let ahead = self.plays.due(read.play, shown).since(self.now);
        let measured = self.origin.pipe.measured();
        if !never && !measured && rungs.iter().all(|rung| rung.holders == Rate::ZERO) {
            // Nothing is known of anybody.
            return None;
        }
        // One that nothing was asked of, yet or for long, is tried by who has enough ahead to wait for what it turns out to
        // bring.
        let origin = match ahead >= RESERVE {
            _ if never => Rate::ZERO,
            true => self.origin.pipe.hoped(self.now),
            false if measured => self.origin.pipe.rate(),
            false => Rate::ZERO,
        };
        let lately = if self.is_held_out(read.on.object) { 0 } else { self.lately.share() };
        let line = self.line_brings().map(|line| if measured { line.max(origin) } else { line });
        let sources = Sources { origin, line, lately, plays, ahead };
        let advice = advise(&rungs, sources, mean(track))?;
        // A start is not held back.
        Some(Advice { pace: advice.pace.filter(|_| !self.plays.starting(read.play)), ..advice })
    }

    /// The most that the line is known to bring; none before anything was learned of it. What comes quickly and then not
    /// for a while does not show in all that came, but in how fast it came from the one who sent it.
    fn line_brings(&self) -> Option<Rate> {
        let measured = self.peers.iter().map(|(_, peer)| &peer.pipe).filter(|pipe| pipe.measured());
        self.line.most().map(|most| measured.map(Pipe::rate).fold(most, Rate::max))
    }

    /// What of a track is here and elsewhere for [`AHEAD`] from title time `at` on.
    fn rung(&self, track: &Track, at: Span) -> Rung {
        let ahead = |part: &&TrackPart| part.start + part.length > at && part.start < at + AHEAD;
        let (mut all, mut missing, mut held, mut holders) = (0, 0, 0, FlatSet::new());
        for part in track.parts.iter().filter(ahead) {
            let from = part.bytes_in(at.less(part.start)).min(part.size.bytes());
            let to = part.bytes_in((at + AHEAD).less(part.start)).min(part.size.bytes());
            let mut lacks = BlockSet::EMPTY;
            let blocks = part.size.covering(ByteRange::new(from, to));
            all += blocks.len();
            missing +=
                self.objects.get(part.object).held.missing(blocks).map(|r| lacks.insert(r)).sum::<u32>();
            let peers =
                self.peers.iter().filter(|(_, peer)| peer.serves_now(self.now) && peer.pipe.measured());
            for (id, peer) in peers {
                let Some(has) = peer.held(part.object).filter(|has| !has.is_empty()) else { continue };
                holders.insert((id, peer.sustains()));
                for range in lacks.ranges().to_vec() {
                    has.present(range).for_each(|range| held += lacks.remove(range));
                }
            }
        }
        let share = |of: u32, all: u32| mul_div(of.into(), WHOLE, all.into()).unwrap_or(0);
        let sum = holders.iter().fold(0, |sum: u64, (_, rate)| sum.saturating_add(rate.bytes_per_sec()));
        Rung {
            rate: mean(track),
            missing: share(missing, all),
            elsewhere: share(held, missing),
            holders: Rate::from_bytes_per_sec(sum),
            left: false,
        }
    }

    /// Objects of the renditions that the player of a read could choose instead: whether others have them matters to what
    /// it is advised.
    pub(super) fn alternatives(&self, read: &Read) -> impl Iterator<Item = ObjectIx> {
        let track = self.objects.track(read.rendition).filter(|_| self.chooses(read));
        let at = read.on.media_at(read.at);
        let others = track.into_iter().flat_map(|track| self.objects.ladder_of(track));
        others.filter_map(move |track| {
            let part = track.parts.iter().find(|part| part.start <= at && at < part.start + part.length)?;
            Some(part.object)
        })
    }

    /// Whether a read is one of a player that has a choice of renditions, and chooses as it plays.
    fn chooses(&self, read: &Read) -> bool {
        let part = read.on;
        let span = part.media_at(read.bytes.end).less(part.media_at(read.bytes.start));
        let Some(track) = self.objects.track(read.rendition) else { return false };
        // Who reads a film in one go does not, and nobody does where there is one rendition.
        span <= SEGMENT && !read.aside && self.objects.ladder_of(track).nth(1).is_some()
    }

    /// Whether a read is of what needs most of the line: where sound is in files of its own, of the pictures.
    fn leads(&self, read: &Read) -> bool {
        let Some(track) = self.objects.track(read.rendition) else { return false };
        let first = self.objects.tracks_of(track.swarm).max_by_key(|track| mean(track));
        first.is_some_and(|first| first.set == track.set)
    }
}

fn differs(told: Option<Advice>, advice: Option<Advice>) -> bool {
    let rates = |told: Option<Rate>, rate: Option<Rate>| match (told, rate) {
        (None, None) => false,
        (Some(told), Some(rate)) => rate > percent(told, 100 + STEP) || rate < percent(told, 100 - STEP),
        (Some(_), None) | (None, Some(_)) => true,
    };
    let parts = |advice: Option<Advice>| (advice.map(|a| a.line), advice.and_then(|a| a.pace));
    let ((told_line, told_pace), (line, pace)) = (parts(told), parts(advice));
    rates(told_line, line) || rates(told_pace, pace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mbit(tenths: u64) -> Rate {
        Rate::from_bits_per_sec(tenths * 100_000)
    }

    fn ladder(here: [bool; 3]) -> [Rung; 3] {
        let rates = [mbit(10), mbit(30), mbit(60)];
        let missing = here.map(|here| if here { 0 } else { WHOLE });
        std::array::from_fn(|n| Rung { rate: rates[n], missing: missing[n], ..Rung::default() })
    }

    fn origin(rate: Rate) -> Sources {
        Sources { origin: rate, plays: 1, ahead: RESERVE, ..Sources::default() }
    }

    #[test]
    fn the_best_rung_that_is_here_or_can_be_sustained_is_advised() {
        let none = [false; 3];
        let told = |here, sustained, reading| {
            let advice = advise(&ladder(here), origin(mbit(sustained)), mbit(reading)).expect("a ladder");
            (advice.line, advice.pace)
        };
        assert_eq!(told(none, 20, 10), (mbit(20), Some(mbit(20))), "the first, not the second");
        assert_eq!(told([true, true, false], 20, 30), (mbit(60), Some(mbit(60))), "the second is here");
        assert_eq!(told(none, 80, 10), (mbit(120), None), "the top can be sustained");
        assert_eq!(told([false, false, true], 0, 60), (mbit(120), None), "the top is here");
        assert_eq!(told(none, 0, 10), (mbit(20), Some(mbit(20))), "the lowest is the best there is");
        let (line, pace) = told(none, 20, 60);
        assert_eq!(line, mbit(20), "it should go down");
        assert_eq!(pace, Some(percent(mbit(60), FLOOR)), "and what is read must not run dry");
        assert_eq!(advise(&[], origin(mbit(20)), mbit(10)), None);
    }

    #[test]
    fn a_rung_that_is_read_is_left_later_than_it_is_climbed_to() {
        let line = |sustained, reading| {
            advise(&ladder([false; 3]), origin(mbit(sustained)), mbit(reading)).expect("a ladder").line
        };
        for sustained in [32, 35, 37] {
            assert_eq!(line(sustained, 10), mbit(20), "not enough to climb");
            assert_eq!(line(sustained, 30), mbit(60), "and enough to stay");
        }
        assert_eq!(line(31, 30), mbit(20), "not any more");
        assert_eq!(line(38, 10), mbit(60));
    }

    #[test]
    fn who_has_little_ahead_is_advised_less_and_who_has_much_stays() {
        let line = |ahead: u64, sustained, reading| {
            let sources = Sources { ahead: Span::from_secs(ahead), ..origin(mbit(sustained)) };
            advise(&ladder([false; 3]), sources, mbit(reading)).expect("a ladder").line
        };
        assert_eq!([0, 4, 28].map(|ahead| line(ahead, 40, 10)), [mbit(20), mbit(60), mbit(60)]);
        assert_eq!([0, 4, 28].map(|ahead| line(ahead, 50, 30)), [mbit(20), mbit(60), mbit(60)]);
        assert_eq!(line(28, 37, 10), mbit(20), "nobody climbs for that");
        assert_eq!([8, 28].map(|ahead| line(ahead, 16, 30)), [mbit(20), mbit(60)], "it lasts for a while");
    }

    #[test]
    fn a_rung_that_is_to_be_left_is_not_what_the_line_is_taken_for() {
        let rungs = [10, 12].map(|rate| Rung { rate: mbit(rate), missing: WHOLE, ..Rung::default() });
        let line = |reading| advise(&rungs, origin(mbit(12)), mbit(reading)).expect("rungs").line;
        assert_eq!(line(10), percent(mbit(12), LID), "not enough to climb");
        assert_eq!(line(12), percent(mbit(12), LEFT), "too little to stay: hls.js does with 105 %");
    }

    #[test]
    fn what_peers_have_need_not_come_from_the_origin() {
        let line = |elsewhere: [u64; 3], holders, lately, line: u64, reading| {
            let mut rungs = ladder([false; 3]);
            let parts = rungs.iter_mut().zip(elsewhere);
            parts.for_each(|(rung, part)| (rung.elsewhere, rung.holders) = (part, mbit(holders)));
            let line = (line > 0).then(|| mbit(line));
            let sources = Sources { lately, line, ..origin(mbit(20)) };
            advise(&rungs, sources, mbit(reading)).expect("a ladder").line
        };
        let (lowest, middle, top) = (mbit(20), mbit(60), mbit(120));
        assert_eq!(line([0, 0, 0], 900, 0, 0, 10), lowest, "they have nothing that is missing");
        assert_eq!(line([0, 0, WHOLE], 900, 0, 0, 10), top, "all of the top");
        assert_eq!(line([0, 128, 128], 900, 0, 0, 10), middle, "half of both");
        assert_eq!(line([0, 0, WHOLE], 45, 0, 0, 10), lowest, "and are slow");
        assert_eq!(line([0, 0, WHOLE], 60, 0, 0, 10), top, "as slow as that the origin brings the rest");
        assert_eq!(line([0, 0, WHOLE], 900, 0, 70, 10), lowest, "or the line is");
        assert_eq!(
            line([0, 64, 0], 900, 128, 0, 30),
            middle,
            "half of what is read comes from others of a crowd"
        );
        assert_eq!(line([0, 0, 0], 900, 128, 0, 30), lowest, "who have turned to something else");
        assert_eq!(line([0, 0, 0], 900, 128, 0, 10), lowest, "which says nothing of what is not read");
        let mut rungs = ladder([false; 3]);
        rungs[1].missing = WHOLE / 2;
        assert_eq!(
            advise(&rungs, origin(mbit(20)), mbit(10)).expect("a ladder").line,
            middle,
            "half is here"
        );
    }

    #[test]
    fn of_what_came_lately_the_latest_counts_most() {
        let mut lately = Lately::default();
        assert_eq!(lately.share(), 0);
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        lately.came(at(1), 100, true);
        lately.came(at(5), 300, false);
        assert_eq!(lately.share(), WHOLE / 4);
        lately.came(at(31), 50, true);
        assert_eq!(lately.share(), mul_div(62, WHOLE, 100).expect("fits"), "12 of 50, and 50");
        lately.came(at(100_000), 1, true);
        assert_eq!(lately.share(), WHOLE);
    }

    /// A player that goes by the throughput of its segments, each weighing as much as it took (as hls.js does it, with
    /// half of it forgotten in three seconds or so): the highest rung below eight tenths of it.
    struct Player {
        estimate: u64,
        buffer_ms: u64,
        stalled_ms: u64,
        played: Vec<usize>,
    }

    /// What becomes of the advice.
    #[derive(Clone, Copy, PartialEq)]
    enum Obeyed {
        Not,
        /// The bytes are held back.
        ByPace,
        /// The player is told.
        ByPlayer,
    }

    impl Player {
        fn watch(&mut self, rungs: &[Rung; 3], sustained: Rate, obeyed: Obeyed, cached: u64) {
            for segment in 0..60 {
                let fits = |rung: &Rung| rung.rate.bytes_per_sec() * 10 <= self.estimate * 8;
                let choice = rungs.iter().rposition(fits).unwrap_or(0);
                let bytes = rungs[choice].rate.bytes_in(Span::from_secs(4));
                // Out of the cache as fast as loopback, else as fast as it can be brought.
                let here = rungs[choice].missing == 0 && segment < cached;
                let comes = if here { Rate::from_bits_per_sec(2_000_000_000) } else { sustained };
                let missing = |rung: &Rung| if segment < cached { rung.missing } else { WHOLE };
                let now: Vec<Rung> = rungs.iter().map(|r| Rung { missing: missing(r), ..*r }).collect();
                let advice = advise(&now, origin(sustained), rungs[choice].rate);
                let advice = advice.filter(|_| obeyed != Obeyed::Not && segment > 0);
                let pace = advice.and_then(|advice| advice.pace).filter(|_| obeyed == Obeyed::ByPace);
                let rate = pace.map_or(comes, |pace| comes.min(pace));
                let took = rate.span_for(bytes).millis();
                self.stalled_ms += took.saturating_sub(self.buffer_ms);
                self.buffer_ms = self.buffer_ms.saturating_sub(took) + 4_000;
                // It asks for no more than half a minute ahead.
                self.buffer_ms = self.buffer_ms.min(30_000);
                let told =
                    advice.filter(|_| obeyed == Obeyed::ByPlayer).map(|a| a.line.span_for(bytes).millis());
                let took = told.unwrap_or(took).max(1);
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
        let switches = |player: &Player| player.played.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let mut plain = player();
        plain.watch(&rungs, sustained, Obeyed::Not, 30);
        assert!(switches(&plain) > 10, "{:?}", plain.played);
        for how in [Obeyed::ByPace, Obeyed::ByPlayer] {
            let mut advised = player();
            advised.watch(&rungs, sustained, how, 30);
            assert!(switches(&advised) <= 1, "{:?}", advised.played);
            assert!(advised.stalled_ms <= 20, "{} ms", advised.stalled_ms);
        }
    }

    #[test]
    fn a_rung_that_is_here_is_played_although_the_line_could_not_bring_it() {
        let rungs = ladder([true, true, false]);
        for how in [Obeyed::ByPace, Obeyed::ByPlayer] {
            let mut advised = player();
            advised.watch(&rungs, mbit(20), how, u64::MAX);
            let of = |rung| advised.played.iter().filter(|played| **played == rung).count();
            assert!(of(1) >= 50 && of(2) == 0, "{:?}", advised.played);
            assert!(advised.stalled_ms <= 20, "{}", advised.stalled_ms);
        }
    }
}
