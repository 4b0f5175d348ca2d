//! The parts of a scenario: one row per key, with its default.

use nearcast_engine::{Rate, Span};
use serde::Deserialize;

use super::units::{Milli, de_limit, de_rate, de_rates, de_size, de_span};

/// Home routers buffer 100 to 250 ms.
const QUEUE: Span = Span::from_millis(150);

/// A part of the scenario with its defaults: one row per key.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $value:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $value,)* }
            }
        }
    };
}

section! {
    /// Who listens.
    Listeners {
        /// How many.
        count: u32 = 12,
        /// They arrive at random over this time.
        #[serde(deserialize_with = "de_span")]
        arrive_over: Span = Span::from_secs(30),
        /// How many arrive in each of as many equal parts of that time as there are numbers here, as weights; none
        /// for evenly. Four numbers may be four hours of an evening.
        arrivals: Vec<u32> = Vec::new(),
        /// Whether they arrive at equal distances instead of at random.
        evenly: bool = false,
        /// How long each is there before its first play.
        #[serde(deserialize_with = "de_span")]
        early: Span = Span::ZERO,
        /// Titles that each has in the cache when it arrives, from earlier evenings, as far as they fit.
        history: u32 = 0,
        /// How many in a hundred serve others, of those whose link is not metered.
        serve_percent: u32 = 100,
        /// Ceiling on what each uploads to peers.
        #[serde(deserialize_with = "de_limit")]
        upload_limit: Option<Rate> = None,
        /// Each one's cache.
        #[serde(deserialize_with = "de_size")]
        cache: u64 = 1_000_000_000,
        /// How many in a hundred take no part in sharing, to compare with.
        hold_out_percent: u32 = 0,
    }
}

section! {
    /// A kind of access link.
    Link {
        /// How many of these there are, against the other kinds.
        weight: u32 = 1,
        /// To the household.
        #[serde(deserialize_with = "de_rate")]
        down: Rate = Rate::from_bits_per_sec(50_000_000),
        /// From the household.
        #[serde(deserialize_with = "de_rate")]
        up: Rate = Rate::from_bits_per_sec(10_000_000),
        /// One way from the household to its operator.
        #[serde(deserialize_with = "de_span")]
        delay: Span = Span::from_millis(5),
        /// How long what goes through it waits at most, either way: what the home's router and the operator buffer.
        #[serde(deserialize_with = "de_span")]
        queue: Span = QUEUE,
        /// What translates addresses on the way.
        nat: NatKind = NatKind::Unsaid,
        /// Whether bytes cost money here: nothing is served to others over it.
        metered: bool = false,
    }
}

/// How addresses are translated between a household and the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NatKind {
    /// Not told apart: `nat.fail-percent` alone decides.
    Unsaid,
    /// None, or one that lets everybody in: full cone.
    Open,
    /// One port for all, and in comes who was called: most home routers.
    PortRestricted,
    /// A port for each whom one calls: carrier NAT.
    Symmetric,
    /// No UDP gets through.
    Blocked,
}

impl NatKind {
    /// Whether a direct path can be had between two, as seen with real routers of these kinds.
    pub(crate) fn connects(self, other: Self) -> bool {
        use NatKind::{Blocked, Open, PortRestricted, Symmetric, Unsaid};
        match (self, other) {
            (Blocked, _) | (_, Blocked) => false,
            (Unsaid, _) | (_, Unsaid) | (Open, _) | (_, Open) => true,
            (PortRestricted, PortRestricted) => true,
            (Symmetric, Symmetric | PortRestricted) | (PortRestricted, Symmetric) => false,
        }
    }
}

section! {
    /// Where listeners are.
    Places {
        /// Operators, all of the same size.
        isps: u32 = 3,
        /// Operators by their shares of the households, instead of `isps` equal ones.
        isp_shares: Vec<u32> = Vec::new(),
        /// Whether nodes of different operators are kept apart: none hears of the other.
        own_isp_only: bool = false,
        /// Neighbourhoods of each.
        neighbourhoods: u32 = 4,
        /// Countries, among which the operators are spread.
        countries: u32 = 1,
        /// How many in a hundred live in the household of the listener before them.
        same_household_percent: u32 = 10,
        /// Rate of a node's own network.
        #[serde(deserialize_with = "de_rate")]
        lan: Rate = Rate::from_bits_per_sec(300_000_000),
    }
}

