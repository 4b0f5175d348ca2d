//! The supernode's side: who holds what, near whom.
//!
//! Everything a [`Directory`] knows is leased to a session and goes with it, so that losing a supernode loses
//! nothing: nodes connect again and say again what they hold. It answers lookups with a bounded, near-first
//! sample and nothing else, so nobody can list who plays what. Under load it asks for patience and keeps
//! everyone who is there; shutting itself down would move the load to the next supernode (the cascade of
//! Skype's outage of December 2010).

mod answer;
mod api;
mod audience;
mod backoff;
pub mod client;
mod load;
mod rendezvous;
mod roster;
mod sessions;
mod titles;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use nearcast_content::NodeKey;

use self::answer::{Ask, answer};
use self::load::Load;
use self::roster::Slot;
use self::sessions::{Held, Session, Sessions};
use self::titles::{Placed, Stand, Titles};
use crate::limits::{LEASE, MAX_ANNOUNCE, MAX_ANSWER, MAX_TITLES_PER_SESSION, OFFERS_PER_MESSAGE};
use crate::random::{Random, mix, rank};
use crate::time::{Span, Time};
use crate::wire::directory::{Holding, RefusedReason};
use crate::wire::{Serves, SwarmId, Ways};

pub use api::*;
pub use audience::{Audience, Implausible};
pub use client::Client;
pub use rendezvous::rendezvous;

/// For this long the same asker gets the same draw of a title's holders: asking again and again lists no
/// more of them.
const DRAW_SPAN: Span = Span::from_secs(30);

/// The directory of one provider's titles.
///
/// Drive it as the crate's documentation says: [`handle_input`](Self::handle_input), then
/// [`poll_output`](Self::poll_output) until it answers [`Output::Timeout`].
#[derive(Debug)]
pub struct Directory {
    settings: Settings,
    seed: u64,
    random: Random,
    now: Time,
    sessions: Sessions,
    titles: Titles,
    load: Load,
    counts: Counts,
    outputs: VecDeque<Output>,
}

