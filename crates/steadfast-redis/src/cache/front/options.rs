//! How a cache works.

use crate::error::{Error, ErrorKind, Outcome, Result};
use std::time::Duration;
use steadfast_clock::{SharedClock, SystemClock};

/// How a [`Cache`](super::Cache) works. What happens while the server is away, and where the journal lies, is the
/// `fallback` section of the client's configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheOptions {
    /// What its keys on the server begin with. Nothing else may use keys that begin so.
    pub prefix: String,
    /// The lifetime of values that are set without one of their own. An hour.
    pub ttl: Duration,
    /// By what share of itself each lifetime is shortened at most, at random, so that values that were set together
    /// do not end together: 0 to 0.5. 0.
    pub ttl_jitter: f64,
    /// The bytes that values kept in this process may take, keys and a reckoned overhead included. 64 MiB.
    pub near_bytes_max: u64,
    /// The bytes that sets and hashes that were read may take in this process, for when Redis is away. 16 MiB.
    pub near_fields_bytes_max: u64,
    /// For how long a value kept in this process is served without asking the server. 30 s. Writes of other
    /// processes are heard of within milliseconds; this bounds how long one is not, if the message was lost
    /// unnoticed. Zero: the server is always asked first.
    pub near_ttl: Duration,
    /// For how much longer it may be served, marked as stale, when the server or the loader fails. An hour.
    pub stale_max: Duration,
    /// How long the server may take to answer a read for which there is a stale value to serve. 50 ms.
    pub redis_soft: Duration,
    /// How long it may take at all, for reads and writes. A second.
    pub redis_hard: Duration,
    /// How long a loader may take if there is a stale value to serve; the loading goes on. 100 ms.
    pub load_soft: Duration,
    /// How long it may take at all. 10 s.
    pub load_hard: Duration,
    /// How many loads may run at once in this process; the next one is refused. 1,024.
    pub loads_max: usize,
    /// After what share of a value's lifetime it is loaded anew in the background when it is asked for: 0 to 1. None:
    /// when it has ended. 0.8.
    pub refresh_after: Option<f64>,
    /// For how long this process remembers that a loader found nothing. None: not at all, which is the default.
    pub negative_ttl: Option<Duration>,
    /// How many calls must time out in a row for the server to count as away; a refused or lost connection needs no
    /// second. 3.
    pub failures_to_enter: u32,
    /// How many probes in a row must be answered for it to count as back. 3.
    pub probes_to_leave: u32,
    /// Whether processes tell each other of their writes. True.
    pub tell_others: bool,
    /// Where time comes from.
    pub clock: SharedClock,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            prefix: "cache:".to_owned(),
            ttl: Duration::from_secs(3_600),
            ttl_jitter: 0.0,
            near_bytes_max: 64 << 20,
            near_fields_bytes_max: 16 << 20,
            near_ttl: Duration::from_secs(30),
            stale_max: Duration::from_secs(3_600),
            redis_soft: Duration::from_millis(50),
            redis_hard: Duration::from_secs(1),
            load_soft: Duration::from_millis(100),
            load_hard: Duration::from_secs(10),
            loads_max: 1_024,
            refresh_after: Some(0.8),
            negative_ttl: None,
            failures_to_enter: 3,
            probes_to_leave: 3,
            tell_others: true,
            clock: SystemClock::shared(),
        }
    }
}

impl CacheOptions {
    /// The usual ones, for a cache whose keys begin with `prefix`.
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<()> {
        let checks = [
            (!self.prefix.is_empty(), "prefix must not be empty"),
            (
                !self.prefix.contains(['{', '}']),
                "prefix must not contain a brace: braces choose a cluster's slot",
            ),
            ((0.0..=0.5).contains(&self.ttl_jitter), "ttl_jitter must be in 0 to 0.5"),
            (
                self.refresh_after.is_none_or(|share| share > 0.0 && share <= 1.0),
                "refresh_after must be in 0 to 1",
            ),
            (self.ttl >= Duration::from_millis(1), "ttl must be at least 1 ms"),
            (!self.redis_hard.is_zero(), "redis_hard must not be zero"),
            (!self.load_hard.is_zero(), "load_hard must not be zero"),
            (self.loads_max > 0, "loads_max must be at least 1"),
            (
                self.failures_to_enter > 0 && self.probes_to_leave > 0,
                "failures_to_enter and probes_to_leave must be at least 1",
            ),
        ];
        let wrong: Vec<&str> = checks.iter().filter(|(holds, _)| !holds).map(|(_, what)| *what).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let why = format!("the cache's options cannot work: {}", wrong.join("; "));
        Err(Error::new(ErrorKind::Validation, "OPTIONS", Outcome::NotSent, why))
    }

    /// The lifetime that a value is given, in milliseconds.
    pub(super) fn ttl_ms(&self, ttl: Option<Duration>) -> u64 {
        let whole = u64::try_from(ttl.unwrap_or(self.ttl).as_millis()).unwrap_or(u64::MAX);
        if self.ttl_jitter == 0.0 {
            return whole;
        }
        // A share of a u64 of milliseconds is exact enough in a double.
        let less = (whole as f64 * self.ttl_jitter * fastrand::f64()) as u64;
        whole.saturating_sub(less).max(u64::from(whole > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_said_at_once() {
        let options = CacheOptions { ttl_jitter: 0.7, loads_max: 0, ..CacheOptions::with_prefix("a{b}") };
        let text = options.check().unwrap_err().to_string();
        assert!(
            text.contains("prefix") && text.contains("ttl_jitter") && text.contains("loads_max"),
            "{text}"
        );
        CacheOptions::default().check().unwrap();
    }

    #[test]
    fn lifetimes_differ_within_the_jitter() {
        let options = CacheOptions { ttl_jitter: 0.2, ..CacheOptions::default() };
        let ttls: Vec<u64> = (0..200).map(|_| options.ttl_ms(None)).collect();
        assert!(ttls.iter().all(|ttl| (2_880_000..=3_600_000).contains(ttl)));
        assert!(ttls.iter().max() > ttls.iter().min());
        assert_eq!(CacheOptions::default().ttl_ms(Some(Duration::from_millis(7))), 7);
    }
}
