//! A store in memory, links to it that fail on demand, and workers on virtual time.

use async_trait::async_trait;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use steadfast_clock::{Clock, SharedClock};
use steadfast_queue::backend::rules::{Limits, Retention};
use steadfast_queue::backend::{
    Control, Controlled, DeadGroups, Enqueued, Extend, Extended, Filter, MemoryBackend, Page, QueueStats,
    Reservation, Reserve, Settle, Settled, Stats, Status, Sweep, Swept,
};
use steadfast_queue::event::{Events, EventsFrom};
use steadfast_queue::handler::{Handler, JobContext, Outcome};
use steadfast_queue::maintenance::{Maintenance, MaintenanceConfig};
use steadfast_queue::worker::{
    JobObserver, JobOutcome, JobReport, RunGate, Worker, WorkerConfig, WorkerHandle,
};
use steadfast_queue::{Backend, Job, JobId, NewJob, QueueError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) const QUEUE: &str = "q";

/// Reads Tokio's clock, so that a paused runtime moves store and worker together.
#[derive(Debug)]
pub(super) struct TokioClock(Instant);

impl TokioClock {
    pub(super) fn shared() -> SharedClock {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for TokioClock {
    fn now_ms(&self) -> i64 {
        1_700_000_000_000 + i64::try_from(self.mono_ms()).expect("short tests")
    }

    fn mono_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).expect("short tests")
    }
}

/// A call to the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Op {
    Reserve,
    Extend,
    Settle,
    Sweep(Sweep),
}

impl Op {
    pub(super) const ALL: [Self; 6] = [
        Self::Reserve,
        Self::Extend,
        Self::Settle,
        Self::Sweep(Sweep::Promote),
        Self::Sweep(Sweep::Reclaim),
        Self::Sweep(Sweep::Prune),
    ];
}

/// What a link does to a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Not carried out, and said so.
    Refused,
    /// Not carried out, because of one item that the store cannot take.
    Inconsistent(JobId),
    /// Carried out, but the answer is lost.
    ReplyLost,
    /// Carried out, answered so much later.
    ReplyLate(Duration),
    /// Never answered, and not carried out.
    Silent,
}

/// One process's way to the store.
#[derive(Debug)]
pub(super) struct Link {
    store: Arc<MemoryBackend>,
    faults: Mutex<BTreeMap<Op, (Fault, u32)>>,
    calls: Mutex<BTreeMap<Op, Vec<usize>>>,
    store_lease_ms: Mutex<Option<u64>>,
}

impl Link {
    /// The next `times` calls of `op` fail so.
    pub(super) fn fail(&self, op: Op, fault: Fault, times: u32) {
        locked(&self.faults).insert(op, (fault, times));
    }

    /// All calls fail so until healed.
    pub(super) fn fail_all(&self, fault: Fault) {
        Op::ALL.into_iter().for_each(|op| self.fail(op, fault, u32::MAX));
    }

    pub(super) fn heal(&self) {
        locked(&self.faults).clear();
    }

    /// The store counts leases shorter than the worker asked for, as after a pause of the worker.
    pub(super) fn shorten_leases(&self, lease_ms: u64) {
        *locked(&self.store_lease_ms) = Some(lease_ms);
    }

    /// The sizes of the calls of `op`, in order.
    pub(super) fn calls(&self, op: Op) -> Vec<usize> {
        locked(&self.calls).get(&op).cloned().unwrap_or_default()
    }

    async fn via<T: Send>(
        &self,
        op: Op,
        ids: &[JobId],
        call: impl Future<Output = Result<T, QueueError>> + Send,
    ) -> Result<T, QueueError> {
        locked(&self.calls).entry(op).or_default().push(ids.len());
        let away = || QueueError::Unavailable { what: "a fault of this test".into(), source: None };
        match self.next_fault(op) {
            None => call.await,
            Some(Fault::Refused) => Err(away()),
            Some(Fault::Inconsistent(id)) if ids.contains(&id) => {
                Err(QueueError::Inconsistent { what: "an item that cannot be taken".into() })
            }
            Some(Fault::Inconsistent(_)) => call.await,
            Some(Fault::ReplyLost) => call.await.and_then(|_| Err(away())),
            Some(Fault::ReplyLate(by)) => {
                let answer = call.await;
                tokio::time::sleep(by).await;
                answer
            }
            Some(Fault::Silent) => std::future::pending().await,
        }
    }

