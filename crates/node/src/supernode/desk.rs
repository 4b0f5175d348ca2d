//! The one task that owns a provider's directory: notes from sessions come in, messages to sessions go out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nearcast_content::{FeatureSet, NodeKey};
use nearcast_engine::directory::{
    Audience, Counts, Directory, Found, Implausible, Input, InputError, Output, SessionId,
};
use nearcast_engine::wire::directory::{Holder, RefusedReason};
use nearcast_engine::wire::{ClientMessage, PlayReport, ServerMessage, Serves, SwarmId, Ways};
use nearcast_engine::{Place, Span, Time};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::addresses::Reach;
use crate::audience::AudienceMetrics;

/// Notes that may wait for the desk. Sessions wait for room, which slows their reading down.
pub(super) const NOTES: usize = 1_024;

/// What the desk is told.
#[derive(Debug)]
pub(super) enum Note {
    /// A node proved its key.
    Opened { session: SessionId, node: NodeKey, place: Place, serves: Serves, ways: Ways, seat: Seat },
    /// A node said something.
    Said { session: SessionId, message: ClientMessage },
    /// A session's connection ended, or broke a rule and is to be told which.
    Ended { session: SessionId, reason: Option<RefusedReason> },
    /// The provider's policy has a new sequence.
    PolicyChanged { sequence: u64 },
    /// Someone wants to know how things stand.
    Count(oneshot::Sender<Counts>),
    /// Someone wants to know whether a title is held by anybody whom a browser can meet.
    Held(SwarmId, oneshot::Sender<bool>),
}

/// What the desk knows of a session beside what the directory does. Dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Seat {
    /// Messages to the node, in a short queue: a node that does not take them loses its session.
    pub(super) outbound: mpsc::Sender<ServerMessage>,
    pub(super) reach: Reach,
    pub(super) ways: Ways,
}

/// What runs beside the supernode, as nodes are told.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    pub(super) relay: Option<String>,
    pub(super) stun_port: Option<u16>,
}

#[derive(Debug)]
pub(super) struct Desk {
    directory: Directory,
    started: Instant,
    seats: HashMap<SessionId, Seat>,
    beside: Beside,
    policy: Option<u64>,
    audience: SharedAudience,
    metrics: AudienceMetrics,
}

/// A provider's sums, read by whoever shows them.
pub(super) type SharedAudience = Arc<Mutex<Audience>>;

impl Desk {
    pub(super) fn new(
        directory: Directory,
        beside: Beside,
        (audience, metrics): (SharedAudience, AudienceMetrics),
    ) -> Self {
        let (started, seats) = (Instant::now(), HashMap::new());
        Self { directory, started, seats, beside, policy: None, audience, metrics }
    }

