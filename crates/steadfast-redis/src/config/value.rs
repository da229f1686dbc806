//! Reads and shows single values: numbers with their unit, flags, texts, files, secrets.

use super::raw::Raw;
use super::secret::Secret;
use super::setting::Unit;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A setting's value, whatever its type.
pub(crate) trait Value {
    /// Reads it. The error says what it should have been, and never what it was.
    fn read(&mut self, raw: &Raw, unit: Unit) -> Result<(), String>;
    /// As shown to people: secrets starred, what is not set as `-`.
    fn show(&self) -> String;
    /// As written into an URL; nothing if it is not set.
    fn write(&self) -> Option<Zeroizing<String>>;
    /// The number, if it is one: for its range.
    fn number(&self) -> Option<u64> {
        None
    }
    /// Whether it may not be shown.
    fn is_secret(&self) -> bool {
        false
    }
}

impl Value for u64 {
    fn read(&mut self, raw: &Raw, unit: Unit) -> Result<(), String> {
        *self = match raw {
            Raw::Integer(number) => u64::try_from(*number).ok(),
            Raw::Float(number) => whole(*number),
            Raw::Text(text) => measured(text, unit),
            _ => None,
        }
        .ok_or_else(|| unit.expected().to_owned())?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn write(&self) -> Option<Zeroizing<String>> {
        Some(Zeroizing::new(self.to_string()))
    }

    fn number(&self) -> Option<u64> {
        Some(*self)
    }
}

impl Value for u32 {
    fn read(&mut self, raw: &Raw, unit: Unit) -> Result<(), String> {
        let mut wide = 0_u64;
        wide.read(raw, unit)?;
        *self = u32::try_from(wide).map_err(|_| format!("a whole number of at most {}", u32::MAX))?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn write(&self) -> Option<Zeroizing<String>> {
        Some(Zeroizing::new(self.to_string()))
    }

    fn number(&self) -> Option<u64> {
        Some((*self).into())
    }
}

impl Value for bool {
    fn read(&mut self, raw: &Raw, _: Unit) -> Result<(), String> {
        *self = match raw {
            Raw::Bool(flag) => Some(*flag),
            Raw::Integer(1) => Some(true),
            Raw::Integer(0) => Some(false),
            Raw::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true),
                "false" | "no" | "off" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
        .ok_or("true or false")?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn write(&self) -> Option<Zeroizing<String>> {
        Some(Zeroizing::new(self.to_string()))
    }
}

impl Value for String {
    fn read(&mut self, raw: &Raw, _: Unit) -> Result<(), String> {
        *self = text_of(raw)?;
        Ok(())
    }

    fn show(&self) -> String {
        format!("{self:?}")
    }

    fn write(&self) -> Option<Zeroizing<String>> {
        Some(Zeroizing::new(self.clone()))
    }
}

impl Value for Option<String> {
    fn read(&mut self, raw: &Raw, _: Unit) -> Result<(), String> {
        *self = Some(text_of(raw)?).filter(|text| !text.is_empty());
        Ok(())
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "-".to_owned(), |text| format!("{text:?}"))
    }

    fn write(&self) -> Option<Zeroizing<String>> {
        self.clone().map(Zeroizing::new)
    }
}

impl Value for Option<PathBuf> {
    fn read(&mut self, raw: &Raw, _: Unit) -> Result<(), String> {
        *self = Some(text_of(raw)?).filter(|text| !text.is_empty()).map(PathBuf::from);
        Ok(())
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string())
    }

    fn write(&self) -> Option<Zeroizing<String>> {
        self.as_ref().map(|path| Zeroizing::new(path.to_string_lossy().into_owned()))
    }
}

impl Value for Option<Secret> {
    fn read(&mut self, raw: &Raw, _: Unit) -> Result<(), String> {
        *self = match raw {
            Raw::Text(text) => Some(Secret::new(text.as_str())),
            // A password of digits alone, written without quotes.
            Raw::Integer(number) => Some(Secret::new(number.to_string())),
            _ => return Err("a text".to_owned()),
        }
        .filter(|secret| !secret.is_empty());
        Ok(())
    }

    fn show(&self) -> String {
        self.as_ref().map_or("-", |_| "***").to_owned()
    }

    fn write(&self) -> Option<Zeroizing<String>> {
        self.as_ref().map(|secret| Zeroizing::new(secret.expose().to_owned()))
    }

