//! What every back-end must decide alike: bounds, admission, turns, history. Pure.

use crate::backend::{BATCH_MAX, Controlled, Filter, Rejection};
use crate::batch::Sealed;
use crate::error::QueueError;
use crate::event::WORD_BYTES_MAX;
use crate::job::{
    AttemptRecord, HISTORY_MAX, Job, JobId, NAME_BYTES_MAX, NewJob, PAYLOAD_BYTES_MAX, UNIQUE_WINDOW_MS,
    UNIQUE_WINDOW_MS_MAX,
};
use crate::policy::Failure;
use crate::state::State;
use std::time::Duration;

/// The most bytes of correlation id, metadata and retry schedule together.
pub const EXTRAS_BYTES_MAX: usize = 16 * 1024;
/// How many due or expired jobs a reservation moves before it looks.
pub const SWEEP_AT_RESERVE: usize = BATCH_MAX;
/// The longest a reservation waits, whatever was asked.
pub const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// One reservation in so many goes to the lowest priority that waits.
pub const LOW_TURN_EVERY: u64 = 16;

/// How many jobs a reservation finds that may not begin yet, and puts off, before it comes back empty-handed.
pub const PUT_OFF_AT_RESERVE: usize = 256;
/// How many finished jobs make room for one that is kept from now on.
pub const TRIM_AT_FINISH: usize = 128;

/// How much a queue may hold, unless its settings say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Jobs waiting (available, scheduled, retryable); those running do not count.
    pub waiting_max: u64,
    /// Payload bytes of all unfinished jobs.
    pub bytes_max: u64,
}

impl Default for Limits {
    /// 100,000 jobs, 1 GiB.
    fn default() -> Self {
        Self { waiting_max: 100_000, bytes_max: 1 << 30 }
    }
}

/// How many finished jobs a queue remembers, per state, unless its settings say otherwise. The oldest go first. Dead letters are not meant:
/// only an operator removes those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Completed jobs.
    pub completed_max: u64,
    /// Cancelled jobs.
    pub cancelled_max: u64,
    /// Payload bytes, of completed and of cancelled jobs each.
    pub bytes_max: u64,
    /// For how long, in milliseconds; `None`: until others push them out.
    pub age_max_ms: Option<u64>,
}

impl Default for Retention {
    /// 100 of each, 64 MiB of each, however old.
    fn default() -> Self {
        Self { completed_max: 100, cancelled_max: 100, bytes_max: 64 << 20, age_max_ms: None }
    }
}

/// Whether a call of `items` items may be made.
pub fn check_batch(items: usize) -> Result<(), QueueError> {
    if items > BATCH_MAX { Err(QueueError::TooMany { items, max: BATCH_MAX }) } else { Ok(()) }
}

/// Whether a queue or kind may have this name.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX
}

/// Whether `job` is well-formed, whatever the queue holds.
pub fn check_shape(job: &NewJob) -> Result<(), Rejection> {
    if !is_name(&job.queue) || !is_name(&job.kind) {
        return Err(Rejection::BadName);
    }
    if job.payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Rejection::TooLarge { bytes: job.payload.len(), max: PAYLOAD_BYTES_MAX });
    }
    let metadata: usize = job.metadata.iter().map(|(key, value)| key.len() + value.len() + 4).sum();
    let extras =
        job.correlation_id.len() + metadata + job.retry.as_ref().map_or(0, |retry| retry.delays_ms.len() * 8);
    if extras > EXTRAS_BYTES_MAX {
        return Err(Rejection::TooLarge { bytes: extras, max: EXTRAS_BYTES_MAX });
    }
    Ok(())
}

/// Whether what `job`, which has the id `id`, says of batches can come true, seen by itself.
pub(crate) fn check_batch_shape(job: &NewJob, id: JobId) -> Result<(), Rejection> {
    if crate::batch::is_sound(job, id) { Ok(()) } else { Err(Rejection::BadBatch) }
}

/// The state in which `job` begins.
pub(crate) const fn first_state(job: &NewJob) -> State {
    if job.delay_ms == 0 && job.waits_for.is_none() { State::Available } else { State::Scheduled }
}

/// What sealing a batch did.
pub(crate) const fn sealed(sealed: Sealed) -> Controlled {
    match sealed {
        Sealed::Now => Controlled { affected: 1, skipped: 0 },
        Sealed::Before => Controlled { affected: 0, skipped: 0 },
        Sealed::Refused => Controlled { affected: 0, skipped: 1 },
    }
}

/// Whether a queue with so many waiting jobs and stored bytes takes one more.
pub fn check_room(limits: &Limits, waiting: u64, bytes: u64, payload_bytes: u64) -> Result<(), Rejection> {
    if waiting >= limits.waiting_max {
        return Err(Rejection::QueueFull { waiting, max: limits.waiting_max });
    }
    if bytes.saturating_add(payload_bytes) > limits.bytes_max {
        return Err(Rejection::BytesFull { bytes, max: limits.bytes_max });
    }
    Ok(())
}

