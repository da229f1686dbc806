//! Records what became of each attempt.

use super::names::{JOB_DURATION, JOBS_PROCESSED};
use metrics::{counter, histogram};
use std::time::Duration;

/// The values of the label `status`.
pub(crate) const STATUSES: [&str; 6] = ["completed", "retried", "dead", "snoozed", "released", "lost"];

/// Records every attempt that ended: `whatsapp_jobs_processed_total{queue,status}` and
/// `whatsapp_job_duration_seconds{queue}`.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobMetrics;

impl JobMetrics {
    /// Counts one attempt of `queue` that ended as `status` after `took`.
    pub fn record(&self, queue: &str, status: &'static str, took: Duration) {
        counter!(JOBS_PROCESSED, "queue" => queue.to_owned(), "status" => status).increment(1);
        histogram!(JOB_DURATION, "queue" => queue.to_owned()).record(took.as_secs_f64());
    }
}
