//! What players of a node got, in sums: how a provider sees whether its audience is served well.
//!
//! A report names no title, no time but its own, and nobody: sums of what happened since the report before it. Bytes and
//! media count while a play goes on, all else of it when it has ended.

use minicbor::{Decode, Encode};

use crate::limits::{MAX_REPORT_BYTES, MAX_REPORT_MILLIS, MAX_REPORT_PEERS, MAX_REPORT_PLAYS};
use crate::time::Span;

/// Upper bounds of the start-up buckets in milliseconds; one more bucket takes what is above.
pub const STARTUP_BOUNDS: [u64; 14] =
    [10, 25, 50, 100, 150, 200, 300, 400, 600, 800, 1_200, 2_000, 5_000, 10_000];
/// Buckets of start-up times.
pub const STARTUP_BUCKETS: usize = STARTUP_BOUNDS.len() + 1;

/// What players got since the last report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct PlayReport {
    /// Plays that took part in sharing.
    #[n(0)]
    pub shared: PlaySums,
    /// Plays held out for comparison.
    #[n(1)]
    pub held_out: PlaySums,
    /// Peers that the node would have nothing to do with, if there were any.
    #[n(2)]
    pub refused: Option<Box<RefusedPeers>>,
}

/// Peers that a node parted with, or did not let in, for what they did or are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct RefusedPeers {
    /// They sent bytes that do not hash to what was published.
    #[n(0)]
    pub corrupt: u64,
    /// They broke the protocol's rules in another way.
    #[n(1)]
    pub rules: u64,
    /// They had done so before, and came back too soon.
    #[n(2)]
    pub banned: u64,
    /// They are of another provider, or speak no version that the node does.
    #[n(3)]
    pub strangers: u64,
}

/// Sums over plays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct PlaySums {
    /// Plays that started.
    #[n(0)]
    pub plays: u64,
    /// Of these, with at least one stall.
    #[n(1)]
    pub stuttered: u64,
    /// Stalls.
    #[n(2)]
    pub stalls: u64,
    /// How long these lasted in all.
    #[n(3)]
    pub stalled_millis: u64,
    /// Network start-ups by bucket of [`STARTUP_BOUNDS`]; at most [`STARTUP_BUCKETS`], absent ones are zero.
    #[n(4)]
    pub startups: Vec<u64>,
    /// Media handed to players.
    #[n(5)]
    pub media_millis: u64,
    /// Bytes handed to players that were cached.
    #[n(6)]
    pub cache_bytes: u64,
    /// From the same household.
    #[n(7)]
    pub lan_bytes: u64,
    /// From peers of the same operator.
    #[n(8)]
    pub isp_bytes: u64,
    /// From other peers.
    #[n(9)]
    pub other_bytes: u64,
    /// From the origin.
    #[n(10)]
    pub origin_bytes: u64,
    /// Plays that ended before they started.
    #[n(11)]
    pub unstarted: u64,
    /// Of the bytes from peers, those that pages in browsers gave; absent where there are none.
    #[n(12)]
    pub from_pages: Option<Box<PeerBytes>>,
}

/// Bytes that some of the peers gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct PeerBytes {
    /// Those of the same household.
    #[n(0)]
    pub lan: u64,
    /// Those of the same operator.
    #[n(1)]
    pub isp: u64,
    /// Others.
    #[n(2)]
    pub other: u64,
}

impl PlayReport {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another report.
    pub fn add(&mut self, other: &Self) {
        self.shared.add(&other.shared);
        self.held_out.add(&other.held_out);
        if let Some(more) = &other.refused {
            self.refused.get_or_insert_default().add(more);
        }
    }

    /// Whether one node can have seen this since its last report. What passes may still be a lie: a report is a
    /// claim, and the bounds keep one liar from drowning the others.
    pub fn is_plausible(&self) -> bool {
        let refused = self.refused.as_deref().copied().unwrap_or_default();
        self.shared.is_plausible() && self.held_out.is_plausible() && refused.is_plausible()
    }
}

impl RefusedPeers {
    fn add(&mut self, other: &Self) {
        self.corrupt = self.corrupt.saturating_add(other.corrupt);
        self.rules = self.rules.saturating_add(other.rules);
        self.banned = self.banned.saturating_add(other.banned);
        self.strangers = self.strangers.saturating_add(other.strangers);
    }

    fn is_plausible(self) -> bool {
        [self.corrupt, self.rules, self.banned, self.strangers].iter().all(|n| *n <= MAX_REPORT_PEERS)
    }
}

