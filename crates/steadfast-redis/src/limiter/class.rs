//! Who comes first, and what each may hold.

use std::fmt;

/// How much a call matters. The order is the priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What must get through when little does: accepting work, health.
    Critical,
    /// Everyday work.
    Normal,
    /// What can wait or be left out: dashboards, prefetching, replays.
    Background,
}

impl Class {
    /// All, highest first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Normal, Self::Background];

    /// A name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Normal => "normal",
            Self::Background => "background",
        }
    }

    pub(super) const fn place(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// How the limit is divided. Each above 0, together 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Always free of other classes.
    pub critical: f64,
    /// May be borrowed by critical calls.
    pub normal: f64,
    /// May be borrowed by both others.
    pub background: f64,
}

impl Default for Shares {
    /// A fifth critical, three fifths normal, a fifth background.
    fn default() -> Self {
        Self { critical: 0.2, normal: 0.6, background: 0.2 }
    }
}

/// A limit, divided: the most that may be under way of critical, normal and background calls together, of the latter
/// two, and of background calls alone.
///
/// Each at least 1, so that a tiny limit starves nobody; and 1 is left to critical calls where that is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Division([u32; 3]);

impl Division {
    pub(super) fn of(limit: u32, shares: &Shares) -> Self {
        let limit = limit.max(1);
        // A whole share may come out a hair too small: 0.7 + 0.1 of 10.
        let part = |share: f64| (f64::from(limit) * share + 1e-6) as u32;
        let normal = part(shares.normal + shares.background).clamp(1, limit.saturating_sub(1).max(1));
        let background = part(shares.background).clamp(1, normal);
        Self([limit, normal, background])
    }

    /// The most of `class`, with all lower ones.
    pub(super) const fn most(&self, class: Class) -> u32 {
        self.0[class.place()]
    }

    /// Whether one more of `class` may be let through.
    pub(super) fn fits(&self, class: Class, in_flight: &[u32; 3]) -> bool {
        // A call is one of its class, and of every higher class's room.
        (0..=class.place()).all(|place| in_flight[place..].iter().sum::<u32>() < self.0[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ten_are_two_six_two() {
        let ten = Division::of(10, &Shares::default());
        assert_eq!(ten, Division([10, 8, 2]));
        assert!(!ten.fits(Class::Background, &[0, 0, 2]));
        assert!(ten.fits(Class::Normal, &[0, 7, 0]), "normal borrows from background");
        assert!(!ten.fits(Class::Normal, &[0, 7, 1]));
        assert!(!ten.fits(Class::Background, &[0, 8, 0]), "what is borrowed is borrowed");
        assert!(ten.fits(Class::Critical, &[1, 7, 1]), "and never takes the critical share");
        assert!(ten.fits(Class::Critical, &[9, 0, 0]), "critical borrows all");
        assert!(!ten.fits(Class::Critical, &[2, 7, 1]));
    }

    #[test]
    fn tiny_limits_starve_nobody() {
        let one = Division::of(1, &Shares::default());
        for class in Class::ALL {
            assert!(one.fits(class, &[0, 0, 0]));
        }
        let two = Division::of(2, &Shares { critical: 0.02, normal: 0.49, background: 0.49 });
        assert!(!two.fits(Class::Normal, &[0, 1, 0]) && two.fits(Class::Critical, &[0, 1, 0]));
        assert_eq!(Division::of(0, &Shares::default()), one);
    }

    proptest! {
        #[test]
        fn every_division_leaves_room_for_each(limit in 1_u32..5_000, critical in 1_u32..98, rest in 1_u32..98) {
            let critical = f64::from(critical) / 100.0;
            let normal = (1.0 - critical) * f64::from(rest) / 100.0;
            let shares = Shares { critical, normal, background: 1.0 - critical - normal };
            let [all, lower, lowest] = Division::of(limit, &shares).0;
            prop_assert_eq!(all, limit);
            prop_assert!(1 <= lowest && lowest <= lower);
            prop_assert!(lower < limit || limit == 1);
            let owed = f64::from(limit) * critical;
            prop_assert!(limit == 1 || f64::from(limit - lower) > owed - 1.0, "the critical share is kept free");
        }
    }
}