/// For how long the id of `job` counts, in milliseconds from its enqueue. A fresh id needs no window:
/// nobody else can come up with it.
pub fn window_ms(job: &NewJob) -> u64 {
    match (&job.unique, job.id) {
        (Some(unique), _) => unique.window_ms.min(UNIQUE_WINDOW_MS_MAX),
        (None, Some(_)) => UNIQUE_WINDOW_MS,
        (None, None) => 0,
    }
}

/// `now_ms + span_ms`, at most the end of time.
pub fn later(now_ms: i64, span_ms: u64) -> i64 {
    now_ms.saturating_add(i64::try_from(span_ms).unwrap_or(i64::MAX))
}

/// How far `at_ms` lies ahead of `now_ms`; zero if it has passed.
pub fn ahead(at_ms: i64, now_ms: i64) -> u64 {
    u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(0)
}

/// Whether the pick after `picks` others is the lowest priority's.
pub const fn is_low_turn(picks: u64) -> bool {
    picks % LOW_TURN_EVERY == LOW_TURN_EVERY - 1
}

/// Adds a failed attempt; beyond [`HISTORY_MAX`] the oldest but the first goes.
pub fn remember(history: &mut Vec<AttemptRecord>, attempt: u32, at_ms: i64, failure: Failure) {
    if history.len() >= HISTORY_MAX {
        history.remove(1);
    }
    history.push(AttemptRecord { attempt, at_ms, error: failure.error, message: failure.message });
}

/// The word for a job that waited beyond its time-to-live.
pub(crate) const EXPIRED: &str = "expired";

/// What is said of it.
pub fn expiry() -> Failure {
    Failure::new(EXPIRED, "it waited longer than its time-to-live before its first attempt")
}

/// As much of the word for a failure as is shown in events and counted by.
pub(crate) fn word(error: &str) -> &str {
    &error[..error.floor_char_boundary(WORD_BYTES_MAX)]
}

/// Whether `job` is one that `filter` asks for.
pub fn matches(filter: &Filter, job: &Job) -> bool {
    let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    let error = job.history.last().map_or("", |record| record.error.as_str());
    let at_ms = job.finished_ms.unwrap_or(job.enqueued_ms);
    (filter.ids.is_empty() || filter.ids.contains(&job.id))
        && same(&filter.queue, &job.queue)
        && (filter.states.is_empty() || filter.states.contains(&job.state))
        && same(&filter.kind, &job.kind)
        && (filter.group.is_none() || filter.group == job.group)
        && same(&filter.error, error)
        && same(&filter.correlation_id, &job.correlation_id)
        && filter.enqueued.contains(Some(job.enqueued_ms))
        && filter.finished.contains(job.finished_ms)
        && filter.before_ms.is_none_or(|before_ms| at_ms < before_ms)
}

/// Draws in 0..1 for spreading retries; not for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall differently in every process.
    pub fn new() -> Self {
        Self(uuid::Uuid::new_v4().as_u64_pair().0)
    }

    /// The next draw.
    pub fn roll(&mut self) -> f64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let numerator = (mixed >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }
}

impl Default for Dice {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn malformed_jobs_are_refused() {
        let job = |queue: &str, payload: usize| NewJob::new(queue, "kind", Bytes::from(vec![0; payload]));
        assert_eq!(check_shape(&job("", 0)), Err(Rejection::BadName));
        assert_eq!(check_shape(&job(&"q".repeat(65), 0)), Err(Rejection::BadName));
        assert_eq!(check_shape(&job("q", PAYLOAD_BYTES_MAX)), Ok(()));
        assert!(matches!(check_shape(&job("q", PAYLOAD_BYTES_MAX + 1)), Err(Rejection::TooLarge { .. })));
        let mut chatty = job("q", 0);
        chatty.metadata.insert("note".into(), "n".repeat(EXTRAS_BYTES_MAX));
        assert!(matches!(check_shape(&chatty), Err(Rejection::TooLarge { .. })));
    }

    #[test]
    fn the_first_failure_is_never_forgotten() {
        let mut history = Vec::new();
        for attempt in 1..=40 {
            remember(&mut history, attempt, 0, Failure::new("e", ""));
        }
        let attempts: Vec<_> = history.iter().map(|record| record.attempt).collect();
        assert_eq!(attempts.len(), HISTORY_MAX);
        assert_eq!((attempts[0], attempts[1], attempts[HISTORY_MAX - 1]), (1, 26, 40));
    }

    #[test]
    fn one_turn_in_sixteen_is_the_lowest() {
        assert_eq!((0..160).filter(|&picks| is_low_turn(picks)).count(), 10);
        assert!(!is_low_turn(0));
    }

    #[test]
    fn dice_stay_in_range_and_differ() {
        let mut dice = Dice::new();
        let rolls: Vec<f64> = (0..1_000).map(|_| dice.roll()).collect();
        assert!(rolls.iter().all(|roll| (0.0..1.0).contains(roll)));
        let mean = rolls.iter().sum::<f64>() / 1_000.0;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }
}
