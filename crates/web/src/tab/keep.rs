//! What the browser keeps of what was played: written as it settles, loaded when it is read or handed on.
//!
//! Nothing here is promised to last: an entry that is refused stays in memory, one that is gone or damaged is fetched
//! again. What goes when there is too much is the engine's to say.

use std::collections::{BTreeMap, VecDeque};

use nearcast_content::{BLOCK_SIZE, BlockRange, BlockSet, FlatMap, ObjectId, ObjectSize, TitleId};
use nearcast_engine::swarm::{Input, Stored};
use nearcast_engine::{Span, Time};

use super::Tab;
use crate::effect::{Effect, KeepId};
use crate::kept::{Entry, Key};
use crate::limits::{MAX_ENTRIES, MAX_ENTRY, MAX_REOPENED, MAX_WRITES};
use crate::reads::ReadNumber;
use crate::store::Lost;

/// A storage without room is tried again after this.
const NO_ROOM_WAIT: Span = Span::from_secs(30);
/// Titles kept from earlier are opened this long after the supernode answered, and one by one: the start has the line
/// to itself.
const REOPEN_AFTER: Span = Span::from_secs(3);
const REOPEN_EACH: Span = Span::from_millis(500);
/// Memory has of what lies in the storage a part in so many of what it may hold: of film, the last minute and a half, which
/// is what others ask for most.
const RESIDENT: u64 = 4;
/// What is read ahead from the storage: an entry.
const AHEAD: u64 = MAX_ENTRY as u64 * BLOCK_SIZE;

/// Whether what plays is kept for the next visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// In memory alone, as long as the tab lives.
    #[default]
    No,
    /// In the browser's storage.
    Yes,
    /// In the browser's storage, which has no room for more.
    Full,
}

/// What came of an entry that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stowed {
    /// It lies in the storage.
    Done,
    /// The browser refused it.
    Refused,
}

/// What the storage is to do.
#[derive(Clone, Copy, Debug)]
enum Work {
    Write { object: ObjectId, start: u32 },
    Load { object: ObjectId, start: u32 },
}

/// The tab's part in keeping.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    keeping: Keeping,
    under_way: FlatMap<KeepId, Work>,
    writes: usize,
    last: u32,
    /// Nothing is written before this.
    not_before: Time,
    /// The title that was last noted as played.
    played: Option<TitleId>,
    /// Titles to open again.
    reopen: VecDeque<TitleId>,
    reopen_at: Option<Time>,
}

/// What the keys say of an object.
#[derive(Debug)]
struct Found {
    size: ObjectSize,
    blocks: BlockSet,
    rank: u64,
}

impl Keeper {
    pub(super) fn keeping(&self) -> Keeping {
        self.keeping
    }

    fn number(&mut self, work: Option<Work>) -> KeepId {
        self.last = self.last.wrapping_add(1);
        let id = KeepId(self.last);
        self.under_way.extend(work.map(|work| (id, work)));
        id
    }
}

impl Tab {
    /// From here on the browser keeps up to `budget` bytes for this tab, and for no other. `keys` names what it has
    /// from earlier, in the order in which it was kept.
    pub fn keeps(&mut self, micros: u64, keys: &[String], budget: u64) {
        self.at(micros);
        self.keeper.keeping = Keeping::Yes;
        self.own.cache_budget = budget;
        self.settings_changed();
        let mut objects: BTreeMap<ObjectId, Found> = BTreeMap::new();
        let mut titles: FlatMap<TitleId, u64> = FlatMap::new();
        for (rank, text) in (1u64..).zip(keys) {
            match Key::read(text) {
                Some(Key::Played(title)) => drop(titles.insert(title, rank)),
                Some(Key::Entry(entry)) if self.welcomes(&entry, rank) => {
                    titles.entry(entry.title.clone()).or_insert(0);
                    let (size, blocks) = (entry.size, BlockSet::EMPTY);
                    let found = objects.entry(entry.object).or_insert(Found { size, blocks, rank });
                    found.blocks.insert(entry.blocks);
                    found.rank = rank;
                }
                Some(Key::Entry(_)) | None => self.effects.push_back(Effect::Forget(text.clone())),
            }
        }
        for (object, Found { size, blocks, rank }) in objects {
            let title = self.store.title_of(object);
            let played = title.and_then(|title| titles.get(&title).copied()).unwrap_or(0);
            self.input(Input::Stored(Stored { object, size, blocks, last_used: rank.max(played) }));
        }
        let mut order: Vec<(u64, TitleId)> = titles.into_iter().map(|(title, rank)| (rank, title)).collect();
        order.sort_unstable_by(|one, other| other.cmp(one));
        self.keeper.reopen = order.into_iter().map(|(_, title)| title).take(MAX_REOPENED).collect();
        self.settle();
    }

    /// Whether an entry from earlier is taken over.
    fn welcomes(&mut self, entry: &Entry, rank: u64) -> bool {
        let few = usize::try_from(rank).is_ok_and(|rank| rank <= MAX_ENTRIES);
        few && !self.withdrawn.contains(&entry.title) && self.store.found(entry)
    }

    /// Something came of an entry that was to be kept.
    pub fn kept(&mut self, micros: u64, id: KeepId, stowed: Stowed) {
        self.at(micros);
        let Some(Work::Write { object, start }) = self.keeper.under_way.remove(&id) else { return };
        self.keeper.writes = self.keeper.writes.saturating_sub(1);
        match stowed {
            Stowed::Done => self.store.written(object, start),
            Stowed::Refused => {
                self.store.not_written(self.now, object, start);
                self.no_room();
            }
        }
        self.settle();
    }

