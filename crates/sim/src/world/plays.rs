//! Plays: the next title, the ranges a player reads, bytes handed over, what the listener does.

use nearcast_content::{BlockRange, ByteRange};
use nearcast_engine::swarm::{Input, PlayId, ReadId, RenditionId, Source, Taking};
use nearcast_engine::wire::SwarmId;
use nearcast_engine::{PlaybackRate, Span, Time};

use super::{Event, World};
use crate::catalogue::{Catalogue, ObjectIx, Title};
use crate::choice::Choice;
use crate::invariants::Broken;
use crate::node::{Ring, Who};
use crate::oracle::{Begun, Take};
use crate::plan::Act;
use crate::player::{Cached, OpenRead, PlayEnd, PlayReport, Player, Want};
use crate::store::{BySource, Store};

impl World<'_> {
    /// The listener starts the next title of the plan.
    pub(super) fn next_play(&mut self, who: Who) {
        let (audience, catalogue, now) = (self.audience.clone(), self.catalogue.clone(), self.now);
        let plan = &audience.listeners[who.node as usize];
        let keeps = self.scenario.plays.keep;
        let rate = PlaybackRate::from_percent(self.scenario.player.rate_percent);
        let Some(node) = self.node(who) else { return };
        if node.player.is_some() || node.keeps.is_some() {
            return;
        }
        let index = node.next_play;
        let Some(next) = plan.plays.get(index) else { return self.has_played_all(who) };
        let earliest = Time::ZERO + next.not_before;
        if earliest > now {
            return self.queue.push(earliest, Event::NextPlay(who));
        }
        node.next_play += 1;
        let object = catalogue.title(next.title).object_of(0);
        let there = u32::from(plan.serves() && node.store.has(object));
        let holders = self.presence.count(next.title, plan.place.isp) - there;
        self.series.at(now).plays += 1;
        let Some(node) = self.nodes.get(who.node as usize) else { return };
        let play = u32::try_from(node.plays.len()).unwrap_or(u32::MAX);
        if let Some(record) = &mut self.record {
            record.asked(Begun { node: who.node, title: next.title, play, at: now });
        }
        let Some(node) = self.node(who) else { return };
        let report = PlayReport {
            asked_at: now,
            cached: cached(&node.store, &catalogue, next.title),
            known_before: index > 0 && next.known_before,
            title: next.title,
            holders,
            ..PlayReport::default()
        };
        if keeps {
            return self.keep_title(who, report);
        }
        let play = PlayId(u64::try_from(index).unwrap_or(0));
        let asked = now - node.sleep.player;
        let mut player = Player::new(asked, (play, next.title), rate, &next.acts, report);
        player.choice = catalogue.has_choice().then(|| Box::new(Choice::new(next.title)));
        node.player = Some(player);
        node.watch.jumped(now);
        self.describe(who, next.title);
        let after = plan.plays.get(index + 1).filter(|after| after.known_before).map(|after| after.title);
        if let Some(title) = after {
            self.describe(who, title);
        }
        self.tell(who, Input::Upcoming(after.map(RenditionId).into_iter().collect()));
        self.tend_player(who);
    }

    /// The listener has a title kept whole.
    fn keep_title(&mut self, who: Who, report: PlayReport) {
        let title = report.title;
        if let Some(node) = self.node(who) {
            node.keeps = Some(report);
        }
        self.describe_to(who, title);
        self.tell(who, Input::Keep(self.catalogue.title(title).rendition.id));
        self.conjure_title(who.node, title);
        self.tend_keep(who);
    }

    /// Whether all of what is kept is here, and the listener goes on to the next title.
    pub(super) fn tend_keep(&mut self, who: Who) {
        let (catalogue, now, gap) = (self.catalogue.clone(), self.now, self.scenario.plays.gap);
        let Some(node) = self.node(who) else { return };
        let whole =
            |report: &mut PlayReport| cached(&node.store, &catalogue, report.title) == Cached::Everything;
        let Some(mut report) = node.keeps.take_if(whole) else { return };
        let (title, play) = (report.title, u32::try_from(node.plays.len()).unwrap_or(u32::MAX));
        let bytes = (0, catalogue.title(title).bytes);
        if let Some(record) = self.record.as_mut().filter(|_| report.cached != Cached::Everything) {
            record.took(Take { node: who.node, title, play, at: now, bytes, origin: false });
        }
        let Some(node) = self.node(who) else { return };
        report.all_after = Some(now.since(report.asked_at));
        report.end = PlayEnd::Played;
        node.plays.push(report);
        self.queue.push(now + gap, Event::NextPlay(who));
    }

    /// A listener who has heard enough stays for a while.
    fn has_played_all(&mut self, who: Who) {
        let lingers = self.audience.listeners[who.node as usize].lingers;
        if let Some(lingers) = lingers {
            self.queue.push(self.now + lingers, Event::Departs(who));
        }
    }

    fn describe(&mut self, who: Who, title: u32) {
        self.describe_to(who, title);
        self.drain(who);
    }

    /// Hands in what a title is made of, once, or that it is played again.
    pub(super) fn describe_to(&mut self, who: Who, title: u32) {
        let catalogue = self.catalogue.clone();
        let (first, ladder) = catalogue.ladder(title);
        let Some(node) = self.node(who) else { return };
        if node.described.contains(&ladder[0].rendition.id) {
            return self.hand(who, Input::Use { swarm: ladder[0].rendition.swarm });
        }
        let now = self.now;
        for (title, of) in (first..).zip(ladder) {
            if let Some(node) = self.node(who) {
                node.described.insert(of.rendition.id);
            }
            if let Some(record) = &mut self.record {
                record.told(who.node, title, now);
            }
            self.hand(who, Input::Describe(of.rendition.clone()));
        }
    }

    /// An agent has forgotten a title: it is told of it again when it is played again.
    pub(super) fn forget_title(&mut self, who: Who, swarm: SwarmId) {
        let catalogue = self.catalogue.clone();
        let Some(node) = self.node(who) else { return };
        let of = |id: &&RenditionId| catalogue.title(id.0).rendition.swarm == swarm;
        let gone: Vec<RenditionId> = node.described.iter().filter(of).copied().collect();
        for rendition in gone {
            node.described.remove(&rendition);
        }
    }

    pub(super) fn player_wakes(&mut self, who: Who, round: u64) {
        let now = self.now;
        match self.node(who).map(|node| node.player_timer.rings(now, round)) {
            Some(Ring::Due) => self.tend_player(who),
            Some(Ring::Later(at, round)) => self.schedule_player(who, at, round),
            Some(Ring::Stale) | None => {}
        }
    }

    /// Moves a player to this moment, gives it what is there, and does what its listener does.
    pub(super) fn tend_player(&mut self, who: Who) {
        let (catalogue, scenario, now) =
            (self.catalogue.clone(), self.scenario.clone(), self.player_time(who));
        while self.violation.is_none() {
            let Some(player) = self.node(who).and_then(|node| node.player.as_mut()) else { return };
            let title = catalogue.title(player.title);
            player.advance(now, title);
            match player.wants(now, title, &scenario.player) {
                Want::End => return self.end_play(who, PlayEnd::Played),
                Want::Act(act) => self.act(who, act),
                Want::Open => {
                    self.choose_rendition(who);
                    self.open_read(who);
                }
                Want::Bytes(from, to) => {
                    if !self.hand_over(who, from, to) {
                        return self.player_waits(who);
                    }
                }
                Want::Wait(at) => return self.set_player_timer(who, at),
            }
        }
    }

    fn player_waits(&mut self, who: Who) {
        let (catalogue, scenario, now) =
            (self.catalogue.clone(), self.scenario.clone(), self.player_time(who));
        let Some(player) = self.node(who).and_then(|node| node.player.as_ref()) else { return };
        let at = player.wakes(now, catalogue.title(player.title), &scenario.player);
        self.set_player_timer(who, at);
    }

    fn set_player_timer(&mut self, who: Who, at: Time) {
        let Some(node) = self.node(who) else { return };
        let at = at + node.sleep.player;
        if let Some(round) = node.player_timer.set(at) {
            self.schedule_player(who, at, round);
        }
    }

    pub(super) fn schedule_player(&mut self, who: Who, at: Time, round: u64) {
        let before = self.node(who).and_then(|node| node.player_timer.call);
        let call = self.reschedule(before, at, Event::Player(who, round));
        if let Some(node) = self.node(who) {
            node.player_timer.call = Some(call);
        }
    }

    fn open_read(&mut self, who: Who) {
        let (catalogue, now) = (self.catalogue.clone(), self.now);
        // The others are players themselves.
        let told = self.scenario.player.tells_rate || !self.is_engine(who);
        let spec = self.scenario.player.clone();
        let Some(node) = self.node(who) else { return };
        let Some(player) = node.player.as_mut() else { return };
        node.next_read += 1;
        let read = ReadId(node.next_read);
        if let Some(choice) = &mut player.choice {
            choice.asks(now);
        }
        let title = catalogue.title(player.title);
        let (from, to) = player.next_range(title, &spec);
        let (part, bytes) = title.locate(from, to);
        player.read = Some(OpenRead { read, part, start: from, end: title.offset_of(part) + bytes.end });
        let (play, rendition, rate) = (player.play, title.rendition.id, told.then_some(player.rate()));
        let taking = if spec.whole { Taking::Whole } else { Taking::Stream };
        self.tell(who, Input::Read { read, play, rendition, part, bytes, taking, rate });
    }

    /// Hands what is there of the wanted bytes to the player. False when nothing is.
    fn hand_over(&mut self, who: Who, from: u64, to: u64) -> bool {
        let (catalogue, scenario, now) = (self.catalogue.clone(), self.scenario.clone(), self.now);
        self.conjure_bytes(who, from, to);
        let by_its_clock = self.player_time(who);
        let Some(node) = self.node(who) else { return false };
        let Some((player, open)) = node.player.as_mut().and_then(|p| p.read.map(|open| (p, open))) else {
            return false;
        };
        let title = catalogue.title(player.title);
        let (object, base) = (title.object_of(open.part), title.offset_of(open.part));
        let size = catalogue.object(object).size;
        let first = size.covering(ByteRange::new(from - base, from - base + 1));
        let there = node.store.held_until(object, size, first.start);
        let end = to.min(base + size.bytes_of(BlockRange::new(first.start, there)).end);
        if there == first.start || end <= from {
            return false;
        }
        let bytes = ByteRange::new(from - base, end - base);
        let sources = sources_of(&node.store, object, size, bytes);
        let mut taken = BySource::default();
        sources.iter().for_each(|(source, bytes)| taken.add(*source, bytes.len()));
        player.report.bytes.add_all(taken);
        let (title_ix, play) = (player.title, u32::try_from(node.plays.len()).unwrap_or(u32::MAX));
        let blocks = size.covering(bytes);
        let unfinished = u32::from(bytes.end < size.bytes_of(blocks).end);
        node.store.note_play(object, blocks, unfinished);
        let before = player.report.stalled_for;
        player.take(by_its_clock, end, title, &scenario.player);
        let stood = player.report.stalled_for.less(before);
        if stood > Span::ZERO {
            self.observe(who, &|| format!("the player stood still for {} ms", stood.millis()));
        }
        let ended = end == open.end;
        if let Some(record) = &mut self.record {
            for (source, bytes) in sources.iter().filter(|(source, _)| *source != Source::Cache) {
                let (bytes, origin) = ((base + bytes.start, base + bytes.end), *source == Source::Origin);
                record.took(Take { node: who.node, title: title_ix, play, at: now, bytes, origin });
            }
        }
        if self.oracle.is_some() {
            taken = BySource { cache: taken.cache, ..BySource::default() };
        }
        self.series.at(now).bytes.add(taken);
        if let Some(player) = self.node(who).and_then(|node| node.player.as_mut()).filter(|_| ended) {
            player.read = None;
        }
        self.check_handed(who, object, blocks);
        self.tell(who, Input::Progress { read: open.read, to: end - base });
        if ended {
            self.tell(who, Input::Closed { read: open.read });
            // A page looks at what it is advised when it has all of a segment.
            let player = self.node(who).and_then(|node| node.player.as_mut());
            if let Some(choice) = player.and_then(|player| player.choice.as_mut()) {
                choice.came(now, open.end - open.start);
            }
        }
        true
    }

    pub(super) fn observe(&mut self, who: Who, words: &dyn Fn() -> String) {
        if let Some(explain) = &mut self.explain {
            explain.world(self.now, who.node, words);
        }
    }

    /// In a world with bytes, what a player gets is compared with what was published.
    fn check_handed(&mut self, who: Who, object: ObjectIx, blocks: BlockRange) {
        let catalogue = self.catalogue.clone();
        let Some(content) = &catalogue.object(object).content.as_ref().filter(|_| self.oracle.is_none())
        else {
            return;
        };
        let Some(node) = self.node(who) else { return };
        let same = |block: &u32| node.store.content(object, *block) == content.blocks.get(*block as usize);
        if let Some(block) = blocks.iter().find(|block| !same(block)) {
            self.broke(Some(who.node), Broken::BadBlockPlayed(block));
        }
    }

    fn act(&mut self, who: Who, act: Act) {
        let (catalogue, now, by_its_clock) = (self.catalogue.clone(), self.now, self.player_time(who));
        let Some(player) = self.node(who).and_then(|node| node.player.as_mut()) else { return };
        player.acts.pop_front();
        let at = player.position();
        self.observe(who, &|| format!("the listener, at {} s of the title: {act:?}", at.millis() / 1_000));
        let Some(player) = self.node(who).and_then(|node| node.player.as_mut()) else { return };
        match act {
            Act::Skip => self.end_play(who, PlayEnd::Skipped),
            Act::Pause(lasts) => player.pause(by_its_clock, lasts),
            Act::SeekTo(to) => {
                let read = player.read;
                player.seek(by_its_clock, to, catalogue.title(player.title));
                if let Some(node) = self.node(who) {
                    node.watch.jumped(now);
                }
                if let Some(open) = read {
                    self.tell(who, Input::Closed { read: open.read });
                }
            }
        }
    }

    fn end_play(&mut self, who: Who, how: PlayEnd) {
        let (now, gap) = (self.now, self.scenario.plays.gap);
        let Some(node) = self.node(who) else { return };
        let Some(mut player) = node.player.take() else { return };
        node.plays.push(player.close(now - node.sleep.player, how));
        if let Some(open) = player.read {
            self.tell(who, Input::Closed { read: open.read });
        }
        self.tell(who, Input::Stopped { play: player.play });
        self.queue.push(now + gap, Event::NextPlay(who));
    }
}

