//! What callers look for among jobs: `GET /jobs`, and the parameters that it shares with `GET /dlq`.

use super::{cursor, job_id, may_show_payload, queue_filter};
use crate::Monitor;
use crate::error::ApiError;
use crate::guard::Caller;
use crate::input::{limit, query};
use crate::time_text;
use crate::view::JobView;
use axum::extract::State as Shared;
use axum::http::Uri;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use steadfast_queue::backend::{Filter, Span, Stats};
use steadfast_queue::{GroupKey, JobId, State};

const LIST_DEFAULT: usize = 50;
const LIST_MAX: usize = 200;
/// Ids in one search.
const IDS_MAX: usize = 200;

/// The parameters. Each narrows the search.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchQuery {
    queue: Option<String>,
    pub(crate) error: Option<String>,
    kind: Option<String>,
    group: Option<String>,
    /// With `queue`: the job that this key stands for.
    unique: Option<String>,
    correlation_id: Option<String>,
    /// Separated by commas, like the states.
    id: Option<String>,
    state: Option<String>,
    enqueued_since: Option<String>,
    enqueued_until: Option<String>,
    finished_since: Option<String>,
    finished_until: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    payload: Option<String>,
}

/// A search as it was understood.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) filter: Filter,
    pub(crate) size: usize,
    pub(crate) cursor: Option<String>,
    pub(crate) with_payload: bool,
}

impl SearchQuery {
    /// Reads them. Payloads are logged as seen `on` something.
    pub(crate) fn read(self, stats: &Stats, caller: &Caller, on: &str) -> Result<Search, ApiError> {
        let size = limit(self.limit, LIST_DEFAULT, LIST_MAX)?;
        let cursor = cursor(self.cursor)?;
        let with_payload = may_show_payload(caller, self.payload.as_deref(), on)?;
        let mut filter = Filter {
            ids: ids(self.id.as_deref())?,
            states: states(self.state.as_deref())?,
            queue: queue_filter(stats, self.queue.as_deref())?,
            kind: self.kind,
            group: self.group.as_deref().map(group).transpose()?,
            error: self.error,
            correlation_id: self.correlation_id,
            enqueued: span(self.enqueued_since, self.enqueued_until)?,
            finished: span(self.finished_since, self.finished_until)?,
            before_ms: None,
        };
        if let Some(key) = self.unique {
            let Some(queue) = &filter.queue else {
                return Err(ApiError::bad(
                    "A unique key needs its queue.",
                    "The same key stands for another job in another queue.",
                    "Add queue=…",
                ));
            };
            if !filter.ids.is_empty() {
                let todo = "Ask for one of them.";
                return Err(ApiError::bad("Key or ids?", "unique and id exclude each other.", todo));
            }
            filter.ids = vec![JobId::of_unique(queue, key.as_bytes())];
        }
        Ok(Search { filter, size, cursor, with_payload })
    }
}

fn ids(asked: Option<&str>) -> Result<Vec<JobId>, ApiError> {
    let Some(asked) = asked else { return Ok(Vec::new()) };
    let ids: Vec<JobId> = asked.split(',').take(IDS_MAX + 1).map(job_id).collect::<Result<_, _>>()?;
    if ids.len() > IDS_MAX {
        let why = format!("At most {IDS_MAX} can be named.");
        return Err(ApiError::bad("Too many ids.", why, "Split the call."));
    }
    Ok(ids)
}

fn states(asked: Option<&str>) -> Result<Vec<State>, ApiError> {
    let one = |word: &str| {
        State::parse(word).ok_or_else(|| {
            ApiError::bad(
                "The state is not known.",
                "It is one of: scheduled, available, running, retryable, completed, dead, cancelled.",
                "Use these words, separated by commas.",
            )
        })
    };
    asked.map_or_else(
        || Ok(Vec::new()),
        |asked| asked.split(',').take(State::ALL.len() + 1).map(one).collect(),
    )
}

/// Reads a group key as jobs and events show it.
fn group(text: &str) -> Result<GroupKey, ApiError> {
    // It has the form of an id.
    JobId::parse(text).map(|key| GroupKey(key.0)).ok_or_else(|| {
        ApiError::bad("This is no group key.", "It has 32 hex digits.", "Take it from a job of the group.")
    })
}

fn span(since: Option<String>, until: Option<String>) -> Result<Span, ApiError> {
    let at = |text: Option<String>| {
        let Some(text) = text else { return Ok(None) };
        time_text::parse(&text).map(Some).ok_or_else(|| {
            ApiError::bad(
                "A time cannot be read.",
                "It is written 2026-01-31T09:05:03Z, or as milliseconds since 1970.",
                "Write it so, in UTC.",
            )
        })
    };
    Ok(Span { since_ms: at(since)?, until_ms: at(until)? })
}

#[derive(Debug, Serialize)]
pub(crate) struct FoundView {
    timestamp: String,
    jobs: Vec<JobView>,
    next_cursor: Option<String>,
}

/// `GET /jobs`.
pub(crate) async fn list(
    Shared(monitor): Shared<Arc<Monitor>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Json<FoundView>, ApiError> {
    let asked: SearchQuery = query(&uri)?;
    let search = asked.read(&monitor.stats().await?, &caller, "jobs")?;
    let page = monitor.deps().backend.list(search.filter, search.cursor, search.size).await?;
    Ok(Json(FoundView {
        timestamp: time_text::iso8601(monitor.clock().now_ms()),
        jobs: page.jobs.iter().map(|job| JobView::of(job, search.with_payload)).collect(),
        next_cursor: page.next,
    }))
}
