//! The node's state as the public edge tells it: looked at every few seconds, answered from memory.

use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use steadfast_core::SharedClock;
use steadfast_core::ports::Records;
use steadfast_gateway::{HealthReport, HealthSource};
use steadfast_queue::Backend;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How often the parts are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a part may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
struct Seen {
    at_ms: i64,
    queue: bool,
    records: bool,
}

/// What was last seen.
#[derive(Debug)]
pub(crate) struct NodeHealth {
    seen: Mutex<Seen>,
}

impl NodeHealth {
    /// Healthy until looked at: the parts were just opened.
    pub(crate) fn new(clock: &SharedClock) -> Arc<Self> {
        let seen = Seen { at_ms: clock.now_ms(), queue: true, records: true };
        Arc::new(Self { seen: Mutex::new(seen) })
    }

    /// Looks until told to stop.
    pub(crate) async fn watch(
        self: Arc<Self>,
        queue: Arc<dyn Backend>,
        records: Arc<dyn Records>,
        clock: SharedClock,
        stop: CancellationToken,
    ) {
        let mut beat = tokio::time::interval(LOOK_EVERY);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = stop.cancelled() => return,
            }
            let queue = matches!(timeout(ANSWER_WITHIN, queue.stats()).await, Ok(Ok(_)));
            let records = matches!(timeout(ANSWER_WITHIN, records.ping()).await, Ok(Ok(())));
            let seen = Seen { at_ms: clock.now_ms(), queue, records };
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        }
    }
}

fn word(connected: bool) -> &'static str {
    if connected { "connected" } else { "disconnected" }
}

impl HealthSource for NodeHealth {
    fn report(&self) -> HealthReport {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Without the queue nothing can be acknowledged; without the records messages are taken and wait.
        let status = match (seen.queue, seen.records) {
            (true, true) => "healthy",
            (true, false) => "degraded",
            (false, _) => "unhealthy",
        };
        let body = json!({
            "status": status,
            "queue": word(seen.queue),
            "records": word(seen.records),
            "checked_at_ms": seen.at_ms,
            "version": env!("CARGO_PKG_VERSION"),
        });
        HealthReport { ready: seen.queue, body }
    }
}
