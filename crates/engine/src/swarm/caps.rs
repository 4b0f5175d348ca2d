//! Whether a node hands on at this moment, and why not: what its user allows by the month, the hours of the day
//! and for now, what its device is on, and what the provider asks for.

use nearcast_content::FlatMap;

use super::api::{Over, PeerUse, Settings};
use crate::limits::MAX_RUN_BLOCKS;
use crate::time::{Span, Time};
use crate::units::Rate;
use crate::wire::Serves;

const DAY: u64 = 86_400;
/// Months remembered: the one that runs, and those a clock that was set wrong may fall back to.
const MAX_MONTHS: usize = 6;
/// What is handed on is told to be remembered in steps of this, or a 200th of the month's limit.
const LEDGER_STEP: u64 = 4 << 20;
const SMALLEST_LEDGER_STEP: u64 = 64 << 10;

/// The clock on the wall, as the shell reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WallClock {
    /// Seconds since 1970, UTC.
    pub unix: u64,
    /// By how many seconds local time is ahead of UTC; negative in the west.
    pub ahead: i32,
}

/// A calendar month: months since the beginning of the year zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(pub u32);

/// What was handed on in a month to peers outside of the own network, as the line carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handed {
    /// The month.
    pub month: Month,
    /// Bytes, with what packets add to them.
    pub bytes: u64,
}

/// A part of each day, in minutes after local midnight. It may reach over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hours {
    /// First minute, below 1,440.
    pub from: u16,
    /// First minute that is not part of it, below 1,440 and not `from`.
    pub to: u16,
}

/// Whether sharing rests for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pause {
    /// It does not.
    #[default]
    None,
    /// Until this second since 1970.
    Until(u64),
    /// Until the user says so.
    UntilResumed,
}

/// Why a device only takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leaf {
    /// Its user said that it is a mobile one.
    Mobile,
    /// It runs on battery.
    Battery,
    /// Its line is metered.
    Metered,
}

/// What the user and the device allow, beside [`Settings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Caps {
    /// Bytes to hand on in a calendar month. The own network does not count.
    pub monthly: Option<u64>,
    /// When in the day; none for always.
    pub hours: Option<Hours>,
    /// Whether it rests for now.
    pub pause: Pause,
    /// Whether the device only takes.
    pub leaf: Option<Leaf>,
}

/// Whether a node hands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sharing {
    /// To nobody.
    Off(Rest),
    /// To those in the own network only.
    LanOnly(Rest),
    /// To others.
    On,
}

/// Why a node does not hand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rest {
    /// The user switched it off.
    SwitchedOff,
    /// The provider did.
    ByProvider,
    /// The device only takes.
    Leaf(Leaf),
    /// It was paused.
    Paused {
        /// Until this second since 1970; none until it is resumed.
        until: Option<u64>,
    },
    /// It is not one of the hours.
    Hours {
        /// They begin at this second since 1970; none while the time is not known.
        until: Option<u64>,
    },
    /// The month's bytes are used up.
    MonthUsed {
        /// The next one begins at this second since 1970.
        until: u64,
    },
}

impl Sharing {
    /// What a peer that is reached over this is told, and gets.
    pub(super) fn serves(self, over: Over) -> Serves {
        match (self, over) {
            (Self::On, _) | (Self::LanOnly(_), Over::Lan) => Serves::Others,
            (Self::Off(_) | Self::LanOnly(_), _) => Serves::Nobody,
        }
    }

    /// Whether anybody gets anything.
    pub(super) fn any(self) -> bool {
        !matches!(self, Self::Off(_))
    }
}

impl Hours {
    fn contains(self, minute: u16) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// Bytes as the line carries them: packets of 1,200 to 1,450 bytes spend 28 on IP and UDP and about as many on
/// QUIC's header, seal and frame, which is 4 %.
pub(super) fn on_the_line(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 24)
}

/// How fast bytes may go out for the line to carry `rate`.
pub(super) fn off_the_line(rate: Rate) -> Rate {
    Rate::from_bytes_per_sec(rate.bytes_per_sec() / 25 * 24)
}

