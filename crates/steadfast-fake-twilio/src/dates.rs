//! The two date formats of Twilio's API: RFC 2822 in answers, ISO 8601 in list filters.

const DAY_SECONDS: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Thu, 24 Aug 2023 05:01:45 +0000`; a time outside the years 0 to 9999 is shown as the nearest one inside.
pub(crate) fn rfc2822(epoch_ms: i64) -> String {
    let seconds = epoch_ms.div_euclid(1_000).clamp(-62_167_219_200, 253_402_300_799);
    let days = seconds.div_euclid(DAY_SECONDS);
    let (year, month, day) = civil(days);
    let rest = seconds.rem_euclid(DAY_SECONDS);
    let weekday = WEEKDAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    format!(
        "{weekday}, {day:02} {month} {year:04} {:02}:{:02}:{:02} +0000",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// A moment or a whole day, as a list filter names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filter {
    /// First second meant, since the Unix epoch.
    pub(crate) from_s: i64,
    /// Last second meant: the same for a moment, the end of the day for a date.
    pub(crate) to_s: i64,
}

/// Reads `2026-11-20` or `2026-11-20T08:15:30Z` (fractions allowed and ignored); `None` for anything else.
pub(crate) fn parse_filter(text: &str) -> Option<Filter> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let midnight = days_from_civil(year, month, day) * DAY_SECONDS;
    let Some(time) = time else {
        return Some(Filter { from_s: midnight, to_s: midnight + DAY_SECONDS - 1 });
    };
    let time = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00")).unwrap_or(time);
    let time = match time.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit()) => whole,
        Some(_) => return None,
        None => time,
    };
    let mut parts = time.splitn(3, ':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |part| digits(part, 2))?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let moment = midnight + hour * 3_600 + minute * 60 + second;
    Some(Filter { from_s: moment, to_s: moment })
}

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn twilio_s_own_example() {
        assert_eq!(rfc2822(1_692_853_305_000), "Thu, 24 Aug 2023 05:01:45 +0000");
        assert_eq!(rfc2822(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(rfc2822(1_709_164_800_000), "Thu, 29 Feb 2024 00:00:00 +0000");
    }

    #[test]
    fn a_filter_is_a_moment_or_a_day() {
        let moment = parse_filter("2023-08-24T05:01:45Z").expect("valid");
        assert_eq!((moment.from_s, moment.to_s), (1_692_853_305, 1_692_853_305));
        assert_eq!(parse_filter("2023-08-24T05:01:45.123Z"), Some(moment));
        let day = parse_filter("1970-01-02").expect("valid");
        assert_eq!((day.from_s, day.to_s), (86_400, 172_799));
        for wrong in
            ["", "2023-13-01", "2023-02-29", "2023-08-24T25:00:00Z", "yesterday", "2023-08-24T05:01:45.x"]
        {
            assert_eq!(parse_filter(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,40}") {
            parse_filter(&text);
        }

        #[test]
        fn days_and_dates_are_inverse(days in -700_000_i64..2_900_000) {
            let (year, month, day) = civil(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
            prop_assert!((1..=days_in(year, month)).contains(&day));
        }

        #[test]
        fn any_time_can_be_shown(ms: i64) {
            prop_assert!(rfc2822(ms).ends_with("+0000"));
        }
    }
}
