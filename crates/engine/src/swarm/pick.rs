//! The pick rule: of whom to ask a run, or why to wait.

use super::api::{PeerId, Why};
use super::tuning::Tuning;
use crate::place::Nearness;
use crate::time::{Span, Time};

/// A peer that holds the run's first block and may be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) peer: PeerId,
    pub(super) nearness: Nearness,
    /// How long until all of what it holds of the run is here.
    pub(super) takes: Span,
    /// Whether its rate was measured.
    pub(super) proven: bool,
}

impl Offer {
    /// How long it may take: a peer of which nothing is known may have half the line that most have.
    fn surely(&self) -> Span {
        surely(self.takes, self.proven)
    }
}

/// How long it may take where a peer's rate was not measured.
pub(super) fn surely(takes: Span, proven: bool) -> Span {
    if proven { takes } else { takes.times(2) }
}

/// What the origin could do for the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct OriginOffer {
    /// How long until the run that it would be asked for is here, which may be longer than a peer's.
    pub(super) takes: Span,
    /// How long until only as much is here as a peer would be asked for.
    pub(super) takes_piece: Span,
    /// Whether it may be asked at this moment.
    pub(super) ready: bool,
    /// Whether it brings what is asked for so much faster than that plays that it need not be asked far ahead.
    pub(super) ample: bool,
}

/// A warm peer that has not said yet whether it holds the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// When its answer should be here.
    pub(super) by: Time,
    /// How long the run takes from there on, if it holds it.
    pub(super) takes: Span,
}

/// Who else may bring the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    /// Nobody we know of.
    Nobody,
    /// It is not known yet whether there is anybody: the directory, connects or peers are still to answer, and
    /// are waited for until this moment.
    Unknown(Time),
    /// Connected peers hold it, though they may be too busy to be offered.
    Held,
    /// Nobody holds it; of those who want it, bringing it in falls to us.
    OursToBring,
    /// Nobody holds it; a peer said at this moment that it brings it in.
    Coming(Time),
    /// Nobody holds it; bringing it in falls to others, one after the other.
    TheirsToBring {
        /// How many come before us.
        before: u32,
        /// By when all of them had time to say so.
        heard: Time,
    },
}

/// A run and the state of the world around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) now: Time,
    pub(super) due: Time,
    /// When its first byte plays. It is due sooner where a player reads it sooner.
    pub(super) plays: Time,
    /// A play waits for these bytes to start or go on after a seek.
    pub(super) starting: bool,
    /// A player reads right here and waits for these bytes, whenever they play.
    pub(super) reading: bool,
    /// How much media lies between the block that its player waits for and the run; none where the player waits for nothing.
    pub(super) beyond: Option<Span>,
    /// When a player that waits for the run's first byte has waited long enough for others to bring it: a seek
    /// waits behind it, however far ahead of the playhead it reads.
    pub(super) patience_ends: Time,
    /// When the play it belongs to began; none while that is still to come, and for what belongs to no play.
    pub(super) begun: Option<Time>,
    /// A source asked for it earlier looks late.
    pub(super) hedge: bool,
    /// How often the odds that bringing it in falls to us were halved, and it did all the same: of a crowd of n the one
    /// with the most has about log2 n.
    pub(super) odds: u32,
    /// It is of a new play, of which many are ahead by more than it needs.
    pub(super) many_ahead: bool,
    pub(super) crowd: Crowd,
    /// When nobody offers it, how long until a holder that has enough to do would have brought it all the same.
    pub(super) busy: Option<Span>,
    /// It is among the first or the last of what a crowd keeps, which an origin that has nothing to do brings beside those
    /// who hold it or may.
    pub(super) idle_origin_too: bool,
    pub(super) offers: &'a [Offer],
    /// The first of the warm peers that are still to say whether they hold it.
    pub(super) promise: Option<Promise>,
    pub(super) origin: Option<OriginOffer>,
}

