//! Schedules: jobs that come by the clock. Pure.
//!
//! A schedule is data in the store, put there by [`Control::PutSchedule`](crate::backend::Control::PutSchedule).
//! Nobody leads: whoever sweeps or reserves finds what is due, and enqueues it in the step that moves the
//! schedule's place on. The id of the job is made of the schedule's name and the time it stands for, so however
//! many processes, restarts or steps of the clock there are, each time fires once.

use crate::backend::{Rejection, rules};
use crate::cron::{Cron, CronError, Zone};
use crate::job::{GroupKey, JobId, NewJob, Priority};
use crate::policy::RetryPolicy;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most schedules in one store.
pub const SCHEDULES_MAX: usize = 1_000;
/// The most times that a catch-up makes good.
pub const CATCH_UP_MAX: u32 = 1_000;
/// A time that is later than this, in milliseconds, was missed.
pub const MISSED_AFTER_MS: u64 = 60_000;
/// For how long the id of a fired job counts, in milliseconds. The wall clock may be set back by so much.
pub(crate) const FIRED_WINDOW_MS: u64 = 25 * 3_600_000;
/// A place further ahead of the clock than this, in milliseconds, was reached by a clock that was wrong.
const AHEAD_MAX_MS: u64 = 24 * 3_600_000;
/// Where the metadata of a job says which schedule brought it.
pub(crate) const SCHEDULE: &str = "schedule";
/// How long to wait, in milliseconds, before a job that found no room is tried again.
pub const AGAIN_MS: u64 = 1_000;

/// What happens with times that passed while nobody looked: the process was down, or the clock was set forward.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// The latest fires if it is no more than [`MISSED_AFTER_MS`] late; the others do not.
    #[default]
    Skip,
    /// The latest so many fire, oldest first, at most [`CATCH_UP_MAX`].
    CatchUp {
        /// How many.
        max: u32,
    },
    /// The latest fires, however late, and stands for all.
    Coalesce,
}

/// A schedule: when, and the job that comes then. `Debug` shows how long its payload is, not what it holds.
#[derive(Clone, PartialEq)]
pub struct Schedule {
    /// Its name: one schedule each. At most [`NAME_BYTES_MAX`](crate::job::NAME_BYTES_MAX) bytes.
    pub name: String,
    /// When, as [`crate::cron`] says.
    pub cron: String,
    /// Where, as the time zone database says (`Europe/Berlin`), or `UTC`.
    pub zone: String,
    /// What happens with times that nobody looked at.
    pub missed: Missed,
    /// The queue of its jobs.
    pub queue: String,
    /// What they are.
    pub kind: String,
    /// What they carry.
    pub payload: Bytes,
    /// How that is encoded.
    pub codec: u8,
    /// How urgent they are.
    pub priority: Priority,
    /// Their order.
    pub group: Option<GroupKey>,
    /// The schedule of their retries; `None`: their queue's.
    pub retry: Option<RetryPolicy>,
    /// How long an attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// How long one may wait for its first attempt, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// Anything else worth keeping, small. The key `schedule` is added, with the name.
    pub metadata: BTreeMap<String, String>,
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schedule")
            .field("name", &self.name)
            .field("cron", &self.cron)
            .field("zone", &self.zone)
            .field("missed", &self.missed)
            .field("queue", &self.queue)
            .field("kind", &self.kind)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// Why a schedule cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Its name is empty or too long.
    #[error("a schedule's name has 1 to 64 bytes")]
    Name,
    /// Its time or zone.
    #[error("the schedule's time cannot be used")]
    Cron(#[source] CronError),
    /// Its catch-up.
    #[error("a schedule catches up on 1 to {CATCH_UP_MAX} times, not on {0}")]
    CatchUp(u32),
    /// Its job would never be taken.
    #[error("the schedule's job would be rejected")]
    Job(#[source] Rejection),
}

impl Schedule {
    /// A schedule in UTC, with the defaults of [`NewJob::new`] for its jobs.
    pub fn new(
        name: impl Into<String>,
        cron: impl Into<String>,
        queue: impl Into<String>,
        kind: impl Into<String>,
        payload: impl Into<Bytes>,
    ) -> Self {
        let NewJob {
            queue, kind, payload, codec, priority, group, retry, timeout_ms, ttl_ms, metadata, ..
        } = NewJob::new(queue, kind, payload);
        let (name, cron, zone, missed) = (name.into(), cron.into(), "UTC".to_owned(), Missed::default());
        Self {
            name,
            cron,
            zone,
            missed,
            queue,
            kind,
            payload,
            codec,
            priority,
            group,
            retry,
            timeout_ms,
            ttl_ms,
            metadata,
        }
    }

    /// Whether it can be stored.
    pub(crate) fn check(&self) -> Result<(), ScheduleError> {
        Planned::new(self.clone(), 0, None).map(|_| ())
    }

    /// The job that stands for the time `at_ms`.
    pub fn job(&self, at_ms: i64) -> NewJob {
        let mut metadata = self.metadata.clone();
        metadata.insert(SCHEDULE.to_owned(), self.name.clone());
        let id = JobId::of_schedule(&self.name, at_ms);
        NewJob {
            codec: self.codec,
            priority: self.priority,
            id: Some(id),
            group: self.group,
            retry: self.retry.clone(),
            timeout_ms: self.timeout_ms,
            ttl_ms: self.ttl_ms,
            correlation_id: id.to_string(),
            metadata,
            ..NewJob::new(self.queue.clone(), self.kind.clone(), self.payload.clone())
        }
    }
}

/// A schedule as it stands, for whoever looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleStats {
    /// When.
    pub cron: String,
    /// Where.
    pub zone: String,
    /// The queue of its jobs.
    pub queue: String,
    /// What they are.
    pub kind: String,
    /// What happens with times that nobody looked at.
    pub missed: Missed,
    /// The next time, in milliseconds since the Unix epoch; `None`: never again.
    pub next_ms: Option<i64>,
    /// The last time that fired.
    pub last_ms: Option<i64>,
}

/// A schedule and its place in time.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) schedule: Arc<Schedule>,
    cron: Cron,
    zone: Zone,
    /// Up to here, all is fired or skipped.
    pub(crate) place_ms: i64,
    pub(crate) last_ms: Option<i64>,
    /// The first time after the place.
    next_ms: Option<i64>,
    /// A time that found no room: it is not missed, however long that takes. A new process does not know of it: there,
    /// it is a time that nobody looked at.
    owed_ms: Option<i64>,
    /// Not to be tried before this.
    again_mono_ms: u64,
}