/// How much of a title a node has, in the rendition of which it has most.
fn cached(store: &Store, catalogue: &Catalogue, title: u32) -> Cached {
    let of = |title: &Title| {
        let parts = title.rendition.parts.iter();
        let objects = parts.filter_map(|part| Some((catalogue.find(part.object)?, part.size)));
        let (mut some, mut all) = (false, true);
        for (object, size) in objects {
            some |= store.has(object);
            all &= store.holds(object, size.all());
        }
        match (some, all) {
            (true, true) => Cached::Everything,
            (true, false) => Cached::Something,
            (false, _) => Cached::Nothing,
        }
    };
    catalogue.ladder(title).1.iter().map(of).max().unwrap_or_default()
}

/// Bytes by source: what was played before is cache, what is played for the first time counts for its sender.
fn sources_of(
    store: &Store,
    object: ObjectIx,
    size: nearcast_content::ObjectSize,
    bytes: ByteRange,
) -> Vec<(Source, ByteRange)> {
    let clip = |blocks: BlockRange| {
        let covered = size.bytes_of(blocks);
        ByteRange::new(covered.start.max(bytes.start), covered.end.min(bytes.end))
    };
    let sources = store.play_sources(object, size.covering(bytes));
    sources.into_iter().map(|(blocks, source)| (source, clip(blocks))).collect()
}
