//! Plays and their clocks: where the playhead is, what is due when, what started late and what stalled.

use nearcast_content::{ByteRange, FlatMap};

use super::api::{InputError, PlayId, ReadId, RenditionId, Taking};
use super::objects::TrackPart;
use super::pace::Pace;
use crate::limits::{MAX_PLAYS, MAX_READS};
use crate::time::{Span, Time};
use crate::units::PlaybackRate;

/// A standstill counts as a stall from here on (FACTS: more than 250 ms after the start).
const STALL: Span = Span::from_millis(250);
/// Bytes that make a start: a decoder's first second or less.
pub(super) const START_BYTES: u64 = 64 * 1024;
/// A start is this much media when that is more, and a segment is no less: what is read whole and shorter is a header.
const START: Span = Span::from_millis(250);
/// A start that is this much media is followed by what is due long after it.
const LONG_START: Span = Span::from_secs(1);
/// What players want before they begin, at most: ExoPlayer 2.5 s, Spotify's of 2010 some 3 s, old ones 5 s. None says
/// when it does.
const SETTLE: Span = Span::from_secs(5);
/// No more than this is hurried for that.
const SETTLE_BYTES: u64 = 128 * 1024;
/// The first read of another rendition within this much media of what was delivered goes on with the play: a
/// player changes quality, or reads sound beside pictures.
const CONTINUES: Span = Span::from_secs(12);
/// A read that begins this close to where the one before it stands or ends continues it.
const ADJOINS: Span = Span::from_secs(1);

/// One range a player reads.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) play: PlayId,
    pub(super) rendition: RenditionId,
    pub(super) part: u32,
    /// That part: it is looked at with nearly every input.
    pub(super) on: TrackPart,
    /// How long the rendition plays.
    pub(super) length: Span,
    pub(super) bytes: ByteRange,
    pub(super) taking: Taking,
    /// How fast its player plays, if it says so.
    pub(super) rate: Option<PlaybackRate>,
    /// Handed to the player up to here.
    pub(super) at: u64,
    /// When the read came to stand at `at`.
    pub(super) since: Time,
    /// It was said that nobody can bring what it waits for.
    pub(super) stuck: bool,
    /// It is of the header of another rendition, which a player looks at before it goes on there: the play is elsewhere,
    /// and nothing behind the header is wanted for it.
    pub(super) aside: bool,
}

impl Read {
    /// Whether it is too short to show anything of.
    fn is_header(&self) -> bool {
        self.on.media_at(self.bytes.end).less(self.on.media_at(self.bytes.start)) < START
    }

    /// Where the segment ends, in title time, of which nothing is shown before it is whole; none of what is no segment.
    fn segment(&self) -> Option<Span> {
        let (from, end) = (self.on.media_at(self.bytes.start), self.on.media_at(self.bytes.end));
        (self.taking == Taking::Whole && end.less(from) >= START).then_some(end)
    }
}

/// One listener's play.
#[derive(Clone, Debug)]
struct Play {
    /// When title time zero would have played, had the play run from there: deadlines are this plus title
    /// time. Moves on with each stall. Signed by being kept as two moments: `at` at title time `media`.
    clock: Clock,
    /// Reached by delivery, in title time, since the last start or seek.
    delivered: Span,
    start: Option<Start>,
    /// Title time up to which the player may want more than a start before it begins.
    settled: Span,
    /// When it had enough to start the first time.
    begun: Option<Time>,
    stalled: Option<Time>,
    /// How long the title plays.
    length: Span,
    /// Where its last read ended, while no other is open: players pause between the ranges they ask for.
    tail: Option<Read>,
    /// Where the reads of each rendition stand.
    marks: FlatMap<RenditionId, Mark>,
    /// Media handed to the player in all.
    handed: Span,
    /// What is seen of a player that does not say how fast it plays.
    pace: Pace,
    /// What it took last brought it further than anything before.
    led: bool,
}

/// Where the latest read of a rendition stands, and where it ends, in title time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Span,
    end: Span,
}

/// A moment at which title time `media` plays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    at: Time,
    pub(super) media: Span,
    rate: PlaybackRate,
}

