//! Which reads are one play: those of one player of one title, until it reads nothing for a while.
//!
//! A player opens several connections and requests, for ranges, segments and renditions, and names none of them as
//! one play. What it cannot help showing is its address and its name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use nearcast_content::TitleId;
use nearcast_engine::limits::MAX_PLAYS;
use nearcast_engine::swarm::PlayId;

/// How long a play lives without a read: longer than the pause between two segments of a player whose buffer is
/// full, short enough that upload resumes soon after the music stops.
pub(super) const IDLE: Duration = Duration::from_secs(15);

/// Longest part of a player's name that tells it from others.
const AGENT_LEN: usize = 200;

/// What tells one play from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlayKey {
    title: TitleId,
    client: IpAddr,
    agent: String,
}

impl PlayKey {
    /// The play of `title` by the player at `client` that calls itself `agent`.
    pub fn new(title: TitleId, client: IpAddr, agent: &str) -> Self {
        Self { title, client, agent: agent.chars().take(AGENT_LEN).collect() }
    }
}

/// The open plays, at most [`MAX_PLAYS`]. Knows no clock: every call is told the time.
#[derive(Debug, Default)]
pub struct Plays {
    last: u64,
    open: BTreeMap<PlayKey, Play>,
}

#[derive(Debug)]
struct Play {
    id: PlayId,
    reads: usize,
    /// When the last of its reads ended; meaningless while there are any.
    idle_since: Instant,
}

impl Plays {
    /// A read begins. Nothing when too many plays are open.
    pub fn join(&mut self, key: &PlayKey, now: Instant) -> Option<PlayId> {
        if let Some(play) = self.open.get_mut(key).filter(|play| !play.is_over(now)) {
            play.reads += 1;
            return Some(play.id);
        }
        if self.open.len() >= MAX_PLAYS {
            return None;
        }
        self.last += 1;
        let id = PlayId(self.last);
        // A play of the same key that is over and was not collected yet must still be reported: it keeps its
        // place under a name that no player has.
        if let Some(over) = self.open.insert(key.clone(), Play { id, reads: 1, idle_since: now }) {
            let grave = PlayKey { agent: format!("\0{}", over.id.0), ..key.clone() };
            self.open.insert(grave, over);
        }
        Some(id)
    }

    /// The player of `key` went on to it from other titles: those of its plays that it reads nothing of are over, and
    /// nothing more is fetched for them. Takes them out.
    pub fn left_for(&mut self, key: &PlayKey) -> Vec<PlayId> {
        let left = |other: &PlayKey, play: &Play| {
            play.reads == 0
                && other.client == key.client
                && other.agent == key.agent
                && other.title != key.title
        };
        let over = self.open.iter().filter(|(other, play)| left(other, play)).map(|(_, p)| p.id).collect();
        self.open.retain(|other, play| !left(other, play));
        over
    }

    /// A read that had joined ends.
    pub fn leave(&mut self, key: &PlayKey, id: PlayId, now: Instant) {
        if let Some(play) = self.open.get_mut(key).filter(|play| play.id == id) {
            play.reads = play.reads.saturating_sub(1);
            play.idle_since = now;
        }
    }

    /// When the next play is over, if none of its reads comes back; nothing while all of them are read.
    pub fn next_over(&self) -> Option<Instant> {
        self.open.values().filter(|play| play.reads == 0).map(|play| play.idle_since + IDLE).min()
    }

    /// Takes out the plays that are over by `now`.
    pub fn over(&mut self, now: Instant) -> Vec<PlayId> {
        let over: Vec<PlayId> = self.open.values().filter(|p| p.is_over(now)).map(|p| p.id).collect();
        self.open.retain(|_, play| !play.is_over(now));
        over
    }
}

impl Play {
    fn is_over(&self, now: Instant) -> bool {
        self.reads == 0 && now.saturating_duration_since(self.idle_since) >= IDLE
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn key(title: &str, agent: &str) -> PlayKey {
        PlayKey::new(title.parse().expect("a title"), Ipv4Addr::LOCALHOST.into(), agent)
    }

    #[test]
    fn reads_of_one_player_and_title_are_one_play() {
        let (mut plays, now) = (Plays::default(), Instant::now());
        let first = plays.join(&key("a", "mpv"), now).expect("room");
        assert_eq!(plays.join(&key("a", "mpv"), now), Some(first));
        assert_ne!(plays.join(&key("b", "mpv"), now), Some(first));
        assert_ne!(plays.join(&key("a", "vlc"), now), Some(first));
    }

    #[test]
    fn a_play_ends_fifteen_seconds_after_its_last_read() {
        let (mut plays, start) = (Plays::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mpv = key("a", "mpv");
        let play = plays.join(&mpv, at(0)).expect("room");
        assert_eq!(plays.join(&mpv, at(1)), Some(play));
        plays.leave(&mpv, play, at(2));
        assert_eq!(plays.over(at(3600)), [], "a paused player still reads");
        assert_eq!(plays.next_over(), None);
        plays.leave(&mpv, play, at(3600));
        assert_eq!(plays.join(&mpv, at(3614)), Some(play), "the next segment");
        plays.leave(&mpv, play, at(3615));
        assert_eq!(plays.next_over(), Some(at(3630)));
        assert_eq!(plays.over(at(3629)), []);
        assert_eq!(plays.over(at(3630)), [play]);
        assert_eq!(plays.over(at(3631)), [], "reported once");
        assert_ne!(plays.join(&mpv, at(3632)), Some(play), "numbers are not used twice");
    }

    #[test]
    fn a_play_that_is_over_is_reported_even_if_its_player_is_back() {
        let (mut plays, start) = (Plays::default(), Instant::now());
        let mpv = key("a", "mpv");
        let first = plays.join(&mpv, start).expect("room");
        plays.leave(&mpv, first, start);
        let back = start + Duration::from_secs(60);
        let second = plays.join(&mpv, back).expect("room");
        assert_ne!(first, second);
        plays.leave(&mpv, first, back);
        assert_eq!(plays.over(back), [first]);
    }

    #[test]
    fn a_player_that_skips_leaves_what_it_does_not_read_any_more() {
        let (mut plays, now) = (Plays::default(), Instant::now());
        let (a, b, c) = (key("a", "mpv"), key("b", "mpv"), key("c", "mpv"));
        let (first, second) = (plays.join(&a, now).expect("room"), plays.join(&b, now).expect("room"));
        let other = plays.join(&key("a", "vlc"), now).expect("room");
        plays.leave(&a, first, now);
        plays.leave(&key("a", "vlc"), other, now);
        plays.join(&c, now).expect("room");
        assert_eq!(plays.left_for(&c), [first], "b is still read, and vlc is another player");
        plays.leave(&b, second, now);
        assert_eq!(plays.left_for(&c), [second]);
        assert_eq!(plays.left_for(&c), []);
    }

    #[test]
    fn open_plays_are_bounded() {
        let (mut plays, now) = (Plays::default(), Instant::now());
        for n in 0..MAX_PLAYS {
            assert!(plays.join(&key("a", &n.to_string()), now).is_some());
        }
        assert_eq!(plays.join(&key("a", "one more"), now), None);
        assert!(plays.join(&key("a", "0"), now).is_some(), "those that are open go on");
    }
}
