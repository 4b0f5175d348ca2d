//! What happened in an evening, as far as an oracle needs it: who was online when, who heard of which title when, and
//! when players took which bytes.

use std::collections::BTreeMap;

use nearcast_engine::Time;

/// An evening, as it went.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Stretches in which each node was online.
    online: Vec<Vec<(Time, Time)>>,
    /// When a node's agent first heard of a title, by title and node.
    pub(super) told: BTreeMap<(u32, u32), Time>,
    /// Bytes that players took and had not played before.
    pub(super) takes: Vec<Take>,
    /// Plays that were asked for.
    pub(super) begun: Vec<Begun>,
}

/// A player took bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Take {
    pub(crate) node: u32,
    pub(crate) title: u32,
    /// Which of the node's plays.
    pub(crate) play: u32,
    pub(crate) at: Time,
    /// From this byte of the title to that one.
    pub(crate) bytes: (u64, u64),
    /// Whether they came from the origin.
    pub(crate) origin: bool,
}

/// A play was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) node: u32,
    pub(crate) title: u32,
    /// Which of the node's plays.
    pub(crate) play: u32,
    pub(crate) at: Time,
}

impl Record {
    /// A node came online.
    pub(crate) fn came(&mut self, node: u32, at: Time) {
        self.went(node, at);
        let place = node as usize;
        if self.online.len() <= place {
            self.online.resize(place + 1, Vec::new());
        }
        self.online[place].push((at, Time::NEVER));
    }

    /// A node went, if it was there.
    pub(crate) fn went(&mut self, node: u32, at: Time) {
        let open = self.online.get_mut(node as usize).and_then(|stretches| stretches.last_mut());
        if let Some((_, end)) = open.filter(|(_, end)| *end == Time::NEVER) {
            *end = at;
        }
    }

    /// An agent hears of a title.
    pub(crate) fn told(&mut self, node: u32, title: u32, at: Time) {
        self.told.entry((title, node)).or_insert(at);
    }

    /// A player took bytes. Those that go on where it ended a moment ago are one take.
    pub(crate) fn took(&mut self, take: Take) {
        match self.takes.last_mut() {
            Some(last)
                if (last.node, last.play, last.at, last.origin)
                    == (take.node, take.play, take.at, take.origin)
                    && last.bytes.1 == take.bytes.0 =>
            {
                last.bytes.1 = take.bytes.1;
            }
            Some(_) | None => self.takes.push(take),
        }
    }

    /// A play was asked for.
    pub(crate) fn asked(&mut self, begun: Begun) {
        self.begun.push(begun);
    }

    /// Who has heard of a title so far.
    pub(crate) fn who_knows(&self, title: u32) -> Vec<u32> {
        self.told.range((title, 0)..=(title, u32::MAX)).map(|((_, node), _)| *node).collect()
    }

    /// When a node was online, stretch by stretch.
    pub(super) fn online(&self, node: u32) -> &[(Time, Time)] {
        self.online.get(node as usize).map_or(&[], Vec::as_slice)
    }
}

/// The first moment from `after` on in which two nodes are both online.
pub(super) fn meet(a: &[(Time, Time)], b: &[(Time, Time)], after: Time) -> Option<Time> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let ((a_from, a_to), (b_from, b_to)) = (*a.peek()?, *b.peek()?);
        let at = (*a_from).max(*b_from).max(after);
        if at <= *a_to && at <= *b_to {
            return Some(at);
        }
        if a_to <= b_to {
            a.next()
        } else {
            b.next()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_meet_in_the_first_stretch_that_both_are_there() {
        let at = Time::from_micros;
        let a = [(at(10), at(20)), (at(50), at(90))];
        let b = [(at(30), at(40)), (at(60), at(70)), (at(85), Time::NEVER)];
        assert_eq!(meet(&a, &b, at(0)), Some(at(60)));
        assert_eq!(meet(&a, &b, at(65)), Some(at(65)));
        assert_eq!(meet(&a, &b, at(75)), Some(at(85)));
        assert_eq!(meet(&a, &b, at(91)), None);
        assert_eq!(meet(&a, &[], at(0)), None);
    }

    #[test]
    fn who_comes_again_has_two_stretches() {
        let at = Time::from_micros;
        let mut record = Record::default();
        record.came(1, at(10));
        record.went(1, at(20));
        record.went(1, at(25));
        record.came(1, at(30));
        assert_eq!(record.online(1), [(at(10), at(20)), (at(30), Time::NEVER)]);
        assert_eq!(record.online(0), []);
    }
}
