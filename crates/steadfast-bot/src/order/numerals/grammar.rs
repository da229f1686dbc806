//! How number words make a number. Each function reads as much as it can and says where it stopped.

use super::{Atom, Rules};

/// The value of `atoms`, if all of them together are one number in words.
pub(super) fn value(atoms: &[Atom], rules: Rules) -> Option<u64> {
    let worded = atoms.iter().any(|atom| !matches!(atom, Atom::Literal(_) | Atom::And));
    let literals_joined = rules.units_first && atoms.len() == 3;
    if !worded && !literals_joined {
        return None;
    }
    let reader = Reader { atoms, rules };
    if let [Atom::Zero] = atoms {
        return Some(0);
    }
    // "Cero dos": a leading zero says nothing.
    if let [Atom::Zero, Atom::Digit(digit)] = atoms {
        return Some(*digit);
    }
    let (value, end) = if rules.scale_first { reader.scales_first()? } else { reader.total()? };
    (end == atoms.len()).then_some(value)
}

struct Reader<'a> {
    atoms: &'a [Atom],
    rules: Rules,
}

impl Reader<'_> {
    fn at(&self, at: usize) -> Option<Atom> {
        self.atoms.get(at).copied()
    }

    fn skip_and(&self, at: usize) -> usize {
        at + usize::from(self.at(at) == Some(Atom::And))
    }

    /// Groups of up to three digits with falling scales.
    fn total(&self) -> Option<(u64, usize)> {
        let (mut sum, mut at, mut scale_before) = (0_u64, 0, u64::MAX);
        loop {
            let from = if at == 0 { 0 } else { self.skip_and(at) };
            if let Some(Atom::Fixed(value)) = self.at(from)
                && scale_before > 1_000
            {
                (sum, at, scale_before) = (sum.checked_add(value)?, from + 1, 1_000);
                continue;
            }
            let group = self.below_thousand(from);
            let behind = group.map_or(from, |(_, end)| end);
            match self.at(behind) {
                Some(Atom::Scale(scale)) if scale < scale_before => {
                    let count = group.map_or(1, |(value, _)| value);
                    sum = sum.checked_add(count.checked_mul(scale)?)?;
                    (at, scale_before) = (behind + 1, scale);
                }
                _ => {
                    return match group {
                        Some((value, end)) => Some((sum.checked_add(value)?, end)),
                        None => (at > 0).then_some((sum, at)),
                    };
                }
            }
        }
    }

    /// `elfu tatu na mia mbili na kumi`: each scale stands before its count.
    fn scales_first(&self) -> Option<(u64, usize)> {
        let (mut sum, mut at, mut scale_before) = (0_u64, 0, u64::MAX);
        loop {
            let from = if at == 0 { 0 } else { self.skip_and(at) };
            let scale = match self.at(from) {
                Some(Atom::Scale(scale)) => scale,
                Some(Atom::Hundred) => 100,
                _ => {
                    return match self.below_hundred(from) {
                        Some((value, end)) => Some((sum.checked_add(value)?, end)),
                        None => (at > 0).then_some((sum, at)),
                    };
                }
            };
            if scale >= scale_before {
                return None;
            }
            let (count, end) = match self.at(from + 1) {
                Some(Atom::And) | None => (1, from + 1),
                _ => self.below_hundred(from + 1)?,
            };
            sum = sum.checked_add(count.checked_mul(scale)?)?;
            (at, scale_before) = (end, scale);
        }
    }

    fn below_thousand(&self, at: usize) -> Option<(u64, usize)> {
        let (hundreds, behind) = match self.at(at)? {
            Atom::Hundreds(value) => (value, at + 1),
            Atom::Hundred => (100, at + 1),
            Atom::Zero if self.at(at + 1) == Some(Atom::Hundred) => (0, at + 2),
            _ => {
                let (value, end) = self.below_hundred(at)?;
                if self.at(end) == Some(Atom::Hundred) {
                    (value * 100, end + 1)
                } else {
                    return Some(self.bare_hundred(value, end));
                }
            }
        };
        Some(match self.below_hundred(self.skip_and(behind)) {
            Some((rest, end)) => (hundreds + rest, end),
            None => (hundreds, behind),
        })
    }

    /// `one twenty two` is 122 where the language speaks so.
    fn bare_hundred(&self, value: u64, end: usize) -> (u64, usize) {
        if self.rules.bare_hundred
            && (1..10).contains(&value)
            && end == 1
            && let Some((rest, behind)) = self.below_hundred(end)
            && rest >= 20
        {
            return (value * 100 + rest, behind);
        }
        (value, end)
    }

    fn below_hundred(&self, at: usize) -> Option<(u64, usize)> {
        match self.at(at)? {
            Atom::Below(value) => Some((value, at + 1)),
            Atom::Teen(10) => Some(self.ten_and_unit(at + 1)),
            Atom::Teen(value) => Some((value, at + 1)),
            Atom::TenEither => {
                Some(self.unit_behind(at + 1).map_or((10, at + 1), |(unit, end)| (10 + unit, end)))
            }
            Atom::PlusTen => Some((10, at + 1)),
            Atom::Tens(tens) => Some(self.tens(tens, at + 1)),
            Atom::Digit(digit) => Some(self.digit(digit, at + 1)),
            Atom::Literal(digit @ 1..=9) => Some(self.digit(digit, at + 1)),
            Atom::Literal(value @ 10..=999) => Some((value, at + 1)),
            _ => None,
        }
    }

    fn ten_and_unit(&self, at: usize) -> (u64, usize) {
        if self.rules.ten_unit
            && let Some((unit, end)) = self.unit_behind(self.skip_and(at))
        {
            return (10 + unit, end);
        }
        (10, at)
    }

    /// A unit at `at`.
    fn unit_behind(&self, at: usize) -> Option<(u64, usize)> {
        match self.at(at)? {
            Atom::Digit(unit) | Atom::Literal(unit @ 1..=9) => Some((unit, at + 1)),
            _ => None,
        }
    }

    fn tens(&self, tens: u64, at: usize) -> (u64, usize) {
        let joined = self.at(at) == Some(Atom::And);
        let allowed = if joined { self.rules.tens_joined } else { self.rules.tens_plain };
        if !allowed {
            return (tens, at);
        }
        let from = self.skip_and(at);
        // "Soixante et onze", "soixante dix huit".
        if self.rules.vigesimal
            && tens == 60
            && let Some(Atom::Teen(_)) = self.at(from)
            && let Some((teen, end)) = self.below_hundred(from)
        {
            return (tens + teen, end);
        }
        match self.unit_behind(from) {
            Some((unit, end)) => (tens + unit, end),
            None => (tens, at),
        }
    }

    fn digit(&self, digit: u64, at: usize) -> (u64, usize) {
        match self.at(at) {
            Some(Atom::TenTimes | Atom::TenEither) if digit > 1 || !self.rules.accents => {
                let tens = digit * 10;
                self.unit_behind(at + 1).map_or((tens, at + 1), |(unit, end)| (tens + unit, end))
            }
            Some(Atom::PlusTen) => (10 + digit, at + 1),
            // "Quatre vingt dix neuf".
            Some(Atom::Tens(20)) if self.rules.vigesimal && digit == 4 => {
                match (self.at(at + 1), self.below_hundred(at + 1)) {
                    (Some(Atom::Digit(_) | Atom::Teen(_) | Atom::Literal(1..=9)), Some((rest, end)))
                        if rest < 20 =>
                    {
                        (80 + rest, end)
                    }
                    _ => (80, at + 1),
                }
            }
            Some(Atom::And) if self.rules.units_first => match self.at(at + 1) {
                Some(Atom::Tens(tens)) => (tens + digit, at + 2),
                Some(Atom::Literal(tens @ 20..=90)) if tens % 10 == 0 => (tens + digit, at + 2),
                _ => (digit, at),
            },
            _ => (digit, at),
        }
    }
}