impl Clock {
    /// Title time `media` plays at this moment, and what follows at a rate.
    pub(super) fn new(at: Time, media: Span, rate: PlaybackRate) -> Self {
        Self { at, media, rate }
    }

    /// When it began, or will.
    pub(super) fn begins(self) -> Time {
        self.at
    }

    /// When title time `media` plays; what lies behind the clock was due at once.
    pub(super) fn due(self, media: Span) -> Time {
        self.at + self.until(media)
    }

    /// How long what lies between its beginning and title time `media` plays.
    pub(super) fn until(self, media: Span) -> Span {
        self.rate.lasts(media.less(self.media))
    }

    /// Title time that it shows at `now`.
    fn shows(self, now: Time) -> Span {
        self.media + self.rate.plays(now.since(self.at))
    }

    /// From `now` on it goes at another rate.
    fn goes(&mut self, now: Time, rate: PlaybackRate) {
        if rate != self.rate {
            *self = Self { at: now.max(self.at), media: self.shows(now), rate };
        }
    }
}

/// A start or seek that waits for enough bytes.
#[derive(Clone, Copy, Debug)]
struct Start {
    asked: Time,
    /// Title time of its first byte: a read that stands before that has been left.
    from: Span,
    /// Enough when delivery reaches this title time.
    enough: Span,
    first: bool,
}

/// What handing bytes to a player brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Started(Span),
    Stalled(Span),
}

/// All plays and reads.
#[derive(Debug, Default)]
pub(super) struct Plays {
    plays: FlatMap<PlayId, Play>,
    reads: FlatMap<ReadId, Read>,
    /// When what a player took to its end and closed plays out: players read faster than they play.
    plays_out: Option<Clock>,
    /// Since when the shell has run: what stood still before that is not known.
    awake_since: Time,
}

impl Plays {
    /// The shell runs again at `now`: how long plays stood still before that is not known, and not counted.
    pub(super) fn slept(&mut self, now: Time) {
        self.awake_since = now;
    }

    pub(super) fn reads(&self) -> impl Iterator<Item = (ReadId, &Read)> {
        self.reads.iter().map(|(id, read)| (*id, read))
    }

    /// The reads that are open, and the last ones of plays that have none open.
    pub(super) fn wanting(&self) -> impl Iterator<Item = &Read> {
        self.reads.values().chain(self.plays.values().filter_map(|play| play.tail.as_ref()))
    }

    /// How many plays go on.
    pub(super) fn len(&self) -> usize {
        self.plays.len()
    }

    /// Renditions that plays are of.
    pub(super) fn renditions(&self) -> impl Iterator<Item = RenditionId> {
        let read = self.reads.values().map(|read| read.rendition);
        let marked = self.plays.values().flat_map(|play| play.marks.keys().copied());
        read.chain(marked)
    }

    pub(super) fn read(&self, read: ReadId) -> Option<&Read> {
        self.reads.get(&read)
    }

