//! The sliding window: results by time, counted without a lock.
//!
//! Each bucket has three counters (calls, failed, slow), each a word of its own that carries the *stamp* of the bucket
//! it counts for. Whoever counts first under a newer stamp starts the counter afresh in the same step, so nothing is
//! swept, nobody waits, and no count is lost between sweep and count.
//!
//! A stamp is `time in buckets + 64 · epoch`, and a window has at most 60 buckets. So with every new epoch all older
//! counters fall out of the window, and a late result, which counts under its own epoch's stamp, can never get in.

use super::config::BreakerConfig;
use crate::retry::sync::{AtomicU64, Ordering};
use std::fmt;

/// The most buckets a window may have.
pub(super) const BUCKETS_MAX: u32 = 60;
/// How far stamps of two epochs are apart at the same time: more than a window.
const EPOCH_STRIDE: u64 = 64;
/// A counter's share of its word: 24 bits, 16 million per bucket. The stamp has 40 bits.
const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// The window's counters.
pub(super) struct Ring {
    buckets: Box<[Bucket]>,
    /// Length of a bucket in milliseconds, and how many there are: both change together.
    shape: AtomicU64,
}

struct Bucket {
    calls: AtomicU64,
    failed: AtomicU64,
    slow: AtomicU64,
}

/// Buckets of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub buckets: u32,
    pub bucket_ms: u64,
}

/// One result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub failed: bool,
    pub slow: bool,
}

/// Results of a window. A result counts as failed or slow only if it is among the calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub calls: u64,
    pub failed: u64,
    pub slow: u64,
}

impl Ring {
    pub(super) fn new(shape: Shape) -> Self {
        // As many as there may ever be, so that the shape can change under traffic.
        Self::with_room(BUCKETS_MAX, shape)
    }

    fn with_room(buckets: u32, shape: Shape) -> Self {
        let zero = || AtomicU64::new(0);
        let buckets = (0..buckets).map(|_| Bucket { calls: zero(), failed: zero(), slow: zero() });
        Self { buckets: buckets.collect(), shape: AtomicU64::new(shape.packed()) }
    }

    /// Counts one result of a call admitted in `epoch`. Says how many calls its bucket has now; `None` if it was not
    /// counted, because it came too late or because the bucket has 16 million already.
    ///
    /// `now_ms` was read before this call: under an older shape only an older time may be counted.
    pub(super) fn record(&self, now_ms: u64, epoch: u64, mark: Mark) -> Option<u64> {
        let shape = self.shape();
        let stamp = shape.stamp(now_ms, epoch);
        let bucket = self.buckets.get(shape.place(stamp))?;
        // First the call, then what was wrong with it: a reader that looks the other way round sees no failure
        // without its call. A full bucket keeps its rates.
        let calls = count(&bucket.calls, stamp)?;
        if mark.failed {
            count(&bucket.failed, stamp);
        }
        if mark.slow {
            count(&bucket.slow, stamp);
        }
        Some(calls)
    }

    /// The results of the window that ends now.
    pub(super) fn totals(&self, now_ms: u64, epoch: u64) -> Totals {
        let shape = self.shape();
        let newest = shape.stamp(now_ms, epoch);
        let oldest = (newest + 1).saturating_sub(u64::from(shape.buckets));
        let mut totals = Totals::default();
        for bucket in self.buckets.iter().take(shape.buckets as usize) {
            let failed = bucket.failed.load(Ordering::Acquire);
            let slow = bucket.slow.load(Ordering::Acquire);
            let (stamp, calls) = parts(bucket.calls.load(Ordering::Acquire));
            if stamp < oldest {
                continue;
            }
            totals.calls += calls;
            // A counter that belongs to another round of the ring than the calls do says nothing about them.
            let of_these = |word| if parts(word).0 == stamp { parts(word).1 } else { 0 };
            totals.failed += of_these(failed);
            totals.slow += of_these(slow);
        }
        totals
    }

    pub(super) fn shape(&self) -> Shape {
        Shape::unpacked(self.shape.load(Ordering::Acquire))
    }

    /// Changes the shape, and says from which epoch on it may be used: the window is empty from there. Called under
    /// the breaker's lock, before that epoch is published.
    pub(super) fn reshape(&self, shape: Shape, now_ms: u64, epoch: u64) -> u64 {
        // Longer buckets mean a smaller time in buckets: skip as many epochs as keep the stamps growing.
        let beyond = self.shape().stamp(now_ms, epoch) + EPOCH_STRIDE;
        let missing = beyond.saturating_sub(shape.stamp(now_ms, epoch));
        self.shape.store(shape.packed(), Ordering::Release);
        epoch + missing.div_ceil(EPOCH_STRIDE).max(1)
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("shape", &self.shape()).finish_non_exhaustive()
    }
}

impl Shape {
    pub(super) fn of(config: &BreakerConfig) -> Self {
        let bucket_ms = u64::try_from(config.bucket.as_millis()).unwrap_or(u64::MAX);
        Self { buckets: config.buckets, bucket_ms }
    }

    const fn packed(self) -> u64 {
        self.bucket_ms << 8 | self.buckets as u64
    }

    const fn unpacked(word: u64) -> Self {
        Self { buckets: (word & 0xFF) as u32, bucket_ms: word >> 8 }
    }

    fn stamp(self, now_ms: u64, epoch: u64) -> u64 {
        now_ms.checked_div(self.bucket_ms).unwrap_or(0) + epoch * EPOCH_STRIDE
    }

    fn place(self, stamp: u64) -> usize {
        stamp.checked_rem(u64::from(self.buckets)).unwrap_or(0) as usize
    }
}

const fn parts(word: u64) -> (u64, u64) {
    (word >> COUNT_BITS, word & COUNT_MASK)
}

/// Adds one under `stamp`; what was counted under an older stamp is gone with it. `None` if the counter is already
/// used under a newer stamp, or full.
fn count(counter: &AtomicU64, stamp: u64) -> Option<u64> {
    let mut seen = counter.load(Ordering::Relaxed);
    loop {
        let (theirs, so_far) = parts(seen);
        if theirs > stamp || theirs == stamp && so_far == COUNT_MASK {
            return None;
        }
        let now = if theirs == stamp { so_far + 1 } else { 1 };
        let wanted = stamp << COUNT_BITS | now;
        match counter.compare_exchange_weak(seen, wanted, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return Some(now),
            Err(other) => seen = other,
        }
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
