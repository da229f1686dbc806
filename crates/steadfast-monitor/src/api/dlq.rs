//! `/dlq`: the dead jobs of all queues, and bringing them back or letting them go.

use super::redrive::{self, Redriven};
use super::{Budget, Done, cursor, done, may_show_payload, queue_filter, scan};
use crate::Monitor;
use crate::error::ApiError;
use crate::guard::Caller;
use crate::input::{Body64k, limit, query};
use crate::time_text::iso8601;
use crate::view::{FailureGroup, Failures, JobView};
use axum::extract::State as Shared;
use axum::http::Uri;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use steadfast_core::queues as names;
use steadfast_queue::State;
use steadfast_queue::backend::{Filter, Stats};

const LIST_DEFAULT: usize = 50;
const LIST_MAX: usize = 200;
/// Dead jobs looked at to group them.
const GROUPED_MAX: usize = 1_000;
/// Ids in one call.
pub(crate) const IDS_MAX: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    queue: Option<String>,
    error: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    payload: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ListView {
    timestamp: String,
    name: &'static str,
    /// All that match.
    total: u64,
    by_queue: BTreeMap<String, u64>,
    groups: Vec<FailureGroup>,
    /// How many jobs the groups were made of, and whether these were all that match.
    grouped: usize,
    grouped_all: bool,
    jobs: Vec<JobView>,
    next_cursor: Option<String>,
}

/// The dead, of a queue and with an error word if given.
pub(crate) fn dead(queue: Option<String>, error: Option<String>) -> Filter {
    Filter { queue, error, states: vec![State::Dead], ..Filter::default() }
}

/// `GET /dlq`.
pub(crate) async fn list(
    Shared(monitor): Shared<Arc<Monitor>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Json<ListView>, ApiError> {
    let asked: ListQuery = query(&uri)?;
    let size = limit(asked.limit, LIST_DEFAULT, LIST_MAX)?;
    let cursor = cursor(asked.cursor)?;
    let with_payload = may_show_payload(&caller, asked.payload.as_deref(), names::DEAD_LETTERS)?;
    let stats = monitor.stats().await?;
    let filter = dead(queue_filter(&stats, asked.queue.as_deref())?, asked.error);
    let mut failures = Failures::default();
    let budget = Budget::of(&monitor);
    let walked = scan::walk(&monitor, &filter, GROUPED_MAX, budget, |job| failures.add(job)).await?;
    let page = monitor.deps().backend.list(filter.clone(), cursor, size).await?;
    Ok(Json(ListView {
        timestamp: iso8601(monitor.clock().now_ms()),
        name: names::DEAD_LETTERS,
        total: count(&monitor, &stats, filter).await?,
        by_queue: super::queues::dead_by_queue(&stats),
        groups: failures.largest_first(),
        grouped: walked.seen,
        grouped_all: walked.complete,
        jobs: page.jobs.iter().map(|job| JobView::of(job, with_payload)).collect(),
        next_cursor: page.next,
    }))
}

/// How many dead jobs match: known already, unless an error word was asked for.
pub(crate) async fn count(monitor: &Monitor, stats: &Stats, filter: Filter) -> Result<u64, ApiError> {
    if filter.error.is_some() {
        return scan::count(monitor, filter).await;
    }
    let queues =
        stats.queues.iter().filter(|(name, _)| filter.queue.as_ref().is_none_or(|queue| queue == *name));
    Ok(queues.map(|(_, stats)| stats.dead).fold(0, u64::saturating_add))
}

/// The body of a retry call: some, or all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RetryCall {
    #[serde(default, alias = "job_ids")]
    job_ids: Vec<String>,
    #[serde(default, alias = "retry_all")]
    retry_all: bool,
    queue: Option<String>,
    error: Option<String>,
    limit: Option<usize>,
}

impl RetryCall {
    /// Whether it says one thing, and within bounds.
    pub(crate) fn check(&self, redrive_max: usize) -> Result<(), ApiError> {
        const HINT: &str = "Send {\"jobIds\": [\"…\"]} or {\"retryAll\": true}; GET /dlq shows the ids.";
        let narrowed = self.queue.is_some() || self.error.is_some() || self.limit.is_some();
        match (self.retry_all, self.job_ids.is_empty()) {
            (true, false) => {
                Err(ApiError::bad("Some or all?", "jobIds and retryAll exclude each other.", HINT))
            }
            (false, true) => {
                Err(ApiError::bad("No job is named.", "jobIds is empty and retryAll is not true.", HINT))
            }
            (false, false) if narrowed => {
                Err(ApiError::bad("Some or all?", "queue, error and limit belong to retryAll.", HINT))
            }
            (false, false) => check_ids(&self.job_ids),
            (true, true) => limit(self.limit, redrive_max, redrive_max).map(|_| ()),
        }
    }
}

fn check_ids(ids: &[String]) -> Result<(), ApiError> {
    if ids.len() <= IDS_MAX {
        return Ok(());
    }
    let why = format!("{} were named, {IDS_MAX} can be.", ids.len());
    Err(ApiError::bad("Too many ids.", why, "Split the call."))
}

/// `POST /dlq/retry`.
pub(crate) async fn retry(
    Shared(monitor): Shared<Arc<Monitor>>,
    Body64k(call): Body64k<RetryCall>,
) -> Done<Redriven> {
    let max = monitor.config().redrive_max;
    call.check(max)?;
    let redriven = if call.retry_all {
        let stats = monitor.stats().await?;
        let filter = dead(queue_filter(&stats, call.queue.as_deref())?, call.error);
        redrive::all(&monitor, filter, limit(call.limit, max, max)?).await?
    } else {
        redrive::named(&monitor, &call.job_ids, redrive::Verb::Retry).await?
    };
    done(call.job_ids.len(), redriven.changed(), redriven)
}

/// The body of a discard call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DiscardCall {
    #[serde(alias = "job_ids")]
    job_ids: Vec<String>,
}

/// `POST /dlq/discard`.
pub(crate) async fn discard(
    Shared(monitor): Shared<Arc<Monitor>>,
    Body64k(call): Body64k<DiscardCall>,
) -> Done<Redriven> {
    if call.job_ids.is_empty() {
        return Err(ApiError::bad(
            "No job is named.",
            "jobIds is empty.",
            "Send {\"jobIds\": [\"…\"]}; to remove all of a kind: POST /queues/dead-letter-queue/purge.",
        ));
    }
    check_ids(&call.job_ids)?;
    let redriven = redrive::named(&monitor, &call.job_ids, redrive::Verb::Discard).await?;
    done(call.job_ids.len(), redriven.changed(), redriven)
}