    fn next_fault(&self, op: Op) -> Option<Fault> {
        let mut faults = locked(&self.faults);
        let (fault, left) = faults.get_mut(&op)?;
        let fault = *fault;
        *left -= 1;
        if *left == 0 {
            faults.remove(&op);
        }
        Some(fault)
    }
}

#[async_trait]
impl Backend for Link {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError> {
        self.store.enqueue(jobs).await
    }
    async fn reserve(&self, mut request: Reserve) -> Result<Vec<Reservation>, QueueError> {
        request.lease_ms = locked(&self.store_lease_ms).unwrap_or(request.lease_ms);
        self.via(Op::Reserve, &[], self.store.reserve(request)).await
    }
    async fn extend(&self, leases: Vec<Extend>, lease_ms: u64) -> Result<Vec<Extended>, QueueError> {
        let ids: Vec<_> = leases.iter().map(|extend| extend.lease.id).collect();
        self.via(Op::Extend, &ids, self.store.extend(leases, lease_ms)).await
    }
    async fn settle(&self, settlements: Vec<Settle>) -> Result<Vec<Settled>, QueueError> {
        let ids: Vec<_> = settlements.iter().map(|settle| settle.lease.id).collect();
        self.via(Op::Settle, &ids, self.store.settle(settlements)).await
    }
    async fn sweep(&self, sweep: Sweep, limit: usize) -> Result<Swept, QueueError> {
        self.via(Op::Sweep(sweep), &[], self.store.sweep(sweep, limit)).await
    }
    async fn get(&self, ids: Vec<JobId>) -> Result<Vec<Option<Job>>, QueueError> {
        self.store.get(ids).await
    }
    async fn status(&self, ids: Vec<JobId>) -> Result<Vec<Status>, QueueError> {
        self.store.status(ids).await
    }
    async fn list(&self, filter: Filter, cursor: Option<String>, limit: usize) -> Result<Page, QueueError> {
        self.store.list(filter, cursor, limit).await
    }
    async fn control(&self, command: Control) -> Result<Controlled, QueueError> {
        self.store.control(command).await
    }
    async fn stats(&self) -> Result<Stats, QueueError> {
        self.store.stats().await
    }
    async fn dead_groups(&self, queue: Option<String>, max: usize) -> Result<DeadGroups, QueueError> {
        self.store.dead_groups(queue, max).await
    }
    async fn events(&self, from: EventsFrom, limit: usize, wait: Duration) -> Result<Events, QueueError> {
        self.store.events(from, limit, wait).await
    }
}

type Run = dyn Fn(Job, JobContext) -> BoxFuture<'static, Outcome> + Send + Sync;

/// A handler from a closure.
struct Does(Box<Run>);

#[async_trait]
impl Handler for Does {
    async fn run(&self, job: &Job, context: &JobContext) -> Outcome {
        (self.0)(job.clone(), context.clone()).await
    }
}

pub(super) type Handlers = HashMap<String, Arc<dyn Handler>>;

/// A handler for the kind `k`.
pub(super) fn does<F, R>(run: F) -> Handlers
where
    F: Fn(Job, JobContext) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send + 'static,
{
    let run = Does(Box::new(move |job, context| Box::pin(run(job, context))));
    HashMap::from([("k".to_owned(), Arc::new(run) as Arc<dyn Handler>)])
}

/// A handler that takes `ms` milliseconds and is done, whatever its token says.
pub(super) fn takes(ms: u64) -> Handlers {
    does(move |_, _| async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Outcome::done()
    })
}

/// Every report, in order.
#[derive(Default)]
pub(super) struct Reports(Mutex<Vec<JobReport>>);

impl JobObserver for Reports {
    fn finished(&self, report: &JobReport) {
        locked(&self.0).push(report.clone());
    }
}

impl Reports {
    pub(super) fn outcomes(&self) -> Vec<JobOutcome> {
        locked(&self.0).iter().map(|report| report.outcome).collect()
    }
}

/// A store and whoever uses it.
pub(super) struct Rig {
    pub(super) store: Arc<MemoryBackend>,
    pub(super) clock: SharedClock,
    pub(super) tasks: TaskTracker,
}

