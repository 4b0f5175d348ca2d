//! Known peers and titles of interest: when to look holders up, whom to connect to.

use nearcast_content::{FlatMap, NodeKey};

use super::api::Candidate;
use super::known::{Known, KnownNodes, Place};
use super::outreach::Outreach;
use crate::limits::{MAX_KNOWN_PEERS, WANTED_FRIENDS, WANTED_PEERS};
use crate::place::Nearness;
use crate::random::rank;
use crate::time::{Span, Time};
use crate::wire::SwarmId;

/// A lookup that was not answered is repeated after this.
const LOOKUP_TIMEOUT: Span = Span::from_secs(5);
/// A connect that nothing was heard of counts as failed after this: hole punching over a relay takes seconds.
const CONNECT_TIMEOUT: Span = Span::from_secs(15);
/// Who asks again and hears of nobody new is in no hurry: as long as who was told of plenty.
const LONGEST_AGAIN: Span = Span::from_secs(30);
/// So few nodes are known that each of them matters.
const FEW_KNOWN: usize = 4;
/// A crowd counts as unknown for this long after the first interest, then nobody is waited for.
pub(super) const SETTLE: Span = Span::from_millis(1_500);

/// A title of interest.
#[derive(Clone, Debug)]
struct Title {
    renditions: u16,
    since: Time,
    asked: Option<Time>,
    answered: bool,
    again: Time,
    /// Those who hold it, and where each was among those that are known.
    holders: FlatMap<NodeKey, Place>,
    /// How many answers in a row named nobody whom the one before had not.
    repeated: u32,
    /// That there is none of its holders to connect to, and until when that is so unless something about one changes: to
    /// look at all of them is dear, and a connect that comes to its end is about one.
    settled: Option<Time>,
}

/// Known peers and titles of interest.
#[derive(Clone, Debug)]
pub(super) struct Connects {
    me: NodeKey,
    known: KnownNodes,
    titles: FlatMap<SwarmId, Title>,
    directory: bool,
    /// Those that are being connected to, and since when.
    connecting: FlatMap<NodeKey, Time>,
    /// That there was nobody to connect to with so much room, and until when that is so unless something changes: this
    /// is asked after every input.
    settled: Option<(usize, Time)>,
    outreach: Outreach,
}

impl Connects {
    pub(super) fn new(me: NodeKey) -> Self {
        Self {
            me,
            known: KnownNodes::default(),
            titles: FlatMap::new(),
            directory: false,
            connecting: FlatMap::new(),
            settled: None,
            outreach: Outreach::default(),
        }
    }

    /// How many nodes are known, and hold a title of interest.
    pub(super) fn len(&self) -> usize {
        let holders = self.titles.values().map(|title| title.holders.len()).sum::<usize>();
        self.known.len() + self.connecting.len() + holders
    }

    /// How many titles are of interest.
    pub(super) fn title_count(&self) -> usize {
        self.titles.len()
    }

    /// Something about a node changed: titles that it holds are looked at again.
    pub(super) fn unsettle(&mut self, node: &NodeKey) {
        self.settled = None;
        for title in self.titles.values_mut().filter(|title| title.holders.contains_key(node)) {
            title.settled = None;
        }
    }

    /// Something changed that concerns every stranger.
    fn unsettle_all(&mut self) {
        self.settled = None;
        self.titles.values_mut().for_each(|title| title.settled = None);
    }

    /// A node as it becomes known, or as it is known already, to be changed.
    fn know(&mut self, now: Time, node: NodeKey, nearness: Nearness) -> Option<&mut Known> {
        self.settled = None;
        if self.known.place(&node).is_none() {
            self.unsettle(&node);
            let turn = rank(&node.0, rank(&self.me.0, 0));
            self.known.add(node, Known::new(now, nearness, turn));
        }
        self.known.get_mut(&node)
    }

    /// Sets the titles of interest; those that stay keep their state. Answers those that came or went.
    pub(super) fn want(&mut self, now: Time, wanted: &FlatMap<SwarmId, u16>) -> Vec<SwarmId> {
        let gone = self.titles.keys().filter(|swarm| !wanted.contains_key(swarm));
        let came = wanted.keys().filter(|swarm| !self.titles.contains_key(swarm));
        let changed: Vec<SwarmId> = gone.chain(came).copied().collect();
        if !changed.is_empty() {
            self.settled = None;
        }
        self.titles.retain(|swarm, _| wanted.contains_key(swarm));
        for (swarm, renditions) in wanted {
            let title = self.titles.entry(*swarm).or_insert_with(|| Title {
                renditions: 0,
                since: now,
                asked: None,
                answered: false,
                again: Time::ZERO,
                holders: FlatMap::new(),
                repeated: 0,
                settled: None,
            });
            title.renditions |= renditions;
        }
        changed
    }

