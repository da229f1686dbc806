//! Times as people and programs read them.

const DAY_MS: i64 = 86_400_000;

/// `ms` since the Unix epoch as ISO 8601 in UTC with milliseconds: `2026-01-31T09:05:03.250Z`.
pub(crate) fn iso8601(ms: i64) -> String {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    let in_day = ms.rem_euclid(DAY_MS);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1_000 % 60, in_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads a time: milliseconds since the Unix epoch, or what [`iso8601`] writes, also without milliseconds, or the day
/// alone.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let number = |part: &str| match part.bytes().all(|byte| byte.is_ascii_digit()) {
        true => part.parse::<i64>().ok(),
        false => None,
    };
    let Some((year, rest)) = text.split_once('-') else { return number(text) };
    let (month, rest) = rest.split_once('-')?;
    let (day, time) = rest.split_once('T').unwrap_or((rest, "00:00:00Z"));
    let (time, milli) = match time.strip_suffix('Z')?.split_once('.') {
        Some((time, milli)) if milli.len() == 3 => (time, number(milli)?),
        Some(_) => return None,
        None => (time.strip_suffix('Z').unwrap_or(time), 0),
    };
    let (hour, rest) = time.split_once(':')?;
    let (minute, second) = rest.split_once(':').unwrap_or((rest, "0"));
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    let days = days_from_civil(year, month, day);
    let sound = (0..=9_999).contains(&year) && hour < 24 && minute < 60 && second < 60;
    // A month or a day that there is not leads to another one.
    if !sound
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || civil_from_days(days) != (year, month, day)
    {
        return None;
    }
    Some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000 + milli)
}

/// The inverse of [`civil_from_days`], for dates that there are.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let march_year = year.saturating_sub(i64::from(month <= 2));
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let march_month = if month > 2 { month.saturating_sub(3) } else { month.saturating_add(9) };
    let day_of_year = march_month.saturating_mul(153).saturating_add(2) / 5 + day.saturating_sub(1);
    let day_of_era = (year_of_era * 365 + year_of_era / 4 - year_of_era / 100).saturating_add(day_of_year);
    era.saturating_mul(146_097).saturating_add(day_of_era).saturating_sub(719_468)
}

/// Days since 1970-01-01 as year, month, day. Counts in years that begin in March, so that the leap day
/// is a year's last and every month's offset is one formula.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097; // 400 years
    let since_march_0 = days.saturating_add(719_468);
    let era = since_march_0.div_euclid(ERA_DAYS);
    let day_of_era = since_march_0.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso8601(ms), text);
        }
    }

    #[test]
    fn times_are_read_in_every_form_and_nothing_else_is() {
        for (text, ms) in [
            ("0", 0),
            ("1709251199999", 1_709_251_199_999),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("2024-02-29T23:59:59Z", 1_709_251_199_000),
            ("2024-02-29T23:59Z", 1_709_251_140_000),
            ("2024-03-01", 1_709_251_200_000),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
        for odd in [
            "",
            "-1",
            "now",
            "1h",
            "2024",
            "2024-02",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-32",
            "2024-02-29T24:00Z",
            "2024-02-29T23:60Z",
            "2024-02-29T23:59:60Z",
            "2024-02-29T23:59",
            "2024-02-29T",
            "2024-02-29T23:59:59.9Z",
            "2024-02-29T23Z",
            "99999999999999999999",
            "99999999999999999-01-01",
            "+5",
            "2024-02-29T+3:59Z",
            "９",
        ] {
            assert_eq!(parse(odd).filter(|_| odd != "2024"), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(ms in 0_i64..250_000_000_000_000) {
            prop_assert_eq!(parse(&iso8601(ms)), Some(ms));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-0-9TZ:.a]{0,30}") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_and_later_is_greater(ms in any::<i64>(), now in 0_i64..4_000_000_000_000, later in 1_i64..100_000_000_000) {
            let _ = iso8601(ms);
            prop_assert!(iso8601(now) < iso8601(now + later));
        }
    }
}