    /// Runs until `shutdown`, or until nobody can send notes any more.
    pub(super) async fn run(mut self, mut notes: mpsc::Receiver<Note>, shutdown: CancellationToken) {
        loop {
            let wake = self.deliver(None);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                note = notes.recv() => match note {
                    Some(note) => self.take(note),
                    None => return,
                },
                () = sleep_until(self.started, wake) => self.tell(Input::Timeout),
            }
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Opened { session, node, place, serves, ways, seat } => {
                self.seats.insert(session, seat);
                self.tell(Input::Opened { session, node, place, serves, ways });
            }
            Note::Said { session, message } => self.said(session, message),
            Note::Ended { session, reason } => {
                self.refuse(session, reason);
            }
            Note::PolicyChanged { sequence } => {
                self.policy = Some(sequence);
                let sessions: Vec<SessionId> = self.seats.keys().copied().collect();
                for session in sessions {
                    self.send(session, ServerMessage::PolicyChanged { sequence });
                }
            }
            // Who asked may have gone: no matter.
            Note::Count(reply) => drop(reply.send(self.directory.counts())),
            Note::Held(swarm, reply) => drop(reply.send(self.directory.held(swarm, Ways::DATA_CHANNELS))),
        }
    }

    /// Ends a session from here; who broke a rule is told.
    fn refuse(&mut self, session: SessionId, reason: Option<RefusedReason>) {
        if let Some(reason) = reason {
            self.send(session, ServerMessage::Refused { reason });
        }
        self.leave(session);
    }

    fn said(&mut self, session: SessionId, message: ClientMessage) {
        // Said before the session was ended from here.
        let Some(ways) = self.seats.get(&session).map(|seat| seat.ways) else { return };
        match message {
            ClientMessage::Announce { added, removed } => {
                self.tell(Input::Announced { session, added, removed });
            }
            ClientMessage::Lookup { query, swarm, renditions } => {
                self.tell(Input::Lookup { session, query, swarm, renditions });
            }
            ClientMessage::Signal { to, payload } => {
                self.hand_in(Input::Signal { session, to });
                self.deliver(Some(payload));
            }
            ClientMessage::Report(report) => self.reported(session, ways, &report),
            ClientMessage::Renew => self.tell(Input::Renewed { session }),
            ClientMessage::Hello(_) => self.refuse(session, Some(RefusedReason::Misbehaved)),
        }
    }

    /// A node tells what its players got. That keeps its lease like any word of it.
    fn reported(&mut self, session: SessionId, ways: Ways, report: &PlayReport) {
        let now = self.now();
        let taken = self.sums().take(now, session, ways, report);
        match taken {
            Ok(()) => {
                self.metrics.taken(report);
                self.tell(Input::Renewed { session });
            }
            Err(Implausible) => {
                self.metrics.refused();
                self.refuse(session, Some(RefusedReason::Misbehaved));
            }
        }
    }

    fn sums(&self) -> MutexGuard<'_, Audience> {
        // Whoever panicked while reading has written nothing.
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn tell(&mut self, input: Input) {
        self.hand_in(input);
        self.deliver(None);
    }

    fn hand_in(&mut self, input: Input) {
        let now = self.now();
        match self.directory.handle_input(now, input) {
            Ok(()) => {}
            Err(
                error @ (InputError::UnknownSession(_)
                | InputError::TakenSession(_)
                | InputError::TimeWentBack(..)),
            ) => tracing::error!(%error, "the supernode's shell made a mistake"),
        }
    }

    /// Does what the directory wants done, and says when it wants to be woken. `signal` is what an
    /// [`Output::Deliver`] is about.
    fn deliver(&mut self, mut signal: Option<Vec<u8>>) -> Time {
        loop {
            match self.directory.poll_output() {
                Output::Timeout(at) => return at,
                Output::Admitted { session, lease } => self.welcome(session, lease),
                Output::TurnedAway { session, after } => {
                    self.dismiss(session, ServerMessage::RetryAfter { millis: millis(after) });
                }
                Output::Answer { session, query, holders, again } => {
                    let holders = self.holders(session, &holders);
                    let again_millis = millis(again);
                    self.send(session, ServerMessage::Holders { query, holders, again_millis });
                }
                Output::Deliver { from, to } => {
                    if let Some(payload) = signal.take() {
                        self.send(to, ServerMessage::Signal { from, payload });
                    }
                }
                Output::RetryAfter { session, after } => {
                    self.send(session, ServerMessage::RetryAfter { millis: millis(after) });
                }
                Output::Close { session, reason } => {
                    self.dismiss(session, ServerMessage::Refused { reason });
                }
                Output::Expired { session } => {
                    self.seats.remove(&session);
                    self.sums().ended(session);
                }
            }
        }
    }

    fn welcome(&mut self, session: SessionId, lease: Span) {
        let Some(seat) = self.seats.get(&session) else { return };
        let welcome = ServerMessage::Welcome {
            features: FeatureSet::CREDENTIAL.union(FeatureSet::REPORTS).0,
            lease_millis: millis(lease),
            observed: seat.reach.observed().to_string(),
            relay: self.beside.relay.clone(),
            stun_port: self.beside.stun_port,
        };
        self.send(session, welcome);
        // Who was away when the policy changed learns it here.
        if let Some(sequence) = self.policy {
            self.send(session, ServerMessage::PolicyChanged { sequence });
        }
    }

    fn holders(&self, asker: SessionId, found: &[Found]) -> Vec<Holder> {
        let Some(asker) = self.seats.get(&asker) else { return Vec::new() };
        let with_addresses = |found: &Found| {
            let seat = self.seats.get(&found.session)?;
            Some(Holder {
                node: found.node,
                nearness: found.nearness,
                renditions: found.holding.renditions,
                coverage: found.holding.coverage,
                addresses: seat.reach.told_to(&asker.reach),
                ways: found.ways,
            })
        };
        found.iter().filter_map(with_addresses).collect()
    }

    /// Sends without waiting. A node whose queue is full does not keep up: its session ends, so that nobody
    /// waits for it and nothing piles up.
    fn send(&mut self, session: SessionId, message: ServerMessage) {
        let Some(seat) = self.seats.get(&session) else { return };
        if seat.outbound.try_send(message).is_err() {
            tracing::debug!(?session, "a node does not take its messages, its session ends");
            self.leave(session);
        }
    }

    /// Last words to a session that the directory ended.
    fn dismiss(&mut self, session: SessionId, last: ServerMessage) {
        self.sums().ended(session);
        if let Some(seat) = self.seats.remove(&session) {
            // A queue that is full of other messages has no room for this one: the connection ends all the same.
            let _ = seat.outbound.try_send(last);
        }
    }

    fn leave(&mut self, session: SessionId) {
        if self.seats.remove(&session).is_some() {
            self.sums().ended(session);
            self.hand_in(Input::Closed { session });
        }
    }
}

fn millis(span: Span) -> u32 {
    u32::try_from(span.millis()).unwrap_or(u32::MAX)
}

async fn sleep_until(started: Instant, at: Time) {
    match started.checked_add(std::time::Duration::from_micros(at.micros())) {
        Some(at) if at.duration_since(started).as_secs() < FOREVER_SECS => {
            tokio::time::sleep_until(at.into()).await;
        }
        Some(_) | None => std::future::pending().await,
    }
}

/// Beyond this nothing is waited for: the timer's range ends before that of [`Time`].
const FOREVER_SECS: u64 = 365 * 24 * 3_600;
