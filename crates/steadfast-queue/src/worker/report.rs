//! What is told of a finished attempt: to observers, to the metrics, to the log.

use crate::job::JobId;
use crate::metrics;
use crate::policy::Failure;
use crate::state::State;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How an attempt ended, as the store took it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobOutcome {
    /// Done.
    Completed,
    /// Failed; it runs again.
    Retried,
    /// Put off by its handler, or before it ran, no attempt spent.
    Snoozed,
    /// Failed for good.
    Dead,
    /// Given back untouched.
    Released,
    /// Called off.
    Cancelled,
    /// Its lease was lost: what the attempt said was discarded. It runs or ran elsewhere.
    Lost,
    /// The store stayed away until the lease ran out: what the attempt said could not be stored. It will
    /// be reclaimed and run again.
    Abandoned,
    /// A call that was to store the verdict got no answer, and a later one found the lease gone: most
    /// likely the first one was carried out.
    Unconfirmed,
}

impl JobOutcome {
    /// The word in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Retried => "retried",
            Self::Snoozed => "snoozed",
            Self::Dead => "dead",
            Self::Released => "released",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Abandoned => "abandoned",
            Self::Unconfirmed => "unconfirmed",
        }
    }

    /// What a verdict that was meant as `self` became, given the state that the store answered.
    pub(crate) const fn stored_as(self, state: State) -> Self {
        match state {
            State::Completed => Self::Completed,
            State::Dead => Self::Dead,
            State::Cancelled => Self::Cancelled,
            State::Available if matches!(self, Self::Cancelled) => Self::Released,
            State::Scheduled | State::Available | State::Running | State::Retryable => self,
        }
    }
}

/// One finished attempt, told after its verdict was stored (or could not be).
#[derive(Clone, Debug)]
pub struct JobReport {
    /// The job's queue.
    pub queue: Arc<str>,
    /// The job.
    pub id: JobId,
    /// What it is.
    pub kind: String,
    /// Which attempt it was; 1 is the first.
    pub attempt: u32,
    /// The id that follows the work.
    pub correlation_id: String,
    /// How it ended.
    pub outcome: JobOutcome,
    /// What went wrong, if something did.
    pub failure: Option<Failure>,
    /// From when the job was due to the start of the attempt.
    pub wait: Duration,
    /// How long the handler ran; `None` if it was not called.
    pub ran: Option<Duration>,
}

/// Told of every finished attempt. Called on the worker's own task: be quick, do not block.
pub trait JobObserver: Send + Sync + 'static {
    /// An attempt is over and its verdict is stored, or is known not to be.
    fn finished(&self, report: &JobReport);
}

/// Counts and logs an attempt, and tells the observer.
pub(crate) fn publish(report: &JobReport, observer: Option<&dyn JobObserver>) {
    count(report);
    log(report);
    if let Some(observer) = observer {
        let told = catch_unwind(AssertUnwindSafe(|| observer.finished(report)));
        if told.is_err() {
            tracing::error!(queue.name = &*report.queue, "a job observer panicked; the job is not affected");
        }
    }
}

fn count(report: &JobReport) {
    let queue = report.queue.to_string();
    ::metrics::counter!(metrics::JOBS_TOTAL, "queue" => queue.clone(), "outcome" => report.outcome.as_str())
        .increment(1);
    if let Some(ran) = report.ran {
        ::metrics::histogram!(metrics::JOB_DURATION_SECONDS, "queue" => queue.clone())
            .record(ran.as_secs_f64());
        ::metrics::histogram!(metrics::WAIT_SECONDS, "queue" => queue.clone())
            .record(report.wait.as_secs_f64());
    }
    if report.outcome == JobOutcome::Lost {
        ::metrics::counter!(metrics::LEASE_LOST_TOTAL, "queue" => queue.clone()).increment(1);
    }
    match report.failure.as_ref().map(|failure| failure.error.as_str()) {
        Some("panic") => ::metrics::counter!(metrics::PANICS_TOTAL, "queue" => queue).increment(1),
        Some("timeout") => ::metrics::counter!(metrics::TIMEOUTS_TOTAL, "queue" => queue).increment(1),
        _ => {}
    }
}

/// One line per attempt at the level its outcome deserves. Messages of failures stay out: they are kept
/// with the job, where access is controlled.
fn log(report: &JobReport) {
    let error = report.failure.as_ref().map(|failure| failure.error.as_str());
    let ran_ms = report.ran.map(|ran| u64::try_from(ran.as_millis()).unwrap_or(u64::MAX));
    macro_rules! line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                queue.name = &*report.queue,
                job.id = %report.id,
                job.kind = report.kind,
                job.attempt = report.attempt,
                correlation.id = report.correlation_id,
                outcome = report.outcome.as_str(),
                error,
                ran_ms,
                $text
            )
        };
    }
    match report.outcome {
        JobOutcome::Completed => line!(debug, "job completed"),
        JobOutcome::Snoozed => line!(debug, "job put off"),
        JobOutcome::Released => line!(debug, "job given back"),
        JobOutcome::Retried => line!(info, "job failed and will run again"),
        JobOutcome::Cancelled => line!(info, "job cancelled"),
        JobOutcome::Unconfirmed => line!(info, "job settled without confirmation"),
        JobOutcome::Dead => line!(warn, "job is dead"),
        JobOutcome::Lost => line!(warn, "lease lost; what the attempt said is discarded"),
        JobOutcome::Abandoned => {
            line!(warn, "the store stayed away past the lease; the job will be reclaimed and run again");
        }
    }
}
