//! The audience that a log describes, as part of a scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nearcast_content::MAX_OBJECT_SIZE;
use nearcast_engine::{Place, Rate, Span};
use serde::Serialize;

use super::AccessLog;
use super::plays::LoggedPlay;
use super::titles::Medium;
use crate::scenario::Scenario;

/// Rates that are assumed where none is given: Spotify's default of 160 kbit/s, and video of 720 lines.
const SOUND_RATE: Rate = Rate::from_bits_per_sec(160_000);
const PICTURE_RATE: Rate = Rate::from_bits_per_sec(3_000_000);
/// A play that fetched so much of its title, in hundredths, is one to the end.
const TO_THE_END: u64 = 95;
/// After the last departure the world goes on so long, so that what was under way ends.
const AFTERMATH: Span = Span::from_secs(30);

/// Which part of a log is played again, and what the log does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The busiest stretch of this length is taken.
    pub length: Span,
    /// Most listeners; of more, some are drawn.
    pub listeners: u32,
    /// Bytes in a second of media, where it is known.
    pub rate: Option<Rate>,
    /// How long a node stays online after its last play.
    pub stays: Span,
}

/// Why a log makes no scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Nothing to play.
    #[error("the log has no request that delivered audio or video; see which lines were counted as what")]
    NothingPlayed,
    /// No time, or nobody.
    #[error("the window must be longer than zero and have a listener")]
    EmptyWindow,
}

/// What of the log is played again.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// Seconds from 1970 to the window's beginning.
    pub begins_at: u64,
    /// Its length in seconds.
    pub seconds: u64,
    /// Listeners in the window.
    pub listeners_in_window: u64,
    /// Of these, simulated.
    pub listeners: u64,
    /// Their plays.
    pub plays: u64,
    /// Titles they played.
    pub titles: u64,
    /// Bytes that the log says they fetched.
    pub logged_bytes: u64,
    /// How many of the simulated listeners' households, neighbourhoods and operators there are.
    pub households: u64,
    /// Groups of neighbouring addresses.
    pub neighbourhoods: u64,
    /// Groups of addresses taken for operators.
    pub operators: u64,
    /// Plays of the most played titles, each with its path.
    pub top: Vec<(String, u32)>,
    /// What is assumed, one sentence each.
    pub assumptions: Vec<String>,
}

/// Listeners and titles of a log.
#[derive(Debug, PartialEq)]
pub(crate) struct LoggedAudience {
    /// The most played first.
    pub(crate) titles: Vec<PlayedTitle>,
    pub(crate) listeners: Vec<LoggedListener>,
    pub(crate) households: u32,
}

/// One title of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PlayedTitle {
    pub(crate) bytes: u64,
    pub(crate) length: Span,
    pub(crate) plays: u32,
}

/// One listener of a log.
#[derive(Debug, PartialEq)]
pub(crate) struct LoggedListener {
    /// Zero in all but `lan` where the log has no addresses.
    pub(crate) place: Place,
    pub(crate) household: u32,
    pub(crate) visits: Vec<LoggedVisit>,
    /// When, of which title, and until which point if not to the end.
    pub(crate) plays: Vec<(Span, u32, Option<Span>)>,
}

/// A stretch in which a listener's node is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoggedVisit {
    pub(crate) from: Span,
    pub(crate) stays: Span,
}

impl AccessLog {
    /// `base` with the audience of this log: its titles, listeners and clicks. Links, caches, reach, taking part
    /// and the origin stay those of `base`.
    ///
    /// # Errors
    /// When nothing was played.
    pub fn scenario(&self, base: &Scenario, window: &Window) -> Result<(Scenario, Replayed), LogError> {
        if window.length == Span::ZERO || window.listeners == 0 {
            return Err(LogError::EmptyWindow);
        }
        let seconds = (window.length.micros() / 1_000_000).max(1);
        let (begins_at, mut plays) = busiest(&self.plays.plays, seconds).ok_or(LogError::NothingPlayed)?;
        let clients: BTreeSet<u64> = plays.iter().map(|play| play.client).collect();
        let all = clients.len() as u64;
        let most = usize::try_from(window.listeners).unwrap_or(usize::MAX);
        // Numbers of listeners are hashes: the lowest are a sample.
        let kept: BTreeSet<u64> = clients.into_iter().take(most).collect();
        plays.retain(|play| kept.contains(&play.client));
        let audience = self.audience(&plays, begins_at, window);
        let replayed = self.replayed(&plays, &audience, (begins_at, seconds), (all, window));
        let end = audience.listeners.iter().flat_map(|listener| &listener.visits);
        let end = end.map(|visit| visit.from + visit.stays).max().unwrap_or(Span::ZERO);
        let mut scenario = base.clone();
        scenario.length = end + AFTERMATH;
        scenario.bytes = false;
        scenario.listeners.count = u32::try_from(audience.listeners.len()).unwrap_or(u32::MAX);
        scenario.logged = Some(Arc::new(audience));
        Ok((scenario, replayed))
    }

