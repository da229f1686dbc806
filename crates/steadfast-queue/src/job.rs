//! The job: what a queue holds.

use crate::batch::{Awaited, WaitsFor};
use crate::note::{LogLine, Progress};
use crate::policy::RetryPolicy;
use crate::state::State;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The largest payload accepted, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// The longest queue name or kind, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// The window of a unique key unless the job says otherwise: one hour, in milliseconds.
pub const UNIQUE_WINDOW_MS: u64 = 3_600_000;

/// A job's id: 16 bytes, shown as 32 hex digits. A UUIDv7 for a plain job; a hash of queue and unique
/// key, or of parent and step, where the same work must always get the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub [u8; 16]);

impl JobId {
    /// A fresh id, ordered by time.
    pub fn fresh() -> Self {
        Self(*uuid::Uuid::now_v7().as_bytes())
    }

    /// The id of the job that `unique_key` stands for in `queue`.
    pub fn of_unique(queue: &str, unique_key: &[u8]) -> Self {
        Self::hashed(b"unique", queue.as_bytes(), unique_key)
    }

    /// The id of the follow-up that `step` of `parent` makes.
    pub fn of_follow_up(parent: JobId, step: &str) -> Self {
        Self::hashed(b"follow-up", &parent.0, step.as_bytes())
    }

    /// The id of the job that stands for the time `at_ms` of a schedule.
    pub fn of_schedule(name: &str, at_ms: i64) -> Self {
        Self::hashed(b"schedule", name.as_bytes(), &at_ms.to_be_bytes())
    }

    fn hashed(domain: &[u8], first: &[u8], second: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in [domain, first, second] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }

    /// Reads 32 hex digits, with or without dashes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|&c| c != '-').collect();
        let mut id = [0; 16];
        hex::decode_to_slice(digits, &mut id).ok()?;
        Some(Self(id))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a job id is 32 hex digits"))
    }
}

/// Jobs with the same group key run one at a time, in the order in which they were enqueued.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GroupKey(pub [u8; 16]);

/// How urgent a job is. Strict, but one reservation in sixteen goes to the lowest that waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before all others.
    High,
    /// The default.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl Priority {
    /// Every level, most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// 0 for high, 2 for low.
    pub const fn index(self) -> usize {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// The longest window of a unique key: 31 days, in milliseconds. Longer ones are cut.
pub const UNIQUE_WINDOW_MS_MAX: u64 = 31 * 24 * 3_600_000;

/// Makes an enqueue idempotent: within the window, a second job with this key in the same queue is the
/// first one, also after that has completed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unique {
    /// The key; what it means is the caller's business.
    pub key: Vec<u8>,
    /// How long it counts, in milliseconds from the enqueue, at most [`UNIQUE_WINDOW_MS_MAX`]. An unfinished
    /// or dead job holds its key beyond that.
    pub window_ms: u64,
}

impl Unique {
    /// `key` with the default window.
    pub fn new(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), window_ms: UNIQUE_WINDOW_MS }
    }
}

/// A job to be enqueued. `Debug` shows how long its payload is, not what it holds.
#[derive(Clone)]
pub struct NewJob {
    /// Its queue, at most [`NAME_BYTES_MAX`] bytes.
    pub queue: String,
    /// What it is, at most [`NAME_BYTES_MAX`] bytes.
    pub kind: String,
    /// What it carries; opaque to the queue.
    pub payload: Bytes,
    /// How the payload is encoded; opaque to the queue.
    pub codec: u8,
    /// How urgent it is.
    pub priority: Priority,
    /// Not before this, in milliseconds from the enqueue.
    pub delay_ms: u64,
    /// Idempotency.
    pub unique: Option<Unique>,
    /// An id given by the caller, for follow-ups. `unique` wins; without either, a fresh one.
    pub id: Option<JobId>,
    /// Order.
    pub group: Option<GroupKey>,
    /// The schedule of its retries; `None`: its queue's, as it is when an attempt fails.
    pub retry: Option<RetryPolicy>,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// How long it may wait before its first attempt, in milliseconds; `None`: for ever. Expired jobs go
    /// to the dead letters as `expired`.
    pub ttl_ms: Option<u64>,
    /// The job it follows.
    pub parent: Option<JobId>,
    /// The callback that waits for it, which must be there already, or come in the same settlement.
    pub batch: Option<JobId>,
    /// Makes it a callback: it waits until jobs of its batch are over, and then for its time if that has not come.
    /// A callback has no group.
    pub waits_for: Option<WaitsFor>,
    /// The id that follows the work through all its jobs and logs.
    pub correlation_id: String,
    /// Anything else worth keeping, small.
    pub metadata: BTreeMap<String, String>,
}

