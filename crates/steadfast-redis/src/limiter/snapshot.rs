//! A limiter at one moment.

use super::class::Class;
use super::gate::Limiter;
use std::time::Duration;

/// A limiter at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LimiterSnapshot {
    /// Calls that may be under way, a slow start included.
    pub limit: u32,
    /// Calls under way. Above the limit only just after that has shrunk.
    pub in_flight: u32,
    /// Whether a slow start is under way.
    pub slow_starting: bool,
    /// What calls took on average in the last window; `None` before the first.
    pub rtt_short: Option<Duration>,
    /// What they take in the long run; `None` before the first window.
    pub rtt_long: Option<Duration>,
    /// The classes, highest first.
    pub classes: [ClassView; 3],
}

/// A class at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassView {
    /// Which.
    pub class: Class,
    /// Its calls under way.
    pub in_flight: u32,
    /// The most that may be under way of it and all lower classes together.
    pub most: u32,
    /// Callers in its line.
    pub waiting: u32,
    /// Calls let through so far.
    pub admitted: u64,
    /// Callers refused so far. Those that gave up by themselves are not among them.
    pub shed: u64,
}

impl Limiter {
    /// What it knows now.
    pub fn snapshot(&self) -> LimiterSnapshot {
        let now_ms = self.shared.now_ms();
        let mut core = self.shared.core();
        let limit = core.limit(now_ms);
        let (rtt_short, rtt_long) = core.adaptive().rtt().unzip();
        let classes = Class::ALL.map(|class| {
            let standing = core.standing(class, limit);
            ClassView {
                class,
                in_flight: standing.in_flight,
                most: standing.most,
                waiting: standing.waiting,
                admitted: standing.admitted,
                shed: standing.shed,
            }
        });
        let (in_flight, slow_starting) = (core.in_flight(), core.is_slow_starting());
        LimiterSnapshot { limit, in_flight, slow_starting, rtt_short, rtt_long, classes }
    }
}
