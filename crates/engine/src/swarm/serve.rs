//! Serving others: a bounded queue in the order of need, a few runs at once, under the upload ceiling.

use nearcast_content::{BlockRange, FlatMap};

use super::api::{Over, PeerId, UploadId};
use super::caps::on_the_line;
use super::objects::ObjectIx;
use crate::limits::{MAX_UPLOAD_QUEUE, MAX_UPLOAD_QUEUE_PER_PEER, MAX_UPLOADS};
use crate::time::{Span, Time};
use crate::units::Rate;
use crate::wire::RefuseReason;

/// After a silence the ceiling may be overdrawn by what this long allows: little enough that it holds within a few
/// percent over any ten seconds.
const BURST: Span = Span::from_millis(250);

/// A run that a peer wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) peer: PeerId,
    pub(super) request: u32,
    pub(super) object: ObjectIx,
    pub(super) blocks: BlockRange,
    pub(super) bytes: u64,
    pub(super) due: Time,
    pub(super) over: Over,
}

/// Runs on the line at the same time, to a peer each: two fill it, and each of them is done sooner than one of four.
/// The most urgent go first.
const FEW_UPLOADS: usize = 2;
/// A run that has taken this long goes to a slow peer, and leaves room for another.
const LONG_UPLOAD: Span = Span::from_millis(1_500);
/// How long a run may take its time while others wait for a place.
const DAWDLE: Span = Span::from_secs(10);
/// What a run must move at on average after that: a tenth of a music stream. Less is a line that is broken, or a peer
/// that takes a byte now and then to hold the place.
const DAWDLE_RATE: Rate = Rate::from_bytes_per_sec(2_000);

/// A run under way.
#[derive(Clone, Copy, Debug)]
struct Active {
    wanted: Wanted,
    since: Time,
    /// Bytes that the peer took.
    sent: u64,
}

/// Runs wanted of us and on their way from us.
#[derive(Debug, Default)]
pub(super) struct Serving {
    queue: Vec<Wanted>,
    active: FlatMap<UploadId, Active>,
    last: u64,
    limit: Option<Rate>,
    /// When the ceiling allows the next run: each run moves it on by the time its bytes take at the ceiling.
    allowed_from: Time,
}

impl Serving {
    pub(super) fn set_limit(&mut self, limit: Option<Rate>) {
        self.limit = limit;
    }

