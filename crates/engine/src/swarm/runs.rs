//! Runs on their way to us.

use std::collections::VecDeque;

use nearcast_content::{BLOCK_SIZE, BlockRange, BlockSet, FlatMap};

use super::api::{PeerId, RequestId};
use super::objects::ObjectIx;
use crate::time::{Span, Time};
use crate::units::mul_div;

/// Whom a run was asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Peer(PeerId),
    Origin,
}

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) asked: Asked,
    pub(super) object: ObjectIx,
    pub(super) blocks: BlockRange,
    /// Blocks of it that have not come, from here or from elsewhere.
    pub(super) left: BlockSet,
    /// When its first block is due.
    pub(super) due: Time,
    /// When all of it was expected.
    pub(super) expected: Time,
    /// Bytes of it that came.
    pub(super) came: u64,
    /// When the first of them came.
    pub(super) first: Option<Time>,
    /// How long it takes from asking this source for something until it begins to come.
    pub(super) delay: Span,
    /// When it was asked for.
    pub(super) since: Time,
    /// When something last came of it, or it was asked for.
    pub(super) heard: Time,
    /// Looks late: its blocks may be asked for elsewhere.
    pub(super) late: bool,
    /// Its source keeps us waiting, and not only longer than was thought.
    pub(super) silent: bool,
    /// The origin is silent where a play waits to start: peers may race it.
    pub(super) raced: bool,
    /// A play waits for it to start.
    pub(super) starting: bool,
    /// It was to find out how fast its source is.
    pub(super) probes: bool,
}

/// Runs that do not come as was thought.
#[derive(Debug)]
pub(super) struct Late {
    /// Those that look late from now on.
    pub(super) late: Vec<RequestId>,
    /// Those of sources that are silent, which are late too.
    pub(super) silent: Vec<RequestId>,
    /// When the next of either will be found.
    pub(super) next: Time,
}

/// How long a deadline and an expectation are past when a run is late even though it trickles.
const MISSED: Span = Span::from_millis(100);

impl Run {
    /// Whether a play waits for it to start, it is in time, and what is asked for now would begin to come before the
    /// last of it is here, and share the line with it.
    pub(super) fn holds_others_up(&self) -> bool {
        self.starting && !self.late && self.takes_still().is_none_or(|takes| takes > self.delay)
    }

    /// Whether its blocks may be asked for elsewhere.
    pub(super) fn open(&self) -> bool {
        self.late || self.raced
    }

    /// From when on peers may race it; none where they may not.
    pub(super) fn raced_from(&self, silence: Span) -> Option<Time> {
        let waits = self.asked == Asked::Origin && self.starting && self.first.is_none() && !self.open();
        waits.then(|| self.since + silence)
    }

    /// When a probe that trickles has found out that its source has less than half the line that was expected, and others
    /// still make its deadline by `margin`. Of one that says nothing nothing is known yet.
    fn in_vain_from(&self, margin: Span) -> Time {
        if !self.probes || self.first.is_none() {
            return Time::NEVER;
        }
        (self.due - margin).max(self.expected + self.expected.since(self.since))
    }

    /// How long the rest of it takes, by how fast it came so far. None before anything came.
    pub(super) fn takes_still(&self) -> Option<Span> {
        let came = self.heard.since(self.first?);
        let (left, blocks) = (u64::from(self.left.count()), u64::from(self.blocks.len()));
        // All that came with the first block came at once.
        let here = blocks.saturating_sub(left).saturating_sub(1);
        Some(Span::from_micros(match here {
            0 if left == 0 => 0,
            0 => return None,
            here => mul_div(came.micros(), left, here).unwrap_or(u64::MAX),
        }))
    }
}

/// Runs that have ended, of which it is remembered what they were of: as many as are cancelled at once, and as the shell
/// has in its queue.
const MOST_ENDED: usize = 64;

/// What a run was of that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    id: RequestId,
    pub(super) asked: Asked,
    pub(super) object: ObjectIx,
    pub(super) blocks: BlockRange,
}

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: FlatMap<RequestId, Run>,
    last: u32,
    /// Those that ended last, the latest at the end.
    ended: VecDeque<Ended>,
}

