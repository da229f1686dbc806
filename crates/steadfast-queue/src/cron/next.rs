//! Finding the next time.

use super::{Cron, CronError};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

/// How many days a search looks ahead. The 29th of February comes within eight years; on a given weekday, within
/// forty.
const DAYS_MAX: u32 = 41 * 366;

/// A time zone by its name. The data come with this program, so that they are the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    pub(crate) fn named(name: &str) -> Result<Self, CronError> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Self(TimeZone::UTC));
        }
        // What is not a name but a path into a database of files is refused, whatever the data come from.
        let unknown = || CronError::Zone(name.chars().take(64).collect());
        let sound = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
        let found = Some(name).filter(|_| sound).and_then(|name| TimeZoneDatabase::bundled().get(name).ok());
        found.map(Self).ok_or_else(unknown)
    }
}

#[cfg(test)]
impl Zone {
    /// A moment as the clock shows it, with its offset from UTC.
    pub(super) fn show(&self, at_ms: i64) -> String {
        let at = Timestamp::from_millisecond(at_ms).expect("in range");
        jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%S%:z", &at.to_zoned(self.0.clone())).expect("shows")
    }
}

impl Cron {
    /// Whether there is a day that fits.
    pub(super) fn ever(&self) -> bool {
        self.next_shown(jiff::civil::datetime(2000, 1, 1, 0, 0, 0, 0)).is_some()
    }

    /// The first time to fire after `after_ms`, in milliseconds since the Unix epoch; `None` if there is none
    /// within the calendar.
    pub(crate) fn next_after(&self, zone: &Zone, after_ms: i64) -> Option<i64> {
        let after = Timestamp::from_second(after_ms.div_euclid(1_000)).ok()?;
        let next = if self.through_the_day {
            self.next_in_rhythm(&zone.0, after)
        } else {
            self.next_by_name(&zone.0, after)
        };
        next.map(Timestamp::as_millisecond)
    }

    /// Every time that the clock shows once: what it skips is met at the jump, what it repeats, the first time.
    fn next_by_name(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let mut shown = zone.to_datetime(after);
        loop {
            shown = self.next_shown(shown)?;
            let at = match zone.to_ambiguous_timestamp(shown).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown).ok()?,
                AmbiguousOffset::Fold { before, .. } => before.to_timestamp(shown).ok()?,
                AmbiguousOffset::Gap { after, .. } => {
                    // By the later offset, it would be a moment before the jump.
                    let early = after.to_timestamp(shown).ok()?;
                    zone.following(early).next()?.timestamp()
                }
            };
            if at > after {
                return Some(at);
            }
        }
    }

    /// Every moment at which the clock shows a time that fits.
    fn next_in_rhythm(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let mut shown = zone.to_datetime(after);
        let mut from = after;
        loop {
            // Until the clock changes, it runs evenly.
            let offset = zone.to_offset(from);
            let change = zone.following(from).next().map(|change| change.timestamp());
            let at = offset.to_timestamp(self.next_shown(shown)?).ok()?;
            let Some(change) = change.filter(|&change| change <= at) else { return Some(at) };
            // The moment of the change itself may fit.
            shown = zone.to_datetime(change).checked_sub(jiff::Span::new().seconds(1)).ok()?;
            from = change;
        }
    }

    /// The next time, as a clock shows it, that fits; after `shown`.
    fn next_shown(&self, shown: DateTime) -> Option<DateTime> {
        let mut date = shown.date();
        let mut after = Some(shown.time());
        for _ in 0..DAYS_MAX {
            let fits = self.months & (1 << date.month()) != 0 && self.fits(date);
            if fits && let Some(time) = self.next_time(after) {
                return Some(date.to_datetime(time));
            }
            date = date.tomorrow().ok()?;
            after = None;
        }
        None
    }

    fn fits(&self, date: Date) -> bool {
        let number = |number: i8| u32::try_from(number).unwrap_or(1);
        let weekday = usize::try_from(date.weekday().to_sunday_zero_offset()).unwrap_or(0);
        self.fits_day(number(date.day()), number(date.days_in_month()), weekday)
    }

    /// The first time of a day that fits, after `after` if given.
    fn next_time(&self, after: Option<Time>) -> Option<Time> {
        let from = after.map_or(0, |time| seconds(time) + 1);
        let (hour, minute, second) = (from / 3_600, from / 60 % 60, from % 60);
        for hour in (hour..24).filter(|hour| self.hours & (1 << hour) != 0) {
            let minute = if hour == from / 3_600 { minute } else { 0 };
            for minute in (minute..60).filter(|minute| self.minutes & (1 << minute) != 0) {
                let second = if hour * 60 + minute == from / 60 { second } else { 0 };
                if let Some(second) = (second..60).find(|second| self.seconds & (1 << second) != 0) {
                    let small = |number: u32| i8::try_from(number).unwrap_or(0);
                    return Time::new(small(hour), small(minute), small(second), 0).ok();
                }
            }
        }
        None
    }
}

fn seconds(time: Time) -> u32 {
    let number = |number: i8| u32::try_from(number).unwrap_or(0);
    number(time.hour()) * 3_600 + number(time.minute()) * 60 + number(time.second())
}
