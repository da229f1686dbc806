//! The two date forms that Twilio speaks: RFC 2822 in its answers, `YYYY-MM-DD` in its filters.

const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The UTC day of `at_ms`, as `YYYY-MM-DD`.
pub(crate) fn day(at_ms: i64) -> String {
    // Days to civil date by eras of 400 years that begin on a first of March.
    let days = at_ms.div_euclid(DAY_MS) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Milliseconds since the Unix epoch of a date such as `Thu, 24 Aug 2023 05:01:45 +0000` or `… GMT`.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let mut words = text.split_once(',').map_or(text, |(_, rest)| rest).split_whitespace();
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let zone = offset_minutes(words.next().unwrap_or("GMT"))?;
    let sound = (1..=31).contains(&day) && (1970..=9999).contains(&year) && (0..24).contains(&hour);
    if !sound || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    let days = days_to(year, i64::try_from(month).ok()? + 1, day);
    Some(((days * 24 + hour) * 60 + minute - zone) * 60_000 + second * 1_000)
}

fn offset_minutes(zone: &str) -> Option<i64> {
    if matches!(zone, "GMT" | "UTC" | "Z") {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number: i64 = digits.parse().ok().filter(|number| (0..=1_459).contains(number))?;
    Some(sign * (number / 100 * 60 + number % 100))
}

fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(-1), "1969-12-31");
        assert_eq!(day(1_709_164_800_000), "2024-02-29");
        assert_eq!(parse("Thu, 24 Aug 2023 05:01:45 +0000"), Some(1_692_853_305_000));
        assert_eq!(parse("Thu, 24 Aug 2023 07:01:45 +0200"), Some(1_692_853_305_000));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        for wrong in
            ["", "yesterday", "32 Foo 2023 05:01:45", "1 Jan 2023 25:00:00 GMT", "1 Jan 2023 1:2", "é, é"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn the_two_agree(at in 0_i64..4_000_000_000) {
            let shown = day(at * 1_000);
            let (year, rest) = shown.split_at(4);
            let month: usize = rest[1..3].parse().expect("digits");
            let text = format!("Xyz, {} {} {year} 00:00:00 GMT", &rest[4..], MONTHS[month - 1]);
            prop_assert_eq!(parse(&text), Some(at.div_euclid(86_400) * DAY_MS));
        }

        #[test]
        fn never_panics(text in "\\PC{0,60}", at in any::<i64>()) {
            let _ = parse(&text);
            let _ = day(at);
        }
    }
}
