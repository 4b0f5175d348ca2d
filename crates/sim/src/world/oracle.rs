//! What an oracle makes of an evening: of one of its own in which everything is there at once, or of one that went by
//! with agents.

use std::collections::BTreeSet;
use std::rc::Rc;

use nearcast_content::{BlockRange, ByteRange};
use nearcast_engine::swarm::Source;
use nearcast_engine::{Span, Time};

use super::World;
use super::gap::Gaps;
use super::outcome::startup;
use crate::agent::Policy;
use crate::catalogue::{Catalogue, ObjectIx};
use crate::node::Who;
use crate::oracle::{Begun, Evening, Foresight, Hears, Record, Take, pieces};
use crate::outcome::{Bound, Gap};
use crate::plan::Audience;
use crate::player::PlayReport;
use crate::reach::Reach;
use crate::scenario::Scenario;
use crate::store::BySource;

impl World<'_> {
    /// The same world with the ways of a policy to find others; for an oracle, one in which players wait for nothing.
    #[must_use]
    pub fn under(mut self, policy: Policy) -> Self {
        self.oracle = policy.foresight();
        self.record = self.oracle.map(|_| Record::default());
        self.with_rendezvous(policy.rendezvous())
    }

    /// The same world, which also says what nobody could have done better in the same evening: with the same plays at
    /// the same moments and the same nodes online ([`Outcome::bound`](crate::Outcome::bound)). Costs memory: 48 bytes
    /// for every few seconds of media that anybody plays.
    #[must_use]
    pub fn with_bound(mut self) -> Self {
        self.record.get_or_insert_default();
        self.gaps = self.oracle.is_none().then(Gaps::default);
        self
    }

    /// A player wants bytes of its title: in an oracle's evening they are there.
    pub(super) fn conjure_bytes(&mut self, who: Who, from: u64, to: u64) {
        let catalogue = self.catalogue.clone();
        let player = self.nodes[who.node as usize].player.as_ref().filter(|_| self.oracle.is_some());
        let Some((title, open)) = player.and_then(|player| Some((player.title, player.read?))) else {
            return;
        };
        let title = catalogue.title(title);
        let (object, base) = (title.object_of(open.part), title.offset_of(open.part));
        let size = catalogue.object(object).size;
        let bytes = ByteRange::new(from - base, to.min(base + size.bytes()) - base);
        self.conjure(who.node, object, size.covering(bytes));
    }

    /// A title is to be kept: in an oracle's evening it is.
    pub(super) fn conjure_title(&mut self, node: u32, title: u32) {
        let catalogue = self.catalogue.clone();
        let title = catalogue.title(title);
        let parts = if self.oracle.is_some() { title.rendition.parts.len() } else { 0 };
        for part in (0..).take(parts) {
            let object = title.object_of(part);
            self.conjure(node, object, catalogue.object(object).size.all());
        }
    }

    fn conjure(&mut self, node: u32, object: ObjectIx, blocks: BlockRange) {
        let size = self.catalogue.object(object).size;
        let store = &mut self.nodes[node as usize].store;
        let begins = !store.has(object);
        store.keep(object, size, blocks, Source::Origin);
        if begins {
            self.note_presence(node, object, true);
        }
    }

    /// Closes the evening's books. Answers the bound beside agents; an oracle's evening becomes what it says.
    pub(super) fn consult(&mut self) -> Option<Bound> {
        let record = self.record.take()?;
        let watched = Watched::of(self);
        let evening = watched.evening(&record);
        let Some(foresight) = self.oracle else { return Some(self.bound(&evening)) };
        for play in self.nodes.iter_mut().flat_map(|node| &mut node.plays) {
            play.bytes = BySource { cache: play.bytes.cache, ..BySource::default() };
        }
        evening.judge(foresight, &mut Fills(self));
        None
    }

    fn bound(&self, evening: &Evening<'_>) -> Bound {
        let share = |node: u32| !self.audience.listeners[node as usize].holds_out();
        let mut foreseeing = Sums::new(self, &share);
        evening.judge(Foresight::Clicks, &mut foreseeing);
        let mut sums = Sums::new(self, &share);
        evening.judge(Foresight::Told, &mut sums);
        let (mut plays, mut sooner) = (Vec::new(), 0);
        for (begun, after) in sums.starts {
            let Some(play) = self.nodes[begun.node as usize].plays.get(begun.play as usize) else { continue };
            let Some(started) = play.started_after else { continue };
            sooner += u64::from(started < after);
            plays.push(PlayReport { started_after: Some(after), ..play.clone() });
        }
        Bound {
            origin_sent: sums.origin_sent,
            origin_sent_foreseeing: foreseeing.origin_sent,
            network_startup_ms: startup(&plays.iter().collect::<Vec<_>>()),
            sooner,
            gap: sums.gap,
        }
    }
}

