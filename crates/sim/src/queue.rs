//! The event queue: by time, then by the order of scheduling.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use nearcast_engine::Time;

/// Events in the order they happen.
///
/// The heap has only moments and places: an event is several times as large as both, and a heap moves what it orders
/// again and again.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    heap: BinaryHeap<Reverse<(Time, u64, u32)>>,
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
        Self { heap: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), sequence: 0 }
    }

    /// Adds an event.
    pub(crate) fn push(&mut self, at: Time, event: E) {
        self.push_named(at, event);
    }

    /// Adds an event that may be changed until it happens.
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
        self.heap.push(Reverse((at, self.sequence, place)));
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

    /// Takes the next event if it happens at `until` or before.
    pub(crate) fn pop(&mut self, until: Time) -> Option<(Time, E)> {
        loop {
            let Reverse((at, _, place)) = *self.heap.peek()?;
            if at > until {
                return None;
            }
            self.heap.pop();
            self.free.push(place);
            // One that was cancelled left its place empty.
            if let Some(event) = self.events[place as usize].1.take() {
                return Some((at, event));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_keep_the_order_of_scheduling() {
        let mut queue = Queue::new();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b'), (9, 'e')] {
            queue.push(Time::from_micros(at), event);
        }
        let taken: String = std::iter::from_fn(|| queue.pop(Time::from_micros(5))).map(|(_, e)| e).collect();
        assert_eq!(taken, "abcd");
        assert!(queue.pop(Time::NEVER).is_some());
        let ticket = queue.push_named(Time::from_micros(1), 'f');
        *queue.get_mut(ticket).expect("still to come") = 'g';
        assert_eq!(queue.pop(Time::NEVER), Some((Time::from_micros(1), 'g')));
        queue.push(Time::from_micros(2), 'h');
        assert_eq!(queue.get_mut(ticket), None, "another has taken its place");
        queue.cancel(ticket);
        assert_eq!(queue.pop(Time::NEVER), Some((Time::from_micros(2), 'h')));
        let ticket = queue.push_named(Time::from_micros(3), 'i');
        queue.push(Time::from_micros(4), 'j');
        queue.cancel(ticket);
        assert_eq!(queue.pop(Time::NEVER), Some((Time::from_micros(4), 'j')));
    }
}
