//! When a schedule fires: cron expressions in a time zone. Pure.
//!
//! ```text
//!   [second] minute hour day-of-month month day-of-week
//!    0-59     0-59  0-23      1-31     1-12     0-7         second: 0 unless six fields are given; 0 and 7: Sunday
//! ```
//! A field is a list, by commas, of `*`, `a`, `a-b`, each with `/n` for every nth; months and weekdays also go by
//! their first three letters. `L` as a day of the month is its last; `5L` and `5#2` as weekdays are the month's
//! last and second Friday. If neither day field begins with `*`, a day that fits either will do; else it must fit
//! both (as in Vixie's cron). Instead of fields: `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`,
//! `@midnight`, `@hourly`.
//!
//! # When clocks change
//! As the manual of Vixie's cron promises: what runs at given hours runs once for each. If the clock jumps over
//! its time, it fires at the jump, once; if its time comes twice, it fires the first time. What runs through the
//! day (the hour is `*`, `*/n`, or all 24) keeps its rhythm instead: it heeds what the clock shows, so nothing
//! fires for an hour that is skipped, and an hour that comes twice is worked twice.

mod field;
mod next;

pub(crate) use next::Zone;
use std::str::FromStr;

/// The longest expression, in bytes.
pub const CRON_BYTES_MAX: usize = 256;

/// A cron expression, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// Bit sets.
    seconds: u64,
    minutes: u64,
    hours: u32,
    days: u32,
    /// The last day of the month.
    last_day: bool,
    months: u16,
    /// Per weekday from Sunday: bits 0 to 4 for the first to fifth of the month, bit 5 for the last.
    weekdays: [u8; 7],
    /// A day may fit either day field.
    either_day: bool,
    /// The hour is `*`.
    through_the_day: bool,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five or six fields, and no known word.
    #[error("a cron expression has five fields, six with seconds, or is a word such as @daily; this has {0}")]
    Fields(usize),
    /// Longer than [`CRON_BYTES_MAX`].
    #[error("the cron expression has {0} bytes; {CRON_BYTES_MAX} may be")]
    TooLong(usize),
    /// A word that begins with @ and stands for nothing here.
    #[error("{0:?} stands for no schedule: use @yearly, @monthly, @weekly, @daily or @hourly")]
    Word(String),
    /// A part of a field.
    #[error("{part:?} is no {field}: it takes {takes}")]
    Part {
        /// Which field.
        field: &'static str,
        /// What was found.
        part: String,
        /// What may stand there.
        takes: &'static str,
    },
    /// No date fits, for instance the 30th of February.
    #[error("no day ever fits its day of month and month")]
    Never,
    /// No such zone.
    #[error("{0:?} is no time zone known here: use a name such as Europe/Berlin, or UTC")]
    Zone(String),
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        if text.len() > CRON_BYTES_MAX {
            return Err(CronError::TooLong(text.len()));
        }
        let text = text.trim();
        let text = match text.strip_prefix('@') {
            None => text,
            Some(word) => match word.to_ascii_lowercase().as_str() {
                "yearly" | "annually" => "0 0 1 1 *",
                "monthly" => "0 0 1 * *",
                "weekly" => "0 0 * * 0",
                "daily" | "midnight" => "0 0 * * *",
                "hourly" => "0 * * * *",
                _ => return Err(CronError::Word(text.to_owned())),
            },
        };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let (second, rest) = match fields.as_slice() {
            [_, _, _, _, _] => ("0", &fields[..]),
            [second, rest @ ..] if rest.len() == 5 => (*second, rest),
            other => return Err(CronError::Fields(other.len())),
        };
        field::read(second, rest)
    }
}

#[cfg(test)]
mod tests;
