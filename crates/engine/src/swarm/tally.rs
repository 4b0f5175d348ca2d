//! What each play was like, and which peers were turned away, gathered from the engine's notes and summed up for the
//! provider: bytes and media about once a minute while a play goes on, the rest when it ends.

use nearcast_content::FlatMap;

use super::api::{Misbehaviour, Note, Parting, PlayId, RunsIn, Source};
use crate::limits::MAX_PLAYS;
use crate::place::Nearness;
use crate::time::Span;
use crate::wire::{PlayReport, PlaySums, RefusedPeers};

/// What was handed over is summed up each time that it is so much media more: a provider looks at minutes.
const AGAIN: Span = Span::from_secs(60);

/// One play so far.
#[derive(Debug, Default)]
struct Tally {
    held_out: bool,
    started: Option<Span>,
    stalls: u64,
    stalled: Span,
    /// Media that was summed up already.
    told: Span,
    /// Bytes that were not.
    sums: PlaySums,
}

/// Plays that go on. The engine bounds how many there are, and ends each.
#[derive(Debug, Default)]
pub struct Tallies {
    plays: FlatMap<PlayId, Tally>,
}

impl Tallies {
    /// Takes a note. Answers with what is to be reported then.
    pub fn note(&mut self, note: &Note) -> Option<PlayReport> {
        match note {
            Note::HeldOut { play } => self.of(*play).held_out = true,
            Note::Started { play, after } => self.of(*play).started = Some(*after),
            Note::Stalled { play, lasted } => {
                let tally = self.of(*play);
                tally.stalls += 1;
                tally.stalled += *lasted;
            }
            Note::Delivered { play, source, bytes, media } => {
                let tally = self.of(*play);
                let sums = &mut tally.sums;
                *match source {
                    Source::Cache => &mut sums.cache_bytes,
                    Source::Peer(nearness, runs_in) => {
                        if *runs_in == RunsIn::Page {
                            let pages = sums.from_pages.get_or_insert_default();
                            *by_nearness(*nearness, &mut pages.lan, &mut pages.isp, &mut pages.other) +=
                                bytes;
                        }
                        let PlaySums { lan_bytes, isp_bytes, other_bytes, .. } = sums;
                        by_nearness(*nearness, lan_bytes, isp_bytes, other_bytes)
                    }
                    Source::Origin => &mut sums.origin_bytes,
                } += bytes;
                if media.less(tally.told) >= AGAIN {
                    let so_far = tally.so_far(*media);
                    return Some(tally.report(so_far));
                }
            }
            Note::TurnedAway { why, .. } => return refused(*why),
            Note::Ended { play, media } => return self.plays.remove(play).map(|tally| tally.finish(*media)),
            Note::Asked { .. } | Note::Wasted { .. } | Note::Refused { .. } | Note::Stuck { .. } => {}
        }
        None
    }

    fn of(&mut self, play: PlayId) -> &mut Tally {
        if self.plays.len() > 2 * MAX_PLAYS && !self.plays.contains_key(&play) {
            self.plays.pop_first();
        }
        self.plays.entry(play).or_default()
    }
}

/// Where bytes from a peer this near are counted.
fn by_nearness<'s>(
    nearness: Nearness,
    lan: &'s mut u64,
    isp: &'s mut u64,
    other: &'s mut u64,
) -> &'s mut u64 {
    match nearness {
        Nearness::Lan => lan,
        Nearness::Neighbourhood | Nearness::Isp => isp,
        Nearness::Country | Nearness::Far => other,
    }
}

impl Tally {
    /// The bytes and media that were not summed up yet.
    fn so_far(&mut self, media: Span) -> PlaySums {
        let more = media.less(std::mem::replace(&mut self.told, media));
        PlaySums { media_millis: more.millis(), ..std::mem::take(&mut self.sums) }
    }

    fn finish(mut self, media: Span) -> PlayReport {
        let mut sums = self.so_far(media);
        match self.started {
            Some(after) => {
                sums.started(after);
                sums.stalls = self.stalls;
                sums.stalled_millis = self.stalled.millis();
                sums.stuttered = u64::from(self.stalls > 0);
            }
            None => sums.unstarted = 1,
        }
        self.report(sums)
    }

    fn report(&self, sums: PlaySums) -> PlayReport {
        match self.held_out {
            true => PlayReport { held_out: sums, ..PlayReport::default() },
            false => PlayReport { shared: sums, ..PlayReport::default() },
        }
    }
}

