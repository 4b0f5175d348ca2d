//! The part of the router that follows runs under way: what came of them, and how they ended.

use nearcast_content::BlockRange;

use super::Swarm;
use super::api::*;
use super::fetch::GONE_WAIT;
use super::objects::ObjectIx;
use super::runs::{Asked, Run};
use crate::place::Nearness;
use crate::time::Time;

impl Swarm {
    /// Blocks of a run came, verified.
    pub(super) fn arrived(&mut self, request: RequestId, blocks: BlockRange) {
        let Some(run) = self.runs.get_mut(request) else { return self.arrived_late(request, blocks) };
        let blocks = blocks.intersect(run.blocks);
        let (object, asked) = (run.object, run.asked);
        let (first, since, delay) = (run.came == 0, run.since, run.delay);
        let waited = self.now.since(since);
        let bytes = self.objects.get(object).size.bytes_of(blocks).len();
        self.line.came(self.now, bytes);
        self.lately.came(self.now, bytes, asked != Asked::Origin);
        let held_up = run.holds_others_up();
        run.heard = self.now;
        run.first = run.first.or(Some(self.now));
        run.came += bytes;
        run.left.remove(blocks);
        // It has begun to come: nobody else need be asked from here on.
        if std::mem::take(&mut run.raced) && !run.late {
            let coming = &mut self.objects.get_mut(object).coming;
            run.left.ranges().iter().for_each(|range| {
                coming.insert(*range);
            });
        }
        // What gave way to a start is asked for before the last of it is here.
        self.replan |= held_up && !run.holds_others_up();
        match asked {
            Asked::Origin => {
                if first {
                    self.origin.answered(waited);
                    self.origin.pipe.begins(self.now);
                }
                let ended = self.origin.ends();
                self.origin.pipe.came(self.now, bytes);
                // The next is asked for while the last bytes come, so that the line is not idle in between.
                self.replan |= !ended && self.origin.ends();
            }
            Asked::Peer(id) => {
                if let Some(peer) = self.peers.get_mut(id) {
                    if first {
                        peer.begins(self.now, bytes, since, delay);
                    } else {
                        peer.pipe.came(self.now, bytes);
                    }
                    peer.useful = self.now;
                }
            }
        }
        self.hold(request, object, blocks, asked);
    }

    /// Blocks of a run that has ended were written before its source was told so: they are held all the same, and nobody
    /// would know of them.
    fn arrived_late(&mut self, request: RequestId, blocks: BlockRange) {
        let Some(run) = self.runs.ended(request) else { return };
        let blocks = blocks.intersect(run.blocks);
        self.hold(request, run.object, blocks, run.asked);
    }

    /// Blocks that a run brought are held from here on.
    fn hold(&mut self, request: RequestId, object: ObjectIx, blocks: BlockRange, asked: Asked) {
        let source = match asked {
            Asked::Origin => Source::Origin,
            Asked::Peer(id) => {
                self.peers.get(id).map_or(Source::Peer(Nearness::Far, RunsIn::Program), |peer| {
                    Source::Peer(peer.nearness, peer.runs_in)
                })
            }
        };
        let offered = !self.is_held_out(object);
        for news in self.objects.arrived(object, blocks, source) {
            if offered {
                self.peers.note_added(object, news).into_iter().for_each(|peer| self.news.of(peer));
            }
            self.count_early(object, news);
        }
        self.holding_changed(object);
        self.settle_doubles(request, object, blocks);
    }

    /// Other runs that wait for the same blocks no longer do; one that waits for nothing is cancelled.
    fn settle_doubles(&mut self, but: RequestId, object: ObjectIx, blocks: BlockRange) {
        let mut idle = Vec::new();
        for id in self.runs.waiting_for(object, blocks) {
            if let Some(run) = self.runs.get_mut(id).filter(|_| id != but) {
                run.left.remove(blocks);
                if run.left.is_empty() {
                    idle.push(id);
                }
            }
        }
        // Only when no run waits for them any more: what a run that ends gives back is marked as on its way again for
        // others that wait for it.
        for id in idle {
            self.replan = true;
            if let Some(run) = self.end_run(id) {
                self.overtaken(&run);
            }
            self.put(Output::Cancel { request: id });
        }
    }

    /// Others brought all of a run first.
    fn overtaken(&mut self, run: &Run) {
        let now = self.now;
        match run.asked {
            Asked::Origin if run.raced => self.origin.silent(now.since(run.since)),
            Asked::Origin => {}
            // Each run would begin its time anew, and one that never delivers would be asked for ever.
            Asked::Peer(id) => {
                let never = self.peers.get(id).is_some_and(|peer| !peer.pipe.measured());
                if run.late && run.came == 0 && never {
                    self.peers.snub(id, now, self.tuning.silence);
                }
            }
        }
    }

    pub(super) fn finished(&mut self, request: RequestId) {
        let Some(run) = self.end_run(request) else { return };
        // A source that has nothing left to do is asked for more at once.
        let idle = match run.asked {
            Asked::Origin => self.origin.pipe.runs() == 0,
            Asked::Peer(peer) => self.peers.get_mut(peer).is_none_or(|peer| {
                peer.delivered();
                peer.pipe.runs() == 0
            }),
        };
        self.replan |= idle;
        self.replan_soon = true;
    }

    /// Takes a run off the books. What had not come may be asked for again.
    pub(super) fn end_run(&mut self, id: RequestId) -> Option<Run> {
        let run = self.runs.remove(id)?;
        let left = self.objects.get(run.object).size.bytes_of(run.blocks).len().saturating_sub(run.came);
        match run.asked {
            Asked::Origin => {
                self.news.of_all();
                self.origin.pipe.ended(self.now, left);
            }
            Asked::Peer(peer) => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.pipe.ended(self.now, left);
                }
            }
        }
        self.give_back(run.object, &run.left);
        Some(run)
    }

    pub(super) fn failed(&mut self, request: RequestId, fault: Fault) {
        let Some(run) = self.end_run(request) else { return };
        match (run.asked, fault) {
            (_, Fault::NoRoom) => self.no_room(),
            (Asked::Origin, Fault::Lost | Fault::Unavailable) => {
                let jitter = self.random.below(1_000);
                self.origin.failed(self.now, jitter);
            }
            (Asked::Origin, Fault::Gone | Fault::Corrupt) => {
                self.objects.get_mut(run.object).gone_until = self.now + GONE_WAIT;
            }
            (Asked::Peer(peer), Fault::Corrupt) => self.misbehaved(peer, Misbehaviour::CorruptBlock),
            (Asked::Peer(peer), Fault::Lost | Fault::Unavailable | Fault::Gone) => {
                let until = self.now + self.tuning.silence;
                let choked = self.peers.get(peer).map_or(Time::ZERO, |peer| peer.choked_until);
                self.peers.choke(peer, choked.max(until));
            }
        }
    }

    /// Ends all runs asked of a source that is gone. They are asked elsewhere in the same breath.
    pub(super) fn end_runs_of(&mut self, asked: Asked) {
        self.runs.of(asked).into_iter().for_each(|id| self.break_off(id));
    }

    /// Ends a run and tells its source so. What had not come may be asked for again.
    pub(super) fn break_off(&mut self, id: RequestId) {
        self.end_run(id);
        self.put(Output::Cancel { request: id });
    }
}
