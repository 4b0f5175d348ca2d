//! What players read: verified bytes in order, as they come to be held.

use std::rc::Rc;

use nearcast_content::{ByteRange, FlatMap, ObjectId};
use nearcast_engine::swarm::{PlayId, ReadId};
use nearcast_engine::{Rate, Time};

use crate::limits::MAX_TAKE;
use crate::store::Store;

/// A read, numbered by the tab, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadNumber(pub u32);

/// What can be taken of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The next bytes.
    Bytes(Vec<u8>),
    /// Nothing yet: `Effect::Ready` says when.
    Nothing,
    /// Everything was taken.
    End,
    /// Nobody delivers it.
    Failed,
}

/// What a read is of.
#[derive(Debug)]
pub(crate) enum Of {
    /// Media of a play.
    Media { play: PlayId, object: ObjectId },
    /// A document, which may be still to come.
    Document { object: ObjectId, bytes: Option<Rc<[u8]>> },
}

/// One read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) of: Of,
    /// Where the next byte comes from, and where the last.
    bytes: ByteRange,
    /// When the player asked, and the bytes it was handed since: what it measures by.
    began: Time,
    handed: u64,
    /// The player was told to wait.
    waits: bool,
    failed: bool,
    /// No bytes before this: the pace that the engine advised.
    not_before: Time,
}

/// All reads that are open.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    open: FlatMap<ReadNumber, Read>,
    last: u32,
    paces: FlatMap<PlayId, Rate>,
}

impl ReadNumber {
    pub(crate) fn id(self) -> ReadId {
        ReadId(u64::from(self.0))
    }

    pub(crate) fn of(id: ReadId) -> Option<Self> {
        u32::try_from(id.0).ok().map(Self)
    }
}

impl Reads {
    pub(crate) fn open(&mut self, now: Time, of: Of, bytes: ByteRange) -> ReadNumber {
        self.last = self.last.wrapping_add(1);
        let number = ReadNumber(self.last);
        let read = Read { of, bytes, began: now, handed: 0, waits: false, failed: false, not_before: now };
        self.open.insert(number, read);
        number
    }

    pub(crate) fn close(&mut self, number: ReadNumber) -> Option<Read> {
        self.open.remove(&number)
    }

    /// Hands bytes of a play over no faster than this.
    pub(crate) fn advise(&mut self, play: PlayId, rate: Option<Rate>) {
        match rate {
            Some(rate) => drop(self.paces.insert(play, rate)),
            None => drop(self.paces.remove(&play)),
        }
    }

    /// The next bytes, and where in the object they end.
    pub(crate) fn take(&mut self, now: Time, number: ReadNumber, store: &Store) -> (Taken, Option<u64>) {
        let Some(read) = self.open.get_mut(&number) else { return (Taken::Failed, None) };
        if read.failed {
            return (Taken::Failed, None);
        }
        if read.bytes.is_empty() {
            return (Taken::End, None);
        }
        if read.not_before > now {
            read.waits = true;
            return (Taken::Nothing, None);
        }
        let piece = read.next(store);
        if piece.is_empty() {
            read.waits = true;
            return (Taken::Nothing, None);
        }
        read.bytes.start += piece.len() as u64;
        read.handed += piece.len() as u64;
        if let Of::Media { play, .. } = &read.of
            && let Some(rate) = self.paces.get(play)
        {
            read.not_before = read.began + rate.span_for(read.handed);
        }
        let to = read.bytes.start;
        (Taken::Bytes(piece), Some(to))
    }

    /// What of which object a read is still to be handed.
    pub(crate) fn rest(&self, number: ReadNumber) -> Option<(ObjectId, ByteRange)> {
        let read = self.open.get(&number)?;
        match read.of {
            Of::Media { object, .. } => Some((object, read.bytes)),
            Of::Document { .. } => None,
        }
    }

    /// Nobody delivers a read.
    pub(crate) fn fail(&mut self, number: ReadNumber) {
        if let Some(read) = self.open.get_mut(&number) {
            read.failed = true;
        }
    }

    /// A document came, or cannot be had.
    pub(crate) fn document(&mut self, object: ObjectId, came: Option<&Rc<[u8]>>) {
        for read in self.open.values_mut() {
            let Of::Document { object: wanted, bytes } = &mut read.of else { continue };
            if *wanted == object && bytes.is_none() {
                *bytes = came.map(Rc::clone);
                read.failed = came.is_none();
            }
        }
    }

    /// Reads that were told to wait and need not any more.
    pub(crate) fn ready(&mut self, now: Time, store: &Store) -> Vec<ReadNumber> {
        let mut ready = Vec::new();
        for (number, read) in &mut self.open {
            let comes = read.failed || (read.not_before <= now && read.holds(store));
            if read.waits && comes {
                read.waits = false;
                ready.push(*number);
            }
        }
        ready
    }

    /// When to look again for reads that only wait for their pace.
    pub(crate) fn wake(&self, now: Time) -> Time {
        let paced = self.open.values().filter(|read| read.waits && read.not_before > now);
        paced.map(|read| read.not_before).min().unwrap_or(Time::NEVER)
    }
}

impl Read {
    fn next(&self, store: &Store) -> Vec<u8> {
        match &self.of {
            Of::Media { object, .. } => store.read(*object, self.bytes, MAX_TAKE),
            Of::Document { bytes: None, .. } => Vec::new(),
            Of::Document { bytes: Some(bytes), .. } => {
                let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
                bytes[at(self.bytes.start)..at(self.bytes.end)].to_vec()
            }
        }
    }

    fn holds(&self, store: &Store) -> bool {
        match &self.of {
            Of::Media { object, .. } => store.holds(*object, self.bytes.start),
            Of::Document { bytes, .. } => bytes.is_some(),
        }
    }
}
