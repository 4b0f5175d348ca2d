//! Requests become plays: what one listener fetched of one title without a long pause.

use std::collections::BTreeMap;

use nearcast_engine::Place;

use super::line::{Client, Line, digest};
use super::titles::{Asked, Medium, asked};

/// Requests for the same title so far apart are two plays, in seconds: a paused player, not a second visit.
const PAUSE: u64 = 15 * 60;
/// Most plays kept at once: 100 MB. Beyond, one listener in two is left out, and again.
const MAX_PLAYS: usize = 1_000_000;
/// Most titles: further ones are counted and left out.
const MAX_TITLES: usize = 200_000;
/// Letters of a title's path that are kept.
const MAX_PATH: usize = 120;

/// One play as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoggedPlay {
    pub(super) client: u64,
    pub(super) title: u32,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) bytes: u64,
}

/// One title as the log has it.
#[derive(Clone, Debug)]
pub(super) struct LoggedTitle {
    pub(super) path: String,
    pub(super) medium: Medium,
    /// The largest answer that was the whole file, if one was.
    whole: u64,
    /// The most of one play, if no answer was the whole file.
    most: u64,
}

impl LoggedTitle {
    /// How large the title seems.
    pub(super) fn bytes(&self) -> u64 {
        if self.whole > 0 { self.whole } else { self.most }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Counted,
    NotMedia,
    NotDelivered,
    LeftOut,
}

/// The plays of a log while it is read.
#[derive(Debug)]
pub(super) struct Plays {
    pub(super) plays: Vec<LoggedPlay>,
    pub(super) titles: Vec<LoggedTitle>,
    pub(super) places: BTreeMap<u64, Place>,
    /// Of so many listeners one is kept.
    pub(super) one_in: u64,
    by_path: BTreeMap<u64, u32>,
    /// The last play of each listener and title.
    open: BTreeMap<(u64, u32), u32>,
    most_plays: usize,
}

impl Default for Plays {
    fn default() -> Self {
        Self::with_room(MAX_PLAYS)
    }
}

impl Plays {
    fn with_room(most_plays: usize) -> Self {
        Self {
            plays: Vec::new(),
            titles: Vec::new(),
            places: BTreeMap::new(),
            one_in: 1,
            by_path: BTreeMap::new(),
            open: BTreeMap::new(),
            most_plays,
        }
    }

    /// Takes one request.
    pub(super) fn take(&mut self, line: &Line) -> Fate {
        let (path, medium, part) = match asked(line.path) {
            Asked::Whole(path, medium) => (path, medium, Extent::Whole),
            Asked::Part(path, medium) => (path, medium, Extent::Part),
            Asked::Else => return Fate::NotMedia,
        };
        if line.method != "GET" || !matches!(line.status, 200 | 206) || line.bytes == 0 {
            return Fate::NotDelivered;
        }
        let Some(title) = self.title(path, medium) else { return Fate::LeftOut };
        let client = client_of(line);
        if !client.is_multiple_of(self.one_in) {
            return Fate::LeftOut;
        }
        self.places.entry(client).or_insert_with(|| place_of(line.client));
        let bytes = self.extend(client, title, line);
        let known = &mut self.titles[title as usize];
        if line.status == 200 && part == Extent::Whole {
            known.whole = known.whole.max(line.bytes);
        }
        known.most = known.most.max(bytes);
        if self.plays.len() > self.most_plays {
            self.thin_out();
        }
        Fate::Counted
    }

    /// Adds to the play that goes on, or begins one. Answers its bytes.
    fn extend(&mut self, client: u64, title: u32, line: &Line) -> u64 {
        if let Some(index) = self.open.get(&(client, title))
            && let Some(play) = self.plays.get_mut(*index as usize)
            && line.at <= play.last.saturating_add(PAUSE)
            && line.at.saturating_add(PAUSE) >= play.first
        {
            play.first = play.first.min(line.at);
            play.last = play.last.max(line.at);
            play.bytes = play.bytes.saturating_add(line.bytes);
            return play.bytes;
        }
        self.open.insert((client, title), u32::try_from(self.plays.len()).unwrap_or(u32::MAX));
        self.plays.push(LoggedPlay { client, title, first: line.at, last: line.at, bytes: line.bytes });
        line.bytes
    }

    fn title(&mut self, path: &str, medium: Medium) -> Option<u32> {
        let key = digest(path);
        if let Some(known) = self.by_path.get(&key) {
            return Some(*known);
        }
        if self.titles.len() >= MAX_TITLES {
            return None;
        }
        let index = u32::try_from(self.titles.len()).ok()?;
        let path = path.chars().take(MAX_PATH).filter(|c| !c.is_control()).collect();
        self.titles.push(LoggedTitle { path, medium, whole: 0, most: 0 });
        self.by_path.insert(key, index);
        Some(index)
    }