    /// Renditions of a title that are of interest.
    pub(super) fn wanted(&self, swarm: SwarmId) -> u16 {
        self.titles.get(&swarm).map_or(0, |title| title.renditions)
    }

    pub(super) fn directory_up(&mut self) {
        self.directory = true;
        self.settled = None;
        // It may be another network.
        self.outreach = Outreach::default();
        for title in self.titles.values_mut() {
            title.again = Time::ZERO;
            title.asked = None;
            title.repeated = 0;
            title.settled = None;
        }
    }

    pub(super) fn directory_down(&mut self) {
        self.directory = false;
        self.settled = None;
    }

    /// Holders of a title, from wherever.
    pub(super) fn found(&mut self, now: Time, swarm: SwarmId, holders: &[Candidate], again: Span) {
        let me = self.me;
        self.settled = None;
        for candidate in holders.iter().filter(|c| c.node != me) {
            if let Some(known) = self.know(now, candidate.node, candidate.nearness) {
                known.is_near(candidate.nearness);
                known.seen = now;
            }
        }
        if let Some(title) = self.titles.get_mut(&swarm) {
            title.answered = true;
            title.asked = None;
            title.settled = None;
            let others = holders.iter().map(|c| c.node).filter(|n| *n != me);
            let any_new = others.clone().any(|node| !title.holders.contains_key(&node));
            title.repeated = if any_new { 0 } else { title.repeated + 1 };
            title.again = now + unhurried(again, title.repeated);
            title.holders = others.filter_map(|node| Some((node, self.known.place(&node)?))).collect();
        }
        self.forget_oldest();
    }

    /// Nodes that were connected in earlier lives.
    pub(super) fn acquainted(&mut self, now: Time, nodes: &[(NodeKey, Nearness)]) {
        let me = self.me;
        for (node, nearness) in nodes.iter().filter(|(node, _)| *node != me) {
            if let Some(known) = self.know(now, *node, *nearness) {
                known.met = true;
            }
        }
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        while self.known.len() > MAX_KNOWN_PEERS {
            let oldest = self.known.iter().min_by_key(|(node, k)| (k.seen, **node)).map(|(node, _)| *node);
            if let Some(node) = oldest {
                self.known.remove(&node);
                self.connecting.remove(&node);
                self.unsettle(&node);
            }
        }
    }

    pub(super) fn nearness(&self, node: &NodeKey) -> Option<Nearness> {
        self.known.get(node).map(|k| k.nearness)
    }

    pub(super) fn connected(&mut self, now: Time, node: &NodeKey, nearness: Nearness) {
        self.unsettle(node);
        if nearness > Nearness::Lan && self.outreach.reached() {
            self.unsettle_all();
        }
        if let Some(known) = self.know(now, *node, nearness) {
            known.connecting = None;
            known.failures = 0;
            known.seen = now;
            known.met = true;
        }
        self.connecting.remove(node);
        self.forget_oldest();
    }

    /// A connect failed, or a connection ended.
    pub(super) fn failed(&mut self, now: Time, node: &NodeKey) {
        self.unsettle(node);
        self.connecting.remove(node);
        let few = self.known.len() <= FEW_KNOWN;
        if let Some(known) = self.known.get_mut(node) {
            known.connecting = None;
            if known.is_stranger() && self.outreach.missed(now, known.failures) {
                self.titles.values_mut().for_each(|title| title.settled = None);
            }
            known.failed(now, few);
        }
    }

    /// Whether a title is of interest only just, so that connects that fail may settle who could bring it.
    pub(super) fn any_new(&self, now: Time) -> bool {
        self.titles.values().any(|title| now < title.since + SETTLE)
    }

    /// Until when a title counts as of interest only just; none when it no longer does.
    pub(super) fn new_until(&self, now: Time, swarm: SwarmId) -> Option<Time> {
        self.titles.get(&swarm).map(|title| title.since + SETTLE).filter(|until| now < *until)
    }

