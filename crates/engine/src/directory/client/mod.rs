//! The node's side of a supernode: keeps one session up, and says and asks what the node wants.
//!
//! The shell makes connections, signs the supernode's nonce and moves messages; when to connect, what to
//! announce and what to ask again is decided here. Losing the session loses nothing: what is held is announced
//! anew and unanswered lookups are asked again.

mod api;
mod reports;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use nearcast_content::{FeatureSet, FlatMap, FlatSet};

use super::backoff::Backoff;
use crate::limits::{
    ANNOUNCE_SPACING, ANSWER_PATIENCE, HANDSHAKE_PATIENCE, MAX_ADDRESSES, MAX_ANNOUNCE, MAX_ANSWER,
    MAX_LOOKUPS, MAX_SIGNAL, MAX_TITLES_PER_SESSION, SESSION_HELD,
};
use crate::random::Random;
use crate::time::{Span, Time};
use crate::wire::directory::{Holder, Holding, RefusedReason};
use crate::wire::{ClientMessage, ServerMessage, SwarmId, Versions, Ways};

use reports::Reports;

pub use api::*;

/// A node's session with one supernode.
#[derive(Debug)]
pub struct Client {
    now: Time,
    random: Random,
    ways: Ways,
    link: Link,
    backoff: Backoff,
    holdings: Holdings,
    lookups: Lookups,
    reports: Reports,
    /// When something was last sent; silence is broken before the lease ends.
    sent: Time,
    outputs: VecDeque<Output>,
}

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// No connection until then.
    Away { until: Time },
    /// A connection is being made, or waits for its welcome.
    Opening { since: Time, connected: Connected },
    /// Welcomed.
    Up { since: Time, lease: Span },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connected {
    NotYet,
    Yes,
}

/// What the node holds, and what of it the supernode does not know yet.
#[derive(Debug, Default)]
struct Holdings {
    wanted: FlatMap<SwarmId, Holding>,
    told: FlatMap<SwarmId, Holding>,
    changed: FlatSet<SwarmId>,
    next: Time,
}

/// Lookups without an answer.
#[derive(Debug, Default)]
struct Lookups {
    pending: FlatMap<SwarmId, Pending>,
    last_query: u32,
    /// Nothing is asked before this.
    hold_until: Time,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    renditions: u16,
    /// Number of the last message that asked, in this session.
    query: Option<u32>,
    /// Whether that message still stands, and since when.
    asked: Option<Time>,
}