section! {
    /// Who can connect to whom.
    Nat {
        /// How many pairs in a hundred never get a direct path, beside those that `links.nat` keeps apart.
        fail_percent: u32 = 20,
        /// How long a connect that comes to nothing takes.
        #[serde(deserialize_with = "de_span")]
        give_up: Span = Span::from_secs(5),
    }
}

section! {
    /// Who goes, and when.
    Churn {
        /// How many in a hundred close the program.
        leave_percent: u32 = 0,
        /// How many in a hundred drop off without a word.
        kill_percent: u32 = 0,
        /// Scale of the time until they do, after arriving.
        #[serde(deserialize_with = "de_span")]
        after: Span = Span::from_secs(60),
        /// Weibull shape of that time; 1 is exponential, less is many short and few long.
        shape: Milli = Milli(1_000),
        /// They come back after this long with their cache; "0s" for never.
        #[serde(deserialize_with = "de_span")]
        back_after: Span = Span::ZERO,
        /// Whether they go again each time they are back, after as long.
        again: bool = false,
        /// After its last play a listener stays for about this long (Weibull of the same shape), then closes the
        /// program; "0s" to stay to the end.
        #[serde(deserialize_with = "de_span")]
        linger: Span = Span::ZERO,
        /// How long until others notice that a node dropped off.
        #[serde(deserialize_with = "de_span")]
        noticed_after: Span = Span::from_secs(8),
    }
}

section! {
    /// What there is to play.
    CatalogueSpec {
        /// Titles.
        titles: u32 = 3,
        /// Each one's length, about.
        #[serde(deserialize_with = "de_span")]
        length: Span = Span::from_secs(60),
        /// By how many in a hundred a length may be less or more than that.
        spread_percent: u32 = 25,
        /// Bytes in a second of media.
        #[serde(deserialize_with = "de_rate")]
        rate: Rate = Rate::from_bits_per_sec(320_000),
        /// The same of further renditions, the best first, all below `rate`: players choose among them by how fast
        /// they come.
        #[serde(deserialize_with = "de_rates")]
        lower: Vec<Rate> = Vec::new(),
        /// Objects of each title, along its timeline.
        parts: u32 = 1,
        /// Exponent of the popularity law.
        zipf: Milli = Milli(1_000),
        /// Shift of the popularity law (Zipf–Mandelbrot).
        zipf_shift: u32 = 0,
    }
}

section! {
    /// What each listener does.
    Plays {
        /// Plays of a session.
        each: u32 = 2,
        /// Whether titles are kept whole as fast as they come instead of being played: a play ends when all of the
        /// title is here. Of the policies only those that run our engine do that.
        keep: bool = false,
        /// Plays of a session at most, drawn evenly from `each` on; 0 for all alike.
        each_most: u32 = 0,
        /// How many plays in a hundred are of a title in the listener's history.
        replay_percent: u32 = 0,
        /// Between two plays.
        #[serde(deserialize_with = "de_span")]
        gap: Span = Span::from_secs(1),
        /// How many plays in a hundred were known to come when the one before them began.
        upcoming_percent: u32 = 60,
        /// How many in a hundred are skipped somewhere, when `skips` says nothing.
        skip_percent: u32 = 20,
        /// How many in a hundred are skipped before which point.
        skips: Vec<SkipSpec> = Vec::new(),
        /// How many in a hundred have a seek.
        seek_percent: u32 = 10,
        /// How many in a hundred are paused once.
        pause_percent: u32 = 5,
        /// How long a pause lasts.
        #[serde(deserialize_with = "de_span")]
        pause: Span = Span::from_secs(10),
    }
}

/// Plays that are skipped in one stretch of the title.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SkipSpec {
    /// In a hundred of all plays.
    pub(crate) percent: u32,
    /// Where the stretch begins.
    #[serde(deserialize_with = "de_span")]
    pub(crate) from: Span,
    /// Where it ends; "0s" for the end of the title.
    #[serde(deserialize_with = "de_span")]
    pub(crate) before: Span,
}

