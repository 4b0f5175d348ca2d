//! More of what a node remembers: what it keeps, whom it met, what it handed on, whether it is paused, its port.

use std::net::SocketAddr;

use nearcast_content::{NodeKey, TitleId};
use nearcast_engine::Nearness;
use nearcast_engine::swarm::{Handed, Month, Pause};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use super::state::{State, StateError};

/// Titles to keep, by site and title.
const KEEPS: TableDefinition<'_, (&str, &str), ()> = TableDefinition::new("keeps");
/// Bytes handed on, by month.
const HANDED: TableDefinition<'_, u32, u64> = TableDefinition::new("handed");
/// Small numbers by name.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// Nodes that were connected, by key: when (seconds since 1970), how near, and where they are reached.
const MET: TableDefinition<'_, &[u8], (u64, u8, &str)> = TableDefinition::new("met");

/// The end of a pause, in [`NUMBERS`]; the largest number for one without an end.
const PAUSE: &str = "pause";
/// The UDP port of the last life, in [`NUMBERS`].
const PORT: &str = "port";

/// Months remembered.
const MAX_MONTHS: usize = 24;
/// What lies this far ahead, in seconds, a clock that was set wrong put there, and no correction of a right one.
const DAY: u64 = 86_400;
/// Nodes remembered: what KaZaA's clients kept (FACTS.md §4).
const MAX_MET: usize = 200;

/// A node that was connected in an earlier life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) node: NodeKey,
    /// How near it was.
    pub(super) nearness: Nearness,
    /// Where it was reached.
    pub(super) addresses: Vec<SocketAddr>,
}

/// Makes the tables, so that reading finds them.
pub(super) fn make_tables(write: &redb::WriteTransaction) -> Result<(), redb::Error> {
    write.open_table(KEEPS)?;
    write.open_table(HANDED)?;
    write.open_table(NUMBERS)?;
    write.open_table(MET)?;
    Ok(())
}

impl State {
    /// Remembers to keep a title.
    pub(super) fn keep(&self, site: &str, title: &TitleId) -> Result<(), StateError> {
        self.write(|w| {
            w.open_table(KEEPS)?.insert((site, title.as_str()), ())?;
            Ok(())
        })
    }

    /// A title is not kept any more.
    pub(super) fn unkeep(&self, site: &str, title: &TitleId) -> Result<(), StateError> {
        self.write(|w| {
            w.open_table(KEEPS)?.remove((site, title.as_str()))?;
            Ok(())
        })
    }

    /// The titles of a site that are kept.
    pub(super) fn kept(&self, site: &str) -> Result<Vec<TitleId>, StateError> {
        self.read(|r| {
            let mut kept = Vec::new();
            for row in r.open_table(KEEPS)?.iter()? {
                let (key, _) = row?;
                let (of, title) = key.value();
                // An id that no version can read is left alone.
                kept.extend((of == site).then(|| title.parse().ok()).flatten());
            }
            Ok(kept)
        })
    }

    /// Remembers what was handed on in a month.
    pub(super) fn set_handed(&self, handed: Handed) -> Result<(), StateError> {
        self.write(|w| {
            let mut table = w.open_table(HANDED)?;
            table.insert(handed.month.0, handed.bytes)?;
            // The month that is counted in stays, also when a clock was wrong for long and it is the oldest.
            while table.iter()?.count() > MAX_MONTHS {
                let months =
                    table.iter()?.map(|row| Ok(row?.0.value())).collect::<Result<Vec<u32>, redb::Error>>()?;
                let Some(oldest) = months.into_iter().find(|month| *month != handed.month.0) else { break };
                table.remove(oldest)?;
            }
            Ok(())
        })
    }

    /// What was handed on, by month.
    pub(super) fn handed(&self) -> Result<Vec<Handed>, StateError> {
        self.read(|r| {
            let mut months = Vec::new();
            for row in r.open_table(HANDED)?.iter()? {
                let (month, bytes) = row?;
                months.push(Handed { month: Month(month.value()), bytes: bytes.value() });
            }
            Ok(months)
        })
    }

