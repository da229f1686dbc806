//! Limits on what bad requests may cost. Good requests never meet them.

use crate::network::peer_key;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Tokens in thousandths, so that a rate of one per second refills by the millisecond.
const TOKEN: u64 = 1_000;

/// A token bucket: bursts up to its size, then a steady rate.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: u64,
    at_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u64,
    per_second: u64,
}

impl Rate {
    fn full(self, now_ms: u64) -> Bucket {
        Bucket { level: self.burst * TOKEN, at_ms: now_ms }
    }

    fn refill(self, bucket: &mut Bucket, now_ms: u64) {
        let gained = now_ms.saturating_sub(bucket.at_ms).saturating_mul(self.per_second);
        bucket.level = bucket.level.saturating_add(gained).min(self.burst * TOKEN);
        bucket.at_ms = now_ms.max(bucket.at_ms);
    }

    fn take(self, bucket: &mut Bucket, now_ms: u64) -> bool {
        self.refill(bucket, now_ms);
        if bucket.level < TOKEN {
            return false;
        }
        bucket.level -= TOKEN;
        true
    }
}

/// Counts something per address. Bounded: where there are too many addresses, further ones share one count.
#[derive(Debug)]
pub(crate) struct PeerLimiter {
    rate: Rate,
    peers_max: usize,
    state: Mutex<Peers>,
}

#[derive(Debug)]
struct Peers {
    by_address: HashMap<IpAddr, Bucket>,
    all_others: Bucket,
    swept_ms: u64,
}

impl PeerLimiter {
    pub(crate) fn new(burst: u32, per_second: u32, peers_max: usize) -> Self {
        let rate = Rate { burst: u64::from(burst), per_second: u64::from(per_second) };
        let state = Peers { by_address: HashMap::new(), all_others: rate.full(0), swept_ms: 0 };
        Self { rate, peers_max, state: Mutex::new(state) }
    }

    /// Whether `peer` may do it once more now. `now_ms` is a monotonic reading.
    pub(crate) fn allow(&self, peer: IpAddr, now_ms: u64) -> bool {
        let peer = peer_key(peer);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Peers { by_address, all_others, swept_ms } = &mut *state;
        if let Some(bucket) = by_address.get_mut(&peer) {
            return self.rate.take(bucket, now_ms);
        }
        // An address whose bucket is full again is as good as forgotten. Swept at most once a second, so
        // that a flood from many addresses does not pay for a sweep with each request.
        if by_address.len() >= self.peers_max && now_ms >= *swept_ms + 1_000 {
            *swept_ms = now_ms;
            let full = self.rate.burst * TOKEN;
            by_address.retain(|_, bucket| {
                self.rate.refill(bucket, now_ms);
                bucket.level < full
            });
        }
        if by_address.len() >= self.peers_max {
            return self.rate.take(all_others, now_ms);
        }
        let mut bucket = self.rate.full(now_ms);
        let allowed = self.rate.take(&mut bucket, now_ms);
        by_address.insert(peer, bucket);
        allowed
    }
}

/// Limits how often something is said, and counts what was not.
#[derive(Debug)]
pub(crate) struct LogLimiter {
    rate: Rate,
    state: Mutex<(Bucket, u64)>,
}

impl LogLimiter {
    pub(crate) fn new(per_second: u32) -> Self {
        let rate = Rate { burst: u64::from(per_second).saturating_mul(2), per_second: u64::from(per_second) };
        Self { rate, state: Mutex::new((rate.full(0), 0)) }
    }

    /// If it may be said now: how many times it was not said since the last time.
    pub(crate) fn allow(&self, now_ms: u64) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (bucket, unsaid) = &mut *state;
        if self.rate.take(bucket, now_ms) {
            Some(std::mem::take(unsaid))
        } else {
            *unsaid += 1;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u32) -> IpAddr {
        IpAddr::from(0xc000_0200_u32.wrapping_add(last).to_be_bytes())
    }

    #[test]
    fn a_burst_then_a_rate() {
        let limiter = PeerLimiter::new(3, 1, 10);
        let allowed = (0..5).filter(|_| limiter.allow(ip(1), 0)).count();
        assert_eq!(allowed, 3);
        assert!(!limiter.allow(ip(1), 999));
        assert!(limiter.allow(ip(1), 1_000));
        assert!(!limiter.allow(ip(1), 1_001));
        assert!(limiter.allow(ip(2), 0), "others are not concerned");
    }

    #[test]
    fn the_map_is_bounded_and_forgets() {
        let limiter = PeerLimiter::new(2, 1, 100);
        let allowed = (0..1_000).filter(|&n| limiter.allow(ip(n), 5_000)).count();
        assert_eq!(allowed, 102, "a hundred apart, the others together");
        assert_eq!(limiter.state.lock().expect("lock").by_address.len(), 100);
        assert!(limiter.allow(ip(5_000), 10_000), "room again");
        assert_eq!(limiter.state.lock().expect("lock").by_address.len(), 1);
    }

    #[test]
    fn what_was_not_said_is_counted() {
        let limiter = LogLimiter::new(1);
        assert_eq!([0; 5].map(|_| limiter.allow(0)), [Some(0), Some(0), None, None, None]);
        assert_eq!(limiter.allow(1_000), Some(3));
    }
}