    fn audience(&self, plays: &[LoggedPlay], begins_at: u64, window: &Window) -> LoggedAudience {
        let by_plays = by_plays(plays);
        let rate = |title: u32| rate_of(self.plays.titles[title as usize].medium, window);
        let titles: Vec<PlayedTitle> = by_plays
            .iter()
            .map(|(plays, title)| {
                let bytes = self.plays.titles[*title as usize].bytes().clamp(1, MAX_OBJECT_SIZE / 2);
                PlayedTitle { bytes, length: length_of(bytes, rate(*title)), plays: *plays }
            })
            .collect();
        let index: BTreeMap<u32, u32> =
            by_plays.iter().zip(0..).map(|((_, title), ix)| (*title, ix)).collect();
        let mut of = BTreeMap::<u64, Vec<(Span, u32, Option<Span>)>>::new();
        for play in plays {
            let title = index[&play.title];
            let bytes = titles[title as usize].bytes;
            let whole = play.bytes.saturating_mul(100) >= bytes.saturating_mul(TO_THE_END);
            let until = length_of(play.bytes, rate(play.title));
            let at = Span::from_secs(play.first - begins_at);
            of.entry(play.client).or_default().push((at, title, (!whole).then_some(until)));
        }
        let mut homes = BTreeMap::new();
        let listeners = of.into_iter().map(|(client, mut plays)| {
            plays.sort_by_key(|(at, title, _)| (*at, *title));
            cut_short(&mut plays, &titles);
            let place = self.plays.places.get(&client).copied().unwrap_or_default();
            let next = u32::try_from(homes.len()).unwrap_or(u32::MAX);
            let household = *homes.entry(place.lan).or_insert(next);
            LoggedListener { place, household, visits: visits(&plays, &titles, window.stays), plays }
        });
        let listeners = listeners.collect();
        LoggedAudience { titles, listeners, households: u32::try_from(homes.len()).unwrap_or(u32::MAX) }
    }

    fn replayed(
        &self,
        plays: &[LoggedPlay],
        audience: &LoggedAudience,
        (begins_at, seconds): (u64, u64),
        (all, window): (u64, &Window),
    ) -> Replayed {
        let path = |title: u32| self.plays.titles[title as usize].path.clone();
        let distinct = |of: fn(&LoggedListener) -> u64| {
            audience.listeners.iter().map(of).filter(|n| *n != 0).collect::<BTreeSet<_>>().len() as u64
        };
        Replayed {
            begins_at,
            seconds,
            listeners_in_window: all.saturating_mul(self.plays.one_in),
            listeners: audience.listeners.len() as u64,
            plays: plays.len() as u64,
            titles: audience.titles.len() as u64,
            logged_bytes: plays.iter().map(|play| play.bytes).fold(0, u64::saturating_add),
            households: audience.households.into(),
            neighbourhoods: distinct(|l| l.place.prefix),
            operators: distinct(|l| l.place.isp.into()),
            top: by_plays(plays).into_iter().take(10).map(|(count, title)| (path(title), count)).collect(),
            assumptions: assumptions(window),
        }
    }
}

/// How often each title was played, the most played first.
fn by_plays(plays: &[LoggedPlay]) -> Vec<(u32, u32)> {
    let mut counts = BTreeMap::<u32, u32>::new();
    plays.iter().for_each(|play| *counts.entry(play.title).or_default() += 1);
    let mut sorted: Vec<(u32, u32)> = counts.into_iter().map(|(title, count)| (count, title)).collect();
    sorted.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    sorted
}