/// What of a world an evening is looked at with.
struct Watched {
    scenario: Rc<Scenario>,
    audience: Rc<Audience>,
    catalogue: Rc<Catalogue>,
    seed: u64,
}

impl Watched {
    fn of(world: &World<'_>) -> Self {
        Self {
            scenario: world.scenario.clone(),
            audience: world.audience.clone(),
            catalogue: world.catalogue.clone(),
            seed: world.seed,
        }
    }

    fn evening<'e>(&'e self, record: &'e Record) -> Evening<'e> {
        let Self { scenario, audience, catalogue, seed } = self;
        let reach = Reach::new(scenario, audience, *seed);
        Evening { scenario, audience, catalogue, reach, record }
    }
}

/// Makes an oracle's evening what the oracle says.
struct Fills<'f, 'm>(&'f mut World<'m>);

impl Hears for Fills<'_, '_> {
    fn took(&mut self, take: &Take, from: BySource) {
        let node = &mut self.0.nodes[take.node as usize];
        node.counts.fetched.add_all(from);
        if self.0.scenario.plays.keep {
            // Nothing is handed to a player.
            return;
        }
        if let Some(play) = node.plays.get_mut(take.play as usize) {
            play.bytes.add_all(from);
        }
        self.0.series.at(take.at).bytes.add(from);
    }

    fn origin_sent(&mut self, (node, ..): (u32, u32, u32), at: Time, bytes: u64) {
        self.0.nodes[node as usize].counts.origin_sent += bytes;
        self.0.series.at(at).origin_sent += bytes;
    }

    fn could_begin(&mut self, begun: &Begun, after: Span) {
        let play = self.0.nodes[begun.node as usize].plays.get_mut(begun.play as usize);
        if let Some(started) = play.and_then(|play| play.started_after.as_mut()) {
            *started = after;
        }
    }
}

/// Adds up beside agents.
struct Sums<'s, 'm> {
    world: &'s World<'m>,
    /// Who is no part of the hold-out.
    share: &'s dyn Fn(u32) -> bool,
    origin_sent: u64,
    /// Blocks that had to come from the origin, by node, title and block.
    bound: BTreeSet<(u32, u32, u32)>,
    starts: Vec<(Begun, Span)>,
    gap: Gap,
}

impl<'s, 'm> Sums<'s, 'm> {
    fn new(world: &'s World<'m>, share: &'s dyn Fn(u32) -> bool) -> Self {
        let (starts, bound) = (Vec::new(), BTreeSet::new());
        Self { world, share, origin_sent: 0, bound, starts, gap: Gap::default() }
    }
}

impl Hears for Sums<'_, '_> {
    fn took(&mut self, take: &Take, _from: BySource) {
        if !take.origin || !(self.share)(take.node) {
            return;
        }
        for (block, bytes) in pieces(self.world.catalogue.title(take.title), take) {
            let block = (take.node, take.title, block);
            match self.bound.contains(&block) {
                true => self.gap.bound += bytes,
                false => self.world.gap_counts(&mut self.gap, block, bytes),
            }
        }
    }

    fn origin_sent(&mut self, block: (u32, u32, u32), _at: Time, bytes: u64) {
        if (self.share)(block.0) {
            self.origin_sent += bytes;
            self.bound.insert(block);
        }
    }

    fn could_begin(&mut self, begun: &Begun, after: Span) {
        if (self.share)(begun.node) {
            self.starts.push((*begun, after));
        }
    }
}
