//! Money in integer minor units.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount in the minor units of one currency (paisa, cents). Never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Amount in minor units.
    pub minor: i64,
    /// ISO 4217 code.
    pub currency: Currency,
}

/// A currency by its ISO 4217 code; two decimal places, which holds for all the catalogue may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Nepalese rupee, the demo catalogue's currency.
    pub const NPR: Self = Self(*b"NPR");

    /// Three upper-case letters.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        match code.as_bytes() {
            [a, b, c] if code.bytes().all(|byte| byte.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(MoneyError::Currency(code.chars().take(8).collect())),
        }
    }

    /// The code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

/// Why something is no money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three upper-case letters.
    #[error("{0:?} is no ISO 4217 currency code (three upper-case letters)")]
    Currency(String),
    /// Beyond what 64 bits of minor units hold.
    #[error("the amount is too large")]
    Overflow,
    /// Two currencies in one sum.
    #[error("amounts in {0} and {1} cannot be added")]
    Mixed(String, String),
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;
    fn try_from(code: String) -> Result<Self, MoneyError> {
        Self::parse(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl Money {
    /// `minor` minor units of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// This amount `quantity` times.
    pub fn times(self, quantity: u32) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(i64::from(quantity)).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The sum of two amounts of one currency.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency.code().to_owned(), other.currency.code().to_owned()));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        let (whole, cents) = (minor / 100, minor % 100);
        let digits = whole.to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        write!(f, "{} {sign}{grouped}", self.currency.code())?;
        if cents != 0 { write!(f, ".{cents:02}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_people_write_it() {
        let npr = |minor| Money::new(minor, Currency::NPR).to_string();
        assert_eq!(npr(12_000), "NPR 120");
        assert_eq!(npr(123_456_789), "NPR 1,234,567.89");
        assert_eq!(npr(-50), "NPR -0.50");
    }

    #[test]
    fn sums_neither_wrap_nor_mix() {
        let most = Money::new(i64::MAX, Currency::NPR);
        assert_eq!(most.times(2), Err(MoneyError::Overflow));
        let usd = Money::new(1, Currency::parse("USD").expect("valid"));
        assert!(matches!(most.plus(usd), Err(MoneyError::Mixed(..))));
    }
}
