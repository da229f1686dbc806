//! `POST /queues/{name}/purge`: forgetting jobs, after a look at how many.

use super::{Budget, Done, check_queue, done, scan};
use crate::Monitor;
use crate::error::ApiError;
use crate::input::{Body64k, Segment};
use axum::extract::State as Shared;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use steadfast_core::queues as names;
use steadfast_queue::State;
use steadfast_queue::backend::{Control, Filter};

/// Jobs removed in one step: more would hold up the queue's writer.
const CHUNK: u64 = 500;

/// The body of a purge call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PurgeCall {
    status: String,
    /// Milliseconds since the job finished, or was enqueued if it has not.
    #[serde(default, alias = "older_than")]
    older_than: u64,
    #[serde(default, alias = "dry_run")]
    dry_run: bool,
}

impl PurgeCall {
    /// The states meant. `delayed` is what waits for a time, whatever for.
    pub(crate) fn check(&self) -> Result<Vec<State>, ApiError> {
        let states = match (self.status.as_str(), State::parse(&self.status)) {
            ("delayed", _) => vec![State::Scheduled, State::Retryable],
            (_, Some(state)) => vec![state],
            (_, None) => {
                return Err(ApiError::bad(
                    "The status is not known.",
                    "It must be one of: completed, failed (dead), cancelled, waiting (available), delayed, scheduled, \
                     retryable.",
                    "Use one of these words, for instance {\"status\": \"completed\", \"olderThan\": 604800000}.",
                ));
            }
        };
        if states.contains(&State::Running) {
            return Err(ApiError::conflict(
                "Running jobs are not purged.",
                "Their workers hold them, and their effects are under way.",
                "Pause the queue and wait, or cancel single jobs: POST /jobs/{id}/cancel.",
            ));
        }
        Ok(states)
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct PurgeAnswer {
    queue: String,
    status: String,
    dry_run: bool,
    /// Jobs removed; with a dry run, 0.
    purged: u64,
    /// Jobs that match and are still there.
    remaining: u64,
    /// Whether to call again for the rest.
    more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// The queues meant, and whether the states suit them.
async fn filter(monitor: &Monitor, name: &str, call: &PurgeCall) -> Result<Filter, ApiError> {
    let states = call.check()?;
    let queue = if name == names::DEAD_LETTERS {
        if states != [State::Dead] {
            return Err(ApiError::conflict(
                "The dead letter queue holds dead jobs alone.",
                "It is the dead jobs of all queues under one name.",
                "Purge it with {\"status\": \"failed\"}, or name another queue.",
            ));
        }
        None
    } else {
        check_queue(&monitor.stats().await?, name)?;
        Some(name.to_owned())
    };
    let older_than = i64::try_from(call.older_than).unwrap_or(i64::MAX);
    let before_ms = (older_than > 0).then(|| monitor.clock().now_ms().saturating_sub(older_than));
    Ok(Filter { queue, states, before_ms, ..Filter::default() })
}

/// Purges in chunks until nothing matches, the bound is reached, or the time is up.
pub(crate) async fn purge(
    Shared(monitor): Shared<Arc<Monitor>>,
    Segment(name): Segment,
    Body64k(call): Body64k<PurgeCall>,
) -> Done<PurgeAnswer> {
    let filter = filter(&monitor, &name, &call).await?;
    let (mut purged, mut exhausted) = (0, false);
    let budget = Budget::of(&monitor);
    while !call.dry_run && !exhausted && purged < monitor.config().purge_max && !budget.is_spent() {
        let limit = CHUNK.min(monitor.config().purge_max - purged);
        let command = Control::Purge { filter: Box::new(filter.clone()), limit };
        let removed = monitor.deps().backend.control(command).await?.affected;
        purged += removed;
        exhausted = removed < limit;
    }
    let remaining = if exhausted { 0 } else { scan::count(&monitor, filter).await? };
    let more = !call.dry_run && remaining > 0;
    let note = match (call.dry_run, more) {
        (true, _) => Some("Nothing was removed. Repeat it without dryRun to remove what remaining counts."),
        (_, true) => Some("One call removes only so many: repeat it for the rest."),
        _ => None,
    };
    let answer = PurgeAnswer {
        queue: name,
        status: call.status,
        dry_run: call.dry_run,
        purged,
        remaining,
        more,
        note,
    };
    done(0, purged, answer)
}
