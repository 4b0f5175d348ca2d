//! What the baselines share: runs on their way, and the clock of the play at hand.

use std::collections::BTreeMap;

use nearcast_content::{BLOCK_SIZE, BlockRange, BlockSet, ByteRange, ObjectId, ObjectSize};
use nearcast_engine::swarm::{
    InputError, Note, Output, Part, PeerId, PlayId, ReadId, Rendition, RenditionId, RequestId, Taking, Why,
};
use nearcast_engine::wire::SwarmId;
use nearcast_engine::{PlaybackRate, Span, Time};

/// One run on its way.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// None for the origin.
    pub(super) peer: Option<PeerId>,
    pub(super) object: ObjectId,
    pub(super) blocks: BlockRange,
    pub(super) bytes: u64,
    pub(super) came: u64,
    pub(super) since: Time,
    pub(super) heard: Time,
    pub(super) expected: Time,
}

/// Runs on their way.
#[derive(Debug, Default)]
pub(super) struct Asking {
    pub(super) runs: BTreeMap<RequestId, Asked>,
    last: u32,
}

impl Asking {
    /// Takes a run on the books. Answers what is to be put out for it.
    pub(super) fn ask(
        &mut self,
        now: Time,
        peer: Option<PeerId>,
        (object, size): (ObjectId, ObjectSize),
        blocks: BlockRange,
        (takes, why): (Span, Why),
    ) -> [Output; 2] {
        self.last = self.last.wrapping_add(1);
        let request = RequestId(self.last);
        let (bytes, expected) = (size.bytes_of(blocks).len(), now + takes);
        let asked = Asked { peer, object, blocks, bytes, came: 0, since: now, heard: now, expected };
        self.runs.insert(request, asked);
        let note = Note::Asked { request, peer, object, blocks, due: now, expected, why };
        let ask = match peer {
            Some(peer) => Output::AskPeer { request, peer, object, size, blocks, due_millis: 0 },
            None => Output::AskOrigin { request, object, size, blocks },
        };
        [Output::Note(note), ask]
    }

    /// Blocks of a run came.
    pub(super) fn arrived(&mut self, now: Time, request: RequestId, bytes: u64) -> Option<ObjectId> {
        let run = self.runs.get_mut(&request)?;
        run.came += bytes;
        run.heard = now;
        Some(run.object)
    }

    /// What of `blocks` is on its way, from anywhere or from the origin.
    pub(super) fn coming(&self, object: &ObjectId, from: Whose) -> BlockSet {
        let of = |run: &&Asked| run.object == *object && from.has(run);
        self.runs.values().filter(of).map(|run| run.blocks).collect()
    }

    /// Runs that a jump to block `first` leaves without use, or in the way of what plays there: all of the origin, since
    /// few may be under way at once, and of peers what lies behind it.
    pub(super) fn left_by_jump(&self, first: u32) -> Vec<RequestId> {
        self.which(|run| run.peer.is_none() || run.blocks.end <= first)
    }

    /// Runs of the origin that touch none of `blocks` of an object, which are needed now: another play asked for them, or
    /// the title comes next as well and its beginning is fetched ahead.
    pub(super) fn aside(&self, object: &ObjectId, blocks: BlockRange) -> Vec<RequestId> {
        let of = |run: &Asked| run.peer.is_none() && run.object == *object;
        self.which(|run| of(run) && run.blocks.intersect(blocks).is_empty())
    }

    /// Runs that are of no more use.
    pub(super) fn which(&self, which: impl Fn(&Asked) -> bool) -> Vec<RequestId> {
        self.runs.iter().filter(|(_, run)| which(run)).map(|(id, _)| *id).collect()
    }
}

/// Whose runs are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Anywhere,
    Origin,
    Peers,
}

impl Whose {
    pub(super) fn has(self, run: &Asked) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Origin => run.peer.is_none(),
            Self::Peers => run.peer.is_some(),
        }
    }
}

/// The titles that were described.
#[derive(Debug, Default)]
pub(super) struct Titles {
    renditions: BTreeMap<RenditionId, (SwarmId, Vec<Part>)>,
    homes: BTreeMap<ObjectId, SwarmId>,
}

impl Titles {
    pub(super) fn describe(&mut self, rendition: Rendition) {
        for part in &rendition.parts {
            self.homes.insert(part.object, rendition.swarm);
        }
        self.renditions.entry(rendition.id).or_insert((rendition.swarm, rendition.parts));
    }

    pub(super) fn part(&self, id: RenditionId, part: u32) -> Result<Part, InputError> {
        let parts = self.renditions.get(&id).and_then(|(_, parts)| parts.get(part as usize));
        parts.copied().ok_or(InputError::UnknownPart(id, part))
    }

