//! Ids and chances, both from one seed: two runs with the same seed and the same requests are alike.

use std::fmt;

/// A small generator (splitmix64): spreads well, costs nothing, and is not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u8) -> bool {
        self.next() % 100 < u64::from(percent)
    }

    pub(crate) fn sid(&mut self, prefix: Prefix) -> Sid {
        let high = u128::from(self.next());
        Sid { prefix, value: (high << 64) | u128::from(self.next()) }
    }

    /// A random UUID (version 4) by form.
    pub(crate) fn uuid(&mut self) -> uuid::Uuid {
        let high = u128::from(self.next());
        uuid::Builder::from_u128((high << 64) | u128::from(self.next()))
            .with_version(uuid::Version::Random)
            .with_variant(uuid::Variant::RFC4122)
            .into_uuid()
    }
}

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Prefix {
    /// A message without media.
    Sm,
    /// A message with media.
    Mm,
    /// A media file.
    Me,
}

/// An id of Twilio's: two letters and 32 hex digits. Kept as a number: there may be 200,000 of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sid {
    prefix: Prefix,
    value: u128,
}

impl Sid {
    /// Reads an id; `None` if it is not one of ours by form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (prefix, digits) = text.split_at_checked(2)?;
        let prefix = match prefix {
            "SM" => Prefix::Sm,
            "MM" => Prefix::Mm,
            "ME" => Prefix::Me,
            _ => return None,
        };
        if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(digits, 16).ok().map(|value| Self { prefix, value })
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.prefix {
            Prefix::Sm => "SM",
            Prefix::Mm => "MM",
            Prefix::Me => "ME",
        };
        write!(f, "{prefix}{:032x}", self.value)
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (mut first, mut second) = (Random::new(7), Random::new(7));
        assert_eq!(first.sid(Prefix::Sm), second.sid(Prefix::Sm));
        assert_ne!(first.sid(Prefix::Sm), Random::new(8).sid(Prefix::Sm));
        assert_eq!(first.uuid().get_version_num(), 4);
    }

    proptest! {
        #[test]
        fn an_id_survives_its_text(seed: u64) {
            let sid = Random::new(seed).sid(Prefix::Mm);
            prop_assert_eq!(Sid::parse(&sid.to_string()), Some(sid));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            Sid::parse(&text);
        }
    }
}