/// A local moment, cut into what caps are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Local {
    month: Month,
    minute: u16,
    /// Seconds into the minute.
    second: u64,
    /// Seconds until the next month.
    month_left: u64,
}

impl Local {
    fn at(unix: u64, ahead: i32) -> Self {
        let local = unix.saturating_add_signed(ahead.into());
        let (days, into) = (local / DAY, local % DAY);
        let (month, days_left) = month_of(days);
        let minute = u16::try_from(into / 60).unwrap_or(0);
        Self { month, minute, second: into % 60, month_left: days_left * DAY - into }
    }

    /// Seconds until a minute of the day comes next.
    fn until(self, minute: u16) -> u64 {
        let ahead = (u64::from(minute) + 1_440 - u64::from(self.minute)) % 1_440;
        if ahead == 0 { DAY - self.second } else { ahead * 60 - self.second }
    }
}

/// The month of a day since 1970, and how many of its days are left, this one included. After Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the leap day is their last.
fn month_of(days: u64) -> (Month, u64) {
    let since_0000_03 = days + 719_468;
    let of_era = since_0000_03 % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let starts = |month: u64| (153 * month + 2) / 5;
    let year = year + since_0000_03 / 146_097 * 400;
    // February, the last of these years, ends where the next one begins.
    let next = if from_march == 11 { 365 + u64::from(leaps(year + 1)) } else { starts(from_march + 1) };
    let month = year * 12 + from_march + 2;
    (Month(u32::try_from(month).unwrap_or(u32::MAX)), next - of_year)
}

fn leaps(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// The caps, the clock they go by, and what was used of them.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    caps: Caps,
    clock: Option<(Time, WallClock)>,
    months: FlatMap<Month, u64>,
    /// What was last told to be remembered of the running month.
    told: u64,
    /// A run did not fit into what was left of this month.
    spent: Option<Month>,
}

impl Allowance {
    /// How many months are remembered.
    pub(super) fn len(&self) -> usize {
        self.months.len()
    }

    pub(super) fn set(&mut self, caps: Caps) {
        self.caps = caps;
        self.spent = None;
    }

    pub(super) fn clock(&mut self, now: Time, wall: WallClock) {
        self.clock = Some((now, wall));
    }

    /// What an earlier life handed on in a month.
    pub(super) fn remembered(&mut self, now: Time, handed: Handed) {
        let running = self.local(now).map_or(handed.month, |local| local.month);
        let bytes = self.months.entry(handed.month).or_default();
        *bytes = (*bytes).max(handed.bytes);
        self.forget_months(running);
    }

    /// Beyond [`MAX_MONTHS`] the oldest goes, but not the one that is counted in: a clock that is set back for long
    /// would win a new allowance with each run.
    fn forget_months(&mut self, running: Month) {
        while self.months.len() > MAX_MONTHS {
            let oldest = self.months.keys().copied().find(|month| *month != running);
            oldest.map(|month| self.months.remove(&month));
        }
    }

    fn unix(&self, now: Time) -> Option<u64> {
        self.clock.map(|(at, wall)| wall.unix.saturating_add(now.since(at).micros() / 1_000_000))
    }

    fn local(&self, now: Time) -> Option<Local> {
        let (_, wall) = self.clock?;
        Some(Local::at(self.unix(now)?, wall.ahead))
    }

    /// What was handed on in the month that runs; none while the time is not known.
    pub(super) fn handed(&self, now: Time) -> Option<Handed> {
        let month = self.local(now)?.month;
        Some(Handed { month, bytes: self.months.get(&month).copied().unwrap_or(0) })
    }

    /// Bytes of runs went to peers outside of the own network. Answers what to remember, now and then.
    pub(super) fn sent(&mut self, now: Time, bytes: u64) -> Option<Handed> {
        let month = self.local(now)?.month;
        let handed = self.months.entry(month).or_default();
        *handed = handed.saturating_add(on_the_line(bytes));
        let handed = Handed { month, bytes: *handed };
        self.forget_months(month);
        let share = self.caps.monthly.map_or(LEDGER_STEP, |limit| limit / 200);
        let step = share.clamp(SMALLEST_LEDGER_STEP, LEDGER_STEP);
        if handed.bytes >= self.told && handed.bytes - self.told < step {
            return None;
        }
        self.told = handed.bytes;
        Some(handed)
    }

