//! The rule: a bucket that fills evenly. Pure; times in microseconds.
//!
//! The generic cell rate algorithm (ITU-T I.371) in its form with a theoretical arrival time: one number for each key,
//! no windows, and so no doubled burst where two windows meet.

use std::collections::HashMap;
use std::time::Duration;

/// How often it is looked whose bucket is full again, while there is no room for more keys.
const SWEEP_EVERY_US: u64 = 100_000;

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests in each `per`; at least 1.
    pub limit: u32,
    /// The time that `limit` is meant for; at least 1 ms.
    pub per: Duration,
    /// Requests that may come at once; at least 1. As many as `limit` allows a whole period's at its start.
    pub burst: u32,
}

impl Rate {
    /// `limit` requests in each `per`, all of them at once if need be.
    pub const fn new(limit: u32, per: Duration) -> Self {
        Self { limit, per, burst: limit }
    }

    /// What one request costs.
    pub(super) fn cost_us(self) -> u64 {
        let per_us = u64::try_from(self.per.as_micros()).unwrap_or(u64::MAX);
        (per_us / u64::from(self.limit.max(1))).max(1)
    }

    /// What may be used at once.
    pub(super) fn burst_us(self) -> u64 {
        self.cost_us().saturating_mul(u64::from(self.burst.max(1)))
    }

    /// This process's part of it, if `peers` share it.
    pub(super) fn share_of(self, peers: u32) -> Self {
        let peers = peers.max(1);
        Self { per: self.per.saturating_mul(peers), burst: (self.burst / peers).max(1), ..self }
    }
}

/// What the rule says to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) allowed: bool,
    pub(super) room_us: u64,
    pub(super) retry_us: u64,
    pub(super) reset_us: u64,
}

/// The rule for keys known to this process, as many as `keys_max`.
#[derive(Debug)]
pub(super) struct Local {
    arrivals: HashMap<String, u64>,
    keys_max: usize,
    /// When it is looked next whose bucket is full again.
    sweep_at_us: u64,
}

impl Local {
    pub(super) fn new(keys_max: usize) -> Self {
        Self { arrivals: HashMap::new(), keys_max: keys_max.max(1), sweep_at_us: 0 }
    }

    /// Decides on `count` requests. A key that is not known is refused while there is no room to know it: else whoever
    /// invents keys had no limit.
    pub(super) fn decide(&mut self, key: &str, rate: Rate, count: u32, now_us: u64) -> Ruling {
        let cost = rate.cost_us().saturating_mul(u64::from(count));
        let known = self.arrivals.get(key).copied();
        if known.is_none() && !self.has_room(now_us) {
            return Ruling {
                allowed: false,
                room_us: 0,
                retry_us: rate.cost_us(),
                reset_us: rate.burst_us(),
            };
        }
        let arrival = known.unwrap_or(now_us).max(now_us);
        let (after, burst) = (arrival.saturating_add(cost), rate.burst_us());
        let used = after - now_us;
        if used > burst {
            let room_us = burst.saturating_sub(arrival - now_us);
            return Ruling { allowed: false, room_us, retry_us: used - burst, reset_us: arrival - now_us };
        }
        self.arrivals.insert(key.to_owned(), after);
        Ruling { allowed: true, room_us: burst - used, retry_us: 0, reset_us: used }
    }

    /// Notes what the shared rule has ruled, so that it is not forgotten when this one takes over.
    pub(super) fn keep_warm(&mut self, key: &str, ruling: Ruling, now_us: u64) {
        if self.arrivals.contains_key(key) || self.has_room(now_us) {
            self.arrivals.insert(key.to_owned(), now_us.saturating_add(ruling.reset_us));
        }
    }

    fn has_room(&mut self, now_us: u64) -> bool {
        // Now and then: whoever invents keys must not make every call look at all that are known.
        if self.arrivals.len() >= self.keys_max && now_us >= self.sweep_at_us {
            self.sweep_at_us = now_us.saturating_add(SWEEP_EVERY_US);
            // Whose bucket is full again is as good as unknown.
            self.arrivals.retain(|_, arrival| *arrival > now_us);
        }
        self.arrivals.len() < self.keys_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN: Rate = Rate::new(10, Duration::from_secs(1));

    #[test]
    fn a_burst_then_the_even_rate() {
        let mut local = Local::new(100);
        assert!((0..10).all(|_| local.decide("a", TEN, 1, 0).allowed));
        let refused = local.decide("a", TEN, 1, 0);
        assert_eq!((refused.allowed, refused.retry_us), (false, 100_000));
        assert!(!local.decide("a", TEN, 1, 99_999).allowed);
        assert!(local.decide("a", TEN, 1, 100_000).allowed);
        assert!(local.decide("b", TEN, 10, 0).allowed, "each key has its own");
    }

    #[test]
    fn whoever_invents_keys_is_refused_when_memory_is_full() {
        let mut local = Local::new(2);
        assert!(local.decide("a", TEN, 1, 0).allowed && local.decide("b", TEN, 1, 0).allowed);
        assert!(!local.decide("c", TEN, 1, 0).allowed);
        assert!(local.decide("a", TEN, 1, 0).allowed, "who is known goes on");
        assert!(
            local.decide("c", TEN, 1, 300_000).allowed,
            "there is room when others' buckets are full again"
        );
    }

    /// While there is no room, most of those who invent keys are refused without a look at all that are known.
    #[test]
    fn what_is_known_is_swept_now_and_then() {
        let mut local = Local::new(2);
        assert!(local.decide("a", TEN, 1, 0).allowed && local.decide("b", TEN, 10, 0).allowed);
        assert!(!local.decide("c", TEN, 1, 10_000).allowed, "swept, and none was to go");
        assert!(!local.decide("c", TEN, 1, 105_000).allowed, "a could go, and it is not looked yet");
        assert!(local.decide("c", TEN, 1, 110_000).allowed);
    }

    #[test]
    fn a_share_is_a_part_of_rate_and_burst() {
        let share = TEN.share_of(5);
        assert_eq!((share.cost_us(), share.burst), (500_000, 2));
        assert_eq!(TEN.share_of(100).burst, 1);
    }

    proptest! {
        /// In any span no more than the burst and what the rate allows in it.
        #[test]
        fn never_more_than_the_rate(steps in proptest::collection::vec((0u64..300_000, 1u32..4), 1..200)) {
            let (mut local, mut now, mut allowed) = (Local::new(10), 0, Vec::new());
            for (pause, count) in steps {
                now += pause;
                if local.decide("a", TEN, count, now).allowed {
                    allowed.push((now, count));
                }
            }
            for (at, (from, _)) in allowed.iter().enumerate() {
                let mut sum = 0;
                for (to, count) in &allowed[at..] {
                    sum += u64::from(*count);
                    prop_assert!(sum <= 10 + (to - from) / 100_000 + 1);
                }
            }
        }
    }
}
