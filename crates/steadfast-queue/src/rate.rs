//! How often something may begin: exact rates, pure, the clock passed in.
//!
//! The generic cell rate algorithm: a single number per limited thing, the *arrival* before which the next charge
//! would come too early. (ITU-T I.371; "virtual scheduling".) Times are monotonic milliseconds, so that a step of
//! the wall clock changes nothing. Arrivals are counted in fractions of a millisecond, `1/jobs` each, so that
//! nothing is ever rounded and a rate of 7 per second stays one.

use crate::job::GroupKey;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The longest span of a rate: 31 days, in milliseconds.
pub const PER_MS_MAX: u64 = 31 * 24 * 3_600_000;

/// At most `jobs` begin within any `per_ms`, and `burst - 1` more after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many, 1 or more.
    pub jobs: u32,
    /// Within how long, in milliseconds, 1 to [`PER_MS_MAX`].
    pub per_ms: u64,
    /// How many may begin at once after a rest, 1 or more. With 1 (the default) they are evenly spaced, and no
    /// span of `per_ms`, wherever it begins, holds more than `jobs`.
    #[serde(default = "one")]
    pub burst: u32,
}

const fn one() -> u32 {
    1
}

/// Why a rate cannot be kept to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Nothing may ever begin.
    #[error("jobs and burst must be 1 or more: to let nothing begin, pause the queue")]
    Nothing,
    /// The span is none, or too long.
    #[error("per_ms must be between 1 and {PER_MS_MAX}")]
    Span,
    /// The clock ticks in milliseconds, so `burst` is what can begin within one.
    #[error("more than one a millisecond needs a burst of {0} or more to be reached")]
    TooFine(u64),
}

impl Rate {
    /// `jobs` within any `per_ms`, evenly spaced.
    pub const fn new(jobs: u32, per_ms: u64) -> Self {
        Self { jobs, per_ms, burst: 1 }
    }

    /// Whether it can be kept to.
    ///
    /// # Errors
    /// See [`RateError`].
    pub fn check(&self) -> Result<(), RateError> {
        if self.jobs == 0 || self.burst == 0 {
            return Err(RateError::Nothing);
        }
        if self.per_ms == 0 || self.per_ms > PER_MS_MAX {
            return Err(RateError::Span);
        }
        let per_tick = u64::from(self.jobs).div_ceil(self.per_ms);
        if u64::from(self.burst) < per_tick {
            return Err(RateError::TooFine(per_tick));
        }
        Ok(())
    }

    fn at(&self, mono_ms: u64) -> u128 {
        u128::from(mono_ms) * u128::from(self.jobs)
    }

    /// The arrival of something that may have been charged in full a moment ago.
    fn exhausted(&self, mono_ms: u64) -> u128 {
        self.at(mono_ms) + u128::from(self.burst) * u128::from(self.per_ms)
    }

    /// How long until one more may begin, in milliseconds; 0 is now.
    fn wait_ms(&self, arrival: u128, mono_ms: u64) -> u64 {
        let slack = u128::from(self.burst.saturating_sub(1)) * u128::from(self.per_ms);
        let short = arrival.saturating_sub(slack).saturating_sub(self.at(mono_ms));
        u64::try_from(short.div_ceil(u128::from(self.jobs.max(1)))).unwrap_or(u64::MAX)
    }

    fn charged(&self, arrival: u128, mono_ms: u64) -> u128 {
        arrival.max(self.at(mono_ms)) + u128::from(self.per_ms)
    }
}

/// One charge, for giving it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    rate: Rate,
    before: u128,
    after: u128,
}

/// A group's arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    rate: Rate,
    at: u128,
}

impl Arrival {
    /// What it is once `charge` was given back.
    pub(crate) fn without(self, charge: Charge) -> Self {
        let last = self.rate == charge.rate && self.at == charge.after;
        if last { Self { at: charge.before, ..self } } else { self }
    }
}

/// The pace of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    rate: Rate,
    arrival: u128,
}