    /// An entry was read; none when it is gone.
    pub fn loaded(&mut self, micros: u64, id: KeepId, bytes: Option<&[u8]>) {
        self.at(micros);
        let Some(Work::Load { object, start }) = self.keeper.under_way.remove(&id) else { return };
        if let Err(Lost { entry, blocks }) = self.store.loaded(object, start, bytes) {
            self.note(format!("what was kept of {} is damaged: {:?}", entry.title, entry.blocks));
            self.effects.push_back(Effect::Forget(Key::Entry(entry).to_text()));
            for blocks in blocks {
                self.input(Input::Damaged { object, blocks });
            }
        }
        let waiting = self.uploads.under_way.values_mut().filter(|upload| upload.object == object);
        waiting.for_each(|upload| upload.waits = false);
        self.settle();
    }

    /// The listener wants nothing kept of what does not play.
    pub fn clear(&mut self, micros: u64) {
        self.at(micros);
        self.input(Input::DiscardAll);
        self.settle();
    }

    /// The storage takes no more: the cache is what it has, and as much beside it as memory bears.
    fn no_room(&mut self) {
        if self.keeper.keeping != Keeping::Full {
            self.note("the browser has no room to keep more".to_owned());
            self.keeper.keeping = Keeping::Full;
        }
        let fits = self.store.kept() + self.memory / 2;
        self.own.cache_budget = self.own.cache_budget.min(fits);
        self.settings_changed();
        self.keeper.not_before = self.now + NO_ROOM_WAIT;
    }

    /// Hands what settled to the storage, and lets go of memory.
    pub(super) fn keep_due(&mut self) {
        if self.keeper.keeping == Keeping::No {
            return;
        }
        while self.keeper.writes < MAX_WRITES && self.keeper.not_before <= self.now {
            let places = &self.places;
            let home = |object| places.get(&object).map(|place| place.title.clone());
            let Some((entry, bytes)) = self.store.due(self.now, home) else { break };
            let work = Work::Write { object: entry.object, start: entry.blocks.start };
            let id = self.keeper.number(Some(work));
            self.keeper.writes += 1;
            self.effects.push_back(Effect::Keep { id, key: Key::Entry(entry).to_text(), bytes });
        }
        self.store.trim(self.memory / RESIDENT);
        if self.store.memory() > self.memory && self.keeper.not_before <= self.now {
            // It does not keep up.
            self.no_room();
            self.carry_out();
        }
    }

    /// When there is something to keep, or a title to open.
    pub(super) fn keep_wake(&self) -> Time {
        let reopen = self.keeper.reopen_at.unwrap_or(Time::NEVER);
        if self.keeper.keeping == Keeping::No || self.keeper.writes >= MAX_WRITES {
            return reopen;
        }
        self.store.due_at().max(self.keeper.not_before).min(reopen)
    }

    /// Loads what a read is about to need.
    pub(super) fn load_ahead(&mut self, number: ReadNumber) {
        let Some((object, rest)) = self.reads.rest(number) else { return };
        for at in [rest.start, rest.start + AHEAD] {
            if at < rest.end
                && let Ok(block) = u32::try_from(at / BLOCK_SIZE)
            {
                self.store.touch(object, block);
                self.fetch_kept(object, block);
            }
        }
    }

    /// Loads the entry with a block that memory lacks. False when none has it.
    pub(super) fn fetch_kept(&mut self, object: ObjectId, block: u32) -> bool {
        let Some(entry) = self.store.load(object, block) else { return self.store.loads(object, block) };
        let id = self.keeper.number(Some(Work::Load { object, start: entry.blocks.start }));
        self.effects.push_back(Effect::Load { id, key: Key::Entry(entry).to_text() });
        true
    }

    /// Takes blocks out of memory and storage.
    pub(super) fn evict(&mut self, object: ObjectId, blocks: BlockRange) {
        for entry in self.store.remove(object, blocks) {
            self.effects.push_back(Effect::Forget(Key::Entry(entry).to_text()));
            // There is room again.
            self.keeper.not_before = self.now;
        }
    }

    /// Forgets what is kept of a title that nobody opened here.
    pub(super) fn forget_title(&mut self, title: &TitleId) {
        self.keeper.reopen.retain(|other| other != title);
        let objects = self.store.objects_of(title);
        if !objects.is_empty() {
            self.input(Input::Discard(objects));
            self.effects.push_back(Effect::Forget(Key::Played(title.clone()).to_text()));
        }
    }

    /// A player reads an object: its title is the last one played.
    pub(super) fn plays_object(&mut self, object: ObjectId) {
        let Some(title) = self.places.get(&object).map(|place| place.title.clone()) else { return };
        if self.keeper.keeping == Keeping::No || self.keeper.played.as_ref() == Some(&title) {
            return;
        }
        let id = self.keeper.number(None);
        let key = Key::Played(title.clone()).to_text();
        self.effects.push_back(Effect::Keep { id, key, bytes: Vec::new() });
        self.keeper.played = Some(title);
    }

    /// What was kept can be found by others again, soon.
    pub(super) fn reopen_soon(&mut self) {
        if !self.keeper.reopen.is_empty() {
            self.keeper.reopen_at.get_or_insert(self.now + REOPEN_AFTER);
        }
    }

    /// Opens the next title that is kept from earlier: what is described is announced, and served.
    pub(super) fn reopen(&mut self) {
        if self.keeper.reopen_at.is_none_or(|at| at > self.now) {
            return;
        }
        let next = self.keeper.reopen.pop_front();
        self.keeper.reopen_at = (!self.keeper.reopen.is_empty()).then_some(self.now + REOPEN_EACH);
        if let Some(title) = next {
            self.ask_manifest(&title);
        }
    }
}
