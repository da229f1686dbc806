//! A store of either kind on a clock that the test moves, and short words for what tests do with it.

use super::sealed::ring;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::{Bounds, LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::{Limits, Retention};
use steadfast_queue::backend::{
    Control, Controlled, Enqueued, Extended, Filter, MemoryBackend, QueueStats, Reservation, Reserve, Settle,
    Settled, Sweep, WorkerId,
};
use steadfast_queue::policy::{Failure, RetryPolicy};
use steadfast_queue::sealed::Sealed;
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, GroupKey, Job, JobId, NewJob, Priority, State, Unique};
use tempfile::TempDir;

pub(super) const QUEUE: &str = "q";
pub(super) const LEASE_MS: u64 = 10_000;
pub(super) const START_MS: i64 = 1_790_000_000_000;

/// What a test may choose.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choice {
    pub(super) limits: Limits,
    pub(super) retention: Retention,
}

/// Makes a store on this clock.
pub(super) type Make = fn(SharedClock, Choice) -> (Arc<dyn Backend>, Option<TempDir>);

pub(super) fn memory(clock: SharedClock, choice: Choice) -> (Arc<dyn Backend>, Option<TempDir>) {
    (MemoryBackend::with(clock, choice.limits, choice.retention), None)
}

pub(super) fn local(clock: SharedClock, choice: Choice) -> (Arc<dyn Backend>, Option<TempDir>) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = LocalOptions { limits: choice.limits, retention: choice.retention, ..options(&folder) };
    (LocalBackend::open(options, clock).expect("opens"), Some(folder))
}

/// A durable store whose windows hold next to nothing, so that it works from disk.
pub(super) fn narrow(clock: SharedClock, choice: Choice) -> (Arc<dyn Backend>, Option<TempDir>) {
    let folder = tempfile::tempdir().expect("a folder");
    let bounds = Bounds { window_max: 2, cache_bytes_max: 0, fresh_max: 3, ..Bounds::default() };
    let options =
        LocalOptions { limits: choice.limits, retention: choice.retention, bounds, ..options(&folder) };
    (LocalBackend::open(options, clock).expect("opens"), Some(folder))
}

/// A store in memory that sees no payload in the clear.
pub(super) fn sealed_memory(clock: SharedClock, choice: Choice) -> (Arc<dyn Backend>, Option<TempDir>) {
    let (store, folder) = memory(clock, choice);
    (Sealed::new(store, ring(&["k"])), folder)
}

/// A durable one.
pub(super) fn sealed_local(clock: SharedClock, choice: Choice) -> (Arc<dyn Backend>, Option<TempDir>) {
    let (store, folder) = local(clock, choice);
    (Sealed::new(store, ring(&["k"])), folder)
}

pub(super) fn options(folder: &TempDir) -> LocalOptions {
    LocalOptions::new(folder.path().join("store").join("queue.db"))
}

/// Runs each test over each kind of store. Those that count bytes to the last one are for stores that keep
/// payloads as they are.
macro_rules! over_every_backend {
    ($($test:ident),+ $(,)? $(; counting bytes: $($exact:ident),+ $(,)?)?) => {
        over_every_backend!(@one memory: $($test,)+ $($($exact,)+)?);
        over_every_backend!(@one local: $($test,)+ $($($exact,)+)?);
        over_every_backend!(@one narrow: $($test,)+ $($($exact,)+)?);
        over_every_backend!(@one sealed_memory: $($test,)+);
        over_every_backend!(@one sealed_local: $($test,)+);
    };
    (@one $make:ident: $($test:ident,)+) => {
        mod $make {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::super::rig::$make).await;
            })+
        }
    };
}
pub(super) use over_every_backend;

/// A store under test.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) store: Arc<dyn Backend>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) worker: WorkerId,
    _folder: Option<TempDir>,
}

impl Rig {
    pub(super) fn new(make: Make) -> Self {
        Self::with(make, Choice::default())
    }

    pub(super) fn with(make: Make, choice: Choice) -> Self {
        let clock = ManualClock::at(START_MS);
        let (store, folder) = make(clock.clone(), choice);
        Self { store, clock, worker: WorkerId::fresh(), _folder: folder }
    }

    /// The rig around a store that is there already.
    pub(super) fn around(store: Arc<dyn Backend>, clock: Arc<ManualClock>) -> Self {
        Self { store, clock, worker: WorkerId::fresh(), _folder: None }
    }

    pub(super) fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    pub(super) async fn enqueue(&self, new: NewJob) -> Enqueued {
        self.store.enqueue(vec![new]).await.expect("enqueues")[0]
    }