    /// The first part of a rendition.
    pub(super) fn head(&self, id: RenditionId) -> Option<Part> {
        self.renditions.get(&id)?.1.first().copied()
    }

    pub(super) fn home(&self, object: &ObjectId) -> Option<SwarmId> {
        self.homes.get(object).copied()
    }

    /// Every object that was described.
    pub(super) fn all(&self) -> Vec<ObjectId> {
        self.homes.keys().copied().collect()
    }

    /// The size of an object that was described.
    pub(super) fn size(&self, object: &ObjectId) -> Option<ObjectSize> {
        let parts = self.renditions.values().flat_map(|(_, parts)| parts);
        parts.into_iter().find(|part| part.object == *object).map(|part| part.size)
    }
}

/// The part that plays, and how far.
#[derive(Debug)]
pub(super) struct Playing {
    pub(super) play: PlayId,
    pub(super) part: Part,
    reads: BTreeMap<ReadId, (ByteRange, Taking)>,
    /// Handed to the player up to this byte of the part.
    pub(super) at: u64,
    /// What it can show ends here: of a segment nothing is shown before all of it is there.
    shown: u64,
    /// Where the latest read ends.
    end: u64,
    /// When the player began to play from which point of the part, if it has, or went on after it had run dry.
    clock: Option<(Time, Span)>,
    /// How fast it plays.
    pub(super) rate: PlaybackRate,
}

impl Playing {
    /// A play that begins with a read of `bytes`.
    pub(super) fn new(play: PlayId, part: Part, bytes: ByteRange) -> Self {
        Self {
            play,
            part,
            reads: BTreeMap::new(),
            at: bytes.start,
            shown: bytes.start,
            end: bytes.start,
            clock: None,
            rate: PlaybackRate::NORMAL,
        }
    }

    /// Another read of the same part: it goes on, or jumps. Answers where it begins, in blocks, when it jumps.
    pub(super) fn read(&mut self, read: ReadId, bytes: ByteRange, taking: Taking) -> Option<u32> {
        let jumps = bytes.start != self.end && bytes.start != self.at;
        if jumps {
            (self.at, self.shown, self.clock) = (bytes.start, bytes.start, None);
        }
        self.end = bytes.end;
        self.reads.insert(read, (bytes, taking));
        jumps.then(|| self.next_block())
    }

    /// Bytes were handed over. False when the read is of another part.
    pub(super) fn progress(&mut self, now: Time, read: ReadId, to: u64) -> bool {
        let Some((bytes, taking)) = self.reads.get(&read).copied() else { return false };
        self.at = to;
        if taking == Taking::Whole && to < bytes.end {
            return true;
        }
        let dry = self.media(self.shown);
        if self.clock.is_none() {
            self.clock = Some((now, self.media(bytes.start)));
        } else if self.playhead(now) >= dry {
            self.clock = Some((now, dry));
        }
        self.shown = to;
        true
    }

    /// The reads that are open.
    pub(super) fn reads(&self) -> impl Iterator<Item = ReadId> + '_ {
        self.reads.keys().copied()
    }

    pub(super) fn closed(&mut self, read: ReadId) {
        self.reads.remove(&read);
    }

    /// How much media the part's first `bytes` are.
    pub(super) fn media(&self, bytes: u64) -> Span {
        let wide = u128::from(bytes) * u128::from(self.part.length.micros());
        Span::from_micros(u64::try_from(wide / u128::from(self.part.size.bytes())).unwrap_or(u64::MAX))
    }

    /// How many bytes of the part play in `media`.
    pub(super) fn bytes_in(&self, media: Span) -> u64 {
        let wide = u128::from(media.micros()) * u128::from(self.part.size.bytes());
        let bytes = wide / u128::from(self.part.length.micros().max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX).min(self.part.size.bytes())
    }

    /// Whether the player plays.
    pub(super) fn plays(&self) -> bool {
        self.clock.is_some()
    }

    /// Where the player is, as far as one can tell: it plays on as long as it has something.
    pub(super) fn playhead(&self, now: Time) -> Span {
        let (since, from) = self.clock.unwrap_or((now, self.media(self.shown)));
        (from + self.rate.plays(now.since(since))).min(self.media(self.shown).max(from))
    }

    /// The block that the player needs next.
    pub(super) fn next_block(&self) -> u32 {
        u32::try_from(self.at / BLOCK_SIZE).unwrap_or(u32::MAX)
    }

    /// Blocks from the player's next one to what plays at `media`.
    pub(super) fn blocks_to(&self, media: Span) -> BlockRange {
        let next = self.next_block();
        let end = self.part.size.covering(ByteRange::new(0, self.bytes_in(media).max(1))).end;
        BlockRange::new(next, end.max(next))
    }
}
