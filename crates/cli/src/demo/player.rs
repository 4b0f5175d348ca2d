//! A player without picture and sound: buffers, plays in real time, stands still when nothing is left.
//!
//! It knows no clock and no network. Its shell tells it the time, asks for what [`Player::wants`] names, and
//! hands back what came. Moments are durations since an epoch of the shell's choice.

use std::time::Duration;

use super::track::{Chunk, Form, Piece, Track};

/// A playhead that stands still no longer than this does not count as a stall (FACTS §0 of the design).
pub(crate) const STALL: Duration = Duration::from_millis(250);
/// Media that must be there before the first frame or sample is shown, and after a seek.
pub(crate) const START: Duration = Duration::from_millis(500);
/// Media that must be there before a stalled player goes on, lest it stalls again at once.
pub(crate) const RESUME: Duration = Duration::from_secs(1);
/// Media that is read ahead of the playhead, as hls.js and browsers do by default.
pub(crate) const AHEAD: Duration = Duration::from_secs(30);

/// One play of one title.
#[derive(Debug)]
pub(crate) struct Player {
    track: Track,
    mode: Mode,
    /// The playhead at `as_of`.
    position: Duration,
    as_of: Duration,
    /// Media is there without a gap from the playhead to here.
    have: Duration,
    /// The initialization section that the decoder has.
    init: Option<usize>,
    reading: Option<Reading>,
    account: Account,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Waits for enough media since then.
    Filling {
        since: Duration,
        after: Cause,
    },
    Playing,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Start,
    Seek,
    Empty,
}

/// A request under way.
#[derive(Debug)]
struct Reading {
    part: Part,
    /// Where in the timeline its bytes begin.
    from: Duration,
    got: u64,
    /// Bytes that were asked for, if they could be told.
    of: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Init(usize),
    Piece(usize),
}

/// What a play was like so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// From the request to enough media, if it came to that.
    pub(crate) start_up: Option<Duration>,
    /// Times the playhead stood still for more than 250 ms, not by the user.
    pub(crate) stalls: u32,
    /// For how long in all.
    pub(crate) stalled_for: Duration,
    /// How long each seek took.
    pub(crate) seeks: Vec<Duration>,
    /// Media played.
    pub(crate) played: Duration,
}

/// What to do for the player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Ask for these bytes and hand them over as they come.
    Fetch(Chunk),
    /// Nothing until then, or until something comes or a seek.
    Wait(Option<Duration>),
    /// The title is over.
    Ended,
}

/// The player as a listener sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Waits for enough media to start.
    Starting,
    /// The playhead moves.
    Playing,
    /// Waits for media after a seek.
    Seeking,
    /// Ran out of media.
    Stalled,
    /// At the end.
    Ended,
}

impl Player {
    /// A play that was asked for at `asked`; `now` may be later, for the playlists had to be read first.
    pub(crate) fn new(asked: Duration, now: Duration, track: Track) -> Self {
        Self {
            track,
            mode: Mode::Filling { since: asked, after: Cause::Start },
            position: Duration::ZERO,
            as_of: now,
            have: Duration::ZERO,
            init: None,
            reading: None,
            account: Account::default(),
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.mode {
            Mode::Filling { after: Cause::Start, .. } => State::Starting,
            Mode::Filling { after: Cause::Seek, .. } => State::Seeking,
            Mode::Filling { after: Cause::Empty, .. } => State::Stalled,
            Mode::Playing => State::Playing,
            Mode::Ended => State::Ended,
        }
    }

    /// Where the playhead was when last moved.
    pub(crate) fn position(&self) -> Duration {
        self.position
    }

    /// Media ahead of the playhead.
    pub(crate) fn buffered(&self) -> Duration {
        self.there().saturating_sub(self.position)
    }

    /// How long the title plays.
    pub(crate) fn length(&self) -> Duration {
        self.track.length()
    }

    /// What the play was like until `now`; a stall that goes on counts.
    pub(crate) fn account(&self, now: Duration) -> Account {
        let mut account = self.account.clone();
        if let Mode::Filling { since, after: Cause::Empty } = self.mode {
            account.count_stall(now.saturating_sub(since));
        }
        account
    }

    /// Moves the playhead to `now`. To be called before anything else is told or asked.
    pub(crate) fn advance(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.as_of);
        self.as_of = self.as_of.max(now);
        if self.mode != Mode::Playing {
            return;
        }
        let moved = passed.min(self.buffered());
        self.position += moved;
        self.account.played += moved;
        if self.position >= self.track.length() {
            self.mode = Mode::Ended;
        } else if moved < passed {
            self.mode = Mode::Filling { since: self.as_of - (passed - moved), after: Cause::Empty };
        }
    }

