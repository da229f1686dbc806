//! A queue for the tests of a program that uses this crate: in memory, on a clock that the test moves, with
//! the program's own handlers, one job at a time and in a fixed order.
//!
//! ```
//! # use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//! use steadfast_queue::testing::TestQueue;
//! use steadfast_queue::typed::{JobError, JobType, Router};
//! use steadfast_queue::State;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Remind { who: String }
//!
//! impl JobType for Remind { const KIND: &'static str = "remind"; }
//!
//! async fn remind(job: Remind) -> Result<(), JobError> {
//!     if job.who.is_empty() { return Err(JobError::dead("nobody", "a reminder for nobody")); }
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let test = TestQueue::new(Router::new().handle(remind))?;
//! let id = test.push(Remind { who: "Ada".into() }).delay(Duration::from_secs(3_600)).await?.id;
//! assert_eq!(test.run_until_idle().await, 0, "not due yet");
//! assert_eq!(test.advance(Duration::from_secs(3_600)).await, 1);
//! test.assert_state(id, State::Completed).await;
//! # Ok(())
//! # }
//! ```
//!
//! Retries, snoozes, timeouts, panics and follow-ups do what they do in production: the same state machine
//! decides. A handler's own timers are Tokio's: start the test with `#[tokio::test(start_paused = true)]` and
//! they cost no time either.

use crate::backend::rules::{Limits, Retention};
use crate::backend::{Filter, MemoryBackend, Reservation, Reserve, Settle, Settled, Sweep, WorkerId};
use crate::handler::{Handler, JobContext};
use crate::job::{Job, JobId};
use crate::state::State;
use crate::typed::{Draft, JobType, Lane, Push, Queue, Router, RouterError};
use crate::worker::{End, Interrupt, after_rejection, decide, panic_message};
use futures::FutureExt as _;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::{Clock, ManualClock};
use tokio_util::sync::CancellationToken;

/// Where the clock of a [`TestQueue`] starts: a Monday, 2026-06-01 at 00:00 UTC, in milliseconds since the Unix
/// epoch.
pub const START_MS: i64 = 1_780_272_000_000;
/// Attempts after which [`TestQueue::run_until_idle`] concludes that the jobs beget each other for ever.
pub const ATTEMPTS_MAX: usize = 100_000;

const LEASE_MS: u64 = 30_000;
const SWEPT_MAX: usize = 1_024;

/// A queue in memory with handlers and a clock. See the module.
///
/// Methods panic where a test should fail.
pub struct TestQueue {
    queue: Queue,
    clock: Arc<ManualClock>,
    lanes: Vec<Lane>,
    worker: WorkerId,
}

impl fmt::Debug for TestQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestQueue").field("now_ms", &self.clock.now_ms()).finish_non_exhaustive()
    }
}

impl TestQueue {
    /// An empty queue whose jobs `router` handles. It keeps every finished job.
    ///
    /// # Errors
    /// If `router` is not sound.
    pub fn new(router: Router) -> Result<Self, RouterError> {
        let clock = ManualClock::at(START_MS);
        let retention = Retention {
            completed_max: u64::MAX,
            cancelled_max: u64::MAX,
            bytes_max: u64::MAX,
            ..Retention::default()
        };
        let backend = MemoryBackend::with(clock.clone(), Limits::default(), retention);
        Self::around(Queue::new(backend, clock.clone()), clock, router)
    }

    /// The same around a store of one's own, which must be on `clock`.
    ///
    /// # Errors
    /// If `router` is not sound.
    pub fn around(queue: Queue, clock: Arc<ManualClock>, router: Router) -> Result<Self, RouterError> {
        let lanes = router.plan(queue.clock())?.lanes;
        Ok(Self { queue, clock, lanes, worker: WorkerId::fresh() })
    }