impl Planned {
    /// A schedule whose times up to `place_ms` are done with.
    pub(crate) fn new(
        schedule: Schedule,
        place_ms: i64,
        last_ms: Option<i64>,
    ) -> Result<Self, ScheduleError> {
        if !rules::is_name(&schedule.name) {
            return Err(ScheduleError::Name);
        }
        if let Missed::CatchUp { max } = schedule.missed
            && !(1..=CATCH_UP_MAX).contains(&max)
        {
            return Err(ScheduleError::CatchUp(max));
        }
        rules::check_shape(&schedule.job(0)).map_err(ScheduleError::Job)?;
        let cron: Cron = schedule.cron.parse().map_err(ScheduleError::Cron)?;
        let zone = Zone::named(&schedule.zone).map_err(ScheduleError::Cron)?;
        let next_ms = cron.next_after(&zone, place_ms);
        let schedule = Arc::new(schedule);
        Ok(Self { schedule, cron, zone, place_ms, last_ms, next_ms, owed_ms: None, again_mono_ms: 0 })
    }

    fn move_to(&mut self, place_ms: i64) {
        self.place_ms = place_ms;
        self.next_ms = self.cron.next_after(&self.zone, place_ms);
    }

    /// If a wrong clock brought it far ahead of time: begins anew from now.
    pub(crate) fn heed_clock(&mut self, now_ms: i64) -> bool {
        let ahead = rules::ahead(self.place_ms, now_ms) > AHEAD_MAX_MS;
        if ahead {
            self.move_to(now_ms);
        }
        ahead
    }

    pub(crate) fn is_due(&self, now_ms: i64, mono_ms: u64) -> bool {
        self.again_mono_ms <= mono_ms
            && (self.next_ms.is_some_and(|next_ms| next_ms <= now_ms)
                || rules::ahead(self.place_ms, now_ms) > AHEAD_MAX_MS)
    }

    /// When to look again, in milliseconds from now.
    pub(crate) fn next_in_ms(&self, now_ms: i64, mono_ms: u64) -> Option<u64> {
        let next_in_ms = rules::ahead(self.next_ms?, now_ms);
        Some(next_in_ms.max(self.again_mono_ms.saturating_sub(mono_ms)))
    }

