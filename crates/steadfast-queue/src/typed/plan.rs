//! Jobs that come by the clock, and jobs that wait for others.

use crate::backend::Control;
use crate::batch::{OnDead, WaitsFor};
use crate::error::QueueError;
use crate::job::{JobId, NewJob};
use crate::schedule::{Missed, Schedule};
use crate::typed::draft::Draft;
use crate::typed::job_type::CodecError;
use crate::typed::push::{PushError, Receipt};
use crate::typed::queue::Queue;
use futures::future::BoxFuture;
use std::future::IntoFuture;

/// Why a schedule was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The job has no encoded form.
    #[error("the job of the schedule cannot be encoded: check its Serialize, or override JobType::encode")]
    Encode(#[source] CodecError),
    /// The store did not take it: its time or its job cannot be used, or nothing can be stored now.
    #[error("the schedule is not stored")]
    Queue(#[source] QueueError),
}

/// A schedule on its way to the store: `.await` it.
#[derive(Debug)]
#[must_use = "a schedule is stored by awaiting this"]
pub struct Plan<'q> {
    queue: &'q Queue,
    schedule: Result<Schedule, CodecError>,
}

impl Plan<'_> {
    /// In this time zone, as the time zone database names it (`Europe/Berlin`). Default: UTC.
    pub fn zone(mut self, zone: &str) -> Self {
        if let Ok(schedule) = &mut self.schedule {
            zone.clone_into(&mut schedule.zone);
        }
        self
    }

    /// What happens with times that passed while nobody looked. Default: [`Missed::Skip`].
    pub fn missed(mut self, missed: Missed) -> Self {
        if let Ok(schedule) = &mut self.schedule {
            schedule.missed = missed;
        }
        self
    }
}

impl<'q> IntoFuture for Plan<'q> {
    type Output = Result<(), PlanError>;
    type IntoFuture = BoxFuture<'q, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { queue, schedule } = self;
        Box::pin(async move {
            let command = Control::PutSchedule(Box::new(schedule.map_err(PlanError::Encode)?));
            queue.backend().control(command).await.map(drop).map_err(PlanError::Queue)
        })
    }
}

/// A batch that was enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchReceipt {
    /// The callback, which runs when all the others are over.
    pub callback: Receipt,
    /// The others, in order.
    pub jobs: Vec<Receipt>,
}

impl Queue {
    /// Enqueues `job` whenever `cron` says, until it is changed or removed: `queue.schedule("report", "0 3 * * *",
    /// Report).zone("Europe/Berlin").await?`. One schedule for each name; putting it again changes it. Each time
    /// fires once, whatever restarts and however many processes look. A unique key and a delay of `job` are not
    /// heeded.
    ///
    /// Its payload is stored as it is, also where payloads are encrypted: each of its jobs has an id of its own.
    pub fn schedule(&self, name: &str, cron: &str, job: impl Into<Draft>) -> Plan<'_> {
        let draft: Draft = job.into();
        let schedule = draft.build().map(|new| {
            let NewJob {
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
                ..
            } = new;
            let plain = Schedule::new(name, cron, queue, kind, payload);
            Schedule { codec, priority, group, retry, timeout_ms, ttl_ms, metadata, ..plain }
        });
        Plan { queue: self, schedule }
    }

    /// Removes a schedule; what it has enqueued stays. Returns whether there was one.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn unschedule(&self, name: &str) -> Result<bool, QueueError> {
        Ok(self.backend().control(Control::RemoveSchedule(name.to_owned())).await?.affected > 0)
    }

    /// Enqueues `jobs` and `callback`, which runs once all of them are over, completed or not; its
    /// [`Context::job`](crate::typed::Context::job) then tells how many of each, as `waits_for`.
    ///
    /// It is several writes. Give the callback a unique key: then the same call can be repeated, after an error or
    /// a crash, and completes what was begun, since the jobs' ids are made from the callback's and their places.
    ///
    /// # Errors
    /// The first job's that was not taken; those before it are enqueued, and the callback waits for the rest.
    pub async fn push_batch<D: Into<Draft>>(
        &self,
        callback: impl Into<Draft>,
        jobs: impl IntoIterator<Item = D>,
    ) -> Result<BatchReceipt, PushError> {
        let drafts: Vec<Draft> = jobs.into_iter().map(Into::into).collect();
        let waits_for =
            WaitsFor { jobs: u32::try_from(drafts.len()).unwrap_or(u32::MAX), on_dead: OnDead::Continue };
        // A callback of nothing has nothing to wait for.
        let waits_for = (waits_for.jobs > 0).then_some(waits_for);
        let callback = self.push(callback.into().with(|new| new.waits_for = waits_for)).await?;
        let members = drafts.into_iter().enumerate().map(|(place, draft)| {
            draft.with(|new| {
                new.batch = Some(callback.id);
                if new.unique.is_none() && new.id.is_none() {
                    new.id = Some(JobId::of_follow_up(callback.id, &format!("batch {place}")));
                }
            })
        });
        let jobs = self.push_all(members).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(BatchReceipt { callback, jobs })
    }
}
