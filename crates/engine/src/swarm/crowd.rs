//! The part of the router that finds out who else may bring what is wanted.

use std::cell::OnceCell;

use nearcast_content::{BlockRange, ByteRange};

use super::Swarm;
use super::api::*;
use super::connect::SETTLE;
use super::demand::Demand;
use super::fetch::Pick;
use super::objects::ObjectIx;
use super::peers::{Ahead, Peer};
use super::pick::Crowd;
use super::plays::Read;
use crate::random::rank;
use crate::time::{Span, Time};
use crate::wire::SwarmId;

/// Media ahead of a playhead that a crowd divides before all of it has come together.
const EARLY_SHARE: Span = Span::from_secs(4);

/// Of an object that is kept, each who wants it has one part in so many brought by the origin before it knows of others.
const FIRST_SHARE: u64 = 64;
/// Of an object that a crowd keeps, all of it together have one part in so many brought by the origin at the end.
const LAST_SHARE: u64 = 2;

/// The peers that matter to an object at this moment, in the order of their numbers. Most of those that are connected
/// have nothing to do with it, and a plan looks at its peers for every run.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// Have told of something that they hold of it.
    pub(super) holders: Vec<PeerId>,
    /// Those of them of whom runs may be asked.
    pub(super) free: Vec<PeerId>,
    /// Want it too, or bring something of it in.
    others: Vec<PeerId>,
    /// Somebody who serves wants it too.
    pub(super) shared: bool,
    /// How many want it too.
    crowd: usize,
    /// How many of its blocks were neither held nor on their way when that was first looked at.
    open: OnceCell<u64>,
    /// Until when somebody may still say that he holds something of it.
    silent_until: Option<Time>,
}

impl Swarm {
    /// Who matters to an object.
    pub(super) fn around(&self, object: ObjectIx) -> Around {
        let mut around = Around::default();
        for (id, peer) in self.peers.iter() {
            let interested = peer.interests.contains_key(&object);
            let said = peer.said(object);
            if said.is_some_and(|said| !said.held.is_empty()) {
                around.holders.push(id);
                if self.is_free(id, peer) {
                    around.free.push(id);
                }
            }
            if interested || said.is_some_and(|said| !said.coming.is_empty()) {
                around.others.push(id);
            }
            around.shared |= interested && peer.serves_now(self.now);
            around.crowd += usize::from(interested);
            around.silent_until = around.silent_until.max(peer.silent_until(self.now, object, SETTLE));
        }
        around
    }

    /// How we rank for bringing in a unit of an object, and what that is drawn from.
    fn rank_for(&self, object: ObjectIx, block: u32) -> (u64, u64) {
        let unit = u64::from(block / self.tuning.share_blocks.max(1));
        let salt = rank(&self.objects.get(object).id.0, unit);
        (rank(&self.me.0, salt), salt)
    }

    /// How often the odds of our rank for a run were halved: the lowest is the best.
    pub(super) fn odds(&self, pick: &Pick) -> u32 {
        self.rank_for(pick.object, pick.blocks.start).0.leading_zeros()
    }

    /// Of a play that is new, how many hold what plays ten seconds after a run, and so are ahead of us by more than it
    /// needs; no more than [`Tuning::many`](super::tuning::Tuning::many) are counted.
    pub(super) fn ahead_of_new(&self, around: &Around, pick: &Pick) -> usize {
        if pick.begun.is_some_and(|begun| begun + self.tuning.new <= self.now) {
            return 0;
        }
        let last = self.objects.get(pick.object).size.blocks().saturating_sub(1);
        let later = pick.blocks.start.saturating_add(pick.ahead.soon).min(last);
        self.who_reliably_holds(around, pick.object, later).take(self.tuning.many).count()
    }

    /// How many connected peers hold `block` and can be relied on to hand it over.
    pub(super) fn reliable_holders(&self, around: &Around, object: ObjectIx, block: u32) -> usize {
        self.who_reliably_holds(around, object, block).count()
    }

    fn who_reliably_holds(
        &self,
        around: &Around,
        object: ObjectIx,
        block: u32,
    ) -> impl Iterator<Item = &Peer> {
        let holders = around.holders.iter().filter_map(|id| self.peers.get(*id));
        holders.filter(move |peer| peer.reliably_holds(object, block))
    }