impl Pace {
    /// A pace whose past is not known: as if all that may be charged had been charged at `mono_ms`.
    pub fn unknown(rate: Rate, mono_ms: u64) -> Self {
        Self { rate, arrival: rate.exhausted(mono_ms) }
    }

    /// Its rate.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// How long until one more may begin, in milliseconds; 0 is now.
    pub fn wait_ms(&self, mono_ms: u64) -> u64 {
        self.rate.wait_ms(self.arrival, mono_ms)
    }

    /// Counts one that begins now.
    pub fn charge(&mut self, mono_ms: u64) -> Charge {
        let before = self.arrival;
        self.arrival = self.rate.charged(before, mono_ms);
        Charge { rate: self.rate, before, after: self.arrival }
    }

    /// Takes back the charge of one that did not run after all: the last one only, because what was charged
    /// after it was spaced by it.
    pub fn give_back(&mut self, charge: Charge) {
        if self.rate == charge.rate && self.arrival == charge.after {
            self.arrival = charge.before;
        }
    }
}

/// How many groups are remembered before it is first looked which may be forgotten.
const GROUPS_MIN: usize = 64;

/// The paces of a queue's groups. Only those that were charged lately take memory.
#[derive(Clone, Debug)]
pub struct GroupPaces {
    rate: Rate,
    /// The arrival of a group that is not among the known: nobody knows what it did before.
    unknown: u128,
    known: HashMap<GroupKey, u128>,
    /// When so many are known, those at rest are forgotten.
    forget_at: usize,
}

impl GroupPaces {
    /// Paces of which nothing is known before `mono_ms`.
    pub fn unknown(rate: Rate, mono_ms: u64) -> Self {
        Self { rate, unknown: rate.exhausted(mono_ms), known: HashMap::new(), forget_at: GROUPS_MIN }
    }