    /// Until when it is still open if anybody else could bring a title: an answer or a connect is outstanding.
    /// None when that is settled.
    pub(super) fn unsettled_until(&self, now: Time, swarm: SwarmId) -> Option<Time> {
        let until = self.new_until(now, swarm)?;
        let title = self.titles.get(&swarm)?;
        let connecting = |n: &NodeKey| self.known.get(n).is_some_and(|k| k.connecting.is_some());
        let open = (self.directory && !title.answered) || title.holders.keys().any(connecting);
        open.then_some(until)
    }

    /// The lookups to send at `now`, and when the next is due.
    pub(super) fn lookups(&mut self, now: Time) -> (Vec<(SwarmId, u16)>, Time) {
        let mut due = Vec::new();
        let mut next = Time::NEVER;
        if !self.directory {
            return (due, next);
        }
        for (swarm, title) in &mut self.titles {
            let at = title.asked.map_or(title.again, |asked| asked + LOOKUP_TIMEOUT);
            if at <= now {
                title.asked = Some(now);
                due.push((*swarm, title.renditions));
                next = next.min(now + LOOKUP_TIMEOUT);
            } else {
                next = next.min(at);
            }
        }
        (due, next)
    }

    /// Whom to connect to at `now`, with `room` for so many, and when to look again. `connected` says who is,
    /// `welcome` who may be.
    pub(super) fn connects(
        &mut self,
        now: Time,
        room: usize,
        connected: impl Fn(&NodeKey) -> bool,
        welcome: impl Fn(&NodeKey) -> bool,
    ) -> (Vec<NodeKey>, Time) {
        if let Some((_, next)) = self.settled.filter(|(with, next)| *with == room && now < *next) {
            return (Vec::new(), next);
        }
        let mut chosen = Vec::new();
        let mut next = self.expire(now);
        if !self.directory && !self.titles.is_empty() {
            next = next.min(self.old_friends(now, room, &connected, &welcome, &mut chosen));
        }
        let before = self.outreach.from();
        let mut strangers_from = before;
        for title in self.titles.values_mut() {
            if chosen.len() >= room {
                continue;
            }
            if let Some(until) = title.settled.filter(|until| now < *until) {
                next = next.min(until);
                continue;
            }
            title.settled = None;
            let (have, mut open) = holders_of(&title.holders, &self.known, &connected);
            if have >= WANTED_PEERS {
                title.settled = Some(Time::NEVER);
                continue;
            }
            open.retain(|(n, _)| !chosen.contains(*n) && welcome(n));
            let rest = open.iter().map(|(_, k)| k.from(strangers_from)).fold(Time::NEVER, Time::min);
            if rest > now {
                // Most of the time: those who could be had are here, and the others rest.
                title.settled = Some(rest);
                next = next.min(rest);
                continue;
            }
            open.sort_unstable_by_key(|(_, k)| k.order());
            let mut wanted = WANTED_PEERS - have;
            for (node, known) in open {
                if wanted == 0 || chosen.len() >= room {
                    break;
                }
                let from = known.from(strangers_from);
                if from > now {
                    next = next.min(from);
                    continue;
                }
                if known.is_stranger() {
                    strangers_from = self.outreach.after_one(now + CONNECT_TIMEOUT);
                }
                wanted -= 1;
                chosen.push(*node);
            }
        }
        if strangers_from != before {
            self.outreach.tries_one(strangers_from);
            self.unsettle_all();
        }
        next = next.min(self.begin(now, &chosen));
        self.settled = chosen.is_empty().then_some((room, next));
        (chosen, next)
    }

    /// Notes that nodes are being connected to. Answers when the first of them counts as failed.
    fn begin(&mut self, now: Time, chosen: &[NodeKey]) -> Time {
        for node in chosen {
            self.unsettle(node);
            if let Some(known) = self.known.get_mut(node) {
                known.connecting = Some(now);
                self.connecting.insert(*node, now);
            }
        }
        if chosen.is_empty() { Time::NEVER } else { now + CONNECT_TIMEOUT }
    }

