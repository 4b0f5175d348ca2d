//! What each play was like, gathered from the engine's notes until it ends, then summed up for the provider.

use nearcast_content::FlatMap;

use super::api::{Note, PlayId, RunsIn, Source};
use crate::limits::MAX_PLAYS;
use crate::place::Nearness;
use crate::time::Span;
use crate::wire::{PlayReport, PlaySums};

/// One play so far.
#[derive(Debug, Default)]
struct Tally {
    held_out: bool,
    started: Option<Span>,
    stalls: u64,
    stalled: Span,
    sums: PlaySums,
}

/// Plays that go on. The engine bounds how many there are, and ends each.
#[derive(Debug, Default)]
pub struct Tallies {
    plays: FlatMap<PlayId, Tally>,
}

impl Tallies {
    /// Takes a note. Answers with the sums of a play that ended.
    pub fn note(&mut self, note: &Note) -> Option<PlayReport> {
        match note {
            Note::HeldOut { play } => self.of(*play).held_out = true,
            Note::Started { play, after } => self.of(*play).started = Some(*after),
            Note::Stalled { play, lasted } => {
                let tally = self.of(*play);
                tally.stalls += 1;
                tally.stalled += *lasted;
            }
            Note::Delivered { play, source, bytes } => {
                let sums = &mut self.of(*play).sums;
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
            }
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
    fn finish(self, media: Span) -> PlayReport {
        let mut sums = PlaySums { media_millis: media.millis(), ..self.sums };
        match self.started {
            Some(after) => {
                sums.started(after);
                sums.stalls = self.stalls;
                sums.stalled_millis = self.stalled.millis();
                sums.stuttered = u64::from(self.stalls > 0);
            }
            None => sums.unstarted = 1,
        }
        match self.held_out {
            true => PlayReport { held_out: sums, ..PlayReport::default() },
            false => PlayReport { shared: sums, ..PlayReport::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PeerBytes;

    #[test]
    fn a_play_is_summed_up_when_it_ends_in_its_group() {
        let mut tallies = Tallies::default();
        let (one, two) = (PlayId(1), PlayId(2));
        let notes = [
            Note::HeldOut { play: two },
            Note::Started { play: one, after: Span::from_millis(120) },
            Note::Stalled { play: one, lasted: Span::from_millis(400) },
            Note::Stalled { play: one, lasted: Span::from_millis(600) },
            Note::Delivered { play: one, source: Source::Origin, bytes: 7 },
            Note::Delivered { play: one, source: Source::Peer(Nearness::Isp, RunsIn::Program), bytes: 3 },
            Note::Delivered { play: one, source: Source::Peer(Nearness::Isp, RunsIn::Page), bytes: 4 },
            Note::Delivered { play: one, source: Source::Peer(Nearness::Lan, RunsIn::Page), bytes: 5 },
            Note::Delivered { play: two, source: Source::Cache, bytes: 9 },
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
}
