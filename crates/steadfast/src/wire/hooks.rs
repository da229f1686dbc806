//! What the monitor sees of the other parts.

use steadfast_gateway::Inspector;
use steadfast_monitor::hooks::{AdaptiveView, ScaleError, ScaleHook, WebhookLog, WorkerView};
use steadfast_queue::worker::{CONCURRENCY_MAX, WorkerHandle};

/// The workers of this process.
#[derive(Debug)]
pub(super) struct Scaler(pub(super) Vec<WorkerHandle>);

impl ScaleHook for Scaler {
    fn workers(&self) -> Vec<WorkerView> {
        let view = |handle: &WorkerHandle| {
            let status = handle.status();
            WorkerView {
                queue: status.queue.to_string(),
                concurrency: status.concurrency,
                busy: status.running,
                adaptive: status.adaptive.map(|adaptive| AdaptiveView {
                    min: adaptive.min,
                    max: adaptive.max,
                    pinned: adaptive.pinned,
                    reason: adaptive.reason,
                }),
            }
        };
        self.0.iter().map(view).collect()
    }

    fn scale(&self, queue: &str, concurrency: usize) -> Result<usize, ScaleError> {
        if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
            return Err(ScaleError::OutOfBounds { min: 1, max: CONCURRENCY_MAX });
        }
        let handle =
            self.0.iter().find(|handle| *handle.status().queue == *queue).ok_or(ScaleError::NoWorkers)?;
        let before = handle.status().concurrency;
        handle.set_concurrency(concurrency);
        Ok(before)
    }

    fn adapt(&self, queue: &str) -> Result<usize, ScaleError> {
        let handle =
            self.0.iter().find(|handle| *handle.status().queue == *queue).ok_or(ScaleError::NoWorkers)?;
        if handle.adapt() { Ok(handle.status().concurrency) } else { Err(ScaleError::NotAdaptive) }
    }
}

/// The gateway's last verdicts.
#[derive(Debug)]
pub(super) struct Webhooks(pub(super) Inspector);

impl WebhookLog for Webhooks {
    fn recent(&self, limit: usize) -> Vec<serde_json::Value> {
        self.0.recent(limit).iter().filter_map(|verdict| serde_json::to_value(verdict).ok()).collect()
    }
}
