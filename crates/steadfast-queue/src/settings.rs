//! What may be set for each queue, as data: stored with the queue, changed while it runs.

use crate::backend::rules::{Limits, Retention};
use crate::policy::{PolicyError, RetryPolicy};
use crate::rate::{Rate, RateError};
use serde::{Deserialize, Serialize};

/// The most jobs of one group that may run at once.
pub const GROUP_CONCURRENCY_MAX: u32 = 100;

/// The settings of one queue. What is `None` is as the store was opened with, or else as said at each field.
/// They are set whole by [`crate::backend::Control::Configure`], last beyond a restart, and act from the next
/// call on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// The schedule of jobs that carry none, looked up when an attempt fails. Default: [`RetryPolicy::default`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// Jobs that may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_max: Option<u64>,
    /// Payload bytes of unfinished jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// How many finished jobs are remembered. Less than before is reached by the next jobs to finish, and by
    /// [`Sweep::Prune`](crate::backend::Sweep::Prune).
    pub retention: RetentionSettings,
    /// How many jobs may begin within a time, over all workers. Default: any number. Charged when a job is
    /// handed out. What was charged before a start, or before this rate was set, is not known and counts as all
    /// that may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How many jobs may run at once, over all workers. Default: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u64>,
    /// How many jobs of each group may begin within a time. As `rate`. A group's next job waits, `scheduled`,
    /// until it may begin. A changed rate acts on those that wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_rate: Option<Rate>,
    /// How many jobs of each group may run at once, 1 to [`GROUP_CONCURRENCY_MAX`]: the first so many unfinished
    /// ones, begun in the order in which they were enqueued (one that waits for a time of its own is passed by
    /// those behind it). Default: 1. Raising it costs a pass over the queue's waiting groups, about a second per
    /// 100,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_concurrency: Option<u32>,
    /// What becomes of a group whose job is dead. Default: it goes on. Acts on jobs that die from now on; set to
    /// [`GroupOnDead::Continue`] it frees the groups that are held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_on_dead: Option<GroupOnDead>,
}

/// As [`Retention`], each field optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Completed jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_max: Option<u64>,
    /// Cancelled jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_max: Option<u64>,
    /// Payload bytes, of completed and of cancelled jobs each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// For how long, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_max_ms: Option<u64>,
}

/// What becomes of a group when one of its jobs is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupOnDead {
    /// The next one has its turn.
    #[default]
    Continue,
    /// What was enqueued behind it waits until an operator retries it (it has its old place then), cancels it (it
    /// stays a dead letter and holds nobody) or discards it.
    Block,
}