    fn number(&self, name: &str) -> Result<Option<u64>, StateError> {
        self.read(|r| Ok(r.open_table(NUMBERS)?.get(name)?.map(|n| n.value())))
    }

    fn set_number(&self, name: &str, number: Option<u64>) -> Result<(), StateError> {
        self.write(|w| {
            let mut table = w.open_table(NUMBERS)?;
            match number {
                Some(number) => drop(table.insert(name, number)?),
                None => drop(table.remove(name)?),
            }
            Ok(())
        })
    }

    /// Whether sharing was paused.
    pub(super) fn pause(&self) -> Result<Pause, StateError> {
        Ok(match self.number(PAUSE)? {
            None => Pause::None,
            Some(u64::MAX) => Pause::UntilResumed,
            Some(until) => Pause::Until(until),
        })
    }

    /// Remembers whether sharing is paused.
    pub(super) fn set_pause(&self, pause: Pause) -> Result<(), StateError> {
        let number = match pause {
            Pause::None => None,
            Pause::Until(until) => Some(until),
            Pause::UntilResumed => Some(u64::MAX),
        };
        self.set_number(PAUSE, number)
    }

    /// The UDP port under which others met this node last.
    pub(super) fn last_port(&self) -> Result<Option<u16>, StateError> {
        Ok(self.number(PORT)?.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0))
    }

    /// Remembers the UDP port.
    pub(super) fn set_last_port(&self, port: u16) -> Result<(), StateError> {
        self.set_number(PORT, Some(port.into()))
    }

    /// Remembers where a node was reached. A failure to write is logged: it costs a lookup in a later life.
    pub(super) fn met(&self, met: &Met, unix: u64) {
        let addresses: Vec<String> = met.addresses.iter().map(SocketAddr::to_string).collect();
        let written = self.write(|w| {
            let mut table = w.open_table(MET)?;
            let row = (unix, nearness_number(met.nearness), addresses.join(" "));
            table.insert(met.node.0.as_slice(), (row.0, row.1, row.2.as_str()))?;
            while table.iter()?.count() > MAX_MET {
                let oldest = oldest(&table, unix)?;
                let Some(oldest) = oldest else { break };
                table.remove(oldest.as_slice())?;
            }
            Ok(())
        });
        if let Err(error) = written {
            tracing::warn!(%error, "a peer was not remembered");
        }
    }

    /// Nodes that were connected in earlier lives.
    pub(super) fn all_met(&self) -> Result<Vec<Met>, StateError> {
        self.read(|r| {
            let mut all = Vec::new();
            for row in r.open_table(MET)?.iter()? {
                let (key, value) = row?;
                let (_, near, addresses) = value.value();
                let addresses = addresses.split(' ').filter_map(|a| a.parse().ok()).collect();
                if let Ok(key) = key.value().try_into() {
                    all.push(Met { node: NodeKey(key), nearness: nearness_of(near), addresses });
                }
            }
            Ok(all)
        })
    }

    fn read<T>(
        &self,
        look: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StateError> {
        let read = || look(&self.database().begin_read()?);
        read().map_err(self.fail())
    }
}

/// Who was met longest ago. What a clock that was set wrong put into the future was met before anything else: it would
/// stay for ever, and push out everybody who is met.
fn oldest(
    table: &redb::Table<'_, &[u8], (u64, u8, &str)>,
    unix: u64,
) -> Result<Option<Vec<u8>>, redb::Error> {
    let mut oldest: Option<(u64, Vec<u8>)> = None;
    for row in table.iter()? {
        let (key, value) = row?;
        let seen = Some(value.value().0).filter(|seen| *seen <= unix.saturating_add(DAY)).unwrap_or(0);
        if oldest.as_ref().is_none_or(|(least, _)| seen < *least) {
            oldest = Some((seen, key.value().to_vec()));
        }
    }
    Ok(oldest.map(|(_, key)| key))
}

