//! The hold-out: plays without peers, to compare the others with.
//!
//! Which plays are held out hangs on the node, the title and the day alone, so that the same listener's next play
//! of another title is in the other group, in the same minutes and on the same origin. The cache and what is
//! fetched ahead are the same in both groups.

use nearcast_content::{FlatSet, NodeKey};

use super::Swarm;
use super::api::{Output, UploadId};
use super::objects::ObjectIx;
use crate::random::rank;
use crate::wire::{RefuseReason, SwarmId};

/// How many plays in a thousand are held out, and the day that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HoldOut {
    day: u32,
    permille: u16,
}

impl HoldOut {
    /// Whether this node plays that title without peers.
    fn takes(self, me: &NodeKey, swarm: SwarmId) -> bool {
        if self.permille == 0 {
            return false;
        }
        let mut title = [0; 32];
        title[..16].copy_from_slice(&swarm.0);
        rank(&me.0, rank(&title, self.day.into())) % 1_000 < self.permille.into()
    }
}

impl Swarm {
    /// From here on so many plays in a thousand are held out.
    pub(super) fn hold_out(&mut self, day: u32, permille: u16) {
        let next = HoldOut { day, permille };
        if std::mem::replace(&mut self.hold_out, next) == next {
            return;
        }
        let held_out: FlatSet<ObjectIx> = self.objects.indices().filter(|ix| self.is_held_out(*ix)).collect();
        let dropped: Vec<(Option<UploadId>, _)> = self.serving.drop_where(|w| held_out.contains(&w.object));
        for (upload, wanted) in dropped {
            if let Some(upload) = upload {
                self.put(Output::StopServing { upload });
            }
            self.refuse(wanted.peer, wanted.request, RefuseReason::NotServing);
        }
        self.reannounce_all();
    }

    /// Whether a title is played without peers today.
    pub(super) fn holds_out(&self, swarm: SwarmId) -> bool {
        self.hold_out.takes(&self.me, swarm)
    }

    /// Whether an object belongs to such a title.
    pub(super) fn is_held_out(&self, object: ObjectIx) -> bool {
        self.objects.home_of(object).is_some_and(|track| self.holds_out(track.swarm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_over_titles_over_nodes_and_over_days() {
        let takes = |node: u8, title: u8, day| {
            HoldOut { day, permille: 100 }.takes(&NodeKey([node; 32]), SwarmId([title; 16]))
        };
        let all = |takes: &dyn Fn(u8) -> bool| (0..=255).filter(|n| takes(*n)).count();
        for count in [all(&|n| takes(n, 1, 1)), all(&|n| takes(1, n, 1)), all(&|n| takes(1, 1, n.into()))] {
            assert!((10..45).contains(&count), "{count} of 256 at a tenth");
        }
        let none = HoldOut { day: 1, permille: 0 };
        assert!((0..=255).all(|n| !none.takes(&NodeKey([n; 32]), SwarmId([n; 16]))));
    }
}
