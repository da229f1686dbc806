//! Jobs by number: the child makes them, the parent knows what they are.

use std::path::Path;
use std::time::Duration;
use steadfast_clock::SharedClock;
use steadfast_queue::backend::local::{Bounds, LocalOptions};
use steadfast_queue::backend::rules::Retention;
use steadfast_queue::policy::RetryPolicy;
use steadfast_queue::{GroupKey, Job, JobId, NewJob, Priority, Unique};
use steadfast_testkit::Dice;

pub(super) const QUEUES: [&str; 2] = ["a", "b"];
/// A queue that holds nothing and is paused and resumed.
pub(super) const PAUSED: &str = "p";
/// Numbers of follow-ups begin here: two per parent.
const FOLLOW_UPS: u64 = 10_000_000;
/// Attempts that end with a retry, before the one that is the last.
const RETRIES: u32 = 2;
const WINDOW_MS: u64 = 20 * 24 * 3_600_000;

/// The number of the job that producer `producer` makes as its `nth` in its life number `life`.
pub(super) const fn number(producer: u64, life: u64, nth: u64) -> u64 {
    producer * 1_000_000 + life * 1_000 + nth
}

/// How a job can be told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Unique,
    Given,
    Fresh,
}

/// What the job with a number is.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) number: u64,
    pub(super) queue: &'static str,
    pub(super) identity: Identity,
    pub(super) group: Option<u8>,
    /// It waits for an hour, and may be called off.
    pub(super) doomed: bool,
    /// It expires within milliseconds.
    pub(super) brief: bool,
    delay_ms: u64,
    priority: Priority,
    bytes: usize,
}

impl Spec {
    pub(super) fn of(number: u64) -> Self {
        let mut dice = Dice::seeded(number.wrapping_mul(0x9e37));
        let follows = number >= FOLLOW_UPS;
        let grouped = !follows && dice.percent(30);
        let producer = u8::try_from(number / 1_000_000 % 100).unwrap_or(0);
        let group = grouped.then(|| producer * 2 + u8::from(dice.percent(50)));
        // A group lives in one queue.
        let queue = QUEUES[group.map_or_else(|| dice.place(2), |group| usize::from(group % 2))];
        let plain = group.is_none() && !follows;
        let (doomed, brief) = (plain && dice.percent(10), plain && dice.percent(5));
        let bytes = match dice.below(20) {
            0 => 5_000 + dice.place(15_000),
            1..5 => 100 + dice.place(2_000),
            _ => dice.place(100),
        };
        Self {
            number,
            queue,
            identity: match dice.below(10) {
                _ if follows => Identity::Given,
                0..5 => Identity::Unique,
                5..7 => Identity::Given,
                _ => Identity::Fresh,
            },
            group,
            doomed,
            brief,
            delay_ms: if doomed {
                3_600_000
            } else if dice.percent(15) {
                1 + dice.below(6)
            } else {
                0
            },
            priority: if grouped { Priority::Normal } else { dice.one_of(&Priority::ALL) },
            bytes,
        }
    }

    /// Its id, where that is known before it is stored.
    fn given_id(&self) -> JobId {
        JobId::of_follow_up(JobId([7; 16]), &self.number.to_string())
    }

    fn key(&self) -> Vec<u8> {
        self.number.to_string().into_bytes()
    }

    pub(super) fn job(&self) -> NewJob {
        let mut new = NewJob::new(self.queue, "kind", payload(self.number, self.bytes));
        new.correlation_id = self.number.to_string();
        new.priority = self.priority;
        new.delay_ms = self.delay_ms;
        new.ttl_ms = self.brief.then_some(3);
        new.group = self.group.map(|group| GroupKey([group; 16]));
        new.retry = Some(RetryPolicy::new([1, 3], 0.0).expect("valid"));
        match self.identity {
            Identity::Unique => new.unique = Some(Unique { key: self.key(), window_ms: WINDOW_MS }),
            Identity::Given => new.id = Some(self.given_id()),
            Identity::Fresh => {}
        }
        new
    }

