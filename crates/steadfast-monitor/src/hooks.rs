//! What the binary plugs in: the parts of a node that the monitor shows or steers, but does not own.

use async_trait::async_trait;
use serde::Serialize;
use std::fmt::Debug;

/// The workers of one queue in this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerView {
    /// The queue.
    pub queue: String,
    /// Jobs it may run at once.
    pub concurrency: usize,
    /// Jobs it runs now.
    pub busy: usize,
    /// How that number adapts; `None`: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveView>,
}

/// A concurrency that adapts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdaptiveView {
    /// The fewest jobs at once.
    pub min: usize,
    /// The most.
    pub max: usize,
    /// Whether the number was set by hand and stays.
    pub pinned: bool,
    /// Why the number is what it is, in words.
    pub reason: String,
}

/// Why a queue's concurrency stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScaleError {
    /// This process runs no workers for it.
    #[error("this process runs no workers for the queue")]
    NoWorkers,
    /// Its concurrency does not adapt.
    #[error("the queue's concurrency is a fixed number")]
    NotAdaptive,
    /// Out of the bounds of that queue's workers.
    #[error("the concurrency must be between {min} and {max}")]
    OutOfBounds {
        /// Lowest.
        min: usize,
        /// Highest.
        max: usize,
    },
}

/// Sees and changes how many jobs run at once. Both calls return at once, without waiting for any job.
pub trait ScaleHook: Send + Sync + Debug + 'static {
    /// The workers of this process, in a stable order.
    fn workers(&self) -> Vec<WorkerView>;

    /// Lets `queue` run at most `concurrency` jobs at once from now on, in this process and until its
    /// next start; says what it was before. Running jobs are not stopped.
    /// Where the number adapts, it stays what was set until [`ScaleHook::adapt`].
    fn scale(&self, queue: &str, concurrency: usize) -> Result<usize, ScaleError>;

    /// Lets the number of `queue` adapt again; says what it is now.
    fn adapt(&self, queue: &str) -> Result<usize, ScaleError>;
}

/// The gateway's memory of the last webhooks and of what was decided about them.
pub trait WebhookLog: Send + Sync + Debug + 'static {
    /// The last entries, newest first, at most `limit`. Entries must hold no message text, secret or whole
    /// address: they are shown to every viewer.
    fn recent(&self, limit: usize) -> Vec<serde_json::Value>;
}

/// How much depends on a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Without it no message can be taken: the node is unhealthy.
    Vital,
    /// Without it messages are taken and wait: the node is degraded.
    Helpful,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it works.
    pub healthy: bool,
    /// A stable word: `connected`, `disconnected`, `workers_active`, `no_workers`, `error`, …
    pub status: &'static str,
    /// What is wrong, in words without secrets or addresses of people.
    pub error: Option<String>,
    /// For workers: how many.
    pub worker_count: Option<usize>,
}

impl Finding {
    /// It answers.
    pub const fn connected() -> Self {
        Self { healthy: true, status: "connected", error: None, worker_count: None }
    }

    /// It does not answer.
    pub fn disconnected(error: impl Into<String>) -> Self {
        Self { healthy: false, status: "disconnected", error: Some(error.into()), worker_count: None }
    }

    /// So many workers run.
    pub fn workers(count: usize) -> Self {
        if count == 0 {
            let error = Some("no worker runs in this process: messages are taken and wait".to_owned());
            return Self { healthy: false, status: "no_workers", error, worker_count: Some(0) };
        }
        Self { healthy: true, status: "workers_active", error: None, worker_count: Some(count) }
    }

    /// The check itself failed.
    pub fn error(error: impl Into<String>) -> Self {
        Self { healthy: false, status: "error", error: Some(error.into()), worker_count: None }
    }
}

/// A further dependency to show in `/health`: Redis, Twilio, the model, …
#[async_trait]
pub trait HealthProbe: Send + Sync + Debug + 'static {
    /// Its name in the answer, in lower case.
    fn name(&self) -> &str;

    /// What hangs on it.
    fn weight(&self) -> Weight;

    /// Looks. The monitor drops the check after its own deadline and calls it `disconnected`; so it must be
    /// cancel safe.
    async fn check(&self) -> Finding;
}