/// A running worker.
pub(super) struct Running {
    pub(super) link: Arc<Link>,
    pub(super) handle: WorkerHandle,
    pub(super) stop: CancellationToken,
    pub(super) abort: CancellationToken,
    pub(super) task: tokio::task::JoinHandle<()>,
    pub(super) reports: Arc<Reports>,
}

impl Running {
    pub(super) fn outcomes(&self) -> Vec<JobOutcome> {
        self.reports.outcomes()
    }

    pub(super) fn reports(&self) -> Vec<JobReport> {
        locked(&self.reports.0).clone()
    }

    /// Stops it softly and waits for its end; returns how long that took.
    pub(super) async fn end(self) -> Duration {
        let began = Instant::now();
        self.stop.cancel();
        self.task.await.expect("the worker does not panic");
        began.elapsed()
    }
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        let clock = TokioClock::shared();
        let store = MemoryBackend::with(Arc::clone(&clock), limits, Retention::default());
        Self { store, clock, tasks: TaskTracker::new() }
    }

    /// A way to the store of its own: one per process.
    pub(super) fn link(&self) -> Arc<Link> {
        Arc::new(Link {
            store: Arc::clone(&self.store),
            faults: Mutex::default(),
            calls: Mutex::default(),
            store_lease_ms: Mutex::default(),
        })
    }

    /// A worker with a process of its own.
    pub(super) fn work(&self, config: WorkerConfig, handlers: Handlers) -> Running {
        self.work_in(&self.link(), &RunGate::new(), config, handlers)
    }

    /// A worker in a process that has others.
    pub(super) fn work_in(
        &self,
        link: &Arc<Link>,
        gate: &RunGate,
        config: WorkerConfig,
        handlers: Handlers,
    ) -> Running {
        let reports = Arc::new(Reports::default());
        let observer: Arc<dyn JobObserver> = Arc::clone(&reports) as _;
        let worker = Worker::new(Arc::clone(link) as _, handlers, config, Arc::clone(&self.clock))
            .with_gate(gate.clone())
            .with_observer(observer);
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let handle = worker.handle();
        let task = self.tasks.spawn(worker.run(stop.clone(), abort.clone()));
        Running { link: Arc::clone(link), handle, stop, abort, task, reports }
    }

    /// Housekeeping, until the rig's runtime ends.
    pub(super) fn keep_house(&self) {
        let house =
            Maintenance::new(self.store.clone(), Arc::clone(&self.clock), MaintenanceConfig::default());
        self.tasks.spawn(house.run(CancellationToken::new()));
    }

    /// `count` plain jobs.
    pub(super) async fn enqueue(&self, count: usize) -> Vec<JobId> {
        self.enqueue_all((0..count).map(|_| job()).collect()).await
    }

    pub(super) async fn enqueue_all(&self, jobs: Vec<NewJob>) -> Vec<JobId> {
        let answers = self.store.enqueue(jobs).await.expect("memory does not fail");
        let id = |answer| match answer {
            Enqueued::New(id) => id,
            other => panic!("not enqueued: {other:?}"),
        };
        answers.into_iter().map(id).collect()
    }

    pub(super) async fn job(&self, id: JobId) -> Job {
        let mut found = self.store.get(vec![id]).await.expect("memory does not fail");
        found.remove(0).expect("it is kept")
    }

    pub(super) async fn stats(&self) -> QueueStats {
        let mut stats = self.store.stats().await.expect("memory does not fail");
        stats.queues.remove(QUEUE).unwrap_or_default()
    }

    /// Waits until `count` jobs are completed.
    pub(super) async fn completed(&self, count: u64) {
        until(async || self.stats().await.completed_total >= count).await;
    }
}

pub(super) fn job() -> NewJob {
    NewJob::new(QUEUE, "k", "payload")
}

pub(super) fn config() -> WorkerConfig {
    WorkerConfig::new(QUEUE)
}

pub(super) async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}

pub(super) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Lets (virtual) time pass until `met`, at most ten minutes of it.
pub(super) async fn until(mut met: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + secs(600);
    while !met().await {
        assert!(Instant::now() < deadline, "the condition was not met in time");
        pass(millis(5)).await;
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds a lock")
}
