//! Who is there and has something of which title, counted for each operator.

use std::collections::BTreeMap;

use super::World;
use crate::catalogue::ObjectIx;

/// Nodes that are there, serve, and have something of a title, by title and operator.
#[derive(Debug, Default)]
pub(super) struct Presence {
    holders: BTreeMap<(u32, u32), u32>,
}

impl Presence {
    /// How many there are in an operator's network.
    pub(super) fn count(&self, title: u32, isp: u32) -> u32 {
        self.holders.get(&(title, isp)).copied().unwrap_or(0)
    }

    fn change(&mut self, title: u32, isp: u32, there: bool) {
        let count = self.holders.entry((title, isp)).or_default();
        *count = if there { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            self.holders.remove(&(title, isp));
        }
    }
}

impl World<'_> {
    /// A node has something of an object, or has nothing of it any more. A title of several objects is there with
    /// the first of them.
    pub(super) fn note_presence(&mut self, node: u32, object: ObjectIx, there: bool) {
        let listener = &self.audience.listeners[node as usize];
        if let Some(title) = self.catalogue.title_begun_by(object).filter(|_| listener.serves()) {
            self.presence.change(title, listener.place.isp, there);
        }
    }

    /// A node came or went with its cache.
    pub(super) fn note_presence_of_all(&mut self, node: u32, there: bool) {
        let objects: Vec<ObjectIx> =
            self.nodes[node as usize].store.all().map(|(object, ..)| object).collect();
        for object in objects {
            self.note_presence(node, object, there);
        }
    }
}