    /// The queue, to hand to the code under test.
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The clock, to hand to the code under test. Moving it runs nothing; [`TestQueue::advance`] does.
    pub const fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }

    /// Enqueues a job: [`Queue::push`].
    pub fn push(&self, job: impl Into<Draft>) -> Push<'_> {
        self.queue.push(job)
    }

    /// Runs whatever is due, and what follows from it, until nothing is due any more. Time stands still.
    /// Returns how many attempts it ran.
    pub async fn run_until_idle(&self) -> usize {
        let mut attempts = 0;
        while self.run_next().await.is_some() {
            attempts += 1;
            assert!(
                attempts < ATTEMPTS_MAX,
                "{ATTEMPTS_MAX} attempts and no end: some job always makes another due now"
            );
        }
        attempts
    }

    /// Lets `span` pass, and runs what falls due on the way when it does: delayed jobs, retries. Returns how
    /// many attempts it ran.
    pub async fn advance(&self, span: Duration) -> usize {
        let until_ms = self.clock.mono_ms().saturating_add(ms(span));
        let mut attempts = self.run_until_idle().await;
        loop {
            let left_ms = until_ms.saturating_sub(self.clock.mono_ms());
            let step_ms = self
                .next_in_ms()
                .await
                .map_or(left_ms, |next_ms| next_ms.clamp(1, left_ms.max(1)))
                .min(left_ms);
            self.clock.advance(Duration::from_millis(step_ms));
            attempts += self.run_until_idle().await;
            if step_ms == left_ms {
                return attempts;
            }
        }
    }

    /// Runs the next job that is due; `None` if none is.
    pub async fn run_next(&self) -> Option<JobId> {
        let (lane, held) = self.take().await?;
        let id = held.job.id;
        let (interrupt, end) = self.attempt(lane, &held).await;
        if let Some(decision) = decide(&held.job, interrupt, end) {
            let settle = Settle {
                lease: held.lease,
                verdict: decision.verdict,
                follow_ups: decision.follow_ups,
                note: None,
            };
            if let Settled::FollowUpRejected(rejection) = self.settle(settle).await {
                let instead = after_rejection(rejection, Duration::from_secs(5));
                self.settle(Settle {
                    lease: held.lease,
                    verdict: instead.verdict,
                    follow_ups: Vec::new(),
                    note: None,
                })
                .await;
            }
        }
        Some(id)
    }

    /// Runs the next job that is due, and loses what its handler said, as if the process had died just before
    /// it was stored: what the handler did to the world stays, the job runs again. A job's effects are
    /// idempotent if the rest of the test passes all the same. Moves the clock by the lease, 30 s.
    pub async fn crash_next(&self) -> Option<JobId> {
        let (lane, held) = self.take().await?;
        drop(self.attempt(lane, &held).await);
        self.clock.advance(Duration::from_millis(LEASE_MS));
        self.sweep(Sweep::Reclaim).await;
        Some(held.job.id)
    }

    /// Every job of type `J` that is kept, in whatever state, oldest first.
    pub async fn jobs<J: JobType>(&self) -> Vec<Job> {
        self.list(Filter {
            queue: Some(J::QUEUE.to_owned()),
            kind: Some(J::KIND.to_owned()),
            ..Filter::default()
        })
        .await
    }

    /// What was enqueued of type `J`, oldest first.
    pub async fn pushed<J: JobType>(&self) -> Vec<J> {
        let read = |job: Job| match J::decode(&job.payload) {
            Ok(value) => value,
            Err(error) => panic!("job {} of kind {}: {error}", job.id, job.kind),
        };
        self.jobs::<J>().await.into_iter().map(read).collect()
    }

    /// How many jobs of type `J` are in which state.
    pub async fn states<J: JobType>(&self) -> BTreeMap<State, usize> {
        let mut states = BTreeMap::new();
        for job in self.jobs::<J>().await {
            *states.entry(job.state).or_default() += 1;
        }
        states
    }

    /// The dead letters of all queues, oldest first.
    pub async fn dead_letters(&self) -> Vec<Job> {
        self.list(Filter { states: vec![State::Dead], ..Filter::default() }).await
    }

    /// The job, which must be kept.
    pub async fn job(&self, id: JobId) -> Job {
        self.queue
            .get(id)
            .await
            .expect("a store in memory answers")
            .unwrap_or_else(|| panic!("job {id} is not kept"))
    }

    /// Fails the test unless the job is in this state; then says why it is in another.
    pub async fn assert_state(&self, id: JobId, expected: State) {
        let job = self.job(id).await;
        let last = job.history.last();
        assert!(
            job.state == expected,
            "job {id} is {:?}, not {expected:?}; its last failure: {last:?}",
            job.state
        );
    }

    /// Fails the test if anything died; then says what and why.
    pub async fn assert_nothing_died(&self) {
        let dead = self.dead_letters().await;
        let told: Vec<_> = dead.iter().map(|job| (job.kind.as_str(), job.history.last())).collect();
        assert!(told.is_empty(), "dead letters: {told:#?}");
    }

    async fn take(&self) -> Option<(&Lane, Reservation)> {
        self.sweep(Sweep::Promote).await;
        for lane in &self.lanes {
            let request = Reserve {
                queue: lane.config.queue.clone(),
                max: 1,
                lease_ms: LEASE_MS,
                worker: self.worker,
                wait: Duration::ZERO,
                no_suspects: false,
            };
            let taken = self.queue.backend().reserve(request).await.expect("a store in memory answers");
            if let Some(held) = taken.into_iter().next() {
                return Some((lane, held));
            }
        }
        None
    }

    async fn attempt(&self, lane: &Lane, held: &Reservation) -> (Option<Interrupt>, End) {
        let handler: &Arc<dyn Handler> = lane.handlers.get(&held.job.kind).unwrap_or(&lane.fallback);
        let mut context = JobContext::new(CancellationToken::new(), held.lease.fence);
        context.last_attempt = held.last_attempt;
        let attempt = AssertUnwindSafe(handler.run(&held.job, &context)).catch_unwind();
        match tokio::time::timeout(Duration::from_millis(held.job.timeout_ms), attempt).await {
            Ok(Ok(outcome)) => (None, End::Said(outcome)),
            Ok(Err(panic)) => (None, End::Panicked(panic_message(&*panic))),
            Err(_elapsed) => (Some(Interrupt::TimedOut), End::Silent),
        }
    }

    async fn settle(&self, settle: Settle) -> Settled {
        let settled = self.queue.backend().settle(vec![settle]).await.expect("a store in memory answers");
        settled.into_iter().next().expect("one was asked, one is answered")
    }

    async fn sweep(&self, sweep: Sweep) -> Option<u64> {
        loop {
            let swept =
                self.queue.backend().sweep(sweep, SWEPT_MAX).await.expect("a store in memory answers");
            if usize::try_from(swept.moved).is_ok_and(|moved| moved < SWEPT_MAX) {
                return swept.next_in_ms;
            }
        }
    }

    /// When something falls due next.
    async fn next_in_ms(&self) -> Option<u64> {
        self.sweep(Sweep::Promote).await
    }

    async fn list(&self, filter: Filter) -> Vec<Job> {
        let (mut jobs, mut cursor) = (Vec::new(), None);
        loop {
            let page = self
                .queue
                .backend()
                .list(filter.clone(), cursor, SWEPT_MAX)
                .await
                .expect("a store in memory answers");
            jobs.extend(page.jobs);
            cursor = page.next;
            if cursor.is_none() {
                jobs.reverse();
                return jobs;
            }
        }
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
