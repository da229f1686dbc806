//! The figures of one cache, for the `metrics` facade. A cache is named by its prefix.

use crate::cache::Report;
use metrics::{Counter, Gauge};
use std::fmt;

/// How a read was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// By what this process knew, and was fresh.
    Near,
    /// By the server.
    Redis,
    /// By what was written here and waits to be sent back.
    Fallback,
    /// By the loader.
    Loader,
    /// By what may be outdated.
    Stale,
    /// There is nothing, or nothing is known.
    Nothing,
    /// By an error.
    Failed,
}

const READINGS: [&str; 7] = ["near", "redis", "fallback", "loader", "stale", "nothing", "failed"];
const ANSWERS: [&str; 6] = ["applied", "superseded", "expired", "merged", "conflicted", "unanswered"];
const KINDS: [&str; 2] = ["reads", "writes"];

/// The handles of one cache.
pub(crate) struct CacheMeter {
    reads: [Counter; READINGS.len()],
    synced: [Counter; ANSWERS.len()],
    outages: [Counter; KINDS.len()],
    away: [Gauge; KINDS.len()],
    waiting: Gauge,
}

impl CacheMeter {
    pub(crate) fn new(cache: &str) -> Self {
        let counter = |name: &'static str, label: &'static str, value: &'static str| metrics::counter!(name, "cache" => cache.to_owned(), label => value);
        Self {
            reads: READINGS.map(|outcome| counter("steadfast_redis_cache_reads_total", "outcome", outcome)),
            synced: ANSWERS.map(|outcome| counter("steadfast_redis_cache_synced_total", "outcome", outcome)),
            outages: KINDS.map(|kind| counter("steadfast_redis_cache_outages_total", "kind", kind)),
            away: KINDS.map(|kind| {
                metrics::gauge!("steadfast_redis_cache_away_flag", "cache" => cache.to_owned(), "kind" => kind)
            }),
            waiting: metrics::gauge!("steadfast_redis_cache_waiting_count", "cache" => cache.to_owned()),
        }
    }

    pub(crate) fn read(&self, how: Reading) {
        self.reads[how as usize].increment(1);
    }

    /// What came of sending back, since it was told last.
    pub(crate) fn synced(&self, new: &Report) {
        let counts = [new.applied, new.superseded, new.expired, new.merged, new.conflicted, new.unanswered];
        for (counter, count) in self.synced.iter().zip(counts) {
            counter.increment(count);
        }
    }

    /// Reads or writes do without the server from now on, or with it again.
    pub(crate) fn away(&self, is_write: bool, is_away: bool) {
        let kind = usize::from(is_write);
        self.away[kind].set(f64::from(u8::from(is_away)));
        self.outages[kind].increment(u64::from(is_away));
    }

    /// How many keys have something to be sent back.
    pub(crate) fn waiting(&self, keys: usize) {
        self.waiting.set(keys as f64);
    }
}

impl fmt::Debug for CacheMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheMeter").finish_non_exhaustive()
    }
}
