//! Records what became of each attempt.

use super::names::{JOB_DURATION, JOBS_PROCESSED};
use metrics::{counter, histogram};
use steadfast_queue::worker::{JobObserver, JobOutcome, JobReport};

/// Every way in which an attempt can end: the values of the label `status`.
pub(crate) const OUTCOMES: [JobOutcome; 9] = [
    JobOutcome::Completed,
    JobOutcome::Retried,
    JobOutcome::Dead,
    JobOutcome::Snoozed,
    JobOutcome::Released,
    JobOutcome::Cancelled,
    JobOutcome::Lost,
    JobOutcome::Abandoned,
    JobOutcome::Unconfirmed,
];

/// Records every attempt that ended: `whatsapp_jobs_processed_total{queue,status}`, and
/// `whatsapp_job_duration_seconds{queue}` if the handler ran. To be plugged into the workers.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobMetrics;

impl JobObserver for JobMetrics {
    fn finished(&self, report: &JobReport) {
        let status = report.outcome.as_str();
        counter!(JOBS_PROCESSED, "queue" => report.queue.to_string(), "status" => status).increment(1);
        if let Some(ran) = report.ran {
            histogram!(JOB_DURATION, "queue" => report.queue.to_string()).record(ran.as_secs_f64());
        }
    }
}
