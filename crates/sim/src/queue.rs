//! The event queue: by time, then by the order of scheduling.
//!
//! A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, 1990): time only goes on, so that what is to come need not be in
//! order, only in rows by the highest bit in which its moment differs from the last one that came. When the nearest row's
//! turn comes it is dealt out to nearer ones. Within a row things stay in the order in which they were scheduled.

use nearcast_engine::Time;

/// Rows: none differing, and one for each bit.
const ROWS: usize = 65;

/// Events in the order they happen.
///
/// The rows have only moments and places: an event is several times as large as both, and moves from row to row.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    rows: [Vec<(Time, u32)>; ROWS],
    /// Which rows have something in them.
    filled: u128,
    /// The last moment that came: that of all in the first row.
    now: Time,
    /// How many of the first row have happened.
    happened: usize,
    /// With the number that each was scheduled under.
    events: Vec<(u64, Option<E>)>,
    free: Vec<u32>,
    sequence: u64,
}

/// Names one event for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    place: u32,
    sequence: u64,
}

impl<E> Queue<E> {
    /// No events.
    pub(crate) fn new() -> Self {
        Self {
            rows: [const { Vec::new() }; ROWS],
            filled: 0,
            now: Time::ZERO,
            happened: 0,
            events: Vec::new(),
            free: Vec::new(),
            sequence: 0,
        }
    }

    /// Adds an event.
    pub(crate) fn push(&mut self, at: Time, event: E) {
        self.push_named(at, event);
    }

    /// Adds an event that may be changed until it happens. What should have happened before happens next.
    ///
    /// # Panics
    /// With more than 2^32 events at once.
    pub(crate) fn push_named(&mut self, at: Time, event: E) -> Ticket {
        self.sequence += 1;
        let entry = (self.sequence, Some(event));
        let place = match self.free.pop() {
            Some(place) => {
                self.events[place as usize] = entry;
                place
            }
            None => {
                self.events.push(entry);
                u32::try_from(self.events.len() - 1).expect("fewer than 2^32 events at once")
            }
        };
        self.line_up(at.max(self.now), place);
        Ticket { place, sequence: self.sequence }
    }

    /// An event that has not happened yet.
    pub(crate) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut E> {
        let (sequence, event) = self.events.get_mut(ticket.place as usize)?;
        event.as_mut().filter(|_| *sequence == ticket.sequence)
    }

    /// An event does not happen.
    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        if let Some((_, event)) =
            self.events.get_mut(ticket.place as usize).filter(|e| e.0 == ticket.sequence)
        {
            *event = None;
        }
    }

    fn line_up(&mut self, at: Time, place: u32) {
        let differs = at.micros() ^ self.now.micros();
        let row = (u64::BITS - differs.leading_zeros()) as usize;
        self.rows[row].push((at, place));
        self.filled |= 1 << row;
    }

    /// Takes the next event if it happens at `until` or before. If there is none, time has gone on to `until`.
    pub(crate) fn pop(&mut self, until: Time) -> Option<(Time, E)> {
        loop {
            let Some((at, place)) = self.rows[0].get(self.happened).copied() else {
                self.deal_out(until)?;
                continue;
            };
            if at > until {
                return None;
            }
            self.happened += 1;
            self.free.push(place);
            // One that was cancelled left its place empty.
            if let Some(event) = self.events[place as usize].1.take() {
                return Some((at, event));
            }
        }
    }

    /// Goes on to the next moment at which something happens, when that is `until` or before.
    fn deal_out(&mut self, until: Time) -> Option<()> {
        self.rows[0].clear();
        self.happened = 0;
        self.filled &= !1;
        let nearest = self.filled.trailing_zeros() as usize;
        let next = self.rows.get(nearest)?.iter().map(|(at, _)| *at).min()?;
        if next > until {
            return None;
        }
        self.now = next;
        let mut row = std::mem::take(&mut self.rows[nearest]);
        self.filled &= !(1 << nearest);
        for (at, place) in row.drain(..) {
            self.line_up(at, place);
        }
        // Its room is kept for what comes.
        self.rows[nearest] = row;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nearcast_engine::Span;

    use super::*;
    use crate::random::{Random, Stream};

    #[test]
    fn equal_times_keep_the_order_of_scheduling() {
        let mut queue = Queue::new();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b'), (9, 'e')] {
            queue.push(Time::from_micros(at), event);
        }
        let taken: String = std::iter::from_fn(|| queue.pop(Time::from_micros(5))).map(|(_, e)| e).collect();
        assert_eq!(taken, "abcd");
        assert_eq!(queue.pop(Time::NEVER), Some((Time::from_micros(9), 'e')));
        let ticket = queue.push_named(Time::from_micros(11), 'f');
        *queue.get_mut(ticket).expect("still to come") = 'g';
        assert_eq!(queue.pop(Time::NEVER), Some((Time::from_micros(11), 'g')));
        queue.push(Time::from_micros(12), 'h');
        assert_eq!(queue.get_mut(ticket), None, "another has taken its place");
        queue.cancel(ticket);
        assert_eq!(queue.pop(Time::NEVER), Some((Time::from_micros(12), 'h')));
        let ticket = queue.push_named(Time::from_micros(13), 'i');
        queue.push(Time::from_micros(14), 'j');
        queue.cancel(ticket);
        assert_eq!(queue.pop(Time::NEVER), Some((Time::from_micros(14), 'j')));
        queue.push(Time::from_micros(1), 'k');
        assert_eq!(queue.pop(Time::NEVER), Some((Time::from_micros(14), 'k')), "it is too late for then");
    }

    #[test]
    fn whatever_is_scheduled_meanwhile_happens_in_order() {
        let mut chance = Random::stream(1, Stream::Adversary, 0);
        let mut queue = Queue::new();
        let mut plain = BTreeMap::new();
        let mut now = Time::ZERO;
        for number in 0..20_000_u64 {
            // Near and far, many at the same moment.
            let far = 1 << chance.below(34);
            let at = now + Span::from_micros(chance.below(far));
            let ticket = queue.push_named(at, number);
            match chance.percent(10) {
                true => queue.cancel(ticket),
                false => {
                    plain.insert((at, number), ());
                }
            }
            if chance.percent(60) {
                let until = now + Span::from_micros(chance.below(1 << 33));
                let first = plain.first_key_value().map(|(key, ())| *key).filter(|(at, _)| *at <= until);
                assert_eq!(queue.pop(until), first);
                if let Some(key) = first {
                    plain.remove(&key);
                }
                now = first.map_or(until, |(at, _)| at);
            }
        }
        assert!(plain.len() > 1_000, "many are far away");
        while let Some((key, ())) = plain.pop_first() {
            assert_eq!(queue.pop(Time::NEVER), Some(key));
        }
        assert_eq!(queue.pop(Time::NEVER), None);
    }
}
