//! A player: takes media as it comes, starts when it has enough, stands still when it runs out.
//!
//! Knows no agent and no network. It is moved by [`Player::advance`] to the current moment, fed by
//! [`Player::take`], and says what it wants next.

use std::collections::VecDeque;

use nearcast_content::FlatMap;
use nearcast_engine::swarm::{PlayId, ReadId};
use nearcast_engine::{PlaybackRate, Span, Time};

use crate::catalogue::Title;
use crate::choice::Choice;
use crate::plan::Act;
use crate::scenario::PlayerSpec;
use crate::store::BySource;

/// A playhead that stands still no longer than this does not count (FACTS §0).
const STALL: Span = Span::from_millis(250);
/// With one range to the end, the player takes bytes in steps: a quarter of what it reads ahead, at least this.
const STEP: Span = Span::from_secs(1);

fn step(spec: &PlayerSpec) -> Span {
    spec.ahead.over(4).max(STEP).min(spec.ahead)
}

/// A play in progress.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) play: PlayId,
    /// In the rendition that is taken now.
    pub(crate) title: u32,
    /// Where there are several renditions.
    pub(crate) choice: Option<Box<Choice>>,
    /// What the listener does, next first.
    pub(crate) acts: VecDeque<(Span, Act)>,
    pub(crate) read: Option<OpenRead>,
    pub(crate) report: PlayReport,
    asked_at: Time,
    rate: PlaybackRate,
    mode: Mode,
    /// The playhead at `as_of`.
    position: Span,
    as_of: Time,
    /// Title bytes the player has, without a gap from the last start or seek on.
    taken: u64,
    /// What of them it can show.
    shown: u64,
    /// When it last took something.
    taken_at: Time,
}

/// A range the player reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenRead {
    pub(crate) read: ReadId,
    pub(crate) part: u32,
    /// Where it starts and ends, in bytes of the title.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Waits for enough media.
    Filling {
        since: Time,
        after: Cause,
    },
    Playing,
    Paused {
        until: Time,
    },
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Start,
    Seek,
    Empty,
}

/// What one play was like.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlayReport {
    pub(crate) asked_at: Time,
    /// From the request to enough bytes, if it came to that.
    pub(crate) started_after: Option<Span>,
    /// From the request to the last byte of the title, if it came to that.
    pub(crate) all_after: Option<Span>,
    /// Times the playhead stood still, each longer than 250 ms.
    pub(crate) stalls: u32,
    /// For how long in all.
    pub(crate) stalled_for: Span,
    /// Media played.
    pub(crate) played: Span,
    /// The same by title, where there are several renditions.
    pub(crate) played_of: FlatMap<u32, Span>,
    /// How often another rendition was taken.
    pub(crate) turns: u32,
    pub(crate) bytes: BySource,
    /// What of the title was cached when it was asked for.
    pub(crate) cached: Cached,
    pub(crate) known_before: bool,
    pub(crate) title: u32,
    /// Other nodes of its operator that had something of the title when it was asked for.
    pub(crate) holders: u32,
    pub(crate) end: PlayEnd,
}

/// How much of a title was in the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cached {
    #[default]
    Nothing,
    Something,
    Everything,
}

/// How a play ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PlayEnd {
    /// It goes on.
    #[default]
    Open,
    Played,
    Skipped,
    /// Its node went.
    Departed,
}

/// What the player needs at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Bytes of the title from here up to there, if they are at hand.
    Bytes(u64, u64),
    /// To open the next range.
    Open,
    /// The listener does something.
    Act(Act),
    /// The play is over.
    End,
    /// Nothing until then, or until bytes come.
    Wait(Time),
}