/// What to do about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Ask this peer.
    Peer(PeerId, Why),
    /// Ask the origin.
    Origin(Why),
    /// Do nothing before this moment, unless something changes.
    Wait(Time),
}

/// How to choose among sources. The simulator runs other rules beside ours.
pub(super) trait PickRule: std::fmt::Debug {
    /// Decides about one run.
    fn choose(&self, tuning: &Tuning, q: &Question<'_>) -> Choice;
}

/// Near before far, origin last: the rule that ships.
#[derive(Debug)]
pub(super) struct NearFirst;

impl PickRule for NearFirst {
    fn choose(&self, tuning: &Tuning, q: &Question<'_>) -> Choice {
        let fastest = q.offers.iter().min_by_key(|o| (o.takes, o.nearness, o.peer)).copied();
        if q.starting {
            return start(tuning, q, fastest);
        }
        if let Some(offer) = nearest_in_time(tuning, q) {
            return Choice::Peer(offer.peer, if q.hedge { Why::Hedge } else { Why::Near });
        }
        let Some(origin) = q.origin else {
            return fastest.map_or(Choice::Wait(settled(q)), |o| Choice::Peer(o.peer, Why::Fastest));
        };
        let quicker = |o: &Offer| o.surely() <= origin.takes && apt(tuning, q, o);
        if let Some(offer) = fastest.filter(|o| q.due == Time::NEVER || quicker(o)) {
            return Choice::Peer(offer.peer, Why::Fastest);
        }
        if q.idle_origin_too && origin.ready {
            return Choice::Origin(Why::OurShare);
        }
        let (from, why) = origin_from(tuning, q, origin);
        // A holder's run that ends lets it be asked again.
        let soon_enough =
            |takes: &Span| *takes < origin.takes_piece || q.now + *takes + tuning.holder_margin <= q.due;
        if let Some(takes) = q.busy.filter(|takes| soon_enough(takes) && from <= q.now && !q.hedge) {
            return Choice::Wait(q.now + takes);
        }
        match (from <= q.now, origin.ready, fastest) {
            (true, true, _) => Choice::Origin(if q.hedge { Why::Hedge } else { why }),
            (true, false, Some(offer)) if apt(tuning, q, &offer) => Choice::Peer(offer.peer, Why::Fastest),
            // A run that ends lets it be asked again, and so does need.
            (true, false, _) if q.due == Time::NEVER => Choice::Wait(Time::NEVER),
            (true, false, _) => Choice::Wait(urgent_from(tuning, q)),
            (false, ..) => Choice::Wait(from),
        }
    }
}

/// Whether a peer may be asked for what it does not surely make in time. Where many hold it, those that were tried will do
/// soon, and what an untried one brings late meanwhile shares the line with what is due: a cautious player on a slow
/// line began later than from the origin alone.
fn apt(tuning: &Tuning, q: &Question<'_>, offer: &Offer) -> bool {
    offer.proven || !q.many_ahead || q.now + offer.surely() + tuning.untried_margin <= q.due
}

/// When a run becomes urgent, if that is still to come.
fn urgent_from(tuning: &Tuning, q: &Question<'_>) -> Time {
    let from = q.due - tuning.urgent;
    if from > q.now { from } else { Time::NEVER }
}

/// When it is known whether anybody else can bring a run that nobody offers at this moment.
fn settled(q: &Question<'_>) -> Time {
    match q.crowd {
        Crowd::Unknown(until) => until,
        Crowd::Nobody | Crowd::Held | Crowd::OursToBring | Crowd::Coming(_) | Crowd::TheirsToBring { .. } => {
            Time::NEVER
        }
    }
}

/// A start ignores locality: whoever is expected first. The answer of a warm peer that is expected to win is worth
/// a moment.
fn start(tuning: &Tuning, q: &Question<'_>, fastest: Option<Offer>) -> Choice {
    let origin = q.origin.filter(|o| o.ready);
    let worth = |promise: &Promise, origin: OriginOffer| {
        let answer = promise.by.since(q.now);
        promise.by > q.now && answer <= tuning.answer && answer + promise.takes < origin.takes_piece
    };
    match (fastest, origin) {
        (Some(offer), Some(origin)) if origin.takes_piece < offer.takes => Choice::Origin(Why::Start),
        (Some(offer), _) => Choice::Peer(offer.peer, Why::Start),
        (None, Some(origin)) => match q.promise.filter(|promise| worth(promise, origin)) {
            Some(promise) => Choice::Wait(promise.by),
            // A holder's run that ends lets it be asked again.
            None => match q.busy.filter(|takes| *takes < origin.takes_piece) {
                Some(takes) => Choice::Wait(q.now + takes),
                None => Choice::Origin(Why::Start),
            },
        },
        (None, None) => Choice::Wait(settled(q)),
    }
}

/// The nearest peer that makes the deadline without too long a queue; among equals the one that is done first.
fn nearest_in_time(tuning: &Tuning, q: &Question<'_>) -> Option<Offer> {
    let in_time = |o: &&Offer| q.now + o.takes + tuning.margin <= q.due && o.takes <= tuning.queue;
    q.offers.iter().filter(in_time).min_by_key(|o| (o.nearness, o.takes, o.peer)).copied()
}

/// From when on the origin is asked, and why.
fn origin_from(tuning: &Tuning, q: &Question<'_>, origin: OriginOffer) -> (Time, Why) {
    // Twice the expectation leaves room for an origin that everybody turns to at the same moment. An origin that
    // takes long has too much to do: coming to it earlier still would only add to that.
    let lead = (origin.takes.times(2) + tuning.margin).min(tuning.crowd_lead);
    // One that has little to do need not be spared until the last moment, once peers had the time to come first.
    let settled = q.begun.is_some_and(|begun| begun + tuning.in_order <= q.now);
    let safe = settled && origin.takes <= tuning.quick;
    let lead = if safe { lead.max(tuning.safe_lead) } else { lead };
    let ahead = |lead| if q.due == Time::NEVER { Time::NEVER } else { q.due - lead };
    let last_moment = (ahead(lead), Why::Deadline);
    // Whoever waits in a read needs little to go on, as long as others still have time.
    let impatient = |moment: (Time, Why), ends: Time| {
        if ends < moment.0 && q.now < moment.0 { (ends, Why::Patience) } else { moment }
    };
    match q.crowd {
        Crowd::OursToBring if q.due == Time::NEVER => (q.now, Why::OurShare),
        Crowd::OursToBring => {
            (ahead(our_lead(tuning, origin, q.odds)).max(as_it_stays(tuning, q)), Why::OurShare)
        }
        Crowd::Nobody if q.due == Time::NEVER => (q.now, Why::Prefetch),
        Crowd::Nobody
            if origin.ample && q.beyond.is_none_or(|beyond| beyond > lone_lead(tuning, q.now, q.begun)) =>
        {
            (lone_from(tuning, q).min(last_moment.0), Why::Deadline)
        }
        // Alone, a player is served as fast as by any web server.
        Crowd::Nobody if q.reading => (q.now, Why::Deadline),
        Crowd::Nobody => {
            let from = (q.due - tuning.lone_lead).max(as_it_stays(tuning, q));
            (from.min(last_moment.0), Why::Deadline)
        }
        // What is known by then may let the origin be asked at once.
        Crowd::Unknown(until) => impatient((last_moment.0.min(until), last_moment.1), q.patience_ends),
        Crowd::Held => impatient(last_moment, q.patience_ends),
        // A second request for the same bytes delays those of the first.
        Crowd::Coming(since) => {
            let missed = (since + origin.takes.times(2) + tuning.silence).min(q.due + tuning.trust);
            let (from, why) = impatient(last_moment, q.patience_ends);
            (from.max(missed), why)
        }
        Crowd::TheirsToBring { before, heard } => {
            let turn = tuning.turn.times(before.saturating_sub(1).into());
            if q.due == Time::NEVER {
                // They may want other parts of it than we do.
                return (heard + tuning.idle_turn + turn, Why::Prefetch);
            }
            let from = ahead(tuning.crowd_lead.less(turn).max(lead.min(tuning.least_lead)));
            let waited = q.patience_ends + Span::from_micros(turn.micros() / 8);
            let (from, why) = impatient((from, Why::Deadline), waited);
            // Of a crowd that grows somebody is always new: where it is urgent, nobody is waited for.
            (from.max(heard.min(last_moment.0)), why)
        }
    }
}

/// From when on the origin's bytes are not lost on a listener who skips: a quarter of all plays end within 5 s, a
/// third within 30 s (Lamere 2014). The origin is asked for as much media ahead as the listener has stayed for, and
/// [`Tuning::in_order`] on top of that.
fn as_it_stays(tuning: &Tuning, q: &Question<'_>) -> Time {
    let soon = q.due - tuning.in_order;
    q.begun.map_or(soon, |begun| begun + soon.since(begun).over(2))
}

/// How much media ahead of its playhead the origin is asked for when nobody else has it and it is ample.
pub(super) fn lone_lead(tuning: &Tuning, now: Time, begun: Option<Time>) -> Span {
    let stayed = begun.map_or(Span::ZERO, |begun| now.since(begun));
    (tuning.first_lead + stayed.over(2)).min(tuning.lone_lead)
}

/// From when on a run lies within [`lone_lead`] of its playhead.
fn lone_from(tuning: &Tuning, q: &Question<'_>) -> Time {
    let first = q.plays - tuning.first_lead;
    let stays = q.begun.map_or(first, |begun| begun + first.since(begun).times(2).over(3));
    stays.max(q.plays - tuning.lone_lead)
}

/// The odds of whom nobody of a crowd of sixteen thousand beats.
const BEST_ODDS: u64 = 14;

/// How far ahead of the playhead we bring in what falls to us. An origin that is quick has nothing better to do;
/// one that is not would bring others what they need at once later for that.
///
/// It falls to whoever has the best rank among those he is connected to, and of a crowd in which each knows thirty that is
/// one in thirty: the larger it is, the more bring the same. So the better the rank is, the earlier it is brought, in
/// steps that halve the number of those whose turn it is: then only a few begin before they hear of one another, however
/// many there are (exponentially distributed timers: Nonnenmacher and Biersack, Scalable Feedback for Large Groups, 1999).
fn our_lead(tuning: &Tuning, origin: OriginOffer, odds: u32) -> Span {
    let takes = origin.takes.max(tuning.quick);
    let share = tuning.window.micros() / takes.micros().max(1);
    let most = Span::from_micros(share.saturating_mul(tuning.quick.micros()));
    tuning.in_order + most.less(tuning.in_order).times(u64::from(odds).min(BEST_ODDS)).over(BEST_ODDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(100_000_000);
    const THEIRS: Crowd = Crowd::TheirsToBring { before: 1, heard: NOW };

    fn offer(peer: u64, nearness: Nearness, millis: u64) -> Offer {
        Offer { peer: PeerId(peer), nearness, takes: Span::from_millis(millis), proven: true }
    }

    fn origin_in(millis: u64) -> Option<OriginOffer> {
        let takes = Span::from_millis(millis);
        Some(OriginOffer { takes, takes_piece: takes, ready: true, ample: false })
    }

    fn ask(due_secs: u64, crowd: Crowd, offers: &[Offer], origin_millis: Option<u64>) -> Choice {
        let origin = origin_millis.and_then(origin_in);
        let due = if due_secs == 0 { Time::NEVER } else { NOW + Span::from_secs(due_secs) };
        let q = question(due, crowd, offers, origin);
        NearFirst.choose(&Tuning::default(), &q)
    }

    fn question(due: Time, crowd: Crowd, offers: &[Offer], origin: Option<OriginOffer>) -> Question<'_> {
        Question {
            now: NOW,
            due,
            plays: due,
            starting: false,
            reading: false,
            beyond: None,
            patience_ends: Time::NEVER,
            begun: Some(Time::ZERO),
            hedge: false,
            odds: 14,
            many_ahead: false,
            crowd,
            busy: None,
            idle_origin_too: false,
            offers,
            promise: None,
            origin,
        }
    }

    #[test]
    fn a_player_that_waits_is_patient_for_a_while_however_far_ahead_it_reads() {
        let origin = origin_in(80);
        let (due, ends) = (NOW + Span::from_secs(40), NOW + Span::from_millis(300));
        let settles = NOW + Span::from_secs(1);
        for crowd in [THEIRS, Crowd::Held, Crowd::Unknown(settles)] {
            let waits = |patience_ends| {
                let q = Question { reading: true, patience_ends, ..question(due, crowd, &[], origin) };
                NearFirst.choose(&Tuning::default(), &q)
            };
            assert_eq!(waits(ends), Choice::Wait(ends), "{crowd:?}");
            assert_eq!(waits(NOW), Choice::Origin(Why::Patience), "{crowd:?}");
        }
    }

    #[test]
    fn near_before_fast_while_the_deadline_allows() {
        let offers =
            [offer(1, Nearness::Far, 100), offer(2, Nearness::Lan, 900), offer(3, Nearness::Lan, 800)];
        assert_eq!(ask(5, Crowd::Held, &offers, Some(50)), Choice::Peer(PeerId(3), Why::Near));
        assert_eq!(ask(1, Crowd::Held, &offers, Some(500)), Choice::Peer(PeerId(1), Why::Near));
    }

    #[test]
    fn the_origin_is_asked_when_no_peer_makes_the_deadline() {
        let offers = [offer(1, Nearness::Far, 4_000)];
        assert_eq!(ask(1, Crowd::Held, &offers, Some(200)), Choice::Origin(Why::Deadline));
        assert_eq!(ask(1, Crowd::Held, &offers, None), Choice::Peer(PeerId(1), Why::Fastest));
    }

    #[test]
    fn a_crowd_waits_for_whose_turn_it_is_until_the_last_moment() {
        assert_eq!(ask(15, Crowd::OursToBring, &[], Some(200)), Choice::Origin(Why::OurShare));
        let Choice::Wait(until) = ask(15, THEIRS, &[], Some(200)) else { panic!("waits") };
        assert_eq!(NOW + Span::from_secs(15), until + Tuning::default().crowd_lead);
        assert_eq!(ask(1, THEIRS, &[], Some(200)), Choice::Origin(Why::Deadline));
        assert_eq!(ask(15, Crowd::Nobody, &[], Some(200)), Choice::Origin(Why::Deadline));
        let settled = NOW + Span::from_millis(900);
        assert_eq!(ask(15, Crowd::Unknown(settled), &[], Some(200)), Choice::Wait(settled));
        assert_eq!(ask(1, Crowd::Unknown(settled), &[], Some(200)), Choice::Origin(Why::Deadline));
        assert!(matches!(ask(50, Crowd::Nobody, &[], Some(200)), Choice::Wait(_)));
    }

    #[test]
    fn a_start_goes_to_whoever_is_first_and_waits_for_nobody() {
        let q = |offers, origin| Question {
            now: NOW,
            due: NOW,
            plays: NOW,
            starting: true,
            reading: true,
            beyond: Some(Span::ZERO),
            patience_ends: NOW,
            begun: None,
            hedge: false,
            odds: 0,
            many_ahead: false,
            crowd: Crowd::Unknown(NOW + Span::from_secs(1)),
            busy: None,
            idle_origin_too: false,
            offers,
            promise: None,
            origin,
        };
        let origin = origin_in(80);
        let slow = [offer(1, Nearness::Lan, 90)];
        let quick = [offer(1, Nearness::Far, 70)];
        let choose = |q| NearFirst.choose(&Tuning::default(), &q);
        assert_eq!(choose(q(&slow, origin)), Choice::Origin(Why::Start));
        assert_eq!(choose(q(&quick, origin)), Choice::Peer(PeerId(1), Why::Start));
        assert_eq!(choose(q(&slow, None)), Choice::Peer(PeerId(1), Why::Start));
    }

    #[test]
    fn a_start_waits_for_the_answer_of_a_warm_peer_that_is_expected_to_win() {
        let origin = origin_in(80);
        let choose = |answer: u64, takes: u64| {
            let (by, takes) = (NOW + Span::from_millis(answer), Span::from_millis(takes));
            let q = question(NOW, Crowd::Nobody, &[], origin);
            let q = Question { starting: true, promise: Some(Promise { by, takes }), ..q };
            NearFirst.choose(&Tuning::default(), &q)
        };
        assert_eq!(choose(9, 20), Choice::Wait(NOW + Span::from_millis(9)));
        assert_eq!(choose(9, 75), Choice::Origin(Why::Start), "it would not win");
        assert_eq!(choose(60, 10), Choice::Origin(Why::Start), "an answer that takes long is not waited for");
        assert_eq!(choose(0, 10), Choice::Origin(Why::Start), "its time is over");
    }

    #[test]
    fn a_quick_origin_is_asked_in_good_time_of_a_listener_who_has_been_there_for_a_while() {
        let origin = |takes| origin_in(takes);
        let choose = |takes, begun| {
            let q = Question {
                begun,
                ..question(NOW + Span::from_millis(2_900), Crowd::Held, &[], origin(takes))
            };
            NearFirst.choose(&Tuning::default(), &q)
        };
        let long_ago = Some(NOW - Span::from_secs(10));
        assert_eq!(choose(80, long_ago), Choice::Origin(Why::Deadline));
        assert!(matches!(choose(80, Some(NOW - Span::from_secs(2))), Choice::Wait(_)), "peers come first");
        assert!(matches!(choose(700, long_ago), Choice::Wait(_)), "it has much to do");
    }

    #[test]
    fn the_origin_is_asked_for_as_much_as_the_listener_has_stayed_for_and_some_more() {
        let origin = origin_in(80);
        let least = Tuning::default().in_order;
        for crowd in [Crowd::Nobody, Crowd::OursToBring] {
            let choose = |ahead, begun| {
                let q = Question { begun, ..question(NOW + ahead, crowd, &[], origin) };
                NearFirst.choose(&Tuning::default(), &q)
            };
            let asked = |choice| matches!(choice, Choice::Origin(_));
            assert!(asked(choose(least, None)), "{crowd:?}");
            assert!(!asked(choose(least + Span::from_millis(1), None)), "{crowd:?}");
            let stayed = |secs| Some(NOW - Span::from_secs(secs));
            assert!(asked(choose(least + Span::from_secs(5), stayed(5))), "{crowd:?}");
            let until = NOW + Span::from_secs(2);
            assert_eq!(choose(least + Span::from_secs(9), stayed(5)), Choice::Wait(until), "{crowd:?}");
        }
    }

    /// Puts a run of a listener who began `stayed` ago to the rule, with nobody but an ample origin.
    fn alone(q: Question<'_>, stayed: Option<u64>) -> Choice {
        let begun = stayed.map(|secs| NOW - Span::from_secs(secs));
        let origin = origin_in(80).map(|origin| OriginOffer { ample: true, ..origin });
        NearFirst.choose(&Tuning::default(), &Question { reading: true, begun, origin, ..q })
    }

    #[test]
    fn an_ample_origin_is_asked_for_little_of_a_play_that_may_be_skipped_and_for_more_as_its_listener_stays()
    {
        let asked = |ahead: u64, stayed| {
            let q = question(NOW + Span::from_secs(ahead), Crowd::Nobody, &[], None);
            alone(q, stayed) == Choice::Origin(Why::Deadline)
        };
        for (ahead, stayed) in
            [(4, None), (4, Some(0)), (5, Some(2)), (14, Some(20)), (20, Some(32)), (20, Some(900))]
        {
            assert!(asked(ahead, stayed), "{ahead} s ahead after {stayed:?} s");
            assert!(!asked(ahead + 1, stayed), "{} s ahead after {stayed:?} s", ahead + 1);
        }
        // By the same playhead, and due sooner since a player reads there.
        let (due, plays) = (NOW + Span::from_secs(4), NOW + Span::from_secs(8));
        let q = Question { plays, ..question(due, Crowd::Nobody, &[], None) };
        assert!(matches!(alone(q, Some(0)), Choice::Wait(_)));
        let until = NOW + Span::from_secs(4);
        let q = question(NOW + Span::from_secs(10), Crowd::Nobody, &[], None);
        assert_eq!(alone(q, Some(0)), Choice::Wait(until), "10 s ahead; in 4 s it is 6 s ahead");
    }

    #[test]
    fn a_player_that_waits_is_served_by_an_ample_origin_at_once_and_for_little_beyond_where_it_waits() {
        let asked = |beyond: u64, ample| {
            let origin = origin_in(80).map(|origin| OriginOffer { ample, ..origin });
            let beyond = Some(Span::from_secs(beyond));
            let q = question(NOW + Span::from_secs(60), Crowd::Nobody, &[], origin);
            let q = Question { reading: true, begun: Some(NOW), beyond, ..q };
            NearFirst.choose(&Tuning::default(), &q) == Choice::Origin(Why::Deadline)
        };
        assert!(asked(0, true) && asked(4, true) && !asked(5, true));
        assert!(asked(5, false), "a slow one is asked as far as the player reads");
    }

    #[test]
    fn the_origin_is_left_alone_where_a_busy_holder_is_quicker_or_soon_enough() {
        let choose = |due: u64, busy: u64, takes: u64| {
            let origin = origin_in(takes);
            let q = question(NOW + Span::from_millis(due), Crowd::Held, &[], origin);
            NearFirst.choose(&Tuning::default(), &Question { busy: Some(Span::from_millis(busy)), ..q })
        };
        let waits = Choice::Wait(NOW + Span::from_millis(500));
        assert_eq!(choose(100, 500, 1_100), waits, "it is quicker");
        assert_eq!(choose(750, 500, 200), waits, "it is soon enough");
        assert_eq!(choose(749, 500, 200), Choice::Origin(Why::Deadline));
    }

    #[test]
    fn a_busy_holder_is_compared_with_as_much_from_the_origin() {
        let origin =
            origin_in(1_100).map(|origin| OriginOffer { takes_piece: Span::from_millis(400), ..origin });
        let q = question(NOW + Span::from_millis(600), Crowd::Held, &[], origin);
        let choice =
            NearFirst.choose(&Tuning::default(), &Question { busy: Some(Span::from_millis(500)), ..q });
        assert_eq!(choice, Choice::Origin(Why::Deadline));
    }

    #[test]
    fn a_peer_of_which_nothing_is_known_must_be_twice_as_fast_as_the_origin() {
        let choose = |millis, proven| {
            let offers = [Offer { proven, ..offer(1, Nearness::Far, millis) }];
            NearFirst.choose(
                &Tuning::default(),
                &question(NOW + Span::from_millis(300), Crowd::Held, &offers, origin_in(200)),
            )
        };
        assert_eq!(choose(101, false), Choice::Origin(Why::Deadline));
        assert_eq!(choose(100, false), Choice::Peer(PeerId(1), Why::Fastest));
        assert_eq!(choose(200, true), Choice::Peer(PeerId(1), Why::Fastest));
    }

    #[test]
    fn a_player_whose_deadline_has_come_gets_more_than_it_takes_to_go_on() {
        let ended = NOW - Span::from_secs(2);
        for crowd in [THEIRS, Crowd::Held, Crowd::Coming(NOW - Span::from_secs(5))] {
            let choose = |due| {
                let q = question(NOW + Span::from_millis(due), crowd, &[], origin_in(80));
                NearFirst.choose(&Tuning::default(), &Question { patience_ends: ended, ..q })
            };
            assert_eq!(choose(10_000), Choice::Origin(Why::Patience), "{crowd:?}");
            assert_eq!(choose(2_000), Choice::Origin(Why::Deadline), "{crowd:?}");
        }
    }

    #[test]
    fn the_better_the_odds_the_earlier_a_crowds_share_is_brought() {
        let asked = |odds, ahead| {
            let q = question(NOW + Span::from_secs(ahead), Crowd::OursToBring, &[], origin_in(80));
            NearFirst.choose(&Tuning::default(), &Question { odds, ..q }) == Choice::Origin(Why::OurShare)
        };
        for (odds, lead) in [(0, 10), (7, 35), (14, 60), (30, 60)] {
            assert!(asked(odds, lead), "{odds}");
            assert!(!asked(odds, lead + 1), "{odds}");
        }
    }

    #[test]
    fn where_many_are_ahead_a_new_play_asks_untried_peers_for_what_they_surely_make_alone() {
        let choose = |due, many_ahead, proven| {
            let offers = [Offer { proven, ..offer(1, Nearness::Far, 100) }];
            let q = question(NOW + Span::from_millis(due), Crowd::Held, &offers, origin_in(250));
            NearFirst.choose(&Tuning::default(), &Question { many_ahead, ..q })
        };
        let asked = Choice::Peer(PeerId(1), Why::Fastest);
        assert_eq!(choose(599, true, false), Choice::Origin(Why::Deadline));
        assert_eq!(choose(600, true, false), asked);
        assert_eq!(choose(599, false, false), asked, "there are few, or it plays");
        assert_eq!(choose(599, true, true), asked, "it has shown how fast it is");
    }

    #[test]
    fn of_a_crowd_that_grows_the_newest_is_not_waited_for_where_it_is_urgent() {
        let heard = NOW + Span::from_millis(500);
        let choose = |due| {
            let crowd = Crowd::TheirsToBring { before: 1, heard };
            let q = question(NOW + Span::from_millis(due), crowd, &[], origin_in(400));
            NearFirst.choose(&Tuning::default(), &q)
        };
        assert_eq!(choose(1_500), Choice::Origin(Why::Deadline));
        assert_eq!(choose(1_501), Choice::Wait(NOW + Span::from_millis(1)));
        assert_eq!(choose(3_000), Choice::Wait(heard), "it has time to say that it brings it");
    }

    #[test]
    fn the_last_of_a_crowds_keep_comes_from_whoever_is_idle() {
        let choose = |offers: &[Offer], ready| {
            let origin = origin_in(200).map(|origin| OriginOffer { ready, ..origin });
            let q = question(Time::NEVER, Crowd::Held, offers, origin);
            NearFirst.choose(&Tuning::default(), &Question { idle_origin_too: true, ..q })
        };
        let slow = [offer(1, Nearness::Far, 60_000)];
        assert_eq!(choose(&slow, true), Choice::Peer(PeerId(1), Why::Fastest));
        assert_eq!(choose(&[], true), Choice::Origin(Why::OurShare));
        assert_eq!(choose(&[], false), Choice::Wait(Time::NEVER));
    }

    #[test]
    fn nobody_in_a_hurry_never_presses_the_origin_while_others_bring_it() {
        assert_eq!(ask(0, THEIRS, &[], Some(200)), Choice::Wait(NOW + Tuning::default().idle_turn));
        assert_eq!(ask(0, Crowd::Nobody, &[], Some(200)), Choice::Origin(Why::Prefetch));
        let slow = [offer(1, Nearness::Far, 60_000)];
        assert_eq!(ask(0, Crowd::Held, &slow, Some(200)), Choice::Peer(PeerId(1), Why::Fastest));
    }
}