section! {
    /// How players buffer.
    PlayerSpec {
        /// Fixed part of every start-up that is not the network's: decoding, drawing, sound. The same for every
        /// policy.
        #[serde(deserialize_with = "de_span")]
        client_start: Span = Span::ZERO,
        /// Media that must be there before it starts, and after a stall.
        #[serde(deserialize_with = "de_span")]
        start_after: Span = Span::from_millis(1_000),
        /// Media it reads ahead of the playhead.
        #[serde(deserialize_with = "de_span")]
        ahead: Span = Span::from_secs(30),
        /// Media it asks for in one range; "0s" for one range to the end.
        #[serde(deserialize_with = "de_span")]
        reads: Span = Span::from_secs(4),
        /// Whether it shows nothing of a range before all of it is there: players in browsers.
        whole: bool = false,
        /// How fast it plays, in hundredths.
        rate_percent: u16 = 100,
        /// Whether it says so: pages do, and programs do not.
        tells_rate: bool = true,
    }
}

section! {
    /// The provider's server.
    OriginSpec {
        /// What it can send.
        #[serde(deserialize_with = "de_rate")]
        up: Rate = Rate::from_bits_per_sec(1_000_000_000),
        /// One way from an operator's network.
        #[serde(deserialize_with = "de_span")]
        delay: Span = Span::from_millis(15),
        /// From a request's arrival to its first byte.
        #[serde(deserialize_with = "de_span")]
        request: Span = Span::from_millis(5),
        /// An idle connection is kept this long.
        #[serde(deserialize_with = "de_span")]
        keep_alive: Span = Span::from_secs(60),
        /// How long what it sends waits at most.
        #[serde(deserialize_with = "de_span")]
        queue: Span = QUEUE,
        /// Whether each request has a connection to itself, with a window of its own, and is broken off by closing it, as
        /// with HTTP/1.1.
        own_connections: bool = false,
        /// How many in a hundred of those are stuck: they lose packets again and again, and bring a block in a tenth of a
        /// second.
        stuck_percent: u32 = 0,
        /// Whether a node has a connection to it before the first play, as a client that is logged in has.
        warm: bool = false,
    }
}

section! {
    /// The supernode.
    DirectorySpec {
        /// One way from an operator's network.
        #[serde(deserialize_with = "de_span")]
        delay: Span = Span::from_millis(10),
    }
}

section! {
    /// Nodes that do harm.
    Adversaries {
        /// How many in a hundred.
        percent: u32 = 0,
        /// What they do; each does one of these, in equal numbers.
        kinds: Vec<Harm> = vec![Harm::Corrupt],
        /// How many in a hundred of the runs of those that corrupt are bad.
        corrupt_percent: u32 = 50,
    }
}

/// What an adversary does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Harm {
    /// Sends bytes that were never published.
    Corrupt,
    /// Takes every want and sends nothing.
    Stall,
    /// Says that it holds all of everything, and sends nothing.
    OfferAll,
}

/// Something that breaks for a while.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FaultSpec {
    pub(crate) what: FaultKind,
    #[serde(deserialize_with = "de_span")]
    pub(crate) at: Span,
    #[serde(deserialize_with = "de_span")]
    pub(crate) lasts: Span,
    /// Of `suspend`: how many in a hundred of the listeners, each drawn by itself.
    #[serde(default = "half")]
    pub(crate) percent: u32,
    /// Of `suspend`: what the clock does by which the program counts time.
    #[serde(default)]
    pub(crate) clock: SleepClock,
}

impl FaultSpec {
    /// A fault of the provider's side.
    pub(crate) fn new(what: FaultKind, at: Span, lasts: Span) -> Self {
        Self { what, at, lasts, percent: half(), clock: SleepClock::default() }
    }
}

fn half() -> u32 {
    50
}

/// What the clock of a program does while its machine sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SleepClock {
    /// It stands still: CLOCK_MONOTONIC of a laptop with Linux that was closed.
    #[default]
    StandsStill,
    /// It goes on: a program that was stopped by a signal, a virtual machine that got no processor, Windows.
    GoesOn,
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FaultKind {
    /// The origin refuses connections.
    OriginDown,
    /// The origin sends at a tenth of its rate.
    OriginSlow,
    /// The origin sends bytes that were never published.
    OriginCorrupt,
    /// The supernode is gone.
    DirectoryDown,
    /// Machines of listeners sleep: they neither send nor receive, and find their connections dead when they wake up.
    Suspend,
}
