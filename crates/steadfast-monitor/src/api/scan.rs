//! Walking over many jobs without holding them.

use super::Budget;
use crate::Monitor;
use crate::error::ApiError;
use steadfast_queue::backend::{Control, Filter};
use steadfast_queue::{Job, JobId, State};

/// Jobs read at a time: their payloads are read too, and may have a mebibyte each.
const PAGE: usize = 64;

/// How far a walk came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Jobs seen.
    pub(crate) seen: usize,
    /// Whether these were all.
    pub(crate) complete: bool,
}

/// Shows every job that matches to `look`, newest first, at most `max`, within `budget`.
pub(crate) async fn walk(
    monitor: &Monitor,
    filter: &Filter,
    max: usize,
    budget: Budget,
    mut look: impl FnMut(&Job) + Send,
) -> Result<Walked, ApiError> {
    let mut seen = 0;
    let mut cursor = None;
    loop {
        let want = PAGE.min(max - seen);
        let page = monitor.deps().backend.list(filter.clone(), cursor, want).await?;
        page.jobs.iter().take(want).for_each(&mut look);
        seen += page.jobs.len().min(want);
        // Only a missing cursor is the end: a page of a search for something rare may be empty.
        if page.next.is_none() {
            return Ok(Walked { seen, complete: true });
        }
        if seen >= max || budget.is_spent() {
            return Ok(Walked { seen, complete: false });
        }
        cursor = page.next;
    }
}

/// How many jobs match, exactly.
pub(crate) async fn count(monitor: &Monitor, filter: Filter) -> Result<u64, ApiError> {
    let purge = Control::Purge { filter: Box::new(filter), limit: u64::from(u32::MAX) };
    let command = Control::Count(Box::new(purge));
    Ok(monitor.deps().backend.control(command).await?.affected)
}

/// What is known of a job without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) id: JobId,
    pub(crate) state: State,
    pub(crate) enqueued_ms: i64,
}

impl From<&Job> for Brief {
    fn from(job: &Job) -> Self {
        Self { id: job.id, state: job.state, enqueued_ms: job.enqueued_ms }
    }
}

/// Looks up `ids`; those not found are missing from the answer.
pub(crate) async fn briefs(monitor: &Monitor, ids: &[JobId]) -> Result<Vec<Brief>, ApiError> {
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(PAGE) {
        let jobs = monitor.deps().backend.get(chunk.to_vec()).await?;
        found.extend(jobs.iter().flatten().map(Brief::from));
    }
    Ok(found)
}