/// What is wrong with one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsProblem {
    /// The retry schedule.
    #[error("retry: {0}")]
    Retry(PolicyError),
    /// A wait of the retry schedule is longer than a month.
    #[error("retry: a wait has {0} ms, {max} may be", max = crate::rate::PER_MS_MAX)]
    RetryDelay(u64),
    /// The queue would take nothing.
    #[error("{0} must be 1 or more: to take no new jobs, drain the queue")]
    TakesNothing(&'static str),
    /// Nothing would run.
    #[error("concurrency_max must be 1 or more: to let nothing run, pause the queue")]
    RunsNothing,
    /// A rate.
    #[error("{0}: {1}")]
    Rate(&'static str, RateError),
    /// Out of its range.
    #[error("group_concurrency must be between 1 and {GROUP_CONCURRENCY_MAX}")]
    GroupConcurrency,
}

/// All that is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub Vec<SettingsProblem>);

impl std::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (no, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if no == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

impl QueueSettings {
    /// Whether they can be kept to.
    ///
    /// # Errors
    /// All problems at once.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut problems = Vec::new();
        if let Some(retry) = &self.retry {
            problems.extend(retry.check().err().map(SettingsProblem::Retry));
            let longest = retry.delays_ms.iter().copied().max().unwrap_or(0);
            problems
                .extend((longest > crate::rate::PER_MS_MAX).then_some(SettingsProblem::RetryDelay(longest)));
        }
        for (name, max) in [("waiting_max", self.waiting_max), ("bytes_max", self.bytes_max)] {
            problems.extend((max == Some(0)).then_some(SettingsProblem::TakesNothing(name)));
        }
        problems.extend((self.concurrency_max == Some(0)).then_some(SettingsProblem::RunsNothing));
        for (name, rate) in [("rate", self.rate), ("group_rate", self.group_rate)] {
            let error = rate.and_then(|rate| rate.check().err());
            problems.extend(error.map(|error| SettingsProblem::Rate(name, error)));
        }
        let in_range = self.group_concurrency.is_none_or(|max| (1..=GROUP_CONCURRENCY_MAX).contains(&max));
        problems.extend((!in_range).then_some(SettingsProblem::GroupConcurrency));
        if problems.is_empty() { Ok(()) } else { Err(SettingsError(problems)) }
    }

    /// What holds, on a store opened with `limits` and `retention`.
    pub fn resolve(&self, limits: Limits, retention: Retention) -> Resolved {
        let kept = self.retention;
        Resolved {
            retry: self.retry.clone().unwrap_or_default(),
            limits: Limits {
                waiting_max: self.waiting_max.unwrap_or(limits.waiting_max),
                bytes_max: self.bytes_max.unwrap_or(limits.bytes_max),
            },
            retention: Retention {
                completed_max: kept.completed_max.unwrap_or(retention.completed_max),
                cancelled_max: kept.cancelled_max.unwrap_or(retention.cancelled_max),
                bytes_max: kept.bytes_max.unwrap_or(retention.bytes_max),
                age_max_ms: kept.age_max_ms.or(retention.age_max_ms),
            },
            concurrency_max: self.concurrency_max.unwrap_or(u64::MAX),
            group_concurrency: self.group_concurrency.unwrap_or(1).clamp(1, GROUP_CONCURRENCY_MAX),
            block_on_dead: self.group_on_dead == Some(GroupOnDead::Block),
        }
    }
}

/// Settings with nothing left open.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// For jobs that carry no schedule.
    pub retry: RetryPolicy,
    /// How much the queue may hold.
    pub limits: Limits,
    /// What is remembered.
    pub retention: Retention,
    /// Jobs at once.
    pub concurrency_max: u64,
    /// Jobs of a group at once.
    pub group_concurrency: u32,
    /// Whether a dead job holds its group.
    pub block_on_dead: bool,
}

/// Whether a queue hands out and takes in. Stored with the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It does both.
    #[default]
    Running,
    /// It takes in and hands out nothing.
    Paused,
    /// It hands out what is there and takes in nothing new, but for follow-ups of its own jobs.
    Draining,
}

impl Mode {
    /// Whether nothing is handed out.
    pub const fn is_paused(self) -> bool {
        matches!(self, Self::Paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let settings = QueueSettings {
            retry: Some(RetryPolicy { delays_ms: vec![u64::MAX; 65].into(), jitter: 2.0 }),
            waiting_max: Some(0),
            bytes_max: Some(0),
            rate: Some(Rate::new(0, 1)),
            concurrency_max: Some(0),
            group_rate: Some(Rate::new(1, 0)),
            group_concurrency: Some(101),
            ..QueueSettings::default()
        };
        let error = settings.check().expect_err("nothing in it is right");
        assert_eq!(error.0.len(), 8, "{error}");
        let said = error.to_string();
        for word in ["retry", "waiting_max", "bytes_max", "rate", "concurrency_max", "group_concurrency"] {
            assert!(said.contains(word), "{said}");
        }
        assert_eq!(QueueSettings::default().check(), Ok(()));
    }

    #[test]
    fn what_is_not_said_is_as_the_store_has_it() {
        let (limits, retention) = (Limits::default(), Retention::default());
        let resolved = QueueSettings::default().resolve(limits, retention);
        assert_eq!((resolved.limits, resolved.retention), (limits, retention));
        assert_eq!((resolved.concurrency_max, resolved.group_concurrency), (u64::MAX, 1));
        assert!(!resolved.block_on_dead);
        let text = r#"{"waiting_max": 5, "retention": {"age_max_ms": 7}, "group_on_dead": "block"}"#;
        let settings: QueueSettings = serde_json::from_str(text).expect("reads");
        let resolved = settings.resolve(limits, retention);
        assert_eq!(resolved.limits, Limits { waiting_max: 5, ..limits });
        assert_eq!(resolved.retention, Retention { age_max_ms: Some(7), ..retention });
        assert!(resolved.block_on_dead);
        let again = serde_json::to_string(&settings).expect("writes");
        assert_eq!(serde_json::from_str::<QueueSettings>(&again).expect("reads"), settings);
        assert!(serde_json::from_str::<QueueSettings>(r#"{"waitingmax": 5}"#).is_err());
    }
}
