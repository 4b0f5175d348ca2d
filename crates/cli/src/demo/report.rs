//! What a listener and the demo tell each other: JSON lines, the listener's on its standard output, the demo's on
//! the listener's standard input.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::{Play, Show};
use super::player::{Account, State};

/// From a listener, one a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "lowercase")]
pub(crate) enum Report {
    /// Its node runs.
    Ready {
        /// Where its player and the demo reach it, with a slash at the end.
        gateway: String,
        /// Its key.
        node: String,
    },
    /// How it is doing, several times a second.
    Now(Now),
    /// It cannot play, and why.
    Failed {
        /// For a person.
        why: String,
    },
}

/// To a listener, one a line. The end of the input means that the demo is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "lowercase")]
pub(crate) enum Order {
    /// Play this.
    Play {
        /// The catalogue.
        shows: Vec<Show>,
        /// How long to wait before the first of them.
        after: Duration,
        /// What of it, one after the other.
        plays: Vec<Play>,
    },
    /// Stop playing; the node stays.
    Curtain,
}

/// A listener at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Now {
    /// What it plays, and how far it is.
    pub(crate) play: Option<Playing>,
    /// It has played everything, or was told to stop.
    pub(crate) done: bool,
    /// All its plays together.
    pub(crate) tally: Tally,
}

/// A play at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Playing {
    /// Index of the title.
    pub(crate) show: usize,
    pub(crate) state: State,
    pub(crate) position: Duration,
    pub(crate) buffered: Duration,
    pub(crate) length: Duration,
}

/// All plays of a listener together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) plays: u32,
    /// Of plays that started.
    pub(crate) start_ups: Vec<Duration>,
    pub(crate) seeks: Vec<Duration>,
    pub(crate) stalls: u32,
    pub(crate) stalled_for: Duration,
    /// Media played.
    pub(crate) played: Duration,
}

impl Tally {
    /// With one more play.
    pub(crate) fn add(&mut self, play: &Account) {
        self.plays += 1;
        self.start_ups.extend(play.start_up);
        self.seeks.extend(&play.seeks);
        self.stalls += play.stalls;
        self.stalled_for += play.stalled_for;
        self.played += play.played;
    }

    /// With the plays of another listener.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.plays += other.plays;
        self.start_ups.extend(&other.start_ups);
        self.seeks.extend(&other.seeks);
        self.stalls += other.stalls;
        self.stalled_for += other.stalled_for;
        self.played += other.played;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_orders_come_back_as_they_were() {
        let account = Account {
            start_up: Some(Duration::from_millis(42)),
            stalls: 1,
            stalled_for: Duration::from_millis(300),
            seeks: vec![Duration::from_millis(7)],
            played: Duration::from_secs(9),
        };
        let mut tally = Tally::default();
        tally.add(&account);
        tally.add(&Account::default());
        assert_eq!((tally.plays, tally.start_ups.len()), (2, 1), "one of the two started");
        let playing = Playing {
            show: 1,
            state: State::Stalled,
            position: Duration::from_millis(1_500),
            buffered: Duration::ZERO,
            length: Duration::from_secs(88),
        };
        let reports = [
            Report::Ready { gateway: "http://127.0.0.1:1/".to_owned(), node: "ab".to_owned() },
            Report::Now(Now { play: Some(playing), done: false, tally: tally.clone() }),
            Report::Now(Now { play: None, done: true, tally }),
            Report::Failed { why: "gone".to_owned() },
        ];
        for report in reports {
            let line = serde_json::to_string(&report).expect("writes");
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Report>(&line).expect("reads"), report, "{line}");
        }
        let order = Order::Play { shows: vec![], after: Duration::from_secs(1), plays: vec![] };
        for order in [order, Order::Curtain] {
            let line = serde_json::to_string(&order).expect("writes");
            assert_eq!(serde_json::from_str::<Order>(&line).expect("reads"), order, "{line}");
        }
    }
}