    /// The times to fire now, oldest first, at most `limit`; after the last of them, which may be followed by
    /// others if there are `limit`, the place is the second value.
    pub(crate) fn due(&self, now_ms: i64, limit: usize) -> (Vec<i64>, i64) {
        let Some(latest_ms) = self.latest(now_ms) else { return (Vec::new(), self.place_ms) };
        let late_ms = rules::ahead(now_ms, latest_ms);
        let mut times = match self.schedule.missed {
            Missed::Skip if late_ms > MISSED_AFTER_MS => Vec::new(),
            Missed::Skip | Missed::Coalesce => vec![latest_ms],
            Missed::CatchUp { max } => {
                let before = |&at_ms: &i64| self.latest(at_ms.saturating_sub(1));
                let times = std::iter::successors(Some(latest_ms), before);
                times.take(usize::try_from(max).unwrap_or(usize::MAX)).collect()
            }
        };
        times.reverse();
        if let Some(owed_ms) = self.owed_ms.filter(|owed_ms| !times.contains(owed_ms) && *owed_ms <= now_ms) {
            times.push(owed_ms);
            times.sort_unstable();
        }
        if times.len() <= limit {
            return (times, latest_ms);
        }
        times.truncate(limit);
        let place_ms = times.last().copied().unwrap_or(self.place_ms);
        (times, place_ms)
    }

    /// The last time up to `to_ms` that is not done with.
    fn latest(&self, to_ms: i64) -> Option<i64> {
        let after = |at_ms| self.cron.next_after(&self.zone, at_ms).filter(|&next_ms| next_ms <= to_ms);
        after(self.place_ms)?;
        // After `low` there is one, after `high` there is none.
        let (mut low, mut high) = (self.place_ms, to_ms);
        while high - low > 1_000 {
            let middle = low + (high - low) / 2;
            if after(middle).is_some() { low = middle } else { high = middle }
        }
        after(low)
    }

    /// The time `at_ms` was fired.
    pub(crate) fn fired(&mut self, at_ms: i64) {
        self.last_ms = Some(at_ms);
        self.owed_ms = None;
        self.place_ms = self.place_ms.max(at_ms);
    }

    /// All times up to `place_ms` are done with.
    pub(crate) fn done_to(&mut self, place_ms: i64) {
        self.move_to(self.place_ms.max(place_ms));
    }

    /// The time `at_ms` found no room.
    pub(crate) fn found_no_room(&mut self, at_ms: i64, mono_ms: u64) {
        self.owed_ms = Some(at_ms);
        self.again_mono_ms = mono_ms.saturating_add(AGAIN_MS);
        self.move_to(self.place_ms);
    }

    /// Takes the place of `before`, of the same name. If it comes at the same times, it goes on where that was: no time is
    /// lost because what comes then is another, or sealed with another key.
    pub(crate) fn replace(mut self, before: &Self) -> Self {
        let when = |planned: &Self| {
            let Schedule { cron, zone, missed, .. } = &*planned.schedule;
            (cron.clone(), zone.clone(), *missed)
        };
        if when(&self) == when(before) {
            self.last_ms = before.last_ms;
            (self.owed_ms, self.again_mono_ms) = (before.owed_ms, before.again_mono_ms);
            self.move_to(before.place_ms);
        }
        self
    }

    /// Goes on where `before`, the same schedule in memory, was: what found no room is owed still, and not tried again
    /// at once. One whose place is another has fired since, or not.
    pub(crate) fn take_over(&mut self, before: &Self) {
        if self.schedule == before.schedule && self.place_ms == before.place_ms {
            (self.owed_ms, self.again_mono_ms) = (before.owed_ms, before.again_mono_ms);
        }
    }

    /// What a new process knows of it: what is in the store.
    pub(crate) fn begin_anew(&mut self) {
        (self.owed_ms, self.again_mono_ms) = (None, 0);
    }

    pub(crate) fn stats(&self) -> ScheduleStats {
        let Schedule { cron, zone, queue, kind, missed, .. } = &*self.schedule;
        ScheduleStats {
            cron: cron.clone(),
            zone: zone.clone(),
            queue: queue.clone(),
            kind: kind.clone(),
            missed: *missed,
            next_ms: self.next_ms,
            last_ms: self.last_ms,
        }
    }
}
