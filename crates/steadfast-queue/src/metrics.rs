//! The names of what this crate measures, through the `metrics` facade. Without a recorder installed,
//! nothing is kept and nothing is paid.
//!
//! Labels are queue names and fixed words only: never an id, a kind given from outside, or a payload.

use ::metrics::Unit;
use std::time::Duration;

/// Counter: attempts that ended, by `queue` and `outcome` (the words of
/// [`JobOutcome`](crate::worker::JobOutcome)).
pub const JOBS_TOTAL: &str = "steadfast_queue_jobs_total";
/// Histogram: how long attempts ran, in seconds, by `queue`.
pub const JOB_DURATION_SECONDS: &str = "steadfast_queue_job_duration_seconds";
/// Histogram: from when a job was due to the start of its attempt, in seconds, by `queue`.
pub const WAIT_SECONDS: &str = "steadfast_queue_wait_seconds";
/// Counter: leases lost while their job ran here, by `queue`.
pub const LEASE_LOST_TOTAL: &str = "steadfast_queue_lease_lost_total";
/// Counter: attempts that panicked, by `queue`.
pub const PANICS_TOTAL: &str = "steadfast_queue_panics_total";
/// Counter: attempts that took longer than they may, by `queue`.
pub const TIMEOUTS_TOTAL: &str = "steadfast_queue_timeouts_total";
/// Counter: calls to the store that failed, by `queue` and `call` (reserve, extend, settle).
pub const STORE_ERRORS_TOTAL: &str = "steadfast_queue_store_errors_total";
/// Counter: jobs moved or removed by housekeeping, by `sweep` (promote, reclaim, prune).
pub const SWEPT_TOTAL: &str = "steadfast_queue_swept_total";
/// Histogram: how long a transaction of the local store took to be on disk, in seconds.
pub const LOCAL_COMMIT_SECONDS: &str = "steadfast_queue_local_commit_seconds";
/// Histogram: how long the disk took to sync a transaction of the local store, in seconds: part of the above.
pub const LOCAL_SYNC_SECONDS: &str = "steadfast_queue_local_sync_seconds";
/// Counter: bytes that the local store wrote to its log.
pub const LOCAL_LOG_BYTES_TOTAL: &str = "steadfast_queue_local_log_bytes_total";
/// Histogram: calls that shared a transaction of the local store.
pub const LOCAL_BATCH_CALLS: &str = "steadfast_queue_local_batch_calls";
/// Counter: calls that the local store could not carry out: disk full, I/O error, damage.
pub const LOCAL_ERRORS_TOTAL: &str = "steadfast_queue_local_errors_total";
/// Counter: commits that the disk had confirmed and lost all the same. Anything but zero: replace the disk.
pub const LOCAL_COMMITS_LOST_TOTAL: &str = "steadfast_queue_local_commits_lost_total";

/// Tells the installed recorder what the names mean. Call it once, after installing the recorder.
pub fn describe() {
    use ::metrics::{describe_counter, describe_histogram};
    describe_counter!(JOBS_TOTAL, Unit::Count, "Attempts that ended, by queue and outcome.");
    describe_histogram!(JOB_DURATION_SECONDS, Unit::Seconds, "How long attempts ran.");
    describe_histogram!(WAIT_SECONDS, Unit::Seconds, "From when a job was due to the start of its attempt.");
    describe_counter!(LEASE_LOST_TOTAL, Unit::Count, "Leases lost while their job ran.");
    describe_counter!(PANICS_TOTAL, Unit::Count, "Attempts that panicked.");
    describe_counter!(TIMEOUTS_TOTAL, Unit::Count, "Attempts that took longer than they may.");
    describe_counter!(STORE_ERRORS_TOTAL, Unit::Count, "Calls to the store that failed.");
    describe_counter!(SWEPT_TOTAL, Unit::Count, "Jobs moved or removed by housekeeping.");
    describe_histogram!(LOCAL_COMMIT_SECONDS, Unit::Seconds, "How long a transaction took to be on disk.");
    describe_histogram!(LOCAL_SYNC_SECONDS, Unit::Seconds, "How long the disk took to sync a transaction.");
    describe_counter!(LOCAL_LOG_BYTES_TOTAL, Unit::Bytes, "Bytes that the local store wrote to its log.");
    describe_histogram!(LOCAL_BATCH_CALLS, Unit::Count, "Calls that shared a transaction.");
    describe_counter!(LOCAL_ERRORS_TOTAL, Unit::Count, "Calls that the local store could not carry out.");
    describe_counter!(LOCAL_COMMITS_LOST_TOTAL, Unit::Count, "Commits that the disk confirmed and lost.");
}

/// Counts a failed call to the store.
pub(crate) fn store_error(queue: &str, call: &'static str) {
    ::metrics::counter!(STORE_ERRORS_TOTAL, "queue" => queue.to_owned(), "call" => call).increment(1);
}

/// Measures a transaction of the local store.
pub(crate) fn local_commit(calls: usize, took: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let calls = calls as f64;
    ::metrics::histogram!(LOCAL_COMMIT_SECONDS).record(took);
    ::metrics::histogram!(LOCAL_BATCH_CALLS).record(calls);
}

/// Measures a sync of the local store's log.
pub(crate) fn local_sync(took: Duration) {
    ::metrics::histogram!(LOCAL_SYNC_SECONDS).record(took);
}

/// Counts what was written to the local store's log.
pub(crate) fn local_log_bytes(bytes: u64) {
    ::metrics::counter!(LOCAL_LOG_BYTES_TOTAL).increment(bytes);
}

/// Counts a call that the local store could not carry out.
pub(crate) fn local_error() {
    ::metrics::counter!(LOCAL_ERRORS_TOTAL).increment(1);
}

/// Counts commits that were lost after they had been confirmed.
pub(crate) fn local_commits_lost(lost: u64) {
    ::metrics::counter!(LOCAL_COMMITS_LOST_TOTAL).increment(lost);
}