    /// Opens a read at `now`, and its play with it when it is the first.
    pub(super) fn open(&mut self, now: Time, id: ReadId, read: Read) -> Result<(), InputError> {
        if self.reads.contains_key(&id) {
            return Err(InputError::UnknownNumber("read"));
        }
        let beside = self.reads.values().filter(|r| r.play == read.play).count();
        if beside >= MAX_READS {
            return Err(InputError::TooMany("reads"));
        }
        if !self.plays.contains_key(&read.play) && self.plays.len() >= MAX_PLAYS {
            return Err(InputError::TooMany("plays"));
        }
        let (part, length, rate) = (&read.on, read.length, read.rate);
        let media = part.media_at(read.bytes.start);
        let segment = read.segment();
        let reach = |bytes| part.media_at(read.bytes.start.saturating_add(bytes));
        let enough = segment.unwrap_or_else(|| reach(enough_to_start(part)));
        let settled = segment.unwrap_or_else(|| reach(enough_to_settle(part)));
        let fresh = |first| Play {
            settled,
            clock: Clock { at: now, media, rate: rate.unwrap_or_default() },
            delivered: media,
            start: Some(Start { asked: now, from: media, enough, first }),
            begun: None,
            stalled: None,
            length,
            tail: None,
            marks: FlatMap::new(),
            handed: Span::ZERO,
            pace: Pace::default(),
            led: false,
        };
        if self.plays.get(&read.play).is_some_and(|play| play.looks_aside(&read)) {
            self.reads.insert(id, Read { aside: true, ..read });
            return Ok(());
        }
        match self.plays.get_mut(&read.play) {
            None => {
                self.plays.insert(read.play, fresh(true));
                // The listener went on: what played out before is over.
                self.plays_out = None;
            }
            Some(play) if !play.continues(read.rendition, media) => {
                // A player that looks at the end of a file before it starts has not started yet.
                let waiting = play.start.filter(|start| start.first);
                let (handed, begun, before) = (play.handed, play.begun, play.clock.rate);
                *play = Play { handed, begun, ..fresh(false) };
                play.clock.rate = rate.unwrap_or(before);
                if let (Some(first), Some(start)) = (waiting, &mut play.start) {
                    (start.asked, start.first) = (first.asked, true);
                }
            }
            Some(play) => {
                play.tail = None;
                match rate {
                    Some(rate) => play.goes(now, rate),
                    None => play.goes_on(now, media),
                }
                // A header came before the segment that the player waits for.
                let start = play.start.as_mut().filter(|start| media <= start.from + ADJOINS);
                if let (Some(start), Some(end)) = (start, segment) {
                    (start.enough, play.settled) = (end, end);
                }
            }
        }
        if let Some(play) = self.plays.get_mut(&read.play) {
            play.marks.insert(read.rendition, Mark { at: media, end: read.on.media_at(read.bytes.end) });
        }
        self.reads.insert(id, read);
        Ok(())
    }

    /// A play has begun at `began` without us, and shows what `shown` is of. False when it is known already.
    pub(super) fn showed(&mut self, now: Time, began: Time, shown: Read) -> Result<bool, InputError> {
        if self.plays.contains_key(&shown.play) {
            return Ok(false);
        }
        if self.plays.len() >= MAX_PLAYS {
            return Err(InputError::TooMany("plays"));
        }
        let (from, end) = (shown.on.media_at(shown.bytes.start), shown.on.media_at(shown.bytes.end));
        let tail =
            Read { bytes: ByteRange::new(shown.bytes.end, shown.bytes.end), since: now, ..shown.clone() };
        let play = Play {
            settled: end,
            clock: Clock { at: began, media: from, rate: shown.rate.unwrap_or_default() },
            delivered: end,
            start: None,
            begun: Some(began),
            stalled: None,
            length: shown.length,
            tail: Some(tail),
            marks: FlatMap::from([(shown.rendition, Mark { at: end, end })]),
            handed: end.less(from),
            pace: Pace::default(),
            led: false,
        };
        self.plays.insert(shown.play, play);
        self.plays_out = None;
        Ok(true)
    }

    /// Bytes of a read were handed over up to `to`. Answers the range handed over and what that changed.
    pub(super) fn progress(&mut self, now: Time, id: ReadId, to: u64) -> Option<(ByteRange, Option<Moved>)> {
        let read = self.reads.get_mut(&id)?;
        let part = &read.on;
        let handed = ByteRange::new(read.at, to.min(read.bytes.end));
        read.at = handed.end;
        let shown = match read.taking {
            Taking::Whole if handed.end < read.bytes.end => read.bytes.start,
            Taking::Whole | Taking::Stream => handed.end,
        };
        read.since = now;
        read.stuck = false;
        let (play, awake) = (self.plays.get_mut(&read.play)?, self.awake_since);
        if read.aside {
            return Some((handed, None));
        }
        if read.rate.is_none() {
            play.goes_on(now, part.media_at(handed.end));
        }
        play.led = part.media_at(handed.end) > play.delivered;
        play.handed += part.media_at(handed.end).less(part.media_at(handed.start));
        if let Some(mark) = play.marks.get_mut(&read.rendition) {
            mark.at = part.media_at(handed.end);
        }
        Some((handed, play.delivered_to((now, awake), part.media_at(shown), shown >= part.size.bytes())))
    }