    /// Without a directory nobody says who holds what: those that were met before are asked, the nearest first.
    /// They are of the same provider. Answers when the next may be tried.
    fn old_friends(
        &self,
        now: Time,
        room: usize,
        connected: &impl Fn(&NodeKey) -> bool,
        welcome: &impl Fn(&NodeKey) -> bool,
        chosen: &mut Vec<NodeKey>,
    ) -> Time {
        let here = self.known.iter().filter(|(n, k)| connected(n) || k.connecting.is_some()).count();
        let mut met: Vec<(&NodeKey, &Known)> =
            self.known.iter().filter(|(n, k)| k.met && k.connecting.is_none() && !connected(n)).collect();
        met.retain(|(n, _)| welcome(n));
        met.sort_unstable_by_key(|(_, k)| k.order());
        let (ready, resting): (Vec<_>, Vec<_>) = met.into_iter().partition(|(_, k)| k.rest_until <= now);
        let wanted = WANTED_FRIENDS.saturating_sub(here).min(room);
        chosen.extend(ready.into_iter().take(wanted).map(|(n, _)| *n));
        let rests = resting.iter().map(|(_, k)| k.rest_until).min();
        rests.filter(|_| wanted > 0).unwrap_or(Time::NEVER)
    }

    /// Gives up connects that nothing was heard of. Answers when the next will be.
    fn expire(&mut self, now: Time) -> Time {
        let mut next = Time::NEVER;
        let mut silent = Vec::new();
        for (node, since) in &self.connecting {
            if *since + CONNECT_TIMEOUT <= now {
                silent.push(*node);
            } else {
                next = next.min(*since + CONNECT_TIMEOUT);
            }
        }
        for node in silent {
            self.failed(now, &node);
        }
        next
    }
}

/// When to ask again after answers that named nobody new: the first may have come before the others were there.
fn unhurried(again: Span, repeated: u32) -> Span {
    again.max(again.times(1 << repeated.saturating_sub(1).min(3)).min(LONGEST_AGAIN))
}

/// How many holders of a title are here or being connected to, and the others that are known.
fn holders_of<'a>(
    holders: &'a FlatMap<NodeKey, Place>,
    known: &'a KnownNodes,
    connected: &impl Fn(&NodeKey) -> bool,
) -> (usize, Vec<(&'a NodeKey, &'a Known)>) {
    let mut have = 0;
    let mut open = Vec::with_capacity(holders.len());
    for (node, place) in holders {
        let known = known.at(node, *place);
        if known.is_some_and(|k| k.connecting.is_some()) || connected(node) {
            have += 1;
        } else {
            open.extend(known.map(|known| (node, known)));
        }
    }
    (have, open)
}

#[cfg(test)]
mod tests {
    use nearcast_content::FlatSet;

    use super::*;
    use crate::random::Random;
    use crate::swarm::known::FIRST_WAIT;

    fn node(n: u8) -> NodeKey {
        NodeKey([n; 32])
    }

    fn candidate(n: u8, nearness: Nearness) -> Candidate {
        Candidate { node: node(n), nearness, renditions: 1, coverage: u64::MAX }
    }

    const SWARM: SwarmId = SwarmId([1; 16]);

    fn wanting() -> Connects {
        let mut connects = Connects::new(node(0));
        connects.want(Time::ZERO, &FlatMap::from([(SWARM, 1)]));
        connects.directory_up();
        connects
    }

    #[test]
    fn lookups_repeat_when_unanswered_and_rest_when_answered() {
        let mut connects = wanting();
        assert_eq!(connects.lookups(Time::ZERO).0, [(SWARM, 1)]);
        assert_eq!(connects.lookups(Time::ZERO).0, []);
        let late = Time::ZERO + LOOKUP_TIMEOUT;
        assert_eq!(connects.lookups(late).0, [(SWARM, 1)]);
        connects.found(late, SWARM, &[], Span::from_secs(30));
        assert_eq!(connects.lookups(late), (vec![], late + Span::from_secs(30)));
        connects.directory_down();
        assert_eq!(connects.lookups(late + Span::from_secs(60)), (vec![], Time::NEVER));
    }