fn assumptions(window: &Window) -> Vec<String> {
    let rate = match window.rate {
        Some(rate) => format!("Media runs at {} kbit/s, as given.", rate.bytes_per_sec() * 8 / 1_000),
        None => "Sound runs at 160 kbit/s and video at 3 Mbit/s (--bitrate says otherwise).".to_owned(),
    };
    let stays = window.stays.millis() / 60_000;
    vec![
        rate,
        format!("A node stays online for {stays} min after a play (--stays); then it goes until the next one."),
        "All caches are empty when the window begins, so the first plays count in full.".to_owned(),
        "Listeners are told apart by address and program; those behind one address share a household.".to_owned(),
        "Addresses of one /24 (IPv6 /48) are neighbours, of one /16 (/32) customers of one operator: no routing \
         table is consulted."
            .to_owned(),
        "A play that fetched 95 % of its title is one to the end; any other stops where its bytes end.".to_owned(),
    ]
}

fn rate_of(medium: Medium, window: &Window) -> Rate {
    window.rate.unwrap_or(match medium {
        Medium::Sound => SOUND_RATE,
        Medium::Picture => PICTURE_RATE,
    })
}

/// How long so many bytes play: a second at least, a day at most.
fn length_of(bytes: u64, rate: Rate) -> Span {
    rate.span_for(bytes).clamp(Span::from_secs(1), Span::from_secs(86_400))
}

/// The plays that begin in the stretch of `seconds` with the most bytes, in order, and when it begins.
fn busiest(plays: &[LoggedPlay], seconds: u64) -> Option<(u64, Vec<LoggedPlay>)> {
    let mut sorted = plays.to_vec();
    sorted.sort_unstable_by_key(|play| (play.first, play.client, play.title));
    let (mut from, mut sum, mut best) = (0, 0_u64, (0, 0, 0));
    for to in 0..sorted.len() {
        sum = sum.saturating_add(sorted[to].bytes);
        while sorted[to].first - sorted[from].first >= seconds {
            sum = sum.saturating_sub(sorted[from].bytes);
            from += 1;
        }
        if sum > best.0 {
            best = (sum, from, to + 1);
        }
    }
    let (_, from, to) = best;
    let begins_at = sorted.get(from)?.first;
    Some((begins_at, sorted[from..to].to_vec()))
}

/// Whoever begins the next play has left the one before.
fn cut_short(plays: &mut [(Span, u32, Option<Span>)], titles: &[PlayedTitle]) {
    for index in 1..plays.len() {
        let (next, _, _) = plays[index];
        let (at, title, until) = &mut plays[index - 1];
        let there = next.less(*at).max(Span::from_secs(1));
        if there < until.unwrap_or(titles[*title as usize].length) {
            *until = Some(there);
        }
    }
}

/// A node is online from a play to its end and for a while after; visits that touch are one.
fn visits(plays: &[(Span, u32, Option<Span>)], titles: &[PlayedTitle], stays: Span) -> Vec<LoggedVisit> {
    let mut visits: Vec<LoggedVisit> = Vec::new();
    for (at, title, until) in plays {
        let end = *at + until.unwrap_or(titles[*title as usize].length) + stays;
        match visits.last_mut() {
            Some(visit) if *at <= visit.from + visit.stays => {
                visit.stays = visit.stays.max(end.less(visit.from));
            }
            Some(_) | None => visits.push(LoggedVisit { from: *at, stays: end.less(*at) }),
        }
    }
    visits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(client: u64, first: u64, bytes: u64) -> LoggedPlay {
        LoggedPlay { client, title: 0, first, last: first, bytes }
    }

    #[test]
    fn the_busiest_stretch_is_the_one_with_the_most_bytes() {
        let plays = [play(1, 0, 10), play(2, 100, 10), play(3, 105, 15), play(4, 300, 20), play(5, 110, 1)];
        let (from, found) = busiest(&plays, 50).expect("something was played");
        assert_eq!((from, found.iter().map(|p| p.client).collect::<Vec<_>>()), (100, vec![2, 3, 5]));
        assert_eq!(busiest(&plays, 1_000).expect("all").1.len(), 5);
        assert_eq!(busiest(&[], 50), None);
    }

    #[test]
    fn a_node_goes_between_plays_that_lie_far_apart() {
        let secs = Span::from_secs;
        let titles = [PlayedTitle { bytes: 1, length: secs(60), plays: 3 }];
        let mut plays = [(secs(0), 0, None), (secs(30), 0, None), (secs(1_000), 0, Some(secs(5)))];
        cut_short(&mut plays, &titles);
        assert_eq!(plays[0].2, Some(secs(30)), "the second play ended the first");
        let visit = |from, stays| LoggedVisit { from: secs(from), stays: secs(stays) };
        assert_eq!(visits(&plays, &titles, secs(10)), [visit(0, 100), visit(1_000, 15)]);
    }
}