impl PlaySums {
    /// Counts a start.
    pub fn started(&mut self, after: Span) {
        let bucket =
            STARTUP_BOUNDS.iter().position(|bound| after.millis() <= *bound).unwrap_or(STARTUP_BOUNDS.len());
        self.startups.resize(STARTUP_BUCKETS, 0);
        self.startups[bucket] += 1;
        self.plays += 1;
    }

    /// All bytes handed to players.
    pub fn bytes(&self) -> u64 {
        [self.cache_bytes, self.lan_bytes, self.isp_bytes, self.other_bytes, self.origin_bytes]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Adds other sums.
    pub fn add(&mut self, other: &Self) {
        let sum = |a: &mut u64, b: u64| *a = a.saturating_add(b);
        sum(&mut self.plays, other.plays);
        sum(&mut self.stuttered, other.stuttered);
        sum(&mut self.stalls, other.stalls);
        sum(&mut self.stalled_millis, other.stalled_millis);
        if self.startups.len() < other.startups.len().min(STARTUP_BUCKETS) {
            self.startups.resize(other.startups.len().min(STARTUP_BUCKETS), 0);
        }
        self.startups.iter_mut().zip(&other.startups).for_each(|(a, b)| sum(a, *b));
        sum(&mut self.media_millis, other.media_millis);
        sum(&mut self.cache_bytes, other.cache_bytes);
        sum(&mut self.lan_bytes, other.lan_bytes);
        sum(&mut self.isp_bytes, other.isp_bytes);
        sum(&mut self.other_bytes, other.other_bytes);
        sum(&mut self.origin_bytes, other.origin_bytes);
        sum(&mut self.unstarted, other.unstarted);
        if let Some(more) = &other.from_pages {
            let pages = self.from_pages.get_or_insert_default();
            sum(&mut pages.lan, more.lan);
            sum(&mut pages.isp, more.isp);
            sum(&mut pages.other, more.other);
        }
    }

    fn is_plausible(&self) -> bool {
        let startups = self.startups.iter().copied().fold(0, u64::saturating_add);
        let pages = self.from_pages.as_deref().copied().unwrap_or_default();
        self.plays <= MAX_REPORT_PLAYS
            && self.unstarted <= MAX_REPORT_PLAYS
            && self.stuttered <= self.plays
            && self.stuttered <= self.stalls
            && self.stalls <= MAX_REPORT_PLAYS
            && self.startups.len() <= STARTUP_BUCKETS
            && startups == self.plays
            && self.stalled_millis <= MAX_REPORT_MILLIS
            && self.media_millis <= MAX_REPORT_MILLIS
            && self.bytes() <= MAX_REPORT_BYTES
            && pages.lan <= self.lan_bytes
            && pages.isp <= self.isp_bytes
            && pages.other <= self.other_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums() -> PlaySums {
        let mut sums = PlaySums { media_millis: 60_000, origin_bytes: 1_000_000, ..PlaySums::default() };
        sums.started(Span::from_millis(10));
        sums.started(Span::from_millis(11));
        sums.started(Span::from_secs(60));
        sums
    }

    #[test]
    fn starts_fall_into_their_buckets() {
        let sums = sums();
        assert_eq!((sums.startups[0], sums.startups[1], sums.startups[STARTUP_BUCKETS - 1]), (1, 1, 1));
        let mut twice = sums.clone();
        twice.add(&sums);
        assert_eq!((twice.plays, twice.startups[0], twice.origin_bytes), (6, 2, 2_000_000));
    }

    #[test]
    fn what_no_node_can_have_seen_is_told_apart() {
        let report = |shared| PlayReport { shared, ..PlayReport::default() };
        let many = RefusedPeers { rules: MAX_REPORT_PEERS + 1, ..RefusedPeers::default() };
        assert!(!PlayReport { refused: Some(Box::new(many)), ..PlayReport::default() }.is_plausible());
        assert!(report(sums()).is_plausible() && PlayReport::default().is_plausible());
        let bad = [
            PlaySums { plays: 2, ..sums() },
            PlaySums { plays: u64::MAX, startups: vec![u64::MAX, u64::MAX], ..sums() },
            PlaySums { stuttered: 1, ..sums() },
            PlaySums { startups: vec![0; STARTUP_BUCKETS + 1], plays: 0, ..sums() },
            PlaySums { origin_bytes: u64::MAX, ..sums() },
            PlaySums { cache_bytes: u64::MAX, origin_bytes: 9, ..sums() },
            PlaySums { media_millis: u64::MAX, ..sums() },
            PlaySums { stalls: MAX_REPORT_PLAYS + 1, ..sums() },
            PlaySums { from_pages: Some(Box::new(PeerBytes { other: 1, ..PeerBytes::default() })), ..sums() },
        ];
        bad.into_iter().for_each(|sums| assert!(!report(sums.clone()).is_plausible(), "{sums:?}"));
    }
}