    /// Whether a run of `bytes` fits into the month, of which `promised` more are on their way. One that does not
    /// uses the month up.
    pub(super) fn fits(&mut self, now: Time, bytes: u64, promised: u64) -> bool {
        let Some(limit) = self.caps.monthly else { return true };
        let Some(handed) = self.handed(now) else { return false };
        let after = handed.bytes.saturating_add(on_the_line(bytes.saturating_add(promised)));
        if after > limit && promised == 0 {
            self.spent = Some(handed.month);
        }
        after <= limit
    }

    /// Whether the node hands on at `now`, under its settings.
    pub(super) fn sharing(&self, now: Time, settings: &Settings) -> Sharing {
        let (caps, local, unix) = (&self.caps, self.local(now), self.unix(now));
        if settings.peers == PeerUse::HoldOut {
            return Sharing::Off(Rest::ByProvider);
        }
        if settings.serves == Serves::Nobody {
            return Sharing::Off(Rest::SwitchedOff);
        }
        if let Some(leaf) = caps.leaf {
            return Sharing::Off(Rest::Leaf(leaf));
        }
        match caps.pause {
            Pause::UntilResumed => return Sharing::Off(Rest::Paused { until: None }),
            Pause::Until(until) if unix.is_none_or(|unix| unix < until) => {
                return Sharing::Off(Rest::Paused { until: Some(until) });
            }
            Pause::Until(_) | Pause::None => {}
        }
        if let Some(hours) = caps.hours
            && !local.is_some_and(|local| hours.contains(local.minute))
        {
            let until = unix.zip(local).map(|(unix, local)| unix + local.until(hours.from));
            return Sharing::Off(Rest::Hours { until });
        }
        match (caps.monthly, local.zip(unix)) {
            (Some(limit), Some((local, unix))) if self.used_up(local.month, limit) => {
                Sharing::LanOnly(Rest::MonthUsed { until: unix + local.month_left })
            }
            // Without a clock nobody knows what is left of the month.
            (Some(_), None) => Sharing::LanOnly(Rest::MonthUsed { until: 0 }),
            (Some(_) | None, _) => Sharing::On,
        }
    }

    fn used_up(&self, month: Month, limit: u64) -> bool {
        let handed = self.months.get(&month).copied().unwrap_or(0);
        let smallest = on_the_line(nearcast_content::BLOCK_SIZE);
        self.spent == Some(month) || handed.saturating_add(smallest) > limit
    }

    /// When the answer to [`Self::sharing`] may change by itself.
    pub(super) fn next_change(&self, now: Time) -> Time {
        let Some((unix, local)) = self.unix(now).zip(self.local(now)) else { return Time::NEVER };
        let mut seconds = u64::MAX;
        if let Pause::Until(until) = self.caps.pause
            && until > unix
        {
            seconds = seconds.min(until - unix);
        }
        if let Some(hours) = self.caps.hours {
            seconds = seconds.min(local.until(hours.from)).min(local.until(hours.to));
        }
        if self.caps.monthly.is_some() {
            seconds = seconds.min(local.month_left);
        }
        if seconds == u64::MAX { Time::NEVER } else { now + Span::from_secs(seconds) }
    }
}