    fn is_secret(&self) -> bool {
        true
    }
}

fn text_of(raw: &Raw) -> Result<String, String> {
    match raw {
        Raw::Text(text) => Ok(text.as_str().to_owned()),
        Raw::Integer(number) => Ok(number.to_string()),
        _ => Err("a text".to_owned()),
    }
}

/// A float that is a whole number: some formats know no other numbers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number)).then_some(number as u64)
}

/// Digits with the unit's suffix: `750ms`, `5s`, `64MiB`. Digits alone are in the unit itself.
fn measured(text: &str, unit: Unit) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(split);
    let factor: u64 = match (unit, suffix.trim()) {
        (_, "") | (Unit::Ms, "ms") | (Unit::Bytes, "B") | (Unit::Percent, "%") => 1,
        (Unit::Ms, "s") => 1_000,
        (Unit::Ms, "m" | "min") => 60_000,
        (Unit::Ms, "h") => 3_600_000,
        (Unit::Ms, "d") => 86_400_000,
        (Unit::Bytes, "KiB") => 1 << 10,
        (Unit::Bytes, "MiB") => 1 << 20,
        (Unit::Bytes, "GiB") => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// Seconds, possibly a fraction, as milliseconds: for the names that count in seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
pub(crate) fn seconds_as_ms(raw: &Raw) -> Option<Raw> {
    let seconds = match raw {
        Raw::Integer(number) => return Some(Raw::Integer(number.checked_mul(1_000)?)),
        Raw::Float(number) => *number,
        Raw::Text(text) => match text.trim().parse::<f64>() {
            Ok(number) => number,
            // With a unit it says what it means.
            Err(_) => return Some(Raw::text(text)),
        },
        _ => return None,
    };
    let ms = (seconds * 1_000.0).round();
    (0.0..=9.0e15).contains(&ms).then_some(Raw::Integer((ms as u64).into()))
}

/// An enum that is written as one word.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal $(| $other:literal)*),+ $(,)? }) => {
        impl $crate::config::value::Value for $name {
            fn read(&mut self, raw: &$crate::config::raw::Raw, _: $crate::config::setting::Unit) -> Result<(), String> {
                let number;
                let text = match raw {
                    $crate::config::raw::Raw::Text(text) => text.trim(),
                    $crate::config::raw::Raw::Integer(value) => { number = value.to_string(); number.as_str() }
                    _ => "",
                };
                *self = match text {
                    $($word $(| $other)* => Self::$variant,)+
                    _ => return Err([$($word),+].join(" or ")),
                };
                Ok(())
            }

            fn show(&self) -> String {
                match self { $(Self::$variant => $word.to_owned(),)+ }
            }

            fn write(&self) -> Option<zeroize::Zeroizing<String>> {
                Some(zeroize::Zeroizing::new(self.show()))
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_their_unit_and_others_refused() {
        for (text, unit, want) in [
            ("750ms", Unit::Ms, Some(750)),
            (" 5s ", Unit::Ms, Some(5_000)),
            ("2h", Unit::Ms, Some(7_200_000)),
            ("1d", Unit::Ms, Some(86_400_000)),
            ("5", Unit::Ms, Some(5)),
            ("64MiB", Unit::Bytes, Some(64 << 20)),
            ("80%", Unit::Percent, Some(80)),
            ("5s", Unit::Bytes, None),
            ("-1", Unit::Ms, None),
            ("s", Unit::Ms, None),
            ("99999999999999999999", Unit::Count, None),
            ("18446744073709551615d", Unit::Ms, None),
        ] {
            let mut value = 0_u64;
            let read = value.read(&Raw::text(text), unit);
            assert_eq!(read.ok().map(|()| value), want, "{text}");
        }
    }

    #[test]
    fn seconds_become_milliseconds() {
        for (raw, want) in [
            (Raw::Float(5.0), Some(5_000)),
            (Raw::Float(0.25), Some(250)),
            (Raw::Integer(30), Some(30_000)),
            (Raw::text("1.5"), Some(1_500)),
            (Raw::text("200ms"), Some(200)),
            (Raw::Float(-1.0), None),
            (Raw::Float(f64::NAN), None),
            (Raw::Bool(true), None),
        ] {
            let mut value = 0_u64;
            let read = seconds_as_ms(&raw).and_then(|raw| value.read(&raw, Unit::Ms).ok());
            assert_eq!(read.map(|()| value), want);
        }
    }
}