    /// The player of a read has taken something, and there is `more` for it to take or there is not. That there is more of
    /// what is behind the rest, of sound beside pictures, is no sign that it rests.
    pub(super) fn took(&mut self, now: Time, id: ReadId, more: bool) {
        let play = self.reads.get(&id).and_then(|read| self.plays.get_mut(&read.play));
        if let Some(play) = play.filter(|play| play.led || !more) {
            play.pace.took(now, more);
        }
    }

    /// Media that a play's player was handed so far.
    pub(super) fn handed(&self, play: PlayId) -> Span {
        self.plays.get(&play).map_or(Span::ZERO, |play| play.handed)
    }

    /// How fast a play goes.
    pub(super) fn rate(&self, play: PlayId) -> PlaybackRate {
        self.plays.get(&play).map_or(PlaybackRate::NORMAL, |play| play.clock.rate)
    }

    pub(super) fn mark_stuck(&mut self, id: ReadId) {
        if let Some(read) = self.reads.get_mut(&id) {
            read.stuck = true;
        }
    }

    pub(super) fn close(&mut self, id: ReadId) -> Option<Read> {
        let read = self.reads.remove(&id)?;
        let alone = !read.aside && self.reads.values().all(|r| r.play != read.play || r.aside);
        if let Some(play) = self.plays.get_mut(&read.play).filter(|_| alone) {
            play.tail = Some(Read { bytes: ByteRange::new(read.at, read.at), ..read.clone() });
        }
        Some(read)
    }

    /// Whether a play is going on.
    pub(super) fn knows(&self, id: PlayId) -> bool {
        self.plays.contains_key(&id)
    }

    /// Ends a play and all its reads. Answers how much media its player was handed, if there was such a play.
    pub(super) fn stop(&mut self, id: PlayId) -> Option<Span> {
        self.reads.retain(|_, read| read.play != id);
        let play = self.plays.remove(&id)?;
        if play.start.is_none() && play.delivered + ADJOINS >= play.length {
            self.plays_out = Some(play.end());
        }
        Some(play.handed)
    }

    /// Ends all reads of a rendition.
    pub(super) fn end_rendition(&mut self, rendition: RenditionId) {
        self.reads.retain(|_, read| read.rendition != rendition);
        for play in self.plays.values_mut() {
            play.tail = play.tail.take().filter(|read| read.rendition != rendition);
        }
    }

    /// The end of what plays, as the beginning of what follows it: when title time zero of that is due. None
    /// while nothing plays that has begun.
    pub(super) fn followed_from(&self) -> Option<Clock> {
        let begun = self.plays.values().filter(|play| play.start.is_none()).map(Play::end);
        begun.chain(self.plays_out).min_by_key(|end| end.at)
    }

    /// Since when what plays has been playing: the longest of them.
    pub(super) fn playing_since(&self) -> Option<Time> {
        self.plays.values().filter_map(|play| play.begun).min()
    }

    /// When a play began, if it has.
    pub(super) fn begun(&self, play: PlayId) -> Option<Time> {
        self.plays.get(&play)?.begun
    }

    /// When title time `media` of a play is due.
    pub(super) fn due(&self, play: PlayId, media: Span) -> Time {
        self.plays.get(&play).map_or(Time::NEVER, |p| p.clock.due(media))
    }

    /// Whether a play waits for its first bytes, or those after a seek.
    pub(super) fn starting(&self, play: PlayId) -> bool {
        self.plays.get(&play).is_some_and(|p| p.start.is_some())
    }

    /// Title time that a play waits for to start, if it does, and a read at `media` is to bring that.
    pub(super) fn enough(&self, play: PlayId, media: Span) -> Option<Span> {
        let start = self.plays.get(&play)?.start?;
        (media + ADJOINS >= start.from).then_some(start.enough)
    }

    /// Title time up to which a play that has just started, or is about to, may want more before it begins.
    pub(super) fn settles(&self, play: PlayId, media: Span) -> Option<Span> {
        let play = self.plays.get(&play)?;
        let from = play.start.map_or(Span::ZERO, |start| start.from);
        (media < play.settled && media + ADJOINS >= from).then_some(play.settled)
    }