/// The longest run fits the smallest step by which a month is accounted for more than once.
const _: () = assert!(MAX_RUN_BLOCKS as u64 * nearcast_content::BLOCK_SIZE <= LEDGER_STEP);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::api::{OriginUse, RunsIn};

    /// 2026-11-25 21:30:00 UTC.
    const EVENING: u64 = 1_795_642_200;

    fn settings() -> Settings {
        Settings {
            serves: Serves::Others,
            upload_limit: None,
            cache_budget: 0,
            origin: OriginUse::Fallback,
            peers: PeerUse::Share,
            runs_in: RunsIn::Program,
        }
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    fn allowance(caps: Caps, unix: u64) -> Allowance {
        let mut allowance = Allowance::default();
        allowance.set(caps);
        allowance.clock(Time::ZERO, WallClock { unix, ahead: 0 });
        allowance
    }

    #[test]
    fn months_and_minutes_are_those_of_the_calendar() {
        let month = |year: u32, month: u32| Month(year * 12 + month - 1);
        for (unix, ahead, is, minute, left) in [
            (0, 0, month(1970, 1), 0, 31 * DAY),
            (EVENING, 0, month(2026, 11), 21 * 60 + 30, 5 * DAY + 9_000),
            (EVENING, 3 * 3_600, month(2026, 11), 30, 5 * DAY - 1_800),
            (951_782_400, 0, month(2000, 2), 0, DAY),
            (951_782_400, -60, month(2000, 2), 1_439, DAY + 60),
            (951_868_800, 0, month(2000, 3), 0, 31 * DAY),
            (1_772_236_800, 0, month(2026, 2), 0, DAY),
            (1_798_761_599, 0, month(2026, 12), 1_439, 1),
            (1_798_761_600, 0, month(2027, 1), 0, 31 * DAY),
            (4_107_456_000, 0, month(2100, 2), 0, DAY),
        ] {
            let local = Local::at(unix, ahead);
            assert_eq!((local.month, local.minute, local.month_left), (is, minute, left), "{unix}");
        }
    }

    #[test]
    fn a_month_is_used_up_to_its_limit_and_not_beyond() {
        let caps = Caps { monthly: Some(100_000_000), ..Caps::default() };
        let mut allowance = allowance(caps, EVENING);
        let (mut sent, mut remembered) = (0, None);
        while allowance.fits(at(1), 262_144, 0) {
            sent += 262_144;
            remembered = allowance.sent(at(1), 262_144).or(remembered);
        }
        assert!((95_000_000..=100_000_000).contains(&on_the_line(sent)), "{sent}");
        let handed = allowance.handed(at(1)).expect("the time is known");
        assert!(handed.bytes <= 100_000_000);
        let remembered = remembered.expect("told now and then");
        assert!(handed.bytes - remembered.bytes < 1_000_000, "{remembered:?} of {handed:?}");
        let until = EVENING + 5 * DAY + 9_000;
        let used = Sharing::LanOnly(Rest::MonthUsed { until });
        assert_eq!(allowance.sharing(at(1), &settings()), used);
        assert_eq!(used.serves(Over::Lan), Serves::Others);
        assert_eq!(used.serves(Over::Line), Serves::Nobody);
        let december = at(until - EVENING);
        assert_eq!(allowance.next_change(Time::ZERO), december);
        assert_eq!(allowance.sharing(december, &settings()), Sharing::On);
        assert!(allowance.fits(december, 262_144, 0));
    }

    #[test]
    fn what_earlier_lives_handed_on_counts_and_a_wrong_clock_wins_nothing() {
        let caps = Caps { monthly: Some(10_000_000), ..Caps::default() };
        let mut allowance = allowance(caps, EVENING);
        let month = allowance.handed(Time::ZERO).expect("the time is known").month;
        allowance.remembered(Time::ZERO, Handed { month, bytes: 9_900_000 });
        assert!(!allowance.fits(at(1), 262_144, 0));
        assert!(matches!(allowance.sharing(at(1), &settings()), Sharing::LanOnly(Rest::MonthUsed { .. })));
        allowance.clock(at(2), WallClock { unix: EVENING + 40 * DAY, ahead: 0 });
        assert_eq!(allowance.sharing(at(2), &settings()), Sharing::On);
        allowance.clock(at(3), WallClock { unix: EVENING, ahead: 0 });
        assert!(!allowance.fits(at(3), 262_144, 0), "the month is remembered");
    }

    #[test]
    fn a_clock_that_jumps_about_neither_wins_bytes_nor_grows_memory() {
        let caps = Caps { monthly: Some(10_000_000), ..Caps::default() };
        let mut allowance = allowance(caps, EVENING);
        for month in 0..24 {
            allowance.clock(at(month), WallClock { unix: EVENING + month * 31 * DAY, ahead: 0 });
            allowance.sent(at(month), 9_000_000);
        }
        assert!(allowance.len() <= MAX_MONTHS, "{} months", allowance.len());
        // Without a battery the clock begins in 1970 again.
        allowance.clock(at(30), WallClock { unix: 0, ahead: 0 });
        allowance.sent(at(30), 9_000_000);
        allowance.clock(at(31), WallClock { unix: EVENING + 23 * 31 * DAY, ahead: 0 });
        assert!(!allowance.fits(at(31), 2_000_000, 0), "the month is remembered");
        allowance.clock(at(32), WallClock { unix: 60, ahead: 0 });
        assert!(!allowance.fits(at(32), 2_000_000, 0), "and so is the wrong one");
        let back = WallClock { unix: 0, ahead: -12 * 3_600 };
        allowance.clock(at(33), back);
        assert!(allowance.handed(at(33)).is_some(), "before 1970 by local time");
        let mut later = Allowance::default();
        later.set(caps);
        later.clock(at(0), WallClock { unix: EVENING, ahead: 0 });
        let running = later.handed(at(0)).expect("the time is known").month;
        for ahead in 0..24 {
            later.remembered(at(0), Handed { month: Month(running.0 + ahead), bytes: 9_900_000 });
        }
        assert!(!later.fits(at(1), 262_144, 0), "months that a wrong clock made up push nothing out");
    }

    #[test]
    fn hours_reach_over_midnight_and_wake_the_engine() {
        let hours = Hours { from: 23 * 60, to: 7 * 60 };
        let allowance = allowance(Caps { hours: Some(hours), ..Caps::default() }, EVENING);
        let opens = EVENING + 5_400;
        assert_eq!(
            allowance.sharing(Time::ZERO, &settings()),
            Sharing::Off(Rest::Hours { until: Some(opens) })
        );
        assert_eq!(allowance.next_change(Time::ZERO), at(5_400));
        assert_eq!(allowance.sharing(at(5_400), &settings()), Sharing::On);
        assert_eq!(allowance.next_change(at(5_400)), at(5_400 + 8 * 3_600));
        assert!(matches!(
            allowance.sharing(at(5_400 + 8 * 3_600), &settings()),
            Sharing::Off(Rest::Hours { .. })
        ));
    }

    #[test]
    fn a_pause_ends_by_itself_or_when_told() {
        let paused = |pause| allowance(Caps { pause, ..Caps::default() }, EVENING);
        let timed = paused(Pause::Until(EVENING + 600));
        let rest = Sharing::Off(Rest::Paused { until: Some(EVENING + 600) });
        assert_eq!(timed.sharing(at(599), &settings()), rest);
        assert_eq!((timed.next_change(at(1)), timed.sharing(at(600), &settings())), (at(600), Sharing::On));
        let open = paused(Pause::UntilResumed);
        assert_eq!(open.sharing(at(1 << 30), &settings()), Sharing::Off(Rest::Paused { until: None }));
        assert_eq!(open.next_change(at(1)), Time::NEVER);
    }

    #[test]
    fn while_the_time_is_unknown_nothing_that_depends_on_it_is_allowed() {
        let mut allowance = Allowance::default();
        allowance.set(Caps { hours: Some(Hours { from: 0, to: 1_439 }), ..Caps::default() });
        assert_eq!(allowance.sharing(at(1), &settings()), Sharing::Off(Rest::Hours { until: None }));
        allowance.set(Caps { monthly: Some(1 << 40), ..Caps::default() });
        assert!(!allowance.fits(at(1), 1, 0));
        assert!(matches!(allowance.sharing(at(1), &settings()), Sharing::LanOnly(_)));
    }

    #[test]
    fn the_first_reason_that_holds_is_given() {
        let caps = Caps { leaf: Some(Leaf::Battery), pause: Pause::UntilResumed, ..Caps::default() };
        let allowance = allowance(caps, EVENING);
        let off = Settings { serves: Serves::Nobody, ..settings() };
        let held_out = Settings { peers: PeerUse::HoldOut, ..settings() };
        assert_eq!(allowance.sharing(at(0), &settings()), Sharing::Off(Rest::Leaf(Leaf::Battery)));
        assert_eq!(allowance.sharing(at(0), &off), Sharing::Off(Rest::SwitchedOff));
        assert_eq!(allowance.sharing(at(0), &held_out), Sharing::Off(Rest::ByProvider));
    }
}
