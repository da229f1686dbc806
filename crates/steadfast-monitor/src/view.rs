//! How jobs and queues look from outside. What people wrote is shown only when it is asked for.

use crate::hooks::WorkerView;
use crate::time_text::iso8601;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use steadfast_queue::backend::{DeadGroup, QueueStats};
use steadfast_queue::job::AttemptRecord;
use steadfast_queue::note::{LogLine, Progress};
use steadfast_queue::{GroupKey, Job, Mode, State};

/// The most bytes of one payload that are shown.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 4 * 1024;

/// One failed attempt.
#[derive(Debug, Serialize)]
pub(crate) struct AttemptView {
    attempt: u32,
    at: String,
    error: String,
    message: String,
}

impl From<&AttemptRecord> for AttemptView {
    fn from(record: &AttemptRecord) -> Self {
        Self {
            attempt: record.attempt,
            at: iso8601(record.at_ms),
            error: record.error.clone(),
            message: record.message.clone(),
        }
    }
}

/// How far a job is.
#[derive(Debug, Serialize)]
pub(crate) struct ProgressView {
    done: u64,
    /// 0: nobody knows.
    total: u64,
    note: String,
    at: String,
}

impl From<&Progress> for ProgressView {
    fn from(progress: &Progress) -> Self {
        let Progress { done, total, note, at_ms } = progress;
        Self { done: *done, total: *total, note: note.clone(), at: iso8601(*at_ms) }
    }
}

/// A line of a job's log.
#[derive(Debug, Serialize)]
pub(crate) struct LogView {
    at: String,
    attempt: u32,
    text: String,
}

impl From<&LogLine> for LogView {
    fn from(line: &LogLine) -> Self {
        Self { at: iso8601(line.at_ms), attempt: line.attempt, text: line.text.clone() }
    }
}

/// A group's key as it is shown: a keyed hash, which tells nobody whose it is.
pub(crate) fn group_text(group: GroupKey) -> String {
    // It has the form of an id.
    steadfast_queue::JobId(group.0).to_string()
}

/// What a job carries, as far as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct PayloadView {
    value: Value,
    truncated: bool,
    metadata: BTreeMap<String, String>,
}

impl PayloadView {
    fn of(job: &Job) -> Self {
        let metadata = job.metadata.clone();
        if job.payload.len() > PAYLOAD_BYTES_MAX {
            let head = String::from_utf8_lossy(&job.payload[..PAYLOAD_BYTES_MAX]).into_owned();
            return Self { value: Value::String(head), truncated: true, metadata };
        }
        let value = serde_json::from_slice(&job.payload)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&job.payload).into_owned()));
        Self { value, truncated: false, metadata }
    }
}

/// A job.
#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    id: String,
    queue: String,
    kind: String,
    state: State,
    priority: steadfast_queue::Priority,
    attempts: u32,
    crash_count: u32,
    /// The word of the last failure.
    error: Option<String>,
    /// What was said about it.
    message: Option<String>,
    enqueued_at: String,
    due_at: String,
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    died_at: Option<String>,
    expires_at: Option<String>,
    correlation_id: String,
    parent: Option<String>,
    grouped: bool,
    group: Option<String>,
    progress: Option<ProgressView>,
    timeout_ms: u64,
    payload_bytes: usize,
    history: Vec<AttemptView>,
    /// What it has said, where one job is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<LogView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<PayloadView>,
}

impl JobView {
    /// `job`, with what it carries only if `with_payload`.
    pub(crate) fn of(job: &Job, with_payload: bool) -> Self {
        let last = job.history.last();
        let finished_at = job.finished_ms.map(iso8601);
        Self {
            id: job.id.to_string(),
            queue: job.queue.clone(),
            kind: job.kind.clone(),
            state: job.state,
            priority: job.priority,
            attempts: job.attempt,
            crash_count: job.crash_count,
            error: last.map(|record| record.error.clone()),
            message: last.map(|record| record.message.clone()),
            enqueued_at: iso8601(job.enqueued_ms),
            due_at: iso8601(job.run_at_ms),
            died_at: finished_at.clone().filter(|_| job.state == State::Dead),
            finished_at,
            expires_at: job.expires_ms.map(iso8601),
            correlation_id: job.correlation_id.clone(),
            parent: job.parent.map(|parent| parent.to_string()),
            grouped: job.group.is_some(),
            group: job.group.map(group_text),
            progress: job.progress.as_ref().map(ProgressView::from),
            timeout_ms: job.timeout_ms,
            payload_bytes: job.payload.len(),
            history: job.history.iter().map(AttemptView::from).collect(),
            log: None,
            payload: with_payload.then(|| PayloadView::of(job)),
        }
    }

    /// The same, with the lines of its log.
    pub(crate) fn whole(job: &Job, with_payload: bool) -> Self {
        Self { log: Some(job.log.iter().map(LogView::from).collect()), ..Self::of(job, with_payload) }
    }
}

/// Jobs by state: in our words, and then in those that operators of other queues know (`completed` is in
/// both).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    scheduled: u64,
    available: u64,
    running: u64,
    retryable: u64,
    completed: u64,
    pub(crate) dead: u64,
    cancelled: u64,
    waiting: u64,
    active: u64,
    delayed: u64,
    failed: u64,
}

