//! `/dlq`: the dead jobs of all queues, and bringing them back or letting them go.

use super::redrive::{self, Redriven};
use super::search::{Search, SearchQuery};
use super::{Done, deaths, done, queue_filter};
use crate::Monitor;
use crate::error::ApiError;
use crate::guard::Caller;
use crate::input::{Body64k, limit, query};
use crate::time_text::iso8601;
use crate::view::{FailureGroup, JobView};
use axum::extract::State as Shared;
use axum::http::Uri;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use steadfast_core::queues as names;
use steadfast_queue::State;
use steadfast_queue::backend::{BATCH_MAX, DeadGroup, Filter};

/// Groups of errors, unless asked for more or fewer.
const ERRORS_DEFAULT: usize = 50;
/// Ids in one call.
pub(crate) const IDS_MAX: usize = 1_000;

#[derive(Debug, Serialize)]
pub(crate) struct ListView {
    timestamp: String,
    name: &'static str,
    /// All that match.
    total: u64,
    by_queue: BTreeMap<String, u64>,
    groups: Vec<FailureGroup>,
    /// How many jobs the groups were made of, and whether these were all that match.
    grouped: u64,
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
    let asked: SearchQuery = query(&uri)?;
    let stats = monitor.stats().await?;
    let Search { filter, size, cursor, with_payload } = asked.read(&stats, &caller, names::DEAD_LETTERS)?;
    if !filter.states.is_empty() {
        let todo = "Leave the state out, or ask GET /jobs.";
        return Err(ApiError::bad("All here are dead.", "A state was asked for.", todo));
    }
    let filter = Filter { states: vec![State::Dead], ..filter };
    let grouped = deaths::grouped(&monitor, &filter).await?;
    let page = monitor.deps().backend.list(filter.clone(), cursor, size).await?;
    Ok(Json(ListView {
        timestamp: iso8601(monitor.clock().now_ms()),
        name: names::DEAD_LETTERS,
        total: deaths::count(&monitor, &stats, filter).await?,
        by_queue: super::queues::dead_by_queue(&stats),
        groups: grouped.groups,
        grouped: grouped.seen,
        grouped_all: grouped.all,
        jobs: page.jobs.iter().map(|job| JobView::of(job, with_payload)).collect(),
        next_cursor: page.next,
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorsQuery {
    queue: Option<String>,
    limit: Option<usize>,
}

/// `GET /dlq/errors`: how many died of what.
pub(crate) async fn errors(
    Shared(monitor): Shared<Arc<Monitor>>,
    uri: Uri,
) -> Result<Json<serde_json::Value>, ApiError> {
    let asked: ErrorsQuery = query(&uri)?;
    let size = limit(asked.limit, ERRORS_DEFAULT, BATCH_MAX)?;
    let queue = queue_filter(&monitor.stats().await?, asked.queue.as_deref())?;
    let counted = monitor.deps().backend.dead_groups(queue, size).await?;
    let group = |group: &DeadGroup| {
        serde_json::json!({
            "queue": group.queue, "error": group.error, "count": group.count,
            "first_at": iso8601(group.first_ms), "last_at": iso8601(group.last_ms),
        })
    };
    Ok(Json(serde_json::json!({
        "timestamp": iso8601(monitor.clock().now_ms()),
        "total": counted.total,
        "groups_total": counted.groups_total,
        "groups": counted.groups.iter().map(group).collect::<Vec<_>>(),
    })))
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
    #[serde(default, alias = "dry_run")]
    dry_run: bool,
}

impl RetryCall {
    /// Whether it says one thing, and within bounds.
    pub(crate) fn check(&self, redrive_max: usize) -> Result<(), ApiError> {
        const HINT: &str = "Send {\"jobIds\": [\"…\"]} or {\"retryAll\": true}; GET /dlq shows the ids.";
        let narrowed = self.queue.is_some() || self.error.is_some() || self.limit.is_some() || self.dry_run;
        match (self.retry_all, self.job_ids.is_empty()) {
            (true, false) => {
                Err(ApiError::bad("Some or all?", "jobIds and retryAll exclude each other.", HINT))
            }
            (false, true) => {
                Err(ApiError::bad("No job is named.", "jobIds is empty and retryAll is not true.", HINT))
            }
            (false, false) if narrowed => {
                Err(ApiError::bad("Some or all?", "queue, error, limit and dryRun belong to retryAll.", HINT))
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
        match call.dry_run {
            true => Redriven::counted(deaths::count(&monitor, &stats, filter).await?),
            false => redrive::all(&monitor, filter, limit(call.limit, max, max)?).await?,
        }
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
