use super::*;
use jiff::Timestamp;

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time").as_millisecond()
}

/// The times after `from`, as the clock of the zone shows them, with their offsets from UTC.
fn times(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let (cron, zone): (Cron, Zone) = (cron.parse().expect("sound"), Zone::named(zone).expect("known"));
    let next = |&at_ms: &i64| cron.next_after(&zone, at_ms);
    let times = std::iter::successors(cron.next_after(&zone, ms(from)), next).take(count);
    times.map(|at_ms| zone.show(at_ms)).collect()
}

#[test]
fn fields_mean_what_they_say() {
    let from = "2026-01-01T00:00:00Z";
    for (cron, expected) in [
        (
            "*/20 * * * *",
            vec!["2026-01-01T00:20:00+00:00", "2026-01-01T00:40:00+00:00", "2026-01-01T01:00:00+00:00"],
        ),
        (
            "5,50-52/2 3 * * *",
            vec!["2026-01-01T03:05:00+00:00", "2026-01-01T03:50:00+00:00", "2026-01-01T03:52:00+00:00"],
        ),
        ("*/30 0 0 1 1 *", vec!["2026-01-01T00:00:30+00:00", "2027-01-01T00:00:00+00:00"]),
        ("0 0 * * fri", vec!["2026-01-02T00:00:00+00:00", "2026-01-09T00:00:00+00:00"]),
        ("0 0 * * 7", vec!["2026-01-04T00:00:00+00:00"]),
        ("0 12 * FEB-apr/2 *", vec!["2026-02-01T12:00:00+00:00"]),
        ("0 0 29 2 *", vec!["2028-02-29T00:00:00+00:00", "2032-02-29T00:00:00+00:00"]),
        ("0 0 L * *", vec!["2026-01-31T00:00:00+00:00", "2026-02-28T00:00:00+00:00"]),
        ("0 0 * * 5L", vec!["2026-01-30T00:00:00+00:00", "2026-02-27T00:00:00+00:00"]),
        ("0 0 * * tue#2", vec!["2026-01-13T00:00:00+00:00", "2026-02-10T00:00:00+00:00"]),
        ("0 0 * * mon#5", vec!["2026-03-30T00:00:00+00:00", "2026-06-29T00:00:00+00:00"]),
        // Either day, and both if one begins with a star.
        (
            "0 0 13 * fri",
            vec!["2026-01-02T00:00:00+00:00", "2026-01-09T00:00:00+00:00", "2026-01-13T00:00:00+00:00"],
        ),
        ("0 0 */13 * fri", vec!["2026-02-27T00:00:00+00:00", "2026-03-27T00:00:00+00:00"]),
        ("@hourly", vec!["2026-01-01T01:00:00+00:00"]),
        ("@weekly", vec!["2026-01-04T00:00:00+00:00"]),
        ("@yearly", vec!["2027-01-01T00:00:00+00:00"]),
        (
            "10/20 * * * *",
            vec!["2026-01-01T00:10:00+00:00", "2026-01-01T00:30:00+00:00", "2026-01-01T00:50:00+00:00"],
        ),
    ] {
        assert_eq!(times(cron, "UTC", from, expected.len()), expected, "{cron}");
    }
}

#[test]
fn a_time_itself_does_not_come_after_itself() {
    let (cron, zone): (Cron, Zone) =
        ("0 0 * * *".parse().expect("sound"), Zone::named("utc").expect("known"));
    let midnight = ms("2026-01-01T00:00:00Z");
    assert_eq!(cron.next_after(&zone, midnight - 1), Some(midnight));
    assert_eq!(cron.next_after(&zone, midnight), Some(midnight + 86_400_000));
    assert_eq!(cron.next_after(&zone, i64::MIN), None);
    assert_eq!(cron.next_after(&zone, i64::MAX), None);
    assert_eq!(cron.next_after(&zone, -1), Some(0), "before 1970 too");
}

/// Berlin: on 29 March 2026 02:00 becomes 03:00.
#[test]
fn s31_a_time_that_the_clock_skips_fires_at_the_jump_once() {
    let from = "2026-03-28T12:00:00Z";
    for cron in ["30 2 * * *", "*/10 2 * * *", "0,30 2 * * *"] {
        let found = times(cron, "Europe/Berlin", from, 1);
        assert_eq!(found, ["2026-03-29T03:00:00+02:00"], "{cron}");
    }
    let found = times("30 2 * * *", "Europe/Berlin", from, 2);
    assert_eq!(found[1], "2026-03-30T02:30:00+02:00");
    // What is skipped and what follows at that very moment are one.
    let found = times("0 2,3 * * *", "Europe/Berlin", from, 2);
    assert_eq!(found, ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]);
}

