//! Reads single values: durations, sizes, numbers, flags, lists. Pure; errors say what would do.

use std::time::Duration;

/// A duration: `250ms`, `2s`, `5m`, `1h`; a bare number has the unit `bare_ms` milliseconds.
pub(crate) fn duration(text: &str, bare_ms: u64) -> Result<Duration, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("{text:?} is no duration; write for instance 250ms, 2s, 5m or 1h"))?;
    let unit_ms = match unit.trim() {
        "" => bare_ms,
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => return Err(format!("{other:?} is no unit of time; use ms, s, m, h or d")),
    };
    let ms = number.checked_mul(unit_ms).filter(|&ms| ms <= 366 * 86_400_000);
    ms.map(Duration::from_millis).ok_or_else(|| format!("{text:?} is longer than a year"))
}

/// A duration within bounds.
pub(crate) fn duration_in(
    text: &str,
    bare_ms: u64,
    min: Duration,
    max: Duration,
) -> Result<Duration, String> {
    let value = duration(text, bare_ms)?;
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(format!("must be between {min:?} and {max:?}, not {value:?}"))
    }
}

/// A size in bytes: `1GiB`, `64MiB`, `16KiB`, or a bare number of bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: u64 =
        digits.parse().map_err(|_| format!("{text:?} is no size; write for instance 64MiB or 1GiB"))?;
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("{other:?} is no unit of size; use KiB, MiB or GiB")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large"))
}

/// A whole number within bounds.
pub(crate) fn number(text: &str, min: u64, max: u64) -> Result<u64, String> {
    match text.trim().parse::<u64>() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        Ok(value) => Err(format!("must be between {min} and {max}, not {value}")),
        Err(_) => Err(format!("{text:?} is no whole number between {min} and {max}")),
    }
}

/// Yes or no.
pub(crate) fn flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// One of several words.
pub(crate) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let wanted = text.trim().to_ascii_lowercase();
    words.iter().find(|(word, _)| *word == wanted).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("{text:?} is none of {}", known.join(", "))
    })
}

/// A rate: `80/1s`, or `80/1s burst 10`: how many, within how long, how many at once after a rest.
pub(crate) fn rate(text: &str) -> Result<(u32, Duration, u32), String> {
    let wrong = || format!("{text:?} is no rate; write for instance 80/1s, 3/60s or 80/1s burst 10");
    let (often, burst) = match text.split_once("burst") {
        Some((often, burst)) => (often, burst.trim().parse().map_err(|_| wrong())?),
        None => (text, 1),
    };
    let (jobs, per) = often.split_once('/').ok_or_else(wrong)?;
    let jobs = jobs.trim().parse().map_err(|_| wrong())?;
    Ok((jobs, duration(per, 1_000)?, burst))
}

/// The entries of a comma-separated list, trimmed, empty ones left out.
pub(crate) fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_and_sizes() {
        assert_eq!(duration("250ms", 1), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2000", 1), Ok(Duration::from_secs(2)));
        assert_eq!(duration("3600", 1_000), Ok(Duration::from_secs(3_600)));
        assert_eq!(duration("2 m", 1), Ok(Duration::from_secs(120)));
        assert!(duration("soon", 1).is_err() && duration("2 fortnights", 1).is_err());
        assert!(duration("99999999999999999999", 1).is_err() && duration("1000000000h", 1).is_err());
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert!(bytes("1TB").is_err());
        assert!(duration_in("1ms", 1, Duration::from_secs(1), Duration::from_secs(2)).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,40}") {
            let _ = (duration(&text, 1), bytes(&text), number(&text, 0, 9), flag(&text), list(&text));
        }
    }
}
