//! What plays want: the bytes that their players read and those behind them, each with its deadline.

use nearcast_content::{BLOCK_SIZE, BlockRange, ByteRange, ObjectSize};

use super::api::{PlayId, RenditionId, Taking};
use super::objects::{ObjectIx, Track, TrackPart};
use super::plays::{Clock, Plays, Read, START_BYTES};
use crate::time::{Span, Time};

/// Something that should be fetched, in the order of its deadline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) object: ObjectIx,
    pub(super) part: TrackPart,
    /// Bytes of the part.
    pub(super) bytes: ByteRange,
    /// The play's clock, or none for what is kept or fetched ahead.
    pub(super) play: Option<PlayId>,
    /// The clock of what is to follow a play.
    pub(super) follows: Option<Clock>,
    /// Whether the play waits for the first of these bytes to start.
    pub(super) starting: bool,
    /// Byte of the part up to which it needs them for that; zero when it does not wait.
    pub(super) start_end: u64,
    /// Byte of the part up to which the player may want more before it begins; zero where it does not.
    pub(super) settle_end: u64,
    /// Asked of peers alone: it is not worth the origin's bytes.
    pub(super) peers_only: bool,
    /// Since when the player waits here, if it does read here.
    pub(super) reader: Option<Time>,
    /// Its player says how fast it plays.
    pub(super) tells: bool,
    /// Bytes of which nothing is shown before all are there.
    pub(super) whole: Option<ByteRange>,
    /// Where the read stands in title time, and since when: media that lies further on cannot be needed sooner
    /// than it takes to play what lies between.
    pub(super) stands: Option<Clock>,
}

impl Demand {
    pub(super) fn size(&self) -> ObjectSize {
        self.part.size
    }

    /// When a block is due, by the clock of the play and by where the read stands. A player that jumps opens
    /// one read before it closes another: what the old one has ahead of it lies behind the clock, and is not
    /// wanted at once for that.
    pub(super) fn due(&self, plays: &Plays, block: u32) -> Time {
        let media = self.media_of(block);
        let reached = self.stands.map_or(Time::ZERO, |stands| stands.due(media));
        match (self.play, self.follows) {
            (Some(play), _) => plays.due(play, media).max(reached),
            (None, Some(clock)) => clock.due(media),
            (None, None) => Time::NEVER,
        }
    }

    /// The blocks that a start needs, none when nothing starts here.
    pub(super) fn start(&self) -> BlockRange {
        self.size().covering(ByteRange::new(self.bytes.start, self.start_end.max(self.bytes.start)))
    }

    /// The blocks that the player may want before it begins, those that a start needs among them.
    pub(super) fn settling(&self) -> BlockRange {
        self.size().covering(ByteRange::new(self.bytes.start, self.settle_end.max(self.bytes.start)))
    }

    /// Title time at which a block's first byte is shown.
    pub(super) fn media_of(&self, block: u32) -> Span {
        let byte = (u64::from(block) * BLOCK_SIZE).max(self.bytes.start);
        let shown = self.whole.filter(|whole| (whole.start..whole.end).contains(&byte));
        self.part.media_at(shown.map_or(byte, |whole| whole.start))
    }
}

/// What the open reads want within a `window` of media ahead of each: the read itself, then what follows it on its
/// track. Those that something waits for to start come first.
pub(super) fn demands<'t>(
    plays: &Plays,
    window: impl Fn(&Read) -> Span,
    track: impl Fn(RenditionId) -> Option<&'t Track>,
) -> Vec<Demand> {
    let mut demands = Vec::new();
    for read in plays.wanting() {
        let Some(track) = track(read.rendition) else { continue };
        let Some(stood) = track.parts.get(read.part as usize) else { continue };
        let stands = Clock::new(read.since, stood.media_at(read.at), plays.rate(read.play));
        let enough = plays.enough(read.play, stands.media);
        let settles = plays.settles(read.play, stands.media);
        let mut left = if read.aside { Span::ZERO } else { window(read) };
        let mut at = read.at;
        for (number, part) in (0u32..).zip(&track.parts).skip(read.part as usize) {
            let here = number == read.part;
            // A slow player still gets a start's worth ahead, whatever the part's mean rate.
            let ahead = at.saturating_add(part.bytes_in(left).max(START_BYTES));
            let end = if read.aside { read.bytes.end } else { part.size.bytes().min(ahead) };
            if at < end {
                demands.push(Demand {
                    object: part.object,
                    part: *part,
                    bytes: ByteRange::new(at, end),
                    play: Some(read.play),
                    follows: None,
                    peers_only: false,
                    starting: enough.is_some() && here,
                    start_end: enough.filter(|_| here).map_or(0, |enough| start_end(part, enough)),
                    settle_end: settles.filter(|_| here).map_or(0, |settled| start_end(part, settled)),
                    reader: (here && read.at < read.bytes.end).then_some(read.since),
                    tells: read.rate.is_some(),
                    whole: (here && read.taking == Taking::Whole).then_some(read.bytes),
                    stands: Some(stands),
                });
            }
            left = left.less((part.start + part.length).less(part.media_at(at)));
            at = 0;
            if left == Span::ZERO {
                break;
            }
        }
    }
    // What several want is fetched for the first of them: a seek within the window of a read that is still open waits.
    demands.sort_by_key(|demand| !demand.starting);
    demands
}

/// The first bytes of a part, in nobody's hurry.
pub(super) fn ahead(part: &TrackPart, end: u64) -> Demand {
    Demand {
        object: part.object,
        part: *part,
        bytes: ByteRange::new(0, end),
        play: None,
        follows: None,
        peers_only: false,
        starting: false,
        start_end: 0,
        settle_end: 0,
        reader: None,
        tells: false,
        whole: None,
        stands: None,
    }
}

/// What follows a play within `window` of media: the beginning of `track`, due when the play has ended.
pub(super) fn following(track: &Track, clock: Clock, window: Span) -> Vec<Demand> {
    let mut demands = Vec::new();
    let mut left = window;
    for part in &track.parts {
        let end = part.size.bytes().min(part.bytes_in(left));
        demands.push(Demand { follows: Some(clock), ..ahead(part, end) });
        left = left.less(part.length);
        if left == Span::ZERO {
            break;
        }
    }
    demands
}

/// The byte of a part up to which a play is fetched before anything else, when it needs `enough` of it to start.
fn start_end(part: &TrackPart, enough: Span) -> u64 {
    part.size.bytes().min(part.bytes_in(enough.less(part.start)))
}