impl Directory {
    /// An empty directory. All its chances come from `seed`.
    pub fn new(seed: u64, settings: Settings) -> Self {
        Self {
            settings,
            seed,
            random: Random::seeded(seed),
            now: Time::ZERO,
            sessions: Sessions::default(),
            titles: Titles::default(),
            load: Load::new(settings.lookups_per_second),
            counts: Counts::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened at `now`. An error is a mistake of the shell and changes nothing; what nodes do
    /// wrong ends their session and is never an error here.
    pub fn handle_input(&mut self, now: Time, input: Input) -> Result<(), InputError> {
        if now < self.now {
            return Err(InputError::TimeWentBack(self.now, now));
        }
        match input {
            Input::Timeout => self.advance(now),
            Input::Opened { session, node, place, serves, ways } => {
                if self.sessions.slot(session).is_some() {
                    return Err(InputError::TakenSession(session));
                }
                self.advance(now);
                self.open(Session::new(session, node, place, serves, ways));
            }
            Input::Closed { session } => {
                let slot = self.heard(now, session)?;
                self.remove(slot);
            }
            Input::Renewed { session } => {
                let slot = self.heard(now, session)?;
                self.offer_waiting(slot);
            }
            Input::Announced { session, added, removed } => {
                let slot = self.heard(now, session)?;
                self.announced(slot, &added, &removed);
            }
            Input::Lookup { session, query, swarm, renditions } => {
                let slot = self.heard(now, session)?;
                self.lookup(query, Ask { slot, swarm, renditions });
            }
            Input::Signal { session, to } => {
                let slot = self.heard(now, session)?;
                self.signal(slot, to);
            }
        }
        Ok(())
    }

    /// The next thing to do. `Output::Timeout` means: nothing until an input or that moment.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Timeout(self.sessions.next_look()))
    }

    /// What the directory has at present, and what it did so far.
    pub fn counts(&self) -> Counts {
        Counts { sessions: self.sessions.len(), titles: self.titles.len(), ..self.counts }
    }

    /// Whether somebody whom who has `ways` can meet holds something of a title. It says neither who nor how many.
    pub fn held(&self, swarm: SwarmId, ways: Ways) -> bool {
        self.titles.held(swarm, ways)
    }

    /// The slot of a session that said something, its lease renewed before leases are looked at: who speaks
    /// in the moment the lease ends stays.
    fn heard(&mut self, now: Time, session: SessionId) -> Result<Slot, InputError> {
        let slot = self.sessions.slot(session).ok_or(InputError::UnknownSession(session))?;
        self.sessions.renew(now, slot);
        self.advance(now);
        Ok(slot)
    }

    fn advance(&mut self, now: Time) {
        self.now = now;
        while let Some(slot) = self.sessions.expired(now) {
            if let Some(session) = self.remove(slot) {
                self.counts.expired += 1;
                self.outputs.push_back(Output::Expired { session });
            }
        }
    }

    fn open(&mut self, session: Session) {
        let id = session.id;
        if let Some(older) = self.sessions.slot_of_node(session.node) {
            self.end(older, RefusedReason::Replaced);
        }
        if self.sessions.len() >= self.settings.sessions {
            self.counts.turned_away += 1;
            let after = Load::turn_away(&mut self.random);
            self.outputs.push_back(Output::TurnedAway { session: id, after });
            return;
        }
        self.sessions.open(self.now, session);
        self.outputs.push_back(Output::Admitted { session: id, lease: LEASE });
    }

    fn end(&mut self, slot: Slot, reason: RefusedReason) {
        if let Some(session) = self.remove(slot) {
            self.outputs.push_back(Output::Close { session, reason });
        }
    }

    fn misbehaved(&mut self, slot: Slot) {
        self.counts.misbehaved += 1;
        self.end(slot, RefusedReason::Misbehaved);
    }

    /// Forgets a session and all it held.
    fn remove(&mut self, slot: Slot) -> Option<SessionId> {
        let session = self.sessions.close(slot)?;
        let stand = session.stand();
        for swarm in session.holdings.keys() {
            if session.waiting.contains(swarm) {
                self.titles.stop_waiting(*swarm, stand);
            } else {
                self.titles.unlist(*swarm, stand, slot);
            }
        }
        self.counts.holdings -= session.holdings.len();
        Some(session.id)
    }

    fn announced(&mut self, slot: Slot, added: &[Holding], removed: &[SwarmId]) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let bounded = added.len() <= MAX_ANNOUNCE && removed.len() <= MAX_ANNOUNCE;
        if !bounded || session.announces.take(self.now).is_err() {
            return self.misbehaved(slot);
        }
        // Who serves nobody is not a holder for anybody.
        if session.serves == Serves::Nobody {
            return;
        }
        for swarm in removed {
            self.drop_holding(slot, *swarm);
        }
        for holding in added {
            if !self.put_holding(slot, *holding) {
                return self.misbehaved(slot);
            }
        }
        self.offer_waiting(slot);
    }