impl Player {
    /// A play asked for at `now`.
    pub(crate) fn new(
        now: Time,
        (play, title): (PlayId, u32),
        rate: PlaybackRate,
        acts: &[(Span, Act)],
        report: PlayReport,
    ) -> Self {
        Self {
            play,
            title,
            choice: None,
            rate,
            acts: acts.iter().copied().collect(),
            read: None,
            report,
            asked_at: now,
            mode: Mode::Filling { since: now, after: Cause::Start },
            position: Span::ZERO,
            as_of: now,
            taken: 0,
            shown: 0,
            taken_at: now,
        }
    }

    /// Title bytes the player has up to.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The playhead when last moved.
    pub(crate) fn position(&self) -> Span {
        self.position
    }

    /// Since when the player waits for media, if it does.
    pub(crate) fn waits_since(&self) -> Option<Time> {
        match self.mode {
            Mode::Filling { since, .. } => Some(since),
            Mode::Playing | Mode::Paused { .. } | Mode::Ended => None,
        }
    }

    /// Since when the player waits and was given nothing, if it waits.
    pub(crate) fn starves_since(&self) -> Option<Time> {
        self.waits_since().map(|since| since.max(self.taken_at))
    }

    /// Moves the playhead to `now`.
    pub(crate) fn advance(&mut self, now: Time, title: &Title) {
        match self.mode {
            Mode::Playing => {
                let there = title.media(self.shown);
                let reach = self.position + self.rate.plays(now.since(self.as_of));
                let moved = reach.min(there).less(self.position);
                self.report.played += moved;
                if let Some(choice) = &mut self.choice {
                    for (span, title) in choice.plays(self.position, self.position + moved) {
                        *self.report.played_of.entry(title).or_default() += span;
                    }
                }
                let ran_out_at = self.as_of + self.rate.lasts(moved);
                self.position += moved;
                if self.shown == title.bytes && self.position >= title.length {
                    self.mode = Mode::Ended;
                } else if reach > there {
                    self.mode = Mode::Filling { since: ran_out_at, after: Cause::Empty };
                }
            }
            Mode::Paused { until } if until <= now => self.mode = Mode::Playing,
            Mode::Paused { .. } | Mode::Filling { .. } | Mode::Ended => {}
        }
        self.as_of = now;
    }

    /// Takes bytes up to `to` of the title.
    pub(crate) fn take(&mut self, now: Time, to: u64, title: &Title, spec: &PlayerSpec) {
        (self.taken, self.taken_at) = (to, now);
        if to == title.bytes && self.report.all_after.is_none() {
            self.report.all_after = Some(now.since(self.asked_at));
        }
        if !spec.whole || self.read.is_none_or(|read| read.end <= to) {
            self.shown = to;
        }
        let Mode::Filling { since, after } = self.mode else { return };
        let enough = title.length.less(self.position).min(spec.start_after);
        if title.media(self.shown).less(self.position) < enough && self.shown < title.bytes {
            return;
        }
        self.mode = Mode::Playing;
        self.as_of = now;
        let waited = now.since(since);
        match after {
            Cause::Start => self.report.started_after = Some(now.since(self.asked_at)),
            Cause::Seek => {}
            Cause::Empty if waited > STALL => {
                self.report.stalls += 1;
                self.report.stalled_for += waited;
            }
            Cause::Empty => {}
        }
    }

    /// Jumps.
    pub(crate) fn seek(&mut self, now: Time, to: Span, title: &Title) {
        self.position = to.min(title.length);
        self.taken = title.bytes_at(self.position).min(title.bytes - 1);
        self.shown = self.taken;
        self.mode = Mode::Filling { since: now, after: Cause::Seek };
        self.read = None;
        if let Some(choice) = &mut self.choice {
            choice.jumps();
        }
    }

    /// Takes another rendition from here on.
    pub(crate) fn turn_to(&mut self, index: u32, from: &Title, to: &Title) {
        let Some(choice) = &mut self.choice else { return };
        let at = from.media(self.taken);
        choice.turns(at, index);
        self.title = index;
        self.taken = to.bytes_at(at).min(to.bytes - 1);
        self.shown = self.taken;
        self.report.turns += 1;
    }