/// Berlin: on 25 October 2026 03:00 becomes 02:00.
#[test]
fn s31_a_time_that_comes_twice_fires_the_first_time() {
    let from = "2026-10-24T12:00:00Z";
    let found = times("30 2 * * *", "Europe/Berlin", from, 2);
    assert_eq!(found, ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
    let found = times("*/30 1-3 * * *", "Europe/Berlin", from, 7);
    let shown: Vec<&str> = found.iter().map(|at| &at[11..]).collect();
    assert_eq!(
        shown,
        [
            "01:00:00+02:00",
            "01:30:00+02:00",
            "02:00:00+02:00",
            "02:30:00+02:00",
            "03:00:00+01:00",
            "03:30:00+01:00",
            "01:00:00+01:00"
        ]
    );
    // Asked in the middle of the second time.
    let (cron, zone): (Cron, Zone) =
        ("30 2 * * *".parse().expect("sound"), Zone::named("Europe/Berlin").expect("known"));
    let next = cron.next_after(&zone, ms("2026-10-25T01:10:00Z")).expect("one");
    assert_eq!(zone.show(next), "2026-10-26T02:30:00+01:00");
}

#[test]
fn s31_what_runs_through_the_day_keeps_its_rhythm() {
    for (from, zone) in [
        ("2026-03-28T23:00:00Z", "Europe/Berlin"),
        ("2026-10-24T23:00:00Z", "Europe/Berlin"),
        ("2026-03-08T05:00:00Z", "America/New_York"),
        ("2026-11-01T04:00:00Z", "America/New_York"),
    ] {
        let (quarters, found): (Cron, Zone) =
            ("*/15 * * * *".parse().expect("sound"), Zone::named(zone).expect("known"));
        let mut at_ms = ms(from);
        for _ in 0..24 {
            let next_ms = quarters.next_after(&found, at_ms).expect("one");
            assert_eq!(next_ms - at_ms, 900_000, "{zone} {from}");
            at_ms = next_ms;
        }
    }
    // Lord Howe Island changes by half an hour: at 02:00 it becomes 01:30, and hourly stays on the hour.
    let found = times("0 * * * *", "Australia/Lord_Howe", "2026-04-04T13:30:00Z", 3);
    assert_eq!(
        found,
        ["2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30", "2026-04-05T03:00:00+10:30"]
    );
}

#[test]
fn s31_a_day_that_never_was_fires_at_its_end() {
    // Samoa went from the 29th to the 31st of December 2011.
    let found = times("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 2);
    assert_eq!(found, ["2011-12-31T00:00:00+14:00", "2012-12-30T12:00:00+14:00"]);
    // In Havana, midnight is skipped: 00:00 becomes 01:00.
    let found = times("0 0 * * *", "America/Havana", "2026-03-07T12:00:00Z", 2);
    assert_eq!(found, ["2026-03-08T01:00:00-04:00", "2026-03-09T00:00:00-04:00"]);
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    let refused = |text: &str| match text.parse::<Cron>() {
        Err(error) => error.to_string(),
        Ok(cron) => panic!("{text}: {cron:?}"),
    };
    assert!(refused("").contains("this has 0"));
    assert!(refused("* * * *").contains("this has 4"));
    assert!(refused("* * * * * * *").contains("this has 7"));
    assert!(refused("60 * * * *").contains("\"60\" is no minute: it takes 0 to 59"));
    assert!(refused("* 24 * * *").contains("hour"));
    for text in [
        "*/0 * * * *",
        "5-1 * * * *",
        "1,,2 * * * *",
        "-1 * * * *",
        "+1 * * * *",
        "1-2-3 * * * *",
        "* * 0 * *",
        "* * * * 8",
        "* * * * 5#6",
        "* * * * L",
        "* * * foo *",
        "? * * * *",
        "* * * * 1/2/3",
    ] {
        refused(text);
    }
    assert_eq!("0 0 30 2 *".parse::<Cron>(), Err(CronError::Never));
    assert_eq!("0 0 31 4,6,9,11 *".parse::<Cron>(), Err(CronError::Never));
    assert!("0 0 30 2 mon".parse::<Cron>().is_ok(), "every Monday of February will do");
    assert_eq!("@reboot".parse::<Cron>(), Err(CronError::Word("@reboot".into())));
    assert!(matches!("0".repeat(300).parse::<Cron>(), Err(CronError::TooLong(300))));
    for zone in ["", "Mars/Olympus", "../../etc/passwd", "Europe/Berlin ", "CEST+1"] {
        assert!(matches!(Zone::named(zone), Err(CronError::Zone(_))), "{zone}");
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_said_is_read_or_refused(text in "[-0-9*/,#@LlWa-z ?]{0,40}") {
        let _ = text.parse::<Cron>();
    }

    /// What comes next comes after, fits, and nothing that fits lies between.
    #[test]
    fn the_next_time_is_the_first_that_fits(minute in 0_u32..60, step in 1_u32..30, hour in 0_u32..24, at in 0_i64..4_000_000_000_000) {
        for (text, zone) in [
            (format!("{minute} {hour} * * *"), "America/New_York"),
            (format!("*/{step} * * * *"), "Europe/Berlin"),
        ] {
            let (cron, zone): (Cron, Zone) = (text.parse().expect("sound"), Zone::named(zone).expect("known"));
            let next = cron.next_after(&zone, at).expect("one");
            proptest::prop_assert!(next > at && next - at <= 26 * 3_600_000);
            // From anywhere in between it is the same.
            proptest::prop_assert_eq!(cron.next_after(&zone, next - 1), Some(next));
            proptest::prop_assert_eq!(cron.next_after(&zone, at + (next - at) / 2), Some(next));
        }
    }
}