    fn drop_holding(&mut self, slot: Slot, swarm: SwarmId) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if session.holdings.remove(&swarm).is_none() {
            return;
        }
        let stand = session.stand();
        self.counts.holdings -= 1;
        if session.waiting.remove(&swarm) {
            self.titles.stop_waiting(swarm, stand);
        } else {
            self.titles.unlist(swarm, stand, slot);
        }
    }

    /// Adds or changes a holding; false when the session has more titles than it may.
    fn put_holding(&mut self, slot: Slot, holding: Holding) -> bool {
        let Holding { swarm, renditions, coverage } = holding;
        let fair_share = self.settings.holdings / self.settings.sessions.max(1);
        let full = self.counts.holdings >= self.settings.holdings;
        let Some(session) = self.sessions.get_mut(slot) else { return true };
        let holds = Held { renditions, coverage };
        if let Some(held) = session.holdings.get_mut(&swarm) {
            *held = holds;
            if !session.waiting.contains(&swarm) {
                self.titles.relist(swarm, session.stand(), (slot, holds));
            }
            return true;
        }
        if session.holdings.len() >= MAX_TITLES_PER_SESSION {
            return false;
        }
        if full && session.holdings.len() >= fair_share {
            self.counts.overflowed += 1;
            return true;
        }
        session.holdings.insert(swarm, holds);
        let stand = session.stand();
        self.counts.holdings += 1;
        self.offer((slot, holds), swarm, stand);
        true
    }

    /// Offers a holding that is neither listed nor waiting to its title's roster.
    fn offer(&mut self, holder: (Slot, Held), swarm: SwarmId, stand: Stand) {
        let waits = match self.titles.offer(swarm, stand, holder, &mut self.random) {
            Placed::Listed => return,
            Placed::Instead(other) => other,
            Placed::Waiting => holder.0,
        };
        if let Some(session) = self.sessions.get_mut(waits) {
            session.waiting.insert(swarm);
        }
    }

    /// Offers some of the session's waiting holdings again, taking turns.
    fn offer_waiting(&mut self, slot: Slot) {
        let turns =
            self.sessions.get(slot).map_or(0, |session| session.waiting.len().min(OFFERS_PER_MESSAGE));
        for _ in 0..turns {
            let Some(session) = self.sessions.get_mut(slot) else { return };
            let Some(swarm) = session.next_waiting() else { return };
            let (stand, held) = (session.stand(), session.holdings.get(&swarm).copied());
            session.waiting.remove(&swarm);
            self.titles.stop_waiting(swarm, stand);
            if let Some(held) = held {
                self.offer((slot, held), swarm, stand);
            }
        }
    }

    fn lookup(&mut self, query: u32, ask: Ask) {
        let Some(session) = self.sessions.get_mut(ask.slot) else { return };
        let id = session.id;
        let allowed = session.lookups.take(self.now);
        if let Err(after) = allowed.and_then(|()| self.load.admit(self.now, &mut self.random)) {
            return self.defer(id, after);
        }
        let (holders, examined) = self.find(ask);
        let again = self.load.again(self.now, holders.len(), MAX_ANSWER, &mut self.random);
        self.counts.answers += 1;
        self.counts.examined += examined;
        self.outputs.push_back(Output::Answer { session: id, query, holders, again });
        self.offer_waiting(ask.slot);
    }

    fn find(&self, ask: Ask) -> (Vec<Found>, u64) {
        let Some(asker) = self.sessions.get(ask.slot) else { return Default::default() };
        let epoch = self.now.micros() / DRAW_SPAN.micros();
        let draw = ask.swarm.0.iter().fold(mix(self.seed ^ epoch), |z, byte| mix(z ^ u64::from(*byte)));
        let mut random = Random::seeded(rank(&asker.node.0, draw));
        answer(ask, asker, self.titles.rosters(ask.swarm, asker.ways), &self.sessions, &mut random)
    }

    fn signal(&mut self, slot: Slot, to: NodeKey) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let (id, from) = (session.id, session.node);
        if let Err(after) = session.signals.take(self.now) {
            return self.defer(id, after);
        }
        // A signal to who is not here is dropped without a word: presence is nobody's to ask.
        let target = self.sessions.slot_of_node(to).filter(|target| *target != slot);
        if let Some(target) = target.and_then(|target| self.sessions.get(target)) {
            self.counts.signals += 1;
            self.outputs.push_back(Output::Deliver { from, to: target.id });
        }
        self.offer_waiting(slot);
    }

    fn defer(&mut self, session: SessionId, after: Span) {
        self.counts.deferred += 1;
        self.outputs.push_back(Output::RetryAfter { session, after });
    }
}