    #[test]
    fn the_nearest_are_connected_first_and_failures_rest() {
        let mut connects = wanting();
        let found = [candidate(1, Nearness::Far), candidate(2, Nearness::Lan), candidate(0, Nearness::Lan)];
        connects.found(Time::ZERO, SWARM, &found, Span::from_secs(30));
        let (chosen, _) = connects.connects(Time::ZERO, 1, |_| false, |_| true);
        assert_eq!(chosen, [node(2)]);
        assert_eq!(connects.unsettled_until(Time::ZERO, SWARM), Some(Time::ZERO + SETTLE));
        assert_eq!(connects.unsettled_until(Time::ZERO + SETTLE, SWARM), None);
        connects.failed(Time::ZERO, &node(2));
        assert_eq!(connects.unsettled_until(Time::ZERO, SWARM), None);
        let (chosen, next) = connects.connects(Time::ZERO, 9, |_| false, |_| true);
        assert_eq!((chosen, next), (vec![node(1)], Time::ZERO + FIRST_WAIT));
        assert_eq!(connects.connects(next, 9, |_| false, |n| *n != node(2)).0, []);
        connects.unsettle(&node(2));
        assert_eq!(connects.connects(next, 8, |_| false, |_| true).0, [node(2)]);
    }

    #[test]
    fn without_a_directory_those_that_were_met_are_asked() {
        let mut connects = wanting();
        connects.acquainted(
            Time::ZERO,
            &[(node(1), Nearness::Far), (node(2), Nearness::Lan), (node(0), Nearness::Lan)],
        );
        connects.found(Time::ZERO, SWARM, &[], Span::from_secs(30));
        assert_eq!(connects.connects(Time::ZERO, 9, |_| false, |_| true).0, [], "the directory says nobody");
        connects.directory_down();
        assert_eq!(connects.connects(Time::ZERO, 1, |_| false, |_| true).0, [node(2)]);
        connects.connected(Time::ZERO, &node(2), Nearness::Lan);
        let (chosen, _) = connects.connects(Time::ZERO, 9, |n| *n == node(2), |_| true);
        assert_eq!(chosen, [node(1)]);
        connects.failed(Time::ZERO, &node(1));
        let (chosen, next) = connects.connects(Time::ZERO, 9, |n| *n == node(2), |_| true);
        assert_eq!((chosen, next), (vec![], Time::ZERO + FIRST_WAIT));
        connects.want(Time::ZERO, &FlatMap::new());
        assert_eq!(connects.connects(next, 9, |_| false, |_| true).0, [], "nothing is wanted");
    }

    #[test]
    fn what_is_settled_is_what_a_look_at_everybody_would_find() {
        let mut chance = Random::seeded(7);
        let mut connects = wanting();
        let mut here = FlatSet::new();
        let (mut now, mut dialed, mut rests) = (Time::ZERO, 0, 0);
        for step in 0..20_000 {
            now += Span::from_millis(chance.below(2_000));
            // Every other time nobody is reached.
            let shut = step / 500 % 2 == 1;
            if step % 500 == 0 {
                connects.directory_up();
            }
            let mut any = |below: u64| u8::try_from(chance.below(below)).expect("small");
            let (what, who, title) = (any(8), node(1 + any(60)), SwarmId([any(3); 16]));
            match what {
                0 => {
                    let found: Vec<Candidate> =
                        (0..any(30)).map(|_| candidate(1 + any(60), Nearness::Isp)).collect();
                    connects.found(now, title, &found, Span::from_secs(30));
                }
                1 => {
                    connects.want(now, &(0..=any(3)).map(|n| (SwarmId([n; 16]), 1)).collect());
                }
                2 | 3 if !shut => {
                    here.insert(who);
                    connects.connected(now, &who, Nearness::Isp);
                }
                _ => {
                    here.remove(&who);
                    connects.failed(now, &who);
                }
            }
            let room = usize::from(any(4));
            let mut looks = connects.clone();
            looks.settled = None;
            looks.titles.values_mut().for_each(|title| title.settled = None);
            let answer = connects.connects(now, room, |n| here.contains(n), |_| true);
            assert_eq!(answer, looks.connects(now, room, |n| here.contains(n), |_| true));
            dialed += answer.0.len();
            rests += usize::from(answer.0.is_empty() && answer.1 != Time::NEVER);
        }
        assert!(dialed > 1_000 && rests > 1_000, "{dialed} dialed, {rests} times all rested");
    }