    /// The rate of each.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// How many take memory.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    fn arrival(&self, group: &GroupKey) -> u128 {
        self.known.get(group).copied().unwrap_or(self.unknown)
    }

    /// How long until one more of `group` may begin, in milliseconds; 0 is now.
    pub fn wait_ms(&self, group: &GroupKey, mono_ms: u64) -> u64 {
        self.rate.wait_ms(self.arrival(group), mono_ms)
    }

    /// Counts one of `group` that begins now.
    pub fn charge(&mut self, group: GroupKey, mono_ms: u64) -> Charge {
        let before = self.arrival(&group);
        let after = self.rate.charged(before, mono_ms);
        self.known.insert(group, after);
        if self.known.len() > self.forget_at {
            // Those at rest are as if never charged; the unknown are at rest before any of them.
            let now = self.rate.at(mono_ms);
            self.known.retain(|_, &mut arrival| arrival > now);
            self.forget_at = (self.known.len() * 2).max(GROUPS_MIN);
            self.known.shrink_to(self.forget_at);
        }
        Charge { rate: self.rate, before, after }
    }

    /// The arrival of `group`, for looking at what a charge given back would leave.
    pub(crate) fn arrival_of(&self, group: &GroupKey) -> Arrival {
        Arrival { rate: self.rate, at: self.arrival(group) }
    }

    /// As [`GroupPaces::wait_ms`], of a group that has this arrival.
    pub(crate) fn wait_from_ms(&self, arrival: Arrival, mono_ms: u64) -> u64 {
        self.rate.wait_ms(arrival.at, mono_ms)
    }

    /// As [`Pace::give_back`].
    pub fn give_back(&mut self, group: &GroupKey, charge: Charge) {
        let known = self.known.get_mut(group).filter(|arrival| **arrival == charge.after);
        if let (Some(arrival), true) = (known, self.rate == charge.rate) {
            *arrival = charge.before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GROUP: GroupKey = GroupKey([7; 16]);

    #[test]
    fn seven_a_second_are_spaced_without_rounding() {
        let mut pace = Pace::unknown(Rate::new(7, 1_000), 0);
        let mut begun = Vec::new();
        for ms in 0..=10_000 {
            if pace.wait_ms(ms) == 0 {
                pace.charge(ms);
                begun.push(ms);
            }
        }
        assert_eq!(&begun[..4], &[143, 286, 429, 572]);
        assert_eq!(begun.len(), 69, "each a fraction late, because the clock ticks in milliseconds");
    }

    #[test]
    fn a_rate_says_exactly_how_long_to_wait() {
        let mut pace = Pace::unknown(Rate { jobs: 2, per_ms: 100, burst: 2 }, 0);
        assert_eq!(pace.wait_ms(0), 50);
        assert_eq!(pace.wait_ms(100), 0);
        pace.charge(100);
        assert_eq!(pace.wait_ms(100), 0, "two after a rest");
        let second = pace.charge(100);
        assert_eq!((pace.wait_ms(100), pace.wait_ms(149), pace.wait_ms(150)), (50, 1, 0));
        pace.give_back(second);
        assert_eq!(pace.wait_ms(100), 0);
    }

    #[test]
    fn only_the_last_charge_is_given_back() {
        let mut pace = Pace::unknown(Rate { jobs: 1, per_ms: 100, burst: 3 }, 0);
        let first = pace.charge(1_000);
        pace.charge(1_000);
        let before = pace;
        pace.give_back(first);
        assert_eq!(pace, before);
    }

    #[test]
    fn groups_at_rest_are_forgotten() {
        let mut paces = GroupPaces::unknown(Rate::new(1, 1_000), 0);
        for no in 0..100_000_u32 {
            let mut key = [0; 16];
            key[..4].copy_from_slice(&no.to_be_bytes());
            paces.charge(GroupKey(key), 1_000 + u64::from(no));
        }
        // A thousand are charged within a second.
        assert!(paces.known() <= 2_001, "{}", paces.known());
        assert_eq!(paces.wait_ms(&GROUP, 101_000), 0);
    }

    #[test]
    fn what_cannot_be_kept_to_is_refused() {
        for (jobs, per_ms, burst, error) in [
            (0, 1, 1, RateError::Nothing),
            (1, 1, 0, RateError::Nothing),
            (1, 0, 1, RateError::Span),
            (1, PER_MS_MAX + 1, 1, RateError::Span),
            (2_500, 1_000, 2, RateError::TooFine(3)),
        ] {
            assert_eq!(Rate { jobs, per_ms, burst }.check(), Err(error));
        }
        assert_eq!(Rate { jobs: 2_500, per_ms: 1_000, burst: 3 }.check(), Ok(()));
        let read: Rate = serde_json::from_str(r#"{"jobs": 3, "per_ms": 60000}"#).expect("reads");
        assert_eq!(read, Rate::new(3, 60_000));
    }

    proptest! {
        /// Whoever asks whenever, gives back what he likes of what was last charged, and restarts: no span of
        /// `per_ms` holds more than `jobs + burst - 1` that ran, and a wait is exact.
        #[test]
        fn no_span_holds_more(
            (jobs, per_ms, burst) in (1_u32..20, 1_u64..500, 1_u32..5),
            steps in proptest::collection::vec((0_u64..60, 0_u8..12), 1..400),
        ) {
            let rate = Rate { jobs, per_ms, burst };
            let mut paces = GroupPaces::unknown(rate, 0);
            let (mut now, mut ran) = (0, Vec::new());
            for (pass, act) in steps {
                now += pass;
                let wait = paces.wait_ms(&GROUP, now);
                if wait > 0 {
                    prop_assert!(paces.wait_ms(&GROUP, now + wait - 1) > 0);
                    prop_assert_eq!(paces.wait_ms(&GROUP, now + wait), 0);
                } else if act == 0 {
                    paces = GroupPaces::unknown(rate, now);
                } else {
                    let charge = paces.charge(GROUP, now);
                    if act == 1 { paces.give_back(&GROUP, charge) } else { ran.push(now) }
                }
            }
            for (from, &start) in ran.iter().enumerate() {
                let held = ran[from..].iter().take_while(|&&at| at < start + per_ms).count();
                prop_assert!(held < (jobs + burst) as usize, "{held} from {start}");
            }
        }
    }
}