    /// Jumps to `to`. The request under way is of no use any more: the shell ends it.
    pub(crate) fn seek(&mut self, to: Duration) {
        self.reading = None;
        self.position = to.min(self.track.length());
        self.have = self.position;
        // A seek before the start is a part of the start.
        let after_start = !matches!(self.mode, Mode::Filling { after: Cause::Start, .. });
        if self.position == self.track.length() {
            self.mode = Mode::Ended;
        } else if after_start {
            self.mode = Mode::Filling { since: self.as_of, after: Cause::Seek };
        }
    }

    /// What comes next. A fetch that is answered counts as begun.
    pub(crate) fn wants(&mut self) -> Want {
        if self.mode == Mode::Ended {
            return Want::Ended;
        }
        if self.reading.is_none()
            && let Some(chunk) = self.next_fetch()
        {
            return Want::Fetch(chunk);
        }
        Want::Wait(self.wakes())
    }

    /// Some bytes of the fetch under way have come.
    pub(crate) fn took(&mut self, bytes: u64) {
        if let Some(reading) = &mut self.reading {
            reading.got += bytes;
            self.go_on();
        }
    }

    /// The fetch under way has ended. Whatever is missing of it is asked for again.
    pub(crate) fn ended(&mut self, outcome: Fetched) {
        self.have = match (&self.reading, outcome) {
            (Some(Reading { part: Part::Piece(index), .. }), Fetched::Whole) => {
                self.track.pieces.get(*index).map_or(self.have, Piece::end)
            }
            _ => self.there(),
        };
        if let (Some(Reading { part: Part::Init(index), .. }), Fetched::Whole) = (&self.reading, outcome) {
            self.init = Some(*index);
        }
        self.reading = None;
        self.go_on();
    }

    fn next_fetch(&mut self) -> Option<Chunk> {
        let index = self.track.piece_at(self.have)?;
        let piece = self.track.pieces.get(index)?;
        if self.buffered() > room_for(piece.length) {
            return None;
        }
        let missing_init = piece.init.filter(|init| self.init != Some(*init));
        let (part, chunk) = match missing_init {
            Some(init) => (Part::Init(init), self.track.inits.get(init)?.clone()),
            None => (Part::Piece(index), piece.rest(self.have)),
        };
        let of = chunk.bytes.map(|(first, end)| end.saturating_sub(first));
        self.reading = Some(Reading { part, from: self.have, got: 0, of });
        Some(chunk)
    }

    /// Where the media that can be shown ends, with what has come of the fetch under way.
    fn there(&self) -> Duration {
        let Some(Reading { part: Part::Piece(index), from, got, of: Some(of) }) = &self.reading else {
            return self.have;
        };
        match self.track.pieces.get(*index) {
            Some(piece) if piece.form == Form::Stream => {
                let whole = piece.end().saturating_sub(*from);
                let micros = whole.as_micros() * u128::from(*got.min(of)) / u128::from(*of).max(1);
                self.have.max(*from + Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
            }
            _ => self.have,
        }
    }

    /// Starts to play if there is enough.
    fn go_on(&mut self) {
        let Mode::Filling { since, after } = self.mode else { return };
        let enough = if after == Cause::Empty { RESUME } else { START };
        if self.buffered() < enough.min(self.track.length() - self.position) {
            return;
        }
        let waited = self.as_of.saturating_sub(since);
        match after {
            Cause::Start => self.account.start_up = Some(waited),
            Cause::Seek => self.account.seeks.push(waited),
            Cause::Empty => self.account.count_stall(waited),
        }
        self.mode = Mode::Playing;
    }

    /// When the playhead needs a look although nothing came.
    fn wakes(&self) -> Option<Duration> {
        if self.mode != Mode::Playing {
            return None;
        }
        let dry = self.buffered();
        let next = self.track.piece_at(self.have).and_then(|index| self.track.pieces.get(index));
        let room = match next {
            Some(piece) if self.reading.is_none() => dry.saturating_sub(room_for(piece.length)),
            _ => dry,
        };
        Some(self.as_of + room.max(Duration::from_millis(1)))
    }
}

impl Account {
    fn count_stall(&mut self, lasted: Duration) {
        if lasted > STALL {
            self.stalls += 1;
            self.stalled_for += lasted;
        }
    }
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// All that was asked for has come.
    Whole,
    /// It broke off, or was refused.
    Cut,
}

/// Most that may be buffered when the next `piece` is asked for. One longer than the read-ahead is asked for
/// when a third of it is left.
fn room_for(piece: Duration) -> Duration {
    AHEAD.saturating_sub(piece).max(AHEAD / 3)
}

#[cfg(test)]
mod tests;