    #[test]
    fn a_silent_connect_is_given_up() {
        let mut connects = wanting();
        connects.found(Time::ZERO, SWARM, &[candidate(1, Nearness::Isp)], Span::from_secs(30));
        assert_eq!(
            connects.connects(Time::ZERO, 9, |_| false, |_| true),
            (vec![node(1)], Time::ZERO + CONNECT_TIMEOUT)
        );
        let later = Time::ZERO + CONNECT_TIMEOUT;
        assert_eq!(connects.connects(later, 9, |_| false, |_| true), (vec![], later + FIRST_WAIT));
    }

    #[test]
    fn a_stranger_out_of_reach_is_tried_ever_more_rarely_one_of_few_sooner_and_anew_where_it_comes_nearer() {
        let found = |now, connects: &mut Connects, nearness| {
            connects.found(now, SWARM, &[candidate(1, nearness)], Span::from_secs(30));
        };
        let tries = |connects: &mut Connects, waits: [u64; 6]| {
            let mut now = Time::ZERO;
            for wait in waits.map(Span::from_secs) {
                found(now, connects, Nearness::Far);
                assert_eq!(connects.connects(now, 9, |_| false, |n| *n == node(1)).0, [node(1)]);
                connects.failed(now, &node(1));
                let rests = connects.connects(now, 9, |_| false, |n| *n == node(1));
                assert_eq!(rests, (vec![], now + wait));
                now += wait;
            }
            now
        };
        let others: Vec<(NodeKey, Nearness)> = (2..=6).map(|n| (node(n), Nearness::Far)).collect();
        let mut among_many = wanting();
        among_many.acquainted(Time::ZERO, &others);
        tries(&mut among_many, [60, 240, 960, 3_600, 3_600, 3_600]);
        let mut connects = wanting();
        let now = tries(&mut connects, [5, 20, 80, 320, 1_280, 3_600]);
        connects.failed(now, &node(1));
        found(now, &mut connects, Nearness::Isp);
        assert_eq!(connects.connects(now, 9, |_| false, |_| true).0, [node(1)]);
        connects.connected(now, &node(1), Nearness::Isp);
        connects.failed(now, &node(1));
        let (chosen, next) = connects.connects(now, 9, |_| false, |_| true);
        assert_eq!((chosen, next), (vec![], now + FIRST_WAIT), "it was reached");
    }

    #[test]
    fn who_reaches_nobody_goes_on_with_one_stranger_at_a_time_and_those_at_home() {
        let mut connects = wanting();
        let many: Vec<Candidate> = (1..=40).map(|n| candidate(n, Nearness::Far)).collect();
        connects.found(Time::ZERO, SWARM, &many, Span::from_secs(30));
        let mut now = Time::ZERO;
        let mut tried = Vec::new();
        while tried.len() < 27 {
            let (chosen, next) = connects.connects(now, 40, |_| false, |_| true);
            chosen.iter().for_each(|node| connects.failed(now, node));
            let waits = chosen.is_empty();
            tried.extend(chosen);
            now = if waits { next } else { now };
        }
        assert_eq!(tried.len(), 27, "two times twelve, of which eight too many, and then one by one");
        assert_eq!(now, Time::ZERO + Span::from_secs(15 + 30 + 60));
        let home = candidate(50, Nearness::Lan);
        connects.found(now, SWARM, &[many[39], home], Span::from_secs(30));
        assert_eq!(connects.connects(now, 40, |_| false, |_| true).0, [node(50)]);
        connects.connected(now, &node(39), Nearness::Far);
        assert_eq!(connects.connects(now, 40, |_| false, |_| true).0, [node(40)], "somebody was reached");
    }

    #[test]
    fn a_lookup_that_names_nobody_new_is_in_no_hurry() {
        let mut connects = wanting();
        let mut again = |nodes: &[u8], after: u64| {
            let found: Vec<Candidate> = nodes.iter().map(|n| candidate(*n, Nearness::Far)).collect();
            connects.found(Time::ZERO, SWARM, &found, Span::from_secs(after));
            connects.lookups(Time::ZERO).1
        };
        let waits = |secs: [u64; 7]| secs.map(|secs| Time::ZERO + Span::from_secs(secs));
        assert_eq!([[1]; 7].map(|nodes| again(&nodes, 5)), waits([5, 5, 10, 20, 30, 30, 30]));
        assert_eq!(again(&[1, 2], 5), Time::ZERO + Span::from_secs(5));
        assert_eq!([[2]; 7].map(|nodes| again(&nodes, 40)), waits([40; 7]), "as long as it says at least");
    }
}