impl Runs {
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&Run> {
        self.runs.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut Run> {
        self.runs.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RequestId, &Run)> {
        self.runs.iter().map(|(id, run)| (*id, run))
    }

    pub(super) fn add(&mut self, run: Run) -> RequestId {
        // Numbers come round after 2^32 runs; one still under way is stepped over.
        loop {
            self.last = self.last.wrapping_add(1);
            let id = RequestId(self.last);
            if !self.runs.contains_key(&id) {
                self.runs.insert(id, run);
                return id;
            }
        }
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<Run> {
        let run = self.runs.remove(&id)?;
        if self.ended.len() == MOST_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { id, asked: run.asked, object: run.object, blocks: run.blocks });
        Some(run)
    }

    /// A run that ended a moment ago: what it had brought by then may still be told of.
    pub(super) fn ended(&self, id: RequestId) -> Option<Ended> {
        self.ended.iter().rev().find(|ended| ended.id == id).copied()
    }

    /// An object is forgotten, and its place will be another's.
    pub(super) fn forget_object(&mut self, object: ObjectIx) {
        self.ended.retain(|ended| ended.object != object);
    }

    /// The runs asked of one source.
    pub(super) fn of(&self, asked: Asked) -> Vec<RequestId> {
        self.iter().filter(|(_, run)| run.asked == asked).map(|(id, _)| id).collect()
    }

    /// How many runs asked of one source are not late.
    pub(super) fn in_time(&self, asked: Asked) -> usize {
        self.runs.values().filter(|run| run.asked == asked && !run.late).count()
    }

    /// Whether a start is under way that others give way to.
    pub(super) fn start_under_way(&self) -> bool {
        self.runs.values().any(Run::holds_others_up)
    }

    /// Bytes that are on their way.
    pub(super) fn owed(&self) -> u64 {
        self.runs.values().map(|run| u64::from(run.left.count()) * BLOCK_SIZE).sum()
    }

    /// Whether something that is due by `by` is on its way, in time, and takes longer than what is asked for now takes to
    /// begin.
    pub(super) fn under_way_by(&self, by: Time) -> bool {
        let waits = |run: &Run| run.takes_still().is_none_or(|takes| takes > run.delay);
        self.runs.values().any(|run| !run.late && run.due <= by && waits(run))
    }

    /// The runs that still wait for some of `blocks`.
    pub(super) fn waiting_for(&self, object: ObjectIx, blocks: BlockRange) -> Vec<RequestId> {
        let waits = |run: &Run| run.object == object && run.left.present(blocks).next().is_some();
        self.iter().filter(|(_, run)| waits(run)).map(|(id, _)| id).collect()
    }

    /// Whether something that is due by `by` is on its way from the origin.
    pub(super) fn of_origin_by(&self, by: Time) -> bool {
        self.runs.values().any(|run| run.asked == Asked::Origin && !run.late && run.due <= by)
    }

    /// Whether something that was asked of the origin after `since` is on its way.
    pub(super) fn of_origin_since(&self, since: Time) -> bool {
        self.runs.values().any(|run| run.asked == Asked::Origin && run.since > since)
    }

    /// Whether `asked` already owes some of `blocks`.
    pub(super) fn owes(&self, asked: Asked, object: ObjectIx, blocks: BlockRange) -> bool {
        self.runs
            .values()
            .any(|r| r.asked == asked && r.object == object && r.left.present(blocks).next().is_some())
    }

    /// The late run by which the origin owes the first of `blocks`.
    pub(super) fn late_of_origin(&self, object: ObjectIx, blocks: BlockRange) -> Option<(RequestId, &Run)> {
        let first = BlockRange::new(blocks.start, blocks.start.saturating_add(1));
        let mut late = self.iter().filter(|(_, run)| run.asked == Asked::Origin && run.late);
        late.find(|(_, run)| run.object == object && run.left.present(first).next().is_some())
    }

    /// What runs whose blocks may be asked for elsewhere still owe of `object`.
    pub(super) fn open_of(&self, object: ObjectIx) -> BlockSet {
        let open = self.runs.values().filter(|run| run.open() && run.object == object);
        let mut owed = BlockSet::default();
        open.flat_map(|run| run.left.ranges()).for_each(|range| {
            owed.insert(*range);
        });
        owed
    }

    /// Nobody looked for `missed`: no source was silent in it.
    pub(super) fn slept(&mut self, missed: Span) {
        for run in self.runs.values_mut() {
            run.since += missed;
            run.heard += missed;
            run.expected += missed;
            run.first = run.first.map(|first| first + missed);
        }
    }

    /// Marks the starts of which nothing came in `silence`, so that peers may race them from `now` on, each once. Answers
    /// them, and when the next will be one.
    pub(super) fn mark_raced(&mut self, now: Time, silence: Span) -> (Vec<RequestId>, Time) {
        let mut raced = Vec::new();
        let mut next = Time::NEVER;
        for (id, run) in &mut self.runs {
            match run.raced_from(silence) {
                Some(from) if from <= now => {
                    run.raced = true;
                    raced.push(*id);
                }
                Some(from) => next = next.min(from),
                None => {}
            }
        }
        (raced, next)
    }

    /// Marks the runs that look late at `now` and those of sources that are silent, each once.
    ///
    /// Late is a source that was silent for `silence`, or an expectation that is past by as much; any whose deadline
    /// and expectation are both past by [`MISSED`]; and a probe in vain.
    pub(super) fn late(&mut self, now: Time, silence: Span, margin: Span) -> Late {
        let mut found = Late { late: Vec::new(), silent: Vec::new(), next: Time::NEVER };
        for (id, run) in &mut self.runs {
            // Being early with others' work queued at a source is no reason to give up before the time it was
            // expected to take; a deadline passed is.
            // What nobody is in a hurry for may wait in a queue: asking twice would only lengthen it.
            let patience = if run.due == Time::NEVER { silence.times(4) } else { silence };
            let silent = (run.heard.max(run.expected) + patience).min(run.due.max(run.heard + silence));
            let missed = run.due.max(run.expected) + MISSED;
            let late = silent.min(missed).min(run.in_vain_from(margin));
            for (at, mark, marked) in
                [(late, &mut run.late, &mut found.late), (silent, &mut run.silent, &mut found.silent)]
            {
                if *mark {
                    continue;
                }
                if at <= now {
                    *mark = true;
                    marked.push(*id);
                } else {
                    found.next = found.next.min(at);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::from_millis(millis)
    }

    fn run_of_peer(due: Time, expected: Time) -> Run {
        let blocks = BlockRange::new(0, 4);
        Run {
            asked: Asked::Peer(PeerId(1)),
            object: ObjectIx(0),
            blocks,
            left: blocks.into(),
            due,
            expected,
            came: 0,
            first: None,
            delay: Span::ZERO,
            since: at(0),
            heard: at(0),
            late: false,
            silent: false,
            raced: false,
            starting: true,
            probes: false,
        }
    }

    #[test]
    fn a_run_that_trickles_is_late_and_its_source_is_silent_when_nothing_comes_any_more() {
        let mut runs = Runs::default();
        let id = runs.add(run_of_peer(at(50), at(100)));
        let silence = Span::from_millis(1_000);
        let found = |late: Late| (late.late, late.silent, late.next);
        assert_eq!(found(runs.late(at(100), silence, Span::ZERO)), (vec![], vec![], at(200)));
        runs.get_mut(id).expect("under way").heard = at(150);
        assert_eq!(found(runs.late(at(200), silence, Span::ZERO)), (vec![id], vec![], at(1_150)));
        runs.get_mut(id).expect("under way").heard = at(900);
        assert_eq!(
            found(runs.late(at(1_150), silence, Span::ZERO)),
            (vec![], vec![], at(1_900)),
            "something came"
        );
        assert_eq!(found(runs.late(at(1_900), silence, Span::ZERO)), (vec![], vec![id], Time::NEVER));
        assert_eq!(
            found(runs.late(at(9_000), silence, Span::ZERO)),
            (vec![], vec![], Time::NEVER),
            "each once"
        );
    }

    #[test]
    fn a_probe_that_takes_twice_as_long_as_was_thought_is_late_while_others_still_make_its_deadline() {
        let (silence, margin) = (Span::from_millis(1_000), Span::from_millis(700));
        let late_at = |due, probes| {
            let mut runs = Runs::default();
            let run = run_of_peer(at(due), at(100));
            runs.add(Run { probes, first: Some(at(50)), heard: at(500), ..run });
            runs.late(at(150), silence, margin).next
        };
        assert_eq!(late_at(1_300, true), at(600), "others make it by the margin");
        assert_eq!(late_at(700, true), at(200), "twice as long as was thought");
        assert_eq!(late_at(1_300, false), at(1_400), "its source is known: it may have others to serve");
    }
}
