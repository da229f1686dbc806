//! Reading the fields of a cron expression.

use super::{Cron, CronError};

/// What a field takes.
struct Form {
    name: &'static str,
    takes: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const SECOND: Form = Form { name: "second", takes: "0 to 59", low: 0, high: 59, names: &[] };
const MINUTE: Form = Form { name: "minute", takes: "0 to 59", low: 0, high: 59, names: &[] };
const HOUR: Form = Form { name: "hour", takes: "0 to 23", low: 0, high: 23, names: &[] };
const DAY: Form = Form { name: "day of month", takes: "1 to 31, or L", low: 1, high: 31, names: &[] };
const MONTH: Form = Form {
    name: "month",
    takes: "1 to 12, or jan to dec",
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Form = Form {
    name: "day of week",
    takes: "0 to 7, or sun to sat, or one of these with L or #1 to #5",
    low: 0,
    high: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// The first to fifth of a weekday in its month.
const EVERY: u8 = 0b1_1111;
const LAST: u8 = 0b10_0000;

impl Form {
    fn refuse(&self, part: &str) -> CronError {
        CronError::Part { field: self.name, part: part.to_owned(), takes: self.takes }
    }

    fn value(&self, text: &str, part: &str) -> Result<u32, CronError> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.low + u32::try_from(at).unwrap_or(0));
        }
        let digits = !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = text.parse().ok().filter(|value| digits && (self.low..=self.high).contains(value));
        value.ok_or_else(|| self.refuse(part))
    }

    /// The values of one part of the list, as a bit set.
    fn part(&self, part: &str) -> Result<u64, CronError> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(step)),
        };
        let step = match step {
            None => None,
            Some(step) => {
                let step: Option<usize> = step.parse().ok().filter(|step| (1..=99).contains(step));
                Some(step.ok_or_else(|| self.refuse(part))?)
            }
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.low, if self.high == 7 { 6 } else { self.high }),
            Some((from, to)) => (self.value(from, part)?, self.value(to, part)?),
            None => {
                let from = self.value(range, part)?;
                (from, if step.is_some() { self.high } else { from })
            }
        };
        if from > to {
            return Err(self.refuse(part));
        }
        Ok((from..=to).step_by(step.unwrap_or(1)).fold(0, |bits, value| bits | 1 << value))
    }

    fn list(&self, text: &str) -> Result<u64, CronError> {
        text.split(',').try_fold(0, |bits, part| Ok(bits | self.part(part)?))
    }
}

/// Reads all fields: `rest` are minute, hour, day of month, month, day of week.
pub(super) fn read(second: &str, rest: &[&str]) -> Result<Cron, CronError> {
    let field = |at: usize| rest.get(at).copied().unwrap_or_default();
    let hours = HOUR.list(field(1))?;
    let (days, last_day) = days(field(2))?;
    let months = MONTH.list(field(3))?;
    let weekdays = weekdays(field(4))?;
    let either_day = !field(2).starts_with('*') && !field(4).starts_with('*');
    let cron = Cron {
        seconds: SECOND.list(second)?,
        minutes: MINUTE.list(field(0))?,
        hours: low_bits(hours),
        days,
        last_day,
        months: u16::try_from(months).unwrap_or(u16::MAX),
        weekdays,
        either_day,
        through_the_day: field(1).starts_with('*') || hours == 0xff_ffff,
    };
    if cron.ever() { Ok(cron) } else { Err(CronError::Never) }
}

fn low_bits(bits: u64) -> u32 {
    u32::try_from(bits).unwrap_or(u32::MAX)
}

fn days(text: &str) -> Result<(u32, bool), CronError> {
    let (mut days, mut last) = (0, false);
    for part in text.split(',') {
        if part.eq_ignore_ascii_case("l") {
            last = true;
        } else {
            days |= low_bits(DAY.part(part)?);
        }
    }
    Ok((days, last))
}

fn weekdays(text: &str) -> Result<[u8; 7], CronError> {
    let mut weekdays = [0; 7];
    for part in text.split(',') {
        let (which, days) = if let Some((day, nth)) = part.split_once('#') {
            let nth: Option<u8> = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
            (1 << (nth.ok_or_else(|| WEEKDAY.refuse(part))? - 1), 1 << WEEKDAY.value(day, part)?)
        } else if let Some(day) = part.strip_suffix(['L', 'l']) {
            (LAST, 1 << WEEKDAY.value(day, part)?)
        } else {
            (EVERY, WEEKDAY.part(part)?)
        };
        for day in (0..8).filter(|day| days & (1 << day) != 0) {
            weekdays[day % 7] |= which;
        }
    }
    Ok(weekdays)
}

impl Cron {
    /// Whether a day fits, of a month of so many days. `weekday` counts from Sunday, 0.
    pub(super) fn fits_day(&self, day: u32, days: u32, weekday: usize) -> bool {
        let by_date = self.days & (1 << day) != 0 || (self.last_day && day == days);
        let nth = 1 << ((day - 1) / 7);
        let last = if day + 7 > days { LAST } else { 0 };
        let by_weekday = self.weekdays.get(weekday).is_some_and(|which| which & (nth | last) != 0);
        if self.either_day { by_date || by_weekday } else { by_date && by_weekday }
    }
}