    /// Marks playheads that have reached what was delivered while the bytes that follow are missing. A player
    /// that does not take what is there has paused, and its clock waits with it. Answers when the next
    /// playhead may run dry.
    pub(super) fn watch(&mut self, now: Time, missing: impl Fn(&Read) -> bool) -> Time {
        let mut next = Time::NEVER;
        for read in self.reads.values() {
            let Some(play) = self.plays.get_mut(&read.play) else { continue };
            let over = play.delivered >= read.length || read.at >= read.bytes.end;
            if over || play.start.is_some() || play.stalled.is_some() {
                continue;
            }
            let empty = play.clock.due(play.delivered);
            if empty > now {
                next = next.min(empty);
            } else if missing(read) {
                play.stalled = Some(empty);
            } else {
                play.clock = Clock { at: now, media: play.delivered, ..play.clock };
                next = next.min(now + STALL);
            }
        }
        next
    }
}

impl Play {
    /// Its end, as a clock for what comes after it.
    fn end(&self) -> Clock {
        Clock { at: self.clock.due(self.length), media: Span::ZERO, ..self.clock }
    }

    /// A player that does not say how fast it plays takes what begins or ends at title time `media`. Sound beside
    /// pictures tells nothing of its own.
    fn goes_on(&mut self, now: Time, media: Span) {
        if self.start.is_some() || self.stalled.is_some() || media < self.delivered {
            return;
        }
        let seen = self.pace.goes_on(now, self.delivered, self.clock.shows(now));
        match seen {
            Some((PlaybackRate::NORMAL, _)) => self.clock.goes(now, PlaybackRate::NORMAL),
            Some((rate, shown)) => self.clock = Clock { at: now, media: shown.min(self.delivered), rate },
            None => {}
        }
    }

    /// Its player plays at this rate from `now` on. What waits to start has played nothing yet, and what stalls plays no
    /// further than what was delivered.
    fn goes(&mut self, now: Time, rate: PlaybackRate) {
        if self.start.is_some() {
            self.clock.rate = rate;
        } else {
            self.clock.goes(now.min(self.clock.due(self.delivered)), rate);
        }
    }

    /// Whether a read is of the header of a rendition that was not read yet, behind what was handed over of others.
    fn looks_aside(&self, read: &Read) -> bool {
        let past = read.on.media_at(read.bytes.start) + ADJOINS < self.delivered;
        past && read.is_header() && !self.marks.contains_key(&read.rendition)
    }

    /// Whether a read at `media` belongs to the play as it runs, or is a seek. Nobody fetches again what he was
    /// handed, or leaves a gap, unless the playhead jumped: a jump within what lies ahead is one too, and its
    /// deadlines are near. Of one rendition there is a gap where another was played.
    fn continues(&self, rendition: RenditionId, media: Span) -> bool {
        let close = |there: Span| media + ADJOINS >= there && media <= there + ADJOINS;
        match self.marks.get(&rendition) {
            Some(mark) => close(mark.at) || close(mark.end) || close(self.delivered),
            None => media >= self.clock.media.less(CONTINUES) && media <= self.delivered + CONTINUES,
        }
    }

    fn delivered_to(&mut self, (now, awake): (Time, Time), media: Span, all: bool) -> Option<Moved> {
        self.delivered = self.delivered.max(media);
        if let Some(start) = self.start {
            if self.delivered < start.enough && !all {
                return None;
            }
            self.start = None;
            self.begun = self.begun.or(Some(now));
            self.clock.at = now;
            return start.first.then(|| Moved::Started(now.since(start.asked.max(awake))));
        }
        let since = self.stalled.take()?;
        self.clock.at += now.since(since);
        let lasted = now.since(since.max(awake));
        (lasted > STALL).then_some(Moved::Stalled(lasted))
    }
}

/// Bytes that must be there before a play of a part can show something.
fn enough_to_start(part: &TrackPart) -> u64 {
    START_BYTES.max(part.bytes_in(START))
}

/// Bytes that a cautious player wants before it begins. Where a start is less than [`LONG_START`], what follows it is due
/// so soon that nobody waits longer for it than he would anyway.
fn enough_to_settle(part: &TrackPart) -> u64 {
    let start = enough_to_start(part);
    if start < part.bytes_in(LONG_START) { start } else { part.bytes_in(SETTLE).min(SETTLE_BYTES).max(start) }
}

#[cfg(test)]
mod tests;
