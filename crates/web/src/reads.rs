//! What players read: verified bytes in order, as they come to be held.

use std::rc::Rc;

use nearcast_content::{ByteRange, FlatMap, ObjectId};
use nearcast_engine::Rate;
use nearcast_engine::swarm::{Advice, PlayId, ReadId};

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
    /// Media.
    Media { object: ObjectId },
    /// A document, which may be still to come.
    Document { object: ObjectId, bytes: Option<Rc<[u8]>> },
}

/// One read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) of: Of,
    /// Where the next byte comes from, and where the last.
    bytes: ByteRange,
    /// The player was told to wait.
    waits: bool,
    failed: bool,
}

/// All reads that are open.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    open: FlatMap<ReadNumber, Read>,
    last: u32,
    /// What players are to take their lines for: those of open plays, by the engine's bound.
    lines: FlatMap<PlayId, Rate>,
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
    pub(crate) fn open(&mut self, of: Of, bytes: ByteRange) -> ReadNumber {
        self.last = self.last.wrapping_add(1);
        let number = ReadNumber(self.last);
        let read = Read { of, bytes, waits: false, failed: false };
        self.open.insert(number, read);
        number
    }

    pub(crate) fn close(&mut self, number: ReadNumber) -> Option<Read> {
        self.open.remove(&number)
    }

    /// What the player of a play is to take its line for. It can be told, so that its bytes need not be held back.
    pub(crate) fn advise(&mut self, play: PlayId, advice: Option<Advice>) {
        match advice {
            Some(advice) => drop(self.lines.insert(play, advice.line)),
            None => drop(self.lines.remove(&play)),
        }
    }

    pub(crate) fn line(&self, play: PlayId) -> Option<Rate> {
        self.lines.get(&play).copied()
    }

    /// The next bytes, and where in the object they end.
    pub(crate) fn take(&mut self, number: ReadNumber, store: &Store) -> (Taken, Option<u64>) {
        let Some(read) = self.open.get_mut(&number) else { return (Taken::Failed, None) };
        if read.failed {
            return (Taken::Failed, None);
        }
        if read.bytes.is_empty() {
            return (Taken::End, None);
        }
        let piece = read.next(store);
        if piece.is_empty() {
            read.waits = true;
            return (Taken::Nothing, None);
        }
        read.bytes.start += piece.len() as u64;
        let to = read.bytes.start;
        (Taken::Bytes(piece), Some(to))
    }

    /// What of which object a read is still to be handed.
    pub(crate) fn rest(&self, number: ReadNumber) -> Option<(ObjectId, ByteRange)> {
        let read = self.open.get(&number)?;
        match read.of {
            Of::Media { object } => Some((object, read.bytes)),
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
    pub(crate) fn ready(&mut self, store: &Store) -> Vec<ReadNumber> {
        let mut ready = Vec::new();
        for (number, read) in &mut self.open {
            let comes = read.failed || read.holds(store);
            if read.waits && comes {
                read.waits = false;
                ready.push(*number);
            }
        }
        ready
    }
}

impl Read {
    fn next(&self, store: &Store) -> Vec<u8> {
        match &self.of {
            Of::Media { object } => store.read(*object, self.bytes, MAX_TAKE),
            Of::Document { bytes: None, .. } => Vec::new(),
            Of::Document { bytes: Some(bytes), .. } => {
                let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
                bytes[at(self.bytes.start)..at(self.bytes.end)].to_vec()
            }
        }
    }

    fn holds(&self, store: &Store) -> bool {
        match &self.of {
            Of::Media { object } => store.holds(*object, self.bytes.start),
            Of::Document { bytes, .. } => bytes.is_some(),
        }
    }
}