impl Client {
    /// A client that connects at once, of a node that is connected to in these ways. All its chances come from
    /// `seed`.
    pub fn new(seed: u64, ways: Ways) -> Self {
        Self {
            now: Time::ZERO,
            random: Random::seeded(seed),
            ways,
            link: Link::Away { until: Time::ZERO },
            backoff: Backoff::default(),
            holdings: Holdings::default(),
            lookups: Lookups::default(),
            reports: Reports::default(),
            sent: Time::ZERO,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened at `now`. An error is a mistake of the shell and changes nothing; what a supernode
    /// does wrong ends the session and is never an error here.
    pub fn handle_input(&mut self, now: Time, input: Input) -> Result<(), InputError> {
        if now < self.now {
            return Err(InputError::TimeWentBack(self.now, now));
        }
        self.now = now;
        match input {
            Input::Timeout => {}
            Input::Connected => match self.link {
                Link::Opening { connected: Connected::NotYet, .. } => {
                    self.link = Link::Opening { since: now, connected: Connected::Yes };
                }
                Link::Opening { .. } | Link::Away { .. } | Link::Up { .. } => {
                    return Err(InputError::NoConnection("connected"));
                }
            },
            Input::Lost { retry_after } => {
                // An end that crossed with a disconnect is old news.
                if !matches!(self.link, Link::Away { .. }) {
                    self.away(retry_after);
                }
            }
            Input::Received(message) => self.received(message),
            Input::Hold(holding) => self.holdings.hold(holding)?,
            Input::Drop(swarm) => self.holdings.drop(swarm),
            Input::Lookup { swarm, renditions } => self.lookups.add(swarm, renditions)?,
            Input::Report(report) => self.reports.add(&report),
            Input::Signal { to, payload } => {
                if payload.len() > MAX_SIGNAL {
                    return Err(InputError::SignalTooLong(payload.len()));
                }
                if !matches!(self.link, Link::Up { .. }) {
                    return Err(InputError::Down);
                }
                self.send(ClientMessage::Signal { to, payload });
            }
        }
        self.advance();
        Ok(())
    }

    /// The next thing to do. `Output::Timeout` means: nothing until an input or that moment.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.wake()))
    }

    /// Whether the supernode can be asked.
    pub fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    fn received(&mut self, message: ServerMessage) {
        match (self.link, message) {
            // What was on its way when the session was given up.
            (Link::Away { .. }, _) => {}
            (Link::Opening { .. }, ServerMessage::Challenge { nonce, versions }) => {
                if versions.common(Versions::OURS).is_none() {
                    return self.refused(RefusedReason::Version);
                }
                self.sent = self.now;
                self.outputs.push_back(Output::Prove { nonce });
            }
            (
                Link::Opening { .. },
                ServerMessage::Welcome { features, lease_millis, observed, relay, stun_port },
            ) => {
                self.link = Link::Up {
                    since: self.now,
                    lease: Span::from_millis(u64::from(lease_millis.max(1_000))),
                };
                self.holdings.tell_all(self.now);
                self.lookups.ask_all(self.now);
                self.reports.welcomed(self.now, FeatureSet(features));
                self.outputs.push_back(Output::Up { observed, relay, stun_port });
            }
            (Link::Opening { .. }, ServerMessage::RetryAfter { millis }) => {
                self.give_up(Some(Span::from_millis(u64::from(millis))));
            }
            (_, ServerMessage::Refused { reason }) => self.refused(reason),
            (Link::Up { .. }, ServerMessage::RetryAfter { millis }) => {
                self.lookups.defer(self.now + Span::from_millis(u64::from(millis)));
            }
            (Link::Up { .. }, ServerMessage::Holders { query, holders, again_millis }) => {
                self.answered(query, holders, Span::from_millis(u64::from(again_millis)));
            }
            (Link::Up { .. }, ServerMessage::Signal { from, payload }) => {
                self.outputs.push_back(Output::Signal { from, payload });
            }
            (Link::Up { .. }, ServerMessage::PolicyChanged { sequence }) => {
                self.outputs.push_back(Output::PolicyChanged { sequence });
            }
            (Link::Up { .. }, ServerMessage::Challenge { .. } | ServerMessage::Welcome { .. })
            | (
                Link::Opening { .. },
                ServerMessage::Holders { .. }
                | ServerMessage::Signal { .. }
                | ServerMessage::PolicyChanged { .. },
            ) => self.give_up(None),
        }
    }

    fn answered(&mut self, query: u32, mut holders: Vec<Holder>, again: Span) {
        if holders.len() > MAX_ANSWER || holders.iter().any(|holder| holder.addresses.len() > MAX_ADDRESSES) {
            return self.give_up(None);
        }
        // A supernode that knows of no ways names everybody.
        holders.retain(|holder| holder.ways.meet(self.ways));
        if let Some(swarm) = self.lookups.take(query) {
            self.outputs.push_back(Output::Found { swarm, holders, again });
        }
    }

    fn refused(&mut self, reason: RefusedReason) {
        self.outputs.push_back(Output::Refused(reason));
        self.backoff.refused();
        self.give_up(None);
    }

    /// Ends the connection from this side.
    fn give_up(&mut self, retry_after: Option<Span>) {
        self.outputs.push_back(Output::Disconnect);
        self.away(retry_after);
    }

    fn away(&mut self, retry_after: Option<Span>) {
        if let Link::Up { since, .. } = self.link {
            self.outputs.push_back(Output::Down);
            if self.now.since(since) >= SESSION_HELD {
                self.backoff.held();
            }
        }
        let delay = match retry_after {
            Some(after) => self.backoff.told(after, &mut self.random),
            None => self.backoff.next(&mut self.random),
        };
        self.link = Link::Away { until: self.now + delay };
    }

    fn send(&mut self, message: ClientMessage) {
        self.sent = self.now;
        self.outputs.push_back(Output::Send(message));
    }

    /// Does what is due.
    fn advance(&mut self) {
        match self.link {
            Link::Away { until } => {
                if until <= self.now {
                    self.link = Link::Opening { since: self.now, connected: Connected::NotYet };
                    self.outputs.push_back(Output::Connect);
                }
            }
            Link::Opening { since, .. } => {
                if since + HANDSHAKE_PATIENCE <= self.now {
                    self.give_up(None);
                }
            }
            Link::Up { lease, .. } => {
                if self.lookups.overdue() + ANSWER_PATIENCE <= self.now {
                    return self.give_up(None);
                }
                if let Some((added, removed)) = self.holdings.due(self.now) {
                    self.send(ClientMessage::Announce { added, removed });
                }
                while let Some((query, swarm, renditions)) = self.lookups.due(self.now) {
                    self.send(ClientMessage::Lookup { query, swarm, renditions });
                }
                if let Some(report) = self.reports.due(self.now) {
                    self.send(ClientMessage::Report(report));
                }
                if self.sent + lease.over(3) <= self.now {
                    self.send(ClientMessage::Renew);
                }
            }
        }
    }

    fn wake(&self) -> Time {
        match self.link {
            Link::Away { until } => until,
            Link::Opening { since, .. } => since + HANDSHAKE_PATIENCE,
            Link::Up { lease, .. } => (self.sent + lease.over(3))
                .min(self.holdings.wake())
                .min(self.lookups.wake())
                .min(self.reports.wake())
                .min(self.lookups.overdue() + ANSWER_PATIENCE),
        }
    }
}

impl Holdings {
    fn hold(&mut self, holding: Holding) -> Result<(), InputError> {
        if self.wanted.len() >= MAX_TITLES_PER_SESSION && !self.wanted.contains_key(&holding.swarm) {
            return Err(InputError::TooMany("titles held"));
        }
        self.wanted.insert(holding.swarm, holding);
        self.compare(holding.swarm);
        Ok(())
    }