/// A peer that was turned away, if it was for what it did or is.
fn refused(why: Parting) -> Option<PlayReport> {
    let mut peers = RefusedPeers::default();
    *match why {
        Parting::Misbehaved(Misbehaviour::CorruptBlock) => &mut peers.corrupt,
        Parting::Misbehaved(_) => &mut peers.rules,
        Parting::Banned => &mut peers.banned,
        Parting::Incompatible => &mut peers.strangers,
        Parting::Surplus | Parting::Duplicate | Parting::SharingOff => return None,
    } += 1;
    Some(PlayReport { refused: Some(Box::new(peers)), ..PlayReport::default() })
}

#[cfg(test)]
mod tests {
    use super::super::api::PeerId;
    use super::*;
    use crate::wire::PeerBytes;

    #[test]
    fn a_play_is_summed_up_when_it_ends_in_its_group() {
        let mut tallies = Tallies::default();
        let (one, two) = (PlayId(1), PlayId(2));
        let media = Span::from_secs(3);
        let notes = [
            Note::HeldOut { play: two },
            Note::Started { play: one, after: Span::from_millis(120) },
            Note::Stalled { play: one, lasted: Span::from_millis(400) },
            Note::Stalled { play: one, lasted: Span::from_millis(600) },
            Note::Delivered { play: one, source: Source::Origin, bytes: 7, media },
            Note::Delivered {
                play: one,
                source: Source::Peer(Nearness::Isp, RunsIn::Program),
                bytes: 3,
                media,
            },
            Note::Delivered { play: one, source: Source::Peer(Nearness::Isp, RunsIn::Page), bytes: 4, media },
            Note::Delivered { play: one, source: Source::Peer(Nearness::Lan, RunsIn::Page), bytes: 5, media },
            Note::Delivered { play: two, source: Source::Cache, bytes: 9, media },
        ];
        assert!(notes.iter().all(|note| tallies.note(note).is_none()));
        let ended = |tallies: &mut Tallies, play| {
            tallies.note(&Note::Ended { play, media: Span::from_secs(3) }).expect("it was going on")
        };
        let report = ended(&mut tallies, one);
        assert!(report.is_plausible() && report.held_out == PlaySums::default(), "{report:?}");
        let shared = report.shared;
        assert_eq!((shared.plays, shared.stuttered, shared.stalls, shared.stalled_millis), (1, 1, 2, 1_000));
        assert_eq!((shared.media_millis, shared.origin_bytes), (3_000, 7));
        assert_eq!((shared.lan_bytes, shared.isp_bytes, shared.other_bytes), (5, 7, 0));
        assert_eq!(shared.from_pages, Some(Box::new(PeerBytes { lan: 5, isp: 4, other: 0 })));
        let report = ended(&mut tallies, two);
        assert!(report.is_plausible() && report.shared == PlaySums::default(), "{report:?}");
        assert_eq!(
            (report.held_out.plays, report.held_out.unstarted, report.held_out.cache_bytes),
            (0, 1, 9)
        );
    }

    #[test]
    fn what_a_long_play_brought_is_told_while_it_goes_on_and_once() {
        let mut tallies = Tallies::default();
        let play = PlayId(1);
        assert_eq!(tallies.note(&Note::Started { play, after: Span::from_millis(80) }), None);
        let mut told = PlayReport::default();
        let mut reports = 0;
        for second in 1..=150 {
            let media = Span::from_secs(second);
            if let Some(report) =
                tallies.note(&Note::Delivered { play, source: Source::Origin, bytes: 10, media })
            {
                assert!(report.is_plausible() && report.shared.plays == 0, "{report:?}");
                told.add(&report);
                reports += 1;
            }
        }
        assert_eq!((reports, told.shared.origin_bytes, told.shared.media_millis), (2, 1_200, 120_000));
        let ended = Note::Ended { play, media: Span::from_secs(151) };
        told.add(&tallies.note(&ended).expect("it was going on"));
        let shared = &told.shared;
        assert_eq!((shared.plays, shared.origin_bytes, shared.media_millis), (1, 1_500, 151_000));
    }

    #[test]
    fn peers_are_counted_as_refused_for_what_they_did_or_are() {
        let mut tallies = Tallies::default();
        let whys = [
            Parting::Misbehaved(Misbehaviour::CorruptBlock),
            Parting::Misbehaved(Misbehaviour::BadWant),
            Parting::Misbehaved(Misbehaviour::Malformed),
            Parting::Banned,
            Parting::Incompatible,
            Parting::Surplus,
        ];
        let mut told = PlayReport::default();
        for why in whys {
            let report = tallies.note(&Note::TurnedAway { peer: PeerId(1), why });
            report.iter().for_each(|report| told.add(report));
        }
        let refused = RefusedPeers { corrupt: 1, rules: 2, banned: 1, strangers: 1 };
        assert_eq!(told.refused.as_deref(), Some(&refused));
    }
}