impl Counts {
    /// The counts of several queues together.
    pub(crate) fn sum<'a>(queues: impl IntoIterator<Item = &'a QueueStats>) -> Self {
        queues.into_iter().map(Self::from).fold(Self::default(), |sum, next| Self {
            scheduled: sum.scheduled.saturating_add(next.scheduled),
            available: sum.available.saturating_add(next.available),
            running: sum.running.saturating_add(next.running),
            retryable: sum.retryable.saturating_add(next.retryable),
            completed: sum.completed.saturating_add(next.completed),
            dead: sum.dead.saturating_add(next.dead),
            cancelled: sum.cancelled.saturating_add(next.cancelled),
            waiting: sum.waiting.saturating_add(next.waiting),
            active: sum.active.saturating_add(next.active),
            delayed: sum.delayed.saturating_add(next.delayed),
            failed: sum.failed.saturating_add(next.failed),
        })
    }
}

impl From<&QueueStats> for Counts {
    fn from(stats: &QueueStats) -> Self {
        Self {
            scheduled: stats.scheduled,
            available: stats.available,
            running: stats.running,
            retryable: stats.retryable,
            completed: stats.completed,
            dead: stats.dead,
            cancelled: stats.cancelled,
            waiting: stats.available,
            active: stats.running,
            delayed: stats.scheduled.saturating_add(stats.retryable),
            failed: stats.dead,
        }
    }
}

/// Since the process started.
#[derive(Debug, Serialize)]
pub(crate) struct Totals {
    enqueued: u64,
    duplicates: u64,
    completed: u64,
    failed_attempts: u64,
    dead: u64,
    reclaimed: u64,
}

/// How fast a queue moves, over the last minute.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Rates {
    pub(crate) enqueued_per_second: f64,
    pub(crate) completed_per_second: f64,
    pub(crate) failed_attempts_per_second: f64,
}

/// A queue.
#[derive(Debug, Serialize)]
pub(crate) struct QueueView {
    name: String,
    counts: Counts,
    paused: bool,
    mode: Mode,
    /// Dead letters that hold their group.
    blocking: u64,
    bytes: u64,
    oldest_waiting_ms: Option<i64>,
    workers: Option<WorkerView>,
    totals: Totals,
    rates: Rates,
}

impl QueueView {
    pub(crate) fn of(
        name: &str,
        stats: &QueueStats,
        rates: Rates,
        workers: Option<WorkerView>,
        now_ms: i64,
    ) -> Self {
        Self {
            name: name.to_owned(),
            counts: Counts::from(stats),
            paused: stats.mode.is_paused(),
            mode: stats.mode,
            blocking: stats.blocking,
            bytes: stats.bytes,
            oldest_waiting_ms: stats.oldest_ms.map(|oldest| now_ms.saturating_sub(oldest).max(0)),
            workers,
            totals: Totals {
                enqueued: stats.enqueued_total,
                duplicates: stats.duplicates_total,
                completed: stats.completed_total,
                failed_attempts: stats.failed_total,
                dead: stats.dead_total,
                reclaimed: stats.reclaimed_total,
            },
            rates,
        }
    }
}

/// Failures with one error word.
#[derive(Debug, Serialize)]
pub(crate) struct FailureGroup {
    error: String,
    count: u64,
    queues: BTreeMap<String, u64>,
    latest_at: String,
    /// A message of the latest.
    message: String,
    /// The latest one's id.
    example: String,
}

impl FailureGroup {
    /// The dead with one error word, as counted by queue; `example` is the newest of them.
    pub(crate) fn counted(error: String, counts: &[DeadGroup], example: Option<&Job>) -> Self {
        let latest_ms = counts.iter().map(|group| group.last_ms).max().unwrap_or_default();
        let said = example.and_then(|job| job.history.last());
        Self {
            error,
            count: counts.iter().map(|group| group.count).fold(0, u64::saturating_add),
            queues: counts.iter().map(|group| (group.queue.clone(), group.count)).collect(),
            latest_at: iso8601(latest_ms),
            message: said.map(|record| record.message.clone()).unwrap_or_default(),
            example: example.map(|job| job.id.to_string()).unwrap_or_default(),
        }
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }
}

/// Groups failed jobs by the error word of their last failure, without keeping the jobs.
#[derive(Debug, Default)]
pub(crate) struct Failures(BTreeMap<String, FailureGroup>);

impl Failures {
    /// Counts `job`. The newest are to come first: the first of a group is its example.
    pub(crate) fn add(&mut self, job: &Job) {
        let last = job.history.last();
        let error = last.map_or("unknown", |record| record.error.as_str());
        let group = self.0.entry(error.to_owned()).or_insert_with(|| FailureGroup {
            error: error.to_owned(),
            count: 0,
            queues: BTreeMap::new(),
            latest_at: iso8601(last.map_or(job.enqueued_ms, |record| record.at_ms)),
            message: last.map(|record| record.message.clone()).unwrap_or_default(),
            example: job.id.to_string(),
        });
        group.count += 1;
        *group.queues.entry(job.queue.clone()).or_default() += 1;
    }

    /// The groups, largest first.
    pub(crate) fn largest_first(self) -> Vec<FailureGroup> {
        let mut groups: Vec<_> = self.0.into_values().collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.error.cmp(&b.error)));
        groups
    }
}