    /// Enqueues what must be new.
    pub(super) async fn add(&self, new: NewJob) -> JobId {
        match self.enqueue(new).await {
            Enqueued::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn request(&self, queue: &str, max: usize) -> Reserve {
        Reserve {
            queue: queue.to_owned(),
            max,
            lease_ms: LEASE_MS,
            worker: self.worker,
            wait: Duration::ZERO,
            no_suspects: false,
        }
    }

    pub(super) async fn take(&self, max: usize) -> Vec<Reservation> {
        self.store.reserve(self.request(QUEUE, max)).await.expect("reserves")
    }

    /// The next job, which must be there.
    pub(super) async fn next(&self) -> Reservation {
        self.take(1).await.pop().expect("a job is ready")
    }

    pub(super) async fn nothing_is_ready(&self) {
        let taken = self.take(1).await;
        assert!(taken.is_empty(), "{taken:?}");
    }

    pub(super) async fn settle(&self, held: &Reservation, verdict: Verdict) -> Settled {
        self.settle_with(held, verdict, Vec::new()).await
    }

    pub(super) async fn settle_with(
        &self,
        held: &Reservation,
        verdict: Verdict,
        follow_ups: Vec<NewJob>,
    ) -> Settled {
        let settle = Settle { lease: held.lease, verdict, follow_ups, note: None };
        self.store.settle(vec![settle]).await.expect("settles")[0]
    }

    pub(super) async fn complete(&self, held: &Reservation) {
        assert_eq!(self.settle(held, Verdict::Complete).await, Settled::Now(State::Completed));
    }

    pub(super) async fn extend(&self, held: &Reservation) -> Extended {
        self.store.extend(vec![held.lease.into()], LEASE_MS).await.expect("extends")[0]
    }

    pub(super) async fn reclaim(&self) -> u64 {
        self.store.sweep(Sweep::Reclaim, 1_000).await.expect("reclaims").moved
    }

    pub(super) async fn promote(&self) -> u64 {
        self.store.sweep(Sweep::Promote, 1_000).await.expect("promotes").moved
    }

    pub(super) async fn job(&self, id: JobId) -> Job {
        self.store.get(vec![id]).await.expect("gets").pop().flatten().expect("the job is here")
    }

    pub(super) async fn state(&self, id: JobId) -> Option<State> {
        self.store.status(vec![id]).await.expect("asks")[0].state
    }

    pub(super) async fn stats(&self) -> QueueStats {
        self.stats_of(QUEUE).await
    }

    pub(super) async fn stats_of(&self, queue: &str) -> QueueStats {
        self.store.stats().await.expect("counts").queues.get(queue).cloned().unwrap_or_default()
    }

    pub(super) async fn control(&self, command: Control) -> Controlled {
        self.store.control(command).await.expect("controls")
    }

    /// Completes everything that is ready, in order.
    pub(super) async fn drain(&self) -> Vec<JobId> {
        let mut order = Vec::new();
        loop {
            let taken = self.take(8).await;
            if taken.is_empty() {
                return order;
            }
            for held in &taken {
                self.complete(held).await;
                order.push(held.job.id);
            }
        }
    }

    pub(super) async fn all(&self, filter: Filter) -> Vec<Job> {
        let (mut jobs, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.store.list(filter.clone(), cursor, 3).await.expect("lists");
            jobs.extend(page.jobs);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return jobs,
            }
        }
    }
}

pub(super) fn job() -> NewJob {
    job_in(QUEUE)
}

pub(super) fn job_in(queue: &str) -> NewJob {
    let mut new = NewJob::new(queue, "kind", "payload");
    new.retry = RetryPolicy::new([1_000, 2_000], 0.0).ok();
    new
}

pub(super) fn unique(key: &str, window_ms: u64) -> NewJob {
    let mut new = job();
    new.unique = Some(Unique { key: key.into(), window_ms });
    new
}

pub(super) fn grouped(group: u8) -> NewJob {
    let mut new = job();
    new.group = Some(GroupKey([group; 16]));
    new
}

pub(super) fn urgent(priority: Priority) -> NewJob {
    let mut new = job();
    new.priority = priority;
    new
}

pub(super) fn delayed(delay_ms: u64) -> NewJob {
    let mut new = job();
    new.delay_ms = delay_ms;
    new
}

pub(super) fn expiring(ttl_ms: u64) -> NewJob {
    let mut new = job();
    new.ttl_ms = Some(ttl_ms);
    new
}

pub(super) fn failure() -> Failure {
    Failure::new("boom", "it broke")
}

pub(super) fn retry() -> Verdict {
    Verdict::Retry { failure: failure(), after_ms: None }
}

pub(super) fn dead() -> Verdict {
    Verdict::Dead { failure: failure() }
}

pub(super) fn ids(taken: &[Reservation]) -> Vec<JobId> {
    taken.iter().map(|held| held.job.id).collect()
}