    /// Whether `job` is what was made of this.
    pub(super) fn is_sound(&self, job: &Job) -> bool {
        let group = self.group.map(|group| GroupKey([group; 16]));
        job.payload == payload(self.number, self.bytes) && job.queue == self.queue && job.group == group
    }
}

fn payload(number: u64, bytes: usize) -> Vec<u8> {
    let mut dice = Dice::seeded(number);
    (0..bytes).map(|_| dice.draw().to_ne_bytes()[0]).collect()
}

/// The number that `job` was made under.
pub(super) fn number_of(job: &Job) -> u64 {
    job.correlation_id.parse().expect("a number")
}

/// The jobs that follow the first attempt of a job, if that ends with a completion or a retry.
pub(super) fn follow_ups(number: u64) -> Vec<u64> {
    let mut dice = Dice::seeded(number ^ 0xf0);
    if number >= FOLLOW_UPS || !dice.percent(25) {
        return Vec::new();
    }
    (0..=dice.below(2)).map(|step| FOLLOW_UPS + number * 2 + step).collect()
}

/// What a job is that waits, or that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Absent,
    /// Neither ended nor gone, with so many attempts spent.
    Waiting(u32),
    Completed,
    Dead,
    Cancelled,
}

impl Class {
    pub(super) fn of(job: &Job) -> Self {
        match job.state.as_str() {
            "completed" => Self::Completed,
            "dead" => Self::Dead,
            "cancelled" => Self::Cancelled,
            // The attempt of a running job is counted in memory alone.
            "running" => Self::Waiting(job.attempt - 1),
            _ => Self::Waiting(job.attempt),
        }
    }
}

/// What a worker says, in the words of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Complete,
    Retry,
    Snooze,
    PutOff,
    Release,
    Dead,
}

impl Word {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::Complete, "complete"),
        (Self::Retry, "retry"),
        (Self::Snooze, "snooze"),
        (Self::PutOff, "putoff"),
        (Self::Release, "release"),
        (Self::Dead, "dead"),
    ];

    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(word, _)| *word == self).map_or("", |(_, text)| text)
    }

    pub(super) fn parse(text: &str) -> Self {
        let known = Self::ALL.iter().find(|(_, known)| *known == text);
        known.map(|(word, _)| *word).expect("a verdict")
    }

    /// What becomes of a job in its attempt number `attempt`.
    pub(super) fn outcome(self, attempt: u32) -> Class {
        match self {
            Self::Complete => Class::Completed,
            Self::Retry if attempt <= RETRIES => Class::Waiting(attempt),
            Self::Retry | Self::Dead => Class::Dead,
            Self::Snooze | Self::PutOff | Self::Release => Class::Waiting(attempt - 1),
        }
    }

    /// Whether follow-ups come with it.
    pub(super) fn has_follow_ups(self, attempt: u32) -> bool {
        attempt == 1 && matches!(self, Self::Complete | Self::Retry)
    }
}

/// How the store of a life is opened: differently under every seed.
pub(super) fn options(folder: &Path, seed: u64) -> LocalOptions {
    let mut dice = Dice::seeded(seed ^ 0x0517);
    let bounds = Bounds {
        window_max: dice.one_of(&[2, 64, 4_096]),
        cache_bytes_max: dice.one_of(&[0, 16 << 20]),
        fresh_max: dice.one_of(&[2, 9, 65_536]),
        wal_pages_max: dice.one_of(&[4, 24, 200]),
        answer_timeout: Duration::from_secs(20),
        ..Bounds::default()
    };
    let retention = match keeps_all(seed) {
        true => Retention { completed_max: u64::MAX, cancelled_max: u64::MAX, ..Retention::default() },
        false => Retention { completed_max: 8, cancelled_max: 3, ..Retention::default() },
    };
    LocalOptions { bounds, retention, ..LocalOptions::new(folder.join("store").join("queue.db")) }
}

/// Whether completed and cancelled jobs are all kept under this seed.
pub(super) const fn keeps_all(seed: u64) -> bool {
    seed % 4 != 3
}

/// A clock a day ahead: everything is due, and no unique key is over.
pub(super) fn tomorrow(clock: &SharedClock) -> i64 {
    clock.now_ms() + 24 * 3_600_000
}
