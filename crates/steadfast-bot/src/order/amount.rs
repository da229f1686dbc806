//! Exact numbers as people write them: whole, decimal, fraction, or beyond all use.

use std::cmp::Ordering;

/// Digits of a literal that are read; a longer one is [`Amount::Huge`].
const DIGITS_MAX: usize = 15;

/// A number that is never rounded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Amount {
    /// `num / den`, with `den` at least 1.
    Exact { num: u128, den: u128 },
    /// More than any order can hold.
    Huge,
}

impl Amount {
    pub(crate) const ONE: Self = Self::whole(1);
    pub(crate) const HALF: Self = Self::Exact { num: 1, den: 2 };

    pub(crate) const fn whole(value: u64) -> Self {
        Self::Exact { num: value as u128, den: 1 }
    }

    /// The decimal `whole.fraction`, both ASCII digits, either may be empty.
    pub(crate) fn decimal(whole: &str, fraction: &str) -> Self {
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        if whole.len() > DIGITS_MAX || fraction.len() > DIGITS_MAX {
            return Self::Huge;
        }
        let mut num: u128 = 0;
        for digit in whole.chars().chain(fraction.chars()).filter_map(|c| c.to_digit(10)) {
            num = num * 10 + u128::from(digit);
        }
        let places = u32::try_from(fraction.len()).unwrap_or(0);
        Self::Exact { num, den: 10_u128.pow(places) }
    }

    pub(crate) fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::Exact { num: a, den: b }, Self::Exact { num: c, den: d }) => {
                Self::checked(a.checked_mul(c), b.checked_mul(d))
            }
            _ => Self::Huge,
        }
    }

    /// The quotient; `None` when `other` is zero.
    pub(crate) fn over(self, other: Self) -> Option<Self> {
        match other {
            Self::Exact { num: 0, .. } | Self::Huge => None,
            Self::Exact { num, den } => Some(self.times(Self::Exact { num: den, den: num })),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Exact { num: a, den: b }, Self::Exact { num: c, den: d }) => {
                let left = a.checked_mul(d);
                let right = c.checked_mul(b);
                let sum = left.zip(right).and_then(|(left, right)| left.checked_add(right));
                Self::checked(sum, b.checked_mul(d))
            }
            _ => Self::Huge,
        }
    }

    fn checked(num: Option<u128>, den: Option<u128>) -> Self {
        match (num, den) {
            (Some(num), Some(den)) => Self::Exact { num, den },
            _ => Self::Huge,
        }
    }

    /// The value if it is a whole number that fits.
    pub(crate) fn as_whole(self) -> Option<u64> {
        match self {
            Self::Exact { num, den } if num % den == 0 => u64::try_from(num / den).ok(),
            _ => None,
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        matches!(self, Self::Exact { num: 0, .. })
    }

    /// Whether it has a part after the point.
    pub(crate) fn is_fractional(self) -> bool {
        matches!(self, Self::Exact { num, den } if num % den != 0)
    }

    /// Whether it is less than one.
    pub(crate) fn is_below_one(self) -> bool {
        matches!(self, Self::Exact { num, den } if num.cmp(&den) == Ordering::Less)
    }

    pub(crate) fn same_as(self, other: Self) -> bool {
        match (self, other) {
            (Self::Exact { num: a, den: b }, Self::Exact { num: c, den: d }) => {
                a.checked_mul(d).zip(c.checked_mul(b)).is_some_and(|(left, right)| left == right)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(Amount::decimal("0033", "").as_whole(), Some(33));
        assert_eq!(Amount::decimal("100000", "0").as_whole(), Some(100_000));
        assert!(Amount::decimal("", "77").is_fractional());
        assert!(Amount::decimal("0", "1").times(Amount::whole(10)).same_as(Amount::ONE));
        assert!(matches!(Amount::decimal(&"9".repeat(400), ""), Amount::Huge));
    }

    #[test]
    fn nothing_overflows() {
        let mut value = Amount::whole(u64::MAX);
        for _ in 0..8 {
            value = value.times(value).plus(Amount::HALF);
        }
        assert!(matches!(value, Amount::Huge));
        assert!(Amount::ONE.over(Amount::whole(0)).is_none());
    }
}