    /// Queues a want.
    /// How many runs are wanted or on their way.
    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.active.len()
    }

    /// Objects that runs are of.
    pub(super) fn objects(&self) -> impl Iterator<Item = ObjectIx> {
        self.queue.iter().chain(self.active.values().map(|active| &active.wanted)).map(|wanted| wanted.object)
    }

    pub(super) fn want(&mut self, wanted: Wanted) -> Result<(), RefuseReason> {
        let by_peer = self.queue.iter().filter(|w| w.peer == wanted.peer).count();
        if self.queue.len() >= MAX_UPLOAD_QUEUE || by_peer >= MAX_UPLOAD_QUEUE_PER_PEER {
            return Err(RefuseReason::Busy);
        }
        self.queue.push(wanted);
        Ok(())
    }

    /// Whether a peer already has a run of this number queued or under way.
    pub(super) fn knows(&self, peer: PeerId, request: u32) -> bool {
        self.all().any(|w| w.peer == peer && w.request == request)
    }

    fn all(&self) -> impl Iterator<Item = &Wanted> {
        self.queue.iter().chain(self.active.values().map(|a| &a.wanted))
    }

    /// Takes the next run to send off the queue, if a place is free and the ceiling allows it.
    pub(super) fn next(&mut self, now: Time) -> Option<Wanted> {
        if self.active.len() >= MAX_UPLOADS {
            return None;
        }
        let open = self.allowed_from <= now && self.fresh(now) < FEW_UPLOADS;
        let ready = |w: &Wanted| w.over == Over::Lan || (open && !self.serves(w.peer));
        let place = |w: &Wanted| (self.active.values().filter(|a| a.wanted.peer == w.peer).count(), w.due);
        let candidates = self.queue.iter().enumerate().filter(|(_, w)| ready(w));
        let (at, _) = candidates.min_by_key(|(i, w)| (place(w), *i))?;
        Some(self.queue.remove(at))
    }

    /// Whether a run is on its way to a peer: the next one waits, since of two at once the more urgent would be late.
    fn serves(&self, peer: PeerId) -> bool {
        self.active.values().any(|a| a.wanted.peer == peer)
    }

    /// Peers that runs are on their way to over the line.
    pub(super) fn on_line(&self) -> impl Iterator<Item = PeerId> {
        self.active.values().filter(|a| a.wanted.over == Over::Line).map(|a| a.wanted.peer)
    }

    /// Runs on the line that have not taken long.
    fn fresh(&self, now: Time) -> usize {
        let fresh = |a: &&Active| a.wanted.over == Over::Line && now < a.since + LONG_UPLOAD;
        self.active.values().filter(fresh).count()
    }

    /// A run goes out. The ceiling is charged for all of it.
    pub(super) fn start(&mut self, now: Time, wanted: Wanted) -> UploadId {
        if let Some(limit) = self.limit.filter(|_| wanted.over == Over::Line) {
            let earliest = now - BURST;
            self.allowed_from = self.allowed_from.max(earliest) + limit.span_for(on_the_line(wanted.bytes));
        }
        self.last += 1;
        let upload = UploadId(self.last);
        self.active.insert(upload, Active { wanted, since: now, sent: 0 });
        upload
    }

    /// Bytes that peers outside of the own network are still to get of the runs under way.
    pub(super) fn promised(&self) -> u64 {
        let far = self.active.values().filter(|a| a.wanted.over == Over::Line);
        far.map(|a| a.wanted.bytes.saturating_sub(a.sent)).sum()
    }

    /// A run is over: what did not go out of it is no charge on the ceiling.
    fn settle(&mut self, active: &Active) {
        let unsent = active.wanted.bytes.saturating_sub(active.sent);
        if let Some(limit) = self.limit.filter(|_| unsent > 0 && active.wanted.over == Over::Line) {
            self.allowed_from = self.allowed_from - limit.span_for(on_the_line(unsent));
        }
    }

    /// A peer took bytes of a run.
    pub(super) fn sent(&mut self, upload: UploadId, bytes: u64) {
        if let Some(active) = self.active.get_mut(&upload) {
            active.sent = active.sent.saturating_add(bytes);
        }
    }

    /// Takes the place of a run that its peer takes too slowly, while others wait for one.
    pub(super) fn dawdler(&mut self, now: Time) -> Option<UploadId> {
        if !self.crowded() {
            return None;
        }
        let dawdles = |a: &Active| {
            let span = now.since(a.since);
            span >= DAWDLE && a.sent < DAWDLE_RATE.bytes_in(span)
        };
        let slowest = self.active.iter().filter(|(_, a)| dawdles(a)).min_by_key(|(id, a)| (a.sent, **id));
        let upload = *slowest?.0;
        self.finish(upload);
        Some(upload)
    }

    fn crowded(&self) -> bool {
        self.active.len() >= MAX_UPLOADS && !self.queue.is_empty()
    }

    /// When a run may turn out to be taken too slowly.
    pub(super) fn patience_ends(&self, now: Time) -> Time {
        if !self.crowded() {
            return Time::NEVER;
        }
        let looks = self.active.values().map(|a| (a.since + DAWDLE).max(now + DAWDLE.over(10)));
        looks.min().unwrap_or(Time::NEVER)
    }

    /// When the next run may go, if one waits for the ceiling or for one under way to be done.
    pub(super) fn wake(&self, now: Time) -> Time {
        if self.active.len() >= MAX_UPLOADS || self.queue.is_empty() {
            return Time::NEVER;
        }
        let mut ends: Vec<Time> = self
            .active
            .values()
            .filter(|a| a.wanted.over == Over::Line)
            .map(|a| a.since + LONG_UPLOAD)
            .collect();
        ends.retain(|end| *end > now);
        ends.sort_unstable();
        let place = if ends.len() < FEW_UPLOADS { now } else { ends[ends.len() - FEW_UPLOADS] };
        let from = self.allowed_from.max(place);
        if from > now { from } else { Time::NEVER }
    }

    pub(super) fn get(&self, upload: UploadId) -> Option<&Wanted> {
        self.active.get(&upload).map(|a| &a.wanted)
    }

    pub(super) fn finish(&mut self, upload: UploadId) {
        if let Some(active) = self.active.remove(&upload) {
            self.settle(&active);
        }
    }

    /// A peer takes a want back. Answers the upload to stop, if it was under way.
    pub(super) fn cancel(&mut self, peer: PeerId, request: u32) -> Option<UploadId> {
        self.queue.retain(|w| (w.peer, w.request) != (peer, request));
        let ours = |a: &Active| (a.wanted.peer, a.wanted.request) == (peer, request);
        let (upload, _) = self.active.iter().find(|(_, a)| ours(a))?;
        let upload = *upload;
        self.finish(upload);
        Some(upload)
    }

    /// Drops whatever meets `which`: a peer left, sharing ended, blocks are gone. Answers what was dropped,
    /// with the upload to stop where it was under way.
    pub(super) fn drop_where(&mut self, which: impl Fn(&Wanted) -> bool) -> Vec<(Option<UploadId>, Wanted)> {
        let mut dropped: Vec<_> = self.queue.iter().filter(|w| which(w)).map(|w| (None, *w)).collect();
        self.queue.retain(|w| !which(w));
        let active: Vec<_> =
            self.active.iter().filter(|(_, a)| which(&a.wanted)).map(|(id, a)| (*id, a.wanted)).collect();
        for (upload, wanted) in active {
            self.finish(upload);
            dropped.push((Some(upload), wanted));
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(peer: u64, request: u32, due: u64) -> Wanted {
        Wanted {
            peer: PeerId(peer),
            request,
            object: ObjectIx(0),
            blocks: BlockRange::new(0, 16),
            bytes: 256 * 1024,
            due: Time::from_micros(due),
            over: Over::Line,
        }
    }

    fn started(serving: &mut Serving) -> Option<Wanted> {
        let run = serving.next(Time::ZERO)?;
        serving.start(Time::ZERO, run);
        Some(run)
    }

    #[test]
    fn what_was_cancelled_is_no_charge_on_the_ceiling() {
        let mut serving = Serving::default();
        serving.set_limit(Some(Rate::from_bytes_per_sec(100_000)));
        let now = Time::from_micros(50_000_000);
        serving.want(wanted(1, 1, 0)).expect("room");
        let run = serving.next(now).expect("nothing was sent yet");
        let upload = serving.start(now, run);
        assert!(serving.allowed_from > now + Span::from_secs(2));
        serving.sent(upload, 16 * 1024);
        assert_eq!(serving.promised(), 240 * 1024);
        assert_eq!(serving.cancel(PeerId(1), 1), Some(upload));
        assert!(serving.allowed_from < now, "{:?}", serving.allowed_from);
        assert_eq!(serving.promised(), 0);
    }

    #[test]
    fn need_orders_the_queue_and_peers_take_turns() {
        let mut serving = Serving::default();
        for (peer, request, due) in [(1, 1, 30), (1, 2, 10), (2, 1, 20)] {
            serving.want(Wanted { over: Over::Lan, ..wanted(peer, request, due) }).expect("room");
        }
        let order: Vec<(u64, u32)> =
            std::iter::from_fn(|| started(&mut serving)).map(|w| (w.peer.0, w.request)).collect();
        assert_eq!(order, [(1, 2), (2, 1), (1, 1)]);
    }

    #[test]
    fn two_runs_go_out_over_the_line_at_a_time_and_more_when_they_take_long() {
        let mut serving = Serving::default();
        let mut now = Time::from_micros(50_000_000);
        for peer in 1..=4 {
            serving.want(wanted(peer, 1, peer)).expect("room");
        }
        let starts = |serving: &mut Serving, now| {
            let run = serving.next(now)?;
            Some((run.peer.0, serving.start(now, run)))
        };
        let (first, upload) = starts(&mut serving, now).expect("a place");
        now += Span::from_millis(500);
        assert_eq!((first, starts(&mut serving, now).map(|s| s.0)), (1, Some(2)));
        assert!(starts(&mut serving, now).is_none());
        assert_eq!(serving.wake(now), now + LONG_UPLOAD - Span::from_millis(500));
        serving.finish(upload);
        assert_eq!(starts(&mut serving, now).map(|s| s.0), Some(3), "one is done");
        now += LONG_UPLOAD;
        assert_eq!(starts(&mut serving, now).map(|s| s.0), Some(4), "two go to slow peers");
    }

    #[test]
    fn whoever_takes_a_byte_now_and_then_loses_its_place_to_those_who_wait() {
        let mut serving = Serving::default();
        let mut now = Time::from_micros(50_000_000);
        for peer in 0..MAX_UPLOADS as u64 {
            serving.want(Wanted { over: Over::Lan, ..wanted(peer, 1, 0) }).expect("room");
        }
        let held: Vec<UploadId> =
            std::iter::from_fn(|| serving.next(now).map(|run| serving.start(now, run))).collect();
        assert_eq!(held.len(), MAX_UPLOADS);
        for second in 0..40u64 {
            now += Span::from_secs(1);
            serving.sent(held[0], 1_000_000);
            held.iter().skip(1).for_each(|slow| serving.sent(*slow, 1));
            if second < 20 {
                assert_eq!(serving.dawdler(now), None, "nobody waits for a place");
            }
        }
        serving.want(Wanted { over: Over::Lan, ..wanted(99, 1, 0) }).expect("room");
        assert!(serving.patience_ends(now) <= now + DAWDLE);
        let gone = serving.dawdler(now).expect("somebody gives way");
        assert_ne!(gone, held[0], "the one that takes its bytes stays");
        assert_eq!(serving.next(now).expect("a place").peer, PeerId(99));
        assert_eq!(serving.dawdler(now), None, "nobody waits any more");
    }

    #[test]
    fn the_queue_is_bounded_per_peer() {
        let mut serving = Serving::default();
        for request in 0..MAX_UPLOAD_QUEUE_PER_PEER {
            serving.want(wanted(1, u32::try_from(request).expect("small"), 0)).expect("room");
        }
        assert_eq!(serving.want(wanted(1, 99, 0)), Err(RefuseReason::Busy));
        assert_eq!(serving.want(wanted(2, 99, 0)), Ok(()));
    }

    #[test]
    fn the_ceiling_holds_over_time_and_spares_the_lan() {
        let mut serving = Serving::default();
        let rate = Rate::from_bytes_per_sec(1_000_000);
        serving.set_limit(Some(rate));
        let (mut now, mut sent, mut request) = (Time::from_micros(50_000_000), 0, 0);
        let end = now + Span::from_secs(60);
        while now < end {
            request += 1;
            // More is wanted than the ceiling allows: what finds no room is refused, and that is as it should be.
            let _busy = serving.want(wanted(1, request, 0));
            while let Some(run) = serving.next(now) {
                let upload = serving.start(now, run);
                sent += run.bytes;
                serving.sent(upload, run.bytes);
                serving.finish(upload);
            }
            now = serving.wake(now).min(now + Span::from_millis(100)).max(now + Span::from_millis(1));
        }
        let (line, allowed) = (on_the_line(sent), rate.bytes_in(Span::from_secs(60)));
        assert!(line <= allowed * 102 / 100 && line >= allowed * 98 / 100, "{line} of {allowed}");
        serving.want(Wanted { over: Over::Lan, ..wanted(3, 1, 0) }).expect("room");
        assert!(serving.allowed_from > end && serving.next(end).is_some(), "the LAN is exempt");
    }
}