    fn drop(&mut self, swarm: SwarmId) {
        self.wanted.remove(&swarm);
        self.compare(swarm);
    }

    fn compare(&mut self, swarm: SwarmId) {
        if self.wanted.get(&swarm) == self.told.get(&swarm) {
            self.changed.remove(&swarm);
        } else {
            self.changed.insert(swarm);
        }
    }

    /// A session begins that knows nothing.
    fn tell_all(&mut self, now: Time) {
        self.told.clear();
        self.changed = self.wanted.keys().copied().collect();
        self.next = now;
    }

    /// The next announce, if one is due.
    fn due(&mut self, now: Time) -> Option<(Vec<Holding>, Vec<SwarmId>)> {
        if self.changed.is_empty() || now < self.next {
            return None;
        }
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for swarm in self.changed.drain_first(MAX_ANNOUNCE) {
            match self.wanted.get(&swarm) {
                Some(holding) => {
                    self.told.insert(swarm, *holding);
                    added.push(*holding);
                }
                None => {
                    self.told.remove(&swarm);
                    removed.push(swarm);
                }
            }
        }
        self.next = now + ANNOUNCE_SPACING;
        Some((added, removed))
    }

    fn wake(&self) -> Time {
        if self.changed.is_empty() { Time::NEVER } else { self.next }
    }
}

impl Lookups {
    fn add(&mut self, swarm: SwarmId, renditions: u16) -> Result<(), InputError> {
        if self.pending.len() >= MAX_LOOKUPS && !self.pending.contains_key(&swarm) {
            return Err(InputError::TooMany("lookups"));
        }
        let fresh = Pending { renditions, query: None, asked: None };
        let pending = self.pending.entry(swarm).or_insert(fresh);
        // The same question is not asked twice; another one takes its place.
        if pending.renditions != renditions {
            *pending = fresh;
        }
        Ok(())
    }

    /// A session begins in which nothing was asked.
    fn ask_all(&mut self, now: Time) {
        for pending in self.pending.values_mut() {
            (pending.query, pending.asked) = (None, None);
        }
        self.hold_until = now;
    }

    /// All that stands unanswered is asked again from then on.
    fn defer(&mut self, until: Time) {
        for pending in self.pending.values_mut() {
            pending.asked = None;
        }
        self.hold_until = until;
    }

    fn due(&mut self, now: Time) -> Option<(u32, SwarmId, u16)> {
        if now < self.hold_until {
            return None;
        }
        let (swarm, pending) = self.pending.iter_mut().find(|(_, pending)| pending.asked.is_none())?;
        self.last_query = self.last_query.wrapping_add(1);
        (pending.query, pending.asked) = (Some(self.last_query), Some(now));
        Some((self.last_query, *swarm, pending.renditions))
    }

    /// Takes out the lookup that this answers.
    fn take(&mut self, query: u32) -> Option<SwarmId> {
        let swarm = *self.pending.iter().find(|(_, pending)| pending.query == Some(query))?.0;
        self.pending.remove(&swarm);
        Some(swarm)
    }

    /// Since when the oldest question stands unanswered.
    fn overdue(&self) -> Time {
        self.pending.values().filter_map(|pending| pending.asked).min().unwrap_or(Time::NEVER)
    }

    fn wake(&self) -> Time {
        let waiting = self.pending.values().any(|pending| pending.asked.is_none());
        if waiting { self.hold_until } else { Time::NEVER }
    }
}