    /// Keeps one listener in two, so that those who are kept are kept whole.
    fn thin_out(&mut self) {
        self.one_in *= 2;
        let one_in = self.one_in;
        self.plays.retain(|play| play.client.is_multiple_of(one_in));
        self.places.retain(|client, _| client.is_multiple_of(one_in));
        self.open = BTreeMap::new();
        for (play, index) in self.plays.iter().zip(0..) {
            self.open.insert((play.client, play.title), index);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Part,
}

/// A number for whoever asked: an address and a program.
fn client_of(line: &Line) -> u64 {
    let address = match line.client {
        Client::Address(address) => digest(&address.to_string()),
        Client::Name(name) => name,
    };
    crate::random::mix(address ^ line.agent.rotate_left(32))
}

/// Networks of an address, as numbers that say nothing but which are the same: the address itself (a
/// household), /24 or /48 (a neighbourhood), /16 or /32 (an operator, for want of a routing table).
fn place_of(client: Client) -> Place {
    let (home, near, operator) = match client {
        Client::Address(std::net::IpAddr::V4(four)) => {
            let bits = u64::from(four.to_bits());
            (bits, bits >> 8, bits >> 16)
        }
        Client::Address(std::net::IpAddr::V6(six)) => {
            let bits = u64::try_from(six.to_bits() >> 64).unwrap_or(0);
            (bits, bits >> 16, bits >> 32)
        }
        Client::Name(name) => return Place { lan: name | 1, ..Place::default() },
    };
    let number = |kind: u64, bits: u64| crate::random::mix(crate::random::mix(kind) ^ bits);
    let isp = u32::try_from(number(3, operator) >> 33).unwrap_or(0) | 1;
    Place { lan: number(1, home) | 1, isp, prefix: number(2, near) | 1, country: 0 }
}

#[cfg(test)]
mod tests {
    use nearcast_engine::Nearness;

    use super::*;

    fn line(at: u64, client: u8, path: &str, status: u16, bytes: u64) -> Line<'_> {
        let client = Client::Address([192, 0, 2, client].into());
        Line { at, client, agent: 0, method: "GET", path, status, bytes }
    }

    #[test]
    fn requests_without_a_long_pause_are_one_play() {
        let mut plays = Plays::default();
        for (at, status, bytes) in [(100, 206, 10), (90, 206, 20), (900, 206, 30), (9_000, 200, 50)] {
            assert_eq!(plays.take(&line(at, 1, "/a.mp3", status, bytes)), Fate::Counted);
        }
        let found: Vec<_> = plays.plays.iter().map(|p| (p.first, p.last, p.bytes)).collect();
        assert_eq!(found, [(90, 900, 60), (9_000, 9_000, 50)]);
        assert_eq!(plays.titles[0].bytes(), 50, "a whole answer knows best");
    }

    #[test]
    fn what_delivers_no_media_is_no_play() {
        let mut plays = Plays::default();
        assert_eq!(plays.take(&line(1, 1, "/a.css", 200, 9)), Fate::NotMedia);
        assert_eq!(plays.take(&line(1, 1, "/a.mp3", 404, 9)), Fate::NotDelivered);
        assert_eq!(plays.take(&line(1, 1, "/a.mp3", 304, 0)), Fate::NotDelivered);
        assert!(plays.plays.is_empty());
    }

    #[test]
    fn a_log_without_end_keeps_whole_listeners_within_its_room() {
        let mut plays = Plays::with_room(40);
        for at in 0..50 {
            for client in 0..100 {
                plays.take(&line(at * 10_000, client, "/a.mp3", 200, 9));
            }
        }
        assert!(plays.plays.len() <= 40 && plays.one_in > 1, "{}", plays.one_in);
        let mut of = BTreeMap::new();
        plays.plays.iter().for_each(|play| *of.entry(play.client).or_insert(0) += 1);
        assert!(of.values().all(|count| *count == 50), "{of:?}");
    }

    #[test]
    fn addresses_are_near_by_their_networks() {
        let place = |text: &str| place_of(Client::Address(text.parse().expect("an address")));
        let here = place("192.0.2.1");
        let near = |text: &str| here.nearness(place(text));
        assert_eq!(near("192.0.2.1"), Nearness::Lan);
        assert_eq!(near("192.0.2.9"), Nearness::Neighbourhood);
        assert_eq!(near("192.0.9.9"), Nearness::Isp);
        assert_eq!(near("203.0.113.1"), Nearness::Far);
        assert_eq!(place("2001:db8:1:2::1").nearness(place("2001:db8:1:2::2")), Nearness::Lan);
    }
}