const NEARNESS: [Nearness; 5] =
    [Nearness::Lan, Nearness::Neighbourhood, Nearness::Isp, Nearness::Country, Nearness::Far];

fn nearness_number(nearness: Nearness) -> u8 {
    let at = NEARNESS.iter().position(|n| *n == nearness);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

fn nearness_of(number: u8) -> Nearness {
    NEARNESS.get(usize::from(number)).copied().unwrap_or(Nearness::Far)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(id: &str) -> TitleId {
        id.parse().expect("a title")
    }

    #[test]
    fn keeps_pauses_ports_and_months_survive_a_restart() {
        let dir = tempfile::tempdir().expect("a folder");
        {
            let state = State::open(dir.path()).expect("opens");
            state.keep("http://a/", &title("one")).expect("written");
            state.keep("http://a/", &title("two")).expect("written");
            state.keep("http://b/", &title("three")).expect("written");
            state.unkeep("http://a/", &title("two")).expect("written");
            state.set_pause(Pause::Until(77)).expect("written");
            state.set_last_port(4711).expect("written");
            for month in 0..30 {
                state.set_handed(Handed { month: Month(month), bytes: month.into() }).expect("written");
            }
        }
        let state = State::open(dir.path()).expect("opens again");
        assert_eq!(state.kept("http://a/").expect("read"), [title("one")]);
        assert_eq!(state.pause().expect("read"), Pause::Until(77));
        state.set_pause(Pause::UntilResumed).expect("written");
        assert_eq!(state.pause().expect("read"), Pause::UntilResumed);
        state.set_pause(Pause::None).expect("written");
        assert_eq!(state.pause().expect("read"), Pause::None);
        assert_eq!(state.last_port().expect("read"), Some(4711));
        let months = state.handed().expect("read");
        assert_eq!((months.len(), months[0].month), (MAX_MONTHS, Month(6)));
    }

    #[test]
    fn a_clock_that_was_wrong_for_long_pushes_out_neither_this_month_nor_who_is_met() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = State::open(dir.path()).expect("opens");
        for month in 0..30 {
            state.set_handed(Handed { month: Month(24_500 + month), bytes: 1 }).expect("written");
        }
        state.set_handed(Handed { month: Month(24_322), bytes: 7 }).expect("written");
        let months = state.handed().expect("read");
        assert_eq!((months.len(), months[0].month, months[0].bytes), (MAX_MONTHS, Month(24_322), 7));
        let met = |n: u32| {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            Met { node: NodeKey(key), nearness: Nearness::Isp, addresses: vec![([127, 0, 0, 1], 1).into()] }
        };
        let (wrong, right) = (4_000_000_000, 1_800_000_000);
        let many = u32::try_from(MAX_MET).expect("fits");
        (0..many).for_each(|n| state.met(&met(n), wrong));
        (many..many + 2).for_each(|n| state.met(&met(n), right));
        let all = state.all_met().expect("read");
        let has = |n| all.contains(&met(n));
        assert!(all.len() == MAX_MET && has(many) && has(many + 1), "{} are remembered", all.len());
    }

    #[test]
    fn the_nodes_met_last_are_remembered_with_their_addresses() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = State::open(dir.path()).expect("opens");
        let met = |n: u8| Met {
            node: NodeKey([n; 32]),
            nearness: Nearness::Isp,
            addresses: vec![([127, 0, 0, 1], u16::from(n) + 1).into()],
        };
        for n in 0..=u8::MAX {
            state.met(&met(n), 1_000 - u64::from(n));
        }
        let all = state.all_met().expect("read");
        assert_eq!(all.len(), MAX_MET);
        assert!(all.contains(&met(0)) && !all.contains(&met(u8::MAX)), "the oldest are forgotten");
    }
}
