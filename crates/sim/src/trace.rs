//! A running hash over everything that goes into and comes out of every node.

use std::hash::{Hash, Hasher};

use nearcast_engine::Time;

use crate::random::mix;

/// The running hash. Two runs with the same trace did the same things in the same order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trace(u64);

/// Which side of a machine something was seen on.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) enum Side {
    /// It went into an agent.
    AgentIn,
    /// It came out of an agent.
    AgentOut,
    /// It went into the directory.
    DirectoryIn,
    /// It came out of the directory.
    DirectoryOut,
}

impl Trace {
    /// Takes note of `what`, seen at node `who`.
    pub(crate) fn note<T: Hash>(&mut self, now: Time, who: u32, side: Side, what: &T) {
        (now.micros(), who, side).hash(self);
        what.hash(self);
    }

    /// The hash so far.
    pub(crate) fn value(self) -> u64 {
        mix(self.0)
    }

    fn word(&mut self, word: u64) {
        self.0 = mix(self.0.rotate_left(5) ^ word).wrapping_add(word);
    }
}

/// Numbers are widened to 64 bits, so that a 32-bit machine hashes alike.
impl Hasher for Trace {
    fn finish(&self) -> u64 {
        self.value()
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.word(u64::from(n));
    }

    fn write_u16(&mut self, n: u16) {
        self.word(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.word(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.word(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.word(n as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.word(n.unsigned_abs() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(notes: &[(u64, u32, &str)]) -> u64 {
        let mut trace = Trace::default();
        for (at, who, what) in notes {
            trace.note(Time::from_micros(*at), *who, Side::AgentIn, what);
        }
        trace.value()
    }

    #[test]
    fn time_order_node_and_content_all_count() {
        let base = of(&[(1, 1, "a"), (2, 2, "b")]);
        assert_eq!(base, of(&[(1, 1, "a"), (2, 2, "b")]));
        for other in [
            of(&[(1, 1, "a"), (3, 2, "b")]),
            of(&[(2, 2, "b"), (1, 1, "a")]),
            of(&[(1, 2, "a"), (2, 2, "b")]),
            of(&[(1, 1, "a"), (2, 2, "c")]),
        ] {
            assert_ne!(base, other);
        }
    }
}