    /// Whether a run is of the first that is asked for of an object that is kept, while it is found out who else there is,
    /// or of the last while its holders are busy. So little is meant that all of a crowd together have it brought by the
    /// origin a fraction of once more; and its beginning and its end are when uplinks would have nothing to do.
    pub(super) fn at_an_end(
        &self,
        pick: &Pick,
        crowd: Crowd,
        around: &Around,
        of_origin: BlockRange,
    ) -> bool {
        let object = self.objects.get(pick.object);
        let all = u64::from(object.size.blocks());
        match crowd {
            Crowd::Unknown(_) => {
                (all - object.open_blocks() + u64::from(of_origin.len())) * FIRST_SHARE <= all
            }
            // Of a large object in many pieces this is looked at for each run of a plan, and only falls meanwhile.
            Crowd::Held if around.crowd > 0 => {
                let open = *around.open.get_or_init(|| object.open_blocks());
                open * LAST_SHARE * (1 + around.crowd as u64) <= all
            }
            Crowd::Held | Crowd::Nobody | Crowd::OursToBring => false,
            Crowd::Coming(_) | Crowd::TheirsToBring { .. } => false,
        }
    }

    /// Says once of each read that nobody can bring what it waits for: the origin does not have it, and no
    /// peer does or will.
    pub(super) fn tell_stuck(&mut self, wanted: &[Demand]) {
        let gone = wanted.iter().map(|demand| self.objects.get(demand.object).gone_until);
        if let Some(until) = gone.filter(|until| *until > self.now).min() {
            self.wake_at(until, Reason::OriginRetry);
        }
        let stuck = |read: &Read| {
            let size = self.objects.get(read.on.object).size;
            let next = size.covering(ByteRange::new(read.at, read.bytes.end.min(read.at + 1)));
            let awaited = !self.objects.get(read.on.object).missing(next).is_empty();
            awaited && !self.at_origin(read.on.object) && self.brought_by_nobody(read, next)
        };
        let told: Vec<ReadId> =
            self.plays.reads().filter(|(_, read)| !read.stuck && stuck(read)).map(|(id, _)| id).collect();
        for read in told {
            self.plays.mark_stuck(read);
            self.note(Note::Stuck { read });
        }
    }

    fn brought_by_nobody(&self, read: &Read, blocks: BlockRange) -> bool {
        let Some(swarm) = self.objects.home_of(read.on.object).map(|track| track.swarm) else { return false };
        let all = Ahead { soon: u32::MAX, window: u32::MAX };
        let around = self.around(read.on.object);
        match self.crowd_of(&around, read.on.object, blocks, self.now, (swarm, all)) {
            Crowd::Nobody | Crowd::OursToBring => true,
            Crowd::Unknown(_) | Crowd::Held | Crowd::Coming(_) | Crowd::TheirsToBring { .. } => false,
        }
    }

    /// Who else may bring a run: found out by the same rank on every side.
    pub(super) fn crowd(&self, around: &Around, pick: &Pick) -> Crowd {
        self.crowd_of(around, pick.object, pick.blocks, pick.due, (pick.swarm, pick.ahead))
    }

    fn crowd_of(
        &self,
        around: &Around,
        object: ObjectIx,
        blocks: BlockRange,
        due: Time,
        (swarm, ahead): (SwarmId, Ahead),
    ) -> Crowd {
        if self.holds_out(swarm) {
            return Crowd::Nobody;
        }
        if self.who_reliably_holds(around, object, blocks.start).next().is_some() {
            return Crowd::Held;
        }
        let (mine, salt) = self.rank_for(object, blocks.start);
        let serving = || {
            let others = around.others.iter().filter_map(|id| self.peers.get(*id));
            others.filter(|peer| peer.serves_now(self.now))
        };
        // Since when a connected peer brings it in from the origin.
        if let Some(since) = serving().filter_map(|peer| peer.brings(object, blocks.start)).min() {
            return Crowd::Coming(since);
        }
        let mut others = serving()
            .filter(|peer| peer.reaches(self.now, object, blocks.start, ahead))
            .filter_map(|peer| peer.interests.get(&object).map(|i| (rank(&peer.node.0, salt), i.since)))
            .peekable();
        // Who is being looked up or connected to, or has been asked and has not answered, may hold it.
        let open = around.silent_until.max(self.connects.unsettled_until(self.now, swarm));
        if others.peek().is_none() {
            return open.map_or(Crowd::Nobody, Crowd::Unknown);
        }
        let first: Vec<Time> = others.filter(|(theirs, _)| *theirs < mine).map(|(_, since)| since).collect();
        if let Some(known) = first.iter().max() {
            let before = u32::try_from(first.len()).unwrap_or(u32::MAX);
            return Crowd::TheirsToBring { before, heard: *known + self.tuning.hearing };
        }
        // In the first moments of a crowd not everybody is there: what is not urgent is divided when they are.
        let early = self.connects.new_until(self.now, swarm).filter(|_| due > self.now + EARLY_SHARE);
        early.max(open).map_or(Crowd::OursToBring, Crowd::Unknown)
    }
}
