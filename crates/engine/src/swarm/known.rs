//! Nodes that could be connected to, by their keys, and without a search where it is remembered in which place one is.

use nearcast_content::{FlatMap, NodeKey};

use crate::place::Nearness;
use crate::time::{Span, Time};

/// First wait after the connection to a node ended that could be reached before; doubles up to [`LONGEST_WAIT`].
pub(super) const FIRST_WAIT: Span = Span::from_secs(5);
/// Longest wait before such a node is tried again.
const LONGEST_WAIT: Span = Span::from_secs(300);
/// First wait after a stranger could not be reached; four times as long each time up to [`LONGEST_STRANGER_WAIT`]. Of the
/// holes that can be punched 97.6 % are at the first try (arXiv 2510.27500).
const FIRST_STRANGER_WAIT: Span = Span::from_secs(60);
/// Longest wait before a stranger is tried again.
const LONGEST_STRANGER_WAIT: Span = Span::from_secs(3_600);

/// A node we could connect to.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) nearness: Nearness,
    pub(super) failures: u32,
    /// Not to be tried before this.
    pub(super) rest_until: Time,
    /// Being connected to, since when.
    pub(super) connecting: Option<Time>,
    pub(super) seen: Time,
    /// Was connected, in this life or an earlier one.
    pub(super) met: bool,
    /// Equally near nodes are tried in this order, one of our own, so that a crowd spreads over them.
    pub(super) turn: u64,
}

impl Known {
    pub(super) fn new(now: Time, nearness: Nearness, turn: u64) -> Self {
        Self { nearness, failures: 0, rest_until: Time::ZERO, connecting: None, seen: now, met: false, turn }
    }

    /// Lives elsewhere and was never connected: who knows whether it can be.
    pub(super) fn is_stranger(&self) -> bool {
        !self.met && self.nearness > Nearness::Lan
    }

    /// It is as near as this. Who comes nearer has moved, or we have: he may be reached from there.
    pub(super) fn is_near(&mut self, nearness: Nearness) {
        if nearness < self.nearness {
            self.nearness = nearness;
            self.failures = 0;
            self.rest_until = Time::ZERO;
        }
    }

    /// It could not be reached, or its connection ended. One of `few` is tried again as soon as one that was reached: there
    /// is hardly anybody else, and it may have been a packet that was lost.
    pub(super) fn failed(&mut self, now: Time, few: bool) {
        let first = if few { FIRST_WAIT } else { FIRST_STRANGER_WAIT };
        let wait = match self.is_stranger() {
            true => first.times(1 << (2 * self.failures.min(6))).min(LONGEST_STRANGER_WAIT),
            false => FIRST_WAIT.times(1 << self.failures.min(6)).min(LONGEST_WAIT),
        };
        self.rest_until = now + wait;
        self.failures = self.failures.saturating_add(1);
    }

    /// From when on it may be tried, where strangers may from `strangers` on.
    pub(super) fn from(&self, strangers: Time) -> Time {
        if self.is_stranger() { self.rest_until.max(strangers) } else { self.rest_until }
    }

    /// Before whom it is tried: the nearest first, and those that answered.
    pub(super) fn order(&self) -> (Nearness, u32, u64) {
        (self.nearness, self.failures, self.turn)
    }
}

/// Where a node was when it was last looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(usize);

/// All of them. Holders of titles are gone through again and again, and each search would touch half a dozen others.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownNodes {
    places: FlatMap<NodeKey, Place>,
    nodes: Vec<Option<(NodeKey, Known)>>,
    free: Vec<Place>,
}

impl KnownNodes {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// All of them, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeKey, &Known)> {
        self.places
            .values()
            .filter_map(|place| self.nodes[place.0].as_ref())
            .map(|(node, known)| (node, known))
    }

    pub(super) fn place(&self, node: &NodeKey) -> Option<Place> {
        self.places.get(node).copied()
    }

    pub(super) fn get(&self, node: &NodeKey) -> Option<&Known> {
        self.at(node, self.place(node)?)
    }

    pub(super) fn get_mut(&mut self, node: &NodeKey) -> Option<&mut Known> {
        let place = self.place(node)?;
        self.nodes[place.0].as_mut().map(|(_, known)| known)
    }

    /// A node that was in a place, if it still is, and otherwise wherever it is.
    pub(super) fn at(&self, node: &NodeKey, place: Place) -> Option<&Known> {
        match self.nodes.get(place.0) {
            Some(Some((there, known))) if there == node => Some(known),
            Some(_) | None => {
                let place = self.place(node)?;
                self.nodes[place.0].as_ref().map(|(_, known)| known)
            }
        }
    }

    /// Makes a node known that is not.
    pub(super) fn add(&mut self, node: NodeKey, known: Known) {
        let place = self.free.pop().unwrap_or(Place(self.nodes.len()));
        match self.nodes.get_mut(place.0) {
            Some(there) => *there = Some((node, known)),
            None => self.nodes.push(Some((node, known))),
        }
        self.places.insert(node, place);
    }

    pub(super) fn remove(&mut self, node: &NodeKey) {
        if let Some(place) = self.places.remove(node) {
            self.nodes[place.0] = None;
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_another_has_taken_leads_to_the_node_all_the_same() {
        let node = |n: u8| NodeKey([n; 32]);
        let known = |turn| Known::new(Time::ZERO, Nearness::Far, turn);
        let mut nodes = KnownNodes::default();
        nodes.add(node(2), known(2));
        nodes.add(node(1), known(1));
        let [first, second] = [1, 2].map(|n| nodes.place(&node(n)).expect("known"));
        nodes.remove(&node(2));
        assert!(nodes.at(&node(2), second).is_none() && nodes.get(&node(2)).is_none());
        nodes.add(node(3), known(3));
        assert!(nodes.at(&node(2), second).is_none(), "another has taken its place");
        nodes.add(node(2), known(4));
        assert_eq!(nodes.at(&node(2), second).map(|known| known.turn), Some(4));
        assert_eq!(nodes.at(&node(1), first).map(|known| known.turn), Some(1));
        let all: Vec<u64> = nodes.iter().map(|(_, known)| known.turn).collect();
        assert_eq!((all, nodes.len()), (vec![1, 4, 3], 3), "by key");
    }
}