    /// The range that is opened next.
    pub(crate) fn next_range(&self, title: &Title, spec: &PlayerSpec) -> (u64, u64) {
        let end = match spec.reads {
            Span::ZERO => title.bytes,
            reads => title.bytes_at(title.media(self.taken) + reads).max(self.taken + 1),
        };
        (self.taken, end)
    }

    /// Media that is there ahead of the playhead.
    pub(crate) fn buffered(&self, title: &Title) -> Span {
        title.media(self.taken).less(self.position)
    }

    /// Stands still on purpose.
    pub(crate) fn pause(&mut self, now: Time, lasts: Span) {
        self.mode = Mode::Paused { until: now + lasts };
    }

    /// A stall that is going on when the world ends counts.
    pub(crate) fn close(&mut self, now: Time, end: PlayEnd) -> PlayReport {
        if let Mode::Filling { since, after: Cause::Empty } = self.mode {
            let waited = now.since(since);
            if waited > STALL {
                self.report.stalls += 1;
                self.report.stalled_for += waited;
            }
        }
        self.report.end = end;
        self.report.clone()
    }

    /// How fast it plays.
    pub(crate) fn rate(&self) -> PlaybackRate {
        self.rate
    }

    /// How long its playhead takes to a place ahead of it: what is rounded off is time it needs.
    fn reaches(&self, at: Span) -> Span {
        let ahead = at.less(self.position);
        let lasts = self.rate.lasts(ahead);
        if self.rate.plays(lasts) < ahead { lasts + Span::from_micros(1) } else { lasts }
    }

    /// What comes next, after [`advance`](Self::advance).
    pub(crate) fn wants(&self, now: Time, title: &Title, spec: &PlayerSpec) -> Want {
        if self.mode == Mode::Ended {
            return Want::End;
        }
        let playing = self.mode == Mode::Playing;
        if let Some((at, act)) = self.acts.front()
            && playing
            && *at <= self.position
        {
            return Want::Act(*act);
        }
        let buffered = self.buffered(title);
        match self.read {
            None if self.taken < title.bytes && buffered < spec.ahead => return Want::Open,
            Some(open) if spec.reads > Span::ZERO => return self.bytes_or_wait(now, open.end, title, spec),
            // Who waits takes whatever comes; who plays takes steps.
            Some(open) if self.waits_since().is_some() || buffered + step(spec) <= spec.ahead => {
                let room = title.bytes_at(self.position + spec.ahead);
                return self.bytes_or_wait(now, open.end.min(room), title, spec);
            }
            Some(_) | None => {}
        }
        Want::Wait(self.wakes(now, title, spec))
    }

    fn bytes_or_wait(&self, now: Time, until: u64, title: &Title, spec: &PlayerSpec) -> Want {
        match until > self.taken {
            true => Want::Bytes(self.taken, until),
            false => Want::Wait(self.wakes(now, title, spec)),
        }
    }

    /// When to look again if no bytes come.
    pub(crate) fn wakes(&self, now: Time, title: &Title, spec: &PlayerSpec) -> Time {
        match self.mode {
            Mode::Filling { .. } | Mode::Ended => Time::NEVER,
            Mode::Paused { until } => until,
            Mode::Playing => {
                let there = title.media(self.shown);
                let act = self.acts.front().map(|(at, _)| *at).filter(|at| *at <= there);
                let end = (self.shown == title.bytes).then_some(title.length);
                // The buffer falls below the read-ahead, so that the next range may be opened or taken.
                let step = if self.read.is_some() { step(spec) } else { Span::from_micros(1) };
                let room =
                    (self.taken < title.bytes).then(|| (title.media(self.taken) + step).less(spec.ahead));
                let next = [act, end, room].into_iter().flatten().filter(|at| *at > self.position).min();
                next.map_or(Time::NEVER, |at| now + self.reaches(at))
            }
        }
    }
}