impl NewJob {
    /// A job of `kind` for `queue`, with defaults for all else: priority normal, no delay, no uniqueness,
    /// no group, the queue's retry schedule, 30 s per attempt, no time-to-live.
    pub fn new(queue: impl Into<String>, kind: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            queue: queue.into(),
            kind: kind.into(),
            payload: payload.into(),
            codec: 0,
            priority: Priority::default(),
            delay_ms: 0,
            unique: None,
            id: None,
            group: None,
            retry: None,
            timeout_ms: 30_000,
            ttl_ms: None,
            parent: None,
            batch: None,
            waits_for: None,
            correlation_id: String::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// The id it will have. Fresh at every call unless it is unique or was given one.
    pub fn resolve_id(&self) -> JobId {
        match (&self.unique, self.id) {
            (Some(unique), _) => JobId::of_unique(&self.queue, &unique.key),
            (None, Some(id)) => id,
            (None, None) => JobId::fresh(),
        }
    }
}

/// A job as the queue knows it. `Debug` shows how long its payload is, not what it holds.
#[derive(Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its queue.
    pub queue: String,
    /// What it is.
    pub kind: String,
    /// What it carries.
    pub payload: Bytes,
    /// How the payload is encoded.
    pub codec: u8,
    /// How urgent it is.
    pub priority: Priority,
    /// Where it is.
    pub state: State,
    /// When it was enqueued, in milliseconds since the Unix epoch.
    pub enqueued_ms: i64,
    /// When it is or was due, in milliseconds since the Unix epoch.
    pub run_at_ms: i64,
    /// When it finished (completed, dead or cancelled).
    pub finished_ms: Option<i64>,
    /// Order.
    pub group: Option<GroupKey>,
    /// Attempts begun, the running one included. Snoozes and releases take theirs back.
    pub attempt: u32,
    /// Processes that died under it in a row, without an attempt in between that ended with a retry or snooze.
    pub crash_count: u32,
    /// The schedule of its retries; `None`: its queue's, as it is when an attempt fails.
    pub retry: Option<RetryPolicy>,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// When it expires unstarted, in milliseconds since the Unix epoch.
    pub expires_ms: Option<i64>,
    /// The job it follows.
    pub parent: Option<JobId>,
    /// The callback of the batch that it is in.
    pub batch: Option<JobId>,
    /// If it is a callback, how far its batch is. While that waits, the job is scheduled without a time.
    pub waits_for: Option<Awaited>,
    /// The id that follows the work.
    pub correlation_id: String,
    /// Anything else worth keeping.
    pub metadata: BTreeMap<String, String>,
    /// Its failed attempts, oldest first, at most [`HISTORY_MAX`].
    pub history: Vec<AttemptRecord>,
    /// How far it said it was when it last said so.
    pub progress: Option<Progress>,
    /// What it has logged, oldest first, at most [`LOG_LINES_MAX`](crate::note::LOG_LINES_MAX) lines.
    pub log: Vec<LogLine>,
}

impl fmt::Debug for NewJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewJob")
            .field("queue", &self.queue)
            .field("kind", &self.kind)
            .field("payload_bytes", &self.payload.len())
            .field("priority", &self.priority)
            .field("delay_ms", &self.delay_ms)
            .field("id", &self.id)
            .field("unique", &self.unique.is_some())
            .field("group", &self.group)
            .field("parent", &self.parent)
            .field("batch", &self.batch)
            .field("waits_for", &self.waits_for)
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("queue", &self.queue)
            .field("kind", &self.kind)
            .field("payload_bytes", &self.payload.len())
            .field("priority", &self.priority)
            .field("state", &self.state)
            .field("run_at_ms", &self.run_at_ms)
            .field("group", &self.group)
            .field("attempt", &self.attempt)
            .field("crash_count", &self.crash_count)
            .field("correlation_id", &self.correlation_id)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

/// The most failed attempts a job remembers; beyond it the oldest but the first go.
pub const HISTORY_MAX: usize = 16;

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Which attempt.
    pub attempt: u32,
    /// When it failed, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// A short, stable word for the kind of failure: groups equal failures.
    pub error: String,
    /// What was said; holds nothing private.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_payload() {
        let job = NewJob {
            unique: Some(Unique::new("key of somebody")),
            ..NewJob::new("q", "k", "a private text")
        };
        let shown = format!("{job:?}");
        assert!(shown.contains("payload_bytes: 14"), "{shown}");
        assert!(!shown.contains("private") && !shown.contains("somebody"), "{shown}");
    }
}
